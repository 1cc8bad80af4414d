"""What the resources are called that backlinks show (the groups of a user): asked of the database once, and kept while no name changes.

The sum of a tenant's `naming` rows rises with every change of a name and every deletion of what has one, in the statement that makes
it. Who reads that sum in the snapshot in which it reads who refers to whom, knows whether a name that is kept still holds there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString, NamedTuple

import orjson

from scimsrv.protocol.response import location
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import Resolved
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load

_SQL = load("resources")

#: The state of a tenant's names, as an expression.
NAMING: LiteralString = "(SELECT coalesce(sum(n.changes), 0)::bigint FROM naming n WHERE n.tenant = $1)"

#: Bytes that the names kept by one process may take, roughly; the tenants that were asked for longest ago go first.
MOST: Final = 16 * 1024 * 1024

#: What a name takes beside its text, which is there as text and in an element of JSON.
_OVERHEAD: Final = 600


class _Name(NamedTuple):
    type: str
    display: str | None


@dataclass(slots=True)
class Known:
    """Names of one tenant in one state, and the elements of backlinks that show them."""

    catalog: Catalog
    state: int
    names: dict[str, _Name] = field(default_factory=dict)
    size: int = 0
    _order: list[str] = field(default_factory=list)
    _elements: dict[tuple[Resolved, str], dict[str, bytes]] = field(default_factory=dict)

    def add(self, rows: Iterable[Any]) -> None:
        """Keep the names in rows of `names`."""
        for row in rows:
            name = _Name(row["type"], row["display"])
            self.names[row["id"]] = name
            self._order.append(row["id"])
            self.size += _OVERHEAD + 2 * len(name.display or "")

    def elements(self, place: Resolved, base_url: str) -> dict[str, bytes]:
        """The elements of a backlink as JSON, by the id of what refers to the resource directly; none for what is not there."""
        made = self._elements.get((place, base_url))
        if made is None:
            made = self._elements[place, base_url] = {}
        if len(made) < len(self._order):
            for id_ in self._order[len(made) :]:
                made[id_] = orjson.dumps(self._element(place, base_url, id_, self.names[id_]))
        return made

    def _element(self, place: Resolved, base_url: str, id_: str, name: _Name) -> dict[str, str]:
        parts = place.attribute.parts
        element = {"value": id_}
        schema = self.catalog.by_name.get(name.type)
        if schema is not None:
            element["$ref"] = location(base_url, schema.endpoint, id_)
        if "type" in parts:
            element["type"] = "direct"
        if name.display is not None and "display" in parts:
            element["display"] = name.display
        return element


class Names:
    """The names that one process keeps."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._counted: dict[int, int] = {}
        self._held: OrderedDict[int, Known] = OrderedDict()

    def kept(self, tenant: int, catalog: Catalog, state: int) -> Known:
        """What is known of the tenant's names in this state."""
        known = self._held.get(tenant)
        return known if known is not None and known.state == state and known.catalog is catalog else Known(catalog, state)

    async def of(self, conn: Queries, tenant: int, catalog: Catalog, state: int, ids: set[str]) -> Known:
        """The names of these resources as they are in this state of the tenant's names, or in a later one. Resources that are not
        there (any more) have none."""
        known = self.kept(tenant, catalog, state)
        missing = ids - known.names.keys()
        if missing:
            rows = await conn.fetch(_SQL["names"], tenant, sorted(missing))
            if rows and rows[0]["naming"] != state:  # a name changed meanwhile: it may be one of those that were kept
                rows = await conn.fetch(_SQL["names"], tenant, sorted(ids))
                known = Known(catalog, rows[0]["naming"] if rows else state)
            known.add(row for row in rows if row["id"] not in known.names)
        self._keep(tenant, known)
        return known

    def _keep(self, tenant: int, known: Known) -> None:
        self._held[tenant] = known
        self._held.move_to_end(tenant)
        # What was added to names that are kept is not in the sum yet.
        self._size += known.size - self._counted.pop(tenant, 0)
        self._counted[tenant] = known.size
        while self._size > self._most:
            oldest, _ = self._held.popitem(last=False)
            self._size -= self._counted.pop(oldest)
