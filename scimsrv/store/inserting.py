"""Storing new resources that are complete: many by one statement, with everything that belongs to each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import orjson

from scimsrv.errors import invalid_value
from scimsrv.schema.coercions import Coercion, stored_names
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.store.edition import OutdatedError
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.rendition import Rendition, render
from scimsrv.store.scope import Scope

_SQL = load("resources")


#: Stands between JSON texts, and in none (RFC 7464 §2).
_SEPARATOR: Final = "\x1e"


@dataclass(frozen=True, slots=True)
class NewResource:
    """A resource to be stored: its rendition, the hashes of its secrets by their attribute, and what had to be done to fit it."""

    id: str
    schema: EffectiveSchema
    rendition: Rendition
    secrets: Mapping[str, str | None] = field(default_factory=dict)
    coercions: frozenset[Coercion] = frozenset()
    #: What the trail keeps of it, where that is more than its document.
    content: str | None = None

    @property
    def claims(self) -> list[tuple[str, str, str]]:
        """Type, attribute and key of each value that must be unique."""
        return [(self.schema.name, attribute, key) for attribute, key in self.rendition.unique]


async def insert_all(scope: Scope, conn: Queries, resources: Sequence[NewResource], created: datetime) -> None:
    """Store the resources as created at this time by the scope's actor. Raises OutdatedError when the definitions are others by now, and
    asyncpg.UniqueViolationError where a claim is another's."""
    # In one order for everybody, so that two sets with keys in common do not wait for each other.
    claims = sorted((*claim, one.id) for one in resources for claim in one.claims)
    secrets = [(one.id, key, hash_) for one in resources for key, hash_ in one.secrets.items()]
    keys = [(number, key, substring, one.id) for one in resources for number, substring, key in one.rendition.keys]
    keys.sort(key=itemgetter(0))  # what lies together is written together
    counts = sorted(Counter(one.schema.name for one in resources).items())
    made = [one.rendition for one in resources]
    tag = await conn.execute(
        _SQL["insert_resources"],
        *(scope.tenant, _json([one.id for one in resources]), _json([one.schema.name for one in resources]), created),
        *(_json([one.display for one in made]), _SEPARATOR.join(one.document for one in made), _SEPARATOR.join(one.search for one in made)),
        *map(_json, _columns(claims, 4)),
        *_columns(secrets, 3),
        scope.by,
        *map(_json, _columns(keys, 4)),
        *_columns(counts, 2),
        scope.count_slot(),
        _json([stored_names(one.coercions) for one in resources]),
        scope.catalog.edition,
        _json([one.content for one in resources]),
    )
    if tag.endswith(" 0"):
        raise OutdatedError


def rendered(scope: Scope, schema: EffectiveSchema, document: Document, modified: datetime | None = None) -> Rendition:
    """The document folded for storing. Raises ScimError invalidValue when it is larger than a resource may be."""
    made = render(document, schema, scope.catalog.indexes_of(schema), modified)
    size = len(made.document) if made.document.isascii() else len(made.document.encode())
    if size > scope.limits.document_bytes:
        raise invalid_value(f"The resource would have more than {scope.limits.document_bytes} bytes")
    return made


def _json(column: list[Any]) -> str:
    return orjson.dumps(column).decode()


def _columns(rows: Sequence[tuple[Any, ...]], number: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(number)]
