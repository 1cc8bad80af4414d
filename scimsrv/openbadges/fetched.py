"""Status lists and keys of other issuers: fetched from hosts that the operator lists, none by default, and believed for a minute."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from scimsrv.oauth.fetching import Fetcher, FetchError

#: Seconds for which a document is not fetched again, and for which it is not where it could not be had; documents that a process keeps,
#: the oldest going first.
_BELIEVED: Final = 60.0
_AWAY: Final = 10.0
_KEPT: Final = 20

#: Documents that are fetched at a time, of one host and in all: whoever may verify says what is fetched, and nobody is to be flooded by
#: that.
_OF_A_HOST: Final = 8
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one kind that a process knows, and those that it could not have a moment ago."""

    fetcher: Fetcher
    _kept: OrderedDict[str, tuple[float, bytes | str]] = field(default_factory=OrderedDict)
    _awaited: dict[str, asyncio.Task[tuple[float, bytes | str]]] = field(default_factory=dict)

    async def body(self, url: str) -> bytes:
        """What is published at the URL, which is asked once however many want to know. Raises FetchError, also for a while without asking
        again."""
        now = asyncio.get_running_loop().time()
        until, found = self._kept.get(url, (now, ""))
        if until <= now:
            _, found = await asyncio.shield(self._awaited.get(url) or self._ask(url))
        if isinstance(found, str):
            raise FetchError(found)
        return found

    def _ask(self, url: str) -> asyncio.Task[tuple[float, bytes | str]]:
        """Begin to fetch what is published at the URL. Raises FetchError where that would be too much at a time."""
        if len(self._awaited) >= _AT_ONCE or sum(_host(one) == _host(url) for one in self._awaited) >= _OF_A_HOST:
            raise FetchError(f"too much is fetched from {_host(url)[:100]}, or from everybody, at present")
        asked = self._awaited[url] = asyncio.create_task(self._fetched(url))
        asked.add_done_callback(lambda _: self._awaited.pop(url, None))
        return asked

    async def _fetched(self, url: str) -> tuple[float, bytes | str]:
        """What is published at the URL, or why it cannot be had, and until when that is believed."""
        begun = asyncio.get_running_loop().time()
        found: bytes | str
        try:
            found, until = await self.fetcher.fetch(url), begun + _BELIEVED
        except FetchError as problem:
            found, until = str(problem), begun + _AWAY
        self._kept[url] = until, found
        self._kept.move_to_end(url)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return until, found


def _host(url: str) -> str:
    """The host of a URL, however its port is written."""
    try:
        return (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return ""
