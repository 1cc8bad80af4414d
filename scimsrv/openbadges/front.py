"""What the application tells the endpoints of badges of who asks, and how much they may ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.types import Scope as Connection

from scimsrv.auth import Principal, Shown
from scimsrv.errors import ScimError
from scimsrv.http import Fields
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.schema.catalog import Catalog
from scimsrv.showing import shown_by
from scimsrv.store.scope import Scope
from scimsrv.traffic import Held


class Front(NamedTuple):
    """What the application tells of who asks: whom the Authorization headers name at a tenant (raises ScimError 401, 403 and 404), what
    that tenant serves, what its statements are carried out with, and its base URL; `enter` lets a request in that counts as so many,
    `enter_unknown` one from an address that has shown no token (both raise ScimError 429); `refused` says what one that failed is
    answered."""

    principal: Callable[[Shown, Route], Awaitable[Principal]]
    catalog: Callable[[Principal], Awaitable[Catalog]]
    scope: Callable[[Principal, Catalog, str], Scope]
    base_url: Callable[[str], str]
    enter: Callable[[Held, Principal, Catalog, int], Awaitable[None]]
    enter_unknown: Callable[[Held, str], None]
    refused: Callable[[Connection, Fields, ScimError], ScimError]

    async def admit(self, connection: Connection, headers: Fields, slug: str) -> tuple[Principal, Catalog]:
        """Who asks at this tenant, and what it serves. Raises ScimError as `principal` does."""
        return await self.admitted(shown_by(connection, headers, slug))

    async def admitted(self, shown: Shown) -> tuple[Principal, Catalog]:
        """Whom this stands for, and what the tenant serves. Raises ScimError as `principal` does."""
        principal = await self.principal(shown, Route(shown.tenant, Endpoint.ROOT))
        return principal, await self.catalog(principal)

    def scope_of(self, principal: Principal, catalog: Catalog) -> Scope:
        """What statements for somebody are carried out with."""
        return self.scope(principal, catalog, self.base_url(principal.credential.slug))
