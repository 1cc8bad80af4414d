"""The guard against mass deletions: how many resources of a type are deleted or deactivated is counted where all servers see it.

The count is taken in the transaction of the deletion, as its last statement: what is undone was not counted, and whoever counts waits for
nobody longer than a commit takes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.observe import GuardTripped, observe, tenant_asked
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.policy import Policy
from scimsrv.store.connection import Connection
from scimsrv.store.joined import Joined
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope

log: Final = logging.getLogger("scimsrv.guard")

_SQL = load("guard")

#: Resources of a type that may always go, however small their percentage makes the number.
FEW: Final = 10

#: Seconds after which a client that is throttled may try again.
_RETRY_AFTER: Final = "30"


@dataclass(frozen=True, slots=True)
class Count:
    """How many resources of a type went in the window that began at `since`, and in the one before; `base` is how many there were then,
    `allowance` how many are let through uncounted; `held` since when nothing may go."""

    since: datetime
    base: int
    present: int
    former: int
    allowance: int
    held: datetime | None


class HeldError(ScimError):
    """The deletion is one too many, or comes while the guard holds them."""

    def __init__(self, type_name: str, policy: Policy, said: dict[str, Any] | None) -> None:
        detail = (
            f"Too many resources of the type {type_name} were deleted or deactivated within {policy.deletion_guard_minutes} minutes: an "
            "administrator has to release the deletion guard"
        )
        forbids = policy.deletion_guard == "forbid"
        headers = {} if forbids else {"Retry-After": _RETRY_AFTER}
        super().__init__(Kind.FORBIDDEN if forbids else Kind.TOO_MANY_REQUESTS, detail, headers=headers)
        self.type_name = type_name
        #: What is said of it in the trail, by the first that is held.
        self.said = said


def deactivates(before: Document, after: Document) -> bool:
    """Whether a change takes away that a resource is active, which one without the attribute is."""
    return after.get("active") is False and before.get("active") is not False


def counted(count: Count, at: datetime, policy: Policy, resources: int) -> tuple[Count, int]:
    """The count with one more, and how many there may be. `resources` is how many there were before this one went."""
    window = timedelta(minutes=max(policy.deletion_guard_minutes, 1))
    elapsed = at - count.since
    if elapsed >= 2 * window:
        count = replace(count, since=at, base=resources, present=0, former=0)
    elif elapsed >= window:
        count = replace(count, since=count.since + window, base=resources, present=0, former=count.present)
    most = min(policy.deletion_guard_count, max(FEW, count.base * policy.deletion_guard_percent // 100))
    if count.allowance > 0:
        return replace(count, allowance=count.allowance - 1), most
    return replace(count, present=count.present + 1), most


def is_over(count: Count, at: datetime, policy: Policy, most: int) -> bool:
    """Whether more went than may: those of the window before count for the part of it that is not past."""
    window = timedelta(minutes=max(policy.deletion_guard_minutes, 1))
    share = max(0.0, 1 - (at - count.since) / window)
    return count.present + int(count.former * share) > most


async def count_deletion(scope: Scope, conn: Connection, schema: EffectiveSchema, *, gone: bool) -> None:
    """Count a resource that was deleted (`gone`) or deactivated in this transaction, of which it is the last statement. Raises
    HeldError."""
    policy, name = scope.catalog.policy, schema.name
    if policy.deletion_guard == "off":
        return
    row = await conn.fetchrow(_SQL["lock"], scope.tenant, name)
    if row is None:
        await conn.execute(_SQL["begin"], scope.tenant, name)
        row = await conn.fetchrow(_SQL["lock"], scope.tenant, name)
    assert row is not None
    before = Count(*(row[part] for part in ("since", "base", "present", "former", "allowance", "held")))
    if before.held is not None:
        raise HeldError(name, policy, None)
    count, most = counted(before, row["at"], policy, row["resources"] + gone)
    if count.allowance == before.allowance and is_over(count, row["at"], policy, most):
        raise HeldError(name, policy, {"most": most, "resources": count.base, "minutes": policy.deletion_guard_minutes})
    parts = (count.since, count.base, count.present, count.former, count.allowance)
    await conn.execute(_SQL["count"], scope.tenant, name, *parts)


async def alarm(scope: Scope, held: HeldError) -> None:
    """Hold further deletions, and raise the alarm, where this is the first that is one too many; when its transaction has ended."""
    if held.said is None:
        return
    if isinstance(scope.pool, Joined):
        scope.pool.afterwards.append(lambda outer: _hold(outer, scope, held))
        return
    await _hold(scope.pool, scope, held)


async def _hold(pool: Queries, scope: Scope, held: HeldError) -> None:
    tag = await pool.execute(_SQL["hold"], scope.tenant, held.type_name, scope.by, orjson.dumps(held.said).decode())
    if tag.endswith(" 1"):
        observe(GuardTripped(tenant_asked()))
        log.warning("the deletion guard of tenant %s holds deletions of the type %s", scope.tenant, held.type_name)


async def list_counts(connection: Connection, tenant: int) -> dict[str, Count]:
    """The counts of the tenant's types, as they were when something was deleted last."""
    return {row["type"]: Count(*list(row.values())[1:]) for row in await connection.fetch(_SQL["list"], tenant)}


async def release(connection: Connection, tenant: int, type_name: str, allowance: int) -> None:
    """Let deletions of a type through again, so many of them uncounted. Raises ScimError 404 where none was ever counted."""
    if (await connection.execute(_SQL["release"], tenant, type_name, allowance)).endswith(" 0"):
        raise ScimError(Kind.NOT_FOUND, f"The deletion guard has counted nothing of the type {type_name[:64]}")
