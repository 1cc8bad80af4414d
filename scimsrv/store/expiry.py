"""Credentials that end soon: found in time for the operator to be told, once of each threshold, whichever server looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scimsrv.store.failure import guarded
from scimsrv.store.pool import Database, Tenants
from scimsrv.store.queries import load

_SQL = load("expiry")

#: Days before the end at which it is told.
DAYS: Final = (1, 7, 15, 30, 60, 90)


@dataclass(frozen=True, slots=True)
class Ending:
    """A credential of the tenant with this slug that ends within so many days: the short id of a token, or client and id of a secret."""

    slug: str
    id: str
    expires: datetime
    days: int


async def find_endings(pool: Tenants) -> list[Ending]:
    """The credentials that have come within a threshold of their end since it was last asked."""
    found = []
    for row in await guarded(lambda: pool.across().fetch(_SQL["tenants"], list(DAYS))):
        for days in DAYS:  # the nearest first, so that each credential is told of once
            found += await _endings(pool.of(row["tenant"]), row["tenant"], row["slug"], days)
    return found


async def _endings(pool: Database, tenant: int, slug: str, days: int) -> list[Ending]:
    rows = await guarded(lambda: pool.fetch(_SQL["tokens"], tenant, days))
    rows += await guarded(lambda: pool.fetch(_SQL["secrets"], tenant, days))
    return [Ending(slug, row["id"], row["expires"], days) for row in rows]
