"""Progression: what follows from awards is awarded with them, once, and revoked only where the policy says so."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from scimsrv.keys import AUDIT_KEY, ServerKeys
from scimsrv.store import progression
from scimsrv.store.consistency.kinds import Kind
from scimsrv.store.consistency.verifying import verify_tenant
from tests.wire.badges import Badges, Skill, badges, recomputed
from tests.wire.support import Server, assert_error


async def revoke(made: Badges, award: str, reason: str = "By mistake") -> None:
    answer = await made.client.patch(f"/Awards/{award}", {"op": "replace", "value": {"status": "revoked", "revocationReason": reason}})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the last one last", "the last one first"])
async def test_the_last_mini_badge_completes_the_skill(server: Server, order: tuple[int, int]) -> None:
    """All active mini badges of a skill, in whatever order, make the skill, and all skills the programme, in one request (defect a)."""
    made = await badges(server)
    program, own = await made.program()
    skill = await made.skill(program, 2)
    user = (await made.client.new_user())["id"]
    first, last = (skill.minis[index] for index in order)
    await made.award(user, first)
    assert await made.held(user) == {first}
    final = await made.award(user, last)
    awards = await made.awards(user)
    assert awards.keys() == {*skill.minis, skill.achievement, own}
    assert (awards[skill.achievement]["source"], awards[last]["source"]) == ("automatic", "manual")
    actor = await server.pool.fetchval("SELECT kid FROM credential WHERE tenant = $1 ORDER BY created DESC LIMIT 1", made.client.id)
    assert awards[skill.achievement]["cause"] == {"kind": "award", "award": final["id"], "actor": actor}
    assert awards[own]["cause"] == {"kind": "award", "award": awards[skill.achievement]["id"], "actor": actor}


async def test_automatic_awards_are_the_systems(server: Server) -> None:
    """The change that notes an automatic award names the system, and that of the award which caused it whoever made it (defect f)."""
    made = await badges(server)
    skill = await made.skill((await made.program())[0], 1)
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.minis[0])
    awards = await made.awards(user)
    rows = await server.pool.fetch(
        "SELECT id, actor FROM change WHERE tenant = $1 AND type = 'Award' AND operation = 'create'", made.client.id
    )
    actors = {row["id"]: row["actor"] for row in rows}
    assert actors[awards[skill.achievement]["id"]] == "system"
    assert actors[awards[skill.minis[0]]["id"]] == awards[skill.achievement]["cause"]["actor"]


@pytest.mark.parametrize(("rule", "earned", "complete"), [(None, 1, True), ("any", 1, True), ("all", 1, False), ("all", 2, True)])
async def test_capstones(server: Server, rule: str | None, earned: int, complete: bool) -> None:
    """A programme with required capstones takes any one of them, or all (defect b); they have a kind of their own."""
    made = await badges(server)
    program, own = await made.program(**({} if rule is None else {"capstoneRule": rule}))
    skill = await made.skill(program, 1)
    capstones = [await made.achievement("capstone", program) for _ in range(2)]
    await made.achievement("capstone", program, required=False)
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.minis[0])
    assert own not in await made.held(user)
    for capstone in capstones[:earned]:
        await made.award(user, capstone)
    assert (own in await made.held(user)) is complete


async def test_a_skill_awarded_by_hand_counts(server: Server) -> None:
    """Awarding a skill by hand completes its programme, and so does a mini badge where the skill is held already (defect c)."""
    made = await badges(server)
    program, own = await made.program()
    skill = await made.skill(program, 2)
    other = await made.skill(program, 1)
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.achievement)
    assert own not in await made.held(user)
    await made.award(user, other.achievement)
    awards = await made.awards(user)
    assert own in awards
    for mini in (*skill.minis, *other.minis):
        await made.award(user, mini)
    assert (await made.awards(user))[skill.achievement] == awards[skill.achievement]


async def test_an_empty_skill_is_never_complete(server: Server) -> None:
    """A skill without active mini badges is not awarded, and keeps its programme from being complete."""
    made = await badges(server)
    program, own = await made.program()
    skill, empty = await made.skill(program, 1), await made.skill(program, 1)
    await made.client.patch(f"/Achievements/{empty.minis[0]}", {"op": "replace", "path": "active", "value": False})
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.minis[0])
    assert await made.held(user) == {skill.minis[0], skill.achievement}
    assert own not in await made.held(user)


async def test_programmes_that_share_nothing(server: Server) -> None:
    """What is earned in one programme counts for nothing in another."""
    made = await badges(server)
    (program, own), (other_program, other_own) = await made.program(), await made.program()
    skill, other = await made.skill(program, 1), await made.skill(other_program, 1)
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.minis[0])
    assert await made.held(user) == {skill.minis[0], skill.achievement, own}
    assert {other.achievement, other_own}.isdisjoint(await made.held(user))


# -- changes of the catalogue --------------------------------------------------------------------------------------


async def _retire(made: Badges, skill: Skill) -> None:
    await made.client.patch(f"/Achievements/{skill.minis[1]}", {"op": "replace", "path": "active", "value": False})


async def _unrequire(made: Badges, skill: Skill) -> None:
    await made.client.patch(f"/Achievements/{skill.minis[1]}", {"op": "replace", "path": "required", "value": False})


async def _move(made: Badges, skill: Skill) -> None:
    other = await made.new("BadgeSkill", displayName="Other", program={"value": (await made.program())[0]})
    moved = await made.client.patch(f"/Achievements/{skill.minis[1]}", {"op": "replace", "path": "parent", "value": {"value": other}})
    assert moved.status_code == 200, moved.text


async def _delete(made: Badges, skill: Skill) -> None:
    assert (await made.client.delete(f"/Achievements/{skill.minis[1]}")).status_code == 204


@pytest.mark.parametrize("policy", ["grandfather", "recompute"])
@pytest.mark.parametrize("change", [_retire, _unrequire, _move, _delete])
async def test_a_change_of_the_catalogue_awards_who_is_entitled_now(server: Server, change: Any, policy: str) -> None:
    """Who lacks only what is retired, not required any more, moved away or gone gets the skill, by the background (defect d)."""
    made = await badges(server, badge_catalogue_change=policy)
    skill = await made.skill((await made.program())[0], 2)
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.minis[0])
    await change(made, skill)
    await recomputed(server, made)
    awards = await made.awards(user)
    assert skill.achievement in awards
    assert awards[skill.achievement]["cause"]["kind"] == "catalogue"
    await recomputed(server, made)
    assert await made.awards(user) == awards


@pytest.mark.parametrize(("policy", "stays"), [("grandfather", True), ("recompute", False)])
async def test_a_catalogue_that_grows(server: Server, policy: str, stays: bool) -> None:
    """A new mini badge leaves the skill with who has it, or takes it from them, as the policy says; what was given by hand stays."""
    made = await badges(server, badge_catalogue_change=policy)
    skill = await made.skill((await made.program())[0], 1)
    user, other = [(await made.client.new_user())["id"] for _ in range(2)]
    await made.award(user, skill.minis[0])
    await made.award(other, skill.achievement)
    await made.achievement("mini", skill.id)
    await recomputed(server, made)
    assert (skill.achievement in await made.held(user)) is stays
    assert skill.achievement in await made.held(other)
    shown = (await made.awards(user))[skill.achievement]
    assert shown["status"] == ("active" if stays else "revoked")
    if not stays:
        assert (shown["revokedBy"], shown["revocationReason"]) == ("system", "It does not follow from the catalogue any more")


async def test_changes_that_come_together_are_one_job(server: Server) -> None:
    """A job that waits takes in every further change; for what cannot matter there is none."""
    made = await badges(server, badge_catalogue_change="recompute")
    skill = await made.skill((await made.program())[0], 2)
    waiting = "SELECT count(*) FROM tenant_job WHERE tenant = $1 AND state <> 'done'"
    await recomputed(server, made)
    await made.award((await made.client.new_user())["id"], skill.minis[0])
    await server.app.maintenance.stop()
    await made.achievement("mini")
    await made.client.patch(f"/BadgeSkills/{skill.id}", {"op": "replace", "path": "description", "value": "Another"})
    assert await server.pool.fetchval(waiting, made.client.id) == 0
    for _ in range(3):
        await made.achievement("mini", skill.id)
    assert await server.pool.fetchval(waiting, made.client.id) == 1
    await recomputed(server, made)
    await made.achievement("mini", skill.id)
    assert await server.pool.fetchval(waiting, made.client.id) == 1


async def test_the_first_award_meets_a_change_of_the_catalogue(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows by the catalogue as it is then is awarded, though the change did not see the award."""
    made = await badges(server, badge_catalogue_change="recompute")
    skill = await made.skill((await made.program())[0], 2)
    await recomputed(server, made)
    user = (await made.client.new_user())["id"]
    reached, go, own = asyncio.Event(), asyncio.Event(), progression.held_by

    async def slow(*given: Any) -> Any:
        reached.set()
        await go.wait()
        return await own(*given)

    with monkeypatch.context() as patched:
        patched.setattr(progression, "held_by", slow)
        award = asyncio.create_task(made.award(user, skill.minis[0]))
        await reached.wait()
        retired = {"op": "replace", "path": "active", "value": False}
        assert (await made.client.patch(f"/Achievements/{skill.minis[1]}", retired)).status_code == 200
        go.set()
        await award
    await recomputed(server, made)
    assert skill.achievement in await made.held(user)


# -- revocation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "stays"), [("keep", True), ("cascade", False)])
async def test_revoking_what_others_follow_from(server: Server, policy: str, stays: bool) -> None:
    """Revoking a mini badge keeps the skill and the programme, or revokes them too, each with its own reason (defect e)."""
    made = await badges(server, badge_revocation=policy)
    program, own = await made.program()
    skill = await made.skill(program, 1)
    user = (await made.client.new_user())["id"]
    mini = await made.award(user, skill.minis[0])
    await revoke(made, mini["id"])
    awards = await made.awards(user)
    assert awards[skill.minis[0]]["status"] == "revoked"
    assert {awards[one]["status"] for one in (skill.achievement, own)} == ({"active"} if stays else {"revoked"})
    if not stays:
        assert awards[own]["revocationReason"] == f"It followed from {mini['id']}, which was revoked"
        assert awards[own]["meta"]["version"] == 'W/"2"'
    again = await made.award(user, skill.minis[0])
    assert await made.held(user) == {skill.minis[0], skill.achievement, own}
    held = await made.awards(user, ' and status eq "active"')
    if not stays:
        assert held[skill.achievement]["cause"]["award"] == again["id"]


async def test_a_cascade_after_the_catalogue_grew(server: Server) -> None:
    """What followed from a revoked mini badge goes with it too where the catalogue asks for more by now."""
    made = await badges(server, badge_revocation="cascade")
    program, own = await made.program()
    skill = await made.skill(program, 1)
    user = (await made.client.new_user())["id"]
    mini = await made.award(user, skill.minis[0])
    await made.achievement("mini", skill.id)
    assert await made.held(user) == {skill.minis[0], skill.achievement, own}
    await revoke(made, mini["id"])
    assert await made.held(user) == set()


async def test_a_cascade_from_a_skill_that_somebody_revoked(server: Server) -> None:
    """The programme goes with a skill that was revoked by hand, though the skill's mini badges are still held."""
    made = await badges(server, badge_revocation="cascade")
    skill = await made.skill((await made.program())[0], 1)
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.minis[0])
    await revoke(made, (await made.awards(user))[skill.achievement]["id"])
    assert await made.held(user) == {skill.minis[0]}


async def test_a_cascade_stops_at_what_was_given_by_hand(server: Server) -> None:
    """A skill awarded by hand does not follow from its mini badges, so that it outlasts them, and with it the programme."""
    made = await badges(server, badge_revocation="cascade")
    program, own = await made.program()
    skill = await made.skill(program, 1)
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.achievement)
    mini = await made.award(user, skill.minis[0])
    await revoke(made, mini["id"])
    assert await made.held(user) == {skill.achievement, own}


async def _with_a_skill(server: Server) -> tuple[Badges, str, Skill, str]:
    """A programme of two skills, and a user who has the first of them by its mini badge."""
    made = await badges(server)
    program, _ = await made.program()
    skill = await made.skill(program, 1)
    await made.skill(program, 1)
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.minis[0])
    return made, program, skill, user


async def test_what_somebody_revoked_does_not_come_again_by_itself(server: Server) -> None:
    """A skill that was revoked by hand is not awarded by the next mini badge or recomputation; by hand it can be."""
    made, program, skill, user = await _with_a_skill(server)
    await revoke(made, (await made.awards(user))[skill.achievement]["id"])
    await made.skill(program, 1)
    await recomputed(server, made)
    assert skill.achievement not in await made.held(user)
    await made.award(user, skill.achievement)
    assert skill.achievement in await made.held(user)


async def test_what_was_given_and_taken_can_be_earned(server: Server) -> None:
    """A skill that was awarded by hand and revoked before its mini badges were all held is awarded with the last of them; one that they
    entitled to when it was revoked is not."""
    made = await badges(server)
    program, _ = await made.program()
    skill, other = await made.skill(program, 2), await made.skill(program, 1)
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.minis[0])
    await made.award(user, skill.achievement)
    await revoke(made, (await made.awards(user))[skill.achievement]["id"])
    assert skill.achievement not in await made.held(user)
    await made.award(user, skill.minis[1])
    earned = (await made.awards(user, ' and status eq "active"'))[skill.achievement]
    assert earned["source"] == "automatic"
    await made.award(user, other.achievement)
    await made.award(user, other.minis[0])
    await revoke(made, (await made.awards(user))[other.achievement]["id"])
    await made.skill(program, 1)
    await recomputed(server, made)
    assert await made.held(user) & {skill.achievement, other.achievement} == {skill.achievement}


@pytest.mark.parametrize("damage", ["DELETE FROM award", "UPDATE award SET state = 'active', by_hand = false"])
async def test_what_was_taken_stays_away_after_a_repair(server: Server, damage: str) -> None:
    """`scimsrv verify --repair` makes the rows of revoked awards as they were: a skill that was complete when its award, given by hand or
    automatic, was revoked stays away; one that was not, one that was revoked elsewhere and one whose mini badge was held no more come."""
    made = await badges(server)
    program, _ = await made.program()
    complete_, automatic, early, imported, lost = [await made.skill(program, 1) for _ in range(5)]
    user = (await made.client.new_user())["id"]
    for skill in (complete_, early, lost):
        await made.award(user, skill.achievement)
    await made.award(user, complete_.minis[0])
    await made.award(user, automatic.minis[0])
    taken = await made.award(user, lost.minis[0])
    await revoke(made, taken["id"])
    for skill in (complete_, automatic, early, lost):
        await revoke(made, (await made.awards(user))[skill.achievement]["id"])
    await made.award(user, lost.minis[0])
    await made.award(user, early.minis[0])
    await made.award(user, imported.achievement, status="revoked", revocationReason="Elsewhere", awardedAt="2024-01-01T00:00:00Z")
    await made.award(user, imported.minis[0])
    text = "SELECT achievement, by_hand, state FROM award WHERE tenant = $1 AND state = 'revoked' ORDER BY id"
    before = await server.pool.fetch(text, made.client.id)
    assert {row["achievement"] for row in before if row["by_hand"]} == {complete_.achievement, automatic.achievement}
    await server.pool.execute(f"{damage} WHERE tenant = $1 AND state = 'revoked'", made.client.id)
    connection = await asyncpg.connect(server.settings.owner_url)
    try:
        result = await verify_tenant(connection, made.client.id, ServerKeys.load(server.settings).derive_all(AUDIT_KEY), repair=True)
    finally:
        await connection.close()
    assert ({*result.repaired.kinds}, result.found.total) == ({Kind.AWARD}, 0)
    assert await server.pool.fetch(text, made.client.id) == before
    await made.skill(program, 1)
    await recomputed(server, made)
    assert await made.held(user) & {complete_.achievement, automatic.achievement} == set()


async def test_what_somebody_deleted_comes_again(server: Server) -> None:
    """A deleted automatic award leaves nothing behind: where it still follows, the next recomputation makes it anew."""
    made, program, skill, user = await _with_a_skill(server)
    gone = (await made.awards(user))[skill.achievement]["id"]
    assert (await made.client.delete(f"/Awards/{gone}")).status_code == 204
    assert await made.held(user) == {skill.minis[0]}
    await made.skill(program, 1)
    await recomputed(server, made)
    assert (await made.awards(user))[skill.achievement]["id"] != gone


async def test_a_second_award_is_refused(server: Server) -> None:
    """A live award of the achievement is there already: 409 by its key, whatever the database says in words (defect h)."""
    made = await badges(server)
    user, mini = (await made.client.new_user())["id"], await made.achievement()
    first = await made.award(user, mini)
    again = {"schemas": first["schemas"], "recipient": {"value": user}, "achievement": {"value": mini}}
    assert_error(await made.client.post("/Awards", again), 409, "uniqueness", "The recipient has a live award of this achievement already")
    await revoke(made, first["id"])
    await made.award(user, mini)


@pytest.mark.parametrize("kind", ["mini", "progress"])
async def test_progress_badges_and_others_are_awarded(server: Server, kind: str) -> None:
    """Every kind can be awarded, progress badges too (defect i), with a parent or without."""
    made = await badges(server)
    user = (await made.client.new_user())["id"]
    badge = await made.achievement(kind)
    await made.award(user, badge)
    assert await made.held(user) == {badge}


# -- progress ------------------------------------------------------------------------------------------------------


async def test_progress(server: Server) -> None:
    """How far a user is with each active skill and programme, in whole numbers, for readers and for the user alone."""
    made = await badges(server, me="userName")
    program, own = await made.program(capstoneRule="all")
    skill, other = await made.skill(program, 3), await made.skill(program, 1)
    capstone = await made.achievement("capstone", program)
    retired = await made.skill((await made.program(active=False))[0], 1)
    await made.client.patch(f"/BadgeSkills/{retired.id}", {"op": "replace", "path": "active", "value": False})
    ada = (await made.client.new_user("ada"))["id"]
    for mini in (*skill.minis[:2], *other.minis):
        await made.award(ada, mini)
    answer = await made.client.get(f"/badges/progress/{ada}")
    assert answer.status_code == 200, answer.text
    shown = {one["achievement"]["value"]: one for one in answer.json()["progress"]}
    assert shown.keys() == {own, skill.achievement, other.achievement}
    expected = {skill.achievement: (2, 3, 66, False), other.achievement: (1, 1, 100, True), own: (1, 3, 33, False)}
    for achievement, numbers in expected.items():
        assert tuple(shown[achievement][name] for name in ("earned", "total", "percent", "held")) == numbers
    assert [one["value"] for one in shown[skill.achievement]["missing"]] == [skill.minis[2]]
    assert {one["value"] for one in shown[own]["missing"]} == {skill.achievement, capstone}
    user = made.client.with_token(await server.token(made.client, "scim:me", subject="ada"))
    assert (await user.get(f"/badges/progress/{ada}")).json() == answer.json()
    bob = (await made.client.new_user("bob"))["id"]
    assert_error(await user.get(f"/badges/progress/{bob}"), 404)
    assert_error(await made.client.get("/badges/progress/nobody"), 404)
    assert_error(await made.client.with_token(await server.token(made.client, "scim:write")).get(f"/badges/progress/{bob}"), 403)
    plain = await server.tenant()
    assert_error(await plain.get(f"/badges/progress/{ada}"), 404)
