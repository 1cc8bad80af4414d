"""Which columns a read fetches, and how rows become Stored: links come with the document, backlinks by a statement of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, LiteralString

import asyncpg
import orjson

from scimsrv.protocol.plan import Linked, Stored
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.project import View
from scimsrv.store.connection import Connection
from scimsrv.store.fragment import Arguments

COLUMNS: LiteralString = "r.id, r.type, r.version, r.created, r.modified, r.document"


def links_column(shown: Sequence[tuple[EffectiveSchema, View]], args: Arguments, *, most: int | None = None) -> LiteralString:
    """An expression for the elements of the links that the views show: a JSON array of [attribute, id, resource type, display,
    kind], as text, or NULL. With `most`, at most so many of each link, in the order of their ids (but all of one in an extension,
    which cannot be streamed)."""
    links = {place.key: place for _, view in shown for place in view.links}
    if not links:
        return "NULL"
    parts: list[LiteralString] = [
        "(SELECT ref.attribute, ref.target, t.type, t.display FROM reference ref"
        " JOIN resource t ON t.tenant = $1 AND t.id = ref.target"
        " WHERE ref.tenant = $1 AND ref.source = r.id AND ref.attribute = "
        + args.add(key)
        + " ORDER BY ref.target"
        + ("" if most is None or place.extension else " LIMIT " + args.add(most) + "::bigint")
        + ")"
        for key, place in sorted(links.items())
    ]
    return (
        "(SELECT json_agg(json_build_array(l.attribute, l.target, l.type, l.display, l.type))::text FROM ("
        + " UNION ALL ".join(parts)
        + ") l)"
    )


def referred_column(shown: Sequence[tuple[EffectiveSchema, View]]) -> LiteralString:
    """Whether anything refers to the resource, where the views show backlinks: without it there are none to look for."""
    if not any(view.backlinks for _, view in shown):
        return "false"
    return "EXISTS (SELECT FROM reference ref WHERE ref.tenant = $1 AND ref.target = r.id)"


async def with_backlinks(
    conn: Connection | asyncpg.Pool, tenant: int, catalog: Catalog, found: Sequence[tuple[Stored, bool, View]]
) -> list[Stored]:
    """The resources with the elements of the backlinks that their views show. The flag says whether anything refers to one; a
    statement is sent only for those, since climbing through nested groups costs more than reading the resource itself."""
    wanted = [(stored_, view) for stored_, referred, view in found if referred and view.backlinks]
    if not wanted:
        return [stored_ for stored_, _, _ in found]
    args = Arguments([tenant, [stored_.id for stored_, _ in wanted]])
    views = {stored_.schema.name: (stored_.schema, view) for stored_, view in wanted}
    parts = [_backlink(schema, place, catalog, args) for schema, view in views.values() for place in schema.backlinks if view.shows(place)]
    rows = await conn.fetch(" UNION ALL ".join(parts), *args.values)
    elements: dict[str, dict[str, list[Linked]]] = {}
    for row in rows:
        element = Linked(row["source"], row["type"], row["display"], row["kind"])
        elements.setdefault(row["id"], {}).setdefault(row["attribute"], []).append(element)
    return [
        replace(stored_, linked={**stored_.linked, **elements[stored_.id]}) if stored_.id in elements else stored_
        for stored_, _, _ in found
    ]


#: Everything above the resources $2 of one type, all of them climbed in one recursion; UNION ends cycles.
_ABOVE: LiteralString = """(WITH RECURSIVE up (id, source, direct) AS (
  SELECT ref.target, ref.source, true FROM reference ref
  WHERE ref.tenant = $1 AND ref.target = ANY ($2::text[]) AND ref.attribute = ANY ({links}::text[])
  UNION SELECT up.id, ref.source, false FROM up JOIN reference ref
    ON ref.tenant = $1 AND ref.target = up.source AND ref.attribute = ANY ({links}::text[])
), above AS (SELECT up.id, up.source, bool_or(up.direct) AS direct FROM up GROUP BY up.id, up.source)
SELECT above.id, {key}::text AS attribute, above.source, t.type, t.display,
       CASE WHEN above.direct THEN 'direct' ELSE 'indirect' END AS kind
FROM above JOIN resource t ON t.tenant = $1 AND t.id = above.source
JOIN resource r ON r.tenant = $1 AND r.id = above.id AND r.type = {type}::text ORDER BY above.id, above.source)"""


def _backlink(schema: EffectiveSchema, place: Resolved, catalog: Catalog, args: Arguments) -> LiteralString:
    links = args.add(list(catalog.links_behind(schema, place)))
    return _ABOVE.replace("{links}", links).replace("{key}", args.add(place.key)).replace("{type}", args.add(schema.name))


def stored(row: Any, catalog: Catalog) -> Stored:
    """The resource in a row of COLUMNS and links_column (`links`), without its backlinks."""
    schema = catalog.by_name[row["type"]]
    return Stored(schema, row["id"], row["version"], row["created"], row["modified"], row["document"], _linked(row["links"]))


def _linked(text: str | None) -> dict[str, list[Linked]]:
    if text is None:
        return {}
    found: dict[str, list[Linked]] = {}
    for attribute, id_, type_, display, kind in orjson.loads(text):
        found.setdefault(attribute, []).append(Linked(id_, type_, display, kind))
    return found
