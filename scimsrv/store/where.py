"""From a bound filter to a SQL condition on `resource r`: total, two-valued, with every name and literal a parameter.

The search document and the literals are folded by the same functions, so SQL compares bytes and never folds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, LiteralString, assert_never

import orjson

from scimsrv.filter.bind import (
    Bound,
    BoundAnd,
    BoundCompare,
    BoundConstant,
    BoundElement,
    BoundNot,
    BoundOr,
    BoundPresent,
)
from scimsrv.schema.attribute import Attribute, Returned, Type
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.search import containing, holding
from scimsrv.schema.semantics import Key, Op, instant
from scimsrv.store.fragment import Arguments, Value, all_of, any_of
from scimsrv.store.source import Elements, Sources


@dataclass(slots=True)
class Where:
    """Compiles the filters of one resource type into one statement's parameters."""

    schema: EffectiveSchema
    catalog: Catalog
    sources: Sources
    args: Arguments

    def condition(self, bound: Bound) -> LiteralString:
        """A condition that is true or false, never NULL, for every row of `resource r` of this type."""
        match bound:
            case BoundConstant(value):
                return "true" if value else "false"
            case BoundAnd(parts):
                return all_of([self.condition(part) for part in parts])
            case BoundOr(parts):
                return any_of([self.condition(part) for part in parts])
            case BoundNot(inner):
                return "NOT " + self.condition(inner)
            case BoundPresent(place):
                return self._present(place)
            case BoundElement(place, inner):
                return self._some_element(place, inner)
            case BoundCompare(place, op, key):
                return self._compare(place, op, key)
        assert_never(bound)

    def contained(self, bound: Bound) -> bool:
        """Whether the condition for this filter demands that the search document contains something, which the GIN index serves."""
        match bound:
            case BoundAnd(parts):
                return any(map(self.contained, parts))
            case BoundOr(parts):
                return all(map(self.contained, parts))
            case BoundCompare(place, Op.EQ, _):
                return not (_is_column(place) or place.attribute.refers)
            case BoundElement(place, inner):
                complex_ = place.attribute.type is Type.COMPLEX and not place.attribute.refers
                return complex_ and not _is_column(place) and _equalities(inner) is not None
            case _:
                return False

    def narrowed(self, bound: Bound) -> bool:
        """Whether what is contained may be few of the type: a boolean never is."""
        match bound:
            case BoundAnd(parts):
                return any(map(self.narrowed, parts))
            case BoundOr(parts):
                return all(map(self.narrowed, parts))
            case BoundCompare(place):
                return self.contained(bound) and place.leaf.type is not Type.BOOLEAN
            case BoundElement(_, inner):
                exact = _equalities(inner) if self.contained(bound) else None
                return exact is not None and any(sub.type is not Type.BOOLEAN for sub, _ in exact.parts)
            case _:
                return False

    # -- comparisons at the level of the resource ------------------------------------------------------------------

    def _compare(self, place: Resolved, op: Op, key: Key) -> LiteralString:
        column = self.sources.column(place)
        if place.attribute.key == "meta" and place.leaf.key == "version":
            key = _DIGEST.sub('"', str(key))
        if column is not None:  # never NULL, and bare so that its index serves it
            if op is Op.NE:
                return "NOT (" + self._plain(place.leaf, column, Op.EQ, key) + ")"
            return "(" + self._plain(place.leaf, column, op, key) + ")"
        if not (place.attribute.multi_valued or place.leaf.multi_valued):
            if op is Op.EQ:
                return self._holds(place, key)
            if op is Op.NE:
                return "NOT " + self._holds(place, key)
            return self._test(place.leaf, self.sources.single(place), op, key)
        if op is Op.NE:
            differs = self._some_value(place, op, key)
            return any_of([differs, "NOT " + self._any_value(place)])
        if op is Op.EQ and not place.attribute.refers:
            return self._holds(place, key)
        if op is Op.EQ and place.sub is place.attribute.value_part:
            return self.sources.refers_to(place, str(key))
        return self._some_value(place, op, key)

    def _holds(self, place: Resolved, key: Key) -> LiteralString:
        """Equality on any value: the unique key's row where there is one, else containment, which the GIN index serves."""
        if key != "" and place.key in self.schema.found_by_key:
            return self.sources.unique(self.schema, place, key)
        return self._contains(place, holding(place, key))

    def _contains(self, place: Resolved, value: Any) -> LiteralString:
        return "r.search @> " + self.args.add(orjson.dumps(containing(place, value)).decode()) + "::jsonb"

    def _some_value(self, place: Resolved, op: Op, key: Key) -> LiteralString:
        elements = self.sources.elements(place)
        return elements.exists(self._element_test(elements, place, op, key, absent=False))

    def _any_value(self, place: Resolved) -> LiteralString:
        elements = self.sources.elements(place)
        if place.attribute.refers and place.sub is place.attribute.value_part:
            return elements.any()
        value = elements.value(place.sub)
        return elements.exists(value.text + " IS NOT NULL")

    # -- presence --------------------------------------------------------------------------------------------------

    def _present(self, place: Resolved) -> LiteralString:
        column = self.sources.column(place)
        if column is not None:
            return "(" + column.text + " <> '') IS TRUE"
        attribute = place.attribute
        if attribute.key == "meta" and place.sub is None:
            return "true"
        if attribute.multi_valued:
            elements = self.sources.elements(place)
            if attribute.refers and place.leaf in (attribute, attribute.value_part):
                return elements.any()
            return elements.exists(self._element_present(elements, place))
        if place.leaf.type is Type.COMPLEX:
            return any_of([self._present(Resolved(place.extension, attribute, sub)) for sub in _visible(attribute)])
        return self._filled(self.sources.single(place), place.leaf)

    def _element_present(self, elements: Elements, place: Resolved) -> LiteralString:
        attribute = place.attribute
        if place.sub is None and attribute.type is Type.COMPLEX:
            return any_of([self._filled(elements.value(sub), sub) for sub in _visible(attribute)])
        return self._filled(elements.value(place.sub), place.leaf)

    def _filled(self, value: Value, leaf: Attribute) -> LiteralString:
        if leaf.multi_valued and value.json is not None:
            return "EXISTS (SELECT FROM jsonb_path_query(" + value.json + ", '$[*]') part(v) WHERE (part.v #>> '{}') <> '')"
        return "(" + value.text + " <> '') IS TRUE"

    # -- inside a value path ---------------------------------------------------------------------------------------

    def _some_element(self, place: Resolved, inner: Bound) -> LiteralString:
        attribute = place.attribute
        if attribute.key == "meta" and place.extension is None:
            return self.condition(inner)  # there is always one meta, and its parts are columns
        if attribute.refers:
            ids = only_ids(inner)
            if ids is not None:
                return any_of([self.sources.refers_to(Resolved(place.extension, attribute, attribute.value_part), id_) for id_ in ids])
            elements = self.sources.elements(place)
            return elements.exists(self._in_element(elements, inner))
        exact = _equalities(inner) if attribute.type is Type.COMPLEX else None
        if exact is None or not exact.complete:
            elements = self.sources.elements(place)
            full = elements.exists(self._in_element(elements, inner))
        if exact is None:
            return full
        element = {sub.search_key: [key] if sub.multi_valued else key for sub, key in exact.parts}
        contained = self._contains(place, [element] if attribute.multi_valued else element)
        return contained if exact.complete else all_of([contained, full])

    def _in_element(self, elements: Elements, bound: Bound) -> LiteralString:
        match bound:
            case BoundConstant(value):
                return "true" if value else "false"
            case BoundAnd(parts):
                return all_of([self._in_element(elements, part) for part in parts])
            case BoundOr(parts):
                return any_of([self._in_element(elements, part) for part in parts])
            case BoundNot(inner):
                return "NOT " + self._in_element(elements, inner)
            case BoundPresent(place):
                return self._element_present(elements, place)
            case BoundCompare(place, op, key):
                return self._element_test(elements, place, op, key, absent=True)
            case BoundElement():
                raise AssertionError("value paths do not nest")
        assert_never(bound)

    def _element_test(self, elements: Elements, place: Resolved, op: Op, key: Key, *, absent: bool) -> LiteralString:
        """The test on one element; with `absent`, an element without the value differs from every literal (`ne`)."""
        leaf = place.leaf
        value = elements.value(place.sub)
        if place.attribute.refers and leaf.key == "$ref":
            key = self.sources.canonical_url(str(key))
        if place.sub is not None and leaf.multi_valued and value.json is not None:
            part = Value("(part.v #>> '{}')", "part.v")
            stream: LiteralString = "EXISTS (SELECT FROM jsonb_path_query(" + value.json + ", '$[*]') part(v)"
            some = stream + " WHERE " + self._test(leaf, part, op, key, strict=op is Op.NE) + ")"
            return any_of([some, "NOT " + stream + ")"]) if op is Op.NE and absent else some
        return self._test(leaf, value, op, key, strict=op is Op.NE and not absent)

    # -- one value -------------------------------------------------------------------------------------------------

    def _test(self, leaf: Attribute, value: Value, op: Op, key: Key, *, strict: bool = False) -> LiteralString:
        """`value op key`, false for a missing value; `ne` is true for it unless `strict`."""
        if op is Op.NE:
            equal = self._plain(leaf, value, Op.EQ, key)
            return "(" + equal + ") IS FALSE" if strict else "(" + equal + ") IS NOT TRUE"
        return "(" + self._plain(leaf, value, op, key) + ") IS TRUE"

    def _plain(self, leaf: Attribute, value: Value, op: Op, key: Key) -> LiteralString:
        if value.instant is not None:
            return value.instant + _SIGNS[op] + self.args.add(instant(str(key)))
        if leaf.type in (Type.INTEGER, Type.DECIMAL):
            number: LiteralString = "CASE jsonb_typeof(" + (value.json or "NULL") + ") WHEN 'number' THEN (" + value.text + ")::numeric END"
            return number + _SIGNS[op] + self.args.add(repr(key)) + "::text::numeric"
        if leaf.type is Type.BOOLEAN:
            return value.text + _SIGNS[op] + self.args.add("true" if key else "false") + "::text"
        literal = str(key)
        match op:
            case Op.CO:
                return "strpos(" + value.text + ", " + self.args.add(literal) + "::text) > 0"
            case Op.SW:
                return "starts_with(" + value.text + ", " + self.args.add(literal) + "::text)"
            case Op.EW:
                size = self.args.add(len(literal))
                return "right(" + value.text + ", " + size + "::int) = " + self.args.add(literal) + "::text"
            case Op.EQ | Op.NE:
                return value.text + _SIGNS[op] + self.args.add(literal) + "::text"
            case _:
                return value.text + ' COLLATE "C"' + _SIGNS[op] + self.args.add(literal) + "::text"


#: The part of a version that stands for what is derived; two versions of one resource differ in the counter before it.
_DIGEST = re.compile(r'-[0-9a-f]{8}"$')

_SIGNS: dict[Op, LiteralString] = {
    Op.EQ: " = ",
    Op.NE: " <> ",
    Op.GT: " > ",
    Op.GE: " >= ",
    Op.LT: " < ",
    Op.LE: " <= ",
}


@dataclass(frozen=True, slots=True)
class _Equalities:
    """`sub eq key` terms that a value path demands of its element; `complete` when it demands nothing else."""

    parts: list[tuple[Attribute, Key]]
    complete: bool


def _equalities(bound: Bound) -> _Equalities | None:
    parts = bound.parts if isinstance(bound, BoundAnd) else (bound,)
    found: dict[str, tuple[Attribute, Key]] = {}
    complete = True
    for part in parts:
        if isinstance(part, BoundCompare) and part.op is Op.EQ and part.place.sub is not None and part.place.sub.key not in found:
            found[part.place.sub.key] = (part.place.sub, part.key)
        else:
            complete = False
    return _Equalities(list(found.values()), complete) if found else None


def only_ids(bound: Bound) -> list[str] | None:
    """The ids of a filter `value eq "…"`, or of an `or` of such; None for any other filter."""
    parts = bound.parts if isinstance(bound, BoundOr) else (bound,)
    ids = [
        str(part.key)
        for part in parts
        if isinstance(part, BoundCompare) and part.op is Op.EQ and part.place.sub is part.place.attribute.value_part
    ]
    return ids if len(ids) == len(parts) else None


def _is_column(place: Resolved) -> bool:
    return place.extension is None and place.attribute.key in ("id", "meta")


def _visible(attribute: Attribute) -> list[Attribute]:
    return [sub for sub in attribute.sub_attributes if sub.returned is not Returned.NEVER]
