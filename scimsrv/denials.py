"""Denied attempts on their way into the audit trail: counted in memory, so that no flood of them fills the disk or delays an answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

#: Who was denied what by whom: the tenant's slug, the short id of the credential or none, the status and the method.
Key = tuple[str, str, int, str]

#: Seconds between two rows about the same.
PERIOD: Final = 60.0

#: Different things that are counted at the same time, of a tenant and in all; what is beyond is counted as one.
KEPT_OF_TENANT: Final = 50
KEPT: Final = 5_000

#: How many of them may be of nobody: whoever has no token can make up as many tenants, and leaves room for those who were let in.
KEPT_OF_NOBODY: Final = 2_500

#: Longest reason that is kept, in characters.
_REASON: Final = 200


@dataclass(slots=True)
class _Count:
    reason: str
    route: str
    source: str
    first: datetime
    last: datetime
    number: int = 0
    written: float | None = None


@dataclass(frozen=True, slots=True)
class Denials:
    """What is to be written about one tenant, actor, status and method: of `count` attempts the first one's reason, route and address."""

    slug: str
    actor: str
    said: dict[str, Any]


class DenialCounter:
    """Counts denied attempts of one process; `clock` gives seconds that only rise, `now` the time."""

    def __init__(self, clock: Callable[[], float], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._now = now
        self._counts: dict[Key, _Count] = {}
        self._of_tenant: dict[str, int] = {}
        self._of_nobody = 0

    def add(self, slug: str, actor: str, status: int, method: str, route: str, reason: str, source: str) -> None:
        """Count an attempt; `source` is the address that it came from."""
        key = (slug, actor, status, method)
        if key not in self._counts:
            if self._of_tenant.get(slug, 0) >= KEPT_OF_TENANT:
                key = (slug, "", status, "")
            elif len(self._counts) >= KEPT or (not actor and self._of_nobody >= KEPT_OF_NOBODY):
                return
        at = self._now()
        count = self._counts.get(key)
        if count is None:
            self._of_tenant[slug] = self._of_tenant.get(slug, 0) + 1
            self._of_nobody += not key[1]
            count = self._counts[key] = _Count(reason[:_REASON], route, source, at, at)
        if not count.number:
            count.reason, count.route, count.source, count.first = reason[:_REASON], route, source, at
        count.number += 1
        count.last = at

    def due(self, *, everything: bool = False) -> Iterator[Denials]:
        """What is to be written now: the first attempt of a kind at once, those that follow once in a period. What nobody has tried for
        a period is forgotten."""
        clock = self._clock()
        for key, count in list(self._counts.items()):
            rested = count.written is None or clock - count.written >= PERIOD
            if count.number and (rested or everything):
                slug, actor, status, method = key
                times = {"first": count.first.isoformat(timespec="milliseconds"), "last": count.last.isoformat(timespec="milliseconds")}
                what = {"status": status, "method": method, "route": count.route, "reason": count.reason, "source": count.source}
                said = {**what, "count": count.number, **times}
                count.number, count.written = 0, clock
                yield Denials(slug, actor, said)
            elif not count.number and rested:
                self._drop(key)

    def forget(self, slugs: Collection[str]) -> None:
        """Forget what was counted of tenants that there are not, which makes room for others."""
        for key in [key for key in self._counts if key[0] in slugs]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        del self._counts[key]
        self._of_nobody -= not key[1]
        self._of_tenant[key[0]] -= 1
        if not self._of_tenant[key[0]]:
            del self._of_tenant[key[0]]
