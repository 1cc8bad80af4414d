"""Asynchronous requests: 202 with what RFC 9967 demands, results that can be looked up, and nothing carried out twice or in part."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Final

import httpx
import pytest

from scimsrv.store import asynchronous as jobs
from scimsrv.store import secrets
from scimsrv.store.execute import SHOWN_AFTER_PATCH
from scimsrv.store.pool import Database
from tests.wire.support import PUBLIC, SEEN, Client, Server, Starter, assert_error, group, patch, user
from tests.wire.test_bulk import REQUEST, RESPONSE, id_of, operation, post, statuses

ASYNC: Final = {"Prefer": "respond-async"}


async def finished(client: Client, answer: httpx.Response) -> dict[str, Any]:
    """The result resource of a request that was accepted, when it is finished."""
    assert answer.status_code == 202, answer.text
    assert answer.content == b""
    assert answer.headers["content-length"] == "0"
    assert answer.headers["preference-applied"] == "respond-async"
    txn = answer.headers["set-txn"]
    assert answer.headers["location"] == f"{PUBLIC}{client.base}/.requests/{txn}"
    for _ in range(200):
        found: dict[str, Any] = (await client.get(f"/.requests/{txn}")).json()
        assert found["txn"] == txn
        if found["state"] == "finished":
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"never finished: {found}")


async def test_every_write(client: Client) -> None:
    """POST, PUT, PATCH and DELETE are accepted, carried out, and each has one result."""
    made = await finished(client, await client.request("POST", "/Users", user("ada"), headers=ASYNC))
    (result,) = made["Operations"]
    assert (result["txn"], result["status"], result["method"], result["version"]) == (made["txn"], "201", "POST", 'W/"1"')
    ada = (await client.get(f"/Users/{result['location'].rpartition('/')[2]}")).json()
    assert (ada["userName"], ada["meta"]["location"]) == ("ada", result["location"])
    path = f"/Users/{ada['id']}"
    change = await finished(
        client, await client.request("PATCH", path, patch({"op": "add", "path": "title", "value": "Dr"}), headers=ASYNC)
    )
    assert change["Operations"][0] == {
        "txn": change["txn"],
        "method": "PATCH",
        "version": 'W/"2"',
        "location": result["location"],
        "status": "200",
    }
    put = await finished(client, await client.request("PUT", path, user("ada", title="x"), headers=ASYNC | {"If-Match": 'W/"2"'}))
    assert (await client.get(path)).json()["title"] == "x"
    assert statuses(put["Operations"]) == ["200"]
    gone = await finished(client, await client.request("DELETE", path, headers=ASYNC))
    assert statuses(gone["Operations"]) == ["204"]
    assert_error(await client.get(path), 404)


async def test_what_is_wrong_is_said_at_once(server: Server, client: Client) -> None:
    """Syntax, rights and schemas are checked before the 202; what only the database knows is in the result."""
    ada = await client.new_user("ada")
    path = f"/Users/{ada['id']}"
    assert_error(await client.request("POST", "/Users", {}, headers=ASYNC), 400, "invalidValue")
    assert_error(await client.request("POST", "/Users", content=b"{", headers=ASYNC), 400, "invalidSyntax")
    assert_error(await client.request("PATCH", path, patch({"op": "x"}), headers=ASYNC), 400, "invalidSyntax")
    assert_error(await client.request("POST", "/Bulk", {"schemas": []}, headers=ASYNC), 400, "invalidSyntax")
    assert_error(await client.with_token(None).request("DELETE", path, headers=ASYNC), 401)
    assert_error(await client.with_token(await server.token(client, "scim:read")).request("DELETE", path, headers=ASYNC), 403)
    bulk = {"schemas": [REQUEST], "Operations": [post("a", user("bob"))]}
    assert_error(await client.with_token(await server.token(client, "scim:bulk")).request("POST", "/Bulk", bulk, headers=ASYNC), 403)
    double = await finished(client, await client.request("POST", "/Users", user("ADA"), headers=ASYNC))
    (result,) = double["Operations"]
    assert (result["status"], result["response"]["scimType"], "location" in result) == ("409", "uniqueness", False)
    stale = await finished(client, await client.request("DELETE", path, headers=ASYNC | {"If-Match": 'W/"7"'}))
    assert statuses(stale["Operations"]) == ["412"]
    for id_ in ("bulkId:a", "BULKID:a", "bulkId:"):  # which refers to nothing, since there is one operation
        secret = patch({"op": "add", "path": "password", "value": "correct horse"})
        nobody = await finished(client, await client.request("PATCH", f"/Users/{id_}", secret, headers=ASYNC))
        assert statuses(nobody["Operations"]) == ["404"]


async def test_bulk(client: Client) -> None:
    """A bulk request has one result for each operation, whose txn has the number in the original order, counted from 0."""
    body = {
        "schemas": [REQUEST],
        "Operations": [post("g", group("bulkId:b")), post("a", user()), operation("DELETE", "/Users/1"), post("b", user())],
    }
    found = await finished(client, await client.request("POST", "/Bulk", body, headers=ASYNC))
    assert [result["txn"] for result in found["Operations"]] == [f"{found['txn']}:{number}" for number in range(4)]
    assert statuses(found["Operations"]) == ["201", "201", "404", "201"]
    assert [result.get("bulkId") for result in found["Operations"]] == ["g", "a", None, "b"]
    assert found["totalOperations"] == 4
    location = found["Operations"][0]["location"].rpartition("/")[2]
    assert len((await client.get(f"/Groups/{location}")).json()["members"]) == 1


@pytest.mark.parametrize("atomic", [False, True])
async def test_bulk_stops(server: Server, atomic: bool) -> None:
    """failOnErrors and the policy of all or nothing hold for what is carried out later."""
    client = await server.tenant(bulk_atomic=atomic)
    body = {"schemas": [REQUEST], "failOnErrors": 1, "Operations": [post("a", user()), operation("DELETE", "/Users/1"), post("b", user())]}
    found = await finished(client, await client.request("POST", "/Bulk", body, headers=ASYNC))
    assert statuses(found["Operations"]) == (["404"] if atomic else ["201", "404"])
    assert (await client.get("/Users")).json()["totalResults"] == (0 if atomic else 1)


async def test_waiting(client: Client) -> None:
    """A client that would wait gets the normal answer when it is there in time."""
    wait = {"Prefer": "respond-async, wait=20"}
    answer = await client.request("POST", "/Users", user("ada"), headers=wait)
    assert (answer.status_code, answer.json()["userName"]) == (201, "ada")
    ada = answer.json()
    assert (await client.get(f"/Users/{ada['id']}")).json() == ada
    answer = await client.request("PUT", f"/Users/{ada['id']}", user("ada", title="x"), headers=wait)
    assert (answer.status_code, answer.json()["title"], answer.headers["etag"]) == (200, "x", 'W/"2"')
    assert_error(await client.request("POST", "/Users", user("ada"), headers=wait), 409, "uniqueness")
    answer = await client.request("POST", "/Bulk", {"schemas": [REQUEST], "Operations": [post("a", user("ada"))]}, headers=wait)
    (result,) = answer.json()["Operations"]
    assert answer.headers["x-request-id"] in result["response"]["detail"]
    answer = await client.request("POST", "/Bulk", {"schemas": [REQUEST], "Operations": [post("b", user())]}, headers=wait)
    assert (answer.status_code, answer.json()["schemas"], statuses(answer.json()["Operations"])) == (200, [RESPONSE], ["201"])
    assert (await client.request("DELETE", f"/Users/{ada['id']}", headers=wait)).status_code == 204


async def test_waiting_shows_no_more(server: Server, client: Client) -> None:
    """Who waits is shown what an immediate answer would show: nothing to a token that may not read, to return=minimal and, of a PATCH,
    where the policy or the size of a group forbids it."""
    wait = {"Prefer": "respond-async, wait=20"}
    writer = client.with_token(await server.token(client, "scim:write"))
    made = await writer.request("POST", "/Users", user("ada", title="Dr"), headers=wait)
    assert (made.status_code, made.content, made.headers["etag"]) == (201, b"", 'W/"1"')
    path = "/Users/" + made.headers["location"].rpartition("/")[2]
    change = patch({"op": "add", "path": "nickName", "value": "a"})
    for who, headers in ((writer, wait), (client, {"Prefer": "respond-async, wait=20, return=minimal"})):
        for method, body in (("PATCH", change), ("PUT", user("ada", title="x"))):
            answer = await who.request(method, path, body, headers=headers)
            assert (answer.status_code, answer.content) == (204, b""), answer.text
            assert answer.headers["etag"].startswith('W/"')
            assert answer.headers.get("preference-applied") == (None if who is writer else "return=minimal")
    await server.set_policy(client, {"patch_body": "never"})
    await asyncio.sleep(SEEN)
    assert (await client.request("PATCH", path, change, headers=wait)).status_code == 204
    assert (await client.request("PATCH", path + "?attributes=nickName", change, headers=wait)).json()["nickName"] == "a"


async def test_waiting_for_big_groups(client: Client) -> None:
    """A PATCH of a group with many members is answered without a body, as at once."""
    wait = {"Prefer": "respond-async, wait=20"}
    body = {"schemas": [REQUEST], "Operations": [post(str(number), user()) for number in range(SHOWN_AFTER_PATCH + 1)]}
    made = (await client.request("POST", "/Bulk", body)).json()["Operations"]
    big = await client.new_group(*(one["location"].rpartition("/")[2] for one in made))
    change = patch({"op": "replace", "path": "displayName", "value": "x"})
    answer = await client.request("PATCH", f"/Groups/{big['id']}", change, headers=wait)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (204, b"", 'W/"2"')


@pytest.mark.parametrize("accept", ["text/plain", "image/png", "application/json;q=0"])
async def test_accept_does_not_count(client: Client, accept: str) -> None:
    """What the client accepts does not keep its request from being taken."""
    await finished(client, await client.request("POST", "/Users", user(), headers=ASYNC | {"Accept": accept}))


@pytest.mark.parametrize("sent", [{"Prefer": "respond-async, wait=20"}, {"Idempotency-Key": "k"}], ids=str)
async def test_one_connection_is_enough(start: Starter, sent: dict[str, str]) -> None:
    """Whoever has a connection waits for no other one, or requests that have all connections would wait for each other: of services and
    of users, as a whole or not, with sets that come back and such as are stored side by side."""
    async with start(pool_size=1) as server:
        for policy in ({}, {"bulk_atomic": True}, {"bulk_atomic": True, "reprovision": "userName"}):
            client = await server.tenant(me="userName", **policy)
            me = client.with_token(await server.token(client, "scim:me", subject="user 0"))
            operations = [post(f"u{number}", user(f"user {number}")) for number in range(101)]
            operations.append(operation("PATCH", "/Users/bulkId:u1", patch({"op": "add", "path": "title", "value": "x"})))
            answer = await client.request("POST", "/Bulk", {"schemas": [REQUEST], "Operations": operations}, headers=sent)
            assert set(statuses(answer.json()["Operations"])) == {"201", "200"}
            assert (await client.request("POST", "/Users", user(), headers=sent | {"Idempotency-Key": "other"})).status_code == 201
            changed = await me.request("PATCH", "/Me", patch({"op": "add", "path": "nickName", "value": "x"}), headers=sent)
            assert changed.status_code == 200, changed.text


async def test_whoever_carries_it_out_is_waited_for(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits for the result as long as it would, also where the request was taken by somebody who looked for any to be done."""
    take, others = jobs.take_job, []

    async def taken_by_others(pool: Database, tenant: int, txn: str | None) -> jobs.Job | None:
        job = await take(pool, tenant, None)
        assert job is not None

        async def later() -> None:
            await asyncio.sleep(0.2)
            await server.app.jobs.begin_held(job, placed=False)

        others.append(asyncio.create_task(later()))
        return None

    monkeypatch.setattr(jobs, "take_job", taken_by_others)
    answer = await client.request("POST", "/Users", user(), headers={"Prefer": "respond-async, wait=20"})
    assert answer.status_code == 201
    await asyncio.gather(*others)


async def test_the_result_is_the_senders(server: Server, client: Client) -> None:
    """Only the token that sent a request sees what became of it."""
    answer = await client.request("POST", "/Users", user(), headers=ASYNC)
    await finished(client, answer)
    path = f"/.requests/{answer.headers['set-txn']}"
    assert_error(await client.with_token(None).get(path), 401)
    assert_error(await client.with_token(await server.token(client)).get(path), 404)
    assert_error(await client.get("/.requests/0"), 404)
    other = await server.tenant()
    assert_error(await other.get(path), 404)
    assert_error(await client.delete(path), 405)


async def test_secrets_are_sealed(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is unreadable where it lies, and what is finished is not there any more."""

    async def nobody(*_: Any) -> None:
        return None

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "take_job", nobody)
        answer = await client.request("POST", "/Users", user("ada", password="correct horse"), headers=ASYNC)
        assert answer.status_code == 202
        assert (await client.get(f"/.requests/{answer.headers['set-txn']}")).json()["state"] == "waiting"
        await asyncio.sleep(0.1)  # whoever was woken has looked
        kept = await server.pool.fetchval("SELECT request FROM request_job WHERE tenant = $1", client.id)
    assert len(kept) > 100
    assert b"horse" not in kept
    assert b"ada" not in kept
    server.app.jobs.begin(client.id, answer.headers["set-txn"])
    await finished(client, answer)
    assert await server.pool.fetchval("SELECT request FROM request_job WHERE tenant = $1", client.id) == b""
    assert await server.pool.fetchval("SELECT count(*) FROM secret WHERE tenant = $1", client.id) == 1


async def test_too_many_that_wait(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where too many requests wait, one more is carried out at once: the preference is none of those that were applied."""
    monkeypatch.setattr(jobs, "WAITING", 0)
    answer = await client.request("POST", "/Users", user(), headers=ASYNC)
    assert answer.status_code == 201
    assert "preference-applied" not in answer.headers


async def test_as_deep_as_at_once(client: Client) -> None:
    """A body may be as deep as one that is carried out at once, and no deeper."""
    levels: Any = "x"
    for _ in range(15):
        levels = [levels]
    body = user("ada") | {"unknown": levels}
    for headers in ({}, ASYNC):
        assert_error(await client.request("POST", "/Users", {"unknown": [levels]}, headers=headers), 400, "invalidSyntax")
    found = await finished(client, await client.request("POST", "/Users", body, headers=ASYNC))
    assert statuses(found["Operations"]) == ["201"]
    assert (await client.put(f"/Users/{id_of(found['Operations'][0])}", body)).status_code == 200


@pytest.mark.parametrize("policy", [{}, {"bulk_atomic": True}])
async def test_secrets_that_take_long(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, policy: dict[str, bool]) -> None:
    """A worker that hashes secrets for longer than a request stays with whoever is not heard of goes on holding it."""
    started, go = threading.Event(), threading.Event()

    class Hasher:
        def hash(self, secret: str) -> str:
            started.set()
            go.wait(20)
            return secret

    async def none(*_: Any) -> list[int]:
        return []

    async def held_until() -> Any:
        return await server.pool.fetchval("SELECT held_until FROM request_job WHERE tenant = $1", client.id)

    await server.set_policy(client, policy)
    monkeypatch.setattr(secrets, "_HASHER", Hasher())
    monkeypatch.setattr(jobs, "LEASE", 0.8)
    monkeypatch.setattr(jobs, "tenants_with_jobs", none)
    body = {"schemas": [REQUEST], "Operations": [post("a", user("ada", password="correct horse"))]}
    answer = await client.request("POST", "/Bulk", body, headers=ASYNC)
    try:
        await asyncio.to_thread(started.wait, 20)
        first = await held_until()
        async with asyncio.timeout(10):
            while await held_until() == first:
                await asyncio.sleep(0.05)
    finally:
        go.set()
    assert statuses((await finished(client, answer))["Operations"]) == ["201"]


async def test_a_token_that_ended(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is carried out with the rights that its token has then: without it, not at all."""

    async def nobody(*_: Any) -> None:
        return None

    mine = client.with_token(await server.token(client))
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "take_job", nobody)
        answer = await mine.request("POST", "/Users", user(), headers=ASYNC)
        assert (await mine.get(f"/.requests/{answer.headers['set-txn']}")).json()["state"] == "waiting"
        await asyncio.sleep(0.1)  # whoever was woken has looked
    await server.pool.execute("UPDATE request_job SET actor = 'gone00' WHERE tenant = $1", client.id)
    await server.app.jobs.begin(client.id, answer.headers["set-txn"])
    rows = await server.pool.fetch("SELECT result FROM request_result WHERE tenant = $1", client.id)
    assert ['"status":"401"' in row["result"] for row in rows] == [True]
    assert (await client.get("/Users")).json()["totalResults"] == 0


async def test_rights_that_ended(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bulk request whose token has lost scim:bulk by the time that it is carried out is not."""

    async def nobody(*_: Any) -> None:
        return None

    mine = client.with_token(await server.token(client))
    body = {"schemas": [REQUEST], "Operations": [post("a", user())]}
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "take_job", nobody)
        answer = await mine.request("POST", "/Bulk", body, headers=ASYNC)
        await asyncio.sleep(0.1)  # whoever was woken has looked
    actor = await server.pool.fetchval("SELECT actor FROM request_job WHERE tenant = $1", client.id)
    await server.pool.execute(
        "UPDATE credential SET scopes = ARRAY['scim:read', 'scim:write'] WHERE tenant = $1 AND kid = $2", client.id, actor
    )
    await server.app.jobs.begin(client.id, answer.headers["set-txn"])
    (result,) = [row["result"] for row in await server.pool.fetch("SELECT result FROM request_result WHERE tenant = $1", client.id)]
    assert '"status":"403"' in result
    assert "scim:bulk" in result
    assert (await client.get("/Users")).json()["totalResults"] == 0


async def test_bulk_that_is_switched_off(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bulk request that waits while the policy switches /Bulk off is not carried out, nor is what is left of one that was begun."""

    async def nobody(*_: Any) -> None:
        return None

    body = {"schemas": [REQUEST], "Operations": [operation("DELETE", "/Users/1"), post("b", user())]}
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "take_job", nobody)
        answers = [await client.request("POST", "/Bulk", body, headers=ASYNC) for _ in range(2)]
        await asyncio.sleep(0.1)  # whoever was woken has looked
    begun, waiting = (answer.headers["set-txn"] for answer in answers)
    await server.pool.execute(
        "INSERT INTO request_result (tenant, txn, number, result) VALUES ($1, $2, 0, $3)", client.id, begun, '{"status": "404"}'
    )
    await server.set_policy(client, {"profile": "standard", "bulk": False})
    found = {}
    for txn in (begun, waiting):
        await server.app.jobs.begin(client.id, txn)
        found[txn] = statuses((await client.get(f"/.requests/{txn}")).json()["Operations"])
    assert found == {begun: ["404", "501"], waiting: ["501", "501"]}
    assert (await client.get("/Users")).json()["totalResults"] == 0


@pytest.mark.parametrize("sealed", [False, True])
async def test_what_always_fails(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sealed: bool
) -> None:
    """A request that raises, or cannot be opened, is tried again for a day and then given up: what is left of it is 500, and no place is
    taken by it."""
    original = jobs.JobRecorder.hold

    async def broken(self: Any, scope: Any) -> None:
        await original(self, scope)
        if await scope.pool.fetch("SELECT FROM request_result WHERE tenant = $1", client.id):
            raise RuntimeError("a bug")

    async def nobody(*_: Any) -> None:
        return None

    monkeypatch.setattr(jobs.JobRecorder, "hold", broken)
    body = {"schemas": [REQUEST], "Operations": [operation("DELETE", "/Users/1"), post("b", user("ben"))]}
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "take_job", nobody)
        answer = await client.request("POST", "/Bulk", body, headers=ASYNC)
        txn = answer.headers["set-txn"]
        await asyncio.gather(*(task for task in server.app.jobs._tasks if task.get_coro().__name__ == "_one"))  # type: ignore[union-attr]
    if sealed:
        await server.pool.execute("UPDATE request_job SET request = '\\x00' WHERE tenant = $1", client.id)
    for hours in (0, 23, 25):
        assert (await client.get(f"/.requests/{txn}")).json()["state"] in ("waiting", "running")
        aged = "UPDATE request_job SET held_until = now(), created = now() - make_interval(hours => $2) WHERE tenant = $1"
        await server.pool.execute(aged, client.id, hours)
        await server.app.jobs.begin(client.id, txn)
    found = (await finished(client, answer))["Operations"]
    assert [(one.get("method"), one.get("bulkId"), one["status"]) for one in found] == (
        [(None, None, "500")] * 2 if sealed else [("DELETE", None, "404"), ("POST", "b", "500")]
    )
    assert found[1]["response"]["status"] == "500"
    assert "is given up" in caplog.text
    assert (await client.get("/Users")).json()["totalResults"] == 0


async def test_references_are_texts_in_single_requests(client: Client) -> None:
    """What looks like a reference by bulkId is none outside of bulk requests."""
    found = await finished(client, await client.request("POST", "/Users", user(title="bulkId:x"), headers=ASYNC))
    id_ = found["Operations"][0]["location"].rpartition("/")[2]
    assert (await client.get(f"/Users/{id_}")).json()["title"] == "bulkId:x"


async def test_minimal_answers(client: Client) -> None:
    """return=minimal leaves out the body of a write, and says so; reads are as ever."""
    minimal = {"Prefer": "return=minimal"}
    answer = await client.request("POST", "/Users", user("ada"), headers=minimal)
    assert (answer.status_code, answer.content, answer.headers["preference-applied"]) == (201, b"", "return=minimal")
    assert (answer.headers["etag"], "location" in answer.headers) == ('W/"1"', True)
    path = "/Users/" + answer.headers["location"].rpartition("/")[2]
    for method, body in (("PUT", user("ada", title="x")), ("PATCH", patch({"op": "add", "path": "title", "value": "y"}))):
        answer = await client.request(method, path, body, headers=minimal)
        assert (answer.status_code, answer.content, answer.headers["preference-applied"]) == (204, b"", "return=minimal")
        assert "etag" in answer.headers
    answer = await client.request("GET", path, headers=minimal)
    assert (answer.status_code, answer.json()["title"], "preference-applied" in answer.headers) == (200, "y", False)
    assert_error(await client.request("POST", "/Users", user("ada"), headers=minimal), 409, "uniqueness")
