"""The rows of a tenant's resources, by the folding code that the server's own insert uses, put into the database by COPY.

A process of its own does a piece at a time: folding is what costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import asyncpg

from bench.scale.groups import Groups
from bench.scale.lots import Lot
from bench.scale.people import People
from scimsrv.limits import DEFAULT
from scimsrv.protocol import planning
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.project import Projection
from scimsrv.schema.validate import complete
from scimsrv.store.connection import Connection
from scimsrv.store.identity import load_catalog
from scimsrv.store.rendition import render

_BATCH: Final = 10_000

#: Every so many-th document goes through the whole path of a POST, which must leave it as it is.
_PROVEN: Final = 200

_COLUMNS: Final = {
    "resource": ("tenant", "id", "type", "version", "created", "modified", "display", "document", "search"),
    "resource_key": ("tenant", "attribute", "key", "id", "substring"),
    "unique_key": ("tenant", "type", "attribute", "key", "id"),
    "reference": ("tenant", "source", "attribute", "target"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Users or groups with numbers from `start` to before `stop`, of a tenant whose key is `tenant`."""

    lot: Lot
    tenant: int
    kind: str
    start: int
    stop: int


def put(dsn: str, piece: Piece) -> int:
    """Put the piece into the database; returns how many resources it has. Raises ValueError when the server would change a document."""
    return asyncio.run(_put(dsn, piece))


async def _put(dsn: str, piece: Piece) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET synchronous_commit = off")
        _, catalog = await load_catalog(connection, piece.tenant)
        maker = _Maker(piece, catalog, catalog.by_name[piece.kind])
        numbers = iter(range(piece.start, piece.stop))
        while batch := list(islice(numbers, _BATCH)):
            made = [maker.resource(number) for number in batch]
            for table in ("resource", "resource_key", "unique_key"):
                await _copy(connection, table, [row for one in made for row in one[table]])
        if piece.kind == "Group":
            await _copy(connection, "reference", maker.references())
        return piece.stop - piece.start
    finally:
        await connection.close()


async def _copy(connection: Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    await connection.copy_records_to_table(table, records=rows, columns=_COLUMNS[table])


@dataclass(frozen=True, slots=True)
class _Maker:
    piece: Piece
    catalog: Catalog
    schema: EffectiveSchema

    @property
    def _source(self) -> People | Groups:
        return self.piece.lot.people if self.piece.kind == "User" else self.piece.lot.in_groups

    def resource(self, number: int) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of one resource by table."""
        source, tenant, type_ = self._source, self.piece.tenant, self.schema.name
        body, id_ = source.document(number), source.id(number)
        if number % _PROVEN == 0:
            self._prove(body)
        modified = source.modified(number)
        document = {"schemas": body["schemas"], "id": id_} | body
        made = render(document, self.schema, self.catalog.indexes_of(self.schema), modified)
        return {
            "resource": [(tenant, id_, type_, 1, source.created(number), modified, made.display, made.document, made.search)],
            "resource_key": [(tenant, key.number, key.key, id_, key.substring) for key in made.keys],
            "unique_key": [(tenant, type_, attribute, key, id_) for attribute, key in made.unique],
        }

    def _prove(self, body: dict[str, Any]) -> None:
        drafted = planning.insert(body, self.schema, self.catalog, Projection(), DEFAULT).draft.document
        if list(complete(drafted, self.schema).items()) != list(body.items()):
            raise ValueError(f"the server would not keep this document as it is: {body}")

    def references(self) -> Iterator[tuple[Any, ...]]:
        """The rows of the members of the piece's groups."""
        lot, tenant = self.piece.lot, self.piece.tenant
        attribute = next(iter(self.schema.writable_links))
        ids = _ids(lot)
        for number in range(self.piece.start, self.piece.stop):
            source = lot.in_groups.id(number)
            for member in lot.in_groups.members(number):
                yield tenant, source, attribute, ids[member]


@lru_cache(maxsize=1)
def _ids(lot: Lot) -> list[str]:
    """The ids of all users; a process has many pieces of one tenant to do."""
    return [lot.people.id(number) for number in range(lot.users)]
