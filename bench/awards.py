"""python -m bench.awards [--awards N] [--alg ALG]: N awards (10,000 unless told otherwise) by /Bulk, on one worker, until each is signed.

Printed are awards per second until the last request is answered, and credentials per second until the last one is signed as a JSON Web
Token, both counted from the first request. The goal: 1,000 signed per second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import asyncpg

from bench.client import numbered
from bench.data import bulk, numbered_user
from bench.processes import UNHURRIED, running
from bench.servers import database, give_token
from bench.world import Target, ask_now, created
from scimsrv.badges.signing import ALGORITHMS
from scimsrv.keys import ServerKeys, new_key
from scimsrv.sealing import keyring_of
from scimsrv.settings import Settings
from scimsrv.store.migrate import migrate
from scimsrv.store.tenants import create_tenant

_SLUG: Final = "awards"
_URN: Final = "urn:scimsrv:scim:schemas:badges:1.0:"

#: Operations of a request.
_MOST: Final = 1_000


@contextmanager
def _server() -> Iterator[tuple[Target, str, str]]:
    """A server with a tenant that has badges, the database and the secret key."""
    with ExitStack() as stack:
        folder, cluster = stack.enter_context(database())
        key = new_key()
        token = asyncio.run(_prepare(cluster.dsn, key))
        environment = {"SCIMSRV_DATABASE_URL": cluster.dsn, "SCIMSRV_SECRET_KEY": key, "SCIMSRV_DATA_DIR": str(folder)} | UNHURRIED
        command = ["-m", "scimsrv", "serve", "--no-admin", "--no-metrics", "--workers", "1", "--port", "{port}"]
        port = stack.enter_context(running(command, environment)).port
        yield Target(port, f"/scim/{_SLUG}/v2", token), cluster.dsn, key


async def _prepare(dsn: str, key: str) -> str:
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        tenant = await create_tenant(connection, _SLUG, switches={"badges": True})
        return await give_token(connection, tenant.id, key)
    finally:
        await connection.close()


async def _give_key(dsn: str, key: str, issuer: str, alg: str) -> None:
    """Make the issuer's first key."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        tenant = await pool.fetchval("SELECT id FROM tenant WHERE slug = $1", _SLUG)
        await keyring_of(ServerKeys.load(Settings(secret_key=key))).add(pool, tenant, issuer, "token", alg, 0)


async def _signed(dsn: str, number: int) -> None:
    """Wait until so many credentials are signed."""
    connection = await asyncpg.connect(dsn)
    try:
        while await connection.fetchval("SELECT count(*) FROM badge_credential WHERE jwt IS NOT NULL") < number:
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


def _users(target: Target, first: int, number: int) -> list[str]:
    """The ids of so many users, who are made."""
    users = [("/Users", f"u{one}", numbered_user(one)) for one in range(number)]
    made = ask_now(target, numbered(target.request("POST", "/Bulk", bulk(users)), first))
    return [one["location"].rpartition("/")[2] for one in json.loads(made.body)["Operations"]]


def _body(type_: str, **attributes: Any) -> bytes:
    return json.dumps({"schemas": [_URN + type_], **attributes}, separators=(",", ":")).encode()


def _new(target: Target, type_: str, **attributes: Any) -> str:
    id_: str = created(ask_now(target, target.request("POST", f"/{type_}s", _body(type_, **attributes))))["id"]
    return id_


def main(argv: list[str] | None = None) -> int:
    """Measure and print; the exit code says whether it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.awards", description="Award, and sign, by /Bulk on one worker.")
    parser.add_argument("--awards", type=int, default=10_000, metavar="N", help="awards in all (default 10000)")
    parser.add_argument("--alg", choices=ALGORITHMS, default="RS256", help="what the tokens are signed with (default RS256)")
    options = parser.parse_args(argv)
    with _server() as (target, dsn, key):
        issuer = _new(target, "BadgeIssuer", displayName="Institute")
        asyncio.run(_give_key(dsn, key, issuer, options.alg))
        common: dict[str, Any] = {"kind": "mini", "description": "It.", "criteria": {"narrative": "Do."}, "creator": {"value": issuer}}
        achievement = _new(target, "Achievement", displayName="Badge", **common)
        print(f"{options.awards} users ...", file=sys.stderr, flush=True)
        sizes = [min(_MOST, options.awards - first) for first in range(0, options.awards, _MOST)]
        users = [_users(target, number, size) for number, size in enumerate(sizes)]
        requests = [
            target.request(
                "POST", "/Bulk", bulk([("/Awards", f"a{number}", _award(user, achievement)) for number, user in enumerate(some)])
            )
            for some in users
        ]
        begun = time.perf_counter()
        for request in requests:
            statuses = {one["status"] for one in json.loads(ask_now(target, request).body)["Operations"]}
            if statuses != {"201"}:
                raise RuntimeError(f"awards were answered {sorted(statuses)}")
        awarded = time.perf_counter() - begun
        asyncio.run(_signed(dsn, options.awards))
        signed = time.perf_counter() - begun
    print(f"{options.awards} awards in {awarded:.2f} s: {options.awards / awarded:,.0f} awards/s")
    print(f"{options.awards} credentials signed ({options.alg}) in {signed:.2f} s: {options.awards / signed:,.0f} signed/s")
    return 0


def _award(user: str, achievement: str) -> bytes:
    return _body("Award", recipient={"value": user}, achievement={"value": achievement})


if __name__ == "__main__":
    sys.exit(main())
