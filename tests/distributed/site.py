"""Real servers on one database: started together, asked by clients that go round them, and reached from behind."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from scimsrv import tokens
from scimsrv.keys import TOKEN_PEPPER, ServerKeys
from scimsrv.settings import Settings
from scimsrv.store.credentials import create_credential
from scimsrv.store.tenants import create_tenant
from tests.processes import PROGRAM, Served, serving
from tests.wire.support import KEY, PUBLIC, Client

_NUMBERS: Final = itertools.count(1)


@dataclass(frozen=True)
class Site:
    """Running servers. `database` is the database's own URL, `settings` what a command is given, `folders` hold each server's log."""

    ports: tuple[int, ...]
    servers: tuple[Served, ...]
    folders: tuple[Path, ...]
    database: str
    settings: dict[str, str]

    async def tenant(self, http: httpx.AsyncClient, *more: str) -> tuple[Client, ...]:
        """Create a tenant; returns a client of it for each server, whose token may read, write, and what `more` scopes permit."""
        connection = await asyncpg.connect(self.database)
        try:
            made = await create_tenant(connection, f"t{next(_NUMBERS)}")
            token = tokens.new_token()
            pepper = ServerKeys.load(Settings(secret_key=KEY)).derive(TOKEN_PEPPER)
            await create_credential(
                connection,
                made.id,
                digest=tokens.digest(pepper, token.text),
                kid=token.kid,
                label="test",
                scopes=("scim:read", "scim:write", *more),
                expires=None,
            )
        finally:
            await connection.close()
        return tuple(_At(http, made.slug, made.id, token.text, f"http://127.0.0.1:{port}") for port in self.ports)

    async def execute(self, statement: str, *args: Any) -> None:
        """Run a statement behind the servers."""
        connection = await asyncpg.connect(self.database)
        try:
            await connection.execute(statement, *args)
        finally:
            await connection.close()

    def logged(self) -> str:
        """What the servers have complained of; that no index serves a search is no complaint."""
        lines = [json.loads(line) for folder in self.folders for line in (folder / "serve.log").read_text().splitlines()]
        complaints = [line for line in lines if line["level"] != "info" and not line["event"].startswith("no index serves ")]
        return "\n".join(json.dumps(line) for line in complaints)


@dataclass(frozen=True)
class _At(Client):
    """A client of one server."""

    server: str = ""

    @property
    def base(self) -> str:
        """The URL of the tenant on this server."""
        return f"{self.server}{super().base}"


@contextmanager
def running(
    url: str, database: str, folder: Path, *, workers: Sequence[int] = (1,), program: Sequence[str] = PROGRAM, **extra: str
) -> Iterator[Site]:
    """Run a server for each number of workers, on the database that `url` reaches, directly or not. `extra` are further settings."""
    settings = {
        "SCIMSRV_DATABASE_URL": url,
        "SCIMSRV_SECRET_KEY": KEY,
        "SCIMSRV_PUBLIC_URL": PUBLIC,
        "SCIMSRV_DRAIN_SECONDS": "1",
        # Tests ask as fast as they can, from one address.
        **dict.fromkeys(("SCIMSRV_TOKEN_RATE", "SCIMSRV_TENANT_RATE", "SCIMSRV_TOKEN_BURST", "SCIMSRV_BAD_TOKENS"), "1000000"),
    } | extra
    ports = tuple(_free_port() for _ in workers)
    folders = tuple(folder / str(port) for port in ports)
    with ExitStack() as ends:
        servers = []
        for number, port, place in zip(workers, ports, folders, strict=True):
            place.mkdir()
            arguments = ("--workers", str(number), "--port", str(port))
            servers.append(ends.enter_context(serving(*arguments, cwd=place, program=program, **settings)))
        yield Site(ports, tuple(servers), folders, database, settings)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


async def count_users(client: Client) -> int:
    """The number of users that a server tells."""
    found: int = (await client.get("/Users", count=0)).json()["totalResults"]
    return found


async def walk(clients: Iterator[Client], **query: Any) -> AsyncIterator[dict[str, Any]]:
    """Every page of a list of users by cursor, each asked of the next of the clients."""
    cursor: str | None = ""
    while cursor is not None:
        answer = await next(clients).get("/Users", **query, cursor=cursor)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        yield page
        cursor = page.get("nextCursor")
