"""What is done behind the requests, in batches: building and dropping indexes, and removing the references of deleted resources.

Every server process does it; a row lock says who has a batch. Each batch is one transaction of one tenant, and where it ended is
stored with it, so that whoever comes next goes on there.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from scimsrv.schema.attribute import fold_name
from scimsrv.schema.indexing import Index, IndexKey, index_keys, indexable
from scimsrv.store.connection import Connection
from scimsrv.store.failure import guarded
from scimsrv.store.identity import load_catalog
from scimsrv.store.pool import Database, Queries
from scimsrv.store.queries import load
from scimsrv.store.remove import leave

_SQL = load("indexes")

#: Seconds for which a state has to have been known before it is acted upon. A server learns of it within one; what it had begun
#: before that, it has ended by then (a request reads its body before it looks at the catalogue, and its statements are cut off).
SETTLED: Final = 30.0

#: Resources or rows in one batch.
BATCH: Final = 1_000


async def tenants_with_work(pool: Queries) -> list[int]:
    """The tenants that have something to do."""
    return [row["tenant"] for row in await pool.fetch(_SQL["with_work"])]


async def erase(pool: Database, tenant: int, *, batch: int = BATCH) -> bool:
    """Remove one batch of the references of and to a deleted resource; False when nothing is left, or is another worker's."""
    return await guarded(lambda: _erase(pool, tenant, batch))


async def _erase(pool: Database, tenant: int, batch: int) -> bool:
    """First its own references, then those to it, which raise the versions of what referred to it."""
    async with pool.acquire() as conn, conn.transaction():
        job = await conn.fetchrow(_SQL["erase"], tenant, batch)
        if job is None:
            return False
        if job["links"] < batch and not await leave(pool, conn, tenant, job["id"], batch):
            await conn.execute(_SQL["finish_erasure"], tenant, job["id"])
    return True


async def index(pool: Database, tenant: int, *, settled: float = SETTLED, batch: int = BATCH) -> bool:
    """Do one step of the tenant's next index: a batch of keys made or dropped, or a change of its state. False when there is none."""
    return await guarded(lambda: _step(pool, tenant, settled, batch))  # writers of many resources may take locks crosswise


async def _step(pool: Database, tenant: int, settled: float, batch: int) -> bool:
    async with pool.acquire() as conn, conn.transaction():
        row = await conn.fetchrow(_SQL["take"], tenant, settled)
        if row is None:
            return False
        match row["state"]:
            case "building":
                await _build(conn, tenant, row, batch)
            case "retiring":
                await _change(conn, tenant, row, "dropping")
            case _:
                await _drop(conn, tenant, row["number"], batch)
    return True


async def _build(conn: Connection, tenant: int, row: Any, batch: int) -> None:
    found = await _index(conn, tenant, row)
    if found is None:  # the attribute is gone: nobody may take for complete what is kept up by nobody
        await _change(conn, tenant, row, "retiring")
        return
    resources = await conn.fetch(_SQL["batch"], tenant, row["type"], row["position"], batch)
    keys: list[tuple[IndexKey, str]] = []
    for resource in resources:
        held: dict[str, Any] = orjson.loads(resource["search"])
        keys += [(key, resource["id"]) for key in index_keys(held, [found], resource["modified"])]
    keys.sort()
    await conn.execute(
        _SQL["add_keys"],
        *(tenant, [key.number for key, _ in keys], [key.key for key, _ in keys]),
        *([key.substring for key, _ in keys], [id_ for _, id_ in keys]),
    )
    if resources:
        await conn.execute(_SQL["advance"], tenant, row["number"], resources[-1]["id"], len(resources))
    if len(resources) < batch:
        await _change(conn, tenant, row, "ready")


async def _index(conn: Connection, tenant: int, row: Any) -> Index | None:
    """The index as its keys are made; None when the attribute is gone."""
    _, catalog = await load_catalog(conn, tenant)
    schema = catalog.by_name.get(row["type"])
    try:
        place = None if schema is None else indexable(schema, fold_name(row["attribute"]))
    except ValueError:
        return None
    return None if place is None else Index(row["number"], place, False, row["substring"])


async def _change(conn: Connection, tenant: int, row: Any, state: str) -> None:
    await conn.execute(_SQL["set_state"], tenant, row["number"], row["state"], state)
    await conn.execute(_SQL["revise"], tenant)


async def _drop(conn: Connection, tenant: int, number: int, batch: int) -> None:
    for one in (number, -number):
        if await conn.execute(_SQL["drop_keys"], tenant, one, batch) != "DELETE 0":
            return
    await conn.execute(_SQL["forget"], tenant, number)
