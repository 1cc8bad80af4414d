"""Several writes in one transaction, whose connection looks like a pool to each, and which is done again where others are in its way."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import asyncpg

from scimsrv.errors import Kind, ScimError
from scimsrv.store.connection import Connection
from scimsrv.store.edition import OutdatedError, check_edition
from scimsrv.store.failure import RETRIED, guarded, translated, unavailable
from scimsrv.store.identity import load_catalog
from scimsrv.store.names import Names
from scimsrv.store.pool import Queries
from scimsrv.store.scope import Scope

T = TypeVar("T")

#: Seconds that a transaction may take: less than scimsrv.store.seals waits for.
_LONGEST: Final = 90.0

#: Seconds after which a transaction looks at its end whether its definitions hold: less than a change of them waits for what had begun.
_BRIEF: Final = 2.0

#: Seconds after which a transaction is done again for the last time, and the longest pauses before the first repetition and any.
_REPEATING: Final = 15.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0


class AbortedError(ScimError):
    """A transaction came into conflict with another: it has to end, since it keeps what the other waits for, and to be done again."""

    def __init__(self) -> None:
        super().__init__(Kind.UNAVAILABLE, "Other requests change the same resources; try again", headers={"Retry-After": "1"})


class UncertainError(ScimError):
    """The connection was lost while a transaction was being committed: whether it was is not known, so it is not done again here."""

    def __init__(self) -> None:
        super().__init__(Kind.UNAVAILABLE, headers=dict(unavailable().headers))


class Joined:
    """A connection in a transaction in the place of a pool. Each statement has a savepoint, so that one which fails does not end the
    transaction. With `whole`, conflicts with other transactions are an AbortedError; without, the statement may be tried again."""

    def __init__(self, connection: Connection, *, whole: bool = False) -> None:
        self._connection = connection
        self._whole = whole
        #: What is to be done when the transaction has ended, whichever way, on the pool behind it.
        self.afterwards: list[Callable[[Queries], Awaitable[None]]] = []

    async def execute(self, query: str, /, *args: Any) -> str:
        """Run a statement; returns its command tag."""
        async with self.acquire() as connection, connection.transaction():
            return await connection.execute(query, *args)

    async def fetch(self, query: str, /, *args: Any) -> list[asyncpg.Record]:
        """Run a statement; returns its rows."""
        async with self.acquire() as connection, connection.transaction():
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, /, *args: Any) -> asyncpg.Record | None:
        """Run a statement; returns its first row, or None."""
        async with self.acquire() as connection, connection.transaction():
            return await connection.fetchrow(query, *args)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """The connection; a transaction on it is a savepoint."""
        try:
            yield self._connection
        except asyncpg.PostgresError as problem:
            if self._whole and problem.sqlstate in RETRIED:
                raise AbortedError from problem
            raise


@asynccontextmanager
async def one_transaction(scope: Scope, *, whole: bool = False) -> AsyncIterator[Scope]:
    """The scope with a transaction in the place of its pool, committed at the end of the block, undone by an exception. `whole` says
    that the block is done again after an AbortedError, as `Repeated` does.

    It changes one row of each count only: a row that it has changed keeps other writers waiting until it ends. Names of groups are not
    those that the process keeps, since it sees what nobody else does yet. Raises ScimError 503 at its end when it took longer than the
    sealing of the audit trail waits for, an OutdatedError when it took so long that a change of the definitions may not have waited for
    it, and for failures of the database: an UncertainError when the block had ended.
    """
    begun = time.monotonic()
    afterwards: list[Callable[[Queries], Awaitable[None]]] = []
    ended = False
    try:
        async with scope.pool.acquire() as connection, connection.transaction():
            joined = Joined(connection, whole=whole)
            afterwards = joined.afterwards
            yield replace(scope, pool=joined, slot=scope.count_slot(), names=Names())
            taken = time.monotonic() - begun
            if taken > _LONGEST:
                raise ScimError(Kind.UNAVAILABLE, "The request took too long to be applied as a whole", headers={"Retry-After": "5"})
            if taken > _BRIEF:
                await check_edition(scope, connection)
            ended = True
    except ScimError:
        raise
    except Exception as problem:
        error = translated(problem)
        if error is None:
            raise
        raise (UncertainError() if ended else error) from problem
    finally:
        for work in afterwards:
            await work(scope.pool)


@dataclass(slots=True)
class Repeated:
    """Transactions that are done again from the beginning while others are in their way; `scope` has the definitions that hold."""

    scope: Scope

    async def run(self, unit: Callable[[Scope, bool], Awaitable[T]]) -> T:
        """Do a unit of work, one transaction, and again after what passes by itself (503), for a while and with growing pauses; the
        unit is told whether it is the last time. Raises what the last one raises."""
        until = time.monotonic() + _REPEATING
        pause = _FIRST_PAUSE
        while True:
            is_last = time.monotonic() > until
            try:
                return await unit(self.scope, is_last)
            except ScimError as error:
                if is_last or error.kind is not Kind.UNAVAILABLE or isinstance(error, UncertainError):
                    raise
                outdated = isinstance(error, OutdatedError)
            await asyncio.sleep(pause * random.uniform(0.3, 1))  # noqa: S311 - keeps requests apart
            pause = min(2 * pause, _LONGEST_PAUSE)
            if outdated:
                _, catalog = await guarded(lambda: load_catalog(self.scope.pool, self.scope.tenant))
                self.scope = replace(self.scope, catalog=catalog, limits=catalog.limited(self.scope.limits))
