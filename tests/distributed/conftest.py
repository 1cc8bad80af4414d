"""Fixtures of the tests with several real processes: a pooler, and two servers behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.distributed.pooler import through
from tests.distributed.site import Site, running


@pytest.fixture(scope="module")
def pooled(pooler_url: str, database: str) -> str:
    """Return the URL of the module's database through the pooler."""
    return through(pooler_url, database)


@pytest.fixture
def empty_pooled(pooler_url: str, empty_database: str) -> str:
    """Return the URL of a database without any table, through the pooler."""
    return through(pooler_url, empty_database)


@pytest.fixture(scope="module")
def site(pooled: str, database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield two running servers, one of them with two workers, on the module's database behind the pooler."""
    folder = tmp_path_factory.mktemp("servers")
    with running(pooled, database, folder, workers=(1, 2), SCIMSRV_STATEMENT_CACHE="0") as made:
        yield made


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client with many connections, which meets every worker of a server."""
    async with httpx.AsyncClient(timeout=30) as made:
        yield made
