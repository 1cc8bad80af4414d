"""Pictures of achievements and issuers: stored once with the place where a credential goes in, so that baking only copies.

A picture belongs to its resource: putting or deleting it makes a new version of that, and is in the trail.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.validate import shorten
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.rendition import modified_key
from scimsrv.store.scope import Scope, now

_SQL = load("credentialing")
_RESOURCES = load("resources")

#: Characters of a digest that are a picture's entity tag.
_TAG: Final = 32


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture; `plan` is that of a PNG, `digest` the SHA-256 of the bytes in hexadecimal."""

    media_type: str
    image: bytes
    plan: bytes | None
    digest: str

    @classmethod
    def of(cls, media_type: str, image: bytes, plan: bytes | None) -> StoredImage:
        """A picture with its digest."""
        return cls(media_type, image, plan, hashlib.sha256(image).hexdigest())


async def put_image(scope: Scope, schema: EffectiveSchema, id_: str, tags: tuple[str, ...] | None, new: StoredImage) -> int:
    """Store the picture of a resource, in place of the one that it has; returns the resource's version, which stays where the picture is
    the same. `tags` are those of If-Match, None without it. Raises ScimError 404 and 412."""
    return await _replace(scope, schema, id_, tags, new)


async def drop_image(scope: Scope, schema: EffectiveSchema, id_: str, tags: tuple[str, ...] | None) -> None:
    """Delete the picture of a resource. Raises ScimError 404 where there is none, and 412."""
    await _replace(scope, schema, id_, tags, None)


async def _replace(scope: Scope, schema: EffectiveSchema, id_: str, tags: tuple[str, ...] | None, new: StoredImage | None) -> int:
    async with scope.pool.acquire() as conn, conn.transaction():
        row = await conn.fetchrow(_RESOURCES["lock_document"], scope.tenant, id_, schema.name)
        if row is None:
            raise ScimError(Kind.NOT_FOUND, "There is no such resource")
        held = await conn.fetchrow(_SQL["image_digest"], scope.tenant, schema.name, id_)
        if tags is not None and not _permitted(tags, row["version"], None if held is None else held["digest"]):
            raise ScimError(Kind.PRECONDITION_FAILED, f'{schema.name} {shorten(id_)} has the version W/"{row["version"]}"')
        if new is None and held is None:
            raise ScimError(Kind.NOT_FOUND, "The resource has no picture")
        if new is not None and held is not None and held["digest"] == new.digest:
            return int(row["version"])
        if new is None:
            await conn.execute(_SQL["drop_image"], scope.tenant, schema.name, id_)
        else:
            values = (new.media_type, new.image, new.plan, new.digest)
            await conn.execute(_SQL["put_image"], scope.tenant, schema.name, id_, *values)
        after = None if new is None else _said(new.media_type, new.digest)
        content = orjson.dumps({"image": [None if held is None else _said(**held), after]}).decode()
        said = (["image"], scope.catalog.of_modified.get(schema.name), modified_key(row["modified"]), None, content)
        stored = await conn.fetchrow(_RESOURCES["touch_resource"], scope.tenant, id_, schema.name, now(), scope.by, *said)
        assert stored is not None, "the row is locked"
        return int(stored["version"])


def _permitted(tags: tuple[str, ...], version: int, digest: str | None) -> bool:
    """Whether If-Match names the picture, or the version of its resource; `*` asks for any picture."""
    tag = None if digest is None else digest[:_TAG]
    return any((one == "*" and tag is not None) or one == tag or one.partition("-")[0] == str(version) for one in tags)


def _said(media_type: str, digest: str) -> dict[str, Any]:
    """What the trail keeps of a picture."""
    return {"mediaType": media_type, "sha256": digest}


async def find_image(db: Queries, tenant: int, type_: str, id_: str) -> StoredImage | None:
    """The picture of a resource, or None."""
    row = await db.fetchrow(_SQL["image"], tenant, type_, id_)
    return None if row is None else StoredImage(**row)
