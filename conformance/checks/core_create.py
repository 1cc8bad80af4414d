"""Creating and replacing resources: RFC 7644 §3.1, §3.2, §3.3 and §3.5."""

from __future__ import annotations

from conformance.checks.schema_support import (
    UNKNOWN_ID,
    again,
    contains,
    group_path,
    quoted,
    selects,
    stored,
    user_path,
)
from conformance.client import CORE_GROUP, CORE_USER, ENTERPRISE_USER, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement


@requirement("7644-3.1-05")
def answers_show_the_stored_state(scim: Scim) -> None:
    """The answer to a write shows what the server has stored, not what the client sent."""
    sent = scim.user_body(title="Engineer", id="mine", groups=[{"value": UNKNOWN_ID}], password=rand("Secret"))
    made = scim.create("/Users", sent)
    equal(made, again(scim, made), "answer to POST against a GET")
    ensure("groups" not in made and "password" not in made and made["id"] != "mine", f"unstored attributes are shown: {made!r}")
    unknown = scim.post("/Users", scim.user_body(shoeSize=44))
    if unknown.status_code == 201:  # decision 23: unknown attributes are ignored or refused
        ensure("shoeSize" not in unknown.json(), "an attribute of no schema is shown")
        equal(unknown.json(), again(scim, unknown.json()), "answer to POST with an unknown attribute against a GET")
    else:
        expect_error(unknown, 400, "invalidSyntax", "invalidValue")
    replaced = expect(scim.put(user_path(made), sent | {"title": None, "nickName": "Ada"}), 200).json()
    equal(replaced, again(scim, made), "answer to PUT against a GET")
    equal((replaced.get("title"), replaced.get("nickName")), (None, "Ada"), "title and nickName after PUT")


@requirement("7644-3.1-06")
def a_resource_can_be_put_back(scim: Scim) -> None:
    """What a GET shows can be sent back by PUT as it is: read-only parts are ignored and nothing changes."""
    manager = scim.user()
    user = scim.user(
        name={"givenName": "Ada", "familyName": "Example"},
        emails=[{"value": "ada@example.com", "type": "work", "primary": True}],
        **{ENTERPRISE_USER: {"department": "Research", "manager": {"value": manager["id"]}}},
    )
    group = scim.group(user["id"])
    before = again(scim, user)
    expect(scim.put(user_path(user), before), 200)
    after = again(scim, user)
    for resource in (before, after):
        resource["meta"] = {key: resource["meta"][key] for key in ("resourceType", "created", "location")}
    equal(after, before, "the user after it was put back")
    whole = again(scim, group)
    expect(scim.put(group_path(group), whole), 200)
    equal(again(scim, group)["members"], whole["members"], "members after the group was put back")


@requirement("7644-3.2-03")
def put_does_not_create(scim: Scim) -> None:
    """PUT on an id that does not exist is answered with 404 and makes nothing."""
    body = scim.user_body() | {"id": UNKNOWN_ID}
    expect_error(scim.put(f"/Users/{UNKNOWN_ID}", body), 404)
    expect_error(scim.get(f"/Users/{UNKNOWN_ID}"), 404)
    equal(scim.find("/Users", f"userName eq {quoted(body['userName'])}")["totalResults"], 0, "users of that name")
    name = rand("group")
    expect_error(scim.put(f"/Groups/{UNKNOWN_ID}", {"schemas": [CORE_GROUP], "displayName": name}), 404)
    equal(scim.find("/Groups", f"displayName eq {quoted(name)}")["totalResults"], 0, "groups of that name")


@requirement("7644-3.3-01")
def post_creates(scim: Scim) -> None:
    """POST to a type's endpoint creates one resource that can be read and found."""
    user = scim.user(title="Engineer")
    equal(again(scim, user).get("title"), "Engineer", "title of the new user")
    found = scim.find("/Users", f"userName eq {quoted(user['userName'])}")
    equal([item["id"] for item in found["Resources"]], [user["id"]], "users of that name")
    group = scim.group(user["id"])
    found = scim.find("/Groups", f"displayName eq {quoted(group['displayName'])}")
    equal([item["id"] for item in found["Resources"]], [group["id"]], "groups of that name")


@requirement("7644-3.3-02")
def create_ignores_read_only(scim: Scim) -> None:
    """Read-only attributes in a create are ignored and the server's own values stand."""
    group = scim.group()
    forged = {
        "id": "forged",
        "groups": [{"value": group["id"], "display": "forged"}],
        "meta": {"resourceType": "Group", "created": "1999-01-01T00:00:00Z", "location": "https://example.com/forged"},
    }
    user = again(scim, scim.create("/Users", scim.user_body(title="Engineer") | forged))
    ensure("forged" not in str(user), f"a forged value is shown: {user!r}")
    equal((user["meta"]["resourceType"], user.get("title")), ("User", "Engineer"), "resourceType and title")
    ensure(not user["meta"]["created"].startswith("1999"), "created was taken over")
    ensure(not again(scim, group).get("members"), "the user became a member by writing its own groups")


@requirement("7644-3.3-03")
def defaults_are_real(scim: Scim) -> None:
    """An attribute that the client left out and the server shows with a default has that value in filters, too."""
    _active_is_consistent(scim, scim.user())


@requirement("7644-3.3-04")
def null_against_a_default(scim: Scim) -> None:
    """Null for an attribute that has a default leaves it without a value or at its default, the same in answers and filters."""
    _active_is_consistent(scim, scim.create("/Users", scim.user_body() | {"active": None}))
    user = again(scim, scim.create("/Users", scim.user_body() | {"title": None, "emails": []}))
    ensure(not user.get("title") and not user.get("emails"), "null or an empty array was stored as a value")


def _active_is_consistent(scim: Scim, made: Json) -> None:
    shown = again(scim, made).get("active")
    equal(made.get("active"), shown, "active in the 201 against a GET")
    ensure(shown is None or isinstance(shown, bool), f"active is shown as {shown!r}")
    for literal, value in (("true", True), ("false", False)):
        equal(selects(scim, "/Users", f"active eq {literal}", made), shown is value, f"active eq {literal} when active is {shown!r}")
    equal(selects(scim, "/Users", "active pr", made), shown is not None, f"active pr when active is {shown!r}")


@requirement("7644-3.3-05")
def create_is_201(scim: Scim) -> None:
    """A create that worked is answered with 201, for users and for groups, and the resource is there at once."""
    for endpoint, body in (("/Users", scim.user_body()), ("/Groups", {"schemas": [CORE_GROUP], "displayName": rand("group")})):
        response = scim.post(endpoint, body)
        equal(response.status_code, 201, f"status of POST {endpoint}")
        expect(scim.get(f"{endpoint}/{response.json()['id']}"), 200)


@requirement("7644-3.3-06")
def create_shows_everything(scim: Scim) -> None:
    """The answer to a create is the whole resource, equal to a GET that follows."""
    sent: dict[str, Json] = {
        "name": {"givenName": "Ada", "familyName": "Example"},
        "emails": [{"value": "ada@example.com", "type": "work"}],
        "active": True,
        "externalId": rand("ext"),
        ENTERPRISE_USER: {"department": "Research"},
    }
    made = scim.user(**sent)
    ensure(made.get("id") and made.get("meta") and contains(made, sent), f"the 201 lacks something: {made!r}")
    equal(made, again(scim, made), "answer to POST against a GET")
    user = scim.user()
    group = scim.group(user["id"])
    equal([item["value"] for item in group.get("members") or []], [user["id"]], "members in the 201 of a group")


@requirement("7644-3.3-07")
def create_says_where(scim: Scim) -> None:
    """Location header and meta.location of a create are the same URI, and a GET of it gives the resource."""
    for endpoint, body in (("/Users", scim.user_body()), ("/Groups", {"schemas": [CORE_GROUP], "displayName": rand("group")})):
        response = expect(scim.post(endpoint, body), 201)
        made = response.json()
        ensure(
            response.headers.get("Location", "").startswith(("http://", "https://")), f"Location is {response.headers.get('Location')!r}"
        )
        equal(response.headers["Location"], made["meta"]["location"], "Location against meta.location")
        equal(scim.read(response.headers["Location"])["id"], made["id"], "id behind Location")


@requirement("7644-3.3-08")
def duplicates_conflict(scim: Scim) -> None:
    """A create whose userName is taken is answered with 409 uniqueness and leaves the first user as it was."""
    user = scim.user(title="first")
    for name in (user["userName"], user["userName"].upper()):
        expect_error(scim.post("/Users", scim.user_body(userName=name, title="second")), 409, "uniqueness")
    equal(again(scim, user), user, "the first user")
    equal(scim.find("/Users", f"userName eq {quoted(user['userName'])}")["totalResults"], 1, "users of that name")
    expect(scim.delete(user_path(user)), 204)
    stored(scim, userName=user["userName"])


@requirement("7644-3.3.1-01")
def endpoint_decides_the_type(scim: Scim) -> None:
    """meta.resourceType of a new resource follows from the endpoint, not from what the body says."""
    user = scim.create("/Users", scim.user_body() | {"meta": {"resourceType": "Group"}, "displayName": rand("group")})
    group = scim.create("/Groups", {"schemas": [CORE_GROUP], "displayName": rand("group"), "meta": {"resourceType": "User"}})
    for resource, wanted, other in ((user, "User", "/Groups"), (group, "Group", "/Users")):
        equal(again(scim, resource)["meta"]["resourceType"], wanted, "resourceType")
        expect_error(scim.get(f"{other}/{resource['id']}"), 404)


@requirement("7644-3.5-01")
def put_replaces(scim: Scim) -> None:
    """PUT with a whole resource is answered with 200 and is what a GET then shows, under the same id."""
    user = stored(scim, title="Engineer", nickName="Ada")
    body = {"schemas": [CORE_USER], "userName": rand("user"), "title": "Editor"}
    expect(scim.put(user_path(user), body), 200)
    shown = again(scim, user)
    equal((shown["id"], shown["userName"], shown.get("title")), (user["id"], body["userName"], "Editor"), "id, userName and title")
    equal(scim.find("/Users", f"userName eq {quoted(user['userName'])}")["totalResults"], 0, "users with the old name")
    group = scim.group()
    expect(scim.put(group_path(group), {"schemas": [CORE_GROUP], "displayName": group["displayName"] + "-new"}), 200)
    equal(again(scim, group)["displayName"], group["displayName"] + "-new", "displayName of the group")
