"""The administrator's verbs on a tenant's schemas, resource types and jobs, and on values of removed attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from scimsrv.admin import models
from scimsrv.admin.acting import Acting
from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import IfMatch
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.redefinition import Subject
from scimsrv.store import jobs
from scimsrv.store.definitions import Defined, define, report
from scimsrv.store.identity import load_catalog
from scimsrv.store.single import Single

#: What the record calls a subject.
_WORDS: Final = {Subject.SCHEMA: "schema", Subject.RESOURCE_TYPE: "type"}


class Shaping(Acting):
    """Verbs about what a tenant serves. Definitions are what SCIM has at /Schemas and /ResourceTypes, but for `meta`."""

    async def list_schemas(self, slug: str) -> models.SchemaList:
        """The tenant's schemas. Raises TenantMissing."""
        catalog = await self._catalog(slug)
        return models.SchemaList(schemas=[dict(one) for one in catalog.schemas.values()])

    async def list_types(self, slug: str) -> models.TypeList:
        """The tenant's resource types. Raises TenantMissing."""
        catalog = await self._catalog(slug)
        return models.TypeList(resource_types=[dict(one) for one in catalog.resource_types.values()])

    async def show_definition(self, slug: str, subject: Subject, name: str) -> models.Defined:
        """A schema or resource type and its version. Raises TenantMissing and ScimError 404."""
        catalog = await self._catalog(slug)
        schemas = subject is Subject.SCHEMA
        found = (catalog.schemas if schemas else catalog.resource_types).get(fold_name(name))
        if found is None:
            raise ScimError(Kind.NOT_FOUND, f"There is no {_WORDS[subject]} {name[:64]!r}")
        version = (catalog.schema_versions if schemas else catalog.type_versions).get(fold_name(name), 1)
        return models.Defined(definition=dict(found), version=version)

    async def define(
        self,
        slug: str,
        subject: Subject,
        name: str | None,
        document: Mapping[str, Any] | None,
        *,
        if_match: frozenset[int] | None = None,
        dry_run: bool = False,
    ) -> models.Defined:
        """Create (`name` None), replace or (`document` None) delete a definition; with `dry_run` only say what that would mean.

        Raises TenantMissing, and ScimError as scimsrv.store.definitions does.
        """
        condition = None if if_match is None else IfMatch(any=False, versions=if_match)
        async with self._connection.transaction():
            done = await define(
                *(Single(self._connection), await self._key(slug), self._actor, subject, name, lambda _: document),
                if_match=condition,
                dry_run=dry_run,
            )
            if done.taken:
                operation = "create" if name is None else "delete" if document is None else "change"
                detail = {"version": done.version, "jobs": list(done.jobs)}
                await self._note(f"{_WORDS[subject]}.{operation}", slug, done.redefinition.name, detail)
        return _defined(done)

    async def list_jobs(self, slug: str) -> models.JobList:
        """The tenant's background jobs. Raises TenantMissing."""
        found = await jobs.list_jobs(self._connection, await self._key(slug))
        return models.JobList(jobs=[_job(one) for one in found])

    async def show_job(self, slug: str, number: int) -> models.Job:
        """One job. Raises TenantMissing and ScimError 404."""
        return _job(await jobs.find_job(self._connection, await self._key(slug), number))

    async def retry_job(self, slug: str, number: int) -> models.Job:
        """Have a failed job begin again. Raises TenantMissing, ScimError 404 and 409."""
        async with self._connection.transaction():
            job = await jobs.retry_job(self._connection, await self._key(slug), number)
            await self._note("job.retry", slug, str(number))
        return _job(job)

    async def recompute_badges(self, slug: str) -> models.Job:
        """Have what follows from everybody's awards computed anew, in the background; doing it again changes nothing. Raises TenantMissing
        and ScimError 409 for a tenant without badges."""
        async with self._connection.transaction():
            job = await jobs.recompute_badges(self._connection, await self._key(slug), self._actor)
            await self._note("badges.recompute", slug, str(job.number))
        return _job(job)

    async def list_removed(self, slug: str) -> models.RemovedList:
        """The removed attributes of which values are kept. Raises TenantMissing."""
        found = await jobs.list_removed(self._connection, await self._key(slug))
        return models.RemovedList(removed=[models.Removed.model_validate(asdict(one)) for one in found])

    async def restore_removed(self, slug: str, type_name: str, attribute: str) -> models.Job:
        """Have values put back. Raises TenantMissing, ScimError 404 and 409."""
        async with self._connection.transaction():
            job = await jobs.restore_removed(self._connection, await self._key(slug), self._actor, type_name, attribute)
            await self._note("values.restore", slug, f"{type_name} {attribute}", {"job": job.number})
        return _job(job)

    async def purge_removed(self, slug: str, type_name: str, attribute: str) -> models.Job:
        """Have values destroyed. Raises TenantMissing, ScimError 404 and 409."""
        async with self._connection.transaction():
            job = await jobs.purge_removed(self._connection, await self._key(slug), self._actor, type_name, attribute)
            await self._note("values.purge", slug, f"{type_name} {attribute}", {"job": job.number})
        return _job(job)

    async def _catalog(self, slug: str) -> Catalog:
        return (await load_catalog(self._connection, await self._key(slug)))[1]


def _defined(done: Defined) -> models.Defined:
    said = report(done)
    return models.Defined(
        definition=None if done.definition is None else dict(done.definition),
        version=done.version,
        taken=done.taken,
        possible=said["possible"],
        changes=said["changes"],
        later=said["later"],
        jobs=list(done.jobs),
    )


def _job(one: jobs.Job) -> models.Job:
    return models.Job.model_validate(asdict(one))
