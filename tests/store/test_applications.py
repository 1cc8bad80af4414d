"""Places of applications of the Open Badges API, and of requests that wait for their users: nobody takes those of the others."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from scimsrv.store import applications, tenants
from scimsrv.store.connection import Connection

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

WANTED = applications.Wanted(("a",), "https://app.example/", "s", "c")


@pytest.fixture
async def connection(pool: "Pool") -> AsyncIterator[Connection]:
    """Yield a connection to a database whose only tenant is acme."""
    async with pool.acquire() as made:
        await made.execute("TRUNCATE tenant CASCADE")
        await tenants.create_tenant(made, "acme")
        yield made


async def _tenant(connection: Connection) -> int:
    return (await tenants.find_tenant(connection, "acme")).id


async def _put(connection: Connection, network: str | None, number: int, *, used: bool = False, first: int = 0) -> None:
    """Applications of a network that are there, `first` the age in minutes of the newest."""
    await connection.execute(
        "INSERT INTO badge_application (tenant, id, secret, metadata, network, created, used) SELECT $1, $2 || g, '', '{}', $3,"
        " now() - make_interval(mins => $5 + g), CASE WHEN $6 THEN now() END FROM generate_series(1, $4::integer) g",
        *(await _tenant(connection), f"{network or 'none'}-", network, number, first, used),
    )


async def _ids(connection: Connection) -> set[str]:
    return {row["id"] for row in await connection.fetch("SELECT id FROM badge_application")}


@pytest.mark.parametrize(
    ("there", "network", "gone"),
    [
        ([("a", 49, False)], "a", set()),
        ([("a", 50, False)], "a", {"a-50"}),
        ([("a", 50, False)], "b", set()),
        ([("a", 60, True), ("b", 40, False)], "a", set()),
        ([("a", 999, True)], "a", set()),
        ([("a", 998, True), ("b", 2, False)], "c", {"b-2"}),
        ([("a", 960, True), ("b", 15, False), ("c", 25, False)], "b", {"c-25"}),
        ([("a", 950, True), ("c", 50, False)], "c", {"c-50"}),
        ([("a", 955, True), (None, 48, False)], "b", {"none-48", "none-47", "none-46", "none-45"}),
    ],
    ids=["room", "network", "elsewhere", "permitted", "last place", "of the other", "of the largest", "all but one permitted", "unknown"],
)
async def test_who_gives_way_to_an_application(
    connection: Connection, there: list[tuple[str | None, int, bool]], network: str, gone: set[str]
) -> None:
    """Beyond fifty of a network, or a thousand, the oldest goes of those that nobody has permitted anything, of the network that has the
    most; what a user permitted something stays."""
    for of, number, used in there:
        await _put(connection, of, number, used=used)
    before = await _ids(connection)
    assert await applications.register(connection, await _tenant(connection), "new", {}, network) is not None
    after = await _ids(connection)
    assert (before - after, after - before) == (gone, {"new"})


async def test_where_users_permitted_all_of_them_something(connection: Connection) -> None:
    """There is no place where a thousand are in use."""
    await _put(connection, "a", applications.MOST_APPLICATIONS, used=True)
    assert await applications.register(connection, await _tenant(connection), "new", {}, "b") is None
    assert len(await _ids(connection)) == applications.MOST_APPLICATIONS


async def _wait(connection: Connection, application: str, network: str, number: int, *, minutes: int = 5) -> None:
    """Requests that wait, `minutes` being what is left to their users; the last one is the oldest. With `*` each is of another network."""
    await connection.execute(
        "INSERT INTO badge_grant (tenant, id, application, scopes, redirect, state, challenge, created, expires, network) SELECT $1,"
        " concat_ws('-', $2::text, $3::text, g), $2, '{}', '', '', '', now() - make_interval(secs => g),"
        " now() + make_interval(mins => $5::integer), replace($3, '*', g::text) FROM generate_series(1, $4::integer) g",
        *(await _tenant(connection), application, network, number, minutes),
    )


@pytest.mark.parametrize(
    ("there", "application", "network", "gone"),
    [
        ([("good", "a", 99, 5)], "good", "a", set()),
        ([("good", "a", 100, 5)], "good", "a", {"good-a-100"}),
        ([("evil", "a", 98, 5), ("good", "a", 2, 5)], "good", "a", {"evil-a-98"}),
        ([("evil", "a", 100, 5)], "good", "b", set()),
        ([("evil", "a", 100, -1), ("good", "a", 50, 5)], "good", "a", {f"evil-a-{n}" for n in range(1, 101)}),
        ([*(("evil", f"n{n}", 100, 5) for n in range(9)), ("evil", "m", 98, 5), ("good", "a", 1, 5)], "good", "a", set()),
        ([*(("evil", f"n{n}", 99, 5) for n in range(10)), ("evil", "m", 9, 5), ("good", "a", 1, 5)], "good", "b", {"evil-n0-99"}),
        ([("evil", "*", 997, 5), ("good", "m*", 3, 5)], "good", "b", {"evil-*-997"}),
    ],
    ids=["room", "network", "of the other", "elsewhere", "expired", "last place", "of the largest", "alike"],
)
async def test_who_gives_way_to_a_request(
    connection: Connection, there: list[tuple[str, str, int, int]], application: str, network: str, gone: set[str]
) -> None:
    """Beyond a hundred of a network, or a thousand, the oldest that waits goes, of the network that has the most and there of the
    application that has; what has expired takes no place."""
    for id_ in ("good", "evil"):
        await connection.execute(
            "INSERT INTO badge_application (tenant, id, secret, metadata) VALUES ($1, $2, '', '{}')", await _tenant(connection), id_
        )
    for of, where, number, minutes in there:
        await _wait(connection, of, where, number, minutes=minutes)
    before = {row["id"] for row in await connection.fetch("SELECT id FROM badge_grant")}
    made = await applications.ask(connection, await _tenant(connection), application, WANTED, network)
    after = {row["id"] for row in await connection.fetch("SELECT id FROM badge_grant")}
    assert after - before == {made}
    assert before - after == gone


async def test_many_at_once(connection: Connection, pool: "Pool") -> None:
    """Whoever comes at the same time finds a place, and nobody waits for another; the next one makes up for what became too many."""
    tenant = await _tenant(connection)
    for network in range(20):
        await _put(connection, f"n{network}", 50)
        await _wait(connection, "n0-1", f"n{network}", 50)

    async def register(number: int) -> bool:
        return await applications.register(pool, tenant, f"new-{number}", {}, f"m{number % 3}") is not None

    async def ask(number: int) -> bool:
        return await applications.ask(pool, tenant, "n1-1", WANTED, f"m{number % 3}") is not None

    for one, table in ((register, "badge_application"), (ask, "badge_grant")):
        assert await asyncio.gather(*map(one, range(20))) == [True] * 20
        assert await one(20)
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 1_000


async def test_nobody_is_asked_for_an_application_that_is_gone(connection: Connection) -> None:
    """A request of an application that was removed a moment ago is not stored."""
    assert await applications.ask(connection, await _tenant(connection), "gone", WANTED, "a") is None
    assert await connection.fetch("SELECT id FROM badge_grant") == []
