"""What each action does to each kind of target of a user, row by row of the requirements and decisions."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind
from scimsrv.limits import Limits
from scimsrv.schema.policy import Policy
from tests.schemas import CORE_USER, ENTERPRISE, SAMPLE, sample_schema, user_schema
from tests.unit.patch.support import UPSERT, Json, op, refused, run, user

WORK = {"type": "work", "value": "ada@work.example.com", "primary": True}
HOME = {"type": "home", "value": "ada@home.example.com"}
NAME = {"givenName": "Ada", "familyName": "Elm"}
OFFICE = {"type": "work", "locality": "Aarau", "country": "CH"}
MANAGER = {"value": "m-1", "$ref": "../Users/m-1"}


def after(before: dict[str, Json], *operations: Json, policy: Policy | None = None) -> dict[str, Json]:
    """The user's attributes beyond id, userName and schemas."""
    patched = run(user_schema(), user(**before), *operations, policy=policy or Policy())
    assert patched.document["schemas"] == [CORE_USER, *([ENTERPRISE] if ENTERPRISE in patched.document else [])]
    return {name: value for name, value in patched.document.items() if name not in ("schemas", "id", "userName")}


CASES: list[tuple[str, dict[str, Json], Json, dict[str, Json]]] = [
    # 7644-3.5.2.1: add
    ("3.5.2.1-02", {"emails": [WORK]}, op("add", value={"emails": [HOME], "nickname": "Babs"}), {"emails": [WORK, HOME], "nickName": "Babs"}),
    ("3.5.2.1-04", {}, op("add", "title", value="A"), {"title": "A"}),
    ("3.5.2.1-05", {"name": NAME}, op("add", "name", value={"givenName": "J"}), {"name": {"givenName": "J", "familyName": "Elm"}}),
    ("3.5.2.1-05", {"name": NAME}, op("add", "name.givenName", value="J"), {"name": {"givenName": "J", "familyName": "Elm"}}),
    ("3.5.2.1-05", {}, op("add", "name.givenName", value="J"), {"name": {"givenName": "J"}}),
    ("3.5.2.1-06", {"emails": [WORK]}, op("add", "emails", value=HOME), {"emails": [WORK, HOME]}),
    ("3.5.2.1-06", {"emails": [WORK]}, op("add", "emails", value="x@example.com"), {"emails": [WORK, {"value": "x@example.com"}]}),
    ("3.5.2.1-07", {"title": "A"}, op("add", "title", value="B"), {"title": "B"}),
    (
        "3.5.2.1-08",
        {"emails": [WORK, HOME]},
        op("add", 'emails[type eq "work"].display', value="W"),
        {"emails": [WORK | {"display": "W"}, HOME]},
    ),
    (
        "3.5.2.1-08",
        {"emails": [WORK, HOME]},
        op("add", 'emails[type eq "home"]', value={"display": "H"}),
        {"emails": [WORK, HOME | {"display": "H"}]},
    ),
    ("3.5.2.1-08", {"emails": [WORK]}, op("add", "emails[primary eq true]", value=None), {"emails": [WORK]}),
    ("3.5.2.1-10", {"emails": [WORK, HOME]}, op("add", "emails", value=[WORK]), {"emails": [WORK, HOME]}),
    (
        "3.5.2.1-10, case does not count",
        {"emails": [HOME]},
        op("add", "emails", value=[{"type": "HOME", "value": "ADA@home.example.com", "primary": False}]),
        {"emails": [HOME]},
    ),
    ("add nothing", {"emails": [WORK], "title": "A"}, op("add", "emails", value=[]), {"emails": [WORK], "title": "A"}),
    ("add null, one value", {"title": "A"}, op("add", "title", value=None), {}),
    # decision 1: add without match
    ("1", {}, op("add", 'emails[type eq "work"].value', value="w@x"), {"emails": [{"type": "work", "value": "w@x"}]}),
    (
        "1",
        {"emails": [WORK]},
        op("add", 'emails[type eq "other" and display eq "O"]', value={"value": "w@x"}),
        {"emails": [WORK, {"type": "other", "display": "O", "value": "w@x"}]},
    ),
    (
        "1",
        {},
        op("add", 'emails[type eq "a" and (display eq "b" and value eq "c")].primary', value="True"),
        {"emails": [{"type": "a", "display": "b", "value": "c", "primary": True}]},
    ),
    ("1, null is no demand", {}, op("add", "emails[type eq null].value", value="w@x"), {"emails": [{"value": "w@x"}]}),
    (
        "1, coerced",
        {"roles": [{"value": "a", "primary": True}]},
        op("add", 'roles[primary eq "True" and type eq "t"].value', value="b"),
        {"roles": [{"value": "a", "primary": False}, {"primary": True, "type": "t", "value": "b"}]},
    ),
    ("1, null makes nothing", {}, op("add", 'emails[type eq "work"].value', value=None), {}),
    ("1, null makes nothing", {}, op("add", 'emails[type eq "work"]', value=None), {}),
    (
        "1, manager",
        {},
        op("add", f'{ENTERPRISE}:manager[value eq "m-2"].$ref', value="../Users/m-2"),
        {ENTERPRISE: {"manager": {"value": "m-2", "$ref": "../Users/m-2"}}},
    ),
    # 7644-3.5.2.2: remove
    ("3.5.2.2-02", {"title": "A"}, op("remove", "title"), {}),
    ("3.5.2.2-02", {"title": "A"}, op("remove", "title", value="other"), {}),
    ("3.5.2.2-03", {"emails": [WORK, HOME]}, op("remove", "emails"), {}),
    ("3.5.2.2-04", {"emails": [WORK, HOME]}, op("remove", f'emails[value eq "{HOME["value"]}"]'), {"emails": [WORK]}),
    ("3.5.2.2-04", {"emails": [HOME]}, op("remove", 'emails[type eq "home"]'), {}),
    ("3.5.2.2-05", {"emails": [WORK, HOME]}, op("remove", 'emails[type eq "work" and value ew "example.com"]'), {"emails": [HOME]}),
    (
        "3.5.2.2-06",
        {"addresses": [OFFICE]},
        op("remove", 'addresses[type eq "work"].country'),
        {"addresses": [{"type": "work", "locality": "Aarau"}]},
    ),
    ("3.5.2.2-07", {"emails": [{"value": "x"}, WORK]}, op("remove", 'emails[value eq "x"].value'), {"emails": [WORK]}),
    ("3.5.2.2-07", {"name": {"givenName": "Ada"}}, op("remove", "name.givenName"), {}),
    ("3.5.2.2-12", {}, op("remove", "nickName"), {}),
    ("3.5.2.2-12", {}, op("remove", "name.givenName"), {}),
    ("3.5.2.2-12", {"emails": [HOME]}, op("remove", "emails.display"), {"emails": [HOME]}),
    ("remove part", {"emails": [WORK, HOME]}, op("remove", "emails.type"), {"emails": [{k: v for k, v in e.items() if k != "type"} for e in (WORK, HOME)]}),
    ("3, no match", {"emails": [HOME]}, op("remove", 'emails[type eq "other"]'), {"emails": [HOME]}),
    ("3, no match", {}, op("remove", 'emails[type eq "other"].value'), {}),
    # decision 4: remove with a value list
    ("4", {"emails": [WORK, HOME]}, op("remove", "emails", value=[{"value": HOME["value"].upper()}]), {"emails": [WORK]}),
    ("4", {"emails": [WORK, HOME]}, op("remove", "emails", value={"value": HOME["value"], "type": "work"}), {"emails": [WORK, HOME]}),
    ("4", {"emails": [WORK, HOME]}, op("remove", "emails", value=[{"type": "home", "primary": False}]), {"emails": [WORK]}),
    ("4", {"emails": [WORK, HOME]}, op("remove", "emails", value=[HOME["value"]]), {"emails": [WORK]}),
    ("4", {"emails": [WORK, HOME]}, op("remove", "emails", value=[WORK, HOME]), {}),
    ("4", {"emails": [WORK, HOME]}, op("remove", "emails", value=[]), {"emails": [WORK, HOME]}),
    ("4", {"emails": [WORK, HOME]}, op("remove", "emails", value=[{}, {"nope": 1}, None]), {"emails": [WORK, HOME]}),
    ("4", {"emails": [WORK, HOME]}, op("remove", "emails", value=None), {}),
    # 7644-3.5.2.3: replace
    ("3.5.2.3-01", {"active": True, "title": "A"}, op("replace", value={"active": False}), {"active": False, "title": "A"}),
    ("3.5.2.3-02", {"title": "A"}, op("replace", "title", value="Z"), {"title": "Z"}),
    ("3.5.2.3-02, spelling", {"title": "a"}, op("replace", "title", value="A"), {"title": "A"}),
    ("3.5.2.3-03", {"emails": [WORK, HOME]}, op("replace", "emails", value=[HOME]), {"emails": [HOME]}),
    ("3.5.2.3-03", {"emails": [WORK]}, op("replace", "emails", value=HOME), {"emails": [HOME]}),
    ("3.5.2.3-04", {}, op("replace", "nickName", value="N"), {"nickName": "N"}),
    ("3.5.2.3-05, 21", {"name": NAME}, op("replace", "name", value={"givenName": "J"}), {"name": {"givenName": "J", "familyName": "Elm"}}),
    ("21, null", {"name": NAME}, op("replace", "name", value={"givenName": None}), {"name": {"familyName": "Elm"}}),
    ("21, nothing", {"name": NAME}, op("replace", "name", value={}), {"name": NAME}),
    ("21, unknown", {"name": NAME}, op("replace", "name", value={"nope": "x"}), {"name": NAME}),
    (
        "3.5.2.3-06",
        {"addresses": [{"type": "home", "primary": True}, OFFICE]},
        op("replace", 'addresses[type eq "work"]', value={"type": "work", "locality": "H", "primary": True}),
        {"addresses": [{"type": "home", "primary": False}, {"type": "work", "locality": "H", "primary": True}]},
    ),
    (
        "21, selector kept",
        {"addresses": [OFFICE]},
        op("replace", 'addresses[type eq "work"]', value={"locality": "Basel"}),
        {"addresses": [{"type": "work", "locality": "Basel"}]},
    ),
    (
        "21, selector cleared",
        {"addresses": [OFFICE]},
        op("replace", 'addresses[type eq "work"]', value=[{"locality": "Basel", "type": None}]),
        {"addresses": [{"locality": "Basel"}]},
    ),
    ("replace by null", {"emails": [WORK, HOME]}, op("replace", 'emails[type eq "work"]', value=None), {"emails": [HOME]}),
    (
        "3.5.2.3-07",
        {"addresses": [OFFICE]},
        op("replace", 'addresses[type eq "work"].streetAddress', value="1 Mill Lane"),
        {"addresses": [OFFICE | {"streetAddress": "1 Mill Lane"}]},
    ),
    ("3.5.2.3-09", {"title": "A"}, op("replace", "title", value=None), {}),
    ("3.5.2.3-09", {"emails": [WORK]}, op("replace", "emails", value=[]), {}),
    ("3.5.2.3-09", {"name": NAME}, op("replace", "name", value=None), {}),
    ("3.5.2.3-10", {"emails": [HOME], "title": "A"}, op("replace", value={"emails": [WORK], "nickName": "B"}), {"emails": [WORK], "title": "A", "nickName": "B"}),
    ("part of every value", {"emails": [HOME, {"value": "x"}]}, op("replace", "emails.display", value="D"), {"emails": [HOME | {"display": "D"}, {"value": "x", "display": "D"}]}),
    ("part of no value", {}, op("replace", "emails.value", value="x"), {"emails": [{"value": "x"}]}),
    ("part of no value", {}, op("replace", "emails.value", value=None), {}),
    # decision 17: primary
    ("17", {"emails": [WORK]}, op("add", "emails", value=[HOME | {"primary": True}]), {"emails": [WORK | {"primary": False}, HOME | {"primary": True}]}),
    ("17, again", {"emails": [WORK, HOME]}, op("add", "emails", value=[HOME | {"primary": True}]), {"emails": [WORK | {"primary": False}, HOME | {"primary": True}]}),
    ("17, by part", {"emails": [WORK, HOME]}, op("replace", 'emails[type eq "home"].primary', value=True), {"emails": [WORK | {"primary": False}, HOME | {"primary": True}]}),
    ("17, no promotion", {"emails": [WORK, HOME]}, op("remove", "emails[primary eq true]"), {"emails": [HOME]}),
    ("17, none", {"emails": [WORK, HOME]}, op("replace", "emails.primary", value=False), {"emails": [WORK | {"primary": False}, HOME | {"primary": False}]}),
    ("17, untouched", {"emails": [WORK, HOME]}, op("replace", 'emails[type eq "work"].value', value="x"), {"emails": [WORK | {"value": "x"}, HOME]}),
    # decisions 18 to 20: spellings
    ("18", {"name": NAME}, op("add", value={"name.givenName": "J", "NAME": {"formatted": "F"}}), {"name": NAME | {"givenName": "J", "formatted": "F"}}),
    ("18", {"emails": [WORK]}, op("add", value={'emails[type eq "work"].value': "x"}), {"emails": [WORK | {"value": "x"}]}),
    ("18", {}, op("add", value={ENTERPRISE.lower(): {"Department": "D"}}), {ENTERPRISE: {"department": "D"}}),
    ("18", {ENTERPRISE: {"department": "D"}}, op("replace", value={ENTERPRISE: None, "title": "A"}), {"title": "A"}),
    ("19", {}, op("Add", "active", value="TRUE"), {"active": True}),
    ("20", {}, op("add", "name", value=[NAME]), {"name": NAME}),
    ("20", {ENTERPRISE: {"manager": MANAGER}}, op("replace", "manager", value="m-2"), {ENTERPRISE: {"manager": {"value": "m-2"}}}),
    ("20", {ENTERPRISE: {"manager": MANAGER}}, op("replace", "manager", value={"value": "m-1"}), {ENTERPRISE: {"manager": MANAGER}}),
    ("20", {ENTERPRISE: {"manager": MANAGER}}, op("replace", "manager.value", value="m-2"), {ENTERPRISE: {"manager": {"value": "m-2"}}}),
    ("20", {ENTERPRISE: {"manager": MANAGER}}, op("add", "manager", value={"displayName": "Ben"}), {ENTERPRISE: {"manager": MANAGER}}),
    *[
        ("20, cleared", {ENTERPRISE: {"manager": MANAGER, "division": "N"}}, op("replace", f"{ENTERPRISE}:manager", value=value), {ENTERPRISE: {"division": "N"}})
        for value in ("", None, [], [""], {"value": ""}, {"value": None}, [{"value": ""}])
    ],
    ("20, cleared", {ENTERPRISE: {"manager": MANAGER}}, op("replace", "manager.value", value=""), {}),
    ("pain 5", {ENTERPRISE: {"manager": MANAGER}}, op("replace", 'manager[value eq "m-1"].value', value="m-2"), {ENTERPRISE: {"manager": {"value": "m-2"}}}),
    ("pain 5", {ENTERPRISE: {"manager": MANAGER}}, op("replace", 'manager[value eq "m-1"]', value={"value": "m-2"}), {ENTERPRISE: {"manager": {"value": "m-2"}}}),
    ("pain 5", {ENTERPRISE: {"manager": MANAGER}}, op("replace", 'manager[value eq "m-1"]', value=""), {}),
    ("pain 5", {ENTERPRISE: {"manager": MANAGER}}, op("remove", 'manager[value eq "m-9"]'), {ENTERPRISE: {"manager": MANAGER}}),
    # decisions 68 and 71
    ("68", {}, op("replace", "title", value=""), {"title": ""}),
    ("68", {"emails": [WORK]}, op("replace", 'emails[type eq "work"].value', value=""), {"emails": [WORK | {"value": ""}]}),
    ("71", {}, op("replace", "profileUrl", value="NOTAURI"), {"profileUrl": "NOTAURI"}),
    ("71", {}, op("add", "manager", value="NOSUCHMANAGER"), {ENTERPRISE: {"manager": {"value": "NOSUCHMANAGER"}}}),
    # extensions
    ("3.5.2-08, -13", {}, op("add", f"{ENTERPRISE.lower()}:EMPLOYEENUMBER", value="7"), {ENTERPRISE: {"employeeNumber": "7"}}),
    ("3.5.2-08", {ENTERPRISE: {"division": "N"}}, op("replace", ENTERPRISE, value={"department": "D"}), {ENTERPRISE: {"division": "N", "department": "D"}}),
    ("3.5.2-14", {ENTERPRISE: {"division": "N"}}, op("remove", f"{ENTERPRISE}:division"), {}),
]


@pytest.mark.parametrize(("row", "before", "operation", "expected"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_an_operation_does(row: str, before: dict[str, Json], operation: Json, expected: dict[str, Json]) -> None:
    """Each row names the requirement (RFC 7644) or decision; doing it again changes nothing more."""
    assert after(before, operation) == expected, row
    if operation["op"] != "replace" or "[" not in operation.get("path", ""):
        assert after(expected, operation) == expected, row


REFUSED: list[tuple[str, dict[str, Json], Json, Kind]] = [
    ("3.5.2-10", {}, op("replace", "id", value="x"), Kind.MUTABILITY),
    ("3.5.2-10", {}, op("replace", "id", value="u-1"), Kind.MUTABILITY),
    ("3.5.2-10", {}, op("add", "meta.version", value="x"), Kind.MUTABILITY),
    ("3.5.2-10", {}, op("add", "groups", value=[{"value": "g-1"}]), Kind.MUTABILITY),
    ("3.5.2-10", {}, op("replace", 'groups[value eq "g-1"].display', value="x"), Kind.MUTABILITY),
    ("3.5.2-10", {}, op("replace", "manager.displayName", value="x"), Kind.MUTABILITY),
    ("3.5.2.2-09", {}, op("remove", "groups"), Kind.MUTABILITY),
    ("3.5.2.2-09", {}, op("remove", 'groups[value eq "g-1"]'), Kind.MUTABILITY),
    ("3.5.2.2-09", {}, op("remove", "id"), Kind.MUTABILITY),
    ("3.5.2.2-08", {}, op("remove", "userName"), Kind.MUTABILITY),
    ("67", {}, op("replace", "userName", value=None), Kind.INVALID_VALUE),
    ("67", {}, op("add", value={"userName": None}), Kind.INVALID_VALUE),
    ("3.5.2-12", {}, op("replace", "active", value="maybe"), Kind.INVALID_VALUE),
    ("3.5.2-12", {}, op("replace", "title", value=7), Kind.INVALID_VALUE),
    ("3.5.2-12", {}, op("replace", "title", value=["a", "b"]), Kind.INVALID_VALUE),
    ("3.5.2-12", {}, op("replace", "title", value={"value": "a"}), Kind.INVALID_VALUE),
    ("3.5.2-12", {}, op("replace", "name", value="Ada"), Kind.INVALID_VALUE),
    ("3.5.2-12", {}, op("replace", "name", value=[NAME, NAME]), Kind.INVALID_VALUE),
    ("3.5.2-12", {}, op("add", "emails", value=[7]), Kind.INVALID_VALUE),
    ("3.5.2.3-08", {"emails": [WORK]}, op("replace", 'emails[type eq "zzz"].value', value="x"), Kind.NO_TARGET),
    ("3.5.2.3-08", {}, op("replace", 'emails[type eq "zzz"]', value={"value": "x"}), Kind.NO_TARGET),
    ("1", {}, op("add", 'emails[type ne "work"].value', value="x"), Kind.NO_TARGET),
    ("1", {}, op("add", 'emails[type sw "w"].value', value="x"), Kind.NO_TARGET),
    ("1", {}, op("add", 'emails[type eq "a" or type eq "b"].value', value="x"), Kind.NO_TARGET),
    ("1", {}, op("add", 'emails[not (type eq "a")].value', value="x"), Kind.NO_TARGET),
    ("1", {}, op("add", 'emails[type eq "a" and value sw "b"].display', value="x"), Kind.NO_TARGET),
    ("1", {}, op("add", 'emails[type eq "a" and type eq "b"].display', value="x"), Kind.NO_TARGET),
    ("1", {}, op("add", 'emails[type eq "a" and (value sw "b" and display eq "c")].display', value="x"), Kind.NO_TARGET),
    ("1, manager", {ENTERPRISE: {"manager": MANAGER}}, op("add", 'manager[value eq "m-2"].$ref', value="x"), Kind.NO_TARGET),
    ("1, readOnly", {}, op("add", 'manager[displayName eq "m-2"].value', value="x"), Kind.NO_TARGET),
    ("16", {}, op("replace", value={"id": "other", "title": "x"}), Kind.MUTABILITY),
    ("16", {}, op("replace", value={"groups": [{"value": "g-1"}]}), Kind.MUTABILITY),
    ("16", {}, op("add", value={"manager.displayName": "x"}), Kind.MUTABILITY),
    ("16", {}, op("add", value={'groups[value eq "x"].display': None}), Kind.MUTABILITY),
    ("17", {"emails": [HOME]}, op("add", "emails", value=[WORK, HOME | {"primary": True}]), Kind.INVALID_VALUE),
    ("17", {}, op("replace", "emails", value=[WORK, HOME | {"primary": True}]), Kind.INVALID_VALUE),
    ("17", {"emails": [WORK, HOME]}, op("replace", "emails.primary", value=True), Kind.INVALID_VALUE),
    ("17", {"emails": [WORK, HOME]}, op("add", "emails[value pr]", value={"primary": True}), Kind.INVALID_VALUE),
    ("71", {}, op("replace", "profileUrl", value=""), Kind.INVALID_VALUE),
    ("schemas", {}, op("add", "schemas", value=["urn:nope"]), Kind.INVALID_VALUE),
    ("schemas", {}, op("replace", "schemas", value=[ENTERPRISE]), Kind.INVALID_VALUE),
    ("schemas", {}, op("replace", "schemas", value=[CORE_USER, "urn:nope"]), Kind.INVALID_VALUE),
    ("schemas", {}, op("replace", "schemas", value=None), Kind.INVALID_VALUE),
    ("schemas", {}, op("remove", "schemas"), Kind.MUTABILITY),
    ("schemas", {}, op("remove", "schemas", value=[CORE_USER]), Kind.MUTABILITY),
    ("schemas", {}, op("remove", f'schemas[value eq "{CORE_USER}"]'), Kind.MUTABILITY),
    ("schemas", {}, op("remove", f'schemas eq "{CORE_USER}"'), Kind.MUTABILITY),
    ("schemas", {}, op("remove", CORE_USER), Kind.MUTABILITY),
]


@pytest.mark.parametrize(("row", "before", "operation", "kind"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_refused(row: str, before: dict[str, Json], operation: Json, kind: Kind) -> None:
    refused(kind, user_schema(), user(**before), op("add", "title", value="x"), operation, operation=1)


@pytest.mark.parametrize(
    "value",
    [
        {"id": "u-1", "title": "x"},
        {"ID": "u-1", "schemas": ["urn:nope"], "meta": {"version": "9"}, "title": "x"},
        {"groups": [], "title": "x"},
        {"groups": None, "title": "x"},
        {f"{CORE_USER}:id": "u-1", "title": "x"},
        {CORE_USER: {"id": "u-1", "meta": {}, "title": "x"}},
    ],
)
def test_readonly_members_that_say_nothing_new_are_ignored(value: Json) -> None:
    """Decision 16."""
    assert after({}, op("replace", value=value)) == {"title": "x"}


def test_operations_act_on_the_result_of_those_before() -> None:
    """7644-3.5.2-16, and the first failure is the answer."""
    assert after({}, op("add", "title", value="A"), op("replace", "title", value="B"), op("remove", "title")) == {}
    refused(Kind.MUTABILITY, user_schema(), user(), op("replace", "title", value="X"), op("replace", "id", value="y"), operation=1)


@pytest.mark.parametrize(
    "operation",
    [
        op("remove", ENTERPRISE),
        op("remove", f'schemas[value eq "{ENTERPRISE}"]'),
        op("remove", f'schemas[value eq "{ENTERPRISE.upper()}" or value eq "urn:nope"]'),
        op("remove", f'schemas eq "{ENTERPRISE}"'),
        op("remove", "schemas", value=[ENTERPRISE]),
        op("replace", "schemas", value=[CORE_USER]),
        op("replace", ENTERPRISE, value=None),
    ],
    ids=str,
)
def test_an_extension_goes_with_its_data(operation: Json) -> None:
    """7644-3.5.2-15 and -25."""
    assert after({ENTERPRISE: {"division": "N", "manager": MANAGER}, "title": "A"}, operation) == {"title": "A"}


@pytest.mark.parametrize(
    "operation",
    [
        op("add", "schemas", value=[ENTERPRISE, CORE_USER]),
        op("add", "schemas", value=ENTERPRISE.upper()),
        op("replace", "schemas", value=[ENTERPRISE, CORE_USER]),
        op("remove", "schemas", value=[]),
        op("remove", "schemas", value=["urn:nope"]),
    ],
    ids=str,
)
def test_naming_an_extension_does_not_make_or_lose_data(operation: Json) -> None:
    """7644-3.5.2-15: what follows may use it all the same."""
    data = {ENTERPRISE: {"division": "N"}}
    assert after({}, operation) == {}
    assert after(data, operation) == data
    assert after({}, operation, op("add", f"{ENTERPRISE}:division", value="N")) == data


def test_replace_without_match_creates_where_the_policy_says_so() -> None:
    """Decision 2."""
    made = {"emails": [{"type": "work", "value": "x"}]}
    assert after({}, op("replace", 'emails[type eq "work"].value', value="x"), policy=UPSERT) == made
    assert after({}, op("replace", 'emails[type eq "work"]', value={"value": "x"}), policy=UPSERT) == made
    refused(Kind.NO_TARGET, user_schema(), user(), op("replace", 'emails[type ew "k"].value', value="x"), policy=UPSERT)


def test_empty_strings_clear_where_the_policy_says_so() -> None:
    """Decision 68."""
    policy = Policy(empty_string_clears=True)
    before = {"title": "A", "name": NAME, "emails": [WORK]}
    operations = [op("replace", "title", value=""), op("add", "name", value={"givenName": ""}), op("replace", "emails.value", value="")]
    cleared = {"name": {"familyName": "Elm"}, "emails": [{"type": "work", "primary": True}]}
    assert after(before, *operations, policy=policy) == cleared


def test_user_name_may_not_be_empty() -> None:
    """Decision 68: a fault of the resource as a whole, found at its end."""
    refused(Kind.INVALID_VALUE, user_schema(), user(), op("replace", "userName", value=""), operation=None)
    assert run(user_schema(), user(), op("replace", "userName", value=""), op("add", "userName", value="b")).document["userName"] == "b"


def test_secrets_are_apart_from_the_document() -> None:
    """A password is never in the document; None forgets it."""
    for operation, expected in (
        (op("replace", value={"password": "Sample-Lantern-2"}), {"password": "Sample-Lantern-2"}),
        (op("add", "password", value="Sample-Lantern-2"), {"password": "Sample-Lantern-2"}),
        (op("remove", "password"), {"password": None}),
        (op("replace", "password", value=None), {"password": None}),
        (op("add", "title", value="x"), {}),
    ):
        patched = run(user_schema(), user(), operation)
        assert patched.secrets == expected
        assert "password" not in patched.document
    refused(Kind.INVALID_VALUE, user_schema(), user(), op("replace", "password", value=7))


def test_as_many_values_as_the_server_keeps() -> None:
    """Many requests of few values do not grow a resource beyond what one request may hold; what is there already may stay."""
    limits = Limits(values=3)
    full = [{"value": str(number)} for number in range(3)]
    add = op("add", "emails", value=[{"value": "new"}])
    assert len(run(user_schema(), user(emails=full[:2]), add, limits=limits).document["emails"]) == 3
    refused(Kind.INVALID_VALUE, user_schema(), user(emails=full), add, limits=limits)
    over = user(emails=[*full, {"value": "3"}])
    run(user_schema(), over, op("replace", 'emails[value eq "3"].type', value="x"), limits=limits)
    refused(Kind.INVALID_VALUE, user_schema(), over, add, limits=limits)


@pytest.mark.parametrize(
    ("before", "operation", "expected"),
    [
        ({}, op("add", f"{SAMPLE}:tags", value="a"), {"tags": ["a"]}),
        ({"tags": ["a"]}, op("add", f"{SAMPLE}:tags", value=["A", "b"]), {"tags": ["a", "b"]}),
        ({"tags": ["a", "b"]}, op("remove", f"{SAMPLE}:tags", value=["A"]), {"tags": ["b"]}),
        ({"tags": ["a", "b"]}, op("remove", f"{SAMPLE}:tags", value="A"), {"tags": ["b"]}),
        ({"tags": ["a", "b"]}, op("remove", f'{SAMPLE}:tags[value eq "A"]'), {"tags": ["b"]}),
        ({"tags": ["a", "b"]}, op("remove", f'{SAMPLE}:tags eq "A"'), {"tags": ["b"]}),
        ({"tags": ["a", "b"]}, op("replace", f'{SAMPLE}:tags[value eq "A"]', value=["c"]), {"tags": ["c", "b"]}),
        ({"tags": ["a", "b"]}, op("replace", f'{SAMPLE}:tags[value eq "A"]', value="b"), {"tags": ["b"]}),
        ({"tags": ["a", "b"]}, op("replace", f'{SAMPLE}:tags[value eq "A"]', value=[]), {"tags": ["b"]}),
        ({"tags": ["a"]}, op("add", f'{SAMPLE}:tags[value eq "a"]', value=None), {"tags": ["a"]}),
        ({"tags": ["a"]}, op("add", f'{SAMPLE}:tags[value eq "b"]', value="b"), {"tags": ["a", "b"]}),
        ({"floors": [1, 2]}, op("remove", f"{SAMPLE}:floors[value gt 1]"), {"floors": [1]}),
        ({"floors": [1]}, op("add", f"{SAMPLE}:floors", value=[1.0, 2]), {"floors": [1, 2]}),
        ({"grade": 1}, op("replace", f"{SAMPLE}:grade", value=2.0), {"grade": 2}),
        ({"desks": [{"room": "a"}]}, op("add", f"{SAMPLE}:desks[width eq 1.0].room", value="b"), {"desks": [{"room": "a"}, {"width": 1, "room": "b"}]}),
    ],
    ids=str,
)
def test_values_of_other_types(before: dict[str, Json], operation: Json, expected: dict[str, Json]) -> None:
    """Lists of simple values, and numbers, by the same rules."""
    assert run(sample_schema(), user(**{SAMPLE: before}), operation).document[SAMPLE] == expected


def test_a_list_of_simple_values_has_no_element_to_make_from_another_comparison() -> None:
    refused(Kind.NO_TARGET, sample_schema(), user(), op("add", f'{SAMPLE}:tags[value sw "a"]', value="b"))
    refused(Kind.NO_TARGET, sample_schema(), user(), op("replace", f'{SAMPLE}:tags[value eq "a"]', value="b"))
