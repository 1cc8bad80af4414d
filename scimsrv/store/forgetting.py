"""Deleting what badges rest on: users leave awards behind as the policy says, and a catalogue cannot lose what was awarded or asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import orjson

from scimsrv.badges import request
from scimsrv.badges.award import SYSTEM
from scimsrv.badges.catalogue import decides
from scimsrv.badges.rights import check_own, check_request
from scimsrv.errors import Kind, ScimError
from scimsrv.schema.badging import AWARD, CATALOGUE, REQUEST
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.search import containing
from scimsrv.schema.semantics import key_of, timestamp
from scimsrv.schema.validate import shorten
from scimsrv.store import wallet
from scimsrv.store.applications import withdraw
from scimsrv.store.awarding import award_revoked, awards_forgotten
from scimsrv.store.connection import Connection
from scimsrv.store.progression import cascade
from scimsrv.store.queries import load
from scimsrv.store.recomputing import catalogue_changed
from scimsrv.store.referring import rewrite
from scimsrv.store.rendition import keys_held, modified_key
from scimsrv.store.scope import Scope, new_id, now

_SQL, _RESOURCES, _TOMBSTONES = load("badges"), load("resources"), load("tombstones")

#: What may refer to a part of a catalogue: the type and attribute, by the type of the part.
_USED_BY: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "BadgeIssuer": (("Award", "issuer"), ("Achievement", "creator")),
    "BadgeProgram": (("BadgeSkill", "program"), ("Achievement", "parent")),
    "BadgeSkill": (("Achievement", "parent"),),
    "Achievement": (("Award", "achievement"), ("BadgeRequest", "achievement")),
}


async def before_deletion(scope: Scope, conn: Connection, schema: EffectiveSchema, id_: str) -> None:
    """Do what belongs to the deletion of a user or a badge resource, whose row is locked; so is the user whom it is about.

    Raises ScimError 409 for a part of the catalogue that something refers to, 403 and 404 for what whoever asks may not delete.
    """
    if not scope.catalog.policy.badges:
        return
    match schema.name:
        case "User":
            await _forget_user(scope, conn, id_)
        case "Award":
            rows = await conn.fetch(_RESOURCES["lock_documents"], scope.tenant, [id_])
            gone = await award_revoked(conn, scope, {id_: now()}, barred=[id_])
            if scope.catalog.policy.badge_revocation == "cascade":
                await cascade(scope, conn, gone, now())
            await _drop_references(scope, conn, REQUEST, rows, "request", "award")
            await awards_forgotten(conn, scope, [id_], None)
        case "BadgeRequest":
            rows = await conn.fetch(_RESOURCES["lock_documents"], scope.tenant, [id_])
            document = orjson.loads(rows[0]["document"])
            if scope.own is not None:
                check_own(document, None, scope.own)
            else:
                check_request(document, None, scope.scopes)
            await _drop_references(scope, conn, AWARD, rows, "award", "request")
        case name if name in _USED_BY:
            await _refuse_used(scope, conn, schema, id_)
            rows = await conn.fetch(_RESOURCES["lock_documents"], scope.tenant, [id_])
            if name in CATALOGUE and decides(name, orjson.loads(rows[0]["document"]), None, less=True):
                await catalogue_changed(scope, conn)


def ends(scope: Scope, schema: EffectiveSchema) -> bool:
    """Whether what is deleted of this type cannot be brought back: a deleted award was revoked, and nothing leads out of that."""
    return scope.catalog.policy.badges and schema.name == AWARD


async def after_restoration(scope: Scope, conn: Connection, schema: EffectiveSchema, id_: str) -> None:
    """Let the awards and requests that a deleted user left behind refer to the user again, who was just brought back."""
    if not scope.catalog.policy.badges or schema.name != "User":
        return
    awards, requests = await _of_user(scope, conn, id_)
    await conn.execute(_SQL["tie"], scope.tenant, [row["id"] for row in awards], id_)
    user = quote(id_, safe="")

    def referring(document: Document, name: str) -> Document:
        base = document["achievement"]["$ref"].rsplit("/", 2)[0]
        return document | {name: document[name] | {"$ref": f"{base}{schema.endpoint}/{user}"}}

    await rewrite(scope, conn, scope.catalog.by_name[AWARD], awards, ["recipient"], partial(referring, name="recipient"))
    await rewrite(scope, conn, scope.catalog.by_name[REQUEST], requests, ["requester"], partial(referring, name="requester"))


async def _refuse_used(scope: Scope, conn: Connection, schema: EffectiveSchema, id_: str) -> None:
    for type_, attribute in _USED_BY[schema.name]:
        sought = orjson.dumps({attribute: {"value": id_}}).decode()
        rows = await conn.fetch(_RESOURCES["count_pointing"], scope.tenant, type_, sought, id_, 1_001, True)
        if rows:
            number = f"{rows[0]['resources']}" if rows[0]["resources"] <= 1_000 else "more than 1000"
            raise ScimError(
                Kind.CONFLICT,
                f"{schema.name} {shorten(id_)} cannot be deleted: {attribute} of {number} {type_} resources names it, such as"
                f" {shorten(rows[0]['example'])}. What was awarded stays; make it inactive instead",
            )


async def _drop_references(scope: Scope, conn: Connection, type_: str, rows: Sequence[Any], name: str, back: str) -> None:
    """Take the reference back to a resource that is being deleted from what it names itself."""
    ids = sorted({held["value"] for row in rows if (held := orjson.loads(row["document"]).get(name))})
    others = await conn.fetch(_RESOURCES["lock_documents"], scope.tenant, ids)
    schema = scope.catalog.by_name[type_]
    await rewrite(scope, conn, schema, others, [back], lambda document: {key: part for key, part in document.items() if key != back})


async def _forget_user(scope: Scope, conn: Connection, user: str) -> None:
    """Make of a deleted user's awards and requests what the policy says."""
    awards, requests = await _of_user(scope, conn, user)
    ids = [row["id"] for row in awards]
    await conn.execute(_SQL["untie"], scope.tenant, ids)
    await withdraw(conn, scope.tenant, user, None, scope.by, "The user was deleted")
    match scope.catalog.policy.badge_recipient_deletion:
        case "keep":
            await _rewrite_all(scope, conn, awards, requests, _without_ref)
        case "pseudonymise":
            await wallet.forget(scope, conn, user)
            await _pseudonymise(scope, conn, awards, requests)
        case "delete":
            await wallet.forget(scope, conn, user)
            await award_revoked(conn, scope, dict.fromkeys(ids, now()), barred=())
            await _delete(scope, conn, scope.catalog.by_name[AWARD], awards)
            await awards_forgotten(conn, scope, ids, None)
            await _delete(scope, conn, scope.catalog.by_name[REQUEST], requests)


async def _pseudonymise(scope: Scope, conn: Connection, awards: list[Any], requests: list[Any]) -> None:
    pseudonym = f"gone-{new_id()}"
    await _rewrite_all(scope, conn, awards, requests, partial(_pseudonymised, pseudonym=pseudonym))
    await awards_forgotten(conn, scope, [row["id"] for row in awards], pseudonym)


async def forget_person(scope: Scope, conn: Connection, user: str) -> list[tuple[str, str]]:
    """Put a pseudonym in the place of a deleted user who is to be erased, in the awards and requests that were kept; requests that were
    deleted cannot be brought back any more. The types and ids of all these, whose former versions still say who it was. In a
    transaction."""
    # Both may be there from before badges were switched off.
    await wallet.forget(scope, conn, user)
    gone = [(REQUEST, row["id"]) for row in await conn.fetch(_TOMBSTONES["erase_telling"], scope.tenant, user, [REQUEST])]
    if not scope.catalog.policy.badges:
        return gone
    awards, requests = await _of_user(scope, conn, user)
    await _pseudonymise(scope, conn, awards, requests)
    return [*gone, *((AWARD, row["id"]) for row in awards), *((REQUEST, row["id"]) for row in requests)]


async def _of_user(scope: Scope, conn: Connection, user: str) -> tuple[list[Any], list[Any]]:
    """The rows of a user's awards and requests, locked."""
    awards = await conn.fetch(_SQL["lock_awards_of"], scope.tenant, user)
    place = scope.catalog.by_name[REQUEST].resolve("requester.value")
    if place is None:
        raise AssertionError("requests say who asks")
    sought = orjson.dumps(containing(place.whole, {place.leaf.search_key: key_of(place.leaf, user)})).decode()
    return awards, await conn.fetch(_RESOURCES["pointing_at"], scope.tenant, REQUEST, sought, True, user, None)


async def _rewrite_all(
    scope: Scope, conn: Connection, awards: list[Any], requests: list[Any], change: Callable[[Document, str], Document]
) -> None:
    at = timestamp(now())

    def closed(document: Document) -> Document:
        made = change(document, "requester")
        if document["status"] != request.PENDING:
            return made
        end = {"status": request.WITHDRAWN, "decidedAt": at, "decidedBy": SYSTEM, "reason": "The requester was deleted"}
        return made | end

    await rewrite(scope, conn, scope.catalog.by_name[AWARD], awards, ["recipient"], lambda document: change(document, "recipient"))
    await rewrite(scope, conn, scope.catalog.by_name[REQUEST], requests, ["requester", "status"], closed)


def _without_ref(document: Document, name: str) -> Document:
    return document | {name: {part: value for part, value in document[name].items() if part != "$ref"}}


def _pseudonymised(document: Document, name: str, pseudonym: str) -> Document:
    """Without who it was, and without what was written by or about them."""
    personal = ("statement", "narrative", "evidence", "licenseNumber", "externalId")
    return {key: value for key, value in document.items() if key not in personal} | {name: {"value": pseudonym}}


async def _delete(scope: Scope, conn: Connection, schema: EffectiveSchema, rows: Iterable[Any]) -> None:
    """Delete resources whose rows are locked, and to which nothing refers."""
    indexes, dated, at = scope.catalog.indexes_of(schema), scope.catalog.of_modified.get(schema.name), now()
    for row in rows:
        keys = [(key.number, key.key) for key in keys_held(row["search"], indexes)]
        keys += [] if dated is None else [(dated, modified_key(row["modified"]))]
        await conn.executemany(_RESOURCES["drop_key"], [(scope.tenant, number, key, row["id"]) for number, key in sorted(keys)])
        await conn.fetch(
            _RESOURCES["delete_resource"],
            *(scope.tenant, row["id"], schema.name, at, scope.by, row["version"] + 1, scope.count_slot(), False, False, False),
            *(None, False, None, None),
        )
