"""The verbs on recent requests through the admin API."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import Final, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel

from scimsrv.admin import activity_models
from scimsrv.admin.shaping_client import path
from scimsrv.store.pool import Queries

_M = TypeVar("_M", bound=BaseModel)
_DATA: Final = b"data: "


class ActivityClient(ABC):
    """What a client of the admin API has to say for the verbs of scimsrv.admin.activity."""

    @abstractmethod
    def _ask(self, answer: type[_M], method: str, path: str, body: BaseModel | None = None, *, timeout: float | None = 0) -> _M:
        """Send a request and read its answer as a model."""

    @abstractmethod
    def _lines(self, path: str) -> Iterator[bytes]:
        """Send a GET and read its answer line by line."""

    async def list_activity(self, slug: str, page: activity_models.ActivityPage) -> activity_models.ActivityList:
        """What its clients did lately."""
        return self._ask(activity_models.ActivityList, "GET", path(slug, "activity") + _query(page))

    async def follow_activity(
        self, slug: str, asked: activity_models.ActivityFollow, last_event: str | None = None, pool: Queries | None = None
    ) -> AsyncIterator[activity_models.Activity | None]:
        """What they do from now on; the stream is taken up again where it ended."""

        async def entries() -> AsyncIterator[activity_models.Activity | None]:
            wanted = asked
            while True:
                async for line in _aside(self._lines(path(slug, "activity", "events") + _query(wanted))):
                    if line.startswith(_DATA):
                        one = activity_models.Activity.model_validate_json(line[len(_DATA) :])
                        wanted = wanted.model_copy(update={"after": one.number})
                        yield one
                yield None

        return entries()


async def _aside(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The lines, waited for by a thread that nobody waits for: whoever is interrupted ends at once."""
    loop, arrived = asyncio.get_running_loop(), asyncio.Queue[bytes | BaseException | None]()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed by then
            try:
                for line in lines:
                    loop.call_soon_threadsafe(arrived.put_nowait, line)
            except Exception as problem:
                loop.call_soon_threadsafe(arrived.put_nowait, problem)
            else:
                loop.call_soon_threadsafe(arrived.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (found := await arrived.get()) is not None:
        if isinstance(found, BaseException):
            raise found
        yield found


def _query(asked: BaseModel) -> str:
    given = asked.model_dump(mode="json", exclude_none=True)
    return f"?{urlencode(given)}" if given else ""
