"""Who may use the admin API: nobody without one of its own tokens, on no path; and its tokens open nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from scimsrv import tokens
from scimsrv.admin.routes import ROUTES
from scimsrv.keys import ADMIN_PEPPER, TOKEN_PEPPER, ServerKeys
from scimsrv.store.administrators import MOST, create_admin_credential, revoke_admin_credential
from scimsrv.store.credentials import CredentialError
from tests.wire.admin_support import Admin, admin_api, admin_token, assert_problem
from tests.wire.support import Server, assert_error

if TYPE_CHECKING:
    import asyncpg

_NAMES = {
    "tenant": "acme",
    "kid": "abcdef",
    "type": "User",
    "attribute": "title",
    "urn": "urn:x:y",
    "name": "User",
    "number": "1",
    "id": "x",
    "client": "c",
    "trust": "t",
    "issuer": "1",
    "thumbprint": "x",
}
_PATHS = [(route.method, route.path.format(**_NAMES)) for route in ROUTES]


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Admin]:
    """Yield an administrator beside the server of the tenants."""
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as made:
        yield made


@pytest.mark.parametrize(("method", "path"), [*_PATHS, ("GET", "/openapi.json"), ("GET", "/nothing"), ("GET", "/../../scim")])
async def test_nothing_without_a_token(admin: Admin, method: str, path: str) -> None:
    """Every route, the OpenAPI document and what does not exist answer 401 with a challenge, and say nothing else."""
    for answer in (await admin.with_token(None).ask(method, path), await admin.with_token("nonsense").ask(method, path)):
        assert_problem(answer, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="scimsrv admin"'
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), _PATHS)
async def test_no_token_of_a_tenant_works(server: Server, admin: Admin, method: str, path: str) -> None:
    """A live provisioning token with all rights is none here: neither as it is, nor with the prefix of an admin token."""
    client = await server.tenant()
    assert client.token is not None
    for token in (client.token, f"sca_{client.token.removeprefix('scs_')}"):
        assert_problem(await admin.with_token(token).ask(method, path), 401)


async def test_no_digest_of_the_other_table_works(server: Server, admin: Admin) -> None:
    """The tables and the keys are separate: a token whose digest is in the other table, under either key, opens nothing."""
    client = await server.tenant()
    keys = ServerKeys.load(server.settings)
    for label in (ADMIN_PEPPER, TOKEN_PEPPER):
        token = tokens.new_token(tokens.ADMIN)
        await server.pool.execute(
            "INSERT INTO credential (tenant, digest, kid, label, scopes) VALUES ($1, $2, $3, 'x', '{scim:read,admin:read}')",
            *(client.id, tokens.digest(keys.derive(label), token.text), token.kid),
        )
        assert_problem(await admin.with_token(token.text).ask("GET", "/tenants"), 401)
        assert_error(await client.with_token(token.text).get("/Users"), 401)
    other = tokens.new_token()
    async with server.pool.acquire() as connection:
        digest = tokens.digest(keys.derive(TOKEN_PEPPER), other.text)
        await create_admin_credential(connection, digest=digest, kid=other.kid, label="x", scopes=["scim:read"], expires=None)
    assert_error(await client.with_token(other.text).get("/Users"), 401)
    assert_problem(await admin.with_token(other.text).ask("GET", "/tenants"), 401)


async def test_no_admin_token_works_for_a_tenant(server: Server, admin: Admin) -> None:
    """An admin token is none on the data plane, and the admin paths do not exist there."""
    client = await server.tenant()
    assert admin.token is not None
    for path in ("/Users", "/Schemas", "/ServiceProviderConfig"):
        assert_error(await client.with_token(admin.token).get(path), 401)
        headers = {"Authorization": admin.token}  # as Okta's header authentication sends it
        assert_error(await client.with_token(None).request("GET", path, headers=headers), 401)
    answer = await server.http.get("/admin/v1/tenants", headers={"Authorization": f"Bearer {admin.token}"})
    assert_error(answer, 404)
    scim = await admin.http.get(f"{client.base}/Users", headers={"Authorization": f"Bearer {admin.token}"})
    assert_problem(scim, 404)


async def test_scopes(server: Server, admin: Admin) -> None:
    """A token that may only read changes nothing, and one that may only write reads nothing."""
    slug = await admin.tenant()
    reader = admin.with_token(await admin_token(server.pool, server.settings, ["admin:read"]))
    writer = admin.with_token(await admin_token(server.pool, server.settings, ["admin:write"]))
    assert (await reader.ask("GET", f"/tenants/{slug}")).status_code == 200
    assert (await writer.ask("POST", f"/tenants/{slug}/suspend")).status_code == 200
    for method, path in _PATHS:
        refused, needed = (writer, "admin:read") if method == "GET" else (reader, "admin:write")
        assert_problem(await refused.ask(method, path), 403, needed)
    assert_problem(await writer.ask("GET", "/openapi.json"), 403)


async def test_tokens_end(server: Server, admin: Admin) -> None:
    """An expired token is none, and a revoked one ends with the request before."""
    expired = await admin_token(server.pool, server.settings, expires=datetime.now(UTC) - timedelta(seconds=1))
    assert_problem(await admin.with_token(expired).ask("GET", "/tenants"), 401)
    assert admin.token is not None
    assert (await admin.ask("GET", "/tenants")).status_code == 200
    async with server.pool.acquire() as connection:
        await revoke_admin_credential(connection, admin.token.split("_")[1])
    assert_problem(await admin.ask("GET", "/tenants"), 401)


async def test_a_token_that_ends_while_a_body_arrives(server: Server, admin: Admin) -> None:
    """Whoever asks is who may when the whole request is there: nothing is done with a token that was revoked before the end of a body."""
    assert admin.token is not None
    kid = admin.token.split("_")[1]

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"slug": '
        async with server.pool.acquire() as connection:
            await revoke_admin_credential(connection, kid)
        yield b'"too-late"}'

    headers = {"Authorization": f"Bearer {admin.token}", "Content-Type": "application/json"}
    assert_problem(await admin.http.post("/admin/v1/tenants", content=slowly(), headers=headers), 401)
    assert await server.pool.fetchval("SELECT count(*) FROM tenant WHERE slug = 'too-late'") == 0


async def test_header_forms(admin: Admin) -> None:
    """Two headers, another scheme and a bare token are refused; the scheme's case does not count."""
    assert admin.token is not None
    for header in (admin.token, f"Basic {admin.token}", "Bearer", "", f"Bearer {admin.token} x"):
        assert_problem(await admin.ask("GET", "/tenants", Authorization=header), 401)
    twice = [("Authorization", f"Bearer {admin.token}")] * 2
    assert_problem(await admin.http.get("/admin/v1/tenants", headers=twice), 401, "twice")
    assert (await admin.ask("GET", "/tenants", Authorization=f"bearer  {admin.token}")).status_code == 200


async def test_an_older_key_still_counts(server: Server, pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """After the server's key was rotated, admin tokens of the version before still work; of another key none does."""
    assert server.settings.secret_key is not None
    rotated = server.settings.model_copy(update={"secret_key": f"{server.settings.secret_key},2:{'B' * 42}A"})
    foreign = server.settings.model_copy(update={"secret_key": f"1:{'B' * 42}A"})
    token = await admin_token(pool, server.settings)
    async with admin_api(pool, rotated) as admin:
        assert (await admin.with_token(token).ask("GET", "/tenants")).status_code == 200
    async with admin_api(pool, foreign) as admin:
        assert_problem(await admin.with_token(token).ask("GET", "/tenants"), 401)


async def test_there_are_few(server: Server, admin: Admin) -> None:
    """There is a limit on live admin tokens; expired ones do not count."""
    for _ in range(MOST - 1):
        await admin_token(server.pool, server.settings)
    with pytest.raises(CredentialError, match=f"already {MOST} live admin tokens"):
        await admin_token(server.pool, server.settings)
    await server.pool.execute("UPDATE admin_credential SET expires = now() - interval '1 day'")
    await admin_token(server.pool, server.settings)
