"""Nothing is stored by definitions that have changed, however busy the tenant is and whichever server writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

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


async def _by_bulk(client: Client, body: dict[str, Any]) -> int:
    operation = {"method": "POST", "path": "/Devices", "bulkId": "a", "data": body}
    message = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation]}
    return int((await made(client.post("/Bulk", message), 200))["Operations"][0]["status"])


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
