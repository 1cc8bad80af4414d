"""The verbs on the audit trail, erasure, the deletion guard and deleted resources through the admin API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel

from scimsrv.admin import models
from scimsrv.admin.shaping_client import path

_M = TypeVar("_M", bound=BaseModel)


class KeepingClient(ABC):
    """What a client of the admin API has to say for the verbs of scimsrv.admin.keeping."""

    @abstractmethod
    def _ask(self, answer: type[_M], method: str, path: str, body: BaseModel | None = None, *, timeout: float | None = 0) -> _M:
        """Send a request and read its answer as a model."""

    @abstractmethod
    def _lines(self, path: str) -> Iterator[bytes]:
        """Send a GET and read its answer line by line."""

    async def show_audit(self, slug: str) -> models.AuditChain:
        """Where its audit chain ends."""
        return self._ask(models.AuditChain, "GET", path(slug, "audit"))

    async def export_audit(self, slug: str, asked: models.AuditExport) -> AsyncIterator[bytes]:
        """The rows of its audit trail."""
        query = urlencode(asked.model_dump(mode="json", exclude_none=True))

        async def lines() -> AsyncIterator[bytes]:
            for line in self._lines(path(slug, "audit", "rows") + f"?{query}"):
                yield line

        return lines()

    async def erase(self, slug: str, asked: models.ErasureRequest) -> models.Erasure:
        """Destroy what is kept of a deleted resource."""
        return self._ask(models.Erasure, "POST", path(slug, "erasures"), asked, timeout=None)

    async def show_guard(self, slug: str) -> models.GuardState:
        """What its deletion guard has counted."""
        return self._ask(models.GuardState, "GET", path(slug, "deletion-guard"))

    async def release_guard(self, slug: str, type_name: str, asked: models.GuardRelease) -> models.GuardState:
        """Let deletions through again."""
        return self._ask(models.GuardState, "POST", path(slug, "deletion-guard", type_name, "release"), asked)

    async def list_deleted(self, slug: str, page: models.DeletedPage) -> models.DeletedList:
        """What can be brought back."""
        query = urlencode({name: value for name, value in page.model_dump().items() if value is not None})
        return self._ask(models.DeletedList, "GET", path(slug, "deleted") + f"?{query}")

    async def restore_deleted(self, slug: str, id_: str) -> models.Restoration:
        """Bring a deleted resource back."""
        return self._ask(models.Restoration, "POST", path(slug, "deleted", id_, "restore"))
