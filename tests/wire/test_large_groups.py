"""Groups with more members than are held at once: read whole and in parts, changed, and never cut short."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from scimsrv.store.read import BATCH, HELD
from tests.wire.support import Client, Server, assert_error, group

_PATH = "/Groups/{}"


async def _members(server: Server, client: Client, number: int) -> list[str]:
    """The ids of so many users, made at once."""
    await client.new_user()
    await server.pool.execute(
        "INSERT INTO resource SELECT tenant, 'm-' || lpad(n::text, 6, '0'), type, 1, created, modified, 'Member ' || n, document, search"
        " FROM resource, generate_series(1, $2) n WHERE tenant = $1",
        *(client.id, number),
    )
    await server.pool.execute("UPDATE resource_count SET resources = resources + $2 WHERE tenant = $1 AND type = 'User'", client.id, number)
    return [f"m-{n:06}" for n in range(1, number + 1)]


async def _group(server: Server, client: Client, number: int) -> tuple[str, list[str]]:
    """A group with so many members, by its path and theirs ids."""
    ids = await _members(server, client, number)
    made = await client.post("/Groups", group(*ids, displayName="Everybody"))
    assert made.status_code == 201, made.text
    assert len(made.json()["members"]) == number
    return _PATH.format(made.json()["id"]), ids


@pytest.mark.parametrize("number", [HELD, HELD + 1, HELD + BATCH, HELD + BATCH + 2])
async def test_read_whole(server: Server, client: Client, number: int) -> None:
    """Every member is there once, complete, in the order of ids, whatever the number of batches."""
    path, ids = await _group(server, client, number)
    answer = await client.get(path)
    shown = answer.json()
    assert [member["value"] for member in shown["members"]] == ids
    assert shown["members"][-1] == {
        "value": ids[-1],
        "$ref": f"{server.settings.base_url}{client.base}/Users/{ids[-1]}",
        "type": "User",
        "display": f"Member {number}",
    }
    assert (shown["displayName"], shown["meta"]["version"], answer.headers["etag"]) == ("Everybody", 'W/"1"', 'W/"1"')


async def test_read_in_parts(server: Server, client: Client) -> None:
    """A projection applies to members that come in batches as to any others, and what is not shown is not read."""
    path, ids = await _group(server, client, HELD + 200)
    named = (await client.get(path, attributes="members.value")).json()
    assert named == {"schemas": named["schemas"], "id": named["id"], "members": [{"value": id_} for id_ in ids]}
    both = (await client.get(path, attributes="displayName,members.display")).json()
    assert both["displayName"] == "Everybody"
    assert {member["display"] for member in both["members"]} == {f"Member {n}" for n in range(1, len(ids) + 1)}
    without = (await client.get(path, excludedAttributes="members.$ref,members.type,displayName")).json()
    assert "displayName" not in without
    assert without["members"][1100] == {"value": ids[1100], "display": "Member 1101"}
    assert "members" not in (await client.get(path, excludedAttributes="members")).json()
    assert "members" not in (await client.get(path, attributes="displayName")).json()


async def test_head_and_conditions(server: Server, client: Client) -> None:
    """HEAD sends nothing of it; a client that has it gets 304."""
    path, _ = await _group(server, client, HELD + 1)
    head = await client.request("HEAD", path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", 'W/"1"')
    assert (await client.request("GET", path, headers={"If-None-Match": 'W/"1"'})).status_code == 304


async def test_in_lists(server: Server, client: Client) -> None:
    """A list shows it whole as well, and totals count groups and not members."""
    _, ids = await _group(server, client, HELD + 1)
    found = (await client.get("/Groups")).json()
    assert (found["totalResults"], len(found["Resources"][0]["members"])) == (1, len(ids))
    by_member = (await client.get("/Groups", filter=f'members.value eq "{ids[-1]}"', excludedAttributes="members")).json()
    assert (by_member["totalResults"], "members" in by_member["Resources"][0]) == (1, False)


async def test_changed(server: Server, client: Client) -> None:
    """Single members come and go, the answer is 204, and the rest stays; a PUT with all of them changes nothing."""
    path, ids = await _group(server, client, HELD + 1)
    ben = await client.new_user("ben")
    added = await client.patch(path, {"op": "add", "path": "members", "value": [{"value": ben["id"]}, {"value": ids[0]}]})
    assert (added.status_code, added.content, added.headers["etag"]) == (204, b"", 'W/"2"')
    removed = await client.patch(path, {"op": "remove", "path": f'members[value eq "{ids[5]}"]'})
    assert (removed.status_code, removed.headers["etag"]) == (204, 'W/"3"')
    expected = sorted([*ids[:5], *ids[6:], ben["id"]])
    assert sorted(member["value"] for member in (await client.get(path)).json()["members"]) == expected
    same = await client.put(path, group(*expected, displayName="Everybody"))
    assert (same.status_code, same.headers["etag"]) == (200, 'W/"3"')
    nothing = await client.patch(path, {"op": "add", "path": "members", "value": [{"value": ben["id"]}]})
    assert nothing.headers["etag"] == 'W/"3"'
    asked = await client.request("PATCH", f"{path}?attributes=displayName", {"schemas": _PATCH, "Operations": [_RENAME]})
    assert (asked.status_code, asked.json()["displayName"]) == (200, "All")


_PATCH = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
_RENAME = {"op": "replace", "path": "displayName", "value": "All"}


async def test_deleted(server: Server, client: Client) -> None:
    """It is gone for every reader at once: for its members too, whose ETags are as before they were in it; its rows are left."""
    await server.app.maintenance.stop()
    path, ids = await _group(server, client, HELD + 1)
    outsider = await client.new_user()
    big, member = path.rpartition("/")[2], f"/Users/{ids[0]}"
    parent = await client.new_group(big)
    tags = [(await client.get(one)).headers["etag"] for one in (member, f"/Users/{outsider['id']}")]
    assert tags[0] != tags[1] == 'W/"1"'
    assert (await client.delete(path)).status_code == 204
    assert await server.pool.fetchval("SELECT count(*) FROM reference WHERE tenant = $1", client.id) == len(ids)
    assert_error(await client.get(path), 404)
    assert_error(await client.delete(path), 404)
    assert await client.search(f'members.value eq "{ids[0]}"', "/Groups") == []
    assert await client.search(f'groups.value eq "{big}"') == []
    assert await client.search(f'groups.value eq "{parent["id"]}"') == []
    assert await client.search("groups pr") == []
    shown = await client.get(member)
    assert ("groups" in shown.json(), shown.headers["etag"]) == (False, 'W/"1"')
    assert "members" not in (await client.get(f"/Groups/{parent['id']}")).json()
    assert (await client.get("/Users", count=0)).json()["totalResults"] == len(ids) + 2


async def test_rows_of_a_deleted_group_go_by_themselves(server: Server, client: Client) -> None:
    """The delete wakes the background, which removes them; the members stay."""
    path, ids = await _group(server, client, HELD + 1)
    assert (await client.delete(path)).status_code == 204
    async with asyncio.timeout(20):
        while await server.pool.fetchval("SELECT count(*) FROM reference WHERE tenant = $1", client.id):
            await asyncio.sleep(0.02)
    assert (await client.get("/Users", count=0)).json()["totalResults"] == len(ids) + 1


async def test_members_beyond_what_is_looked_at_are_not_missed(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that has to look at every member says so when there are too many; it never succeeds on a part of them."""
    users = [(await client.new_user())["id"] for _ in range(4)]
    group = await client.new_group(*users)
    path, last = f"/Groups/{group['id']}", max(users)
    monkeypatch.setattr(server.app, "limits", replace(server.app.limits, links=3))
    for selector in (f'value eq "{last}" and type eq "User"', 'display eq "nobody"'):
        assert_error(await client.patch(path, {"op": "remove", "path": f"members[{selector}]"}), 400, "tooMany", "by value alone")
    assert (await client.patch(path, {"op": "remove", "path": f'members[value eq "{last}"]'})).status_code == 200
    assert {one["value"] for one in (await client.get(path)).json()["members"]} == {*users} - {last}
