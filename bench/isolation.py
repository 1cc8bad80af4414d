"""python -m bench.isolation [--seconds S] [--rounds N] [--users N]: what row-level security costs, as ratios taken by turns in one run.

Two servers on one database: one keeps tenants apart by the predicate of each statement, the other by row-level security as well.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final
from urllib.parse import quote

import asyncpg

from bench.data import USER, user_name
from bench.load import Generator, Load
from bench.processes import UNHURRIED, running
from bench.servers import database, give_token
from bench.world import FRESH, Target, fill
from scimsrv.embedded import USER as OWNER
from scimsrv.keys import new_key
from scimsrv.store.migrate import migrate
from scimsrv.store.tenants import create_tenant

_ROLE: Final = "scim_app"
_SLUG: Final = "bench"
_CONNECTIONS: Final = 8


@contextmanager
def _servers(users: int) -> Iterator[dict[str, Target]]:
    """The servers by their isolation, with so many users of one tenant."""
    with ExitStack() as stack:
        folder, cluster = stack.enter_context(database())
        key = new_key()
        token = asyncio.run(_prepare(cluster.dsn, key))
        shared = {"SCIMSRV_SECRET_KEY": key, "SCIMSRV_DATA_DIR": str(folder)} | UNHURRIED
        as_role = cluster.dsn.replace(f"//{OWNER}@", f"//{_ROLE}@", 1)
        settings = {
            "predicate": {"SCIMSRV_DATABASE_URL": cluster.dsn},
            "rls": {"SCIMSRV_DATABASE_URL": as_role, "SCIMSRV_ISOLATION": "rls"},
        }
        arguments = ["-m", "scimsrv", "serve", "--no-admin", "--no-metrics", "--port", "{port}"]
        targets = {
            name: Target(stack.enter_context(running(arguments, shared | given)).port, f"/scim/{_SLUG}/v2", token)
            for name, given in settings.items()
        }
        first = targets["predicate"]
        asyncio.run(fill(first, users // 2, users - users // 2))
        asyncio.run(_execute(cluster.dsn, "VACUUM ANALYZE"))
        yield {name: replace(target, users=first.users, others=first.others) for name, target in targets.items()}


async def _prepare(dsn: str, key: str) -> str:
    await _execute(dsn, f"CREATE ROLE {_ROLE} LOGIN")
    await migrate(dsn, application=_ROLE)
    connection = await asyncpg.connect(dsn)
    try:
        return await give_token(connection, (await create_tenant(connection, _SLUG)).id, key)
    finally:
        await connection.close()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _questions(target: Target, users: int) -> dict[str, tuple[bytes, ...]]:
    def filters(template: str) -> tuple[bytes, ...]:
        return tuple(target.request("GET", f"/Users?filter={quote(template.format(user_name(n)))}") for n in range(0, users, 7))

    return {
        "GET by id": tuple(target.request("GET", f"/Users/{id_}") for id_ in target.others[:500]),
        "POST": (target.request("POST", "/Users", USER),),
        "userName eq": filters('userName eq "{}"'),
        "emails[value eq]": filters('emails[type eq "work" and value eq "{}"]'),
        "list of 100": (target.request("GET", "/Users?count=100"),),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.isolation", description="What row-level security costs.")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a turn (default 1.5)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per question (default 5)")
    parser.add_argument("--users", type=int, default=5_000, help="users of the tenant (default 5000)")
    options = parser.parse_args()
    fresh = FRESH
    with _servers(options.users) as targets, Generator() as generator:
        asked = {name: _questions(target, options.users) for name, target in targets.items()}
        print(f"{'':20} {'predicate':>12} {'rls':>12} {'ratio':>7}")
        for question in asked["rls"]:
            rates: dict[str, list[float]] = {name: [] for name in targets}
            for turn in range(-1, options.rounds):
                for name, target in targets.items():
                    seconds = options.seconds if turn >= 0 else 0.3
                    found = generator.put(Load(target.port, asked[name][question], _CONNECTIONS, seconds, None, fresh))
                    fresh += found.sent
                    if turn >= 0:
                        rates[name].append(found.per_second)
            ratio = statistics.median(b / a for a, b in zip(rates["predicate"], rates["rls"], strict=True))
            print(f"{question:20} {statistics.median(rates['predicate']):10.0f}/s {statistics.median(rates['rls']):10.0f}/s {ratio:7.2f}")


if __name__ == "__main__":
    main()
