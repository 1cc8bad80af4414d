"""The log of recent requests, behind them: what was served is queued in memory and written in batches, and never fails a request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from dataclasses import dataclass
from typing import Final

from scimsrv import recording
from scimsrv.activity.clients import client_of
from scimsrv.behind import Behind
from scimsrv.errors import Kind, ScimError
from scimsrv.observe import ActivityDropped, observe
from scimsrv.observing import Served
from scimsrv.store import activity
from scimsrv.store.pool import Tenants

log: Final = logging.getLogger("scimsrv.activity")

#: Seconds between two batches.
INTERVAL: Final = 0.5

#: Entries that wait to be written; more are dropped. And requests after which a batch is written at once.
MOST: Final = 10_000
FULL: Final = 500

#: Tenants whose entries the database may refuse before the rest waits for the next batch: each may take as long as a statement may.
_REFUSALS: Final = 2

#: Of each batch, requests of a tenant that succeeded and changed nothing: a client that reads thousands of times a second is seen to.
READS: Final = 25

#: In a minute, requests to a tenant that nobody was let in with; whoever sends more is seen to.
DENIED: Final = 20
_MINUTE: Final = 60.0
_SLUGS: Final = 1_000

#: Seconds between two looks for entries that are too old, and within which the first is.
_SWEEP: Final = 3_600.0
_FIRST_SWEEP: Final = 60.0

_USER_AGENTS: Final = 1_000


@dataclass(slots=True)
class _Waiting:
    """A tenant's log, and what is to be written to it, in order."""

    log: activity.Log
    entries: list[activity.Drafted]


class Recorder(Behind):
    """Queues what was served and writes it; one for a process."""

    def __init__(self, pool: Tenants) -> None:
        self._pool = pool
        self._queue: dict[str, list[activity.Drafted]] = {}
        self._queued = 0
        self._waiting: dict[int, _Waiting] = {}
        self._held = 0
        self._refused = False
        self._flushing = asyncio.Lock()
        self._reads: dict[str, int] = {}
        self._denied: dict[str, int] = {}
        self._since = time.monotonic()
        self._full = asyncio.Event()
        self._clients: dict[str, str] = {}
        self._over: set[int] = set()
        self._sweeps = time.monotonic() + random.uniform(0, _FIRST_SWEEP)  # noqa: S311 - keeps servers apart

    async def stop(self) -> None:
        """Write what is queued, and end."""
        async with self._flushing:  # a batch that was begun may be committed without this process knowing it: it is not to be written twice
            await super().stop()
        await self.flush()
        if self._held:
            observe(ActivityDropped("database", self._held))
            log.warning("%s entries of the log of requests are lost: the database did not take them before the end", self._held)

    def add(self, served: Served) -> None:
        """Queue the entries of a request. They are made at once, so that nothing else of it is kept: a request whose memory is used again
        for the next one costs less than one that waits for its batch."""
        exchange = served.exchange
        slug = exchange.tenant
        if exchange.status < 400 and not recording.changes(exchange):
            if not slug:
                return  # what is served to everybody
            number = self._reads.get(slug, 0)
            if number >= READS:
                return
            self._reads[slug] = number + 1
        elif not slug:
            if not self._admits(served):
                return
            slug = served.route.tenant
        number = len(exchange.kept) or 1
        if self._held + number > MOST:
            observe(ActivityDropped("full", number))
            return
        try:
            drafts = recording.entries(served, self._client(served))
        except Exception as problem:
            self._failed(number, problem)
            return
        queued = self._queue.get(slug)
        if queued is None:
            self._queue[slug] = drafts
        else:
            queued += drafts
        self._held += number
        self._queued += number
        if self._queued >= FULL:
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
                    await (asyncio.sleep(INTERVAL) if self._refused else self._full.wait())
            await self.flush()
            if time.monotonic() > self._sweeps:
                self._sweeps = time.monotonic() + _SWEEP
                await self._sweep()

    async def flush(self) -> None:
        """Write what waits. What the database does not take now, since it is busy or away, waits on; what it never takes is dropped."""
        async with self._flushing:
            self._full.clear()
            self._reads = {}
            if not self._held:
                return
            refusals = 0 if not self._queue or await self._prepare() else _REFUSALS
            for one in tuple(self._waiting.values()):
                if refusals >= _REFUSALS:
                    break
                refusals += not await self._write(one)
            if self._refused and not refusals:
                self._refused = False
                log.warning("entries of the log of requests are written again")

    async def _prepare(self) -> bool:
        """Give what is queued to the logs that it belongs to; whether they could be found."""
        batch = {slug: len(drafts) for slug, drafts in self._queue.items()}
        number = self._queued
        try:
            logs = await activity.logs_of(self._pool.across(), batch)
        except Exception as problem:
            self._failed(number, problem)
            if not _passes(problem):
                for slug, queued in batch.items():
                    self._taken(slug, queued)
            return False
        for slug, queued in batch.items():
            drafts, found = self._taken(slug, queued), logs.get(slug)
            if found is None:  # whoever made it up takes no tenant's room
                self._denied.pop(slug, None)
            if found is not None and found.rows:
                waiting = self._waiting.setdefault(found.tenant, _Waiting(found, []))
                self._held -= len(waiting.entries)
                waiting.log = found
                waiting.entries = _kept([*waiting.entries, *drafts], found.rows)
                self._held += len(waiting.entries)
        return True

    def _taken(self, slug: str, number: int) -> list[activity.Drafted]:
        """So many of a tenant's, which are not queued any more."""
        drafts = self._queue[slug]
        taken, drafts[:number] = drafts[:number], []
        if not drafts:
            del self._queue[slug]
        self._held -= number
        self._queued -= number
        return taken

    async def _write(self, waiting: _Waiting) -> bool:
        """Write to one log; whether the database takes entries now."""
        tenant = waiting.log.tenant
        while part := waiting.entries[: activity.MOST]:
            try:
                over = await activity.add(self._pool.of(tenant), waiting.log, part)
            except Exception as problem:
                self._failed(len(waiting.entries) if _passes(problem) else len(part), problem)
                if _passes(problem):
                    return False
            else:
                if over:
                    self._over.add(tenant)
            del waiting.entries[: len(part)]
            self._held -= len(part)
        del self._waiting[tenant]
        await self._trim(waiting.log)
        return True

    async def _trim(self, found: activity.Log) -> None:
        """Remove what is too much, where it was this process that brought it there."""
        if found.tenant not in self._over:
            return
        try:
            await activity.trim(self._pool.of(found.tenant), found)
            self._over.remove(found.tenant)
        except Exception as problem:
            log.warning("removing entries of the log of requests failed and is tried again (%s)", _named(problem))

    def _failed(self, number: int, problem: Exception) -> None:
        """Count what is lost, and say it; of what waits say it once."""
        if not _passes(problem):
            observe(ActivityDropped("database", number))
            log.warning("%s entries of the log of requests could not be written and are lost (%s)", number, _named(problem))
        elif not self._refused:
            self._refused = True
            log.warning("%s entries of the log of requests wait until the database takes them (%s)", number, _named(problem))

    async def _sweep(self) -> None:
        """Remove what is too old, also where no request comes any more."""
        try:
            for one in await activity.every_log(self._pool.across()):
                await activity.sweep(self._pool.of(one.tenant), one)
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


def _kept(entries: list[activity.Drafted], rows: int) -> list[activity.Drafted]:
    """The newest of each kind, twice as many as the log keeps: reads push out none that changed something."""
    if len(entries) <= 2 * rows:
        return entries
    left = {True: 2 * rows, False: 2 * rows}
    kept: list[activity.Drafted] = []
    for one in reversed(entries):
        if left[one.reads]:
            left[one.reads] -= 1
            kept.append(one)
    return kept[::-1]


def _passes(problem: BaseException) -> bool:
    """Whether the database may take later what it did not take now."""
    return isinstance(problem, ScimError) and problem.kind is Kind.UNAVAILABLE


def _named(problem: BaseException) -> str:
    """What went wrong, in words of ours and of the driver, without what it says, which may be what a client wrote."""
    cause = problem.__cause__ or problem
    kind = [problem.kind.name] if isinstance(problem, ScimError) else []
    return ", ".join([*kind, type(cause).__name__, *filter(None, [getattr(cause, "sqlstate", None)])])
