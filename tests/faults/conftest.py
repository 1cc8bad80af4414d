"""Fixtures of the experiments: a Postgres that may be killed, and a client with many connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from scimsrv.store.migrate import migrate
from tests.faults.machines import Machine, machine


@pytest.fixture(scope="session")
def postgres() -> Iterator[Machine]:
    """Yield a migrated Postgres with the settings that it has in use, which experiments may kill and leave running."""
    with machine() as made:
        asyncio.run(migrate(made.cluster.dsn))
        yield made


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client with many connections, whose patience is longer than any answer may take."""
    limits = httpx.Limits(max_connections=300, max_keepalive_connections=300)
    async with httpx.AsyncClient(timeout=30, limits=limits) as made:
        yield made
