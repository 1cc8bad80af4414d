"""Tokens in the database: issued within limits, rotated with an overlap, revoked at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from scimsrv.store import credentials, tenants
from scimsrv.store.connection import Connection
from scimsrv.tokens import new_token

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]


@pytest.fixture
async def connection(pool: "Pool") -> AsyncIterator[Connection]:
    """Yield a connection to a database whose only tenants are acme and other."""
    async with pool.acquire() as made:
        await made.execute("TRUNCATE tenant CASCADE")
        for slug in ("acme", "other"):
            await tenants.create_tenant(made, slug)
        yield made


async def _tenant(connection: Connection, slug: str = "acme") -> int:
    return (await tenants.find_tenant(connection, slug)).id


async def _issue(connection: Connection, label: str = "a", expires: datetime | None = None, slug: str = "acme") -> credentials.Credential:
    token = new_token()
    return await credentials.create_credential(
        connection,
        await _tenant(connection, slug),
        digest=token.text.encode(),
        kid=token.kid,
        label=label,
        scopes=("scim:read",),
        expires=expires,
    )


async def test_what_is_issued_is_listed(connection: Connection) -> None:
    """A token is listed with its label, scopes and end, for its own tenant only."""
    end = datetime(2999, 1, 1, tzinfo=UTC)
    made = await _issue(connection, "entra", end)
    assert (made.label, made.scopes, made.expires, made.last_used) == ("entra", ("scim:read",), end, None)
    assert await credentials.list_credentials(connection, await _tenant(connection)) == [made]
    assert await credentials.list_credentials(connection, await _tenant(connection, "other")) == []


async def test_two_live_tokens_per_label(connection: Connection) -> None:
    """A label has room for two live tokens; an expired or revoked one makes room."""
    past = datetime.now(UTC) - timedelta(days=1)
    for expires in (past, past, None, None):
        last = await _issue(connection, "a", expires)
    with pytest.raises(credentials.CredentialError, match="'a' already has 2 live tokens"):
        await _issue(connection, "a")
    await _issue(connection, "b")
    await credentials.revoke_credential(connection, await _tenant(connection), last.kid)
    await _issue(connection, "a")


async def test_twenty_live_tokens_per_tenant(connection: Connection, pool: "Pool") -> None:
    """A tenant has room for twenty live tokens, also when many are asked for at once."""

    async def attempt(number: int) -> bool:
        async with pool.acquire() as one:
            try:
                await _issue(one, f"label {number}")
            except credentials.CredentialError:
                return False
        return True

    done = await asyncio.gather(*(attempt(number) for number in range(30)))
    assert sum(done) == credentials.MAX_PER_TENANT
    await _issue(connection, slug="other")


async def test_rotation_overlaps(connection: Connection) -> None:
    """Rotating issues a token with the same scopes; the old one lives on for seven days, or less if it would have ended before."""
    tenant = await _tenant(connection)
    first = await _issue(connection, "a")
    token = new_token()
    second = await credentials.rotate_credential(connection, tenant, digest=b"second", kid=token.kid, label="a", expires=None)
    assert second.scopes == first.scopes
    old = next(one for one in await credentials.list_credentials(connection, tenant) if one.kid == first.kid)
    assert old.expires is not None
    assert abs(old.expires - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)
    with pytest.raises(credentials.CredentialError, match="2 live tokens"):
        await credentials.rotate_credential(connection, tenant, digest=b"third", kid="third0", label="a", expires=None)

    soon = datetime.now(UTC) + timedelta(hours=1)
    short = await _issue(connection, "b", soon)
    await credentials.rotate_credential(connection, tenant, digest=b"fourth", kid="fourth", label="b", expires=None)
    assert next(one for one in await credentials.list_credentials(connection, tenant) if one.kid == short.kid).expires == soon


async def test_a_refused_rotation_changes_nothing(connection: Connection) -> None:
    """A rotation that cannot issue the new token does not shorten the old one's life."""
    tenant = await _tenant(connection)
    await _issue(connection, "a")
    await _issue(connection, "a")
    with pytest.raises(credentials.CredentialError):
        await credentials.rotate_credential(connection, tenant, digest=b"x", kid="xxxxxx", label="a", expires=None)
    assert [one.expires for one in await credentials.list_credentials(connection, tenant)] == [None, None]


async def test_revoked_is_gone(connection: Connection) -> None:
    """Revoking removes the token; an unknown id, another tenant's included, is an error that names it."""
    made = await _issue(connection)
    with pytest.raises(credentials.CredentialError, match=made.kid):
        await credentials.revoke_credential(connection, await _tenant(connection, "other"), made.kid)
    await credentials.revoke_credential(connection, await _tenant(connection), made.kid)
    assert await credentials.list_credentials(connection, await _tenant(connection)) == []
    with pytest.raises(credentials.CredentialError, match=made.kid):
        await credentials.revoke_credential(connection, await _tenant(connection), made.kid)


async def test_rotating_nothing(connection: Connection) -> None:
    """A label without a live token cannot be rotated."""
    await _issue(connection, "a", datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(credentials.CredentialError, match="no live token"):
        await credentials.rotate_credential(connection, await _tenant(connection), digest=b"x", kid="xxxxxx", label="a", expires=None)


async def test_long_expired_tokens_leave_the_list(connection: Connection) -> None:
    """A token that expired more than a month ago is dropped when the next one is issued; a fresh one is kept as an explanation."""
    await _issue(connection, "old", datetime.now(UTC) - timedelta(days=31))
    await _issue(connection, "recent", datetime.now(UTC) - timedelta(days=1))
    await _issue(connection, "new")
    labels = {one.label for one in await credentials.list_credentials(connection, await _tenant(connection))}
    assert labels == {"recent", "new"}
