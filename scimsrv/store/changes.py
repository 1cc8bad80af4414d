"""A tenant seen by its operator: what changed in it, who did it, and how much there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from scimsrv.store.connection import Connection
from scimsrv.store.queries import load
from scimsrv.store.tenants import count_resources

_SQL = load("changes")
_NEWEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Change:
    """A committed change: `attributes` names what an update changed, `coercions` what was done to make the request fit; `origin` has id and
    address of the request behind it, None where there is none; `diff` has old and
    new value by path where the change is one of a policy or a definition."""

    seq: int
    at: datetime
    actor: str
    origin: Sequence[str] | None
    operation: str
    type: str
    id: str
    version: int
    attributes: Sequence[str]
    coercions: Sequence[str]
    diff: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """`resources` by type; `tokens` that are live and when one was used last; `indexes` in any state; when anything changed last."""

    resources: Mapping[str, int]
    tokens: int
    last_used: datetime | None
    indexes: int
    last_change: datetime | None


async def list_changes(connection: Connection, tenant: int, id_: str | None, *, before: int | None, count: int) -> list[Change]:
    """The tenant's changes, or those of one resource, the newest first: `count` of those numbered below `before`."""
    rows = await connection.fetch(_SQL["list"], tenant, id_, _NEWEST if before is None else before, count)
    return [
        Change(**{**row, "coercions": row["coercions"] or (), "diff": None if row["diff"] is None else orjson.loads(row["diff"])})
        for row in rows
    ]


async def statistics(connection: Connection, tenant: int) -> Statistics:
    """How much there is of what."""
    row = await connection.fetchrow(_SQL["statistics"], tenant)
    assert row is not None
    return Statistics(await count_resources(connection, tenant), **row)
