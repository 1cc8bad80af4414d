"""The background of a server: does the work that there is by itself, on its interval or when woken, tenant by tenant."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import pytest

from scimsrv import maintenance
from scimsrv.maintenance import Maintenance
from scimsrv.store import background
from scimsrv.store.remove import AT_ONCE
from tests.postgres import until_blocked
from tests.store.indexed import Tenant, assert_complete, create, delete, new_tenant
from tests.store.support import Shared, count, put_links, put_rows

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

#: Seconds after which work that should have been done is missed; nothing is measured by it.
_PATIENCE: Final = 20.0


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """States need not settle, since no other server is there."""
    index = background.index

    async def at_once(pool: Any, tenant: int) -> bool:
        return await index(pool, tenant, settled=0, batch=2)

    monkeypatch.setattr(maintenance, "_WORK", (background.erase, at_once))


@asynccontextmanager
async def running(pool: Any) -> AsyncIterator[Maintenance]:
    """A server's background for the length of a block."""
    made = Maintenance(Shared(pool))
    made.start()
    try:
        yield made
    finally:
        await made.stop()


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something has been done."""
    async with asyncio.timeout(_PATIENCE):
        while not await done():
            await asyncio.sleep(0.02)


async def _with_work(pool: Pool) -> Tenant:
    """A tenant with five users and an index of them to be built."""
    tenant = await new_tenant(pool)
    for number in range(5):
        await create(await tenant.scope(), "User", {"userName": f"u{number}", "title": "Lead"})
    await tenant.add_index("User", "title")
    return tenant


async def _is_ready(tenant: Tenant) -> bool:
    status = await tenant.status("User", "title")
    return status is not None and status.state == "ready"


async def test_works_when_woken(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index is built, removed and the rows of a big group erased without anybody asking for the steps."""
    monkeypatch.setattr(maintenance, "INTERVAL", 3_600.0)
    tenant = await _with_work(pool)
    async with running(pool) as one:
        await asyncio.sleep(0.1)
        assert not await _is_ready(tenant), "nobody has woken it"
        one.wake()
        await until(lambda: _is_ready(tenant))
        await assert_complete(tenant)
        scope = await tenant.scope()
        users = [f"m{number}" for number in range(AT_ONCE + 1)]
        await put_rows(scope, scope.catalog.by_name["User"], [{"id": id_, "userName": id_} for id_ in users])
        group = await create(scope, "Group", {"displayName": "Staff"})
        await put_links(scope, [(group, id_) for id_ in users])
        await delete(scope, "Group", group)
        assert await count(scope, "reference") == AT_ONCE + 1
        one.wake()

        async def erased() -> bool:
            return await count(scope, "reference") + await count(scope, "erasure") == 0

        await until(erased)
        await tenant.remove_index("User", "title")
        one.wake()

        async def removed() -> bool:
            return await tenant.status("User", "title") is None

        await until(removed)
    await assert_complete(tenant)


async def test_works_on_its_interval(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that another server, or the command line, has made is found."""
    monkeypatch.setattr(maintenance, "INTERVAL", 0.02)
    async with running(pool):
        tenant = await _with_work(pool)
        await until(lambda: _is_ready(tenant))
    await assert_complete(tenant)


async def test_a_tenant_whose_work_fails_does_not_stop_the_others(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure is logged with the tenant, the next tenants have their turn, and it is tried again."""
    monkeypatch.setattr(maintenance, "INTERVAL", 0.02)
    tenants = [await _with_work(pool) for _ in range(3)]
    erase, index = maintenance._WORK
    broken = {tenants[0].number, tenants[1].number}

    async def failing(given: Any, tenant: int) -> bool:
        if tenant in broken:
            raise ValueError("broken")
        return await index(given, tenant)

    monkeypatch.setattr(maintenance, "_WORK", (erase, failing))
    with caplog.at_level(logging.ERROR, logger="scimsrv.background"):
        async with running(pool):
            await until(lambda: _is_ready(tenants[2]))
            assert not await _is_ready(tenants[0])
            broken.clear()
            for tenant in tenants:
                await until(lambda tenant=tenant: _is_ready(tenant))  # type: ignore[misc]
    told = {record.getMessage() for record in caplog.records}
    assert told == {f"the background work on tenant {tenant.number} failed and is tried again" for tenant in tenants[:2]}


async def test_goes_on_after_a_look_that_failed(pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A database that is away for a moment does not end the background."""
    monkeypatch.setattr(maintenance, "INTERVAL", 0.02)
    tenant = await _with_work(pool)
    look, failures = background.tenants_with_work, iter([OSError("gone"), ValueError("odd")])

    async def failing(given: Any) -> list[int]:
        problem = next(failures, None)
        if problem is not None:
            raise problem
        return await look(given)

    monkeypatch.setattr(background, "tenants_with_work", failing)
    async with running(pool):
        await until(lambda: _is_ready(tenant))
    assert [record.getMessage() for record in caplog.records] == ["looking for background work failed and is tried again"] * 2


async def test_big_tenants_do_not_keep_others_waiting(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenants take turns, batch by batch."""
    monkeypatch.setattr(maintenance, "INTERVAL", 3_600.0)
    tenants = [await _with_work(pool) for _ in range(2)]
    numbers = {tenant.number for tenant in tenants}
    erase, index = maintenance._WORK
    turns: list[int] = []

    async def noting(given: Any, tenant: int) -> bool:
        more = await index(given, tenant)
        if more and tenant in numbers:
            turns.append(tenant)
        return more

    monkeypatch.setattr(maintenance, "_WORK", (erase, noting))
    async with running(pool) as one:
        one.wake()
        for tenant in tenants:
            await until(lambda tenant=tenant: _is_ready(tenant))  # type: ignore[misc]
    assert [len({*pair}) for pair in zip(turns[::2], turns[1::2], strict=True)] == [2] * 3


async def test_stops_within_a_batch(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping does not wait for a statement that is blocked; nothing of the batch is left, and no connection is held."""
    tenant = await _with_work(pool)
    before = await tenant.status("User", "title")
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM resource WHERE tenant = $1 FOR UPDATE", tenant.number)
        async with running(pool) as one:
            one.wake()
            await until_blocked(pool)
    assert await tenant.status("User", "title") == before
    assert pool.get_idle_size() == pool.get_size()
    async with running(pool) as one:
        one.wake()
        await until(lambda: _is_ready(tenant))


async def test_stops_before_it_has_begun(pool: Pool) -> None:
    """Also one that was never started."""
    await Maintenance(Shared(pool)).stop()
    async with running(pool):
        pass
