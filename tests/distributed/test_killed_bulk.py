"""A server that is killed in the middle of a bulk request leaves no operation in part, and what was accepted is finished by another."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.distributed.site import running
from tests.wire.support import group, user
from tests.wire.test_bulk import REQUEST, operation, post

_TEAMS = 60


def _body() -> dict[str, Any]:
    """Users in teams, with a deletion between each two so that every team has a transaction of its own."""
    operations: list[Any] = []
    for number in range(_TEAMS):
        names = [f"{number}-{one}" for one in range(3)]
        operations += [post(name, user(f"user {name}", password="correct horse" if name.endswith("-0") else None)) for name in names]
        operations.append(post(f"team {number}", group(*(f"bulkId:{name}" for name in names), displayName=f"team {number}")))
        operations.append(operation("DELETE", "/Users/none"))
    return {"schemas": [REQUEST], "Operations": operations}


async def _check(connection: Any, tenant: int) -> tuple[int, int]:
    """Assert that every resource is there with everything that belongs to it; returns the numbers of users and of teams."""
    resources = await connection.fetch("SELECT id, type, version, display FROM resource WHERE tenant = $1", tenant)
    users, teams = ({row["id"] for row in resources if row["type"] == type_} for type_ in ("User", "Group"))
    assert {row["version"] for row in resources} <= {1}
    for table in ("unique_key", "change"):
        rows = await connection.fetch(f"SELECT id FROM {table} WHERE tenant = $1", tenant)
        assert sorted(row["id"] for row in rows) == sorted(users | teams), table
    members = await connection.fetch("SELECT source, target FROM reference WHERE tenant = $1", tenant)
    assert {row["source"] for row in members} == teams
    assert len(members) == 3 * len(teams)
    assert {row["target"] for row in members} <= users
    counts = await connection.fetch("SELECT type, sum(resources)::int AS n FROM resource_count WHERE tenant = $1 GROUP BY type", tenant)
    assert {row["type"]: row["n"] for row in counts if row["n"]} == {
        type_: len(ids) for type_, ids in (("User", users), ("Group", teams)) if ids
    }
    return len(users), len(teams)


async def _until(connection: Any, tenant: int, teams: int) -> None:
    """Wait until so many teams are there."""
    while await connection.fetchval("SELECT count(*) FROM resource WHERE tenant = $1 AND type = 'Group'", tenant) < teams:
        await asyncio.sleep(0.005)


async def test_killed_in_the_middle(database: str, tmp_path: Path) -> None:
    """What was done is done wholly: every user with its keys, every team with its members, and the numbers are right."""
    connection = await asyncpg.connect(database)
    with running(database, database, tmp_path) as site:
        async with httpx.AsyncClient(timeout=30) as http:
            (client,) = await site.tenant(http, "scim:bulk")
            sending = asyncio.create_task(client.post("/Bulk", _body()))
            await _until(connection, client.id, 5)
            site.servers[0].end(signal.SIGKILL)
            await asyncio.wait({sending})
            assert isinstance(sending.exception(), httpx.HTTPError)
    users, teams = await _check(connection, client.id)
    assert 5 <= teams < _TEAMS
    assert 3 * teams <= users <= 3 * teams + 3
    await connection.close()


async def test_what_was_accepted_is_finished(database: str, tmp_path: Path) -> None:
    """An asynchronous request whose server was killed is finished by the next one, and every operation has been carried out once."""
    connection = await asyncpg.connect(database)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with httpx.AsyncClient(timeout=30) as http:
        with running(database, database, tmp_path / "one") as site:
            (client,) = await site.tenant(http, "scim:bulk")
            answer = await client.request("POST", "/Bulk", _body(), headers={"Prefer": "respond-async"})
            assert answer.status_code == 202
            await _until(connection, client.id, 5)
            site.servers[0].end(signal.SIGKILL)
        done = await _check(connection, client.id)
        assert done[1] < _TEAMS
        await connection.execute("UPDATE request_job SET held_until = now() WHERE tenant = $1", client.id)
        with running(database, database, tmp_path / "two"):
            while await connection.fetchval("SELECT finished FROM request_job WHERE tenant = $1", client.id) is None:
                await asyncio.sleep(0.05)
    assert await _check(connection, client.id) == (3 * _TEAMS, _TEAMS)
    results = await connection.fetch("SELECT number, result FROM request_result WHERE tenant = $1 ORDER BY number", client.id)
    statuses = ["201", "201", "201", "201", "404"] * _TEAMS
    assert [(row["number"], row["result"].rpartition('"status":"')[2][:3]) for row in results] == list(enumerate(statuses))
    await connection.close()
