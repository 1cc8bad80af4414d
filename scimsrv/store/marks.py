"""Which indexes the attributes' own definitions ask for (`indexed`), and keeping a tenant's indexes to that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.indexing import STANDARD, indexable
from scimsrv.schema.redefinition import Redefinition
from scimsrv.store.connection import Connection
from scimsrv.store.indexes import MOST
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load

_SQL = load("indexes")

#: The indexes of a new tenant: they stay, marked or not.
_STANDARD: Final = frozenset((type_, attribute.lower()) for type_, attribute, _ in STANDARD)

_CORE: Final = "urn:ietf:params:scim:schemas:core:2.0:"


@dataclass(frozen=True, slots=True)
class _Marked:
    """What a change does to indexes: those to be added, by type, attribute and whether pieces are looked for; rows to be given up."""

    added: list[tuple[str, str, bool]]
    retired: list[int]


async def keep_marks(conn: Connection, tenant: int, change: Redefinition) -> None:
    """Add the indexes that a change asks for and give up those that it asks for no more, or whose attribute goes. In the transaction
    of the change, which holds the tenant's row. Raises ScimError 409 where that is not possible."""
    marked = await _marked(conn, tenant, change)
    for row in marked.added:
        await conn.fetchrow(_SQL["add"], tenant, *row)
    for number in marked.retired:
        await conn.execute(_SQL["retire"], tenant, number)


async def check_marks(conn: Queries, tenant: int, change: Redefinition) -> None:
    """Raises ScimError 409 where `keep_marks` would."""
    await _marked(conn, tenant, change)


async def _marked(conn: Queries, tenant: int, change: Redefinition) -> _Marked:
    held = {(row["type"], row["attribute"]): row for row in await conn.fetch(_SQL["list"], tenant)}
    number = len(held)
    marked = _Marked([], [])
    for name, new in change.after.by_name.items():
        old = change.before.by_name.get(name)
        if old is not None and name not in change.changes:
            continue
        before, after = {} if old is None else _marks(old), _marks(new)
        wanted = {} if old is not None else _standard(new)
        for key, place in after.items():
            if key in before and before[key].leaf.index == place.leaf.index:
                continue
            row = held.get((name, key))
            if row is None:
                wanted[key] = place.leaf.index is True
            else:
                _refuse_other(place, row)
        for key, substring in wanted.items():
            number += 1
            if number > MOST:
                raise ScimError(Kind.CONFLICT, f"{_name(new, key)}: indexed would be one index more than the {MOST} that a tenant can have")
            marked.added.append((name, key, substring))
        for row in [row for (type_, _), row in held.items() if type_ == name and row["state"] in ("ready", "building")]:
            unmarked = row["attribute"] in before and row["attribute"] not in after and (name, row["attribute"]) not in _STANDARD
            if unmarked or not _stays(new, row["attribute"]):
                marked.retired.append(row["number"])
    return marked


def _refuse_other(place: Resolved, row: Any) -> None:
    if row["state"] not in ("ready", "building"):
        raise ScimError(Kind.CONFLICT, f"{place.name}: indexed: its former index is still being removed; try again later")
    if place.leaf.index is True and not row["substring"]:
        raise ScimError(Kind.CONFLICT, f'{place.name}: indexed: set it to false first, and to "substring" when the index is removed')


def _name(schema: EffectiveSchema, key: str) -> str:
    place = schema.resolve(key)
    return key if place is None else place.name


def _standard(schema: EffectiveSchema) -> dict[str, bool]:
    """The indexes of a new tenant's type of this name and schema, for one that is made later: by key, whether pieces are looked for."""
    if schema.base.key != fold_name(f"{_CORE}{schema.name}"):
        return {}
    return {
        indexable(schema, attribute).key: substring
        for name, attribute, substring in STANDARD
        if name == schema.name and schema.resolve(attribute) is not None
    }


def _marks(schema: EffectiveSchema) -> dict[str, Resolved]:
    """The places that their definitions say are indexed, by key."""
    places = [Resolved(urn, attribute, sub) for urn, attribute in schema.top_level() for sub in (None, *attribute.sub_attributes)]
    return {place.key: place for place in places if place.leaf.index is not None}


def _stays(schema: EffectiveSchema, attribute: str) -> bool:
    try:
        return indexable(schema, attribute).key == attribute
    except ValueError:
        return False
