"""Mistakes in filters: operators, joins, presence, letter case, value paths, null."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.filter import bind
from scimsrv.filter.bind import BoundConstant, BoundPresent
from scimsrv.filter.tree import And, Compare, Not, Or, ValuePath
from scimsrv.schema import semantics
from scimsrv.schema.attribute import Type
from scimsrv.schema.semantics import Op
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
    replace(Where, "_present", lambda original: lambda self, place: "false" if place.attribute.multi_valued else original(self, place))


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
    replace(_Binder, "compare", lambda original: lambda self, node: BoundConstant(False) if node.literal is None else original(self, node))


@mutant
def null_takes_every_operator() -> None:
    """gt and the like are taken for null."""

    def made(original: Any) -> Any:
        def compare(self: Any, node: Compare) -> Any:
            return BoundConstant(False) if node.literal is None and node.op not in semantics.EQUALITY else original(self, node)

        return compare

    replace(_Binder, "compare", made)
