"""What each action does to each kind of target of a user, row by row of the requirements and decisions."""

from __future__ import annotations

import pytest

from scimsrv.errors import Kind
from scimsrv.limits import Limits
from scimsrv.schema.policy import Policy
from tests.schemas import CORE_USER, ENTERPRISE, SAMPLE, sample_schema, user_schema
from tests.unit.patch.cases import CASES, MANAGER, NAME, REFUSED, WORK
from tests.unit.patch.support import UPSERT, Json, op, refused, run, user


def after(before: dict[str, Json], *operations: Json, policy: Policy | None = None) -> dict[str, Json]:
    """The user's attributes beyond id, userName and schemas."""
    patched = run(user_schema(), user(**before), *operations, policy=policy or Policy())
    assert patched.document["schemas"] == [CORE_USER, *([ENTERPRISE] if ENTERPRISE in patched.document else [])]
    return {name: value for name, value in patched.document.items() if name not in ("schemas", "id", "userName")}


@pytest.mark.parametrize(("row", "before", "operation", "expected"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_an_operation_does(row: str, before: dict[str, Json], operation: Json, expected: dict[str, Json]) -> None:
    """Each row names the requirement (RFC 7644) or decision; doing it again changes nothing more."""
    assert after(before, operation) == expected, row
    if operation["op"] != "replace" or "[" not in operation.get("path", ""):
        assert after(expected, operation) == expected, row


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
        (
            {"desks": [{"room": "a"}]},
            op("add", f"{SAMPLE}:desks[width eq 1.0].room", value="b"),
            {"desks": [{"room": "a"}, {"width": 1, "room": "b"}]},
        ),
    ],
    ids=str,
)
def test_values_of_other_types(before: dict[str, Json], operation: Json, expected: dict[str, Json]) -> None:
    """Lists of simple values, and numbers, by the same rules."""
    assert run(sample_schema(), user(**{SAMPLE: before}), operation).document[SAMPLE] == expected


def test_a_list_of_simple_values_has_no_element_to_make_from_another_comparison() -> None:
    refused(Kind.NO_TARGET, sample_schema(), user(), op("add", f'{SAMPLE}:tags[value sw "a"]', value="b"))
    refused(Kind.NO_TARGET, sample_schema(), user(), op("replace", f'{SAMPLE}:tags[value eq "a"]', value="b"))
