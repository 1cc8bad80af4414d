"""Every test of the store, on a Citus cluster where one is given."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from scimsrv import assets
from tests.postgres import CITUS, POSTGRES, TestServer, distribute
from tests.routing import KNOWN

#: Tests about one Postgres server as such: its plans, its roles, its migrations from an empty database, a process of its own.
_ABOUT_ONE_SERVER: Final = (
    *("test_audit_roles", "test_citus", "test_embedded", "test_failure", "test_maintenance", "test_migrate", "test_migration_2"),
    *("test_plans", "test_plans_of_writes", "test_row_security"),
)

#: What Citus has, as far as sql/distribute.sql looks at it: the functions only note what they are called with.
_STAND_IN: Final = """
CREATE TABLE pg_dist_partition (logicalrelid regclass PRIMARY KEY, number serial, by text, beside text);
CREATE FUNCTION create_reference_table(t regclass) RETURNS void LANGUAGE sql AS 'INSERT INTO pg_dist_partition VALUES (t)';
CREATE FUNCTION create_distributed_table(t regclass, c text, colocate_with text DEFAULT NULL) RETURNS void LANGUAGE sql
    AS 'INSERT INTO pg_dist_partition VALUES (t, DEFAULT, c, colocate_with)';
"""


@pytest.fixture
def separate(cluster: TestServer) -> Iterator[str]:
    """Yield the URL of a migrated database that the test has for itself."""
    dsn = cluster.create()
    yield dsn
    cluster.drop(dsn)


async def test_distribution_runs_and_runs_again(separate: str) -> None:
    """Where the functions of Citus are there, the file calls them once for each table, in its order, however often it is run."""
    if POSTGRES == "citus":
        pytest.skip("Citus has functions of its own")
    connection = await asyncpg.connect(separate)
    try:
        for statement in re.split(r"(?<=;)\n", _STAND_IN.strip()):
            await connection.execute(statement)
        for _ in range(2):
            await distribute(separate)
        rows = await connection.fetch("SELECT logicalrelid::text AS name, by, beside FROM pg_dist_partition ORDER BY number")
    finally:
        await connection.close()
    assert [row["name"] for row in rows] == [*KNOWN.references, *KNOWN.distributed]
    assert {row["name"]: row["by"] for row in rows if row["by"]} == KNOWN.distributed
    assert {row["beside"] for row in rows} == {None, "resource"}


def test_the_store_on_citus() -> None:
    """The tests of the store pass on the cluster that SCIMSRV_TEST_DSN_CITUS names."""
    if not CITUS:
        pytest.skip("SCIMSRV_TEST_DSN_CITUS names no cluster")
    ignored = [f"--ignore=tests/store/{name}.py" for name in _ABOUT_ONE_SERVER]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ignored, *os.environ.get("CITUS_ARGS", "tests/store").split()],
        cwd=Path(str(assets.ROOT)), env=os.environ | {"SCIMSRV_TEST_POSTGRES": "citus"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0
