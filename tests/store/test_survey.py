"""What monitoring reads of the database: right numbers, by a role behind row-level security too, without reading resources."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from scimsrv import tokens
from scimsrv.store.clients import add_secret, create_client
from scimsrv.store.credentials import create_credential
from scimsrv.store.queries import load
from scimsrv.store.survey import OF_A_TENANT, Holding, survey
from scimsrv.store.tenants import create_tenant
from tests.postgres import as_application
from tests.store.support import core_catalog, put_rows, scope_on

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]


@pytest.mark.parametrize("walled", [False, True])
async def test_what_is_found(pool: Pool, database: str, walled: bool) -> None:
    """Numbers by type and users by whether they are active; of each tenant the credentials that end first, without those that have a
    successor; what waits, and for how long."""
    await pool.execute("TRUNCATE tenant, resource, resource_count, resource_key, change CASCADE")
    async with pool.acquire() as connection:
        tenant, other = [(await create_tenant(connection, slug)).id for slug in ("acme", "beta")]
        for number in range(OF_A_TENANT + 2):
            token = tokens.new_token()
            expires = datetime.now(UTC) + timedelta(days=50 - number)
            digest = tokens.digest(b"", token.text)
            await create_credential(connection, tenant, digest=digest, kid=token.kid, label=token.kid, scopes=(), expires=expires)
        await create_client(connection, other, id_="scc_x", label="x", scopes=(), types=None, networks=None, lifetime=60, jwks=None)
        replaced = tokens.new_token()
        digest, ending = tokens.digest(b"", replaced.text), datetime.now(UTC) + timedelta(days=1)
        await create_credential(connection, tenant, digest=digest, kid=replaced.kid, label=token.kid, scopes=(), expires=ending)
        await connection.execute("UPDATE credential SET created = created - interval '1 hour' WHERE kid = $1", replaced.kid)
        soon = datetime.now(UTC) + timedelta(days=5)
        await add_secret(connection, other, "scc_x", kid="abcdef", digest=b"x", expires=soon)
    scope = scope_on(pool, core_catalog(), tenant)
    users, groups = scope.catalog.by_name["User"], scope.catalog.by_name["Group"]
    await put_rows(scope, users, [{"id": f"u{n}", "userName": f"u{n}", "active": n > 2} for n in range(7)])
    await put_rows(scope, users, [{"id": "u", "userName": "u"}])
    await put_rows(scope, groups, [{"id": "g", "displayName": "Staff"}])
    await pool.execute("DELETE FROM tenant_index WHERE tenant = $1 AND attribute = 'active'", other)
    await put_rows(scope_on(pool, core_catalog(), other), users, [{"id": "v", "userName": "v"}])
    change = "INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes) VALUES ($1, now() - interval '70 seconds', "
    await pool.execute(change + "'', 'create', 'User', 'u', 1, '{}')", other)
    job = "INSERT INTO request_job (tenant, txn, actor, created, operations, request) VALUES ($1, 't', '', now() - interval '9 s', 1, '')"
    await pool.execute(job, tenant)
    found = await survey(as_application(database) if walled else database, isolated=walled)
    assert sorted(found.slugs) == ["acme", "beta"]
    expected = [Holding("acme", "Group", 1, 0), Holding("acme", "User", 8, 3), Holding("beta", "User", 1, None)]
    assert sorted(found.holdings, key=lambda one: (one.slug, one.type)) == expected
    assert [slug for slug, *_ in found.endings] == ["beta", *["acme"] * OF_A_TENANT]
    assert found.endings[0][1] == "scc_x/abcdef"
    assert found.endings[0][2] == pytest.approx(soon.timestamp())
    assert found.sealed == pytest.approx(time.time(), abs=600)
    assert 70 <= found.unsealed < 600
    assert (found.waiting, 9 <= found.waited < 600, found.unsigned) == (1, True, 0)


async def test_no_resource_is_read(pool: Pool) -> None:
    """However many there are, counters and the keys of inactive users are all that is looked at."""
    statement = load("survey")["resources"].replace("$1", "1")
    plan = "\n".join(row[0] for row in await pool.fetch("EXPLAIN " + statement))
    read = {name.removesuffix("_pkey") for name in re.findall(r" (?:on|using) ([a-z_]+)", plan)}
    assert {"resource_count", "resource_key"} < read
    assert "resource" not in read
