"""Credentials that end soon are told of in time, once for each threshold."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from scimsrv import tokens
from scimsrv.maintenance import Maintenance
from scimsrv.store.clients import add_secret, create_client
from scimsrv.store.credentials import create_credential
from scimsrv.store.expiry import DAYS, find_endings
from scimsrv.store.tenants import create_tenant
from tests.store.support import Shared

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

_NUMBERS = itertools.count(1)


async def _credentials(pool: Pool, *lives: timedelta | None) -> tuple[int, list[str]]:
    """A tenant with a token of each lifetime, and a client with a secret that ends in five days."""
    made = [tokens.new_token() for _ in lives]
    async with pool.acquire() as connection:
        tenant = (await create_tenant(connection, f"expiry-{next(_NUMBERS)}")).id
        for token, life in zip(made, lives, strict=True):
            expires = None if life is None else datetime.now(UTC) + life
            digest = tokens.digest(b"", token.text)
            await create_credential(connection, tenant, digest=digest, kid=token.kid, label=token.kid, scopes=(), expires=expires)
        await create_client(connection, tenant, id_="scc_x", label="x", scopes=(), types=None, networks=None, lifetime=60, jwks=None)
        expires = datetime.now(UTC) + timedelta(days=5)
        await add_secret(connection, tenant, "scc_x", kid="abcdef", digest=b"x", expires=expires)
    return tenant, [token.kid for token in made]


async def test_each_threshold_is_told_once(pool: Pool) -> None:
    """Of each credential the nearest threshold that it is within; nothing again before the next; nothing of those that never end."""
    await pool.execute("TRUNCATE credential, oauth_client CASCADE")
    lives = (timedelta(hours=5), timedelta(days=20), timedelta(days=89), timedelta(days=200), timedelta(seconds=-5), None)
    tenant, kids = await _credentials(pool, *lives)
    found = {(one.id, one.days) for one in await find_endings(Shared(pool))}
    assert found == {(kids[0], 1), (kids[1], 30), (kids[2], 90), ("scc_x/abcdef", 7)}
    assert await find_endings(Shared(pool)) == []
    for days in sorted(DAYS, reverse=True):
        await pool.execute(
            "UPDATE credential SET expires = now() + make_interval(days => $3, secs => -60) WHERE tenant = $1 AND kid = $2",
            tenant,
            kids[3],
            days,
        )
        assert [(one.id, one.days) for one in await find_endings(Shared(pool))] == [(kids[3], days)]
        assert await find_endings(Shared(pool)) == []


async def test_of_several_servers_one_tells(pool: Pool) -> None:
    """Servers that look at the same time tell of a credential once between them."""
    await pool.execute("TRUNCATE credential, oauth_client CASCADE")
    await _credentials(pool, timedelta(hours=1))
    found = await asyncio.gather(*(find_endings(Shared(pool)) for _ in range(5)))
    assert sorted(len(one) for one in found)[-1] <= 2
    assert sum(len(one) for one in found) == 2


async def test_the_background_tells(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    """A server says so in its log, by the short id."""
    await pool.execute("TRUNCATE credential, oauth_client CASCADE")
    _, kids = await _credentials(pool, timedelta(hours=1))
    made = Maintenance(Shared(pool))
    made.start()
    made.wake()
    try:
        async with asyncio.timeout(20):
            while "scc_x/abcdef" not in caplog.text:
                await asyncio.sleep(0.02)
    finally:
        await made.stop()
    assert f"credential {kids[0]} of tenant" in caplog.text
