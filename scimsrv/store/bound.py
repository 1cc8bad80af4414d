"""A connection whose every statement runs in a transaction that says whose rows it may see: what row-level security goes by."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from scimsrv.store.connection import Connection
from scimsrv.store.patience import ending

#: The setting that policies compare with a row's tenant, and the one that lets the tables of `across` in sql/queries/isolation.sql be read.
#: Neither outlives its transaction, so that a pooler may give the connection to anybody then. set_config() would do on Postgres alone:
#: distributed engines pass on SET LOCAL only.
_OF: Final = "BEGIN; SET LOCAL scimsrv.tenant = '{}'"
_ACROSS: Final = "BEGIN READ ONLY; SET LOCAL scimsrv.across = 'on'"


def begin_of(tenant: int) -> str:
    """Begins a transaction that sees the tenant's rows; one message, so that it costs one round trip."""
    return _OF.format(int(tenant))


def begin_across() -> str:
    """Begins a transaction that reads of all tenants what the background and authentication look for, and writes nothing."""
    return _ACROSS


class Bound:
    """The connection in transactions that begin with this statement; a transaction within one is a savepoint.

    It has what the store asks of a connection; what else the driver's has is that one's own, outside of any such transaction.
    """

    __slots__ = ("_begin", "_connection", "_depth")

    def __init__(self, connection: Connection, begin: str) -> None:
        self._connection: Any = connection
        self._begin = begin
        self._depth = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str, /, *args: Any, **options: Any) -> str:
        """Run a statement; returns its command tag."""
        tag: str = await self._run("execute", query, args, options)
        return tag

    async def executemany(self, query: str, /, args: Iterable[Any], **options: Any) -> None:
        """Run a statement once for each tuple of arguments."""
        await self._run("executemany", query, (args,), options)

    async def fetch(self, query: str, /, *args: Any, **options: Any) -> list[asyncpg.Record]:
        """Run a statement; returns its rows."""
        rows: list[asyncpg.Record] = await self._run("fetch", query, args, options)
        return rows

    async def fetchrow(self, query: str, /, *args: Any, **options: Any) -> asyncpg.Record | None:
        """Run a statement; returns its first row, or None."""
        row: asyncpg.Record | None = await self._run("fetchrow", query, args, options)
        return row

    async def fetchval(self, query: str, /, *args: Any, **options: Any) -> Any:
        """Run a statement; returns the first value of its first row, or None."""
        return await self._run("fetchval", query, args, options)

    async def _run(self, method: str, query: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self._depth:
            return await getattr(self._connection, method)(query, *args, **options)
        async with self.transaction():
            return await getattr(self._connection, method)(query, *args, **options)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction for the length of a block, or a savepoint in the one that is under way; undone by an exception."""
        name = f"bound_{self._depth}"
        await self._connection.execute(f"SAVEPOINT {name}" if self._depth else self._begin)
        self._depth += 1
        try:
            yield
        except BaseException as problem:
            self._depth -= 1
            # Of a connection that is broken nothing is left to be undone; the pool looks after it.
            with contextlib.suppress(Exception):
                async with ending(self._connection, problem):
                    await self._connection.execute(f"ROLLBACK TO SAVEPOINT {name}" if self._depth else "ROLLBACK")
            raise
        self._depth -= 1
        async with ending(self._connection, None):
            await self._connection.execute(f"RELEASE SAVEPOINT {name}" if self._depth else "COMMIT")
