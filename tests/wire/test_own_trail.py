"""A tenant's audit trail at the tenant's own URL: for tokens with the scope for it, as the admin API has it, and of nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest

from scimsrv import auth, own_trail
from scimsrv.auth import Principal, Shown
from scimsrv.errors import Kind, ScimError
from scimsrv.http import Disconnected
from scimsrv.keys import AUDIT_KEY, ServerKeys
from scimsrv.limits import DEFAULT
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.store import seals
from scimsrv.store.audit import export
from tests.wire.admin_support import Admin, admin_api
from tests.wire.support import Client, Server, assert_error, user

_PATHS: Final = ("/.audit", "/.audit/rows")


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Admin]:
    """Yield an administrator beside the server of the tenants."""
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as made:
        yield made


@pytest.fixture
async def reader(server: Server, client: Client) -> Client:
    """Return a collector of the trail of a tenant with seven rows in three seals."""
    for number in (3, 3, 1):
        for _ in range(number):
            await client.new_user()
        await _seal(server, client)
    return client.with_token(await server.token(client, "audit:read"))


async def _seal(server: Server, client: Client) -> None:
    key = ServerKeys.load(server.settings).derive(AUDIT_KEY)
    async with server.pool.acquire() as connection, connection.transaction():
        await seals.hold(connection, client.id)
        await seals.seal_all(connection, client.id, key)


def _lines(content: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in content.splitlines()]


async def test_the_trail_is_that_of_the_admin_api(reader: Client, admin: Admin) -> None:
    """Chain and rows are what the administrator is shown, in both forms, in pages from a position or a time, and whole."""
    ours = await reader.get("/.audit")
    theirs = await admin.ask("GET", f"/tenants/{reader.slug}/audit")
    assert (ours.status_code, ours.json()) == (200, theirs.json())
    for form in ("jsonl", "ocsf"):
        whole = (await admin.ask("GET", f"/tenants/{reader.slug}/audit/rows?format={form}")).content
        answer = await reader.get("/.audit/rows", format=form)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
        assert (answer.content, len(_lines(whole))) == (whole, 7)
    rows = _lines((await reader.get("/.audit/rows")).content)
    paged: list[dict[str, Any]] = []
    while page := _lines((await reader.get("/.audit/rows", count=2, after=paged[-1]["position"] if paged else 0)).content):
        assert len(page) <= 2
        paged += page
    assert paged == rows
    for at, expected in ((rows[4]["at"], rows[4:]), (rows[0]["at"], rows), ("2999-01-01T00:00:00Z", [])):
        assert _lines((await reader.get("/.audit/rows", since=at)).content) == expected
        found = await admin.ask("GET", f"/tenants/{reader.slug}/audit/rows?since={at.replace('+', '%2B')}")
        assert _lines(found.content) == expected
    assert _lines((await reader.get("/.audit/rows", since=rows[2]["at"], after=3, count=1)).content) == rows[3:4]


async def _read(pieces: AsyncIterator[bytes], into: list[dict[str, Any]]) -> None:
    async for piece in pieces:
        into += _lines(piece)


@pytest.mark.parametrize("path", _PATHS)
async def test_who_may_read_it(server: Server, reader: Client, path: str) -> None:
    """The scope alone opens it, whatever else a token may; a token that is narrowed to some types does not, nor another tenant's; and
    refused attempts are in it."""
    for scopes in (("scim",), ("scim:read", "scim:write", "scim:bulk", "scim:me", "badges:issue", "badges:approve", "tenant:admin")):
        other = reader.with_token(await server.token(reader, *scopes))
        refused = await other.get(path)
        assert_error(refused, 403, says="audit:read")
        assert 'error="insufficient_scope", scope="audit:read"' in refused.headers["www-authenticate"]
    narrow = reader.with_token(await server.token(reader, "audit:read"))
    kid = (narrow.token or "").split("_")[1]
    await server.pool.execute("UPDATE credential SET types = '{User}' WHERE tenant = $1 AND kid = $2", reader.id, kid)
    assert_error(await narrow.get(path), 403, says="narrowed")
    assert_error(await reader.with_token(None).get(path), 401)
    stranger = await server.tenant()
    strange = await server.token(stranger, "audit:read")
    sent = {"Authorization": f"Bearer {strange}", "X-Request-Id": "same-request"}
    theirs, nobodys = [await stranger.http.get(f"/scim/{slug}/v2{path}", headers=sent) for slug in (reader.slug, "t0")]
    assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json())
    assert theirs.status_code == 404
    await server.app.trail.write_denials(everything=True)
    await _seal(server, reader)
    denied = [orjson.loads(row["diff"]) for row in _lines((await reader.get("/.audit/rows")).content) if row["operation"] == "denied"]
    assert {(said["status"], said["route"]) for said in denied} == {(status, path_name(path)) for status in (401, 403, 404)}
    assert reader.slug not in (await stranger.with_token(strange).get("/.audit/rows")).text


def path_name(path: str) -> str:
    """The word for the endpoint in denied attempts."""
    return path.removeprefix("/.").replace("/", "_")


async def test_the_scope_opens_nothing_else(server: Server, reader: Client) -> None:
    """A collector reads and writes no resources."""
    ada = await reader.with_token(await server.token(reader)).new_user()
    for method, path, body in (
        ("GET", "/Users", None),
        ("GET", f"/Users/{ada['id']}", None),
        ("POST", "/Users", user()),
        ("DELETE", f"/Users/{ada['id']}", None),
        ("POST", "/Bulk", {}),
        ("GET", "/Schemas", None),
    ):
        assert_error(await reader.request(method, path, body), 403)
    assert_error(await reader.request("DELETE", "/.audit/rows"), 405)
    assert (await reader.request("OPTIONS", "/.audit/rows")).headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=99999999999999999999", "after"),
        ("count=0", "count"),
        ("count=x", "count"),
        ("format=csv", "format"),
        ("since=yesterday", "since"),
        ("since=2026-01-01", "since"),
        ("after=1&after=2", "twice"),
        ("until=3", "until"),
    ],
)
async def test_what_cannot_be_asked(reader: Client, query: str, says: str) -> None:
    """A parameter that is none, or has no value that it can have, is named."""
    assert_error(await reader.request("GET", f"/.audit/rows?{query}"), 400, "invalidValue", says)


async def test_forms_of_asking(reader: Client) -> None:
    """HEAD has the headers alone; lines are answered to who accepts lines, JSON or anything; an answer has so many rows at most."""
    head = await reader.request("HEAD", "/.audit/rows")
    assert (head.status_code, head.headers["content-type"], head.content) == (200, "application/x-ndjson", b"")
    for accept in ("application/x-ndjson", "*/*", "application/json", "application/scim+json"):
        assert (await reader.request("GET", "/.audit/rows", headers={"Accept": accept})).status_code == 200
    assert_error(await reader.request("GET", "/.audit/rows", headers={"Accept": "text/html"}), 406)
    assert_error(await reader.request("GET", "/.audit", headers={"Accept": "application/x-ndjson"}), 406)


async def test_how_much_is_answered(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many rows as are asked for, up to the limit; without a word so many as usual."""
    monkeypatch.setattr(own_trail, "MOST", 4)
    monkeypatch.setattr(own_trail, "USUAL", 2)
    for asked, answered in (({"count": 3}, 3), ({"count": 4}, 4), ({"count": 5}, 4), ({}, 2)):
        assert len(_lines((await reader.get("/.audit/rows", **asked)).content)) == answered


async def test_an_answer_ends_with_its_token(server: Server, reader: Client) -> None:
    """Who may not read any more gets no further rows of an answer that was begun: the connection ends in the middle of it."""
    asked = 0

    async def authorise() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise ScimError(Kind.UNAUTHORIZED)

    page = own_trail.TrailPage(0, None, 100, "jsonl")
    lines = own_trail.rows(server.app.pool.of(reader.id), server.app.traffic, DEFAULT, reader.id, reader.slug, page, authorise)
    got = [await anext(lines)]
    with pytest.raises(ScimError):
        got.append(await anext(lines))
    assert len(_lines(got[0])) == 3
    principal = await server.app.authenticator.principal(Shown([f"Bearer {reader.token}".encode()], reader.slug))

    async def again() -> Principal:
        nonlocal asked
        asked += 1
        if asked > 4:
            raise ScimError(Kind.UNAUTHORIZED)
        return principal

    wanted = own_trail.Asked(Route(reader.slug, Endpoint.AUDIT_ROWS), b"", principal)
    reply = await own_trail.reply(server.app.pool.of(reader.id), server.app.traffic, DEFAULT, wanted, again)
    assert isinstance(reply.body, AsyncIterator)
    sent: list[dict[str, Any]] = []
    with pytest.raises(Disconnected):
        await _read(reply.body, sent)
    assert [row["position"] for row in sent] == list(range(1, 7))


async def test_a_token_that_ends_while_its_rows_wait(server: Server, reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that wait for their tenant's share are for who may read them when they have it."""
    monkeypatch.setattr(auth, "_BELIEVED", 0.0)
    other, shares = await server.tenant(), server.app.traffic.shares
    async with shares.share(reader.id), shares.share(reader.id):
        assert (await other.get("/Users/nobody")).status_code == 404
        running = asyncio.create_task(reader.get("/.audit/rows"))
        async with asyncio.timeout(10):
            while reader.id not in shares._waiting:
                await asyncio.sleep(0.005)
        await server.pool.execute("DELETE FROM credential WHERE kid = $1", (reader.token or "").split("_")[1])
    assert_error(await running, 401)


async def test_rows_are_read_as_far_as_they_are_small(server: Server, client: Client) -> None:
    """A piece of an answer has rows of so many bytes, or one that has more: who does not read on keeps no more than that in memory."""
    long = [{"type": str(number), "value": "x" * 30_000} for number in range(10)]
    for number in range(12):
        await client.new_user(photos=long if number % 4 == 3 else [])
    await _seal(server, client)
    pieces = [piece async for piece in export(server.app.pool.of(client.id), client.id, client.slug, "jsonl")]
    sizes = [len(piece.splitlines()) for piece in pieces]
    assert sizes == [3, 1, 3, 1, 3, 1]
    assert [row["position"] for piece in pieces for row in _lines(piece)] == list(range(1, 13))
    assert len([piece async for piece in export(server.app.pool.of(client.id), client.id, client.slug, "jsonl", after=2, count=3)]) == 3


async def test_from_a_time(server: Server, client: Client) -> None:
    """Rows of changes before the time are left out wherever they are in the chain, also one that was sealed late."""
    reader = client.with_token(await server.token(client, "audit:read"))
    await client.new_user()
    await server.pool.execute("UPDATE change SET at = at - interval '1 day' WHERE tenant = $1", client.id)
    since = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    await client.new_user()
    await _seal(server, client)
    assert len(_lines((await reader.get("/.audit/rows")).content)) == 2
    rows = _lines((await reader.get("/.audit/rows", since=since)).content)
    assert [row["position"] for row in rows] == [2]
