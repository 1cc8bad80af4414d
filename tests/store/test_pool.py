"""Connections are given to tenants in turn, and come back however their statement ended."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import pytest

from scimsrv.errors import ScimError
from scimsrv.store import pool as subject
from scimsrv.store.pool import open_pool
from tests.postgres import as_application


async def test_a_tenant_leaves_connections_to_others(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five connections a tenant has four at most: its fifth request waits, and another tenant's first does not."""
    monkeypatch.setattr(subject, "ACQUIRE_TIMEOUT", 20.0)
    opened = await open_pool(database, size=5, statement_cache=0)
    try:
        greedy, modest = opened.of(1), opened.of(2)
        done, tasks, held = asyncio.Event(), [], 0

        async def hold() -> None:
            nonlocal held
            async with greedy.acquire():
                held += 1
                await done.wait()

        tasks = [asyncio.create_task(hold()) for _ in range(4)]
        async with asyncio.timeout(20):
            while held < 4:
                await asyncio.sleep(0.01)
        with monkeypatch.context() as impatient:
            impatient.setattr(subject, "ACQUIRE_TIMEOUT", 0.2)
            with pytest.raises(ScimError, match="UNAVAILABLE"):
                await greedy.fetch("SELECT 1")
        assert await modest.fetch("SELECT 1")
        done.set()
        await asyncio.gather(*tasks)
        assert await greedy.fetch("SELECT 1")
    finally:
        await opened.close()


async def test_a_queue_that_moves_is_waited_in(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a connection is served however long the queue is, as long as others are served meanwhile; when nobody is, or
    after the longest time of all, it is 503."""
    monkeypatch.setattr(subject, "ACQUIRE_TIMEOUT", 1.0)
    opened = await open_pool(database, size=1, statement_cache=0)

    async def ask() -> bool:
        try:
            await opened.of(1).fetch("SELECT pg_sleep(0.05)")
        except ScimError:
            return False
        return True

    try:
        monkeypatch.setattr(subject, "QUEUE_TIMEOUT", 60.0)
        assert all(await asyncio.gather(*(ask() for _ in range(24))))
        monkeypatch.setattr(subject, "QUEUE_TIMEOUT", 0.2)
        served = await asyncio.gather(*(ask() for _ in range(16)))
        assert served[0]
        assert not all(served)
        assert await ask()
    finally:
        await opened.close()


class _Slow:
    """A driver's pool that makes no connection in time."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def acquire(self, **_: Any) -> Any:
        await asyncio.sleep(0.1)
        raise TimeoutError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)


async def test_connections_that_are_made_slowly(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a database that has too much to do answers others, a new connection is waited for, or one of theirs; when it answers nobody,
    it is 503 in time."""
    opened = await open_pool(database, size=2, statement_cache=0)
    try:
        async with opened.of(1).acquire():
            pass
        monkeypatch.setattr(subject, "ACQUIRE_TIMEOUT", 0.2)
        monkeypatch.setattr(opened, "_driver", _Slow(opened._driver))
        async with opened.of(2).acquire():
            with pytest.raises(ScimError, match="UNAVAILABLE"):
                await opened.of(1).fetch("SELECT 1")
            waiting = asyncio.create_task(opened.of(1).fetch("SELECT 1"))
            await asyncio.sleep(0.05)
            opened._answered = time.perf_counter()  # as by a statement of somebody else
        assert await waiting
    finally:
        monkeypatch.undo()
        await opened.close()


async def test_tenants_wait_in_turn(database: str) -> None:
    """On one connection the work of a tenant with much to do alternates with that of another."""
    opened = await open_pool(database, size=1, statement_cache=0)
    try:
        order: list[int] = []

        async def ask(tenant: int) -> None:
            await opened.of(tenant).fetch("SELECT pg_sleep(0.005)")
            order.append(tenant)

        await asyncio.gather(*(ask(tenant) for tenant in (1, 1, 1, 1, 2, 2)))
        assert order == [1, 1, 2, 1, 2, 1] or order == [1, 2, 1, 2, 1, 1]
    finally:
        await opened.close()


@pytest.mark.parametrize("isolated", [False, True])
async def test_connections_come_back(database: str, isolated: bool) -> None:
    """After statements that fail, that are cancelled, and blocks that raise, every connection is there again, in no transaction."""
    opened = await open_pool(as_application(database) if isolated else database, size=2, statement_cache=0, isolated=isolated)
    try:
        part = opened.of(1)
        for _ in range(3):
            with pytest.raises(asyncpg.DivisionByZeroError):
                await part.fetch("SELECT 1 / 0")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await part.fetch("SELECT pg_sleep(10)")
            with pytest.raises(KeyError):  # noqa: PT012
                async with part.acquire() as connection, connection.transaction():
                    await connection.execute("SELECT 1")
                    raise KeyError
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with part.acquire() as connection, connection.transaction(), connection.transaction():
                    await connection.execute("SELECT 1 / 0")
        async with part.acquire() as one, opened.of(2).acquire() as other:
            for connection in (one, other):
                assert not connection.is_in_transaction()
            if isolated:
                seen = [await connection.fetchval("SELECT current_setting('scimsrv.tenant')") for connection in (one, other)]
                assert seen == ["1", "2"]
    finally:
        await opened.close()


async def test_savepoints(database: str) -> None:
    """With row-level security, too, a transaction within one can fail alone, and what surrounds it is committed."""
    opened = await open_pool(as_application(database), size=1, statement_cache=0, isolated=True)
    owner = await asyncpg.connect(database)
    try:
        tenant = await owner.fetchval("INSERT INTO tenant (slug) VALUES ('savepoints') RETURNING id")
        note = "INSERT INTO erasure (tenant, id, at) VALUES ($1, $2, now())"
        async with opened.of(tenant).acquire() as connection, connection.transaction():
            await connection.execute(note, tenant, "a")
            with pytest.raises(asyncpg.UniqueViolationError):  # noqa: PT012
                async with connection.transaction():
                    await connection.execute(note, tenant, "b")
                    await connection.execute(note, tenant, "a")
            await connection.execute(note, tenant, "c")
        assert [row[0] for row in await owner.fetch("SELECT id FROM erasure WHERE tenant = $1 ORDER BY 1", tenant)] == ["a", "c"]
    finally:
        await owner.close()
        await opened.close()
