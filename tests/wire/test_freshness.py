"""Changes behind the protocol are seen at once: revoked tokens, suspended tenants, new policies, all within a second."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from scimsrv import auth, watching
from scimsrv.store import pool, read, secrets
from scimsrv.store.credentials import revoke_credential
from scimsrv.store.identity import find_credential
from scimsrv.store.tenants import delete_tenant, resume_tenant, suspend_tenant
from tests.wire.support import Client, Server, Starter, assert_error, patch, until_seen, user
from tests.wire.test_bulk import REQUEST, post, statuses


def _now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_revoked_token_is_refused_within_a_second(server: Server, client: Client) -> None:
    """A token in constant use stops working at most a second after it was revoked; the tenant's others go on."""
    assert client.token is not None
    other = client.with_token(await server.token(client))
    assert (await client.get("/Users")).status_code == 200
    async with server.pool.acquire() as connection:
        await revoke_credential(connection, client.id, client.token.split("_")[1])
    await until_seen(_now())
    assert_error(await client.get("/Users"), 401)
    assert (await other.get("/Users")).status_code == 200


async def test_use_does_not_keep_a_revoked_token_alive(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking again and again does not prolong what is believed of a token: less than a second from the look-up it is looked up anew."""
    assert client.token is not None
    clock = 100.0
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: clock))
    await client.get("/Users")
    async with server.pool.acquire() as connection:
        await revoke_credential(connection, client.id, client.token.split("_")[1])
    for clock in (100.3, 100.6, 100.8):  # noqa: B007 - the lambda reads it
        assert (await client.get("/Users")).status_code == 200
    clock = 100.99
    assert (await client.get("/Users")).status_code == 401


async def test_a_token_that_is_revoked_while_it_is_looked_up(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database said is believed from when it was asked, however late the answer comes, also by the request that asked."""
    assert client.token is not None
    kid, find = client.token.split("_")[1], find_credential

    async def slowly(*asked: Any) -> Any:
        found = await find(*asked)
        await server.pool.execute("DELETE FROM credential WHERE tenant = $1 AND kid = $2", client.id, kid)
        await asyncio.sleep(0.2)
        return found

    other = client.with_token(await server.token(client))
    monkeypatch.setattr(auth, "_BELIEVED", 0.1)
    with monkeypatch.context() as patched:
        patched.setattr(auth, "find_credential", slowly)
        assert_error(await client.post("/Users", user()), 401)
    assert (await other.get("/Users")).json()["totalResults"] == 0


@pytest.mark.parametrize("what", ["POST", "PUT", "PATCH", "DELETE", "Bulk", "GET", "suspended"])
async def test_a_token_that_ends_while_a_request_waits_for_a_connection(start: Starter, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Whoever was let in is asked for again where a request waits longer than that is believed: nothing is done, or told."""
    monkeypatch.setattr(auth, "_BELIEVED", 0.1)
    monkeypatch.setattr(pool, "ACQUIRE_TIMEOUT", 20.0)
    monkeypatch.setattr(pool, "QUEUE_TIMEOUT", 20.0)
    async with start(pool_size=1) as server:
        client = await server.tenant()
        other = client.with_token(await server.token(client))
        ada = await client.new_user()
        path = f"/Users/{ada['id']}"
        sent: tuple[str, str, Any] = {
            "POST": ("POST", "/Users", user("eve")),
            "PUT": ("PUT", path, user("eve")),
            "PATCH": ("PATCH", path, patch({"op": "add", "path": "title", "value": "x"})),
            "DELETE": ("DELETE", path, None),
            "Bulk": ("POST", "/Bulk", {"schemas": [REQUEST], "Operations": [post("a", user("eve"))]}),
            "GET": ("GET", path, None),
            "suspended": ("POST", "/Users", user("eve")),
        }[what]
        assert client.token is not None
        await client.get("/Users")  # so that it is known
        async with server.app.pool.acquire(), server.pool.acquire() as connection:
            waiting = asyncio.create_task(client.request(*sent))
            await asyncio.sleep(0.2)
            if what == "suspended":
                await suspend_tenant(connection, client.slug)
            else:
                await revoke_credential(connection, client.id, client.token.split("_")[1])
        answer = await waiting
        if what == "Bulk" and answer.status_code == 200:
            assert statuses(answer.json()["Operations"]) == ["401"]
        else:
            assert_error(answer, 403 if what == "suspended" else 401)
        if what == "suspended":
            async with server.pool.acquire() as connection:
                await resume_tenant(connection, client.slug)
            await until_seen(_now())
        found = (await other.get("/Users")).json()["Resources"]
        assert [(one["id"], one["meta"]["version"]) for one in found] == [(ada["id"], ada["meta"]["version"])]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_token_that_ends_while_a_password_is_hashed(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Hashing may take long, and longer where many passwords wait for it: what comes of it is stored only for who still may."""
    monkeypatch.setattr(auth, "_BELIEVED", 0.1)
    assert client.token is not None
    other = client.with_token(await server.token(client))
    ada = await client.new_user()
    path = "/Users" if method == "POST" else f"/Users/{ada['id']}"
    secret = {"password": "correct horse"}
    body = patch({"op": "add", "value": secret}) if method == "PATCH" else user("eve", **secret)
    begun = threading.Event()

    class Hasher:
        def hash(self, text: str) -> str:
            begun.set()
            time.sleep(0.3)
            return f"hash of {text}"

    monkeypatch.setattr(secrets, "_HASHER", Hasher())
    waiting = asyncio.create_task(client.request(method, path, body))
    await asyncio.to_thread(begun.wait)
    async with server.pool.acquire() as connection:
        await revoke_credential(connection, client.id, client.token.split("_")[1])
    assert_error(await waiting, 401)
    found = (await other.get("/Users")).json()["Resources"]
    assert [(one["id"], one["meta"]["version"]) for one in found] == [(ada["id"], ada["meta"]["version"])]


async def test_a_new_token_works_within_a_second(server: Server, client: Client) -> None:
    """A token that was refused before it was issued is believed soon after."""
    token = await server.token(client)
    row = await server.pool.fetchrow("DELETE FROM credential WHERE kid = $1 RETURNING *", token.split("_")[1])
    assert row is not None
    late = client.with_token(token)
    assert_error(await late.get("/Users"), 401)
    await server.pool.execute("INSERT INTO credential SELECT ($1::credential).*", tuple(row))
    await until_seen(_now())
    assert (await late.get("/Users")).status_code == 200


async def test_a_suspended_tenant_is_refused_within_a_second(server: Server, client: Client) -> None:
    """Its tokens are good, yet everything is 403 until it is resumed; nothing is lost."""
    ada = await client.new_user()
    async with server.pool.acquire() as connection:
        await suspend_tenant(connection, client.slug)
    await until_seen(_now())
    for answer in (
        await client.get("/Users"),
        await client.get("/ServiceProviderConfig"),
        await client.post("/Users", user()),
        await client.delete(f"/Users/{ada['id']}"),
        await client.request("OPTIONS", "/Users"),
    ):
        assert_error(answer, 403, None, "suspended")
    async with server.pool.acquire() as connection:
        await resume_tenant(connection, client.slug)
    await until_seen(_now())
    assert (await client.get(f"/Users/{ada['id']}")).json()["userName"] == ada["userName"]


async def test_a_deleted_tenant_is_gone_within_a_second(server: Server, client: Client) -> None:
    """Its tokens are refused, and its rows are gone from every table."""
    await client.new_group((await client.new_user(password="correct horse"))["id"])
    async with server.pool.acquire() as connection:
        await delete_tenant(connection, client.slug)
    await until_seen(_now())
    assert_error(await client.get("/Users"), 401)
    for table in ("resource", "unique_key", "reference", "secret", "change", "credential", "tenant_config", "tenant_schema"):
        assert await server.pool.fetchval(f"SELECT count(*) FROM {table} WHERE tenant = $1", client.id) == 0


async def test_a_long_answer_ends_with_its_token(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a large group slowly gets no more of it once the token was revoked, and sees that it is not whole."""
    monkeypatch.setattr(read, "HELD", 2)
    monkeypatch.setattr(read, "BATCH", 2)
    monkeypatch.setattr(watching, "_OFTEN", 0.0)
    monkeypatch.setattr(auth, "_BELIEVED", 0.0)
    group = await client.new_group(*[(await client.new_user())["id"] for _ in range(8)])
    path = f"{client.base}/Groups/{group['id']}"
    assert client.token is not None

    async def received(kid: str) -> tuple[bytes, bool]:
        """What is received, with the token of this short id revoked once some of it was, and whether that is all."""
        pieces: list[bytes] = []
        whole = False

        async def send(message: Any) -> None:
            nonlocal whole
            pieces.append(message.get("body", b""))
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            if sum(piece.count(b'"$ref"') for piece in pieces) >= 2:
                await server.pool.execute("DELETE FROM credential WHERE tenant = $1 AND kid = $2", client.id, kid)

        async def receive() -> Any:
            raise AssertionError("a GET has no body")

        headers = [(b"host", b"scim.test"), (b"authorization", f"Bearer {client.token}".encode())]
        asked: Any = {"type": "http", "method": "GET", "raw_path": path.encode(), "path": path, "query_string": b"", "headers": headers}
        await server.app(asked | {"client": ("127.0.0.1", 1)}, receive, send)
        return b"".join(pieces), whole

    text, whole = await received("nobody")
    assert (text.count(b'"$ref"'), whole) == (8, True)
    text, whole = await received(client.token.split("_")[1])
    assert (0 < text.count(b'"$ref"') < 8, whole) == (True, False)


@pytest.mark.parametrize("sent", [{}, {"Idempotency-Key": "k"}, {"Prefer": "respond-async"}], ids=["at once", "with a key", "later"])
async def test_a_tenant_that_was_deleted_just_now(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, sent: dict[str, str]
) -> None:
    """Who is still known to have been let in finds nothing there: no fault of the server, and none of the request."""
    monkeypatch.setattr(auth, "_BELIEVED", 60.0)
    mine = client.with_token(await server.token(client, "scim:read", "scim:write", "scim:bulk", "tenant:admin", "audit:read"))
    schema = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": "urn:example:x", "name": "x", "attributes": []}
    bulk = {"schemas": [REQUEST], "Operations": [post("a", user())]}
    assert (await mine.get("/Users")).status_code == 200
    async with server.pool.acquire() as connection:
        await delete_tenant(connection, client.slug)
    for path, body in (("/Users", user()), ("/Schemas", schema), ("/Bulk", bulk)):
        answer = await mine.request("POST", path, body, headers=sent)
        if path == "/Bulk" and not sent:
            assert statuses(answer.json()["Operations"]) == ["404"]
        else:
            assert_error(answer, 404)
    assert_error(await mine.get("/.audit"), 404)


async def test_a_new_policy_holds_within_a_second(server: Server, client: Client) -> None:
    """A change of the catalogue's revision reaches a process that has the catalogue in memory."""
    assert (await client.post("/Users", user(shoeSize=44))).status_code == 201
    await server.set_policy(client, {"profile": "strict"})
    await until_seen(_now())
    assert_error(await client.post("/Users", user(shoeSize=44)), 400, "invalidSyntax", "shoeSize")
    await server.set_policy(client, {})
    await until_seen(_now())
    assert (await client.post("/Users", user(shoeSize=44))).status_code == 201


async def test_a_policy_that_cannot_be_read_is_a_refusal(server: Server, client: Client) -> None:
    """A catalogue that fails to load opens nothing and tells nothing; other tenants do not notice."""
    broken = await server.tenant()
    await server.pool.execute("""UPDATE tenant_config SET policy = '{"profile": "secret-name"}' WHERE tenant = $1""", broken.id)
    for _ in range(2):
        answer = await broken.get("/Users")
        assert_error(answer, 500)
        assert "secret-name" not in answer.text
    assert (await client.get("/Users")).status_code == 200
