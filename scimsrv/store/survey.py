"""What the database holds, in numbers for monitoring: counters and the few keys of inactive users are read, never the resources."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from scimsrv.store.bound import Bound, begin_across, begin_of
from scimsrv.store.connection import Connection, connect
from scimsrv.store.queries import load

_SQL = load("survey")

#: Seconds that all of it may take, and one statement.
PATIENCE: Final = 60.0
_STATEMENT: Final = 5.0

#: Credentials of a tenant that are told of, and of all tenants together: those that end first.
OF_A_TENANT: Final = 10
OF_ALL: Final = 260


@dataclass(frozen=True, slots=True)
class Holding:
    """How many resources of a type a tenant has, and how many of them are inactive, None where no index tells."""

    slug: str
    type: str
    resources: int
    inactive: int | None


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found. `endings` are slug, public id and time of credentials that end; `sealed` when an audit chain was last sealed, None
    without any; `unsealed` and `waited` the ages in seconds of the oldest change that is not sealed and of the oldest request that waits;
    times are seconds since 1970."""

    slugs: Sequence[str]
    holdings: Sequence[Holding]
    endings: Sequence[tuple[str, str, float]]
    sealed: float | None
    unsealed: float
    waiting: int
    waited: float
    unsigned: int


async def survey(dsn: str, *, isolated: bool) -> Survey:
    """Look at the database now, through a connection of its own. Raises DatabaseError, TimeoutError and the driver's exceptions."""
    async with asyncio.timeout(PATIENCE), connect(dsn) as connection:

        def bound(begin: str) -> Connection:
            return cast("Connection", Bound(connection, begin)) if isolated else connection

        across = bound(begin_across())
        tenants = await across.fetch(_SQL["tenants"], timeout=_STATEMENT)
        holdings: list[Holding] = []
        for tenant in tenants:
            rows = await bound(begin_of(tenant["id"])).fetch(_SQL["resources"], tenant["id"], timeout=_STATEMENT)
            holdings += [Holding(tenant["slug"], row["type"], row["resources"], row["inactive"]) for row in rows]
        endings = await across.fetch(_SQL["endings"], OF_A_TENANT, OF_ALL, timeout=_STATEMENT)
        audit = await across.fetchrow(_SQL["audit"], timeout=_STATEMENT)
        waiting = await across.fetchrow(_SQL["waiting"], timeout=_STATEMENT)
        unsigned = await across.fetchrow(_SQL["unsigned"], timeout=_STATEMENT)
    assert audit is not None
    assert waiting is not None
    assert unsigned is not None
    return Survey(
        [tenant["slug"] for tenant in tenants],
        holdings,
        [(row["slug"], row["id"], row["expires"]) for row in endings],
        audit["sealed"],
        audit["unsealed"],
        waiting["requests"],
        waiting["age"],
        unsigned["credentials"],
    )
