"""A tenant's audit trail at the tenant's own URL, for its own tokens with the scope for it: where its chain ends, and its rows as lines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, NamedTuple

import orjson

from scimsrv.audit.export import FORMATS, LINES
from scimsrv.auth import Principal, Right
from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.http import Disconnected
from scimsrv.limits import Limits
from scimsrv.protocol.request import parameters
from scimsrv.protocol.response import Reply
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.schema.semantics import instant
from scimsrv.store.audit import chain_of, export
from scimsrv.store.failure import guarded
from scimsrv.store.pool import Database
from scimsrv.traffic import Traffic

log: Final = logging.getLogger("scimsrv")

ENDPOINTS: Final = frozenset({Endpoint.AUDIT, Endpoint.AUDIT_ROWS})

#: Rows of an answer without `count`, and with any.
USUAL: Final = 1_000
MOST: Final = 10_000

#: Seconds that an answer which is begun waits for its tenant's searches, or for others like it.
_PATIENCE: Final = 60.0

#: The last position that can be.
_LAST: Final = 2**63 - 2

_PARAMETERS: Final = frozenset({"after", "since", "count", "format"})


@dataclass(frozen=True, slots=True)
class TrailPage:
    """Rows behind this position, of what happened at this time or later, so many at most, in one of the forms of an export."""

    after: int
    since: datetime | None
    count: int
    form: str


class Asked(NamedTuple):
    """A request to one of the two endpoints, its query string, and who sent it."""

    route: Route
    query: bytes
    principal: Principal


def require(principal: Principal) -> None:
    """Raises ScimError 403 unless the token's scope permits the trail, which is about resources of all types: a token that is narrowed
    to some does not."""
    principal.require(Right.AUDIT)
    if principal.credential.narrowing.types is not None:
        raise ScimError(Kind.FORBIDDEN, "The token is narrowed to some resource types, and the audit trail is about all of them")


async def reply(pool: Database, traffic: Traffic, limits: Limits, asked: Asked, again: Callable[[], Awaitable[Principal]]) -> Reply:
    """The answer to what was asked; `again` says who asks by now. Raises ScimError 403 and invalidValue."""
    require(asked.principal)
    tenant = asked.principal.credential.tenant
    if asked.route.endpoint is Endpoint.AUDIT:
        return Reply(200, await guarded(lambda: _chain(pool, tenant)))

    async def authorise() -> None:
        require(await again())

    lines = rows(pool, traffic, limits, tenant, asked.route.tenant, page_of(asked.query), authorise)
    first = await anext(lines, b"")  # so that what goes wrong at once has a status of its own
    return Reply(200, _joined(first, lines, asked.route.tenant), media_type=LINES)


def page_of(query: bytes) -> TrailPage:
    """What a query string asks for. Raises ScimError invalidValue that names the parameter."""
    given = parameters(query, _PARAMETERS)
    unknown = next((name for name in given if name not in _PARAMETERS), None)
    if unknown is not None:
        raise invalid_value(f"There is no query parameter {unknown[:64]!r} here: there are {', '.join(sorted(_PARAMETERS))}")
    form = given.get("format", FORMATS[0])
    if form not in FORMATS:
        raise invalid_value(f"format must be {' or '.join(FORMATS)}")
    since = given.get("since")
    try:
        start = None if since is None else instant(since)
    except ValueError as problem:
        raise invalid_value(f"since {problem}") from None
    return TrailPage(
        _number("after", given.get("after", "0"), 0), start, min(_number("count", given.get("count", str(USUAL)), 1), MOST), form
    )


def _number(name: str, text: str, least: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= _LAST):
        raise invalid_value(f"{name} must be an integer of at least {least}")
    return int(text)


async def rows(
    pool: Database, traffic: Traffic, limits: Limits, tenant: int, slug: str, page: TrailPage, authorise: Callable[[], Awaitable[None]]
) -> AsyncIterator[bytes]:
    """The rows, some lines at a time. Each time it takes one of the tenant's places for searches, which nobody has while the client reads,
    and is asked then, however late that is, whether they may still be read. Raises ScimError 401, 403, 429 and 503."""
    lines = export(pool, tenant, slug, page.form, after=page.after, since=page.since, count=page.count)
    async with aclosing(lines):
        patience = limits.patience
        while True:
            async with traffic.shares.share(tenant), traffic.searches.waited(tenant, limits.searches, patience):  # in the order of searches
                await authorise()
                some = await anext(lines, b"")
            if not some:
                return
            yield some
            patience = _PATIENCE
            await asyncio.sleep(0)


async def _joined(first: bytes, rest: AsyncIterator[bytes], slug: str) -> AsyncIterator[bytes]:
    """All of it. Raises Disconnected where it cannot go on: its status is sent already."""
    if first:
        yield first
        try:
            async for some in rest:
                yield some
        except ScimError as error:
            log.warning("an answer with rows of the audit trail of tenant %s ends before its end: %s", slug, error.sentence)
            raise Disconnected from error


async def _chain(pool: Database, tenant: int) -> bytes:
    async with pool.acquire() as connection:
        chain = await chain_of(connection, tenant)
    return orjson.dumps(asdict(chain) | {"head": chain.head.hex()}, option=orjson.OPT_UTC_Z)
