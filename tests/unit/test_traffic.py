"""Places of tenants in a server: shares while others are there, searches in their order, and nothing lost when somebody leaves."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import cast

import pytest

from scimsrv import traffic as traffic_module
from scimsrv.errors import ScimError
from scimsrv.limits import DEFAULT
from scimsrv.store.pool import Tenants
from scimsrv.traffic import Held, Places, Shares, Traffic
from scimsrv.turns import Turns


class _Work:
    """Pieces of work that hold a place until told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, place: AbstractAsyncContextManager[object]) -> None:
        """Ask for the place."""
        self.ends[name] = asyncio.Event()

        async def work() -> None:
            async with place:
                self.begun.append(name)
                await self.ends[name].wait()

        self.tasks[name] = asyncio.create_task(work())
        for _ in range(3):
            await asyncio.sleep(0)

    async def end(self, *names: str) -> None:
        """Let pieces of work end."""
        for name in names:
            self.ends[name].set()
            await self.tasks[name]
            await asyncio.sleep(0)


async def test_alone_there_is_no_limit() -> None:
    """A tenant whom nobody else is beside has all that it asks for worked on."""
    shares, work = Shares(4), _Work()
    for number in range(50):
        await work.begin(f"a{number}", shares.share(1))
    assert len(work.begun) == 50
    await work.end(*work.tasks)


async def test_beside_others_there_are_equal_shares() -> None:
    """Of eight places two tenants have four each, four tenants two, and so have any more; who waits comes in order."""
    clock = [0.0]
    shares, work = Shares(8, lambda: clock[0]), _Work()
    await work.begin("b0", shares.share(2))
    for number in range(6):
        await work.begin(f"a{number}", shares.share(1))
    assert work.begun == ["b0", "a0", "a1", "a2", "a3"]
    await work.end("b0", "a0")
    assert work.begun[-1] == "a4"
    for tenant in range(3, 13):
        await work.begin(f"x{tenant}", shares.share(tenant))
    assert len(work.begun) == 6 + 10
    await work.end("a1", "a2")
    assert work.begun[-1] == "x12"
    await work.end("a3")
    assert work.begun[-1] == "a5"
    await work.end(*(name for name in work.tasks if not work.tasks[name].done()))
    assert not shares._held
    assert not shares._waiting


async def test_a_share_grows_when_the_others_have_gone() -> None:
    """A second after the last request of the others a tenant is alone."""
    clock = [0.0]
    shares, work = Shares(4, lambda: clock[0]), _Work()
    await work.begin("b0", shares.share(2))
    await work.end("b0")
    for number in range(6):
        await work.begin(f"a{number}", shares.share(1))
    assert len(work.begun) == 3
    clock[0] = 1.5
    await work.begin("a6", shares.share(1))  # behind those who wait
    assert len(work.begun) == 3
    await work.end("a0")
    assert work.begun == ["b0", *(f"a{number}" for number in range(7))]
    await work.end(*(name for name in work.tasks if not work.tasks[name].done()))


@pytest.mark.parametrize("waits", [True, False])
async def test_whoever_leaves_gives_a_place_back(waits: bool) -> None:
    """Cancelled while it waits or while it has a place, a request leaves nothing behind."""
    shares, places, work = Shares(4), Places("searches"), _Work()
    await work.begin("b", shares.share(2))
    for number in range(3):
        await work.begin(f"a{number}", shares.share(1))
        await work.begin(f"s{number}", places.waited(1, 2, 60))
    assert work.begun == ["b", "a0", "s0", "a1", "s1"]
    gone = ("a2", "s2") if waits else ("a0", "s0")
    for name in gone:
        work.tasks[name].cancel()
        with pytest.raises(asyncio.CancelledError):
            await work.tasks[name]
    await asyncio.sleep(0)
    await work.end(*(name for name in work.tasks if name not in gone))
    assert not (shares._held)
    assert not (shares._waiting)
    assert not (places._held)
    assert not (places._waiting)


@pytest.mark.parametrize("alone", [False, True])
async def test_a_place_for_which_some_wait_rests(alone: bool) -> None:
    """Beside others a place stays empty three times as long as it was worked in, then the next has it; a tenant that is alone by then
    goes on at once."""
    clock = [10.0]
    shares, work = Shares(4, lambda: clock[0]), _Work()
    await work.begin("b0", shares.share(2))
    for number in range(5):
        await work.begin(f"a{number}", shares.share(1))
    await work.end("a0", "a1")  # for which nobody waited when they came
    assert work.begun[-2:] == ["a2", "a3"]
    clock[0] += 2.0 if alone else 0.1
    await work.end("a2")
    assert ("a4" in work.begun) == alone
    async with asyncio.timeout(20):
        while "a4" not in work.begun:
            await asyncio.sleep(0.01)
    await work.end("b0", "a3", "a4")
    assert not shares._held
    assert not shares._waiting


async def test_bulk_requests_beside_others() -> None:
    """A tenant that is alone has two bulk requests worked on, beside another tenant's requests one; nobody else's waits for it."""
    traffic, work = Traffic(cast("Tenants", None), 20), _Work()
    for number in range(3):
        await work.begin(f"alone{number}", traffic.bulk(1, DEFAULT))
    assert work.begun == ["alone0", "alone1"]
    await work.end("alone0", "alone1", "alone2")
    await work.begin("b", traffic.shares.share(2))
    for number in range(2):
        await work.begin(f"a{number}", traffic.bulk(1, DEFAULT))
    await work.begin("c", traffic.bulk(3, DEFAULT))
    assert work.begun[3:] == ["b", "a0", "c"]
    await work.end("a0", "a1", "b", "c")


async def test_a_bulk_request_beside_others_is_part_of_the_share() -> None:
    """With one bulk request in progress a tenant has one other request worked on, and waits with the next; alone it waits with none."""
    traffic, work = Traffic(cast("Tenants", None), 20), _Work()
    await work.begin("bulk", traffic.bulk(1, DEFAULT))
    for number in range(3):
        await work.begin(f"alone{number}", traffic.shares.share(1))
    assert work.begun == ["bulk", "alone0", "alone1", "alone2"]
    await work.end(*work.tasks)
    await work.begin("b", traffic.shares.share(2))
    await work.begin("beside", traffic.bulk(1, DEFAULT))
    for number in range(2):
        await work.begin(f"a{number}", traffic.shares.share(1))
    assert work.begun[4:] == ["b", "beside", "a0"]
    await work.end("beside", "a0", "a1", "b")
    assert not traffic.shares._held
    assert not traffic.bulks._held


@pytest.mark.parametrize("tries", [10, 0])
async def test_what_waits_for_its_tenants_bulk_request_keeps_no_turn(monkeypatch: pytest.MonkeyPatch, tries: int) -> None:
    """A request that is carried out later waits for its tenant's bulk request without keeping the turn, and for the turn without keeping
    the place from a bulk request."""
    monkeypatch.setattr(traffic_module, "_TRIES", tries)
    traffic, work, turns = Traffic(cast("Tenants", None), 20), _Work(), Turns(1, 1)
    await work.begin("b", traffic.shares.share(2))
    await work.begin("bulk", traffic.bulk(1, DEFAULT))
    await work.begin("later", traffic.later(1, turns))
    await work.begin("another's", traffic.later(2, turns))
    assert work.begun == ["b", "bulk", *(["another's"] if tries else [])]
    await work.end("bulk")
    if tries:
        await work.begin("bulk again", traffic.bulk(1, DEFAULT))
        assert work.begun[-1] == "bulk again"
        await work.end("another's", "bulk again")
    await work.end("later", "another's", "b")
    assert work.begun[3 + bool(tries) :] == (["later"] if tries else ["another's"])
    assert not traffic.bulks._held
    assert not turns._held


async def test_who_leaves_while_waiting_for_turn_and_place_keeps_neither() -> None:
    """Whatever it is that it waits for when it leaves."""
    traffic, work, turns = Traffic(cast("Tenants", None), 20), _Work(), Turns(1, 1)
    await work.begin("b", traffic.shares.share(2))
    for first in (traffic.bulk(1, DEFAULT), turns.turn(3)):
        await work.begin("first", first)
        await work.begin("later", traffic.later(1, turns))
        work.tasks["later"].cancel()
        await asyncio.gather(work.tasks["later"], return_exceptions=True)
        await work.end("first")
        assert not traffic.bulks._held
        assert not turns._held
    await work.end("b")


async def test_what_takes_the_database_long_comes_one_at_a_time_and_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside other tenants, and of each for itself; alone all of it is worked on."""
    traffic, work = Traffic(cast("Tenants", None), 20), _Work()
    for number in range(3):
        await work.begin(f"alone{number}", traffic.long_turn(1))
    assert len(work.begun) == 3
    await work.end("alone0", "alone1", "alone2")
    monkeypatch.setattr(traffic.shares, "_clock", lambda: time.monotonic() + 60)  # so that all work has taken long
    await work.begin("b", traffic.long_turn(2))
    for number in range(3):
        await work.begin(f"a{number}", traffic.long_turn(1))
    assert work.begun[3:] == ["b", "a0"]
    await work.end("a0")
    assert work.begun[5:] == ["a1"]
    await work.end("a1")
    assert work.begun[6:] == []
    async with asyncio.timeout(10):
        while work.begun[6:] != ["a2"]:
            await asyncio.sleep(0.01)
    await work.end("a2", "b")
    assert not traffic._long._held


async def test_what_waits_for_something_else_leaves_its_part_of_the_share_to_another() -> None:
    """As long as it waits, and no longer."""
    shares, work = Shares(4, lambda: 0.0), _Work()
    await work.begin("b", shares.share(2))
    for number in range(4):
        await work.begin(f"a{number}", shares.share(1))
    assert work.begun == ["b", "a0", "a1"]
    with shares.idle(1):
        await asyncio.sleep(0)
        assert work.begun == ["b", "a0", "a1", "a2"]
    await work.end("a2")
    assert work.begun[4:] == []
    await work.end("a1")
    assert work.begun[4:] == ["a3"]
    await work.end("a0", "a3", "b")
    assert not shares._held


async def test_a_place_given_in_the_moment_of_leaving_is_passed_on() -> None:
    """Who is cancelled just when it is given a place hands that on."""
    places, work = Places("searches"), _Work()
    for number in range(3):
        await work.begin(f"s{number}", places.waited(1, 1, 60))
    work.ends["s0"].set()
    await asyncio.sleep(0)  # s0 ends, and has given its place to s1, which does not know yet
    work.tasks["s1"].cancel()
    with pytest.raises(asyncio.CancelledError):
        await work.tasks["s1"]
    for _ in range(3):
        await asyncio.sleep(0)
    assert work.begun == ["s0", "s2"]
    await work.end("s2")
    assert not places._held


async def test_whoever_has_left_keeps_nobody_waiting() -> None:
    """Who is cancelled while it waits to be the only one is passed over: those behind it, who may be one of two, are next, and at once
    where a place is free for them."""
    places, work = Places("bulk requests"), _Work()
    for name, most in (("a", 2), ("b", 2), ("gone", 1), ("c", 2), ("gone too", 1), ("d", 2)):
        await work.begin(name, places.waited(1, most, 60))
    for name in ("gone", "gone too"):
        work.tasks[name].cancel()
        with pytest.raises(asyncio.CancelledError):
            await work.tasks[name]
    assert work.begun == ["a", "b"]
    await work.end("a")
    assert work.begun == ["a", "b", "c"]
    await work.end("b")
    assert work.begun == ["a", "b", "c", "d"]
    await work.end("c")
    await work.begin("only", places.waited(1, 1, 60))
    await work.begin("e", places.waited(1, 2, 60))
    assert work.begun[4:] == []
    work.tasks["only"].cancel()
    await asyncio.sleep(0.01)
    assert work.begun[4:] == ["e"]
    await work.end("d", "e")
    assert not places._held
    assert not places._waiting


async def test_waiting_has_an_end() -> None:
    """A place that does not come in time is refused with 429, and whoever had it keeps it."""
    places, work = Places("searches"), _Work()
    await work.begin("s0", places.waited(1, 1, 60))
    with pytest.raises(ScimError, match="TOO_MANY_REQUESTS"):
        async with places.waited(1, 1, 0.01):
            pass
    async with places.waited(2, 1, 0.01):
        pass
    await work.end("s0")
    async with places.waited(1, 1, 0.01):
        pass
    assert not places._held


@pytest.mark.parametrize(
    ("other", "counts"),
    [("2001:db8::2", True), ("2001:db8:0:0:ffff::1", True), ("2001:db8:0:1::1", False), ("192.0.2.1", False), ("", False)],
)
async def test_addresses_of_one_network_count_as_one(other: str, counts: bool) -> None:
    """Who has an IPv6 address has the other addresses of its /64 as well."""
    traffic = Traffic(cast("Tenants", None), attempts=1, requests=16)
    traffic.attempts.failed("2001:db8::1")
    with Held() as held, pytest.raises(ScimError) if counts else nullcontext():
        traffic.enter_unknown(held, "2001:db8::1")
        traffic.enter_unknown(held, other)
    with pytest.raises(ScimError) if counts else nullcontext():
        traffic.attempts.failed(other)
