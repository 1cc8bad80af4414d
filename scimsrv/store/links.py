"""Writing links: rows of the reference table, set by set, with the integrity of what they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scimsrv.errors import invalid_value, mutability
from scimsrv.patch.links import LinkChange
from scimsrv.protocol.response import is_plain
from scimsrv.schema import document as doc
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.validate import shorten
from scimsrv.store.connection import Connection
from scimsrv.store.content import Moved
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope

_SQL = load("resources")

#: Up to so many ids are locked without first asking which of them are new.
_FEW = 100


async def change_links(scope: Scope, conn: Connection, schema: EffectiveSchema, source: str, place: Resolved, change: LinkChange) -> Moved:
    """Bring the rows of one link of `source` up to date inside a transaction that holds the lock on it; returns what changed of them.

    Raises ScimError invalidValue for a target that does not exist, is of a type the link does not take, or is the source itself;
    mutability when a required link would be left without values.
    """
    types = await _check_targets(scope, conn, source, place, change.added)
    holders = {type_.name for type_ in scope.catalog.types() if type_.referring}
    if change.added and (not types.isdisjoint(holders) or not is_plain(source)):
        await conn.execute(_SQL["note_unusual_reference"], scope.tenant)
    gone = made = None
    if change.cleared:
        gone = await conn.fetchrow(_SQL["keep_links"], scope.tenant, source, place.key, list(change.added), True)
    elif change.removed:
        gone = await conn.fetchrow(_SQL["remove_links"], scope.tenant, source, place.key, list(change.removed), True)
    if change.added:
        made = await conn.fetchrow(_SQL["add_links"], scope.tenant, source, place.key, list(change.added))
    needed = place.attribute.is_link and place.attribute.required
    if needed and not await conn.fetch(_SQL["links_of"], scope.tenant, source, place.key, "", 1):
        raise mutability(f"{place.name} is required; its last value cannot be removed")
    (added, number_added), (removed, number_removed) = (((), 0) if row is None else (row["targets"], row["number"]) for row in (made, gone))
    return Moved(added, removed, number_added, number_removed)


async def _check_targets(scope: Scope, conn: Connection, source: str, place: Resolved, ids: Sequence[str]) -> set[str]:
    """The types of those ids that are not linked yet. Raises ScimError invalidValue."""
    wanted = list(ids)
    if source in wanted:
        raise invalid_value(f"{place.name}: a resource cannot refer to itself ({shorten(source)})")
    if len(wanted) > _FEW:
        rows = await conn.fetch(_SQL["not_yet_linked"], scope.tenant, source, place.key, wanted)
        wanted = [row["target"] for row in rows]
    if not wanted:
        return set()
    rows = await conn.fetch(_SQL["lock_targets"], scope.tenant, sorted(wanted))
    types = {row["id"]: row["type"] for row in rows}
    check_types(place, wanted, types)
    return set(types.values())


def check_types(place: Resolved, wanted: Sequence[str], types: Mapping[str, str]) -> None:
    """Raises ScimError invalidValue for an id without a type, or with one that the link does not take."""
    for id_ in wanted:
        if id_ not in types:
            raise invalid_value(f"{place.name}: there is no resource with the id {shorten(id_)}")
        if types[id_] not in place.attribute.resource_types:
            raise invalid_value(f"{place.name} cannot refer to a {types[id_]} ({shorten(id_)})")


def change_of(place: Resolved, before: Document, document: Document) -> LinkChange | None:
    """What a new document changes in the rows of an attribute whose values it holds; None for nothing."""
    had, has = (dict.fromkeys(element["value"] for element in doc.values(doc.get(one, place))) for one in (before, document))
    change = LinkChange(False, tuple(has.keys() - had.keys()), tuple(had.keys() - has.keys()))
    return change if change.added or change.removed else None


async def relink(conn: Connection, tenant: int, schema: EffectiveSchema, source: str, before: Document, document: Document) -> Document:
    """Give the references that a document gains their rows, under its lock; those that name nothing of a right type any more go."""
    for place in schema.annotated.values():
        change = change_of(place, before, document)
        if change is None or not change.added:
            continue
        rows = await conn.fetch(_SQL["lock_targets"], tenant, sorted(change.added))
        there = {row["id"] for row in rows if row["type"] in place.attribute.resource_types} - {source}
        kept = [one for one in doc.values(doc.get(document, place)) if one["value"] in there or one["value"] not in change.added]
        document = doc.put(document, place, kept)
        await conn.execute(_SQL["add_links"], tenant, source, place.key, sorted(there))
    return document
