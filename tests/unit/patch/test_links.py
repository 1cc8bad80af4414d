"""Operations on members become a net change that equals what the same operations do to a plain set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.errors import Kind
from scimsrv.patch import work
from scimsrv.patch.links import Ledger, LinkChange, NeedsLinks
from tests.schemas import group_schema
from tests.unit.patch.support import POLICY, UPSERT, op, refused, run, tool, tool_schema

GROUP: dict[str, Any] = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": "g-1", "displayName": "Staff"}
ROWS = [
    {"value": "a", "type": "User", "display": "Ada", "$ref": "https://scim.example.com/Users/a"},
    {"value": "b", "type": "User", "display": "Ben", "$ref": "https://scim.example.com/Users/b"},
    {"value": "g", "type": "Group", "display": "Guests", "$ref": "https://scim.example.com/Groups/g"},
]
LOADED = {"members": ROWS}
IDS = st.sampled_from("abcdef")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "remove", "replace"]), st.lists(IDS, max_size=4)),
        st.tuples(st.just("clear"), st.just([])),
    ),
    max_size=8,
)


def change(*operations: Any, **options: Any) -> LinkChange:
    """The net change of members; none is the empty one."""
    patched = run(group_schema(), GROUP, *operations, **options)
    assert patched.document == GROUP
    return patched.links.get("members", LinkChange(False, (), ()))


def as_set(step: str, ids: list[str], members: set[str]) -> set[str]:
    return {"add": members | set(ids), "remove": members - set(ids), "replace": set(ids), "clear": set()}[step]


@given(st.sets(IDS), STEPS)
def test_the_ledger_is_a_set(members: set[str], steps: list[tuple[str, list[str]]]) -> None:
    """Whatever the members were, the net change leads where the steps lead one by one, and both SQL statements suffice for it."""
    ledger, wanted = Ledger(), set(members)
    for step, ids in steps:
        getattr(ledger, step)(*([] if step == "clear" else [ids]))
        wanted = as_set(step, ids, wanted)
        for id_ in "abcdef":
            assert ledger.holds(id_) in (None, id_ in wanted)
    net = ledger.change()
    assert set(net.applied(members)) == wanted
    deleted = {id_ for id_ in members if id_ not in net.added} if net.cleared else members & set(net.removed)
    assert (members - deleted) | set(net.added) == wanted
    assert not set(net.added) & set(net.removed)
    assert not (net.cleared and net.removed)


@given(st.sets(IDS), STEPS)
def test_operations_on_members_are_operations_on_a_set(members: set[str], steps: list[tuple[str, list[str]]]) -> None:
    """The same through paths and values, with a remove by filter and by value list."""
    operations: list[Any] = []
    wanted = set(members)
    for position, (step, ids) in enumerate(steps):
        wanted = as_set(step, ids, wanted)
        value = [{"value": id_, "$ref": None} for id_ in ids]
        if step == "clear":
            operations.append(op("remove", "members"))
        elif step == "remove" and ids and position % 2:
            operations.append(op("remove", "members[" + " or ".join(f'value eq "{id_}"' for id_ in ids) + "]"))
        else:
            operations.append(op(step, "members", value=value))
    assert set(change(*operations).applied(members)) == wanted


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (op("add", "members", value=[{"value": "a"}, {"value": "b"}, {"value": "a"}]), LinkChange(False, ("a", "b"), ())),
        (op("add", "members", value={"value": "a"}), LinkChange(False, ("a",), ())),
        (op("add", "members", value="a"), LinkChange(False, ("a",), ())),
        (op("add", "members", value=["a"]), LinkChange(False, ("a",), ())),
        (op("add", "members", value=[{"value": "a", "type": "Nonsense", "$ref": None, "display": 7}]), LinkChange(False, ("a",), ())),
        (op("add", "members", value=[]), LinkChange(False, (), ())),
        (op("add", "members", value=None), LinkChange(False, (), ())),
        (op("add", value={"members": [{"value": "a"}]}), LinkChange(False, ("a",), ())),
        (op("replace", "members", value=[{"value": "a"}]), LinkChange(True, ("a",), ())),
        (op("replace", "members", value=[]), LinkChange(True, (), ())),
        (op("replace", "members", value=None), LinkChange(True, (), ())),
        (op("replace", value={"members": [{"value": "a"}]}), LinkChange(True, ("a",), ())),
        (op("remove", "members"), LinkChange(True, (), ())),
        (op("remove", "members", value=None), LinkChange(True, (), ())),
        (op("remove", "members", value=[]), LinkChange(False, (), ())),
        (op("remove", "members", value=[{"value": "a", "$ref": None}]), LinkChange(False, (), ("a",))),
        (op("remove", "members", value={"value": "a"}), LinkChange(False, (), ("a",))),
        (op("remove", "members", value=["a"]), LinkChange(False, (), ("a",))),
        (op("remove", 'members[value eq "a"]'), LinkChange(False, (), ("a",))),
        (op("remove", 'members[value eq "a" or value eq "b"]'), LinkChange(False, (), ("a", "b"))),
        (op("add", 'members[value eq "a"]', value={"display": "Ada"}), LinkChange(False, ("a",), ())),
        (op("add", 'members[value eq "a"]', value={"value": "a"}), LinkChange(False, ("a",), ())),
        (op("add", 'members[value eq "a"]', value=None), LinkChange(False, (), ())),
    ],
    ids=str,
)
def test_no_rows_are_needed_where_ids_are_named(operation: Any, expected: LinkChange) -> None:
    """Decision 4 for value lists; 7644-3.5.2.1-10, 7644-3.5.2.2-03 and -04, 7644-3.5.2.3-03; no value leaves no doubt, [] names none."""
    assert change(operation) == expected


@pytest.mark.parametrize(
    ("path", "removed"),
    [
        ('members[type eq "group"]', ("g",)),
        ('members[display co "a"]', ("a",)),
        ('members[not (type eq "User")]', ("g",)),
        ('members[type eq "User" and value eq "b"]', ("b",)),
        ('members[type eq "Device"]', ()),
        ("members[value pr]", ("a", "b", "g")),
    ],
)
def test_other_filters_ask_for_the_rows(path: str, removed: tuple[str, ...]) -> None:
    """A cost that only the client's filter causes; afterwards it is the same net change."""
    with pytest.raises(NeedsLinks) as caught:
        change(op("remove", path))
    assert caught.value.place.name == "members"
    assert change(op("remove", path), loaded=LOADED) == LinkChange(False, (), removed)


def test_a_filter_sees_what_the_request_did_so_far() -> None:
    """7644-3.5.2-16: rows that were removed do not match any more, an added id is matched by what is known of it."""
    operations = [
        op("remove", 'members[value eq "a"]'),
        op("add", "members", value=[{"value": "z"}]),
        op("remove", 'members[type eq "User" or value eq "z"]'),
    ]
    assert set(change(*operations, loaded=LOADED).applied(["a", "b", "g"])) == {"g"}
    cleared = [op("remove", "members"), op("add", "members", value="z"), op("remove", "members[type pr]")]
    assert change(*cleared, loaded=LOADED) == LinkChange(True, ("z",), ())


def test_a_matching_reference_is_replaced_and_a_missing_one_is_no_target() -> None:
    """RFC 7644 §3.5.2.3: whether it matches has to be known, by the request itself or by the rows."""
    swap = op("replace", 'members[value eq "a"]', value={"value": "z"})
    with pytest.raises(NeedsLinks):
        change(swap)
    assert change(swap, loaded=LOADED) == LinkChange(False, ("z",), ("a",))
    assert change(op("add", "members", value="a"), swap) == LinkChange(False, ("z",), ("a",))
    refused(Kind.NO_TARGET, group_schema(), GROUP, swap, loaded={"members": ROWS[1:]})
    refused(Kind.NO_TARGET, group_schema(), GROUP, op("remove", "members"), swap, operation=1)
    assert change(swap | {"value": {"display": "Ada"}}, loaded=LOADED) == LinkChange(False, (), ())
    assert change(swap | {"value": None}, loaded=LOADED) == LinkChange(False, (), ("a",))


def test_replace_without_match_creates_where_the_policy_says_so() -> None:
    """Decision 2."""
    replaced = op("replace", 'members[value eq "z"]', value={"value": "z"})
    assert change(replaced, loaded=LOADED, policy=UPSERT) == LinkChange(False, ("z",), ())
    assert change(op("replace", 'members[type eq "Device"]', value="z"), loaded=LOADED, policy=UPSERT) == LinkChange(False, ("z",), ())


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (op("add", "members.value", value="a"), Kind.MUTABILITY),
        (op("replace", "members.display", value="a"), Kind.MUTABILITY),
        (op("remove", "members.type"), Kind.MUTABILITY),
        (op("replace", 'members[value eq "a"].value', value="b"), Kind.MUTABILITY),
        (op("replace", 'members[value eq "a"].display', value="b"), Kind.MUTABILITY),
        (op("remove", 'members[value eq "a"].type'), Kind.MUTABILITY),
        (op("add", 'members[value eq "a"]', value={"value": "z"}), Kind.MUTABILITY),
        (op("add", 'members[type eq "User"]', value={"value": "z"}), Kind.MUTABILITY),
        (op("add", 'members[display sw "x"]', value={"value": "z"}), Kind.NO_TARGET),
        (op("add", 'members[type eq "Device"]', value={"display": "z"}), Kind.NO_TARGET),
        (op("add", "members", value=[{"display": "a"}]), Kind.INVALID_VALUE),
        (op("add", "members", value=[{"value": 7}]), Kind.INVALID_VALUE),
        (op("remove", "members", value=[{"display": "a"}]), Kind.INVALID_VALUE),
    ],
    ids=str,
)
def test_refused(operation: Any, kind: Kind) -> None:
    """What describes a reference is the server's: its parts cannot be set one by one."""
    refused(kind, group_schema(), GROUP, operation, loaded=LOADED)


def test_the_same_value_of_an_immutable_part_is_no_change() -> None:
    """Decision 15."""
    for action in ("add", "replace"):
        assert change(op(action, 'members[value eq "a"].value', value="a"), loaded=LOADED).applied(["a", "b"]) == ("a", "b")
    refused(Kind.NO_TARGET, group_schema(), GROUP, op("replace", 'members[value eq "z"].value', value="z"), loaded=LOADED)


def test_add_to_matching_references_changes_nothing_when_it_says_nothing_new() -> None:
    everyone = [{"value": row["value"]} for row in ROWS[:2]]
    assert change(op("add", 'members[type eq "User"]', value={"type": "User"}), loaded=LOADED) == LinkChange(False, (), ())
    assert change(op("add", 'members[type eq "User"]', value=everyone), loaded=LOADED) == LinkChange(False, (), ())
    assert change(op("add", 'members[type eq "Device"]', value="z"), loaded=LOADED) == LinkChange(False, ("z",), ())


def test_immutable_references_are_set_once() -> None:
    """Decision 15 for a reference attribute: whether it is set is in the rows."""
    schema, add = tool_schema(), op("add", "founders", value=["a"])
    with pytest.raises(NeedsLinks) as caught:
        run(schema, tool(), add)
    assert caught.value.place.key == "founders"
    assert run(schema, tool(), add, loaded={"founders": []}).links == {"founders": LinkChange(False, ("a",), ())}
    run(schema, tool(), add, loaded={"founders": [{"value": "a"}]})
    for operation in (add, op("remove", "founders"), op("replace", "founders", value=["a"])):
        refused(Kind.MUTABILITY, schema, tool(), operation, loaded={"founders": [{"value": "b"}]}, operation=None)


def test_required_references_cannot_be_cleared() -> None:
    refused(Kind.MUTABILITY, tool_schema(), tool(), op("remove", "owners"))
    refused(Kind.INVALID_VALUE, tool_schema(), tool(), op("replace", "owners", value=[]))
    assert run(tool_schema(), tool(), op("replace", "owners", value="a")).links == {"owners": LinkChange(True, ("a",), ())}


def test_the_cost_follows_the_request() -> None:
    """A list of ids that is long, and many operations after it, do not multiply."""
    ids = [f"u-{number}" for number in range(20_000)]
    operations = [op("add", "members", value=ids)] + [op("add", "members", value=f"v-{number}") for number in range(900)]
    net = change(*operations, policy=POLICY)
    assert len(net.added) == 20_900


def test_filters_that_look_at_every_row_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost is rows times comparisons, over the whole request; ids that are named cost nothing of the kind."""
    monkeypatch.setattr(work, "MAX_SCANNED", 2_000)
    rows = [{"value": f"u-{number}"} for number in range(100)]
    scan = op("remove", 'members[type eq "x" or type eq "y"]')
    named = [op("replace", 'members[value eq "u-1"]', value="u-2"), op("replace", 'members[value eq "u-2"]', value="u-1")]
    assert change(*named * 100, *[scan] * 10, loaded={"members": rows}).added == ("u-1",)
    refused(Kind.TOO_MANY, group_schema(), GROUP, *[scan] * 11, loaded={"members": rows}, operation=10)
