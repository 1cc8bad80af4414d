"""A schema that changes under load: no request fails, and none sees a part of one version and a part of another."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import httpx
import pytest

from tests.distributed.site import Site, running
from tests.wire.support import Client, assert_error, patch

_URN: Final = "urn:example:params:scim:schemas:core:2.0:Coin"
_SIDES: Final = ("heads", "tails")
_CHANGES: Final = 24
_CLIENTS: Final = 6


def _schema(up: int) -> dict[str, Any]:
    """The version with this side up: it is required and shown, the other one neither. Odd versions have heads up."""
    sides = [
        {"name": name, "type": "string", "required": number == up, "returned": "default" if number == up else "request"}
        for number, name in enumerate(_SIDES)
    ]
    return {"id": _URN, "name": "Coin", "attributes": [*sides, {"name": "year", "type": "integer"}]}


@pytest.fixture
def servers(database: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run two servers, one of them with two workers, on one database."""
    with running(database, database, tmp_path_factory.mktemp("coins"), workers=(1, 2)) as site:
        yield site


@pytest.fixture
async def clients(servers: Site) -> AsyncIterator[tuple[Client, ...]]:
    """Yield a client for each server, of a tenant with the type Coin and a few coins."""
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=50)) as http:
        made = await servers.tenant(http, "tenant:admin")
        assert (await made[0].post("/Schemas", _schema(0))).status_code == 201
        assert (await made[0].post("/ResourceTypes", {"name": "Coin", "endpoint": "/Coins", "schema": _URN})).status_code == 201
        for year in range(10):
            assert (await made[0].post("/Coins", {"heads": "h", "tails": "t", "year": year})).status_code == 201
        await asyncio.sleep(1.1)  # until every server knows the type
        yield made


def _up(coin: dict[str, Any]) -> str:
    """The only side that is shown."""
    shown = [side for side in _SIDES if side in coin]
    assert len(shown) == 1, coin
    return shown[0]


def _whole(schema: dict[str, Any]) -> str:
    """The side that a version has up, which all of it agrees on."""
    version = int(schema["meta"]["version"].removeprefix('W/"').removesuffix('"'))
    attributes = {attribute["name"]: attribute for attribute in schema["attributes"]}
    up = _SIDES[(version + 1) % 2]
    for side in _SIDES:
        assert attributes[side]["required"] is (side == up), schema
        assert attributes[side]["returned"] == ("default" if side == up else "request"), schema
    return up


async def _read(client: Client, id_: str) -> str:
    return _up((await _ok(client.get(f"/Coins/{id_}")))[1])


async def _list(client: Client, _id: str) -> str:
    _, found = await _ok(client.get("/Coins", count=10, filter="year lt 10", sortBy="year"))
    assert [coin["year"] for coin in found["Resources"]] == list(range(10))
    sides = {_up(coin) for coin in found["Resources"]}
    assert len(sides) == 1, "one list of two versions"
    return sides.pop()


async def _discover(client: Client, _id: str) -> str:
    answer, schema = await _ok(client.get(f"/Schemas/{_URN}"))
    assert answer.headers["etag"] == schema["meta"]["version"]
    return _whole(schema)


async def _discover_all(client: Client, _id: str) -> str:
    _, listed = await _ok(client.get("/Schemas"))
    return _whole(next(schema for schema in listed["Resources"] if schema["id"] == _URN))


async def _refused(client: Client, _id: str) -> str:
    """Without either side a coin lacks exactly the one that is required."""
    answer = await client.post("/Coins", {"year": 2000})
    assert_error(answer, 400, "invalidValue", "is required")
    named = [side for side in _SIDES if side in answer.json()["detail"]]
    assert len(named) == 1, answer.text
    return named[0]


async def _write(client: Client, id_: str) -> str:
    await _ok(
        client.request(
            "PATCH", f"/Coins/{id_}", patch({"op": "replace", "path": "heads", "value": "H"}, {"op": "add", "path": "tails", "value": "T"})
        )
    )
    made = (await _ok(client.post("/Coins", {"heads": "h", "tails": "t", "year": 1999}), 201))[1]
    assert (await client.delete(f"/Coins/{made['id']}")).status_code == 204
    return "written"


async def _ok(answer: Awaitable[httpx.Response], status: int = 200) -> tuple[httpx.Response, Any]:
    found = await answer
    assert found.status_code == status, (found.status_code, found.text)
    return found, found.json()


_ASKING: Final[tuple[Callable[[Client, str], Awaitable[str]], ...]] = (_read, _list, _discover, _discover_all, _refused, _write)


async def test_no_request_fails_or_sees_a_mixture(servers: Site, clients: tuple[Client, ...]) -> None:
    """Reads, lists, discovery, refusals and writes over three processes while the schema changes again and again: each is of one
    version, each kind meets both, and soon after the last change everybody is of the last version."""
    id_ = (await clients[0].get("/Coins", count=1, sortBy="year")).json()["Resources"][0]["id"]
    seen: Counter[tuple[str, str]] = Counter()
    done = asyncio.Event()

    async def load(number: int) -> None:
        around = itertools.cycle(clients[number % len(clients) :] + clients[: number % len(clients)])
        for ask in itertools.cycle(_ASKING[number % len(_ASKING) :] + _ASKING[: number % len(_ASKING)]):
            if done.is_set():
                return
            seen[ask.__name__, await ask(next(around), id_)] += 1

    async def change() -> None:
        for number in range(1, _CHANGES + 1):
            await _ok(clients[number % len(clients)].put(f"/Schemas/{_URN}", _schema(number % 2)))
            assert await _discover(clients[number % len(clients)], id_) in _SIDES
            await asyncio.sleep(0.15)

    async with asyncio.TaskGroup() as group:
        loads = [group.create_task(load(number)) for number in range(_CLIENTS)]
        changing = group.create_task(change())
        changing.add_done_callback(lambda _: done.set())
    assert all(task.done() for task in loads)
    for kind in _ASKING[:-1]:
        assert {side for name, side in seen if name == kind.__name__} == set(_SIDES), (kind.__name__, seen)
    await asyncio.sleep(1.1)
    last = _SIDES[_CHANGES % 2]
    for client in clients * 6:  # connections are spread over the workers
        assert await _read(client, id_) == await _discover(client, id_) == last
    assert servers.logged() == ""
