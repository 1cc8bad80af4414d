"""Deleting a group with very many members: nobody sees anything of it from that moment on, and its rows go in batches."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

import asyncpg
import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Page, Query, Read, Shown
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.store import background
from scimsrv.store.execute import execute
from scimsrv.store.identity import load_catalog
from scimsrv.store.read import HELD
from scimsrv.store.remove import AT_ONCE
from scimsrv.store.scope import Scope
from scimsrv.store.tenants import create_tenant
from tests.postgres import until_blocked
from tests.store.indexed import delete
from tests.store.support import core_catalog, count, driver, found, put_links, put_rows, query, scope_on, without

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

_numbers = itertools.count(1)

_USER = core_catalog().by_name["User"]
_GROUP = core_catalog().by_name["Group"]

#: Members of the group that is deleted: more than two batches, and not a whole number of them.
_MEMBERS: Final = 2_500


@pytest.fixture
def scope(pool: Pool) -> Scope:
    """A fresh tenant."""
    return scope_on(pool, core_catalog())


async def _put_group(scope: Scope, members: int) -> None:
    """The group `big` with so many users, the last one `alone` in it, the first one in `other` too; `big` is in `parent` and has
    `child`, which has `below`. `nobody` is in no group."""
    users = [f"u-{number:05}" for number in range(members - 1)]
    await put_rows(scope, _USER, [{"id": id_, "userName": id_} for id_ in [*users[:-1], "alone", "below", "nobody"]])
    await put_rows(scope, _GROUP, [{"id": id_, "displayName": id_} for id_ in ("big", "parent", "child", "other")])
    await put_links(scope, [("big", id_) for id_ in [*users[:-1], "alone", "child"]])
    await put_links(scope, [("parent", "big"), ("child", "below"), ("other", users[0])])


async def _shown(scope: Scope, id_: str) -> list[tuple[str, str]]:
    """The groups that a read of the user shows, with how it is in them."""
    outcome = await execute(scope, Read(_USER, id_, view(EVERYTHING, _USER)))
    assert isinstance(outcome, Shown)
    ready = outcome.stored.ready.get("groups", b"").decode()
    if ready:
        assert "big" not in ready
        assert "parent" not in ready
        return [("other" if "other" in ready else "child", "direct")]
    return [(element.id, element.kind) for element in outcome.stored.linked.get("groups", [])]


async def _assert_invisible(scope: Scope) -> None:
    """Nothing that a client can ask tells that the group was there."""
    with pytest.raises(ScimError) as raised:
        await execute(scope, Read(_GROUP, "big", view(EVERYTHING, _GROUP)))
    assert raised.value.kind is Kind.NOT_FOUND
    for text in ('id eq "big"', 'displayName eq "big"', 'members.value eq "alone"', 'members eq "alone"', 'members.value eq "child"'):
        assert await found(scope, _GROUP, text) == set(), text
    assert await found(scope, _GROUP, 'members[value eq "child" and type eq "Group"]') == set()
    assert await found(scope, _GROUP, "members pr") == {"child", "other"}
    assert await found(scope, _GROUP, 'members.value eq "u-00000"') == {"other"}
    assert await found(scope, _GROUP, 'members.value eq "big"') == set()
    for group in ("big", "parent"):
        for text in (f'groups.value eq "{group}"', f'groups eq "{group}"', f'groups.display eq "{group}"', f'groups.value sw "{group}"'):
            assert await found(scope, _USER, text) == set(), text
    assert await found(scope, _USER, 'groups.value eq "child"') == {"below"}
    assert await found(scope, _USER, 'groups.type eq "indirect"') == set()
    assert await found(scope, _USER, 'groups.type eq "direct"') == {"u-00000", "below"}
    assert (await _shown(scope, "alone"), await _shown(scope, "nobody")) == ([], [])
    assert (await _shown(scope, "u-00000"), await _shown(scope, "below")) == ([("other", "direct")], [("child", "direct")])
    assert await found(scope, _USER, "groups pr") == {"u-00000", "below"}
    assert "alone" in await found(scope, _USER, 'userName sw "a" and not (groups pr)')


async def _left(scope: Scope) -> int:
    """Rows of the deleted group's members."""
    number: int = await driver(scope).fetchval("SELECT count(*) FROM reference WHERE tenant = $1 AND source = 'big'", scope.tenant)
    return number


async def test_it_is_gone_at_once_and_its_rows_in_batches(scope: Scope) -> None:
    """Reads, filters and derived groups show nothing of it, neither before its rows have gone nor while they go."""
    await _put_group(scope, _MEMBERS)
    woken: list[bool] = []
    await delete(replace(scope, wake=lambda: woken.append(True)), "Group", "big")
    assert woken == [True]
    left = [await _left(scope)]
    assert left == [_MEMBERS]
    await _assert_invisible(scope)
    while await background.erase(scope.pool, scope.tenant):
        left.append(await _left(scope))
        if len(left) == 2:
            await _assert_invisible(scope)
    assert left == [2_500, 1_500, 500, 0]
    assert (await count(scope, "erasure"), await count(scope, "reference")) == (0, 2)


@pytest.mark.parametrize(("members", "erasures"), [(2, 0), (AT_ONCE, 0), (AT_ONCE + 1, 1), (2 * AT_ONCE, 1)])
async def test_a_smaller_group_leaves_nothing(scope: Scope, members: int, erasures: int) -> None:
    """Up to a batch goes with the group itself, in its transaction."""
    await _put_group(scope, members)
    woken: list[bool] = []
    await delete(replace(scope, wake=lambda: woken.append(True)), "Group", "big")
    assert await count(scope, "erasure") == erasures == len(woken)
    assert await _left(scope) == (members if erasures else 0)
    while await background.erase(scope.pool, scope.tenant):
        pass
    assert (await count(scope, "erasure"), await _left(scope)) == (0, 0)


async def test_a_member_is_deleted_and_another_group_changed_meanwhile(scope: Scope) -> None:
    """The rows that are left are in nobody's way."""
    await _put_group(scope, _MEMBERS)
    await delete(scope, "Group", "big")
    await delete(scope, "User", "alone")
    await delete(scope, "Group", "child")
    await delete(scope, "User", "u-00001")
    assert await background.erase(scope.pool, scope.tenant)
    await delete(scope, "User", "u-02497")
    while await background.erase(scope.pool, scope.tenant):
        pass
    assert (await count(scope, "erasure"), await count(scope, "reference")) == (0, 1)
    logged = await driver(scope).fetch("SELECT id FROM change WHERE tenant = $1 AND operation = 'update' AND id = 'big'", scope.tenant)
    assert logged == [], "a resource that is gone does not change"


async def test_an_interrupted_batch_is_undone_and_done_by_the_next(scope: Scope) -> None:
    """A worker that is stopped leaves the batch to others."""
    await _put_group(scope, _MEMBERS)
    await delete(scope, "Group", "big")
    assert await background.erase(scope.pool, scope.tenant)
    async with scope.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM reference WHERE tenant = $1 AND source = 'big' FOR UPDATE", scope.tenant)
        stopped = asyncio.create_task(background.erase(scope.pool, scope.tenant))
        await until_blocked(driver(scope))
        stopped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopped
    assert await _left(scope) == 1_500
    assert [await background.erase(scope.pool, scope.tenant) for _ in range(3)] == [True, True, False]
    assert await _left(scope) == 0


async def _second_worker(scope: Scope) -> bool:
    """What a worker does while another has the only deletion; it must not wait."""
    await _put_group(scope, _MEMBERS)
    await delete(scope, "Group", "big")
    async with scope.pool.acquire() as other, other.transaction():
        await other.execute(background._SQL["erase"], scope.tenant, background.BATCH)
        return await asyncio.wait_for(background.erase(scope.pool, scope.tenant), 2)


async def test_two_workers_do_not_do_the_same_batch(scope: Scope) -> None:
    """The second one has nothing to do, or another deletion."""
    assert not await _second_worker(scope)
    assert await _left(scope) == 1_500
    done = await asyncio.gather(*(background.erase(scope.pool, scope.tenant) for _ in range(8)))
    while await background.erase(scope.pool, scope.tenant):
        pass
    assert any(done)
    assert (await count(scope, "erasure"), await _left(scope)) == (0, 0)


async def test_without_passing_over_it_the_second_worker_waits(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """SKIP LOCKED is what lets it go on."""
    without(monkeypatch, "erase", " FOR UPDATE SKIP LOCKED", " FOR UPDATE")
    with pytest.raises(TimeoutError):
        await _second_worker(scope)


async def test_whoever_was_reading_it_is_not_left_with_a_part(scope: Scope) -> None:
    """What is sent of a group that is deleted meanwhile does not end as if it were all of it."""
    await _put_group(scope, _MEMBERS)
    streams = []
    for _ in range(2):
        outcome = await execute(scope, Read(_GROUP, "big", view(EVERYTHING, _GROUP)))
        assert isinstance(outcome, Shown)
        streams.append(outcome.stored.streamed[0][1])
    whole, cut = streams
    assert sum([len(batch) async for batch in whole]) == _MEMBERS
    assert len(await anext(cut)) == HELD + 1
    await delete(scope, "Group", "big")
    while await background.erase(scope.pool, scope.tenant):
        pass
    with pytest.raises(ScimError) as raised:
        await anext(cut)
    assert raised.value.kind is Kind.NOT_FOUND


async def test_another_tenants_work_is_not_touched(scope: Scope) -> None:
    """A batch is of one tenant."""
    other = scope_on(scope.pool, scope.catalog)
    for one in (scope, other):
        await _put_group(one, AT_ONCE + 1)
        await delete(one, "Group", "big")
    assert {scope.tenant, other.tenant} <= set(await background.tenants_with_work(driver(scope)))
    while await background.erase(scope.pool, scope.tenant):
        pass
    assert (await _left(scope), await _left(other)) == (0, AT_ONCE + 1)
    assert scope.tenant not in await background.tenants_with_work(driver(scope))


async def _put_popular(scope: Scope, groups: int, reports: int) -> None:
    """The user `ada`, who is in so many groups and manages so many users, and `ben`, who is in the first group only."""
    await put_rows(scope, _USER, [{"id": id_, "userName": id_} for id_ in ("ada", "ben")])
    pointing = {ENTERPRISE: {"manager": {"value": "ada"}}}
    await put_rows(scope, _USER, [{"id": f"r-{n:05}", "userName": f"r-{n:05}"} | pointing for n in range(reports)])
    await put_rows(scope, _GROUP, [{"id": f"g-{n:05}", "displayName": f"g-{n:05}"} for n in range(groups)])
    await put_links(scope, [(f"g-{n:05}", "ada") for n in range(groups)] + [("g-00000", "ben")])


async def _referring(scope: Scope) -> tuple[int, int]:
    """Rows that refer to `ada`, and documents that do."""
    return (
        await driver(scope).fetchval("SELECT count(*) FROM reference WHERE tenant = $1 AND target = 'ada'", scope.tenant),
        await driver(scope).fetchval("SELECT count(*) FROM resource WHERE tenant = $1 AND document LIKE '%manager%'", scope.tenant),
    )


async def _versions(scope: Scope, type_: str) -> dict[int, int]:
    rows = await driver(scope).fetch(
        "SELECT version, count(*) FROM resource WHERE tenant = $1 AND type = $2 GROUP BY version", scope.tenant, type_
    )
    return {row["version"]: row["count"] for row in rows}


@pytest.mark.parametrize(("groups", "reports"), [(AT_ONCE, AT_ONCE), (AT_ONCE + 1, 0), (2_500, 2_500)])
async def test_what_many_refer_to_is_gone_at_once(pool: Pool, groups: int, reports: int) -> None:
    """The deletion of what more than a batch of others refer to changes a batch of them at most; nobody sees it in any of the others,
    and the background gives each of these one new version, in batches, and leaves what is not concerned alone."""
    async with pool.acquire() as connection:
        tenant = await create_tenant(connection, f"popular-{next(_numbers)}")
        _, catalog = await load_catalog(connection, tenant.id)
    scope = scope_on(pool, catalog, tenant.id)
    await _put_popular(scope, groups, reports)
    later = max(groups, reports) > AT_ONCE
    woken: list[bool] = []
    await delete(replace(scope, wake=lambda: woken.append(True)), "User", "ada")
    assert woken == [True] * later
    assert await _referring(scope) == (groups if groups > AT_ONCE else 0, max(reports - AT_ONCE, 0))
    for text in ('members.value eq "ada"', 'members[value eq "ada"]', 'members.display eq "ada"', 'members.value sw "ad"'):
        assert await found(scope, _GROUP, text) == set(), text
    assert await found(scope, _GROUP, "members pr") == {"g-00000"}
    outcome = await execute(scope, Read(_GROUP, "g-00000", view(EVERYTHING, _GROUP)))
    assert isinstance(outcome, Shown)
    assert [element.id for element in outcome.stored.linked["members"]] == ["ben"]
    batches = 0
    while await background.erase(scope.pool, scope.tenant):
        batches += 1
    assert batches <= 2 + (groups + reports) / 100
    assert await _referring(scope) == (0, 0)
    assert await count(scope, "erasure") == 0
    assert await _versions(scope, "Group") == {2: groups}
    assert await _versions(scope, "User") == ({1: 1} | ({2: reports} if reports else {}))


async def test_what_many_refer_to_and_refers_to_many_is_gone_whole(scope: Scope) -> None:
    """A group with very many members in very many groups links none of them to the others any more."""
    await _put_group(scope, AT_ONCE + 2)
    await put_rows(scope, _GROUP, [{"id": f"g-{n:05}", "displayName": f"g-{n:05}"} for n in range(AT_ONCE + 1)])
    await put_links(scope, [(f"g-{n:05}", "big") for n in range(AT_ONCE + 1)])
    await delete(scope, "Group", "big")
    await _assert_invisible(scope)
    while await background.erase(scope.pool, scope.tenant):
        await _assert_invisible(scope)


async def _members_shown(scope: Scope, plan: Read | Query) -> list[str]:
    """The members of `g-00000` as the plan's answer shows them, held and streamed."""
    outcome = await execute(scope, plan)
    stored = outcome.stored if isinstance(outcome, Shown) else cast("Page", outcome).rows[0][0]
    shown = [element.id for element in stored.linked.get("members", ())]
    for _, batches in stored.streamed:
        shown += [element.id async for batch in batches for element in batch]
    return shown


async def test_members_behind_one_that_is_gone_are_shown(scope: Scope) -> None:
    """A group with more members than are held at once, among them one who is deleted and whose memberships are still being removed, has
    all the others, read by itself and in a list."""
    await _put_popular(scope, AT_ONCE + 1, 0)
    others = [f"u-{number:05}" for number in range(HELD + 20)]
    await put_rows(scope, _USER, [{"id": id_, "userName": id_} for id_ in others])
    await put_links(scope, [("g-00000", id_) for id_ in others])
    await delete(scope, "User", "ada")
    assert (await _referring(scope))[0] == AT_ONCE + 1
    for plan in (Read(_GROUP, "g-00000", view(EVERYTHING, _GROUP)), query(_GROUP, 'id eq "g-00000"')):
        assert await _members_shown(scope, plan) == ["ben", *others]
