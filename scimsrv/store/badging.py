"""What writing a badge resource takes beside its row: who it is about is locked, the rules of badges are asked, and what follows is done.

Every writer calls these in its transaction: `lock` first of all, `admit` or `amend` before the resource is stored, `settle` or `changed`
after it. A user is locked before any of their awards and requests, so that nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from scimsrv.badges import award, request
from scimsrv.badges.award import Origin, awarded, recipient_of
from scimsrv.badges.catalogue import decides
from scimsrv.badges.checking import check_catalogue, check_evidence
from scimsrv.badges.exclusive import exclusive_keys
from scimsrv.badges.rights import check_own, check_request
from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.schema import document as doc
from scimsrv.schema.badging import AWARD, CATALOGUE, ISSUER, REQUEST, TYPES
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.semantics import instant, key_of
from scimsrv.schema.validate import complete, shorten, typed_keys
from scimsrv.store.awarding import award_created, award_revoked, new_award
from scimsrv.store.connection import Connection
from scimsrv.store.inserting import NewResource, insert_all, rendered
from scimsrv.store.progression import cascade, hold, is_earned, progress
from scimsrv.store.queries import load
from scimsrv.store.recomputing import catalogue_changed
from scimsrv.store.scope import Scope, new_id, now

_SQL = load("badges")

#: The users that a write is about, by id: their documents, whose rows are locked.
Users = dict[str, Document]


def concerns(scope: Scope, schema: EffectiveSchema) -> bool:
    """Whether resources of the type are badge resources."""
    return scope.catalog.policy.badges and schema.name in TYPES


async def lock(scope: Scope, conn: Connection, documents: Iterable[Document]) -> Users:
    """Lock the users whom new awards and requests are about; those that do not exist (yet) are left out."""
    about = (document.get("recipient") or document.get("requester") or {} for document in documents)
    return await _lock(scope, conn, sorted({one["value"] for one in about if one}))


async def lock_of(scope: Scope, conn: Connection, id_: str) -> Users:
    """Lock the user whom a stored award or request is about; it never changes who that is."""
    row = await conn.fetchrow(_SQL["recipient"], scope.tenant, id_)
    return await _lock(scope, conn, [row["id"]] if row is not None and row["id"] is not None else [])


async def _lock(scope: Scope, conn: Connection, ids: Sequence[str]) -> Users:
    rows = await conn.fetch(_SQL["lock_recipients"], scope.tenant, ids) if ids else []
    return {row["id"]: orjson.loads(row["document"]) for row in rows}


async def admit(
    scope: Scope, conn: Connection, new: Sequence[tuple[EffectiveSchema, Document]], users: Mapping[str, Document], at: datetime
) -> dict[str, Document | ScimError]:
    """From what clients send of new badge resources, whose references have their `$ref`, to what is stored, by id; or why it cannot be.
    They may refer to each other."""
    known = {document["id"]: document for _, document in new} | dict(users)
    about = [(schema, document) for schema, document in new if schema.name not in CATALOGUE]
    named = {pointer["value"] for schema, document in about for pointer in _pointers(schema, document)}
    claims = sorted(key for schema, document in about if schema.name == AWARD for _, key in exclusive_keys(document, schema))
    creators = {one["creator"]["value"] for one in known.values() if "creator" in one}
    if named or claims:
        rows = await conn.fetch(_SQL["named"], scope.tenant, sorted((named | creators) - known.keys()), claims, at)
        known |= {row["id"]: orjson.loads(row["document"]) for row in rows}
    made: dict[str, Document | ScimError] = {}
    for schema, document in new:
        try:
            made[document["id"]] = _admitted(scope, schema, document, known, at)
        except ScimError as error:
            made[document["id"]] = error
    return made


def _admitted(scope: Scope, schema: EffectiveSchema, document: Document, known: Mapping[str, Document], at: datetime) -> Document:
    _check_pointers(schema, document)
    match schema.name:
        case "Award":
            check_evidence(document)
            achievement = known[document["achievement"]["value"]]
            if "issuer" not in document:
                document = document | {"issuer": achievement["creator"]}
            issuer = known.get(document["issuer"]["value"])
            if issuer is None:  # deleted meanwhile
                raise invalid_value("issuer: the creator of the achievement does not exist any more")
            recipient = recipient_of(document["recipient"]["value"], known[document["recipient"]["value"]])
            return awarded(document, recipient, achievement, issuer, Origin(actor=scope.actor), at)
        case "BadgeRequest":
            if "requester" not in document:
                raise invalid_value("requester is required: the user who asks")
            user = document["requester"]["value"]
            _check_rights(scope, None, document)
            check_evidence(document)
            return request.submitted(document, recipient_of(user, known[user]), known[document["achievement"]["value"]], at)
        case _:
            check_catalogue(schema.name, document, scope.base_url)
            return document


async def settle(
    scope: Scope, conn: Connection, new: Sequence[tuple[EffectiveSchema, Document]], users: Mapping[str, Document], at: datetime
) -> None:
    """Do what belongs to new badge resources, which are stored."""
    awards = [
        new_award(document, recipient_of(document["recipient"]["value"], users[document["recipient"]["value"]]))
        for schema, document in new
        if schema.name == AWARD
    ]
    if awards:
        await award_created(conn, scope, awards)
        ended = {one.id: one.document for one in awards if one.document["status"] == award.REVOKED}
        if ended:  # nothing follows from what was revoked elsewhere
            times = {id_: instant(document["revokedAt"]) for id_, document in ended.items()}
            await award_revoked(conn, scope, times, barred=())
        following: dict[str, list[tuple[str, str]]] = {}
        for one in awards:
            if one.id in ended:
                continue
            following.setdefault(one.recipient.value, []).append((one.achievement, one.id))
        await progress(scope, conn, following, users, at)
    less = scope.catalog.policy.badge_catalogue_change == "recompute"
    if any(schema.name in CATALOGUE and decides(schema.name, None, document, less=less) for schema, document in new):
        await catalogue_changed(scope, conn)


async def amend(
    scope: Scope, conn: Connection, schema: EffectiveSchema, before: Document, after: Document, users: Mapping[str, Document]
) -> Document:
    """From what a client makes of a stored badge resource to what is stored of it."""
    if schema.name == REQUEST and scope.own is not None:  # another's is not there, also where nothing would change
        check_own(before, after, scope.own)
    if before == after:
        return after
    at = now()
    match schema.name:
        case "Award":
            return award.amended(before, after, scope.actor, at)
        case "BadgeRequest":
            made = request.decided(before, after, scope.actor, at)
            _check_rights(scope, before, made)
            if made["status"] == request.APPROVED != before["status"]:
                _check_another(scope, users.get(made["requester"]["value"]))
                made = made | {"award": await _approve(scope, conn, made, users, at)}
            return made
        case _:  # whose references are looked at when they are stored
            return after


async def _approve(scope: Scope, conn: Connection, asked: Document, users: Mapping[str, Document], at: datetime) -> Document:
    """Award what a request asks for, with all that follows; a reference to the award. Raises ScimError 409 where the requester has it."""
    schema, user = scope.catalog.by_name[AWARD], asked["requester"]["value"]
    if user not in users:
        raise ScimError(Kind.CONFLICT, "requester: the user does not exist any more")
    achievement = await _read(scope, conn, asked["achievement"]["value"])
    issuers = await hold(conn, scope.tenant, {achievement["creator"]["value"]})
    if not issuers:
        raise ScimError(Kind.CONFLICT, "issuer: the creator of the achievement does not exist any more")
    origin = Origin(award.REQUESTED, request=_reference(scope, REQUEST, asked["id"]))
    document: Document = {part: {name: asked[source][name] for name in ("value", "$ref")} for part, source in _FROM_REQUEST}
    document |= {"issuer": achievement["creator"]} | {name: asked[name] for name in ("evidence",) if name in asked}
    recipient = recipient_of(user, users[user])
    document = awarded(document, recipient, achievement, issuers[achievement["creator"]["value"]], origin, at)
    document = complete(document, schema, scope.limits)
    document = {"schemas": document["schemas"], "id": new_id()} | document
    keys = [key for _, key in exclusive_keys(document, schema)]
    await conn.execute(_SQL["release_expired"], scope.tenant, keys, at)
    if await conn.fetch(load("resources")["keys_taken"], scope.tenant, [AWARD], ["$live"], keys):
        raise ScimError(Kind.UNIQUENESS, "The requester has a live award of this achievement already: reject the request, or revoke that")
    await insert_all(scope, conn, [NewResource(document["id"], schema, rendered(scope, schema, document, at))], at)
    await settle(scope, conn, [(schema, document)], users, at)
    return _reference(scope, AWARD, document["id"])


def _check_rights(scope: Scope, before: Document | None, after: Document | None) -> None:
    """Raises ScimError 403 for what whoever asks may not do with a request, 404 for another's."""
    if scope.own is not None:
        check_own(before, after, scope.own)
    else:
        check_request(before, after, scope.scopes)


def _check_another(scope: Scope, requester: Document | None) -> None:
    """Raises ScimError 403 where the token stands for the requester, unless the policy lets people approve what they ask for."""
    policy, users = scope.catalog.policy, scope.catalog.by_name.get("User")
    place = None if users is None or policy.me == "off" else users.resolve(policy.me)
    if scope.subject is None or place is None or requester is None or policy.badge_self_approval:
        return
    if key_of(place.leaf, scope.subject) in typed_keys(requester, place):
        raise ScimError(Kind.FORBIDDEN, "Nobody approves a request of their own; the policy switch badge_self_approval permits it")


_FROM_REQUEST = (("recipient", "requester"), ("achievement", "achievement"))


async def changed(
    scope: Scope, conn: Connection, schema: EffectiveSchema, before: Document, after: Document, users: Mapping[str, Document]
) -> None:
    """Do what belongs to a change of a badge resource, which is stored."""
    match schema.name:
        case "Award" if before["status"] != after["status"]:
            at = now()
            earned = await is_earned(scope, conn, after, at)
            gone = await award_revoked(conn, scope, {after["id"]: at}, barred=[after["id"]] if earned else [])
            if scope.catalog.policy.badge_revocation == "cascade":
                await cascade(scope, conn, gone, at)
        case "BadgeIssuer" | "BadgeProgram" | "BadgeSkill" | "Achievement":
            stored = await _read(scope, conn, after["id"])
            _check_pointers(schema, stored)
            check_catalogue(schema.name, stored, scope.base_url, before)
            if schema.name in CATALOGUE and decides(schema.name, before, after, less=True):
                await catalogue_changed(scope, conn)


async def returned(scope: Scope, conn: Connection, schema: EffectiveSchema, document: Document) -> None:
    """Do what belongs to a badge resource that was deleted and is stored again. Raises ScimError 409 where what it belongs to is gone."""
    if schema.name == REQUEST and "requester" not in document:
        raise ScimError(Kind.CONFLICT, "Its requester is not there, whose it would not be any more: bring the user back first")
    if schema.name not in (ISSUER, *CATALOGUE):
        return
    named = {pointer["value"] for pointer in _pointers(schema, document)}
    gone = sorted(named - (await hold(conn, scope.tenant, named)).keys())
    if gone:
        raise ScimError(Kind.CONFLICT, f"It belongs to {shorten(gone[0])}, which is not there: bring that back first")
    try:
        check_catalogue(schema.name, document, scope.base_url, document)
    except ScimError as error:
        raise ScimError(Kind.CONFLICT, f"It cannot come back as it is: {error.sentence}") from error
    if schema.name in CATALOGUE and decides(schema.name, None, document, less=True):
        await catalogue_changed(scope, conn)


def _pointers(schema: EffectiveSchema, document: Document) -> list[Document]:
    found = (doc.get(document, place) for place in schema.pointers)
    return [pointer for pointer in found if pointer]


def _check_pointers(schema: EffectiveSchema, document: Document) -> None:
    """Raises ScimError invalidValue for a reference to what is not there, whatever the policy says of references in general."""
    for place in schema.pointers:
        pointer = doc.get(document, place)
        if pointer and "$ref" not in pointer:
            kinds = " or ".join(place.attribute.resource_types)
            raise invalid_value(f"{place.name}: there is no {kinds} with the id {shorten(pointer['value'])}")


async def _read(scope: Scope, conn: Connection, id_: str) -> Document:
    """A resource that exists."""
    rows = await conn.fetch(_SQL["documents"], scope.tenant, [id_])
    found: Document = orjson.loads(rows[0]["document"])
    return found


def _reference(scope: Scope, type_: str, id_: str) -> dict[str, Any]:
    return {"value": id_, "$ref": f"{scope.base_url}{scope.catalog.by_name[type_].endpoint}/{quote(id_, safe='')}"}
