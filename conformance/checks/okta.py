"""What Okta sends: provisioning exchanges (O01 to O19), transport habits, and the steps of its SPEC test (S1 to S10)."""

from __future__ import annotations

from conformance.client import CORE_GROUP, CORE_USER, LIST_RESPONSE, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.exchanges import exchange_case, replay
from conformance.registry import case

SECTION = "Okta"
TAGS = {"okta"}
HEADERS = {"Content-Type": "application/scim+json; charset=utf-8", "Accept-Charset": "utf-8"}


def person(name: str) -> Json:
    """The body of Okta's creation request for this userName."""
    return {
        "schemas": [CORE_USER],
        "userName": name,
        "name": {"givenName": "Ada", "familyName": "Aster"},
        "emails": [{"primary": True, "value": name, "type": "work"}],
        "displayName": "Ada Aster",
        "locale": "nl-NL",
        "externalId": rand("00u"),
        "groups": [],
        "password": f"Lantern-{rand()}",
        "active": True,
    }


def created(scim: Scim) -> tuple[Json, Json]:
    """Create a user as Okta does; returns the body that was sent and the answer."""
    body = person(f"{rand('ada')}@example.com")
    return body, expect(scim.post("/Users", body, headers=HEADERS), 201).json()


def holds_person(user: Json, body: Json) -> None:
    """Fail unless the user has what Okta reads, with the values that were sent, and no password."""
    for key in ("userName", "name", "emails", "displayName", "locale", "externalId", "active"):
        equal(user.get(key), body[key], key)
    ensure("password" not in user, "the password is in the answer")


def list_page(scim: Scim, path: str, **params: str | int) -> Json:
    """A list whose three numbers are numbers and fit what is in it."""
    page = scim.read(path, params=params)
    equal(page.get("schemas"), [LIST_RESPONSE], "schemas of the list")
    for key in ("totalResults", "startIndex", "itemsPerPage"):
        ensure(type(page.get(key)) is int, f"{key} is {page.get(key)!r}, not a number")
    equal(page["itemsPerPage"], len(page["Resources"]), "itemsPerPage")
    return page


@case("okta-O01", section=SECTION, tags=TAGS)
def test_connector(scim: Scim) -> None:
    """The connector's test reads a page of two users and one of up to a hundred groups."""
    scim.user(), scim.user(), scim.group()
    equal(list_page(scim, "/Users", startIndex=1, count=2)["itemsPerPage"], 2, "users on a page of two")
    ensure(1 <= list_page(scim, "/Groups", startIndex=1, count=100)["itemsPerPage"] <= 100, "a page of groups is empty or too long")


@case("okta-O02", section=SECTION, tags=TAGS)
def does_user_exist(scim: Scim) -> None:
    """The lookup by userName finds a user whatever the case and whether active or not, and an empty list for nobody."""
    body, user = created(scim)
    expect(scim.patch(f"/Users/{user['id']}", {"op": "replace", "value": {"active": False}}), 200, 204)
    for name in (body["userName"], body["userName"].upper()):
        page = list_page(scim, "/Users", filter=f'userName eq "{name}"', startIndex=1, count=100)
        equal([item["id"] for item in page["Resources"]], [user["id"]], f"ids found for {name}")
    page = list_page(scim, "/Users", filter=f'userName eq "{rand("nobody")}"', startIndex=1, count=100)
    equal((page["totalResults"], page["Resources"]), (0, []), "the list for nobody")


@case("okta-O03", section=SECTION, tags=TAGS)
def create(scim: Scim) -> None:
    """A new user is answered with 201, an id and the values sent, without the password, and a second one with 409."""
    body, user = created(scim)
    holds_person(user, body)
    holds_person(scim.read(f"/Users/{user['id']}"), body)
    ensure(not user.get("groups"), f"groups is readOnly and holds {user.get('groups')!r}")
    expect_error(scim.post("/Users", body, headers=HEADERS), 409, "uniqueness")


@case("okta-O04", section=SECTION, tags=TAGS)
def import_users(scim: Scim) -> None:
    """An import walks all pages up to totalResults, every page full but the last, nobody twice, in the same order again."""
    prefix = rand("import")
    users = {scim.user(userName=f"{prefix}-{number}")["id"] for number in range(9)}
    rounds = []
    for _ in range(2):
        seen: list[str] = []
        while True:
            page = list_page(scim, "/Users", filter=f'userName sw "{prefix}"', startIndex=len(seen) + 1, count=4)
            equal((page["totalResults"], page["startIndex"]), (9, len(seen) + 1), "totalResults and startIndex")
            equal(page["itemsPerPage"], min(4, 9 - len(seen)), "users on the page")
            seen += [item["id"] for item in page["Resources"]]
            if len(seen) >= page["totalResults"]:
                break
        equal(set(seen), users, "imported ids")
        rounds.append(seen)
    equal(rounds[0], rounds[1], "order of a second import")


@case("okta-O05", section=SECTION, tags=TAGS)
def read(scim: Scim) -> None:
    """A user is read by id."""
    body, user = created(scim)
    found = scim.read(f"/Users/{user['id']}")
    holds_person(found, body)
    equal(found["meta"], user["meta"], "meta")


@case("okta-O06", section=SECTION, tags=TAGS)
def update_by_put(scim: Scim) -> None:
    """A PUT of the whole object sets and clears attributes; id, groups and meta in it have no effect and are not refused."""
    body, user = created(scim)
    group = scim.group(user["id"])
    name = {"givenName": "Ada", "middleName": "C.", "familyName": "Aster"}
    whole = {
        "schemas": [CORE_USER],
        "id": user["id"],
        "userName": body["userName"],
        "name": name,
        "emails": [body["emails"][0] | {"display": body["userName"]}],
        "active": True,
        "groups": [{"value": "no-such-group", "display": "Nothing"}],
        "meta": {"resourceType": "User"},
    }
    expect(scim.put(f"/Users/{user['id']}", whole, headers=HEADERS), 200)
    found = scim.read(f"/Users/{user['id']}")
    equal((found["id"], found["name"], found["emails"]), (user["id"], name, whole["emails"]), "id, name and emails")
    ensure("displayName" not in found and "locale" not in found, "what the PUT left out is still there")
    equal([item["value"] for item in found.get("groups", [])], [group["id"]], "groups")
    equal(found["meta"]["created"], user["meta"]["created"], "meta.created")


exchange_case("okta-O07", "okta-pathless-replace", section=SECTION, tags=TAGS)
exchange_case("okta-O08", "okta-pathless-reactivate", section=SECTION, tags=TAGS)


@case("okta-O09", section=SECTION, tags=TAGS)
def deactivate_by_put(scim: Scim) -> None:
    """A PUT of the object as it was read, with active false, deactivates and changes nothing else."""
    body, user = created(scim)
    whole = scim.read(f"/Users/{user['id']}") | {"active": False}
    equal(expect(scim.put(f"/Users/{user['id']}", whole, headers=HEADERS), 200).json()["active"], False, "active in the answer")
    holds_person(scim.read(f"/Users/{user['id']}"), body | {"active": False})


@case("okta-O10", section=SECTION, tags=TAGS)
def password_sync(scim: Scim) -> None:
    """A new password is taken and shown nowhere."""
    user = replay(scim, "okta-pathless-password")
    text = scim.get("/Users", params={"filter": f'id eq "{user["id"]}"'}).text + scim.get(f"/Users/{user['id']}?attributes=password").text
    ensure("Lantern" not in text and "password" not in text, "the password, or its name, is in an answer")


@case("okta-O11", section=SECTION, tags=TAGS)
def push_group(scim: Scim) -> None:
    """A group with an empty list of members is created."""
    name = rand("Engineering")
    group = scim.create("/Groups", {"schemas": [CORE_GROUP], "displayName": name, "members": []})
    found = scim.read(f"/Groups/{group['id']}")
    equal(found["displayName"], name, "displayName")
    ensure(not found.get("members"), f"members of the new group: {found.get('members')!r}")


exchange_case("okta-O12", "okta-pathless-rename-with-id", section=SECTION, tags=TAGS)
exchange_case("okta-O13", "okta-member-swap", "okta-member-swap-repeated", section=SECTION, tags=TAGS)
exchange_case("okta-O14", "okta-replace-members", section=SECTION, tags=TAGS)


@case("okta-O15", section=SECTION, tags=TAGS)
def reset_by_put(scim: Scim) -> None:
    """A PUT of the group sets the whole list of members."""
    one, two, three = (scim.user()["id"] for _ in range(3))
    group = scim.group(one, three)
    members = [{"value": one, "display": "ada@example.com"}, {"value": two, "display": "ben@example.com"}]
    whole = {"schemas": [CORE_GROUP], "id": group["id"], "displayName": group["displayName"], "members": members}
    expect(scim.put(f"/Groups/{group['id']}", whole, headers=HEADERS), 200)
    equal({item["value"] for item in scim.read(f"/Groups/{group['id']}")["members"]}, {one, two}, "members")


@case("okta-O16", section=SECTION, tags=TAGS)
def read_groups(scim: Scim) -> None:
    """Groups are listed and read with their members."""
    user = scim.user()
    group = scim.group(user["id"])
    list_page(scim, "/Groups", startIndex=1, count=100)
    page = list_page(scim, "/Groups", filter=f'displayName eq "{group["displayName"]}"', startIndex=1, count=100)
    for found in (page["Resources"][0], scim.read(f"/Groups/{group['id']}")):
        equal((found["id"], [item["value"] for item in found["members"]]), (group["id"], [user["id"]]), "id and members")


@case("okta-O17", section=SECTION, tags=TAGS)
def unlink_group(scim: Scim) -> None:
    """A pushed group is deleted, and its members stay."""
    user = scim.user()
    group = scim.group(user["id"])
    expect(scim.delete(f"/Groups/{group['id']}"), 204)
    expect_error(scim.get(f"/Groups/{group['id']}"), 404)
    ensure(not scim.read(f"/Users/{user['id']}").get("groups"), "the member still names the group")


@case("okta-O18", section=SECTION, tags=TAGS)
def leaving_is_deactivation(scim: Scim) -> None:
    """Users leave by deactivation only: the account keeps its name and id, and comes back by reactivation."""
    body, user = created(scim)
    path = f"/Users/{user['id']}"
    expect(scim.patch(path, {"op": "replace", "value": {"active": False}}), 200, 204)
    expect_error(scim.post("/Users", body, headers=HEADERS), 409, "uniqueness")
    equal(scim.matches("/Users", f'userName eq "{body["userName"]}"', [user]), {user["id"]}, "the lookup of a deactivated user")
    expect(scim.patch(path, {"op": "replace", "value": {"active": True}}), 200, 204)
    holds_person(scim.read(path), body)


@case("okta-O19", section=SECTION, tags=TAGS, level="MAY")
def entitlements(scim: Scim) -> None:
    """Every resource type in discovery has its schema in /Schemas and an endpoint that lists; /Roles is 404 unless it is one."""
    types = scim.read("/ResourceTypes")["Resources"]
    schemas = {schema["id"] for schema in scim.read("/Schemas")["Resources"]}
    for kind in types:
        ensure(kind["schema"] in schemas, f"the schema {kind['schema']} of {kind['name']} is not in /Schemas")
        ensure(list_page(scim, kind["endpoint"], count=1, startIndex=1)["itemsPerPage"] <= 1, f"{kind['endpoint']}: more than one")
    for endpoint in {"/Roles", "/Entitlements"} - {kind["endpoint"] for kind in types}:
        expect_error(scim.get(f"{endpoint}?count=1&startIndex=1"), 404)


@case("okta-double-slash", section=SECTION, tags=TAGS, level="SHOULD")
def double_slash(scim: Scim) -> None:
    """A base URL that ends in a slash gives //Users, which is /Users."""
    user = scim.user()
    equal(scim.read(f"//Users/{user['id']}")["userName"], user["userName"], "userName")


@case("okta-S1", section=SECTION, tags=TAGS)
def spec_first_user(scim: Scim) -> None:
    """A page of one user has numbers as numbers and a user in it, and a complete user shows all that is asked for."""
    body, user = created(scim)
    page = list_page(scim, "/Users", count=1, startIndex=1)
    equal(len(page["Resources"]), 1, "users on a page of one")
    ensure(page["Resources"][0].get("id") and page["Resources"][0].get("userName"), "the first user has no id or userName")
    found = list_page(scim, "/Users", count=1, startIndex=1, filter=f'id eq "{user["id"]}"')["Resources"][0]
    holds_person(found, body)


@case("okta-S2", section=SECTION, tags=TAGS)
def spec_same_user(scim: Scim) -> None:
    """A user read by id is the user of the list."""
    _, user = created(scim)
    listed = list_page(scim, "/Users", filter=f'id eq "{user["id"]}"')["Resources"]
    equal([scim.read(f"/Users/{user['id']}")], listed, "the user read by id")


@case("okta-S3", section=SECTION, tags=TAGS)
def spec_nobody(scim: Scim) -> None:
    """A lookup of a userName that nobody has is 200 with totalResults 0."""
    equal(list_page(scim, "/Users", filter=f'userName eq "{rand("nobody")}@example.com"')["totalResults"], 0, "totalResults")


@case("okta-S4", section=SECTION, tags=TAGS)
def spec_unknown_id(scim: Scim) -> None:
    """A read of an unknown id is 404 with an Error body that has a detail."""
    ensure(expect_error(scim.get(f"/Users/{rand('no')}"), 404).get("detail"), "the error has no detail")


@case("okta-S5", section=SECTION, tags=TAGS)
def spec_create(scim: Scim) -> None:
    """A created user is answered with an id, active true and the values sent."""
    body, user = created(scim)
    ensure(user.get("id"), "no id")
    holds_person(user, body)


@case("okta-S6", section=SECTION, tags=TAGS)
def spec_read_created(scim: Scim) -> None:
    """A created user is there at once."""
    body, user = created(scim)
    holds_person(scim.read(f"/Users/{user['id']}"), body)


@case("okta-S7", section=SECTION, tags=TAGS)
def spec_conflict(scim: Scim) -> None:
    """The same creation again is 409 and leaves one user."""
    body, user = created(scim)
    expect_error(scim.post("/Users", body, headers=HEADERS), 409)
    page = list_page(scim, "/Users", filter=f'userName eq "{body["userName"]}"')
    equal([item["id"] for item in page["Resources"]], [user["id"]], "ids of that name")


@case("okta-S8", section=SECTION, tags=TAGS)
def spec_upper_case(scim: Scim) -> None:
    """A lookup in capitals is 200 and finds the user."""
    body, user = created(scim)
    page = list_page(scim, "/Users", filter=f'userName eq "{body["userName"].upper()}"')
    equal([item["id"] for item in page["Resources"]], [user["id"]], "ids found")


@case("okta-S9", section=SECTION, tags=TAGS)
def spec_groups(scim: Scim) -> None:
    """The groups are listed without parameters."""
    scim.group()
    ensure(list_page(scim, "/Groups")["totalResults"] >= 1, "no group in the list")


@case("okta-S10", section=SECTION, tags=TAGS)
def spec_bad_token(scim: Scim) -> None:
    """A lookup with a wrong token is 401 with an Error body that has a detail."""
    params: dict[str, str | int] = {"filter": f'userName eq "{rand("ada").upper()}@EXAMPLE.COM"'}
    response = scim.get("/Users", params=params, headers={"Authorization": "Bearer not-a-token"})
    ensure(expect_error(response, 401).get("detail"), "the error has no detail")
    ensure("WWW-Authenticate" in response.headers, "WWW-Authenticate is missing")
