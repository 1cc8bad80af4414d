"""The audit trail is append-only for a server whose role does not own its tables: sql/roles/audit.sql gives what it needs, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from scimsrv import assets
from scimsrv.errors import ScimError
from scimsrv.store import audit, seals
from scimsrv.store.queries import statements
from scimsrv.store.scope import Scope
from scimsrv.store.tenants import create_tenant
from tests.store.indexed import create, delete, patch
from tests.store.support import core_catalog, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

KEY = b"k" * 32

#: The roles in a test: those of other tests may be there.
APP, ADMIN = "trail_app", "trail_admin"
_TRAIL = ("change", "change_seal", "audit_chain")


def _as(dsn: str, role: str) -> str:
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{role}@{host}"))


@pytest.fixture
async def roles(database: str) -> AsyncIterator[None]:
    """Make both roles, with all rights on what is not the trail, for the length of a test."""
    owner = await asyncpg.connect(database)
    for role in (APP, ADMIN):
        await owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
        tables = [row[0] for row in await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        for table in tables:
            if table not in _TRAIL:
                await owner.execute(f"GRANT ALL ON {table} TO {role}")
    text = assets.text("sql/roles/audit.sql").replace("scim_app", APP).replace("scim_admin", ADMIN)
    for statement in statements(text):
        await owner.execute(statement)
    yield
    for role in (APP, ADMIN):
        await owner.execute(f"DROP OWNED BY {role}")
        await owner.execute(f"DROP ROLE {role}")
    await owner.close()


@pytest.fixture
async def scope(pool: Pool, roles: None, database: str) -> AsyncIterator[Scope]:
    """A fresh tenant, served by the role of the server."""
    async with pool.acquire() as connection:
        made = await create_tenant(connection, "appended")
        for role in (APP, ADMIN):  # where other tests have put up the wall between tenants, each has to say whose work it does
            await connection.execute(f"ALTER ROLE {role} SET scimsrv.tenant = '{made.id}'")
    async with asyncpg.create_pool(_as(database, APP), min_size=0, max_size=4) as served:
        yield scope_on(served, core_catalog(), made.id)
    await pool.execute("DELETE FROM tenant WHERE id = $1", made.id)


async def test_append_only(scope: Scope, database: str) -> None:
    """The server writes, seals, verifies and brings back; it can neither change nor remove what is in the trail; scim_admin erases."""
    ada = await create(scope, "User", {"userName": "ada"})
    await patch(scope, "User", ada, {"op": "replace", "path": "title", "value": "Dr"})
    await delete(scope, "User", ada)
    await audit.note_denial(scope.pool, scope.tenant, "", {"status": 401})
    assert await seals.seal(scope.pool, scope.tenant, KEY) is False
    async with scope.pool.acquire() as connection:
        found = await audit.verify(connection, scope.tenant, [KEY])
        assert (found.problems, found.rows) == ([], 4)
        for text in (
            "UPDATE change SET actor = 'x'",
            "UPDATE change SET content = NULL, salt = NULL",
            "DELETE FROM change",
            "TRUNCATE change",
            "UPDATE change_seal SET mac = hashes",
            "DELETE FROM change_seal",
            "DELETE FROM audit_chain",
            "ALTER TABLE change DROP COLUMN content",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(text)
        with pytest.raises((asyncpg.InsufficientPrivilegeError, ScimError)):
            await audit.erase(connection, scope.tenant, "x", ada, KEY)
    assert await audit.retentions(scope.pool) == {}
    admin = await asyncpg.connect(_as(database, ADMIN))
    try:
        assert await audit.erase(admin, scope.tenant, "dpo", ada, KEY) == 3
        found = await audit.verify(admin, scope.tenant, [KEY])
    finally:
        await admin.close()
    assert (found.problems, found.erased) == ([], 3)
