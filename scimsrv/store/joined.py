"""Several writes in one transaction: what looks like a pool to each of them is the one connection that they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg

from scimsrv.store.connection import Connection
from scimsrv.store.names import Names
from scimsrv.store.scope import Scope


class Joined:
    """A connection in a transaction in the place of a pool. Each statement has a savepoint, so that one which fails does not end the
    transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, query: str, /, *args: Any) -> str:
        """Run a statement; returns its command tag."""
        async with self._connection.transaction():
            return await self._connection.execute(query, *args)

    async def fetch(self, query: str, /, *args: Any) -> list[asyncpg.Record]:
        """Run a statement; returns its rows."""
        async with self._connection.transaction():
            return await self._connection.fetch(query, *args)

    async def fetchrow(self, query: str, /, *args: Any) -> asyncpg.Record | None:
        """Run a statement; returns its first row, or None."""
        async with self._connection.transaction():
            return await self._connection.fetchrow(query, *args)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """The connection; a transaction on it is a savepoint."""
        yield self._connection


@asynccontextmanager
async def one_transaction(scope: Scope) -> AsyncIterator[Scope]:
    """The scope with a transaction in the place of its pool, committed at the end of the block, undone by an exception.

    It changes one row of each count only: a row that it has changed keeps other writers waiting until it ends. Names of groups are not
    those that the process keeps, since it sees what nobody else does yet.
    """
    async with scope.pool.acquire() as connection, connection.transaction():
        yield replace(scope, pool=Joined(connection), slot=scope.count_slot(), names=Names())
