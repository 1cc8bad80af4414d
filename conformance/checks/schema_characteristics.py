"""Mutability and uniqueness as published and as enforced: RFC 7643 §7."""

from __future__ import annotations

from conformance.checks.schema_support import (
    Place,
    again,
    group_path,
    places,
    published,
    quoted,
    stored,
    trait,
    user_path,
)
from conformance.client import CORE_GROUP, CORE_USER, SEARCH_REQUEST, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, requirement


@requirement("7643-7-10")
def read_only(scim: Scim) -> None:
    """A read-only attribute cannot be patched, and is ignored in the bodies of POST and PUT."""
    member, outsider = scim.user(), scim.user()
    group = scim.group(member["id"])
    forged = {"id": "forged", "groups": [{"value": group["id"]}], "meta": {"created": "1999-01-01T00:00:00Z"}}
    for path, value in (("id", "forged"), ("meta.created", "1999-01-01T00:00:00Z"), ("groups", forged["groups"])):
        expect_error(scim.patch(user_path(outsider), {"op": "replace", "path": path, "value": value}), 400, "mutability")
    expect(scim.put(user_path(outsider), outsider | forged), 200)
    created = scim.create("/Users", scim.user_body() | forged)
    for user in (outsider, created):
        shown = again(scim, user)
        equal((shown["id"], shown["meta"]["created"]), (user["id"], user["meta"]["created"]), "id and created")
        ensure(not shown.get("groups"), f"groups is {shown.get('groups')!r} though no group has the user")
    equal([item["value"] for item in again(scim, group)["members"]], [member["id"]], "members of the group")
    equal(trait(published(scim, CORE_USER, "groups"), "mutability"), "readOnly", "published mutability of groups")


@requirement("7643-7-11")
def read_write(scim: Scim) -> None:
    """A readWrite attribute can be set, changed and read by POST, PATCH and PUT."""
    equal(trait(published(scim, CORE_USER, "title"), "mutability"), "readWrite", "published mutability of title")
    user = stored(scim, title="Engineer", nickName="Ada")
    expect(scim.patch(user_path(user), {"op": "replace", "path": "title", "value": "Editor"}), 200, 204)
    shown = again(scim, user)
    equal((shown.get("title"), shown.get("nickName")), ("Editor", "Ada"), "title and nickName after PATCH")
    expect(scim.put(user_path(user), shown | {"title": "Author"}), 200)
    shown = again(scim, user)
    equal((shown.get("title"), shown.get("nickName")), ("Author", "Ada"), "title and nickName after PUT")


@requirement("7643-7-12")
def immutable(scim: Scim) -> None:
    """An immutable attribute keeps its first value: a member's value cannot be rewritten, nor any attribute published as immutable."""
    user, other = scim.user(), scim.user()
    group = scim.group(user["id"])
    equal(trait(published(scim, CORE_GROUP, "members", "value"), "mutability"), "immutable", "published mutability of members.value")
    path = f"members[value eq {quoted(user['id'])}].value"
    expect_error(scim.patch(group_path(group), {"op": "replace", "path": path, "value": other["id"]}), 400, "mutability")
    equal([item["value"] for item in again(scim, group)["members"]], [user["id"]], "members after a refused change")
    for place in places(scim, type="string", mutability="immutable", multiValued=False, uniqueness="none", returned="default"):
        _keeps_its_first_value(scim, place)


def _keeps_its_first_value(scim: Scim, place: Place) -> None:
    first = expect(place.create(scim, "first"), 201).json()
    where = f"{place.endpoint}/{first['id']}"
    expect_error(scim.patch(where, {"op": "replace", "path": place.path, "value": "second"}), 400, "mutability")
    changed = again(scim, first)
    held = changed.setdefault(place.urn, {}) if place.extension else changed
    held[place.definition["name"]] = "second"
    expect_error(scim.put(where, changed), 400, "mutability")
    equal(place.of(again(scim, first)), "first", place.path)


@requirement("7643-7-13")
def write_only(scim: Scim) -> None:
    """A writeOnly attribute appears in no answer, whichever way it is written or asked for."""
    hidden = places(scim, mutability="writeOnly")
    ensure(any(place.path == "password" for place in hidden), "password is not published as writeOnly")
    secret = rand("Secret")
    user = scim.user_body(password=secret)
    answers = [expect(scim.post("/Users", user), 201)]
    where = f"/Users/{answers[0].json()['id']}"
    answers += [
        scim.get(where),
        scim.get(where, params={"attributes": "password,userName"}),
        scim.put(where, user),
        scim.patch(where, {"op": "replace", "path": "password", "value": secret + "2"}, params={"attributes": "password"}),
        scim.get("/Users", params={"filter": f"userName eq {quoted(user['userName'])}", "attributes": "password"}),
        scim.post("/Users/.search", {
            "schemas": [SEARCH_REQUEST], "filter": f"userName eq {quoted(user['userName'])}", "attributes": ["password"]
        }),
    ]  # fmt: skip
    for answer in answers:
        expect(answer, 200, 201, 204)
        shown = answer.text
        ensure(secret not in shown and '"password"' not in shown.lower(), f"{answer.request.method} shows the password")


@requirement("7643-7-18")
def server_unique(scim: Scim) -> None:
    """A value of an attribute published as unique in the server is held by one resource only, on POST, PUT and PATCH."""
    found = [
        place for place in places(scim, type="string", uniqueness="server", multiValued=False)
        if trait(place.definition, "mutability") in ("readWrite", "immutable")
    ]  # fmt: skip
    ensure(any(place.path == "userName" for place in found), "userName is not published with uniqueness server")
    for place in found:
        _holds_once(scim, place)


@requirement("7643-7-19")
def globally_unique(scim: Scim) -> None:
    """A value of an attribute published as globally unique is held by one resource only."""
    found = [
        place for place in places(scim, type="string", uniqueness="global", multiValued=False)
        if trait(place.definition, "mutability") in ("readWrite", "immutable")
    ]  # fmt: skip
    if not found:
        raise Skip("neither User nor Group publishes a writable attribute with uniqueness global")
    for place in found:
        _holds_once(scim, place)


def _holds_once(scim: Scim, place: Place) -> None:
    value = rand("unique")
    expect(place.create(scim, value), 201)
    expect_error(place.create(scim, value), 409, "uniqueness")
    other = expect(place.create(scim, rand("unique")), 201).json()
    where = f"{place.endpoint}/{other['id']}"
    if trait(place.definition, "mutability") == "immutable":
        return
    before = place.of(again(scim, other))
    for response in (
        scim.patch(where, {"op": "replace", "path": place.path, "value": value}),
        scim.put(where, _with(again(scim, other), place, value)),
    ):
        expect_error(response, 400 if response.status_code == 400 else 409, "uniqueness")
    equal(place.of(again(scim, other)), before, f"{place.path} after refused changes")
    expect(scim.put(where, _with(again(scim, other), place, before)), 200)


def _with(resource: Json, place: Place, value: Json) -> Json:
    name = place.definition["name"]
    return resource | ({place.urn: (resource.get(place.urn) or {}) | {name: value}} if place.extension else {name: value})


@requirement("7643-7-20")
def duplicate_create_is_a_conflict(scim: Scim) -> None:
    """A create that would repeat a unique value is a conflict (409), not a bad request, and creates nothing."""
    user = scim.user()
    expect_error(scim.post("/Users", scim.user_body(userName=user["userName"])), 409, "uniqueness")
    found = scim.find("/Users", f"userName eq {quoted(user['userName'])}")
    equal([item["id"] for item in found["Resources"]], [user["id"]], "users of that name")
