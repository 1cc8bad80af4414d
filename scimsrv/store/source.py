"""Where a resource's values are in SQL: columns, the search document, rows of the reference table, and what is derived from those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString

import orjson

from scimsrv.schema.attribute import Attribute
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import Key, unique_text
from scimsrv.store.fragment import Arguments, Value, one_of

#: The groups above r: `source` refers to r, directly or through others; UNION ends cycles.
UPWARDS: LiteralString = """(WITH RECURSIVE up (source, direct) AS (
  SELECT ref.source, true FROM reference ref WHERE ref.tenant = $1 AND ref.target = r.id AND {links}
  UNION SELECT ref.source, false FROM up CROSS JOIN LATERAL (
    SELECT ref.source FROM reference ref WHERE ref.tenant = $1 AND ref.target = up.source AND {links} OFFSET 0) ref
) SELECT up.source, CASE WHEN bool_or(up.direct) THEN 'direct' ELSE 'indirect' END AS type FROM up GROUP BY up.source)"""

#: Everything below one resource, which must exist: one that was deleted may still have rows. Only what can itself have something
#: below it is climbed down from; row by row, since Postgres expects a recursion to grow without end.
_DOWNWARDS: LiteralString = """WITH RECURSIVE above (id) AS (
  SELECT s.id FROM resource s WHERE s.tenant = $1 AND s.id = {id} AND {shown}
  UNION SELECT ref.target FROM above CROSS JOIN LATERAL (
    SELECT ref.target FROM reference ref CROSS JOIN LATERAL (
      SELECT FROM resource s WHERE s.tenant = $1 AND {types} AND s.id = ref.target OFFSET 0) s
    WHERE ref.tenant = $1 AND ref.source = above.id AND {links}
      AND (SELECT EXISTS (SELECT FROM unusual_reference u WHERE u.tenant = $1)) OFFSET 0) ref
) SELECT DISTINCT ref.target AS id FROM above CROSS JOIN LATERAL (
  SELECT ref.target FROM reference ref WHERE ref.tenant = $1 AND ref.source = above.id AND {links} OFFSET 0) ref"""

#: Everything below the resources t that satisfy a condition, found from them: once, not for every r.
_BELOW: LiteralString = """(WITH RECURSIVE down (target) AS (
  SELECT ref.target FROM reference ref JOIN resource t ON t.tenant = $1 AND t.id = ref.source
  WHERE ref.tenant = $1 AND {links} AND {shown} AND {condition}
  UNION SELECT ref.target FROM down CROSS JOIN LATERAL (
    SELECT ref.target FROM reference ref WHERE ref.tenant = $1 AND ref.source = down.target AND {links} OFFSET 0) ref
) SELECT down.target FROM down)"""


@dataclass(slots=True)
class Elements:
    """The elements of a multi-valued (or single complex) attribute of r, as a FROM item; `value` makes the expression of one of
    their sub-attributes (None: of the element itself), so that only parameters in use are sent.

    For a backlink `links` is the condition on its links' rows: unless a condition looks at `type`, which depends on r, it is
    better asked from the other side.
    """

    from_: LiteralString
    part: Callable[[Attribute | None], Value]
    links: LiteralString | None = None
    shown: LiteralString = "true"
    _looks_at_type: bool = False

    def value(self, sub: Attribute | None) -> Value:
        """An element's sub-attribute, or the element itself."""
        self._looks_at_type = self._looks_at_type or (sub is not None and sub.key == "type")
        return self.part(sub)

    def exists(self, condition: LiteralString) -> LiteralString:
        """True when some element satisfies the condition, which was made from `value`."""
        if self.links is not None and not self._looks_at_type:
            return "r.id IN " + _BELOW.replace("{links}", self.links).replace("{shown}", self.shown).replace("{condition}", condition)
        return "EXISTS (SELECT FROM " + self.from_ + " WHERE " + condition + ")"

    def any(self) -> LiteralString:
        """True when there is an element. OFFSET 0 keeps it a look-up for each resource: with statistics from before most references were
        made, Postgres would rather join all resources with all references."""
        if self.links is not None:
            return (
                "EXISTS (SELECT FROM reference ref JOIN resource t ON t.tenant = $1 AND t.id = ref.source"
                " WHERE ref.tenant = $1 AND ref.target = r.id AND " + self.links + " AND " + self.shown + " OFFSET 0)"
            )
        return "EXISTS (SELECT FROM " + self.from_ + " OFFSET 0)"


@dataclass(slots=True)
class Sources:
    """Finds the values of one resource type's attributes. `base_url` is the tenant's, without a slash at its end."""

    schema: EffectiveSchema
    catalog: Catalog
    base_url: str
    args: Arguments

    def column(self, place: Resolved) -> Value | None:
        """The column behind id and the parts of meta, or None for an attribute of the document."""
        if place.extension is not None or place.attribute.key not in ("id", "meta"):
            return None
        if place.attribute.key == "id":
            return Value("r.id")
        match place.sub.key if place.sub is not None else None:
            case "resourcetype":
                return Value("r.type")
            case "created":
                return Value("r.created::text", instant="r.created")
            case "lastmodified":
                return Value("r.modified::text", instant="r.modified")
            case "version":
                return Value("('W/\"' || r.version || '\"')")
            case "location":
                return Value("(" + self.args.add(f"{self.base_url}{self.schema.endpoint}/") + "::text || r.id)")
            case _:
                return None

    def single(self, place: Resolved) -> Value:
        """The value of a single-valued attribute or sub-attribute in the search document."""
        path = self.args.add([*place.search_path, *([place.sub.search_key] if place.sub is not None else [])])
        return Value("(r.search #>> " + path + "::text[])", "(r.search #> " + path + "::text[])")

    def first(self, place: Resolved) -> Value:
        """The value to sort by: the only one, the primary one, or the first (RFC 7644 §3.4.2.3); the least id of links."""
        column = self.column(place)
        if column is not None:
            return column
        name = None if place.sub is None else place.sub.search_key
        tail = [] if name is None else [name, "0"] if place.leaf.multi_valued else [name]
        if not place.attribute.multi_valued:
            inside = self.args.add([*place.search_path, *tail])
            return Value("(r.search #>> " + inside + "::text[])", "(r.search #> " + inside + "::text[])")
        if place.attribute.refers:
            elements = self.elements(place)
            return Value("(SELECT min(" + elements.value(place.sub).text + ' COLLATE "C") FROM ' + elements.from_ + ")")
        path = self.args.add(list(place.search_path))
        array: LiteralString = "r.search #> " + path + "::text[]"
        chosen: LiteralString = (
            "coalesce(jsonb_path_query_first(" + array + ", '$[*] ? (@.primary == true)'), jsonb_path_query_first(" + array + ", '$[*]'))"
        )
        inner = self.args.add(tail)
        return Value("(" + chosen + " #>> " + inner + "::text[])", "(" + chosen + " #> " + inner + "::text[])")

    def unique(self, schema: EffectiveSchema, place: Resolved, key: Key) -> LiteralString:
        """Equality on an attribute whose values are unique: its row names the only resource that can match."""
        return (
            "r.id = ANY (ARRAY(SELECT u.id FROM unique_key u WHERE u.tenant = $1 AND u.type = "
            + self.args.add(schema.name)
            + " AND u.attribute = "
            + self.args.add(place.key)
            + " AND u.key = "
            + self.args.add(unique_text(key))
            + "))"
        )

    def elements(self, place: Resolved) -> Elements:
        """The elements of the attribute."""
        whole = place.whole
        if not whole.attribute.refers:
            path = self.args.add(list(whole.search_path))
            return Elements("jsonb_path_query(r.search #> " + path + "::text[], '$[*]') e(v)", self._json_part)
        if whole.attribute.is_link:
            rows: LiteralString = (
                "reference ref JOIN resource t ON t.tenant = $1 AND t.id = ref.target"
                " AND ref.tenant = $1 AND ref.source = r.id AND ref.attribute = " + self.args.add(whole.key)
            )
            return Elements(rows, lambda sub: self._row_part(whole, sub, "ref.target", "t.type"))
        keys = self.catalog.links_behind(self.schema, whole)
        links = one_of("ref.attribute", keys, self.args)
        shown = self._shown(whole, keys)
        rows = UPWARDS.replace("{links}", links) + " ref JOIN resource t ON t.tenant = $1 AND t.id = ref.source AND " + shown
        return Elements(rows, lambda sub: self._row_part(whole, sub, "ref.source", "ref.type"), links, shown)

    def _shown(self, backlink: Resolved, keys: tuple[str, ...], column: LiteralString = "t.type") -> LiteralString:
        """The condition on the type of what refers to a resource by one of these links; none where only types that are shown have them."""
        shown = self.catalog.shown(backlink, keys)
        return "true" if len(shown) == len(self.catalog.linking(keys)) else one_of(column, shown, self.args)

    def _json_part(self, sub: Attribute | None) -> Value:
        if sub is None:
            return Value("(e.v #>> '{}')", "e.v")
        name = self.args.add(sub.search_key)
        return Value("(e.v ->> " + name + "::text)", "(e.v -> " + name + "::text)")

    def _row_part(self, place: Resolved, sub: Attribute | None, id_: LiteralString, kind: LiteralString) -> Value:
        match sub.key if sub is not None else "value":
            case "type":
                return Value(self._folded_type(kind, place))
            case "display":
                return Value("(t.search ->> '$display')")
            case "$ref":
                bases = {type_.name: f"{self.base_url}{type_.endpoint}/" for type_ in self.catalog.types()}
                return Value("((" + self.args.add(orjson.dumps(bases).decode()) + "::text::jsonb ->> t.type) || t.id)")
            case _:
                return Value(id_)

    def _folded_type(self, kind: LiteralString, place: Resolved) -> LiteralString:
        """The type's key: names are few and known, so they are folded here and looked up there."""
        part = place.attribute.sub("type")
        if part is None or part.case_exact:
            return kind
        names = ("direct", "indirect", *(type_.name for type_ in self.catalog.types()))
        return "(" + self.args.add(orjson.dumps({name: name.casefold() for name in names}).decode()) + "::text::jsonb ->> " + kind + ")"

    def canonical_url(self, url: str) -> str:
        """The URL with the version segment that `$ref` has here: URLs are equal without regard to it (RFC 7643 §2.4)."""
        unversioned = self.base_url.removesuffix("/v2") + "/"
        return (
            self.base_url + "/" + url[len(unversioned) :]
            if url.startswith(unversioned) and not url.startswith(self.base_url + "/")
            else url
        )

    def refers_to(self, place: Resolved, id_: str) -> LiteralString:
        """True when r refers to the resource (a link), or is referred to by it through any number of links (a backlink)."""
        if not place.attribute.is_link:
            return "r.id IN (" + self.ids_referring(place, id_) + ")"
        target = self.args.add(id_)
        return (
            "EXISTS (SELECT FROM reference ref WHERE ref.tenant = $1 AND ref.source = r.id AND ref.attribute = "
            + self.args.add(place.whole.key) + " AND ref.target = " + target + " AND " + _exists(target) + ")"
        )  # fmt: skip

    def refers_to_no_other(self, place: Resolved) -> bool:
        """Whether what a backlink shows can refer to resources of this type only, in a tenant where nothing refers to what has links
        itself (see `unusual_reference`). Such references outlive what they refer to only where there is an `erasure`."""
        if not place.attribute.is_backlink:
            return False
        keys = self.catalog.links_behind(self.schema, place.whole)
        links = [link for type_ in self.catalog.linking(keys) for key, link in type_.writable_links.items() if key in keys]
        named = {name for link in links for name in link.attribute.resource_types if name != self.schema.name}
        return all(type_.links for name in named if (type_ := self.catalog.by_name.get(name)) is not None)

    def ids_referring(self, place: Resolved, id_: str) -> LiteralString:
        """A SELECT of the ids of what refers to the resource (a link), or is referred to by it (a backlink); of any type."""
        target = self.args.add(id_)
        if place.attribute.is_link:
            attribute = self.args.add(place.whole.key)
            return (
                "SELECT ref.source AS id FROM reference ref WHERE ref.tenant = $1 AND ref.target = " + target
                + " AND ref.attribute = " + attribute + " AND " + _exists(target)
            )  # fmt: skip
        keys = self.catalog.links_behind(self.schema, place.whole)
        types = one_of("s.type", [type_.name for type_ in self.catalog.linking(keys)], self.args)
        links = one_of("ref.attribute", keys, self.args)
        shown = self._shown(place.whole, keys, "s.type")
        return _DOWNWARDS.replace("{shown}", shown).replace("{id}", target).replace("{types}", types).replace("{links}", links)


def _exists(id_: LiteralString) -> LiteralString:
    """True when there is such a resource: one that was deleted may still have rows."""
    return "(SELECT EXISTS (SELECT FROM resource t WHERE t.tenant = $1 AND t.id = " + id_ + "))"
