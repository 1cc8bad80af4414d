"""Many clients on a few resources, over several processes: what If-Match promises holds for every single one of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from tests.distributed.site import running
from tests.faults import versions
from tests.faults.history import Event, save, unexpected
from tests.faults.load import Load
from tests.faults.machines import Machine
from tests.faults.measure import CLIENTS, LONG, SEED, kept, report, seconds


async def test_conditional_writes_form_one_chain(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R3: clients read and change the same users, mostly under the version that they read, over two servers with two or three processes."""
    dsn = postgres.cluster.dsn
    with running(dsn, dsn, tmp_path, workers=(1, 2) if LONG else (1, 1)) as site:
        clients = await site.tenant(http)
        load = Load(SEED)
        paths = []
        for _ in range(20 if LONG else 3):
            made = await clients[0].new_user(title="new")
            paths.append(f"/Users/{made['id']}")
            load.events.append(Event(0, "create", paths[-1], 0.0, 0.0, 201, "new", None, 1))
        number = CLIENTS * 4 if LONG else 8
        tasks = [asyncio.create_task(load.shared(clients[one % 2], one, paths)) for one in range(number)]
        await asyncio.sleep(seconds(1.5))
        load.stopped = True
        await asyncio.gather(*tasks)
    save(kept(tmp_path, "versions"), load.events, seed=SEED)
    won = sum(event.op == "change" and event.status == 200 for event in load.events)
    lost = sum(event.status == 412 for event in load.events)
    report(f"R3 seed {SEED}: {len(load.events)} requests on {len(paths)} users, {won} changes, {lost} times 412")
    assert versions.check(load.events) == []
    assert unexpected(load.events) == []
    assert won > 10
    assert lost > 10
