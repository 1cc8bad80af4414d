"""Which attributes of a tenant are indexed: marked and unmarked while the tenant is in use.

An index is built in the background, and relied on from the moment that every resource has its keys. Its states: `building`, `ready`;
`retiring` (nobody may rely on it any more, writers still keep it up to date for those who do not know that yet), `dropping`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scimsrv.schema.attribute import Type
from scimsrv.schema.effective import Resolved
from scimsrv.schema.indexing import indexable
from scimsrv.store.connection import Connection
from scimsrv.store.identity import load_catalog
from scimsrv.store.queries import load
from scimsrv.store.tenants import count_resources

_SQL = load("indexes")

#: Indexes that a tenant may have: each is one row more to write for a resource.
MOST: Final = 64


class AttributeIndexError(Exception):
    """What was asked of an index is not possible; the message says why."""


class AttributeIndexMissing(AttributeIndexError):  # noqa: N818 - a kind of AttributeIndexError
    """There is no such resource type, or no such index."""


class AttributeIndexConflict(AttributeIndexError):  # noqa: N818 - a kind of AttributeIndexError
    """The indexes that the tenant has do not permit it."""


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """An index as an operator sees it: the attribute as the schema spells it; `done` of the type's `resources` have been gone through."""

    type: str
    attribute: str
    substring: bool
    state: str
    since: datetime
    done: int
    resources: int


async def list_indexes(connection: Connection, tenant: int) -> list[IndexStatus]:
    """The tenant's indexes with their progress."""
    _, catalog = await load_catalog(connection, tenant)
    counts = await count_resources(connection, tenant)
    found = []
    for row in await connection.fetch(_SQL["list"], tenant):
        schema = catalog.by_name.get(row["type"])
        place = None if schema is None else schema.resolve(row["attribute"])
        name = row["attribute"] if place is None else place.name
        resources = counts.get(row["type"], 0)
        done = {"building": min(row["done"], resources), "ready": resources}.get(row["state"], 0)
        found.append(IndexStatus(row["type"], name, row["substring"], row["state"], row["since"], done, resources))
    return found


async def add_index(connection: Connection, tenant: int, type_name: str, attribute: str, *, substring: bool = False) -> IndexStatus:
    """Mark an attribute (`displayName`, `name.givenName`, `urn:…:User:department`) of a resource type as indexed.

    `substring` makes filters with co and ew fast too. Ready at once where the type has no resources and the tenant no token. Raises
    AttributeIndexError when there is no such type or attribute, it cannot be indexed, is indexed already, or there are too many.
    """
    place = await _place(connection, tenant, type_name, attribute)
    if substring and place.leaf.type not in (Type.STRING, Type.REFERENCE):
        raise AttributeIndexError(f"{place.name} is no text, so that it has no pieces to look for.")
    async with connection.transaction():
        await connection.execute(_SQL["revise"], tenant)
        held = await connection.fetch(_SQL["list"], tenant)
        if len(held) >= MOST:
            raise AttributeIndexConflict(f"The tenant has {MOST} indexes, which is the most there can be.")
        row = await connection.fetchrow(_SQL["add"], tenant, type_name, place.key, substring)
        if row is None:
            state = next(one["state"] for one in held if (one["type"], one["attribute"]) == (type_name, place.key))
            raise AttributeIndexConflict(f"{type_name} {place.name} is indexed already (state {state}).")
    return await _status(connection, tenant, type_name, place)


async def remove_index(connection: Connection, tenant: int, type_name: str, attribute: str) -> IndexStatus:
    """Give up an index: queries stop relying on it at once, its rows go in the background.

    Raises AttributeIndexError when there is none, or it is being removed already.
    """
    place = await _place(connection, tenant, type_name, attribute)
    async with connection.transaction():
        held = {(row["type"], row["attribute"]): row for row in await connection.fetch(_SQL["list"], tenant)}
        row = held.get((type_name, place.key))
        if row is None:
            raise AttributeIndexMissing(f"{type_name} {place.name} is not indexed.")
        if row["state"] not in ("ready", "building"):
            raise AttributeIndexConflict(f"The index of {type_name} {place.name} is being removed already.")
        await connection.execute(_SQL["retire"], tenant, row["number"])
        await connection.execute(_SQL["revise"], tenant)  # last, as the background work does it
    return await _status(connection, tenant, type_name, place)


async def _place(connection: Connection, tenant: int, type_name: str, attribute: str) -> Resolved:
    _, catalog = await load_catalog(connection, tenant)
    schema = catalog.by_name.get(type_name)
    if schema is None:
        raise AttributeIndexMissing(f"There is no resource type {type_name!r}; there are {', '.join(catalog.by_name)}.")
    try:
        return indexable(schema, attribute)
    except ValueError as problem:
        raise AttributeIndexError(f"{problem}.") from problem


async def _status(connection: Connection, tenant: int, type_name: str, place: Resolved) -> IndexStatus:
    return next(one for one in await list_indexes(connection, tenant) if (one.type, one.attribute) == (type_name, place.name))
