"""Server-sent events: one for each entry of the log of recent requests, with its number as id, so that a stream can be taken up again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from pydantic import BaseModel

from scimsrv.admin.activity_models import Activity

EVENT_STREAM: Final = "text/event-stream"

#: Seconds between two signs of life, and between two looks whether whoever follows still may.
HEARTBEAT: Final = 10.0
_LOOK: Final = 1.0

#: Milliseconds after which a client comes back, where the stream ends.
_RETRY: Final = 2_000


async def events(entries: AsyncIterator[Activity | None], still: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """The entries as events (HTML standard, server-sent events), comments while there are none, until `still` says no."""
    yield f"retry: {_RETRY}\n\n".encode()
    beaten = looked = time.monotonic()
    async for entry in entries:
        now = time.monotonic()
        if entry is not None:
            beaten = now
            yield _event(str(entry.number), entry)
        elif now - beaten > HEARTBEAT:
            beaten = now
            yield b": \n\n"
        if now - looked > _LOOK:
            looked = now
            if not await still():
                return


def _event(id_: str, document: BaseModel) -> bytes:
    """One event."""
    return b"id: " + id_.encode() + b"\nevent: activity\ndata: " + document.model_dump_json().encode() + b"\n\n"
