"""Status lists and keys of other issuers: fetched from hosts that the operator lists, none by default, and believed for a minute."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from scimsrv.oauth.fetching import Fetcher, FetchError

#: Seconds for which a document is not fetched again, and for which it is not where it could not be had; documents that a process keeps,
#: the oldest going first.
_BELIEVED: Final = 60.0
_AWAY: Final = 10.0
_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one kind that a process knows, and those that it could not have a moment ago."""

    fetcher: Fetcher
    _kept: OrderedDict[str, tuple[float, bytes | str]] = field(default_factory=OrderedDict)

    async def body(self, url: str) -> bytes:
        """What is published at the URL. Raises FetchError, also for a while without asking again."""
        now = asyncio.get_running_loop().time()
        until, found = self._kept.get(url, (now, ""))
        if until <= now:
            try:
                found, until = await self.fetcher.fetch(url), now + _BELIEVED
            except FetchError as problem:
                found, until = str(problem), now + _AWAY
            self._kept[url] = until, found
            self._kept.move_to_end(url)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        if isinstance(found, str):
            raise FetchError(found)
        return found
