"""Row-level security: on every tenant's table, for a role that cannot get round it, also where a statement has lost its predicate."""

from __future__ import annotations

import asyncio
import datetime
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import pytest

from scimsrv.app import App
from scimsrv.keys import new_key
from scimsrv.settings import Settings
from scimsrv.store import isolation, migrate
from scimsrv.store.bound import Bound, begin_of
from scimsrv.store.connection import DatabaseError
from scimsrv.store.pool import Pool as ProgramPool
from scimsrv.store.pool import open_pool
from scimsrv.store.queries import all_files, load
from scimsrv.store.tenants import create_tenant
from tests.postgres import APPLICATION, as_application
from tests.recorder import EXCEPTIONS
from tests.statements import TENANT_TABLES
from tests.store.support import Walled, core_catalog, put_links, put_rows, scope_on
from tests.store.test_statements import _ABOUT_THE_DATABASE, _texts

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

#: A statement's binding to its tenant, in the forms that tests/statements.py accepts.
_BINDING = re.compile(r"\b(\w+\.)?(tenant|id) = (\$1|\w+\.tenant)(?![\w.])")

#: Tables that are no tenant's: bookkeeping of the schema, and what is administrators'.
_NOBODYS = {"schema_migration", "schema_state", "migration_lock", "admin_credential", "admin_change"}


@pytest.fixture
async def walled(database: str) -> AsyncIterator[ProgramPool]:
    """Yield the program's own pool on the module's database, as the role behind the wall."""
    opened = await open_pool(as_application(database), size=2, statement_cache=10, isolated=True)
    yield opened
    await opened.close()


@pytest.fixture
async def two(pool: Pool) -> tuple[int, int]:
    """Return the keys of two tenants that both have rows in the tables of resources."""
    made = []
    async with pool.acquire() as connection:
        for slug in ("mine", "theirs"):
            found = await connection.fetchval("SELECT id FROM tenant WHERE slug = $1", slug)
            made.append(found or (await create_tenant(connection, slug)).id)
            if found is None:
                scope = scope_on(pool, core_catalog(), made[-1])
                users, groups = scope.catalog.by_name["User"], scope.catalog.by_name["Group"]
                await put_rows(scope, users, [{"id": f"{slug}@{n}", "userName": f"u{n}", "displayName": "Ada"} for n in range(3)])
                await put_rows(scope, groups, [{"id": f"{slug}@g", "displayName": "Staff"}])
                await put_links(scope, [(f"{slug}@g", f"{slug}@0")])
    return made[0], made[1]


# -- the wall ------------------------------------------------------------------------------------------------------


async def test_every_table_is_a_tenants_or_known_to_be_nobodys(pool: Pool) -> None:
    """A new table has the column `tenant`, is in the list that the check of statements goes by, and stands behind the wall."""
    tables = {
        row[0]
        for row in await pool.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')")
    }
    assert tables - _NOBODYS == TENANT_TABLES.keys()
    walled = """
        SELECT relname FROM pg_class c WHERE relrowsecurity AND relforcerowsecurity
        AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND polname = 'tenant_rows' AND polcmd = '*' AND polroles = '{0}')"""
    assert {row[0] for row in await pool.fetch(walled)} == TENANT_TABLES.keys()


async def test_policies_are_these_and_no_others(pool: Pool) -> None:
    """A tenant's rows for everybody, everything for the owner, and for reading the few tables that are looked through."""
    looked = {"credential", "tenant", "tenant_config", "tenant_index", "tenant_job", "erasure", "request_job", "first_answer", "rate"}
    looked |= {
        "tombstone",
        "audit_chain",
        "change",
        "oauth_client",
        "oauth_secret",
        "trust",
        "badge_key",
        "badge_credential",
        "activity_head",
    }
    rows = await pool.fetch("SELECT tablename, policyname, cmd, roles::text[] AS roles FROM pg_policies")
    owner = await pool.fetchval("SELECT current_user::text")
    expected = {(table, "tenant_rows", "ALL", ("public",)) for table in TENANT_TABLES}
    expected |= {(table, "owner_rows", "ALL", (owner,)) for table in TENANT_TABLES}
    expected |= {(table, "across", "SELECT", ("public",)) for table in looked}
    assert {(row["tablename"], row["policyname"], row["cmd"], tuple(row["roles"])) for row in rows} == expected


async def test_the_role_of_requests_cannot_get_round_it(walled: ProgramPool, database: str) -> None:
    """Neither owner nor superuser nor with BYPASSRLS nor a member of such a role; it cannot make objects, and no policy changes for it."""
    wall = await isolation.inspect(walled)
    assert (wall.role, wall.gap, set(wall.walled)) == (APPLICATION, None, set(TENANT_TABLES))
    connection = await asyncpg.connect(as_application(database))
    try:
        for forbidden in (
            "ALTER TABLE resource DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE resource NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY tenant_rows ON resource",
            "CREATE POLICY more ON resource USING (true)",
            "TRUNCATE resource",
            "SELECT * FROM admin_credential",
            "DELETE FROM change",
            "UPDATE change SET actor = ''",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)
        await connection.execute("SET row_security = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.fetch("SELECT * FROM resource")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        (f"ALTER ROLE {APPLICATION} BYPASSRLS", "BYPASSRLS"),
        (f"ALTER ROLE {APPLICATION} SUPERUSER", "superuser"),
        (f"ALTER TABLE secret OWNER TO {APPLICATION}", "owns secret"),
        ("ALTER TABLE reference NO FORCE ROW LEVEL SECURITY", "not forced on reference"),
        ("ALTER TABLE unique_key DISABLE ROW LEVEL SECURITY", "not forced on unique_key"),
        ("DROP POLICY tenant_rows ON change", "not forced on change"),
        ("CREATE TABLE forgotten (tenant integer)", "not forced on forgotten"),
    ],
)
async def test_the_server_looks_before_it_serves(cluster: Any, spoilt: str, says: str) -> None:
    """With any gap in the wall no server starts, and it says which; mended, it starts."""
    dsn = await _fresh(cluster)
    settings = Settings(database_url=as_application(dsn), admin_database_url=dsn, isolation="rls", secret_key=new_key(), pool_size=2)
    owner = await asyncpg.connect(dsn)
    try:
        await owner.execute(spoilt)
        app = App(settings)
        with pytest.raises(DatabaseError, match=says):
            await app.open()
        if "TABLE" in spoilt and "OWNER" not in spoilt:
            await migrate.migrate(dsn, application=APPLICATION)
            await isolation.check_at(as_application(dsn), isolated=True)
    finally:
        await owner.execute(f"ALTER ROLE {APPLICATION} NOSUPERUSER NOBYPASSRLS")
        await owner.execute("ALTER TABLE secret OWNER TO CURRENT_USER")
        await owner.close()
    with pytest.raises(DatabaseError, match="serve with isolation = rls"):
        await isolation.check_at(as_application(dsn), isolated=False)
    await isolation.check_at(dsn, isolated=False)


async def _fresh(cluster: Any) -> str:
    dsn: str = await asyncio.to_thread(cluster.create)
    return dsn


async def test_it_is_put_up_once(database: str) -> None:
    """A second run finds nothing to do, so that no table is locked for it."""
    connection = await asyncpg.connect(database)
    try:
        assert await isolation.isolate(connection, APPLICATION) == 0
    finally:
        await connection.close()


@pytest.mark.parametrize("policy", ["tenant_rows", "owner_rows", "across"])
async def test_a_policy_that_is_missing_is_put_up(cluster: Any, policy: str) -> None:
    """Each of them, on a table that has the others: a version before this one may not have looked across the tenants of a table."""
    dsn = await _fresh(cluster)
    connection = await asyncpg.connect(dsn)
    listed = "SELECT tablename, policyname, roles, cmd, qual FROM pg_policies ORDER BY 1, 2"
    try:
        await migrate.migrate(dsn, application=APPLICATION)
        before = await connection.fetch(listed)
        await connection.execute(f"DROP POLICY {policy} ON change")
        assert len(await connection.fetch(listed)) == len(before) - 1
        await isolation.isolate(connection, APPLICATION)
        assert await connection.fetch(listed) == before
        assert await isolation.isolate(connection, APPLICATION) == 0
    finally:
        await connection.close()


# -- what it keeps apart -------------------------------------------------------------------------------------------


async def test_without_a_tenant_there_are_no_rows(walled: ProgramPool, two: tuple[int, int]) -> None:
    """A statement that is nobody's work sees nothing and writes nothing, on a fresh connection and on one that served a tenant."""
    for _ in range(2):
        for table in TENANT_TABLES:
            assert await walled.fetch(f"SELECT * FROM {table}") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await walled.execute("INSERT INTO unusual_reference (tenant) VALUES ($1)", two[0])
        assert await walled.of(two[0]).fetch("SELECT * FROM resource WHERE tenant = $1", two[0])


async def test_another_tenants_rows_can_be_neither_read_nor_written(walled: ProgramPool, two: tuple[int, int]) -> None:
    """As one tenant, the rows of another do not exist, and none can be made or made over."""
    mine, other = two
    own = walled.of(mine)
    for table, column in TENANT_TABLES.items():
        assert {row[0] for row in await own.fetch(f"SELECT {column} FROM {table}")} <= {mine}
        if table in ("change", "change_seal"):  # the trail is written, and nothing else, whoever's it is
            for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await own.execute(f"{statement} WHERE {column} = $1", mine)
        else:
            assert await own.execute(f"UPDATE {table} SET {column} = {column} WHERE {column} = $1", other) == "UPDATE 0"
            assert await own.execute(f"DELETE FROM {table} WHERE {column} = $1", other) == "DELETE 0"
    for statement in ("INSERT INTO unusual_reference (tenant) VALUES ($1)", "UPDATE reference SET tenant = $1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await own.execute(statement, other)


async def test_what_looks_across_tenants_only_reads(walled: ProgramPool, pool: Pool, two: tuple[int, int]) -> None:
    """The statements that have to look beyond one tenant find what they found without the wall; across tenants nothing is written, and
    resources are not seen."""
    across = walled.across()
    await pool.execute("INSERT INTO erasure (tenant, id, at) VALUES ($1, 'x', now()), ($2, 'x', now()) ON CONFLICT DO NOTHING", *two)
    await pool.execute("INSERT INTO activity_head (tenant, last) VALUES ($1, 0), ($2, 0) ON CONFLICT DO NOTHING", *two)
    for file, name, *arguments in (
        ("identity", "credential", b"none"),
        ("indexes", "with_work"),
        ("jobs", "with_work"),
        ("requests", "with_jobs"),
        ("requests", "with_old", 1.0),
        ("tombstones", "with_old"),
        ("expiry", "tenants", [30, 7, 1]),
        ("identity", "client", "mine", "nobody"),
        ("identity", "client_by_secret", "mine", "nobody", [b"none"]),
        ("identity", "trusts", "mine", None, None),
        ("identity", "basic", "mine"),
        ("audit", "without_chain"),
        ("audit", "with_unsealed"),
        ("audit", "with_retention"),
        ("tenants", "keys_of", ["mine", "theirs", "nobody"]),
        ("trusts", "fetched", 10),
        ("survey", "tenants"),
        ("survey", "endings", 10, 100),
        ("survey", "unsigned"),
        ("activity", "settings", ["mine", "theirs", "nobody"], 1_000, 7),
        ("activity", "with_log", 1_000, 7),
    ):
        found = [sorted(map(tuple, await one.fetch(load(file)[name], *arguments))) for one in (across, pool)]
        assert found[0] == found[1], name
    assert {row["tenant"] for row in await across.fetch(load("indexes")["with_work"])} >= set(two)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await across.execute("DELETE FROM erasure")
    for table in ("resource", "reference", "unique_key", "resource_key", "secret", "removed_value", "request_result", "award"):
        assert await across.fetch(f"SELECT * FROM {table}") == []


def test_every_exception_is_run_across_or_by_the_owner() -> None:
    """Nothing looks beyond one tenant that the test above or that of the survey does not run, but administration, which is the owner's."""
    assert {(file, name) for file, names in EXCEPTIONS.items() for name in names} == {
        *(("identity", "credential"), ("indexes", "with_work"), ("jobs", "with_work"), ("tenants", "keys_of"), ("tombstones", "with_old")),
        *(("requests", "with_jobs"), ("requests", "with_old"), ("expiry", "tenants")),
        *(("identity", "client"), ("identity", "client_by_secret"), ("identity", "trusts"), ("identity", "basic")),
        *(("audit", "without_chain"), ("audit", "with_unsealed"), ("audit", "with_retention")),
        *(("activity", "settings"), ("activity", "with_log"), ("trusts", "fetched")),
        *(("credentialing", "tenant_of"), ("credentialing", "all_keys"), ("credentialing", "with_unsigned")),
        *(("tenants", "create"), ("tenants", "list_all"), ("tenants", "find")),
        *(("survey", "tenants"), ("survey", "endings"), ("survey", "unsigned"), ("survey", "audit"), ("survey", "waiting")),
    }


_STRIPPED = [
    (file, name)
    for file in all_files()
    if file not in _ABOUT_THE_DATABASE
    for name in load(file)
    if name not in EXCEPTIONS.get(file, {}) and _BINDING.search(load(file)[name])
]


@pytest.mark.parametrize(("file", "name"), _STRIPPED)
async def test_a_named_statement_without_its_predicates_touches_nothing_foreign(
    pool: Pool, two: tuple[int, int], file: str, name: str
) -> None:
    """Take the tenant's predicates out of any statement: as one tenant it still changes no row of the other, and returns none."""
    mine, other = two
    stripped = _BINDING.sub("($1::integer IS NOT NULL)", load(file)[name])
    before = await _rows_of(pool, other)
    async with pool.acquire() as connection:
        bound = Bound(connection, f"{begin_of(mine)}; SET LOCAL ROLE {APPLICATION}")
        try:
            async with bound.transaction():
                prepared = await connection.prepare(stripped)
                arguments = [_anything(kind.name) for kind in prepared.get_parameters()[1:]]
                rows = await prepared.fetch(mine, *arguments)
                assert "theirs@" not in str(rows)
                raise _Undone
        except (_Undone, asyncpg.PostgresError):  # values that no statement expects may be refused by it
            pass
    assert await _rows_of(pool, other) == before


class _Undone(Exception):  # noqa: N818
    """Undoes a transaction."""


_VALUES: Final[dict[str, Any]] = {
    **dict.fromkeys(("int4", "int8", "int2"), 1),
    "text": "User",
    "float8": 1.0,
    "bool": True,
    "bytea": b"x",
    "jsonb": "{}",
    "json": "{}",
    "timestamptz": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
    "interval": datetime.timedelta(seconds=1),
}


def _anything(kind: str) -> Any:
    """A value of the type."""
    return [] if kind.endswith("[]") else _VALUES[kind]


async def _rows_of(pool: Pool, tenant: int) -> dict[str, list[str]]:
    return {
        table: [row[0] for row in await pool.fetch(f"SELECT t::text FROM {table} t WHERE {column} = $1 ORDER BY 1", tenant)]
        for table, column in TENANT_TABLES.items()
    }


async def test_a_composed_statement_without_its_predicates_returns_nothing_foreign(
    pool: Pool, two: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters, sorts and pages of every kind with their predicates taken out return rows of the one tenant only, and return some; as a
    role that passes the wall by they return the other's."""
    mine, _ = two
    monkeypatch.setattr(Walled, "wanted", True)
    scope = scope_on(pool, core_catalog(), mine)
    distinct = dict(_texts(scope))
    own, foreign = 0, 0
    for text, arguments in distinct.items():
        stripped = _BINDING.sub("($1::integer IS NOT NULL)", text)
        assert stripped != text
        shown = str(await scope.pool.fetch(stripped, *arguments))
        assert "theirs@" not in shown, text
        own += "mine@" in shown
        foreign += "theirs@" in str(await pool.fetch(stripped, *arguments))
    assert own > 20
    assert foreign > 20
