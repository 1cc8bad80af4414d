"""HTTP at the rim: bodies read within limits of size and time, replies sent with the headers that every answer has."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

from starlette.types import Receive, Scope, Send

from scimsrv.errors import Kind, ScimError
from scimsrv.observe import CURRENT
from scimsrv.protocol.response import Reply
from scimsrv.request_id import request_id

#: Seconds without a byte, and seconds in all, after which a body is given up.
BODY_IDLE: Final = 10.0
BODY_TOTAL: Final = 30.0

_NO_STORE: Final = (b"cache-control", b"no-store")
_NO_SNIFF: Final = (b"x-content-type-options", b"nosniff")

#: Bodies between these sizes in bytes are compressed for clients that accept it; larger ones would hold up everybody else.
_COMPRESSED_ABOVE: Final = 1_024
_COMPRESSED_UP_TO: Final = 1024 * 1024


log: Final = logging.getLogger("scimsrv")


class Disconnected(Exception):  # noqa: N818 - not an error of ours
    """The client went away before its request was complete."""


class Fields:
    """A request's header fields by lower-case name, as ASGI gives them, and the id of the request."""

    __slots__ = ("_pairs", "_values", "request_id")

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs
        self._values = dict(pairs)
        self.request_id = request_id(self.get(b"x-request-id") or "")

    def get(self, name: bytes) -> str | None:
        """The field's value, or None; of several the last."""
        value = self._values.get(name)
        return None if value is None else value.decode("latin-1")

    def joined(self, name: bytes) -> str | None:
        """The field's values as one list, as several lines of a list mean (RFC 9110 §5.3), or None."""
        return b", ".join(self.all(name)).decode("latin-1") if name in self._values else None

    def all(self, name: bytes) -> list[bytes]:
        """Every value of the field."""
        return [value for key, value in self._pairs if key == name] if name in self._values else []


class Application(Protocol):
    """An application with something to open at its start and to close at its end."""

    async def open(self) -> None:
        """Make ready to serve."""

    async def close(self) -> None:
        """Give back what `open` took."""


async def live(application: Application, receive: Receive, send: Send) -> None:
    """The lifespan of an ASGI application (ASGI lifespan protocol 2.0)."""
    await receive()
    try:
        await application.open()
    except Exception as problem:
        log.exception("start-up failed")
        await send({"type": "lifespan.startup.failed", "message": type(problem).__name__})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await application.close()
    await send({"type": "lifespan.shutdown.complete"})


async def read_body(headers: Fields, receive: Receive, limit: int) -> bytes:
    """The request's body. Raises ScimError as `chunks`."""
    return b"".join([chunk async for chunk in chunks(headers, receive, limit)])


async def chunks(headers: Fields, receive: Receive, limit: int, name: str = "") -> AsyncIterator[bytes]:
    """The request's body as it arrives. Raises ScimError 413 beyond `limit` bytes (with the name of the limit where it has one), 415
    for a content encoding, 408 when it comes too slowly."""
    encoding = (headers.get(b"content-encoding") or "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise ScimError(Kind.UNSUPPORTED_MEDIA, "Content-Encoding is not supported")
    length = headers.get(b"content-length") or ""
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit, name)
    size = 0
    clock = asyncio.get_running_loop().time
    deadline = clock() + BODY_TOTAL
    try:
        async with asyncio.timeout(BODY_IDLE) as patience:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit, name)
                yield chunk
                if not message.get("more_body", False):
                    exchange = CURRENT.get()
                    if exchange is not None:
                        exchange.received = size
                    return
                patience.reschedule(min(clock() + BODY_IDLE, deadline))
    except TimeoutError as problem:
        raise ScimError(Kind.REQUEST_TIMEOUT, headers={"Connection": "close"}) from problem


def _too_large(limit: int, name: str) -> ScimError:
    most = f"{name} ({limit} bytes)" if name else f"{limit} bytes"
    return ScimError(Kind.PAYLOAD_TOO_LARGE, f"The request body is larger than {most}", headers={"Connection": "close"})


async def send_reply(scope: Scope, send: Send, reply: Reply, *, media_type: str, request: str, headers: Fields) -> int:
    """Send the reply; a HEAD gets the headers that the GET would have. Returns the bytes of its body."""
    fields = [(b"x-request-id", request.encode()), _NO_STORE, _NO_SNIFF]
    for name, value in reply.headers.items():
        fields.append((name.lower().encode(), value.encode("latin-1", "replace")))
    body = reply.body
    if body is not None:
        fields.append((b"content-type", (reply.media_type or media_type).encode()))
    if isinstance(body, bytes) and _COMPRESSED_ABOVE < len(body) <= _COMPRESSED_UP_TO:
        fields.append((b"vary", b"Accept-Encoding"))
        if _accepts_gzip(headers.get(b"accept-encoding") or ""):
            body = _gzip(body)
            fields.append((b"content-encoding", b"gzip"))
    if isinstance(body, bytes):
        fields.append((b"content-length", str(len(body)).encode()))
    elif body is None and reply.status not in (204, 304):
        fields.append((b"content-length", b"0"))
    await send({"type": "http.response.start", "status": reply.status, "headers": fields})
    sent = 0
    if isinstance(body, AsyncIterator):
        if scope["method"] != "HEAD":
            async for piece in body:
                sent += len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        body = None
    last = body or b"" if scope["method"] != "HEAD" else b""
    await send({"type": "http.response.body", "body": last})
    return sent + len(last)


def _accepts_gzip(accepted: str) -> bool:
    """Whether the client takes gzip (RFC 9110 §12.5.3): named or covered by `*`, and not with a weight of nothing."""
    weights = {}
    for part in accepted.lower().split(",")[:20]:
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = weight.replace(" ", "").removeprefix("q=").strip("0.") != "" or not weight
    return weights.get("gzip", weights.get("*", False))


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
