"""Fixtures of the tests over the wire: the application in this process, over a real Postgres, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from scimsrv.app import App
from scimsrv.settings import Settings
from tests.postgres import POOLED, as_application
from tests.wire.support import KEY, PUBLIC, Client, Server, Starter

if TYPE_CHECKING:
    import asyncpg


@pytest.fixture
def base_settings(database: str, reached: str, isolation: str) -> dict[str, Any]:
    """Return the settings by which a server serves the module's database, as the tests' matrix has it."""
    walled = {"isolation": "rls", "database_url": as_application(reached), "admin_database_url": database} if isolation == "rls" else {}
    pooled = {"statement_cache": 0} if POOLED else {}
    patient = {"bad_tokens": 1_000_000, "public_requests": 1_000_000}  # which tests try more of than anybody else
    return {"database_url": reached, "secret_key": KEY, "public_url": PUBLIC} | patient | pooled | walled


@pytest.fixture
def start(base_settings: dict[str, Any], pool: asyncpg.Pool[asyncpg.Record]) -> Starter:
    """Start a server with these settings, for as long as the block lasts."""

    @asynccontextmanager
    async def starter(**settings: Any) -> AsyncIterator[Server]:
        made = Settings(**base_settings | settings)
        app = App(made)
        await app.open()
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scim.test") as http:
                yield Server(http, pool, made, app)
        finally:
            await app.close()

    return starter


@pytest.fixture
async def server(start: Starter) -> AsyncIterator[Server]:
    """Yield a server with the default settings."""
    async with start() as made:
        yield made


@pytest.fixture
async def client(server: Server) -> Client:
    """Return a client of a fresh tenant with the standard policy, whose token has all rights."""
    return await server.tenant()
