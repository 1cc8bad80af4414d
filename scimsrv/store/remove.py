"""Deleting a resource with everything that refers to it, in one transaction."""

from __future__ import annotations

from typing import Final

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Remove
from scimsrv.store.connection import Connection
from scimsrv.store.pointers import clear_pointers
from scimsrv.store.queries import load
from scimsrv.store.read import not_found
from scimsrv.store.rendition import keys_held, modified_key, naming_change
from scimsrv.store.scope import Scope, now

_SQL = load("resources")


#: A resource with more references than this is gone at once, and they are removed in the background.
AT_ONCE: Final = 1_000


async def remove(scope: Scope, plan: Remove) -> bool:
    """Delete the resource, its memberships and the pointers to it; the resources it was a member of get new versions.

    Groups are locked before the member, the order in which adding a member takes them. Returns whether references of its own remain
    that `erase` has to remove. Raises ScimError 404 and 412.
    """
    schema, dated = plan.schema, scope.catalog.of_modified
    async with scope.pool.acquire() as conn, conn.transaction():
        referring = {row["id"]: row for row in await conn.fetch(_SQL["lock_referring"], scope.tenant, plan.id)}
        row = await conn.fetchrow(_SQL["lock_for_deletion"], scope.tenant, plan.id, schema.name)
        if row is None:
            raise not_found(schema, plan.id)
        if plan.if_match is not None and not plan.if_match.permits(row["version"]):
            raise ScimError(Kind.PRECONDITION_FAILED, f'The resource has the version W/"{row["version"]}"')
        await clear_pointers(scope, conn, schema, plan.id)
        many = await _has_many_links(scope, conn, plan)
        keys = [(key.number, key.key) for key in keys_held(row["search"], scope.catalog.indexes_of(schema))]
        if schema.name in dated:
            keys.append((dated[schema.name], modified_key(row["modified"])))
        await conn.executemany(_SQL["drop_key"], [(scope.tenant, number, key, plan.id) for number, key in sorted(keys)])
        at = now()
        left = await conn.fetch(
            _SQL["delete_resource"],
            scope.tenant,
            plan.id,
            schema.name,
            at,
            scope.actor,
            row["version"] + 1,
            scope.count_slot(),
            many,
            naming_change() if schema.links else None,
        )
        late = sorted({one["id"] for one in left} - referring.keys())  # came to refer to it while the lock on it was waited for
        if late:
            referring |= {row["id"]: row for row in await conn.fetch(_SQL["lock_resources"], scope.tenant, late)}
        touched = [(referring[one["id"]], one["attributes"]) for one in left if one["id"] in referring]
        await conn.executemany(
            _SQL["touch_resource"],
            [
                (
                    *(scope.tenant, one["id"], one["type"], at, scope.actor, attributes),
                    *(dated.get(one["type"]), modified_key(one["modified"]), None),
                )
                for one, attributes in touched
            ],
        )
    return many


async def _has_many_links(scope: Scope, conn: Connection, plan: Remove) -> bool:
    """Whether the resource has more references of its own than are removed at once."""
    most = AT_ONCE
    for link in plan.schema.links:
        most -= await conn.fetchval(_SQL["count_links"], scope.tenant, plan.id, link.key, most + 1)
        if most < 0:
            return True
    return False
