"""Deleting a resource with everything that refers to it, in one transaction."""

from __future__ import annotations

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Remove
from scimsrv.store.pointers import clear_pointers
from scimsrv.store.queries import load
from scimsrv.store.read import not_found
from scimsrv.store.scope import Scope, now

_SQL = load("resources")


async def remove(scope: Scope, plan: Remove) -> None:
    """Delete the resource, its memberships and the pointers to it; the resources it was a member of get new versions.

    Groups are locked before the member, the order in which adding a member takes them. Raises ScimError 404 and 412.
    """
    async with scope.pool.acquire() as conn, conn.transaction():
        await conn.fetch(_SQL["lock_referring"], scope.tenant, plan.id)
        version = await conn.fetchval(_SQL["lock_for_deletion"], scope.tenant, plan.id, plan.schema.name)
        if version is None:
            raise not_found(plan.schema, plan.id)
        if plan.if_match is not None and not plan.if_match.permits(version):
            raise ScimError(Kind.PRECONDITION_FAILED, f'The resource has the version W/"{version}"')
        await clear_pointers(scope, conn, plan.schema, plan.id)
        await conn.execute(_SQL["delete_resource"], scope.tenant, plan.id, plan.schema.name, now(), scope.actor, version + 1)
