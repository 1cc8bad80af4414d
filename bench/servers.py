"""Starts what is measured: an embedded Postgres, the server, the ceiling and the other SCIM server, each a process of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import asyncpg

from bench import ceiling
from bench.world import Target, World, fill
from scimsrv import tokens
from scimsrv.embedded import start_cluster
from scimsrv.keys import TOKEN_PEPPER, ServerKeys, new_key
from scimsrv.scopes import SCOPES
from scimsrv.settings import Settings
from scimsrv.store.credentials import create_credential
from scimsrv.store.migrate import migrate
from scimsrv.store.tenants import create_tenant

_ROOT: Final = Path(__file__).resolve().parent.parent
_SLUG: Final = "bench"
_START_SECONDS: Final = 30.0


@contextmanager
def servers(size: int, others: int, *, peer: bool) -> Iterator[World]:
    """Run the servers with their data for as long as the block lasts; the database keeps its durable settings."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="scimsrv-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        cluster = start_cluster(folder / "postgres")
        stack.callback(cluster.stop)
        key = new_key()
        tenant, token = asyncio.run(_prepare(cluster.dsn, key))
        ours = stack.enter_context(
            _process(
                ["-m", "scimsrv", "serve", "--port", "{port}"],
                {"SCIMSRV_DATABASE_URL": cluster.dsn, "SCIMSRV_SECRET_KEY": key, "SCIMSRV_DATA_DIR": str(folder)},
            )
        )
        bare = stack.enter_context(
            _process(["-m", "bench.ceiling", "{port}"], {ceiling.DATABASE: cluster.dsn, ceiling.TENANT: str(tenant)})
        )
        targets = [Target(ours, f"/scim/{_SLUG}/v2", token)]
        if peer:
            targets.append(Target(stack.enter_context(_process(["-m", "bench.peer", "{port}"], {})), "/v2", token))
        for target in targets:
            asyncio.run(fill(target, size, others))
        asyncio.run(_settle(cluster.dsn))
        yield World(size, targets[0], replace(targets[0], port=bare, base=""), targets[1] if peer else None)


async def _prepare(dsn: str, key: str) -> tuple[int, str]:
    """Migrate the database and make a tenant; returns its key and a token."""
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        tenant = await create_tenant(connection, _SLUG)
        token = tokens.new_token()
        pepper = ServerKeys.load(Settings(database_url=dsn, secret_key=key)).derive(TOKEN_PEPPER)
        digest = tokens.digest(pepper, token.text)
        await create_credential(connection, tenant.id, digest=digest, kid=token.kid, label="bench", scopes=SCOPES, expires=None)
        return tenant.id, token.text
    finally:
        await connection.close()


async def _settle(dsn: str) -> None:
    """Do at once what Postgres would do some time after a load, so that it does not happen in the middle of a round."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


@contextmanager
def _process(arguments: list[str], environment: dict[str, str]) -> Iterator[int]:
    """Run a Python program on a free port until the block ends; yields the port once it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, *(argument.replace("{port}", str(port)) for argument in arguments)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCIMSRV_")}
    child = subprocess.Popen(command, cwd=_ROOT, env=kept | environment, stdout=subprocess.DEVNULL)
    try:
        _await_port(port, child)
        yield port
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await_port(port: int, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{child.args!r} did not start")
