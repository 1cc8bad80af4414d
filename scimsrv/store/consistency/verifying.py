"""Going through all that a tenant has, in batches that each see one moment, while the tenant is in use; and putting right what differs.

A batch is one short transaction. What is put right is looked at once more in a transaction that holds the tenant's definitions and the
resources, so that nothing is written that was true a moment ago. Documents are never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from scimsrv.store.audit import Verification
from scimsrv.store.audit import verify as verify_chain
from scimsrv.store.connection import Connection
from scimsrv.store.consistency.beside import OWNED, Counts, Keys, References, Tombstones, Trail
from scimsrv.store.consistency.kinds import Difference, Kind, Tally
from scimsrv.store.consistency.resources import Resources
from scimsrv.store.consistency.view import UnreadableError, View, view_of
from scimsrv.store.consistency.walk import Place, Walk
from scimsrv.store.failure import guarded
from scimsrv.store.queries import load

_SQL = load("consistency")

#: Rows in a batch: a resource has a dozen of others, and is folded anew.
RESOURCES: Final = 500
ROWS: Final = 5_000

#: How often everything is gone through where something is put right: what two resources want can only be had when the other gave it up.
_TIMES: Final = 3

#: Seconds: nothing is late in the chain of a database that was away.
_NEVER_LATE: Final = 1e9

_WALKS: Final[tuple[tuple[Walk, int], ...]] = (
    (Trail(), ROWS),
    (Resources(), RESOURCES),
    *((walk, ROWS) for walk in OWNED),
    (Keys(), ROWS),
    (References(), ROWS),
    (Tombstones(), RESOURCES),
    (Counts(), ROWS),
)


@dataclass
class Result:
    """What was found in the end; what was put right before that; how many resources and rows beside them there are; types that could not
    be looked at, and why; what the audit chain is like."""

    found: Tally = field(default_factory=Tally)
    repaired: Tally = field(default_factory=Tally)
    resources: int = 0
    rows: int = 0
    left_out: Sequence[str] = ()
    audit: Verification | None = None


async def verify_tenant(connection: Connection, tenant: int, keys: Sequence[bytes], *, repair: bool = False) -> Result:
    """Verify a tenant; `keys` are those of its audit chain. With `repair`, what follows from documents is made anew where it differs, and
    everything is looked at again. The connection must not be in a transaction. Raises TenantMissing when the tenant is gone."""
    result = Result()
    for _ in range(_TIMES if repair else 1):
        result.found, result.resources, result.rows = Tally(), 0, 0
        try:
            put_right = await _once(connection, tenant, result, repair=repair)
        except UnreadableError:
            result.found.add([Difference(Kind.DEFINITIONS, "")])
            break
        if not put_right:
            break
    result.audit = await verify_chain(connection, tenant, keys, overdue=_NEVER_LATE)
    result.found.add(Difference(Kind.AUDIT, "" if one.seq is None else str(one.seq)) for one in result.audit.problems)
    return result


async def _once(connection: Connection, tenant: int, result: Result, *, repair: bool) -> int:
    """Go through everything once; how many differences were put right, which are not counted as found."""
    view: View | None = None
    total = 0
    for walk, most in _WALKS:
        after: Place | None = walk.first
        while after is not None:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                view = await view_of(connection, tenant, view)
                batch = await walk.look(connection, view, after, most)
            if isinstance(walk, Resources):
                result.resources += batch.rows
            elif not isinstance(walk, Counts):
                result.rows += batch.rows
            found = batch.differences
            # Of a resource that was lost nothing is removed: what is left shows what it was, and it may be restored.
            repair = repair and not any(one.kind is Kind.MISSING for one in found)
            ids = {one.id for one in found if one.fix is not None} if repair else set()
            if ids:
                right, left = await guarded(partial(_put_right, connection, tenant, walk, after, most, ids))
                result.repaired.add(right)
                total += len(right)
                found = [*(one for one in found if one.fix is None), *left]
            result.found.add(found)
            after = batch.end
    assert view is not None
    result.left_out = sorted(view.unsettled.values())
    return total


async def _put_right(
    connection: Connection, tenant: int, walk: Walk, after: Place, most: int, ids: set[str]
) -> tuple[list[Difference], list[Difference]]:
    """Look at a batch once more while nobody changes its definitions or these resources, and put right what still differs of them; returns
    what was, and what could not be."""
    async with connection.transaction():
        await connection.execute(_SQL["lock_tenant"], tenant)
        await connection.execute(_SQL["hold"], tenant, sorted(ids))
        batch = await walk.look(connection, await view_of(connection, tenant, None), after, most)
        wrong = [(one, one.fix) for one in batch.differences if one.id in ids and one.fix is not None]
        tags = {fix: await connection.execute(fix[0], tenant, *fix[1]) for fix in dict.fromkeys(fix for _, fix in wrong)}
    right = [one for one, fix in wrong if not tags[fix].endswith(" 0")]
    return right, [one for one, fix in wrong if tags[fix].endswith(" 0")]
