"""Deleting a resource with everything that refers to it, in one transaction."""

from __future__ import annotations

from typing import Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import DEFAULT
from scimsrv.protocol.plan import Remove
from scimsrv.schema.effective import TIED, EffectiveSchema
from scimsrv.store import badging
from scimsrv.store.connection import Connection
from scimsrv.store.forgetting import before_deletion, ends
from scimsrv.store.guard import HeldError, alarm, count_deletion
from scimsrv.store.identity import load_catalog
from scimsrv.store.pool import Database
from scimsrv.store.queries import load
from scimsrv.store.read import not_found
from scimsrv.store.referring import clear_pointers, forget, refuse_emptied, refuse_where_restricted
from scimsrv.store.rendition import keys_held, modified_key, naming_change
from scimsrv.store.scope import Scope, now

_SQL = load("resources")


#: A resource with more references than this, or to which there are more, is gone at once, and they are removed in the background.
AT_ONCE: Final = 1_000

#: What referred to a deleted resource is changed by so many at a time in the background: each is locked for as long.
_LEFT: Final = 100


async def remove(scope: Scope, plan: Remove) -> bool:
    """Delete the resource and the references to it as the policy says; what referred to it gets new versions.

    Groups are locked before the member, the order in which adding a member takes them. Returns whether references remain that are
    removed in the background. Raises ScimError 404, 412, 409 where the policy restricts the deletion, and HeldError.
    """
    try:
        return await _remove(scope, plan)
    except HeldError as held:
        await alarm(scope, held)
        raise


async def _remove(scope: Scope, plan: Remove) -> bool:
    schema, dated = plan.schema, scope.catalog.of_modified
    restorable = scope.catalog.policy.restore_days > 0 and not ends(scope, schema)
    async with scope.pool.acquire() as conn, conn.transaction():
        if badging.concerns(scope, schema):
            await badging.lock_of(scope, conn, plan.id)
        most = 0 if scope.catalog.policy.link_target_deletion == "restrict" else AT_ONCE + 1
        apart = list(TIED.values()) if scope.catalog.policy.badges else []  # awards are locked after their user, not before
        referring = {row["id"]: row for row in await conn.fetch(_SQL["lock_referring"], scope.tenant, plan.id, most, apart)}
        row = await conn.fetchrow(_SQL["lock_for_deletion"], scope.tenant, plan.id, schema.name)
        if row is None:
            raise not_found(schema, plan.id)
        if plan.if_match is not None and not plan.if_match.permits(row["version"]):
            raise ScimError(Kind.PRECONDITION_FAILED, f'The resource has the version W/"{row["version"]}"')
        await before_deletion(scope, conn, schema, plan.id)
        await refuse_where_restricted(scope, conn, schema, plan.id)
        more = await clear_pointers(scope, conn, schema, plan.id, AT_ONCE, kept=restorable)
        many = await _has_many_links(scope, conn, plan)
        # What refers to many and is referred to by many is not left in the middle, where it would link what it no longer links.
        later = len(referring) > AT_ONCE and not many
        keys = [(key.number, key.key) for key in keys_held(row["search"], scope.catalog.indexes_of(schema))]
        if schema.name in dated:
            keys.append((dated[schema.name], modified_key(row["modified"])))
        await conn.executemany(_SQL["drop_key"], [(scope.tenant, number, key, plan.id) for number, key in sorted(keys)])
        work = many or later or more
        left = await conn.fetch(
            _SQL["delete_resource"],
            *(scope.tenant, plan.id, schema.name, now(), scope.by, row["version"] + 1, scope.count_slot(), many, later, work),
            naming_change() if schema.referring else None,
            *(restorable, *(match_key(row["search"], schema, name) for name in ("username", "externalid"))),
        )
        late = sorted({one["id"] for one in left} - referring.keys())  # came to refer to it while the lock on it was waited for
        if late:
            referring |= {row["id"]: row for row in await conn.fetch(_SQL["lock_resources"], scope.tenant, late)}
        attributes = {one["id"]: one["attributes"] for one in left if one["id"] in referring}
        await refuse_emptied(scope, conn, referring, attributes)
        await forget(scope, conn, plan.id, referring, attributes)
        await count_deletion(scope, conn, schema, gone=True)
    return work


async def leave(pool: Database, conn: Connection, tenant: int, id_: str, batch: int) -> bool:
    """Remove one batch of the references to a resource that is deleted; whether there may be more. For the background."""
    deleted = await conn.fetchrow(_SQL["deletion"], tenant, id_)
    if deleted is None:
        return False
    try:
        _, catalog = await load_catalog(conn, tenant)
    except LookupError:  # the tenant is being deleted, and its rows with it
        return False
    scope = Scope(pool, tenant, catalog, "", deleted["actor"], DEFAULT)
    batch = min(batch, _LEFT)
    sources = [row["source"] for row in await conn.fetch(_SQL["sources_of"], tenant, id_, batch)]
    if sources:
        held = {row["id"]: row for row in await conn.fetch(_SQL["lock_resources"], tenant, sources)}
        left = await conn.fetch(_SQL["leave_sources"], tenant, id_, sources)
        await forget(scope, conn, id_, held, {one["id"]: one["attributes"] for one in left if one["id"] in held})
        return True
    schema = catalog.by_name.get(deleted["type"])
    return schema is not None and await clear_pointers(scope, conn, schema, id_, batch, kept=False)


def match_key(search: str, schema: EffectiveSchema, name: str) -> str | None:
    """The key, in a search document, of an attribute by which a deleted resource is found again; None without one."""
    place = schema.resolve(name)
    found = None if place is None else orjson.loads(search).get(place.attribute.search_key)
    return found if isinstance(found, str) else None


async def _has_many_links(scope: Scope, conn: Connection, plan: Remove) -> bool:
    """Whether the resource has more references of its own than are removed at once."""
    most = AT_ONCE
    for link in plan.schema.links:
        most -= await conn.fetchval(_SQL["count_links"], scope.tenant, plan.id, link.key, most + 1)
        if most < 0:
            return True
    return False
