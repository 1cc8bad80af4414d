"""PATCH, RFC 7644 §3.5.2: the message, its paths, mutability and schema; with the helpers of the other PATCH checks."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from conformance.client import CORE_USER, ENTERPRISE_USER, PATCH_OP, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement

# -- helpers -----------------------------------------------------------------------------------------------------------


def place(resource: Json, endpoint: str = "/Users") -> str:
    """The path of a resource below the base URL."""
    return f"{endpoint}/{quote(resource['id'], safe='')}"


def person(scim: Scim, **attributes: Json) -> Json:
    """A fresh user to patch; skips the check when the server says that it has no PATCH."""
    scim.feature("patch")
    return scim.user(**attributes)


def team(scim: Scim, *members: Json, **attributes: Json) -> Json:
    """A fresh group of these resources to patch; skips the check when the server says that it has no PATCH."""
    scim.feature("patch")
    return scim.group(*[member["id"] for member in members], **attributes)


def mail(domain: str = "example.com") -> str:
    """A fresh mail address."""
    return f"{rand()}@{domain}"


def apply(scim: Scim, path: str, *operations: Json) -> Json:
    """PATCH, demand 200 or 204, and return what a GET then shows."""
    expect(scim.patch(path, *operations), 200, 204)
    return scim.read(path)


def refused(scim: Scim, path: str, *operations: Json, status: int = 400, types: tuple[str, ...] = ()) -> None:
    """PATCH, demand an Error of this status and one of these scimTypes, and that a GET shows the resource as it was."""
    before = scim.read(path)
    expect_error(scim.patch(path, *operations), status, *types)
    same(before, scim.read(path))


def same(before: Json, after: Json) -> None:
    """Fail, naming the attributes that differ, unless both representations are equal."""
    differing = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    shown = {key: (before.get(key), after.get(key)) for key in differing}
    ensure(not differing, f"the resource changed (before, after): {shown}")


def changed(before: Json, after: Json) -> None:
    """Fail if meta.version is still the same, where the server shows one: the control of checks that nothing changed."""
    version = (before.get("meta") or {}).get("version")
    ensure(version is None or after["meta"]["version"] != version, f"the version {version} survived a real change")


def pick(resource: Json, attribute: str, **wanted: Json) -> list[Any]:
    """The elements of a multi-valued attribute that have these sub-attributes."""
    return [item for item in resource.get(attribute) or [] if all(item.get(key) == value for key, value in wanted.items())]


def values(resource: Json, attribute: str) -> list[str]:
    """The `value` of every element, sorted."""
    return sorted(item.get("value", "") for item in resource.get(attribute) or [])


def belongs(scim: Scim, user: Json, *groups: Json) -> None:
    """Fail unless exactly these groups have the user: by a filter, and in the user's own groups if the server shows any."""
    wanted = sorted(group["id"] for group in groups)
    found = scim.find("/Groups", f'members.value eq "{user["id"]}"').get("Resources") or []
    equal(sorted(group["id"] for group in found), wanted, "groups found by their member")
    shown = values(scim.read(place(user)), "groups")
    ensure(not shown or shown == wanted, f"the user shows the groups {shown}, should be {wanted}")


def unassigned(resource: Json, attribute: str) -> None:
    """Fail if the attribute has a value (RFC 7643 §2.5: absent, null and the empty array are the same)."""
    ensure(resource.get(attribute) in (None, []), f"{attribute} should have no value, has {resource.get(attribute)!r}")


# -- the message -------------------------------------------------------------------------------------------------------


@requirement("7644-3.5-02", "7644-3.5.2-23")
def support_is_told_truly(scim: Scim) -> None:
    """PATCH works where ServiceProviderConfig promises it, and answers 501 where it says no; a server should offer it."""
    config = scim.read("/ServiceProviderConfig")
    supported = (config.get("patch") or {}).get("supported")
    user = scim.user(title="before")
    response = scim.patch(place(user), {"op": "replace", "path": "title", "value": "after"})
    if supported is not True:
        expect_error(response, 501)
        equal(scim.read(place(user)).get("title"), "before", "title after a PATCH that is switched off")
    equal(supported, True, "patch.supported in ServiceProviderConfig")
    expect(response, 200, 204)
    equal(scim.read(place(user)).get("title"), "after", "title")


@requirement("7644-3.5.2-01")
def message_schema_is_demanded(scim: Scim) -> None:
    """A PATCH body that does not carry the PatchOp URI in schemas is refused."""
    user = person(scim, title="before")
    operations = [{"op": "replace", "path": "title", "value": "after"}]
    wrong: list[Json] = [{}, {"schemas": []}, {"schemas": [CORE_USER]}, {"schemas": [PATCH_OP + "s"]}]
    for schemas in wrong:
        expect_error(scim.request("PATCH", place(user), schemas | {"Operations": operations}), 400, "invalidSyntax")
    same(user, scim.read(place(user)))


@requirement("7644-3.5.2-02")
def operations_are_demanded(scim: Scim) -> None:
    """A PATCH body needs an array Operations; an empty one changes nothing."""
    user = person(scim, title="before")
    for operations in ({}, {"Operations": None}, {"Operations": "remove"}, {"Operations": ["remove"]}, {"Operations": [7]}):
        expect_error(scim.request("PATCH", place(user), {"schemas": [PATCH_OP]} | operations), 400, "invalidSyntax")
    empty = scim.patch(place(user))  # decision 72: a no-op, or refused by a strict server
    if expect(empty, 200, 204, 400).status_code == 400:
        expect_error(empty, 400, "invalidSyntax")
    same(user, scim.read(place(user)))


@requirement("7644-3.5.2-03")
def one_known_op_each(scim: Scim) -> None:
    """Every operation has one op, which is add, remove or replace."""
    user = person(scim, title="before")
    target = {"path": "title", "value": "after"}
    for op in (
        {},
        {"op": None},
        {"op": ""},
        {"op": 1},
        {"op": ["replace"]},
        {"op": "set"},
        {"op": "delete"},
        {"op": "add", "Op": "replace"},
    ):
        refused(scim, place(user), op | target, types=("invalidSyntax",))


@requirement("7644-3.5.2-04")
def op_in_any_case(scim: Scim) -> None:
    """The name of an operation is read without regard to case."""
    user = person(scim, title="before", nickName="Ada")
    after = apply(
        scim,
        place(user),
        {"op": "Replace", "path": "title", "value": "after"},
        {"op": "REMOVE", "path": "nickName"},
        {"op": "Add", "path": "displayName", "value": "Ada L."},
    )
    equal(after.get("title"), "after", "title after Replace")
    unassigned(after, "nickName")
    equal(after.get("displayName"), "Ada L.", "displayName after Add")


@requirement("7644-3.5.2-05")
def nothing_of_json_patch(scim: Scim) -> None:
    """Array indexes and the operations move, copy and test of JSON Patch are refused."""
    user = person(scim, title="before", emails=[{"value": mail(), "type": "work"}])
    for path in ("emails[0]", "emails/0", "emails.0", "emails[0].value"):
        refused(scim, place(user), {"op": "remove", "path": path}, types=("invalidPath", "invalidFilter"))
    for op in ({"op": "move", "from": "title"}, {"op": "copy", "from": "title"}, {"op": "test", "value": "before"}):
        refused(scim, place(user), op | {"path": "displayName"}, types=("invalidSyntax",))


# -- paths -------------------------------------------------------------------------------------------------------------


@requirement("7644-3.5.2-06")
def malformed_paths(scim: Scim) -> None:
    """A path outside the grammar is refused and changes nothing."""
    user = person(scim, title="before", emails=[{"value": mail(), "type": "work"}])
    wrong = (
        "emails[type eq", 'emails[type eq "work"', 'emails[type eq "work"]value', "emails[].value", 'emails[type is "work"].value',
        "/title", "name..givenName", "name.", ".title", "title]", 'emails[type eq "work"].value eq', "ti tle",
    )  # fmt: skip
    for path in wrong:
        refused(scim, place(user), {"op": "replace", "path": path, "value": "x"}, types=("invalidPath", "invalidFilter"))


@requirement("7644-3.5.2-07")
def every_form_of_path(scim: Scim) -> None:
    """An attribute, a sub-attribute, a value filter, and a value filter with a sub-attribute are all paths."""
    ada, ben = person(scim), scim.user()
    group = team(scim, ada)
    after = apply(scim, place(group, "/Groups"), {"op": "add", "path": "members", "value": [{"value": ben["id"]}]})
    equal(values(after, "members"), sorted([ada["id"], ben["id"]]), "members after path members")
    chosen = f"members[value eq {json.dumps(ada['id'])}]"
    refused(
        scim, place(group, "/Groups"), {"op": "replace", "path": chosen + ".displayName", "value": "x"}, types=("invalidPath", "noTarget")
    )
    after = apply(scim, place(group, "/Groups"), {"op": "remove", "path": chosen})
    equal(values(after, "members"), [ben["id"]], "members after a path with a filter")
    after = apply(
        scim,
        place(ada),
        {"op": "add", "path": "name.familyName", "value": "Byron"},
        {"op": "add", "path": "addresses", "value": [{"type": "work", "country": "GB"}]},
        {"op": "replace", "path": 'addresses[type eq "work"]', "value": {"type": "work", "country": "FR"}},
        {"op": "add", "path": 'addresses[type eq "work"].locality', "value": "Paris"},
    )
    equal((after.get("name") or {}).get("familyName"), "Byron", "name.familyName")
    ensure(pick(after, "addresses", type="work", country="FR", locality="Paris"), f"addresses: {after.get('addresses')!r}")


@requirement("7644-3.5.2-08")
def paths_with_schema_urn(scim: Scim) -> None:
    """A path may start with the schema URN, in any case, or be the URN of an extension alone."""
    user = person(scim, name={"familyName": "Byron", "givenName": "Ada"})
    after = apply(
        scim,
        place(user),
        {"op": "add", "path": f"{CORE_USER}:title", "value": "Countess"},
        {"op": "replace", "path": f"{CORE_USER.upper()}:NAME.FAMILYNAME", "value": "King"},
        {"op": "add", "path": f"{ENTERPRISE_USER}:employeeNumber", "value": "7"},
        {"op": "add", "path": f"{ENTERPRISE_USER.upper()}:costCenter", "value": "C1"},
        {"op": "add", "path": ENTERPRISE_USER, "value": {"department": "Engines"}},
    )
    equal(after.get("title"), "Countess", "title")
    equal(after["name"].get("familyName"), "King", "name.familyName")
    equal(after["name"].get("givenName"), "Ada", "name.givenName")
    extension = after.get(ENTERPRISE_USER) or {}
    for name, wanted in {"employeeNumber": "7", "costCenter": "C1", "department": "Engines"}.items():
        equal(extension.get(name), wanted, f"{name} of the enterprise extension")


@requirement("7644-3.5.2-09")
def path_is_optional_except_for_remove(scim: Scim) -> None:
    """add and replace work without a path; remove without one is refused."""
    user = person(scim, title="before")
    after = apply(scim, place(user), {"op": "add", "value": {"nickName": "Ada"}}, {"op": "replace", "value": {"title": "after"}})
    equal(after.get("nickName"), "Ada", "nickName after add without a path")
    equal(after.get("title"), "after", "title after replace without a path")
    for rest in ({}, {"value": {"title": "after"}}):
        refused(scim, place(user), {"op": "remove"} | rest, types=("noTarget",))


@requirement("7644-3.5.2-25")
def path_that_is_an_expression(scim: Scim) -> None:
    """A bare comparison on a simple multi-valued attribute either selects its values or is refused as a path."""
    user = person(scim, **{ENTERPRISE_USER: {"department": "Engines"}})
    response = scim.patch(place(user), {"op": "remove", "path": f'schemas eq "{ENTERPRISE_USER}"'})
    after = scim.read(place(user))
    if expect(response, 200, 204, 400).status_code == 400:  # erratum 7122 leaves both open
        expect_error(response, 400, "invalidPath", "invalidFilter")
        same(user, after)
    else:
        equal(after.get("schemas"), [CORE_USER], "schemas")
        ensure(ENTERPRISE_USER not in after, "the extension's data is still there")


# -- mutability and schema ---------------------------------------------------------------------------------------------


@requirement("7644-3.5.2-10")
def protected_attributes(scim: Scim) -> None:
    """Read-only attributes, and immutable ones that have a value, cannot be changed."""
    ada, ben = person(scim), scim.user()
    group = team(scim, ada)
    other = rand()
    for path, value in (
        ("id", other),
        ("meta.created", "2001-01-01T00:00:00Z"),
        ("meta.resourceType", "Group"),
        ("groups", [{"value": other}]),
    ):
        for op in ("add", "replace"):
            refused(scim, place(ada), {"op": op, "path": path, "value": value}, types=("mutability",))
    refused(scim, place(ada), {"op": "replace", "value": {"id": other, "title": "x"}}, types=("mutability",))  # decision 16
    chosen = f"members[value eq {json.dumps(ada['id'])}]"
    refused(scim, place(group, "/Groups"), {"op": "replace", "path": chosen + ".value", "value": ben["id"]}, types=("mutability",))


@requirement("7644-3.5.2-12")
def incompatible_with_the_schema(scim: Scim) -> None:
    """An operation whose value or target does not fit the schema is refused with an Error."""
    user = person(scim, active=True, title="before", name={"givenName": "Ada"})
    for path, value in (
        ("active", "maybe"),
        ("active", 5),
        ("title", {"text": "x"}),
        ("title", 5),
        ("name", "Ada"),
        ("name.givenName", {"a": "b"}),
    ):
        refused(scim, place(user), {"op": "replace", "path": path, "value": value}, types=("invalidValue",))
    unknown = (rand("x").replace("-", ""), "name.shoeSize", "urn:example:nothing:1.0:User:shoeSize", f"{ENTERPRISE_USER}:shoeSize")
    for path in unknown:
        for op, value in (("add", {"value": "x"}), ("replace", {"value": "x"}), ("remove", {})):
            refused(scim, place(user), {"op": op, "path": path} | value, types=("invalidPath", "noTarget"))


@requirement("7644-3.5.2-13")
def extension_joins_schemas(scim: Scim) -> None:
    """Setting an extension's attribute by its qualified name puts the extension's URN into schemas."""
    for op in ("add", "replace"):
        user = person(scim)
        ensure(ENTERPRISE_USER not in user["schemas"], "a core user should not list the enterprise extension")
        after = apply(scim, place(user), {"op": op, "path": f"{ENTERPRISE_USER}:employeeNumber", "value": "701"})
        ensure(ENTERPRISE_USER in after["schemas"], f"schemas after {op}: {after['schemas']!r}")
        ensure(CORE_USER in after["schemas"], f"schemas lost the core schema: {after['schemas']!r}")
        equal((after.get(ENTERPRISE_USER) or {}).get("employeeNumber"), "701", "employeeNumber")


@requirement("7644-3.5.2-14")
def empty_extension_leaves_schemas(scim: Scim) -> None:
    """When the last attribute of an extension goes, so does its URN in schemas."""
    user = person(scim, **{ENTERPRISE_USER: {"employeeNumber": "701", "department": "Engines"}})
    after = apply(scim, place(user), {"op": "remove", "path": f"{ENTERPRISE_USER}:employeeNumber"})
    ensure(ENTERPRISE_USER in after["schemas"], "the extension still has a value but left schemas")
    after = apply(scim, place(user), {"op": "remove", "path": f"{ENTERPRISE_USER}:department"})
    equal(after["schemas"], [CORE_USER], "schemas")
    ensure(not after.get(ENTERPRISE_USER), f"the extension still shows {after.get(ENTERPRISE_USER)!r}")


@requirement("7644-3.5.2-15")
def changed_schemas_count_at_once(scim: Scim) -> None:
    """An extension that one operation adds to schemas can be used by the next."""
    user = person(scim)
    after = apply(
        scim,
        place(user),
        {"op": "add", "path": "schemas", "value": [ENTERPRISE_USER]},
        {"op": "add", "path": f"{ENTERPRISE_USER}:department", "value": "Engines"},
    )
    equal(sorted(after["schemas"]), sorted([CORE_USER, ENTERPRISE_USER]), "schemas")
    equal((after.get(ENTERPRISE_USER) or {}).get("department"), "Engines", "department")


@requirement("7644-3.5.2-24")
def uniqueness_holds(scim: Scim) -> None:
    """A PATCH cannot take the userName of another user, in whatever case it is written."""
    ada, ben = person(scim), scim.user(title="before")
    for name in (ada["userName"], ada["userName"].upper()):
        operation = {"op": "replace", "path": "userName", "value": name}
        refused(scim, place(ben), {"op": "replace", "path": "title", "value": "x"}, operation, status=409, types=("uniqueness",))
        refused(scim, place(ben), {"op": "replace", "value": {"userName": name}}, status=409, types=("uniqueness",))
    same(ada, scim.read(place(ada)))
