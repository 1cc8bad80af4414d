"""Tenants in the database: seeded at creation, alone in their rows, gone without a trace."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.policy import PROFILES, parse_policy
from scimsrv.store import tenants
from scimsrv.store.connection import Connection

_ROWS = {
    "resource": "(tenant, id, type, created, modified, document, search) VALUES ($1, $2, 'User', now(), now(), '{}', '{}')",
    "unique_key": "(tenant, type, attribute, key, id) VALUES ($1, 'User', 'username', $2, $2)",
    "resource_key": "(tenant, attribute, key, id) VALUES ($1, 1, '=' || $2, $2)",
    "resource_count": "(tenant, type, slot, resources) VALUES ($1, 'User', substr($2, 2)::int, 1)",
    "naming": "(tenant, slot, changes) VALUES ($1, substr($2, 2)::int, 1)",
    "erasure": "(tenant, id, at) VALUES ($1, $2, now())",
    "reference": "(tenant, source, attribute, target) VALUES ($1, $2, 'members', $2)",
    "secret": "(tenant, id, attribute, hash) VALUES ($1, $2, 'password', '-')",
    "change": "(tenant, at, actor, operation, type, id, version, attributes) VALUES ($1, now(), '', 'create', 'User', $2, 1, '{}')",
}


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    """Yield a connection to a database without tenants."""
    made = await asyncpg.connect(database)
    await made.execute(
        "TRUNCATE tenant, resource, resource_key, resource_count, naming, erasure, unique_key, reference, secret, change CASCADE"
    )
    yield made
    await made.close()


async def _fill(connection: Connection, tenant: int, count: int) -> None:
    for table, row in _ROWS.items():
        await connection.executemany(f"INSERT INTO {table} {row}", [(tenant, f"r{number}") for number in range(count)])


async def test_creation_seeds_everything(connection: Connection) -> None:
    """A new tenant has its policy, every schema and resource type as shipped, and is active."""
    made = await tenants.create_tenant(connection, "acme", "okta")
    assert (made.slug, made.status, made.profile) == ("acme", "active", "okta")
    schemas = await connection.fetch("SELECT urn_key, definition FROM tenant_schema WHERE tenant = $1", made.id)
    definitions = load_definitions()
    assert {row["urn_key"]: json.loads(row["definition"]) for row in schemas} == {
        urn.lower(): schema for urn, schema in definitions.schemas.items()
    }
    types = await connection.fetch("SELECT name_key, definition FROM tenant_resource_type WHERE tenant = $1", made.id)
    assert {row["name_key"] for row in types} == {"user", "group"}
    assert [json.loads(row["definition"]) for row in sorted(types, key=lambda row: str(row["name_key"]), reverse=True)] == [
        *definitions.resource_types
    ]
    assert json.loads(await connection.fetchval("SELECT policy FROM tenant_config WHERE tenant = $1", made.id)) == {"profile": "okta"}


@pytest.mark.parametrize(
    ("slug", "profile", "message"),
    [
        ("acme", "standard", "already exists"),
        ("v2", "standard", "reserved"),
        ("A", "standard", "cannot be"),
        ("b", "odd", "profile must be one of"),
    ],
)
async def test_creation_is_refused(connection: Connection, slug: str, profile: str, message: str) -> None:
    """A taken, reserved or malformed slug and an unknown profile are refused, and leave nothing behind."""
    await tenants.create_tenant(connection, "acme")
    with pytest.raises(tenants.TenantError, match=message):
        await tenants.create_tenant(connection, slug, profile)
    assert [one.slug for one in await tenants.list_tenants(connection)] == ["acme"]


async def test_suspend_and_resume(connection: Connection) -> None:
    """Suspending and resuming change the status and raise the revision, so that caches notice."""
    first = await tenants.create_tenant(connection, "acme")
    suspended = await tenants.suspend_tenant(connection, "acme")
    resumed = await tenants.resume_tenant(connection, "acme")
    assert (suspended.status, resumed.status) == ("suspended", "active")
    assert first.revision < suspended.revision < resumed.revision


@pytest.mark.parametrize("call", [tenants.find_tenant, tenants.suspend_tenant, tenants.resume_tenant, tenants.delete_tenant])
async def test_unknown_tenant_is_named(connection: Connection, call: object) -> None:
    """Whatever is asked of a tenant that does not exist, the answer names it."""
    assert callable(call)
    with pytest.raises(tenants.TenantError, match="no tenant 'ghost'"):
        await call(connection, "ghost")


async def test_deletion_takes_all_rows_of_one_tenant_only(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting a tenant removes its rows from every table in batches, and none of another tenant's."""
    monkeypatch.setattr(tenants, "_BATCH", 7)
    gone, kept = await tenants.create_tenant(connection, "gone"), await tenants.create_tenant(connection, "kept")
    for tenant in (gone, kept):
        await _fill(connection, tenant.id, 20)
    assert await tenants.count_resources(connection, gone.id) == {"User": 20}
    assert await tenants.delete_tenant(connection, "gone") == 20
    owned = await connection.fetch(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant' AND table_schema = 'public'"
    )
    assert {row["table_name"] for row in owned} >= set(_ROWS)
    for row in owned:
        count = f"SELECT count(*) FROM {row['table_name']} WHERE tenant = $1"
        assert await connection.fetchval(count, gone.id) == 0, row["table_name"]
    for table in _ROWS:
        assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE tenant = $1", kept.id) == 20


async def test_every_table_is_emptied_or_follows(connection: Connection) -> None:
    """Each table with a tenant is either emptied by name or refers to the tenant with a cascade: none is forgotten."""
    owned = await connection.fetch(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant' AND table_schema = 'public'"
    )
    following = await connection.fetch(
        "SELECT conrelid::regclass::text AS name FROM pg_constraint"
        " WHERE contype = 'f' AND confrelid = 'tenant'::regclass AND confdeltype = 'c'"
    )
    assert {row["table_name"] for row in owned} == {*tenants.TABLES, *(row["name"] for row in following)}


async def test_a_tenant_can_differ_from_its_profile(connection: Connection) -> None:
    """Switches given on creation are kept beside the profile; an unknown one, or a value of another kind, creates nothing."""
    made = await tenants.create_tenant(connection, "differing", "entra", {"require_if_match": True})
    policy = await connection.fetchval("SELECT policy::text FROM tenant_config WHERE tenant = $1", made.id)
    assert parse_policy(json.loads(policy)) == replace(PROFILES["entra"], require_if_match=True)
    wrong: list[tuple[dict[str, object], str]] = [
        ({"require_ifmatch": True}, "did you mean require_if_match"),
        ({"patch_body": "often"}, "patch_body must be one of"),
        ({"strict_uris": "perhaps"}, "strict_uris must be true or false"),
    ]
    for switches, message in wrong:
        with pytest.raises(tenants.TenantError, match=message):
            await tenants.create_tenant(connection, "refused", "entra", switches)
    assert [one.slug for one in await tenants.list_tenants(connection)] == ["differing"]
