"""Starts what is measured: an embedded Postgres, the server, the ceiling and the other SCIM server, each a process of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import asyncpg

from bench import ceiling
from bench.processes import UNHURRIED, running
from bench.world import Target, World, fill
from scimsrv import tokens
from scimsrv.embedded import Cluster, start_cluster
from scimsrv.keys import SECRET_PEPPER, TOKEN_PEPPER, ServerKeys, new_key
from scimsrv.scopes import SCOPES
from scimsrv.settings import Settings
from scimsrv.store.clients import add_secret, create_client
from scimsrv.store.connection import Connection
from scimsrv.store.credentials import create_credential
from scimsrv.store.migrate import migrate
from scimsrv.store.tenants import create_tenant

_SLUG: Final = "bench"
_WIDE: Final = "wide"
_BADGES: Final = "badges"


@contextmanager
def database() -> Iterator[tuple[Path, Cluster]]:
    """An embedded Postgres with its durable settings, in a folder of its own, for as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="scimsrv-bench-"))
    try:
        folder.chmod(0o755)
        cluster = start_cluster(folder / "postgres")
        try:
            yield folder, cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def servers(size: int, others: int, *, peer: bool) -> Iterator[World]:
    """Run the servers with their data for as long as the block lasts; the database keeps its durable settings."""
    with ExitStack() as stack:
        folder, cluster = stack.enter_context(database())
        key = new_key()
        (tenant, token), (_, wide), (_, badges) = asyncio.run(_prepare(cluster.dsn, key))
        client = asyncio.run(_give_client(cluster.dsn, tenant, key))
        ours = stack.enter_context(
            running(
                ["-m", "scimsrv", "serve", "--no-admin", "--no-metrics", "--port", "{port}"],
                {"SCIMSRV_DATABASE_URL": cluster.dsn, "SCIMSRV_SECRET_KEY": key, "SCIMSRV_DATA_DIR": str(folder)} | UNHURRIED,
            )
        ).port
        bare = stack.enter_context(
            running(["-m", "bench.ceiling", "{port}"], {ceiling.DATABASE: cluster.dsn, ceiling.TENANT: str(tenant)})
        ).port
        targets = [Target(ours, f"/scim/{_SLUG}/v2", token)]
        if peer:
            targets.append(Target(stack.enter_context(running(["-m", "bench.peer", "{port}"], {})).port, "/v2", token))
        for target in targets:
            asyncio.run(fill(target, size, others))
        asyncio.run(_settle(cluster.dsn))
        other, third = (Target(ours, f"/scim/{slug}/v2", of_tenant) for slug, of_tenant in ((_WIDE, wide), (_BADGES, badges)))
        by_jwt = replace(targets[0], token=_access_token(ours, *client))
        yield World(size, targets[0], other, third, replace(targets[0], port=bare, base=""), by_jwt, targets[1] if peer else None)


async def _prepare(dsn: str, key: str) -> list[tuple[int, str]]:
    """Migrate the database and make three tenants, the last with badges; returns the key and a token of each."""
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        tenants = [await create_tenant(connection, slug, switches={"badges": slug == _BADGES}) for slug in (_SLUG, _WIDE, _BADGES)]
        return [(tenant.id, await give_token(connection, tenant.id, key)) for tenant in tenants]
    finally:
        await connection.close()


async def give_token(connection: Connection, tenant: int, key: str) -> str:
    """Make a token of the tenant, for a server that runs with this secret key."""
    token = tokens.new_token()
    digest = tokens.digest(ServerKeys.load(Settings(secret_key=key)).derive(TOKEN_PEPPER), token.text)
    await create_credential(connection, tenant, digest=digest, kid=token.kid, label="bench", scopes=SCOPES, expires=None)
    return token.text


async def _give_client(dsn: str, tenant: int, key: str) -> tuple[str, str]:
    """Make an OAuth client of the tenant; returns its id and secret."""
    id_, secret = tokens.new_id(tokens.CLIENT), tokens.new_token(tokens.SECRET)
    digest = tokens.digest(ServerKeys.load(Settings(secret_key=key)).derive(SECRET_PEPPER), secret.text)
    connection = await asyncpg.connect(dsn)
    try:
        what = {"label": "bench", "scopes": SCOPES, "types": None, "networks": None, "lifetime": 86_400, "jwks": None}
        await create_client(connection, tenant, id_=id_, **what)  # type: ignore[arg-type]
        await add_secret(connection, tenant, id_, kid=secret.kid, digest=digest, expires=None)
    finally:
        await connection.close()
    return id_, secret.text


def _access_token(port: int, client: str, secret: str) -> str:
    """A token of the tenant's endpoint for the client."""
    given = urlencode({"grant_type": "client_credentials", "client_id": client, "client_secret": secret}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/scim/{_SLUG}/oauth/token", given) as answer:
        token: str = json.load(answer)["access_token"]
    return token


async def _settle(dsn: str) -> None:
    """Do at once what Postgres would do some time after a load, so that it does not happen in the middle of a round."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
