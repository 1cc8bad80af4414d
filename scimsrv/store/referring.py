"""What refers to a resource that is deleted: found, counted, and rid of the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import asyncpg
import orjson

from scimsrv.badges.rights import ABOUT
from scimsrv.errors import Kind, ScimError
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Mutability
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.search import containing
from scimsrv.schema.semantics import key_of
from scimsrv.schema.validate import complete, shorten
from scimsrv.store.connection import Connection
from scimsrv.store.content import differences, unlinked
from scimsrv.store.queries import load
from scimsrv.store.rendition import columns_of_keys, keys_held, modified_key, renaming, render, unique_keys
from scimsrv.store.scope import Scope, now

_SQL = load("resources")

#: Documents that one exchange with the database rewrites.
_BATCH: Final = 500

#: References that are counted for an error; of more than these it says that there are more.
_COUNTED: Final = 1_000


async def refuse_where_restricted(scope: Scope, conn: Connection, schema: EffectiveSchema, id_: str) -> None:
    """Raises ScimError 409 that says who refers to the resource, and how many do, where the policy restricts its deletion.

    The resource must be locked, so that nothing can begin to refer to it; what refers to itself does not count.
    """
    policy, found = scope.catalog.policy, list[tuple[int, str]]()
    if policy.link_target_deletion == "restrict":
        for row in await conn.fetch(_SQL["count_referring"], scope.tenant, id_, _COUNTED + 1):
            source = scope.catalog.by_name.get(row["type"])
            place = None if source is None else source.referring.get(row["attribute"])
            if place is not None:  # the values of an attribute that was taken away keep nobody
                found.append((row["resources"], f"{place.name} of {row['type']} {shorten(row['example'])}"))
    if policy.pointer_target_deletion == "restrict":
        for other, place, sought in _pointing(scope, schema, id_):
            for row in await conn.fetch(_SQL["count_pointing"], scope.tenant, other.name, sought, id_, _COUNTED + 1, True):
                found.append((row["resources"], f"{place.name} of {other.name} {shorten(row['example'])}"))
    if found:
        number = sum(count for count, _ in found)
        said = "a reference names" if number == 1 else f"{number if number <= _COUNTED else f'more than {_COUNTED}'} references name"
        names = ", ".join(name for _, name in found[:5])
        raise ScimError(Kind.CONFLICT, f"{schema.name} {shorten(id_)} cannot be deleted while {said} it: {names}")


async def refuse_emptied(scope: Scope, conn: Connection, held: Mapping[str, Any], left: Mapping[str, Iterable[str]]) -> None:
    """Raises ScimError 409 when a required link has lost its last value; `held` and `left` as for `forget`."""
    required = {
        (type_.name, link.key): link for type_ in scope.catalog.types() for link in type_.referring.values() if link.attribute.required
    }
    for source, attributes in left.items() if required else ():
        type_ = held[source]["type"]
        for place in (required[type_, key] for key in attributes if (type_, key) in required):
            if not await conn.fetch(_SQL["links_of"], scope.tenant, source, place.key, "", 1):
                raise ScimError(Kind.CONFLICT, f"{place.name} of {type_} {shorten(source)} is required; its last value cannot be deleted")


async def forget(scope: Scope, conn: Connection, id_: str, held: Mapping[str, Any], left: Mapping[str, Iterable[str]]) -> None:
    """Give the resources that referred to `id_` new versions and, where their documents hold the reference, new documents.

    `held` are their rows (id, type, modified) under lock; `left` has the attributes, by their keys, whose rows are gone already.
    """
    at, dated = now(), scope.catalog.of_modified
    touched = []
    for source, attributes in left.items():
        row = held[source]
        schema = scope.catalog.by_name.get(row["type"])
        places = [] if schema is None else [schema.referring[key] for key in attributes if key in schema.referring]
        within = [place for place in places if place.attribute.is_annotated]
        if schema is None or not within:
            said = (attributes, dated.get(row["type"]), modified_key(row["modified"]), None, unlinked(attributes, id_))
            touched.append((source, row["type"], at, scope.by, *said))
            continue
        rows = await conn.fetch(_SQL["lock_documents"], scope.tenant, [source])
        names = sorted({place.name for place in places})
        await rewrite(scope, conn, schema, rows, names, partial(_without, places=within, id_=id_))
    await conn.executemany(_SQL["touch_resource"], [(scope.tenant, *one) for one in touched])


async def clear_pointers(scope: Scope, conn: Connection, schema: EffectiveSchema, id_: str, most: int, *, kept: bool) -> bool:
    """Unassign up to so many pointers at each place to a resource of this type that is being deleted, and raise the versions
    (decision 55); whether there may be more. `kept` says that they are kept for when it is brought back, as they are where its tombstone
    is there.

    A pointer that is required or immutable is left as it is, and each is where the policy keeps them.
    """
    more = False
    if scope.catalog.policy.pointer_target_deletion == "keep":
        return more
    for other, place, sought in _pointing(scope, schema, id_):
        if place.attribute.required or place.attribute.mutability is not Mutability.READ_WRITE:
            continue
        rows = await conn.fetch(_SQL["pointing_at"], scope.tenant, other.name, sought, True, id_, most + 1)
        more = more or len(rows) > most
        if rows:
            values = [orjson.dumps(doc.get(orjson.loads(row["document"]), place)).decode() for row in rows[:most]]
            await conn.execute(_SQL["keep_pointers"], scope.tenant, id_, place.key, [row["id"] for row in rows[:most]], values, kept)
        await rewrite(scope, conn, other, rows[:most], [place.name], partial(doc.put, place=place, value=None))
    return more


def _pointing(scope: Scope, schema: EffectiveSchema, id_: str) -> Iterator[tuple[EffectiveSchema, Resolved, str]]:
    """The places that may point at a resource of this type, with the type and the search document of what does. Who awards and requests
    are about is decided elsewhere."""
    for other in scope.catalog.types():
        for place in other.pointers:
            if place.key == ABOUT.get(other.name) and scope.catalog.policy.badges:
                continue
            part = place.attribute.value_part
            if part is not None and schema.name in place.attribute.resource_types:
                yield other, place, orjson.dumps(containing(place, {part.search_key: key_of(part, id_)})).decode()


def _without(document: Document, places: Iterable[Resolved], id_: str) -> Document:
    """The document without the elements at these places that refer to the resource; the last one of a required attribute stays."""
    for place in places:
        kept = [element for element in doc.values(doc.get(document, place)) if element["value"] != id_]
        document = doc.put(document, place, kept) if kept or not place.attribute.required else document
    return document


async def rewrite(
    scope: Scope,
    conn: Connection,
    schema: EffectiveSchema,
    rows: list[asyncpg.Record],
    names: list[str],
    change: Callable[[Document], Document],
) -> None:
    """Store what the change makes of each document; the rows (id, version, modified, document, search) are locked. `names` are those of
    the attributes that it changes."""
    indexes, dated = scope.catalog.indexes_of(schema), scope.catalog.of_modified.get(schema.name)
    for start in range(0, len(rows), _BATCH):
        changes: list[tuple[Any, ...]] = []
        dropped: list[tuple[Any, ...]] = []
        for row in rows[start : start + _BATCH]:
            before: Document = orjson.loads(row["document"])
            after = complete(change(before), schema, scope.limits)
            made = render(after, schema, indexes)
            released = sorted(set(unique_keys(before, schema)) - set(made.unique))
            had, has = set(keys_held(row["search"], indexes)), set(made.keys)
            present = (scope.tenant, row["id"], schema.name, row["version"], now(), made.display, made.document, made.search)
            index = (
                dated,
                modified_key(row["modified"]),
                *columns_of_keys(has - had),
                renaming(schema, before, made),
                None,
                None,
                differences(before, after, {}),
            )
            given_up = ([name for name, _ in released], [key for _, key in released])
            changes.append((*present, *given_up, [], [], [], [], scope.by, names, *index))
            dropped += [(scope.tenant, key.number, key.key, row["id"]) for key in sorted(had - has)]
        await conn.executemany(_SQL["update_resource"], changes)
        await conn.executemany(_SQL["drop_key"], dropped)
