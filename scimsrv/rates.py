"""Rates of requests (RFC 6585 §4): how many a token and a tenant may send.

A rate is a bucket of `burst` requests that fills with `rate` per second. Each server counts what it lets in, and settles with Postgres a
few times a second: what others let in is then known to all, and what was let in beyond the limit in between is a debt that has to pass
before anything else is let in.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.observe import Limited, observe, tenant_asked
from scimsrv.store.pool import Tenants
from scimsrv.store.rates import settle

log: Final = logging.getLogger("scimsrv.traffic")

#: Seconds between two settlements of a tenant that sends requests, and the share of a burst after which one is due at once.
SETTLING: Final = 0.2
_SHARE: Final = 0.1

#: The longest time that a client is told to wait: Okta gives up a task after ten refusals, each with the wait doubled.
_LONGEST: Final = 30

#: Tenants that a server keeps count of, the oldest going first.
_KEPT: Final = 10_000

#: The subject of a tenant's own rate.
_ALL: Final = ""


def refused(limit: str, detail: str, wait: float = 1.0) -> ScimError:
    """429 with a whole number of seconds to wait, from 1 to 30."""
    observe(Limited(limit, tenant_asked()))
    seconds = min(max(1, math.ceil(wait)), _LONGEST)
    return ScimError(Kind.TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(seconds)})


@dataclass(slots=True)
class _Bucket:
    """What a token or a tenant has used. `paid` is when, by the loop's clock, all that it has used is paid off, as far as this server
    knows; `unsettled` is what other servers do not know of yet, in seconds of its rate, `telling` what they are being told."""

    paid: float = 0.0
    unsettled: float = 0.0
    telling: float = 0.0

    def use(self, seconds: float, now: float) -> None:
        self.paid = max(self.paid, now) + seconds
        self.unsettled += seconds


@dataclass(slots=True)
class _Account:
    """A tenant's buckets, and the settlement that is due or under way."""

    buckets: dict[str, _Bucket] = field(default_factory=dict)
    due: asyncio.TimerHandle | None = None
    settling: asyncio.Task[None] | None = None


class Rates:
    """Lets in so many requests per second of a token and of a tenant."""

    def __init__(self, pool: Tenants) -> None:
        self._pool = pool
        self._accounts: OrderedDict[int, _Account] = OrderedDict()

    async def admit(self, tenant: int, token: str, limits: Limits, weight: int = 1) -> None:
        """Let a request in that counts as so many: at once, or after a short wait. Raises ScimError 429 when it would have to wait for
        longer than that. It needs room for one, and may take the rest as a debt."""
        wait = self.admitted(tenant, token, limits, weight)
        if wait != 0:
            await self.postponed(wait, tenant, token, limits, weight)

    def admitted(self, tenant: int, token: str, limits: Limits, weight: int) -> float | None:
        """Let a request in as `admit` does where nothing has to be settled before: the seconds that it has to wait, None where it is not
        let in yet. Raises ScimError 429."""
        account = self._account(tenant)
        now = self._clock()
        unsettled = account.due is not None or account.settling is not None
        wait = 0.0
        used = []
        for subject, rate, burst in ((token, limits.token_rate, limits.token_burst), (_ALL, limits.tenant_rate, limits.tenant_burst)):
            bucket = account.buckets.get(subject)
            if bucket is None:
                bucket = account.buckets[subject] = _Bucket()
            elif unsettled and (bucket.unsettled + bucket.telling) * rate > max(1.0, burst * _SHARE) - 0.5:
                return None  # other servers do not know of so much that it has to be settled before more is let in
            needed = (1 - burst) / rate + (bucket.paid - now if bucket.paid > now else 0.0)
            if needed > limits.patience:
                whose = "tenant" if subject == _ALL else "token"
                raise refused(whose, f"The {whose} may send {rate:g} requests per second; try again later", needed)
            if needed > wait:
                wait = needed
            used.append((bucket, weight / rate))
        for bucket, seconds in used:
            bucket.use(seconds, now)
        if account.due is None:
            self._settle_later(tenant, account)
        return wait

    async def postponed(self, wait: float | None, tenant: int, token: str, limits: Limits, weight: int) -> None:
        """What `admit` does where `admitted` did not let the request in at once. Raises ScimError 429."""
        while wait is None:
            await asyncio.shield(self._begin(tenant, self._account(tenant)))
            wait = self.admitted(tenant, token, limits, weight)
        if wait > 0:
            await asyncio.sleep(wait)

    def charge(self, tenant: int, token: str, limits: Limits, weight: int) -> None:
        """Count a request that was let in as so many more."""
        if weight > 0:
            account, now = self._account(tenant), self._clock()
            for subject, rate in ((token, limits.token_rate), (_ALL, limits.tenant_rate)):
                account.buckets.setdefault(subject, _Bucket()).use(weight / rate, now)
            if account.due is None:
                self._settle_later(tenant, account)

    async def stop(self) -> None:
        """Settle what is left."""
        for tenant, account in list(self._accounts.items()):
            await self._begin(tenant, account)
            if account.due is not None:
                account.due.cancel()

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()

    def _account(self, tenant: int) -> _Account:
        account = self._accounts.get(tenant)
        if account is None:
            account = self._accounts[tenant] = _Account()
            if len(self._accounts) > _KEPT:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(tenant)
        return account

    def _settle_later(self, tenant: int, account: _Account) -> None:
        account.due = asyncio.get_running_loop().call_later(SETTLING, self._begin, tenant, account)

    def _begin(self, tenant: int, account: _Account) -> asyncio.Task[None]:
        """Settle now; what is used in the meantime is settled after that."""
        if account.due is not None:
            account.due.cancel()
            account.due = None
        if account.settling is None:
            account.settling = asyncio.create_task(self._settle(tenant, account))
        return account.settling

    async def _settle(self, tenant: int, account: _Account) -> None:
        used = {subject: bucket.unsettled for subject, bucket in account.buckets.items() if bucket.unsettled}
        try:
            if not used:
                return
            for subject in used:
                account.buckets[subject].unsettled, account.buckets[subject].telling = 0.0, used[subject]
            backlogs = await settle(self._pool.of(tenant), tenant, used)
            now = asyncio.get_running_loop().time()
            for subject, backlog in backlogs.items():
                bucket = account.buckets[subject]
                bucket.paid = now + backlog + bucket.unsettled
            for subject in [one for one, bucket in account.buckets.items() if bucket.paid < now and not bucket.unsettled]:
                del account.buckets[subject]
        except Exception as problem:  # what this server knows still holds, and requests fail for themselves while the database is away
            log.warning("settling the rates of tenant %s failed: %s", tenant, type(problem).__name__)
        finally:
            account.settling = None
            for bucket in account.buckets.values():
                bucket.telling = 0.0
            if account.due is None and any(bucket.unsettled for bucket in account.buckets.values()):
                self._settle_later(tenant, account)
