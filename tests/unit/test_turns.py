"""Places for work are given to tenants in turn: none waits for all that another one has, and none is ever lost."""

from __future__ import annotations

import asyncio

import pytest

from scimsrv.turns import Turns, unhurried


class _Work:
    """Pieces of work that end when told, by tenant and number, and the order in which they began."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[tuple[int, int]] = []
        self.ends: dict[tuple[int, int], asyncio.Event] = {}
        self.tasks: dict[tuple[int, int], asyncio.Task[None]] = {}

    async def _one(self, tenant: int, number: int) -> None:
        async with self.turns.turn(tenant):
            self.begun.append((tenant, number))
            await self.ends[tenant, number].wait()

    async def ask(self, *asked: tuple[int, int]) -> None:
        for one in asked:
            self.ends[one] = asyncio.Event()
            self.tasks[one] = asyncio.create_task(self._one(*one))
            await asyncio.sleep(0)

    async def end(self, *ended: tuple[int, int]) -> None:
        for one in ended:
            self.ends[one].set()
            await self.tasks[one]
            await asyncio.sleep(0)


async def test_tenants_take_turns() -> None:
    """A tenant that comes last with one piece waits for one of another tenant's and not for all of them."""
    work = _Work(Turns(1, 1))
    await work.ask((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1))
    for _ in range(6):
        await work.end(work.begun[-1])
    assert work.begun == [(1, 1), (1, 2), (2, 1), (3, 1), (1, 3), (2, 2)]


async def test_no_tenant_has_all() -> None:
    """However much a tenant has to do, there is a place that it leaves to others."""
    work = _Work(Turns(3, 2))
    await work.ask((1, 1), (1, 2), (1, 3))
    assert work.begun == [(1, 1), (1, 2)]
    await work.ask((2, 1))
    assert work.begun[-1] == (2, 1)
    await work.end((2, 1))
    assert len(work.begun) == 3
    await work.end((1, 2))
    assert work.begun[-1] == (1, 3)
    await work.end((1, 1), (1, 3))


@pytest.mark.parametrize("given", [False, True])
async def test_who_gives_up(given: bool) -> None:
    """A place is not lost with who is cancelled while it waits, or in the moment that it is given the place."""
    work = _Work(Turns(1, 1))
    await work.ask((1, 1), (2, 1), (3, 1))
    if given:
        work.ends[1, 1].set()
        await asyncio.sleep(0)  # the place has gone to tenant 2, whose task has not gone on yet
    work.tasks[2, 1].cancel()
    await asyncio.gather(work.tasks[2, 1], return_exceptions=True)
    await work.end((1, 1))
    assert work.begun == [(1, 1), (3, 1)]
    await work.end((3, 1))


async def test_whoever_makes_much_lets_others_have_their_turn() -> None:
    """Everything is made, in its order, and whatever else is ready runs in between."""
    seen, turns = list[int](), 0

    async def other() -> None:
        nonlocal turns
        while len(seen) < 100:
            turns += 1
            await asyncio.sleep(0)

    def one(number: int) -> int:
        seen.append(number)
        return number

    beside = asyncio.create_task(other())
    assert await unhurried(one(number) for number in range(100)) == seen == list(range(100))
    await beside
    assert turns > 3
