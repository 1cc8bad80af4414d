"""Fixtures of the tests that look at running servers as an operator does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.distributed.site import Site, running


@pytest.fixture(scope="module")
def site(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a server with two processes for the data plane."""
    with running(database, database, tmp_path_factory.mktemp("server"), workers=(2,)) as made:
        yield made


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client whose every request has a connection of its own, so that all processes meet some."""
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_keepalive_connections=0)) as made:
        yield made
