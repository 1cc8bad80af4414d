"""Bringing everybody's automatic awards up to the catalogue, user by user in the background, after a change of it or when asked to.

Each batch is one transaction of a job; where it ended is stored with it, and doing it again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from scimsrv.badges.catalogue import Step, steps, unfounded
from scimsrv.errors import ScimError
from scimsrv.schema.document import Document
from scimsrv.store.connection import Connection
from scimsrv.store.failure import unavailable
from scimsrv.store.progression import Branch, award_steps, held_by, revoke, whole_catalogue
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope, now

log = logging.getLogger("scimsrv.background")

_SQL = load("badges")

#: Times that a number for a job is picked anew because another took it.
_ATTEMPTS: Final = 5

REASON: Final = "It does not follow from the catalogue any more"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one batch did: the last recipient it looked at and how many they were, and the recipients who got or lost automatic awards, or
    could not be given what follows."""

    position: str
    recipients: int
    awarded: list[str]
    revoked: list[str]
    failed: list[str]


async def catalogue_changed(scope: Scope, conn: Connection) -> None:
    """Have what follows computed anew for all who hold something, in the background; also where nobody seems to, since the first award
    may be on its way, by the catalogue as it was. One job is enough for changes that come together."""
    await add_recomputation(conn, scope.tenant, scope.actor)
    scope.wake()


async def add_recomputation(conn: Connection, tenant: int, actor: str) -> int:
    """Leave the job in the transaction that `conn` is in, or take the one that waits already; its number."""
    for _ in range(_ATTEMPTS):
        # Locked until this transaction ends, so that a job which waits does not begin before it.
        row = await conn.fetchrow(_SQL["waiting_recomputation"], tenant)
        if row is None:
            row = await conn.fetchrow(_SQL["add_recomputation"], tenant, actor)
        if row is not None:
            # Nor while awards are on their way that were made by the catalogue as it was: nobody sees their recipients yet.
            await conn.execute(_SQL["recompute_behind"], tenant, row["number"], row["transaction"])
            return int(row["number"])
    raise unavailable()


async def recompute(scope: Scope, conn: Connection, position: str, most: int) -> Batch:
    """Award, and revoke where the policy says so, what follows for the next recipients after `position`, at most so many. The scope's
    actor is who asked for it."""
    at = now()
    ids = [row["recipient"] for row in await conn.fetch(_SQL["recipients"], scope.tenant, position, most)]
    users = {row["id"]: orjson.loads(row["document"]) for row in await conn.fetch(_SQL["lock_recipients"], scope.tenant, ids)}
    branch = await whole_catalogue(conn, scope.tenant)
    held = await held_by(conn, scope.tenant, users, at)
    due: dict[str, list[Step]] = {}
    losing: dict[str, str] = {}
    for user, has in held.items():
        catalogue = has.within(branch.catalogue)
        if scope.catalog.policy.badge_catalogue_change == "recompute":
            gone = unfounded(catalogue, has.given, frozenset(has.automatic))
            losing |= {has.live[achievement]: user for achievement in gone}
            found = steps(catalogue, has.achievements - gone, ())
        else:
            found = steps(catalogue, has.achievements, ())
        if found:
            due[user] = found
    await revoke(scope, conn, dict.fromkeys(losing, REASON), at)
    failed = await _award(scope, conn, branch, due, users, at)
    return Batch(ids[-1] if ids else position, len(ids), sorted(due.keys() - failed), sorted({*losing.values()}), sorted(failed))


async def _award(
    scope: Scope, conn: Connection, branch: Branch, due: Mapping[str, Sequence[Step]], users: Mapping[str, Document], at: datetime
) -> set[str]:
    """Award what follows; the recipients for whom that cannot be, whose awards have no credential or break a rule of the tenant's own: they
    keep no others, and no other job, waiting."""
    try:
        async with conn.transaction():
            await award_steps(scope, conn, branch, due, {}, users, at)
    except (ScimError, asyncpg.UniqueViolationError) as problem:
        if isinstance(problem, ScimError) and problem.kind.value.status >= 500:  # which passes
            raise
        if len(due) > 1:
            return {user for one in due for user in await _award(scope, conn, branch, {one: due[one]}, users, at)}
        log.warning("what follows for %s of tenant %s cannot be awarded: %s", *due, scope.tenant, problem)
        return {*due}
    return set()
