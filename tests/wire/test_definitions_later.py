"""Changes of definitions that are asked for asynchronously or with a key: carried out once, and their answers there to be had."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from scimsrv.asynchronous import Jobs
from scimsrv.store import asynchronous as jobs
from scimsrv.store import definitions, joined, redefining
from scimsrv.store.examination import examine
from scimsrv.store.failure import unavailable
from tests.wire.support import PUBLIC, Client, Server, assert_error, patch, user
from tests.wire.test_asynchronous import ASYNC, finished
from tests.wire.test_bulk import statuses
from tests.wire.test_definitions import BADGE, DEVICE, DEVICE_SCHEMA, admin, resource_type, schema

__all__ = ["admin"]


WAIT = {"Prefer": "respond-async, wait=20"}


async def test_every_change(admin: Client) -> None:
    """POST, PUT, PATCH and DELETE of schemas and types are accepted, carried out, and each has one result."""
    made = await finished(admin, await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=ASYNC))
    (result,) = made["Operations"]
    location = f"{admin.base}/Schemas/{DEVICE}"
    assert (result["status"], result["method"], result["version"], result["txn"]) == ("201", "POST", 'W/"1"', made["txn"])
    assert result["location"].endswith(location)
    type_ = resource_type("Device", "/Devices", DEVICE)
    typed = await finished(admin, await admin.request("POST", "/ResourceTypes", type_, headers=ASYNC))
    assert statuses(typed["Operations"]) == ["201"]
    changed = patch({"op": "add", "path": "attributes", "value": [{"name": "colour", "type": "string"}]})
    found = await finished(admin, await admin.request("PATCH", f"/Schemas/{DEVICE}", changed, headers=ASYNC))
    assert (statuses(found["Operations"]), found["Operations"][0]["version"]) == (["200"], 'W/"2"')
    put = await finished(admin, await admin.request("PUT", "/ResourceTypes/Device", type_ | {"description": "x"}, headers=ASYNC))
    assert statuses(put["Operations"]) == ["200"]
    assert (await admin.get("/ResourceTypes/Device")).json()["description"] == "x"
    same = await finished(admin, await admin.request("PUT", "/ResourceTypes/Device", type_ | {"description": "x"}, headers=ASYNC))
    assert (statuses(same["Operations"]), same["Operations"][0]["version"]) == (["200"], put["Operations"][0]["version"])
    gone = await finished(admin, await admin.request("DELETE", "/ResourceTypes/Device", headers=ASYNC))
    assert statuses(gone["Operations"]) == ["204"]


async def test_what_is_wrong(admin: Client) -> None:
    """What is wrong with a definition by itself is said at once; what others or resources do not permit is in the result."""
    assert_error(await admin.request("POST", "/Schemas", schema("no urn"), headers=ASYNC), 400, "invalidValue")
    assert_error(await admin.request("PATCH", f"/Schemas/{BADGE}", patch({"op": "x"}), headers=ASYNC), 400, "invalidSyntax")
    await admin.post("/Schemas", DEVICE_SCHEMA)
    twice = await finished(admin, await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=ASYNC))
    assert statuses(twice["Operations"]) == ["409"]
    gone = await finished(admin, await admin.request("DELETE", f"/Schemas/{BADGE}", headers=ASYNC))
    (result,) = gone["Operations"]
    assert (result["status"], result["location"]) == ("404", f"{PUBLIC}{admin.base}/Schemas/{BADGE}")
    stale = await finished(admin, await admin.request("DELETE", f"/Schemas/{DEVICE}", headers=ASYNC | {"If-Match": 'W/"7"'}))
    assert statuses(stale["Operations"]) == ["412"]


async def test_a_trial_is_no_change(admin: Client) -> None:
    """A dry run is answered at once, with its report."""
    answer = await admin.request("POST", "/Schemas?dryRun=true", DEVICE_SCHEMA, headers=ASYNC | {"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["possible"]) == (200, True)


async def test_waiting(admin: Client) -> None:
    """A client that would wait gets the normal answer when it is there in time, and the next request knows of the change."""
    answer = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=WAIT)
    assert (answer.status_code, answer.json()["id"], answer.headers["etag"]) == (201, DEVICE, 'W/"1"')
    assert answer.json() == (await admin.get(f"/Schemas/{DEVICE}")).json()
    answer = await admin.request("POST", "/ResourceTypes", resource_type("Device", "/Devices", DEVICE), headers=WAIT)
    assert answer.status_code == 201
    assert (await admin.post("/Devices", {"serial": "1"})).status_code == 201
    assert_error(await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=WAIT), 409, "uniqueness")
    minimal = {"Prefer": "respond-async, wait=20, return=minimal"}
    answer = await admin.request("PUT", f"/Schemas/{DEVICE}", DEVICE_SCHEMA | {"name": "Other"}, headers=minimal)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (204, b"", 'W/"2"')


async def test_minimal_answers(admin: Client) -> None:
    """Definitions too are answered without a body to who wants none."""
    answer = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers={"Prefer": "return=minimal"})
    assert (answer.status_code, answer.content, answer.headers["preference-applied"]) == (201, b"", "return=minimal")


@pytest.mark.parametrize("prefer", ["return=minimal", "return=minimal, respond-async, wait=20"])
async def test_what_is_still_to_be_done_has_a_body(server: Server, admin: Client, prefer: str) -> None:
    """202 without a body would promise an event (RFC 9967 §3); the definition as it still is says that it is none."""
    await server.app.maintenance.stop()
    await admin.post("/Schemas", schema(DEVICE, {"name": "code", "caseExact": False}))
    await admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE))
    assert (await admin.post("/Devices", {"code": "Abc"})).status_code == 201
    exact = schema(DEVICE, {"name": "code", "caseExact": True})
    answer = await admin.request("PUT", f"/Schemas/{DEVICE}", exact, headers={"Prefer": prefer})
    assert (answer.status_code, answer.json()["attributes"][0]["caseExact"], "set-txn" in answer.headers) == (202, False, False)


async def test_a_key(admin: Client) -> None:
    """The same creation with the same key gets the same answer, an error too; with another body it is 422."""
    key = {"Idempotency-Key": "k-1"}
    first = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=key)
    again = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert_error(await admin.request("POST", "/Schemas", DEVICE_SCHEMA | {"name": "x"}, headers=key), 422)
    first, again = [await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers={"Idempotency-Key": "k-2"}) for _ in range(2)]
    assert_error(first, 409, "uniqueness")
    assert (again.status_code, again.json()) == (409, first.json())


async def test_the_first_answer(server: Server, admin: Client) -> None:
    """A repetition gets it whatever became of the definition since; where its server died before the answer, without the definition."""
    type_ = resource_type("Device", "/Devices", DEVICE)
    bodies = {"/Schemas": DEVICE_SCHEMA, "/ResourceTypes": type_}
    firsts = {path: await admin.request("POST", path, body, headers={"Idempotency-Key": path}) for path, body in bodies.items()}
    await admin.put(f"/Schemas/{DEVICE}", DEVICE_SCHEMA | {"name": "Other"})
    again = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers={"Idempotency-Key": "/Schemas"})
    assert (again.status_code, again.headers["etag"], again.json()) == (201, 'W/"1"', firsts["/Schemas"].json())
    assert (await admin.delete("/ResourceTypes/Device")).status_code == 204
    assert (await admin.delete(f"/Schemas/{DEVICE}")).status_code == 204
    for path, body in bodies.items():
        again = await admin.request("POST", path, body, headers={"Idempotency-Key": path})
        assert (again.status_code, again.json()) == (201, firsts[path].json())
        await server.pool.execute("UPDATE first_answer SET status = NULL, body = NULL WHERE tenant = $1 AND key = $2", admin.id, path)
        again = await admin.request("POST", path, body, headers={"Idempotency-Key": path})
        assert (again.status_code, again.content) == (201, b"")
        assert {name: again.headers[name] for name in ("etag", "location")} == {
            name: firsts[path].headers[name] for name in ("etag", "location")
        }


@pytest.mark.parametrize("prefer", [{}, WAIT], ids=["at once", "waiting"])
async def test_what_passes_is_no_first_answer(admin: Client, monkeypatch: pytest.MonkeyPatch, prefer: dict[str, str]) -> None:
    """After a 503, which had no effect, the same creation with the same key is carried out."""

    async def busy(*_: Any, **__: Any) -> Any:
        raise unavailable()

    with monkeypatch.context() as patched:
        patched.setattr(redefining, "define", busy)
        patched.setattr(joined, "_REPEATING", 0.1)
        assert_error(await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=prefer | {"Idempotency-Key": "k"}), 503)
    answer = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=prefer | {"Idempotency-Key": "k"})
    assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"1"')


@pytest.mark.parametrize("moment", ["hold", "record"])
async def test_a_worker_that_died(server: Server, admin: Client, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """What a worker left within the transaction is done by another one, from the beginning, and once."""
    died = asyncio.Event()
    original = getattr(jobs.JobRecorder, moment)

    async def dying(self: Any, *args: Any, **more: Any) -> None:
        died.set()
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(jobs.JobRecorder, moment, dying)
        answer = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=ASYNC)
        await asyncio.wait_for(died.wait(), 20)
        await asyncio.sleep(0.1)
    assert original is getattr(jobs.JobRecorder, moment)
    assert_error(await admin.get(f"/Schemas/{DEVICE}"), 404)
    await server.pool.execute("UPDATE request_job SET held_until = now() WHERE tenant = $1", admin.id)
    server.app.jobs.begin(admin.id, answer.headers["set-txn"])
    assert statuses((await finished(admin, answer))["Operations"]) == ["201"]
    versions = await server.pool.fetch("SELECT version FROM change WHERE tenant = $1 AND type = 'Schema'", admin.id)
    assert [row["version"] for row in versions] == [1]


async def test_a_server_that_is_too_old(server: Server, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of a version that carries out only writes of resources cannot open a change of definitions, and leaves it to others;
    what it knows it carries out."""
    older = Jobs(server.app.pool, server.app.traffic, server.app.jobs._safe, server.app.limits, lambda *_, **__: None)
    monkeypatch.setattr(older, "_opened", lambda job: orjson.loads(older._safe.open(job.request, f"{job.tenant}/{job.txn}")))
    monkeypatch.setattr(server.app.jobs, "begin", lambda tenant, txn: older.begin(tenant, txn))
    written = await admin.request("POST", "/Users", user(), headers=ASYNC)
    assert statuses((await finished(admin, written))["Operations"]) == ["201"]
    asked = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=ASYNC)
    await asyncio.gather(*older._tasks)
    path = asked.headers["location"].removeprefix(PUBLIC + admin.base)
    assert (await admin.get(path)).json()["Operations"] == []
    await server.pool.execute("UPDATE request_job SET held_until = now() WHERE tenant = $1 AND finished IS NULL", admin.id)
    await server.app.jobs._one(admin.id, None)
    assert statuses((await finished(admin, asked))["Operations"]) == ["201"]


async def test_a_failure_that_nobody_expects(server: Server, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the result, and not tried again for ever."""

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(redefining, "define", broken)
    found = await finished(admin, await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=ASYNC))
    assert statuses(found["Operations"]) == ["500"]


async def test_a_worker_that_was_taken_for_dead(server: Server, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who lost the request to another worker changes nothing."""
    original, lost = jobs.JobRecorder.hold, asyncio.Event()

    async def late(self: Any, scope: Any) -> None:
        await server.pool.execute("UPDATE request_job SET holder = 'another' WHERE tenant = $1", admin.id)
        lost.set()
        await original(self, scope)

    with monkeypatch.context() as patched:
        patched.setattr(jobs.JobRecorder, "hold", late)
        answer = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=ASYNC)
        await asyncio.wait_for(lost.wait(), 20)
        await asyncio.sleep(0.1)
    assert_error(await admin.get(f"/Schemas/{DEVICE}"), 404)
    await server.pool.execute("UPDATE request_job SET held_until = now() WHERE tenant = $1", admin.id)
    server.app.jobs.begin(admin.id, answer.headers["set-txn"])
    assert statuses((await finished(admin, answer))["Operations"]) == ["201"]


async def test_a_look_at_many_resources(server: Server, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that looks at what is stored for longer than requests are held goes on holding it: nobody begins anew."""
    await admin.post("/Schemas", DEVICE_SCHEMA)
    monkeypatch.setattr(jobs, "LEASE", 2.0)
    looks = 0

    async def held_until() -> Any:
        return await server.pool.fetchval("SELECT held_until FROM request_job WHERE tenant = $1", admin.id)

    async def long(*args: Any, **more: Any) -> Any:
        nonlocal looks
        looks += 1
        first = await held_until()
        async with asyncio.timeout(20):
            while await held_until() == first:
                await asyncio.sleep(0.02)
        return await examine(*args, **more)

    monkeypatch.setattr(definitions, "examine", long)
    answer = await admin.request("PUT", f"/Schemas/{DEVICE}", DEVICE_SCHEMA | {"name": "Other"}, headers=ASYNC)
    assert statuses((await finished(admin, answer))["Operations"]) == ["200"]
    assert looks == 1


async def test_rights_that_ended(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is made with the rights that the token has by then, and while the tenant may change its definitions."""
    admin = client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))
    with monkeypatch.context() as patched:
        patched.setattr(server.app.jobs, "begin", lambda *_: asyncio.create_task(asyncio.sleep(0)))
        answer = await admin.request("POST", "/Schemas", DEVICE_SCHEMA, headers=ASYNC)
        other = await admin.request("POST", "/Schemas", schema(BADGE, {"name": "number"}), headers=ASYNC)
    await server.pool.execute("UPDATE tenant_config SET policy = '{\"schema_api\": false}' WHERE tenant = $1", client.id)
    await server.pool.execute("UPDATE tenant SET revision = revision + 1 WHERE id = $1", client.id)
    server.app.jobs.begin(client.id, answer.headers["set-txn"])
    assert statuses((await finished(admin, answer))["Operations"]) == ["405"]
    await server.pool.execute("UPDATE tenant_config SET policy = '{}' WHERE tenant = $1", client.id)
    await server.pool.execute("UPDATE tenant SET revision = revision + 1 WHERE id = $1", client.id)
    await server.pool.execute("UPDATE credential SET scopes = '{scim:read}' WHERE tenant = $1", client.id)
    server.app.jobs.begin(client.id, other.headers["set-txn"])
    assert statuses((await finished(admin, other))["Operations"]) == ["403"]


async def test_a_condition_that_is_demanded_by_then(server: Server, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy that holds when the change is made decides whether it needs a condition."""
    await admin.post("/Schemas", DEVICE_SCHEMA)
    with monkeypatch.context() as patched:
        patched.setattr(server.app.jobs, "begin", lambda *_: asyncio.create_task(asyncio.sleep(0)))
        answer = await admin.request("DELETE", f"/Schemas/{DEVICE}", headers=ASYNC)
    await server.set_policy(admin, {"require_if_match": True})
    server.app.jobs.begin(admin.id, answer.headers["set-txn"])
    assert statuses((await finished(admin, answer))["Operations"]) == ["428"]
