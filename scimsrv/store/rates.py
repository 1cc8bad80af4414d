"""What tokens and tenants have used of their rates, as all servers together know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scimsrv.store.failure import guarded
from scimsrv.store.pool import Database
from scimsrv.store.queries import load

_SQL = load("rates")

#: Seconds after which an unused row is forgotten.
_UNUSED: Final = 3_600.0


async def settle(pool: Database, tenant: int, used: Mapping[str, float]) -> dict[str, float]:
    """Add what each subject has used, in seconds of its rate; returns how many seconds each has to pay off by now."""
    subjects = sorted(used)  # in one order, so that no two servers wait for each other
    rows = await guarded(lambda: pool.fetch(_SQL["settle"], tenant, subjects, [used[subject] for subject in subjects]))
    return {row["subject"]: row["backlog"] for row in rows}


async def prune_rates(pool: Database, tenant: int) -> None:
    """Forget those that have not been used for long."""
    await guarded(lambda: pool.execute(_SQL["prune"], tenant, _UNUSED))
