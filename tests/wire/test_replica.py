"""Searches on a real streaming replica: none is older than it may be, and none misses what its tenant wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import AsyncMock

import asyncpg
import pytest

from scimsrv.app import App
from scimsrv.store import replica as subject
from scimsrv.store.pool import open_pool
from scimsrv.store.search import search
from tests.postgres import TestServer
from tests.replication import Standby, standby
from tests.wire.support import Client, Server, Starter

_LAG: Final = 5.0
_FAMILY: Final = 'name.familyName eq "Example"'


@pytest.fixture(scope="module")
def copy(cluster: TestServer, database: str) -> Iterator[Standby]:
    """Yield a replica that has the module's database."""
    with standby(cluster) as made:
        yield made


@dataclass
class Watched:
    """A server with a replica that looks when it is told to, by a clock that is set, and notes where searches went."""

    server: Server
    standby: Standby
    database: str
    now: float = 0.0
    went: list[str] = field(default_factory=list)

    async def look(self) -> None:
        """Look at the replica now."""
        assert self.server.app.replica is not None
        await self.server.app.replica.look()

    async def refresh(self) -> None:
        """Have the replica take in everything, and notice it."""
        await self.standby.caught_up(self.database)
        await self.look()
        await self.standby.caught_up(self.database)
        await self.look()

    async def found(self, client: Client, filter_: str = _FAMILY) -> tuple[int, str]:
        """How many users a search finds, and where."""
        self.went.clear()
        found = await client.search(filter_)
        (place,) = self.went
        return len(found), place


@pytest.fixture
async def watched(start: Starter, copy: Standby, database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    """Yield a server with the replica."""
    monkeypatch.setattr(subject.Replica, "start", lambda _: None)

    async with start(replica_url=copy.url(database), replica_max_lag=_LAG) as server:
        made = Watched(server, copy, database)

        async def noted(scope: Any, plan: Any) -> Any:
            made.went.append("replica" if scope.pool._pool is not server.app.pool else "primary")
            return await search(scope, plan)

        monkeypatch.setattr(subject, "search", noted)
        assert server.app.replica is not None
        monkeypatch.setattr(server.app.replica, "_clock", lambda: made.now)
        yield made
        await copy.resume(database)


async def _user(client: Client) -> dict[str, Any]:
    return await client.new_user(name={"familyName": "Example"})


async def test_own_writes_and_the_bound(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that stands still answers who wrote nothing, until the bound has passed; who wrote sees it at once, at the primary."""
    writer, reader = await watched.server.tenant(), await watched.server.tenant()
    for client in (writer, reader):
        await _user(client)
    assert await watched.found(writer) == (1, "primary")  # nothing is known of the replica yet
    await watched.refresh()
    assert await watched.found(writer) == (1, "replica")
    assert await watched.found(reader) == (1, "replica")
    assert (await watched.found(reader, 'userName eq "nobody"'))[1] == "primary"  # one answer: a question less there

    await watched.standby.pause(watched.database)
    await _user(writer)
    assert await watched.found(writer) == (2, "primary")
    with monkeypatch.context() as unprotected:
        unprotected.setattr(subject.Replica, "_holds", AsyncMock(return_value=True))
        assert await watched.found(writer) == (1, "replica")  # what it would not have seen
    assert await watched.found(reader) == (1, "replica")
    for watched.now in (1.0, 4.9):
        await watched.look()
        assert await watched.found(reader) == (1, "replica")
    watched.now = _LAG + 0.1
    await watched.look()
    assert await watched.found(reader) == (1, "primary")

    await watched.standby.resume(watched.database)
    await watched.refresh()
    assert await watched.found(writer) == (2, "replica")
    assert await watched.found(reader) == (1, "replica")


async def test_changes_out_of_the_order_of_their_numbers(watched: Watched) -> None:
    """A change that is committed after one with a higher number is not overlooked, though the replica has the highest number."""
    client = await watched.server.tenant()
    await _user(client)
    late = await asyncpg.connect(watched.database)
    try:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes)"
                           " VALUES ($1, now(), 'test', 'update', 'User', 'x', 2, '{}')", client.id)  # fmt: skip
        await _user(client)
        await watched.refresh()
        assert await watched.found(client) == (2, "replica")
        await watched.standby.pause(watched.database)
        await transaction.commit()
    finally:
        await late.close()
    assert await watched.found(client) == (2, "primary")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_chain SET floor = (SELECT max(seq) FROM change WHERE tenant = $1) WHERE tenant = $1",
        "UPDATE tenant SET revision = revision + 1 WHERE id = $1",
    ],
    ids=["what is counted begins further on", "definitions"],
)
async def test_what_the_answer_rests_on(watched: Watched, statement: str) -> None:
    """The replica answers only when it knows the tenant's definitions as they are, and from where changes are counted."""
    client = await watched.server.tenant()
    await _user(client)
    await watched.refresh()
    assert await watched.found(client) == (1, "replica")
    await watched.standby.pause(watched.database)
    await watched.server.pool.execute(statement, client.id)
    assert await watched.found(client) == (1, "primary")
    await watched.standby.resume(watched.database)
    await watched.refresh()
    assert await watched.found(client) == (1, "replica")


async def test_more_changes_than_are_counted(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant with more changes than are counted is at the primary until they are sealed."""
    monkeypatch.setattr(subject, "COUNTED", 2)
    client = await watched.server.tenant()
    for _ in range(3):
        await _user(client)
    await watched.refresh()
    assert await watched.found(client) == (3, "primary")
    await watched.server.pool.execute(
        "UPDATE audit_chain SET floor = (SELECT max(seq) FROM change WHERE tenant = $1) WHERE tenant = $1", client.id
    )
    await watched.refresh()
    assert await watched.found(client) == (3, "replica")


async def test_a_replica_that_is_away(start: Starter, database: str, copy: Standby) -> None:
    """A server starts and answers without its replica, and when what is named is none."""
    for url in (copy.url(database).replace("port=5432", "port=5433"), database):
        async with start(replica_url=url, replica_max_lag=_LAG) as server:
            client = await server.tenant()
            await _user(client)
            assert server.app.replica is not None
            if url == database:
                await server.app.replica.look()
            assert not server.app.replica.fresh
            assert len(await client.search(_FAMILY)) == 1


async def test_a_replica_that_goes_away(watched: Watched) -> None:
    """What was fresh and answers no more is done without."""
    client = await watched.server.tenant()
    await _user(client)
    await watched.refresh()
    replica = watched.server.app.replica
    assert replica is not None
    before = replica._pool
    nowhere = watched.standby.url(watched.database).replace("port=5432", "port=5433")
    replica._pool = await open_pool(nowhere, size=1, statement_cache=0, plane="replica")
    await before.close()
    assert replica.fresh
    assert await watched.found(client) == (1, "primary")


async def test_the_server_looks_by_itself(start: Starter, database: str, copy: Standby) -> None:
    """A running server notices that its replica is there."""
    async with start(replica_url=copy.url(database), replica_max_lag=_LAG) as server, asyncio.timeout(60):
        assert server.app.replica is not None
        while not server.app.replica.fresh:
            await asyncio.sleep(0.02)


async def test_without_a_replica_nothing_is_asked(server: Server) -> None:
    """A server that has none has nothing to do with it."""
    assert isinstance(server.app, App)
    assert server.app.replica is None
