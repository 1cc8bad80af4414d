"""Each position of the switches about badges, by what a client sees of it."""

from __future__ import annotations

from scimsrv.schema.badging import TYPES
from tests.wire.badges import USER_EXTENSION, Badges, Skill, badges, recomputed
from tests.wire.support import Server, assert_error


async def _earned(server: Server, **switches: str) -> tuple[Badges, Skill, str]:
    """A user with a skill that followed from its one mini badge."""
    made = await badges(server, **switches)
    await server.app.maintenance.stop()
    skill = await made.skill((await made.program())[0], 1)
    user = (await made.client.new_user(displayName="Ada"))["id"]
    await made.award(user, skill.minis[0])
    return made, skill, user


async def test_badges_on(server: Server) -> None:
    """The types are there, and users have the extension."""
    made = await badges(server)
    types = {one["name"]: one for one in (await made.client.get("/ResourceTypes")).json()["Resources"]}
    assert types.keys() >= {*TYPES}
    assert USER_EXTENSION in [one["schema"] for one in types["User"]["schemaExtensions"]]


async def test_badges_off(server: Server) -> None:
    """There is nothing of badges."""
    client = await server.tenant(badges=False)
    types = {one["name"]: one for one in (await client.get("/ResourceTypes")).json()["Resources"]}
    assert types.keys().isdisjoint(TYPES)
    assert USER_EXTENSION not in [one["schema"] for one in types["User"]["schemaExtensions"]]
    assert_error(await client.get("/Awards"), 404)


async def _grown(server: Server, policy: str) -> str:
    """The status of the skill's award after the skill got another mini badge."""
    made, skill, user = await _earned(server, badge_catalogue_change=policy)
    await made.achievement("mini", skill.id)
    await recomputed(server, made)
    status: str = (await made.awards(user))[skill.achievement]["status"]
    return status


async def test_badge_catalogue_change_grandfather(server: Server) -> None:
    """What was earned stays earned."""
    assert await _grown(server, "grandfather") == "active"


async def test_badge_catalogue_change_recompute(server: Server) -> None:
    """What does not follow any more is revoked."""
    assert await _grown(server, "recompute") == "revoked"


async def _after_revocation(server: Server, policy: str) -> str:
    """The status of the skill's award after the mini badge was revoked."""
    made, skill, user = await _earned(server, badge_revocation=policy)
    mini = (await made.awards(user))[skill.minis[0]]["id"]
    await made.client.patch(f"/Awards/{mini}", {"op": "replace", "value": {"status": "revoked", "revocationReason": "By mistake"}})
    status: str = (await made.awards(user))[skill.achievement]["status"]
    return status


async def test_badge_revocation_keep(server: Server) -> None:
    """The skill outlasts the mini badge."""
    assert await _after_revocation(server, "keep") == "active"


async def test_badge_revocation_cascade(server: Server) -> None:
    """The skill goes with the mini badge."""
    assert await _after_revocation(server, "cascade") == "revoked"


async def _after_deletion(server: Server, policy: str) -> tuple[str, list[dict[str, str]]]:
    """A user who was deleted, and the recipients of the awards that are left."""
    made, _, user = await _earned(server, badge_recipient_deletion=policy)
    assert (await made.client.delete(f"/Users/{user}")).status_code == 204
    return user, [one["recipient"] for one in (await made.client.get("/Awards")).json()["Resources"]]


async def test_badge_recipient_deletion_keep(server: Server) -> None:
    """The awards stay with id and name."""
    user, recipients = await _after_deletion(server, "keep")
    assert recipients == [{"value": user, "display": "Ada"}] * 3


async def test_badge_recipient_deletion_pseudonymise(server: Server) -> None:
    """The awards stay without the person."""
    user, recipients = await _after_deletion(server, "pseudonymise")
    assert len(recipients) == 3
    assert recipients == [{"value": recipients[0]["value"]}] * 3
    assert recipients[0]["value"] != user


async def test_badge_recipient_deletion_delete(server: Server) -> None:
    """The awards go."""
    assert (await _after_deletion(server, "delete"))[1] == []
