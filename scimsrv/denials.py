"""Denied attempts on their way into the audit trail: counted in memory, so that no flood of them fills the disk or delays an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

#: Longest reason that is kept, in characters.
_REASON: Final = 200


@dataclass(slots=True)
class _Count:
    reason: str
    route: str
    first: datetime
    last: datetime
    number: int = 0
    written: float | None = None


@dataclass(frozen=True, slots=True)
class Denials:
    """What is to be written about one tenant, actor, status and method: the first reason and route of `count` attempts."""

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

    def add(self, slug: str, actor: str, status: int, method: str, route: str, reason: str) -> None:
        """Count an attempt."""
        key = (slug, actor, status, method)
        if key not in self._counts:
            if self._of_tenant.get(slug, 0) >= KEPT_OF_TENANT:
                key = (slug, "", status, "")
            elif len(self._counts) >= KEPT:
                return
        at = self._now()
        count = self._counts.get(key)
        if count is None:
            self._of_tenant[slug] = self._of_tenant.get(slug, 0) + 1
            count = self._counts[key] = _Count(reason[:_REASON], route, at, at)
        if not count.number:
            count.reason, count.route, count.first = reason[:_REASON], route, at
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
                said = {"status": status, "method": method, "route": count.route, "reason": count.reason, "count": count.number, **times}
                count.number, count.written = 0, clock
                yield Denials(slug, actor, said)
            elif not count.number and rested:
                del self._counts[key]
                self._of_tenant[key[0]] -= 1
                if not self._of_tenant[key[0]]:
                    del self._of_tenant[key[0]]
