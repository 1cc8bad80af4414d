"""Fills in what is to be known of a request while it passes through the pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from scimsrv.errors import Kind, ScimError
from scimsrv.http import Fields
from scimsrv.observe import CURRENT, UNMATCHED, Exchange, Operated, Plane, finish
from scimsrv.protocol.bulk import Result
from scimsrv.protocol.plan import Modify, Plan
from scimsrv.protocol.response import Reply
from scimsrv.protocol.route import Route
from scimsrv.request_id import harmless
from scimsrv.words import METHODS, failure, operated, own_id, result, words

#: The status in metrics and log of a request whose client went away before there was an answer.
GONE: Final = 499


class Served(NamedTuple):
    """A request whose answer is sent, at `ended` seconds since 1970: what is known of it, the header fields of request and answer, and the
    error that was sent."""

    ended: float
    exchange: Exchange
    route: Route
    headers: Fields
    answered: Mapping[str, str]
    error: ScimError | None


class Visit:
    """A request's exchange while it is served, as a block: whatever ends the block, it is observed then, and given to `record`."""

    __slots__ = ("_answered", "_error", "_headers", "_op", "_record", "_route", "exchange")

    def __init__(
        self, plane: Plane, headers: Fields, method: str, request_id: str | None = None, record: Callable[[Served], None] | None = None
    ) -> None:
        self._headers = headers
        self._record = record
        self._route: Route | None = None
        self._answered: Mapping[str, str] = {}
        self._error: ScimError | None = None
        self._op: tuple[str, str] | None = None
        self.exchange = Exchange(
            plane,
            request_id or headers.request_id,
            method if method in METHODS else "other",
            correlation=harmless(headers.get(b"client-request-id")),
        )

    def __enter__(self) -> Visit:
        CURRENT.set(self.exchange)
        return self

    def __exit__(self, _kind: object, problem: BaseException | None, _passed: object) -> None:
        exchange = self.exchange
        if problem is not None or not exchange.status:
            exchange.status = 500 if isinstance(problem, Exception) else GONE
        if self._op is not None and exchange.tenant and not exchange.operations and exchange.status != GONE:
            type_, op = self._op
            conditional = op in _WRITES and self._headers.get(b"if-match") is not None
            exchange.operations.append(Operated(type_, op, result(exchange.status), exchange.failure, conditional))
        finish(exchange)
        if self._record is not None and self._route is not None:
            self._record(Served(time.time(), exchange, self._route, self._headers, self._answered, self._error))

    def routed(self, route: Route) -> None:
        """The request goes to a route that exists."""
        self._route = route
        exchange = self.exchange
        exchange.route, type_, op = words(route, exchange.method)
        if route.id:
            exchange.resource = own_id(route.id)
        if op is not None:
            self._op = (type_, op)

    def answered(self, reply: Reply) -> None:
        """The answer is sent."""
        self.exchange.status, self._answered = reply.status, reply.headers

    def failed(self, error: ScimError) -> None:
        """The request is answered with an error."""
        # Without the frames that it passed, which would keep each other in memory.
        self._error = ScimError(error.kind, error.detail, error.operation, error.headers, error.about)
        exchange = self.exchange
        exchange.failure, exchange.scim_type = failure(error), error.kind.value.scim_type
        outside = not exchange.tenant and exchange.route != UNMATCHED
        denied = error.kind in (Kind.UNAUTHORIZED, Kind.FORBIDDEN) or (outside and error.kind in (Kind.BAD_REQUEST, Kind.NOT_FOUND))
        if denied and exchange.denial is None:  # unless somebody knew better
            exchange.scheme, exchange.denial = self._denial(error)

    def _denial(self, error: ScimError) -> tuple[str, str]:
        """By which kind of credential the request was not let in, and why."""
        given = self._headers.all(b"authorization")
        scheme = given[0].partition(b" ")[0].lower() if given else b""
        kind = "none" if not given else scheme.decode() if scheme in (b"bearer", b"basic") else "other"
        if self.exchange.tenant:
            return kind, "forbidden"
        if error.kind is Kind.FORBIDDEN:
            return kind, "suspended"
        if error.kind is Kind.NOT_FOUND:
            return kind, "tenant"
        if len(given) != 1:
            return kind, "repeated" if given else "missing"
        return kind, "invalid" if "invalid_token" in error.headers.get("WWW-Authenticate", "") else "malformed"


_WRITES: Final = frozenset({"replace", "patch", "delete"})


def entered(tenant: str, token: str, address: str) -> None:
    """The request was let in, for this tenant and by the token of this public id, from this address."""
    exchange = CURRENT.get()
    if exchange is not None:
        exchange.tenant, exchange.token, exchange.address = tenant, token, address


def origin() -> tuple[str, str] | None:
    """The id of the request that is being served and the address that it came from; None where there is none."""
    exchange = CURRENT.get()
    return None if exchange is None else (exchange.request_id, exchange.address)


def looked_up(*, found: bool) -> None:
    """The tenant's definitions were sought in memory."""
    exchange = CURRENT.get()
    if exchange is not None and exchange.found_catalog is None:
        exchange.found_catalog = found


def planned(plan: Plan) -> None:
    """The request asks for this."""
    if isinstance(plan, Modify):
        exchange = CURRENT.get()
        if exchange is not None:
            exchange.patch_ops = len(plan.operations)


def counted(operations: int) -> None:
    """The bulk request has so many operations."""
    exchange = CURRENT.get()
    if exchange is not None:
        exchange.bulk_ops = operations


def carried_out(results: Sequence[Result]) -> None:
    """The operations of the bulk request are done."""
    exchange = CURRENT.get()
    if exchange is not None:
        exchange.operations.extend(operated(results))
        exchange.kept = results
