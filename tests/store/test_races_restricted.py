"""Where deleting what is referred to is restricted: a delete and a new reference never both succeed; without its locks they do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Outcome
from scimsrv.schema.policy import Policy
from scimsrv.store.scope import Scope
from tests.postgres import until_blocked
from tests.store.support import core_catalog, driver, scope_on, without
from tests.store.test_races import add, delete, hooked, made, patch

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

_MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
_RESTRICTED = Policy(link_target_deletion="restrict", pointer_target_deletion="restrict", require_pointer_targets=True)

#: The two ways to refer to a user, by the statement after which the reference is stored and not committed.
_STORED_BY = {"member": "add_links", "manager": "update_resource"}


@pytest.fixture
def scope(pool: Pool) -> Scope:
    """A fresh tenant that restricts deletions."""
    return scope_on(pool, core_catalog(_RESTRICTED))


async def _source(scope: Scope, kind: str) -> str:
    """A resource that is about to refer to somebody."""
    return await made(scope, {"displayName": "Staff"} if kind == "member" else {"userName": "ben@example.com"})


async def _refer(scope: Scope, kind: str, source: str, user: str) -> Outcome:
    if kind == "member":
        return await add(scope, source, user)
    return await patch(scope, source, {"op": "add", "path": _MANAGER, "value": user})


def _ended(results: list[Any]) -> list[Kind | str]:
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ScimError):
            raise result
    return [result.kind if isinstance(result, ScimError) else "ok" for result in results]


async def _delete_during_a_reference(scope: Scope, kind: str) -> list[Kind | str]:
    """The delete begins when the reference is stored and not yet committed: how referring and deleting end."""
    user = await made(scope, {"userName": "ada@example.com"})
    source = await _source(scope, kind)
    deleting: list[asyncio.Task[Outcome]] = []

    async def begin_to_delete() -> None:
        deleting.append(asyncio.create_task(delete(scope, user)))
        await until_blocked(driver(scope))

    referred = await asyncio.gather(
        _refer(hooked(scope, after={_STORED_BY[kind]: begin_to_delete}), kind, source, user), return_exceptions=True
    )
    return _ended([*referred, *await asyncio.gather(*deleting, return_exceptions=True)])


async def _reference_during_a_delete(scope: Scope, kind: str) -> list[Kind | str]:
    """The reference begins when the delete has found nobody in its way and is not yet committed: how deleting and referring end."""
    user = await made(scope, {"userName": "ada@example.com"})
    source = await _source(scope, kind)
    referring: list[asyncio.Task[Outcome]] = []

    async def begin_to_refer() -> None:
        referring.append(asyncio.create_task(_refer(scope, kind, source, user)))
        for _ in range(500):
            blocked = await driver(scope).fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if blocked or referring[0].done():
                return
            await asyncio.sleep(0.01)

    deleted = await asyncio.gather(delete(hooked(scope, before={"delete_resource": begin_to_refer}), user), return_exceptions=True)
    return _ended([*deleted, *await asyncio.gather(*referring, return_exceptions=True)])


@pytest.mark.parametrize("kind", list(_STORED_BY))
async def test_the_reference_came_first(scope: Scope, kind: str) -> None:
    """The delete waits for the reference, and is then refused because of it."""
    assert await _delete_during_a_reference(scope, kind) == ["ok", Kind.CONFLICT]


@pytest.mark.parametrize("kind", list(_STORED_BY))
async def test_without_locking_first_the_delete_misses_the_reference(scope: Scope, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks before it waits, finds nothing, and both succeed."""
    without(monkeypatch, "lock_for_deletion", " FOR UPDATE")
    assert await _delete_during_a_reference(scope, kind) == ["ok", "ok"]


@pytest.mark.parametrize("kind", list(_STORED_BY))
async def test_the_delete_came_first(scope: Scope, kind: str) -> None:
    """The reference waits for the delete, and then names nothing."""
    assert await _reference_during_a_delete(scope, kind) == ["ok", Kind.INVALID_VALUE]


@pytest.mark.parametrize("kind", list(_STORED_BY))
async def test_without_its_lock_the_reference_names_what_is_being_deleted(scope: Scope, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing keeps the resource that it names, and both succeed."""
    without(monkeypatch, "lock_targets", " FOR KEY SHARE")
    assert await _reference_during_a_delete(scope, kind) == ["ok", "ok"]
