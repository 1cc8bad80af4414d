"""What networks do between a server and its database: answers come in time, right or not at all, and service comes back by itself."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from scimsrv.embedded import DATABASE, USER
from scimsrv.limits import DEFAULT
from scimsrv.store.pool import STATEMENT_TIMEOUT
from tests.distributed.site import Site, running
from tests.faults import consistency
from tests.faults.load import Load
from tests.faults.machines import Machine
from tests.faults.measure import LONG, SEED, report, seconds
from tests.faults.proxy import Proxy
from tests.faults.test_killed import judge, summary, until_acknowledged, working
from tests.wire.support import Client, group, patch, user

#: No answer takes longer, whatever the database does.
PATIENCE: Final = STATEMENT_TIMEOUT + 2


@asynccontextmanager
async def aside(site: AbstractContextManager[Site]) -> AsyncIterator[Site]:
    """Servers that start and stop while this loop, with the proxies in it, runs on."""
    made = await asyncio.to_thread(site.__enter__)
    try:
        yield made
    finally:
        await asyncio.to_thread(site.__exit__, None, None, None)


@asynccontextmanager
async def behind(proxy: Proxy, machine: Machine, folder: Path, **settings: Any) -> AsyncIterator[Site]:
    """A server that reaches its database through the proxy."""
    async with proxy.listening():
        url = f"postgresql://{USER}@127.0.0.1:{proxy.port}/{DATABASE}"
        async with aside(running(url, machine.cluster.dsn, folder, **settings)) as made:
            try:
                yield made
            finally:
                proxy.thaw()
                proxy.refusing = False


async def ids(client: Client, load: Load, made: list[str]) -> None:
    """Read users again and again: what comes is what was asked for, or 503, in time."""
    while not load.stopped:
        for id_ in made:
            started = time.monotonic()
            answer = await client.get(f"/Users/{id_}")
            assert time.monotonic() - started < PATIENCE or not LONG
            assert answer.status_code == 503 or answer.json()["id"] == id_, answer.text
            await asyncio.sleep(0.01)


async def test_faults_of_the_network(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R7: delay, resets in the middle of messages, connections that fall silent, no new ones, and a way that is cut for a while."""
    proxy = Proxy(postgres.socket, SEED)
    async with behind(proxy, postgres, tmp_path) as site:
        clients = await site.tenant(http, "scim:bulk")
        made = [(await clients[0].new_user())["id"] for _ in range(3)]
        length = seconds(3) / 6
        async with working(clients, tmp_path, "network") as load:
            readers = asyncio.gather(*(ids(clients[0], load, made) for _ in range(3)))
            proxy.latency = 0.2 if LONG else 0.02
            await asyncio.sleep(length)
            proxy.latency = 0.0
            until, resets = time.monotonic() + length, 0
            while time.monotonic() < until:
                resets += proxy.reset()
                await asyncio.sleep(0.1)
            await until_acknowledged(load, time.monotonic())
            proxy.loss, proxy.after = 0.3, 5_000
            proxy.reset()
            await asyncio.sleep(length)
            proxy.loss = 0.0
            await until_acknowledged(load, time.monotonic())
            proxy.refusing = True
            proxy.reset()
            await asyncio.sleep(length / 2)
            proxy.refusing = False
            await until_acknowledged(load, time.monotonic())
            for _ in range(3 if LONG else 1):
                proxy.freeze()
                await asyncio.sleep(20 if LONG else 1)
                proxy.thaw()
                await until_acknowledged(load, time.monotonic())
            load.stopped = True
            await readers
        report(f"R7 {summary(load)}; {resets} connections reset, {proxy.connections} opened")
        assert resets
        for name in made:
            load.events[:] = [event for event in load.events if event.name != name]
        for id_ in made:
            assert (await clients[0].delete(f"/Users/{id_}")).status_code == 204
        await judge(load, clients[0], postgres.cluster.dsn)
        slow = [event for event in load.events if event.ended - event.started > PATIENCE]
        assert not slow, Counter((event.op, event.status, round(event.ended - event.started)) for event in slow)


_SCHEMA: Final = "urn:example:params:scim:schemas:core:2.0:Thing"
_ATOMIC: Final = '{"profile": "standard", "bulk_atomic": true}'
_NUMBERS: Final = itertools.count(1)


def _bulk(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": list(operations)}


def _create(number: int) -> dict[str, Any]:
    return {"method": "POST", "path": "/Users", "bulkId": str(number), "data": user()}


def _asked(client: Client, kind: str, id_: str) -> Awaitable[httpx.Response]:
    """A request of a kind; those that create something create it under a new name each time."""
    path, change = f"/Users/{id_}", {"op": "replace", "path": "title", "value": f"title {next(_NUMBERS)}"}
    match kind:
        case "read":
            return client.get(path)
        case "list":
            return client.get("/Users", filter='userName sw "user"', sortBy="userName", count=2)
        case "discover":
            return client.get("/Schemas")
        case "create":
            return client.post("/Users", user(password="correct horse"))
        case "create once":
            return client.request("POST", "/Users", user(), headers={"Idempotency-Key": f"key {next(_NUMBERS)}"})
        case "create later":
            return client.request("POST", "/Users", user(), headers={"Prefer": "respond-async"})
        case "replace":
            return client.put(path, user(title=f"title {next(_NUMBERS)}", manager={"value": id_}))
        case "change":
            return client.patch(path, change)
        case "group":
            return client.post("/Groups", group(id_))
        case "delete":
            return client.delete(f"/Users/{id_}")
        case "bulk":
            changes = {"method": "PATCH", "path": path, "data": patch(change)}
            return client.post("/Bulk", _bulk(_create(1), _create(2), changes, _create(3)))
        case "bulk later":
            return client.request("POST", "/Bulk", _bulk(_create(1), _create(2)), headers={"Prefer": "respond-async"})
        case _:
            thing = {"id": f"{_SCHEMA}{next(_NUMBERS)}", "name": "Thing", "attributes": [{"name": "size", "type": "integer"}]}
            return client.post("/Schemas", thing)


_KINDS: Final = [
    *("read", "list", "discover", "create", "create once", "create later", "replace", "change", "group", "delete"),
    *("bulk", "bulk later", "define"),
]


def _statuses(answer: httpx.Response) -> set[int]:
    """The status, and those of the operations of a bulk request."""
    inner = answer.json().get("Operations", []) if answer.content else []
    return {answer.status_code} | {int(one["status"]) for one in inner}


async def test_every_message_may_be_the_last(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """Whichever message to the database is the last of its connection, before or after it was carried out: the answer is a success or
    503 that says when to come back, the next request is served, and nothing is half done."""
    proxy = Proxy(postgres.socket, SEED)
    async with behind(proxy, postgres, tmp_path) as site:
        (client,) = await site.tenant(http, "scim:bulk", "tenant:admin")
        (atomic,) = await site.tenant(http, "scim:bulk")
        await site.execute("UPDATE tenant_config SET policy = $2::text::jsonb WHERE tenant = $1", atomic.id, _ATOMIC)
        await site.execute("UPDATE tenant SET revision = revision + 1 WHERE id = $1", atomic.id)
        ways = [(client, kind, forwarding) for kind, forwarding in itertools.product(_KINDS, (False, True))]
        ways += [(atomic, kind, forwarding) for kind, forwarding in itertools.product(("bulk", "bulk later"), (False, True))]
        wrong, resets = [], 0
        for place, (asking, kind, forwarding) in enumerate(ways):
            # Of every few messages one in the short form, each time another.
            step = 1 if LONG else 7
            for number in range(1 + place % step, 60, step):
                id_ = (await asking.new_user())["id"]
                proxy.arm(trap=number, forwarding=forwarding)
                answer = await _asked(asking, kind, id_)
                sprung = proxy.trap == 0
                proxy.arm()
                resets += sprung
                if answer.status_code == 503:
                    assert answer.headers["retry-after"].isdigit()
                elif not answer.is_success or _statuses(answer) & {500, 409}:
                    wrong.append((kind, number, answer.text))
                again = await asking.get(f"/Users/{id_}")
                assert again.status_code == 200 or kind == "delete", again.text
                if not sprung:
                    break
        assert not wrong, wrong
        assert resets > 5
        connection = await asyncpg.connect(postgres.cluster.dsn)
        for one in (client, atomic):
            assert await consistency.check(connection, one.id) == []
        await connection.close()


async def test_a_way_that_is_cut_is_noticed_in_time(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """With the way to the database cut before, or in the middle of, whatever a request does there, the answer is 503, in time."""
    proxy = Proxy(postgres.socket, SEED)
    async with behind(proxy, postgres, tmp_path, SCIMSRV_POOL_SIZE="40") as site:
        (client,) = await site.tenant(http, "scim:bulk", "tenant:admin")
        for silent_at in (1, 2, 3, 4, 5, 6) if LONG else (3,):
            # A bulk request waits for each of its operations, which takes long.
            kinds = [kind for kind in _KINDS if LONG or kind != "bulk"]
            made = [(await client.new_user())["id"] for _ in kinds]
            await client.get("/Users")
            proxy.arm(silent_at=silent_at)
            started = time.monotonic()
            answers = await asyncio.gather(*(_asked(client, kind, id_) for kind, id_ in zip(kinds, made, strict=True)))
            report(f"way cut at message {silent_at}: {len(answers)} kinds of requests answered within {time.monotonic() - started:.2f} s")
            for kind, answer in zip(kinds, answers, strict=True):
                # A search that gets no answer is one that takes too long, whatever the reason.
                tolerated = {200, 201, 202, 204, 503} | ({400} if kind == "list" and "tooMany" in answer.text else set())
                assert _statuses(answer) <= tolerated, (kind, answer.text)
                patience = DEFAULT.bulk_seconds + PATIENCE if kind == "bulk" else PATIENCE
                assert answer.elapsed.total_seconds() < patience or not LONG, kind
            assert any(answer.status_code in (400, 503) for answer in answers)
            proxy.arm()
            proxy.reset()
            assert (await client.get("/Users", count=0)).status_code == 200
