"""Writers that meet in the worst moment: nothing is lost, doubled or left dangling; and without its protection each anomaly appears.

Hooks between the statements make the writers meet, so that neither half of a pair depends on luck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol import planning
from scimsrv.protocol.plan import Created, IfMatch, Outcome, Remove
from scimsrv.schema.project import EVERYTHING
from scimsrv.store import failure, write
from scimsrv.store.content import Moved
from scimsrv.store.execute import execute
from scimsrv.store.scope import Scope
from tests.postgres import until_blocked
from tests.store.support import Hook, Hooked, core_catalog, count, driver, scope_on, without

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_USER = core_catalog().by_name["User"]
_GROUP = core_catalog().by_name["Group"]
_CLAIM = "FROM planned CROSS JOIN unnest($8::text[], $9::text[]) given (attribute, key)"
_VERSION = "AND version = $4"


@pytest.fixture
def scope(pool: Pool) -> Scope:
    """A fresh tenant."""
    return scope_on(pool, core_catalog())


def hooked(scope: Scope, *, before: dict[str, Hook] | None = None, after: dict[str, Hook] | None = None) -> Scope:
    """The same tenant, with hooks at named statements."""
    pool: Any = Hooked(scope.pool, before=before, after=after)
    return Scope(pool, scope.tenant, scope.catalog, scope.base_url, scope.actor, scope.limits)


def meeting(parties: int) -> Hook:
    """A hook at which the first so many callers wait for each other; those that come later pass."""
    barrier = asyncio.Barrier(parties)
    expected = parties

    async def wait() -> None:
        nonlocal expected
        if expected:
            expected -= 1
            await barrier.wait()

    return wait


async def together(*units: Coroutine[Any, Any, Any]) -> list[Any]:
    """What became of each: its outcome, or the SCIM error; anything else is raised."""
    results = await asyncio.gather(*units, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ScimError | asyncpg.DeadlockDetectedError):
            raise result
    return results


def kinds(results: Sequence[Any]) -> list[Kind | str]:
    """Error kinds, and "ok" for what succeeded."""
    return [result.kind if isinstance(result, ScimError) else "ok" for result in results]


async def create(scope: Scope, body: dict[str, Any]) -> Outcome:
    schema = _GROUP if "userName" not in body else _USER
    return await execute(scope, planning.insert(body, schema, scope.catalog, EVERYTHING, scope.limits))


async def made(scope: Scope, body: dict[str, Any]) -> str:
    outcome = await create(scope, body)
    assert isinstance(outcome, Created)
    return outcome.stored.id


async def patch(scope: Scope, id_: str, *operations: dict[str, Any], if_match: IfMatch | None = None) -> Outcome:
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}
    schema = _USER if all("members" not in operation.get("path", "") for operation in operations) else _GROUP
    return await execute(scope, planning.modify(body, schema, id_, scope.catalog, EVERYTHING, scope.limits, if_match))


async def add(scope: Scope, group: str, *members: str) -> Outcome:
    return await patch(scope, group, {"op": "add", "path": "members", "value": [{"value": member} for member in members]})


async def delete(scope: Scope, id_: str) -> Outcome:
    return await execute(scope, Remove(_USER, id_, None))


async def members(scope: Scope, group: str) -> set[str]:
    rows = await driver(scope).fetch("SELECT target FROM reference WHERE tenant = $1 AND source = $2", scope.tenant, group)
    return {row["target"] for row in rows}


async def dangling(scope: Scope) -> int:
    """Reference rows whose target or source is gone."""
    number: int = await driver(scope).fetchval(
        "SELECT count(*) FROM reference ref WHERE ref.tenant = $1 AND (SELECT count(*) FROM resource r"
        " WHERE r.tenant = $1 AND r.id IN (ref.source, ref.target)) < 2",
        scope.tenant,
    )
    return number


# -- identical creations -------------------------------------------------------------------------------------------


async def _post_64(scope: Scope) -> list[Kind | str]:
    start = meeting(64)

    async def one() -> Outcome:
        await start()
        return await create(scope, {"userName": "ada@example.com"})

    return kinds(await together(*(one() for _ in range(64))))


async def test_of_64_identical_posts_one_creates(scope: Scope) -> None:
    """One 201, 63 times 409, one row."""
    for _ in range(3):
        await driver(scope).execute("DELETE FROM resource WHERE tenant = $1", scope.tenant)
        await driver(scope).execute("DELETE FROM unique_key WHERE tenant = $1", scope.tenant)
        results = await _post_64(scope)
        assert (results.count("ok"), results.count(Kind.UNIQUENESS)) == (1, 63)
        assert await count(scope, "resource") == 1


async def test_without_the_unique_key_several_create(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the row in unique_key that refuses the others."""
    without(monkeypatch, "insert_resource", _CLAIM, _CLAIM + " WHERE false")
    assert (await _post_64(scope)).count("ok") == 64


# -- one ETag, many writers ----------------------------------------------------------------------------------------


async def _write_10(scope: Scope) -> list[Kind | str]:
    """Ten writers that have all read version 1 before the first of them writes."""
    user = await made(scope, {"userName": "ada@example.com"})
    crowded = hooked(scope, before={"update_resource": meeting(10)})
    seen = IfMatch(any=False, versions=frozenset({1}))
    writers = (patch(crowded, user, {"op": "replace", "path": "title", "value": f"{n}"}, if_match=seen) for n in range(10))
    return kinds(await together(*writers))


async def test_of_ten_writers_with_one_etag_one_succeeds(scope: Scope) -> None:
    """One change, nine times 412."""
    results = await _write_10(scope)
    assert (results.count("ok"), results.count(Kind.PRECONDITION_FAILED)) == (1, 9)


async def test_without_the_version_predicate_all_ten_succeed(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing the version before the UPDATE is not enough: its condition has to hold it."""
    without(monkeypatch, "update_resource", _VERSION, "AND $4::bigint IS NOT NULL")
    assert (await _write_10(scope)).count("ok") == 10


# -- different attributes ------------------------------------------------------------------------------------------

_ATTRIBUTES = ("title", "nickName", "userType", "locale", "timezone", "preferredLanguage", "profileUrl", "externalId")


async def _patch_8(scope: Scope) -> tuple[list[Kind | str], int]:
    """Eight writers without precondition that have all read the same document; how many changes are left."""
    user = await made(scope, {"userName": "ada@example.com"})
    crowded = hooked(scope, before={"update_resource": meeting(8)})
    results = await together(*(patch(crowded, user, {"op": "add", "path": name, "value": "x"}) for name in _ATTRIBUTES))
    document = orjson.loads(await driver(scope).fetchval("SELECT document FROM resource WHERE tenant = $1 AND id = $2", scope.tenant, user))
    return kinds(results), len(document.keys() & set(_ATTRIBUTES))


async def test_eight_patches_of_different_attributes_leave_eight_changes(scope: Scope) -> None:
    """A lost race is run again on the newer document."""
    assert await _patch_8(scope) == (["ok"] * 8, 8)


async def test_without_the_version_predicate_changes_are_lost(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each writer would put back the document that it has read."""
    without(monkeypatch, "update_resource", _VERSION, "AND $4::bigint IS NOT NULL")
    assert await _patch_8(scope) == (["ok"] * 8, 1)


# -- members -------------------------------------------------------------------------------------------------------


async def _people(scope: Scope, number: int) -> list[str]:
    return [await made(scope, {"userName": f"user-{n}@example.com"}) for n in range(number)]


async def test_20_parallel_adds_leave_20_members(scope: Scope) -> None:
    """Single-member adds at once: every one of them is there, and each made a version."""
    people = await _people(scope, 20)
    group = await made(scope, {"displayName": "Staff"})
    assert kinds(await together(*(add(scope, group, person) for person in people))) == ["ok"] * 20
    assert await members(scope, group) == set(people)
    assert await driver(scope).fetchval("SELECT version FROM resource WHERE tenant = $1 AND id = $2", scope.tenant, group) == 21


async def test_members_written_back_as_a_whole_would_be_lost(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the rows and the group's lock that keep the adds apart: read, changed and written back without them, one of 20 is left."""
    people = await _people(scope, 20)
    group = await made(scope, {"displayName": "Staff"})
    without(monkeypatch, "lock_document", "\nFOR NO KEY UPDATE")
    read, one_by_one = meeting(20), asyncio.Lock()

    async def written_back(scope: Scope, conn: Any, schema: Any, source: str, place: Any, change: Any) -> Moved:
        before = [row["target"] for row in await conn.fetch(write._SQL["links_of"], scope.tenant, source, place.key, "", 100)]
        await read()
        async with one_by_one, scope.pool.acquire() as other:
            await other.execute(write._SQL["keep_links"], scope.tenant, source, place.key, [*before, *change.added], True)
            await other.execute(write._SQL["add_links"], scope.tenant, source, place.key, [*before, *change.added])
        return Moved(number_added=1)

    monkeypatch.setattr(write, "change_links", written_back)
    async with asyncpg.create_pool(**_same_database(scope), min_size=0, max_size=45) as wide:
        roomy = scope_on(wide, scope.catalog, scope.tenant)
        assert kinds(await together(*(add(roomy, group, person) for person in people))) == ["ok"] * 20
    assert len(await members(scope, group)) == 1


def _same_database(scope: Scope) -> dict[str, Any]:
    return {"dsn": driver(scope)._connect_args[0]}


# -- a member that is deleted --------------------------------------------------------------------------------------


async def _deleted_during_the_add(scope: Scope) -> list[Kind | str]:
    """The add has found the user; the delete comes before the row is written."""
    user, group = await made(scope, {"userName": "ada@example.com"}), await made(scope, {"displayName": "Staff"})
    deleting: list[asyncio.Task[Outcome]] = []

    async def begin_to_delete() -> None:
        deleting.append(asyncio.create_task(delete(scope, user)))
        await asyncio.wait([deleting[0], asyncio.create_task(until_blocked(driver(scope)))], return_when=asyncio.FIRST_COMPLETED)

    adding = add(hooked(scope, after={"lock_targets": begin_to_delete}), group, user)
    return kinds(await together(adding, _joined(deleting)))


async def _joined(tasks: list[asyncio.Task[Outcome]]) -> Outcome:
    while not tasks:
        await asyncio.sleep(0.001)
    return await tasks[0]


async def test_a_user_deleted_while_being_added_leaves_no_row(scope: Scope) -> None:
    """The delete waits for the add and takes the new membership with it."""
    assert await _deleted_during_the_add(scope) == ["ok", "ok"]
    assert (await dangling(scope), await count(scope, "reference")) == (0, 0)


async def test_without_the_lock_on_the_member_a_row_dangles(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """FOR KEY SHARE on what is referred to is what makes the delete wait."""
    without(monkeypatch, "lock_targets", " FOR KEY SHARE")
    assert await _deleted_during_the_add(scope) == ["ok", "ok"]
    assert await dangling(scope) == 1


async def _added_during_the_delete(scope: Scope) -> list[Kind | str]:
    """The delete has the user; the add comes before the user is gone."""
    user, group = await made(scope, {"userName": "ada@example.com"}), await made(scope, {"displayName": "Staff"})
    adding: list[asyncio.Task[Outcome]] = []

    async def begin_to_add() -> None:
        adding.append(asyncio.create_task(add(scope, group, user)))
        await asyncio.wait([adding[0], asyncio.create_task(until_blocked(driver(scope)))], return_when=asyncio.FIRST_COMPLETED)

    deleting = delete(hooked(scope, after={"lock_for_deletion": begin_to_add}), user)
    return kinds(await together(_joined(adding), deleting))


async def test_a_user_added_while_being_deleted_is_refused(scope: Scope) -> None:
    """The add waits for the delete, and then there is no such user."""
    assert await _added_during_the_delete(scope) == [Kind.INVALID_VALUE, "ok"]
    assert (await dangling(scope), await count(scope, "reference")) == (0, 0)


async def _delete_meets_an_uncommitted_add(scope: Scope) -> list[Kind | str]:
    """The add has written its row and not committed when the delete comes to the user."""
    user, group = await made(scope, {"userName": "ada@example.com"}), await made(scope, {"displayName": "Staff"})
    deleting: list[asyncio.Task[Outcome]] = []

    async def begin_to_delete() -> None:
        deleting.append(asyncio.create_task(delete(scope, user)))
        await until_blocked(driver(scope))

    return kinds(await together(add(hooked(scope, after={"add_links": begin_to_delete}), group, user), _joined(deleting)))


async def test_a_delete_sees_the_add_that_it_waited_for(scope: Scope) -> None:
    """The wait is a statement of its own, so that the one that deletes sees what was committed meanwhile."""
    assert await _delete_meets_an_uncommitted_add(scope) == ["ok", "ok"]
    assert await dangling(scope) == 0


async def test_without_locking_first_the_delete_misses_the_add(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DELETE that waits by itself goes on with the snapshot from before its wait."""
    without(monkeypatch, "lock_for_deletion", " FOR UPDATE")
    assert await _delete_meets_an_uncommitted_add(scope) == ["ok", "ok"]
    assert await dangling(scope) == 1


# -- deadlocks -----------------------------------------------------------------------------------------------------


async def _each_other(scope: Scope) -> list[Kind | str]:
    """Two groups, both locked by their writers, are added to each other."""
    one, other = await made(scope, {"displayName": "One"}), await made(scope, {"displayName": "Other"})
    crowded = hooked(scope, after={"lock_document": meeting(2)})
    results = await together(add(crowded, one, other), add(crowded, other, one))
    if kinds(results) == ["ok", "ok"]:
        assert (await members(scope, one), await members(scope, other)) == ({other}, {one})
    return kinds(results)


async def test_groups_that_add_each_other_do_not_block_each_other(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Being referred to and being changed are different locks; no attempt is repeated for that."""
    monkeypatch.setattr(failure, "RETRIED", frozenset())
    assert await _each_other(scope) == ["ok", "ok"]


async def test_with_a_stronger_lock_they_would(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """FOR UPDATE on the changed group ends in a deadlock, which a client sees unless the unit is repeated."""
    without(monkeypatch, "lock_document", "FOR NO KEY UPDATE", "FOR UPDATE")
    monkeypatch.setattr(failure, "RETRIED", frozenset())
    assert sorted(map(str, await _each_other(scope))) == [str(Kind.UNAVAILABLE), "ok"]


async def test_a_deadlock_is_repeated_and_not_told(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second wall: what Postgres breaks off is done again as a whole."""
    without(monkeypatch, "lock_document", "FOR NO KEY UPDATE", "FOR UPDATE")
    assert await _each_other(scope) == ["ok", "ok"]


async def _delete_and_change(scope: Scope) -> list[Kind | str]:
    """A member is deleted while its group, already locked by a PATCH, is about to add it once more."""
    user = await made(scope, {"userName": "ada@example.com"})
    group = await made(scope, {"displayName": "Staff", "members": [{"value": user}]})
    locked, found = asyncio.Event(), asyncio.Event()

    async def group_is_locked() -> None:
        locked.set()
        for _ in range(50):
            if found.is_set() or await _blocked(driver(scope)):
                break
            await asyncio.sleep(0.01)

    async def user_is_locked() -> None:
        found.set()

    async def deleting() -> Outcome:
        await locked.wait()
        return await delete(hooked(scope, after={"lock_for_deletion": user_is_locked}), user)

    return kinds(await together(add(hooked(scope, after={"lock_document": group_is_locked}), group, user), deleting()))


async def _blocked(pool: Pool) -> bool:
    found: bool = await pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    return found


async def test_a_delete_and_a_change_of_its_group_take_locks_in_one_order(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delete waits at the group, before it has the user."""
    monkeypatch.setattr(failure, "RETRIED", frozenset())
    assert await _delete_and_change(scope) == ["ok", "ok"]
    assert await dangling(scope) == 0


async def test_in_the_other_order_they_would_block_each_other(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without locking the groups first, user and group are taken crosswise."""
    without(monkeypatch, "lock_referring", "FOR NO KEY UPDATE", "LIMIT 0")
    monkeypatch.setattr(failure, "RETRIED", frozenset())
    assert sorted(map(str, await _delete_and_change(scope))) == [str(Kind.UNAVAILABLE), "ok"]


async def test_members_of_the_same_groups_are_deleted_while_these_change(scope: Scope) -> None:
    """A storm: deletes, adds and nested adds on the same few groups; no client hears of a deadlock, no row dangles."""
    people = await _people(scope, 12)
    everyone = [{"value": person} for person in people]
    groups = [await made(scope, {"displayName": f"Group {n}", "members": everyone}) for n in range(3)]
    late = [await made(scope, {"userName": f"late-{n}@example.com"}) for n in range(6)]
    units: list[Coroutine[Any, Any, Outcome]] = [delete(scope, person) for person in people]
    units += [add(scope, group, person) for person in late for group in groups]
    units += [add(scope, one, other) for one in groups for other in groups if one != other]
    assert set(kinds(await together(*units))) == {"ok"}
    assert await dangling(scope) == 0
    for group in groups:
        assert await members(scope, group) == {*late, *groups} - {group}


# -- one unique value, two resources -------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["patch", "create"])
async def test_a_value_is_taken_by_one_of_two(scope: Scope, change: str) -> None:
    """Renaming two users to the same name, or renaming one while another is created with it: one gets it, the other 409."""
    first, second = await made(scope, {"userName": "ada"}), await made(scope, {"userName": "ben"})

    def rename(id_: str) -> Awaitable[Outcome]:
        return patch(hooked(scope, before={"update_resource": meet}), id_, {"op": "replace", "path": "userName", "value": "Eve"})

    meet: Callable[[], Awaitable[None]] = meeting(2) if change == "patch" else meeting(1)
    other = rename(second) if change == "patch" else create(scope, {"userName": "eve"})
    results = kinds(await asyncio.gather(rename(first), other, return_exceptions=True))
    assert sorted(map(str, results)) == [str(Kind.UNIQUENESS), "ok"]


async def _deleted_while_becoming_manager(scope: Scope) -> tuple[list[Kind | str], str]:
    """The change has found the manager; the delete comes before the pointer is written."""
    ada, ben = await made(scope, {"userName": "ada@example.com"}), await made(scope, {"userName": "ben@example.com"})
    deleting: list[asyncio.Task[Outcome]] = []

    async def begin_to_delete() -> None:
        deleting.append(asyncio.create_task(delete(scope, ben)))
        await asyncio.wait([deleting[0], asyncio.create_task(until_blocked(driver(scope)))], return_when=asyncio.FIRST_COMPLETED)

    managed = patch(hooked(scope, after={"lock_targets": begin_to_delete}), ada, {"op": "add", "path": "manager", "value": {"value": ben}})
    results = kinds(await together(managed, _joined(deleting)))
    async with scope.pool.acquire() as connection:
        return results, await connection.fetchval("SELECT document FROM resource WHERE tenant = $1 AND id = $2", scope.tenant, ada)


async def test_a_user_deleted_while_becoming_manager_is_nobodys(scope: Scope) -> None:
    """The delete waits for the change and clears the new pointer with the others (decision 55)."""
    results, document = await _deleted_while_becoming_manager(scope)
    assert results == ["ok", "ok"]
    assert "manager" not in document


async def test_without_the_lock_on_the_manager_the_pointer_dangles(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """FOR KEY SHARE on what a pointer names is what makes the delete wait."""
    without(monkeypatch, "lock_targets", " FOR KEY SHARE")
    results, document = await _deleted_while_becoming_manager(scope)
    assert results == ["ok", "ok"]
    assert "manager" in document
