"""Mistakes in filters: names, types of literals, what a filter may name."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

import functools
import re
from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.filter import bind, parse
from scimsrv.filter.bind import BoundConstant
from scimsrv.filter.tree import Compare
from scimsrv.protocol import planning
from scimsrv.schema.attribute import Type, fold_name
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import Op
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace, rule

_Binder = bind._Binder


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
        def query(schemas: Any, asked: Any, *at: Any) -> Any:
            try:
                return original(schemas, asked, *at)
            except ScimError as error:
                if error.kind is not Kind.INVALID_FILTER:
                    raise
                return original(schemas, changed(asked, filter="not (schemas pr)"), *at)

        return query

    replace(planning, "query", made)


@mutant
def bad_filters_select_everything() -> None:
    """A filter that cannot be read is ignored."""

    def made(original: Any) -> Any:
        def query(schemas: Any, asked: Any, *at: Any) -> Any:
            try:
                return original(schemas, asked, *at)
            except ScimError as error:
                if error.kind is not Kind.INVALID_FILTER:
                    raise
                return original(schemas, changed(asked, filter=None), *at)

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
