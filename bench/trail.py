"""python -m bench.trail [--seconds S] [--rounds N] [--users N]: what the audit trail costs who creates, as ratios of turns in one run.

Two servers, each with a database of its own in one Postgres. In one of them a view that swallows its rows has the place of the trail: all
statements are the same, and nothing is kept, indexed, logged or sealed. The ratio is the median of those of neighbouring turns; behind ±
is its standard error. What the view costs itself, some 0.02 ms for each row, makes the trail look that much cheaper.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from bench.data import USER
from bench.load import Generator, Load
from bench.processes import UNHURRIED, running
from bench.servers import database, give_token
from bench.world import FRESH, Target, fill
from scimsrv.keys import new_key
from scimsrv.store.migrate import migrate
from scimsrv.store.tenants import create_tenant

_SLUG: Final = "bench"
_CONNECTIONS: Final = 8
_OPERATIONS: Final = 50

#: Puts the view into the place of the trail.
_SWALLOWING: Final = (
    "ALTER TABLE change RENAME TO change_before",
    "CREATE VIEW change AS SELECT * FROM change_before",
    "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "CREATE TRIGGER swallow INSTEAD OF INSERT ON change FOR EACH ROW EXECUTE FUNCTION swallow()",
)


@contextmanager
def _servers(users: int) -> Iterator[dict[str, Target]]:
    """The servers with and without the trail, with so many users of one tenant each."""
    with ExitStack() as stack:
        folder, cluster = stack.enter_context(database())
        key = new_key()
        targets = {}
        for name, swallowing in (("without", _SWALLOWING), ("with", ())):
            dsn, token = asyncio.run(_prepare(cluster.dsn, f"bench_{name}", key, swallowing))
            given = {"SCIMSRV_DATABASE_URL": dsn, "SCIMSRV_SECRET_KEY": key, "SCIMSRV_DATA_DIR": str(folder)} | UNHURRIED
            port = stack.enter_context(running(["-m", "scimsrv", "serve", "--no-admin", "--no-metrics", "--port", "{port}"], given)).port
            targets[name] = Target(port, f"/scim/{_SLUG}/v2", token)
            asyncio.run(fill(targets[name], 10, users))
        yield targets


async def _prepare(dsn: str, name: str, key: str, statements: tuple[str, ...]) -> tuple[str, str]:
    """Make a database with a tenant; returns its URL and the tenant's token."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    made = urlsplit(dsn)._replace(path=f"/{name}").geturl()
    await migrate(made)
    connection = await asyncpg.connect(made)
    try:
        token = await give_token(connection, (await create_tenant(connection, _SLUG)).id, key)
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
    return made, token


def _questions(target: Target) -> dict[str, tuple[bytes, ...]]:
    operations = [{"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": json.loads(USER)} for n in range(_OPERATIONS)]
    for number, operation in enumerate(operations):
        operation["data"]["userName"] += f"-{number:03}"
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    return {
        "POST": (target.request("POST", "/Users", USER),),
        f"/Bulk of {_OPERATIONS}": (target.request("POST", "/Bulk", json.dumps(bulk).encode()),),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.trail", description="What the audit trail costs.")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a turn (default 0.4)")
    parser.add_argument("--rounds", type=int, default=40, help="rounds per question (default 40)")
    parser.add_argument("--users", type=int, default=500, help="users of the tenant (default 500)")
    options = parser.parse_args()
    fresh = FRESH
    with _servers(options.users) as targets, Generator() as generator:
        asked = {name: _questions(target) for name, target in targets.items()}
        print(f"{'':12} {'without':>10} {'with':>10} {'ratio':>7}")
        for question in asked["with"]:
            rates: dict[str, list[float]] = {name: [] for name in targets}
            for turn in range(-1, options.rounds):
                for name, target in sorted(targets.items(), reverse=turn % 2 == 0):  # what the machine does beside falls on both
                    seconds = options.seconds if turn >= 0 else 0.3
                    found = generator.put(Load(target.port, asked[name][question], _CONNECTIONS, seconds, None, fresh))
                    fresh += found.sent
                    if turn >= 0:
                        rates[name].append(found.per_second)
            ratios = [b / a for a, b in zip(rates["without"], rates["with"], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            error = 1.253 * (high - low) / 1.349 / len(ratios) ** 0.5
            shown = " ".join(f"{statistics.median(rates[name]):8.0f}/s" for name in ("without", "with"))
            print(f"{question:12} {shown} {middle:7.2f} ±{error:.2f}", flush=True)


if __name__ == "__main__":
    main()
