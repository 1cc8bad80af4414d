"""PUT, RFC 7644 §3.5.1: replacing a resource, and what a replacement may not touch."""

from __future__ import annotations

from conformance.checks.patch_general import belongs, changed, mail, place, same, unassigned, values
from conformance.client import CORE_GROUP, CORE_USER, ENTERPRISE_USER, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement


def replaced(scim: Scim, path: str, body: Json) -> Json:
    """PUT, demand 200, and return what a GET then shows."""
    expect(scim.put(path, body), 200)
    return scim.read(path)


def refused(scim: Scim, path: str, body: Json, status: int, *types: str) -> None:
    """PUT, demand this Error, and that a GET shows the resource as it was."""
    before = scim.read(path)
    expect_error(scim.put(path, body), status, *types)
    same(before, scim.read(path))


def immutable_text(scim: Scim) -> tuple[str, str] | None:
    """Schema URN and name of an immutable single-valued string attribute of users, if this server's schemas have one."""
    types = scim.read("/ResourceTypes").get("Resources") or []
    for type_ in types:
        if type_.get("endpoint") == "/Users":
            for urn in [type_["schema"], *[extension["schema"] for extension in type_.get("schemaExtensions") or []]]:
                for attribute in scim.read(f"/Schemas/{urn}")["attributes"]:
                    text = attribute["type"] == "string" and not attribute["multiValued"] and not attribute.get("canonicalValues")
                    if text and attribute["mutability"] == "immutable":
                        return urn, attribute["name"]
    return None


def holding(urn: str, name: str, value: str) -> Json:
    """The piece of a user's body that gives the attribute this value."""
    return {name: value} if urn == CORE_USER else {urn: {name: value}}


def held(resource: Json, urn: str, name: str) -> Json:
    """The attribute's value in a user."""
    return resource.get(name) if urn == CORE_USER else (resource.get(urn) or {}).get(name)


def group_body(group: Json, *members: Json) -> Json:
    """A body that replaces this group with one that has these members."""
    return {"schemas": [CORE_GROUP], "displayName": group["displayName"], "members": list(members)}


@requirement("7644-3.5.1-01")
def never_creates(scim: Scim) -> None:
    """PUT on an id that does not exist answers 404 and makes no resource."""
    for endpoint, other, body in (
        ("/Users", scim.group(), scim.user_body()),
        ("/Groups", scim.user(), {"schemas": [CORE_GROUP], "displayName": rand("group")}),
    ):
        unknown = f"{endpoint}/{rand('id')}"
        for path in (unknown, place(other, endpoint)):
            expect_error(scim.put(path, body), 404)
        expect_error(scim.get(unknown), 404)
        key = "userName" if endpoint == "/Users" else "displayName"
        equal(scim.find(endpoint, f'{key} eq "{body[key]}"')["totalResults"], 0, f"resources with the {key} of the refused PUT")


@requirement("7644-3.5.1-02")
def given_values_replace(scim: Scim) -> None:
    """Every writable value in the body takes the place of the stored one; multi-valued and extension values as a whole."""
    user = scim.user(
        title="A", password=rand("Aa1!"), name={"givenName": "Ada", "familyName": "Byron"},
        emails=[{"value": mail(), "type": "work"}, {"value": mail(), "type": "home"}],
        **{ENTERPRISE_USER: {"department": "Engines", "costCenter": "C1"}},
    )  # fmt: skip
    address = mail()
    body = scim.user_body(
        title="B", password=rand("Bb2!"), name={"givenName": "Augusta"}, emails=[{"value": address, "type": "other"}],
        **{ENTERPRISE_USER: {"department": "Looms"}},
    )  # fmt: skip
    after = replaced(scim, place(user), body)
    equal(after.get("id"), user["id"], "id")
    equal(after.get("userName"), body["userName"], "userName")
    equal(after.get("title"), "B", "title")
    equal(after.get("name"), {"givenName": "Augusta"}, "name")
    equal(values(after, "emails"), [address], "emails")
    equal(after.get(ENTERPRISE_USER), {"department": "Looms"}, "enterprise extension")
    ensure("password" not in after, "a GET shows a password")
    equal(scim.find("/Users", f'userName eq "{user["userName"]}"')["totalResults"], 0, "users found by the old userName")
    equal(scim.matches("/Users", f'userName eq "{body["userName"]}"', [user]), {user["id"]}, "users found by the new userName")


@requirement("7644-3.5.1-03")
def omitted_values_are_cleared(scim: Scim) -> None:
    """Writable values that the body leaves out are cleared; a deactivated user stays so."""
    user = scim.user(
        title="A", active=False, password=rand("Aa1!"), emails=[{"value": mail()}], name={"givenName": "Ada"},
        **{ENTERPRISE_USER: {"department": "Engines"}},
    )  # fmt: skip
    after = replaced(scim, place(user), {"schemas": [CORE_USER], "userName": user["userName"]})
    for attribute in ("title", "emails", "name", ENTERPRISE_USER):
        ensure(not after.get(attribute), f"{attribute} was left out and is still {after.get(attribute)!r}")
    equal(after.get("schemas"), [CORE_USER], "schemas")
    ensure(after.get("active") is not True, "leaving out active has activated the user")  # decision 13
    equal(after["meta"]["created"], user["meta"]["created"], "meta.created")
    equal(scim.matches("/Users", f'id eq "{user["id"]}" and title pr', [user]), set(), "users with a title")


@requirement("7644-3.5.1-04")
def null_and_empty_clear(scim: Scim) -> None:
    """null and the empty array in the body leave the attribute without a value."""
    user = scim.user(title="A", nickName="Ada", roles=[{"value": "editor"}], emails=[{"value": mail()}])
    after = replaced(scim, place(user), user | {"roles": [], "emails": None, "title": None})
    for attribute in ("roles", "emails", "title"):
        unassigned(after, attribute)
    equal(after.get("nickName"), "Ada", "nickName, which was given")
    group = scim.group(user["id"])
    after = replaced(scim, place(group, "/Groups"), group_body(group))
    unassigned(after, "members")
    belongs(scim, user)


@requirement("7644-3.5.1-05")
def immutable_values_stay(scim: Scim) -> None:
    """A replacement cannot change an immutable value: the stored one may be repeated, another one is refused or has no effect."""
    user = scim.user()
    group = scim.group(user["id"])
    path, kind = place(group, "/Groups"), scim.read(place(group, "/Groups"))["members"][0].get("type")
    after = replaced(scim, path, group_body(group, *group["members"]))
    equal(values(after, "members"), [user["id"]], "members after repeating them")
    response = scim.put(path, group_body(group, {"value": user["id"], "type": "Group"}))  # decision 62: ignored; 400 would do too
    if expect(response, 200, 400).status_code == 400:
        expect_error(response, 400, "mutability", "invalidValue")
    member = scim.read(path)["members"][0]
    equal((member["value"], member.get("type")), (user["id"], kind), "value and type of the member")
    text = immutable_text(scim)
    if text:
        user = scim.user(**holding(*text, "a"))
        refused(scim, place(user), scim.user_body(**holding(*text, "b")), 400, "mutability")
        after = replaced(scim, place(user), scim.user_body(**holding(*text, "a"), title="B"))
        equal((held(after, *text), after.get("title")), ("a", "B"), f"{text[1]} and title")


@requirement("7644-3.5.1-06")
def immutable_values_can_be_set_once(scim: Scim) -> None:
    """A replacement may give an immutable attribute its first value."""
    user, group = scim.user(), scim.group()
    after = replaced(scim, place(group, "/Groups"), group_body(group, {"value": user["id"]}))
    equal(values(after, "members"), [user["id"]], "members")
    text = immutable_text(scim)
    if text:
        after = replaced(scim, place(user), scim.user_body(**holding(*text, "a")))
        equal(held(after, *text), "a", text[1])


@requirement("7644-3.5.1-07")
def omitted_immutable_values_stay(scim: Scim) -> None:
    """A replacement that leaves out an immutable value keeps it."""
    user = scim.user()
    group = scim.group(user["id"])
    before = scim.read(place(group, "/Groups"))["members"]
    after = replaced(scim, place(group, "/Groups"), group_body(group, {"value": user["id"]}) | {"externalId": "B"})
    equal(after.get("externalId"), "B", "externalId, which was given")
    equal(after.get("members"), before, "members with the type and $ref that were left out")
    text = immutable_text(scim)
    if text:
        user = scim.user(**holding(*text, "a"))
        equal(held(replaced(scim, place(user), scim.user_body()), *text), "a", text[1])


@requirement("7644-3.5.1-08")
def read_only_values_are_ignored(scim: Scim) -> None:
    """Read-only values in the body have no effect, also when they contradict the stored ones."""
    user = scim.user()
    group, foreign = scim.group(user["id"]), scim.group()
    before = scim.read(place(user))
    past = "2001-01-01T00:00:00Z"
    meta = {"created": past, "lastModified": past, "resourceType": "Group", "location": "https://example.com/x", "version": 'W/"no"'}
    body = before | {"id": rand("id"), "meta": meta, "groups": [{"value": foreign["id"]}], "title": "B"}
    after = replaced(scim, place(user), body)
    equal(after.get("title"), "B", "title, which may be changed")
    equal(after["id"], before["id"], "id")
    equal(values(after, "groups"), values(before, "groups"), "groups")
    belongs(scim, after, group)
    for name in ("created", "resourceType", "location"):
        equal(after["meta"].get(name), before["meta"].get(name), f"meta.{name}")
    ensure(after["meta"]["lastModified"] not in (past, None), "meta.lastModified was taken from the body")
    ensure(after["meta"].get("version") != 'W/"no"', "meta.version was taken from the body")
    unassigned(scim.read(place(foreign, "/Groups")), "members")
    expect_error(scim.get(f"/Users/{body['id']}"), 404)


@requirement("7644-3.5.1-09")
def required_values_are_demanded(scim: Scim) -> None:
    """A replacement without a required value is refused."""
    user = scim.user(title="A")
    for name in ({}, {"userName": None}, {"userName": ""}):
        refused(scim, place(user), {"schemas": [CORE_USER], "title": "B"} | name, 400, "invalidValue")


@requirement("7644-3.5.1-10")
def answers_with_the_resource(scim: Scim) -> None:
    """A successful PUT answers 200 with the whole resource, its location and its tag."""
    user = scim.user(title="A")
    scim.group(user["id"])
    response = scim.put(place(user), scim.user_body(userName=user["userName"], title="B", emails=[{"value": mail(), "type": "work"}]))
    body = expect(response, 200).json()
    equal(body.get("title"), "B", "title")
    same(body, scim.read(place(user)))
    equal(response.headers.get("Location"), body["meta"]["location"], "Location header")
    if (scim.read("/ServiceProviderConfig").get("etag") or {}).get("supported"):
        equal(response.headers.get("ETag"), body["meta"]["version"], "ETag header")


@requirement("7644-3.5.1-11")
def uniqueness_holds(scim: Scim) -> None:
    """A PUT cannot take the userName of another user, in whatever case it is written."""
    ada, ben = scim.user(), scim.user(title="A")
    for name in (ada["userName"], ada["userName"].upper()):
        refused(scim, place(ben), scim.user_body(userName=name, title="B"), 409, "uniqueness")
    same(ada, scim.read(place(ada)))
    equal(scim.matches("/Users", f'userName eq "{ben["userName"]}"', [ben]), {ben["id"]}, "users found by the name that stayed")


@requirement("7644-3.5.1-13")
def same_content_changes_nothing(scim: Scim) -> None:
    """A PUT of what a GET showed leaves version and lastModified alone."""
    user = scim.user(
        title="A", active=True, name={"givenName": "Ada"}, emails=[{"value": mail(), "type": "work", "primary": True}, {"value": mail()}],
        **{ENTERPRISE_USER: {"department": "Engines"}},
    )  # fmt: skip
    group = scim.group(user["id"])
    for path in (place(user), place(group, "/Groups")):
        before = scim.read(path)
        same(before, replaced(scim, path, before))
        after = replaced(scim, path, before | {"externalId": "B"})
        equal(after.get("externalId"), "B", "externalId after a real change")
        changed(before, after)
