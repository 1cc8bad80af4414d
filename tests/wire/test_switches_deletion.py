"""Policy switches about the deletion of what others refer to, in every position, over the wire."""

from __future__ import annotations

from typing import Any

from tests.wire.support import ENTERPRISE, Client, Server, assert_error


async def _managed(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
    """A user, and another one whose manager that is."""
    boss = await client.new_user("boss")
    return boss, await client.new_user("ada", **{ENTERPRISE: {"manager": {"value": boss["id"]}, "department": "R&D"}})


async def test_link_target_deletion_remove(server: Server) -> None:
    """A deleted member leaves its groups, whose versions rise."""
    client = await server.tenant(link_target_deletion="remove")
    ada, ben = await client.new_user(), await client.new_user()
    staff = await client.new_group(ada["id"], ben["id"])
    assert (await client.delete(f"/Users/{ada['id']}")).status_code == 204
    left = (await client.get(f"/Groups/{staff['id']}")).json()
    assert [member["value"] for member in left["members"]] == [ben["id"]]
    assert left["meta"]["version"] == 'W/"2"'


async def test_link_target_deletion_restrict(server: Server) -> None:
    """What a group has as a member cannot be deleted: 409 says who refers to it and how often, and nothing changes. Nobody is in the
    way of a group with members, of a user without groups, and of one who was removed first."""
    client = await server.tenant(link_target_deletion="restrict")
    ada, ben = await client.new_user(), await client.new_user()
    groups = [await client.new_group(ada["id"]) for _ in range(3)]
    answer = await client.delete(f"/Users/{ada['id']}")
    assert_error(answer, 409, None, f'User "{ada["id"]}" cannot be deleted while 3 references name it: members of Group "')
    assert any(group["id"] in answer.json()["detail"] for group in groups)
    assert (await client.get(f"/Users/{ada['id']}")).json()["meta"]["version"].startswith('W/"1')
    assert [(await client.get(f"/Groups/{group['id']}")).json() for group in groups] == groups
    assert (await client.delete(f"/Users/{ben['id']}")).status_code == 204
    assert (await client.delete(f"/Groups/{groups[0]['id']}")).status_code == 204
    for group in groups[1:]:
        await client.patch(f"/Groups/{group['id']}", {"op": "remove", "path": f'members[value eq "{ada["id"]}"]'})
    assert (await client.delete(f"/Users/{ada['id']}")).status_code == 204


async def test_pointer_target_deletion_clear(server: Server) -> None:
    """A deleted manager is nobody's manager any more; versions rise, the rest stays."""
    client = await server.tenant(pointer_target_deletion="clear")
    boss, ada = await _managed(client)
    assert (await client.delete(f"/Users/{boss['id']}")).status_code == 204
    left = (await client.get(f"/Users/{ada['id']}")).json()
    assert left[ENTERPRISE] == {"department": "R&D"}
    assert left["meta"]["version"] == 'W/"2"'


async def test_pointer_target_deletion_restrict(server: Server) -> None:
    """A manager of others cannot be deleted: 409 says whose; one who manages only themselves can."""
    client = await server.tenant(pointer_target_deletion="restrict")
    boss, ada = await _managed(client)
    says = f'User "{boss["id"]}" cannot be deleted while a reference names it: {ENTERPRISE}:manager of User "{ada["id"]}"'
    assert_error(await client.delete(f"/Users/{boss['id']}"), 409, None, says)
    assert (await client.get(f"/Users/{ada['id']}")).json() == ada
    await client.patch(f"/Users/{ada['id']}", {"op": "remove", "path": f"{ENTERPRISE}:manager"})
    own = {"op": "add", "path": f"{ENTERPRISE}:manager", "value": boss["id"]}
    assert (await client.patch(f"/Users/{boss['id']}", own)).status_code == 200
    assert (await client.delete(f"/Users/{boss['id']}")).status_code == 204


async def test_pointer_target_deletion_keep(server: Server) -> None:
    """A deleted manager is still named, found by filters, and no version rises."""
    client = await server.tenant(pointer_target_deletion="keep")
    boss, ada = await _managed(client)
    assert (await client.delete(f"/Users/{boss['id']}")).status_code == 204
    assert (await client.get(f"/Users/{ada['id']}")).json() == ada
    assert await client.search(f'{ENTERPRISE}:manager.value eq "{boss["id"]}"') == [ada["id"]]
