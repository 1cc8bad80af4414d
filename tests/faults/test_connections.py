"""Connections that are of no use any more are given up in time, in the middle of whatever they were used for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from scimsrv.embedded import DATABASE, USER
from scimsrv.store import patience
from scimsrv.store import pool as pool_module
from scimsrv.store.pool import Pool, open_pool
from tests.faults.machines import Machine
from tests.faults.proxy import Proxy

#: A time that no test waits for: what is given up in time ends long before.
_NEVER = 600.0


@pytest.fixture
async def way(postgres: Machine) -> AsyncIterator[Proxy]:
    """Yield a proxy before the database."""
    async with Proxy(postgres.socket).listening() as made:
        yield made


@pytest.fixture
async def pool(way: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    """Yield the program's pool of two connections behind the proxy, whose own patience with a statement has no end."""
    monkeypatch.setattr(pool_module, "STATEMENT_TIMEOUT", _NEVER)
    made = await open_pool(f"postgresql://{USER}@127.0.0.1:{way.port}/{DATABASE}", size=2, statement_cache=0)
    yield made
    way.thaw()
    await made.close()


async def test_a_transaction_on_a_cut_way_ends_with_its_statement(way: Proxy, pool: Pool) -> None:
    """After a statement that was not answered in time the transaction does not wait for the answer to its ROLLBACK."""
    async with asyncio.timeout(_NEVER / 20):
        with pytest.raises(TimeoutError):
            await _cut_in_the_middle(way, pool)
    way.thaw()
    assert await pool.execute("SELECT 3") == "SELECT 1"


async def _cut_in_the_middle(way: Proxy, pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction(), connection.transaction():
        await connection.execute("SELECT 1")
        way.freeze()
        await connection.execute("SELECT 2", timeout=0.1)


async def test_a_commit_that_waits_for_a_standby_has_an_end(pool: Pool, postgres: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody confirms it, the transaction ends with a failure, since nobody can say whether it will have been committed."""
    monkeypatch.setattr(patience, "_COMMITTING", 0.3)
    await pool.execute("CREATE TABLE IF NOT EXISTS written (n integer)")
    await _alter(postgres, "synchronous_standby_names", "nobody")
    try:
        for _ in range(3):
            async with asyncio.timeout(_NEVER / 20):
                with pytest.raises(TimeoutError):
                    await _write(pool, transaction=True)
    finally:
        await _alter(postgres, "synchronous_standby_names", None)
    await pool.execute("DROP TABLE written")


async def test_a_statement_that_is_only_slow_is_ended_at_the_server(pool: Pool) -> None:
    """Where the way is open, the transaction is rolled back as ever, and nothing goes on at the server."""
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await _sleep(pool)
    async with asyncio.timeout(10):
        while await _running(pool):
            await asyncio.sleep(0.02)


async def _sleep(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_sleep(20)", timeout=0.1)


async def _running(pool: Pool) -> Any:
    row = await pool.fetchrow("SELECT count(*) AS n FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE 'SELECT pg_sleep%'")
    return row and row["n"]


@pytest.mark.parametrize("transaction", [False, True])
async def test_a_server_that_takes_no_writes_any_more_is_left(pool: Pool, postgres: Machine, *, transaction: bool) -> None:
    """A connection to a server that has become a standby is not used again: the next one may lead to its successor."""
    await pool.execute("CREATE TABLE IF NOT EXISTS written (n integer)")
    async with pool.acquire() as connection:
        before = await connection.fetchval("SELECT pg_backend_pid()")
    await _alter(postgres, "default_transaction_read_only", "on")
    try:
        for _ in range(3):
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await _write(pool, transaction=transaction)
    finally:
        await _alter(postgres, "default_transaction_read_only", None)
    await _write(pool, transaction=transaction)
    async with pool.acquire() as connection, pool.acquire() as other:
        assert before not in {await one.fetchval("SELECT pg_backend_pid()") for one in (connection, other)}
        await connection.execute("DROP TABLE written")


async def _write(pool: Pool, *, transaction: bool) -> None:
    if not transaction:
        await pool.execute("INSERT INTO written VALUES (1)")
        return
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("INSERT INTO written VALUES (1)")


async def _alter(postgres: Machine, setting: str, value: str | None) -> None:
    """Change a setting for every session, or put it back, and wait until a new one has it."""
    connection = await asyncpg.connect(postgres.cluster.dsn)
    before = await connection.fetchval(f"SHOW {setting}")
    await connection.execute(f"ALTER SYSTEM RESET {setting}" if value is None else f"ALTER SYSTEM SET {setting} = {value}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    async with asyncio.timeout(10):
        while True:
            connection = await asyncpg.connect(postgres.cluster.dsn)
            found = await connection.fetchval(f"SHOW {setting}")
            await connection.close()
            if found == value or (value is None and found != before):
                return
            await asyncio.sleep(0.02)
