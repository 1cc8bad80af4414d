"""The guard against mass deletions: exact whoever counts at the same time, and held until an administrator says otherwise."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.policy import PROFILES, Policy
from scimsrv.store import guard
from scimsrv.store.guard import Count, counted, is_over, release
from scimsrv.store.joined import one_transaction
from scimsrv.store.scope import Scope
from scimsrv.store.tenants import create_tenant
from tests.store.indexed import delete, patch, put
from tests.store.support import core_catalog, count, driver, put_rows, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_numbers = itertools.count(1)
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _policy(**switches: Any) -> Policy:
    return replace(PROFILES["standard"], deletion_guard="forbid", **switches)


@pytest.fixture
async def scope(pool: Pool) -> Scope:
    """A fresh tenant of 100 users, of whom 20 may go."""
    async with pool.acquire() as connection:
        made = await create_tenant(connection, f"guarded-{next(_numbers)}")
    found = scope_on(pool, core_catalog(_policy()), made.id)
    await put_rows(found, core_catalog().by_name["User"], [{"id": f"u{n:03}", "userName": f"u{n}", "active": True} for n in range(100)])
    return found


async def _kind(work: Awaitable[Any]) -> Kind | str:
    try:
        await work
    except ScimError as error:
        return error.kind
    return "ok"


async def _held(scope: Scope) -> list[dict[str, Any]]:
    """What the trail says of deletions that were held."""
    rows = await driver(scope).fetch("SELECT diff::text FROM change WHERE tenant = $1 AND operation = 'hold'", scope.tenant)
    return [orjson.loads(row["diff"]) for row in rows]


async def _deactivate(scope: Scope, id_: str) -> Any:
    return await patch(scope, "User", id_, {"op": "replace", "path": "active", "value": False})


@pytest.mark.parametrize(
    ("switches", "allowed"),
    [
        ({}, 20),
        ({"deletion_guard_percent": 15}, 15),
        ({"deletion_guard_percent": 1}, guard.FEW),
        ({"deletion_guard_count": 12}, 12),
        ({"deletion_guard_count": 0}, 0),
        ({"deletion_guard": "off"}, 30),
    ],
)
async def test_the_threshold(scope: Scope, switches: dict[str, Any], allowed: int) -> None:
    """As many go as the policy allows, by number or percentage, whichever is less; the next one is refused, and nothing of it is done."""
    scope = replace(scope, catalog=core_catalog(replace(_policy(), **switches)))
    results = [await _kind(delete(scope, "User", f"u{number:03}")) for number in range(30)]
    assert results == ["ok"] * allowed + [Kind.FORBIDDEN] * (30 - allowed)
    assert await count(scope, "resource") == 100 - allowed
    assert await count(scope, "tombstone") == allowed
    assert len(await _held(scope)) == (0 if allowed == 30 else 1)


async def test_deactivations_count_as_deletions_do(scope: Scope) -> None:
    """By PATCH and by PUT; what is inactive already, or becomes active, does not count."""
    for number in range(10):
        await _deactivate(scope, f"u{number:03}")
        await _deactivate(scope, f"u{number:03}")
        await delete(scope, "User", f"u{number + 50:03}")
        await patch(scope, "User", f"u{number:03}", {"op": "replace", "path": "title", "value": "Dr"})
    assert await _kind(_deactivate(scope, "u020")) is Kind.FORBIDDEN
    assert await _kind(put(scope, "User", "u020", {"userName": "u20", "active": False})) is Kind.FORBIDDEN
    assert await _kind(delete(scope, "User", "u020")) is Kind.FORBIDDEN
    assert await _kind(patch(scope, "User", "u001", {"op": "replace", "path": "active", "value": True})) == "ok"
    active = await driver(scope).fetchval("SELECT document FROM resource WHERE tenant = $1 AND id = 'u020'", scope.tenant)
    assert orjson.loads(active)["active"] is True


async def test_held_until_it_is_released(scope: Scope) -> None:
    """Time does not release it; an administrator does, and may let a number through uncounted."""
    for number in range(21):
        await _kind(delete(scope, "User", f"u{number:03}"))
    await driver(scope).execute("UPDATE deletion_guard SET since = since - interval '1 day' WHERE tenant = $1", scope.tenant)
    assert await _kind(delete(scope, "User", "u050")) is Kind.FORBIDDEN
    assert await _held(scope) == [{"most": 20, "resources": 100, "minutes": 10}]
    async with driver(scope).acquire() as connection:
        await release(connection, scope.tenant, "User", 5)
    results = [await _kind(delete(scope, "User", f"u{number:03}")) for number in range(50, 80)]
    assert results.count("ok") == 5 + 80 // 5  # a fifth of those that were left
    with pytest.raises(ScimError):
        async with driver(scope).acquire() as connection:
            await release(connection, scope.tenant, "Group", 0)


async def test_types_are_counted_apart(scope: Scope) -> None:
    """Held deletions of users hold no groups."""
    await put_rows(scope, core_catalog().by_name["Group"], [{"id": "g", "displayName": "g"}])
    for number in range(21):
        await _kind(delete(scope, "User", f"u{number:03}"))
    assert await _kind(delete(scope, "Group", "g")) == "ok"


@pytest.mark.parametrize("guarded", ["forbid", "throttle"])
async def test_the_answer(scope: Scope, guarded: Any) -> None:
    """403, or 429 with seconds to wait, as the policy says."""
    scope = replace(scope, catalog=core_catalog(replace(_policy(deletion_guard_count=0), deletion_guard=guarded)))
    with pytest.raises(ScimError, match="administrator has to release") as raised:
        await delete(scope, "User", "u000")
    assert (raised.value.kind.value.status, raised.value.headers) == ((403, {}) if guarded == "forbid" else (429, {"Retry-After": "30"}))


async def _all_at_once(scope: Scope) -> list[Kind | str]:
    async with asyncpg.create_pool(driver(scope)._connect_args[0], min_size=0, max_size=20) as wide:
        wider = replace(scope, pool=wide)
        barrier = asyncio.Barrier(20)

        async def go(first: int) -> list[Kind | str]:
            await barrier.wait()
            return [
                await _kind(delete(wider, "User", f"u{number:03}") if number % 2 else _deactivate(wider, f"u{number:03}"))
                for number in range(first, first + 3)
            ]

        return [result for results in await asyncio.gather(*(go(3 * number) for number in range(20))) for result in results]


async def test_exact_with_many_at_the_same_time(scope: Scope) -> None:
    """Of 60 deletions and deactivations by 20 clients at once 20 are carried out, and the alarm is raised once."""
    results = await _all_at_once(scope)
    assert (results.count("ok"), results.count(Kind.FORBIDDEN)) == (20, 40)
    assert len(await _held(scope)) == 1


async def test_it_would_be_overrun_without_the_lock(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted without the row's lock, more go than may."""
    text = guard._SQL["lock"].replace("FOR UPDATE OF g", "")
    monkeypatch.setattr(guard, "_SQL", {**guard._SQL, "lock": text})
    assert (await _all_at_once(scope)).count("ok") > 20


async def test_a_transaction_that_is_undone_raises_the_alarm_all_the_same(scope: Scope) -> None:
    """Many at once, as a whole or not at all: nothing of them is left, nor counted, but the alarm is."""

    class _UndoneError(Exception):
        pass

    results: list[Kind | str] = []

    async def undone() -> None:
        async with one_transaction(scope) as joined:
            results.extend([await _kind(delete(joined, "User", f"u{number:03}")) for number in range(25)])
            raise _UndoneError

    with pytest.raises(_UndoneError):
        await undone()
    assert results == ["ok"] * 20 + [Kind.FORBIDDEN] * 5
    assert await count(scope, "resource") == 100
    assert len(await _held(scope)) == 1
    assert await _kind(delete(scope, "User", "u000")) is Kind.FORBIDDEN


@pytest.mark.parametrize(
    ("since", "present", "former", "expected", "over"),
    [
        (timedelta(0), 0, 0, (1, 0), False),
        (timedelta(0), 19, 0, (20, 0), False),
        (timedelta(0), 20, 0, (21, 0), True),
        (timedelta(minutes=9, seconds=59), 20, 0, (21, 0), True),
        (timedelta(minutes=5), 0, 40, (1, 40), True),
        (timedelta(minutes=5), 0, 38, (1, 38), False),
        (timedelta(minutes=10), 20, 0, (1, 20), True),
        (timedelta(minutes=15), 20, 0, (1, 20), False),
        (timedelta(minutes=20), 20, 20, (1, 0), False),
        (timedelta(days=3), 20, 20, (1, 0), False),
    ],
)
def test_windows_slide(since: timedelta, present: int, former: int, expected: tuple[int, int], over: bool) -> None:
    """What went in the window before counts for the part of it that is not past."""
    before = Count(_NOON - since, 100, present, former, 0, None)
    after, most = counted(before, _NOON, _policy(), 100)
    assert (after.present, after.former) == expected
    assert is_over(after, _NOON, _policy(), most) is over
