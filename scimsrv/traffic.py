"""How much traffic a tenant may make: rates of requests (RFC 6585 §4), requests and searches at the same time, attempts with bad tokens.

A rate is a bucket of `burst` requests that fills with `rate` per second. Each server counts what it lets in, and settles with Postgres a
few times a second: what others let in is then known to all, and what was let in beyond the limit in between is a debt that has to pass
before anything else is let in. Places and attempts are each server's own.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.observe import Limited, observe
from scimsrv.store.pool import Tenants
from scimsrv.store.rates import settle
from scimsrv.turns import Turns

log: Final = logging.getLogger("scimsrv.traffic")

#: Seconds between two settlements of a tenant that sends requests, and the share of a burst after which one is due at once.
SETTLING: Final = 0.2
_SHARE: Final = 0.1

#: The longest time that a client is told to wait: Okta gives up a task after ten refusals, each with the wait doubled.
_LONGEST: Final = 30

#: Seconds that a bulk request waits for others of its tenant: it is let in already, and takes long itself.
_BULK_PATIENCE: Final = 20.0

#: Tenants and addresses that a server keeps count of, the oldest going first.
_KEPT: Final = 10_000

#: Seconds after its last request for which a tenant counts as present.
_PRESENT: Final = 1.0

#: Seconds in which attempts are counted.
_ATTEMPTS: Final = 60.0

#: The subject of a tenant's own rate.
_ALL: Final = ""


def refused(limit: str, detail: str, wait: float = 1.0) -> ScimError:
    """429 with a whole number of seconds to wait, from 1 to 30."""
    observe(Limited(limit))
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
        account = self._account(tenant)
        while (account.due or account.settling) and any(_is_much(account, *one) for one in _rates(token, limits)):
            await asyncio.shield(self._begin(tenant, account))
        now = asyncio.get_running_loop().time()
        wait = 0.0
        for subject, rate, burst in _rates(token, limits):
            bucket = account.buckets.setdefault(subject, _Bucket())
            needed = max(bucket.paid - now, 0.0) + (1 - burst) / rate
            if needed > limits.patience:
                whose = "tenant" if subject == _ALL else "token"
                raise refused(whose, f"The {whose} may send {rate:g} requests per second; try again later", needed)
            wait = max(wait, needed)
        self._use(tenant, account, token, limits, weight, now)
        if wait > 0:
            await asyncio.sleep(wait)

    def charge(self, tenant: int, token: str, limits: Limits, weight: int) -> None:
        """Count a request that was let in as so many more."""
        if weight > 0:
            self._use(tenant, self._account(tenant), token, limits, weight, asyncio.get_running_loop().time())

    async def stop(self) -> None:
        """Settle what is left."""
        for tenant, account in list(self._accounts.items()):
            await self._begin(tenant, account)
            if account.due is not None:
                account.due.cancel()

    def _account(self, tenant: int) -> _Account:
        account = self._accounts.setdefault(tenant, _Account())
        self._accounts.move_to_end(tenant)
        if len(self._accounts) > _KEPT:
            self._accounts.popitem(last=False)
        return account

    def _use(self, tenant: int, account: _Account, token: str, limits: Limits, weight: int, now: float) -> None:
        for subject, rate, _ in _rates(token, limits):
            account.buckets.setdefault(subject, _Bucket()).use(weight / rate, now)
        if account.due is None:
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
                account.due = asyncio.get_running_loop().call_later(SETTLING, self._begin, tenant, account)


def _is_much(account: _Account, subject: str, rate: float, burst: float) -> bool:
    """Whether other servers do not know of so much that it has to be settled before more is let in."""
    bucket = account.buckets.get(subject)
    return bucket is not None and (bucket.unsettled + bucket.telling) * rate > max(1.0, burst * _SHARE) - 0.5


def _rates(token: str, limits: Limits) -> tuple[tuple[str, float, float], ...]:
    return (token, limits.token_rate, limits.token_burst), (_ALL, limits.tenant_rate, limits.tenant_burst)


class Places:
    """Requests, or searches, of each tenant at the same time in this server."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._held: Counter[int] = Counter()
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}

    @contextmanager
    def held(self, tenant: int, most: int) -> Iterator[None]:
        """A place for the length of the block. Raises ScimError 429 when the tenant has as many as it may have."""
        if self._held[tenant] >= most:
            raise self._refused(most)
        self._held[tenant] += 1
        try:
            yield
        finally:
            self._leave(tenant)

    @asynccontextmanager
    async def waited(self, tenant: int, most: int, patience: float) -> AsyncIterator[None]:
        """A place for the length of the block, in the order of asking. Raises ScimError 429 when none becomes free in time."""
        if self._held[tenant] < most and tenant not in self._waiting:
            self._held[tenant] += 1
        else:
            await self._wait(tenant, most, patience)
        try:
            yield
        finally:
            self._leave(tenant)

    async def _wait(self, tenant: int, most: int, patience: float) -> None:
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(given)
        try:
            async with asyncio.timeout(patience):
                await given
        except (TimeoutError, asyncio.CancelledError) as problem:
            if given.done() and not given.cancelled():  # it was given just now
                self._leave(tenant)
            if isinstance(problem, TimeoutError):
                raise self._refused(most) from problem
            raise

    def _leave(self, tenant: int) -> None:
        queue = self._waiting.get(tenant)
        while queue:
            given = queue.popleft()
            if not queue:
                del self._waiting[tenant]
            if not given.cancelled():
                given.set_result(None)  # who waited has the place now
                return
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]

    def _refused(self, most: int) -> ScimError:
        return refused(self._what, f"The tenant may have {most} {self._what} at the same time; try again when fewer are in progress")


class Shares:
    """How many requests of a tenant are worked on at the same time while other tenants send requests, too: an equal share of a few
    places, and two at least. The others wait in their order, and cost nothing; a tenant that is alone has no limit here."""

    def __init__(self, places: int = 4, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._clock = clock
        self._seen: OrderedDict[int, float] = OrderedDict()
        self._held: Counter[int] = Counter()
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def share(self, tenant: int) -> AsyncIterator[None]:
        """Part of the tenant's share for the length of the block."""
        self._seen[tenant] = self._clock()
        self._seen.move_to_end(tenant)
        if tenant not in self._waiting and self._held[tenant] < self._each():
            self._held[tenant] += 1
        else:
            await self._wait(tenant)
        try:
            yield
        finally:
            self._leave(tenant)

    def _each(self) -> float:
        """How many requests each tenant may have worked on now."""
        long_ago = self._clock() - _PRESENT
        while self._seen and next(iter(self._seen.values())) < long_ago:
            self._seen.popitem(last=False)
        return math.inf if len(self._seen) <= 1 else max(2, self._places // len(self._seen))

    async def _wait(self, tenant: int) -> None:
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(given)
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():  # it was given just now
                self._leave(tenant)
            raise

    def _leave(self, tenant: int) -> None:
        self._held[tenant] -= 1
        queue, each = self._waiting.get(tenant), self._each()
        while queue and self._held[tenant] < each:
            given = queue.popleft()
            if not given.cancelled():
                self._held[tenant] += 1
                given.set_result(None)
        if queue is not None and not queue:
            del self._waiting[tenant]
        if not self._held[tenant]:
            del self._held[tenant]


class Addresses:
    """Counts something by the address that it comes from: beyond so many within a minute it is told to come back later. `limit` is the
    word for this limit, `detail` the sentence."""

    def __init__(self, most: int, limit: str, detail: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._limit = limit
        self._detail = detail
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, address: str) -> None:
        """Count one more. Raises ScimError 429 when there were too many within a minute."""
        now = self._clock()
        since, number = self._seen.get(address, (now, 0))
        if now - since >= _ATTEMPTS:
            since, number = now, 0
        self._seen[address] = (since, number + 1)
        self._seen.move_to_end(address)
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        if number >= self._most:
            raise refused(self._limit, self._detail, since + _ATTEMPTS - now)


class Attempts(Addresses):
    """Counts what failed to authenticate. Who has a valid token is let in however many there were."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(most, "attempts", "There were too many attempts with tokens that are not valid", clock)

    def failed(self, address: str) -> None:
        """Count an attempt. Raises ScimError 429 when there were too many within a minute."""
        self.count(address)


class Traffic:
    """All of it for one server; `attempts` is how many may fail to authenticate from an address within a minute."""

    def __init__(self, pool: Tenants, attempts: int) -> None:
        self.rates = Rates(pool)
        self.requests = Places("requests")
        self.searches = Places("searches")
        self.bulks = Places("bulk requests")
        self.shares = Shares()
        self._costly = Turns(1, 1)
        self.attempts = Attempts(attempts)

    async def enter(self, visit: ExitStack, tenant: int, token: str, limits: Limits, weight: int) -> None:
        """Let a request in, which has a place until the visit ends. Raises ScimError 429."""
        visit.enter_context(self.requests.held(tenant, limits.requests))
        await self.rates.admit(tenant, token, limits, weight)

    def bulk(self, tenant: int, limits: Limits) -> AbstractAsyncContextManager[None]:
        """A place for a bulk request for the length of the block; it waits for others of its tenant. Raises ScimError 429."""
        return self.bulks.waited(tenant, limits.bulks, _BULK_PATIENCE)

    def search(self, tenant: int, limits: Limits) -> AbstractAsyncContextManager[None]:
        """A place for a search for the length of the block; it waits for others of its tenant. Raises ScimError 429."""
        return self.searches.waited(tenant, limits.searches, limits.patience)

    @asynccontextmanager
    async def costly(self, tenant: int) -> AsyncIterator[None]:
        """For work of some milliseconds: pieces of it are done one by one, and between two of them whatever else is ready has its turn."""
        async with self._costly.turn(tenant):
            yield
            await asyncio.sleep(0)

    def judged(self, error: ScimError, address: str) -> ScimError:
        """What a request that was refused is answered: 429 for one bad token too many from its address."""
        if error.kind is Kind.UNAUTHORIZED and "error=" in error.headers.get("WWW-Authenticate", ""):
            try:
                self.attempts.failed(address)
            except ScimError as limit:
                return limit
        return error
