"""Header and body timeouts and size limits below the router, on the raw connection; every refusal is a SCIM Error (RFC 7644 §3.12)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Literal

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from scimsrv.cork import CorkedTransport
from scimsrv.errors import Kind
from scimsrv.observe import Plane, Refused, observe
from scimsrv.request_id import request_id

HEAD_SECONDS: Final = 5.0
"""Time from a message's first byte (or from connecting) until its headers are complete."""

BODY_SECONDS: Final = 30.0
"""Time without a byte of a body that has begun."""

READ_SECONDS: Final = 30.0
"""Time in which a client that has an answer waiting takes nothing of it."""

MAX_HEAD_BYTES: Final = 32 * 1024
MAX_TARGET_BYTES: Final = 8 * 1024

MAX_FIELD_BYTES: Final = 16 * 1024
"""One header's value; Authorization has the same limit from whoever reads it, and another answer."""

_SLICE_BYTES = 16 * 1024
_LINGER_SECONDS = 1.0
_DRAIN_SECONDS = 10.0
_LEAVING_SECONDS = 0.25


Refusal = Callable[[Kind, str, str], tuple[bytes, bytes]]
"""From a kind of failure, what to say of it and the request's id to media type and body of the answer."""


def scim_refusal(kind: Kind, detail: str, request: str) -> tuple[bytes, bytes]:
    """A SCIM Error message."""
    shown = f"{detail} (request {request})"
    error = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(kind.value.status), "detail": shown}
    return b"application/scim+json", orjson.dumps(error)


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits. `concurrency` is the number of requests in progress in this process, `refusal` the form of
    what is refused, `plane` the word for the listener in metrics and log, None where nobody has to know."""

    concurrency: int = 512
    plane: Plane | None = "data"
    refusal: Refusal = staticmethod(scim_refusal)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = False
        self._in_body = False
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._unread: asyncio.TimerHandle | None = None
        self._leaving = False
        self._draining = False

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(CorkedTransport(transport, self.loop, self._drains))  # type: ignore[arg-type]  # a transport in all but name
        self._timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._unwatch()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More is waiting for the client than the transport holds: the client has to take some of it in time."""
        super().pause_writing()
        self._unwatch()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unwatch()

    def _watch(self) -> None:
        waiting: int = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(READ_SECONDS, self._look, waiting)

    def _unwatch(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _look(self, waiting: int) -> None:
        """Cut the connection off unless less is waiting than before: closing it would wait for the client, too."""
        self._unread = None
        if self.transport.get_write_buffer_size() < waiting:
            self._watch()
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """The server stops. A connection on which nothing is asked is closed in a moment and not at once: what its client has sent
        already, and this process has not read yet, is answered first."""
        self._leaving = True
        if self._is_idle():
            self.loop.call_later(_LEAVING_SECONDS, self._leave)
        else:
            self.cycle.keep_alive = False

    def _leave(self) -> None:
        if self._is_idle() and not self._in_head:
            self.transport.close()

    def give_up(self) -> None:
        """The server waits no longer for the request in progress, which is about to be cancelled: say so, where nothing was said yet."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_started or self._refused:
            return
        self._refused = True
        self._disarm()
        cycle.disconnected = True  # what the application may still say is dropped
        cycle.message_event.set()
        self._answer(
            Kind.UNAVAILABLE, "The server is stopped before the request is done: look whether it was carried out, or send it again."
        )

    def _drains(self) -> bool:
        """Where the answer is there before all of the body, take the rest and drop it for a while, as long as it comes: closing while the
        client still sends would reset the connection, and the answer with it (RFC 9112 §9.6)."""
        if not self._in_body or self._draining:
            return False
        self._draining = True
        try:
            self.transport.write_eof()
        except NotImplementedError:  # TLS knows no such end
            pass
        except OSError:  # the client is gone
            return False
        self._heard = self.loop.time()
        self._drain(self._heard + _DRAIN_SECONDS)
        return True

    def _drain(self, until: float) -> None:
        now: float = self.loop.time()
        if now >= min(until, self._heard + _LINGER_SECONDS):
            self.transport.close()
        else:
            self.loop.call_at(min(until, self._heard + _LINGER_SECONDS), self._drain, until)

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        for start in range(0, len(data), _SLICE_BYTES):
            if self._refused:
                return
            self._feed(data[start : start + _SLICE_BYTES] if len(data) > _SLICE_BYTES else data)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No upgrade is offered: the request is answered as it is, and what follows is not HTTP.
            self._refused = True
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            if not self._refused:
                self._refuse(Kind.BAD_REQUEST, "The request is not valid HTTP.")
        if self._refused:
            return
        if self._in_head:
            self._head_bytes += len(data)
        # The slice in which a message begins may hold the end of another, hence the allowance; the exact count follows at their end.
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES + _SLICE_BYTES:
            self._refuse(Kind.HEADERS_TOO_LARGE, f"The request line and headers together may have {MAX_HEAD_BYTES} bytes.")
        elif self._in_head and self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)
        elif self._in_body:
            self._heard = self.loop.time()
            if self._timer is None:
                self._timer = self.loop.call_later(BODY_SECONDS, self._body_is_late)

    # Parser callbacks

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES and not self._refused:
            self._refuse(Kind.URI_TOO_LONG, f"A request target may have {MAX_TARGET_BYTES} bytes; a search by POST may have more.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._disarm()
        if self._refused:
            return
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse(Kind.HEADERS_TOO_LARGE, f"The request line and headers together may have {MAX_HEAD_BYTES} bytes.")
            return
        if any(len(value) > MAX_FIELD_BYTES and name != b"authorization" for name, value in self.headers):
            self._refuse(Kind.HEADERS_TOO_LARGE, f"A header may have {MAX_FIELD_BYTES} bytes.")
            return
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            self._refuse(Kind.BAD_REQUEST, "The request needs exactly one Host header.")
            return
        super().on_headers_complete()
        self._in_body = True
        if self._leaving:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._disarm()
        if not self._refused:
            super().on_message_complete()
        if self._draining:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, self._overloaded if len(self.tasks) >= self.concurrency else app)

    # Timers

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(Kind.REQUEST_TIMEOUT, f"The headers have to arrive within {HEAD_SECONDS:g} seconds.", slow="head")
        else:
            # Connected and silent, as load balancers and browsers do in advance: nothing was asked, so nothing is answered.
            self.transport.close()

    def _body_is_late(self) -> None:
        quiet = self.loop.time() - self._heard
        if quiet < BODY_SECONDS:
            self._timer = self.loop.call_later(BODY_SECONDS - quiet, self._body_is_late)
            return
        self._timer = None
        self._refuse(Kind.REQUEST_TIMEOUT, f"The body stopped arriving for {BODY_SECONDS:g} seconds.", slow="body")

    # Answers

    def _refuse(self, kind: Kind, detail: str, slow: Literal["head", "body"] | None = None) -> None:
        """Answer and close, unless a response is in progress: to say anything then would garble it."""
        self._refused = True
        self._disarm()
        cycle: RequestResponseCycle | None = self.cycle
        if self._in_body and cycle is not None:
            # The application waits for the rest of this body: to it the client is gone, and what it may still send is dropped.
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        elif cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
            return
        self._answer(kind, detail, slow)

    def _answer(self, kind: Kind, detail: str, slow: Literal["head", "body"] | None = None) -> None:
        """Answer in place of the application, and close."""
        request = request_id()
        self._report(kind, request, slow)
        media_type, body = self.refusal(kind, detail, request)
        lines = [f"HTTP/1.1 {kind.value.status} {HTTPStatus(kind.value.status).phrase}\r\n".encode()]
        for name, value in (*self.server_state.default_headers, *_headers(kind, media_type, body, request)):
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join((*lines, b"\r\n", body)))
        try:
            # Closing while the client still sends would reset the connection, and the answer with it.
            self.transport.write_eof()
            self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        except (OSError, NotImplementedError):  # the client is gone; TLS knows no such end
            self.transport.close()

    def _report(self, kind: Kind, request: str, slow: Literal["head", "body"] | None) -> None:
        if self.plane is not None:
            observe(Refused(self.plane, request, kind.value.status, slow))

    async def _overloaded(self, scope: Any, receive: Any, send: Any) -> None:
        request, detail = request_id(), "The server has more requests in progress than it can serve; try again shortly."
        self._report(Kind.UNAVAILABLE, request, None)
        media_type, body = self.refusal(Kind.UNAVAILABLE, detail, request)
        headers = _headers(Kind.UNAVAILABLE, media_type, body, request)
        await send({"type": "http.response.start", "status": Kind.UNAVAILABLE.value.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _headers(kind: Kind, media_type: bytes, body: bytes, request: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-request-id", request.encode()),
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
        *([(b"retry-after", b"2")] if kind is Kind.UNAVAILABLE else []),
    ]
