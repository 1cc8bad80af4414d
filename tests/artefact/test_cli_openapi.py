"""`scimsrv openapi` with real processes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg

from scimsrv.store.tenants import create_tenant
from tests.postgres import TestServer
from tests.processes import run


def test_without_a_tenant(tmp_path: Path) -> None:
    """No database is needed for what a new tenant has."""
    done = run("openapi", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["openapi"].startswith("3.1.")
    assert document["servers"][0]["url"].endswith("/scim/TENANT/v2")
    assert {"/Users", "/Groups/{id}", "/Bulk"} <= document["paths"].keys()


def test_of_a_tenant(cluster: TestServer, tmp_path: Path) -> None:
    """The document of a tenant has what that tenant serves; a tenant that is not there is refused by name."""
    dsn = cluster.create()
    asyncio.run(_fill(dsn))
    given: dict[str, Any] = {"cwd": tmp_path, "SCIMSRV_DATABASE_URL": dsn, "SCIMSRV_PUBLIC_URL": "https://scim.example.com"}
    document = json.loads(run("openapi", "--tenant", "acme", **given).stdout)
    assert document["servers"] == [{"url": "https://scim.example.com/scim/acme/v2"}]
    assert "/Users" in document["paths"]
    assert not [path for path in document["paths"] if path.startswith("/Groups")]
    refused = run("openapi", "--tenant", "nobody", **given)
    assert refused.returncode == 1
    assert "nobody" in refused.stderr
    assert "Traceback" not in refused.stderr
    cluster.drop(dsn)


async def _fill(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await create_tenant(connection, "acme", preset="user-only")
    await connection.close()
