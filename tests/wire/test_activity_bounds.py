"""The log of recent requests is bounded, delays and fails nobody, and is followed as it grows."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from scimsrv import recorder
from scimsrv.observing import Served
from scimsrv.store import activity, pool
from scimsrv.store.failure import unavailable
from scimsrv.store.single import Single
from tests.postgres import until_blocked
from tests.wire.admin_support import Admin, admin_token
from tests.wire.support import Client, Server, Starter, user
from tests.wire.test_activity import admin, events_of, log_of

__all__ = ["admin"]


async def test_bounds_in_rows_and_time(server: Server, admin: Admin) -> None:
    """What is beyond the tenant's bounds goes; reads push no change out; without rows there is no log."""
    client = await server.tenant(activity_rows=5, activity_days=2)
    for number in range(4):
        await client.new_user(f"u{number}")
    for _ in range(3):
        for _ in range(4):
            await client.get("/Users")
        await server.app.recorder.flush()
    log = (await activity.logs_of(server.app.pool.across(), [client.slug]))[client.slug]
    await activity.trim(server.app.pool.of(client.id), log)
    assert [one["op"] for one in await log_of(server, admin, client)] == ["create"] * 4 + ["search"] * 5
    for _ in range(3):
        await client.new_user()
    await server.app.recorder.flush()
    await activity.trim(server.app.pool.of(client.id), log)
    assert sorted(one["op"] for one in await log_of(server, admin, client)) == ["create"] * 5 + ["search"] * 5
    age = """UPDATE activity_batch SET at = at - interval '3 days',
        reads = ARRAY(SELECT replace(one, '"at":', '"at":-') FROM unnest(reads) one),
        entries = ARRAY(SELECT replace(one, '"at":', '"at":-') FROM unnest(entries) one) WHERE tenant = $1 AND last <= 16"""
    await server.pool.execute(age, client.id)
    assert len(await log_of(server, admin, client)) == 3
    await server.app.recorder._sweep()
    assert await server.pool.fetchval("SELECT sum(number + number_read) FROM activity_batch WHERE tenant = $1", client.id) == 3
    off = await server.tenant(activity_rows=0)
    await off.new_user()
    assert await log_of(server, admin, off) == []


async def test_processes_bound_a_log_together(server: Server) -> None:
    """Many that each write too little to bring a log over its bounds: who writes the last entry trims it, so that it never has more than
    twice of each kind and what is being written."""
    client = await server.tenant(activity_rows=200)
    served: list[Served] = []
    record, server.app.record = server.app.record, served.append
    await client.new_user()
    server.app.record = record
    processes = [recorder.Recorder(server.app.pool) for _ in range(8)]
    stored = []
    for one in processes:
        for _ in range(150):
            one.add(served[0])
        await one.flush()
        stored.append(await server.pool.fetchval("SELECT sum(number) FROM activity_batch WHERE tenant = $1", client.id))
    assert stored == [150, 200, 200, 200, 350, 200, 200, 200]


async def test_what_is_too_old_goes_soon_after_the_start(start: Starter, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what a tenant left that sends no requests any more, and what a server of the version before wrote: a process that is not left
    running for long looks, too."""
    client = await server.tenant(activity_days=2)
    await client.new_user()
    await server.app.recorder.flush()
    await server.pool.execute("UPDATE activity_batch SET at = at - interval '3 days' WHERE tenant = $1", client.id)
    former = "INSERT INTO activity (tenant, number, reads, at, request_id, client, method, route, status, result, milliseconds) VALUES "
    await server.pool.execute(f"{former} ($1, 1, true, now() - interval '3 days', 'r', 'okta', 'GET', '/', 200, 'ok', 1)", client.id)
    monkeypatch.setattr(recorder, "_FIRST_SWEEP", 0.0)
    async with start(), asyncio.timeout(60):
        for table in ("activity_batch", "activity"):
            while await server.pool.fetchval(f"SELECT count(*) FROM {table} WHERE tenant = $1", client.id):
                await asyncio.sleep(0.05)


async def test_removing_meets_removing_and_an_erasure(server: Server, client: Client, admin: Admin) -> None:
    """Two that trim a log at the same time remove nothing twice, and an erasure that meets one leaves nobody in it."""
    ada, log = await client.new_user("ada"), activity.Log(client.id, 3, 7)
    assert (await _bulk(client, 4)).status_code == 200
    await client.delete(f"/Users/{ada['id']}")
    await server.app.recorder.flush()
    pool = server.app.pool.of(client.id)
    erasing = admin.ask("POST", f"/tenants/{client.slug}/erasures", {"id": ada["id"]})
    for work, left in ((activity.trim(pool, log), 3), (erasing, 1)):
        async with server.pool.acquire() as connection, connection.transaction():
            await activity.trim(Single(connection), log)
            other = asyncio.ensure_future(work)
            await until_blocked(server.pool, other)
            assert not other.done()
        await other
        rows = await server.pool.fetch("SELECT number, entries FROM activity_batch WHERE tenant = $1", client.id)
        assert [(row["number"], len(row["entries"])) for row in rows] == [(left, left)]
        log = activity.Log(client.id, 2, 7)
    assert [one for row in rows for one in row["entries"] if ada["id"] in one] == []


async def test_requests_go_on_when_nothing_can_be_written(
    start: Starter, server: Server, client: Client, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the table locked, and with the queue full, requests are answered; what is lost is counted."""
    lost: list[Any] = []
    monkeypatch.setattr(recorder, "observe", lost.append)
    async with server.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE activity_batch IN ACCESS EXCLUSIVE MODE")
        await client.new_user()
        writing = asyncio.create_task(server.app.recorder.flush())
        await asyncio.sleep(0)
        for _ in range(3):
            await client.new_user()
    await writing
    assert (len(await log_of(server, admin, client)), lost) == (4, [])
    monkeypatch.setattr(recorder, "MOST", 2)
    async with server.app.recorder._flushing:  # so that nothing is written meanwhile
        for _ in range(5):
            await client.new_user()
    assert [(one.reason, one.number) for one in lost] == [("full", 1)] * 3
    await server.app.recorder.flush()
    await server.pool.execute("ALTER TABLE activity_batch RENAME TO gone")
    try:
        lost.clear()
        await client.new_user()
        await server.app.recorder.flush()
        assert [(one.reason, one.number) for one in lost] == [("database", 1)]
    finally:
        await server.pool.execute("ALTER TABLE gone RENAME TO activity_batch")
    async with start() as other:
        made = await other.tenant()
        await made.new_user()
    assert await server.pool.fetchval("SELECT sum(number) FROM activity_batch WHERE tenant = $1", made.id) == 1  # written when it stopped


async def test_the_end_in_the_middle_of_a_batch(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is being written when the server ends is written once, and what came behind it, too."""
    client = await server.tenant()
    served: list[Served] = []
    record, server.app.record = server.app.record, served.append
    await client.new_user()
    server.app.record = record
    committed, go, add = asyncio.Event(), asyncio.Event(), activity.add

    async def slow(*args: Any) -> bool:
        over = await add(*args)
        committed.set()
        await go.wait()
        return over

    monkeypatch.setattr(activity, "add", slow)
    monkeypatch.setattr(recorder, "INTERVAL", 0.01)
    ending = recorder.Recorder(server.app.pool)
    ending.add(served[0])
    ending.start()
    await committed.wait()
    ending.add(served[0])
    stopping = asyncio.create_task(ending.stop())
    await asyncio.sleep(0.05)
    go.set()
    await stopping
    assert await server.pool.fetchval("SELECT sum(number) FROM activity_batch WHERE tenant = $1", client.id) == 2


async def test_entries_wait_while_the_database_is_busy(
    start: Starter, server: Server, admin: Admin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A statement that runs out of time costs no entry: what waits is written in order when the database takes it, and it is said once
    what went wrong."""
    lost: list[Any] = []
    monkeypatch.setattr(recorder, "observe", lost.append)
    monkeypatch.setattr(pool, "STATEMENT_TIMEOUT", 1.0)
    async with start() as other:
        made = await other.tenant()
        async with server.pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE activity_batch IN ACCESS EXCLUSIVE MODE")
            assert (await _bulk(made, 3)).status_code == 200
            await other.app.recorder.flush()
            await made.new_user("later")
        found = await log_of(other, admin, made)
    assert ([one["operation"] for one in found], lost) == ([1, 2, 3, None], [])
    said = [record.getMessage() for record in caplog.records if record.name == "scimsrv.activity"]
    assert said == [
        "3 entries of the log of requests wait until the database takes them (UNAVAILABLE, TimeoutError)",
        "entries of the log of requests are written again",
    ]


async def test_what_waits_is_bounded(server: Server, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what a tenant's log has room for, and by a number of entries of all tenants, however many a bulk request has."""
    lost: list[Any] = []
    monkeypatch.setattr(recorder, "observe", lost.append)
    monkeypatch.setattr(recorder, "MOST", 8)
    client, small = await server.tenant(), await server.tenant(activity_rows=1)
    flush = server.app.recorder.flush

    async def refused(*_: Any) -> None:
        raise unavailable()

    with monkeypatch.context() as busy:
        busy.setattr(activity, "add", refused)
        await _bulk(small, 3)
        await flush()
        await _bulk(client, 3)
        await flush()
        await _bulk(client, 4)
        assert [(one.reason, one.number) for one in lost] == [("full", 4)]
        await client.new_user()
        await flush()
    await flush()
    assert [one["operation"] for one in await log_of(server, admin, small)] == [2, 3]
    assert [one["operation"] for one in await log_of(server, admin, client)] == [1, 2, 3, None]
    assert server.app.recorder._held == 0


async def test_reads_of_a_batch_push_no_change_out(server: Server, admin: Admin) -> None:
    """However small a log is, each kind gets its room in it."""
    client = await server.tenant(activity_rows=10)
    await _bulk(client, 5)
    for _ in range(recorder.READS):
        await client.get("/Users")
    assert [one["op"] for one in await log_of(server, admin, client)] == ["create"] * 5 + ["search"] * 20


async def _bulk(client: Client, number: int) -> Any:
    """The answer to a bulk request that creates so many users."""
    operations = [{"method": "POST", "path": "/Users", "bulkId": f"b{one}", "data": user()} for one in range(number)]
    return await client.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})


async def test_tenants_that_are_none_push_no_tenant_out(
    server: Server, client: Client, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for many tenants that somebody made up takes nobody's room for longer than a batch."""
    monkeypatch.setattr(recorder, "_SLUGS", 3)
    for number in range(4):
        made_up = Client(server.http, f"made-up-{number}", 0, "nobody's")
        assert (await made_up.get("/Users")).status_code == 401
    await server.app.recorder.flush()
    assert (await client.with_token("nobody's").get("/Users")).status_code == 401
    assert [one["status"] for one in await log_of(server, admin, client)] == [401]


async def test_an_entry_that_cannot_be_made_does_not_end_the_log(
    server: Server, client: Client, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with one request is counted and costs its batch, not the entries of all that come later."""
    lost: list[Any] = []
    monkeypatch.setattr(recorder, "observe", lost.append)
    with monkeypatch.context() as broken:
        broken.setattr(recorder, "client_of", lambda _: 1 / 0)
        await client.request("POST", "/Users", user(), headers={"User-Agent": "never seen before"})
        await server.app.recorder.flush()
    assert [(one.reason, one.number) for one in lost] == [("database", 1)]
    await client.new_user()
    assert len(await log_of(server, admin, client)) == 1


async def test_following_sees_what_another_server_wrote(start: Starter, server: Server, client: Client, admin: Admin) -> None:
    """Events come in the order of their numbers, from any server, and a stream is taken up behind the last of them."""
    follower = admin.app.pool
    async with start() as other:
        there = Client(other.http, client.slug, client.id, client.token)
        await client.new_user("ada", displayName="Ada")
        await there.new_user("ben", displayName="Ben")
        await asyncio.gather(other.app.recorder.flush(), server.app.recorder.flush())
        await there.new_user("cyd", displayName="Cyd")
        await other.app.recorder.flush()
    assert follower is not None
    seen = await events_of(admin, client, 3, after=0)
    assert [int(one["id"]) for one in seen] == [1, 2, 3]
    assert {orjson.loads(one["data"])["sentence"].rpartition(" ")[2] for one in seen} == {"Ada", "Ben", "Cyd"}
    rest = await events_of(admin, client, 1, last=seen[1]["id"])
    assert rest == seen[2:]


async def test_following_looks_through_nothing_twice(server: Server, client: Client, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none of the entries is what is sought, the next look begins behind them."""
    looks: list[int] = []
    found = activity.list_entries

    async def looked(*given: Any, **how: Any) -> Any:
        looks.append(given[2].after)
        return await found(*given, **how)

    monkeypatch.setattr(activity, "list_entries", looked)
    for _ in range(3):
        await client.new_user()
    await server.app.recorder.flush()
    following = asyncio.create_task(admin.ask("GET", f"/tenants/{client.slug}/activity/events?after=0&group=nobody"))
    async with asyncio.timeout(30):
        while len(looks) < 2:
            await asyncio.sleep(0.05)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert looks[:2] == [0, 3]


@pytest.mark.parametrize("last", ["50", "99999999999999999999", "9" * 5_000])
async def test_a_last_event_that_is_no_number_of_an_entry(client: Client, admin: Admin, last: str) -> None:
    """A client that comes back with what no entry has begins with what was asked for."""
    await client.new_user("ada", displayName="Ada")
    assert len(await events_of(admin, client, 1, after=0, last=last)) == 1


async def test_following_a_database_that_was_restored(server: Server, client: Client, admin: Admin) -> None:
    """Whoever has seen more entries than there are by now begins with what comes next, and does not wait until there are as many again."""
    await client.new_user("ada")
    await server.app.recorder.flush()
    following = asyncio.create_task(events_of(admin, client, 1, after=50))
    async with asyncio.timeout(30):
        while not following.done():
            await client.new_user()
            await server.app.recorder.flush()
            await asyncio.sleep(0.1)
    assert 1 < int(following.result()[0]["id"]) < 50


async def test_a_stream_ends_with_the_token(server: Server, client: Client, admin: Admin) -> None:
    """Whoever follows is asked for the token again and again; HEAD is answered at once."""
    path = f"/tenants/{client.slug}/activity/events"
    assert (await admin.ask("HEAD", path)).headers["content-type"] == "text/event-stream; charset=utf-8"
    other = admin.with_token(await admin_token(server.pool, server.settings, ["admin:read"]))
    following = asyncio.create_task(other.ask("GET", path))
    async with asyncio.timeout(60):
        while not admin.app._followers:
            await asyncio.sleep(0.01)
        await server.pool.execute("DELETE FROM admin_credential WHERE kid = $1", str(other.token).split("_")[1])
        answer = await following
    assert (answer.status_code, answer.content) == (200, b"retry: 2000\n\n")
    assert admin.app._followers == 0


async def test_many_that_begin_to_follow_at_once(server: Server, client: Client, admin: Admin) -> None:
    """More than the API has connections: none of them waits for another's, so that nobody else is kept waiting."""
    streams = [asyncio.create_task(events_of(admin, client, 1)) for _ in range(12)]
    async with asyncio.timeout(15):
        while not all(one.done() for one in streams):
            await client.new_user()
            await server.app.recorder.flush()
            await asyncio.sleep(0.1)
    assert {len(one.result()) >= 1 for one in streams} == {True}
