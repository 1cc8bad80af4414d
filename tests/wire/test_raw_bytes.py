"""Bytes that are almost HTTP, on raw sockets before the whole server: each connection ends with an answer or without, none with a fault."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import pytest
import uvicorn

from scimsrv import guard, http
from scimsrv.guard import GuardedProtocol
from tests.mutations import EXAMPLES
from tests.wire.support import Client, Server

_SEED: Final = int(os.environ.get("FAULT_SEED", "1"))

#: Connections at the same time, and seconds after which one that has neither been answered nor closed hangs.
_AT_ONCE: Final = 20
_HANGS: Final = 60.0

_USER: Final = b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"raw"}'
_BULK: Final = (
    b'{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"POST","path":"/Users","bulkId":"1","data":'
    + _USER
    + b"}]}"
)
_SPICE: Final = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\x00",
        b"\xff\xfe",
        b"\x16\x03\x01\x02\x00",
        b" ",
        b"\t",
        b":",
        b"%00",
        b"%",
        b"/../",
        b"//",
        b"?",
        b"#",
        b"@",
    ),
    *(
        b"HTTP/9.9",
        b"HTTP/0.9",
        b"HTTP/2.0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\n",
    ),
    *(b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n", b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\n"),
    *(
        b"Host: x\r\n",
        b"Authorization: Bearer x\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"\r\n\r\n",
        b"a" * 20_000,
        b"\r\nA: b" * 3_000,
    ),
]


@pytest.fixture
async def port(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Yield the port of the guarded server, which waits for the rest of a message for a moment only."""
    monkeypatch.setattr(guard, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(http, "BODY_IDLE", 0.3)
    made = uvicorn.Server(
        uvicorn.Config(server.app, port=0, http=GuardedProtocol, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    )
    monkeypatch.setattr(made, "capture_signals", contextlib.nullcontext)
    task = asyncio.create_task(made.serve())
    while not made.started:
        await asyncio.sleep(0.005)
    yield made.servers[0].sockets[0].getsockname()[1]
    made.should_exit = True
    await task


def _corpus(client: Client) -> list[bytes]:
    """Requests that are right."""
    fixed = f"Host: scim.example.com\r\nAuthorization: Bearer {client.token}\r\nContent-Type: application/scim+json\r\n".encode()
    base = client.base.encode()

    def message(line: bytes, body: bytes | None = None) -> bytes:
        length = b"" if body is None else b"Content-Length: %d\r\n" % len(body)
        return line + b" HTTP/1.1\r\n" + fixed + length + b"\r\n" + (body or b"")

    chunked = (
        b"POST "
        + base
        + b"/Users HTTP/1.1\r\n"
        + fixed
        + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(_USER)
        + _USER
        + b"\r\n0\r\n\r\n"
    )
    return [
        message(b"GET " + base + b"/Users?filter=userName%20eq%20%22raw%22&count=3"),
        message(b"HEAD " + base + b"/Schemas"),
        message(b"OPTIONS " + base + b"/Users"),
        message(b"DELETE " + base + b"/Users/nobody"),
        message(b"POST " + base + b"/Users", _USER),
        message(b"POST " + base + b"/Bulk", _BULK),
        message(b"PATCH " + base + b"/Users/nobody", _USER),
        message(b"POST /scim/nobody/oauth/token", b"grant_type=client_credentials"),
        message(b"GET " + base + b"/Users?count=1") * 3,
        chunked,
        chunked + message(b"GET " + base + b"/ResourceTypes"),
    ]


def _mangled(rng: random.Random, corpus: list[bytes]) -> bytes:
    """One of them after a few changes, or nothing but noise."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(1, 3_000))
    text = rng.choice(corpus)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(text) + 1)
        to = min(len(text), at + rng.randrange(20))
        match rng.randrange(6):
            case 0:
                text = text[:at] + text[to:]
            case 1:
                text = text[:at] + rng.choice(_SPICE) + text[at:]
            case 2:
                text = text[:to] + text[at:to] * rng.choice([1, 2, 50]) + text[to:]
            case 3:
                text = text[:at] + rng.randbytes(rng.randrange(1, 5)) + text[to:]
            case 4:
                other = rng.choice(corpus)
                text = text[:at] + other[rng.randrange(len(other)) :]
            case _:
                text = text[:at]
    return text


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    found = re.search(rb"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
    return bool(end) and found is not None and len(body) >= int(found[1])


async def _exchange(port: int, rng: random.Random, message: bytes) -> int:
    """The status of the first answer to bytes that come in pieces; 0 where the connection was closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    with contextlib.suppress(ConnectionError):
        cut = rng.randrange(len(message) + 1)
        for piece in (message[:cut], message[cut:]):
            writer.write(piece)
            await writer.drain()
        if rng.random() < 0.1:
            writer.write_eof()
    async with asyncio.timeout(_HANGS):
        with contextlib.suppress(ConnectionError):
            while not _is_whole(received) and (piece := await reader.read(65_536)):
                received += piece
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    if not received:
        return 0
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", received)
    assert status is not None, (message, received[:200])
    return int(status[1])


async def test_bytes_that_are_almost_http(port: int, client: Client, server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever comes, the answer is one of HTTP and no failure of the server, or the connection is closed; nothing is left of it, and the
    next honest request is served."""
    rng, corpus = random.Random(_SEED), _corpus(client)
    seen: Counter[int] = Counter()
    waiting = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        own = random.Random(f"{_SEED}-{number}")
        message = _mangled(own, corpus)
        async with waiting:
            status = await _exchange(port, own, message)
        seen[status] += 1
        assert status < 500 or status in (501, 505), (status, message)

    for first in range(0, EXAMPLES * 2, 500):
        await asyncio.gather(*(one(number) for number in range(first, min(first + 500, EXAMPLES * 2))))
    assert {200, 400, 408} <= seen.keys(), seen
    assert await _exchange(port, rng, corpus[0]) == 200
    async with asyncio.timeout(_HANGS):
        while server.app._in_progress or server.app.traffic.requests._held:
            await asyncio.sleep(0.01)
    assert "Traceback" not in capfd.readouterr().err
