"""Sets of creations of one bulk request: side by side where nobody can tell, and one after the other where somebody could."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest

from scimsrv.limits import Limits
from scimsrv.protocol.bulk import Result, arranged, read_entry
from scimsrv.store import bulk as bulk_requests
from scimsrv.store import create
from scimsrv.store.bulk import SET, SHORT_SET, allot, carry_out
from scimsrv.store.pool import has_room, open_pool
from scimsrv.store.scope import Scope
from scimsrv.store.ways import WAYS
from tests.store.support import Hooked, badge_catalog, core_catalog, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

Operation = dict[str, Any]


def _create(path: str, name: str, data: dict[str, Any]) -> Operation:
    return {"method": "POST", "path": path, "bulkId": name, "data": data}


def _users(first: int, number: int) -> list[Operation]:
    return [_create("/Users", f"u{one}", {"userName": f"u{one}"}) for one in range(first, first + number)]


def _team(number: int, *members: str) -> Operation:
    name = f"team{number}"
    return _create("/Groups", name, {"displayName": name, "members": [{"value": member} for member in members]})


def _program(number: int) -> Operation:
    return _create("/BadgePrograms", f"p{number}", {"displayName": f"Program {number}"})


async def _nobody_objects() -> None:
    return None


class _Traffic:
    """Counts the sets that are between their preparation and their end; each waits for a second one: for a moment, and where one has to
    come for as long as that takes."""

    def __init__(self, patience: float = 0.2) -> None:
        self.inside = self.most = self.begun = 0
        self._patience = patience
        self._company = asyncio.Event()

    async def enter(self) -> None:
        self.inside += 1
        self.begun += 1
        self.most = max(self.most, self.inside)
        if self.inside > 1:
            self._company.set()
        try:
            async with asyncio.timeout(self._patience):
                await self._company.wait()
        except TimeoutError:
            pass

    async def leave(self) -> None:
        self.inside -= 1


async def _carried_out(scope: Scope, operations: list[Operation], fail_on_errors: int | None = None) -> tuple[_Traffic, list[Result]]:
    traffic = _Traffic()
    return traffic, await _carried_out_beside(scope, operations, traffic, fail_on_errors)


async def _carried_out_beside(
    scope: Scope, operations: list[Operation], traffic: _Traffic, fail_on_errors: int | None = None
) -> list[Result]:
    entering, leaving = {"insert_resources": traffic.enter, "keys_taken": traffic.leave}, {"insert_resources": traffic.leave}
    pool: Any = Hooked(scope.pool, before=entering, after=leaving)
    routes: dict[str, Any] = {}
    entries = (read_entry(index, orjson.dumps(one), "t", Limits(), routes) for index, one in enumerate(operations))
    bulk = arranged(entries, fail_on_errors=fail_on_errors)
    return await carry_out(replace(scope, pool=pool), bulk, allot(bulk), _nobody_objects)


async def test_sets_are_stored_side_by_side(pool: Pool) -> None:
    """Those of which none has to know about another one; so many at the same time, and no more."""
    traffic = _Traffic(patience=20.0)
    results = await _carried_out_beside(scope_on(pool, core_catalog()), _users(0, 5 * SET), traffic)
    assert (traffic.begun, traffic.most) == (5, WAYS)
    assert [(result.entry.index, result.status) for result in results] == [(index, 201) for index in range(5 * SET)]


@pytest.mark.parametrize(
    ("second", "status"),
    [
        pytest.param([*_users(SET, SET - 1), _create("/Users", "again", {"userName": "U7"})], 409, id="claims what the first claims"),
        pytest.param([*_users(SET, SET - 1), _team(1, "bulkId:u7")], 201, id="refers to what the first makes"),
    ],
)
async def test_a_set_that_needs_another_one(pool: Pool, second: list[Operation], status: int) -> None:
    """It comes after it: the first in the request gets a key, and what is referred to is there."""
    traffic, results = await _carried_out(scope_on(pool, core_catalog()), [*_users(0, SET), *second])
    assert traffic.most == 1
    assert [result.status for result in results] == [201] * (2 * SET - 1) + [status]


async def test_what_fails_for_two_reasons(pool: Pool) -> None:
    """It refers to a failure, whether that is known when it is prepared or not: the result does not depend on how fast others are."""
    bad = [_create("/Users", "bad", {"userName": "u0"}), _team(1, "bulkId:team1", "bulkId:bad")]
    _, results = await _carried_out(scope_on(pool, core_catalog()), [*_users(0, SET - 1), *bad])
    assert [result.status for result in results[-2:]] == [409, 409]


async def test_sets_of_which_the_number_of_failures_counts(pool: Pool) -> None:
    """With failOnErrors, what comes behind the last failure is not tried."""
    operations = [*_users(0, SET - 1), _create("/Users", "again", {"userName": "u7"}), *_users(SET, SET)]
    traffic, results = await _carried_out(scope_on(pool, core_catalog()), operations, fail_on_errors=1)
    assert (traffic.begun, [result.status for result in results]) == (1, [201] * (SET - 1) + [409])


async def test_badges_follow_from_each_other(pool: Pool) -> None:
    """What one set of them leads to is there before the next one."""
    tenant = await pool.fetchval("INSERT INTO tenant (slug) VALUES (md5(random()::text)) RETURNING id")
    traffic, results = await _carried_out(scope_on(pool, badge_catalog(), tenant), [_program(number) for number in range(2 * SET)])
    assert (traffic.begun, traffic.most, {result.status for result in results}) == (2, 1, {201})


async def test_no_room_for_a_second_set(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others want the connections, sets are smaller and stored one after the other, and none is prepared meanwhile."""
    monkeypatch.setattr(bulk_requests, "has_room", lambda _: False)
    prepared, prepare = list[int](), create.prepare

    async def noted(scope: Scope, creations: Any) -> Any:
        prepared.append(traffic.inside)
        return await prepare(scope, creations)

    monkeypatch.setattr(bulk_requests, "prepare", noted)
    traffic = _Traffic()
    results = await _carried_out_beside(scope_on(pool, core_catalog()), _users(0, 2 * SET), traffic)
    number = 2 * SET // SHORT_SET
    assert (traffic.begun, traffic.most, {result.status for result in results}) == (number, 1, {201})
    assert prepared == [0] * number


async def test_room_that_comes_and_goes(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operation has its one result, in order, however the sets are cut in the middle of a request."""
    rooms = itertools.cycle([True, True, False, True, False, False])
    monkeypatch.setattr(bulk_requests, "has_room", lambda _: next(rooms))
    operations = [*_users(0, 3 * SET), _team(1, "bulkId:u7", f"bulkId:u{3 * SET - 1}"), _create("/Users", "again", {"userName": "U7"})]
    _, results = await _carried_out(scope_on(pool, core_catalog()), operations)
    assert [(result.entry.index, result.status) for result in results] == [
        *((index, 201) for index in range(3 * SET + 1)),
        (3 * SET + 1, 409),
    ]


@pytest.mark.parametrize(("size", "room"), [(1, 1), (2, 1), (3, 2), (5, 2), (10, 4)])
async def test_room_for_a_second_set(database: str, size: int, room: int) -> None:
    """A tenant's request may ask for one connection more while it has less than half of those that the tenant may have, and nobody else
    has work to do."""
    own = await open_pool(database, size=size, statement_cache=100)
    part, others = own.of(1), own.of(2)
    try:
        async with AsyncExitStack() as held:
            for number in range(room):
                assert has_room(part), number
                await held.enter_async_context(part.acquire())
            assert not has_room(part)
            assert has_room(others) is (size > room)
            own.shared = lambda tenant: tenant == 2
            assert not has_room(others)
    finally:
        await own.close()
