"""The graph of a bulk request: each step after what it needs, circles kept together, and the order of the request otherwise."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.protocol.bulk import Bulk, Creations, Single, arranged, components, filled, read_entry

_GRAPHS = st.integers(1, 9).flatmap(lambda size: st.lists(st.lists(st.integers(0, size - 1), max_size=3), min_size=size, max_size=size))


def _reachable(needs: list[list[int]]) -> list[set[int]]:
    """What each node needs, directly or not, by adding until nothing comes any more."""
    found = [set(one) for one in needs]
    for _ in needs:
        found = [one.union(*(found[other] for other in one)) for one in found]
    return found


@settings(deadline=None)
@given(_GRAPHS)
def test_components(needs: list[list[int]]) -> None:
    """Two nodes share a component when each needs the other; a component comes after what it needs; without need, order is kept."""
    reach = _reachable(needs)
    found = components(needs)
    assert sorted(itertools.chain(*found)) == list(range(len(needs)))
    where = {node: place for place, component in enumerate(found) for node in component}
    for one, other in itertools.product(range(len(needs)), repeat=2):
        assert (where[one] == where[other]) == (one == other or (other in reach[one] and one in reach[other]))
        if other in reach[one]:
            assert where[other] <= where[one]
    # A node comes before an earlier one only if one that is before it, or the earlier one itself, needs it.
    for one, other in itertools.combinations(range(len(needs)), 2):
        if where[other] < where[one]:
            assert any(other in reach[node] for node in range(one + 1))


def test_what_a_circle_needs_keeps_its_order() -> None:
    """It comes before the circle, in the order of the request, whichever part of the circle needs it."""
    assert components([[1, 2], [0, 3], [], []]) == [(2,), (3,), (0, 1)]
    assert components([[1, 3], [0, 2], [], []]) == [(2,), (3,), (0, 1)]


def test_long_chains() -> None:
    """A chain as long as a request may be is no deeper than any other, in either direction and as a circle."""
    size = 5_000
    assert components([[node + 1] if node + 1 < size else [] for node in range(size)]) == [(node,) for node in reversed(range(size))]
    assert components([[node - 1] if node else [] for node in range(size)]) == [(node,) for node in range(size)]
    assert components([[(node + 1) % size] for node in range(size)]) == [tuple(range(size))]


def _bulk(*operations: dict[str, Any]) -> Bulk:
    return arranged(read_entry(index, orjson.dumps(one), "acme", Limits(), {}) for index, one in enumerate(operations))


def _create(bulk_id: str, *refers: str) -> dict[str, Any]:
    return {"method": "post", "path": "/Groups", "bulkId": bulk_id, "data": {"members": [{"value": f"bulkId:{one}"} for one in refers]}}


def test_steps() -> None:
    """Creations in a row are one step; what is not a creation stands alone in its place, and what it needs is created before it."""
    delete, patch = {"method": "DELETE", "path": "/Users/1"}, {"method": "PATCH", "path": "/Users/bulkId:e", "data": {}}
    bulk = _bulk(
        _create("a", "c"), _create("b"), delete, _create("c"), _create("d"), patch, _create("e"), _create("f", "g"), _create("g", "f")
    )
    assert bulk.steps == (Creations(((3,), (0,), (1,))), Single(2), Creations(((4,), (6,))), Single(5), Creations(((7, 8),)))


def test_bulk_ids_that_are_wrong() -> None:
    """References to what nobody defines, or several do, are faults; so is defining twice."""
    bulk = _bulk(_create("a"), _create("a"), _create("b", "a"), _create("c", "z"), _create("d", "d"))
    kinds = [None if entry.fault is None else entry.fault.kind for entry in bulk.entries]
    assert kinds == [Kind.INVALID_VALUE, Kind.INVALID_VALUE, Kind.CONFLICT, Kind.CONFLICT, None]
    assert bulk.definers == {"b": 2, "c": 3, "d": 4}


@pytest.mark.parametrize(
    ("method", "data", "expected"),
    [
        ("POST", {"a": "bulkId:x"}, {"a": "<x>"}),
        ("POST", {"a": ["BulkID:x", {"b": "bulkId:a b/c"}]}, {"a": ["<x>", {"b": "<a b/c>"}]}),
        ("POST", {"a": "see bulkId:x", "b": "bulkId:", "c": "x/bulkId:x"}, {"a": "see bulkId:x", "b": "bulkId:", "c": "x/bulkId:x"}),
        ("POST", {"m": [{"$ref": "bulkId:x"}]}, {"m": [{"$ref": "<x>", "value": "<x>"}]}),
        ("POST", {"m": {"$ref": "../Users/bulkId:x%20%C3%A9%2Fy"}}, {"m": {"$ref": "../Users/<x é/y>", "value": "<x é/y>"}}),
        ("POST", {"m": {"value": "bulkId:x%20y"}}, {"m": {"value": "<x%20y>"}}),
        ("POST", {"m": [{"$REF": "../Users/bulkId:x", "Value": "1"}]}, {"m": [{"$REF": "../Users/<x>", "Value": "1"}]}),
        ("POST", {"m": {"$ref": "https://a.example/Users/bulkId:x?y"}}, {"m": {"$ref": "https://a.example/Users/bulkId:x?y"}}),
        ("PATCH", {"Operations": [{"path": 'm[value eq "bulkId:x"]'}]}, {"Operations": [{"path": 'm[value eq "<x>"]'}]}),
        ("PATCH", {"operations": [{"PATH": "t", "value": "bulkId:x"}, 1]}, {"operations": [{"PATH": "t", "value": "<x>"}, 1]}),
        ("POST", {"a": "bul\u212aId:x", "m": [{"$ref": "bulk\u0130d:x"}]}, {"a": "bul\u212aId:x", "m": [{"$ref": "bulk\u0130d:x"}]}),
        ("PUT", {"Operations": [{"path": 'm[value eq "bulkId:x"]'}]}, {"Operations": [{"path": 'm[value eq "bulkId:x"]'}]}),
    ],
)
def test_filled(method: str, data: Any, expected: Any) -> None:
    """References are whole values, the ends of `$ref`, and literals in the paths of PATCH operations; nothing else is."""
    assert filled(data, method, lambda name: f"<{name}>") == expected


@pytest.mark.parametrize(("end", "kind"), [("", None), ("bulkId:x", Kind.INVALID_VALUE)])
def test_quotation_marks_that_are_never_closed(end: str, kind: Kind | None) -> None:
    """A text full of them is looked through once, and not again from each mark: in one of this size that would take hours."""
    data = {"nickName": "\\u", "title": '\\"' * 500_000 + end}
    entry = read_entry(0, orjson.dumps(_create("a") | {"data": data}), "acme", Limits(), {})
    assert (None if entry.fault is None else entry.fault.kind) == kind


@pytest.mark.parametrize(("value", "refused"), [([[]] * 3, False), ([[]] * 4, True), ([0] * 10, True)])
def test_operations_of_many_values(value: list[Any], refused: bool) -> None:
    """More than a body may have are refused before any is made, with the request: nothing of it is carried out."""
    text, limits = orjson.dumps(_create("a") | {"data": {"a": value}}), Limits(json_containers=6, json_values=11)
    if not refused:
        assert read_entry(0, text, "acme", limits, {}).fault is None
        return
    with pytest.raises(ScimError) as caught:
        read_entry(0, text, "acme", limits, {})
    assert caught.value.kind is Kind.INVALID_SYNTAX
