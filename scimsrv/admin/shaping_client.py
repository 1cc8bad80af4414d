"""The verbs on schemas, resource types, jobs and values of removed attributes through the admin API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from scimsrv.admin import models
from scimsrv.schema.redefinition import Subject

_M = TypeVar("_M", bound=BaseModel)

_COLLECTIONS: Final = {Subject.SCHEMA: "schemas", Subject.RESOURCE_TYPE: "resource-types"}


class ShapingClient(ABC):
    """What a client of the admin API has to say for the verbs of scimsrv.admin.shaping."""

    @abstractmethod
    def _ask(self, answer: type[_M], method: str, path: str, body: BaseModel | None = None, *, timeout: float | None = 0) -> _M:
        """Send a request and read its answer as a model."""

    async def list_schemas(self, slug: str) -> models.SchemaList:
        """Its schemas."""
        return self._ask(models.SchemaList, "GET", path(slug, "schemas"))

    async def list_types(self, slug: str) -> models.TypeList:
        """Its resource types."""
        return self._ask(models.TypeList, "GET", path(slug, "resource-types"))

    async def show_definition(self, slug: str, subject: Subject, name: str) -> models.Defined:
        """One of its schemas or resource types."""
        return self._ask(models.Defined, "GET", path(slug, _COLLECTIONS[subject], name))

    async def define(
        self, slug: str, subject: Subject, name: str | None, document: Mapping[str, Any] | None, *, dry_run: bool = False
    ) -> models.Defined:
        """Create, replace or delete one; without a limit of time, as every resource may have to be looked at."""
        at = path(slug, _COLLECTIONS[subject], *([] if name is None else [name])) + ("?dry_run=true" if dry_run else "")
        body = None if document is None else models.Definition(dict(document))
        method = "DELETE" if document is None else "POST" if name is None else "PUT"
        return self._ask(models.Defined, method, at, body, timeout=None)

    async def list_jobs(self, slug: str) -> models.JobList:
        """Its jobs."""
        return self._ask(models.JobList, "GET", path(slug, "jobs"))

    async def retry_job(self, slug: str, number: int) -> models.Job:
        """Have a failed job begin again."""
        return self._ask(models.Job, "POST", path(slug, "jobs", str(number), "retry"))

    async def recompute_badges(self, slug: str) -> models.Job:
        """Have what follows from awards computed anew."""
        return self._ask(models.Job, "POST", path(slug, "badges", "recompute"))

    async def list_removed(self, slug: str) -> models.RemovedList:
        """The removed attributes of which values are kept."""
        return self._ask(models.RemovedList, "GET", path(slug, "removed-values"))

    async def restore_removed(self, slug: str, type_name: str, attribute: str) -> models.Job:
        """Have values put back."""
        return self._ask(models.Job, "POST", path(slug, "removed-values", type_name, attribute, "restore"))

    async def purge_removed(self, slug: str, type_name: str, attribute: str) -> models.Job:
        """Have values destroyed."""
        return self._ask(models.Job, "DELETE", path(slug, "removed-values", type_name, attribute))


def path(slug: str, *rest: str) -> str:
    """The path of something of a tenant."""
    return "/tenants/" + "/".join(quote(part, safe="") for part in (slug, *rest))
