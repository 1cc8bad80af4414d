"""Resources that Postgres puts together as they are shown, so that a page of them only has to be joined: those with nothing derived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

from scimsrv.limits import Limits
from scimsrv.protocol.plan import Query, Stored, Target
from scimsrv.protocol.response import beginning_of_meta, is_plain
from scimsrv.schema.catalog import Catalog
from scimsrv.store.fragment import Arguments
from scimsrv.store.rows import CREATED, LIGHT, MODIFIED
from scimsrv.store.scope import Scope

#: As the renderer writes it: the document without its last brace, then `meta`. By way of bytes, whose length Postgres need not count
#: in characters. NULL where there are many of them.
_PIECE: LiteralString = (
    "CASE WHEN octet_length(r.document) <= " + LIGHT + " THEN"
    " substring(convert_to(r.document, 'UTF8') FOR octet_length(r.document) - 1) || convert_to("
    "',\"meta\":' || {head}::text || " + CREATED + " || '\",\"lastModified\":\"' || " + MODIFIED + " || '\",\"location\":'"
    " || {place}::text || r.id || '\",\"version\":\"W/\\\"' || r.version::text || '\\\"\"}}', 'UTF8') END"
)  # fmt: skip


def is_together(plan: Query, catalog: Catalog) -> bool:
    """Whether the resources of a page can be put together by Postgres: they are of one type, and shown as they are stored."""
    if len(plan.targets) != 1 or not plan.shown:
        return False
    schema, view = plan.targets[0].schema, plan.targets[0].view
    simple = view.as_stored and not view.links and not view.backlinks and schema.expiring is None
    return simple and _apart(schema.name) not in catalog.statements


def columns(scope: Scope, target: Target, args: Arguments) -> LiteralString:
    """What a page selects of `resource r`; the rows are for `pieces`."""
    head, place = beginning_of_meta(scope.base_url, target.schema)
    piece = _PIECE.replace("{head}", args.add(head)).replace("{place}", args.add(place))
    return "r.id, " + piece + " AS piece"


def pieces(limits: Limits, catalog: Catalog, target: Target, rows: Sequence[Any]) -> list[Stored] | None:
    """The resources in rows of `columns`; None where they have to be read apart, because one of them, or all of them, are large, or ids
    are to be quoted in URLs. Types with such ids are noted."""
    schema = target.schema
    ids = [row["id"] for row in rows]
    if rows and not is_plain("".join(ids)):
        catalog.statements[_apart(schema.name)] = True
        return None
    whole = [row["piece"] for row in rows]
    if None in whole or sum(map(len, whole)) > limits.page_bytes:
        return None
    return [Stored(schema, id_, 0, "", "", "", whole=piece) for id_, piece in zip(ids, whole, strict=True)]


def _apart(type_: str) -> tuple[str, str]:
    return ("apart", type_)
