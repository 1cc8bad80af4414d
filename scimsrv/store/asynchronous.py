"""Requests that are carried out later, as rows: added, taken by one worker, held while it works, finished with their last results."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from scimsrv.protocol.bulk import Result
from scimsrv.store.failure import guarded
from scimsrv.store.pool import Database, Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope

log: Final = logging.getLogger("scimsrv.jobs")

_SQL = load("requests")

#: Seconds for which a request stays with a worker that is not heard of: longer than any step of a request that writes resources takes.
LEASE: Final = 60.0

#: Requests of a tenant that may wait; one more is carried out at once.
WAITING: Final = 100

#: Seconds for which results can be looked up.
KEPT: Final = 24 * 3600.0

#: Seconds after which a request whose execution fails is given up: until then a server that understands it may come.
LONGEST: Final = 24 * 3600.0


class LostError(Exception):
    """Another worker has taken over the request."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request that this worker holds under the name `holder`; `request` is sealed, `actor` the short id of the token that sent it,
    `operations` how many it has. One that is `overdue` is given up when it fails again."""

    tenant: int
    txn: str
    actor: str
    request: bytes
    holder: str
    operations: int
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """How far a request is: `operations` is how many it has; `results` are those that are known, as JSON by number."""

    actor: str
    created: datetime
    finished: datetime | None
    running: bool
    operations: int
    results: dict[int, bytes]


def new_txn() -> str:
    """A name for a request, which nobody can guess."""
    return secrets.token_hex(16)


async def add_job(pool: Database, tenant: int, txn: str, actor: str, operations: int, request: bytes) -> bool:
    """Keep a request to be carried out later; False where the tenant has too many that wait."""
    row = await guarded(lambda: pool.fetchrow(_SQL["add_job"], tenant, txn, actor, operations, request, WAITING, None, LEASE))
    return row is not None


async def add_held(pool: Database, tenant: int, txn: str, actor: str, operations: int, request: bytes) -> Job:
    """Keep a request that this worker carries out at once, however many wait."""
    holder = secrets.token_hex(8)
    await guarded(lambda: pool.execute(_SQL["add_job"], tenant, txn, actor, operations, request, WAITING, holder, LEASE))
    return Job(tenant, txn, actor, request, holder, operations)


async def tenants_with_jobs(pool: Queries) -> list[int]:
    """The tenants with requests that nobody carries out."""
    return [row["tenant"] for row in await pool.fetch(_SQL["with_jobs"])]


async def tenants_with_old(pool: Queries) -> list[int]:
    """The tenants with results, or first answers, that have been kept for long enough."""
    return [row["tenant"] for row in await pool.fetch(_SQL["with_old"], KEPT)]


async def take_job(pool: Database, tenant: int, txn: str | None = None) -> Job | None:
    """Hold this request, or the oldest of the tenant's that nobody holds; None when there is none."""
    holder = secrets.token_hex(8)
    row = await guarded(lambda: pool.fetchrow(_SQL["take_job"], tenant, holder, LEASE, txn, LONGEST))
    return None if row is None else Job(tenant, holder=holder, **row)


async def give_back(pool: Database, job: Job) -> None:
    """Hold the request no more, so that another worker need not wait until it counts as left."""
    await guarded(lambda: pool.execute(_SQL["give_back"], job.tenant, job.txn, job.holder))


async def give_up(pool: Database, job: Job, results: Sequence[Result], request_id: str, *, bulk: bool) -> None:
    """Finish a request that cannot be carried out: these are the results of its operations, where they have none yet. Raises LostError
    when another worker has it."""
    recorder = JobRecorder(job, bulk, request_id, lambda _: None)

    async def work() -> None:
        async with pool.acquire() as connection, connection.transaction():
            if await connection.fetchrow(_SQL["hold_job"], job.tenant, job.txn, job.holder, LEASE) is None:
                raise LostError
            known = {row["number"] for row in await connection.fetch(_SQL["results"], job.tenant, job.txn)}
            left = [result for result in results if result.entry.index not in known]
            texts = [orjson.dumps(recorder.document(result)).decode() for result in left]
            await connection.execute(_SQL["add_results"], job.tenant, job.txn, [result.entry.index for result in left], texts)
            await connection.execute(_SQL["finish_job"], job.tenant, job.txn)

    await guarded(work)


@contextlib.asynccontextmanager
async def held(pool: Database, job: Job) -> AsyncIterator[None]:
    """Go on holding the request for the length of a block, which may be longer than a step says so."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(LEASE / 4)
            try:
                await pool.execute(_SQL["hold_job"], job.tenant, job.txn, job.holder, LEASE)
            except Exception as problem:  # whoever takes it over meanwhile is noticed at the end
                log.warning("a request of tenant %s could not be held on: %s", job.tenant, type(problem).__name__)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def prune_jobs(pool: Database, tenant: int) -> None:
    """Forget what was finished long ago."""
    await guarded(lambda: pool.execute(_SQL["prune_jobs"], tenant, KEPT))


async def find_status(pool: Database, tenant: int, txn: str) -> Status | None:
    """What is known of a request, or None."""
    row = await guarded(lambda: pool.fetchrow(_SQL["job"], tenant, txn))
    if row is None:
        return None
    rows = await guarded(lambda: pool.fetch(_SQL["results"], tenant, txn))
    results = {one["number"]: one["result"].encode() for one in rows}
    return Status(row["actor"], row["created"], row["finished"], bool(row["holder"] and row["held"]), row["operations"], results)


async def is_on_its_way(pool: Database, tenant: int, txn: str) -> bool:
    """Whether there is such a request, and it is not finished."""
    row = await guarded(lambda: pool.fetchrow(_SQL["job"], tenant, txn))
    return row is not None and row["finished"] is None


@dataclass(frozen=True, slots=True)
class JobRecorder:
    """Keeps the results of a request in the transactions of its steps; `bulk` says whether it was a bulk request, `request_id` how it is
    called in what went wrong; `tell` hears of results that are kept."""

    job: Job
    bulk: bool
    request_id: str
    tell: Callable[[Sequence[Result]], None]

    async def hold(self, scope: Scope) -> None:
        """Go on holding the request. Raises LostError when another worker has it."""
        row = await scope.pool.fetchrow(_SQL["hold_job"], scope.tenant, self.job.txn, self.job.holder, LEASE)
        if row is None:
            raise LostError

    def holding(self, scope: Scope) -> AbstractAsyncContextManager[None]:
        """Go on holding the request for the length of a block."""
        return held(scope.pool, self.job)

    async def record(self, scope: Scope, results: Sequence[Result], *, last: bool) -> None:
        """Keep the results, and with the last ones that the request is finished."""
        numbers = [result.entry.index for result in results]
        texts = [orjson.dumps(self.document(result)).decode() for result in results]
        await scope.pool.execute(_SQL["add_results"], scope.tenant, self.job.txn, numbers, texts)
        if last:
            await scope.pool.execute(_SQL["finish_job"], scope.tenant, self.job.txn)

    def committed(self, results: Sequence[Result]) -> None:
        """The transaction with these results is committed."""
        self.tell(results)

    def document(self, result: Result) -> dict[str, object]:
        """The result as an event of its completion will have it (RFC 9967 §2.5.1.2): with the number in the original order."""
        txn = f"{self.job.txn}:{result.entry.index}" if self.bulk else self.job.txn
        return {"txn": txn} | result.document(self.request_id)
