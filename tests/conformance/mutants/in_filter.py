"""Mistakes in filters: operators, joins, letter case, value paths, names, literals."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.filter import bind, parse
from scimsrv.filter.bind import BoundCompare, BoundConstant, BoundNot, BoundPresent
from scimsrv.filter.tree import And, Compare, Not, Or, Present, ValuePath
from scimsrv.protocol import planning
from scimsrv.protocol.plan import Query
from scimsrv.schema import semantics
from scimsrv.schema.attribute import Type, fold_name
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import Op
from scimsrv.store import search, source
from scimsrv.store.source import Sources
from scimsrv.store.where import Where
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import everywhere, replace, rule

_Binder = bind._Binder


def _compared(edit: Callable[[Compare], Compare]) -> None:
    replace(_Binder, "compare", lambda original: lambda self, node: original(self, edit(node)))


def _operator(wrong: Op, right: Op) -> None:
    @variant(f"{right.value}_is_{wrong.value}", f"The operator {right.value} does what {wrong.value} does.")
    def apply() -> None:
        _compared(lambda node: changed(node, op=wrong) if node.op is right and node.literal is not None else node)


for _wrong, _right in (
    (Op.SW, Op.EQ),
    (Op.EQ, Op.NE),
    (Op.SW, Op.CO),
    (Op.CO, Op.SW),
    (Op.CO, Op.EW),
    (Op.GE, Op.GT),
    (Op.GT, Op.GE),
    (Op.LE, Op.LT),
    (Op.LT, Op.LE),
    (Op.LT, Op.GT),
    (Op.EQ, Op.GE),
):
    _operator(_wrong, _right)


def _node(edit: Callable[[Any], Any]) -> None:
    replace(_Binder, "filter", lambda original: lambda self, node: original(self, edit(node)))


@mutant
def not_is_ignored() -> None:
    """`not (…)` means what is in the parentheses."""
    _node(lambda node: node.filter if isinstance(node, Not) else node)


@mutant
def or_is_and() -> None:
    """`or` joins as `and` does."""
    _node(lambda node: And(node.parts) if isinstance(node, Or) else node)


@mutant
def and_is_or() -> None:
    """`and` joins as `or` does."""
    _node(lambda node: Or(node.parts) if isinstance(node, And) else node)


@mutant
def and_or_from_the_left() -> None:
    """`and` does not bind stronger than `or`: terms are joined from the left."""

    def edit(node: Any) -> Any:
        if isinstance(node, Or) and isinstance(node.parts[-1], And):
            last = node.parts[-1]
            return And((Or((*node.parts[:-1], last.parts[0])), *last.parts[1:]))
        return node

    _node(edit)


@mutant
def present_always() -> None:
    """`pr` holds for every resource."""
    replace(Where, "_present", lambda _: lambda self, place: "true")


@mutant
def present_counts_empty() -> None:
    """`pr` holds for an empty string."""
    replace(Where, "_filled", lambda _: lambda self, value, leaf: f"({value.text}) IS NOT NULL")


@mutant
def present_not_for_complex() -> None:
    """`pr` never holds for a complex attribute."""

    def made(original: Any) -> Any:
        return lambda self, place: "false" if place.leaf.type is Type.COMPLEX and place.attribute.key != "meta" else original(self, place)

    replace(Where, "_present", made)


@mutant
def present_not_for_multi_valued() -> None:
    """`pr` never holds for an attribute of several values."""
    replace(
        Where, "_present", lambda original: lambda self, place: "false" if place.attribute.multi_valued else original(self, place)
    )


@mutant
def text_case_counts() -> None:
    """Letter case counts in every text, whatever the schema says."""
    everywhere(semantics.fold, lambda text: text)


@mutant
def text_case_never_counts() -> None:
    """Letter case counts in no text, whatever the schema says."""
    for type_ in (Type.STRING, Type.REFERENCE, Type.BINARY):
        rule(type_, key=lambda _attribute, value: value.casefold())


@mutant
def only_ascii_is_folded() -> None:
    """Letters outside ASCII are compared with regard to case."""
    everywhere(semantics.fold, lambda text: "".join(char.lower() if char.isascii() else char for char in text))


@mutant
def no_normal_form() -> None:
    """Composed and decomposed characters are different ones."""
    rule(Type.STRING, key=lambda attribute, value: value if attribute.case_exact else value.casefold())


@mutant
def value_path_over_elements() -> None:
    """The terms of a value path may each hold for another element."""

    def made(original: Any) -> Any:
        def value_path(self: Any, node: ValuePath) -> Any:
            bound = original(self, node)
            return bound.filter if isinstance(bound, bind.BoundElement) and bound.place.attribute.sub_attributes else bound

        return value_path

    replace(_Binder, "value_path", made)


@mutant
def value_path_means_presence() -> None:
    """A value path holds if the attribute has any value."""
    replace(_Binder, "value_path", lambda original: lambda self, node: _presence(original(self, node)))


def _presence(bound: Any) -> Any:
    return BoundPresent(bound.place) if isinstance(bound, bind.BoundElement) else bound


@mutant
def value_path_rest_ignored() -> None:
    """What follows the bracket of a value path is ignored."""
    replace(_Binder, "value_path", lambda original: lambda self, node: original(self, changed(node, rest=None)))


@mutant
def value_path_on_anything() -> None:
    """A value path is taken on a single simple value, too."""
    replace(_Binder, "check_selectable", lambda _: lambda self, place, offset: None)


@mutant
def null_is_refused() -> None:
    """null is no literal."""

    def edit(node: Compare) -> Compare:
        if node.literal is None:
            raise ScimError(Kind.INVALID_FILTER)
        return node

    _compared(edit)


@mutant
def null_matches_nothing() -> None:
    """Nothing is equal to null."""
    replace(
        _Binder, "compare", lambda original: lambda self, node: BoundConstant(False) if node.literal is None else original(self, node)
    )


@mutant
def null_takes_every_operator() -> None:
    """gt and the like are taken for null."""

    def made(original: Any) -> Any:
        def compare(self: Any, node: Compare) -> Any:
            return BoundConstant(False) if node.literal is None and node.op not in semantics.EQUALITY else original(self, node)

        return compare

    replace(_Binder, "compare", made)


@mutant
def unknown_names_match_nothing() -> None:
    """A filter that names an unknown attribute is answered with an empty list."""
    everywhere(bind.bind, functools.partial(_lenient, bind.bind))


def _lenient(original: Any, tree: Any, schema: Any, text: str, **_: Any) -> Any:
    return original(tree, schema, text, unknown_matches_nothing=True)


@mutant
def unknown_names_always_refused() -> None:
    """A query over several types refuses a name that one of them lacks."""
    original = bind.bind
    everywhere(original, lambda tree, schema, text, **_: original(tree, schema, text, unknown_matches_nothing=False))


@mutant
def bad_filters_select_nothing() -> None:
    """A filter that cannot be read is answered with an empty list."""

    def made(original: Any) -> Any:
        def query(schemas: Any, asked: Any) -> Any:
            try:
                return original(schemas, asked)
            except ScimError as error:
                if error.kind is not Kind.INVALID_FILTER:
                    raise
                return original(schemas, changed(asked, filter="not (schemas pr)"))

        return query

    replace(planning, "query", made)


@mutant
def bad_filters_select_everything() -> None:
    """A filter that cannot be read is ignored."""

    def made(original: Any) -> Any:
        def query(schemas: Any, asked: Any) -> Any:
            try:
                return original(schemas, asked)
            except ScimError as error:
                if error.kind is not Kind.INVALID_FILTER:
                    raise
                return original(schemas, changed(asked, filter=None))

        return query

    replace(planning, "query", made)


@mutant
def operators_apply_to_every_type() -> None:
    """Every operator is taken for every type of attribute."""
    for type_ in (Type.BOOLEAN, Type.BINARY, Type.REFERENCE):
        rule(type_, accepts=frozenset(Op))


@mutant
def literals_of_any_type() -> None:
    """A literal of another type than the attribute's matches nothing instead of being refused."""

    def made(original: Any) -> Any:
        def compare(self: Any, node: Compare) -> Any:
            try:
                return original(self, node)
            except ScimError as error:
                if "The value for" not in (error.detail or ""):
                    raise
                return BoundConstant(False)

        return compare

    replace(_Binder, "compare", made)


@mutant
def secrets_can_be_filtered() -> None:
    """A filter may name an attribute that is never returned."""
    replace(_Binder, "readable", lambda _: lambda self, place, name: place)


@mutant
def operators_in_lower_case_only() -> None:
    """Operators and joins are read in lower case only."""
    word = re.compile(r"(?<![\"\w])(EQ|Eq|NE|Ne|CO|Co|SW|Sw|EW|Ew|PR|Pr|GT|Gt|GE|Ge|LT|Lt|LE|Le|AND|And|OR|Or|NOT|Not|eQ)(?![\"\w])")
    original = parse.parse_filter

    def strict(text: str) -> Any:
        if word.search(re.sub(r'"[^"]*"', '""', text)):
            raise ScimError(Kind.INVALID_FILTER)
        return original(text)

    everywhere(original, strict)


@mutant
def names_in_one_spelling() -> None:
    """Attribute names in filters and paths are found in one spelling only."""

    def made(original: Any) -> Any:
        def resolve(self: EffectiveSchema, name: str) -> Any:
            found = original(self, name)
            if found is None or name in (found.name, f"{self.base.urn}:{found.name}", found.attribute.name, found.leaf.name):
                return found
            return found if name == fold_name(name) and ":" not in name and "." not in name and name in ("schemas", "id") else None

        return resolve

    replace(EffectiveSchema, "resolve", made)


@mutant
def urns_are_not_understood() -> None:
    """A name with the URN of the core schema in front is unknown."""
    replace(
        EffectiveSchema,
        "resolve",
        lambda original: lambda self, name: None if fold_name(name).startswith(self.base.key + ":") else original(self, name),
    )


@mutant
def extensions_by_urn_are_not_understood() -> None:
    """A name with the URN of an extension in front is unknown in filters."""
    replace(
        bind._Resource,
        "resolve",
        lambda original: lambda self, name: None if ":extension:" in fold_name(name) else original(self, name),
    )


@mutant
def sub_attributes_are_not_filtered() -> None:
    """A filter on a sub-attribute is refused."""

    def made(original: Any) -> Any:
        def resolve(self: Any, name: str) -> Resolved | None:
            found: Resolved | None = original(self, name)
            return None if found is not None and found.sub is not None and found.attribute.key != "meta" else found

        return resolve

    replace(bind._Resource, "resolve", made)


@mutant
def meta_is_not_filtered() -> None:
    """A filter on a part of meta is refused."""
    replace(
        bind._Resource, "resolve", lambda original: lambda self, name: None if fold_name(name).startswith("meta") else original(self, name)
    )


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
    import scimsrv.store.where as where

    original = where.instant
    where.instant = lambda text: original(text).replace(hour=0, minute=0, second=0, microsecond=0)  # type: ignore[assignment]


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

    strings.json = _Plain  # type: ignore[assignment]


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
        lambda original: lambda self, place, op, key: (
            f"lower(r.id) = lower({self.args.add(str(key))}::text)"
            if place.attribute.key == "id" and op is Op.EQ
            else original(self, place, op, key)
        ),
    )


@mutant
def members_match_anything() -> None:
    """A filter on a member's or a group's value selects every resource."""
    replace(Sources, "refers_to", lambda _: lambda self, place, id_: "true")


@mutant
def groups_are_found_directly_only() -> None:
    """A filter on User.groups knows direct memberships only."""
    source._DOWNWARDS = source._DOWNWARDS.split(" UNION ")[0] + ") SELECT down.target FROM down)"  # type: ignore[assignment]


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
def queries_mix_types() -> None:
    """A query of one type lists resources of others, too."""
    replace(search, "_target", lambda original: lambda scope, target, args: f"({original(scope, target, args)} OR r.type = 'Group')")


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


assert Query
