"""Definitions that change while they are used: by several servers, many writers, and the background."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
import pytest

from scimsrv.store.identity import load_catalog
from scimsrv.store.rendition import keys_held, render, unique_keys
from scimsrv.store.rework import rework
from tests.wire.support import Client, Server, Starter, until_seen
from tests.wire.test_definitions import DEVICE, made, resource_type, schema

_SCOPES: Final = ("scim:read", "scim:write", "tenant:admin")


def _pair(**members: Any) -> dict[str, Any]:
    """A schema with two attributes that are defined alike."""
    return schema(DEVICE, {"name": "p"} | members, {"name": "q"} | members, {"name": "code"}, {"name": "note"})


async def _prepared(server: Server) -> Client:
    client = await server.tenant()
    admin = client.with_token(await server.token(client, *_SCOPES))
    await made(admin.post("/Schemas", _pair(returned="always")))
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    return admin


async def test_every_server_sees_a_change_within_a_second(start: Starter) -> None:
    """The server that took a change knows it at once, another one within a second, though it has just answered with what was before."""
    async with start() as one, start() as other:
        admin = await _prepared(one)
        there = Client(other.http, admin.slug, admin.id, admin.token)
        assert (await there.post("/Devices", {"p": "x"})).status_code == 201
        begun = asyncio.get_running_loop().time()
        await made(admin.put(f"/Schemas/{DEVICE}", _pair(returned="always", type="integer")), 409)
        await made(admin.patch(f"/Schemas/{DEVICE}", {"op": "add", "path": "attributes", "value": [{"name": "r", "type": "integer"}]}), 200)
        assert (await admin.post("/Devices", {"r": "x"})).status_code == 400
        await until_seen(begun + 0.2)
        assert (await there.post("/Devices", {"r": "x"})).status_code == 400
        assert (await made(there.get(f"/Schemas/{DEVICE}"), 200))["meta"]["version"] == 'W/"2"'


async def test_no_request_sees_half_a_change(start: Starter) -> None:
    """While a schema changes again and again, no request of two servers fails, and none sees one attribute as it was and the other as
    it is."""
    async with start() as one, start() as other:
        admin = await _prepared(one)
        there = Client(other.http, admin.slug, admin.id, admin.token)
        id_ = (await made(admin.post("/Devices", {"p": "1", "q": "2"})))["id"]
        done = asyncio.Event()
        seen: set[int] = set()

        async def use(client: Client, number: int) -> None:
            while not done.is_set():
                read = await made(client.get(f"/Devices/{id_}"), 200)
                assert ("p" in read) is ("q" in read), read
                listed = (await made(client.get("/Devices", filter='p eq "1" and q eq "2"'), 200))["Resources"][0]
                assert ("p" in listed) is ("q" in listed), listed
                shown = (await made(client.get(f"/Schemas/{DEVICE}"), 200))["attributes"][:2]
                assert shown[0]["returned"] == shown[1]["returned"]
                changed = await made(client.patch(f"/Devices/{id_}", {"op": "add", "path": "note", "value": str(number)}), 200)
                assert ("p" in changed) is ("q" in changed), changed
                seen.add("p" in read)

        async def change() -> None:
            for number in range(12):
                await made(admin.put(f"/Schemas/{DEVICE}", _pair(returned=("request", "always")[number % 2])), 200)
                await asyncio.sleep(0.1)
            done.set()

        await asyncio.gather(change(), *(use(client, number) for number, client in enumerate((admin, there, admin, there))))
        assert seen == {True, False}


async def test_one_of_many_gets_a_value_that_became_unique(server: Server) -> None:
    """Of writers who want one value at once, before its key is claimed for anybody, one gets it, and none if a resource has it."""
    admin = await _prepared(server)
    await made(admin.post("/Devices", {"code": "Old"}))
    ids = [(await made(admin.post("/Devices", {"code": f"c{number}"})))["id"] for number in range(4)]
    definition = _pair(returned="always")
    definition["attributes"][2] |= {"uniqueness": "server"}
    await made(admin.put(f"/Schemas/{DEVICE}", definition), 200)
    wanted = [("new", 1), ("OLD", 0)]
    for value, winners in wanted:
        answers = await asyncio.gather(
            *(admin.post("/Devices", {"code": value}) for _ in range(4)),
            *(admin.patch(f"/Devices/{id_}", {"op": "replace", "path": "code", "value": value}) for id_ in ids),
        )
        assert sum(answer.status_code < 300 for answer in answers) == winners
        assert {answer.status_code for answer in answers} <= {200, 201, 409}
        assert len(await admin.search(f'code eq "{value}"', "/Devices")) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_writers_and_the_walk(server: Server, seed: int) -> None:
    """Whoever comes first at a resource, writer or background: in the end its rows are what its document says, and nothing is lost."""
    admin = await _prepared(server)
    ids = [(await made(admin.post("/Devices", {"p": f"p{number}", "q": "Q", "code": f"C{number}"})))["id"] for number in range(8)]
    attributes: list[dict[str, Any]] = [
        {"name": "p", "returned": "always"},
        {"name": "code", "uniqueness": "server"},
        {"name": "note", "indexed": True},
    ]
    await made(admin.put(f"/Schemas/{DEVICE}", schema(DEVICE, *attributes)), 200)

    async def write(number: int) -> None:
        for turn in range(6):
            id_ = ids[(number * 3 + turn * 5 + seed) % len(ids)]
            body = {"p": f"p{turn}", "code": f"W{number}-{turn}"}
            operation = {"op": "add", "path": "code", "value": f"X{number}-{turn}"}
            answer = await (admin.put(f"/Devices/{id_}", body) if turn % 2 else admin.patch(f"/Devices/{id_}", operation))
            assert answer.status_code == 200, answer.text

    async def walk() -> None:
        while await rework(server.app.pool.of(admin.id), admin.id, settled=0, batch=1):
            await asyncio.sleep(0)

    await asyncio.gather(walk(), *(write(number) for number in range(4)))
    _, catalog = await load_catalog(server.pool, admin.id)
    type_ = catalog.by_name["Device"]
    rows = await server.pool.fetch("SELECT id, document, search::text AS search FROM resource WHERE tenant = $1", admin.id)
    due, keys = set(), set()
    for row in rows:
        document = orjson.loads(row["document"])
        assert "q" not in document
        assert orjson.loads(row["search"]) == orjson.loads(render(document, type_, ()).search)
        due |= {(place, key, row["id"]) for place, key in unique_keys(document, type_)}
        keys |= {(key.number, key.key, row["id"]) for key in keys_held(row["search"], catalog.indexes_of(type_))}
    claimed = await server.pool.fetch("SELECT attribute, key, id FROM unique_key WHERE tenant = $1", admin.id)
    assert {tuple(row) for row in claimed} == due
    kept = await server.pool.fetch("SELECT id FROM removed_value WHERE tenant = $1 AND attribute = 'q' AND value = '\"Q\"'", admin.id)
    assert sorted(row["id"] for row in kept) == sorted(ids)
    held = await server.pool.fetch("SELECT attribute, key, id FROM resource_key WHERE tenant = $1", admin.id)
    assert {tuple(row) for row in held} <= keys
