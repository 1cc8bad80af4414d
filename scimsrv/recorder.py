"""The log of recent requests, behind them: what was served is queued in memory and written in batches, and never fails a request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from scimsrv import recording
from scimsrv.activity.clients import client_of
from scimsrv.behind import Behind
from scimsrv.observe import ActivityDropped, observe
from scimsrv.observing import Served
from scimsrv.store import activity
from scimsrv.store.pool import Tenants

log: Final = logging.getLogger("scimsrv.activity")

#: Seconds between two batches.
INTERVAL: Final = 0.5

#: Requests that wait to be written; more are dropped. And requests after which a batch is written at once.
MOST: Final = 5_000
FULL: Final = 500

#: Of each batch, requests of a tenant that succeeded and changed nothing: a client that reads thousands of times a second is seen to.
READS: Final = 25

#: In a minute, requests to a tenant that nobody was let in with; whoever sends more is seen to.
DENIED: Final = 20
_MINUTE: Final = 60.0
_SLUGS: Final = 1_000

#: Seconds between two looks for entries that are too old, and the least number written to a log between two looks for too many.
_SWEEP: Final = 3_600.0
_TRIMMED: Final = 200

_USER_AGENTS: Final = 1_000


class Recorder(Behind):
    """Queues what was served and writes it; one for a process."""

    def __init__(self, pool: Tenants) -> None:
        self._pool = pool
        self._queue: deque[Served] = deque()
        self._reads: dict[str, int] = {}
        self._denied: dict[str, int] = {}
        self._since = time.monotonic()
        self._full = asyncio.Event()
        self._clients: dict[str, str] = {}
        self._written: dict[int, int] = {}
        self._swept = time.monotonic()

    async def stop(self) -> None:
        """Write what is queued, and end."""
        await super().stop()
        await self.flush()

    def add(self, served: Served) -> None:
        """Queue a request; it costs no more than a look at it."""
        exchange, queue = served.exchange, self._queue
        if exchange.status < 400 and not recording.changes(exchange):
            slug = exchange.tenant
            if not slug:
                return  # what is served to everybody
            number = self._reads.get(slug, 0)
            if number >= READS:
                return
            self._reads[slug] = number + 1
        elif not exchange.tenant and not self._admits(served):
            return
        if len(queue) >= MOST:
            observe(ActivityDropped("full", 1))
            return
        queue.append(served)
        if len(queue) >= FULL:
            self._full.set()

    def _admits(self, served: Served) -> bool:
        """Whether an attempt that was not let in is one of few."""
        if served.exchange.denial is None:
            return False
        now, slug = time.monotonic(), served.route.tenant
        if now - self._since > _MINUTE:
            self._denied, self._since = {}, now
        number = self._denied.get(slug, 0)
        if number >= DENIED or (not number and len(self._denied) >= _SLUGS):
            observe(ActivityDropped("denied", 1))
            return False
        self._denied[slug] = number + 1
        return True

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._full.wait()
            await self.flush()
            if time.monotonic() - self._swept > _SWEEP:
                self._swept = time.monotonic()
                await self._sweep()

    async def flush(self) -> None:
        """Write what is queued; what cannot be written is dropped."""
        self._full.clear()
        self._reads = {}
        if not self._queue:
            return
        batch, self._queue = self._queue, deque()
        slugs: dict[str, list[Served]] = {}
        for one in batch:
            slugs.setdefault(one.exchange.tenant or one.route.tenant, []).append(one)
        try:
            logs = await activity.logs_of(self._pool.across(), slugs)
        except Exception as problem:
            self._lost(len(batch), problem)
            return
        for slug, served in slugs.items():
            found = logs.get(slug)
            if found is not None and found.rows:
                await self._write(found, served)

    async def _write(self, found: activity.Log, served: Sequence[Served]) -> None:
        pool, entries = self._pool.of(found.tenant), []
        try:
            entries = [entry for one in served for entry in recording.entries(one, self._client(one))][-2 * found.rows :]
            await activity.add(pool, found.tenant, entries)
            written = self._written[found.tenant] = self._written.get(found.tenant, 0) + len(entries)
            if written >= max(_TRIMMED, found.rows // 2):
                del self._written[found.tenant]
                await activity.trim(pool, found)
        except Exception as problem:
            self._lost(len(entries) or len(served), problem)

    def _lost(self, number: int, problem: Exception) -> None:
        observe(ActivityDropped("database", number))
        log.warning("%s entries of the log of requests could not be written (%s)", number, type(problem).__name__)

    async def _sweep(self) -> None:
        """Remove what is too old, also where no request comes any more."""
        try:
            for one in await activity.every_log(self._pool.across()):
                await activity.trim(self._pool.of(one.tenant), one)
        except Exception:
            log.exception("removing old entries of the log of requests failed and is tried again")

    def _client(self, served: Served) -> str:
        user_agent = served.headers.get(b"user-agent") or ""
        found = self._clients.get(user_agent)
        if found is None:
            found = client_of(user_agent)
            if len(self._clients) < _USER_AGENTS:
                self._clients[user_agent] = found
        return found
