"""The admin API as an ASGI application: who asks, which route, what it answers; no failure shows more than a problem document."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from scimsrv.admin.access import READ, AdminAuthenticator, require
from scimsrv.admin.following import EVENT_STREAM
from scimsrv.admin.gate import Gate
from scimsrv.admin.openapi import openapi
from scimsrv.admin.operations import Operations
from scimsrv.admin.problems import PROBLEM_JSON, Refusal, problem_document, refusal_of
from scimsrv.admin.routes import PREFIX, ROUTES, Call, Route
from scimsrv.errors import Kind
from scimsrv.http import Disconnected, Fields, live, read_body
from scimsrv.keys import ADMIN_PEPPER, ServerKeys
from scimsrv.limits import Limits
from scimsrv.oauth.service import client_address
from scimsrv.observing import Visit
from scimsrv.protocol.body import read_object
from scimsrv.settings import Settings
from scimsrv.store.administrators import Administrator
from scimsrv.store.failure import guarded
from scimsrv.store.pool import Pool, open_pool
from scimsrv.store.scope import Actor

log: Final = logging.getLogger("scimsrv.admin")

_LIMITS: Final = Limits(body_bytes=256 * 1024)

#: Connections to the database: administrators are few.
_CONNECTIONS: Final = 4


#: Streams of events at the same time.
_FOLLOWERS: Final = 16


def create_admin_app(settings: Settings, stopping: Callable[[], bool] = lambda: False) -> ASGIApp:
    """The admin plane. Its lifespan opens and closes a pool of its own; `settings` has database URL and secret key filled in. Streams
    end when it is `stopping`."""
    return AdminApp(settings, stopping)


class AdminApp:
    """The ASGI application: authentication in front of every path, then Starlette's routing over the table of routes."""

    def __init__(self, settings: Settings, stopping: Callable[[], bool] = lambda: False) -> None:
        self.settings = settings
        self._stopping = stopping
        self._followers = 0
        self.pool: Pool
        self.authenticator: AdminAuthenticator
        self.gate: Gate
        self._keys: ServerKeys
        self._routed = Starlette(
            routes=[Path(f"{PREFIX}/openapi.json", self._openapi, methods=["GET"]), *self._paths()],
            exception_handlers={HTTPException: _not_routed},
        )
        self._routed.router.redirect_slashes = False

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI."""
        if connection["type"] == "lifespan":
            await live(self, receive, send)
        elif connection["type"] == "http":
            await self._serve(connection, receive, send)

    async def open(self) -> None:
        """Open the pool and derive the keys."""
        if self.settings.owner_url is None:
            raise ValueError("the settings name no database")
        self._keys = ServerKeys.load(self.settings)
        size = min(_CONNECTIONS, self.settings.pool_size)
        self.pool = await open_pool(self.settings.owner_url, size=size, statement_cache=self.settings.statement_cache, plane="admin")
        self.authenticator = AdminAuthenticator(self.pool, self._keys.derive_all(ADMIN_PEPPER))
        settings = self.settings
        self.gate = Gate(self.pool, attempts=settings.bad_tokens, rate=settings.admin_rate, burst=settings.admin_burst)
        self.gate.start()

    async def close(self) -> None:
        """Write down what was denied, and close the pool."""
        await self.gate.stop()
        await self.pool.close()

    async def _serve(self, connection: Connection, receive: Receive, send: Send) -> None:
        headers = Fields(connection["headers"])
        request = headers.request_id
        with Visit("admin", headers, connection["method"]) as visit:
            connection["state"] = {**connection.get("state", {}), "request": request, "visit": visit}

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    visit.exchange.status = message["status"]
                await send(message)

            try:
                given = headers.all(b"authorization")
                connection["state"]["who"] = who = await guarded(lambda: self.authenticator.administrator(given))
                self.gate.admit(who)
            except Exception as problem:
                response: ASGIApp = self._failed(problem, connection)
            else:
                response = self._routed
            await response(connection, receive, sending)

    def _paths(self) -> Iterator[Path]:
        """Starlette's route for each path, with all of its methods, so that Allow names them all."""
        for path in dict.fromkeys(route.path for route in ROUTES):
            methods = {route.method: route for route in ROUTES if route.path == path}
            yield Path(PREFIX + path.replace("{attribute}", "{attribute:path}"), self._endpoint(methods), methods=list(methods))

    def _endpoint(self, methods: Mapping[str, Route]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await self._answer(methods["GET" if request.method == "HEAD" else request.method], request)
            except Disconnected:
                return Response(status_code=400)  # nobody is there to read it
            except Exception as problem:
                return self._failed(problem, request.scope)

        return endpoint

    async def _answer(self, route: Route, request: Request) -> Response:
        who: Administrator = request.state.who
        request.state.visit.exchange.route = PREFIX + route.path
        request.state.visit.exchange.token = who.kid
        require(who, *route.scopes)
        query = None if route.query is None else route.query.model_validate(_parameters(request, route.query.model_fields))
        given = Fields(request.scope["headers"]).all(b"authorization")
        body = None
        if route.body is not None:
            body = route.body.model_validate(await _body(route, request))
            require(await guarded(lambda: self.authenticator.administrator(given)), *route.scopes)  # the body may have taken long
        if any("\x00" in value for value in request.path_params.values()):
            raise Refusal(404, "There is no such endpoint")

        async def still() -> bool:
            try:
                require(await guarded(lambda: self.authenticator.administrator(given)), *route.scopes)
            except Refusal:
                return False
            return not self._stopping()

        async def run() -> Response:
            async with self.pool.acquire() as connection:
                origin = (request.state.request, client_address(request.scope) or "")
                verbs = Operations(connection, Actor(f"admin:{who.kid}", origin), self._keys.derive, self._tenant_url)
                headers = request.headers
                call = Call(
                    *(verbs, request.path_params, query, body, headers.get("if-match"), self.pool, headers.get("last-event-id"), still)
                )
                if route.lines is not None:
                    lines = await route.lines(call)
                    if request.method == "HEAD":
                        return _response(route.status, b"", request.state.request, media_type=route.media_type)
                    if route.media_type == EVENT_STREAM:
                        lines = self._counted(lines)
                    return StreamingResponse(lines, route.status, _fixed(request.state.request), route.media_type)
                found = await route.run(call)
            return _response(route.status, found.model_dump_json().encode(), request.state.request, call.headers)

        return await guarded(run)

    def _counted(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A stream of events, of which there are few at the same time. Raises Refusal 503."""
        if self._followers >= _FOLLOWERS:
            raise Refusal(503, f"There are {_FOLLOWERS} streams of events already", {"Retry-After": "60"})

        async def counted() -> AsyncIterator[bytes]:
            self._followers += 1
            try:
                async for line in lines:
                    yield line
            finally:
                self._followers -= 1

        return counted()

    async def _openapi(self, request: Request) -> Response:
        try:
            require(request.state.who, READ)
        except Refusal as refusal:
            return self._failed(refusal, request.scope)
        return _response(200, orjson.dumps(openapi(ROUTES)), request.state.request)

    def _failed(self, problem: Exception, connection: Mapping[str, Any]) -> Response:
        return _failed(self.gate.judged(problem, connection), connection["state"]["request"])

    def _tenant_url(self, slug: str) -> str:
        return f"{self.settings.base_url}/scim/{slug}/v2"


async def _body(route: Route, request: Request) -> dict[str, Any]:
    media_type = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    taken = ("application/json", "application/merge-patch+json") if route.merges else ("application/json",)
    if media_type not in taken:
        raise Refusal(415, f"The body must be {' or '.join(taken)}")
    content = await read_body(Fields(request.scope["headers"]), request.receive, _LIMITS.body_bytes)
    return read_object(content, _LIMITS)


def _parameters(request: Request, known: Any) -> dict[str, str]:
    """The query's parameters. Raises Refusal 400 for one that is given twice or is none of the route's."""
    try:
        pairs = parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise Refusal(400, "There are too many query parameters") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refusal(400, "A query parameter is given twice")
    for name in found:
        if name not in known:
            raise Refusal(400, f"There are no query parameters but {', '.join(known)}")
    return found


def _failed(problem: Exception, request: str) -> Response:
    refusal = refusal_of(problem)
    if refusal is None:
        log.error("a request failed", exc_info=problem)
        refusal = Refusal(500, Kind.INTERNAL.value.sentence)
    body = problem_document(refusal.status, refusal.detail, request)
    return _response(refusal.status, body, request, refusal.headers, media_type=PROBLEM_JSON)


def _response(
    status: int, body: bytes, request: str, headers: dict[str, str] | None = None, *, media_type: str = "application/json"
) -> Response:
    return Response(body, status, {**_fixed(request), **(headers or {})}, media_type)


def _fixed(request: str) -> dict[str, str]:
    return {"X-Request-Id": request, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


async def _not_routed(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    detail = "There is no such endpoint" if problem.status_code == 404 else f"{request.method} is not allowed here"
    return _failed(Refusal(problem.status_code, detail, dict(problem.headers or {})), request.state.request)
