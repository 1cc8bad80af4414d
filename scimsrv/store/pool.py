"""The pool of database connections, set up so that any transaction pooler may stand between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from scimsrv.store.connection import Connection
from scimsrv.store.failure import unavailable

#: Seconds after which a statement is cancelled.
STATEMENT_TIMEOUT = 5.0

#: Seconds that a request waits for a connection.
ACQUIRE_TIMEOUT = 1.0


async def _keep(_connection: Connection) -> None:
    """Nothing to reset: no statement here leaves session state behind, so the driver's extra round trip is saved."""


class Pool(asyncpg.Pool):
    """A pool whose callers wait for a free connection only so long."""

    def acquire(self, *, timeout: float | None = None) -> Any:
        """A connection, or TimeoutError after ACQUIRE_TIMEOUT when none becomes free."""
        if timeout is None and self.get_idle_size() == 0:
            timeout = ACQUIRE_TIMEOUT
        return super().acquire(timeout=timeout)


@asynccontextmanager
async def connection(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A connection of the pool. Raises ScimError 503 when none becomes free, as opposed to a statement that takes too long."""
    try:
        borrowed = await pool.acquire(timeout=ACQUIRE_TIMEOUT)
    except TimeoutError as problem:
        raise unavailable() from problem
    try:
        yield borrowed
    finally:
        await pool.release(borrowed)


async def open_pool(dsn: str, *, size: int, statement_cache: int) -> asyncpg.Pool:
    """Open a pool of at most `size` connections. `statement_cache` is 0 behind a pooler that cannot keep prepared statements."""
    return await Pool(
        dsn,
        min_size=min(2, size),
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        connect=None,
        setup=None,
        init=None,
        reset=_keep,
        loop=None,
        statement_cache_size=statement_cache,
        command_timeout=STATEMENT_TIMEOUT,
    )
