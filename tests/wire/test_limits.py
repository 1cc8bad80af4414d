"""Limits, each at its value and one past it, with the answer that names it; and after each refusal nothing is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from scimsrv import http
from scimsrv.limits import DEFAULT
from tests.wire.support import SEARCH, Client, Server, Starter, assert_error, group, patch, user

#: A character of three bytes without decomposition, and one of four.
_CJK, _WIDE = "語", "𝒳"


def _of_size(size: int) -> bytes:
    """A user's body of so many bytes."""
    body = orjson.dumps(user("ada"))
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_bodies(start: Starter, method: str) -> None:
    """A resource's body may have as many bytes as configured; more is 413 and the limit is named."""
    async with start(max_body=2048) as server:
        client = await server.tenant()
        path = "/Users" if method == "POST" else f"/Users/{(await client.new_user('ada'))['id']}"
        body = _of_size(2048) if method != "PATCH" else orjson.dumps(patch({"op": "add", "path": "title", "value": "x" * 1000})).ljust(2048)
        assert (await client.request(method, path, content=body)).is_success
        assert_error(await client.request(method, path, content=body + b" "), 413, None, "2048")


@pytest.mark.parametrize("path", ["/Users/.search", "/.search"])
async def test_bodies_of_searches(start: Starter, path: str) -> None:
    """A search's body has a limit of its own."""
    async with start(max_search_body=1024) as server:
        client = await server.tenant()
        body = orjson.dumps({"schemas": [SEARCH]}).ljust(1024)
        assert (await client.request("POST", path, content=body)).status_code == 200
        assert_error(await client.request("POST", path, content=body + b" "), 413, None, "1024")


async def test_the_size_of_a_resource(server: Server, client: Client) -> None:
    """A resource has at most so many bytes as it is stored, whoever makes it that large: POST, PUT or PATCH."""
    names = ("nickName", "displayName", "profileUrl", "title", "userType", "preferredLanguage")
    texts = dict.fromkeys(names[:-1], _CJK * DEFAULT.string_length) | {names[-1]: "x"}
    small = await client.new_user("ada", **texts)
    document = await server.pool.fetchval("SELECT document FROM resource WHERE tenant = $1 AND id = $2", client.id, small["id"])
    room = DEFAULT.document_bytes - len(document.encode()) + 1
    path = f"/Users/{small['id']}"
    for fits in (True, False):
        large = texts | {names[-1]: "x" * (room if fits else room + 1)}
        whole = user("ada", **large)
        change = patch({"op": "add", "path": names[-1], "value": large[names[-1]]})
        for method, where, body in (("PUT", path, whole), ("PATCH", path, change), ("POST", "/Users", whole | {"userName": "ben"})):
            answer = await client.request(method, where, body)
            if fits:
                assert answer.is_success, (method, answer.text[:200])
            else:
                assert_error(answer, 400, "invalidValue", f"{DEFAULT.document_bytes} bytes")
            if method == "PATCH" and fits:
                await client.patch(path, {"op": "replace", "path": names[-1], "value": "x"})
    assert (await client.get(path)).json()[names[-1]] == "x"


@pytest.mark.parametrize("length", [{"Content-Length": "2049"}, {"Content-Length": "999999999999999999999"}, {}])
async def test_a_body_that_lies_about_its_length(start: Starter, length: dict[str, str]) -> None:
    """A length that is announced is refused before the body is read; one that is not announced is counted."""
    async with start(max_body=2048) as server:
        client = await server.tenant()
        content = b"{}" if length else _of_size(2049)
        assert_error(await client.request("POST", "/Users", content=content, headers=length), 413)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "GZIP"])
async def test_encoded_bodies(client: Client, encoding: str) -> None:
    """Compressed bodies are 415: a small one can hold a large one. `identity` is none."""
    content = orjson.dumps(user("ada"))
    assert_error(await client.request("POST", "/Users", content=content, headers={"Content-Encoding": encoding}), 415)
    assert (await client.request("POST", "/Users", content=content, headers={"Content-Encoding": "identity"})).status_code == 201


_HOSTILE = [
    b"",
    b"[]",
    b"{",
    b'{"userName": "a", "active": true, "active": false}',
    b'{"userName": "a", "USERNAME": "b"}',
    b'{"userName": "a", "x": NaN}',
    b'{"userName": "a", "x": 1e999}',
    b'{"userName": "a", "x": ' + b"9" * 5000 + b"}",
    rb'{"userName": "a\u0000b"}',
    rb'{"userName": "a", "title": "\ud800"}',
    b'{"userName": "\xff"}',
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"x": ' + b"[" * 100_000,
    b"{" + b",".join(b'"n%d": 1' % number for number in range(DEFAULT.json_keys + 1)) + b"}",
]


@pytest.mark.parametrize("body", _HOSTILE, ids=lambda body: repr(body[:30]))
async def test_hostile_json(server: Server, client: Client, body: bytes) -> None:
    """JSON that is broken, ambiguous, or too deep or wide is 400 invalidSyntax wherever a body is read, and nothing happens."""
    ada = await client.new_user("ada")
    path = f"/Users/{ada['id']}"
    places = [("POST", "/Users"), ("POST", "/Groups"), ("PUT", path), ("PATCH", path), ("POST", "/Users/.search"), ("POST", "/.search")]
    for method, place in places:
        answer = await client.request(method, place, content=body)
        if answer.status_code == 413:  # deeper than a search may be long
            assert place.endswith(".search")
            continue
        assert_error(answer, 400, "invalidSyntax")
    assert (await client.get(path)).json() == ada
    assert await server.pool.fetchval("SELECT count(*) FROM resource WHERE tenant = $1", client.id) == 1


@pytest.mark.parametrize(("name", "endpoint"), [("userName", "/Users"), ("displayName", "/Groups")])
@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("x" * 256, True),
        ("x" * 257, False),
        (_CJK * 256, True),
        (_CJK * 257, False),
        (_CJK * 3000, False),
        (_WIDE * 256, True),
        ("ß" * 128, True),
        ("ß" * 129, False),
        ("x" * 65_537, False),
        ("a\nb", False),
    ],
    ids=lambda value: f"{value[:1]!r} {len(value)}" if isinstance(value, str) else str(value),
)
async def test_unique_texts(client: Client, name: str, endpoint: str, value: str, fits: bool) -> None:
    """A text that must be unique has at most 256 characters, as written and as compared."""
    body = (user() if endpoint == "/Users" else group()) | {name: value}
    answer = await client.post(endpoint, body)
    if fits:
        assert answer.status_code == 201
        assert answer.json()[name] == value
    else:
        assert_error(answer, 400, "invalidValue", name)


@pytest.mark.parametrize(("length", "fits"), [(65_536, True), (65_537, False)])
async def test_other_texts(client: Client, length: int, fits: bool) -> None:
    """Any other text has at most 65,536 characters, of whatever bytes."""
    for attributes in ({"title": _CJK * length}, {"externalId": _CJK * length}, {"emails": [{"value": _CJK * length}]}):
        answer = await client.post("/Users", user(**attributes))
        if fits:
            assert answer.status_code == 201, answer.text[:200]
        else:
            assert_error(answer, 400, "invalidValue", f"longer than {DEFAULT.string_length} characters")


def _emails(number: int) -> list[dict[str, str]]:
    return [{"value": f"ada{index}@example.com"} for index in range(number)]


async def test_number_of_values(client: Client) -> None:
    """A multi-valued attribute has at most 50 values, in one request and in all."""
    most = DEFAULT.values
    ada = await client.new_user(emails=_emails(most))
    assert len(ada["emails"]) == most
    assert_error(await client.post("/Users", user(emails=_emails(most + 1))), 400, "invalidValue", "emails")
    path = f"/Users/{ada['id']}"
    assert_error(await client.put(path, user(ada["userName"], emails=_emails(most + 1))), 400, "invalidValue", "emails")
    assert_error(await client.patch(path, {"op": "add", "path": "emails", "value": [{"value": "x"}]}), 400, "invalidValue", "emails")
    assert (await client.patch(path, {"op": "add", "path": "emails", "value": _emails(most)})).json() == (await client.get(path)).json()


async def test_number_of_operations(client: Client) -> None:
    """A PATCH has at most 1,000 operations."""
    ada = await client.new_user()
    operations: list[Any] = [{"op": "replace", "path": "title", "value": str(number)} for number in range(DEFAULT.patch_operations)]
    answer = await client.patch(f"/Users/{ada['id']}", *operations)
    assert (answer.json()["title"], answer.json()["meta"]["version"]) == (str(DEFAULT.patch_operations - 1), 'W/"2"')
    assert_error(await client.patch(f"/Users/{ada['id']}", *operations, operations[0]), 400, "tooMany", str(DEFAULT.patch_operations))


async def test_number_of_members(server: Server) -> None:
    """A request names at most so many members, in whatever form; a group may have more of them."""
    client = await server.tenant(max_references=3)
    ids = [(await client.new_user())["id"] for _ in range(4)]
    staff = await client.new_group(*ids[:3])
    path, four = f"/Groups/{staff['id']}", [{"value": id_} for id_ in ids]
    for answer in (
        await client.post("/Groups", group(*ids)),
        await client.put(path, group(*ids, displayName=staff["displayName"])),
        await client.patch(path, {"op": "add", "path": "members", "value": four}),
        await client.patch(path, *({"op": "add", "path": "members", "value": [one]} for one in four)),
    ):
        assert_error(answer, 400, "invalidValue", "at most 3 values")
    assert len((await client.get(path)).json()["members"]) == 3
    assert (await client.patch(path, {"op": "add", "path": "members", "value": four[3:]})).status_code in (200, 204)
    assert len((await client.get(path)).json()["members"]) == 4


async def test_length_of_bulk_ids(client: Client) -> None:
    """A bulkId has at most 256 characters."""
    most = DEFAULT.bulk_id_length
    operations = [{"method": "POST", "path": "/Users", "bulkId": "x" * length, "data": user()} for length in (most, most + 1)]
    answer = await client.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
    first, second = answer.json()["Operations"]
    assert (first["status"], second["status"], second["response"]["scimType"]) == ("201", "400", "invalidValue")
    assert f"1 to {most}" in second["response"]["detail"]


async def test_number_of_names(client: Client) -> None:
    """attributes and excludedAttributes name at most 100 attributes."""
    names = ",".join(f"n{number}" for number in range(DEFAULT.projected_names))
    for parameter in ("attributes", "excludedAttributes"):
        assert (await client.get("/Users", **{parameter: names})).status_code == 200
        assert_error(await client.get("/Users", **{parameter: f"{names},one"}), 400, "invalidValue", str(DEFAULT.projected_names))


@pytest.mark.parametrize(
    ("at", "past"),
    [
        ("(" * 32 + "title pr" + ")" * 32, "(" * 33 + "title pr" + ")" * 33),
        (" or ".join(['title eq "a"'] * 200), " or ".join(['title eq "a"'] * 201)),
        ('title eq "' + "a" * 9_989 + '"', 'title eq "' + "a" * 9_990 + '"'),
    ],
    ids=["depth", "terms", "length"],
)
async def test_filters(client: Client, at: str, past: str) -> None:
    """Filters have a depth, a number of terms and a length, in queries and in PATCH paths."""
    ada = await client.new_user()
    assert (await client.get("/Users", filter=at)).status_code == 200
    assert_error(await client.get("/Users", filter=past), 400, "invalidFilter")
    assert_error(await client.post("/Users/.search", {"schemas": [SEARCH], "filter": past}), 400, "invalidFilter")
    path = f"emails[{past.replace('title', 'value')}]"
    answer = await client.patch(f"/Users/{ada['id']}", {"op": "remove", "path": path})
    assert answer.status_code == 400
    assert answer.json()["scimType"] in ("invalidPath", "invalidFilter")


@pytest.mark.parametrize("text", ["(" * 60_000, "not (" * 12_000, "a[" * 30_000, "a.b." * 15_000, "a eq 1 and " * 5_000])
async def test_very_deep_filters(client: Client, text: str) -> None:
    """Tens of thousands of brackets or terms are refused like one too many."""
    assert_error(await client.post("/Users/.search", {"schemas": [SEARCH], "filter": text}), 400, "invalidFilter")
    ada = await client.new_user()
    answer = await client.patch(f"/Users/{ada['id']}", {"op": "remove", "path": text})
    assert answer.status_code == 400
    assert answer.json()["scimType"] in ("invalidPath", "invalidFilter")


@pytest.mark.parametrize(("idle", "total"), [(0.05, 30.0), (30.0, 0.2)])
@pytest.mark.parametrize("path", ["/Users", "/Bulk", "/Users/.search"])
async def test_bodies_that_come_too_slowly(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, path: str, idle: float, total: float
) -> None:
    """A body that stops, or that trickles in for longer than it may take in all, is 408; its place is free again and nothing is stored."""
    monkeypatch.setattr(http, "BODY_IDLE", idle)
    monkeypatch.setattr(http, "BODY_TOTAL", total)
    stalls = total > idle

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600 if stalls else 0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    target = f"/scim/{client.slug}/v2{path}"
    headers = [(b"authorization", f"Bearer {client.token}".encode()), (b"content-type", b"application/scim+json")]
    scope = {"type": "http", "method": "POST", "path": target, "raw_path": target.encode(), "query_string": b"", "headers": headers}
    await server.app(scope, receive, send)
    assert sent[0]["status"] == 408
    assert orjson.loads(sent[1]["body"])["status"] == "408"
    assert not server.app.traffic.requests._held
    assert await server.pool.fetchval("SELECT count(*) FROM resource WHERE tenant = $1", client.id) == 0


async def test_a_tenants_own_limits(server: Server) -> None:
    """What the policy lowers is enforced, and advertised, in the place of the server's limit."""
    own = await server.tenant(
        max_body=2048, max_search_body=1100, max_operations=2, max_page=3, max_patch_operations=2, max_values=2, max_references=2
    )
    users = [await own.new_user() for _ in range(4)]
    path = f"/Users/{users[0]['id']}"
    config = (await own.get("/ServiceProviderConfig")).json()
    assert (config["bulk"]["maxOperations"], config["bulk"]["maxPayloadSize"]) == (2, 2048)
    assert (config["filter"]["maxResults"], config["pagination"]["defaultPageSize"], config["pagination"]["maxPageSize"]) == (3, 3, 3)
    assert [len((await own.get("/Users", **query)).json()["Resources"]) for query in ({}, {"count": 3}, {"count": 4})] == [3, 3, 3]
    assert (await own.request("POST", "/Users", content=_of_size(2048))).status_code == 201
    assert_error(await own.request("POST", "/Users", content=_of_size(2049)), 413)
    search = orjson.dumps({"schemas": [SEARCH]})
    assert (await own.request("POST", "/Users/.search", content=search.ljust(1100))).status_code == 200
    assert_error(await own.request("POST", "/Users/.search", content=search.ljust(1101)), 413)
    change = {"op": "replace", "path": "title", "value": "x"}
    assert (await own.patch(path, change, change)).status_code == 200
    assert_error(await own.patch(path, change, change, change), 400, "tooMany")
    assert (await own.post("/Users", user(emails=_emails(2)))).status_code == 201
    assert_error(await own.post("/Users", user(emails=_emails(3))), 400, "invalidValue", "emails")
    ids = [one["id"] for one in users]
    assert (await own.post("/Groups", group(*ids[:2]))).status_code == 201
    assert (await own.post("/Groups", group(*ids[:3]))).status_code in (400, 413)
    delete = {"method": "DELETE", "path": "/Users/x"}
    bulk = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
    assert (await own.post("/Bulk", {"schemas": [bulk], "Operations": [delete] * 2})).status_code == 200
    assert_error(await own.post("/Bulk", {"schemas": [bulk], "Operations": [delete] * 3}), 413)
