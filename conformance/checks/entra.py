"""What Microsoft Entra ID sends in a provisioning cycle, exchange by exchange (E01 to E30)."""

from __future__ import annotations

import uuid
from urllib.parse import quote

from conformance.client import (
    CORE_GROUP,
    CORE_USER,
    ENTERPRISE_USER,
    ERROR,
    LIST_RESPONSE,
    Json,
    Scim,
    ensure,
    equal,
    expect,
    expect_error,
    rand,
)
from conformance.exchanges import exchange_case, replay
from conformance.registry import case

SECTION = "Entra ID"
TAGS = {"entra"}
FOREIGN_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


def entra(number: str, *exchanges: str) -> None:
    """Register a check that only replays captured requests."""
    exchange_case(f"entra-{number}", *exchanges, section=SECTION, tags=TAGS)


def only(scim: Scim, path: str, filter_: str, resource: Json | None, **params: str | int) -> Json:
    """Fail unless the filter finds exactly this resource (or nothing, for None); returns what was found."""
    page = scim.find(path, filter_, **params)
    equal(page["totalResults"], 1 if resource else 0, f"totalResults of {filter_}")
    found = page.get("Resources") or []
    equal([item["id"] for item in found], [resource["id"]] if resource else [], f"ids found by {filter_}")
    return found[0] if found else None


@case("entra-E01", section=SECTION, tags=TAGS)
def test_connection(scim: Scim) -> None:
    """The probe for a userName that nobody has is answered with a complete empty list."""
    page = scim.read("/Users", params={"filter": f'userName eq "{uuid.uuid4()}"'})
    empty = {"schemas": [LIST_RESPONSE], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": []}
    for key, value in empty.items():
        equal(page.get(key), value, key)


@case("entra-E02", section=SECTION, tags=TAGS)
def random_fetch(scim: Scim) -> None:
    """The fetch of an id that does not exist is 404 with an Error body."""
    expect_error(scim.get(f"/Users/{uuid.uuid4()}"), 404)


@case("entra-E03", section=SECTION, tags=TAGS)
def match_by_user_name(scim: Scim) -> None:
    """A user is matched by userName, active or not, with encoded and with bare quotation marks."""
    name = f"{rand('ada')}@example.com"
    user = scim.user(userName=name, active=False)
    equal(only(scim, "/Users", f'userName eq "{name}"', user)["active"], False, "active of the match")
    base = scim.http.build_request("GET", scim.url("/Users")).url.raw_path.decode()
    bare = f'{base}?filter=userName+eq+"{quote(name)}"'.encode()
    page = expect(scim.http.get(scim.url("/Users"), extensions={"target": bare}), 200).json()
    equal([item["id"] for item in page["Resources"]], [user["id"]], "ids found by a filter with bare quotation marks")


@case("entra-E04", section=SECTION, tags=TAGS)
def match_by_external_id(scim: Scim) -> None:
    """A user is matched by externalId."""
    external = rand("ext")
    user = scim.user(externalId=external)
    only(scim, "/Users", f'externalId eq "{external}"', user)
    only(scim, "/Users", f'externalId eq "{external}x"', None)


@case("entra-E05", section=SECTION, tags=TAGS)
def match_by_mail(scim: Scim) -> None:
    """A user is matched by the work address, and not by the same address as the home one."""
    mail = f"{rand('ada')}@example.com"
    user = scim.user(emails=[{"type": "work", "value": mail}, {"type": "home", "value": f"home-{mail}"}])
    scim.user(emails=[{"type": "home", "value": mail}, {"type": "work", "value": f"work-{mail}"}])
    only(scim, "/Users", f'emails[type eq "work"].value eq "{mail}"', user)


@case("entra-E06", section=SECTION, tags=TAGS)
def match_by_two(scim: Scim) -> None:
    """A match by two attributes needs both."""
    name, external = rand("ada"), rand("ext")
    user = scim.user(userName=name, externalId=external)
    scim.user(externalId=external)
    only(scim, "/Users", f'userName eq "{name}" and externalId eq "{external}"', user)
    only(scim, "/Users", f'userName eq "{name}" and externalId eq "{external}x"', None)


@case("entra-E07", section=SECTION, tags=TAGS)
def create(scim: Scim) -> None:
    """A new user is answered with the whole resource, and a second one of that name with 409."""
    name = f"{rand('ada')}@example.com"
    body = {
        "schemas": [CORE_USER, ENTERPRISE_USER],
        "externalId": rand("ext"),
        "userName": name,
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": name}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Ada Aster", "familyName": "Aster", "givenName": "Ada"},
        "roles": [],
    }
    response = expect(scim.post("/Users", body), 201)
    user = response.json()
    for key in ("externalId", "userName", "active", "emails", "name"):
        equal(user.get(key), body[key], key)
    ensure(not user.get("roles"), f"an empty array is no value, but roles is {user.get('roles')!r}")
    equal(user["schemas"], [CORE_USER], "schemas, the extension being without data")
    equal(response.headers.get("Location"), user["meta"]["location"], "Location")
    equal(user["meta"]["resourceType"], "User", "meta.resourceType")
    equal(expect_error(scim.post("/Users", body), 409, "uniqueness")["schemas"], [ERROR], "schemas of the conflict")
    only(scim, "/Users", f'userName eq "{name}"', user)


@case("entra-E08", section=SECTION, tags=TAGS)
def create_with_nulls(scim: Scim) -> None:
    """Nulls, extension attributes at the top level and a misspelt URN do not stop a creation and do not come back."""
    body = {
        "schemas": [CORE_USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],
        "userName": f"{rand('ben')}@example.com",
        "externalId": rand("ext"),
        "active": True,
        "addresses": None,
        "title": None,
        "displayName": "Ben Birch",
        "department": None,
        "manager": None,
        "emails": [{"primary": True, "type": "work", "value": "ben@example.com"}],
        "name": {"familyName": "Birch", "givenName": "Ben"},
        "phoneNumbers": None,
        "meta": {"resourceType": "User"},
    }
    user = scim.create("/Users", body)
    stored = scim.read(f"/Users/{user['id']}")
    for answer in (user, stored):
        equal(answer["schemas"], [CORE_USER], "schemas")
        equal(answer["displayName"], "Ben Birch", "displayName")
        for key in ("addresses", "title", "department", "manager", "phoneNumbers"):
            ensure(key not in answer, f"{key} was sent as null and is {answer.get(key)!r}")


entra("E09", "entra-capital-op")


@case("entra-E10", section=SECTION, tags=TAGS)
def disable(scim: Scim) -> None:
    """Disabling with the text "False" stores the boolean, and the user stays readable and listed."""
    user = replay(scim, "entra-boolean-as-string")
    found = only(scim, "/Users", f'userName eq "{user["userName"]}"', user)
    equal(found["active"], False, "active in the list")
    only(scim, "/Users", f'id eq "{user["id"]}" and active eq false', user)


entra("E11", "entra-boolean-as-json")
entra("E12", "entra-one-op-per-attribute")
entra("E13", "entra-dotted-and-urn-keys")
entra("E14", "entra-manager-as-array")
entra("E15", "entra-manager-as-string")
entra("E16", "entra-manager-empty-string", "entra-manager-empty-value")


@case("entra-E17", section=SECTION, tags=TAGS)
def is_manager_set(scim: Scim) -> None:
    """The question whether a user has this manager is answered by manager's value, with the id alone."""
    manager, other = scim.user(), scim.user()
    user = scim.user(**{ENTERPRISE_USER: {"manager": {"value": manager["id"]}}})
    found = only(scim, "/Users", f'id eq "{user["id"]}" and manager eq "{manager["id"]}"', user, attributes="id")
    ensure("userName" not in found, "attributes=id returns userName")
    only(scim, "/Users", f'id eq "{user["id"]}" and manager eq "{other["id"]}"', None, attributes="id")


@case("entra-E18", section=SECTION, tags=TAGS)
def is_member(scim: Scim) -> None:
    """The question whether a user is in a group is answered by the members' value, with the id alone."""
    member, other = scim.user(), scim.user()
    group = scim.group(member["id"])
    found = only(scim, "/Groups", f'id eq "{group["id"]}" and members eq "{member["id"]}"', group, attributes="id")
    ensure("members" not in found and "displayName" not in found, f"attributes=id returns {sorted(found)}")
    only(scim, "/Groups", f'id eq "{group["id"]}" and members eq "{other["id"]}"', None, attributes="id")


@case("entra-E19", section=SECTION, tags=TAGS)
def create_group(scim: Scim) -> None:
    """A group whose schemas name a foreign URI is created with the core schema alone."""
    name, external = rand("Engineering"), str(uuid.uuid4())
    body = {"schemas": [CORE_GROUP, FOREIGN_GROUP], "externalId": external, "displayName": name, "meta": {"resourceType": "Group"}}
    group = scim.create("/Groups", body)
    stored = scim.read(f"/Groups/{group['id']}")
    equal((stored["schemas"], stored["displayName"], stored["externalId"]), ([CORE_GROUP], name, external), "the stored group")
    ensure(not stored.get("members"), f"members of a new group: {stored.get('members')!r}")


@case("entra-E20", section=SECTION, tags=TAGS)
def read_group_without_members(scim: Scim) -> None:
    """A group is read without its members on request, and with them otherwise."""
    user = scim.user()
    group = scim.group(user["id"])
    lean = scim.read(f"/Groups/{group['id']}", params={"excludedAttributes": "members"})
    equal(lean["displayName"], group["displayName"], "displayName")
    ensure("members" not in lean, "members is there although it was excluded")
    equal([item["value"] for item in scim.read(f"/Groups/{group['id']}")["members"]], [user["id"]], "members")


@case("entra-E21", section=SECTION, tags=TAGS)
def match_group(scim: Scim) -> None:
    """A group is matched by displayName without its members."""
    group = scim.group(scim.user()["id"])
    found = only(scim, "/Groups", f'displayName eq "{group["displayName"]}"', group, excludedAttributes="members")
    ensure("members" not in found, "members is there although it was excluded")
    only(scim, "/Groups", f'displayName eq "{rand("nothing")}"', None, excludedAttributes="members")


entra("E22", "entra-rename-group")
entra("E23", "entra-add-members-null-ref")
entra("E24", "entra-remove-members-value-list")
entra("E25", "entra-remove-member-by-filter")


@case("entra-E26", section=SECTION, tags=TAGS)
def delete(scim: Scim) -> None:
    """A user and a group are deleted, and a later read or a second deletion is 404."""
    for path in (f"/Users/{scim.user()['id']}", f"/Groups/{scim.group()['id']}"):
        expect(scim.delete(path), 204)
        expect_error(scim.get(path), 404)
        expect_error(scim.delete(path), 404)


@case("entra-E27", section=SECTION, tags=TAGS)
def schema_discovery(scim: Scim) -> None:
    """/Schemas lists User, Group and the enterprise extension with camelCase names and without nulls."""
    page = scim.read("/Schemas")
    by_id = {schema["id"]: schema for schema in page["Resources"]}
    for urn in (CORE_USER, CORE_GROUP, ENTERPRISE_USER):
        ensure(by_id.get(urn, {}).get("attributes"), f"{urn} is missing or has no attributes")
    ensure(not list(_nulls(page, "")), f"nulls at {', '.join(_nulls(page, ''))}")
    for schema in by_id.values():
        for attribute in schema["attributes"]:
            for name in (attribute["name"], *(sub["name"] for sub in attribute.get("subAttributes") or [])):
                ensure(name == "$ref" or (name[0].islower() and name.isalnum()), f"{schema['id']}: {name!r} is not camelCase")
    kinds = {attribute["name"]: attribute["type"] for attribute in by_id[CORE_USER]["attributes"]}
    equal(kinds.get("active"), "boolean", "type of active")


def _nulls(node: Json, where: str) -> list[str]:
    if node is None:
        return [where]
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, value in items for found in _nulls(value, f"{where}.{key}")]


@case("entra-E28", section=SECTION, tags=TAGS)
def account_discovery(scim: Scim) -> None:
    """Accounts are paged by index with an exact total, each one once and in the same order every time."""
    ensure(type(scim.read("/Users", params={"startIndex": 1, "count": 100})["totalResults"]) is int, "totalResults is not a number")
    prefix = rand("page")
    users = {scim.user(userName=f"{prefix}-{number}")["id"] for number in range(7)}
    rounds: list[list[str]] = []
    for _ in range(2):
        seen: list[str] = []
        for start in (1, 4, 7, 10):
            page = scim.find("/Users", f'userName sw "{prefix}"', startIndex=start, count=3)
            equal((page["totalResults"], page["startIndex"]), (7, start), "totalResults and startIndex")
            equal(page["itemsPerPage"], len(page["Resources"]), "itemsPerPage")
            seen += [item["id"] for item in page["Resources"]]
        equal(len(seen), 7, "accounts over all pages")
        equal(set(seen), users, "ids over all pages")
        rounds.append(seen)
    equal(rounds[0], rounds[1], "order of two rounds")


entra("E29", "entra-add-role-by-filter", "entra-replace-role-by-filter")
entra("E30", "entra-roles-as-json-text")


@case("entra-flags", section=SECTION, tags=TAGS)
def tenant_flags(scim: Scim) -> None:
    """The flags that an administrator appends to the tenant URL are ignored on every kind of request."""
    for flag in ("aadOptscim062020", "AzureAdScimPatch2017"):
        user = scim.create(f"/Users?{flag}", scim.user_body())
        path = f"/Users/{user['id']}?{flag}"
        expect(scim.patch(path, {"op": "replace", "path": "title", "value": "Botanist"}), 200, 204)
        equal(scim.read(path)["title"], "Botanist", "title")
        page = scim.read(f"/Users?{flag}&filter=userName+eq+%22{user['userName']}%22")
        equal([item["id"] for item in page["Resources"]], [user["id"]], "ids found with the flag")
        expect(scim.delete(path), 204)
