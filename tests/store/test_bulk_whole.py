"""Bulk requests whose transaction cannot go on: it is done again from the beginning, and nothing that passes becomes a result."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest

from scimsrv.limits import Limits
from scimsrv.protocol.bulk import Bulk, Result, arranged, read_entry
from scimsrv.protocol.messages import PATCH_OP
from scimsrv.schema.policy import Policy
from scimsrv.store import joined, secrets
from scimsrv.store.bulk import allot, carry_out_atomically
from scimsrv.store.identity import load_catalog
from scimsrv.store.recorded import carry_out_recorded
from scimsrv.store.scope import Scope
from scimsrv.store.tenants import create_tenant
from tests.store.support import BASE_URL, Hooked
from tests.store.test_races import meeting, together

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_NUMBERS = itertools.count(1)


@pytest.fixture
async def scope(pool: Pool) -> Scope:
    """Return the scope of a new tenant."""
    async with pool.acquire() as connection:
        tenant = await create_tenant(connection, f"whole-{next(_NUMBERS)}")
    _, catalog = await load_catalog(pool, tenant.id)
    return Scope(pool, tenant.id, catalog, BASE_URL, "tests", Limits())


async def nobody_objects(*_: object) -> None:
    """Let the request go on."""


class Results:
    """Keeps results in memory."""

    def __init__(self) -> None:
        self.kept: list[Result] = []
        self.finished = False

    async def hold(self, _scope: Scope) -> None:
        """Nobody else has the request."""

    def committed(self, results: Any) -> None:
        """Nobody is told."""

    def holding(self, _scope: Scope) -> AbstractAsyncContextManager[None]:
        """There are no others."""
        return nullcontext()

    async def record(self, _scope: Scope, results: Any, *, last: bool) -> None:
        """Keep the results."""
        self.kept += results
        self.finished = last


def bulk(*operations: dict[str, Any]) -> Bulk:
    """A bulk request of these operations."""
    routes: dict[str, Any] = {}
    return arranged(read_entry(index, orjson.dumps(one), "t", Limits(), routes) for index, one in enumerate(operations))


def create(name: str, **more: Any) -> dict[str, Any]:
    """The creation of a user."""
    return {"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name} | more}


def rename(id_: str, title: str) -> dict[str, Any]:
    """A change of a user."""
    data = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "title", "value": title}]}
    return {"method": "PATCH", "path": f"/Users/{id_}", "data": data}


async def carried_out(scope: Scope, request: Bulk, way: str) -> list[str | int]:
    """The statuses of the results in one of the ways in which a request is one transaction, or several with its results."""
    if way == "atomic":
        return [result.status for result in await carry_out_atomically(scope, request, allot(request), nobody_objects)]
    policy = Policy(bulk_atomic=way == "atomic and recorded")
    recorder = Results()
    scope = replace(scope, catalog=replace(scope.catalog, policy=policy))
    await carry_out_recorded(scope, request, allot(request), nobody_objects, recorder, {})
    assert recorder.finished
    return [result.status for result in sorted(recorder.kept, key=lambda result: result.entry.index)]


WAYS = pytest.mark.parametrize("way", ["atomic", "recorded", "atomic and recorded"])


@WAYS
async def test_a_change_of_definitions_does_not_end_a_request(scope: Scope, way: str) -> None:
    """What was planned by definitions that hold no longer is planned anew, in every step that is left."""
    await scope.pool.execute("UPDATE tenant SET edition = edition + 1 WHERE id = $1", scope.tenant)
    assert await carried_out(scope, bulk(create("ada"), rename("bulkId:ada", "Dr"), create("ben")), way) == [201, 200, 201]


@WAYS
async def test_a_change_of_definitions_in_the_middle(scope: Scope, way: str) -> None:
    """A change between two steps is noticed by the second one, and what an undone transaction did is not there twice."""
    changes = iter([True])

    async def change() -> None:
        if next(changes, False):
            await scope.pool.execute("UPDATE tenant SET edition = edition + 1 WHERE id = $1", scope.tenant)

    hooked = replace(scope, pool=Hooked(scope.pool, before={"update_resource": change}))
    assert await carried_out(hooked, bulk(create("ada"), rename("bulkId:ada", "Dr"), create("ben")), way) == [201, 200, 201]
    assert len(await scope.pool.fetch("SELECT FROM resource WHERE tenant = $1", scope.tenant)) == 2


@pytest.mark.parametrize("way", ["recorded", "atomic and recorded"])
async def test_what_passes_by_itself_is_no_result(scope: Scope, way: str) -> None:
    """A statement that the database gave up is tried again, and its failure not kept."""
    failures = iter(range(2))

    async def fail() -> None:
        if next(failures, None) is not None:
            raise asyncpg.QueryCanceledError

    hooked = replace(scope, pool=Hooked(scope.pool, before={"insert_resources": fail}))
    assert await carried_out(hooked, bulk(create("ada"), create("ben")), way) == [201, 201]


async def test_a_change_of_definitions_that_does_not_end(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is recorded of what still cannot be done after a while, so that it is taken up again later."""
    monkeypatch.setattr(joined, "_REPEATING", 0.2)

    async def change() -> None:
        await scope.pool.execute("UPDATE tenant SET edition = edition + 1 WHERE id = $1", scope.tenant)

    hooked = replace(scope, pool=Hooked(scope.pool, before={"insert_resources": change}))
    request, recorder = bulk(create("ada")), Results()
    (error,) = await together(carry_out_recorded(hooked, request, allot(request), nobody_objects, recorder, {}))
    assert (error.kind.value.status, recorder.kept) == (503, [])


async def test_atomic_requests_that_change_the_same_crosswise(scope: Scope) -> None:
    """Two that wait for each other both succeed: the one that gives way keeps nothing that the other waits for."""
    people = bulk(create("ada"), create("ben"))
    ids = allot(people)
    await carry_out_atomically(scope, people, ids, nobody_objects)
    ada, ben = ids[0], ids[1]
    met = replace(scope, pool=Hooked(scope.pool, after={"update_resource": meeting(2)}))
    requests = [bulk(rename(one, title), rename(other, title)) for one, other, title in ((ada, ben, "Dr"), (ben, ada, "Prof"))]
    results = await together(*(carry_out_atomically(met, one, {}, nobody_objects) for one in requests))
    assert [[result.status for result in one] for one in results] == [[200, 200], [200, 200]]
    rows = await scope.pool.fetch("SELECT DISTINCT document::jsonb ->> 'title' AS title FROM resource WHERE tenant = $1", scope.tenant)
    assert len(rows) == 1


class _Watched:
    """A pool that knows whether one of its connections is in use."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.busy = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """A connection."""
        async with self._pool.acquire() as connection:
            self.busy = True
            try:
                yield connection
            finally:
                self.busy = False


@pytest.mark.parametrize("way", ["atomic", "recorded", "atomic and recorded"])
async def test_secrets_are_hashed_before_the_transaction(scope: Scope, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """No secret is hashed while a transaction is open, each once for its resource, and equal ones of two users differ."""
    pool = _Watched(scope.pool)
    seen: list[bool] = []

    class Hasher:
        def hash(self, secret: str) -> str:
            seen.append(pool.busy)
            return f"{secret} {len(seen)}"

    monkeypatch.setattr(secrets, "_HASHER", Hasher())
    changed = rename("bulkId:ada", "Dr")
    changed["data"]["Operations"].append({"op": "replace", "path": "password", "value": "better horse"})
    replaced = {"method": "PUT", "path": "/Users/bulkId:ben", "data": {"userName": "ben", "passWord": "other horse"}}
    request = bulk(create("ada", password="correct horse"), create("ben", password="correct horse"), changed, replaced)
    assert await carried_out(replace(scope, pool=pool), request, way) == [201, 201, 200, 200]
    assert seen == [False] * 4
    rows = await scope.pool.fetch("SELECT hash FROM secret WHERE tenant = $1", scope.tenant)
    assert {row["hash"].rpartition(" ")[0] for row in rows} == {"better horse", "other horse"}
