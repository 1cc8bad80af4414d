"""Whether the database answers, and at which version of the schema it is."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg

from scimsrv.store.migrate import expected_version
from scimsrv.store.queries import load

if TYPE_CHECKING:
    Single = asyncpg.Connection[asyncpg.Record]

#: Seconds within which the database has to answer, connecting included.
PATIENCE: Final = 0.5


_BROKEN: Final = (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found: whether the database answered in time, the version of its schema, None where it has none or did not answer, and
    the version that a program has to know to work on it."""

    answers: bool
    version: int | None = None
    least: int = 0

    @property
    def fits(self) -> bool:
        """Whether this program can work on that schema: one of a later program is still served, unless that says that it cannot be."""
        return self.version is not None and self.least <= expected_version() <= self.version


class Watcher:
    """Looks at the database through a connection of its own, so that a pool whose connections all work is not taken for a failure."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Single | None = None

    async def look(self) -> Seen:
        """Ask the database now."""
        try:
            async with asyncio.timeout(PATIENCE):
                if self._connection is not None:
                    with contextlib.suppress(*_BROKEN):
                        return await self._ask(self._connection)
                    self.close()  # the database may be back since
                self._connection = await asyncpg.connect(self._dsn, statement_cache_size=0)
                return await self._ask(self._connection)
        except _BROKEN:  # among them TimeoutError
            self.close()
            return Seen(False)

    @staticmethod
    async def _ask(connection: Single) -> Seen:
        try:
            row = await connection.fetchrow(load("migration")["version"])
        except asyncpg.UndefinedTableError:
            return Seen(True)
        return Seen(True) if row is None else Seen(True, row["number"], row["least"] or 0)

    def close(self) -> None:
        """Give up the connection."""
        if self._connection is not None:
            with contextlib.suppress(Exception):  # whatever becomes of it, it is not used any more
                self._connection.terminate()
            self._connection = None
