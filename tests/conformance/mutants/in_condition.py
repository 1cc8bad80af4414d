"""Mistakes in how filters become conditions: missing values, dates, numbers, texts, limits, references."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as changed
from typing import Any

from scimsrv.filter import bind, parse
from scimsrv.filter.bind import BoundCompare, BoundConstant, BoundNot
from scimsrv.filter.tree import Compare, Present
from scimsrv.protocol import planning
from scimsrv.schema import semantics
from scimsrv.schema.attribute import Type, fold_name
from scimsrv.schema.effective import Resolved
from scimsrv.schema.semantics import Op
from scimsrv.store import source, where
from scimsrv.store.source import Sources
from scimsrv.store.where import Where
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import instead, replace, rule

_Binder = bind._Binder


def _compared(edit: Callable[[Compare], Compare]) -> None:
    replace(_Binder, "compare", lambda original: lambda self, node: original(self, edit(node)))


@mutant
def ne_needs_a_value() -> None:
    """`ne` does not hold for a missing value."""

    def made(original: Any) -> Any:
        def compare(self: Any, place: Any, op: Op, key: Any) -> Any:
            text = original(self, place, op, key)
            return f"({text} AND {self._present(place)})" if op is Op.NE else text

        return compare

    replace(Where, "_compare", made)


@mutant
def missing_primary_is_unknown() -> None:
    """`primary eq false` does not hold where primary is missing."""
    replace(_Binder, "not_primary", lambda _: lambda self, place, op, key: BoundCompare(place, op, key))


@mutant
def first_value_only() -> None:
    """Of several values only the first is looked at."""
    replace(Sources, "elements", lambda original: lambda self, place: _first(original(self, place)))
    replace(Where, "_contains", lambda original: _first_contains)


def _first(elements: Any) -> Any:
    return changed(elements, from_=elements.from_.replace("'$[*]') e(v)", "'$[0]') e(v)"))


def _first_contains(self: Any, place: Any, value: Any) -> str:
    import orjson

    path = self.args.add([*place.search_path, "0"] if place.attribute.multi_valued else list(place.search_path))
    value = value[0] if place.attribute.multi_valued else value
    return f"coalesce((r.search #> {path}::text[]) @> {self.args.add(orjson.dumps(value).decode())}::jsonb, false)"


@mutant
def dates_compare_as_text() -> None:
    """dateTime values compare as the text that was sent."""
    rule(Type.DATETIME, key=lambda _attribute, value: value)


@mutant
def times_compare_by_day() -> None:
    """Of the instants in meta only the day is compared."""
    original = semantics.instant
    instead(where, "instant", lambda text: original(text).replace(hour=0, minute=0, second=0, microsecond=0))


@mutant
def numbers_compare_as_text() -> None:
    """Numbers compare digit by digit."""

    def made(original: Any) -> Any:
        def plain(self: Any, leaf: Any, value: Any, op: Op, key: Any) -> Any:
            if leaf.type in (Type.INTEGER, Type.DECIMAL):
                return f'{value.text} COLLATE "C" {_SIGN[op]} {self.args.add(str(key))}::text'
            return original(self, leaf, value, op, key)

        return plain

    replace(Where, "_plain", made)


_SIGN = {Op.EQ: "=", Op.NE: "<>", Op.GT: ">", Op.GE: ">=", Op.LT: "<", Op.LE: "<="}


@mutant
def texts_are_patterns() -> None:
    """The text of co, sw and ew is a pattern, in which % and _ stand for others."""

    def made(original: Any) -> Any:
        def plain(self: Any, leaf: Any, value: Any, op: Op, key: Any) -> Any:
            if value.instant is None and op in semantics.SUBSTRING:
                pattern = ("%" if op is not Op.SW else "") + str(key) + ("%" if op is not Op.EW else "")
                return f"{value.text} LIKE {self.args.add(pattern)}::text"
            return original(self, leaf, value, op, key)

        return plain

    replace(Where, "_plain", made)


@mutant
def texts_are_ordered_by_length() -> None:
    """gt, ge, lt and le compare how long texts are."""

    def made(original: Any) -> Any:
        def plain(self: Any, leaf: Any, value: Any, op: Op, key: Any) -> Any:
            if value.instant is None and leaf.type is Type.STRING and op in semantics.ORDERING:
                return f"length({value.text}) {_SIGN[op]} {self.args.add(len(str(key)))}::int"
            return original(self, leaf, value, op, key)

        return plain

    replace(Where, "_plain", made)


@mutant
def spaces_are_trimmed() -> None:
    """White space at the ends of a literal is dropped."""
    _compared(lambda node: changed(node, literal=node.literal.strip()) if isinstance(node.literal, str) else node)


@mutant
def escapes_are_not_read() -> None:
    """Escapes in the strings of filters stay as they are."""
    import scimsrv.filter.strings as strings

    class _Plain:
        @staticmethod
        def loads(text: str) -> str:
            return text[1:-1]

    instead(strings, "json", _Plain)


@mutant
def filters_without_limits() -> None:
    """Filters of any depth and length are read."""
    parse.MAX_DEPTH, parse.MAX_LENGTH, parse.MAX_TERMS = 100_000, 1_000_000, 100_000  # type: ignore[misc]


@mutant
def filters_of_three_terms() -> None:
    """Filters of more than three terms are too large."""
    parse.MAX_TERMS, parse.MAX_DEPTH = 3, 2  # type: ignore[misc]


@mutant
def filter_ignored_with_paging() -> None:
    """A filter is ignored when startIndex or count is given."""
    replace(
        planning,
        "query",
        lambda original: lambda schemas, asked: original(schemas, changed(asked, filter=None) if asked.count != 100 else asked),
    )


@mutant
def filter_returns_everything() -> None:
    """Every filter selects every resource."""
    replace(Where, "condition", lambda _: lambda self, bound: "true")


@mutant
def filter_returns_nothing() -> None:
    """No filter selects anything."""
    replace(Where, "condition", lambda _: lambda self, bound: "false")


@mutant
def unique_values_are_not_found() -> None:
    """An equality on a unique attribute selects nothing."""
    replace(Sources, "unique", lambda _: lambda self, schema, place, key: "false")


@mutant
def wrong_column_for_last_modified() -> None:
    """A filter on meta.lastModified looks at the creation."""

    def made(original: Any) -> Any:
        def column(self: Any, place: Resolved) -> Any:
            found = original(self, place)
            return changed(found, instant="r.created") if found is not None and found.instant == "r.modified" else found

        return column

    replace(Sources, "column", made)


@mutant
def ids_in_any_case() -> None:
    """An id matches whatever its case."""
    replace(
        Where,
        "_compare",
        lambda original: (
            lambda self, place, op, key: (
                f"lower(r.id) = lower({self.args.add(str(key))}::text)"
                if place.attribute.key == "id" and op is Op.EQ
                else original(self, place, op, key)
            )
        ),
    )


@mutant
def members_match_anything() -> None:
    """A filter on a member's or a group's value selects every resource."""
    replace(Sources, "refers_to", lambda _: lambda self, place, id_: "true")


@mutant
def groups_are_found_directly_only() -> None:
    """A filter on User.groups knows direct memberships only."""
    instead(source, "_DOWNWARDS", source._DOWNWARDS.split(" UNION ")[0] + ") SELECT down.target FROM down)")


@mutant
def references_have_no_parts() -> None:
    """A filter on $ref, type or display of a member finds nothing."""

    def made(original: Any) -> Any:
        def part(self: Any, place: Any, sub: Any, id_: Any, kind: Any) -> Any:
            found = original(self, place, sub, id_, kind)
            return found if sub is None or sub.key == "value" else changed(found, text="NULL::text")

        return part

    replace(Sources, "_row_part", made)


@mutant
def negation_of_missing() -> None:
    """`not` does not hold where the attribute is missing."""

    def made(original: Any) -> Any:
        def condition(self: Any, bound: Any) -> Any:
            if isinstance(bound, BoundNot) and isinstance(bound.filter, BoundCompare):
                return f"({original(self, bound)} AND {self._present(bound.filter.place)})"
            return original(self, bound)

        return condition

    replace(Where, "condition", made)


@mutant
def present_in_value_path_ignored() -> None:
    """`pr` inside of a value path always holds."""
    replace(_Binder, "filter", lambda original: lambda self, node: _always(original(self, node), self, node))


def _always(bound: Any, binder: Any, node: Any) -> Any:
    return BoundConstant(True) if isinstance(node, Present) and isinstance(binder.scope, bind._Element) else bound


@mutant
def roots_are_queried_without_type() -> None:
    """A filter at the root ignores meta.resourceType."""

    def made(original: Any) -> Any:
        def bound(self: Any, node: Any) -> Any:
            if isinstance(node, Compare) and fold_name(node.name.text) == "meta.resourcetype":
                return BoundConstant(True)
            return original(self, node)

        return bound

    replace(_Binder, "filter", made)
