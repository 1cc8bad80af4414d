"""The common attributes id, externalId and meta: RFC 7643 §3.1."""

from __future__ import annotations

import time
from datetime import timedelta
from email.utils import parsedate_to_datetime

from conformance.checks.schema_support import (
    again,
    definitions,
    endpoint_of,
    instant,
    quoted,
    resource_types,
    selects,
    stored,
    trait,
    user_path,
)
from conformance.client import CORE_USER, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement


@requirement("7643-3.1-01")
def id_and_meta_on_every_resource(scim: Scim) -> None:
    """Every resource of every type that can be listed has an id and a meta."""
    for resource in (again(scim, scim.user()), again(scim, scim.group())):
        ensure(resource.get("id") and resource.get("meta"), f"no id or meta in {resource!r}")
    for kind in resource_types(scim):
        for resource in scim.read(endpoint_of(kind), params={"count": 5}).get("Resources") or []:
            ensure(resource.get("id") and resource.get("meta"), f"no id or meta in {resource!r}")


@requirement("7643-3.1-02")
def server_assigns_id_and_meta(scim: Scim) -> None:
    """The server gives a new resource its id and the resourceType, created, lastModified and location of its meta."""
    for made in (scim.user(), scim.group()):
        for resource in (made, again(scim, made)):
            ensure(isinstance(resource.get("id"), str) and resource["id"], f"id is {resource.get('id')!r}")
            for name in ("resourceType", "created", "lastModified", "location"):
                ensure(isinstance(resource["meta"].get(name), str), f"meta.{name} is {resource['meta'].get(name)!r}")
        equal(again(scim, made)["meta"], made["meta"], "meta when read again")


@requirement("7643-3.1-03")
def common_characteristics_outrank_schemas(scim: Scim) -> None:
    """id and externalId compare with case and id is read-only, whatever a published schema says of them."""
    user = again(scim, scim.user(externalId=rand("Ext")))
    for name in ("id", "externalId"):
        swapped = user[name].swapcase()
        ensure(selects(scim, "/Users", f"{name} eq {quoted(user[name])}", user), f"{name} does not match itself")
        if swapped != user[name]:
            equal(scim.matches("/Users", f"{name} eq {quoted(swapped)}", [user]), set(), f"users whose {name} matches {swapped}")
    expect_error(scim.patch(user_path(user), {"op": "replace", "path": "id", "value": rand("id")}), 400, "mutability")
    expect(scim.put(user_path(user), user | {"id": rand("id")}), 200)
    equal(again(scim, user)["id"], user["id"], "id after a PUT with another one")
    for name, definition in definitions(scim):
        if name in (f"{CORE_USER}:id", f"{CORE_USER}:externalId"):
            ensure(trait(definition, "caseExact") is True, f"{name} is published as not case-exact")


@requirement("7643-3.1-04")
def id_is_always_there(scim: Scim) -> None:
    """Every representation of a resource has its id: projected, listed, and answered to POST, PUT and PATCH."""
    user = scim.user(title="Engineer")
    id_ = user["id"]
    equal(scim.read(user_path(user), params={"attributes": "userName"}).get("id"), id_, "id under attributes=userName")
    equal(scim.read(user_path(user), params={"excludedAttributes": "id,title"}).get("id"), id_, "id under excludedAttributes=id,title")
    listed = scim.find("/Users", f"userName eq {quoted(user['userName'])}", attributes="title")["Resources"]
    equal([item.get("id") for item in listed], [id_], "id in a projected list")
    equal(expect(scim.put(user_path(user), user | {"title": "Editor"}), 200).json().get("id"), id_, "id in the answer to PUT")
    answer = expect(scim.patch(user_path(user), {"op": "replace", "path": "title", "value": "Author"}), 200, 204)
    ensure(answer.status_code == 204 or answer.json().get("id") == id_, "id is missing in the answer to PATCH")


@requirement("7643-3.1-05")
def ids_are_unique(scim: Scim) -> None:
    """No id names two resources, not even of different types."""
    users = [scim.user() for _ in range(8)]
    groups = [scim.group() for _ in range(8)]
    equal(len({resource["id"] for resource in users + groups}), 16, "different ids among 16 resources")
    expect_error(scim.get(f"/Groups/{users[0]['id']}"), 404)
    expect_error(scim.get(f"/Users/{groups[0]['id']}"), 404)
    response = scim.get("", params={"filter": f"id eq {quoted(users[0]['id'])}"})
    if expect(response, 200, 403, 404, 501).status_code == 200:  # querying at the root is optional
        equal([item["id"] for item in response.json()["Resources"]], [users[0]["id"]], "resources of all types with this id")


@requirement("7643-3.1-06")
def ids_are_never_given_again(scim: Scim) -> None:
    """An id stays with its resource through every change and is not used again after it is deleted."""
    user = scim.user()
    expect(scim.put(user_path(user), scim.user_body()), 200)
    expect(scim.patch(user_path(user), {"op": "replace", "path": "userName", "value": user["userName"]}), 200, 204)
    equal(again(scim, user)["userName"], user["userName"], "userName of the same id after two changes")
    expect(scim.delete(user_path(user)), 204)
    successor = scim.user(userName=user["userName"])
    ensure(successor["id"] != user["id"], "a deleted user's id was given to the next user of that name")
    expect_error(scim.get(user_path(user)), 404)


@requirement("7643-3.1-07")
def client_does_not_choose_the_id(scim: Scim) -> None:
    """An id in a create is ignored: the server's own is used and the client's names nothing."""
    for endpoint, body in (("/Users", scim.user_body()), ("/Groups", {"schemas": _group(), "displayName": rand("group")})):
        wish = rand("mine")
        made = scim.create(endpoint, body | {"id": wish})
        ensure(made["id"] != wish, "the client's id was taken over")
        equal(again(scim, made)["id"], made["id"], "id when read again")
        expect_error(scim.get(f"{endpoint}/{wish}"), 404)


def _group() -> list[str]:
    return ["urn:ietf:params:scim:schemas:core:2.0:Group"]


@requirement("7643-3.1-08")
def ids_do_not_look_like_bulk_ids(scim: Scim) -> None:
    """No id contains the word bulkId, not even when the client asks for it."""
    made = [scim.user(), scim.group(), scim.create("/Users", scim.user_body() | {"id": "bulkId:1"})]
    for resource in made:
        ensure("bulkid" not in resource["id"].lower(), f"the id {resource['id']} contains bulkId")


@requirement("7643-3.1-09")
def id_is_case_exact_and_always_returned(scim: Scim) -> None:
    """An id in another case names nothing, cannot be written, and id cannot be excluded."""
    user = scim.user()
    swapped = user["id"].swapcase()
    if swapped != user["id"]:
        expect_error(scim.get(f"/Users/{swapped}"), 404)
        equal(scim.matches("/Users", f"id eq {quoted(swapped)}", [user]), set(), "users whose id matches in another case")
    equal(scim.matches("/Users", f"id eq {quoted(user['id'])}", [user]), {user["id"]}, "users with this id")
    expect_error(scim.patch(user_path(user), {"op": "replace", "path": "id", "value": swapped + "0"}), 400, "mutability")
    equal(scim.read(user_path(user), params={"excludedAttributes": "id"}).get("id"), user["id"], "id under excludedAttributes=id")


@requirement("7643-3.1-10")
def server_sets_no_external_id(scim: Scim) -> None:
    """externalId is the client's: absent until the client sends it, then exactly what was sent."""
    for endpoint, resource in (("/Users", scim.user()), ("/Groups", scim.group())):
        ensure("externalId" not in resource and "externalId" not in again(scim, resource), f"an externalId appears at {endpoint}")
        ensure(not selects(scim, endpoint, "externalId pr", resource), f"externalId pr matches at {endpoint}")
    external = rand("Ext")
    equal(stored(scim, externalId=external)["externalId"], external, "externalId")


@requirement("7643-3.1-12")
def external_id_may_repeat(scim: Scim) -> None:
    """Two users may have the same externalId, and a filter on it finds both."""
    external = rand("ext")
    both = [scim.user(externalId=external), scim.user(externalId=external)]  # decision 59: not enforced by default
    equal(scim.matches("/Users", f"externalId eq {quoted(external)}", both), {user["id"] for user in both}, "users with the externalId")


@requirement("7643-3.1-14")
def meta_from_the_client_is_ignored(scim: Scim) -> None:
    """Whatever a client sends in meta is ignored, on create and on replace."""
    false = {"resourceType": "Group", "created": "1999-01-01T00:00:00Z", "lastModified": "1999-01-01T00:00:00Z"}
    false |= {"location": "https://example.com/Users/1", "version": 'W/"forged"'}
    response = expect(scim.post("/Users", scim.user_body() | {"meta": false}), 201)
    user = again(scim, response.json())
    _no_trace(user, false)
    if "Date" in response.headers:
        age = abs(instant(user["meta"]["created"]) - parsedate_to_datetime(response.headers["Date"]))
        ensure(age < timedelta(minutes=5), f"created is {age} away from the server's clock")
    expect(scim.put(user_path(user), user | {"meta": false, "title": "Engineer"}), 200)
    shown = again(scim, user)
    _no_trace(shown, false)
    equal((shown.get("title"), shown["meta"]["created"]), ("Engineer", user["meta"]["created"]), "title and created after PUT")


def _no_trace(user: Json, false: Json) -> None:
    for name, value in false.items():
        ensure(user["meta"].get(name) != value, f"meta.{name} was taken over from the client")


@requirement("7643-3.1-15")
def meta_is_read_only_and_returned_by_default(scim: Scim) -> None:
    """meta cannot be patched, is returned by default, and is left out when other attributes are asked for."""
    user = scim.user()
    for name, value in (("created", "1999-01-01T00:00:00Z"), ("resourceType", "Group"), ("location", "https://example.com/")):
        expect_error(scim.patch(user_path(user), {"op": "replace", "path": f"meta.{name}", "value": value}), 400, "mutability")
    equal(again(scim, user)["meta"], user["meta"], "meta after refused PATCHes")
    ensure("meta" not in scim.read(user_path(user), params={"attributes": "userName"}), "attributes=userName returns meta")
    named = scim.read(user_path(user), params={"attributes": "meta.created"})
    equal(named.get("meta"), {"created": user["meta"]["created"]}, "meta under attributes=meta.created")


@requirement("7643-3.1-17")
def created_is_the_time_of_creation(scim: Scim) -> None:
    """meta.created is a dateTime that no later change moves."""
    user, later = scim.user(), scim.user()
    created = user["meta"]["created"]
    ensure(instant(created) <= instant(later["meta"]["created"]), "a later user has an earlier created")
    expect(scim.patch(user_path(user), {"op": "replace", "path": "title", "value": "Engineer"}), 200, 204)
    equal(again(scim, user)["meta"]["created"], created, "created after PATCH")
    expect(scim.put(user_path(user), scim.user_body()), 200)
    equal(again(scim, user)["meta"]["created"], created, "created after PUT")


@requirement("7643-3.1-18")
def last_modified_follows_changes(scim: Scim) -> None:
    """meta.lastModified equals created at first, moves with each change, and stays when nothing changes."""
    user = scim.user(title="Engineer")
    created = user["meta"]["created"]
    equal(user["meta"]["lastModified"], created, "lastModified of a new user")
    time.sleep(0.03 if "." in created else 1.1)  # so that the change falls into a later unit of the server's clock
    same = {"op": "replace", "path": "title", "value": "Engineer"}
    expect(scim.patch(user_path(user), same), 200, 204)
    equal(again(scim, user)["meta"]["lastModified"], created, "lastModified after a PATCH that changes nothing")
    expect(scim.patch(user_path(user), same | {"value": "Editor"}), 200, 204)
    changed = again(scim, user)["meta"]["lastModified"]
    ensure(instant(changed) > instant(created), f"lastModified is {changed} after a change, created was {created}")
    ensure(selects(scim, "/Users", f"meta.lastModified gt {quoted(created)}", user), "the filter on lastModified misses the changed user")


@requirement("7643-3.1-19")
def location_is_the_uri(scim: Scim) -> None:
    """meta.location is the resource's URI and equals the Location and Content-Location headers where they are sent."""
    for endpoint, body in (("/Users", scim.user_body()), ("/Groups", {"schemas": _group(), "displayName": rand("group")})):
        response = expect(scim.post(endpoint, body), 201)
        made = response.json()
        location = made["meta"]["location"]
        equal(response.headers.get("Location"), location, "Location of the 201")
        for path in (location, f"{endpoint}/{made['id']}"):
            answer = expect(scim.get(path), 200)
            equal((answer.json()["id"], answer.json()["meta"]["location"]), (made["id"], location), f"id and location read from {path}")
            for name in ("Location", "Content-Location"):
                equal(answer.headers.get(name, location), location, f"{name} of GET {path}")
