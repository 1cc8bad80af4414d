"""The pool of database connections, set up so that any transaction pooler may stand between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from scimsrv.store.connection import Connection

#: Seconds after which a statement is cancelled.
STATEMENT_TIMEOUT = 5.0

#: Seconds that a request waits for a connection.
ACQUIRE_TIMEOUT = 1.0


async def _keep(_connection: Connection) -> None:
    """Nothing to reset: no statement here leaves session state behind, so the driver's extra round trip is saved."""


async def open_pool(dsn: str, *, size: int, statement_cache: int) -> asyncpg.Pool:
    """Open a pool of at most `size` connections. `statement_cache` is 0 behind a pooler that cannot keep prepared statements."""
    return await asyncpg.create_pool(
        dsn,
        min_size=min(2, size),
        max_size=size,
        statement_cache_size=statement_cache,
        command_timeout=STATEMENT_TIMEOUT,
        reset=_keep,
    )
