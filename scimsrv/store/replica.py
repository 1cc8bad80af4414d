"""Searches on a replica of the database, within a bound on its age and never without what their own tenant has written.

A streaming replica is some time behind. Two rules say when it may answer, else the primary does:

- Age: it has all that the primary had at a moment within the last `most` seconds. That is known by positions in the primary's log, and by
  no clock but this process's own; a replica that is cut off or does not go on drops out when the bound has passed.
- Own writes: asked just before the search, it has every change of the tenant that the primary has, whoever made it, and definitions as new
  as the primary's. A search after a write never misses it, whichever server it was written through.

A search for the one resource with a unique value costs less than these questions, and stays at the primary.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from scimsrv.behind import Behind
from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Page, Query
from scimsrv.settings import Settings
from scimsrv.store.failure import guarded, translated
from scimsrv.store.pool import Pool, open_pool
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope
from scimsrv.store.search import asks_for_one, search

log: Final = logging.getLogger("scimsrv")

#: Changes of a tenant not long sealed that are counted for a search; a tenant with more is at the primary.
COUNTED: Final = 1000

#: How often, within the bound, it is looked how far the replica has come; and the most seconds between two looks.
_LOOKS: Final = 5
_SELDOM: Final = 1.0

_SQL = load("replicas")
_LOG = load("replication")


class Replica(Behind):
    """The pool of a replica beside that of the primary. `most` is how old in seconds answers may be."""

    def __init__(self, primary: Pool, pool: Pool, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._primary = primary
        self._pool = pool
        self._most = most
        self._clock = clock
        self._asked: deque[tuple[float, int]] = deque()
        self._had = float("-inf")

    async def close(self) -> None:
        """Stop looking, and close the replica's pool."""
        await self.stop()
        await self._pool.close()

    @property
    def fresh(self) -> bool:
        """Whether the replica is within the bound now."""
        return self._clock() - self._had <= self._most

    async def search(self, scope: Scope, plan: Query) -> Page:
        """The page that the query asks for, from the replica where it may answer, else from the primary. Raises ScimError."""
        if self.fresh and not asks_for_one(plan) and await self._holds(scope.tenant):
            try:
                return await search(replace(scope, pool=self._pool.of(scope.tenant)), plan)
            except ScimError as problem:
                if problem.kind is not Kind.UNAVAILABLE:
                    raise
        return await search(scope, plan)

    async def look(self) -> None:
        """Find out once how far the replica is. Raises what the driver raises."""
        begun = self._clock()
        written = await self._primary.fetchrow(_LOG["written"])
        assert written is not None
        self._asked.append((begun, written["position"]))
        while begun - self._asked[0][0] > self._most:
            self._asked.popleft()
        replayed = await self._pool.fetchrow(_LOG["replayed"])
        reached = None if replayed is None else replayed["position"]
        while reached is not None and self._asked and self._asked[0][1] <= reached:
            self._had = self._asked.popleft()[0]

    async def _holds(self, tenant: int) -> bool:
        """Whether the replica has all that the primary has of the tenant's."""
        mark = await guarded(lambda: self._primary.of(tenant).fetchrow(_SQL["mark"], tenant, COUNTED + 1))
        if mark is None or mark["changes"] > COUNTED:
            return False
        try:
            row = await self._pool.of(tenant).fetchrow(_SQL["holds"], tenant, mark["revision"], mark["floor"], mark["changes"])
        except Exception as problem:
            if translated(problem) is None and not isinstance(problem, ScimError):
                raise
            return False  # a replica that does not answer is no reason for a search to fail
        return row is not None and bool(row["holds"])

    async def _run(self) -> None:
        said = True
        while True:
            try:
                await self.look()
            except Exception as problem:
                if translated(problem) is None and not isinstance(problem, ScimError):
                    log.exception("looking at the replica failed and is tried again")
            if said is self.fresh:
                said = not said
                log.info("searches go to the replica" if self.fresh else "the replica is too far behind: searches go to the primary")
            await asyncio.sleep(min(self._most / _LOOKS, _SELDOM))


async def open_replica(settings: Settings, primary: Pool) -> Replica | None:
    """The replica that the settings name, watched; None where they name none."""
    if settings.replica_url is None:
        return None
    size, cache = settings.pool_size, settings.statement_cache
    pool = await open_pool(settings.replica_url, size=size, statement_cache=cache, plane="replica", isolated=settings.isolated)
    made = Replica(primary, pool, settings.replica_max_lag)
    made.start()
    return made
