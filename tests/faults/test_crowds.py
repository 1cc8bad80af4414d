"""More clients than there are places for: slow ones are cut off, waiting ones are told so, and honest ones hardly notice."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

from tests.distributed.site import running
from tests.faults.machines import Machine
from tests.faults.measure import LONG, SEED, report, seconds
from tests.faults.slow import allow_files
from tests.wire.support import Client, user

pytestmark = pytest.mark.skipif(not LONG, reason="needs a minute and many connections: make test-faults")

#: Connections that send a byte of a header per second, requests that send one of a body, and honest requests per second.
_SLOW_HEADS: Final = 1_000
_SLOW_BODIES: Final = 200
_HONEST: Final = 50

#: Clients that want the same few connections to the database.
_CROWD: Final = 200


def _percentile(found: list[float]) -> float:
    return sorted(found)[int(len(found) * 0.99)]


async def _honest(client: Client, paths: list[str], rate: float, until: float) -> list[tuple[int, float]]:
    """Requests at a rate, each whether or not those before it were answered; status and seconds of each."""
    found: list[tuple[int, float]] = []

    async def one(path: str) -> None:
        begun = time.monotonic()
        status = (await client.get(path)).status_code
        found.append((status, time.monotonic() - begun))

    tasks: list[asyncio.Task[None]] = []
    start = time.monotonic()
    while time.monotonic() < until:
        tasks.append(asyncio.create_task(one(paths[len(tasks) % len(paths)])))
        await asyncio.sleep(max(0.0, start + len(tasks) / rate - time.monotonic()))
    await asyncio.gather(*tasks)
    return found


async def test_slow_clients(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R9: a thousand connections whose headers trickle in, and two hundred whose bodies do, are cut off in time, and honest requests are
    served as if there were none."""
    if not allow_files(2 * (_SLOW_HEADS + _SLOW_BODIES)):
        pytest.skip("the process may not open as many files as are needed")
    dsn = postgres.cluster.dsn
    with running(dsn, dsn, tmp_path) as site:
        (client,) = await site.tenant(http)
        (other,) = await site.tenant(http)
        ada = await other.new_user()
        path = client.base.removeprefix(f"http://127.0.0.1:{site.ports[0]}")
        body = f"POST {path}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\nContent-Type: application/json\r\n"
        asked = (str(site.ports[0]), str(seconds(60)), str(_SLOW_HEADS), str(_SLOW_BODIES))
        slow = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.slow", *asked), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        telling = asyncio.create_task(slow.communicate(f"{body}Content-Length: 1000\r\n\r\n".encode()))
        answers = await _honest(other, [f"/Users/{ada['id']}", "/Users?count=10"], _HONEST, time.monotonic() + seconds(60))
        told = json.loads((await telling)[0])
    served = Counter(status for status, _ in answers)
    slowest = _percentile([taken for _, taken in answers])
    report(
        f"R9 {len(answers)} honest requests {dict(served)}, p99 {slowest * 1000:.0f} ms; slow: {told['ends']}, "
        f"headers cut off after {told['heads']:.1f} s, bodies after {told['bodies']:.1f} s at most"
    )
    assert served[200] >= 0.999 * len(answers)
    assert "hangs" not in told["ends"]
    assert told["ends"]["HTTP/1.1 408 Request Timeout"] > _SLOW_HEADS + _SLOW_BODIES
    assert told["heads"] <= 10
    assert told["bodies"] <= 40  # of a body a byte comes each second, so that its whole time is what ends it
    assert slowest < 0.25


async def test_a_crowd_before_a_small_pool(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R8: two hundred clients of a tenant share ten connections, and every fifth write waits for a lock for up to a second. They are
    served in their turn or told to come back, and a tenant beside them is served at once."""
    dsn = postgres.cluster.dsn
    # The crowd has a client of its own, in which others would wait for it.
    async with httpx.AsyncClient(timeout=60) as apart:
        with running(dsn, dsn, tmp_path, SCIMSRV_POOL_SIZE="10") as site:
            (busy,), (light,) = await site.tenant(http), await site.tenant(apart)
            await _crowd(dsn, busy, light)


async def _crowd(dsn: str, busy: Client, light: Client) -> None:
    ada = await light.new_user()
    ids = [(await busy.new_user())["id"] for _ in range(50)]
    until = time.monotonic() + seconds(60)
    rng = random.Random(SEED)
    taken: list[float] = []
    statuses: Counter[int] = Counter()

    async def keep() -> None:
        """Lock a fifth of the users for a second, again and again."""
        connection: Any = await asyncpg.connect(dsn)
        while time.monotonic() < until:
            async with connection.transaction():
                await connection.fetch("SELECT FROM resource WHERE tenant = $1 AND id = ANY ($2) FOR UPDATE", busy.id, rng.sample(ids, 10))
                await asyncio.sleep(1)
        await connection.close()

    async def ask() -> None:
        while time.monotonic() < until:
            begun = time.monotonic()
            answer = await busy.patch(f"/Users/{rng.choice(ids)}", {"op": "replace", "path": "title", "value": user()["userName"]})
            taken.append(time.monotonic() - begun)
            statuses[answer.status_code] += 1
            if answer.status_code == 503:
                assert answer.headers["retry-after"].isdigit()
                await asyncio.sleep(1)

    crowd = asyncio.gather(keep(), *(ask() for _ in range(_CROWD)))
    answers = await _honest(light, [f"/Users/{ada['id']}", "/Users?count=10", "/Schemas"], 10, until)
    open_to_all = await light.with_token(None).get("/ServiceProviderConfig")
    await crowd
    slowest = _percentile([seconds_ for _, seconds_ in answers])
    report(
        f"R8 crowd: {dict(statuses)}, p99 {_percentile(taken):.2f} s, longest {max(taken):.2f} s; "
        f"beside it {dict(Counter(status for status, _ in answers))}, p99 {slowest * 1000:.0f} ms"
    )
    assert open_to_all.status_code == 200
    assert set(statuses) <= {200, 204, 503}
    assert {status for status, _ in answers} == {200}
    assert slowest <= 1.5
    assert max(taken) <= 15
