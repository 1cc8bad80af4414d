"""What every group of the administrator's verbs shares: the connection, who acts, and the record of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scimsrv.store import tenants
from scimsrv.store.administrators import note_change
from scimsrv.store.connection import Connection


class Acting:
    """Acts as `actor` on one connection. `derive` gives the server's key of a label, `tenant_url` the URL for a tenant's clients."""

    def __init__(self, connection: Connection, actor: str, derive: Callable[[str], bytes], tenant_url: Callable[[str], str]) -> None:
        self._connection = connection
        self._actor = actor
        self._derive = derive
        self._url = tenant_url

    async def _key(self, slug: str) -> int:
        return (await tenants.find_tenant(self._connection, slug)).id

    async def _note(self, operation: str, tenant: str, subject: str | None = None, detail: Mapping[str, Any] | None = None) -> None:
        await note_change(self._connection, self._actor, operation, tenant=tenant, subject=subject, detail=detail)
