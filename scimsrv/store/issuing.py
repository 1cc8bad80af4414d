"""Credentials of awards in the database: issued in the transaction that makes the award, and signed afterwards, when no row is locked.

Each has a place in a status list that nobody else ever gets.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

import orjson

from scimsrv.badges import status_list
from scimsrv.badges.award import NewAward, Recipient
from scimsrv.badges.credential import Awarded, Picture, achievement_object, credential, profile, without_person
from scimsrv.badges.identity import EMAIL, hashed_identity, new_salt, plain_identity
from scimsrv.badges.places import Places
from scimsrv.badges.strict import is_readable
from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.observe import Badged, observe
from scimsrv.schema.policy import Policy
from scimsrv.store.connection import Connection
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope, now

_SQL = load("credentialing")

_RANDOM: Final = secrets.SystemRandom()

#: Draws for a place: where all fall on places that are taken, the list is about to be full and the next one is opened.
_DRAWS: Final = 6

#: Bytes of a credential: as a token it is four thirds of that, and a verifier, a picture and a wallet take a mebibyte.
_LARGEST: Final = 750_000


@dataclass(frozen=True, slots=True)
class Issued:
    """What was issued for an award. `jwt` is None until it is signed; `credential` is JSON text."""

    award: str
    issuer: str
    list: int
    place: int
    token: str
    credential: str
    jwt: str | None


async def issue(connection: Connection, scope: Scope, awards: Sequence[NewAward]) -> None:
    """Issue the credentials of new awards, inside their transaction; they are signed once it has ended. Few statements for however many.

    Raises ScimError 409 where the achievement or the issuer of one is gone.
    """
    catalogue = await _catalogue(connection, scope.tenant, {one.achievement for one in awards} | {one.issuer for one in awards})
    placed: dict[str, tuple[int, int]] = {}
    for issuer in sorted({one.issuer for one in awards}):
        placed |= await _places(connection, scope.tenant, issuer, [one.id for one in awards if one.issuer == issuer])
    for one in awards:
        if one.achievement not in catalogue or one.issuer not in catalogue:
            raise ScimError(Kind.CONFLICT, "The award's achievement or its issuer is gone")
    written = _Writer(catalogue, scope.catalog.policy)
    texts = [written.credential(one, placed[one.id]) for one in awards]
    if max(len(text.encode()) for text in texts) > _LARGEST:
        raise invalid_value(f"The award's credential would be larger than {_LARGEST} bytes, with what its achievement and its issuer say")
    if not all(is_readable(text) for text in texts):
        raise invalid_value(
            "The award's credential would have more parts than a verification reads, with what its achievement and issuer say"
        )
    await connection.execute(
        _SQL["add_credentials"],
        *(scope.tenant, [one.id for one in awards], [one.issuer for one in awards], [placed[one.id][0] for one in awards]),
        *([placed[one.id][1] for one in awards], [one.token for one in awards], texts),
    )
    observe(Badged("issued", len(awards)))
    scope.wake()


async def revoke(connection: Connection, tenant: int, by: Sequence[str], awards: Mapping[str, datetime]) -> None:
    """Mark awards as revoked in their status lists, by their ids with the time of each, inside the transaction that revokes them; `by` is
    by whom, as a scope says it."""
    rows = await connection.fetch(_SQL["revoke_places"], tenant, list(awards), now(), by, list(awards.values()))
    changed = sorted({(row["issuer"], row["list"]) for row in rows})
    if changed:
        issuers, numbers = zip(*changed, strict=True)
        await connection.execute(_SQL["lists_changed"], tenant, list(issuers), list(numbers))


async def withdraw(connection: Connection, tenant: int, awards: Sequence[str]) -> None:
    """Publish nothing more of awards that are being deleted; their places in the lists stay taken, and say that they are revoked."""
    await connection.execute(_SQL["drop_credentials"], tenant, list(awards))


async def pseudonymise(connection: Connection, tenant: int, awards: Sequence[str]) -> None:
    """Take from kept credentials what tells whose they are; they are signed anew. Copies that people have are theirs."""
    rows = await connection.fetch(_SQL["lock_credentials"], tenant, list(awards))
    texts = [orjson.dumps(without_person(orjson.loads(row["credential"]))).decode() for row in rows]
    await connection.execute(_SQL["replace_credentials"], tenant, [row["award"] for row in rows], texts)


async def _catalogue(connection: Connection, tenant: int, ids: set[str]) -> Mapping[str, tuple[Mapping[str, Any], bool]]:
    """The documents of achievements and issuers, each with whether its picture is kept here."""
    rows = await connection.fetch(_SQL["catalogue"], tenant, sorted(ids))
    return {row["id"]: (orjson.loads(row["document"]), row["media_type"] is not None) for row in rows}


async def _places(connection: Connection, tenant: int, issuer: str, awards: Sequence[str]) -> dict[str, tuple[int, int]]:
    """List and place for each award: drawn at random, so that a place tells nothing, and taken by a row of its own."""
    row = await connection.fetchrow(_SQL["newest_list"], tenant, issuer)
    number = 1 if row is None else row["number"]
    if row is None:
        await connection.execute(_SQL["open_list"], tenant, issuer, number)
    found: dict[str, tuple[int, int]] = {}
    left = list(awards)
    # Places are taken in ascending order, so that two transactions do not wait for each other: the awards have to be in none.
    _RANDOM.shuffle(left)
    draws = 0
    while left:
        if draws == _DRAWS:
            number, draws = number + 1, 0
            await connection.execute(_SQL["open_list"], tenant, issuer, number)
        draws += 1
        drawn = sorted({secrets.randbelow(status_list.SIZE) for _ in left})
        taken = await connection.fetch(_SQL["take_places"], tenant, issuer, number, drawn, left[: len(drawn)])
        found |= {row["award"]: (number, row["place"]) for row in taken}
        left = [award for award in left if award not in found]
    return found


class _Writer:
    """Writes the credentials of a set of awards; what they share of the catalogue is made once."""

    def __init__(self, catalogue: Mapping[str, tuple[Mapping[str, Any], bool]], policy: Policy) -> None:
        self._catalogue = catalogue
        self._policy = policy
        self._shared: dict[tuple[Places, str, str], tuple[dict[str, Any], dict[str, Any]]] = {}

    def credential(self, one: NewAward, place: tuple[int, int]) -> str:
        """The credential of an award as JSON text; `place` is its list and its place there."""
        places = places_of(one.document)
        achievement, issuer = self._parts(places, one.achievement, one.issuer)
        identity = _identity(one.recipient, self._policy.badge_identity)
        awarded = Awarded(one.token, f"urn:uuid:{uuid.uuid4()}", identity, one.awarded_at, one.valid_until, one.document)
        status = status_list.entry(places.status_list(one.issuer, place[0]), place[1])
        return orjson.dumps(credential(places, awarded, achievement, issuer, status, evidence=self._policy.badge_evidence)).decode()

    def _parts(self, places: Places, achievement: str, issuer: str) -> tuple[dict[str, Any], dict[str, Any]]:
        found = self._shared.get((places, achievement, issuer))
        if found is None:
            document, pictured = self._catalogue[achievement]
            owner, shown = self._catalogue[issuer]
            found = self._shared[places, achievement, issuer] = (
                achievement_object(places, document, picture(places.achievement(achievement), document, pictured)),
                profile(places, owner, picture(places.issuer(issuer), owner, shown)),
            )
        return found


def places_of(document: Mapping[str, Any]) -> Places:
    """The public URLs of the tenant that an award belongs to: beside those of its resources, which its references name."""
    public, _, slug, *_ = document["achievement"]["$ref"].rsplit("/", 5)
    return Places(public, slug)


def picture(url: str, document: Mapping[str, Any], kept: bool) -> Picture | None:
    """Where the picture of an achievement or issuer is: below its own URL where it is kept here, else where the resource says."""
    image = document.get("image") or {}
    if kept:
        return Picture(f"{url}/image", image.get("caption"))
    return Picture(image["value"], image.get("caption")) if image.get("value") else None


def _identity(recipient: Recipient, form: str) -> dict[str, Any] | None:
    """How the credential says whom it is about, by the tenant's policy."""
    identity, type_ = (recipient.email, EMAIL) if recipient.email else (recipient.user_name, "userName")
    if form == "none" or not identity:
        return None
    return plain_identity(identity, type_) if form == "plain" else hashed_identity(identity, type_, new_salt())


# -- reading ---------------------------------------------------------------------------------------------------------------


async def issued_for(db: Queries, tenant: int, award: str) -> Issued | None:
    """What was issued for an award, or None."""
    row = await db.fetchrow(_SQL["credential_of"], tenant, award)
    return None if row is None else Issued(**row)


@dataclass(frozen=True, slots=True)
class Found:
    """What is found at a public URL: what was issued, since when it is revoked, and the award, which may be gone."""

    issued: Issued
    revoked: datetime | None
    award: Mapping[str, Any] | None


async def find_public(db: Queries, tenant: int, token: str) -> Found | None:
    """What was issued under this token, or None."""
    row = await db.fetchrow(_SQL["credential_at"], tenant, token)
    if row is None:
        return None
    values = dict(row)
    revoked, document = values.pop("revoked"), values.pop("document")
    return Found(Issued(**values), revoked, None if document is None else orjson.loads(document))


async def is_revoked(db: Queries, tenant: int, issuer: str, number: int, place: int) -> bool | None:
    """Whether the award at this place of a list is revoked; None where the place is nobody's."""
    row = await db.fetchrow(_SQL["is_revoked"], tenant, issuer, number, place)
    return None if row is None else bool(row["revoked"])


def achievement_of(issued: Issued) -> str:
    """The id of the achievement that a credential is about."""
    url: str = orjson.loads(issued.credential)["credentialSubject"]["achievement"]["id"]
    return unquote(url.rsplit("/", 1)[1])


async def is_recipient(db: Queries, tenant: int, award: str, user: str) -> bool:
    """Whether an award is this user's."""
    row = await db.fetchrow(_SQL["recipient"], tenant, award)
    return row is not None and row["recipient"] == user


async def find_tenant_key(db: Queries, slug: str) -> int | None:
    """The tenant of a slug in a public URL, or None."""
    row = await db.fetchrow(_SQL["tenant_of"], slug)
    return None if row is None else int(row["id"])


async def is_suspended(db: Queries, tenant: int) -> bool:
    """Whether a tenant gives nobody anything at present."""
    return await db.fetchrow(_SQL["suspended"], tenant) is not None


async def find_document(db: Queries, tenant: int, type_: str, id_: str) -> tuple[dict[str, Any], bool] | None:
    """An achievement or an issuer, and whether its picture is kept here; None where there is none."""
    row = await db.fetchrow(_SQL["document"], tenant, type_, id_)
    return None if row is None else (orjson.loads(row["document"]), row["media_type"] is not None)
