"""The administrator's verbs on what happened and what was deleted: the audit trail, erasure, the deletion guard, deleted resources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict

from scimsrv.admin import models
from scimsrv.admin.acting import Acting
from scimsrv.keys import AUDIT_KEY
from scimsrv.limits import DEFAULT
from scimsrv.schema.badging import AWARD, REQUEST
from scimsrv.store import activity, audit, guard, tombstones
from scimsrv.store.forgetting import forget_person
from scimsrv.store.identity import load_catalog
from scimsrv.store.pool import Queries
from scimsrv.store.scope import Scope
from scimsrv.store.single import Single


class Keeping(Acting):
    """Verbs about what a tenant keeps."""

    async def show_audit(self, slug: str) -> models.AuditChain:
        """Where the tenant's audit chain ends, and how much is not sealed yet. Raises TenantMissing."""
        found = await audit.chain_of(self._connection, await self._key(slug))
        return models.AuditChain(
            position=found.position, head=found.head.hex(), sealed=found.sealed, unsealed=found.unsealed, oldest=found.oldest
        )

    async def export_audit(self, slug: str, asked: models.AuditExport, pool: Queries | None = None) -> AsyncIterator[bytes]:
        """The sealed rows of the trail as lines of JSON, from `pool`, which is asked in between. Raises TenantMissing."""
        source = Single(self._connection) if pool is None else pool
        return audit.export(source, await self._key(slug), slug, asked.format, after=asked.after, since=asked.since, count=asked.count)

    async def erase(self, slug: str, asked: models.ErasureRequest) -> models.Erasure:
        """Destroy what is kept of a deleted resource; awards and requests that a user left behind stay without the person, and the trail
        tells of the person in the rows of none, whether it stayed or not. Raises TenantMissing, ScimError 404 and 409."""
        key = await self._key(slug)
        _, catalog = await load_catalog(self._connection, key)
        async with self._connection.transaction():
            scope = Scope(Single(self._connection), key, catalog, self._url(slug), self._actor, DEFAULT, origin=self._origin)
            left = await forget_person(scope, self._connection, asked.id)
            rows = await audit.erase(self._connection, key, self._actor, asked.id, self._derive(AUDIT_KEY), named=bool(left))
            await activity.erase(self._connection, key, asked.id)
            told = await audit.telling_of(self._connection, key, asked.id, (AWARD, REQUEST))
            rows += await audit.erase_values(self._connection, key, self._actor, sorted({*left, *told}), self._derive(AUDIT_KEY))
            await self._note("resource.erase", slug, asked.id, {"rows": rows})
        return models.Erasure(erased=asked.id, rows=rows)

    async def show_guard(self, slug: str) -> models.GuardState:
        """What the tenant's deletion guard has counted, by type, and what it holds. Raises TenantMissing."""
        counts = await guard.list_counts(self._connection, await self._key(slug))
        return models.GuardState(types=[models.GuardCount.model_validate({"type": name, **asdict(one)}) for name, one in counts.items()])

    async def release_guard(self, slug: str, type_name: str, asked: models.GuardRelease) -> models.GuardState:
        """Let deletions of a type through again. Raises TenantMissing and ScimError 404."""
        key = await self._key(slug)
        async with self._connection.transaction():
            await guard.release(self._connection, key, type_name, asked.allow)
            await audit.note(self._connection, key, self._actor, "release", type_name, "", {"allow": asked.allow})
            await self._note("guard.release", slug, type_name, {"allow": asked.allow})
        return await self.show_guard(slug)

    async def list_deleted(self, slug: str, page: models.DeletedPage) -> models.DeletedList:
        """The deleted resources that can be brought back. Raises TenantMissing."""
        key = await self._key(slug)
        found = await tombstones.list_tombstones(
            self._connection, key, type_name=page.type, id_=page.id, after=page.after, count=page.count
        )
        shown = [models.Deleted.model_validate(asdict(one)) for one in found]
        return models.DeletedList(deleted=shown, next=found[-1].id if len(found) == page.count else None)

    async def restore_deleted(self, slug: str, id_: str) -> models.Restoration:
        """Bring a deleted resource back. Raises TenantMissing, ScimError 404 and 409."""
        key = await self._key(slug)
        _, catalog = await load_catalog(self._connection, key)
        async with self._connection.transaction():
            scope = Scope(Single(self._connection), key, catalog, self._url(slug), self._actor, DEFAULT, origin=self._origin)
            written = await tombstones.restore(scope, id_)
            await self._note("resource.restore", slug, id_)
        return models.Restoration(restored=written.id, version=written.version)
