"""How far somebody is with the skills and programmes of a catalogue, in whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from scimsrv.badges.catalogue import progress
from scimsrv.schema.badging import ACHIEVEMENT
from scimsrv.schema.document import Document
from scimsrv.schema.search import display
from scimsrv.store.progression import held_by, whole_catalogue
from scimsrv.store.queries import load
from scimsrv.store.read import not_found
from scimsrv.store.scope import Scope

_SQL = load("badges")

URN: Final = "urn:scimsrv:scim:api:messages:1.0:BadgeProgress"


async def progress_of(scope: Scope, user: str, at: datetime) -> dict[str, Any]:
    """The user's progress with each active skill and programme: parts held and in all, whole percent rounded down, what is missing, and
    whether its achievement is held at this time. Raises ScimError 404 where there is no such user."""
    async with scope.pool.acquire() as conn, conn.transaction():
        if "User" not in [row["type"] for row in await conn.fetch(_SQL["documents"], scope.tenant, [user])]:
            raise not_found(scope.catalog.by_name["User"], user)
        branch = await whole_catalogue(conn, scope.tenant)
        held = (await held_by(conn, scope.tenant, [user], at))[user].achievements
    achievements = branch.achievements

    def about(id_: str) -> dict[str, Any]:
        return _reference(scope, id_, achievements)

    shown = []
    for node in branch.catalogue.nodes:
        if node.active:
            made = progress(node, held)
            one = {"achievement": about(node.achievement), "kind": achievements[node.achievement]["kind"]}
            one |= {"held": node.achievement in held, "earned": made.earned, "total": made.total, "percent": made.percent}
            shown.append(one | {"missing": [about(missing) for missing in made.missing if missing in achievements]})
    shown.sort(key=lambda one: (one["kind"], one["achievement"]["value"]))
    return {"schemas": [URN], "user": user, "progress": shown}


def _reference(scope: Scope, id_: str, achievements: Mapping[str, Document]) -> dict[str, Any]:
    called = display(achievements[id_])
    reference = {"value": id_, "$ref": f"{scope.base_url}{scope.catalog.by_name[ACHIEVEMENT].endpoint}/{id_}"}
    return reference if called is None else reference | {"display": called}
