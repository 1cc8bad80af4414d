"""Nothing is stored by definitions that have changed, however busy the tenant is and whichever server writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import pytest

from scimsrv.store import bulk as bulk_requests
from scimsrv.store import create, edition, execute, joined
from scimsrv.store.inserting import NewResource, insert_all
from scimsrv.store.pool import has_room
from scimsrv.store.ways import Ways
from tests.wire.support import Client, Server, Starter
from tests.wire.test_definitions import DEVICE, made, resource_type, schema

_SCOPES: Final = ("scim:read", "scim:write", "scim:bulk", "tenant:admin")
_ROUNDS: Final = 6

#: Writes a device; returns the status of the answer, or of the operation.
_Write = Callable[[Client, dict[str, Any]], Awaitable[int]]


async def _servers(one: Server, other: Server) -> tuple[Client, Client]:
    """A tenant administrator at either of two servers."""
    client = await one.tenant()
    admin = client.with_token(await one.token(client, *_SCOPES))
    return admin, Client(other.http, admin.slug, admin.id, admin.token)


async def _devices(admin: Client, there: Client) -> None:
    """Define devices with an attribute `code` of which nothing is demanded, and let the other server know them."""
    await made(admin.post("/Schemas", schema(DEVICE, {"name": "code"}, {"name": "note"})))
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    for _ in range(100):
        if (await there.get("/Devices")).status_code == 200:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the other server does not learn of the type")


def _demand(member: str, value: object) -> dict[str, Any]:
    return {"op": "replace", "path": f'attributes[name eq "code"].{member}', "value": value}


async def _by_post(client: Client, body: dict[str, Any]) -> int:
    status: int = (await client.post("/Devices", body)).status_code
    return status


async def _bulk(client: Client, *operations: dict[str, Any]) -> list[int]:
    message = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    return [int(one["status"]) for one in (await made(client.post("/Bulk", message), 200))["Operations"]]


def _device(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"method": "POST", "path": "/Devices", "bulkId": name, "data": body}


async def _by_bulk(client: Client, body: dict[str, Any]) -> int:
    return (await _bulk(client, _device("a", body)))[0]


async def _repeatedly(write: _Write, client: Client, body: dict[str, Any], done: asyncio.Event) -> None:
    while not done.is_set():
        assert await write(client, body) in (201, 400, 409)


async def _left_after(start: Starter, write: _Write, body: dict[str, Any], member: str, value: object) -> list[int]:
    """How many devices are there after each change that was taken while both servers wrote them."""
    left = []
    async with start() as one, start() as other:
        for _ in range(_ROUNDS):
            admin, there = await _servers(one, other)
            await _devices(admin, there)
            done = asyncio.Event()
            writers = [asyncio.create_task(_repeatedly(write, client, body, done)) for client in (admin, there) for _ in range(3)]
            taken = (await admin.patch(f"/Schemas/{DEVICE}", _demand(member, value))).status_code == 200
            await asyncio.sleep(0.05)
            done.set()
            await asyncio.gather(*writers)
            if taken:
                left.append((await made(admin.get("/Devices"), 200))["totalResults"])
    return left


@pytest.mark.parametrize("write", [_by_post, _by_bulk])
async def test_no_two_get_a_value_that_becomes_unique(start: Starter, write: _Write) -> None:
    """Writers of one value, while it becomes unique: where the change was taken, one of them has it."""
    assert set(await _left_after(start, write, {"code": "same"}, "uniqueness", "server")) <= {1}


async def test_nothing_lacks_what_becomes_required(start: Starter) -> None:
    """Writers without the value: where it is required now, nothing of theirs is there."""
    assert set(await _left_after(start, _by_post, {"note": "x"}, "required", True)) <= {0}


@pytest.mark.parametrize("write", [_by_post, _by_bulk])
async def test_another_server_writes_by_what_holds(start: Starter, write: _Write) -> None:
    """At once, though it has just written by what was before and has not been told of the change."""
    async with start() as one, start() as other:
        admin, there = await _servers(one, other)
        await _devices(admin, there)
        device = (await made(there.post("/Devices", {"note": "x"})))["id"]
        await admin.delete(f"/Devices/{device}")
        await made(admin.patch(f"/Schemas/{DEVICE}", _demand("required", True)), 200)
        assert await write(there, {"note": "x"}) == 400
        assert await write(there, {"code": "y"}) == 201


def _sets(codes: Sequence[str]) -> list[dict[str, Any]]:
    """Operations of as many sets as there are codes, of which the first one of each has the code and the others have none."""
    rest = [{"note": "x"}] * (bulk_requests.SET - 1)
    bodies = (body for number, code in enumerate(codes) for body in ({"code": code, "note": f"set {number}"}, *rest))
    return [_device(f"d{number}", body) for number, body in enumerate(bodies)]


async def _with_codes_becoming_unique(
    server: Server, monkeypatch: pytest.MonkeyPatch, codes: Sequence[str], *, filled: bool = False
) -> list[int]:
    """What becomes of the operations with codes where these become unique when two sets are ready to be stored. The first set with the
    code "same" is slow, once it has been planned anew. `filled`: a set that is ready finds no room beside another one."""
    admin = await server.tenant()
    admin = admin.with_token(await server.token(admin, *_SCOPES))
    await _devices(admin, admin)
    ready, go = asyncio.Event(), asyncio.Event()
    place, looking = Ways.place, False

    async def placing(ways: Ways, *args: Any) -> None:
        nonlocal looking
        if ways.before():
            ready.set()
        looking = True
        await place(ways, *args)
        looking = False

    async def inserting(scope: Any, conn: Any, resources: Sequence[NewResource], created: Any) -> None:
        if not go.is_set():
            await go.wait()
        elif f"set {codes.index('same')}" in resources[0].rendition.document:
            await asyncio.sleep(0.2)
        await insert_all(scope, conn, resources, created)

    monkeypatch.setattr(Ways, "place", placing)
    monkeypatch.setattr(create, "insert_all", inserting)
    monkeypatch.setattr(bulk_requests, "has_room", lambda pool: has_room(pool) and not (filled and looking))
    request = asyncio.create_task(_bulk(admin, *_sets(codes)))
    async with asyncio.timeout(30):
        await ready.wait()
    try:
        await made(admin.patch(f"/Schemas/{DEVICE}", _demand("uniqueness", "server")), 200)
    finally:
        go.set()
    return (await request)[:: bulk_requests.SET]


async def test_a_set_that_was_planned_before_its_attribute_became_unique(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is planned anew, though the set before it has met the change and the request knows the new definitions by now: there was room
    for another set when it was planned, and there is none any more."""
    assert await _with_codes_becoming_unique(server, monkeypatch, ["same", "same"], filled=True) == [201, 409]


@pytest.mark.parametrize("codes", [["same", "same"], ["one", "two", "same", "same"]], ids=["side by side", "later"])
async def test_sets_whose_attribute_becomes_unique_keep_their_order(
    server: Server, monkeypatch: pytest.MonkeyPatch, codes: Sequence[str]
) -> None:
    """The first operation of the request with a value gets it, though sets are planned anew, each when it meets the change."""
    assert await _with_codes_becoming_unique(server, monkeypatch, codes) == [201] * (len(codes) - 1) + [409]


async def test_what_is_written_at_last_by_what_held_at_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction for which a change of the definitions has not waited to its end is done again by those that hold."""
    monkeypatch.setattr(edition, "_LONGEST", 0.05)
    monkeypatch.setattr(joined, "_BRIEF", 0.0)
    admin = await server.tenant(bulk_atomic=True)
    admin = admin.with_token(await server.token(admin, *_SCOPES))
    await _devices(admin, admin)
    await made(admin.post("/Devices", {"code": "same"}))
    ada = (await admin.new_user("ada"))["id"]
    written, go = asyncio.Event(), asyncio.Event()

    async def last(*args: Any) -> Any:
        done = await execute.write(*args)
        written.set()
        await go.wait()
        return done

    monkeypatch.setattr(bulk_requests, "write", last)
    operations = [_device("a", {"code": "same"}), {"method": "DELETE", "path": f"/Users/{ada}"}]
    request = asyncio.create_task(_bulk(admin, *operations))
    await written.wait()
    try:
        await made(admin.patch(f"/Schemas/{DEVICE}", _demand("uniqueness", "server")), 200)
    finally:
        go.set()
    assert await request == [409]
    assert (await made(admin.get("/Devices"), 200))["totalResults"] == 1
