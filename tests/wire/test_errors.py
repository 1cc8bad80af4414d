"""Every refusal is a SCIM Error with the request's id, wherever it comes from: routing, protocol, database, or a bug."""

from __future__ import annotations

import logging
from typing import Any

import asyncpg
import pytest

from scimsrv.errors import Kind
from scimsrv.observe import CURRENT
from scimsrv.store import execute, failure
from tests.postgres import POOLED
from tests.wire.support import ERROR, SCIM, SEARCH, Client, Server, Starter, assert_error, patch, user

_REQUESTS: list[tuple[Kind, str, str, Any, dict[str, str]]] = [
    (Kind.INVALID_FILTER, "GET", "/Users?filter=x", None, {}),
    (Kind.INVALID_FILTER, "GET", "/Users?filter=nothing+pr", None, {}),
    (Kind.INVALID_FILTER, "POST", "/.search", {"schemas": [SEARCH], "filter": "("}, {}),
    (Kind.TOO_MANY, "PATCH", "/Users/{ada}", patch(*[{"op": "remove", "path": "title"}] * 1001), {}),
    (Kind.UNIQUENESS, "POST", "/Users", user("ADA"), {}),
    (Kind.MUTABILITY, "PATCH", "/Users/{ada}", patch({"op": "replace", "path": "id", "value": "x"}), {}),
    (Kind.INVALID_SYNTAX, "POST", "/Users", [], {}),
    (Kind.INVALID_SYNTAX, "PATCH", "/Users/{ada}", {"schemas": []}, {}),
    (Kind.INVALID_PATH, "PATCH", "/Users/{ada}", patch({"op": "add", "path": "nothing", "value": 1}), {}),
    (Kind.NO_TARGET, "PATCH", "/Users/{ada}", patch({"op": "remove"}), {}),
    (Kind.INVALID_VALUE, "POST", "/Users", {}, {}),
    (Kind.INVALID_VALUE, "GET", "/Users?count=x", None, {}),
    (Kind.INVALID_VALUE, "GET", "/Users?filter=%FF", None, {}),
    (Kind.INVALID_CURSOR, "GET", "/Users?cursor=x", None, {}),
    (Kind.INVALID_COUNT, "GET", "/Users?cursor&count=x", None, {}),
    (Kind.INVALID_VERSION, "GET", "/../v1/Users", None, {}),
    (Kind.BAD_REQUEST, "GET", "/Users", None, {}),
    (Kind.UNAUTHORIZED, "GET", "/Users", None, {"Authorization": "Bearer x"}),
    (Kind.FORBIDDEN, "GET", "/Schemas?filter=x", None, {}),
    (Kind.NOT_FOUND, "GET", "/Users/nobody", None, {}),
    (Kind.NOT_FOUND, "GET", "/Nothing", None, {}),
    (Kind.NOT_FOUND, "GET", "/a/b/c/d", None, {}),
    (Kind.NOT_FOUND, "GET", "/Schemas/urn:x", None, {}),
    (Kind.NOT_FOUND, "DELETE", "/Groups/{ada}", None, {}),
    (Kind.METHOD_NOT_ALLOWED, "DELETE", "/Users", None, {}),
    (Kind.METHOD_NOT_ALLOWED, "PUT", "/Schemas", None, {}),
    (Kind.NOT_ACCEPTABLE, "GET", "/Users", None, {"Accept": "text/html"}),
    (Kind.PRECONDITION_FAILED, "DELETE", "/Users/{ada}", None, {"If-Match": 'W/"7"'}),
    (Kind.PAYLOAD_TOO_LARGE, "POST", "/Users", "x" * (4 * 1024 * 1024), {}),
    (Kind.UNSUPPORTED_MEDIA, "POST", "/Users", {}, {"Content-Type": "text/plain"}),
    (Kind.NOT_IMPLEMENTED, "GET", "/Me", None, {}),
]
#: Kinds that need more than one plain request; each has a test of its own, here or where its cause is tested.
_ELSEWHERE = {
    *(Kind.EXPIRED_CURSOR, Kind.REQUEST_TIMEOUT, Kind.URI_TOO_LONG, Kind.PRECONDITION_REQUIRED, Kind.HEADERS_TOO_LARGE),
    *(Kind.CONFLICT, Kind.UNPROCESSABLE, Kind.TOO_MANY_REQUESTS, Kind.INTERNAL, Kind.UNAVAILABLE),
}


def test_every_kind_is_provoked() -> None:
    """The table below has every kind that a plain request can provoke."""
    assert {kind for kind, *_ in _REQUESTS} | _ELSEWHERE == set(Kind)
    assert not {kind for kind, *_ in _REQUESTS} & _ELSEWHERE


@pytest.mark.parametrize(("kind", "method", "path", "body", "headers"), _REQUESTS, ids=lambda value: getattr(value, "name", None))
async def test_refusals(client: Client, kind: Kind, method: str, path: str, body: Any, headers: dict[str, str]) -> None:
    """Status, scimType, a sentence and the request's id are in the body; what every answer has is in the headers."""
    ada = await client.new_user("ada")
    sent = [*headers.items(), ("X-Request-Id", "my-request-1")]
    if kind is Kind.BAD_REQUEST:
        sent += [("Authorization", f"Bearer {client.token}")] * 2
    if kind is Kind.INVALID_VERSION:
        answer = await client.http.get(f"/scim/{client.slug}/v1/Users", headers=dict(sent) | {"Authorization": f"Bearer {client.token}"})
    else:
        answer = await client.request(method, path.format(ada=ada["id"]), body, headers=sent)
    assert_error(answer, kind.value.status, kind.value.scim_type)
    assert answer.headers["x-request-id"] == "my-request-1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert set(answer.json()) <= {"schemas", "status", "scimType", "detail"}
    assert ("www-authenticate" in answer.headers) is (kind is Kind.UNAUTHORIZED)
    assert ("allow" in answer.headers) is (kind is Kind.METHOD_NOT_ALLOWED)


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space", "é" * 10, 'a"b<script>', "", "line\x85feed"])
async def test_request_ids_that_are_not_taken_over(client: Client, given: str) -> None:
    """An id that could do harm in a log or an answer is replaced by one of the server's."""
    answer = await client.request("GET", "/Users/nobody", headers={"X-Request-Id": given})
    assert_error(answer, 404)
    assert len(answer.headers["x-request-id"]) >= 16
    assert given not in answer.text or not given


_SECRET = "postgresql://scim:hunter2@db.example.com/scim"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_bug_is_500(client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str) -> None:
    """An exception that nobody foresaw is an Error too: its text goes to the log, under the id that the client is told, and nowhere."""

    async def fail(*_: object) -> None:
        raise RuntimeError(_SECRET)

    for name in ("read", "_insert", "remove"):
        monkeypatch.setattr(execute, name, fail)
    logged: list[tuple[int, str | None]] = []

    def note(record: logging.LogRecord) -> bool:
        exchange = CURRENT.get()  # from which a line of the log has its id
        logged.append((record.levelno, None if exchange is None else exchange.request_id))
        return True

    caplog.handler.addFilter(note)
    answer = await client.request(method, "/Users" if method == "POST" else "/Users/1", user() if method == "POST" else None)
    assert_error(answer, 500)
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert logged == [(logging.ERROR, answer.headers["x-request-id"])]
    caplog.handler.removeFilter(note)
    assert _SECRET in caplog.text
    monkeypatch.undo()
    assert (await client.get("/Users")).status_code == 200


def _sqlstate(state: str) -> Exception:
    found = asyncpg.PostgresError.new({"C": state, "M": _SECRET})
    assert isinstance(found, asyncpg.PostgresError)
    return found


_UNAVAILABLE = ["57014", "53300", "53100", "57P01", "57P02", "57P03", "08003", "08006", "40001", "40P01", "55P03", "25006"]


@pytest.mark.parametrize(
    ("problem", "status", "scim_type"),
    [
        *((_sqlstate(state), 503, None) for state in _UNAVAILABLE),
        (TimeoutError(), 503, None),
        (ConnectionRefusedError(_SECRET), 503, None),
        (asyncpg.InterfaceError(_SECRET), 503, None),
        (asyncpg.InternalClientError(_SECRET), 503, None),
        (_sqlstate("23503"), 400, "invalidValue"),
        (_sqlstate("22P02"), 400, "invalidValue"),
        (_sqlstate("22P05"), 400, "invalidValue"),
        (_sqlstate("22021"), 400, "invalidValue"),
        (_sqlstate("54000"), 400, "invalidValue"),
        (_sqlstate("23505"), 409, "uniqueness"),
        (_sqlstate("42601"), 500, None),
        (_sqlstate("XX000"), 500, None),
        (KeyError(_SECRET), 500, None),
    ],
    ids=lambda value: getattr(value, "sqlstate", None) or (type(value).__name__ if isinstance(value, Exception) else None),
)
async def test_failures_of_the_database(
    client: Client, monkeypatch: pytest.MonkeyPatch, problem: Exception, status: int, scim_type: str | None
) -> None:
    """Each known failure has its answer, never 401 or 404; what may pass is 503 with Retry-After; no text of the database gets out."""
    calls = 0

    async def fail(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise problem

    monkeypatch.setattr(execute, "read", fail)
    answer = await client.get("/Users/1")
    assert_error(answer, status, scim_type)
    assert "hunter2" not in answer.text
    assert ("retry-after" in answer.headers) is (status == 503)
    if status == 503:
        assert 2 <= int(answer.headers["retry-after"]) <= 5
    assert calls == (4 if getattr(problem, "sqlstate", None) in failure.RETRIED else 1)


@pytest.mark.skipif(POOLED, reason="PgBouncer passes no statement_timeout on")
async def test_a_statement_that_takes_too_long(start: Starter, base_settings: dict[str, Any]) -> None:
    """What the database cuts off is 503 where the client can only wait, and 400 tooMany for a search, which can ask for less."""
    async with start(database_url=f"{base_settings['database_url']}&statement_timeout=150") as server:
        client = await server.tenant()
        ada = await client.new_user()
        async with server.pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
            assert_error(await client.get("/Users", filter="title pr"), 400, "tooMany")
            assert_error(await client.get(f"/Users/{ada['id']}"), 503)
            assert_error(await client.post("/Users", user()), 503)
        assert (await client.get(f"/Users/{ada['id']}")).json() == ada


async def test_a_database_that_is_gone(server: Server, client: Client) -> None:
    """When the token cannot be looked up, the answer is 503 and not 401, which would make clients give up."""
    app: Any = getattr(client.http._transport, "app", None)
    await app.close()
    answer = await client.get("/Users")
    assert_error(answer, 503)
    assert "retry-after" in answer.headers
    assert server.settings.database_url is not None
    await app.open()


async def test_errors_in_json(client: Client) -> None:
    """A client that asks for plain JSON gets its errors in that type as well."""
    answer = await client.request("GET", "/Users/nobody", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json()["schemas"] == [ERROR]
    assert (await client.get("/Users/nobody")).headers["content-type"] == SCIM
