"""A document as the store keeps it: its text, what filters look at, and the keys of its rows beside it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, LiteralString

import orjson

from scimsrv.badges.exclusive import exclusive_keys
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.indexing import VALUE, Index, IndexKey, index_keys, key_of_moment
from scimsrv.schema.search import display, search_document
from scimsrv.schema.validate import keys

#: Rows over which the number of a type's resources is spread: writers that pick different ones do not wait for each other.
SLOTS: Final = 16


@dataclass(frozen=True, slots=True)
class Rendition:
    """`document` and `search` are JSON text; `unique` pairs attributes with keys; `keys` are the index's."""

    display: str | None
    document: str
    search: str
    unique: list[tuple[str, str]]
    keys: list[IndexKey]


def render(document: Document, schema: EffectiveSchema, indexes: Iterable[Index], modified: datetime | None = None) -> Rendition:
    """Fold a complete document for storing. With `modified`, `keys` has the one of meta.lastModified too."""
    search = search_document(document, schema)
    return Rendition(
        display(document),
        orjson.dumps(document).decode(),
        orjson.dumps(search).decode(),
        unique_keys(document, schema),
        index_keys(search, indexes, modified),
    )


def unique_keys(document: Document, schema: EffectiveSchema) -> list[tuple[str, str]]:
    """Attribute and key of each value that must be unique, and of what a badge resource holds to the exclusion of others."""
    found = dict.fromkeys((place.key, key) for place in schema.unique for key in keys(document, place))
    return [*found, *exclusive_keys(document, schema)]


def keys_held(search: str, indexes: Iterable[Index]) -> list[IndexKey]:
    """The index's rows of a stored resource, but for meta.lastModified's, from its search document."""
    held: dict[str, Any] = orjson.loads(search)
    return index_keys(held, indexes)


def columns_of_keys(keys: Iterable[IndexKey]) -> tuple[list[int], list[str], list[bool]]:
    """Numbers, keys and substring marks, as statements take them; in one order for everybody."""
    ordered = sorted(keys)
    return [key.number for key in ordered], [key.key for key in ordered], [key.substring for key in ordered]


def modified_key(modified: datetime | str) -> str:
    """The key of a resource in its type's index of meta.lastModified, of a time or its text."""
    return VALUE + modified if isinstance(modified, str) else key_of_moment(modified)


#: Keys whose loss is part of the statement that updates a resource: each of them by its own look-up of the primary key, since a join
#: with a list of them may be planned as a walk over all keys of the tenant.
_TOLD_APART: Final = 8

_PLACES: Final[tuple[LiteralString, ...]] = tuple(f"${number}" for number in range(26, 26 + 2 * _TOLD_APART))
_NAMES: Final[tuple[LiteralString, ...]] = tuple(f"dropped{number}" for number in range(_TOLD_APART))


@cache
def _dropping(text: LiteralString, number: int) -> LiteralString:
    parts: LiteralString = ""
    for place in range(number):
        parts += (
            ", " + _NAMES[place] + " AS (DELETE FROM resource_key held WHERE held.tenant = $1 AND held.id = $2 AND held.attribute = "
            + _PLACES[2 * place] + "::integer AND held.key = " + _PLACES[2 * place + 1] + "::text AND EXISTS (SELECT FROM stored))"
        )  # fmt: skip
    return text.replace(", logged AS (", parts + ", logged AS (")


def dropping(update_resource: LiteralString, gone: Iterable[IndexKey]) -> tuple[LiteralString, list[object], list[tuple[int, str]]]:
    """The statement for a resource that loses these keys, the parameters that say so, and the keys that remain to be dropped in the
    same transaction."""
    keys = [(key.number, key.key) for key in sorted(gone)]
    said, rest = keys[:_TOLD_APART], keys[_TOLD_APART:]
    return _dropping(update_resource, len(said)), [part for key in said for part in key], rest


def naming_change() -> int:
    """A change of the tenant's `naming`: the remainder by the number of slots is the row, the rest what it is raised by. At random, so
    that a database which was set back does not come to a sum again that stood for other names."""
    return random.randrange(SLOTS << 32)  # noqa: S311 - keeps no secret


def renaming(schema: EffectiveSchema, before: Document, made: Rendition) -> int | None:
    """The change of the tenant's `naming` that belongs to one of a document; None where backlinks show no other name for it."""
    return naming_change() if schema.referring and made.display != display(before) else None
