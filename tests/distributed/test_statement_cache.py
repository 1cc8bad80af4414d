"""The driver behind PgBouncer without prepared statements: what `statement_cache = 0` has to hold, and what happens without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from scimsrv.keys import new_key
from scimsrv.store.pool import Pool, open_pool
from tests.distributed.pooler import CONNECTIONS
from tests.processes import run

_CLIENTS = 12
_TURNS = 60


@asynccontextmanager
async def _opened(url: str, **options: Any) -> AsyncIterator[Pool]:
    """The server's pool, over the pooler. `options` go to the driver before the server's own."""
    made = await open_pool(url, size=_CLIENTS, **{"statement_cache": 0} | options)
    try:
        yield made
    finally:
        await made.close()


async def _moved(pool: Pool) -> None:
    """Run a statement twice over one connection to the pooler, which has it go to another server connection the second time."""
    statement = "SELECT pg_backend_pid() AS process, $1::text AS said"
    async with pool.acquire() as one, pool.acquire() as other:
        first = await one.fetchrow(statement, "first")
        async with other.transaction():  # takes the server connection that became free last
            taken = await other.fetchval("SELECT pg_backend_pid()")
            second = await one.fetchrow(statement, "second")
    assert first is not None
    assert second is not None
    assert first["process"] == taken
    assert second["process"] != taken
    assert second["said"] == "second"


async def test_a_statement_may_go_to_another_connection(pooled: str) -> None:
    """What a connection runs again need not be known where it goes; with named statements it would have to be."""
    async with _opened(pooled) as pool:
        await _moved(pool)
    async with _opened(pooled, statement_cache=100) as pool:
        with pytest.raises((asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)):
            await _moved(pool)


async def _confusions(pool: Pool) -> int:
    """Have many clients run statements that look alike, outside of transactions; how many got another's answer, or an error."""

    async def client(number: int) -> int:
        wrong = 0
        for turn in range(_TURNS):
            try:
                row = await pool.fetchrow(f"SELECT $1::text AS said, {number} AS client", f"{number}.{turn}")
                assert row is not None
                wrong += (row["said"], row["client"]) != (f"{number}.{turn}", number)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                wrong += 1
        return wrong

    return sum(await asyncio.gather(*(client(number) for number in range(_CLIENTS))))


async def test_statements_are_not_mixed_up(pooled: str) -> None:
    """Statements of many clients take two round trips each over the same few connections: each still gets its own answer.

    The driver ends a statement's message (Sync) only after its values, and until then the pooler leaves the connection to it.
    """
    async with _opened(pooled) as pool:
        assert await _confusions(pool) == 0
    async with _opened(pooled, statement_cache=100) as keeping:
        assert await _confusions(keeping) > 0


async def test_the_pooler_shares_few_connections(pooled: str) -> None:
    """The tests have something to show: many clients at once are served by a few server connections, and several of them."""
    async with _opened(pooled) as pool:
        rows = await asyncio.gather(*(pool.fetchrow("SELECT pg_backend_pid() AS process, pg_sleep(0.01)") for _ in range(_CLIENTS)))
    assert 1 < len({row["process"] for row in rows if row is not None}) <= CONNECTIONS


def test_commands_through_the_pooler(empty_pooled: str, tmp_path: Path) -> None:
    """Every command works where the server's settings say that statements are not kept, again and again over the same connections."""
    given: dict[str, Any] = {
        "cwd": tmp_path,
        "SCIMSRV_DATABASE_URL": empty_pooled,
        "SCIMSRV_STATEMENT_CACHE": "0",
        "SCIMSRV_SECRET_KEY": new_key(),
    }
    for command in (
        "db migrate", "db migrate", "db status", "tenant create acme", "tenant create initech", "tenant list", "tenant show acme",
        "token create --tenant acme --label one", "token create --tenant initech --label one", "token list --tenant acme",
        "token rotate --tenant acme --label one", "index add acme User title", "index list acme", "index remove acme User title",
        "tenant suspend acme", "tenant resume acme", "tenant delete initech --yes", "db status",
    ):  # fmt: skip
        done = run(*command.split(), **given)
        assert done.returncode == 0, f"{command}: {done.stderr}"
