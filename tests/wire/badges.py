"""A tenant with badges: clients that build catalogues, award and ask, for the tests of badges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from scimsrv.store.rework import rework
from tests.wire.support import Client, Server

URN: Final = "urn:scimsrv:scim:schemas:badges:1.0:"
USER_EXTENSION: Final = "urn:scimsrv:scim:schemas:extension:badges:1.0:User"

#: What a token that awards and decides may do.
ALL: Final = ("scim:read", "scim:write", "scim:bulk", "badges:issue", "badges:approve")


@dataclass(frozen=True)
class Badges:
    """A client with all rights of a tenant with badges, and its issuer's id."""

    client: Client
    issuer: str

    async def new(self, type_: str, **attributes: Any) -> str:
        """Create a badge resource; its id."""
        made = await self.client.post(f"/{type_}s", {"schemas": [URN + type_], **attributes})
        assert made.status_code == 201, made.text
        id_: str = made.json()["id"]
        return id_

    async def achievement(self, kind: str = "mini", parent: str | None = None, **attributes: Any) -> str:
        """Create an achievement; its id."""
        above = {} if parent is None else {"parent": {"value": parent}}
        return await self.new("Achievement", **achievement(self.issuer, kind, **above, **attributes))

    async def skill(self, program: str, minis: int, **attributes: Any) -> Skill:
        """Create a skill with its achievement and so many mini badges."""
        id_ = await self.new("BadgeSkill", displayName="Skill", program={"value": program}, **attributes)
        own = await self.achievement("skill", id_)
        return Skill(id_, own, [await self.achievement("mini", id_) for _ in range(minis)])

    async def program(self, **attributes: Any) -> tuple[str, str]:
        """Create a programme with its achievement; the ids of both."""
        id_ = await self.new("BadgeProgram", displayName="Programme", **attributes)
        return id_, await self.achievement("program", id_)

    async def award(self, user: str, achievement_: str, **attributes: Any) -> dict[str, Any]:
        """Award an achievement; the award."""
        answer = await self.client.post("/Awards", award(user, achievement_, **attributes))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def awards(self, user: str, filter_: str = "") -> dict[str, dict[str, Any]]:
        """The user's awards by their achievement."""
        found = await self.client.get("/Awards", filter=f'recipient.value eq "{user}"{filter_}', count=1000)
        assert found.status_code == 200, found.text
        return {one["achievement"]["value"]: one for one in found.json()["Resources"]}

    async def held(self, user: str) -> set[str]:
        """The achievements of the user's active awards."""
        return set(await self.awards(user, ' and status eq "active"'))


@dataclass(frozen=True)
class Skill:
    """A skill's id, its own achievement and its mini badges."""

    id: str
    achievement: str
    minis: list[str]


async def badges(server: Server, **switches: Any) -> Badges:
    """A tenant with badges."""
    client = await server.tenant(badges=True, **switches)
    client = client.with_token(await server.token(client, *ALL))
    made = await client.post("/BadgeIssuers", {"schemas": [URN + "BadgeIssuer"], "displayName": "Institute"})
    assert made.status_code == 201, made.text
    return Badges(client, made.json()["id"])


async def recomputed(server: Server, made: Badges) -> None:
    """Carry out the background work of the tenant, in the place of the server's own, however long other transactions keep it waiting."""
    await server.app.maintenance.stop()
    due = "SELECT count(*) FROM tenant_job WHERE tenant = $1 AND state IN ('waiting', 'running')"
    while await rework(server.pool, made.client.id, settled=0) or await server.pool.fetchval(due, made.client.id):
        pass


def achievement(issuer: str, kind: str = "mini", **attributes: Any) -> dict[str, Any]:
    """The body of an achievement."""
    return {
        "schemas": [URN + "Achievement"],
        "displayName": f"A {kind}",
        "kind": kind,
        "description": "What it stands for.",
        "criteria": {"narrative": "Do it."},
        "creator": {"value": issuer},
    } | attributes


def award(user: str, achievement_: str, **attributes: Any) -> dict[str, Any]:
    """The body of an award."""
    return {"schemas": [URN + "Award"], "recipient": {"value": user}, "achievement": {"value": achievement_}} | attributes
