"""What every group of the administrator's verbs shares: the connection, who acts, and the record of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from scimsrv.store import tenants
from scimsrv.store.administrators import note_change
from scimsrv.store.connection import Connection


class Acting:
    """Acts as `actor` on one connection."""

    def __init__(self, connection: Connection, actor: str) -> None:
        self._connection = connection
        self._actor = actor

    async def _key(self, slug: str) -> int:
        return (await tenants.find_tenant(self._connection, slug)).id

    async def _note(self, operation: str, tenant: str, subject: str | None = None, detail: Mapping[str, Any] | None = None) -> None:
        await note_change(self._connection, self._actor, operation, tenant=tenant, subject=subject, detail=detail)


class OneConnection:
    """A database of one connection, for what takes connections from a pool."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, query: str, /, *args: Any) -> str:
        """Run a statement; returns its command tag."""
        return await self._connection.execute(query, *args)

    async def fetch(self, query: str, /, *args: Any) -> list[Any]:
        """Run a statement; returns its rows."""
        return await self._connection.fetch(query, *args)

    async def fetchrow(self, query: str, /, *args: Any) -> Any:
        """Run a statement; returns its first row."""
        return await self._connection.fetchrow(query, *args)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """The connection itself."""
        yield self._connection
