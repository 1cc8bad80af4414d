"""Progression in the database: what follows from somebody's awards is awarded in the same transaction, and revoked where policy says so.

The recipients' rows are locked before their awards are read. Two transactions that each award one of the last two mini badges of a skill
would otherwise each see the other's missing, and nobody would award the skill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson

from scimsrv.badges.award import AUTOMATIC, SYSTEM, Origin, RevokedAward, awarded, recipient_of, revoked
from scimsrv.badges.catalogue import WHOLES, Catalogue, Node, Step, bereft, build, complete, steps
from scimsrv.badges.exclusive import live_key
from scimsrv.schema import validate
from scimsrv.schema.badging import ACHIEVEMENT, AWARD, PROGRAM, SKILL
from scimsrv.schema.document import Document
from scimsrv.store.awarding import award_created, award_revoked, new_award
from scimsrv.store.connection import Connection
from scimsrv.store.inserting import NewResource, insert_all, rendered
from scimsrv.store.queries import load
from scimsrv.store.referring import rewrite
from scimsrv.store.scope import Scope, new_id

_SQL = load("badges")


@dataclass(slots=True)
class Held:
    """What somebody holds: live awards by their achievement, which of these follow from others, and the achievements whose awards somebody
    revoked although they were earned, so that they do not come again by themselves."""

    live: dict[str, str] = field(default_factory=dict)
    automatic: set[str] = field(default_factory=set)
    barred: set[str] = field(default_factory=set)

    @property
    def achievements(self) -> frozenset[str]:
        """The achievements that are held."""
        return frozenset(self.live)

    @property
    def given(self) -> frozenset[str]:
        """Those of them that somebody awarded."""
        return frozenset(self.live.keys() - self.automatic)

    def within(self, catalogue: Catalogue) -> Catalogue:
        """The catalogue without what is barred."""
        return Catalogue(tuple(node for node in catalogue.nodes if node.achievement not in self.barred - self.live.keys()))


@dataclass(frozen=True, slots=True)
class Branch:
    """Part of a catalogue, and the documents of its achievements by their ids."""

    catalogue: Catalogue
    achievements: Mapping[str, Document]

    def node(self, achievement: str) -> Node | None:
        """The skill or programme whose achievement this is."""
        return next((node for node in self.catalogue.nodes if node.achievement == achievement), None)


async def branch_of(conn: Connection, tenant: int, achievements: Iterable[str]) -> Branch:
    """What these achievements can matter for."""
    return _branch(await conn.fetch(_SQL["branch"], tenant, sorted({*achievements})))


async def whole_catalogue(conn: Connection, tenant: int) -> Branch:
    """All skills and programmes."""
    return _branch(await conn.fetch(_SQL["catalogue"], tenant))


def _branch(rows: Iterable[Any]) -> Branch:
    held: dict[str, dict[str, Document]] = {PROGRAM: {}, SKILL: {}, ACHIEVEMENT: {}}
    for row in rows:
        held[row["type"]][row["id"]] = orjson.loads(row["document"])
    return Branch(build(held[PROGRAM], held[SKILL], held[ACHIEVEMENT]), held[ACHIEVEMENT])


async def held_by(conn: Connection, tenant: int, users: Iterable[str], at: datetime) -> dict[str, Held]:
    """What each of the users, whose rows are locked, holds at this time."""
    ids = sorted({*users})
    found = {id_: Held() for id_ in ids}
    for row in await conn.fetch(_SQL["held"], tenant, ids, at):
        held = found[row["recipient"]]
        if row["by_hand"]:
            held.barred.add(row["achievement"])
            continue
        held.live[row["achievement"]] = row["id"]
        if row["automatic"]:
            held.automatic.add(row["achievement"])
    return found


async def progress(
    scope: Scope, conn: Connection, new: Mapping[str, Sequence[tuple[str, str]]], users: Mapping[str, Document], at: datetime
) -> None:
    """Award what follows from new awards: by their recipients, (achievement, award) in their order. `users` are the recipients' documents;
    they are locked."""
    branch = await branch_of(conn, scope.tenant, (achievement for awards in new.values() for achievement, _ in awards))
    if not branch.catalogue.nodes:
        return
    held = await held_by(conn, scope.tenant, new, at)
    due = {
        user: steps(held[user].within(branch.catalogue), held[user].achievements, [achievement for achievement, _ in awards])
        for user, awards in new.items()
    }
    causes = {user: dict(awards) for user, awards in new.items()}
    await award_steps(scope, conn, branch, due, causes, users, at)


async def award_steps(
    scope: Scope,
    conn: Connection,
    branch: Branch,
    due: Mapping[str, Sequence[Step]],
    causes: Mapping[str, Mapping[str, str]],
    users: Mapping[str, Document],
    at: datetime,
) -> int:
    """Store automatic awards, which are the system's; returns how many. `due` has the steps of each recipient, `causes` the awards that
    may have caused them, by recipient and achievement; a step without one follows from the catalogue."""
    schema = scope.catalog.by_name[AWARD]
    system = replace(scope, actor=SYSTEM)
    wanted = {step.achievement for following in due.values() for step in following}
    if not wanted:
        return 0
    there = await hold(conn, scope.tenant, wanted | {branch.achievements[one]["creator"]["value"] for one in wanted})
    made: list[tuple[str, Document]] = []
    for user, following in due.items():
        ids = dict(causes.get(user, {}))
        for step in following:
            achievement = branch.achievements[step.achievement]
            creator = achievement["creator"]
            if step.achievement not in there or creator["value"] not in there:
                continue  # deleted meanwhile
            ids[step.achievement] = id_ = new_id()
            cause = None if step.because is None else ids.get(step.because)
            document = _automatic(scope, creator, user, step.achievement)
            origin = Origin(AUTOMATIC, cause, scope.actor)
            document = awarded(document, recipient_of(user, users[user]), achievement, there[creator["value"]], origin, at)
            document = validate.complete(document, schema, scope.limits)
            made.append((user, {"schemas": document["schemas"], "id": id_} | document))
    if not made:
        return 0
    claims = [live_key(user, document["achievement"]["value"]) for user, document in made]
    await conn.execute(_SQL["release_expired"], scope.tenant, sorted(claims), at)
    new = [NewResource(document["id"], schema, rendered(scope, schema, document, at)) for _, document in made]
    await insert_all(system, conn, new, at)
    await award_created(conn, system, [new_award(document, recipient_of(user, users[user])) for user, document in made])
    return len(made)


def _automatic(scope: Scope, creator: Document, user: str, achievement: str) -> Document:
    """The references of an automatic award, below the base URL that the achievement's own reference has: the background knows none."""
    base = creator["$ref"].rsplit("/", 2)[0]
    types = scope.catalog.by_name

    def reference(type_: str, id_: str) -> Document:
        return {"value": id_, "$ref": f"{base}{types[type_].endpoint}/{quote(id_, safe='')}"}

    issuer = {"value": creator["value"], "$ref": creator["$ref"]}
    return {"recipient": reference("User", user), "achievement": reference(ACHIEVEMENT, achievement), "issuer": issuer}


async def is_earned(scope: Scope, conn: Connection, award: Document, at: datetime) -> bool:
    """Whether an award follows from what its recipient, who is locked, holds beside it; or came about because it did."""
    if award["source"] == AUTOMATIC:
        return True
    recipient, node = award["recipient"]["value"], await whole_of(conn, scope.tenant, award["achievement"]["value"])
    return node is not None and complete(node, (await held_by(conn, scope.tenant, [recipient], at))[recipient].achievements)


async def whole_of(conn: Connection, tenant: int, achievement: str) -> Node | None:
    """The skill or programme whose achievement this is; None where it is another kind of achievement, which follows from nothing."""
    kinds = [orjson.loads(row["document"])["kind"] for row in await conn.fetch(_SQL["documents"], tenant, [achievement])]
    return (await branch_of(conn, tenant, [achievement])).node(achievement) if {*kinds} & WHOLES else None


async def cascade(scope: Scope, conn: Connection, gone: Iterable[RevokedAward], at: datetime) -> None:
    """Revoke the automatic awards that no longer follow, now that these are revoked. The recipients are locked."""
    lost: dict[str, list[RevokedAward]] = {}
    for one in gone:
        lost.setdefault(one.recipient, []).append(one)
    branch = await branch_of(conn, scope.tenant, (one.achievement for awards in lost.values() for one in awards))
    held = await held_by(conn, scope.tenant, lost, at)
    reasons: dict[str, str] = {}
    for user, awards in lost.items():
        has = held[user]
        lacking = bereft(
            has.within(branch.catalogue), has.achievements, frozenset(has.automatic), frozenset(one.achievement for one in awards)
        )
        cause = ", ".join(one.id for one in awards)
        reasons |= {has.live[one]: f"It followed from {cause}, which was revoked" for one in sorted(lacking)}
    await revoke(scope, conn, reasons, at)


async def revoke(scope: Scope, conn: Connection, reasons: Mapping[str, str], at: datetime) -> None:
    """Revoke active awards, by their ids with the reason of each, because others were revoked or the catalogue changed."""
    if not reasons:
        return
    system = replace(scope, actor=SYSTEM)
    rows = await conn.fetch(load("resources")["lock_documents"], scope.tenant, sorted(reasons))
    names = ["revocationReason", "revokedAt", "revokedBy", "status"]
    for row in rows:
        change = partial(revoked, reason=reasons[row["id"]], actor=SYSTEM, at=at)
        await rewrite(system, conn, scope.catalog.by_name[AWARD], [row], names, change)
    await award_revoked(conn, system, dict.fromkeys(reasons, at), barred=())


async def hold(conn: Connection, tenant: int, ids: Iterable[str]) -> dict[str, Document]:
    """The documents of these resources, by id, which cannot be deleted until this transaction ends; without those that are gone."""
    rows = await conn.fetch(_SQL["hold"], tenant, sorted({*ids}))
    return {row["id"]: orjson.loads(row["document"]) for row in rows}
