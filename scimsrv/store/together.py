"""Resources put together by Postgres as they are shown, with one backlink at most: a page of them has only to be joined."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final, LiteralString

import orjson

from scimsrv.protocol.plan import Query, Stored, Target
from scimsrv.protocol.response import beginning_of_meta, is_plain
from scimsrv.schema.catalog import Catalog
from scimsrv.store.fragment import Arguments
from scimsrv.store.pool import Queries
from scimsrv.store.rows import ASK, CREATED, EACH, LEFT_OUT, LIGHT, MODIFIED, backlink_columns
from scimsrv.store.scope import Scope

#: The document without its last brace, by way of bytes, whose length Postgres need not count in characters.
_DOCUMENT: LiteralString = "substring(convert_to(r.document, 'UTF8') FOR octet_length(r.document) - 1)"

#: `meta` as the renderer writes it, up to the version.
_META: LiteralString = (
    "',\"meta\":' || {head}::text || " + CREATED + " || '\",\"lastModified\":\"' || " + MODIFIED + " || '\",\"location\":'"
    " || {place}::text || r.id || '\",\"version\":\"W/\\\"' || r.version::text"
)  # fmt: skip

#: Documents with more bytes are left out.
_IF_LIGHT: LiteralString = "CASE WHEN octet_length(r.document) <= " + LIGHT + " THEN "

_END: Final = '\\""}}'


def is_together(plan: Query, catalog: Catalog) -> bool:
    """Whether the resources of a page can be put together: they are of one type, and shown as they are stored."""
    if len(plan.targets) != 1 or not plan.shown:
        return False
    schema, view = plan.targets[0].schema, plan.targets[0].view
    simple = view.as_stored and not view.links and schema.expiring is None
    beside = len(view.backlinks) < 2 and all(place.extension is None for place in view.backlinks)
    return simple and beside and _apart(schema.name) not in catalog.statements


def columns(scope: Scope, target: Target, args: Arguments) -> LiteralString:
    """What a page selects of `resource r`; the rows are for `pieces`."""
    head, place = beginning_of_meta(scope.base_url, target.schema)
    meta = _META.replace("{head}", args.add(head)).replace("{place}", args.add(place))
    if not target.view.backlinks:
        return "r.id, " + _IF_LIGHT + _DOCUMENT + " || convert_to(" + meta + " || '\\\"\"}}', 'UTF8') END AS piece"
    sources = backlink_columns([(target.schema, target.view)], scope.catalog, args, light=True)
    return "r.id, " + _IF_LIGHT + _DOCUMENT + " END AS piece, " + meta + " AS meta" + sources


async def pieces(conn: Queries, scope: Scope, target: Target, rows: Sequence[Any]) -> list[Stored] | None:
    """The resources in rows of `columns`; None where they have to be read apart, because one of them, or all of them, are large, ids are
    to be quoted in URLs, or something refers to what refers to one of them. Types with such ids are noted."""
    schema = target.schema
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    if not is_plain("".join(ids)):
        scope.catalog.statements[_apart(schema.name)] = True
        return None
    whole = await _with_backlink(conn, scope, target, rows) if target.view.backlinks else [row["piece"] for row in rows]
    if whole is None or None in whole or sum(map(len, whole)) > scope.limits.page_bytes:
        return None
    return [Stored(schema, id_, 0, "", "", "", whole=piece) for id_, piece in zip(ids, whole, strict=True)]


async def _with_backlink(conn: Queries, scope: Scope, target: Target, rows: Sequence[Any]) -> list[bytes] | None:
    """The representations of resources with the elements of their backlink; None where not all can be told, or they are too large."""
    place = target.view.backlinks[0]
    documents, sources = [row["piece"] for row in rows], [row["backlink0"] for row in rows]
    if None in documents or ASK in sources or LEFT_OUT in sources:
        return None
    if sum(map(len, documents)) + EACH * sum(map(len, filter(None, sources))) > scope.limits.page_bytes:
        return None
    held = [() if one is None else one.split(" ") for one in sources]
    known = scope.names.kept(scope.tenant, scope.catalog, rows[0]["naming"])
    element = known.elements(place, scope.catalog, scope.base_url).__getitem__
    try:
        shown = [b",".join(map(element, ids)) for ids in held]
    except KeyError:  # not all of their names are known
        known = await scope.names.of(conn, scope.tenant, scope.catalog, known.state, {one for ids in held for one in ids})
        made = known.elements(place, scope.catalog, scope.base_url)
        shown = [b",".join([made[one] for one in ids if one in made]) for ids in held]
    opening = b"," + orjson.dumps(place.attribute.name) + b":["
    return [
        b"".join((document, opening, elements, f"]{row['meta']}-{zlib.crc32(elements):08x}{_END}".encode()))
        if elements
        else document + f"{row['meta']}{_END}".encode()
        for row, document, elements in zip(rows, documents, shown, strict=True)
    ]


def _apart(type_: str) -> tuple[str, str]:
    return ("apart", type_)
