"""The guard on real connections: late, oversized and malformed messages get a SCIM Error, and the worker lives on."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from scimsrv import guard
from scimsrv.guard import GuardedProtocol

_CLOSE = b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
_GET = b"GET / HTTP/1.1\r\nhost: x\r\n"
_PIECES = 40
_PIECE = 500_000


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the size of the body that arrived; wait first, or do not read it, when the path asks for it."""
    size = 0
    if scope["path"] == "/refused":
        await receive()
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2"), (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"no"})
        return
    while (message := await receive())["type"] == "http.request":
        size += len(message["body"])
        if not message["more_body"]:
            break
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    if scope["path"] == "/large":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(_PIECES):
            await send({"type": "http.response.body", "body": b"x" * _PIECE, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    body = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def serving() -> AsyncIterator[uvicorn.Server]:
    """Yield a guarded server."""
    server = uvicorn.Server(
        uvicorn.Config(_app, port=0, http=GuardedProtocol, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(server, "capture_signals", contextlib.nullcontext)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        yield server
        server.should_exit = True
        await task


@pytest.fixture
def port(serving: uvicorn.Server) -> int:
    """Return its port."""
    port: int = serving.servers[0].sockets[0].getsockname()[1]
    return port


async def _talk(port: int, *pieces: bytes, pause: float = 0.0) -> list[tuple[int, dict[str, str], bytes]]:
    """Send pieces, read until the server closes, and return the responses as status, headers and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        await asyncio.sleep(pause)
    with contextlib.suppress(ConnectionError):
        received = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        found.append((int(lines[0].split()[1]), headers, rest[:length]))
        received = rest[length:]
    return found


def _is_refusal(answer: tuple[int, dict[str, str], bytes], status: int) -> bool:
    got, headers, body = answer
    document = json.loads(body)
    assert headers["x-request-id"]
    assert document["detail"].endswith(f"(request {headers['x-request-id']})")
    return (
        got == status
        and headers["content-type"] == "application/scim+json"
        and headers["connection"] == "close"
        and document["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        and document["status"] == str(status)
        and bool(document["detail"])
    )


def _post(port: int, size: int | None, pieces: int, stops: int) -> tuple[int, bytes]:
    """Send a body, of an announced size or in chunks, as a plain client does, which reads no answer before all of it is sent; it stops
    in the middle where it is told to. Returns the status of the answer and its body."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        framing = b"transfer-encoding: chunked" if size is None else b"content-length: %d" % size
        client.sendall(b"POST /refused HTTP/1.1\r\nhost: x\r\n%s\r\n\r\n" % framing)
        piece = b"x" * 10_000
        for _ in range(min(pieces, stops)):
            client.sendall(piece if size is not None else b"2710\r\n%s\r\n" % piece)
        if size is None and stops >= pieces:
            client.sendall(b"0\r\n\r\n")
        received = b""
        while more := client.recv(1_000):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize("stops", [1_000, 900])
@pytest.mark.parametrize("size", [10_000_000, None])
async def test_an_answer_before_the_end_of_a_body(port: int, size: int | None, stops: int) -> None:
    """Whoever sends all of a body first still gets the answer that was there before, and then the connection ends."""
    assert await asyncio.to_thread(_post, port, size, 1_000, stops) == (413, b"no")


_ONE = _GET + b"connection: close\r\n"
_TWO = _ONE + b"b: " + b"x" * guard.MAX_FIELD_BYTES + b"\r\na: "
_FIXED = len(b"/") + len(b"host") + len(b"x") + len(b"connection") + len(b"close") + len(b"b") + guard.MAX_FIELD_BYTES + len(b"a") + 4 * 4


@pytest.mark.parametrize(
    ("message", "status"),
    [
        pytest.param(_GET + b"connection: close\r\n\r\n", 200, id="plain"),
        pytest.param(_TWO + b"x" * (guard.MAX_HEAD_BYTES - _FIXED) + b"\r\n\r\n", 200, id="at limit"),
        pytest.param(_TWO + b"x" * (guard.MAX_HEAD_BYTES - _FIXED + 1) + b"\r\n\r\n", 431, id="one more"),
        pytest.param(_ONE + b"a: " + b"x" * guard.MAX_FIELD_BYTES + b"\r\n\r\n", 200, id="header at limit"),
        pytest.param(_ONE + b"a: " + b"x" * (guard.MAX_FIELD_BYTES + 1) + b"\r\n\r\n", 431, id="header one more"),
        pytest.param(_ONE + b"authorization: " + b"x" * 20_000 + b"\r\n\r\n", 200, id="Authorization"),
        pytest.param(_GET + b"a: b\r\n" * 20_000 + b"\r\n", 431, id="many headers"),
        pytest.param(_GET + b"a: " + b"x" * 100_000, 431, id="header without end"),
        pytest.param(b"GET /" + b"x" * (guard.MAX_TARGET_BYTES - 1) + _CLOSE, 200, id="target at limit"),
        pytest.param(b"GET /" + b"x" * guard.MAX_TARGET_BYTES + b" HTTP/1.1\r\nhost: x\r\n\r\n", 414, id="target one more"),
        pytest.param(b"GET /" + b"x" * 1_000_000, 414, id="target without end"),
        pytest.param(b"nonsense\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", 400, id="TLS on a plain port"),
        pytest.param(b"GET / HTTP/1.1\r\nhost x\r\n\r\n", 400, id="header without colon"),
        pytest.param(_GET + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", 400, id="two lengths"),
        pytest.param(_GET + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="length and chunks"),
        pytest.param(b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n", 400, id="bytes in the target"),
        pytest.param(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400, id="bad chunk"),
    ],
)  # fmt: skip
async def test_messages(port: int, message: bytes, status: int) -> None:
    """Each malformed or oversized message gets its SCIM Error and the connection closes; at the limit it is served."""
    answers = await _talk(port, message)
    assert len(answers) == 1
    assert answers[0][0] == status
    assert status == 200 or _is_refusal(answers[0], status)
    assert (await _talk(port, _GET + b"connection: close\r\n\r\n"))[0][0] == 200


async def test_late_headers(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers that trickle in are cut off after the time for them, however steadily they come."""
    monkeypatch.setattr(guard, "HEAD_SECONDS", 0.2)
    answers = await _talk(port, _GET, *([b"a: b\r\n"] * 8), pause=0.05)
    assert len(answers) == 1
    assert _is_refusal(answers[0], 408)


async def test_silent_connections_are_closed_without_a_word(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which nothing was asked is closed in time, and gets no answer."""
    monkeypatch.setattr(guard, "HEAD_SECONDS", 0.1)
    assert await _talk(port) == []


async def test_stalled_body(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that stops arriving gets 408; one that keeps arriving slowly is served."""
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.2)
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\n\r\n"
    stalled = await _talk(port, head + b"a")
    assert _is_refusal(stalled[0], 408)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.8)  # several pauses, which a machine with much to do makes longer
    slow = await _talk(port, head.replace(b"5", b"10"), *([b"a"] * 10), pause=0.1)
    assert [(status, body) for status, _, body in slow] == [(200, b"10")]


@pytest.mark.parametrize(("pause", "whole"), [(None, False), (0.05, True)])
async def test_a_client_that_stops_reading(
    serving: uvicorn.Server, port: int, monkeypatch: pytest.MonkeyPatch, pause: float | None, whole: bool
) -> None:
    """Who takes nothing of an answer is cut off, and what waits for them is dropped; who takes it slowly gets all of it."""
    monkeypatch.setattr(guard, "READ_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"GET /large" + _CLOSE)
        got = 0
        if pause is None:
            async with asyncio.timeout(10):
                while not serving.server_state.connections:
                    await asyncio.sleep(0.01)
                while serving.server_state.connections:
                    await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionError):
            while piece := await loop.sock_recv(client, 1_000_000):
                got += len(piece)
                await asyncio.sleep(pause or 0)
    assert (got > _PIECES * _PIECE) is whole


async def test_keep_alive_is_not_cut_by_the_header_timer(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two requests a connection may rest for longer than headers may take."""
    monkeypatch.setattr(guard, "HEAD_SECONDS", 0.1)
    answers = await _talk(port, _GET + b"\r\n", _GET + b"connection: close\r\n\r\n", pause=0.3)
    assert [status for status, _, _ in answers] == [200, 200]


@pytest.mark.parametrize(("second", "status"), [(b"a: " + b"x" * 40_000 + b"\r\n\r\n", 431), (b"nonsense\r\n\r\n", 400)])
async def test_second_message_on_a_connection(port: int, second: bytes, status: int) -> None:
    """A later message of a connection is refused like a first one, after the answer to the one before it."""
    answers = await _talk(port, _GET + b"\r\n", _GET + second, pause=0.1)
    assert [answer[0] for answer in answers] == [200, status]
    assert _is_refusal(answers[1], status)


async def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    """Several requests sent at once are answered one after the other."""
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
    answers = await _talk(port, post % 3 + b"abc" + post % 2 + b"de" + _GET + b"connection: close\r\n\r\n")
    assert [body for _, _, body in answers] == [b"3", b"2", b"0"]


async def test_nonsense_behind_a_request_does_not_garble_its_answer(port: int) -> None:
    """A request in progress is answered in full although what follows it on the connection is malformed."""
    answers = await _talk(port, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\nnonsense\r\n\r\n")
    assert [(status, body) for status, _, body in answers] == [(200, b"0")]


async def test_upgrades_are_not_offered(port: int) -> None:
    """A request that asks for another protocol is answered as what it is."""
    answers = await _talk(port, _GET + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert [status for status, _, _ in answers] == [200]


@pytest.mark.parametrize("cut", [0, 5])
async def test_what_is_on_its_way_when_the_server_stops(port: int, serving: uvicorn.Server, cut: int) -> None:
    """A request that was sent, wholly or in part, on a connection that had nothing to do is answered, and the connection closed then;
    one on which nothing comes is closed in a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    idle, silent = await asyncio.open_connection("127.0.0.1", port)
    for to, back in ((writer, reader), (silent, idle)):
        to.write(_GET + b"\r\n")
        assert (await back.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await back.readexactly(1)
    message = _GET + b"\r\n"
    writer.write(message[:cut])
    while cut and not any(one._in_head for one in serving.server_state.connections):  # type: ignore[union-attr]
        await asyncio.sleep(0.005)
    for connection in list(serving.server_state.connections):
        connection.shutdown()
    writer.write(message[cut:])
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert await asyncio.wait_for(idle.read(), 10) == b""
    writer.close()
    silent.close()


async def test_overload(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the number of requests in progress the answer is 503 with Retry-After; the others are served."""
    monkeypatch.setattr(GuardedProtocol, "concurrency", 2)
    slow = b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answers = [answer[0] for answer in await asyncio.gather(*(_talk(port, slow) for _ in range(5)))]
    assert sorted(status for status, _, _ in answers) == [200, 200, 503, 503, 503]
    for answer in answers:
        if answer[0] == 503:
            assert _is_refusal(answer, 503)
            assert int(answer[1]["retry-after"]) >= 1
    assert (await _talk(port, slow))[0][0] == 200


@pytest.mark.parametrize("lines", [b"", b"Host: a.example\r\nHost: b.example\r\n"])
async def test_a_request_names_one_host(port: int, lines: bytes) -> None:
    """RFC 9112 §3.2: HTTP/1.1 without Host, or with two of them, is malformed."""
    answers = await _talk(port, b"GET / HTTP/1.1\r\n" + lines + b"\r\n")
    assert len(answers) == 1
    assert _is_refusal(answers[0], 400)
