"""Revocation lists of other issuers: fetched from the hosts that the operator lists, none by default, and believed for a minute."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from scimsrv.badges.revocation_list import ListEntry, is_listed
from scimsrv.badges.status_list import StatusListError
from scimsrv.oauth.fetching import Fetcher, FetchError

#: Seconds for which a list is not fetched again, and lists that a process keeps, the oldest going first.
_BELIEVED: Final = 60.0
_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists that one process knows."""

    fetcher: Fetcher
    _kept: OrderedDict[str, tuple[float, bytes]] = field(default_factory=OrderedDict)

    async def status(self, entry: ListEntry, issuer: str | None, credential: str) -> bool | str:
        """Whether the list says that this credential of the issuer's is revoked, or why that is not known."""
        if not self.fetcher.hosts:
            return "the revocation list is not one of this server, and nothing is fetched"
        try:
            return is_listed(await self._body(entry.url), entry.url, issuer, credential)
        except FetchError as problem:
            return f"the revocation list cannot be had: {problem}"
        except StatusListError as problem:
            return str(problem)

    async def _body(self, url: str) -> bytes:
        now = asyncio.get_running_loop().time()
        kept = self._kept.get(url)
        if kept is None or kept[0] < now:
            kept = self._kept[url] = (now + _BELIEVED, await self.fetcher.fetch(url))
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return kept[1]
