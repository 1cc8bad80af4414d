"""Single-valued references such as manager: their $ref, what happens to them when the resource they name is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson

from scimsrv.errors import invalid_value
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Mutability
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.search import containing
from scimsrv.schema.semantics import key_of
from scimsrv.schema.validate import complete, shorten
from scimsrv.store.connection import Connection
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.rendition import columns_of_keys, keys_held, modified_key, render
from scimsrv.store.scope import Scope, now

_SQL = load("resources")

#: Resources whose pointer is cleared by one exchange with the database.
_BATCH: Final = 500


def new_pointers(schema: EffectiveSchema, before: Document, document: Document) -> dict[Resolved, str]:
    """The pointers that name another resource than before, with its id."""
    found = {}
    for place in schema.pointers:
        value, old = doc.get(document, place), doc.get(before, place)
        if value and value.get("value") and (old is None or old.get("value") != value["value"]):
            found[place] = value["value"]
    return found


async def with_refs(scope: Scope, conn: Queries, schema: EffectiveSchema, before: Document, document: Document) -> Document:
    """The document with the `$ref` of every pointer that names an existing resource; others have none.

    Where there are `new_pointers`, `conn` must be in a transaction: what they name is locked, so that it cannot be deleted before
    the pointer is stored. Raises ScimError invalidValue for one that names nothing, where the policy demands integrity.
    """
    named = new_pointers(schema, before, document)
    types: dict[str, str] = {}
    if named:
        rows = await conn.fetch(_SQL["lock_targets"], scope.tenant, sorted(named.values()))
        types = {row["id"]: row["type"] for row in rows}
    return refer(scope, schema, before, document, types)


def refer(scope: Scope, schema: EffectiveSchema, before: Document, document: Document, types: Mapping[str, str]) -> Document:
    """The same where the types of what new pointers name are known by id; what is not there does not exist."""
    named = new_pointers(schema, before, document)
    for place in schema.pointers:
        value = doc.get(document, place)
        if not value:
            continue
        kept = {name: part for name, part in value.items() if name != "$ref"}
        id_ = named.get(place)
        if id_ is None:
            old = doc.get(before, place) or {}
            kept |= {"$ref": old["$ref"]} if "$ref" in old and kept.get("value") else {}
        elif types.get(id_) in place.attribute.resource_types:
            kept["$ref"] = f"{scope.base_url}{scope.catalog.by_name[types[id_]].endpoint}/{quote(id_, safe='')}"
        elif scope.catalog.policy.require_pointer_targets:
            raise invalid_value(f"{place.name}: there is no resource with the id {shorten(id_)}")
        document = doc.put(document, place, kept)
    return document


async def clear_pointers(scope: Scope, conn: Connection, schema: EffectiveSchema, id_: str) -> None:
    """Unassign every pointer to a resource of this type that is being deleted, and raise the versions (decision 55).

    A pointer that is required or immutable is left as it is.
    """
    for other in scope.catalog.types():
        for place in other.pointers:
            changeable = not place.attribute.required and place.attribute.mutability is Mutability.READ_WRITE
            if changeable and schema.name in place.attribute.resource_types:
                await _clear(scope, conn, other, place, id_)


async def _clear(scope: Scope, conn: Connection, schema: EffectiveSchema, place: Resolved, id_: str) -> None:
    part = place.attribute.value_part
    if part is None:
        return
    sought = containing(place, {part.search_key: key_of(part, id_)})
    rows = await conn.fetch(_SQL["pointing_at"], scope.tenant, schema.name, orjson.dumps(sought).decode(), True)
    rows = [row for row in rows if row["id"] != id_]  # what points at itself goes as it is
    indexes, dated = scope.catalog.indexes_of(schema), scope.catalog.of_modified.get(schema.name)
    for start in range(0, len(rows), _BATCH):
        changes: list[tuple[Any, ...]] = []
        dropped: list[tuple[Any, ...]] = []
        for row in rows[start : start + _BATCH]:
            document = complete(doc.put(orjson.loads(row["document"]), place, None), schema, scope.limits)
            made = render(document, schema, indexes)
            had, has = set(keys_held(row["search"], indexes)), set(made.keys)
            present = (scope.tenant, row["id"], schema.name, row["version"], now(), made.display, made.document, made.search)
            index = (dated, modified_key(row["modified"]), *columns_of_keys(has - had), None, None)
            changes.append((*present, [], [], [], [], [], [], scope.actor, [place.name], *index))
            dropped += [(scope.tenant, key.number, key.key, row["id"]) for key in sorted(had - has)]
        await conn.executemany(_SQL["update_resource"], changes)
        await conn.executemany(_SQL["drop_key"], dropped)
