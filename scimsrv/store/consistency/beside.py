"""The rows that stand beside resources, walked through in their own order: those that belong to nothing that is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString

import orjson

from scimsrv.protocol.response import is_plain
from scimsrv.schema.indexing import VALUE, Index
from scimsrv.schema.search import containing, search_document
from scimsrv.schema.semantics import timestamp
from scimsrv.store.connection import Connection
from scimsrv.store.consistency.kinds import Difference, Kind
from scimsrv.store.consistency.view import View
from scimsrv.store.consistency.walk import Batch, Place
from scimsrv.store.queries import load
from scimsrv.store.remove import match_key

_SQL = load("consistency")


@dataclass(frozen=True)
class Owned:
    """A walk over rows of which each belongs to a resource (`held` says whether that is there). `place` are the columns of their order;
    `of` the column that says what it is about; `drop` takes `gone` to put it right, None where nothing can."""

    query: LiteralString
    kind: Kind
    place: tuple[str, ...]
    of: str | None = None
    drop: LiteralString | None = None
    gone: tuple[str, ...] = ()

    @property
    def first(self) -> Place:
        """Where it begins."""
        return ("",) * len(self.place)

    async def look(self, conn: Connection, view: View, after: Place, most: int) -> Batch:
        """Those of the next rows that belong to nothing."""
        rows = await conn.fetch(self.query, view.tenant, *after, most)
        found = [
            Difference(
                *(self.kind, row["id"], "" if self.of is None else row[self.of]),
                None if self.drop is None else (self.drop, tuple(row[name] for name in self.gone)),
            )
            for row in rows
            if not row["held"]
        ]
        return Batch(tuple(rows[-1][name] for name in self.place) if len(rows) == most else None, len(rows), found)


OWNED: Final = (
    Owned(
        *(_SQL["unique_rows"], Kind.UNIQUE_STRAY, ("type", "attribute", "key"), "attribute"),
        *(_SQL["drop_unique_key"], ("type", "attribute", "key", "id")),
    ),
    Owned(_SQL["secret_rows"], Kind.SECRET, ("id", "attribute"), "attribute", _SQL["drop_secret"], ("id", "attribute")),
    Owned(_SQL["award_rows"], Kind.AWARD, ("id",), None, _SQL["drop_award"], ("id",)),
    Owned(_SQL["credential_rows"], Kind.CREDENTIAL, ("id",)),
)
"""The walks over such rows."""


class Keys:
    """The walk over the rows of indexes, by number, key and id: each has to be a value of a resource."""

    first: Final[Place] = (-(2**31), "", "")

    async def look(self, conn: Connection, view: View, after: Place, most: int) -> Batch:
        """Those of the next rows that are no value; a batch is of one number."""
        number, key, id_ = after
        if key == id_ == "":
            number = await conn.fetchval(_SQL["next_number"], view.tenant, number)
            if number is None:
                return Batch(None, 0, ())
        name, index = view.indexes.get(abs(number), ("", None))
        path = list(index.place.search_path) if index is not None else []
        rows = await conn.fetch(_SQL["key_rows"], view.tenant, number, key, id_, most, path)
        found = []
        if abs(number) not in view.leaving and name not in view.unsettled:
            of = index.place.name if index is not None else str(number)
            found = [
                Difference(Kind.INDEX_STRAY, row["id"], of, (_SQL["drop_key"], (number, row["key"], row["id"])))
                for row in rows
                if index is None or row["type"] != name or not _has(index, number, row)
            ]
        end = (number, rows[-1]["key"], rows[-1]["id"]) if len(rows) == most else (number, "", "")
        return Batch(end, len(rows), found)


def _has(index: Index, number: int, row: Any) -> bool:
    """Whether the row is one of the keys that the resource has in the index."""
    if index.of_modified:
        return bool(row["key"] == VALUE + timestamp(row["modified"]))
    search = {} if row["held"] is None else containing(index.place, orjson.loads(row["held"]))
    return any((key.number, key.key) == (number, row["key"]) for key in index.keys(search))


class Trail:
    """The walk over what the audit trail has changes of, by id: what it does not say was deleted has to be there. Nothing else tells of a
    resource that was lost as a whole."""

    first: Final[Place] = ("",)

    async def look(self, conn: Connection, view: View, after: Place, most: int) -> Batch:
        """Those of the next that are gone."""
        rows = await conn.fetch(_SQL["trail_rows"], view.tenant, *after, sorted(view.catalog.by_name), most)
        found = [Difference(Kind.MISSING, row["id"]) for row in rows if row["lives"] and not row["held"]]
        return Batch((rows[-1]["id"],) if len(rows) == most else None, 0, found)


@dataclass
class References:
    """The walk over references, by source, attribute and target: both ends have to be there, and reads have to know of nested ones."""

    first: Place = ("", "", "")

    async def look(self, conn: Connection, view: View, after: Place, most: int) -> Batch:
        """Those of the next rows of which an end is missing."""
        noted = await conn.fetchval(_SQL["has_unusual"], view.tenant)
        rows = await conn.fetch(_SQL["reference_rows"], view.tenant, *after, most, noted)
        found = []
        for row in rows:
            place = (row["source"], row["attribute"], row["target"])
            if not row["whole"]:
                found.append(Difference(Kind.REFERENCE_STRAY, row["source"], row["attribute"], (_SQL["drop_dangling"], place)))
            elif row["nested"] or not (noted or is_plain(row["source"])):
                found.append(Difference(Kind.NESTED, row["source"], row["attribute"], (_SQL["note_nested"], ())))
        return Batch(place if len(rows) == most else None, len(rows), found)


class Tombstones:
    """The walk over deleted resources that can be brought back, by id: they are found by the keys that their documents have."""

    first: Final[Place] = ("",)

    async def look(self, conn: Connection, view: View, after: Place, most: int) -> Batch:
        """Those of the next that have other keys."""
        rows = await conn.fetch(_SQL["tombstone_rows"], view.tenant, *after, most)
        found = []
        for row in rows:
            schema = view.settled(row["type"])
            if schema is None:
                continue
            try:
                search = orjson.dumps(search_document(orjson.loads(row["document"]), schema)).decode()
            except (ValueError, KeyError, TypeError, AttributeError):
                found.append(Difference(Kind.DOCUMENT, row["id"]))
                continue
            keys = tuple(match_key(search, schema, name) for name in ("username", "externalid"))
            if keys != (row["user_name"], row["external_id"]):
                found.append(Difference(Kind.TOMBSTONE, row["id"], fix=(_SQL["put_tombstone_keys"], (row["id"], *keys))))
        return Batch((rows[-1]["id"],) if len(rows) == most else None, len(rows), found)


class Counts:
    """The numbers of the types' resources, each in one statement."""

    first: Final[Place] = ()

    async def look(self, conn: Connection, view: View, after: Place, most: int) -> Batch:
        """The types whose number is wrong."""
        rows = await conn.fetch(_SQL["counts"], view.tenant)
        found = [Difference(Kind.COUNT, row["type"], fix=(_SQL["correct_count"], (row["type"],))) for row in rows]
        return Batch(None, len(rows), found)
