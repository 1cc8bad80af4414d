"""Sets of creations on their way into the database side by side, as long as none of them has to know what became of another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

#: Sets that one request has on their way at the same time, each by a connection of its own.
WAYS: Final = 2

#: Type, attribute and key of a value that must be unique.
Claim = tuple[str, str, str]

#: Sets that were on their way before another one.
Before = Sequence[asyncio.Task[None]]


class Ways:
    """Tasks that store sets, so many at most, and more than one only while there is room; they end in the order in which they began
    wherever that can be seen in what they store."""

    def __init__(self, number: int, has_room: Callable[[], bool]) -> None:
        self._number = number
        self._has_room = has_room
        self._tasks: deque[tuple[asyncio.Task[None], frozenset[str], frozenset[Claim], int | None]] = deque()

    async def place(self, needed: frozenset[str], claims: frozenset[Claim], edition: int | None) -> None:
        """Wait until there is a place for one more, behind those that make the resources that it needs, by their ids, and behind those
        that claim what it claims, since the first that claims a key gets it; what those of another edition of the definitions claim is
        not known. Raises what went wrong with one that was waited for."""
        await asyncio.sleep(0)  # those that were added have their connections then
        while self._tasks and (len(self._tasks) == self._number or self._waits(needed, claims, edition) or not self._has_room()):
            await self._first()

    def add(self, task: asyncio.Task[None], made: frozenset[str], claims: frozenset[Claim], edition: int | None) -> None:
        """One more is on its way: the ids of what it makes, and what it claims by which edition of the definitions."""
        self._tasks.append((task, made, claims, edition))

    def before(self) -> Before:
        """Those that are on their way now."""
        return [task for task, *_ in self._tasks]

    async def end(self) -> None:
        """Wait until none is on its way. Raises what went wrong with one, once all have ended."""
        try:
            while self._tasks:
                await self._first()
        finally:
            if self._tasks:
                await self.end()

    def _waits(self, needed: frozenset[str], claims: frozenset[Claim], edition: int | None) -> bool:
        return any(by != edition or not (made.isdisjoint(needed) and claimed.isdisjoint(claims)) for _, made, claimed, by in self._tasks)

    async def _first(self) -> None:
        task, *_ = self._tasks.popleft()
        await task
