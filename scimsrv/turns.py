"""Whose turn it is: places for work of tenants, given to them in turn, so that none waits for all that another one has."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

_Made = TypeVar("_Made")

#: What is made in one go of what others need not wait for.
_AT_ONCE: Final = 16

#: Parts into which a time of waiting is divided.
_NAPS: Final = 4


async def unhurried(making: Iterable[_Made]) -> list[_Made]:
    """Everything that is made here, a few at a time: the other requests of the process get their turn in between."""
    made = []
    for number, one in enumerate(making, 1):
        made.append(one)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return made


class Turns:
    """So many places at the same time, of which one tenant has so many at most."""

    def __init__(self, places: int, each: int) -> None:
        self._free = places
        self._each = each
        self._held: dict[int, int] = {}
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}  # the tenant that is next comes first
        self._given = 0  # how often somebody who waited was given a place

    @asynccontextmanager
    async def turn(self, tenant: int) -> AsyncIterator[None]:
        """A place for the length of the block; those of one tenant come in their order."""
        await self.take(tenant)
        try:
            yield
        finally:
            self.leave(tenant)

    async def take(self, tenant: int) -> None:
        """Take a place, which has to be left again."""
        if self.taken_at_once(tenant):
            return
        given = self._queue(tenant)
        try:
            await given
        except asyncio.CancelledError:
            if not given.cancelled():  # it was given just now
                self.leave(tenant)
            raise

    async def take_in_time(self, tenant: int, patience: float, most: float) -> None:
        """Take a place, which has to be left again. Raises TimeoutError after `patience` seconds in which nobody who waits was given
        one, and after `most` in any case: who waits in a queue that moves is about to be served, and who waits in one that does not is
        better told at once."""
        if self.taken_at_once(tenant):
            return
        given, quiet = self._queue(tenant), 0
        try:
            for _ in range(math.ceil(most / patience * _NAPS)):
                before = self._given
                # In naps, so that a process which itself stood still for long has waited for one of them only.
                await asyncio.wait({given}, timeout=patience / _NAPS)
                if given.done():
                    return
                quiet = quiet + 1 if self._given == before else 0
                if quiet == _NAPS:
                    break
            raise TimeoutError
        except BaseException:
            if not given.cancel():  # it was given just now
                self.leave(tenant)
            raise

    def _queue(self, tenant: int) -> asyncio.Future[None]:
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(given)
        return given

    def taken_at_once(self, tenant: int) -> bool:
        """Take a place where that needs no waiting; False where it does."""
        # Those who wait while places are free have as many as they may have.
        held = self._held.get(tenant, 0)
        if not self._free or held >= self._each or tenant in self._waiting:
            return False
        self._free -= 1
        self._held[tenant] = held + 1
        return True

    def has_room(self, tenant: int) -> bool:
        """Whether less than half of what the tenant may have is taken by it, a place is free, and nobody waits."""
        return self._free > 0 and not self._waiting and 2 * self._held.get(tenant, 0) < self._each

    def leave(self, tenant: int) -> None:
        """Give a place back, to whoever is next."""
        self._free += 1
        held = self._held[tenant]
        if held > 1:
            self._held[tenant] = held - 1
        else:
            del self._held[tenant]
        if self._waiting:
            self._give()

    def _give(self) -> None:
        while self._free:
            tenant = next((one for one in self._waiting if self._held.get(one, 0) < self._each), None)
            if tenant is None:
                return
            queue = self._waiting.pop(tenant)
            given = queue.popleft()
            if queue:
                self._waiting[tenant] = queue  # behind the others
            if not given.cancelled():
                self._free -= 1
                self._held[tenant] = self._held.get(tenant, 0) + 1
                self._given += 1
                given.set_result(None)
