"""`scimsrv index` with real processes: an index is added, built by a server's background work, shown, and removed."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from scimsrv.schema.indexing import STANDARD
from scimsrv.store import background
from scimsrv.store.tenants import create_tenant
from tests.postgres import TestServer
from tests.processes import run

_KEY = "1:" + "A" * 43
_DEPARTMENT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"


@pytest.fixture
def given(cluster: TestServer, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Yield what every command of a test is given: a folder, and the settings of a database with the tenant acme and two users."""
    dsn = cluster.create()
    made: dict[str, Any] = {"cwd": tmp_path, "SCIMSRV_DATABASE_URL": dsn, "SCIMSRV_SECRET_KEY": _KEY}
    asyncio.run(_fill(dsn))
    yield made
    cluster.drop(dsn)


async def _fill(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await create_tenant(connection, "acme")
    await connection.execute(
        "INSERT INTO resource (tenant, id, type, created, modified, document, search)"
        " SELECT t.id, 'u-' || n, 'User', now(), now(), '{}', '{\"title\": \"lead\"}' FROM tenant t, generate_series(1, 2) n"
    )
    await connection.execute("INSERT INTO resource_count SELECT id, 'User', 0, 2 FROM tenant")
    await connection.close()


async def _number(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    found: int = await connection.fetchval("SELECT count(*) FROM tenant_index")
    await connection.close()
    return found


async def _work(dsn: str, *, batch: int, steps: int) -> None:
    """So many steps of what a server does in the background, without the wait before the first."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        tenant = await pool.fetchval("SELECT id FROM tenant")
        for _ in range(steps):
            await background.index(pool, tenant, settled=0, batch=batch)


def _title(given: dict[str, Any]) -> dict[str, Any] | None:
    """The index of title as `index list` tells it; None when there is none."""
    listed = json.loads(run("index", "list", "acme", "--json", **given).stdout)["indexes"]
    return next((one for one in listed if one["attribute"] == "title"), None)


def test_life_of_an_index(given: dict[str, Any]) -> None:
    """Added it is being built, the progress is told, then it is ready; removed it retires, and is gone when its rows are."""
    added = run("index", "add", "acme", "User", "TITLE", "--substring", **given)
    assert (added.returncode, added.stdout) == (0, "building\n")
    assert "User title" in added.stderr
    assert "(2 resources)" in added.stderr
    assert "scimsrv index list acme" in added.stderr
    first = _title(given)
    assert first is not None
    assert (first["type"], first["substring"], first["state"], first["done"], first["resources"]) == ("User", True, "building", 0, 2)
    again = run("index", "add", "acme", "User", "title", **given)
    assert (again.returncode, again.stdout) == (1, "")
    assert "User title is indexed already (state building)." in again.stderr
    asyncio.run(_work(given["SCIMSRV_DATABASE_URL"], batch=1, steps=1))
    shown = run("index", "list", "acme", **given).stdout.splitlines()
    assert shown[0].split() == ["TYPE", "ATTRIBUTE", "SUBSTRING", "STATE", "DONE", "SINCE"]
    assert next(line.split()[:7] for line in shown if "title" in line) == ["User", "title", "yes", "building", "1", "of", "2"]
    asyncio.run(_work(given["SCIMSRV_DATABASE_URL"], batch=1, steps=2))
    ready = _title(given)
    assert ready is not None
    assert (ready["state"], ready["done"]) == ("ready", 2)
    removed = run("index", "remove", "acme", "User", "title", "--json", **given)
    assert json.loads(removed.stdout)["index"]["state"] == "retiring"
    assert "in the background" in removed.stderr
    assert "being removed already" in run("index", "remove", "acme", "User", "title", **given).stderr
    asyncio.run(_work(given["SCIMSRV_DATABASE_URL"], batch=10, steps=4))
    assert _title(given) is None


def test_names_of_a_new_tenant(given: dict[str, Any]) -> None:
    """Attributes are shown as the schema spells them; one of a type without resources that nobody can create yet is ready at once."""
    assert run("tenant", "create", "empty", **given).returncode == 0
    assert run("index", "add", "empty", "User", _DEPARTMENT.lower(), **given).stdout == "ready\n"
    listed = json.loads(run("index", "list", "empty", "--json", **given).stdout)["indexes"]
    assert {one["attribute"] for one in listed} >= {"userName", "name.familyName", "meta.lastModified", _DEPARTMENT}
    assert {one["state"] for one in listed} == {"ready"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add", "nobody", "User", "title"], 1, "There is no tenant 'nobody'"),
        (["list", "nobody"], 1, "There is no tenant 'nobody'"),
        (["add", "acme", "Robot", "title"], 1, "There is no resource type 'Robot'; there are "),
        (["add", "acme", "User", "hat"], 1, "User has no attribute 'hat'."),
        (["add", "acme", "User", "name"], 1, "name is complex: name one of its sub-attributes."),
        (["add", "acme", "User", "password"], 1, "password is never returned"),
        (["add", "acme", "Group", "members"], 1, "always indexed"),
        (["add", "acme", "User", "id"], 1, "id cannot be indexed."),
        (["add", "acme", "User", "active", "--substring"], 1, "active is no text"),
        (["add", "acme", "User", "userName"], 1, "indexed already (state ready)"),
        (["remove", "acme", "User", "title"], 1, "User title is not indexed."),
        (["add", "acme", "User"], 2, "attribute"),
        ([], 2, "COMMAND"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_mistakes(given: dict[str, Any], arguments: list[str], code: int, message: str) -> None:
    """What cannot be indexed is refused with a sentence that says why, and nothing is changed."""
    done = run("index", *arguments, **given)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert asyncio.run(_number(given["SCIMSRV_DATABASE_URL"])) == len(STANDARD)
