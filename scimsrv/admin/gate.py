"""Who may go on asking the admin API: the rate of a token, attempts with bad ones from an address, and the record of what was denied."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from scimsrv.admin.problems import Refusal, refusal_of
from scimsrv.admin.routes import PREFIX
from scimsrv.behind import Behind
from scimsrv.denials import DenialCounter, Denials
from scimsrv.oauth.service import client_address
from scimsrv.observe import CURRENT
from scimsrv.rates import refused
from scimsrv.slugs import slug_problem
from scimsrv.store.administrators import Administrator, note_change
from scimsrv.store.audit import note_denial
from scimsrv.store.pool import Pool
from scimsrv.store.tenants import keys_of
from scimsrv.traffic import Attempts

log: Final = logging.getLogger("scimsrv.admin")

#: Seconds between two looks for what is to be written down.
_INTERVAL: Final = 3.0

#: Tokens whose rate is kept, the oldest going first.
_KEPT: Final = 1_000

#: What was denied, as administrators' own record calls it.
DENIED: Final = "denied"

_TENANT: Final = re.compile(re.escape(PREFIX) + r"/tenants/([^/]+)")


class Paces:
    """A rate for each token: a bucket of `burst` requests that fills with `rate` per second. Each process counts for itself."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._paid: OrderedDict[str, float] = OrderedDict()

    def admit(self, token: str) -> None:
        """Count a request. Raises ScimError 429 for one too many."""
        now = self._clock()
        paid = max(self._paid.get(token, now), now)
        wait = paid - now + (1 - self._burst) / self._rate
        if wait > 0:
            raise refused("admin", f"The token may send {self._rate:g} requests per second; try again later", wait)
        self._paid[token] = paid + 1 / self._rate
        self._paid.move_to_end(token)
        if len(self._paid) > _KEPT:
            self._paid.popitem(last=False)


class Gate(Behind):
    """In front of every request; behind them it writes down what was denied: in administrators' own record, and in the trail of the
    tenant that the URL names, where there is one."""

    def __init__(self, pool: Pool, *, attempts: int, rate: float, burst: float) -> None:
        self._pool = pool
        self._attempts = Attempts(attempts)
        self._paces = Paces(rate, burst)
        self._denials = DenialCounter(time.monotonic)

    async def stop(self) -> None:
        """Write down what is left."""
        await super().stop()
        try:
            await self.write(everything=True)
        except Exception:
            log.exception("what was denied could not be written down")

    def admit(self, who: Administrator) -> None:
        """Let a request of an administrator in. Raises ScimError 429."""
        self._paces.admit(who.kid)

    def judged(self, problem: Exception, connection: Mapping[str, Any]) -> Exception:
        """What a request that failed is answered: 429 for one bad token too many from its address. Denied attempts are counted."""
        refusal = refusal_of(problem)
        if refusal is None or refusal.status not in (401, 403):
            return problem
        who = connection["state"].get("who")
        self._count(refusal, connection, "" if who is None else f"admin:{who.kid}")
        if refusal.status == 401 and any(name == b"authorization" for name, _ in connection["headers"]):
            try:
                self._attempts.failed(client_address(connection) or "")
            except Exception as limit:
                return limit
        return problem

    def _count(self, refusal: Refusal, connection: Mapping[str, Any], actor: str) -> None:
        exchange = CURRENT.get()
        method = "other" if exchange is None else exchange.method  # which names none that a client made up
        what = (actor, refusal.status, method, "admin", refusal.detail, client_address(connection) or "")
        self._denials.add("", *what)
        named = _TENANT.match(connection["path"])
        if named is not None and slug_problem(named[1]) is None:
            self._denials.add(named[1], *what)

    async def write(self, *, everything: bool = False) -> None:
        """Write down what is due of the denied attempts that were counted, or all of it."""
        found = list(self._denials.due(everything=everything))
        slugs = {one.slug for one in found if one.slug}
        keys = await keys_of(self._pool, slugs) if slugs else {}
        self._denials.forget(slugs - keys.keys())
        for one in found:
            await self._one(one, keys)

    async def _one(self, one: Denials, keys: Mapping[str, int]) -> None:
        if not one.slug:
            async with self._pool.acquire() as connection:
                await note_change(connection, one.actor, DENIED, detail=one.said)
        elif one.slug in keys:
            await note_denial(self._pool, keys[one.slug], one.actor, one.said)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL)
            try:
                await self.write()
            except Exception:
                log.exception("what was denied could not be written down and is tried again")
