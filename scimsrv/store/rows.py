"""Which columns a read fetches, and how its rows become resources: links and direct backlinks come with the document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

import orjson

from scimsrv.protocol.plan import Linked, Stored
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.project import View
from scimsrv.store.fragment import Arguments, one_of
from scimsrv.store.pool import Queries

# Joins are LATERAL with OFFSET 0 where each row has to look up another: Postgres takes any tenant for an average one, and would rather
# read all of a large one's resources or references to join them at once.

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
            + ") ref CROSS JOIN LATERAL (SELECT t.type, t.display FROM resource t WHERE t.tenant = $1 AND t.id = ref.target OFFSET 0) t"
            " ORDER BY ref.target)"
        )  # fmt: skip
    return (
        "(SELECT json_agg(json_build_array(l.attribute, l.target, l.type, l.display, l.type))::text FROM ("
        + " UNION ALL ".join(parts)
        + ") l)"
    )


#: Of a resource's backlink at each place in its view: the elements as JSON with commas between them; NULL without any; and this mark
#: where the database cannot tell, because something refers to what refers to the resource, or an id has to be quoted in a URL.
_ASK: Final = "?"

_BACKLINKS: Final[tuple[LiteralString, ...]] = tuple(f"backlink{number}" for number in range(100))

_ELEMENT: LiteralString = """(SELECT CASE WHEN bool_or(l.ask) THEN '?' ELSE string_agg(l.element, ',') END FROM (
SELECT '{"value":"' || ref.source || '","$ref":"' || {base} || ref.source || '"' || {rest} || '}' AS element,
  (SELECT EXISTS (SELECT FROM unusual_reference u WHERE u.tenant = $1)) AND (ref.source ~ '[^A-Za-z0-9-]'
  OR EXISTS (SELECT FROM reference above WHERE above.tenant = $1 AND above.target = ref.source AND {above})) AS ask
FROM reference ref CROSS JOIN LATERAL (
  SELECT t.type, t.display FROM resource t WHERE t.tenant = $1 AND t.id = ref.source OFFSET 0) t
WHERE ref.tenant = $1 AND ref.target = r.id AND {links} ORDER BY ref.source) l)"""


def backlink_columns(shown: Sequence[tuple[EffectiveSchema, View]], catalog: Catalog, base_url: str, args: Arguments) -> LiteralString:
    """The columns for the direct elements of the backlinks that the views show, each with a comma before it."""
    text: LiteralString = ""
    for number in range(max(len(view.backlinks) for _, view in shown)):
        held = [(schema, view.backlinks[number]) for schema, view in shown if number < len(view.backlinks)]
        cases = [(schema, _elements(schema, place, catalog, base_url, args)) for schema, place in held]
        if len(shown) == 1:
            column = cases[0][1]
        else:
            whens: list[LiteralString] = [" WHEN " + args.add(schema.name) + " THEN " + case for schema, case in cases]
            column = "CASE r.type" + "".join(whens) + " END"
        text += ", " + column + " AS " + _BACKLINKS[number]
    return text


def _elements(schema: EffectiveSchema, place: Resolved, catalog: Catalog, base_url: str, args: Arguments) -> LiteralString:
    links = catalog.links_behind(schema, place)
    bases = {type_.name: _quoted(f"{base_url}{type_.endpoint}/") for type_ in catalog.linking(links)}
    if len(bases) == 1:
        base: LiteralString = args.add(next(iter(bases.values()))) + "::text"
    else:
        base = "(" + args.add(orjson.dumps(bases).decode()) + "::text::jsonb ->> t.type)"
    rest: LiteralString = """ || ',"type":"direct"'""" if "type" in place.attribute.parts else ""
    if "display" in place.attribute.parts:
        rest += """ || coalesce(',"display":' || to_json(t.display)::text, '')"""
    return (
        _ELEMENT.replace("{base}", base)
        .replace(" || {rest}", rest)
        .replace("{above}", one_of("above.attribute", links, args))
        .replace("{links}", one_of("ref.attribute", links, args))
    )


def _quoted(text: str) -> str:
    """The inside of a JSON string."""
    return orjson.dumps(text)[1:-1].decode()


def columns(
    shown: Sequence[tuple[EffectiveSchema, View]], catalog: Catalog, base_url: str, args: Arguments, *, most: int | None = None
) -> LiteralString:
    """What a read selects of `resource r`; the rows are for `resources`."""
    return COLUMNS + ", " + links_column(shown, args, most=most) + " AS links" + backlink_columns(shown, catalog, base_url, args)


async def resources(conn: Queries, tenant: int, catalog: Catalog, rows: Sequence[tuple[Any, View]]) -> list[Stored]:
    """The resources in rows of `columns`. Only where a group is itself a member of something does another statement climb on."""
    found = [_stored(row, view, catalog) for row, view in rows]
    nested = [(stored, view) for (stored, ask), (_, view) in zip(found, rows, strict=True) if ask]
    if not nested:
        return [stored for stored, _ in found]
    args = Arguments([tenant, [stored.id for stored, _ in nested]])
    views = {stored.schema.name: (stored.schema, view) for stored, view in nested}
    parts = [_above(schema, place, catalog, args) for schema, view in views.values() for place in view.backlinks]
    elements: dict[str, dict[str, list[Linked]]] = {}
    for row in await conn.fetch(" UNION ALL ".join(parts), *args.values):
        element = Linked(row["source"], row["type"], row["display"], row["kind"])
        elements.setdefault(row["id"], {}).setdefault(row["attribute"], []).append(element)
    return [stored._replace(linked={**stored.linked, **elements.get(stored.id, {})}, ready={}) if ask else stored for stored, ask in found]


#: Everything above the resources $2 of one type, all of them climbed in one recursion; UNION ends cycles.
_ABOVE: LiteralString = """(WITH RECURSIVE up (id, source, direct) AS (
  SELECT given.id, ref.source, true FROM unnest($2::text[]) given (id) CROSS JOIN LATERAL (
    SELECT ref.source FROM reference ref WHERE ref.tenant = $1 AND ref.target = given.id AND {links} OFFSET 0) ref
  UNION SELECT up.id, ref.source, false FROM up CROSS JOIN LATERAL (
    SELECT ref.source FROM reference ref WHERE ref.tenant = $1 AND ref.target = up.source AND {links} OFFSET 0) ref
), above AS (SELECT up.id, up.source, bool_or(up.direct) AS direct FROM up GROUP BY up.id, up.source)
SELECT above.id, {key}::text AS attribute, above.source, t.type, t.display,
       CASE WHEN above.direct THEN 'direct' ELSE 'indirect' END AS kind
FROM above CROSS JOIN LATERAL (
  SELECT t.type, t.display FROM resource t WHERE t.tenant = $1 AND t.id = above.source OFFSET 0) t
WHERE EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = above.id AND r.type = {type}::text OFFSET 0)
ORDER BY above.id, above.source)"""


def _above(schema: EffectiveSchema, place: Resolved, catalog: Catalog, args: Arguments) -> LiteralString:
    links = one_of("ref.attribute", catalog.links_behind(schema, place), args)
    return _ABOVE.replace("{links}", links).replace("{key}", args.add(place.key)).replace("{type}", args.add(schema.name))


def _stored(row: Any, view: View, catalog: Catalog) -> tuple[Stored, bool]:
    """The resource in a row, and whether its backlinks have to be asked for."""
    linked, ready, ask = _NOTHING, _NOTHING, False
    if row["links"] is not None:
        linked = {}
        for attribute, id_, type_, display, kind in orjson.loads(row["links"]):
            linked.setdefault(attribute, []).append(Linked(id_, type_, display, kind))
    for column, place in zip(_BACKLINKS, view.backlinks, strict=False):
        elements = row[column]
        if elements is not None:
            ready = {**ready, place.key: elements}
            ask = ask or elements == _ASK
    id_, type_, version, created, modified, document = row[:6]
    return Stored(catalog.by_name[type_], id_, version, created, modified, document, linked, ready=ready), ask


#: Shared by the many resources without links or backlinks; never changed.
_NOTHING: Final[dict[str, Any]] = {}
