"""PATCH, RFC 7644 §3.5.2: order, atomicity, the one primary, and what the server answers."""

from __future__ import annotations

import httpx

from conformance.checks.patch_general import apply, belongs, mail, person, pick, place, refused, same, team, unassigned, values
from conformance.client import ENTERPRISE_USER, PATCH_OP, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement


@requirement("7644-3.5.2-16")
def operations_in_order(scim: Scim) -> None:
    """Each operation works on the result of the one before it."""
    user = person(scim)
    one, two = mail(), mail()
    add, replace = {"op": "add", "path": "title", "value": "A"}, {"op": "replace", "path": "title", "value": "B"}
    remove = {"op": "remove", "path": "title"}
    equal(apply(scim, place(user), add, replace).get("title"), "B", "title after add A, replace B")
    equal(apply(scim, place(user), replace, add).get("title"), "A", "title after replace B, add A")
    unassigned(apply(scim, place(user), add, replace, remove), "title")
    equal(apply(scim, place(user), remove, add).get("title"), "A", "title after remove, add A")
    after = apply(
        scim,
        place(user),
        {"op": "add", "path": "emails", "value": [{"value": one, "type": "work"}, {"value": two, "type": "home"}]},
        {"op": "replace", "path": 'emails[type eq "work"].display', "value": "first"},
        {"op": "remove", "path": 'emails[type eq "home"]'},
    )
    equal(values(after, "emails"), [one], "emails after add of two, remove of one")
    ensure(pick(after, "emails", value=one, display="first"), f"emails: {after.get('emails')!r}")


@requirement("7644-3.5.2-17")
def one_primary(scim: Scim) -> None:
    """An operation that makes a value primary takes that mark from every other value."""
    first, second, third = mail(), mail(), mail()
    before = [{"value": first, "type": "work", "primary": True}, {"value": second, "type": "home"}]
    new = [{"value": third, "type": "other", "primary": True}]
    for operation, wanted in (
        ({"op": "add", "path": "emails", "value": new}, third),
        ({"op": "add", "value": {"emails": new}}, third),
        ({"op": "replace", "path": 'emails[type eq "home"].primary', "value": True}, second),
        ({"op": "add", "path": 'emails[type eq "home"]', "value": {"primary": True}}, second),
    ):
        user = person(scim, emails=before)
        after = apply(scim, place(user), operation)
        equal([item["value"] for item in pick(after, "emails", primary=True)], [wanted], f"primary emails after {operation}")
        ensure(first in values(after, "emails"), "the former primary value is gone")
        ensure(second in values(after, "emails"), "another value is gone")


@requirement("7644-3.5.2-18")
def all_or_nothing(scim: Scim) -> None:
    """When one operation fails, nothing of the whole PATCH remains: attributes, members, keys and version are as before."""
    name = rand("user")
    ada, ben = person(scim, title="before", emails=[{"value": mail(), "type": "work"}]), scim.user()
    group = team(scim, ada)
    wrong = {"op": "replace", "path": "id", "value": "y"}
    refused(
        scim,
        place(ada),
        {"op": "replace", "path": "title", "value": "after"},
        {"op": "replace", "path": "userName", "value": name},
        {"op": "remove", "path": "emails"},
        {"op": "add", "path": f"{ENTERPRISE_USER}:department", "value": "Engines"},
        wrong,
        types=("mutability",),
    )
    equal(scim.find("/Users", f'userName eq "{name}"')["totalResults"], 0, "users with the name of the undone change")
    scim.user(userName=name)
    for members in (
        {"op": "add", "path": "members", "value": [{"value": ben["id"]}]},
        {"op": "remove", "path": "members"},
        {"op": "replace", "path": "members", "value": [{"value": ben["id"]}]},
    ):
        refused(scim, place(group, "/Groups"), members, wrong, types=("mutability",))
    belongs(scim, ada, group)
    belongs(scim, ben)


@requirement("7644-3.5.2-19")
def failures_explain_themselves(scim: Scim) -> None:
    """Every failed PATCH has a status, an Error body that repeats it, and a detail for people to read."""
    user = person(scim)
    path, envelope = place(user), {"schemas": [PATCH_OP]}
    broken: list[tuple[httpx.Response, int]] = [
        (scim.request("PATCH", path, content=b'{"schemas": ['), 400),
        (scim.request("PATCH", path, content=b"[]"), 400),
        (scim.request("PATCH", path, envelope | {"Operations": [{"op": "jump"}]}), 400),
        (scim.patch(path, {"op": "replace", "path": "no[", "value": 1}), 400),
        (scim.patch(path, {"op": "remove", "path": "userName"}), 400),
        (scim.patch(f"/Users/{rand()}", {"op": "add", "path": "title", "value": "x"}), 404),
    ]
    for response, status in broken:
        detail = expect_error(response, status).get("detail")
        ensure(isinstance(detail, str) and detail, f"detail of the {status} answer: {detail!r}")
        ensure("json" in response.headers.get("Content-Type", ""), f"Content-Type of an Error: {response.headers.get('Content-Type')!r}")
    same(user, scim.read(path))


def _check_answer(scim: Scim, path: str, response: httpx.Response) -> Json:
    """200 must carry what a GET shows, 204 nothing but headers; returns what the GET shows."""
    expect(response, 200, 204)
    after = scim.read(path)
    if response.status_code == 200:
        same(response.json(), after)
    else:
        ensure(not response.content, "204 with a body")
        ensure(response.headers.get("Content-Length", "0") == "0", "204 that announces a body")
        version = (after.get("meta") or {}).get("version")
        if version is not None:
            equal(response.headers.get("ETag"), version, "ETag of the 204 answer")
    return after


@requirement("7644-3.5.2-20")
def success_is_200_or_204(scim: Scim) -> None:
    """A successful PATCH answers 200 with the resource as it now is, or 204 with headers only."""
    user = person(scim, emails=[{"value": mail(), "type": "work"}], **{ENTERPRISE_USER: {"department": "Engines"}})
    response = scim.patch(place(user), {"op": "replace", "path": "title", "value": "after"})
    equal(_check_answer(scim, place(user), response).get("title"), "after", "title")
    group = team(scim)
    response = scim.patch(place(group, "/Groups"), {"op": "add", "path": "members", "value": [{"value": user["id"]}]})
    equal(values(_check_answer(scim, place(group, "/Groups"), response), "members"), [user["id"]], "members")


@requirement("7644-3.5.2-21")
def attributes_demand_a_body(scim: Scim) -> None:
    """With the parameter attributes, a PATCH answers 200 and the body is projected like that of a GET."""
    user = person(scim, nickName="Ada", emails=[{"value": mail()}])
    response = scim.patch(place(user), {"op": "replace", "path": "title", "value": "after"}, params={"attributes": "title"})
    body = expect(response, 200).json()
    equal(body.get("id"), user["id"], "id")
    equal(body.get("title"), "after", "title")
    ensure(body.get("schemas"), "the body has no schemas")
    surplus = {"nickName", "emails"} & body.keys()
    ensure(not surplus, f"attributes that were not asked for: {surplus}")
    equal(scim.read(place(user)).get("title"), "after", "title in a GET")


@requirement("7644-3.5.2-22")
def unknown_resource(scim: Scim) -> None:
    """PATCH of a resource that does not exist, or not at this endpoint, answers 404 and makes nothing."""
    user, group, missing = person(scim), scim.group(), rand("id")
    title = {"op": "add", "path": "title", "value": "x"}
    member = {"op": "add", "path": "members", "value": [{"value": user["id"]}]}
    for path, operation in (
        (f"/Users/{missing}", title),
        (f"/Groups/{missing}", member),
        (f"/Groups/{missing}", {"op": "remove", "path": "members"}),
        (place(group, "/Users"), title),
        (place(user, "/Groups"), member),
    ):
        expect_error(scim.patch(path, operation), 404)
    expect_error(scim.get(f"/Groups/{missing}"), 404)
    same(user, scim.read(place(user)))
    same(group, scim.read(place(group, "/Groups")))


@requirement("7644-3.5.2-26")
def bare_204(scim: Scim) -> None:
    """A PATCH answer without body carries neither content nor credentials; a large group is where servers give one."""
    scim.feature("patch")
    members = [scim.user() for _ in range(101)]  # decision 57: more than 100 references, then 204
    group = team(scim, *members)
    name = rand("group")
    response = scim.patch(place(group, "/Groups"), {"op": "replace", "path": "displayName", "value": name})
    ensure("Authorization" not in response.headers, "the answer carries an Authorization header")
    after = _check_answer(scim, place(group, "/Groups"), response)
    equal(after["displayName"], name, "displayName")
    equal(len(after["members"]), 101, "number of members")
    asked = scim.patch(place(group, "/Groups"), {"op": "add", "path": "externalId", "value": name}, params={"attributes": "externalId"})
    equal(expect(asked, 200).json().get("externalId"), name, "externalId of the projected answer")
