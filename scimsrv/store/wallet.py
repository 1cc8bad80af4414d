"""Credentials that users keep here, beside the awards that they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.validate import typed_keys
from scimsrv.store.connection import Connection
from scimsrv.store.failure import guarded
from scimsrv.store.guard import deactivates
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope

_SQL = load("credentialing")


PAGE_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the credentials in a page, which has one of any size."""


@dataclass(frozen=True, slots=True)
class Held:
    """A page of what a user has, each as it was issued or posted, and how many there are in all; where the page before it begins, and the
    last one."""

    bodies: Sequence[bytes]
    total: int
    before: int
    last: int


async def held_credentials(db: Queries, tenant: int, user: str, since: datetime | None, limit: int, offset: int) -> Held:
    """A page of the user's credentials that were issued after a time, the oldest first: as many as the limit says, or fewer where they
    have too many bytes."""

    async def before(end: int, begin: int) -> int:
        """Where a page begins that ends at `end`, and at `begin` where its bytes permit that."""
        row = await db.fetchrow(_SQL["count_held_before"], tenant, user, since, end - begin, begin, PAGE_BYTES)
        return begin if row is None else end - row["credentials"]

    rows = await guarded(lambda: db.fetch(_SQL["held_credentials"], tenant, user, since, limit, offset, PAGE_BYTES))
    count = await db.fetchrow(_SQL["count_held"], tenant, user, since)
    total, bytes_ = (0, 0) if count is None else (count["total"], count["bytes"])
    end = min(offset, total)
    first, last = max(0, end - limit), (total - 1) // limit * limit if total else 0
    if bytes_ > PAGE_BYTES:
        first, last = await before(end, first), await before(total, last)
    return Held([row["jwt"].encode() if row["body"] is None else row["body"] for row in rows], total, first, last)


@dataclass(frozen=True, slots=True)
class Kept:
    """A credential that is to be kept: `identity` is what it is told by, `media_type` and `body` what was posted, `found` what was found
    of it, as JSON text."""

    identity: str
    issued: datetime
    media_type: str
    body: bytes
    found: str


async def keep(db: Queries, tenant: int, user: str, new: Kept, most: int) -> bool | None:
    """Keep a credential of the user's: whether it is a new one, None where the same one is there and was issued later, so that it stays.
    Raises ScimError 404 for a user who is not there any more, 409 beyond `most` of them."""
    kept = await db.fetchrow(_SQL["keep"], tenant, user, new.identity, new.issued, new.media_type, new.body, most, new.found)
    assert kept is not None
    if not kept["there"]:
        raise ScimError(Kind.NOT_FOUND, "The user is not there any more")
    if kept["new"] is None and not kept["held"]:
        raise ScimError(Kind.CONFLICT, f"A user may keep {most} credentials here")
    return None if kept["new"] is None else bool(kept["new"])


async def list_kept(db: Queries, tenant: int, user: str) -> list[dict[str, Any]]:
    """What the user keeps here, the oldest first: issued, stored, mediaType and bytes, and what was found of it when it was stored."""
    return [
        {
            **(orjson.loads(row["verdicts"]) if row["verdicts"] is not None else {}),
            "issued": row["issued"],
            "stored": row["stored"],
            "mediaType": row["media_type"],
            "bytes": row["bytes"],
        }
        for row in await db.fetch(_SQL["kept"], tenant, user)
    ]


async def forget(scope: Scope, connection: Connection, user: str) -> None:
    """Do away with what the user keeps here, in the transaction that forgets the person."""
    await connection.execute(_SQL["drop_kept"], scope.tenant, user)


def withdrawing(scope: Scope, schema: EffectiveSchema, before: Document, after: Document) -> str | None:
    """Why a change of a resource ends what its user permits applications: who is deactivated, or has another subject in tokens, permits
    nothing any more, whatever comes later. None where it does not."""
    policy = scope.catalog.policy
    if not policy.badges or schema.name != "User":
        return None
    if deactivates(before, after):
        return "The user was deactivated"
    place = schema.resolve(policy.me) if policy.me in after or policy.me in before else None
    if place is not None and typed_keys(before, place) != typed_keys(after, place):
        return f"The user has another {policy.me}"
    return None
