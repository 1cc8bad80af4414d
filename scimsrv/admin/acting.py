"""What every group of the administrator's verbs shares: the connection, who acts, and the record of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from scimsrv.store import tenants
from scimsrv.store.administrators import note_change
from scimsrv.store.audit import note
from scimsrv.store.connection import Connection
from scimsrv.store.scope import Actor

#: What administrators do that is in the tenant's trail by itself, as a change of a resource, the policy or a definition, or what the
#: deletion guard let through; and what leaves no trail to be in, or makes it.
_BY_ITSELF: Final = frozenset(
    {
        *("policy.change", "schema.create", "schema.change", "schema.delete"),
        *("type.create", "type.change", "type.delete"),
        *("resource.erase", "resource.restore", "guard.release", "tenant.create", "tenant.delete"),
    }
)


class Acting:
    """Acts as `actor` on one connection, an Actor where a request is behind it. `derive` gives the server's key of a label, `tenant_url`
    the URL for a tenant's clients."""

    def __init__(self, connection: Connection, actor: str, derive: Callable[[str], bytes], tenant_url: Callable[[str], str]) -> None:
        self._connection = connection
        self._actor = actor
        self._derive = derive
        self._url = tenant_url

    @property
    def _origin(self) -> tuple[str, str] | None:
        """The id of the request and the address that it came from; None for a command on the database."""
        return self._actor.origin if isinstance(self._actor, Actor) else None

    async def _key(self, slug: str) -> int:
        return (await tenants.find_tenant(self._connection, slug)).id

    async def _note(self, operation: str, tenant: str, subject: str | None = None, detail: Mapping[str, Any] | None = None) -> None:
        """Record what is done, and, where nothing else puts it there, in the tenant's audit trail too."""
        await note_change(self._connection, self._actor, operation, tenant=tenant, subject=subject, detail=detail)
        if operation not in _BY_ITSELF:
            key = await self._key(tenant)
            await note(self._connection, key, self._actor, operation, "Administration", subject or "", detail or {})
