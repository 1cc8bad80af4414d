"""When monitoring looks at what the database holds, and how that becomes gauges of a bounded number."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeAlias

from scimsrv.allowance import Allowance
from scimsrv.store.survey import Survey
from scimsrv.words import OTHER, type_label

log: Final = logging.getLogger("scimsrv.monitor")

#: Seconds between two looks at least, and as a multiple of what the last one took: a hundredth of one connection's time at most.
INTERVAL: Final = 60.0
_SHARE: Final = 100.0

#: Seconds that a scrape waits for a look that it has caused; one that takes longer shows in the next scrape.
PATIENCE: Final = 2.0

#: Series with numbers of resources: what goes beyond counts as `other`.
MOST_RESOURCES: Final = 640

Gauge: TypeAlias = tuple[str, dict[str, str], float]
"""Name, labels and value."""


class Surveyor:
    """Looks when it is asked, unless it has lately; what was seen last is kept. `look` is the look itself."""

    def __init__(
        self, look: Callable[[], Awaitable[Survey]], clock: Callable[[], float] = time.monotonic, patience: float = PATIENCE
    ) -> None:
        self._look = look
        self._clock = clock
        self._patience = patience
        self._due = float("-inf")
        self._seen: Survey | None = None
        self._task: asyncio.Task[None] | None = None

    async def seen(self) -> Survey | None:
        """What was seen last, which may be now; None before anything was, or when the last look failed."""
        if self._task is None and self._clock() >= self._due:
            self._task = asyncio.create_task(self._run())
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=self._patience)
        return self._seen

    async def stop(self) -> None:
        """End a look that is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        begun = self._clock()
        try:
            self._seen = await self._look()
        except Exception:
            self._seen = None
            log.exception("what the database holds cannot be counted and is looked at again")
        finally:
            self._task = None
            ended = self._clock()
            self._due = ended + max(INTERVAL, (ended - begun) * _SHARE)


def gauges(survey: Survey, tenants: Allowance) -> Iterator[Gauge]:
    """What a scrape shows of it. Tenants get a label as long as there is one for each; where there are more tenants than labels, those
    have one that have it for what they do."""
    admit = len(survey.slugs) <= tenants.most
    yield from _resources(survey, tenants, admit=admit)
    for slug, id_, expires in survey.endings:
        yield "scim_token_expiry_timestamp_seconds", {"tenant": tenants.label(slug, admit=admit), "token_id": id_}, expires
    if survey.sealed is not None:
        yield "scim_audit_head_timestamp_seconds", {}, survey.sealed
    yield "scim_audit_unsealed_age_seconds", {}, survey.unsealed
    yield "scim_requests_waiting", {}, survey.waiting
    yield "scim_requests_waiting_age_seconds", {}, survey.waited
    yield "scim_badge_credentials_unsigned", {}, survey.unsigned


def _resources(survey: Survey, tenants: Allowance, *, admit: bool) -> Iterator[Gauge]:
    sums: dict[tuple[str, str, str], int] = {}
    for one in survey.holdings:
        label, type_ = tenants.label(one.slug, admit=admit), type_label([one.type])
        inactive = one.inactive or 0
        for active, number in (("" if one.inactive is None else "true", one.resources - inactive), ("false", inactive)):
            key = (label, type_, active)
            if active == "false" and (type_ != "User" or one.inactive is None):
                continue
            if key not in sums and len(sums) >= MOST_RESOURCES:
                key = (OTHER, type_, active)
            sums[key] = sums.get(key, 0) + number
    for (label, type_, active), number in sums.items():
        yield "scim_resources", {"tenant": label, "resource_type": type_, "active": active}, number
