"""Idempotency-Key on POST and /Bulk: the first answer for whoever repeats the request, and one effect whatever happens in between."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import replace
from typing import Any

import orjson
import pytest

from scimsrv import asynchronous, maintenance
from scimsrv.errors import Kind, ScimError
from scimsrv.keys import ANSWER_KEY, ServerKeys
from scimsrv.store import answers, execute, write
from scimsrv.store import asynchronous as jobs
from scimsrv.store.recorded import carry_out_recorded
from tests.wire.support import KEY, Client, Server, Starter, assert_error, group, patch, user
from tests.wire.test_bulk import REQUEST, operation, post, statuses


def _key(key: str = "k-1") -> dict[str, str]:
    return {"Idempotency-Key": key}


async def _users(client: Client) -> int:
    number: int = (await client.get("/Users", count=0)).json()["totalResults"]
    return number


async def test_the_first_answer_comes_again(client: Client) -> None:
    """The same request with the same key gets the same answer, even when the resource has changed since, and nothing is done."""
    body = user("ada", title="Dr")
    first = await client.request("POST", "/Users", body, headers=_key())
    assert first.status_code == 201
    await client.patch(f"/Users/{first.json()['id']}", {"op": "replace", "path": "title", "value": "x"})
    again = await client.request("POST", "/Users", dict(reversed(body.items())), headers=_key())
    assert (again.status_code, again.content) == (201, first.content)
    assert (again.headers["location"], again.headers["etag"]) == (first.headers["location"], 'W/"1"')
    assert await _users(client) == 1


async def test_errors_are_answers(client: Client) -> None:
    """A refusal is repeated too: what the request is to blame for does not get better."""
    ada = await client.new_user("ada")
    first = await client.request("POST", "/Users", user("ADA"), headers=_key())
    assert_error(first, 409, "uniqueness")
    await client.delete(f"/Users/{ada['id']}")
    again = await client.request("POST", "/Users", user("ADA"), headers=_key())
    assert (again.status_code, again.content) == (409, first.content)


async def test_another_request(client: Client) -> None:
    """The key of another body, another endpoint or another query is 422, and nothing is done."""
    body = user("ada")
    assert (await client.request("POST", "/Users", body, headers=_key())).status_code == 201
    assert_error(await client.request("POST", "/Users", body | {"title": "x"}, headers=_key()), 422)
    assert_error(await client.request("POST", "/Groups", group(displayName="ada"), headers=_key()), 422)
    assert_error(await client.request("POST", "/Users?attributes=userName", body, headers=_key()), 422)
    assert_error(await client.request("POST", "/Bulk", {"schemas": [REQUEST], "Operations": []}, headers=_key()), 422)
    assert await _users(client) == 1
    assert (await client.request("POST", "/Users", user("ben"), headers=_key("k-2"))).status_code == 201


async def test_keys_are_the_tenants(server: Server, client: Client) -> None:
    """Two tenants may use one key; two tokens of a tenant share it."""
    other = await server.tenant()
    for one in (client, other):
        assert (await one.request("POST", "/Users", user("ada"), headers=_key())).status_code == 201
    colleague = client.with_token(await server.token(client, "scim:write"))
    answer = await colleague.request("POST", "/Users", user("ada"), headers=_key())
    assert (answer.status_code, answer.content) == (201, b"")


async def test_while_the_first_is_running(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repetition that comes too early is 409; when the first one is done it gets its answer."""
    started, go = asyncio.Event(), asyncio.Event()
    original = write.insert

    async def slow(*args: Any) -> Any:
        started.set()
        await go.wait()
        return await original(*args)

    monkeypatch.setattr(execute, "insert", slow)
    first = asyncio.create_task(client.request("POST", "/Users", user("ada"), headers=_key()))
    await started.wait()
    early = await client.request("POST", "/Users", user("ada"), headers=_key())
    go.set()
    assert_error(early, 409, None, "running")
    assert (await first).status_code == 201
    assert (await client.request("POST", "/Users", user("ada"), headers=_key())).content == (await first).content


async def test_many_at_once(client: Client) -> None:
    """Of many equal requests at once one is carried out; the others get its answer or are told that it runs."""
    sent = [client.request("POST", "/Users", user("ada"), headers=_key()) for _ in range(8)]
    found = await asyncio.gather(*sent)
    assert {answer.status_code for answer in found} <= {201, 409}
    assert len({answer.content for answer in found if answer.status_code == 201}) == 1
    assert await _users(client) == 1


@pytest.mark.parametrize("effect", [False, True])
async def test_what_failed_for_another_reason(client: Client, monkeypatch: pytest.MonkeyPatch, effect: bool) -> None:
    """After a failure of the server nothing is kept, neither answer nor effect, and the request may come again."""
    original = write.insert

    async def failing(*args: Any) -> Any:
        if effect:
            await original(*args)
        raise ScimError(Kind.UNAVAILABLE)

    with monkeypatch.context() as patched:
        patched.setattr(execute, "insert", failing)
        assert_error(await client.request("POST", "/Users", user("ada"), headers=_key()), 503)
    assert await _users(client) == 0
    assert (await client.request("POST", "/Users", user("ada"), headers=_key())).status_code == 201


async def test_a_server_that_died(server: Server, client: Client) -> None:
    """A request that died before its answer has no effect, and is carried out by a repetition as soon as it counts as dead."""
    await client.request("POST", "/Users", user("ada"), headers=_key())
    await server.pool.execute("UPDATE first_answer SET status = NULL WHERE tenant = $1", client.id)
    assert_error(await client.request("POST", "/Users", user("ada"), headers=_key()), 409, None, "running")
    await server.pool.execute("UPDATE first_answer SET held_until = now() WHERE tenant = $1", client.id)
    assert_error(await client.request("POST", "/Users", user("ada"), headers=_key()), 409, "uniqueness")


async def test_answers_are_kept_for_a_day(server: Server, client: Client) -> None:
    """After 24 hours the key is free, also for another request; before that it is not."""
    await client.request("POST", "/Users", user("ada"), headers=_key())
    for age, status in (("23 hours 59 minutes", 422), ("24 hours 1 minute", 201)):
        await server.pool.execute(f"UPDATE first_answer SET created = now() - interval '{age}' WHERE tenant = $1", client.id)
        assert (await client.request("POST", "/Users", user("ben"), headers=_key())).status_code == status


async def test_what_is_kept_tells_no_password(server: Server, start: Starter, client: Client) -> None:
    """Requests are told apart by digests under a key of the server: who reads them cannot try passwords. An older key still counts."""
    body = user("ada", password="correct horse")
    first = await client.request("POST", "/Users", body, headers=_key())
    async with start(secret_key=f"{KEY} 2:{'B' * 43}") as renewed:
        mine = replace(client, http=renewed.http)
        again = await mine.request("POST", "/Users", body, headers=_key())
        assert (again.status_code, again.content) == (201, first.content)
        assert_error(await mine.request("POST", "/Users", body | {"title": "x"}, headers=_key()), 422)
        await mine.request("POST", "/Users", body | {"userName": "ben"}, headers=_key("k-2"))
    kept = await server.pool.fetchval("SELECT digest FROM first_answer WHERE tenant = $1 AND key = 'k-1'", client.id)
    text = orjson.dumps(("Users", "", body), option=orjson.OPT_SORT_KEYS)
    assert kept == hmac.digest(ServerKeys.load(server.settings).derive(ANSWER_KEY), text, "sha256")


async def test_old_ones_go_by_themselves(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older than 24 hours is removed although the tenant sends nothing more; results of asynchronous requests alike."""
    await client.request("POST", "/Users", user("ada"), headers=_key("k-1"))
    await client.request("POST", "/Users", user("ben"), headers=_key("k-2"))
    for _ in range(2):
        await client.request("POST", "/Users", user(), headers={"Prefer": "respond-async, wait=20"})
    old = "now() - interval '24 hours 1 minute'"
    await server.pool.execute(f"UPDATE first_answer SET created = {old} WHERE tenant = $1 AND key = 'k-1'", client.id)
    txn = await server.pool.fetchval("SELECT max(txn) FROM request_job WHERE tenant = $1", client.id)
    await server.pool.execute(f"UPDATE request_job SET finished = {old} WHERE tenant = $1 AND txn = $2", client.id, txn)
    monkeypatch.setattr(maintenance, "FORGETTING", 0)
    async with asyncio.timeout(20):
        while True:
            server.app.maintenance.wake()
            kept = await server.pool.fetch("SELECT key FROM first_answer WHERE tenant = $1", client.id)
            jobs_ = await server.pool.fetch("SELECT txn FROM request_job WHERE tenant = $1", client.id)
            results = await server.pool.fetch("SELECT txn FROM request_result WHERE tenant = $1", client.id)
            if (len(kept), len(jobs_), len(results)) == (1, 1, 1):
                break
            await asyncio.sleep(0.05)
    assert [row["key"] for row in kept] == ["k-2"]
    assert txn not in [row["txn"] for row in (*jobs_, *results)]


async def test_answers_are_bounded(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant has so many answers at most, of which the oldest go; large ones have no body."""
    monkeypatch.setattr(answers, "MOST", 3)
    monkeypatch.setattr(answers, "MOST_BYTES", 1_000)
    for number in range(6):
        await client.request("POST", "/Users", user(f"u{number}"), headers=_key(f"k-{number}"))
    rows = await server.pool.fetch("SELECT key FROM first_answer WHERE tenant = $1 ORDER BY created", client.id)
    assert [row["key"] for row in rows] == ["k-2", "k-3", "k-4", "k-5"]
    first = await client.request("POST", "/Users", user("large", title="x" * 2_000), headers=_key("large"))
    again = await client.request("POST", "/Users", user("large", title="x" * 2_000), headers=_key("large"))
    assert (first.status_code, again.status_code, len(first.content) > 2_000, again.content) == (201, 201, True, b"")
    assert again.headers["location"] == first.headers["location"]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "ä", "a\tb"])
async def test_keys_that_are_none(client: Client, key: str) -> None:
    """A key has 1 to 255 printable ASCII characters."""
    assert_error(await client.request("POST", "/Users", user(), headers=[("Idempotency-Key", key)]), 400, "invalidValue", "Idempotency-Key")
    assert await _users(client) == 0


async def test_several_keys(client: Client) -> None:
    """A request has one key: of two it is not known which is meant."""
    several = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    for path, body in (("/Users", user()), ("/Bulk", {"schemas": [REQUEST], "Operations": [post("a", user())]})):
        assert_error(await client.request("POST", path, body, headers=several), 400, "invalidValue", "given once")
    assert await _users(client) == 0


async def test_other_methods(client: Client) -> None:
    """Where it means nothing the header is ignored."""
    ada = await client.new_user("ada")
    for title in ("x", "y"):
        change = patch({"op": "replace", "path": "title", "value": title})
        assert (await client.request("PATCH", f"/Users/{ada['id']}", change, headers=_key())).json()["title"] == title


async def test_bulk(client: Client) -> None:
    """A bulk request is carried out once; its repetition gets every result again."""
    body: dict[str, Any] = {
        "schemas": [REQUEST],
        "Operations": [post("a", user()), operation("DELETE", "/Users/1"), post("g", group("bulkId:a"))],
    }
    first = await client.request("POST", "/Bulk", body, headers=_key())
    assert statuses(first.json()["Operations"]) == ["201", "404", "201"]
    again = await client.request("POST", "/Bulk", body, headers=_key())
    assert (again.status_code, again.content) == (200, first.content)
    assert await _users(client) == 1
    other = body | {"Operations": body["Operations"][:1]}
    assert_error(await client.request("POST", "/Bulk", other, headers=_key()), 422)


async def test_forms_of_one_bulk_request(client: Client) -> None:
    """White space, escapes and the order of members do not count in a bulk request either; values, and names that are there twice, do."""
    one = post("a", user("ada", title="Dr"))
    body: dict[str, Any] = {"schemas": [REQUEST], "Operations": [one]}
    first = await client.request("POST", "/Bulk", body, headers=_key())
    assert statuses(first.json()["Operations"]) == ["201"]
    turned = {"Operations": [dict(reversed(one.items())) | {"data": dict(reversed(one["data"].items()))}], "schemas": [REQUEST]}
    for content in (orjson.dumps(turned, option=orjson.OPT_INDENT_2), orjson.dumps(body).replace(b"ada", b"\\u0061da")):
        again = await client.request("POST", "/Bulk", content=content, headers=_key())
        assert (again.status_code, again.content) == (200, first.content)
    for new in (b'"Mr"', b'"Mr","title":"Dr"'):
        assert_error(await client.request("POST", "/Bulk", content=orjson.dumps(body).replace(b'"Dr"', new), headers=_key()), 422)
    assert await _users(client) == 1


async def test_bulk_waits_for_nobody(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests another tenant, or this one, has to be carried out, one with a key is answered; an asynchronous one of
    another tenant gets its turn."""
    other, go = await server.tenant(), asyncio.Event()
    original = jobs.JobRecorder.hold

    async def stuck(self: Any, scope: Any) -> None:
        if self.job.tenant == other.id:
            await go.wait()
        await original(self, scope)

    monkeypatch.setattr(jobs.JobRecorder, "hold", stuck)
    for _ in range(8):
        assert (await other.request("POST", "/Users", user(), headers={"Prefer": "respond-async"})).status_code == 202
    body = {"schemas": [REQUEST], "Operations": [post("a", user())]}
    async with asyncio.timeout(20):
        later = await client.request("POST", "/Users", user(), headers={"Prefer": "respond-async, wait=15"})
        found = [await client.request("POST", "/Bulk", body, headers=_key("k-1"))]
        monkeypatch.setattr(jobs, "WAITING", 0)
        found.append(await client.request("POST", "/Bulk", body, headers=_key("k-2")))
        found.append(await client.request("POST", "/Users", user("ada"), headers=_key("k-3") | {"Prefer": "respond-async"}))
        again = await client.request("POST", "/Users", user("ada"), headers=_key("k-3") | {"Prefer": "respond-async"})
    assert later.status_code == 201
    assert [answer.status_code for answer in found] == [200, 200, 201]
    assert (again.status_code, again.json()["userName"]) == (201, "ada")
    go.set()


async def test_bulk_that_died(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server left in the middle of a bulk request is finished by another, and the repetition gets the whole answer."""
    body = {"schemas": [REQUEST], "Operations": [post("a", user()), operation("DELETE", "/Users/1"), post("b", user())]}
    original = jobs.JobRecorder.record
    calls = 0

    async def dying(self: Any, *args: Any, **more: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("killed")
        await original(self, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(jobs.JobRecorder, "record", dying)
        assert_error(await client.request("POST", "/Bulk", body, headers=_key()), 503)
    assert_error(await client.request("POST", "/Bulk", body, headers=_key()), 409, None, "running")
    await server.pool.execute("UPDATE request_job SET held_until = now() WHERE tenant = $1", client.id)
    await server.app.jobs.begin(client.id, await server.pool.fetchval("SELECT txn FROM request_job WHERE tenant = $1", client.id))
    again = await client.request("POST", "/Bulk", body, headers=_key())
    assert statuses(again.json()["Operations"]) == ["201", "404", "201"]
    assert await _users(client) == 2


@pytest.mark.parametrize("path", ["/Users", "/Bulk"])
async def test_waiting(client: Client, path: str) -> None:
    """Who would wait gets the normal answer when it is there in time, and so does the repetition, waiting or not."""
    body = user("ada") if path == "/Users" else {"schemas": [REQUEST], "Operations": [post("a", user())]}
    first = await client.request("POST", path, body, headers=_key() | {"Prefer": "respond-async, wait=20"})
    assert first.status_code == (201 if path == "/Users" else 200), first.text
    if path == "/Users":
        await client.delete(f"/Users/{first.json()['id']}")
    for prefer in ("respond-async, wait=20", "respond-async", ""):
        again = await client.request("POST", path, body, headers=_key() | {"Prefer": prefer})
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers.get("location") == first.headers.get("location")


@pytest.mark.parametrize("first", [{"Prefer": "respond-async, wait=20"}, {}], ids=["asynchronous", "at once"])
async def test_waiting_for_the_first(client: Client, monkeypatch: pytest.MonkeyPatch, first: dict[str, str]) -> None:
    """Who repeats a request that still runs, and would wait, gets its answer when it is there; who would not is told where to look."""
    running, waiting, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    look = jobs.is_on_its_way

    async def slow(*args: Any, **more: Any) -> None:
        running.set()
        await go.wait()
        await carry_out_recorded(*args, **more)

    async def looked(*args: Any) -> bool:
        waiting.set()
        return await look(*args)

    monkeypatch.setattr(asynchronous, "carry_out_recorded", slow)
    monkeypatch.setattr(jobs, "is_on_its_way", looked)
    body = {"schemas": [REQUEST], "Operations": [post("a", user())]}
    one = asyncio.create_task(client.request("POST", "/Bulk", body, headers=_key() | first))
    await running.wait()
    early = await client.request("POST", "/Bulk", body, headers=_key() | {"Prefer": "respond-async"})
    assert early.status_code == 202
    two = asyncio.create_task(client.request("POST", "/Bulk", body, headers=_key() | {"Prefer": "respond-async, wait=20"}))
    await asyncio.wait({two, asyncio.create_task(waiting.wait())}, return_when=asyncio.FIRST_COMPLETED)
    go.set()
    answers_ = await asyncio.gather(one, two)
    assert [(answer.status_code, answer.content) for answer in answers_] == [(200, answers_[0].content)] * 2
    assert await _users(client) == 1


async def test_waiting_in_vain(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited for too long is told where to look, and so is whoever repeats the request."""

    async def nobody(*_: Any) -> None:
        return None

    monkeypatch.setattr(jobs, "take_job", nobody)
    sent = [await client.request("POST", "/Users", user("ada"), headers=_key() | {"Prefer": "respond-async, wait=1"}) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [202, 202]
    assert sent[0].headers["location"] == sent[1].headers["location"]


@pytest.mark.parametrize("path", ["/Users", "/Bulk"])
async def test_asynchronous(client: Client, path: str) -> None:
    """The first answer to an asynchronous request is its 202, with the same place to look."""
    body = user("ada") if path == "/Users" else {"schemas": [REQUEST], "Operations": [post("a", user())]}
    headers = _key() | {"Prefer": "respond-async"}
    first, again = [await client.request("POST", path, body, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.headers["set-txn"] == again.headers["set-txn"]
    assert first.headers["location"] == again.headers["location"]
    for _ in range(100):
        if (await client.get(f"/.requests/{first.headers['set-txn']}")).json()["state"] == "finished":
            break
        await asyncio.sleep(0.05)
    assert await _users(client) == 1


@pytest.mark.parametrize("policy", [{}, {"bulk_atomic": True}], ids=str)
@pytest.mark.parametrize("preferred", [{}, {"Prefer": "respond-async, wait=20"}], ids=str)
async def test_a_bulk_request_that_did_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, policy: dict[str, Any], preferred: dict[str, str]
) -> None:
    """One that was denied as a whole is carried out when it comes again; one that did something, or is to blame itself, is not."""
    client = await server.tenant(**policy)
    body: dict[str, Any] = {
        "schemas": [REQUEST],
        "Operations": [post("a", user("ada")), post("g", group("bulkId:a")), operation("DELETE", "/Users/1")],
    }
    if policy:
        del body["Operations"][2]
    headers = _key() | preferred

    async def ended(*_: Any) -> Any:
        raise ScimError(Kind.UNAUTHORIZED)

    with monkeypatch.context() as patched:
        patched.setattr(asynchronous, "rights_now", ended)
        first = await client.request("POST", "/Bulk", body, headers=headers)
        assert "401" in statuses(first.json()["Operations"])
    again = [await client.request("POST", "/Bulk", body, headers=headers) for _ in range(2)]
    assert statuses(again[0].json()["Operations"]) == ["201", "201", "404"][: len(body["Operations"])]
    assert again[0].content == again[1].content
    wrong = body | {"Operations": [post("a", user("ADA"))]}
    other = [await client.request("POST", "/Bulk", wrong, headers=_key("other") | preferred) for _ in range(2)]
    assert statuses(other[0].json()["Operations"]) == ["409"]
    assert other[0].content == other[1].content
    assert await _users(client) == 1


async def test_a_bulk_request_that_was_too_much(server: Server) -> None:
    """One that the deletion guard throttled is carried out when it comes again, as it was told to, once the guard lets it."""
    client = await server.tenant(deletion_guard="throttle", deletion_guard_count=1)
    first, second = [(await client.new_user())["id"] for _ in range(2)]
    assert (await client.delete(f"/Users/{first}")).status_code == 204
    body = {"schemas": [REQUEST], "Operations": [operation("DELETE", f"/Users/{second}")]}
    held = await client.request("POST", "/Bulk", body, headers=_key())
    await server.set_policy(client, {})
    again = [await client.request("POST", "/Bulk", body, headers=_key()) for _ in range(2)]
    assert [statuses(answer.json()["Operations"]) for answer in (held, *again)] == [["429"], ["204"], ["204"]]


@pytest.mark.parametrize("ended", ["token", "tenant"])
async def test_what_was_denied_is_no_answer(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, ended: str) -> None:
    """A creation whose token ends, or whose tenant is suspended, while it waits is carried out when it comes again with a token that is
    good, or once the tenant is resumed."""
    mine, original, headers = client.with_token(await server.token(client)), jobs.take_job, _key() | {"Prefer": "respond-async, wait=20"}

    async def take(pool: Any, tenant: int, txn: str | None = None) -> jobs.Job | None:
        if ended == "token":
            actors = "SELECT actor FROM request_job WHERE tenant = $1"
            await server.pool.execute(f"DELETE FROM credential WHERE tenant = $1 AND kid IN ({actors})", client.id)
        else:
            await server.pool.execute("UPDATE tenant SET status = 'suspended' WHERE id = $1", client.id)
        return await original(pool, tenant, txn)

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "take_job", take)
        assert_error(await mine.request("POST", "/Users", user("ada"), headers=headers), 401 if ended == "token" else 403)
    await server.pool.execute("UPDATE tenant SET status = 'active' WHERE id = $1", client.id)
    again = [await client.request("POST", "/Users", user("ada"), headers=headers) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in again] == [(201, again[0].content)] * 2
    assert await _users(client) == 1
