"""Fixtures that every kind of test shares: a Postgres for the run, a fresh database for a module, a pool for a test."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.postgres import TestServer, test_server, versions
from tests.recorder import faults, recording

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of tests/store on every Postgres found; all others on the embedded one."""
    if "cluster" in metafunc.fixturenames and "tests/store/" in metafunc.definition.nodeid:
        metafunc.parametrize("cluster", versions(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """Yield a running server for the whole run, by name of its version."""
    with test_server(getattr(request, "param", "embedded")) as server:
        yield server


@pytest.fixture(scope="module")
def database(cluster: TestServer) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database that the tests of a module share."""
    dsn = cluster.create()
    yield dsn
    cluster.drop(dsn)


@pytest.fixture
def empty_database(cluster: TestServer) -> Iterator[str]:
    """Yield the URL of a database without any table."""
    dsn = cluster.create(migrated=False)
    yield dsn
    cluster.drop(dsn)


@pytest.fixture
async def pool(database: str) -> "AsyncIterator[Pool]":
    """Yield a pool on the module's database."""
    async with asyncpg.create_pool(database, min_size=1, max_size=10) as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def statements_sent() -> Iterator[set[str]]:
    """Yield the distinct statements that the program has sent so far; at the end of the run they are checked."""
    with recording() as sent:
        yield sent
    wrong = {text: found for text in sorted(sent) if (found := faults(text))}
    assert not wrong, "\n\n".join(f"{', '.join(found)}:\n{text}" for text, found in wrong.items())
