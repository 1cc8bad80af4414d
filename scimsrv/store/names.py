"""What the resources are called that backlinks show (the groups of a user): asked of the database once, and kept while no name changes.

The sum of a tenant's `naming` rows rises with every change of a name and every deletion of what has one, in the statement that makes
it. Who reads that sum in the snapshot in which it reads who refers to whom, knows whether a name that is kept still holds there.
"""

from __future__ import annotations

import sys
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, LiteralString, NamedTuple

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

#: What a tenant, a name and an element take beside their texts.
_TENANT: Final = 2_000
_NAME: Final = 300
_ELEMENT: Final = 120


class _Name(NamedTuple):
    type: str
    display: str | None


@dataclass(slots=True)
class _Elements:
    """Elements made of the first `seen` names."""

    by_id: dict[str, bytes] = field(default_factory=dict)
    seen: int = 0


@dataclass(slots=True)
class Known:
    """Names of one tenant in one state, and the elements of backlinks that show them."""

    catalog: weakref.ref[Catalog]
    state: int
    names: dict[str, _Name] = field(default_factory=dict)
    size: int = _TENANT
    _order: list[str] = field(default_factory=list)
    _elements: dict[tuple[Resolved, str], _Elements] = field(default_factory=dict)

    def add(self, names: Iterable[tuple[str, _Name]]) -> None:
        """Keep the names, by id, that are not known yet."""
        for id_, name in names:
            if id_ not in self.names:
                self.names[id_] = name
                self._order.append(id_)
                self.size += _NAME + sys.getsizeof(name.display)

    def elements(self, place: Resolved, catalog: Catalog, base_url: str) -> dict[str, bytes]:
        """The elements of a backlink as JSON, by the id of what refers to the resource directly; none for what is not there, or is of
        a type that the backlink does not show."""
        made = self._elements.get((place, base_url))
        if made is None:
            made = self._elements[place, base_url] = _Elements()
        if made.seen < len(self._order):
            for id_ in self._order[made.seen :]:
                if self.names[id_].type in place.attribute.resource_types:
                    # By way of text: the bytes that the encoder hands out keep its buffer.
                    made.by_id[id_] = orjson.dumps(_element(place, catalog, base_url, id_, self.names[id_])).decode().encode()
                    # Other text than ASCII keeps the encoded form beside its own.
                    self.size += _ELEMENT + len(made.by_id[id_]) * (1 if made.by_id[id_].isascii() else 2)
            made.seen = len(self._order)
        return made.by_id


def _element(place: Resolved, catalog: Catalog, base_url: str, id_: str, name: _Name) -> dict[str, str]:
    parts = place.attribute.parts
    element = {"value": id_}
    schema = catalog.by_name.get(name.type)
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
        return known if known is not None and known.state == state and known.catalog() is catalog else Known(weakref.ref(catalog), state)

    async def of(self, conn: Queries, tenant: int, catalog: Catalog, state: int, ids: set[str]) -> Known:
        """The names of these resources as they are in this state of the tenant's names, or in a later one. Resources that are not
        there (any more) have none."""
        known = self.kept(tenant, catalog, state)
        missing = ids - known.names.keys()
        if missing:
            rows = await conn.fetch(_SQL["names"], tenant, sorted(missing))
            if rows and rows[0]["naming"] != state:  # a name changed meanwhile: it may be one of those that were kept
                rows = await conn.fetch(_SQL["names"], tenant, sorted(ids))
                known = self.kept(tenant, catalog, rows[0]["naming"] if rows else state)
            known.add((row["id"], _Name(row["type"], row["display"])) for row in rows)
        if known.names:
            self._keep(tenant, known)
        return known

    def _keep(self, tenant: int, known: Known) -> None:
        held = self._held.get(tenant)
        if held is not None and held is not known and held.catalog() is known.catalog():
            if held.state > known.state:
                return  # who has read an older state takes nothing away
            if held.state == known.state:  # others have asked meanwhile
                held.add(known.names.items())
                known = held
        self._held[tenant] = known
        self._held.move_to_end(tenant)
        # What was added to names that are kept is not in the sum yet.
        self._size += known.size - self._counted.pop(tenant, 0)
        self._counted[tenant] = known.size
        while self._size > self._most:
            oldest, _ = self._held.popitem(last=False)
            self._size -= self._counted.pop(oldest)
