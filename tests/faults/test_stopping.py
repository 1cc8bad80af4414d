"""Servers that are stopped, and that change their number, under load: no request that was begun is dropped."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.distributed.site import running
from tests.faults.history import Event
from tests.faults.load import Load
from tests.faults.machines import Machine, workers
from tests.faults.measure import LONG, SEED, report, seconds
from tests.faults.test_killed import again, judge, summary, working
from tests.faults.test_network import aside
from tests.wire.support import Client, until_seen


@pytest.mark.parametrize("number", [2, pytest.param(1, marks=pytest.mark.skipif(not LONG, reason="make test-faults"))])
async def test_a_server_that_is_told_to_stop_answers_what_it_has_begun(
    postgres: Machine, http: httpx.AsyncClient, tmp_path: Path, number: int
) -> None:
    """R18: SIGTERM under load, again and again. Every request gets its answer or was never taken; the program ends in time, with 0."""
    dsn = postgres.cluster.dsn
    codes, times = [], []
    dropped: list[Event] = []
    with running(dsn, dsn, tmp_path, workers=(number,), SCIMSRV_DRAIN_SECONDS="10") as site, ExitStack() as ends:
        served = site.servers[0]
        clients = await site.tenant(http, "scim:bulk")
        async with working(clients, tmp_path, f"stopping-{number}") as load:
            turns = 20 if LONG else 1
            for turn in range(turns):
                await asyncio.sleep(0.5)
                told = time.monotonic()
                served.process.send_signal(signal.SIGTERM)
                codes.append(await asyncio.to_thread(served.process.wait, 60))
                times.append(time.monotonic() - told)
                dropped += [event for event in load.events if event.started < told < event.ended and event.status is None]
                if turn < turns - 1:
                    served = await asyncio.to_thread(again, ends, site, number)
            load.stopped = True
            served = await asyncio.to_thread(again, ends, site, 1)
        report(f"R18 {summary(load)}; stopped {len(codes)} times within {max(times):.2f} s, {len(dropped)} requests dropped")
        assert dropped == []
        assert set(codes) == {0}
        assert max(times) <= 30 or not LONG
        await judge(load, clients[0], dsn)


@pytest.mark.skipif(not LONG, reason="needs many processes: make test-faults")
async def test_the_number_of_processes_may_change(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R19: beside one server another comes with more processes, and goes; what is revoked meanwhile is refused by each within a second."""
    dsn = postgres.cluster.dsn
    with running(dsn, dsn, tmp_path, workers=(1,)) as site:
        clients = await site.tenant(http, "scim:bulk")
        other = tmp_path / "more"
        other.mkdir()
        async with working(clients, tmp_path, "processes") as load:
            await asyncio.sleep(seconds(1) / 3)
            async with aside(running(dsn, dsn, other, workers=(4,))) as more:
                assert len(workers(more.servers[0].process.pid)) == 4
                again_there = _at(clients[0], more.ports[0])
                beside = Load(SEED + 1)
                task = asyncio.create_task(beside.own([again_there], 90))
                await asyncio.sleep(seconds(1) / 3)
                beside.stopped = True
                await task
                await site.execute("UPDATE tenant SET status = 'suspended' WHERE id = $1", clients[0].id)
                await until_seen(asyncio.get_running_loop().time())
                answers = await asyncio.gather(*(one.get("/Users", count=0) for one in (clients[0], again_there) for _ in range(12)))
                assert Counter(answer.status_code for answer in answers) == {403: 24}
                await site.execute("UPDATE tenant SET status = 'active' WHERE id = $1", clients[0].id)
                await until_seen(asyncio.get_running_loop().time())
            load.stopped = True
        refused = [event for event in load.events if event.status == 403]
        load.events[:] = [event for event in load.events + beside.events if event.status != 403]
        report(f"R19 {summary(load)}; {len(refused)} refused while the tenant was suspended")
        await judge(load, clients[0], dsn)


def _at(client: Client, port: int) -> Client:
    """The same tenant at another server."""
    assert hasattr(client, "server")
    return type(client)(client.http, client.slug, client.id, client.token, f"http://127.0.0.1:{port}")  # type: ignore[call-arg]
