"""A small HTTP/1.1 client for loads: requests are bytes made beforehand, connections are kept alive, answers are only delimited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

#: Stands for a number in a request, and is as long as the number will be, so that Content-Length stays true.
NUMBER: Final = b"@NUMBER@"


#: Seconds after which a load is given up.
_TOO_LONG: Final = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; `seconds` from sending the request to its last byte."""

    status: int
    head: bytes
    body: bytes
    seconds: float


class AnswerError(Exception):
    """The peer closed a connection or sent what this client cannot delimit."""


def encode(method: str, path: str, host: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["Content-Type: application/scim+json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def numbered(request: bytes, number: int) -> bytes:
    """The request with the number in its places."""
    return request.replace(NUMBER, b"%08d" % number)


class _Connection(asyncio.Protocol):
    """Sends requests one after another, each as soon as the answer before it is complete."""

    def __init__(self, following: Callable[[], bytes | None], answered: Callable[[Answer], None], done: asyncio.Future[None]) -> None:
        self._following = following
        self._answered = answered
        self._done = done
        self._received = bytearray()
        self._sent = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are of no class of asyncio's
        self._send()

    def _send(self) -> None:
        request = self._following()
        if request is None:
            self._end(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            size = _size(self._received)
        except AnswerError as problem:
            self._end(problem)
            return
        if size is None:
            return
        seconds = time.perf_counter() - self._sent
        split = self._received.index(b"\r\n\r\n") + 4
        head, body = bytes(self._received[:split]), bytes(self._received[split:size])
        del self._received[:size]
        self._answered(Answer(int(head[9:12]), head, body, seconds))
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(AnswerError("the connection was closed in the middle of a load"))

    def _end(self, problem: Exception | None) -> None:
        if not self._done.done():
            if problem is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(problem)
            self._transport.close()


def _size(received: bytearray) -> int | None:
    """The length of the first answer in the bytes, None while it is incomplete. Raises AnswerError."""
    split = received.find(b"\r\n\r\n")
    if split < 0:
        return None
    head = bytes(received[:split]).lower()
    start = head.find(b"\r\ncontent-length:")
    if start >= 0:
        end = head.find(b"\r\n", start + 2)
        size = split + 4 + int(head[start + 17 : end if end >= 0 else len(head)])
        return size if len(received) >= size else None
    if head[9:12] in (b"204", b"304"):
        return split + 4
    if b"\r\ntransfer-encoding: chunked" in head:
        return len(received) if received.endswith(b"\r\n0\r\n\r\n") else None
    raise AnswerError("the answer has neither a length nor chunks")


async def run(host: str, port: int, connections: int, following: Callable[[], bytes | None], answered: Callable[[Answer], None]) -> None:
    """Send what `following` gives, over so many connections, until it gives None.

    Raises AnswerError, OSError, and TimeoutError when it takes longer than any load is meant to.
    """
    loop = asyncio.get_running_loop()
    done = [loop.create_future() for _ in range(connections)]
    for one in done:
        await loop.create_connection(lambda one=one: _Connection(following, answered, one), host, port)  # type: ignore[misc]
    await asyncio.wait_for(asyncio.gather(*done), _TOO_LONG)
