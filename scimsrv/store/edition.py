"""Writes hold only for the edition of the tenant's definitions by which they were planned.

A change of definitions keeps no lock while stored resources are looked at, so none may come behind its back. One that stored resources
have to bear is announced first: the edition rises, and no write is taken until the change is. Writes that had begun before are waited
for. Then nothing can be stored that the last look does not see.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from scimsrv.errors import Kind, ScimError
from scimsrv.store.pool import Database, Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope

_SQL = load("definitions")

_T = TypeVar("_T")

#: Seconds that a change waits for writes that had begun before it was announced: none of ours takes longer.
_LONGEST: Final = 5.0

#: Seconds between an announcement and the first look at what runs: a statement that has begun has written by then.
_PAUSE: Final = 0.02


class OutdatedError(ScimError):
    """A write was planned by definitions that have changed since, or are about to: it has to be planned again."""

    def __init__(self) -> None:
        super().__init__(Kind.UNAVAILABLE, "The definitions of the tenant are being changed; try again", headers={"Retry-After": "1"})


async def check_edition(scope: Scope, conn: Queries) -> None:
    """Raises OutdatedError unless what was planned by the scope's catalogue may be written."""
    edition = scope.catalog.edition
    if edition is not None:
        row = await conn.fetchrow(load("resources")["still_planned_by"], scope.tenant, edition)
        if row is None or not row["still"]:
            raise OutdatedError


async def take(pool: Database, tenant: int, revision: int, change: Callable[[int], Awaitable[_T | None]], *, announced: bool) -> _T | None:
    """Take a change that was decided at this revision; `change` is given the revision at which it has to be taken, and returns None when
    the tenant has another. `announced`: stored resources have to bear it, so that nothing may be stored meanwhile which does not."""
    if not announced:
        return await change(revision)
    at = await _announce(pool, tenant, revision)
    if at is None:
        return None
    taken = None
    try:
        taken = await change(at)
    finally:
        if taken is None:
            await pool.execute(_SQL["give_up"], tenant)
    return taken


async def _announce(pool: Database, tenant: int, revision: int) -> int | None:
    """Announce a change that was decided at this revision, wait until nothing is written by the edition before, and return the revision
    at which it may be taken; None when the tenant has changed since."""
    row = await pool.fetchrow(_SQL["announce"], tenant, revision)
    if row is None:
        return None
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end:
        await asyncio.sleep(_PAUSE)
        ended = await pool.fetchrow(_SQL["all_ended"], tenant, row["transaction"])
        if ended is None or ended["ended"]:
            break
    announced: int = row["revision"]
    return announced
