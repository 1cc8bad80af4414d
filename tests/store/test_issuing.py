"""Places in status lists: random, never two awards in one, a new list before one is full; and what is signed once however many try."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from scimsrv.badges import status_list
from scimsrv.store import issuing

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

ISSUER = "issuer"


async def _tenant(pool: Pool) -> int:
    made: int = await pool.fetchval("INSERT INTO tenant (slug) VALUES (md5(random()::text)) RETURNING id")
    return made


async def _take(pool: Pool, tenant: int, awards: list[str]) -> dict[str, tuple[int, int]]:
    async with pool.acquire() as connection, connection.transaction():
        return await issuing._places(connection, tenant, ISSUER, awards)


async def test_no_two_awards_share_a_place(pool: Pool) -> None:
    """Eight transactions at once take fifty places each: all are different."""
    tenant = await _tenant(pool)
    barrier = asyncio.Barrier(8)

    async def take(worker: int) -> dict[str, tuple[int, int]]:
        await barrier.wait()
        return await _take(pool, tenant, [f"{worker}-{number}" for number in range(50)])

    found = await asyncio.gather(*map(take, range(8)))
    places = [place for one in found for place in one.values()]
    assert len(set(places)) == len(places) == 400
    assert {number for number, _ in places} == {1}


async def test_a_new_list_before_one_is_full(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Awards beyond what a list has places for go on in the next one, which is opened while the first still has some."""
    monkeypatch.setattr(status_list, "SIZE", 64)
    tenant = await _tenant(pool)
    for number in range(20):
        await _take(pool, tenant, [f"{number}-{one}" for one in range(10)])
    rows = await pool.fetch("SELECT list, count(*) AS taken FROM badge_status WHERE tenant = $1 GROUP BY list ORDER BY list", tenant)
    assert sum(row["taken"] for row in rows) == 200
    assert len(rows) > 3
    assert all(row["taken"] <= 64 for row in rows)
    assert await pool.fetchval("SELECT max(number) FROM badge_status_list WHERE tenant = $1", tenant) == rows[-1]["list"]


async def test_places_tell_nothing(pool: Pool) -> None:
    """Places are spread over the list, not handed out in a row."""
    tenant = await _tenant(pool)
    awards = [str(number) for number in range(200)]
    found = await _take(pool, tenant, awards)
    places = [found[award][1] for award in awards]
    assert sum(place < status_list.SIZE // 2 for place in places) in range(50, 151)
    assert places != sorted(places)


async def test_a_place_stays_taken(pool: Pool) -> None:
    """Of an award that is gone the place is not given to another, and says that it is revoked."""
    tenant = await _tenant(pool)
    ((number, place),) = (await _take(pool, tenant, ["a"])).values()
    await pool.execute(
        "INSERT INTO badge_credential (tenant, award, issuer, list, place, token, credential) VALUES ($1, 'a', $2, $3, $4, 't', '{}')",
        *(tenant, ISSUER, number, place),
    )
    async with pool.acquire() as connection, connection.transaction():
        await issuing.revoke(connection, tenant, ["tests"], {"a": datetime.now(UTC)})
        await issuing.withdraw(connection, tenant, ["a"])
    assert await issuing.is_revoked(pool, tenant, ISSUER, number, place) is True
    assert await issuing.is_revoked(pool, tenant, ISSUER, number, (place + 1) % status_list.SIZE) is None
    assert await pool.fetchval("SELECT revision FROM badge_status_list WHERE tenant = $1", tenant) == 2
