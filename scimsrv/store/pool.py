"""The pool of database connections, set up so that any transaction pooler may stand between."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, cast

import asyncpg

from scimsrv.observe import Plane, PoolState, Waited, observe, queried, sampled
from scimsrv.store.bound import Bound, begin_across, begin_of
from scimsrv.store.connection import Connection
from scimsrv.store.failure import unavailable
from scimsrv.store.patience import PatientConnection, is_left_behind
from scimsrv.store.queries import name_of
from scimsrv.turns import Turns

#: Seconds after which a statement is cancelled.
STATEMENT_TIMEOUT: Final = 5.0

#: Seconds that a request waits for a connection while no other request gets one either, or for a new one to be made; and in all.
ACQUIRE_TIMEOUT: Final = 1.0
QUEUE_TIMEOUT: Final = 5.0

#: Of so many connections one is left to others, however much a tenant has to do.
_LEFT: Final = 5

#: Whose turn it is for what is no tenant's.
_NOBODY: Final = 0


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


class Standing(Protocol):
    """What a request was let in by, which is believed for a while."""

    def is_over(self) -> bool:
        """Whether it is to be asked for again before anything is done."""

    async def renew(self, by: Queries) -> None:
        """Ask for it again on this connection. Raises ScimError where it does not hold any more."""


class Tenants(Protocol):
    """A pool as authentication and the background see it."""

    def of(self, tenant: int) -> Database:
        """The pool for the work of one tenant."""

    def across(self) -> Queries:
        """The pool for the few statements that look for something at all tenants."""


def _alone(_tenant: int) -> bool:
    return False


def _at_once(_tenant: int) -> AbstractAsyncContextManager[bool]:
    return contextlib.nullcontext(enter_result=False)


class Pool:
    """The driver's pool behind a list of connections kept at hand, which tenants get in turn.

    Handing a connection back to the driver's pool costs a task and several timers, more than a point read's own work, so one whose
    statement ended well is kept for the next request instead; those whose statement did not end well go back, for it to look after.
    With `isolated`, row-level security guards the rows: what is not said to be a tenant's work sees none.
    """

    def __init__(self, driver: asyncpg.Pool, size: int, plane: Plane = "data", *, isolated: bool = False) -> None:
        self.isolated = isolated
        self._driver = driver
        self._plane = plane
        self._unsample = sampled(self.state)
        self._free: list[Any] = []
        self._turns = Turns(size, size - size // _LEFT)
        self._answered = 0.0  # when a statement was answered last
        #: Whether others than this tenant have work to do.
        self.shared: Callable[[int], bool] = _alone
        #: A turn for statements of the tenant that take the database long; the block is told whether it was waited for.
        self.long_turn: Callable[[int], AbstractAsyncContextManager[bool]] = _at_once

    def of(self, tenant: int, standing: Standing | None = None) -> Database:
        """The pool for the work of one tenant, which leaves some connections to others, and lends none to a request that stands no more
        when it has waited for its turn."""
        return _Part(self, tenant, begin_of(tenant) if self.isolated else None, standing)

    def across(self) -> Queries:
        """The pool for the few statements that look for something at all tenants."""
        return _Part(self, _NOBODY, begin_across(), None) if self.isolated else self

    def has_room(self, tenant: int) -> bool:
        """Whether one piece of the tenant's work more takes nothing, of connections or of the processors behind them, that other work would
        wait for."""
        return not self.shared(tenant) and self._turns.has_room(tenant)

    async def _take(self, tenant: int) -> Any:
        if not self._turns.taken_at_once(tenant):
            begun = time.perf_counter()
            try:
                await self._turns.take_in_time(tenant, ACQUIRE_TIMEOUT, QUEUE_TIMEOUT)
            except TimeoutError as problem:
                raise unavailable() from problem
            finally:
                observe(Waited(time.perf_counter() - begun))
        try:
            return await self._connection()
        except BaseException as problem:
            self._turns.leave(tenant)
            if isinstance(problem, TimeoutError):
                raise unavailable() from problem
            raise

    async def _connection(self) -> Any:
        """One that nobody uses, or a new one. Raises TimeoutError where making one takes too long and nothing is answered meanwhile, or
        when it took too long in all: a database with too much to do makes them slowly."""
        until = time.perf_counter() + QUEUE_TIMEOUT
        while True:
            while self._free:
                connection = self._free.pop()
                # Of one that was lost while nobody used it, the driver's pool may have taken the place already.
                with contextlib.suppress(asyncpg.InterfaceError):
                    if not connection.is_closed():
                        return connection
                    await self._driver.release(connection)
            begun = time.perf_counter()
            try:
                return await self._driver.acquire(timeout=ACQUIRE_TIMEOUT)
            except TimeoutError:
                if self._answered < begun or time.perf_counter() > until:
                    raise

    async def _give_back(self, connection: Any, tenant: int) -> None:
        try:
            if connection.is_closed() or connection.is_in_transaction():
                await self._driver.release(connection)
            else:
                self._free.append(connection)
        finally:
            self._turns.leave(tenant)

    async def _let_go(self, connection: Any, tenant: int) -> None:
        """Leave a connection whose state is not known to the driver's pool."""
        try:
            await asyncio.shield(self._driver.release(connection))
        finally:
            self._turns.leave(tenant)

    async def run(
        self,
        method: str,
        query: str,
        args: tuple[Any, ...],
        tenant: int = _NOBODY,
        begin: str | None = None,
        standing: Standing | None = None,
    ) -> Any:
        """Run a statement by this method of a connection, as the tenant's work, in a transaction that begins so. Raises ScimError where
        what asks for it stands no more."""
        connection = await self._take(tenant)
        begun = time.perf_counter()
        try:
            bound = connection if begin is None else Bound(connection, begin)
            if standing is not None and standing.is_over():
                await standing.renew(bound)
            result = await getattr(bound, method)(query, *args)
        except asyncpg.PostgresError as problem:  # the server answered, so the connection is in order, unless it was the last answer
            if is_left_behind(problem):
                connection.terminate()
            with contextlib.suppress(asyncpg.InterfaceError):
                await self._give_back(connection, tenant)
            raise
        except BaseException:  # cancelled, timed out, broken: its state is not known
            await self._let_go(connection, tenant)
            raise
        self._answered = time.perf_counter()
        queried(name_of(query), self._answered - begun)
        self._free.append(connection)
        self._turns.leave(tenant)
        return result

    async def execute(self, query: str, /, *args: Any) -> str:
        """Run a statement; returns its command tag."""
        tag: str = await self.run("execute", query, args)
        return tag

    async def fetch(self, query: str, /, *args: Any) -> list[asyncpg.Record]:
        """Run a statement; returns its rows."""
        rows: list[asyncpg.Record] = await self.run("fetch", query, args)
        return rows

    async def fetchrow(self, query: str, /, *args: Any) -> asyncpg.Record | None:
        """Run a statement; returns its first row, or None."""
        row: asyncpg.Record | None = await self.run("fetchrow", query, args)
        return row

    @asynccontextmanager
    async def lent(self, tenant: int, begin: str | None, standing: Standing | None = None) -> AsyncIterator[Connection]:
        """A connection for the length of a block, as the tenant's work. Raises ScimError 503 when none becomes free in time, and where what
        asks for it stands no more."""
        connection = await self._take(tenant)
        begun = time.perf_counter()
        try:
            bound = connection if begin is None else cast("Connection", Bound(connection, begin))
            if standing is not None and standing.is_over():
                await standing.renew(bound)
            yield bound
        except (Exception, asyncio.CancelledError) as problem:
            if is_left_behind(problem):
                connection.terminate()
            await self._let_go(connection, tenant)
            raise
        self._answered = time.perf_counter()
        queried("transaction", self._answered - begun)
        await self._give_back(connection, tenant)

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for the length of a block. Raises ScimError 503 when none becomes free in time."""
        return self.lent(_NOBODY, None)

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


class _Part:
    """A pool for one kind of work."""

    __slots__ = ("_begin", "_pool", "_standing", "_tenant")

    def __init__(self, pool: Pool, tenant: int, begin: str | None, standing: Standing | None) -> None:
        self._pool = pool
        self._tenant = tenant
        self._begin = begin
        self._standing = standing

    async def execute(self, query: str, /, *args: Any) -> str:
        tag: str = await self._pool.run("execute", query, args, self._tenant, self._begin, self._standing)
        return tag

    async def fetch(self, query: str, /, *args: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._pool.run("fetch", query, args, self._tenant, self._begin, self._standing)
        return rows

    async def fetchrow(self, query: str, /, *args: Any) -> asyncpg.Record | None:
        row: asyncpg.Record | None = await self._pool.run("fetchrow", query, args, self._tenant, self._begin, self._standing)
        return row

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        return self._pool.lent(self._tenant, self._begin, self._standing)

    def has_room(self) -> bool:
        return self._pool.has_room(self._tenant)

    def long_turn(self) -> AbstractAsyncContextManager[bool]:
        return self._pool.long_turn(self._tenant)


def long_turn(pool: Queries) -> AbstractAsyncContextManager[bool]:
    """A turn for what takes the database long, which waits for what its tenant has like that while other tenants have work to do; the
    block is told whether it did."""
    return pool.long_turn() if isinstance(pool, _Part) else contextlib.nullcontext(enter_result=False)


def has_room(pool: Queries) -> bool:
    """Whether one who has a connection of the pool may ask for another one without having to wait, or letting others wait; of a pool
    that is not ours nothing is known."""
    return not isinstance(pool, _Part) or pool.has_room()


async def _keep(_connection: Connection) -> None:
    """Nothing to reset: no statement here leaves session state behind, so the driver's extra round trip is saved."""


async def open_pool(dsn: str, *, size: int, statement_cache: int, plane: Plane = "data", isolated: bool = False) -> Pool:
    """Open a pool of at most `size` connections. `statement_cache` is 0 behind a pooler that cannot keep prepared statements; `plane`
    is the word for it in metrics, `isolated` says that row-level security guards the rows. A replica may be away: its pool connects when
    it is asked."""
    return Pool(
        await asyncpg.create_pool(
            dsn,
            min_size=0 if plane == "replica" else min(2, size),
            max_size=size,
            statement_cache_size=statement_cache,
            command_timeout=STATEMENT_TIMEOUT,
            reset=_keep,
            connection_class=PatientConnection,
        ),
        size,
        plane,
        isolated=isolated,
    )
