"""Recomputing: what the catalogue comes to after a change, or when it is asked for, for whoever holds something."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from scimsrv.store import progression
from scimsrv.store.jobs import find_job, recompute_badges
from scimsrv.store.rework import rework
from tests.wire.badges import badges, recomputed
from tests.wire.support import Server


async def test_recomputing_when_asked_to(server: Server) -> None:
    """An administrator has everything computed anew: what tables say that nothing explains is put right, and again changes nothing."""
    made = await badges(server, badge_catalogue_change="recompute")
    skill = await made.skill((await made.program())[0], 1)
    users = [(await made.client.new_user())["id"] for _ in range(25)]
    for user in users:
        await made.award(user, skill.minis[0])
    # As after an import that brought mini badges and nothing that follows from them.
    rows = await server.pool.fetch("SELECT id FROM award WHERE tenant = $1 AND automatic", made.client.id)
    for table, column in (("award", "id"), ("resource", "id"), ("unique_key", "id"), ("reference", "source")):
        await server.pool.execute(
            f"DELETE FROM {table} WHERE tenant = $1 AND {column} = ANY ($2::text[])", made.client.id, [row["id"] for row in rows]
        )
    assert await made.held(users[0]) == {skill.minis[0]}
    async with server.pool.acquire() as connection, connection.transaction():
        job = await recompute_badges(connection, made.client.id, "admin:tests")
        assert (await recompute_badges(connection, made.client.id, "admin:tests")).number == job.number
    await recomputed(server, made)
    async with server.pool.acquire() as connection:
        done = await find_job(connection, made.client.id, job.number)
    assert (done.state, done.done, done.total, done.result["awarded"]["resources"]) == ("done", 25, 25, 25)
    for user in users:
        awards = await made.awards(user)
        assert awards[skill.achievement]["cause"] == {"kind": "catalogue", "actor": "admin:tests"}
        assert awards[skill.achievement]["issuer"]["value"] == made.issuer
        location = awards[skill.achievement]["recipient"]["$ref"]
        assert location == awards[skill.minis[0]]["recipient"]["$ref"]
    before = await server.pool.fetchval("SELECT max(seq) FROM change WHERE tenant = $1 AND type <> 'Credential'", made.client.id)
    async with server.pool.acquire() as connection, connection.transaction():
        await recompute_badges(connection, made.client.id, "admin:tests")
    await recomputed(server, made)
    assert await server.pool.fetchval("SELECT max(seq) FROM change WHERE tenant = $1 AND type <> 'Credential'", made.client.id) == before


async def test_a_change_of_the_catalogue_that_the_first_award_of_somebody_meets(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The award was made by the catalogue as it was, and nobody sees yet that its recipient holds something: what follows is awarded."""
    made = await badges(server)
    program, own = await made.program()
    skill = await made.skill(program, 2)
    user = (await made.client.new_user())["id"]
    await recomputed(server, made)
    read, go, found = asyncio.Event(), asyncio.Event(), progression.held_by

    async def slowly(*given: Any) -> Any:
        held = await found(*given)
        read.set()
        await go.wait()
        return held

    with monkeypatch.context() as patched:
        patched.setattr(progression, "held_by", slowly)
        award = asyncio.create_task(made.award(user, skill.minis[0]))
        try:
            async with asyncio.timeout(20):
                await read.wait()
                retired = await made.client.patch(f"/Achievements/{skill.minis[1]}", {"op": "replace", "value": {"active": False}})
                assert retired.status_code == 200, retired.text
                while await rework(server.pool, made.client.id, settled=0):
                    pass
        finally:
            go.set()
        await award
    await recomputed(server, made)
    assert await made.held(user) == {skill.minis[0], skill.achievement, own}


async def test_what_cannot_be_awarded_keeps_nothing_else_waiting(server: Server) -> None:
    """A recomputation goes on where somebody's award has no credential, and says of whom; the work of the tenant behind it is done."""
    made = await badges(server)
    program = await made.new("BadgeProgram", displayName="Programme")
    skill = await made.new("BadgeSkill", displayName="Skill", program={"value": program})
    large, users = await made.achievement("mini", skill), [(await made.client.new_user())["id"] for _ in range(2)]
    for user in users:
        await made.award(user, large)
    other = await made.skill(program, 2)
    await made.award(users[1], other.minis[0])
    await recomputed(server, made)
    await made.achievement("skill", skill, tags=[f"{number}" + "x" * 60_000 for number in range(13)])
    retired = await made.client.patch(f"/Achievements/{other.minis[1]}", {"op": "replace", "value": {"active": False}})
    assert retired.status_code == 200, retired.text
    await recomputed(server, made)
    jobs = await server.pool.fetch("SELECT state, result::text AS result FROM tenant_job WHERE tenant = $1", made.client.id)
    assert {job["state"] for job in jobs} == {"done"}
    assert orjson.loads(jobs[-1]["result"])["failed"] == {"resources": 2, "ids": sorted(users)}
    assert await made.held(users[1]) == {large, other.minis[0]}
