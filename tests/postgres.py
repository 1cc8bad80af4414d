"""Real Postgres servers for tests, and cheap fresh databases on them."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from scimsrv import assets
from scimsrv.embedded import USER, Cluster, start_cluster
from scimsrv.store.migrate import migrate
from scimsrv.store.queries import statements

# Tests end with their server, so only speed counts; what a crash leaves is tested with servers that keep the real settings.
_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "512MB", "shared_buffers": "64MB"}
_TEMPLATE = "migrated"

APPLICATION: Final = "scim_app"
"""The role behind row-level security: every migrated database has the wall, which superusers, such as the tests' own role, pass by."""

POSTGRES: Final = os.environ.get("SCIMSRV_TEST_POSTGRES", "embedded")
"""The server that tests run on, by name of its version; those of tests/store run on all that are found where none is named."""

ISOLATION: Final = os.environ.get("SCIMSRV_TEST_ISOLATION", "predicate")
"""What keeps tenants apart in tests that are not about it."""

POOLED: Final = os.environ.get("SCIMSRV_TEST_POOLER", "") == "pgbouncer"
"""Whether applications in the tests reach their database through PgBouncer."""


CITUS: Final = os.environ.get("SCIMSRV_TEST_DSN_CITUS", "")
"""The URL of an empty database on the coordinator of a Citus cluster, as the superuser `scimsrv`; tests run there where
SCIMSRV_TEST_POSTGRES is citus."""


def binaries(version: str) -> Path | None:
    """Return the folder of a Postgres by name: None (the wheel's) for "embedded", a system installation's for a major version."""
    return None if version == "embedded" else Path(f"/usr/lib/postgresql/{version}/bin")


def versions() -> list[str]:
    """Return the servers found here: the embedded one, and a system Postgres 15, the oldest that is supported."""
    if "SCIMSRV_TEST_POSTGRES" in os.environ:
        return [POSTGRES]
    old = binaries("15")
    return ["embedded", "15"] if old is not None and (old / "postgres").exists() else ["embedded"]


def with_database(dsn: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    head, _, options = dsn.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{options}"


def as_application(dsn: str) -> str:
    """Return the URL of the same database for the role behind row-level security."""
    return dsn.replace(f"//{USER}@", f"//{APPLICATION}@", 1)


@dataclass
class TestServer:
    """A running server with a migrated template from which databases are copied in milliseconds."""

    __test__ = False

    cluster: Cluster
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def create(self, *, migrated: bool = True) -> str:
        """Create a database, migrated or empty, and return its URL."""
        name = f"test_{next(self._numbers)}"
        asyncio.run(self._execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE if migrated else 'template0'}"))
        return with_database(self.cluster.dsn, name)

    def drop(self, dsn: str) -> None:
        """Drop a database that create() made, whoever is still connected to it."""
        name = dsn.partition("?")[0].rpartition("/")[2]
        asyncio.run(self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    async def prepare(self) -> None:
        """Make the template."""
        await self._execute(f"CREATE ROLE {APPLICATION} LOGIN")
        await self._execute(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
        await migrate(with_database(self.cluster.dsn, _TEMPLATE), application=APPLICATION)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.cluster.dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class CitusServer(TestServer):
    """A cluster that is there already: its one database is emptied, migrated and distributed for each module."""

    def create(self, *, migrated: bool = True) -> str:
        """Empty the database, and make and distribute its tables."""
        asyncio.run(self._make(migrated=migrated))
        return self.cluster.dsn

    def drop(self, dsn: str) -> None:
        """Nothing: the next one empties it."""

    async def prepare(self) -> None:
        """Make the role behind row-level security."""
        await self._execute(f"DROP ROLE IF EXISTS {APPLICATION}")
        await self._execute(f"CREATE ROLE {APPLICATION} LOGIN")

    async def _make(self, *, migrated: bool) -> None:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO PUBLIC"):
            await self._execute(statement)
        if migrated:
            await migrate(self.cluster.dsn, application=APPLICATION)
            await distribute(self.cluster.dsn)


async def until_blocked(pool: Any, task: asyncio.Task[Any] | None = None) -> None:
    """Wait until some session of the pool's database waits for a lock, or the task has ended."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(3_000):
        if (task is not None and task.done()) or await pool.fetchval(waiting):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no session waits for a lock")


async def distribute(dsn: str) -> None:
    """Run sql/distribute.sql, one statement per execute."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements(assets.text("sql/distribute.sql")):
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def test_server(version: str) -> Iterator[TestServer]:
    """Run a server of a version in a temporary folder for as long as the block lasts; "citus" is the cluster that is there."""
    if version == "citus":
        there = CitusServer(Cluster(CITUS, Path(), 0))
        asyncio.run(there.prepare())
        yield there
        return
    folder = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    folder.chmod(0o755)
    try:
        cluster = start_cluster(folder / f"pg-{os.getpid()}", binaries(version), _OPTIONS)
        try:
            server = TestServer(cluster)
            asyncio.run(server.prepare())
            yield server
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


test_server.__test__ = False  # type: ignore[attr-defined]
