"""Who asked is looked at again: after a wait, and while an answer is sent in pieces, which may take as long as a client reads."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Final

from scimsrv.errors import ScimError
from scimsrv.http import Disconnected
from scimsrv.protocol.response import Reply
from scimsrv.store.edition import OutdatedError

log: Final = logging.getLogger("scimsrv")

#: Seconds between two looks at who asked.
_OFTEN: Final = 0.9


async def require_same(before: object, again: Callable[[], Awaitable[object]]) -> None:
    """Raises OutdatedError, so that what was asked is planned again by what holds now, where `again` does not find who was found before,
    and ScimError as that does."""
    if await again() != before:
        raise OutdatedError


def watched(reply: Reply, again: Callable[[], Awaitable[object]]) -> Reply:
    """The reply, whose body, where it is streamed, ends in the middle once `again`, or making a piece of it, raises ScimError."""
    body = reply.body
    return reply if body is None or isinstance(body, bytes) else replace(reply, body=_pieces(body, again))


async def _pieces(body: AsyncIterator[bytes], again: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
    """The body. Raises Disconnected where it cannot go on: its status is sent already."""
    asked = time.monotonic()
    try:
        async for piece in body:
            if time.monotonic() - asked > _OFTEN:
                await again()
                asked = time.monotonic()
            yield piece
    except ScimError as error:
        log.warning("an answer ends before its end: %s", error.sentence)
        raise Disconnected from error
