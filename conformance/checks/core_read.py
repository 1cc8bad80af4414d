"""Base URI, media type, methods, reading and listing: RFC 7644 §1.2, §1.3, §3.1, §3.2 and §3.4."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import httpx

from conformance.checks.schema_support import UNKNOWN_ID, again, followed, group_path, quoted, user_path
from conformance.client import (
    CORE_GROUP,
    CORE_USER,
    LIST_RESPONSE,
    PATCH_OP,
    SEARCH_REQUEST,
    Json,
    Scim,
    ensure,
    equal,
    expect,
    expect_error,
    rand,
)
from conformance.registry import requirement

MESSAGE = "urn:ietf:params:scim:api:"
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def _ids(response: httpx.Response) -> list[str]:
    return [item["id"] for item in expect(response, 200).json().get("Resources") or []]


@requirement("7644-1.3-01")
def base_has_no_query(scim: Scim) -> None:
    """The base URI takes a path and a query behind it, and no URI that the server sends carries a query or a fragment."""
    user = scim.user()
    filter_ = quote(f"id eq {quoted(user['id'])}")
    equal(_ids(scim.get(f"{scim.base_url}/Users?filter={filter_}&count=1")), [user["id"]], "users found by base URI + path + query")
    for location in (user["meta"]["location"], scim.read("/ServiceProviderConfig")["meta"]["location"]):
        parts = urlsplit(location)
        ensure(parts.scheme and parts.netloc and not parts.query and not parts.fragment, f"location is {location}")


@requirement("7644-1.3-02")
def one_prefix_everywhere(scim: Scim) -> None:
    """Every URI that the server sends starts with one and the same base, and resolves."""
    user = scim.user()
    group = again(scim, scim.group(user["id"]))
    base = user["meta"]["location"].removesuffix(user_path(user))
    equal(base + user_path(user), user["meta"]["location"], "location of a user")
    equal(group["meta"]["location"], base + group_path(group), "location of a group")
    equal(scim.read(group["meta"]["location"])["id"], group["id"], "what the group's location gives")
    equal(followed(scim, group["members"][0])["id"], user["id"], "what a member's $ref gives")
    equal(followed(scim, again(scim, user)["groups"][0])["id"], group["id"], "what a group's $ref in a user gives")
    for path in ("/Schemas", "/ResourceTypes"):
        for item in scim.read(path)["Resources"]:
            location = (item.get("meta") or {}).get("location")
            ensure(location is None or location.startswith(base + path + "/"), f"{location} is outside {base}{path}")
            ensure(location is None or scim.read(location), f"{location} does not resolve")


@requirement("7644-1.2-01")
def percent_encoding(scim: Scim) -> None:
    """Percent-encoded URLs are decoded, a plus in a query is a space, and quotes that a lax client sends raw are read."""
    user = scim.user(userName=rand("zoë+ada&ben 100%"))
    literal = quote(user["userName"], safe="")
    for spelling in ("userName%20eq%20%22", "userName+eq+%22", "%75serName%20%65q%20%22"):
        equal(_ids(scim.get(f"/Users?filter={spelling}{literal}%22")), [user["id"]], f"users found by {spelling}…")
    encoded = "".join(f"%{ord(letter):02X}" for letter in user["id"])
    equal(scim.read(f"/Users/{encoded}")["id"], user["id"], "user read by an id that is percent-encoded throughout")
    url = httpx.URL(scim.url("/Users"))
    target = url.raw_path + f'?filter=id%20eq%20"{user["id"]}"'.encode()
    equal(_ids(scim.http.get(url, extensions={"target": target})), [user["id"]], "users found by a filter with raw quotes")


@requirement("7644-3.1-01")
def answers_are_scim_json(scim: Scim) -> None:
    """Resources, lists and errors are JSON objects with the media type application/scim+json."""
    user = scim.user()
    answers = [
        scim.get(user_path(user)),
        scim.get("/Users", params={"count": 1}),
        scim.put(user_path(user), user),
        scim.post("/Users", scim.user_body()),
        scim.get(f"/Users/{UNKNOWN_ID}"),
        scim.post("/Users", scim.user_body(userName=None)),
    ]
    for answer, status in zip(answers, (200, 200, 200, 201, 404, 400), strict=True):
        expect(answer, status)
        kind = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
        equal(kind, "application/scim+json", f"Content-Type of {answer.request.method} with {status}")
        ensure(isinstance(answer.json(), dict), "the body is not an object")


@requirement("7644-3.1-02")
def schemas_in_every_representation(scim: Scim) -> None:
    """Each representation of a resource says its schemas: read, written, listed, searched and projected."""
    user = scim.user(title="Engineer")
    filter_ = f"id eq {quoted(user['id'])}"
    search = {"schemas": [SEARCH_REQUEST], "filter": filter_, "attributes": ["title"]}
    shown = [
        user,
        scim.read(user_path(user)),
        scim.read(user_path(user), params={"attributes": "title"}),  # decision 47
        scim.read(user_path(user), params={"excludedAttributes": "schemas,title"}),
        expect(scim.put(user_path(user), user | {"title": "Editor"}), 200).json(),
        *scim.find("/Users", filter_)["Resources"],
        *scim.find("/Users", filter_, attributes="title")["Resources"],
        *expect(scim.post("/Users/.search", search), 200).json()["Resources"],
        scim.group(),
    ]
    answer = expect(scim.patch(user_path(user), {"op": "replace", "path": "title", "value": "Author"}), 200, 204)
    shown += [answer.json()] if answer.status_code == 200 else []
    ensure(len(shown) >= 9, "the user was not found in the lists")
    for resource in shown:
        kind = CORE_GROUP if "/Groups/" in resource.get("meta", {}).get("location", "") else CORE_USER
        equal(resource.get("schemas"), [kind], f"schemas of {resource!r}")


@requirement("7644-3.1-03")
def message_schemas(scim: Scim) -> None:
    """Lists and errors are messages: their one schema URI is in the name space for API messages."""
    search = {"schemas": [SEARCH_REQUEST], "count": 1}
    for answer, status, name in (
        (scim.get("/Users", params={"count": 1}), 200, "ListResponse"),
        (scim.get("/Schemas"), 200, "ListResponse"),
        (scim.post("/Users/.search", search), 200, "ListResponse"),
        (scim.get(f"/Users/{UNKNOWN_ID}"), 404, "Error"),
        (scim.get("/Users", params={"filter": "userName xx"}), 400, "Error"),
    ):
        found = expect(answer, status).json().get("schemas")
        equal(found, [f"{MESSAGE}messages:2.0:{name}"], f"schemas of {answer.request.method} {answer.request.url}")


@requirement("7644-3.2-01")
def users_and_groups(scim: Scim) -> None:
    """Users are listed at /Users and groups at /Groups, each at its own endpoint only."""
    user, group = scim.user(), scim.group()
    equal(scim.matches("/Users", f"id eq {quoted(user['id'])}", [user]), {user["id"]}, "user at /Users")
    equal(scim.matches("/Groups", f"id eq {quoted(group['id'])}", [group]), {group["id"]}, "group at /Groups")
    equal(scim.matches("/Groups", f"id eq {quoted(user['id'])}", [user]), set(), "user at /Groups")
    for path, kind in (("/Users", "User"), ("/Groups", "Group")):
        page = scim.read(path, params={"count": 10})
        equal({item["meta"]["resourceType"] for item in page["Resources"]}, {kind}, f"types listed at {path}")


@requirement("7644-3.2-04")
def methods(scim: Scim) -> None:
    """Each method does at each endpoint what the protocol says; a method that is not for an endpoint is 405 or 501."""
    user, group = scim.user(), scim.group()
    for path in (user_path(user), group_path(group)):
        before = expect(scim.get(path), 200).json()
        expect(scim.put(path, before | {"displayName": before["id"] + " put"}), 200)
        equal(scim.read(path).get("displayName"), before["id"] + " put", f"displayName after PUT {path}")
        if scim.read("/ServiceProviderConfig")["patch"]["supported"]:
            expect(scim.patch(path, {"op": "replace", "path": "displayName", "value": before["id"] + " patched"}), 200, 204)
            equal(scim.read(path).get("displayName"), before["id"] + " patched", f"displayName after PATCH {path}")
        else:
            expect_error(scim.patch(path, {"op": "replace", "path": "displayName", "value": "x"}), 501)
    # DELETE is not tried on /Users: a server that took it would lose every user.
    envelope = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "title", "value": "x"}]}
    for method, path, body in (
        ("POST", user_path(user), scim.user_body()),
        ("PUT", "/Users", scim.user_body()),
        ("PATCH", "/Users", envelope),
        ("PUT", "/ServiceProviderConfig", {"schemas": []}),
        ("DELETE", "/ServiceProviderConfig", None),
        ("POST", "/ServiceProviderConfig", {"schemas": []}),
        ("PATCH", "/Schemas", envelope),
        ("DELETE", "/ResourceTypes", None),
    ):
        _not_for(scim, method, path, body)
    for path in (user_path(user), group_path(group)):
        expect(scim.delete(path), 204)
        expect_error(scim.get(path), 404)


def _not_for(scim: Scim, method: str, path: str, body: Json) -> None:
    answer = scim.request(method, path, body)
    expect_error(answer, 501 if answer.status_code == 501 else 405)
    if answer.status_code == 405:
        allowed = {name.strip().upper() for name in answer.headers.get("Allow", "").split(",")}
        ensure("GET" in allowed and method not in allowed, f"Allow of {method} {path} is {answer.headers.get('Allow')!r}")


@requirement("7644-3.2-05")
def status_in_header_and_body(scim: Scim) -> None:
    """An error has the same status in the HTTP answer and, as a string, in its body."""
    user = scim.user()
    answers = (
        (scim.get(f"/Users/{UNKNOWN_ID}"), 404),
        (scim.get("/Nowhere"), 404),
        (scim.get("/Users", params={"filter": "userName eq"}), 400),
        (scim.post("/Users", content=b"{"), 400),
        (scim.post("/Users", scim.user_body(userName=user["userName"])), 409),
        (scim.put(f"/Groups/{UNKNOWN_ID}", {"schemas": [CORE_GROUP], "displayName": "x"}), 404),
        (scim.delete(f"/Users/{UNKNOWN_ID}"), 404),
    )
    for answer, status in answers:
        body = expect_error(answer, status)
        ensure(type(body["status"]) is str and int(body["status"]) == answer.status_code, f"status is {body['status']!r}")


@requirement("7644-3.2-06")
def what_post_means(scim: Scim) -> None:
    """POST creates at a type's endpoint, searches at its .search and runs operations at /Bulk if that is supported."""
    user = scim.user()
    search = {"schemas": [SEARCH_REQUEST], "filter": f"id eq {quoted(user['id'])}"}
    equal(_ids(scim.post("/Users/.search", search)), [user["id"]], "resources found by POST /Users/.search")
    equal(_ids(scim.post("/Groups/.search", search)), [], "resources found by POST /Groups/.search")
    body = scim.user_body()
    operation = {"method": "POST", "path": "/Users", "bulkId": "one", "data": body}
    answer = scim.post("/Bulk", {"schemas": [BULK_REQUEST], "Operations": [operation]})
    made = scim.find("/Users", f"userName eq {quoted(body['userName'])}")["Resources"]
    for item in made:
        scim.delete(user_path(item))  # the bulk answer has no Location header that would have it cleaned up
    if scim.read("/ServiceProviderConfig")["bulk"]["supported"]:
        expect(answer, 200)
        equal(len(made), 1, "users made by POST /Bulk")
    else:
        expect_error(answer, 404 if answer.status_code == 404 else 501)
        equal(made, [], "users made by a refused POST /Bulk")


@requirement("7644-3.2-07")
def head_is_get_without_a_body(scim: Scim) -> None:
    """HEAD has the status and the headers of GET and no body."""
    user = scim.user()
    for path, status in ((user_path(user), 200), ("/ServiceProviderConfig", 200), (f"/Users/{UNKNOWN_ID}", 404)):
        get, head = expect(scim.get(path), status), expect(scim.request("HEAD", path), status)
        equal(head.content, b"", f"body of HEAD {path}")
        for name in ("Content-Type", "ETag"):
            equal(head.headers.get(name), get.headers.get(name), f"{name} of HEAD {path}")


@requirement("7644-3.4.1-01")
def get_reads(scim: Scim) -> None:
    """GET of an existing resource is 200 with that resource."""
    for path, made in (("/Users", scim.user(title="Engineer")), ("/Groups", scim.group())):
        equal(expect(scim.get(f"{path}/{made['id']}"), 200).json(), made, f"resource read at {path}")


@requirement("7644-3.4.1-03")
def only_the_id_names_a_resource(scim: Scim) -> None:
    """A resource is found under its id at its own type's endpoint, and under no other value and at no other endpoint."""
    user, group = scim.user(externalId=f"ext-{UNKNOWN_ID}"), scim.group()
    for path in (f"/Users/{group['id']}", f"/Groups/{user['id']}", f"/Users/{user['userName']}", f"/Users/{user['externalId']}"):
        expect_error(scim.get(path), 404)
    expect_error(scim.delete(f"/Users/{group['id']}"), 404)
    equal(again(scim, group)["id"], group["id"], "the group after a DELETE at /Users")
    equal(again(scim, user)["id"], user["id"], "the user")


@requirement("7644-3.4.2-02")
def unknown_parameters_are_ignored(scim: Scim) -> None:
    """Query parameters that the server does not know change nothing."""
    user = scim.user()
    known: dict[str, str | int] = {"filter": f"id eq {quoted(user['id'])}"}
    unknown: dict[str, str | int] = {"foo": "bar", "aadOptscim062020": ""}
    equal(scim.read("/Users", params=known | unknown), scim.read("/Users", params=known), "list with unknown parameters")
    equal(scim.read(user_path(user), params=unknown), user, "user read with unknown parameters")


@requirement("7644-3.4.2-03")
def lists_are_list_responses(scim: Scim) -> None:
    """Every list is a ListResponse message whose Resources are whole resources, also when nothing matches."""
    user = scim.user()
    page = scim.read("/Users", params={"filter": f"id eq {quoted(user['id'])}"})
    equal((page["schemas"], page["totalResults"], page["Resources"]), ([LIST_RESPONSE], 1, [user]), "list of one user")
    empty = scim.read("/Users", params={"filter": f"id eq {quoted(UNKNOWN_ID)}"})
    equal((empty["schemas"], empty["totalResults"], empty.get("Resources") or []), ([LIST_RESPONSE], 0, []), "empty list")
    for path in ("/Users", "/Groups", "/Schemas", "/ResourceTypes"):
        equal(scim.read(path)["schemas"], [LIST_RESPONSE], f"schemas of {path}")
