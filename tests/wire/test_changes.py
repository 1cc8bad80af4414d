"""What a write leaves behind: a row of change for each, none for what changes nothing, and nothing of what is deleted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.support import ENTERPRISE, Client, Server, group, user

Change = tuple[str, str, str, int, set[str]]


async def _changes(server: Server, client: Client) -> list[Change]:
    """The tenant's changes in order: operation, type, id, version, attributes."""
    rows = await server.pool.fetch("SELECT * FROM change WHERE tenant = $1 ORDER BY seq", client.id)
    assert client.token is not None
    assert {row["actor"] for row in rows} <= {client.token.split("_")[1]}
    return [(row["operation"], row["type"], row["id"], row["version"], set(row["attributes"])) for row in rows]


async def test_every_write_is_noted_once(server: Server, client: Client) -> None:
    """Create, replace, patch and delete each leave one row with actor, version and the names of what changed."""
    ada = await client.new_user("ada", title="Ms")
    path = f"/Users/{ada['id']}"
    await client.put(path, user("ada", nickName="A"))
    await client.patch(path, {"op": "add", "path": "nickName", "value": "B"}, {"op": "add", "path": "title", "value": "Dr"})
    await client.patch(path, {"op": "replace", "path": f"{ENTERPRISE}:department", "value": "Tools"})
    await client.patch(path, {"op": "replace", "path": "password", "value": "correct horse"})
    await client.delete(path)
    assert await _changes(server, client) == [
        ("create", "User", ada["id"], 1, set()),
        ("update", "User", ada["id"], 2, {"title", "nickName"}),
        ("update", "User", ada["id"], 3, {"title", "nickName"}),
        ("update", "User", ada["id"], 4, {"schemas", ENTERPRISE}),
        ("update", "User", ada["id"], 5, {"password"}),
        ("delete", "User", ada["id"], 6, set()),
    ]


async def test_changes_of_members(server: Server, client: Client) -> None:
    """Members added, removed, replaced and cleared are a change of the group only, together with what else the request changes."""
    ada, ben = (await client.new_user())["id"], (await client.new_user())["id"]
    admins = (await client.new_group(ada, displayName="Admins"))["id"]
    path = f"/Groups/{admins}"
    await client.patch(path, {"op": "add", "path": "members", "value": [{"value": ben}]})
    await client.patch(path, {"op": "remove", "path": f'members[value eq "{ada}"]'}, {"op": "replace", "path": "displayName", "value": "A"})
    await client.put(path, group(ada, displayName="A"))
    await client.put(path, group(displayName="A"))
    assert (await _changes(server, client))[2:] == [
        ("create", "Group", admins, 1, set()),
        ("update", "Group", admins, 2, {"members"}),
        ("update", "Group", admins, 3, {"members", "displayName"}),
        ("update", "Group", admins, 4, {"members"}),
        ("update", "Group", admins, 5, {"members"}),
    ]


async def test_what_changes_nothing_is_not_noted(server: Server, client: Client) -> None:
    """Requests without effect keep version and lastModified and leave no row; refused ones leave nothing at all."""
    ada = await client.new_user("ada", emails=[{"value": "a@example.com", "type": "work"}], title="Ms", **{ENTERPRISE: {"division": "A"}})
    admins = await client.new_group(ada["id"], displayName="Admins")
    user_path, group_path = f"/Users/{ada['id']}", f"/Groups/{admins['id']}"
    before = await _changes(server, client)
    ada = (await client.get(user_path)).json()
    for operation in (
        {"op": "add", "path": "title", "value": "Ms"},
        {"op": "replace", "path": "title", "value": "Ms"},
        {"op": "add", "path": "emails", "value": [{"value": "a@example.com", "type": "work"}]},
        {"op": "remove", "path": "nickName"},
        {"op": "remove", "path": 'emails[type eq "home"]'},
        {"op": "replace", "value": {"active": True, f"{ENTERPRISE}:division": "A"}},
    ):
        assert (await client.patch(user_path, operation)).json() == ada
    assert (await client.put(user_path, ada)).json() == ada
    for operation in (
        {"op": "add", "path": "members", "value": [{"value": ada["id"]}]},
        {"op": "remove", "path": 'members[value eq "nobody"]'},
        {"op": "replace", "path": "members", "value": [{"value": ada["id"]}]},
    ):
        assert (await client.patch(group_path, operation)).json() == admins
    assert (await client.put(group_path, admins)).json() == admins
    for refused in (
        await client.post("/Users", user("ADA")),
        await client.post("/Groups", group("nobody")),
        await client.patch(user_path, {"op": "add", "path": "title", "value": "Dr"}, {"op": "add", "path": "nothing", "value": 1}),
        await client.patch(
            group_path, {"op": "replace", "path": "displayName", "value": "B"}, {"op": "add", "path": "members", "value": "x"}
        ),
        await client.request("DELETE", user_path, headers={"If-Match": 'W/"99"'}),
        await client.delete("/Users/nobody"),
    ):
        assert refused.status_code in (400, 404, 409, 412)
    assert await _changes(server, client) == before
    assert ((await client.get(user_path)).json(), (await client.get(group_path)).json()) == (ada, admins)


async def _rows(server: Server, client: Client) -> dict[str, int]:
    tables = ("resource", "unique_key", "reference", "secret")
    return {table: await server.pool.fetchval(f"SELECT count(*) FROM {table} WHERE tenant = $1", client.id) for table in tables}


@pytest.mark.parametrize("nested", [False, True])
async def test_deletion_leaves_nothing_behind(server: Server, client: Client, nested: bool) -> None:
    """The rows of keys, secrets and references from and to the resource go; who referred to it gets a new version and a change."""
    ada: dict[str, Any] = await client.new_user("ada", password="correct horse")
    ben: dict[str, Any] = await client.new_user("ben", **{ENTERPRISE: {"manager": {"value": ada["id"]}, "division": "A"}})
    inner = await client.new_group(ada["id"], ben["id"])
    outer = await client.new_group(inner["id"], ada["id"])
    gone = inner if nested else ada
    seen = len(await _changes(server, client))
    assert (await client.delete(f"/{'Groups' if nested else 'Users'}/{gone['id']}")).status_code == 204
    counts = await _rows(server, client)
    members = {"resource": 3, "unique_key": 3, "reference": 1 if nested else 2, "secret": 1 if nested else 0}
    assert counts == members
    left: set[tuple[str, str, str]] = {("update", "Group", outer["id"])} | {("delete", gone["meta"]["resourceType"], gone["id"])}
    if not nested:
        left |= {("update", "Group", inner["id"]), ("update", "User", ben["id"])}
        manager = (await client.get(f"/Users/{ben['id']}")).json()
        assert manager[ENTERPRISE] == {"division": "A"}
        assert manager["meta"]["version"].startswith('W/"2')
    assert {change[:3] for change in (await _changes(server, client))[seen:]} == left
    assert (await client.get(f"/Groups/{outer['id']}")).json()["meta"]["version"] == 'W/"2"'
    assert (await client.get("", filter=f'id eq "{gone["id"]}"')).json()["totalResults"] == 0


async def test_a_key_that_was_given_up_is_free(client: Client) -> None:
    """After deletion and after renaming, the name can be taken by another, who gets another id."""
    ada = await client.new_user("ada")
    await client.delete(f"/Users/{ada['id']}")
    again = await client.new_user("ADA")
    assert again["id"] != ada["id"]
    await client.patch(f"/Users/{again['id']}", {"op": "replace", "path": "userName", "value": "cleo"})
    await client.new_user("ada")
