"""The server's background: looks for work every few seconds, or when woken, and does it batch by batch beside the requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from scimsrv.behind import Behind
from scimsrv.observe import CredentialExpiring, observe
from scimsrv.store import answers, asynchronous, background, rates, rework, tombstones
from scimsrv.store.expiry import find_endings
from scimsrv.store.pool import Database, Tenants

log = logging.getLogger("scimsrv.background")

#: Seconds between two looks for work, on average.
INTERVAL: Final = 5.0

#: Seconds between two looks for what is to be forgotten, at least.
FORGETTING: Final = 600.0

#: Seconds between two batches, as a multiple of the last one's time: requests go first.
_REST: Final = 0.5

#: The kinds of work on one tenant; each returns whether there may be more.
_WORK: Final[tuple[Callable[[Database, int], Awaitable[bool]], ...]] = (
    background.erase,
    tombstones.put_back,
    background.index,
    rework.rework,
)

#: What a tenant's old results and answers are forgotten by.
_FORGET: Final = (asynchronous.prune_jobs, answers.prune_answers, rates.prune_rates)


class Maintenance(Behind):
    """One task that does the background work of all tenants."""

    def __init__(self, pool: Tenants) -> None:
        self._pool = pool
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for work now."""
        self._woken.set()

    async def _run(self) -> None:
        forgotten = float("-inf")
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL * random.uniform(0.5, 1.5)):  # noqa: S311 - keeps servers apart
                    await self._woken.wait()
            self._woken.clear()
            try:
                tenants = await background.tenants_with_work(self._pool.across())
                tenants += [tenant for tenant in await rework.tenants_with_jobs(self._pool.across()) if tenant not in tenants]
            except Exception:
                log.exception("looking for background work failed and is tried again")
                continue
            # A batch for each in turn, so that a big tenant does not keep the others waiting.
            while tenants:
                tenants = [tenant for tenant in tenants if await self._step(tenant)]
            now = asyncio.get_running_loop().time()
            if now - forgotten > FORGETTING:
                forgotten = now
                await self._forget()
                await self._warn()

    async def _forget(self) -> None:
        """Remove what was kept for long enough of requests that came once, also where the tenant sends no more."""
        try:
            for tenant, days in (await tombstones.tenants_with_old(self._pool.across())).items():
                more = True
                while more:
                    more = await tombstones.purge(self._pool.of(tenant), tenant, days)
        except Exception:
            log.exception("removing deleted resources for good failed and is tried again")
        try:
            tenants = await asynchronous.tenants_with_old(self._pool.across())
        except Exception:
            log.exception("looking for old results and answers failed and is tried again")
            return
        for tenant in tenants:
            for forget in _FORGET:
                try:
                    await forget(self._pool.of(tenant), tenant)
                except Exception:
                    log.exception("forgetting old results and answers of tenant %s failed and is tried again", tenant)

    async def _warn(self) -> None:
        """Tell the operator of credentials that end soon."""
        try:
            endings = await find_endings(self._pool)
        except Exception:
            log.exception("looking for credentials that end soon failed and is tried again")
            return
        for one in endings:
            observe(CredentialExpiring())
            log.warning("credential %s of tenant %s ends at %s, within %s days: rotate it", one.id, one.slug, one.expires, one.days)

    async def _step(self, tenant: int) -> bool:
        """One batch of each kind of work on the tenant; whether there may be more."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        more = []
        for work in _WORK:  # one that fails keeps the others from nothing
            try:
                more.append(await work(self._pool.of(tenant), tenant))
            except Exception:
                log.exception("the background work on tenant %s failed and is tried again", tenant)
        await asyncio.sleep((clock() - begun) * _REST)
        return any(more)
