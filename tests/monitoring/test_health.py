"""Health of a running server: when it has started, when requests are to be sent to it, and when it is to be started anew."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.distributed.site import Site, running
from tests.monitoring.scraping import monitor_url, scrape, until
from tests.postgres import TestServer, test_server
from tests.processes import Served
from tests.wire.support import SCIM, text, user


def _looked(served: Served, path: str) -> tuple[int, dict[str, Any]]:
    answer = httpx.get(f"{monitor_url(served)}{path}", timeout=5)
    return answer.status_code, answer.json()


def _status(served: Served, path: str) -> int:
    return _looked(served, path)[0]


async def test_a_server_that_answers_is_started_ready_and_alive(site: Site) -> None:
    """All three say so as soon as the server says that it answers."""
    for path in ("/startupz", "/readyz", "/livez"):
        status, checks = _looked(site.servers[0], path)
        assert (status, set(checks.values())) == (200, {True}), path


@pytest.fixture
def own() -> Iterator[tuple[TestServer, str]]:
    """Yield a Postgres that may be broken, and the URL of a database of it."""
    with test_server("embedded") as server:
        yield server, server.create()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_lost_database(own: tuple[TestServer, str], tmp_path: Path, workers: int) -> None:
    """Within two seconds the server is not ready, which its metrics say too; it stays alive."""
    server, database = own
    with running(database, database, tmp_path, workers=(workers,)) as site:
        served = site.servers[0]
        assert _status(served, "/readyz") == 200
        server.cluster.stop()
        await until(lambda: _looked(served, "/readyz"), lambda seen: seen[0] == 503 and not seen[1]["database"], 2)
        assert _status(served, "/livez") == 200
        assert "scim_database_up 0.0" in httpx.get(f"{monitor_url(served)}/metrics").text


async def test_a_database_that_hangs(own: tuple[TestServer, str], tmp_path: Path) -> None:
    """One that takes a connection and says nothing is as good as lost, and nobody waits for it; when it goes on the server is ready."""
    server, database = own
    with running(database, database, tmp_path) as site:
        served = site.servers[0]
        assert _status(served, "/readyz") == 200
        processes = [server.cluster.pid, *_children(server.cluster.pid)]
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            await until(lambda: _looked(served, "/readyz"), lambda seen: seen[0] == 503 and not seen[1]["database"], 2)
            assert _status(served, "/livez") == 200
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)
        await until(lambda: _status(served, "/readyz"), lambda status: status == 200)


def _children(pid: int) -> list[int]:
    return [int(one) for path in Path(f"/proc/{pid}/task").glob("*/children") for one in path.read_text().split()]


async def test_a_schema_that_is_too_old(database: str, tmp_path: Path) -> None:
    """A database whose migrations went missing makes the server unready; one of a later program does not, unless that says
    that it took away what the server uses."""
    with running(database, database, tmp_path) as site:
        served = site.servers[0]
        await site.execute("INSERT INTO schema_migration (number, name, checksum) VALUES (9999, 'later', 'x')")
        await asyncio.sleep(1)
        assert _status(served, "/readyz") == 200
        await site.execute("UPDATE schema_state SET least = least + 9999")
        await until(lambda: _looked(served, "/readyz"), lambda seen: seen[0] == 503 and not seen[1]["schema"])
        await site.execute("UPDATE schema_state SET least = least - 9999")
        await until(lambda: _looked(served, "/readyz"), lambda seen: seen[0] == 200)
        await site.execute("DELETE FROM schema_migration WHERE number = 9999")
        await site.execute("UPDATE schema_migration SET number = number - 100")
        try:
            await until(lambda: _looked(served, "/readyz"), lambda seen: seen[0] == 503 and not seen[1]["schema"])
        finally:
            await site.execute("UPDATE schema_migration SET number = number + 100")


async def test_processes_that_hang(database: str, tmp_path: Path) -> None:
    """With no event loop turning no request is to be sent; /livez waits longer before it gives the server up."""
    with running(database, database, tmp_path, workers=(2,)) as site:
        served = site.servers[0]
        serving = [pid for pid in _children(served.process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(serving) == 2
        for pid in serving:
            os.kill(pid, signal.SIGSTOP)
        try:
            await until(lambda: _looked(served, "/readyz"), lambda seen: seen[0] == 503 and not seen[1]["event_loop"])
            assert _status(served, "/livez") == 200
        finally:
            for pid in serving:
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_order_of_an_end(database: str, tmp_path: Path, http: httpx.AsyncClient, workers: int) -> None:
    """Told to end, a server is unready and alive at once, answers for as long as it was told to, lets a running request end, and ends
    with code 0."""
    with running(database, database, tmp_path, workers=(workers,), SCIMSRV_DRAIN_DELAY="2", SCIMSRV_DRAIN_SECONDS="25") as site:
        (client,) = await site.tenant(http)
        served = site.servers[0]
        complete = asyncio.Event()
        headers = {"Authorization": f"Bearer {client.token}", "Content-Type": SCIM}
        sent = asyncio.create_task(http.post(f"{client.base}/Users", content=_slowly(complete), headers=headers))
        await until(lambda: scrape(served), lambda seen: seen.value("scim_http_inflight", plane="data") == 1)
        served.process.send_signal(signal.SIGTERM)
        await until(lambda: _looked(served, "/readyz"), lambda seen: seen[0] == 503 and not seen[1]["not_leaving"])
        assert _status(served, "/livez") == 200
        assert (await client.get("/Users", count=0)).status_code == 200
        await until(lambda: _accepts(site.ports[0]), lambda accepts: not accepts)
        assert (_status(served, "/livez"), _status(served, "/readyz")) == (200, 503)
        assert not sent.done()
        complete.set()
        assert (await sent).status_code == 201
        assert served.process.wait(30) == 0


async def _slowly(complete: asyncio.Event) -> AsyncIterator[bytes]:
    """The body of a user, which ends when it is told to."""
    yield b"{"
    while not complete.is_set():
        yield b" "
        await asyncio.sleep(0.1)
    yield text(user()).encode()[1:]


def _accepts(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/")
    except httpx.TransportError:
        return False
    return True


async def test_told_twice_a_server_does_not_wait(database: str, tmp_path: Path) -> None:
    """A signal that comes more than a second after the first ends the delay."""
    with running(database, database, tmp_path, SCIMSRV_DRAIN_DELAY="300") as site:
        served = site.servers[0]
        served.process.send_signal(signal.SIGTERM)
        await until(lambda: _status(served, "/readyz"), lambda status: status == 503)
        await until(lambda: _told_again(site), lambda accepts: not accepts)
        assert served.process.wait(20) == 0


def _told_again(site: Site) -> bool:
    """Whether the server still takes connections; then it gets one signal more."""
    accepts = _accepts(site.ports[0])
    if accepts:
        site.servers[0].process.send_signal(signal.SIGTERM)
    return accepts
