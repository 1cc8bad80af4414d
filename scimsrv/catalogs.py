"""Tenants' catalogues that a process keeps: what a request is read by costs nothing while the definitions stay."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from scimsrv.observing import looked_up
from scimsrv.schema.catalog import Catalog
from scimsrv.store.failure import guarded
from scimsrv.store.identity import load_catalog
from scimsrv.store.pool import Tenants

#: Catalogues kept per process, the oldest going first.
_MOST: Final = 500


class Catalogs:
    """Catalogues by tenant, each with the revision that it is of."""

    def __init__(self, pool: Tenants) -> None:
        self._pool = pool
        self.kept: OrderedDict[int, tuple[int, Catalog]] = OrderedDict()

    async def at(self, tenant: int, revision: int) -> Catalog:
        """The catalogue, read again where what is kept is older than this revision, which a credential shows."""
        kept = self.kept.get(tenant)
        fresh = kept is not None and kept[0] >= revision
        looked_up(found=fresh)
        return (await self.renew(tenant) if kept is None or not fresh else kept)[1]

    async def renew(self, tenant: int) -> tuple[int, Catalog]:
        """Read the catalogue anew, for the requests that follow in this process; its revision with it. One that was read before, and
        arrives later, does not take its place."""
        read = await guarded(lambda: load_catalog(self._pool.of(tenant), tenant))
        kept = self.kept.get(tenant)
        if kept is None or kept[0] < read[0]:
            kept = self.kept[tenant] = read
            if len(self.kept) > _MOST:
                self.kept.popitem(last=False)
        return kept
