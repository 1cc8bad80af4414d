"""One connection where a pool is expected: for commands, and for what has a connection already."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from scimsrv.store.connection import Connection

if TYPE_CHECKING:
    import asyncpg


class Single:
    """A Database of one connection, whose users take turns."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, query: str, /, *args: Any) -> str:
        """Run a statement; returns its command tag."""
        return await self._connection.execute(query, *args)

    async def fetch(self, query: str, /, *args: Any) -> list[asyncpg.Record]:
        """Run a statement; returns its rows."""
        return await self._connection.fetch(query, *args)

    async def fetchrow(self, query: str, /, *args: Any) -> asyncpg.Record | None:
        """Run a statement; returns its first row, or None."""
        return await self._connection.fetchrow(query, *args)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """The connection."""
        yield self._connection
