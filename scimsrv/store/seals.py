"""Sealing: committed changes of a tenant get their places in its audit chain, in batches, behind the writes.

A change has no place when it is committed, so that writers wait for nobody. Whoever seals holds the row of the tenant's chain: one worker
at a time, and any takes over. Numbers of changes come in no order of commits: above the chain's floor, what was still under way when those
behind it were sealed is looked for again and again; the floor rises when no transaction can last from then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from scimsrv.audit.chain import START, Row, Seal, hashes_of
from scimsrv.audit.chain import seal as chained
from scimsrv.store.connection import Connection
from scimsrv.store.failure import guarded
from scimsrv.store.pool import Database, Queries, Tenants
from scimsrv.store.queries import load
from scimsrv.store.scope import now
from scimsrv.turns import unhurried

_SQL = load("audit")

#: Changes in one batch.
BATCH: Final = 500

#: For the rest of the transaction, changes are read as their index has them: in a burst, of which Postgres has no statistics yet, it would
#: sort all that is not sealed for each batch. And as usual again.
IN_ORDER: Final = "SET LOCAL enable_bitmapscan = off"
IN_ANY_ORDER: Final = "SET LOCAL enable_bitmapscan TO DEFAULT"

#: Seconds that a transaction with changes may last. `scimsrv.store.joined` keeps the long ones below it; all others are short.
LONGEST: Final = 120.0


async def tenants_with_unsealed(pool: Queries) -> list[int]:
    """The tenants with changes that may not be sealed."""
    return [row["tenant"] for row in await pool.fetch(_SQL["with_unsealed"])]


async def begin_chains(pool: Tenants) -> None:
    """Give every tenant a chain that has none."""
    for row in await pool.across().fetch(_SQL["without_chain"]):
        await pool.of(row["id"]).execute(_SQL["begin"], row["id"])


async def seal(pool: Database, tenant: int, key: bytes, *, batch: int = BATCH, longest: float = LONGEST) -> bool:
    """Seal one batch of the tenant's changes; whether there may be more. False when the chain is in another worker's hands."""

    async def work() -> bool:
        async with pool.acquire() as conn, conn.transaction():
            chain = await conn.fetchrow(_SQL["take"], tenant)
            if chain is not None:
                await conn.execute(IN_ORDER)
            return chain is not None and await _seal(conn, tenant, key, chain, batch, longest) >= batch

    return await guarded(work)


async def head_of(pool: Queries, tenant: int) -> tuple[int, bytes]:
    """The last position of the chain, and its hash."""
    row = await pool.fetchrow(_SQL["chain"], tenant)
    return (0, START) if row is None else (row["position"], row["head"])


async def hold(conn: Connection, tenant: int) -> None:
    """Keep the chain from others until the transaction ends."""
    await conn.execute(_SQL["begin"], tenant)
    await conn.fetchrow(_SQL["wait_for"], tenant)


async def seal_all(conn: Connection, tenant: int, key: bytes, *, thoroughly: bool = False, batch: int = BATCH) -> int:
    """Seal every committed change, and those of this transaction, which holds the chain; returns how many. `thoroughly` looks below the
    floor too."""
    number, sealed = 0, batch
    await conn.execute(IN_ORDER)
    while sealed >= batch:
        chain = await conn.fetchrow(_SQL["wait_for"], tenant)
        assert chain is not None
        found = dict(chain) | ({"floor": 0, "floor_number": 0} if thoroughly else {})
        sealed = await _seal(conn, tenant, key, found, batch, LONGEST)
        number += sealed
    await conn.execute(IN_ANY_ORDER)
    return number


async def _seal(conn: Connection, tenant: int, key: bytes, chain: Any, batch: int, longest: float) -> int:
    late = await _late(conn, tenant, chain) if chain["due"] else []
    if chain["due"] and len(late) <= batch:
        await conn.execute(_SQL["look"], tenant)
    found = await conn.fetch(_SQL["rows_late"], tenant, late[:batch]) if late else []
    if len(found) < batch:
        numbers = await conn.fetch(_SQL["numbers"], tenant, chain["highest"], batch - len(found))
        found += await conn.fetch(_SQL["rows_between"], tenant, chain["highest"], numbers[-1]["seq"]) if numbers else []
    if not found:
        await _raise_floor(conn, tenant, chain, longest)
        return 0
    digests = [row["digest"] for row in found]
    rows = (Row(*(*row[:-1], None, None)) for row in found)
    hashes = await unhurried(hashes_of(tenant, chain["position"] + 1, chain["head"], zip(rows, digests, strict=True)))
    chosen = [row["seq"] for row in found]
    made = chained(tenant, chain["number"] + 1, chain["position"] + 1, chain["head"], now(), chosen, digests, hashes, key)
    parts = (made.digests, made.hashes, made.previous, made.mac)
    await conn.execute(_SQL["seal"], tenant, made.number, made.position, made.at, list(made.seqs), made.highest, *parts)
    await conn.execute(_SQL["advance"], tenant, made.number, made.last, made.head, made.highest)
    await _raise_floor(conn, tenant, chain, longest)
    return len(found)


async def _late(conn: Connection, tenant: int, chain: Any) -> list[int]:
    """The numbers between the floor and the highest that is sealed, of changes that were committed after those behind them."""
    found = await conn.fetch(_SQL["numbers_late"], tenant, chain["floor"], chain["highest"], chain["floor_number"])
    return [row["seq"] for row in found]


async def _raise_floor(conn: Connection, tenant: int, chain: Any, longest: float) -> None:
    """What was sealed longer ago than a transaction lasts has nothing more to come before it."""
    row = await conn.fetchrow(_SQL["settled"], tenant, chain["floor_number"], longest)
    if row is not None and row["number"] is not None:
        await conn.execute(_SQL["raise_floor"], tenant, row["highest"], row["number"])


async def rows_of(conn: Queries, tenant: int, seqs: Sequence[int]) -> list[Row]:
    """The rows of these numbers that there are, in order."""
    return [Row(**row) for row in await conn.fetch(_SQL["rows"], tenant, list(seqs))] if seqs else []


def seal_of(row: Any) -> Seal:
    """A seal as it is stored."""
    return Seal(**row)
