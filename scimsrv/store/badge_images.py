"""Pictures of achievements and issuers: stored once with the place where a credential goes in, so that baking only copies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from scimsrv.store.pool import Queries
from scimsrv.store.queries import load

_SQL = load("credentialing")


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture; `plan` is that of a PNG, `digest` the SHA-256 of the bytes in hexadecimal."""

    media_type: str
    image: bytes
    plan: bytes | None
    digest: str


async def put_image(
    db: Queries, tenant: int, type_: str, id_: str, media_type: str, image: bytes, plan: bytes | None
) -> StoredImage | None:
    """Store the picture of a resource, in place of the one that it has; None where there is no such resource."""
    digest = hashlib.sha256(image).hexdigest()
    tag = await db.execute(_SQL["put_image"], tenant, type_, id_, media_type, image, plan, digest)
    return None if tag.endswith(" 0") else StoredImage(media_type, image, plan, digest)


async def find_image(db: Queries, tenant: int, type_: str, id_: str) -> StoredImage | None:
    """The picture of a resource, or None."""
    row = await db.fetchrow(_SQL["image"], tenant, type_, id_)
    return None if row is None else StoredImage(**row)


async def drop_image(db: Queries, tenant: int, type_: str, id_: str) -> bool:
    """Delete the picture of a resource; whether it had one."""
    return not (await db.execute(_SQL["drop_image"], tenant, type_, id_)).endswith(" 0")
