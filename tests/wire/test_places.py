"""Places: so many requests of a tenant at the same time, and beside other tenants its share; who waits rests on what holds then."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from scimsrv import app, asynchronous, traffic
from scimsrv.protocol.plan import Query, Read
from scimsrv.store import asynchronous as jobs
from scimsrv.store import search
from scimsrv.store.bulk import carry_out
from scimsrv.store.execute import execute
from scimsrv.store.recorded import carry_out_recorded
from scimsrv.traffic import Shares
from tests.wire.support import SEARCH, Client, Starter, user
from tests.wire.test_asynchronous import finished
from tests.wire.test_rates import assert_refused, bulk_of


class _Held:
    """Statements of searches, or of everything, that end when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, everything: bool = False) -> None:
        self.begun = 0
        self.go = asyncio.Event()

        async def held(scope: Any, plan: Any) -> Any:
            if everything or isinstance(plan, Read | Query):
                self.begun += 1
                await self.go.wait()
            return await execute(scope, plan)

        async def recorded(*args: Any, **more: Any) -> None:
            if everything:
                self.begun += 1
                await self.go.wait()
            await carry_out_recorded(*args, **more)

        monkeypatch.setattr(app, "execute", held)
        monkeypatch.setattr(asynchronous, "carry_out_recorded", recorded)


def _held_bulks(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], asyncio.Event]:
    """Bulk requests go on when the event is set; the list has the tenant of each that has begun."""
    begun, go = list[int](), asyncio.Event()

    async def held(scope: Any, *rest: Any) -> Any:
        begun.append(scope.tenant)
        await go.wait()
        return await carry_out(scope, *rest)

    monkeypatch.setattr(app, "carry_out", held)
    return begun, go


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_requests_at_the_same_time(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant has so many requests in progress, and one more is refused; another tenant is served, and so is it when they have ended."""
    async with start(tenant_requests=3) as server:
        server.app.traffic.shares = Shares(10_000)
        client, other, lower = await server.tenant(), await server.tenant(), await server.tenant(max_requests=1)
        held = _Held(monkeypatch)
        running = [asyncio.create_task(one.get("/Users/x")) for one in (client, client, client, lower)]
        await _until(lambda: held.begun == 4)
        assert_refused(await client.get("/Users/x"), "3 requests at the same time")
        assert_refused(await lower.get("/Users/x"), "1 requests at the same time")
        assert (await client.get("/ServiceProviderConfig")).status_code == 429
        assert (await other.get("/ServiceProviderConfig")).status_code == 200
        held.go.set()
        assert {answer.status_code for answer in await asyncio.gather(*running)} == {404}
        assert (await client.get("/Users/x")).status_code == 404


async def test_bulk_requests_at_the_same_time(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bulk requests of a tenant are carried out at the same time; another waits for its turn, and another tenant's does not."""
    begun, go = _held_bulks(monkeypatch)
    monkeypatch.setattr(traffic, "_PRESENT", -1.0)  # each as if the other were not there
    async with start() as server:
        client, other = await server.tenant(), await server.tenant()
        running = [asyncio.create_task(client.post("/Bulk", bulk_of(1))) for _ in range(3)]
        await _until(lambda: len(begun) == 2)
        running.append(asyncio.create_task(other.post("/Bulk", bulk_of(1))))
        await _until(lambda: len(begun) == 3)
        assert begun == [client.id, client.id, other.id]
        assert (await client.get("/Users")).status_code == 200
        go.set()
        assert {answer.status_code for answer in await asyncio.gather(*running)} == {200}
        monkeypatch.setattr(traffic, "_BULK_PATIENCE", 0.05)
        go.clear()
        running = [asyncio.create_task(client.post("/Bulk", bulk_of(1))) for _ in range(2)]
        await _until(lambda: len(begun) == 6)
        assert_refused(await client.post("/Bulk", bulk_of(1)), "2 bulk requests at the same time")
        go.set()
        await asyncio.gather(*running)


@pytest.mark.parametrize(
    ("changed", "status", "results"), [({"bulk_atomic": True}, 200, ["400"]), ({"bulk": False}, 501, []), ({}, 200, ["201", "400"])]
)
async def test_a_policy_that_changes_while_a_bulk_request_waits(
    start: Starter, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], status: int, results: list[str]
) -> None:
    """A bulk request that waits for its turn is carried out by the policy that holds when it has it."""
    begun, go = _held_bulks(monkeypatch)
    async with start() as server:
        client = await server.tenant()
        running = [asyncio.create_task(client.post("/Bulk", bulk_of(1))) for _ in range(2)]
        await _until(lambda: len(begun) == 2)
        late = bulk_of(2)
        late["Operations"][0]["data"], late["Operations"][1]["data"] = user("ada"), {"schemas": user()["schemas"]}
        waiting = asyncio.create_task(client.post("/Bulk", late))
        await _until(lambda: client.id in server.app.traffic.bulks._waiting)
        await server.set_policy(client, changed)
        await asyncio.sleep(1)  # for which who asks is known
        go.set()
        answer = await waiting
        assert (answer.status_code, [one["status"] for one in answer.json().get("Operations", [])]) == (status, results)
        assert len(await client.search('userName eq "ada"')) == (not changed)
        assert {one.status_code for one in await asyncio.gather(*running)} == {200}


async def test_asking_for_later_is_no_way_around_the_share(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """What respond-async leaves to be done at once has part of the tenant's share beside others: reads, and writes of which too many
    wait."""
    monkeypatch.setattr(traffic, "_PRESENT", 60.0)
    monkeypatch.setattr(jobs, "WAITING", 0)
    async with start() as server:
        client, other = await server.tenant(), await server.tenant()
        held, later = _Held(monkeypatch, everything=True), {"Prefer": "respond-async"}
        running = [asyncio.create_task(other.get("/Users/x"))]
        await _until(lambda: held.begun == 1)
        running.append(asyncio.create_task(client.request("POST", "/Users", user("ada"), headers=later | {"Idempotency-Key": "k"})))
        more = [client.request(method, "/Users/x", headers=later) for method in ("DELETE", "GET", "DELETE")]
        running.extend(asyncio.create_task(one) for one in more)
        await _until(lambda: held.begun >= 3)
        await asyncio.sleep(0.1)
        assert held.begun == 3
        held.go.set()
        assert [answer.status_code for answer in await asyncio.gather(*running)] == [404, 201, 404, 404, 404]


async def test_what_ends_while_a_request_waits_for_its_share(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waits for its tenant's share rests on what holds when it is its turn: a token that has ended does nothing."""
    monkeypatch.setattr(traffic, "_PRESENT", 60.0)
    async with start() as server:
        client, other = await server.tenant(), await server.tenant()
        ada = (await client.post("/Users", user("ada"))).json()["id"]
        ended = client.with_token(await server.token(client))
        held = _Held(monkeypatch, everything=True)
        running = [asyncio.create_task(other.get("/Users/x"))]
        await _until(lambda: held.begun == 1)
        running.extend(asyncio.create_task(client.get("/Users/x")) for _ in range(2))
        await _until(lambda: held.begun == 3)
        seen = [ended.get(path) for path in (f"/Users/{ada}", f"/badges/progress/{ada}")]
        asked = (*seen, ended.delete(f"/Users/{ada}"), ended.post("/Users", user("ben")))
        waiting = [asyncio.create_task(one) for one in asked]
        await asyncio.sleep(0.1)
        await server.pool.execute("DELETE FROM credential WHERE kid = $1", (ended.token or "").split("_")[1])
        await asyncio.sleep(1)
        held.go.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [401, 401, 401, 401]
        await asyncio.gather(*running)
        assert await client.search("userName pr") == [ada]


async def test_what_is_carried_out_later_beside_others(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a tenant that is alone several requests are carried out later at the same time, beside another tenant one after the other."""
    inside, most, company, patience = 0, 0, asyncio.Event(), 20.0

    async def counted(*args: Any, **more: Any) -> None:
        nonlocal inside, most
        inside, most = inside + 1, max(most, inside + 1)
        if inside > 1:
            company.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(company.wait(), patience)
        inside -= 1
        await carry_out_recorded(*args, **more)

    monkeypatch.setattr(asynchronous, "carry_out_recorded", counted)
    monkeypatch.setattr(traffic, "_PRESENT", 60.0)
    async with start() as server:
        client, other = await server.tenant(), await server.tenant()
        for beside in (False, True):
            most = 0
            company.clear()
            if beside:  # nobody comes, however long it is waited for
                patience = 0.2
                await other.get("/Users/x")
            answers = [await client.request("POST", "/Bulk", bulk_of(1), headers={"Prefer": "respond-async"}) for _ in range(3)]
            for answer in answers:
                await finished(client, answer)
            assert (most > 1) is not beside


async def test_long_requests_leave_room_for_short_ones(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside another tenant a bulk request and those that are carried out later are one at a time, and what is short goes on beside it;
    also while one waits for those of other tenants."""
    begun, go = list[str](), asyncio.Event()

    async def held(*args: Any) -> Any:
        begun.append("bulk")
        await go.wait()
        return await carry_out(*args)

    async def recorded(*args: Any, **more: Any) -> None:
        begun.append("later")
        await carry_out_recorded(*args, **more)

    monkeypatch.setattr(app, "carry_out", held)
    monkeypatch.setattr(asynchronous, "carry_out_recorded", recorded)
    monkeypatch.setattr(traffic, "_PRESENT", 60.0)
    async with start() as server:
        client, other = await server.tenant(), await server.tenant()
        await other.get("/Users/x")
        running = asyncio.create_task(client.post("/Bulk", bulk_of(1)))
        await _until(lambda: begun == ["bulk"])
        later = [await client.request("POST", "/Bulk", bulk_of(1), headers={"Prefer": "respond-async"}) for _ in range(2)]
        async with asyncio.timeout(5):
            assert (await client.get("/Users/x")).status_code == 404
        assert begun == ["bulk"]
        go.set()
        assert (await running).status_code == 200
        for answer in later:
            await finished(client, answer)
        async with AsyncExitStack() as stack:
            for tenant_ in range(-asynchronous._AT_ONCE, 0):
                await stack.enter_async_context(server.app.jobs._turns.turn(tenant_))
            waits = await client.request("POST", "/Bulk", bulk_of(1), headers={"Prefer": "respond-async"})
            await asyncio.sleep(0.1)
            assert (await client.post("/Bulk", bulk_of(1))).status_code == 200
        await finished(client, waits)


async def test_searches_at_the_same_time(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant has so many searches in progress; others wait in their order, and are refused when that takes too long. What is no
    search, and another tenant's searches, go on."""
    async with start(tenant_searches=2, rate_patience=0.3) as server:
        server.app.traffic.shares = Shares(10_000)
        client, other, lower = await server.tenant(), await server.tenant(), await server.tenant(max_searches=1)
        held = _Held(monkeypatch)
        running = [asyncio.create_task(one.get("/Users")) for one in (client, client, lower)]
        await _until(lambda: held.begun == 3)
        for one, most in ((client, 2), (lower, 1)):
            assert_refused(await one.get("/Users"), f"{most} searches at the same time")
            assert_refused(await one.post("/.search", {"schemas": [SEARCH]}), f"{most} searches at the same time")
        assert (await client.get("/ServiceProviderConfig")).status_code == 200
        more = asyncio.create_task(other.get("/Users"))
        await _until(lambda: held.begun == 4)
        waits = asyncio.create_task(client.get("/Users"))
        await asyncio.sleep(0.05)
        assert held.begun == 4
        held.go.set()
        assert {answer.status_code for answer in await asyncio.gather(*running, more, waits)} == {200}


async def test_searches_without_an_index_beside_others(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take the database long, so that of a tenant one at a time is in it while another tenant has work to do; what is short does not
    wait for them, and a tenant that is alone has no such turn."""
    begun, go, searched, clock = Counter[str](), asyncio.Event(), search._searched, [1.0]

    async def held(scope: Any, plan: Any, made: Any) -> Any:
        begun[f"{scope.tenant} {'long' if made.unindexed else 'short'}"] += 1
        if made.unindexed:
            await go.wait()
        return await searched(scope, plan, made)

    monkeypatch.setattr(search, "_searched", held)
    async with start() as server:
        monkeypatch.setattr(server.app.traffic.shares, "_clock", lambda: clock[0])
        client, other = await server.tenant(), await server.tenant()
        long = "/Users?filter=" + quote('title co "x"')
        assert (await other.get("/Users/nobody")).status_code == 404
        running = [asyncio.create_task(one.get(long)) for one in (client, client, client, other)]
        queues = (server.app.traffic.shares._waiting, server.app.traffic._long._waiting)
        await _until(lambda: begun[f"{client.id} long"] == begun[f"{other.id} long"] == 1)
        await _until(lambda: sum(len(queue.get(client.id, ())) for queue in queues) == 2)
        async with asyncio.timeout(10):
            assert (await client.get("/Users?filter=" + quote('userName sw "x"'))).status_code == 200
        assert begun[f"{client.id} long"] == 1
        go.set()
        assert {one.status_code for one in await asyncio.gather(*running)} == {200}
        assert begun[f"{client.id} long"] == 3
        go.clear()
        begun.clear()
        clock[0] += traffic._PRESENT + 0.1
        running = [asyncio.create_task(client.get(long)) for _ in range(3)]
        await _until(lambda: begun[f"{client.id} long"] == 3)
        go.set()
        assert {one.status_code for one in await asyncio.gather(*running)} == {200}


async def test_a_token_that_ends_while_a_search_takes_long(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer is for who may have it when it is there."""
    async with start() as server:
        client = await server.tenant()
        ended = client.with_token(await server.token(client))
        held = _Held(monkeypatch)
        running = [asyncio.create_task(one.get("/Users")) for one in (ended, client)]
        await _until(lambda: held.begun == 2)
        await server.pool.execute("DELETE FROM credential WHERE kid = $1", (ended.token or "").split("_")[1])
        await asyncio.sleep(1)  # for which who asks is known
        held.go.set()
        assert [(await one).status_code for one in running] == [401, 200]


async def test_what_changes_while_a_search_waits(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that waits for its turn is carried out by what holds when it has it: a token that has ended sees nothing, and a policy
    that was changed counts."""
    async with start(tenant_searches=1, rate_patience=10) as server:
        server.app.traffic.shares = Shares(10_000)
        client = await server.tenant()
        for name in ("ada", "ben"):
            await client.new_user(name)
        ended = client.with_token(await server.token(client))
        held = _Held(monkeypatch)
        running = asyncio.create_task(client.get("/Users"))
        await _until(lambda: held.begun == 1)
        waiting = [asyncio.create_task(one.get("/Users")) for one in (ended, client)]
        await _until(lambda: len(server.app.traffic.searches._waiting.get(client.id, ())) == 2)
        await server.pool.execute("DELETE FROM credential WHERE kid = $1", (ended.token or "").split("_")[1])
        await server.set_policy(client, {"max_page": 1})
        await asyncio.sleep(1)  # for which who asks is known
        held.go.set()
        answers = [await one for one in (running, *waiting)]
        assert [(one.status_code, one.json().get("itemsPerPage")) for one in answers] == [(200, 2), (401, None), (200, 1)]


async def test_what_changes_while_a_turn_is_waited_for(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside other tenants a search without an index and the sets of a bulk request wait for their turn, and are carried out by what holds
    when they have it: a policy that was changed counts, and a token that has ended stores nothing."""
    monkeypatch.setattr(traffic, "_PRESENT", 60.0)
    begun, go, searched = list[int](), asyncio.Event(), search._searched

    async def held(scope: Any, plan: Any, made: Any) -> Any:
        begun.append(scope.tenant)
        if len(begun) == 1:
            await go.wait()
        return await searched(scope, plan, made)

    monkeypatch.setattr(search, "_searched", held)
    async with start() as server:
        server.app.traffic.shares = Shares(10_000)
        server.app.pool.shared = server.app.traffic.shares.shared
        client, other = await server.tenant(), await server.tenant()
        for name in ("ada", "ben"):
            await client.new_user(name, title="x")
        ended = client.with_token(await server.token(client))
        assert (await other.get("/Users/nobody")).status_code == 404
        long, waiting = "/Users?filter=" + quote('title co "x"'), server.app.traffic._long._waiting
        running = [asyncio.create_task(client.get(long))]
        await _until(lambda: begun == [client.id])
        running.append(asyncio.create_task(client.get(long)))
        await _until(lambda: len(waiting.get(client.id, ())) == 1)
        running.append(asyncio.create_task(ended.post("/Bulk", bulk_of(2))))
        await _until(lambda: len(waiting.get(client.id, ())) == 2)
        await server.pool.execute("DELETE FROM credential WHERE kid = $1", (ended.token or "").split("_")[1])
        await server.set_policy(client, {"max_page": 1})
        await asyncio.sleep(1)  # for which who asks is known
        go.set()
        first, second, bulk = await asyncio.gather(*running)
        assert [(one.status_code, one.json()["itemsPerPage"]) for one in (first, second)] == [(200, 2), (200, 1)]
        assert {one["status"] for one in bulk.json()["Operations"]} == {"401"}


async def test_a_client_that_leaves_gives_its_place_back(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled while it runs or while it waits, a request leaves its place."""
    async with start(tenant_searches=1, tenant_requests=3) as server:
        server.app.traffic.shares = Shares(10_000)
        client = await server.tenant()
        held = _Held(monkeypatch)
        running = asyncio.create_task(client.get("/Users"))
        await _until(lambda: held.begun == 1)
        waiting = [asyncio.create_task(client.get("/Users")) for _ in range(2)]
        await asyncio.sleep(0.05)
        for task in (*waiting, running):
            task.cancel()
        await asyncio.gather(running, *waiting, return_exceptions=True)
        held.go.set()
        assert {answer.status_code for answer in await asyncio.gather(*(client.get("/Users") for _ in range(3)))} == {200}


async def test_a_noisy_tenant_does_not_stop_a_quiet_one(start: Starter) -> None:
    """While one tenant sends reads, searches, writes and bulk requests as fast as it can and is refused, every request of another one is
    served: no 429 for what it did not do, and no 503 for want of a connection."""
    async with start(token_rate=50, token_burst=50, rate_patience=0, tenant_requests=30, pool_size=3) as server:
        noisy, quiet = await server.tenant(), await server.tenant()
        stop, seen = asyncio.Event(), Counter[int]()

        async def flood(number: int) -> None:
            while not stop.is_set():
                seen[(await _one(noisy, number % 4)).status_code] += 1
                await asyncio.sleep(0.001)  # without a socket between, a refusal waits for nothing

        floods = [asyncio.create_task(flood(number)) for number in range(40)]
        await _until(lambda: seen[429] > 20)
        for _ in range(5):
            ada = await quiet.new_user()
            assert (await quiet.get(f"/Users/{ada['id']}")).status_code == 200
            assert await quiet.search(f'userName eq "{ada["userName"]}"') == [ada["id"]]
            assert (await quiet.post("/Bulk", bulk_of(2))).status_code == 200
            assert (await quiet.delete(f"/Users/{ada['id']}")).status_code == 204
        stop.set()
        await asyncio.gather(*floods)
        assert seen[429] > seen[200]
        assert not set(seen) - {200, 201, 404, 429, 503}


async def _one(client: Client, kind: int) -> httpx.Response:
    match kind:
        case 0:
            return await client.get("/Users", filter='title co "zz"')
        case 1:
            return await client.post("/Users", user())
        case 2:
            return await client.get("/Users/x")
        case _:
            return await client.post("/Bulk", bulk_of(10))


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/ims/ob/v3p0/oauth/token"])
async def test_slow_bodies_of_nobody(start: Starter, path: str) -> None:
    """Of the requests in progress an address that has shown no token has a sixteenth, and all of them together a quarter, however slowly
    their bodies come; whoever has a token is served, and so are they when places are free."""
    go = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"grant_type="
        await go.wait()

    async with start(concurrency=64) as server, AsyncExitStack() as stack:
        client = await server.tenant(badges=True, open_badges_api=True)
        sent = {"Content-Type": "application/x-www-form-urlencoded"}

        async def slow(number: int) -> httpx.Response:
            transport = httpx.ASGITransport(server.app, client=(f"192.0.2.{number}", 1))
            http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://scim.test"))
            return await http.post(client.base + path, content=body(), headers=sent)

        def waiting() -> list[asyncio.Task[httpx.Response]]:
            return [task for task in running if not task.done()]

        running = [asyncio.create_task(slow(1)) for _ in range(6)]
        await _until(lambda: len(waiting()) == 4)
        refused = [task.result() for task in running if task.done()]
        running += [asyncio.create_task(slow(2 + number // 4)) for number in range(16)]
        await _until(lambda: len(waiting()) == 16)
        refused += [task.result() for task in running[6:] if task.done()]
        assert len(refused) == 6
        for answer in refused:
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 30
        assert (await client.get("/Users")).status_code == 200
        go.set()
        assert {(await task).status_code for task in running} <= {400, 401, 429}
        assert (await slow(1)).status_code in (400, 401)
