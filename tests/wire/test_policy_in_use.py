"""A policy that is changed while the tenant has resources: what they do not bear is refused, what is taken holds from that moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scimsrv.store import bulk, rework
from scimsrv.store.execute import write
from scimsrv.store.policy import PolicyConflict, read_policy, write_policy
from tests.wire.support import Client, Server, assert_error, patch, until_seen
from tests.wire.test_asynchronous import ASYNC, finished
from tests.wire.test_bulk import REQUEST, statuses


async def _set(server: Server, client: Client, **switches: Any) -> None:
    started = asyncio.get_running_loop().time()
    async with server.pool.acquire() as connection:
        await write_policy(connection, client.id, "admin:x", switches, merge=True)
    await until_seen(started)


async def _two(client: Client, switch: str, value: str, other: str) -> list[str]:
    """The paths of two resources that have these values of what the switch makes unique."""
    if switch == "unique_group_names":
        return [f"/Groups/{(await client.new_group(displayName=one))['id']}" for one in (value, other)]
    return [f"/Users/{(await client.new_user(externalId=one))['id']}" for one in (value, other)]


@pytest.mark.parametrize(("switch", "name"), [("unique_group_names", "displayName"), ("unique_external_ids", "externalId")])
async def test_uniqueness_of_what_is_stored(server: Server, switch: str, name: str) -> None:
    """Turned on while values are shared it is refused with how many; without, it holds for stored values at once and after the job."""
    client = await server.tenant("standard", **{switch: False})
    one, two = await _two(client, switch, "x", "X" if switch == "unique_group_names" else "x")
    async with server.pool.acquire() as connection:
        before = await read_policy(connection, client.id)
        with pytest.raises(PolicyConflict, match=f"{name} .* not fit"):
            await write_policy(connection, client.id, "admin:x", {switch: True}, merge=True)
        assert await read_policy(connection, client.id) == before
    await client.patch(two, {"op": "replace", "path": name, "value": "y"})
    await _set(server, client, **{switch: True})
    for _ in range(2):
        assert_error(await client.patch(two, {"op": "replace", "path": name, "value": "x"}), 409, "uniqueness", name)
        while await rework.rework(server.app.pool.of(client.id), client.id, settled=0):
            pass
    await client.delete(one)
    assert (await client.patch(two, {"op": "replace", "path": name, "value": "x"})).status_code == 200


async def test_uniqueness_can_be_given_up_and_taken_again(server: Server, client: Client) -> None:
    """Turned off, values may be shared at once; turned on again after the keys went, it is checked anew."""
    one, two = await _two(client, "unique_group_names", "x", "y")
    await _set(server, client, unique_group_names=False)
    assert (await client.patch(two, {"op": "replace", "path": "displayName", "value": "x"})).status_code == 200
    while await rework.rework(server.app.pool.of(client.id), client.id, settled=0):
        pass
    async with server.pool.acquire() as connection:
        with pytest.raises(PolicyConflict):
            await write_policy(connection, client.id, "admin:x", {"unique_group_names": True}, merge=True)
    await client.patch(one, {"op": "replace", "path": "displayName", "value": "z"})
    await _set(server, client, unique_group_names=True)
    assert_error(await client.patch(one, {"op": "replace", "path": "displayName", "value": "x"}), 409, "uniqueness")


@pytest.mark.parametrize(
    ("atomic", "prefer", "before"),
    [(False, {}, ["200"]), (True, {}, []), (False, ASYNC, ["200"])],
    ids=["step by step", "atomic", "asynchronous"],
)
@pytest.mark.parametrize(("switch", "value", "status"), [("patch", False, "501"), ("bulk", False, "501"), ("max_values", 1, "400")])
async def test_a_bulk_request_follows_a_change(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    atomic: bool,
    prefer: dict[str, str],
    before: list[str],
    switch: str,
    value: object,
    status: str,
) -> None:
    """The policy that holds when an operation is carried out decides on it; what is done as a whole is done by one policy."""
    first, go = asyncio.Event(), asyncio.Event()

    async def slow(*args: Any) -> Any:
        done = await write(*args)
        first.set()
        await go.wait()
        return done

    monkeypatch.setattr(bulk, "write", slow)
    client = await server.tenant(bulk_atomic=atomic)
    ada = await client.new_user("ada")
    mails = [{"value": "a@example.com"}, {"value": "b@example.com"}]
    changes = [{"op": "add", "path": "title", "value": "x"}, {"op": "add", "path": "emails", "value": mails}]
    operations = [{"method": "PATCH", "path": f"/Users/{ada['id']}", "data": patch(one)} for one in changes]
    body = {"schemas": [REQUEST], "Operations": operations}
    request = asyncio.create_task(client.request("POST", "/Bulk", body, headers=prefer))
    await first.wait()
    await server.set_policy(client, {"bulk_atomic": atomic, switch: value})
    server.app.authenticator._known.clear()  # as it is within a second
    go.set()
    answer = await request
    found = await finished(client, answer) if prefer else answer.json()
    assert statuses(found["Operations"]) == [*before, status]
