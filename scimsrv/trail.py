"""The server's part in the audit trail, behind the requests: it seals committed changes and writes down what was denied."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from datetime import timedelta
from typing import Final

from scimsrv.behind import Behind
from scimsrv.denials import DenialCounter
from scimsrv.store import audit, seals
from scimsrv.store.pool import Tenants
from scimsrv.store.scope import now
from scimsrv.store.tenants import keys_of

log: Final = logging.getLogger("scimsrv.audit")

#: Seconds between two looks for what is to be sealed, on average; with very many tenants the look itself takes long, and so does the pause.
INTERVAL: Final = 3.0
_SHARE: Final = 20.0

#: Seconds between two batches, as a multiple of the last one's time: requests go first.
_REST: Final = 1.0

#: Seconds between two lines of the log that say where a tenant's chain ends.
_ANNOUNCED: Final = 3_600.0

#: Seconds between two looks for what a tenant's policy no longer keeps.
_RETENTION: Final = 3_600.0


class Trail(Behind):
    """One task that seals; `key` is the server's for it. `denials` are counted by whoever denies."""

    def __init__(self, pool: Tenants, key: bytes) -> None:
        self.denials = DenialCounter(time.monotonic)
        self._pool = pool
        self._key = key
        self._announced: dict[int, float] = {}
        self._kept = time.monotonic()

    async def stop(self) -> None:
        """Write down what was counted, and end within the present statement; what is not sealed is found by whoever looks next."""
        await super().stop()
        try:
            await self.write_denials(everything=True)
        except Exception:
            log.exception("what was denied could not be written down")

    async def _run(self) -> None:
        begun = False
        while True:
            started = time.monotonic()
            try:
                if not begun:
                    await seals.begin_chains(self._pool)
                    begun = True
                await self.write_denials()
                tenants = await seals.tenants_with_unsealed(self._pool.across())
            except Exception:
                log.exception("looking for changes to be sealed failed and is tried again")
                tenants = []
            looked = time.monotonic() - started
            # A batch for each in turn, so that a busy tenant does not keep the others waiting.
            while tenants:
                tenants = [tenant for tenant in tenants if await self._seal(tenant)]
            await self._retain()
            await asyncio.sleep(max(INTERVAL * random.uniform(0.5, 1.5), looked * _SHARE))  # noqa: S311 - keeps servers apart

    async def _seal(self, tenant: int) -> bool:
        started = time.monotonic()
        try:
            more = await seals.seal(self._pool.of(tenant), tenant, self._key)
            await asyncio.sleep((time.monotonic() - started) * _REST)
            if not more and time.monotonic() - self._announced.get(tenant, float("-inf")) > _ANNOUNCED:
                await self._announce(tenant)
        except Exception:
            log.exception("sealing the audit trail of tenant %s failed and is tried again", tenant)
            return False
        return more

    async def _announce(self, tenant: int) -> None:
        """Say where the chain ends, for logs that are kept elsewhere: one that has lost its end, or was made anew, differs from that."""
        self._announced[tenant] = time.monotonic()
        position, head = await seals.head_of(self._pool.of(tenant), tenant)
        log.info("the audit chain of tenant %s has the hash %s at position %s", tenant, head.hex(), position)

    async def write_denials(self, *, everything: bool = False) -> None:
        """Write down what is due of the denied attempts that were counted, or all of it."""
        found = list(self.denials.due(everything=everything))
        slugs = {one.slug for one in found}
        keys = await keys_of(self._pool.across(), slugs) if found else {}
        self.denials.forget(slugs - keys.keys())
        for one in found:
            if one.slug in keys:
                await audit.note_denial(self._pool.of(keys[one.slug]), keys[one.slug], one.actor, one.said)

    async def _retain(self) -> None:
        if time.monotonic() - self._kept < _RETENTION:
            return
        self._kept = time.monotonic()
        try:
            for tenant, days in (await audit.retentions(self._pool.across())).items():
                before, left = now() - timedelta(days=days), True
                while left:
                    left = (await audit.truncate(self._pool.of(tenant), tenant, before, self._key)).seals > 0
        except Exception:
            log.exception("truncating audit trails failed and is tried again")
