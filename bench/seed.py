"""Fills a database for the scale bench: python -m bench.seed --dsn URL [--users N --groups N --giant N --tenants N --tenant-users N].

The documents pass through the server's own folding code and arrive by COPY; indexes are made after the load.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import multiprocessing
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import orjson

from bench.scale.lots import Lot, Sizes
from bench.scale.manifest import Manifest
from bench.scale.people import CUSTOM, CUSTOM_SCHEMA, INDEXED
from bench.scale.rows import Piece, put
from scimsrv.schema.definitions import load_definitions
from scimsrv.store.connection import Connection
from scimsrv.store.indexes import add_index
from scimsrv.store.migrate import migrate
from scimsrv.store.rendition import SLOTS
from scimsrv.store.tenants import create_tenant

_TABLES: Final = ("resource", "resource_key", "unique_key", "reference", "change")
_USERS: Final = 20_000
_GROUPS: Final = 1_000
"""What one piece of work has at most."""


def main(argv: list[str] | None = None) -> int:
    """Fill the database and write the manifest."""
    parser = argparse.ArgumentParser(prog="python -m bench.seed", description="Fill a database for python -m bench.scale.")
    parser.add_argument("--dsn", required=True, help="an empty database; it is migrated first")
    add_sizes(parser)
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="processes that make rows (default 2)")
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="write what may be asked, with the answers, as JSON")
    options = parser.parse_args(argv)
    sizes = sizes_of(options)
    seed(options.dsn, sizes, options.processes)
    if options.manifest is not None:
        options.manifest.write_bytes(Manifest.of(sizes).to_json())
    return 0


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """The options that say how much there is."""
    usual = Sizes()
    parser.add_argument("--users", type=int, default=usual.users, metavar="N", help="users of the big tenant (default 1000000)")
    parser.add_argument("--groups", type=int, default=usual.groups, metavar="N", help="its groups of 1 to 1,000 members (default 10000)")
    parser.add_argument("--giant", type=int, metavar="N", help="members of its largest group (default: all users)")
    parser.add_argument("--tenants", type=int, default=usual.tenants, metavar="N", help="small tenants (default 1000)")
    parser.add_argument("--tenant-users", type=int, default=usual.tenant_users, metavar="N", help="users of each (default 100)")


def sizes_of(options: argparse.Namespace) -> Sizes:
    """What those options say."""
    giant = options.users if options.giant is None else options.giant
    return Sizes(options.users, options.groups, giant, options.tenants, options.tenant_users)


def seed(dsn: str, sizes: Sizes, processes: int = 2) -> None:
    """Migrate the database, which must have no resources, and fill it. Raises RuntimeError when it has some."""
    asyncio.run(_seed(dsn, sizes, processes))


async def _seed(dsn: str, sizes: Sizes, processes: int) -> None:
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM resource)"):
            raise RuntimeError("the database has resources already")
        with _told("tenants"):
            tenants = [await _tenant(connection, lot) for lot in sizes.lots]
        async with _without_indexes(connection):
            with _told("rows"):
                await _put_all(dsn, list(zip(sizes.lots, tenants, strict=True)), processes)
            with _told("counts and change log"):
                await _add_the_rest(connection)
        with _told("statistics"):
            await connection.execute("VACUUM ANALYZE")
            await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _tenant(connection: Connection, lot: Lot) -> int:
    """Make the tenant, with the custom extension and what it has indexed; returns its key."""
    tenant = (await create_tenant(connection, lot.slug)).id
    if not lot.extended:
        return tenant
    user = copy.deepcopy(next(type_ for type_ in load_definitions().resource_types if type_["name"] == "User"))
    user["schemaExtensions"].append({"schema": CUSTOM, "required": False})
    await connection.execute(
        "INSERT INTO tenant_schema (tenant, urn_key, definition) VALUES ($1, $2, $3::text::json)",
        *(tenant, CUSTOM.lower(), orjson.dumps(CUSTOM_SCHEMA).decode()),
    )
    await connection.execute(
        "UPDATE tenant_resource_type SET definition = $2::text::json WHERE tenant = $1 AND name_key = 'user'",
        *(tenant, orjson.dumps(user).decode()),
    )
    for attribute in INDEXED:
        await add_index(connection, tenant, "User", attribute)
    return tenant


async def _put_all(dsn: str, lots: list[tuple[Lot, int]], processes: int) -> None:
    pieces = [piece for lot, tenant in lots for piece in _pieces(lot, tenant)]
    pieces.sort(key=lambda piece: piece.kind != "Group")  # the giant group is the longest piece, so it does not come last
    if processes == 1:
        for piece in pieces:
            await asyncio.to_thread(put, dsn, piece)
        return
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, partial(put, dsn), piece) for piece in pieces))


def _pieces(lot: Lot, tenant: int) -> Iterator[Piece]:
    for kind, count, size in (("User", lot.users, _USERS), ("Group", lot.group_count, _GROUPS)):
        for start in range(0, count, size):
            yield Piece(lot, tenant, kind, start, min(start + size, count))


@asynccontextmanager
async def _without_indexes(connection: Connection) -> AsyncIterator[None]:
    """Take the tables' indexes away for the block, and make them again by the definitions that the database itself had.

    A block that fails leaves the database without them: it has to be made anew in any case.
    """
    keys = await connection.fetch(
        "SELECT conrelid::regclass::text AS table, conname AS name, pg_get_constraintdef(oid) AS made FROM pg_constraint"
        " WHERE contype = 'p' AND conrelid = ANY ($1::text[]::regclass[])",
        list(_TABLES),
    )
    others = await connection.fetch(
        "SELECT indexname AS name, indexdef AS made FROM pg_indexes WHERE tablename = ANY ($1::text[])"
        " AND indexname <> ALL ($2::text[]) ORDER BY indexname",
        *(list(_TABLES), [key["name"] for key in keys]),
    )
    for other in others:
        await connection.execute(f"DROP INDEX {other['name']}")
    for key in keys:
        await connection.execute(f"ALTER TABLE {key['table']} DROP CONSTRAINT {key['name']}")
    for table in _TABLES:
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    yield
    await connection.execute("SET maintenance_work_mem = '1GB'")
    for key in keys:
        with _told(f"index {key['name']}"):
            await connection.execute(f"ALTER TABLE {key['table']} ADD CONSTRAINT {key['name']} {key['made']}")
    for other in others:
        with _told(f"index {other['name']}"):
            await connection.execute(other["made"])
    for table in _TABLES:
        await connection.execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")


async def _add_the_rest(connection: Connection) -> None:
    """What the server's own inserts would have left beside the resources."""
    await connection.execute(
        "INSERT INTO resource_count (tenant, type, slot, resources)"
        f" SELECT r.tenant, r.type, s.slot, count(*) / {SLOTS} + CASE WHEN s.slot < count(*) % {SLOTS} THEN 1 ELSE 0 END"
        f" FROM resource r CROSS JOIN generate_series(0, {SLOTS - 1}) s (slot) GROUP BY r.tenant, r.type, s.slot"
    )
    await connection.execute(
        "INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes)"
        " SELECT tenant, created, 'seed', 'create', type, id, 1, '{}' FROM resource"
    )


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Tell on the error stream what goes on and how long it took."""
    since = time.monotonic()
    yield
    print(f"seed: {what}: {time.monotonic() - since:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
