"""Each resource against everything that is made of its document: made anew by the code that writes it, and compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from scimsrv.badges.award import is_expired
from scimsrv.errors import ScimError
from scimsrv.schema import document as doc
from scimsrv.schema.badging import AWARD
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.indexing import IndexKey, index_keys
from scimsrv.schema.search import display, search_document
from scimsrv.store.connection import Connection
from scimsrv.store.consistency.awards import compare_awards
from scimsrv.store.consistency.kinds import Difference, Kind
from scimsrv.store.consistency.view import View
from scimsrv.store.consistency.walk import Batch, Place
from scimsrv.store.queries import load
from scimsrv.store.rendition import unique_keys
from scimsrv.store.scope import now

_SQL = load("consistency")

#: What a document that is no document of its type may raise.
_UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, IndexError, ScimError)


@dataclass
class _Due:
    """What the rows of a batch ought to be, from the documents that can be read."""

    unique: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    #: Keys that whoever has them may have lost.
    released: set[tuple[str, str, str, str]] = field(default_factory=set)
    keys: list[tuple[IndexKey, str]] = field(default_factory=list)
    #: By resource and attribute: what it refers to.
    references: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    awards: dict[str, Document] = field(default_factory=dict)


class Resources:
    """The walk over the resources, by id."""

    first: Final[Place] = ("",)

    async def look(self, conn: Connection, view: View, after: Place, most: int) -> Batch:
        """Compare the next resources with what belongs to them."""
        rows = await conn.fetch(_SQL["resources"], view.tenant, *after, most)
        found: list[Difference] = []
        due = _Due()
        at = now()
        for row in rows:
            if row["type"] not in view.catalog.by_name:
                found.append(Difference(Kind.TYPE, row["id"], row["type"]))
            elif (schema := view.settled(row["type"])) is not None:
                found += _folded(view, schema, row, due, at)
        found += await _unique(conn, view.tenant, due)
        found += await _missing_keys(conn, view.tenant, view, due)
        found += await _references(conn, view.tenant, due)
        found += await compare_awards(conn, view.tenant, due.awards)
        ids = [row["id"] for row in rows]
        newest = {row["id"]: row["version"] for row in await conn.fetch(_SQL["newest_changes"], view.tenant, ids)}
        found += [Difference(Kind.HISTORY, row["id"]) for row in rows if newest.get(row["id"], row["version"]) != row["version"]]
        return Batch((ids[-1],) if len(rows) == most else None, len(rows), found)


def _folded(view: View, schema: EffectiveSchema, row: Any, due: _Due, at: datetime) -> Iterator[Difference]:
    """Compare what is in the resource's own row, and note what its other rows ought to be."""
    id_ = row["id"]
    try:
        document: Document = orjson.loads(row["document"])
        if document["id"] != id_:
            raise ValueError
        search, shown = search_document(document, schema), display(document)
        unique = {(schema.name, attribute, key) for attribute, key in unique_keys(document, schema)}
        ready = [index for index in view.catalog.indexes_of(schema) if index.ready]
        keys = index_keys(search, ready, row["modified"])
        references = dict(_referring(schema, document))
    except _UNREADABLE:
        yield Difference(Kind.DOCUMENT, id_)
        return
    if row["display"] != shown or not agrees(orjson.loads(row["search"]), search):
        yield Difference(Kind.SEARCH, id_, fix=(_SQL["fold_anew"], (id_, shown, orjson.dumps(search).decode())))
    due.unique[id_] = unique
    due.keys += [(key, id_) for key in keys]
    due.references |= {(id_, attribute): targets for attribute, targets in references.items()}
    if schema.name == AWARD:
        if view.catalog.policy.badges:
            due.awards[id_] = document
        # One that has expired holds up no other; a recipient who is gone, whatever it is called by now, gets no other.
        if is_expired(document, at) or "$ref" not in document["recipient"]:
            due.released |= {(*claim, id_) for claim in unique if claim[1].startswith("$")}


def agrees(stored: Any, made: Any) -> bool:
    """Whether a stored search document says what one that was made anew says; it may have keys of forms that attributes had before."""
    if stored == made:
        return True
    if isinstance(stored, dict) and isinstance(made, dict):
        known = {_without_form(name) for name in made}
        return all(name in stored and agrees(stored[name], value) for name, value in made.items()) and all(
            name in made or _without_form(name) in known for name in stored
        )
    if isinstance(stored, list) and isinstance(made, list):
        return len(stored) == len(made) and all(map(agrees, stored, made))
    return False


def _without_form(name: str) -> str:
    attribute, _, _ = name.partition("$")
    return attribute or name


def _referring(schema: EffectiveSchema, document: Document) -> Iterator[tuple[str, set[str]]]:
    """By attribute, what has rows in the reference table and is in the document as well."""
    for key, place in schema.annotated.items():
        yield key, {element["value"] for element in doc.values(doc.get(document, place))}
    for key, place in schema.tied.items():
        value = doc.get(document, place) or {}
        yield key, {value["value"]} if "$ref" in value else set()


async def _unique(conn: Connection, tenant: int, due: _Due) -> list[Difference]:
    has: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for row in await conn.fetch(_SQL["unique_keys_of"], tenant, list(due.unique)):
        has[row["id"]].add((row["type"], row["attribute"], row["key"]))
    stray = [
        Difference(Kind.UNIQUE_STRAY, id_, claim[1], (_SQL["drop_unique_key"], (*claim, id_)))
        for id_, claims in due.unique.items()
        for claim in sorted(has[id_] - claims)
    ]
    # What is claimed wrongly is given up first: somebody else may be waiting for it.
    return stray + [
        Difference(Kind.UNIQUE_MISSING, id_, claim[1], (_SQL["add_unique_key"], (*claim, id_)))
        for id_, claims in due.unique.items()
        for claim in sorted(claims - has[id_])
        if (*claim, id_) not in due.released
    ]


async def _missing_keys(conn: Connection, tenant: int, view: View, due: _Due) -> list[Difference]:
    columns = ([key.number for key, _ in due.keys], [key.key for key, _ in due.keys], [id_ for _, id_ in due.keys])
    rows = await conn.fetch(_SQL["missing_keys"], tenant, *columns, [key.substring for key, _ in due.keys])
    lacking = [due.keys[row["place"] - 1] for row in rows]
    return [
        Difference(
            *(Kind.INDEX_MISSING, id_, view.indexes[abs(key.number)][1].place.name),
            (_SQL["add_key"], (key.number, key.key, id_, key.substring)),
        )
        for key, id_ in lacking
    ]


async def _references(conn: Connection, tenant: int, due: _Due) -> list[Difference]:
    if not due.references:
        return []
    sources, attributes = (sorted({part[number] for part in due.references}) for number in (0, 1))
    has: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in await conn.fetch(_SQL["references_of"], tenant, sources, attributes):
        has[row["source"], row["attribute"]].add(row["target"])
    missing = [(*place, target) for place, targets in due.references.items() for target in sorted(targets - has[place])]
    # The last value of a required attribute outlives what it names.
    rows = await conn.fetch(_SQL["present"], tenant, sorted({target for _, _, target in missing})) if missing else []
    there = {row["id"] for row in rows}
    found = [
        Difference(Kind.REFERENCE_STRAY, place[0], place[1], (_SQL["drop_reference"], (*place, target)))
        for place, targets in due.references.items()
        for target in sorted(has[place] - targets)
    ]
    return found + [Difference(Kind.REFERENCE_MISSING, one[0], one[1], (_SQL["add_reference"], one)) for one in missing if one[2] in there]
