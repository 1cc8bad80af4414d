"""Group and its members: RFC 7643 §4.2 and the group rows of RFC 7644 §3.5."""

from __future__ import annotations

from conformance.checks.schema_support import again, followed, group_path, published, quoted, selects, trait, user_path
from conformance.client import CORE_GROUP, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement


def _members(scim: Scim, group: Json) -> list[str]:
    return sorted(item["value"] for item in again(scim, group).get("members") or [])


def _values(*resources: Json) -> list[Json]:
    return [{"value": resource["id"]} for resource in resources]


@requirement("7643-4.2-01")
def display_name_is_required(scim: Scim) -> None:
    """Every group has a displayName: no request can create one without it or take it away."""
    user = scim.user()
    for body in ({"members": _values(user)}, {"displayName": None}):
        expect_error(scim.post("/Groups", {"schemas": [CORE_GROUP]} | body), 400, "invalidValue")
    ensure(not again(scim, user).get("groups"), "a refused create left a membership behind")
    group = scim.group(user["id"])
    expect_error(scim.patch(group_path(group), {"op": "remove", "path": "displayName"}), 400, "mutability", "invalidValue")
    expect_error(scim.put(group_path(group), {"schemas": [CORE_GROUP], "members": []}), 400, "invalidValue")
    equal(again(scim, group), group, "the group after refused changes")
    equal(trait(published(scim, CORE_GROUP, "displayName"), "required"), True, "published required of displayName")


@requirement("7643-4.2-02")
def members_come_and_go_whole(scim: Scim) -> None:
    """Members can be added and removed, but a member's value, type and $ref cannot be rewritten."""
    first, second = scim.user(), scim.user()
    group = scim.group(first["id"])
    for name, value in (("value", second["id"]), ("type", "Group"), ("$ref", second["meta"]["location"])):
        path = f"members[value eq {quoted(first['id'])}].{name}"
        expect_error(scim.patch(group_path(group), {"op": "replace", "path": path, "value": value}), 400, "mutability")
    equal(again(scim, group), group, "the group after refused changes")
    expect(scim.patch(group_path(group), {"op": "add", "path": "members", "value": _values(second)}), 200, 204)
    equal(_members(scim, group), sorted([first["id"], second["id"]]), "members after an add")
    expect(scim.patch(group_path(group), {"op": "remove", "path": f"members[value eq {quoted(first['id'])}]"}), 200, 204)
    equal(_members(scim, group), [second["id"]], "members after a remove")


@requirement("7643-4.2-03")
def members_name_resources(scim: Scim) -> None:
    """A member has the id, the URI and the type of the resource that it is, whatever the client left out or made up."""
    user, inner = scim.user(), scim.group()
    group = scim.group(user["id"], inner["id"])
    shown = {item["value"]: item for item in again(scim, group)["members"]}
    equal(set(shown), {user["id"], inner["id"]}, "ids of the members")
    for resource, kind in ((user, "User"), (inner, "Group")):
        member = shown[resource["id"]]
        equal(member.get("type"), kind, f"type of a member that is a {kind}")
        equal(followed(scim, member)["id"], resource["id"], "what $ref gives")
    claim = {"value": user["id"], "type": "Group", "$ref": None}
    liar = scim.post("/Groups", {"schemas": [CORE_GROUP], "displayName": rand("group"), "members": [claim]})
    if liar.status_code == 201:  # decision 62: a contradictory type is put right
        members = again(scim, liar.json())["members"]
        equal([(item["value"], item.get("type")) for item in members], [(user["id"], "User")], "member sent with a wrong type")
    else:
        expect_error(liar, 400, "invalidValue")


@requirement("7643-4.2-04")
def groups_nest(scim: Scim) -> None:
    """A group can be a member; a circle of groups is refused or harmless."""
    user = scim.user()
    inner = scim.group(user["id"])
    outer = scim.group(inner["id"])
    equal(
        [(item["value"], item.get("type")) for item in again(scim, outer)["members"]],
        [(inner["id"], "Group")],
        "members of the outer group",
    )
    itself = scim.patch(group_path(inner), {"op": "add", "path": "members", "value": _values(inner)})
    if itself.status_code == 400:
        expect_error(itself, 400, "invalidValue")
        equal(_members(scim, inner), [user["id"]], "members after a refused membership in itself")
    else:
        expect(itself, 200, 204)
    circle = scim.patch(group_path(inner), {"op": "add", "path": "members", "value": _values(outer)})
    if circle.status_code == 400:
        expect_error(circle, 400, "invalidValue")
        ensure(outer["id"] not in _members(scim, inner), "a refused circle was stored")
    else:
        expect(circle, 200, 204)
        ensure(outer["id"] in _members(scim, inner), "an accepted circle was not stored")
    groups = [item["value"] for item in again(scim, user).get("groups") or []]
    equal(len(groups), len(set(groups)), "different groups of a user inside the circle")
    ensure(inner["id"] in groups, "the user lost its own group")


@requirement("7643-4.2-05")
def a_member_has_a_value(scim: Scim) -> None:
    """A member without a value is refused on create and on PATCH alike, or accepted on both and never disturbs real members."""
    name = rand("group")
    response = scim.post("/Groups", {"schemas": [CORE_GROUP], "displayName": name, "members": [{}]})
    user = scim.user()
    group = scim.group(user["id"])
    added = scim.patch(group_path(group), {"op": "add", "path": "members", "value": [{"display": "Nobody"}]})
    if response.status_code == 400:
        expect_error(response, 400, "invalidValue", "invalidSyntax")
        equal(scim.find("/Groups", f"displayName eq {quoted(name)}")["totalResults"], 0, "groups after a refused create")
        expect_error(added, 400, "invalidValue", "invalidSyntax")
        equal(_members(scim, group), [user["id"]], "members after a refused add")
    else:
        equal(expect(response, 201).json(), again(scim, response.json()), "answer to POST against a GET")
        expect(added, 200, 204)
        held = [item["value"] for item in again(scim, group)["members"] if "value" in item]
        equal(held, [user["id"]], "members that have a value")


@requirement("7644-3.5.1-12")
def put_replaces_the_members(scim: Scim) -> None:
    """PUT of a group makes its members exactly those in the body, none when the body has none."""
    first, second, third = scim.user(), scim.user(), scim.user()
    group = scim.group(first["id"], second["id"])
    body = {"schemas": [CORE_GROUP], "displayName": group["displayName"]}
    expect(scim.put(group_path(group), body | {"members": _values(second, third)}), 200)
    equal(_members(scim, group), sorted([second["id"], third["id"]]), "members after PUT")
    ensure(not again(scim, first).get("groups"), "the user left out still shows the group")
    ensure(selects(scim, "/Groups", f"members.value eq {quoted(third['id'])}", group), "the filter misses the new member")
    ensure(not selects(scim, "/Groups", f"members.value eq {quoted(first['id'])}", group), "the filter finds the old member")
    expect(scim.put(group_path(group), body), 200)  # decision 13: members left out are cleared
    equal(_members(scim, group), [], "members after PUT without members")


@requirement("7644-3.5.2.1-12")
def many_members_at_once(scim: Scim) -> None:
    """One add operation can bring many members, beside those that are there and without repeating any."""
    users = [scim.user() for _ in range(12)]
    group = scim.group(users[0]["id"])
    expect(scim.patch(group_path(group), {"op": "add", "path": "members", "value": _values(*users)}), 200, 204)
    equal(_members(scim, group), sorted(user["id"] for user in users), "members after the add")
    equal([item["value"] for item in again(scim, users[-1]).get("groups") or []], [group["id"]], "groups of the last user")


@requirement("7644-3.5.2.2-10")
def removing_a_stranger_changes_nothing(scim: Scim) -> None:
    """Removing a user who is not a member succeeds and changes neither members nor version."""
    member, stranger = scim.user(), scim.user()
    group = again(scim, scim.group(member["id"]))
    for id_ in (stranger["id"], "nobody"):
        expect(scim.patch(group_path(group), {"op": "remove", "path": f"members[value eq {quoted(id_)}]"}), 200, 204)
        equal(again(scim, group), group, "the group, with its version")
    expect(scim.get(user_path(stranger)), 200)


@requirement("7644-3.5.2.2-11")
def remove_with_a_list(scim: Scim) -> None:
    """Removing members with a list of values removes the listed ones only."""
    users = [scim.user() for _ in range(4)]
    group = scim.group(*[user["id"] for user in users])
    # decision 4: read to the letter, RFC 7644 would remove all.
    expect(scim.patch(group_path(group), {"op": "remove", "path": "members", "value": _values(users[0], users[2])}), 200, 204)
    equal(_members(scim, group), sorted([users[1]["id"], users[3]["id"]]), "members after two were removed")
    expect(scim.patch(group_path(group), {"op": "Remove", "path": "members", "value": _values(users[1])}), 200, 204)
    equal(_members(scim, group), [users[3]["id"]], "members after one more was removed")


@requirement("7644-3.5.2.2-13")
def swap_in_one_request(scim: Scim) -> None:
    """One request can remove a member and add another, with or without a space before the quoted id."""
    first, second, third = scim.user(), scim.user(), scim.user()
    group = scim.group(first["id"])
    for leaving, joining, filter_ in ((first, second, f'value eq "{first["id"]}"'), (second, third, f'value eq"{second["id"]}"')):
        remove = {"op": "remove", "path": f"members[{filter_}]"}
        expect(scim.patch(group_path(group), remove, {"op": "add", "path": "members", "value": _values(joining)}), 200, 204)
        equal(_members(scim, group), [joining["id"]], "members after the swap")
        ensure(not again(scim, leaving).get("groups"), "the member that left still shows the group")
