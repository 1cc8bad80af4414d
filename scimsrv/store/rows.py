"""Which columns a read fetches, and how its rows become resources: links and direct backlinks come with the document."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, LiteralString

import orjson

from scimsrv.protocol.plan import Linked, Stored
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.project import View
from scimsrv.store.fragment import Arguments, one_of
from scimsrv.store.names import NAMING
from scimsrv.store.pool import Queries
from scimsrv.store.scope import Scope

# Joins are LATERAL with OFFSET 0 where each row has to look up another: Postgres takes any tenant for an average one, and would rather
# read all of a large one's resources or references to join them at once.

#: Times as they are served.
CREATED: LiteralString = """to_char(r.created AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
MODIFIED: LiteralString = """to_char(r.modified AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""

COLUMNS: LiteralString = "r.id, r.type, r.version,\n" + CREATED + " AS created,\n" + MODIFIED + " AS modified, "

#: Where many are read at once, a document with more bytes than this, and backlinks whose ids have more, are left out.
LIGHT: LiteralString = "16384"

#: The same for the elements of links, whose texts may be as long as any.
_LIGHT_LINKS: LiteralString = "32768"

_LIGHT_DOCUMENT: LiteralString = "CASE WHEN octet_length(r.document) <= " + LIGHT + " THEN r.document END AS document"


def links_column(
    shown: Sequence[tuple[EffectiveSchema, View]], args: Arguments, *, most: int | None = None, light: bool = False
) -> LiteralString:
    """An expression for the elements of the links that the views show: a JSON array of [attribute, id, resource type, display,
    kind], as text, or NULL; of what is gone, whose rows are still being removed, the type is null. With `most`, at most so many of each
    link, in the order of their ids (but all of one in an extension, which cannot be streamed). With `light` a mark where they are
    large."""
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
            + ") ref LEFT JOIN LATERAL (SELECT t.type, t.display FROM resource t WHERE t.tenant = $1 AND t.id = ref.target OFFSET 0) t"
            " ON true ORDER BY ref.target)"
        )  # fmt: skip
    elements: LiteralString = "json_agg(json_build_array(l.attribute, l.target, l.type, l.display, l.type))::text"
    if light:
        elements = "CASE WHEN octet_length(" + elements + ") <= " + _LIGHT_LINKS + " THEN " + elements + " WHEN count(*) > 0 THEN '*' END"
    return "(SELECT " + elements + " FROM (" + " UNION ALL ".join(parts) + ") l)"


#: Of a resource's backlink at each place in its view: the ids of what refers to it, in their order with blanks between them; NULL
#: without any; and this mark where they do not say all, because something refers to what refers to the resource, or an id that has to
#: be quoted in a URL may have a blank in it.
ASK: Final = "?"

#: Stands for ids, or elements, that were left out, since there are so many.
LEFT_OUT: Final = "*"

#: Bytes that the elements of backlinks take for each character of the ids that they are read as, roughly.
EACH: Final = 5

#: The numbers of columns in a row of `columns`: the document, the links, and the first of the backlinks.
DOCUMENT: Final = 5
LINKS: Final = 6
FIRST: Final = 8

_BACKLINKS: Final[tuple[LiteralString, ...]] = tuple(f"backlink{number}" for number in range(100))

_SOURCES: LiteralString = """(SELECT CASE WHEN bool_or(l.ask) THEN '?' {light}ELSE string_agg(l.source, ' ') END FROM (
SELECT {distinct}ref.source, (SELECT EXISTS (SELECT FROM unusual_reference u WHERE u.tenant = $1)) AND (ref.source ~ '[^A-Za-z0-9-]'
  OR EXISTS (SELECT FROM reference above WHERE above.tenant = $1 AND above.target = ref.source AND {above})) AS ask
FROM reference ref WHERE ref.tenant = $1 AND ref.target = r.id AND {links} ORDER BY ref.source) l)"""


#: The limit on them, where there is one: the text is put together once, however often it stands here.
_LIGHT_SOURCES: LiteralString = "WHEN octet_length(string_agg(l.source, ' ')) > " + LIGHT + " THEN '*' "


def backlink_columns(
    shown: Sequence[tuple[EffectiveSchema, View]], catalog: Catalog, args: Arguments, *, light: bool = False
) -> LiteralString:
    """The columns for the direct elements of the backlinks that the views show, and for the state of names; each with a comma before
    it."""
    number_of_places = max(len(view.backlinks) for _, view in shown)
    text: LiteralString = ", " + NAMING + " AS naming" if number_of_places else ""
    for number in range(number_of_places):
        held = [(schema, view.backlinks[number]) for schema, view in shown if number < len(view.backlinks)]
        cases = [(schema, _sources(schema, place, catalog, args, light=light)) for schema, place in held]
        if len(shown) == 1:
            column = cases[0][1]
        else:
            whens: list[LiteralString] = [" WHEN " + args.add(schema.name) + " THEN " + case for schema, case in cases]
            column = "CASE r.type" + "".join(whens) + " END"
        text += ", " + column + " AS " + _BACKLINKS[number]
    return text


def _sources(schema: EffectiveSchema, place: Resolved, catalog: Catalog, args: Arguments, *, light: bool) -> LiteralString:
    links = catalog.links_behind(schema, place)
    distinct: LiteralString = "DISTINCT " if len(links) > 1 else ""  # what refers by two attributes is shown once
    return (
        _SOURCES.replace("{distinct}", distinct)
        .replace("{light}", _LIGHT_SOURCES if light else "")
        .replace("{above}", one_of("above.attribute", links, args))
        .replace("{links}", one_of("ref.attribute", links, args))
    )


def columns(
    shown: Sequence[tuple[EffectiveSchema, View]], catalog: Catalog, args: Arguments, *, most: int | None = None, light: bool = False
) -> LiteralString:
    """What a read selects of `resource r`; the rows are for `resources`, or with `light` for a page."""
    return (
        COLUMNS + (_LIGHT_DOCUMENT if light else "r.document")
        + ", " + links_column(shown, args, most=most, light=light) + " AS links"
        + backlink_columns(shown, catalog, args, light=light)
    )  # fmt: skip


class TooManyAboveError(Exception):
    """More refers to the resources, directly and indirectly, than may be read at once, or takes more bytes to show."""


async def resources(
    conn: Queries, scope: Scope, rows: Sequence[tuple[Any, View]], *, above: int | None = None, most_bytes: int | None = None
) -> list[Stored]:
    """The resources in rows of `columns`. Another statement is needed only for names that are not known, and where a group is itself a
    member of something, to climb on. Raises TooManyAboveError where more than `above` is found by climbing, or backlinks take more than
    `most_bytes`."""
    named = [(row, view) for row, view in rows if view.backlinks]
    shown = await _named(conn, scope, named, most_bytes) if named else {}
    by_name = scope.catalog.by_name
    found: list[Stored] = []
    nested: dict[int, View] = {}
    for number, (row, view) in enumerate(rows):
        id_, type_, version, created, modified, document, links = row[:7]
        ready = shown.get(id_, _NOTHING)
        if ready is _NESTED:
            nested[number], ready = view, _NOTHING
        linked, gone = (_NOTHING, _NOTHING) if links is None else _linked(links)
        found.append(Stored(by_name[type_], id_, version, created, modified, document, linked, (), "", ready, gone=gone))
    if nested:
        await _climb(conn, scope, found, nested, above)
    return found


#: Shared by the many resources without links or backlinks; never changed.
_NOTHING: Final[dict[str, Any]] = {}

#: Stands for the backlinks of a resource that takes another statement.
_NESTED: Final[dict[str, bytes]] = {}


def _linked(links: str) -> tuple[dict[str, list[Linked]], dict[str, int]]:
    """The elements by the key of their attribute, and how many more were read of what is gone."""
    linked: dict[str, list[Linked]] = {}
    gone: dict[str, int] = {}
    for attribute, id_, type_, display, kind in orjson.loads(links):
        if type_ is None:
            gone[attribute] = gone.get(attribute, 0) + 1
        else:
            linked.setdefault(attribute, []).append(Linked(id_, type_, display, kind))
    return linked, gone


async def _named(conn: Queries, scope: Scope, rows: Sequence[tuple[Any, View]], most: int | None) -> dict[str, dict[str, bytes]]:
    """The elements of the backlinks of each resource that has any, by its id and their keys; or the mark of what is nested. Raises
    TooManyAboveError where they take more than `most` bytes."""
    left = sys.maxsize if most is None else most
    known = scope.names.kept(scope.tenant, scope.catalog, rows[0][0]["naming"])
    shown: dict[str, dict[str, bytes]] = {}
    late: list[tuple[str, Resolved, list[str]]] = []
    last: View | None = None
    shown_in: list[tuple[int, Resolved, Callable[[str], bytes]]] = []
    for row, view in rows:
        if view is not last:
            last = view
            of = [known.elements(place, scope.catalog, scope.base_url).__getitem__ for place in view.backlinks]
            shown_in = [(number, place, element) for number, (place, element) in enumerate(zip(view.backlinks, of, strict=True), FIRST)]
        for number, place, element in shown_in:
            sources = row[number]
            if sources is None:
                continue
            id_ = row[0]
            if sources == ASK:
                shown[id_] = _NESTED
                break
            held = sources.split(" ")
            try:
                elements = b",".join(map(element, held))
            except KeyError:
                late.append((id_, place, held))
            else:
                left -= len(elements)
                if left < 0:
                    raise TooManyAboveError
                shown.setdefault(id_, {})[place.key] = elements
    if late:
        known = await scope.names.of(conn, scope.tenant, scope.catalog, known.state, {one for _, _, held in late for one in held})
        for id_, place, held in late:
            made = known.elements(place, scope.catalog, scope.base_url)
            elements = b",".join([made[one] for one in held if one in made])
            left -= len(elements)
            if left < 0:
                raise TooManyAboveError
            if elements and shown.get(id_) is not _NESTED:
                shown.setdefault(id_, {})[place.key] = elements
    return shown


async def _climb(conn: Queries, scope: Scope, found: list[Stored], nested: Mapping[int, View], most: int | None) -> None:
    """Put everything above the resources into them."""
    args = Arguments([scope.tenant, [found[number].id for number in nested]])
    views = {found[number].schema.name: (found[number].schema, view) for number, view in nested.items()}
    parts = [_above(schema, place, scope.catalog, args) for schema, view in views.values() for place in view.backlinks]
    limit: LiteralString = "" if most is None else " LIMIT " + args.add(most + 1) + "::bigint"
    rows = await conn.fetch(" UNION ALL ".join(parts) + limit, *args.values)
    if most is not None and len(rows) > most:
        raise TooManyAboveError
    elements: dict[str, dict[str, list[Linked]]] = {}
    for row in rows:
        element = Linked(row["source"], row["type"], row["display"], row["kind"])
        elements.setdefault(row["id"], {}).setdefault(row["attribute"], []).append(element)
    for number in nested:
        stored = found[number]
        found[number] = stored._replace(linked={**stored.linked, **elements.get(stored.id, {})})


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
WHERE {shown} AND EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = above.id AND r.type = {type}::text OFFSET 0)
ORDER BY above.id, above.source)"""


def _above(schema: EffectiveSchema, place: Resolved, catalog: Catalog, args: Arguments) -> LiteralString:
    keys = catalog.links_behind(schema, place)
    links = one_of("ref.attribute", keys, args)
    shown = one_of("t.type", catalog.shown(place, keys), args)
    return (
        _ABOVE.replace("{shown}", shown)
        .replace("{links}", links)
        .replace("{key}", args.add(place.key))
        .replace("{type}", args.add(schema.name))
    )
