"""How much traffic a tenant may make at the same time: requests and searches in progress, and attempts with bad tokens.

Places and attempts are each server's own; rates are in `rates`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Final, TypeVar

from scimsrv.addresses import network_of
from scimsrv.errors import Kind, OverError, ScimError
from scimsrv.limits import Limits
from scimsrv.rates import Rates, refused
from scimsrv.store.pool import Tenants
from scimsrv.turns import Turns

#: Seconds that a bulk request waits for others of its tenant: it is let in already, and takes long itself.
_BULK_PATIENCE: Final = 20.0

#: Addresses that a server keeps count of, the oldest going first.
_KEPT: Final = 10_000

#: Seconds after its last request for which a tenant counts as present.
_PRESENT: Final = 1.0

#: The requests of a tenant that are worked on at the same time in any case.
_LEAST: Final = 2

#: How many times as long as it was worked in a place rests, and how long at most in seconds.
_RESTS: Final = 3.0
_LONGEST_REST: Final = 0.5

#: Seconds in which attempts are counted.
_ATTEMPTS: Final = 60.0

#: How often a request that is carried out later looks for a turn and a place that are free together.
_TRIES: Final = 10

_Made = TypeVar("_Made")


def strangers(requests: int) -> tuple[int, int]:
    """How many of so many requests at the same time may be of those who have shown no token, in all and from one address."""
    return max(requests // 4, 1), max(requests // 16, 1)


class Place:
    """A place for the length of a block, which its owner gives and takes back; the block is told whether it was waited for."""

    __slots__ = ("_owner", "_since", "_tenant", "_terms")

    def __init__(self, owner: Places | Shares, tenant: int, *terms: float) -> None:
        self._owner = owner
        self._tenant = tenant
        self._terms = terms
        self._since: float | None = None

    async def __aenter__(self) -> bool:
        if self._owner.taken_at_once(self._tenant, *self._terms):
            return False
        self._since = await self._owner.wait(self._tenant, *self._terms)
        return True

    async def __aexit__(self, *_: object) -> None:
        if self._since is None:
            self._owner.leave(self._tenant)
        else:
            self._owner.rest(self._tenant, self._since)


class Places:
    """Requests, or searches, of each tenant at the same time in this server. Where `shares` are given, a place for which some wait rests
    as those do."""

    def __init__(self, what: str, shares: Shares | None = None, whose: str = "The tenant") -> None:
        self._what = what
        self._shares = shares
        self._whose = whose
        self._held: dict[int | str, int] = {}
        self._waiting: dict[int | str, deque[tuple[asyncio.Future[None], float]]] = {}

    def take(self, tenant: int | str, most: int) -> None:
        """Take a place, which has to be left again. Raises ScimError 429 when the tenant has as many as it may have."""
        held = self._held.get(tenant, 0)
        if held >= most:
            raise self._refused(most)
        self._held[tenant] = held + 1

    def waited(self, tenant: int, most: int, patience: float) -> Place:
        """A place for the length of a block, in the order of asking. Raises ScimError 429 when none becomes free in time."""
        return Place(self, tenant, most, patience)

    def taken_at_once(self, tenant: int, most: float, _patience: float) -> bool:
        """Take a place where that needs no waiting; False where it does."""
        held = self._held.get(tenant, 0)
        if held >= most or tenant in self._waiting:
            return False
        self._held[tenant] = held + 1
        return True

    async def wait(self, tenant: int, most: float, patience: float) -> float:
        """Take a place when it is free; returns when that was. Raises ScimError 429 when none becomes free in time."""
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append((given, most))
        try:
            async with asyncio.timeout(None if patience == math.inf else patience):
                await given
        except (TimeoutError, asyncio.CancelledError) as problem:
            if given.done() and not given.cancelled():  # it was given just now
                self.leave(tenant)
            elif tenant in self._held:
                self._give(tenant)
            if isinstance(problem, TimeoutError):
                raise self._refused(most) from problem
            raise
        return time.monotonic()

    def rest(self, tenant: int, since: float) -> None:
        """Give a place back that was taken then, when it has rested."""
        rest = 0.0 if self._shares is None or tenant not in self._waiting else self._shares.resting(since)
        if rest > 0:
            asyncio.get_running_loop().call_later(rest, self.leave, tenant)
        else:
            self.leave(tenant)

    def leave(self, tenant: int | str) -> None:
        """Give a place back, to whoever is next."""
        self._held[tenant] -= 1
        self._give(tenant)
        if not self._held[tenant]:
            del self._held[tenant]

    def _give(self, tenant: int | str) -> None:
        """Give what is free to those who wait, in their order; whoever has left keeps nobody waiting."""
        queue = self._waiting.get(tenant)
        if queue is None:
            return
        while queue and (queue[0][0].done() or self._held[tenant] < queue[0][1]):
            given, _ = queue.popleft()
            if not given.done():
                self._held[tenant] += 1
                given.set_result(None)  # who waited has the place now
        if not queue:
            del self._waiting[tenant]

    def _refused(self, most: float) -> ScimError:
        return refused(self._what, f"{self._whose} may have {most:g} {self._what} at the same time; try again when fewer are in progress")


class Shares:
    """How many requests of a tenant are worked on at the same time while other tenants send requests, too: an equal share of a few
    places, and two at least. The others wait in their order, and cost nothing; a place for which some wait rests between two of them
    three times as long as it was worked in, so that what is shared by all, the processor and the database, has room for others. A tenant
    that is alone has no limit here."""

    def __init__(self, places: int = 4, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._clock = clock
        self._seen: OrderedDict[int, float] = OrderedDict()
        self._held: dict[int, int] = {}
        self._idle: dict[int, int] = {}
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}

    def share(self, tenant: int) -> Place:
        """Part of the tenant's share for the length of a block."""
        return Place(self, tenant)

    async def within(self, tenant: int, work: Callable[[], Awaitable[_Made]]) -> _Made:
        """Do work as part of the tenant's share."""
        async with self.share(tenant):
            return await work()

    def taken_at_once(self, tenant: int) -> bool:
        """Take part of the share where that needs no waiting; False where it does."""
        self._seen[tenant] = self._clock()
        if len(self._seen) > 1:
            self._seen.move_to_end(tenant)
        held = self._held.get(tenant, 0)
        if tenant in self._waiting or (held >= _LEAST and held >= self._each() + self._idle.get(tenant, 0)):
            return False
        self._held[tenant] = held + 1
        return True

    def _each(self) -> float:
        """How many requests each tenant may have worked on now."""
        long_ago = self._clock() - _PRESENT
        while self._seen and next(iter(self._seen.values())) < long_ago:
            self._seen.popitem(last=False)
        return math.inf if len(self._seen) <= 1 else max(_LEAST, self._places // len(self._seen))

    async def wait(self, tenant: int) -> float:
        """Take part of the share when it is free; returns when that was."""
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(given)
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():  # it was given just now
                self.leave(tenant)
            raise
        return self._clock()

    def shared(self, tenant: int) -> bool:
        """Whether other tenants than this one send requests."""
        self._seen[tenant] = self._clock()
        self._seen.move_to_end(tenant)
        return self._each() < math.inf

    def resting(self, since: float) -> float:
        """The seconds for which a place rests that was worked in since then: none where a tenant is alone."""
        return min((self._clock() - since) * _RESTS, _LONGEST_REST) if self._each() < math.inf else 0.0

    def rest(self, tenant: int, since: float) -> None:
        """Give part of the share back that was taken then, when it has rested."""
        rest = self.resting(since) if tenant in self._waiting else 0.0
        if rest > 0:
            asyncio.get_running_loop().call_later(rest, self.leave, tenant)
        else:
            self.leave(tenant)

    @contextmanager
    def idle(self, tenant: int) -> Iterator[None]:
        """For the length of the block a request of the tenant waits for something else: another one may be worked on meanwhile."""
        self._idle[tenant] = self._idle.get(tenant, 0) + 1
        self._give(tenant)
        try:
            yield
        finally:
            self._idle[tenant] -= 1
            if not self._idle[tenant]:
                del self._idle[tenant]

    def leave(self, tenant: int) -> None:
        """Give part of the share back, to whoever is next."""
        self._held[tenant] -= 1
        self._give(tenant)
        if not self._held[tenant]:
            del self._held[tenant]

    def _give(self, tenant: int) -> None:
        """Give what is free to those who wait, in their order."""
        queue = self._waiting.get(tenant)
        if queue is None:
            return
        held, most = self._held.get(tenant, 0), self._each() + self._idle.get(tenant, 0)
        while queue and held < most:
            given = queue.popleft()
            if not given.cancelled():
                held += 1
                given.set_result(None)
        if held:
            self._held[tenant] = held
        if not queue:
            del self._waiting[tenant]


class Held:
    """The places that a request holds until the block ends."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[tuple[Places, int | str]] = []

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        for places, tenant in self._held:
            places.leave(tenant)

    def take(self, places: Places, tenant: int | str, most: int) -> None:
        """Take a place. Raises ScimError 429 when the tenant has as many as it may have."""
        places.take(tenant, most)
        self._held.append((places, tenant))


class Addresses:
    """Counts something by the address that it comes from, of IPv6 by its network of 64 bits: beyond so many within a minute it is told to
    come back later. `limit` is the word for this limit, `detail` the sentence."""

    def __init__(self, most: int, limit: str, detail: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._limit = limit
        self._detail = detail
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, address: str) -> None:
        """Count one more. Raises ScimError 429 when there were too many within a minute."""
        now, address = self._clock(), network_of(address)
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
    """All of it for one server; `attempts` is how many may fail to authenticate from an address within a minute, `requests` how many are
    in progress at the same time."""

    def __init__(self, pool: Tenants, attempts: int, requests: int = 512) -> None:
        self.rates = Rates(pool)
        self.requests = Places("requests")
        self.searches = Places("searches")
        self.shares = Shares()
        self.bulks = Places("bulk requests", self.shares)
        self._later = Places("requests", self.shares)
        self._long = Places("long statements", self.shares)
        self._costly = Turns(1, 1)
        self.attempts = Attempts(attempts)
        self._strangers = strangers(requests)
        self._of_strangers = Places("requests without a token", whose="All addresses together")
        self._of_address = Places("requests without a token", whose="An address")

    def enter_unknown(self, held: Held, address: str) -> None:
        """Let a request in that shows nobody's token, however long its body takes: places that are left to others. Raises ScimError 429."""
        in_all, of_one = self._strangers
        held.take(self._of_address, network_of(address), of_one)
        held.take(self._of_strangers, "", in_all)

    async def enter(self, held: Held, tenant: int, token: str, limits: Limits, weight: int) -> None:
        """Let a request in, which has a place until the block of `held` ends. Raises ScimError 429."""
        held.take(self.requests, tenant, limits.requests)
        wait = self.rates.admitted(tenant, token, limits, weight)
        if wait != 0:
            await self.rates.postponed(wait, tenant, token, limits, weight)

    @asynccontextmanager
    async def bulk(self, tenant: int, limits: Limits) -> AsyncIterator[None]:
        """A place for a bulk request for the length of a block; it waits for others of its tenant, beside other tenants for each of them,
        and has part of the tenant's share then. Raises ScimError 429."""
        shared = self.shares.shared(tenant)
        place = self.bulks.waited(tenant, min(limits.bulks, 1) if shared else limits.bulks, _BULK_PATIENCE)
        async with place, self.shares.share(tenant) if shared else nullcontext():
            yield

    @asynccontextmanager
    async def long_turn(self, tenant: int) -> AsyncIterator[bool]:
        """A turn for statements that take the database long: beside other tenants those of one tenant come one at a time, in their order,
        and rest in between; who waits leaves its part of the share to another one. The block is told whether it has waited."""
        if not self.shares.shared(tenant):
            yield False
            return
        since = None
        if not self._long.taken_at_once(tenant, 1, math.inf):
            with self.shares.idle(tenant):
                since = await self._long.wait(tenant, 1, math.inf)
        try:
            yield since is not None
        finally:
            if since is None:
                self._long.leave(tenant)
            else:
                self._long.rest(tenant, since)

    @asynccontextmanager
    async def later(self, tenant: int, turns: Turns) -> AsyncIterator[None]:
        """A turn for a request that is carried out later. Beside other tenants it is for one at a time, which waits for the tenant's bulk
        requests as these do for each other, and has part of the tenant's share once it has the turn: the rest is for what is short."""
        if not self.shares.shared(tenant):
            async with turns.turn(tenant):
                yield
            return
        async with self._later.waited(tenant, 1, math.inf), self._turn_and_place(tenant, turns), self.shares.share(tenant):
            yield

    @asynccontextmanager
    async def _turn_and_place(self, tenant: int, turns: Turns) -> AsyncIterator[None]:
        """A turn and the place of a bulk request. Neither is held while the other one is waited for, so that bulk requests of some tenants
        keep no turn from others, nor turns of others the place from this one's; only who was unlucky for long keeps the turn."""
        bulks, terms, since = self.bulks, (tenant, 1, math.inf), None
        for _ in range(_TRIES):
            since = None if bulks.taken_at_once(*terms) else await bulks.wait(*terms)
            if turns.taken_at_once(tenant):
                break
            bulks.leave(tenant)
            await turns.take(tenant)
            since = None
            if bulks.taken_at_once(*terms):
                break
            turns.leave(tenant)
        else:
            await turns.take(tenant)
            try:
                since = None if bulks.taken_at_once(*terms) else await bulks.wait(*terms)
            except BaseException:
                turns.leave(tenant)
                raise
        try:
            yield
        finally:
            turns.leave(tenant)
            if since is None:
                bulks.leave(tenant)
            else:
                bulks.rest(tenant, since)

    def search(self, tenant: int, limits: Limits) -> Place:
        """A place for a search for the length of a block; it waits for others of its tenant. Raises ScimError 429."""
        return self.searches.waited(tenant, limits.searches, limits.patience)

    async def in_turn(self, tenant: int, work: Callable[[], _Made]) -> _Made:
        """Do work of some milliseconds: pieces of it are done one by one, and between two of them whatever else is ready has its turn."""
        async with self._costly.turn(tenant):
            made = work()
            await asyncio.sleep(0)
            return made

    def judged(self, error: ScimError, address: str) -> ScimError:
        """What a request that was refused is answered: 429 for one bad token too many from its address. One that was good once is none."""
        if isinstance(error, OverError):
            return error
        if error.kind is Kind.UNAUTHORIZED and "error=" in error.headers.get("WWW-Authenticate", ""):
            try:
                self.attempts.failed(address)
            except ScimError as limit:
                return limit
        return error
