"""Processes that are killed under load: no acknowledged write is lost, nothing is half done, and service comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.distributed.site import Site, running
from tests.faults import acknowledged, consistency
from tests.faults.history import Event, save, unexpected
from tests.faults.load import Load, found
from tests.faults.machines import Machine, workers
from tests.faults.measure import CLIENTS, LONG, SEED, kept, report, seconds
from tests.processes import Served, serving
from tests.wire.support import Client

#: Kills after which one has to have met a request in progress.
_KILLS = 40


@asynccontextmanager
async def working(clients: Sequence[Client], folder: Path, name: str) -> AsyncIterator[Load]:
    """Let clients work for the length of a block; afterwards what they were answered is kept."""
    load = Load(SEED)
    tasks = [asyncio.create_task(load.own(clients, number)) for number in range(CLIENTS)]
    try:
        yield load
        load.stopped = True
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        save(kept(folder, name), load.events, seed=SEED)


async def judge(load: Load, client: Client, dsn: str) -> None:
    """Assert that everything acknowledged is there, nothing half done, and nothing answered that should not be."""
    assert acknowledged.check(load.events, await settled(client)) == []
    connection = await asyncpg.connect(dsn)
    try:
        assert await consistency.check(connection, client.id) == []
    finally:
        await connection.close()
    assert unexpected(load.events) == []


async def settled(client: Client) -> dict[str, acknowledged.State]:
    """What is there; members of groups under the names of users, as they were written."""
    listed = await found(client)
    return {
        name: acknowledged.State(state.version, name.removeprefix("g-") if name.startswith("g-") and state.value else state.value)
        for name, state in listed.items()
    }


def recovered(events: Sequence[Event], since: float) -> float:
    """Seconds from a moment to the first write that began after it and was acknowledged."""
    ends = [event.ended for event in events if event.started >= since and event.status in (200, 201, 204)]
    return min(ends, default=float("inf")) - since


async def until_acknowledged(load: Load, since: float) -> float:
    """Wait for the first write that begins now and is acknowledged; the seconds that it took."""
    async with asyncio.timeout(60):
        while recovered(load.events, since) == float("inf"):
            await asyncio.sleep(0.02)
    return recovered(load.events, since)


def summary(load: Load) -> str:
    """The number of events by answer, and the longest wait."""
    known = sum(not event.unknown for event in load.events)
    longest = max(event.ended - event.started for event in load.events)
    return f"seed {load.seed}: {known} acknowledged or refused, {len(load.events) - known} unknown, longest answer {longest:.2f} s"


async def test_killed_workers_and_supervisor(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R1: workers are killed again and again, and the supervisor too; others take over, and what was acknowledged stays."""
    dsn = postgres.cluster.dsn
    with running(dsn, dsn, tmp_path, workers=(4 if LONG else 2,)) as site, ExitStack() as ends:
        served: Served = site.servers[0]
        clients = await site.tenant(http, "scim:bulk")
        waits: list[float] = []
        async with working(clients, tmp_path, "killed-workers") as load:
            until = time.monotonic() + seconds(0.3)
            while time.monotonic() < until or (len(waits) < _KILLS and not any(event.unknown for event in load.events)):
                await asyncio.sleep(3 if LONG else 0.3)
                os.kill(workers(served.process.pid)[0], signal.SIGKILL)
                waits.append(await until_acknowledged(load, time.monotonic()))
            if LONG:
                for pid in workers(served.process.pid):
                    os.kill(pid, signal.SIGKILL)
                await until_acknowledged(load, time.monotonic())
            for _ in range(2 if LONG else 1):
                served.process.kill()
                served.process.wait()
                served = await asyncio.to_thread(again, ends, site, 2 if LONG else 1)
                await until_acknowledged(load, time.monotonic())
        report(f"R1 {summary(load)}; {len(waits)} workers killed, next acknowledgement after {max(waits):.2f} s at most")
        await judge(load, clients[0], dsn)
        assert any(event.unknown for event in load.events), "nothing was in progress when it was killed"
        if LONG:
            assert max(waits) <= 2


def again(ends: ExitStack, site: Site, number: int) -> Served:
    """Start a server anew on its port, as a service manager does: until the address is free."""
    while True:
        starting = serving("--workers", str(number), "--port", str(site.ports[0]), cwd=site.folders[0], **site.settings)
        with contextlib.suppress(AssertionError):
            return ends.enter_context(starting)
        time.sleep(0.1)


async def test_killed_postgres(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R2: all of Postgres is killed and started again; until then the answer is 503 with Retry-After, after which writes go on."""
    dsn = postgres.cluster.dsn
    with running(dsn, dsn, tmp_path, workers=(1,)) as site:
        clients = await site.tenant(http, "scim:bulk")
        waits, refusals = [], []
        async with working(clients, tmp_path, "killed-postgres") as load:
            for _ in range(3 if LONG else 1):
                await asyncio.sleep(seconds(1) / 3)
                await asyncio.to_thread(postgres.kill)
                killed = time.monotonic()
                await asyncio.sleep(3 if LONG else 0.5)
                refusals += [event for event in load.events if event.started > killed]
                accepting = await asyncio.to_thread(postgres.start)
                waits.append(await until_acknowledged(load, accepting))
            await asyncio.sleep(0.3)
        slowest = max(event.ended - event.started for event in refusals)
        report(f"R2 {summary(load)}; refused within {slowest:.2f} s; first acknowledgement {max(waits):.2f} s after Postgres accepts")
        await judge(load, clients[0], dsn)
        assert {event.status for event in refusals} <= {503, None}
        if LONG:
            assert max(waits) <= 3
            assert slowest <= 1


async def test_a_lost_write_would_be_found(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """A user that is deleted behind the server is missed by the checker, and rows that are left of it by the look at the tables."""
    dsn = postgres.cluster.dsn
    with running(dsn, dsn, tmp_path) as site:
        (client,) = await site.tenant(http, "scim:bulk")
        load = Load(SEED)
        tasks = [asyncio.create_task(load.own([client], 0, creates=1.0))]
        while len(load.events) < 30:
            await asyncio.sleep(0.01)
        load.stopped = True
        await asyncio.gather(*tasks)
        assert acknowledged.check(load.events, await settled(client)) == []
        await site.execute("DELETE FROM resource WHERE tenant = $1 AND document LIKE '%\"u-0-2\"%'", client.id)
        await site.execute("DELETE FROM resource WHERE tenant = $1 AND type = 'Group'", client.id)
        there = await settled(client)
        assert any(text.startswith("u-0-2: is None") for text in acknowledged.check(load.events, there))
        connection: Any = await asyncpg.connect(dsn)
        try:
            assert {text.partition(":")[0] for text in await consistency.check(connection, client.id)} >= {
                "a unique key without its resource",
                "a membership without its group or its member",
                "a number of resources that is wrong",
            }
        finally:
            await connection.close()
