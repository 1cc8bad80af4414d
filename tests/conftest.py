"""Fixtures that every kind of test shares: a Postgres for the run, a fresh database for a module, a pool for a test."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg
import pytest

from tests.distributed.pooler import CONNECTIONS, PROGRAM, pooler, through
from tests.postgres import ISOLATION, POOLED, POSTGRES, TestServer, test_server, versions
from tests.processes import LEAKS
from tests.recorder import faults, recording
from tests.routing import astray

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_TESTS: Final = Path(__file__).parent


#: Files of tests/store whose tests run on every Postgres that is found: those about SQL that versions may see differently. `make
#: test-matrix` runs the others there, too.
_EVERYWHERE: Final = frozenset(
    {
        *("test_statements.py", "test_plans.py", "test_plans_of_writes.py", "test_filter_cases.py", "test_filter_property.py"),
        *("test_migrate.py", "test_races.py", "test_row_security.py", "test_audit_roles.py", "test_bulk_whole.py"),
    }
)

#: Connections that the matrix's pooler holds: more than one tenant's requests that are carried out later keep to themselves.
_POOLED: Final = 6

#: Files whose tests run with and without row-level security, whatever else is asked for.
_BOTH: Final = frozenset(
    {
        *("wire/test_isolation.py", "wire/test_tenancy_matrix.py", "wire/test_authentication.py", "wire/test_bulk.py"),
        *("wire/test_asynchronous.py", "wire/test_asynchronous_recovery.py", "store/test_races.py", "store/test_bulk_whole.py"),
    }
)


def pytest_configure() -> None:
    """Have the processes that tests start end by signals that the tests ignore, as in the background of a shell, or by nohup; and
    ask what listens on this machine directly, also where the environment names a proxy."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost", "::1")))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests about SQL on every Postgres found, all others on the embedded one; some with row-level security, too."""
    if "cluster" in metafunc.fixturenames and "tests/store/" in metafunc.definition.nodeid:
        found = versions() if metafunc.definition.path.name in _EVERYWHERE else [POSTGRES]
        metafunc.parametrize("cluster", found, indirect=True, scope="session")
    if "isolation" in metafunc.fixturenames and metafunc.definition.path.relative_to(_TESTS).as_posix() in _BOTH:
        metafunc.parametrize("isolation", ("predicate", "rls"), indirect=True)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """Yield a running server for the whole run, by name of its version."""
    with test_server(getattr(request, "param", POSTGRES)) as server:
        yield server


@pytest.fixture
def isolation(request: pytest.FixtureRequest) -> str:
    """Return what keeps tenants apart in the test: "predicate", or "rls"."""
    return str(getattr(request, "param", ISOLATION))


@pytest.fixture(scope="session")
def pooler_url(cluster: TestServer) -> Iterator[str]:
    """Yield the URL of the run's Postgres through a pooler; without PgBouncer the tests are skipped."""
    if PROGRAM is None:
        pytest.skip("PgBouncer is not installed")
    with pooler(cluster.cluster, _POOLED if POOLED else CONNECTIONS) as url:
        yield url


@pytest.fixture(scope="module")
def reached(request: pytest.FixtureRequest, database: str) -> str:
    """Return the URL by which applications reach the module's database: directly, or through PgBouncer where that is asked for."""
    return through(request.getfixturevalue("pooler_url"), database) if POOLED else database


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
def logs_are_clean() -> Iterator[None]:
    """No server that was started in the run has written a secret, or an address of a person, to its log."""
    yield
    assert not LEAKS, "\n".join(LEAKS[:10])


@pytest.fixture(scope="session", autouse=True)
def statements_sent() -> Iterator[set[str]]:
    """Yield the distinct statements that the program has sent so far; at the end of the run they are checked."""
    with recording() as sent:
        yield sent
    wrong = {text: found for text in sorted(sent) if (found := faults(text) + astray(text))}
    assert not wrong, "\n\n".join(f"{', '.join(found)}:\n{text}" for text, found in wrong.items())
