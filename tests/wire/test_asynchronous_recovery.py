"""Asynchronous requests whose worker dies, ends or is taken for dead: nothing is carried out twice, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from scimsrv.store import asynchronous as jobs
from scimsrv.store import bulk as bulk_requests
from tests.wire.support import Client, Server, group, patch, user
from tests.wire.test_asynchronous import ASYNC, finished
from tests.wire.test_bulk import REQUEST, operation, post, statuses


def _dying(patched: pytest.MonkeyPatch, number: int) -> Callable[[], Awaitable[None]]:
    """Let workers die before they keep results for the time with this number; returns what waits for one that has."""
    calls, dead, original = 0, asyncio.Event(), jobs.JobRecorder.record

    async def record(self: Any, *args: Any, **more: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            dead.set()
            raise RuntimeError("killed")
        await original(self, *args, **more)

    async def died() -> None:
        await dead.wait()
        await asyncio.sleep(0.1)

    patched.setattr(jobs.JobRecorder, "record", record)
    return died


@pytest.mark.parametrize("policy", [{}, {"bulk_atomic": True}])
async def test_a_worker_that_died(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, policy: dict[str, bool]) -> None:
    """What a worker left in the middle is taken up where it was left, and nothing is done twice; one by one also where the policy is all
    or nothing by then."""
    body: dict[str, Any] = {"schemas": [REQUEST], "Operations": [post(str(number), user()) for number in range(3)]}
    body["Operations"] = [one for each in body["Operations"] for one in (each, operation("DELETE", "/Users/none"))]
    with monkeypatch.context() as patched:
        died = _dying(patched, 4)
        answer = await client.request("POST", "/Bulk", body, headers=ASYNC)
        await died()
    txn = answer.headers["set-txn"]
    half = (await client.get(f"/.requests/{txn}")).json()
    assert (half["state"], statuses(half["Operations"])) == ("running", ["201", "404", "201"])
    assert (await client.get("/Users")).json()["totalResults"] == 2
    await server.set_policy(client, policy)
    await server.pool.execute("UPDATE request_job SET held_until = now() WHERE tenant = $1", client.id)
    server.app.jobs.begin(client.id, txn)
    found = await finished(client, answer)
    assert statuses(found["Operations"]) == ["201", "404"] * 3
    assert (await client.get("/Users")).json()["totalResults"] == 3


@pytest.mark.parametrize(("died_with", "taken_up_with"), [(2, 5), (4, 3)])
async def test_a_worker_that_cut_other_sets(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, died_with: int, taken_up_with: int
) -> None:
    """A server of another version may take the request up, whose sets have another size: every operation is carried out, once."""
    circle = [post("a", group("bulkId:b")), post("b", group("bulkId:a"))]
    operations = [post(str(number), user(f"u{number}")) for number in range(7)]
    operations[4:4] = circle
    with monkeypatch.context() as patched:
        died = _dying(patched, 2)
        patched.setattr(bulk_requests, "SET", died_with)
        answer = await client.request("POST", "/Bulk", {"schemas": [REQUEST], "Operations": operations}, headers=ASYNC)
        await died()
    monkeypatch.setattr(bulk_requests, "SET", taken_up_with)
    half = (await client.get(f"/.requests/{answer.headers['set-txn']}")).json()
    assert (half["state"], statuses(half["Operations"])) == ("running", ["201"] * died_with)
    await server.pool.execute("UPDATE request_job SET held_until = now() WHERE tenant = $1", client.id)
    server.app.jobs.begin(client.id, answer.headers["set-txn"])
    found = await finished(client, answer)
    assert statuses(found["Operations"]) == ["201"] * 9
    assert [(await client.get(path)).json()["totalResults"] for path in ("/Users", "/Groups")] == [7, 2]


async def test_a_worker_that_died_having_brought_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes the request up knows the id of what the former worker brought back, which is not the one that was meant for it."""
    client = await server.tenant(reprovision="userName")
    ada = (await client.new_user("ada"))["id"]
    await client.delete(f"/Users/{ada}")
    change = patch({"op": "add", "path": "title", "value": "Dr"})
    operations = [post("a", user("ada")), operation("DELETE", "/Users/none"), operation("PATCH", "/Users/bulkId:a", change)]
    with monkeypatch.context() as patched:
        died = _dying(patched, 2)
        answer = await client.request("POST", "/Bulk", {"schemas": [REQUEST], "Operations": operations}, headers=ASYNC)
        await died()
    await server.pool.execute("UPDATE request_job SET held_until = now() WHERE tenant = $1", client.id)
    server.app.jobs.begin(client.id, answer.headers["set-txn"])
    found = await finished(client, answer)
    assert statuses(found["Operations"]) == ["201", "404", "200"]
    assert (await client.get(f"/Users/{ada}")).json()["title"] == "Dr"


async def test_a_server_that_ends(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server has begun when it is stopped is another's at once, and is not waited for as after a death."""
    started = asyncio.Event()

    async def stuck(*_: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(jobs.JobRecorder, "hold", stuck)
        answer = await client.request("POST", "/Users", user("ada"), headers=ASYNC)
        await started.wait()
        await server.app.jobs.stop()
    server.app.jobs.begin(client.id, answer.headers["set-txn"])
    found = await finished(client, answer)
    assert statuses(found["Operations"]) == ["201"]


async def test_a_worker_that_was_taken_for_dead(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that goes on after another has taken over changes nothing."""
    started, go = asyncio.Event(), asyncio.Event()
    original = jobs.JobRecorder.hold
    first = True

    async def slow(self: Any, scope: Any) -> None:
        nonlocal first
        if first:
            first = False
            started.set()
            await go.wait()
        await original(self, scope)

    monkeypatch.setattr(jobs.JobRecorder, "hold", slow)
    answer = await client.request("POST", "/Users", user("ada"), headers=ASYNC)
    await started.wait()
    await server.pool.execute("UPDATE request_job SET held_until = now() WHERE tenant = $1", client.id)
    server.app.jobs.begin(client.id, answer.headers["set-txn"])
    found = await finished(client, answer)
    go.set()
    await asyncio.sleep(0.2)
    assert statuses(found["Operations"]) == ["201"]
    assert (await client.get(f"/.requests/{found['txn']}")).json() == found
    assert (await client.get("/Users")).json()["totalResults"] == 1
