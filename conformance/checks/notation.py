"""How attributes are named in filters, sorting, projections and paths (RFC 7644 §3.10)."""

from __future__ import annotations

from conformance.client import CORE_USER, ENTERPRISE_USER, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement


def _user(scim: Scim) -> Json:
    """A user with a name and a department that no other check has."""
    department = {ENTERPRISE_USER: {"department": rand("Dept"), "division": "Tools"}}
    return scim.user(name={"givenName": rand("Ada"), "familyName": "Example"}, title="Engineer", **department)


@requirement("7644-3.10-01")
def full_notation_works_everywhere(scim: Scim) -> None:
    """Schema URN, attribute and sub-attribute name one value in filter, sorting, projection and PATCH path."""
    one, other = _user(scim), _user(scim)
    at = f"/Users/{one['id']}"
    given = one["name"]["givenName"]
    full = f"{CORE_USER}:name.givenName"
    equal(scim.matches("/Users", f'{full} eq "{given}"', [one, other]), {one["id"]}, f"users selected by {full}")
    either = f'{full} eq "{given}" or {full} eq "{other["name"]["givenName"]}"'
    for order in ("ascending", "descending"):
        shown = [user["id"] for user in scim.find("/Users", either, sortBy=full, sortOrder=order)["Resources"]]
        wanted = sorted((one, other), key=lambda user: user["name"]["givenName"].lower(), reverse=order == "descending")
        equal(shown, [user["id"] for user in wanted], f"users sorted {order} by {full}")
    equal(scim.read(at, params={"attributes": full}).get("name"), {"givenName": given}, f"name when only {full} is asked for")
    new = rand("Ben")
    expect(scim.patch(at, {"op": "replace", "path": full, "value": new}), 200, 204)
    equal(scim.read(at).get("name"), {"givenName": new, "familyName": "Example"}, f"name after PATCH of {full}")
    department = f"{ENTERPRISE_USER}:department"
    expect(scim.patch(at, {"op": "replace", "path": department, "value": new}), 200, 204)
    equal(scim.read(at).get(ENTERPRISE_USER), {"department": new, "division": "Tools"}, f"extension after PATCH of {department}")


@requirement("7644-3.10-02")
def core_prefix_is_optional(scim: Scim) -> None:
    """A core attribute means the same with and without its schema URN."""
    one, other = _user(scim), _user(scim)
    at = f"/Users/{one['id']}"
    for prefix in ("", f"{CORE_USER}:"):
        selected = scim.matches("/Users", f'{prefix}userName eq "{one["userName"]}"', [one, other])
        equal(selected, {one["id"]}, f"users selected by {prefix}userName")
        shown = scim.read(at, params={"attributes": f"{prefix}title"})
        equal((shown.get("title"), shown.get("userName")), ("Engineer", None), f"title and userName for attributes={prefix}title")
        new = rand("title")
        expect(scim.patch(at, {"op": "replace", "path": f"{prefix}title", "value": new}), 200, 204)
        equal(scim.read(at).get("title"), new, f"title after PATCH of {prefix}title")
        expect(scim.patch(at, {"op": "replace", "path": "title", "value": "Engineer"}), 200, 204)


@requirement("7644-3.10-03")
def extension_attributes_are_qualified(scim: Scim) -> None:
    """A qualified extension attribute is found; an unqualified one is refused or means the same, never something else."""
    one, other = _user(scim), _user(scim)
    at = f"/Users/{one['id']}"
    department = one[ENTERPRISE_USER]["department"]
    selected = scim.matches("/Users", f'{ENTERPRISE_USER}:department eq "{department}"', [one, other])
    equal(selected, {one["id"]}, "users selected by the qualified department")
    bare = scim.get("/Users", params={"filter": f'department eq "{department}"'})
    if expect(bare, 200, 400).status_code == 400:
        expect_error(bare, 400, "invalidFilter")
    else:
        equal([user["id"] for user in bare.json()["Resources"]], [one["id"]], "users selected by the unqualified department")
    new = rand("Dept")
    patched = scim.patch(at, {"op": "replace", "path": "department", "value": new})
    if expect(patched, 200, 204, 400).status_code == 400:
        expect_error(patched, 400, "invalidPath")
        new = department
    shown = scim.read(at)
    equal(shown.get(ENTERPRISE_USER), {"department": new, "division": "Tools"}, "extension after PATCH of the unqualified department")
    ensure("department" not in shown, "the unqualified department became a core attribute")


@requirement("7644-3.10-04")
def names_ignore_letter_case(scim: Scim) -> None:
    """Letter case means nothing in URNs and names, wherever they stand, and answers keep the schema's spelling."""
    one, other = _user(scim), _user(scim)
    at = f"/Users/{one['id']}"
    given, department = one["name"]["givenName"], one[ENTERPRISE_USER]["department"]
    loud, loud_department = f"{CORE_USER}:name.givenName".upper(), f"{ENTERPRISE_USER}:department".upper()
    for filter_ in (f'{loud} eq "{given}"', f'{loud_department} eq "{department}"', f'NAME.givenname EQ "{given}"'):
        equal(scim.matches("/Users", filter_, [one, other]), {one["id"]}, f"users selected by {filter_}")
    shown = scim.read(at, params={"attributes": f"{loud},{loud_department}"})
    equal(shown.get("name"), {"givenName": given}, "name when it is asked for in capitals")
    equal(shown.get(ENTERPRISE_USER), {"department": department}, "extension when it is asked for in capitals")
    ensure("title" not in shown, "title although not asked for")
    ensure("title" not in scim.read(at, params={"excludedAttributes": "TITLE"}), "title although excluded in capitals")
    new = rand("Ben")
    expect(scim.patch(at, {"op": "replace", "path": loud, "value": new}), 200, 204)
    equal(scim.read(at).get("name"), {"givenName": new, "familyName": "Example"}, "name after PATCH in capitals")
    name = rand("user")
    body = {"SCHEMAS": [CORE_USER, ENTERPRISE_USER], "USERNAME": name, "Title": "Pilot", ENTERPRISE_USER.upper(): {"DIVISION": "Air"}}
    made = scim.read(f"/Users/{scim.create('/Users', body)['id']}")
    equal((made.get("userName"), made.get("title")), (name, "Pilot"), "userName and title sent in other letter case")
    equal(made.get(ENTERPRISE_USER), {"division": "Air"}, "extension sent in other letter case")
