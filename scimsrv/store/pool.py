"""The pool of database connections, set up so that any transaction pooler may stand between."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol

import asyncpg

from scimsrv.observe import Plane, PoolState, Waited, observe, queried, sampled
from scimsrv.store.connection import Connection
from scimsrv.store.failure import unavailable
from scimsrv.store.patience import PatientConnection, is_left_behind
from scimsrv.store.queries import name_of

#: Seconds after which a statement is cancelled.
STATEMENT_TIMEOUT: Final = 5.0

#: Seconds that a request waits for a connection.
ACQUIRE_TIMEOUT: Final = 1.0


class Queries(Protocol):
    """What runs single statements: a connection inside a transaction, or a pool."""

    async def execute(self, query: str, /, *args: Any) -> str:
        """Run a statement; returns its command tag."""

    async def fetch(self, query: str, /, *args: Any) -> list[asyncpg.Record]:
        """Run a statement; returns its rows."""

    async def fetchrow(self, query: str, /, *args: Any) -> asyncpg.Record | None:
        """Run a statement; returns its first row."""


class Database(Queries, Protocol):
    """A pool: single statements, and connections for transactions."""

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for the length of a block."""


class Pool:
    """The driver's pool behind a list of connections kept at hand.

    Handing a connection back to the driver's pool costs a task and several timers, more than a point read's own work, so one whose
    statement ended well is kept for the next request instead. While anybody waits, connections go back to the driver's pool, which
    hands them out in order; so do those whose statement did not end well, for it to look after.
    """

    def __init__(self, driver: asyncpg.Pool, plane: Plane = "data") -> None:
        self._driver = driver
        self._plane = plane
        self._unsample = sampled(self.state)
        self._free: list[Any] = []
        self._waiting = 0

    async def _take(self) -> Any:
        while self._free:
            connection = self._free.pop()
            # Of one that was lost while nobody used it, the driver's pool may have taken the place already.
            with contextlib.suppress(asyncpg.InterfaceError):
                if not connection.is_closed():
                    return connection
                await self._driver.release(connection)
        self._waiting += 1
        begun = time.perf_counter()
        try:
            return await self._driver.acquire(timeout=ACQUIRE_TIMEOUT)
        except TimeoutError as problem:
            raise unavailable() from problem
        finally:
            self._waiting -= 1
            observe(Waited(time.perf_counter() - begun))

    async def _give_back(self, connection: Any) -> None:
        if self._waiting or connection.is_closed() or connection.is_in_transaction():
            await self._driver.release(connection)
        else:
            self._free.append(connection)

    async def _run(self, method: str, query: str, args: tuple[Any, ...]) -> Any:
        connection = await self._take()
        begun = time.perf_counter()
        try:
            result = await getattr(connection, method)(query, *args)
        except asyncpg.PostgresError as problem:  # the server answered, so the connection is in order, unless it was the last answer
            if is_left_behind(problem):
                connection.terminate()
            with contextlib.suppress(asyncpg.InterfaceError):
                await self._give_back(connection)
            raise
        except BaseException:  # cancelled, timed out, broken: its state is not known
            await asyncio.shield(self._driver.release(connection))
            raise
        queried(name_of(query), time.perf_counter() - begun)
        if self._waiting:
            await self._driver.release(connection)
        else:
            self._free.append(connection)
        return result

    async def execute(self, query: str, /, *args: Any) -> str:
        """Run a statement; returns its command tag."""
        tag: str = await self._run("execute", query, args)
        return tag

    async def fetch(self, query: str, /, *args: Any) -> list[asyncpg.Record]:
        """Run a statement; returns its rows."""
        rows: list[asyncpg.Record] = await self._run("fetch", query, args)
        return rows

    async def fetchrow(self, query: str, /, *args: Any) -> asyncpg.Record | None:
        """Run a statement; returns its first row, or None."""
        row: asyncpg.Record | None = await self._run("fetchrow", query, args)
        return row

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection for the length of a block. Raises ScimError 503 when none becomes free in time."""
        connection = await self._take()
        begun = time.perf_counter()
        try:
            yield connection
        except (Exception, asyncio.CancelledError) as problem:
            if is_left_behind(problem):
                connection.terminate()
            await asyncio.shield(self._driver.release(connection))
            raise
        queried("transaction", time.perf_counter() - begun)
        await self._give_back(connection)

    def state(self) -> PoolState:
        """How many connections there are, and how many of them work."""
        size = self._driver.get_size()
        return PoolState(self._plane, size, size - self._driver.get_idle_size() - len(self._free))

    async def close(self) -> None:
        """Close every connection once its statement has ended."""
        self._unsample()
        while self._free:
            await self._driver.release(self._free.pop())
        await self._driver.close()


async def _keep(_connection: Connection) -> None:
    """Nothing to reset: no statement here leaves session state behind, so the driver's extra round trip is saved."""


async def open_pool(dsn: str, *, size: int, statement_cache: int, plane: Plane = "data") -> Pool:
    """Open a pool of at most `size` connections. `statement_cache` is 0 behind a pooler that cannot keep prepared statements; `plane`
    is the word for it in metrics."""
    return Pool(
        await asyncpg.create_pool(
            dsn,
            min_size=min(2, size),
            max_size=size,
            statement_cache_size=statement_cache,
            command_timeout=STATEMENT_TIMEOUT,
            reset=_keep,
            connection_class=PatientConnection,
        ),
        plane,
    )
