"""Operations array to operations: structure, names, targets, and which error each fault has."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.patch.operation import NO_VALUE, Action, Operation, Part, Root, Selected, Whole
from scimsrv.patch.parse import MAX_COMPARISONS, parse_operations
from scimsrv.schema.policy import Policy
from tests.schemas import CORE_USER, ENTERPRISE, user_schema
from tests.unit.patch.support import POLICY, STRICT, op


def parsed(*operations: Any, policy: Policy = POLICY) -> tuple[Operation, ...]:
    return parse_operations(list(operations), user_schema(), policy, Limits())


def kind_of(raw: Any, policy: Policy = POLICY, limits: Limits | None = None) -> tuple[Kind, int | None]:
    with pytest.raises(ScimError) as caught:
        parse_operations(raw, user_schema(), policy, limits or Limits())
    return caught.value.kind, caught.value.operation


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("add", Kind.INVALID_SYNTAX),
        (None, Kind.INVALID_SYNTAX),
        ({}, Kind.INVALID_SYNTAX),
        ({"path": "title"}, Kind.INVALID_SYNTAX),
        ({"op": None}, Kind.INVALID_SYNTAX),
        ({"op": ["add"], "path": "title", "value": "x"}, Kind.INVALID_SYNTAX),
        ({"op": "add", "Op": "remove", "path": "title", "value": "x"}, Kind.INVALID_SYNTAX),
        (op("move", "title", value="x"), Kind.INVALID_SYNTAX),
        (op("copy", "title", value="x"), Kind.INVALID_SYNTAX),
        (op("test", "title", value="x"), Kind.INVALID_SYNTAX),
        ({"op": "add", "path": 1, "value": "x"}, Kind.INVALID_PATH),
        ({"op": "add", "path": ["title"], "value": "x"}, Kind.INVALID_PATH),
        (op("add", "", value="x"), Kind.INVALID_PATH),
        (op("add", "   ", value="x"), Kind.INVALID_PATH),
        (op("add", "/title", value="x"), Kind.INVALID_PATH),
        (op("add", "nope", value="x"), Kind.INVALID_PATH),
        (op("add", "name.nope", value="x"), Kind.INVALID_PATH),
        (op("add", "title.nope", value="x"), Kind.INVALID_PATH),
        (op("add", "urn:example:nope:title", value="x"), Kind.INVALID_PATH),
        (op("add", f"{ENTERPRISE}:nope", value="x"), Kind.INVALID_PATH),
        (op("remove", "emails[0]"), Kind.INVALID_PATH),
        (op("remove", "emails[type eq"), Kind.INVALID_PATH),
        (op("remove", "emails]"), Kind.INVALID_PATH),
        (op("remove", 'emails[nope eq "x"]'), Kind.INVALID_FILTER),
        (op("remove", "emails[primary gt true]"), Kind.INVALID_FILTER),
        (op("remove", 'emails[primary eq "maybe"]'), Kind.INVALID_FILTER),
        (op("remove", 'emails[type eq "work"].nope'), Kind.INVALID_PATH),
        (op("remove", 'name.givenName[value eq "x"]'), Kind.INVALID_PATH),
        (op("remove", 'title[value eq "x"]'), Kind.INVALID_PATH),
        (op("replace", 'password[value eq "x"]', value="y"), Kind.INVALID_PATH),
        (op("replace", 'schemas[value sw "urn"]', value="y"), Kind.INVALID_PATH),
        (op("replace", f'schemas[value eq "{ENTERPRISE}"]', value="y"), Kind.INVALID_PATH),
        (op("remove", "schemas[value eq null]"), Kind.INVALID_PATH),
        (op("add", "title"), Kind.INVALID_VALUE),
        (op("replace", "title"), Kind.INVALID_VALUE),
        (op("replace"), Kind.INVALID_VALUE),
        (op("add", value="x"), Kind.INVALID_VALUE),
        (op("add", value=None), Kind.INVALID_VALUE),
        (op("add", value=[{"title": "x"}]), Kind.INVALID_VALUE),
        (op("add", CORE_USER, value="x"), Kind.INVALID_VALUE),
        (op("replace", ENTERPRISE, value="x"), Kind.INVALID_VALUE),
        (op("replace", value={ENTERPRISE: "x"}), Kind.INVALID_VALUE),
    ],
    ids=str,
)
def test_faults_have_their_kind_and_the_operations_index(operation: Any, kind: Kind) -> None:
    """7644-3.5.2-03, -05, -06, -12; 7644-3.5.2.1-01, -03; 7644-3.5.2.3-09; section 2 of the decisions on status and scimType."""
    assert kind_of([op("add", "title", value="x"), operation]) == (kind, 1)


@pytest.mark.parametrize("raw", [None, {}, "x", 1, {"op": "add"}])
def test_operations_must_be_an_array(raw: Any) -> None:
    assert kind_of(raw) == (Kind.INVALID_SYNTAX, None)


def test_no_operation_is_no_change_unless_the_policy_is_strict() -> None:
    """Decision 72."""
    assert parsed() == ()
    assert kind_of([], STRICT) == (Kind.INVALID_SYNTAX, None)


def test_too_many_operations() -> None:
    operations = [op("add", "title", value="x")] * 3
    assert len(parse_operations(operations, user_schema(), POLICY, Limits(patch_operations=3))) == 3
    assert kind_of(operations, limits=Limits(patch_operations=2)) == (Kind.TOO_MANY, None)


@pytest.mark.parametrize(
    "operation",
    [
        op("remove", "emails[" + " or ".join(['(value eq "x" and not (type pr))'] * 50) + "]"),
        op("add", value={"emails[" + " or ".join(['value eq "x"'] * 100) + "].display": "x"}),
    ],
    ids=["path", "key"],
)
def test_too_many_comparisons_in_all_filters_together(operation: Any) -> None:
    """Each costs a look at every value, so their number is limited over the whole request."""
    assert len(parsed(*[operation] * (MAX_COMPARISONS // 100))) == MAX_COMPARISONS // 100
    assert kind_of([operation] * (MAX_COMPARISONS // 100 + 1)) == (Kind.TOO_MANY, MAX_COMPARISONS // 100)


@pytest.mark.parametrize(
    ("path", "kind", "name", "sub"),
    [
        ("title", Whole, "title", None),
        ("TITLE", Whole, "title", None),
        (f"{CORE_USER}:title", Whole, "title", None),
        (f"{CORE_USER.upper()}:Title", Whole, "title", None),
        ("name.familyName", Part, "name.familyName", None),
        (f"{CORE_USER}:name.familyName", Part, "name.familyName", None),
        (f"{ENTERPRISE}:manager", Whole, f"{ENTERPRISE}:manager", None),
        (f"{ENTERPRISE}:manager.value", Part, f"{ENTERPRISE}:manager.value", None),
        ("manager", Whole, f"{ENTERPRISE}:manager", None),
        ("emails", Whole, "emails", None),
        ("emails.value", Part, "emails.value", None),
        ('emails[type eq "work"]', Selected, "emails", None),
        ('emails[type eq "work"].value', Selected, "emails", "value"),
        ('EMAILS[TYPE EQ "work"].VALUE', Selected, "emails", "value"),
        (f'{CORE_USER}:emails[type eq "work"].value', Selected, "emails", "value"),
        (f'{ENTERPRISE}:manager[value eq "m"]', Selected, f"{ENTERPRISE}:manager", None),
    ],
)
def test_paths_find_their_target(path: str, kind: type, name: str, sub: str | None) -> None:
    """7644-3.5.2-07 and -08: every form of Figure 8, qualified or not, in any case."""
    (operation,) = parsed(op("replace", path, value="x"))
    target = operation.target
    assert isinstance(target, kind)
    assert isinstance(target, Whole | Part | Selected)
    assert target.place.name == name
    assert (target.sub.name if isinstance(target, Selected) and target.sub else None) == sub


def test_no_value_is_not_null() -> None:
    without, null = parsed(op("remove", "emails"), op("remove", "emails", value=None))
    assert without.value is NO_VALUE
    assert null.value is None
    assert [without.index, null.index] == [0, 1]


def test_a_value_without_path_becomes_an_operation_for_each_member() -> None:
    """Decision 18: dotted, qualified and value-path keys are attribute paths; unknown keys, `schemas` and `meta` say nothing."""
    value = {
        "schemas": [CORE_USER],
        "meta": {"version": "x"},
        "name.givenName": "Ada",
        f"{ENTERPRISE}:department": "Gardens",
        'emails[type eq "work"].value': "a@example.com",
        ENTERPRISE: {"manager.value": "m-1", "division": "North", "nope": 1},
        "nope": 1,
        "emails[": 1,
        "": 1,
    }
    (root,) = parsed(op("replace", value=value))
    assert root.target == Root()
    members = root.value
    assert [type(member.target) for member in members] == [Part, Whole, Selected, Root]
    assert [member.target.place.name for member in members[-1].value] == [f"{ENTERPRISE}:manager.value", f"{ENTERPRISE}:division"]
    assert {member.index for member in members} == {0}
    assert {member.action for member in members} == {Action.REPLACE}


@pytest.mark.parametrize("value", [{"nope": 1}, {ENTERPRISE: {"nope": 1}}, {"emails[": 1}, {"name.nope": 1}])
def test_unknown_members_are_errors_where_the_policy_is_strict(value: Any) -> None:
    """Decisions 18 and 23."""
    assert parsed(op("add", value=value))
    assert kind_of([op("add", value=value)], STRICT) == (Kind.INVALID_SYNTAX, 0)


@pytest.mark.parametrize("urn", [CORE_USER, CORE_USER.upper()])
def test_the_base_urn_alone_is_the_resource(urn: str) -> None:
    (by_path,) = parsed(op("add", urn, value={"title": "x"}))
    (by_key,) = parsed(op("add", value={urn: {"title": "x"}}))
    assert by_path.target == by_key.target == Root()
    assert [member.target.place.name for member in by_path.value] == ["title"]
    assert [member.target.place.name for member in by_key.value[0].value] == ["title"]


@pytest.mark.parametrize("path", [ENTERPRISE, f'schemas[value eq "{ENTERPRISE}"]', f" {ENTERPRISE} "])
def test_an_extensions_urn_alone_is_removed_by_way_of_schemas(path: str) -> None:
    (operation,) = parsed(op("remove", path))
    assert isinstance(operation.target, Whole)
    assert operation.target.place.name == "schemas"
    assert operation.value == [ENTERPRISE]
