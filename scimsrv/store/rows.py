"""Which columns a read fetches, and how its rows become resources: links and direct backlinks come with the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, LiteralString

import orjson

from scimsrv.protocol.plan import Linked, Stored
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.project import View
from scimsrv.store.fragment import Arguments, one_of
from scimsrv.store.pool import Queries

COLUMNS: LiteralString = "r.id, r.type, r.version, r.created, r.modified, r.document"


def links_column(shown: Sequence[tuple[EffectiveSchema, View]], args: Arguments, *, most: int | None = None) -> LiteralString:
    """An expression for the elements of the links that the views show: a JSON array of [attribute, id, resource type, display,
    kind], as text, or NULL. With `most`, at most so many of each link, in the order of their ids (but all of one in an extension,
    which cannot be streamed)."""
    links = {place.key: place for _, view in shown for place in view.links}
    if not links:
        return "NULL"
    parts: list[LiteralString] = []
    for key, place in sorted(links.items()):
        limit: LiteralString = "" if most is None or place.extension else " LIMIT " + args.add(most) + "::bigint"
        # The limit is inside, so that only the rows within it are joined.
        parts.append(
            "(SELECT ref.attribute, ref.target, t.type, t.display FROM (SELECT ref.attribute, ref.target FROM reference ref"
            " WHERE ref.tenant = $1 AND ref.source = r.id AND ref.attribute = " + args.add(key) + " ORDER BY ref.target" + limit
            + ") ref JOIN resource t ON t.tenant = $1 AND t.id = ref.target ORDER BY ref.target)"
        )  # fmt: skip
    return (
        "(SELECT json_agg(json_build_array(l.attribute, l.target, l.type, l.display, l.type))::text FROM ("
        + " UNION ALL ".join(parts)
        + ") l)"
    )


def backlinks_column(shown: Sequence[tuple[EffectiveSchema, View]], catalog: Catalog, args: Arguments) -> LiteralString:
    """An expression for the direct elements of the backlinks that the views show: a JSON array of [attribute, id, resource type,
    display, whether something refers to that one in turn], as text, or NULL."""
    parts: list[LiteralString] = []
    for schema, view in shown:
        for place in view.backlinks:
            links = catalog.links_behind(schema, place)
            kind: LiteralString = " AND r.type = " + args.add(schema.name) if len(shown) > 1 else ""
            parts.append(
                "(SELECT " + args.add(place.key) + "::text AS attribute, ref.source, t.type, t.display, EXISTS ("
                "SELECT FROM reference above WHERE above.tenant = $1 AND above.target = ref.source AND "
                + one_of("above.attribute", links, args)
                + ") AS nested FROM reference ref JOIN resource t ON t.tenant = $1 AND t.id = ref.source"
                " WHERE ref.tenant = $1 AND ref.target = r.id AND "
                + one_of("ref.attribute", links, args) + kind + " ORDER BY ref.source)"
            )  # fmt: skip
    if not parts:
        return "NULL"
    return (
        "(SELECT json_agg(json_build_array(l.attribute, l.source, l.type, l.display, l.nested))::text FROM ("
        + " UNION ALL ".join(parts)
        + ") l)"
    )


def columns(shown: Sequence[tuple[EffectiveSchema, View]], catalog: Catalog, args: Arguments, *, most: int | None = None) -> LiteralString:
    """What a read selects of `resource r`; the rows are for `resources`."""
    links, backlinks = links_column(shown, args, most=most), backlinks_column(shown, catalog, args)
    return COLUMNS + ", " + links + " AS links, " + backlinks + " AS backlinks"


async def resources(conn: Queries, tenant: int, catalog: Catalog, rows: Sequence[tuple[Any, View]]) -> list[Stored]:
    """The resources in rows of `columns`. Only where a group is itself a member of something does another statement climb on."""
    found = [_stored(row, catalog) for row, _ in rows]
    nested = [(stored, view) for (stored, climbs), (_, view) in zip(found, rows, strict=True) if climbs]
    if not nested:
        return [stored for stored, _ in found]
    args = Arguments([tenant, [stored.id for stored, _ in nested]])
    views = {stored.schema.name: (stored.schema, view) for stored, view in nested}
    parts = [_above(schema, place, catalog, args) for schema, view in views.values() for place in view.backlinks]
    elements: dict[str, dict[str, list[Linked]]] = {}
    for row in await conn.fetch(" UNION ALL ".join(parts), *args.values):
        element = Linked(row["source"], row["type"], row["display"], row["kind"])
        elements.setdefault(row["id"], {}).setdefault(row["attribute"], []).append(element)
    return [replace(stored, linked={**stored.linked, **elements.get(stored.id, {})}) for stored, _ in found]


#: Everything above the resources $2 of one type, all of them climbed in one recursion; UNION ends cycles.
_ABOVE: LiteralString = """(WITH RECURSIVE up (id, source, direct) AS (
  SELECT ref.target, ref.source, true FROM reference ref WHERE ref.tenant = $1 AND ref.target = ANY ($2::text[]) AND {links}
  UNION SELECT up.id, ref.source, false FROM up JOIN reference ref ON ref.tenant = $1 AND ref.target = up.source AND {links}
), above AS (SELECT up.id, up.source, bool_or(up.direct) AS direct FROM up GROUP BY up.id, up.source)
SELECT above.id, {key}::text AS attribute, above.source, t.type, t.display,
       CASE WHEN above.direct THEN 'direct' ELSE 'indirect' END AS kind
FROM above JOIN resource t ON t.tenant = $1 AND t.id = above.source
JOIN resource r ON r.tenant = $1 AND r.id = above.id AND r.type = {type}::text ORDER BY above.id, above.source)"""


def _above(schema: EffectiveSchema, place: Resolved, catalog: Catalog, args: Arguments) -> LiteralString:
    links = one_of("ref.attribute", catalog.links_behind(schema, place), args)
    return _ABOVE.replace("{links}", links).replace("{key}", args.add(place.key)).replace("{type}", args.add(schema.name))


def _stored(row: Any, catalog: Catalog) -> tuple[Stored, bool]:
    """The resource in a row, and whether a group of it is itself a member of something."""
    linked: dict[str, list[Linked]] = {}
    nested = False
    if row["links"] is not None:
        for attribute, id_, type_, display, kind in orjson.loads(row["links"]):
            linked.setdefault(attribute, []).append(Linked(id_, type_, display, kind))
    if row["backlinks"] is not None:
        for attribute, id_, type_, display, climbs in orjson.loads(row["backlinks"]):
            linked.setdefault(attribute, []).append(Linked(id_, type_, display, "direct"))
            nested = nested or climbs
    schema = catalog.by_name[row["type"]]
    return Stored(schema, row["id"], row["version"], row["created"], row["modified"], row["document"], linked), nested
