"""References by bulkId (RFC 7644 §3.7.1, §3.7.2), and the bulk requests that broke other servers (vectors 8 to 11)."""

from __future__ import annotations

from conformance.bulk import change, failure, member_ids, new_group, new_user, operation, resource, results, send, statuses
from conformance.client import ENTERPRISE_USER, Json, Scim, ensure, equal, expect, expect_error
from conformance.registry import case, requirement

SECTION = "Vectors"
TAGS = {"vectors"}


def _ids(scim: Scim, found: list[Json]) -> list[str]:
    return [resource(scim, result)["id"] for result in found]


@requirement("7644-3.7-18")
def bulk_order_keeps_intent(scim: Scim) -> None:
    """A reference to a later creation is resolved; operations on one resource keep their order, whatever is moved."""
    user = scim.user()
    path = f"/Users/{user['id']}"
    found = results(
        scim,
        new_group("team", "bulkId:later"),
        change(path, {"op": "add", "path": "title", "value": "first"}),
        change(path, {"op": "replace", "path": "title", "value": "second"}),
        new_user(scim, "later"),
    )
    ensure(found[0]["status"] == found[3]["status"] == "201", f"statuses {statuses(found)}")
    equal(member_ids(scim, found[0]), [resource(scim, found[3])["id"]], "members of the group")
    equal(scim.read(path).get("title"), "second", "title after two changes in their order")
    name = user["userName"]
    found = results(scim, operation("DELETE", path), new_user(scim, "again", userName=name), new_group("g", "bulkId:again"))
    equal(statuses(found), ["204", "201", "201"], "statuses of deleting a name and creating it anew")


@requirement("7644-3.7.1-01")
def bulk_circles(scim: Scim) -> None:
    """Resources that refer to each other are created with real references, or refused with 409; no part of a circle is left."""
    groups = [new_group("a", "bulkId:b"), new_group("b", "bulkId:c"), new_group("c", "bulkId:a")]
    found = results(scim, *groups)
    if statuses(found) == ["201"] * 3:
        a, b, c = _ids(scim, found)
        equal([member_ids(scim, result) for result in found], [[b], [c], [a]], "members of groups in a circle")
        users = [new_user(scim, one, **{ENTERPRISE_USER: {"manager": {"value": f"bulkId:{other}"}}}) for one, other in ("ab", "ba")]
        pair = results(scim, *users)
        managers = [resource(scim, result)[ENTERPRISE_USER]["manager"]["value"] for result in pair]
        equal(managers, list(reversed(_ids(scim, pair))), "managers of users in a circle")
    else:
        for result in found:
            failure(result, "409")
        for group in groups:
            equal(scim.find("/Groups", f'displayName eq "{group["data"]["displayName"]}"')["totalResults"], 0, "groups of a refused circle")


@requirement("7644-3.7.1-02")
def bulk_unknown_references(scim: Scim) -> None:
    """A reference to no operation, or to one that failed, is an error of its operation; nothing literal is stored, others are done."""
    taken = scim.user()
    unknown, dependent = new_group("a", "bulkId:nobody"), new_group("b", "bulkId:taken")
    found = results(
        scim, unknown, new_user(scim, "taken", userName=taken["userName"]), dependent, new_group("c", "bulkId:d"), new_user(scim, "d")
    )
    for result in found[:3]:
        failure(result, "409", "400")
    equal(statuses(found[3:]), ["201", "201"], "statuses of the others")
    for group in (unknown, dependent):
        name = group["data"]["displayName"]
        equal(scim.find("/Groups", f'displayName eq "{name}"')["totalResults"], 0, "groups with a reference to nothing")


@requirement("7644-3.7.2-01")
def bulk_values(scim: Scim) -> None:
    """bulkId:x in a value is replaced by the id of what was created."""
    found = results(scim, new_user(scim, "a"), new_user(scim, "b"), new_group("g", "bulkId:a", "bulkId:b"))
    a, b, _ = _ids(scim, found)
    equal(member_ids(scim, found[2]), sorted([a, b]), "members of the group")
    equal([group["value"] for group in scim.read(f"/Users/{a}").get("groups", [])], [resource(scim, found[2])["id"]], "groups of a member")


@requirement("7644-3.7.2-02")
def bulk_values_in_extensions(scim: Scim) -> None:
    """bulkId references in an extension are resolved, as in enterprise manager."""
    worker = new_user(scim, "worker", **{ENTERPRISE_USER: {"manager": {"value": "bulkId:boss"}}})
    found = results(scim, worker, new_user(scim, "boss"))
    equal(statuses(found), ["201", "201"], "statuses")
    equal(resource(scim, found[0])[ENTERPRISE_USER]["manager"]["value"], resource(scim, found[1])["id"], "manager of the worker")


@requirement("7644-3.7.2-03")
def bulk_paths_with_references(scim: Scim) -> None:
    """bulkId references in a path lead to what was created, for PATCH, PUT and DELETE."""
    body = scim.user_body(title="put")
    found = results(
        scim,
        change("/Users/bulkId:a", {"op": "add", "path": "title", "value": "patched"}),
        new_user(scim, "a"),
        new_user(scim, "b", userName=body["userName"]),
        operation("PUT", "/Users/bulkId:b", body),
        new_user(scim, "c"),
        operation("DELETE", "/Users/bulkId:c"),
    )
    ensure(found[0]["status"] in ("200", "204") and statuses(found[1:]) == ["201", "201", "200", "201", "204"], f"{statuses(found)}")
    equal([resource(scim, found[index])["title"] for index in (1, 2)], ["patched", "put"], "titles of the new users")
    equal(found[0]["location"], found[1]["location"], "location of what was changed")
    expect_error(scim.get(found[4]["location"]), 404)


@case("vector-08", section=SECTION, tags=TAGS)
def forward_reference(scim: Scim) -> None:
    """A group before the user that it names: both are created, and the member is the real id."""
    found = results(scim, new_group("g", "bulkId:u"), new_user(scim, "u"))
    equal(statuses(found), ["201", "201"], "statuses")
    equal(member_ids(scim, found[0]), [resource(scim, found[1])["id"]], "members of the group")


@case("vector-09", section=SECTION, tags=TAGS)
def mutual_reference(scim: Scim) -> None:
    """Two groups that name each other: both are created once, both references are real, and each has one version."""
    groups = [new_group("1", "bulkId:2"), new_group("2", "bulkId:1")]
    found = results(scim, *groups)
    equal(statuses(found), ["201", "201"], "statuses")
    one, two = _ids(scim, found)
    equal([member_ids(scim, result) for result in found], [[two], [one]], "members of the groups")
    for group in groups:
        equal(scim.find("/Groups", f'displayName eq "{group["data"]["displayName"]}"')["totalResults"], 1, "groups of a name")
    for result in found:
        equal(expect(scim.get(result["location"]), 200).headers["ETag"], result["version"], "version of a group in a circle")


@case("vector-10", section=SECTION, tags=TAGS)
def patch_of_a_new_user(scim: Scim) -> None:
    """A PATCH with the path /Users/bulkId:p is applied to the new user."""
    found = results(scim, new_user(scim, "p"), change("/Users/bulkId:p", {"op": "add", "path": "title", "value": "x"}))
    equal(resource(scim, found[0]).get("title"), "x", "title of the new user")


@case("vector-11", section=SECTION, tags=TAGS)
def broken_bulk_requests(scim: Scim) -> None:
    """No bulkId is 400, an unknown one 409, for that operation alone; too many operations and too many bytes are 413."""
    unnamed = new_user(scim, "")
    del unnamed["bulkId"]
    found = results(scim, unnamed, new_group("g", "bulkId:nobody"), new_user(scim, "good"))
    failure(found[0], "400")
    failure(found[1], "409")
    equal(found[2]["status"], "201", "status of the good operation")
    config = scim.read("/ServiceProviderConfig")["bulk"]
    expect_error(send(scim, *[operation("DELETE", "/Users/none")] * (config["maxOperations"] + 1)), 413)
    expect_error(send(scim, new_user(scim, "heavy", title="x" * config["maxPayloadSize"])), 413)
