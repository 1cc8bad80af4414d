"""HTTP at the rim: bodies read within limits of size and time, replies sent with the headers that every answer has."""

from __future__ import annotations

import asyncio
import re
import secrets
import zlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.response import Reply

#: Seconds without a byte, and seconds in all, after which a body is given up.
BODY_IDLE: Final = 10.0
BODY_TOTAL: Final = 30.0

#: Bodies above this many bytes are compressed for clients that accept it.
_COMPRESSED_ABOVE: Final = 1_024

_REQUEST_ID: Final = re.compile(r"[\w-]{8,64}", re.ASCII)


class Disconnected(Exception):  # noqa: N818 - not an error of ours
    """The client went away before its request was complete."""


def request_id(headers: Headers) -> str:
    """The client's X-Request-Id if it is harmless, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The request's body. Raises ScimError 413 beyond `limit` bytes, 415 for a content encoding, 408 when it comes too slowly."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise ScimError(Kind.UNSUPPORTED_MEDIA, "Content-Encoding is not supported")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TOTAL):
            while True:
                message = await asyncio.wait_for(receive(), BODY_IDLE)
                if message["type"] == "http.disconnect":
                    raise Disconnected
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError as problem:
        raise ScimError(Kind.REQUEST_TIMEOUT) from problem


def _too_large(limit: int) -> ScimError:
    return ScimError(Kind.PAYLOAD_TOO_LARGE, f"The request body is larger than {limit} bytes", headers={"Connection": "close"})


async def send_reply(scope: Scope, send: Send, reply: Reply, *, media_type: str, request: str, headers: Headers) -> None:
    """Send the reply; a HEAD gets the headers that the GET would have."""
    fields = [
        (b"x-request-id", request.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *((name.lower().encode(), value.encode("latin-1", "replace")) for name, value in reply.headers.items()),
    ]
    body = reply.body
    if body is not None:
        fields.append((b"content-type", media_type.encode()))
    if isinstance(body, bytes) and len(body) > _COMPRESSED_ABOVE and "gzip" in headers.get("accept-encoding", ""):
        body = _gzip(body)
        fields += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    if isinstance(body, bytes):
        fields.append((b"content-length", str(len(body)).encode()))
    elif body is None and reply.status not in (204, 304):
        fields.append((b"content-length", b"0"))
    await send({"type": "http.response.start", "status": reply.status, "headers": fields})
    if isinstance(body, AsyncIterator):
        if scope["method"] != "HEAD":
            async for piece in body:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        body = None
    await send({"type": "http.response.body", "body": body or b"" if scope["method"] != "HEAD" else b""})


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
