"""DELETE, RFC 7644 §3.6: what is deleted is gone, for every operation and every query."""

from __future__ import annotations

from conformance.checks.patch_general import belongs, place, same, unassigned, values
from conformance.client import CORE_GROUP, ENTERPRISE_USER, PATCH_OP, SEARCH_REQUEST, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement


def gone(scim: Scim, resource: Json, endpoint: str = "/Users") -> str:
    """Delete the resource, demand 204, and return its path."""
    path = place(resource, endpoint)
    expect(scim.delete(path), 204)
    return path


@requirement("7644-3.6-01")
def answers_204(scim: Scim) -> None:
    """DELETE answers 204 without a body, and the resource is gone."""
    user, bystander = scim.user(), scim.user()
    for path in (place(scim.group(user["id"]), "/Groups"), place(user)):
        response = expect(scim.delete(path), 204)
        ensure(not response.content, "204 with a body")
        ensure(response.headers.get("Content-Length", "0") == "0", "204 that announces a body")
        expect(scim.get(path), 404)
    same(bystander, scim.read(place(bystander)))


@requirement("7644-3.6-02")
def every_operation_answers_404(scim: Scim) -> None:
    """After a DELETE, every operation on the id answers 404, a second DELETE too."""
    user, group = scim.user(), scim.group()
    bodies = {"/Users": scim.user_body(), "/Groups": {"schemas": [CORE_GROUP], "displayName": rand("group")}}
    operation = {"op": "add", "path": "externalId", "value": rand()}
    for endpoint, resource in (("/Users", user), ("/Groups", group)):
        path = gone(scim, resource, endpoint)
        patch = {"schemas": [PATCH_OP], "Operations": [operation]}
        for method, body in (("GET", None), ("PUT", bodies[endpoint]), ("PATCH", patch), ("DELETE", None), ("GET", None)):
            expect_error(scim.request(method, path, body), 404)
        tag = resource["meta"].get("version") or 'W/"1"'
        expect_error(scim.get(path, headers={"If-None-Match": tag}), 404)
        expect_error(scim.get(path, headers={"If-None-Match": "*"}), 404)


@requirement("7644-3.6-03")
def absent_from_queries(scim: Scim) -> None:
    """No query finds a deleted resource: not by id, by name or by presence, at its endpoint, by /.search or at the root."""
    user, other = scim.user(title=rand()), scim.user()
    group = scim.group(other["id"])
    questions = [
        ("/Users", f'id eq "{user["id"]}"'), ("/Users", f'userName eq "{user["userName"]}"'), ("/Users", f'title sw "{user["title"]}"'),
        ("/Users", f'title eq "{user["title"]}" and userName pr'), ("/Groups", f'displayName eq "{group["displayName"]}"'),
        ("/Groups", f'id eq "{group["id"]}"'), ("/Groups", f'members.value eq "{other["id"]}"'),
    ]  # fmt: skip
    for endpoint, question in questions:
        equal(scim.find(endpoint, question)["totalResults"], 1, f"{question} before the DELETE")
    gone(scim, user)
    gone(scim, group, "/Groups")
    for endpoint, question in questions:
        search = {"schemas": [SEARCH_REQUEST], "filter": question}
        answers = [scim.get(endpoint, params={"filter": question}), scim.post(f"{endpoint}/.search", search)]
        if question.startswith("id "):
            root = [scim.get("/", params={"filter": question}), scim.post("/.search", search)]
            answers += [response for response in root if response.status_code != 501]  # a server may have no query at the root
        for response in answers:
            body = expect(response, 200).json()
            equal(body.get("totalResults"), 0, f"{question}, {response.request.method} {response.request.url.path}")
            ensure(not body.get("Resources"), f"{question} still lists {body.get('Resources')!r}")


@requirement("7644-3.6-04")
def no_conflict_with_deleted(scim: Scim) -> None:
    """What a deleted resource held as a unique value is free again, for POST, PUT and PATCH."""
    user, other = scim.user(), scim.user()
    name = user["userName"]
    gone(scim, user)
    again = scim.user(userName=name)
    ensure(again["id"] != user["id"], "the id of a deleted user was given out again")
    gone(scim, again)
    expect(scim.put(place(other), scim.user_body(userName=name)), 200)
    gone(scim, other)
    third = scim.user()
    expect(scim.patch(place(third), {"op": "replace", "path": "userName", "value": name}), 200, 204, 501)
    expect_error(scim.get(place(user)), 404)
    group = scim.group()
    gone(scim, group, "/Groups")
    ensure(scim.group(displayName=group["displayName"])["id"] != group["id"], "the id of a deleted group was given out again")


@requirement("7644-3.6-05")
def kept_data_stays_hidden(scim: Scim) -> None:
    """Data that a server keeps of a deleted resource does not come back: a namesake starts empty and the old id stays gone."""
    user = scim.user(title="before", externalId=rand())
    group = scim.group(user["id"])
    path = gone(scim, user)
    body = {"userName": user["userName"], "externalId": user["externalId"], "id": user["id"], "active": True}
    namesake = scim.user(**body)
    ensure(namesake["id"] != user["id"], "the namesake took the id of the deleted user")
    after = scim.read(place(namesake))
    unassigned(after, "title")
    unassigned(after, "groups")
    ensure(namesake["id"] not in values(scim.read(place(group, "/Groups")), "members"), "the namesake is in the group of the deleted user")
    expect_error(scim.get(path), 404)
    expect_error(scim.get(path, params={"attributes": "active"}), 404)


@requirement("7644-3.6-06")
def references_go_too(scim: Scim) -> None:
    """Deleting a resource takes it out of group members, out of users' groups, and clears it as manager."""
    boss, peer = scim.user(), scim.user()
    worker = scim.user(**{ENTERPRISE_USER: {"department": "Engines", "manager": {"value": boss["id"]}}})
    group, inner = scim.group(boss["id"], peer["id"]), scim.group(peer["id"])
    outer = scim.group(inner["id"], boss["id"])
    version = scim.read(place(group, "/Groups"))["meta"].get("version")
    gone(scim, boss)  # decision 55
    after = scim.read(place(group, "/Groups"))
    equal(values(after, "members"), [peer["id"]], "members")
    ensure(version is None or after["meta"]["version"] != version, "the group lost a member and kept its version")
    equal(scim.find("/Groups", f'members.value eq "{boss["id"]}"')["totalResults"], 0, "groups found by the deleted member")
    extension = scim.read(place(worker)).get(ENTERPRISE_USER) or {}
    equal(extension.get("department"), "Engines", "department of the worker")
    ensure(not extension.get("manager"), f"the deleted manager is still {extension.get('manager')!r}")
    gone(scim, inner, "/Groups")
    unassigned(scim.read(place(outer, "/Groups")), "members")
    belongs(scim, peer, group)
