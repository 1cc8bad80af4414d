"""What a tenant's rows have to follow from: its catalogue and its indexes, as the transaction sees them that looks at the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.indexing import Index
from scimsrv.store.connection import Connection
from scimsrv.store.identity import load_catalog
from scimsrv.store.queries import load
from scimsrv.store.tenants import TenantMissing

_SQL = load("consistency")


class UnreadableError(Exception):
    """A tenant's definitions are none, so that nothing can be said of what follows from them."""


@dataclass(frozen=True)
class View:
    """`indexes` are those whose rows are kept, by number with the name of their type; of the numbers in `leaving` there may be any rows.
    `unsettled` has the types whose rows are being changed in the background, with what is not looked at because of that."""

    tenant: int
    revision: int
    catalog: Catalog
    indexes: Mapping[int, tuple[str, Index]]
    leaving: frozenset[int]
    unsettled: Mapping[str, str] = field(default_factory=dict)

    def settled(self, name: str) -> EffectiveSchema | None:
        """The type of this name; None where there is none, or its rows are being changed."""
        return None if name in self.unsettled else self.catalog.by_name.get(name)


async def view_of(conn: Connection, tenant: int, known: View | None) -> View:
    """The view of the connection's snapshot; `known` is one of a batch before. Raises TenantMissing when the tenant is gone,
    UnreadableError where its definitions are none."""
    revision = await conn.fetchval(_SQL["revision"], tenant)
    if known is not None and revision == known.revision:
        return known
    if revision is None:
        raise TenantMissing(f"Tenant {tenant} is gone.")
    try:
        _, catalog = await load_catalog(conn, tenant)
    except (ValueError, LookupError, TypeError, AttributeError) as problem:
        raise UnreadableError from problem
    held = {index.number: (name, index) for name, indexes in catalog.indexes.items() for index in indexes}
    numbers = {row["number"] for row in await conn.fetch(_SQL["index_numbers"], tenant)}
    return View(tenant, revision, catalog, held, frozenset(numbers - held.keys()), _unsettled(catalog))


def _unsettled(catalog: Catalog) -> dict[str, str]:
    found = {}
    for schema in catalog.types():
        if schema.unsettled:
            found[schema.name] = f"{schema.name}: a change of its definition is not carried out yet (`scimsrv job list`)"
        elif any(schema.schema(one.urn) is not None for one in catalog.rekeyings):
            found[schema.name] = f"{schema.name}: a change of caseExact is not carried out yet (`scimsrv job list`)"
    return found
