"""The keys of trusted issuers: given with the trust, or fetched and kept for a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from scimsrv.oauth.fetching import Fetcher, FetchError
from scimsrv.oauth.jose import Keys, KeySetError, parse_keys
from scimsrv.observe import KeysFetched, observe
from scimsrv.store.trusts import Trust

log: Final = logging.getLogger("scimsrv.auth")

#: Seconds after which a fetched set is fetched again; between two fetches of one, whatever tokens ask for; and that one may be used
#: while it cannot be fetched.
FRESH: Final = 3600.0
PAUSE: Final = 60.0
STALE: Final = 86_400.0

#: Sets kept per process, the oldest going first.
_KEPT: Final = 1_000


@dataclass(slots=True)
class _Kept:
    keys: Keys = ()
    fetched: float = float("-inf")
    tried: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """Finds the keys of trusts and clients. What is fetched is kept by tenant, so that none is given another's."""

    def __init__(self, fetcher: Fetcher, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._given: OrderedDict[tuple[int, str, str], Keys] = OrderedDict()
        self._fetched: OrderedDict[tuple[int, str], _Kept] = OrderedDict()

    def given(self, tenant: int, owner: str, text: str) -> Keys:
        """The keys of a set that the database has for a client or a trust."""
        place = (tenant, owner, text)
        keys = self._given.get(place)
        if keys is None:
            keys = self._given[place] = parse_keys(text, strict=False)
            if len(self._given) > _KEPT:
                self._given.popitem(last=False)
        return keys

    async def of_trust(self, tenant: int, trust: Trust, kid: str | None) -> Keys:
        """The keys of a trust; `kid` is that which a token asks for."""
        if trust.jwks_uri is not None:
            return await self.fetched(tenant, trust.issuer, trust.jwks_uri, kid)
        return self.given(tenant, trust.id, trust.jwks or "")

    async def fetched(self, tenant: int, issuer: str, url: str, kid: str | None) -> Keys:
        """The keys of an issuer at a URL, fetched again when they are old or lack the one with this id; none where that fails."""
        kept = self._fetched.setdefault((tenant, url), _Kept())
        if len(self._fetched) > _KEPT:
            self._fetched.popitem(last=False)
        if self._wanting(kept, kid) and (kept.lock.locked() or self._due(kept)):
            async with kept.lock:  # whoever waited finds what was fetched meanwhile
                if self._wanting(kept, kid) and self._due(kept):
                    await self._fetch(kept, issuer, url)
        return kept.keys if self._clock() - kept.fetched < STALE else ()

    def _wanting(self, kept: _Kept, kid: str | None) -> bool:
        old = self._clock() - kept.fetched > FRESH
        return old or (kid is not None and all(key.kid != kid for key in kept.keys))

    def _due(self, kept: _Kept) -> bool:
        return self._clock() - kept.tried >= PAUSE

    async def _fetch(self, kept: _Kept, issuer: str, url: str) -> None:
        kept.tried = self._clock()
        try:
            kept.keys = parse_keys(await self._fetcher.fetch(url), strict=False)
        except (FetchError, KeySetError) as problem:
            log.warning("the keys of a trusted issuer cannot be fetched: %s", problem)
            observe(KeysFetched(issuer, done=False))
        else:
            kept.fetched = self._clock()
            observe(KeysFetched(issuer, done=True))
