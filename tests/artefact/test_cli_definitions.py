"""`scimsrv schema`, `type`, `job` and `removed` with real processes, on a database and through the admin API alike."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from scimsrv.embedded import running
from scimsrv.store.rework import rework
from tests.processes import run, serving

_URN = "urn:example:params:scim:schemas:core:1.0:Device"
_SCHEMA = {"id": _URN, "name": "Device", "attributes": [{"name": "serial"}, {"name": "model"}]}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Yield a folder with a short path to work in; a Postgres left in it is stopped."""
    made = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    yield made
    left = running(made / ".scimsrv" / "postgres")
    if left is not None:
        left.stop()
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def ways(folder: Path) -> Iterator[dict[str, dict[str, str]]]:
    """Yield the settings of both ways to reach a running server's tenants."""
    with serving(cwd=folder) as served:
        token = run("admin", "token", "create", "--label", "test", cwd=folder).stdout.strip()
        yield {"database": {}, "api": {"SCIMSRV_ADMIN_URL": served.announced["admin_url"], "SCIMSRV_ADMIN_TOKEN": token}}


@pytest.mark.parametrize("way", ["database", "api"])
def test_a_type_from_beginning_to_end(ways: dict[str, dict[str, str]], folder: Path, way: str) -> None:
    """Defined from files, tried, changed, carried out, put back and deleted."""
    slug = f"shapes-{way}"

    def do(*arguments: str, exit_code: int = 0) -> Any:
        done = run(*arguments, cwd=folder, **ways[way])
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done

    do("tenant", "create", slug)
    file = folder / "schema.json"
    file.write_text(json.dumps(_SCHEMA))
    assert json.loads(do("schema", "create", slug, str(file), "--json").stdout)["version"] == 1
    assert _URN in do("schema", "list", slug).stdout
    shown = json.loads(do("schema", "show", slug, _URN).stdout)
    assert [one["name"] for one in shown["attributes"]] == ["serial", "model"]
    (folder / "type.json").write_text(json.dumps({"name": "Device", "endpoint": "/Devices", "schema": _URN}))
    do("type", "create", slug, str(folder / "type.json"))
    assert "/Devices" in do("type", "list", slug).stdout
    asyncio.run(_fill(folder, slug))
    file.write_text(json.dumps(_SCHEMA | {"attributes": [{"name": "serial", "required": True}]}))
    tried = do("schema", "replace", slug, _URN, str(file), "--dry-run", exit_code=1)
    assert "is required" in tried.stdout
    assert "serial is required; one resource does not fit" in do("schema", "replace", slug, _URN, str(file), exit_code=1).stderr
    file.write_text(json.dumps(_SCHEMA | {"attributes": [{"name": "serial"}]}))
    assert "half a minute" in do("schema", "replace", slug, _URN, str(file)).stderr
    assert "waiting" in do("job", "list", slug).stdout
    assert "has not failed" in do("job", "retry", slug, "1", exit_code=1).stderr
    asyncio.run(_work(folder, slug))
    assert "done" in do("job", "list", slug).stdout
    assert "model" in do("removed", "list", slug).stdout
    assert "define it again" in do("removed", "restore", slug, "Device", "model", exit_code=1).stderr
    assert do("removed", "purge", slug, "Device", "model").stdout.strip() == "2"
    asyncio.run(_work(folder, slug))
    assert json.loads(do("removed", "list", slug, "--json").stdout) == {"removed": []}
    assert "has resources" in do("type", "delete", slug, "Device", exit_code=1).stderr
    assert "cannot be a name" in _refused(do, slug, folder)


def _refused(do: Any, slug: str, folder: Path) -> str:
    """What is said of a schema with a fault."""
    (folder / "bad.json").write_text(json.dumps({"id": "urn:example:bad", "name": "Bad", "attributes": [{"name": "1"}]}))
    said: str = do("schema", "create", slug, str(folder / "bad.json"), exit_code=1).stderr
    return said


async def _connect(folder: Path, slug: str) -> tuple[Any, int]:
    cluster = running(folder / ".scimsrv" / "postgres")
    assert cluster is not None
    pool = await asyncpg.create_pool(cluster.dsn, min_size=1, max_size=2)
    return pool, await pool.fetchval("SELECT id FROM tenant WHERE slug = $1", slug)


async def _fill(folder: Path, slug: str) -> None:
    pool, tenant = await _connect(folder, slug)
    document = json.dumps({"schemas": [_URN], "id": "d-1", "model": "Pi"})
    await pool.execute(
        "INSERT INTO resource (tenant, id, type, created, modified, document, search)"
        " VALUES ($1, 'd-1', 'Device', now(), now(), $2, '{\"model\": \"pi\"}')",
        *(tenant, document),
    )
    await pool.close()


async def _work(folder: Path, slug: str) -> None:
    pool, tenant = await _connect(folder, slug)
    while await rework(pool, tenant, settled=0):
        pass
    await pool.close()
