"""Indexes of a tenant in use: built batch by batch while resources change, by whichever worker is there, and removed again.

Hooks make writers and workers meet within a batch; without its protection each anomaly appears.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from scimsrv.schema.catalog import Catalog
from scimsrv.store import background, indexes
from scimsrv.store.indexes import AttributeIndexError, add_index
from scimsrv.store.statement import statement
from tests.postgres import until_blocked
from tests.store.indexed import (
    BATCH,
    Tenant,
    assert_answers,
    assert_complete,
    assert_rows,
    create,
    delete,
    new_tenant,
    patch,
    rows,
    rows_due,
)
from tests.store.support import query, without

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_LONG = "lead " * 100
_TITLES = ("Lead", "LEAD", "Chef", "straße", None, _LONG, "a%b_c", "Leader")
_FILTERS = (
    *('title eq "lead"', 'title ne "lead"', 'title sw "le"', 'title co "EA"', 'title ew "d"', 'title ew "lead "', "title pr"),
    *("not (title pr)", 'not (title eq "LEAD")', 'title gt "lead"', 'title le "lead"', 'title co "%b_"', f'title eq "{_LONG}"'),
    *('title sw "l" and userName sw "u"', 'title eq "chef" or title eq "strasse"', 'title ge "c" and not (title sw "lea")'),
)


@pytest.fixture
async def tenant(pool: Pool) -> Tenant:
    """A tenant with ten users."""
    made = await new_tenant(pool)
    for number in range(10):
        await create(await made.scope(), "User", _user(number))
    return made


def _user(number: int) -> dict[str, Any]:
    title = _TITLES[number % len(_TITLES)]
    return {"userName": f"u{number}"} | ({} if title is None else {"title": title})


def _titled(title: str) -> dict[str, Any]:
    return {"op": "replace", "path": "title", "value": title}


async def _ids(tenant: Tenant) -> list[str]:
    found = await tenant.pool.fetch("SELECT id FROM resource WHERE tenant = $1 AND type = 'User' ORDER BY id", tenant.number)
    return [row["id"] for row in found]


async def _assert_right(tenant: Tenant) -> None:
    await assert_rows(tenant)
    await assert_answers(tenant, "User", _FILTERS, sort="title")


# -- while resources change -------------------------------------------------------------------------------------------


async def test_queries_are_right_before_while_and_after(tenant: Tenant) -> None:
    """Between any two batches users come, change and go, on both sides of where the building is; no answer is wrong at any moment."""
    await _assert_right(tenant)
    await tenant.add_index("User", "title", substring=True)
    await _assert_right(tenant)
    late = iter(range(10, 100))
    states: list[tuple[str, int]] = []
    while await tenant.step():
        await _assert_right(tenant)
        ids = await _ids(tenant)
        await create(await tenant.scope(), "User", _user(next(late)))
        await patch(await tenant.scope(), "User", ids[0], _titled(f"First {len(states)}"))
        await patch(await tenant.scope(), "User", ids[4], {"op": "remove", "path": "title"})
        await patch(await tenant.scope(), "User", ids[-1], _titled(f"{len(states)} {_LONG}"))
        await delete(await tenant.scope(), "User", ids[1 if len(states) % 2 else -2])
        await _assert_right(tenant)
        status = await tenant.status("User", "title")
        assert status is not None
        states.append((status.state, status.done))
    assert [state for state, _ in states] == ["building"] * (len(states) - 1) + ["ready"]
    assert [done for _, done in states[:-1]] == sorted(done for _, done in states[:-1])
    await assert_complete(tenant)


@pytest.mark.parametrize(
    "attribute", ["emails.type", "name.givenName", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division"]
)
async def test_whatever_the_attribute(tenant: Tenant, attribute: str) -> None:
    """Attributes with several values, of parts, and of extensions are built like any other."""
    emails = [{"value": "a@example.com", "type": "work"}, {"value": "b@example.com", "type": "home"}, {"value": "c@example.com"}]
    division = {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"division": "North"}}
    await create(await tenant.scope(), "User", {"userName": "rich", "emails": emails, "name": {"givenName": "Ada"}} | division)
    filters = [f'{attribute} {op} "{value}"' for op in ("eq", "ne", "sw", "gt") for value in ("work", "ada", "north")] + [f"{attribute} pr"]
    await tenant.add_index("User", attribute)
    while await tenant.step():
        await assert_rows(tenant)
        await assert_answers(tenant, "User", filters)
    await assert_complete(tenant)
    await assert_answers(tenant, "User", filters)


@pytest.mark.parametrize("length", [254, 255, 256, 257, 258])
async def test_values_about_as_long_as_their_keys(tenant: Tenant, length: int) -> None:
    """Where a key is just not cut, and where it just is, every operator still compares the whole value."""
    scope = await tenant.scope()
    for number, text in enumerate(("x" * (length - 1) + "d", "x" * length, "x" * (length - 1))):
        await create(scope, "User", {"userName": f"long {number}", "title": text})
    wanted = "x" * (length - 1) + "d"
    filters = [
        f'title {op} "{text}"' for op in ("eq", "ne", "sw", "ew", "co", "gt", "le") for text in (wanted, wanted[1:], wanted[:-1], "xd")
    ]
    await tenant.add_index("User", "title", substring=True)
    await assert_answers(tenant, "User", filters)
    await tenant.finish()
    await assert_answers(tenant, "User", filters)


async def test_a_finished_index_is_used(tenant: Tenant) -> None:
    """A search that had to read every user no longer does."""
    before = await tenant.scope()
    await tenant.add_index("User", "title")
    await tenant.step()
    meanwhile = await tenant.scope()
    await tenant.finish()
    used = [statement(one, query(one.catalog.by_name["User"], 'title gt "k"')) for one in (before, meanwhile, await tenant.scope())]
    assert [made.unindexed for made in used] == [True, True, False]


# -- within a batch ---------------------------------------------------------------------------------------------------


async def _write(tenant: Tenant, kind: str, id_: str, **hooks: Any) -> Any:
    scope = await tenant.scope(**hooks)
    match kind:
        case "change":
            return await patch(scope, "User", id_, _titled("Changed"))
        case "remove":
            return await patch(scope, "User", id_, {"op": "remove", "path": "title"})
        case "other":
            return await patch(scope, "User", id_, {"op": "replace", "path": "nickName", "value": "x"})
        case "delete":
            return await delete(scope, "User", id_)
        case _:
            return await create(scope, "User", _user(50))


async def _written_during_a_batch(tenant: Tenant, kind: str) -> None:
    """The batch has read its users; a writer comes before it has written their keys. Then the rest is built."""
    await tenant.add_index("User", "title", substring=True)
    id_ = (await _ids(tenant))[1]
    writing: list[asyncio.Task[Any]] = []

    async def begin_to_write() -> None:
        writing.append(asyncio.create_task(_write(tenant, kind, id_)))
        await until_blocked(tenant.pool, writing[0])

    await tenant.step(tenant.hooked(after={"batch": begin_to_write}))
    await writing[0]
    await tenant.finish()


async def _built_during_a_write(tenant: Tenant, kind: str, statement_: str) -> None:
    """The writer has done its statement and not committed when a batch comes to its user. Then the rest is built."""
    await tenant.add_index("User", "title", substring=True)
    id_ = (await _ids(tenant))[1]
    building: list[asyncio.Task[Any]] = []

    async def begin_to_build() -> None:
        building.append(asyncio.create_task(tenant.step()))
        await until_blocked(tenant.pool, building[0])

    await _write(tenant, kind, id_, after={statement_: begin_to_build})
    await building[0]
    await tenant.finish()


@pytest.mark.parametrize("kind", ["change", "remove", "other", "delete", "create"])
async def test_written_during_a_batch(tenant: Tenant, kind: str) -> None:
    """The writer waits for the batch, and then knows of its rows."""
    await _written_during_a_batch(tenant, kind)
    await assert_complete(tenant)
    await assert_answers(tenant, "User", _FILTERS, sort="title")


@pytest.mark.parametrize(
    ("kind", "statement_"),
    [("change", "lock_document"), ("change", "update_resource"), ("delete", "lock_for_deletion"), ("delete", "delete_resource")],
)
async def test_built_during_a_write(tenant: Tenant, kind: str, statement_: str) -> None:
    """The batch waits for the writer, and then knows what has become of the user; one that is gone does not end the building."""
    await _built_during_a_write(tenant, kind, statement_)
    await assert_complete(tenant)
    await assert_answers(tenant, "User", _FILTERS, sort="title")


async def _stale(tenant: Tenant) -> int:
    """Rows that ought not to be."""
    scope = await tenant.scope()
    return len(await rows(scope) - await rows_due(scope))


@pytest.mark.parametrize("kind", ["change", "delete"])
async def test_without_the_lock_of_the_batch_rows_are_stale(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """FOR NO KEY UPDATE keeps writers away from what a batch has read."""
    without(monkeypatch, "batch", "\nFOR NO KEY UPDATE")
    await _written_during_a_batch(tenant, kind)
    assert await _stale(tenant) == 1


@pytest.mark.parametrize(("kind", "statement_"), [("change", "update_resource"), ("delete", "delete_resource")])
async def test_without_the_lock_of_the_batch_it_reads_what_was(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, kind: str, statement_: str
) -> None:
    """It is also what makes a batch wait for a writer that has not committed."""
    without(monkeypatch, "batch", "\nFOR NO KEY UPDATE")
    await _built_during_a_write(tenant, kind, statement_)
    assert await _stale(tenant) == 1


async def test_a_writer_that_does_not_lock_first_leaves_a_stale_row(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that waits in its UPDATE goes on with what it saw before: while an index is built it has to wait in a statement before."""
    monkeypatch.setattr(Catalog, "is_building", lambda *_: False)
    await _written_during_a_batch(tenant, "change")
    assert await _stale(tenant) == 1


# -- servers that do not know yet ----------------------------------------------------------------------------------


async def test_building_waits_until_every_server_knows(tenant: Tenant) -> None:
    """A server that has not heard of the index still writes without it, for a second; the building begins long after that."""
    ignorant = await tenant.scope()
    await tenant.add_index("User", "title")
    assert not await background.index(tenant.pool, tenant.number)
    await create(ignorant, "User", _user(0) | {"userName": "late"})
    await patch(ignorant, "User", (await _ids(tenant))[0], _titled("Late"))
    await tenant.pool.execute("UPDATE tenant_index SET since = since - interval '29 seconds' WHERE tenant = $1", tenant.number)
    assert not await background.index(tenant.pool, tenant.number)
    await tenant.pool.execute("UPDATE tenant_index SET since = since - interval '2 seconds' WHERE tenant = $1", tenant.number)
    assert await background.index(tenant.pool, tenant.number)
    await assert_complete(tenant)


async def test_begun_at_once_it_would_miss_what_they_write(tenant: Tenant) -> None:
    """What an ignorant server creates behind the building has no rows."""
    ignorant = await tenant.scope()
    await tenant.add_index("User", "title")
    await tenant.finish()
    await create(ignorant, "User", _user(0) | {"userName": "late"})
    scope = await tenant.scope()
    assert len(await rows_due(scope) - await rows(scope)) == 1


async def test_an_empty_type_is_ready_at_once_only_without_a_token(pool: Pool) -> None:
    """Where nobody can be about to create anything; a server that does not know of the index might."""
    tenant = await new_tenant(pool)
    ignorant = await tenant.scope()
    assert (await tenant.add_index("User", "title")).state == "building"
    await create(ignorant, "User", _user(0))
    await tenant.finish()
    await assert_complete(tenant)
    await pool.execute("DELETE FROM credential WHERE tenant = $1", tenant.number)
    with pytest.raises(AttributeIndexError, match="state ready"):
        await tenant.add_index("Group", "displayName")
    await tenant.remove_index("Group", "externalId")
    await tenant.finish()
    assert (await tenant.add_index("Group", "externalId")).state == "ready"


# -- workers -------------------------------------------------------------------------------------------------------


async def _position(tenant: Tenant) -> tuple[str, int]:
    row = await tenant.pool.fetchrow("SELECT position, done FROM tenant_index WHERE tenant = $1 AND state = 'building'", tenant.number)
    return row["position"], row["done"]


async def test_the_next_worker_goes_on_where_the_last_one_was(tenant: Tenant) -> None:
    """A worker whose batch fails, or that is stopped within one, leaves what was done before and nothing of that batch."""
    await tenant.add_index("User", "title")
    ids = await _ids(tenant)
    assert [await tenant.step(), await tenant.step()] == [True, True]
    assert await _position(tenant) == (ids[5], 6)
    before = await rows(await tenant.scope())

    async def fail() -> None:
        raise OSError("gone")

    with pytest.raises(Exception, match="try again"):
        await tenant.step(tenant.hooked(after={"add_keys": fail}))
    held = asyncio.Event()

    async def hold() -> None:
        held.set()
        await asyncio.Event().wait()

    stopped = asyncio.create_task(tenant.step(tenant.hooked(after={"advance": hold})))
    await held.wait()
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert await _position(tenant) == (ids[5], 6)
    assert await rows(await tenant.scope()) == before
    assert await tenant.step()
    assert await _position(tenant) == (ids[8], 9)
    await tenant.finish()
    status = await tenant.status("User", "title")
    assert status is not None
    assert (status.state, status.done) == ("ready", 10)
    await assert_complete(tenant)


async def _two_at_once(tenant: Tenant) -> list[bool]:
    """A second worker comes while the first one has the index."""
    results = []

    async def another() -> None:
        results.append(await tenant.step())

    results.append(await tenant.step(tenant.hooked(after={"take": another})))
    return results


async def test_a_batch_is_done_once(tenant: Tenant) -> None:
    """The second worker passes over the first one's index, and takes another if there is one."""
    await tenant.add_index("User", "title")
    assert await _two_at_once(tenant) == [False, True]
    assert (await _position(tenant))[1] == BATCH
    await tenant.add_index("User", "nickName")
    assert await _two_at_once(tenant) == [True, True]
    found = await tenant.pool.fetch("SELECT done FROM tenant_index WHERE tenant = $1 AND state = 'building' ORDER BY number", tenant.number)
    assert [row["done"] for row in found] == [2 * BATCH, BATCH]


async def test_without_the_lock_on_the_index_a_batch_is_done_twice(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row's lock is what says who has the batch."""
    without(monkeypatch, "take", " FOR UPDATE SKIP LOCKED")
    await tenant.add_index("User", "title")
    assert await _two_at_once(tenant) == [True, True]
    assert (await _position(tenant))[1] == 2 * BATCH


async def test_many_workers_and_writers(tenant: Tenant) -> None:
    """Four workers and four writers at once: each user is gone through once or was created since, and every row is right."""
    await tenant.add_index("User", "title", substring=True)
    await tenant.add_index("User", "nickName")

    async def work() -> None:
        for _ in range(20):
            await tenant.step()
            await asyncio.sleep(0)

    async def write(number: int) -> None:
        ids = await _ids(tenant)
        for turn in range(8):
            new = await create(await tenant.scope(), "User", _user(100 + number * 10 + turn))
            await patch(await tenant.scope(), "User", ids[turn + number % 2], _titled(f"{number} {turn}"))
            if turn % 2:
                await delete(await tenant.scope(), "User", new)

    units: list[Coroutine[Any, Any, None]] = [*(work() for _ in range(4)), *(write(number) for number in range(4))]
    await asyncio.gather(*units)
    await tenant.finish()
    await assert_complete(tenant)
    await assert_answers(tenant, "User", _FILTERS, sort="title")


# -- removed -------------------------------------------------------------------------------------------------------


async def _number(tenant: Tenant, attribute: str) -> int:
    found: int = await tenant.pool.fetchval(
        "SELECT number FROM tenant_index WHERE tenant = $1 AND attribute = $2", tenant.number, attribute
    )
    return found


async def _rows_of(tenant: Tenant, number: int) -> int:
    return len([row for row in await rows(await tenant.scope()) if abs(row[0]) == number])


async def test_removed_in_steps(tenant: Tenant) -> None:
    """Nobody relies on it from then on; its rows are kept for those who do not know that yet, then go batch by batch, then it can be
    added again under the same number."""
    await tenant.add_index("User", "title", substring=True)
    await tenant.finish()
    knowing, number = await tenant.scope(), await _number(tenant, "title")
    title = knowing.catalog.by_name["User"].resolve("title")
    assert title is not None
    assert (await tenant.remove_index("User", "title")).state == "retiring"
    assert (await tenant.scope()).catalog.index(knowing.catalog.by_name["User"], title) is None
    assert not await background.index(tenant.pool, tenant.number)
    await patch(await tenant.scope(), "User", (await _ids(tenant))[2], _titled("New"))
    await create(knowing, "User", _user(20))
    await _assert_right(tenant)
    assert await rows(knowing) == await rows_due(knowing), "a server that still relies on the index would be misled"
    with pytest.raises(AttributeIndexError, match="being removed already"):
        await tenant.remove_index("User", "title")
    with pytest.raises(AttributeIndexError, match=r"indexed already \(state retiring\)"):
        await tenant.add_index("User", "title")
    assert await tenant.step()
    left = [await _rows_of(tenant, number)]
    while await tenant.step():
        left.append(await _rows_of(tenant, number))
        await assert_answers(tenant, "User", _FILTERS, sort="title")
    assert all(before - after <= BATCH for before, after in pairwise(left))
    assert left[-1] == 0
    assert await tenant.status("User", "title") is None
    await tenant.add_index("User", "title")
    assert await _number(tenant, "title") == number
    await tenant.finish()
    await assert_complete(tenant)


async def test_a_change_after_the_last_writer_knows_brings_no_row_back(tenant: Tenant) -> None:
    """While it is being dropped nobody writes its rows."""
    await tenant.add_index("User", "title")
    await tenant.finish()
    number = await _number(tenant, "title")
    await tenant.remove_index("User", "title")
    assert await tenant.step()
    before = await _rows_of(tenant, number)
    await patch(await tenant.scope(), "User", (await _ids(tenant))[0], _titled("New"))
    await create(await tenant.scope(), "User", _user(20))
    assert await _rows_of(tenant, number) == before
    await tenant.finish()
    await assert_complete(tenant)


async def _removed_while_being_finished(tenant: Tenant) -> str | None:
    """The worker has found the index complete and not committed that when it is removed."""
    await tenant.add_index("User", "title")
    removing: list[asyncio.Task[Any]] = []

    async def begin_to_remove() -> None:
        removing.append(asyncio.create_task(tenant.remove_index("User", "title")))
        await until_blocked(tenant.pool, removing[0])

    await tenant.step(tenant.hooked(after={"set_state": begin_to_remove}), batch=100)
    await removing[0]
    status = await tenant.status("User", "title")
    return None if status is None else status.state


async def test_removed_while_being_finished(tenant: Tenant) -> None:
    """The removal is not lost."""
    assert await _removed_while_being_finished(tenant) == "retiring"


async def test_by_the_state_that_was_read_the_removal_would_be_lost(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement has to look at the state itself."""
    text = indexes._SQL["retire"]
    monkeypatch.setattr(indexes, "_SQL", {**indexes._SQL, "retire": text.replace("IN ('building', 'ready')", "= 'building'")})
    assert await _removed_while_being_finished(tenant) == "ready"


async def test_two_additions_take_two_numbers(tenant: Tenant) -> None:
    """The tenant's row keeps them apart; a third of the same attribute is refused."""
    names = ("title", "nickName", "locale", "timezone", "title")
    results = await asyncio.gather(*(tenant.add_index("User", name) for name in names), return_exceptions=True)
    assert sum(isinstance(result, AttributeIndexError) for result in results) == 1
    assert len({await _number(tenant, name.lower()) for name in names}) == 4


async def test_there_is_a_most(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each index is a row more to write, so there can be only so many."""
    monkeypatch.setattr(indexes, "MOST", 11)
    await tenant.add_index("User", "title")
    async with tenant.pool.acquire() as connection:
        with pytest.raises(AttributeIndexError, match="11 indexes"):
            await add_index(connection, tenant.number, "User", "locale")
