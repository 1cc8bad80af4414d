"""Signs credentials in the background, right after the transactions that issue them: no request waits for it, and no row is locked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Final

from scimsrv.behind import Behind
from scimsrv.store.badge_keys import Keyring
from scimsrv.store.pool import Tenants
from scimsrv.store.signatures import issuers_with_unsigned, sign_waiting

log: Final = logging.getLogger("scimsrv.background")

#: Seconds between two looks for work: on average where nothing was issued lately, and for a while after something was.
_INTERVAL: Final = 5.0
_SOON: Final = 0.1
_WHILE: Final = 2.0


class Signer(Behind):
    """One task that signs what waits, of all issuers in turn. Several processes may do the same: the first signature counts."""

    def __init__(self, pool: Tenants, keyring: Keyring) -> None:
        self._pool = pool
        self._keyring = keyring
        self._woken = asyncio.Event()
        self._until = 0.0

    def wake(self) -> None:
        """Look for work soon, again and again for a while: what is being issued is seen when its transaction has ended."""
        self._until = asyncio.get_running_loop().time() + _WHILE
        self._woken.set()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if clock() < self._until:
                await asyncio.sleep(_SOON)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_INTERVAL * random.uniform(0.5, 1.5)):  # noqa: S311 - keeps servers apart
                        await self._woken.wait()
            self._woken.clear()
            try:
                waiting = await issuers_with_unsigned(self._pool.across())
            except Exception:
                log.exception("looking for credentials to be signed failed and is tried again")
                await asyncio.sleep(_SOON)
                continue
            # A batch for each in turn, so that a big one does not keep the others waiting; one that fails keeps them from nothing.
            while waiting:
                waiting = [one for one in waiting if await self._step(*one)]

    async def _step(self, tenant: int, issuer: str) -> bool:
        """One batch of the issuer's; whether there may be more."""
        try:
            return await sign_waiting(self._pool.of(tenant), self._keyring, tenant, issuer)
        except Exception:
            log.exception("signing credentials of issuer %s of tenant %s failed and is tried again", issuer, tenant)
            return False
