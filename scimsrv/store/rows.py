"""Which columns a read fetches, and how a row becomes a Stored: links and backlinks come as one JSON array beside the document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

import orjson

from scimsrv.protocol.plan import Linked, Stored
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.project import View
from scimsrv.store.fragment import Arguments
from scimsrv.store.source import UPWARDS

COLUMNS: LiteralString = "r.id, r.type, r.version, r.created, r.modified, r.document"


def linked_column(
    shown: Sequence[tuple[EffectiveSchema, View]], catalog: Catalog, args: Arguments, *, most: int | None = None
) -> LiteralString:
    """An expression for the elements of the links and backlinks that the views show: a JSON array of [attribute, id, resource type,
    display, kind], as text, or NULL. With `most`, at most so many elements of links, in the order of their ids."""
    parts: list[LiteralString] = []
    links = {place.key for schema, view in shown for place in schema.links if view.shows(place)}
    if links:
        limit: LiteralString = "" if most is None else " LIMIT " + args.add(most) + "::bigint"
        parts.append(
            "SELECT ref.attribute, ref.target, t.type, t.display, t.type FROM reference ref"
            " JOIN resource t ON t.tenant = $1 AND t.id = ref.target"
            " WHERE ref.tenant = $1 AND ref.source = r.id AND ref.attribute = ANY("
            + args.add(sorted(links))
            + "::text[]) ORDER BY ref.attribute, ref.target"
            + limit
        )
    for schema, view in shown:
        parts += [_backlink(schema, place, catalog, args) for place in schema.backlinks if view.shows(place)]
    if not parts:
        return "NULL"
    rows: LiteralString = "((" + ") UNION ALL (".join(parts) + ")) l (attribute, id, type, display, kind)"
    return "(SELECT json_agg(json_build_array(l.attribute, l.id, l.type, l.display, l.kind))::text FROM " + rows + ")"


def _backlink(schema: EffectiveSchema, place: Resolved, catalog: Catalog, args: Arguments) -> LiteralString:
    links = args.add(list(catalog.links_behind(schema, place)))
    return (
        "SELECT "
        + args.add(place.key)
        + "::text, g.source, t.type, t.display, g.type FROM "
        + UPWARDS.replace("{links}", links)
        + " g JOIN resource t ON t.tenant = $1 AND t.id = g.source WHERE r.type = "
        + args.add(schema.name)
        + "::text ORDER BY g.source"
    )


def stored(row: Any, catalog: Catalog) -> Stored:
    """The resource in a row of COLUMNS and linked_column."""
    schema = catalog.by_name[row["type"]]
    return Stored(schema, row["id"], row["version"], row["created"], row["modified"], row["document"], linked(row["linked"]))


def linked(text: str | None) -> dict[str, list[Linked]]:
    """Elements by attribute from a linked_column's text."""
    if text is None:
        return {}
    found: dict[str, list[Linked]] = {}
    for attribute, id_, type_, display, kind in orjson.loads(text):
        found.setdefault(attribute, []).append(Linked(id_, type_, display, kind))
    return found
