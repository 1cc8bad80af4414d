"""Immutable, readOnly, required and never-returned attributes and sub-attributes, on a type that has them all."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind
from scimsrv.patch.links import LinkChange
from tests.unit.patch.support import LEASE, Json, op, refused, run, tool, tool_schema

BLADE = {"number": "b", "batch": "7", "checked": "yes", "colours": ["red"]}


def after(before: dict[str, Json], *operations: Json) -> dict[str, Json]:
    document = run(tool_schema(), tool(**before), *operations).document
    return {name: value for name, value in document.items() if name not in ("schemas", "id", "label", "kinds")}


@pytest.mark.parametrize(
    ("before", "operation", "expected"),
    [
        # decision 15
        ({}, op("add", "serial", value="1"), {"serial": "1"}),
        ({}, op("replace", "serial", value="1"), {"serial": "1"}),
        ({"serial": "a"}, op("add", "serial", value="A"), {"serial": "a"}),
        ({"serial": "a"}, op("replace", "serial", value="a"), {"serial": "a"}),
        ({"serial": "a"}, op("replace", value={"serial": "a"}), {"serial": "a"}),
        ({}, op("remove", "serial"), {}),
        ({"codes": ["a", "b"]}, op("replace", "codes", value=["b", "a"]), {"codes": ["a", "b"]}),
        ({"codes": ["a"]}, op("add", "codes", value=["a"]), {"codes": ["a"]}),
        ({"codes": ["a"]}, op("remove", "codes", value=["A"]), {"codes": ["a"]}),
        # immutable and readOnly parts of a record
        (
            {"parts": [BLADE]},
            op("replace", 'parts[number eq "b"]', value={"size": 2}),
            {"parts": [{"number": "b", "batch": "7", "checked": "yes", "size": 2}]},
        ),
        ({"parts": [BLADE]}, op("replace", 'parts[number eq "b"].batch', value="7"), {"parts": [BLADE]}),
        ({"parts": [{"number": "b"}]}, op("add", 'parts[number eq "b"].batch', value="7"), {"parts": [{"number": "b", "batch": "7"}]}),
        ({"parts": [BLADE]}, op("remove", 'parts[number eq "b"]'), {}),
        ({"parts": [BLADE]}, op("add", 'parts[number eq "b"]', value={"checked": "no"}), {"parts": [BLADE]}),
        # sub-attributes of several values
        ({"parts": [BLADE]}, op("add", 'parts[number eq "b"].colours', value="blue"), {"parts": [BLADE | {"colours": ["red", "blue"]}]}),
        ({"parts": [BLADE]}, op("add", "parts.colours", value=["RED"]), {"parts": [BLADE]}),
        ({"parts": [BLADE]}, op("replace", "parts.colours", value=["blue"]), {"parts": [BLADE | {"colours": ["blue"]}]}),
        ({"parts": [BLADE]}, op("remove", "parts.colours", value=["red"]), {"parts": [{k: v for k, v in BLADE.items() if k != "colours"}]}),
        ({"parts": [BLADE]}, op("remove", 'parts[colours eq "RED"]'), {}),
        (
            {"parts": [BLADE]},
            op("add", "parts", value=[{"number": "B", "batch": "7", "colours": ["red"]}]),
            {"parts": [BLADE, {"number": "B", "batch": "7", "colours": ["red"]}]},
        ),
        # readOnly members that say nothing new
        (
            {"stamp": "s", "origin": {"country": "CH"}},
            op("add", value={"stamp": "s", "origin": {"country": "CH"}}),
            {"stamp": "s", "origin": {"country": "CH"}},
        ),
        ({"origin": {"country": "CH"}}, op("add", value={"origin.country": "CH", "stamp": ""}), {"origin": {"country": "CH"}}),
        # what is not there is not missed
        ({}, op("remove", "maker.seal"), {}),
        ({}, op("replace", "maker.city", value=None), {}),
    ],
    ids=str,
)
def test_what_is_allowed(before: dict[str, Json], operation: Json, expected: dict[str, Json]) -> None:
    assert after(before, operation) == expected


@pytest.mark.parametrize(
    ("before", "operation", "kind"),
    [
        ({"serial": "a"}, op("add", "serial", value="b"), Kind.MUTABILITY),
        ({"serial": "a"}, op("replace", "serial", value="b"), Kind.MUTABILITY),
        ({"serial": "a"}, op("replace", "serial", value=None), Kind.MUTABILITY),
        ({"serial": "a"}, op("replace", value={"serial": "b"}), Kind.MUTABILITY),
        ({"serial": "a"}, op("remove", "serial"), Kind.MUTABILITY),
        ({"codes": ["a"]}, op("add", "codes", value=["b"]), Kind.MUTABILITY),
        ({"codes": ["a"]}, op("add", "codes", value=["A"]), Kind.MUTABILITY),
        ({"codes": ["a"]}, op("remove", "codes", value=["a"]), Kind.MUTABILITY),
        ({"codes": ["a"]}, op("remove", 'codes[value eq "a"]'), Kind.MUTABILITY),
        ({"parts": [BLADE]}, op("replace", 'parts[number eq "b"].batch', value="8"), Kind.MUTABILITY),
        ({"parts": [BLADE]}, op("replace", 'parts[number eq "b"]', value={"batch": "8"}), Kind.MUTABILITY),
        ({"parts": [BLADE]}, op("add", "parts.batch", value="8"), Kind.MUTABILITY),
        ({"parts": [BLADE]}, op("remove", "parts.batch"), Kind.MUTABILITY),
        ({"parts": [BLADE]}, op("remove", 'parts[number eq "b"].number'), Kind.MUTABILITY),
        ({"parts": [BLADE]}, op("replace", 'parts[number eq "b"].number', value=None), Kind.INVALID_VALUE),
        ({"parts": [BLADE]}, op("replace", "parts.checked", value="no"), Kind.MUTABILITY),
        ({"maker": {"name": "m", "seal": "s"}}, op("remove", "maker.seal"), Kind.MUTABILITY),
        ({"stamp": "s"}, op("replace", "stamp", value="s"), Kind.MUTABILITY),
        ({"stamp": "s"}, op("replace", value={"stamp": "t"}), Kind.MUTABILITY),
        ({"stamp": "s"}, op("replace", value={"stamp": None}), Kind.MUTABILITY),
        ({"origin": {"country": "CH"}}, op("add", value={"origin.country": "FR"}), Kind.MUTABILITY),
        ({}, op("add", "origin.country", value="FR"), Kind.MUTABILITY),
        ({}, op("remove", "label"), Kind.MUTABILITY),
        ({}, op("remove", "kinds"), Kind.MUTABILITY),
        ({}, op("remove", "kinds", value=["hand"]), Kind.MUTABILITY),
        ({}, op("remove", 'kinds[value eq "hand"]'), Kind.MUTABILITY),
        ({}, op("replace", "kinds", value=[]), Kind.INVALID_VALUE),
        ({}, op("replace", "label", value=None), Kind.INVALID_VALUE),
        ({}, op("remove", "pin"), Kind.MUTABILITY),
        ({}, op("replace", "pin", value=None), Kind.INVALID_VALUE),
        ({LEASE: {"contract": "c"}}, op("remove", LEASE), Kind.MUTABILITY),
        ({LEASE: {"checked": "c"}}, op("add", value={LEASE: {"checked": "d"}}), Kind.MUTABILITY),
    ],
    ids=str,
)
def test_what_is_refused(before: dict[str, Json], operation: Json, kind: Kind) -> None:
    refused(kind, tool_schema(), tool(**before), operation)


@pytest.mark.parametrize(
    "operation",
    [
        op("add", "parts", value=[{"size": 2}]),
        op("add", "parts.size", value=2),
        op("add", "maker.city", value="Aarau"),
        op("replace", "maker", value={"city": "Aarau"}),
    ],
    ids=str,
)
def test_a_required_sub_attribute_may_not_be_missing_in_the_end(operation: Any) -> None:
    """A fault of the resource as a whole: a later operation of the request may supply it."""
    refused(Kind.INVALID_VALUE, tool_schema(), tool(), operation, operation=None)


def test_a_later_operation_may_supply_a_required_sub_attribute() -> None:
    assert after({}, op("add", "maker.city", value="Aarau"), op("add", "maker.seal", value="s")) == {
        "maker": {"city": "Aarau", "seal": "s"}
    }


def test_dropping_an_extension_drops_its_references_and_secrets_and_keeps_what_the_server_wrote() -> None:
    patched = run(tool_schema(), tool(**{LEASE: {"until": "2026-01-01T00:00:00Z", "checked": "yes"}}), op("remove", LEASE))
    assert patched.document[LEASE] == {"checked": "yes"}
    assert patched.links == {f"{LEASE}:holders".lower(): LinkChange(True, (), ())}
    assert patched.secrets == {f"{LEASE}:code".lower(): None}


def test_a_required_extension_cannot_be_dropped() -> None:
    schema, before = tool_schema(lease_required=True), tool(**{LEASE: {"until": "2026-01-01T00:00:00Z"}})
    refused(Kind.MUTABILITY, schema, before, op("remove", LEASE))
    refused(Kind.MUTABILITY, schema, before, op("replace", value={LEASE: None}))
    refused(Kind.INVALID_VALUE, schema, before, op("remove", f"{LEASE}:until"), operation=None)


def test_references_of_an_extension_go_by_their_qualified_key() -> None:
    patched = run(tool_schema(), tool(), op("add", f"{LEASE}:holders", value=["a"]))
    assert patched.links == {f"{LEASE}:holders".lower(): LinkChange(False, ("a",), ())}
    assert LEASE not in patched.document
