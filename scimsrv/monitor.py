"""What monitoring asks of a server, on a listener of its own: /metrics, /livez, /readyz and /startupz."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from scimsrv.board import Board
from scimsrv.http import live
from scimsrv.store.liveness import Seen, Watcher
from scimsrv.store.survey import Survey
from scimsrv.surveying import Surveyor

#: Seconds for which what was seen of the database is believed.
BELIEVED: Final = 1.0

#: Seconds without a turn of any event loop after which no request is to be sent here, and after which the server is to be started anew.
SLUGGISH: Final = 5.0
STUCK: Final = 30.0

_JSON: Final = b"application/json"

Exposition: TypeAlias = Callable[[Seen | None, Survey | None], tuple[bytes, str]]


@dataclass(slots=True)
class Condition:
    """Where the server stands: it has begun to answer; it is about to end."""

    board: Board
    started: bool = False
    leaving: bool = False
    _clock: Callable[[], float] = field(default=time.monotonic)
    _turned: float = 0.0

    def start(self) -> None:
        """Say that requests are answered."""
        self.started = True
        self._turned = self._clock()

    def leave(self) -> None:
        """Say that the server is about to end."""
        self.leaving = True

    def quiet(self) -> float:
        """Seconds since any of the event loops that serve requests last turned, or was last seen to; 0 before they begin."""
        self._turned = max(self._turned, *self.board.beats(), 0.0)
        return self._clock() - self._turned if self._turned else 0.0


class MonitorApp:
    """The ASGI application. `exposition` makes the metrics in Prometheus's text format, with their media type, from what was last seen
    of the database and of what it holds; None where there are none. `surveyor` looks at the latter."""

    def __init__(self, dsn: str, condition: Condition, exposition: Exposition | None, surveyor: Surveyor) -> None:
        self._watcher = Watcher(dsn)
        self._surveyor = surveyor
        self._condition = condition
        self._exposition = exposition
        self._seen: Seen | None = None
        self._until = 0.0
        self._looking = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI."""
        if scope["type"] == "lifespan":
            await live(self, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, send)

    async def open(self) -> None:
        """Nothing: the database is first asked when somebody wants to know."""

    async def close(self) -> None:
        """Give up the connections."""
        await self._surveyor.stop()
        self._watcher.close()

    async def _serve(self, scope: Scope, send: Send) -> None:
        status, media_type, body = await self._answer(scope["path"]) if scope["method"] in ("GET", "HEAD") else (405, _JSON, b"{}\n")
        headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, path: str) -> tuple[int, bytes, bytes]:
        match path:
            case "/livez":
                return _checked({"event_loop": self._condition.leaving or self._condition.quiet() < STUCK})
            case "/startupz":
                return _checked({"started": self._condition.started})
            case "/readyz":
                return _checked(await self._readiness())
            case "/metrics" if self._exposition is not None:
                seen = await self._look()
                body, media_type = self._exposition(seen, await self._surveyor.seen() if seen.answers else None)
                return 200, media_type.encode(), body
            case _:
                return 404, _JSON, b"{}\n"

    async def _readiness(self) -> dict[str, bool]:
        seen = await self._look()
        return {
            "started": self._condition.started,
            "not_leaving": not self._condition.leaving,
            "event_loop": self._condition.quiet() < SLUGGISH,
            "database": seen.answers,
            "schema": seen.fits,
        }

    async def _look(self) -> Seen:
        """What is known of the database, asked again when that is old."""
        async with self._looking:  # the watcher has one connection, which bears one question at a time
            if self._seen is None or time.monotonic() >= self._until:
                self._seen = await self._watcher.look()
                self._until = time.monotonic() + BELIEVED
            return self._seen


def _checked(checks: dict[str, Any]) -> tuple[int, bytes, bytes]:
    """200 if all is well, else 503, and what was looked at."""
    return 200 if all(checks.values()) else 503, _JSON, orjson.dumps(checks, option=orjson.OPT_APPEND_NEWLINE)


def create_monitor_app(dsn: str, condition: Condition, exposition: Exposition | None, surveyor: Surveyor) -> ASGIApp:
    """The application of the listener for monitoring."""
    return MonitorApp(dsn, condition, exposition, surveyor)
