"""Mistakes in the order of lists."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import ScimError
from scimsrv.protocol import planning, request
from scimsrv.schema.attribute import Type
from scimsrv.store import search
from scimsrv.store.source import Sources
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace


def _asked(edit: Any) -> None:
    replace(planning, "query", lambda original: lambda schemas, asked, *at: original(schemas, edit(asked), *at))


def _statement(old: str, new: str) -> None:
    """Change the text of the statement of searches."""

    def made(original: Any) -> Any:
        def statement(scope: Any, plan: Any) -> Any:
            text, arguments = original(scope, plan)
            return text.replace(old, new), arguments

        return statement

    replace(search, "statement", made)


@mutant
def sort_is_ignored() -> None:
    """sortBy changes nothing."""
    _asked(lambda asked: changed(asked, sort_by=None))


@mutant
def sort_is_flipped() -> None:
    """ascending is descending and the other way round."""
    _asked(lambda asked: changed(asked, descending=not asked.descending))


@mutant
def sort_order_is_ignored() -> None:
    """The order is always ascending."""
    _asked(lambda asked: changed(asked, descending=False))


@mutant
def sort_defaults_to_descending() -> None:
    """Without sortOrder the order is descending."""
    original = request._search

    def _search(filter_: Any, sort_by: Any, sort_order: Any, *rest: Any) -> Any:
        return original(filter_, sort_by, sort_order or "descending", *rest)

    everywhere(original, _search)


@mutant
def any_sort_order() -> None:
    """Every word is taken as sortOrder."""
    original = request._search

    def _search(filter_: Any, sort_by: Any, sort_order: Any, *rest: Any) -> Any:
        known = (sort_order or "").lower() in ("", "ascending", "descending")
        return original(filter_, sort_by, sort_order if known else None, *rest)

    everywhere(original, _search)


@mutant
def missing_values_first() -> None:
    """Resources without the value come first in ascending order."""
    _statement(" ASC NULLS LAST", " ASC NULLS FIRST")


@mutant
def missing_values_last_descending() -> None:
    """Resources without the value come last in descending order."""
    _statement(" DESC NULLS FIRST", " DESC NULLS LAST")


@mutant
def sort_is_unstable() -> None:
    """Resources with the same key come in another order each time."""
    _statement(", id LIMIT", ", md5(id || clock_timestamp()::text) LIMIT")
    replace(search, "_order", lambda original: original)


@mutant
def lists_are_unstable() -> None:
    """A list without sortBy comes in another order each time."""
    _statement("ORDER BY id LIMIT", "ORDER BY md5(id || clock_timestamp()::text) LIMIT")


@mutant
def sort_by_first_value() -> None:
    """A multi-valued attribute sorts by its first value, primary or not."""

    def made(original: Any) -> Any:
        def first(self: Any, place: Any) -> Any:
            found = original(self, place)
            return changed(found, text=found.text.replace("@.primary == true", "@.primary == 7"))

        return first

    replace(Sources, "first", made)


@mutant
def sort_by_unknown_names() -> None:
    """A sortBy that means nothing is ignored."""

    def made(original: Any) -> Any:
        def _sort(name: str, schema: Any, *, optional: bool) -> Any:
            try:
                return original(name, schema, optional=optional)
            except ScimError:
                return None

        return _sort

    replace(planning, "_sort", made)


@mutant
def sort_with_case() -> None:
    """Texts sort in the order of their characters' codes, capitals first."""

    def made(original: Any) -> Any:
        def _key(scope: Any, target: Any, place: Any, kind: str, args: Any) -> Any:
            if (
                kind != "text"
                or place.leaf.type is not Type.STRING
                or place.attribute.key in ("id", "meta")
                or place.attribute.multi_valued
            ):
                return original(scope, target, place, kind, args)
            path = [*([place.extension] if place.extension else []), place.attribute.name, *([place.sub.name] if place.sub else [])]
            return f'(r.document::jsonb #>> {args.add(path)}::text[]) COLLATE "C"'

        return _key

    replace(search, "_key", made)


@mutant
def sort_by_folded_always() -> None:
    """Texts sort without regard to case, whatever the schema says."""
    replace(
        search, "_key", lambda original: lambda scope, target, place, kind, args: _lower(original(scope, target, place, kind, args), kind)
    )


def _lower(text: str, kind: str) -> str:
    return text.removesuffix(' COLLATE "C"').join(("lower(", ') COLLATE "C"')) if kind == "text" else text


@mutant
def dates_sort_backwards() -> None:
    """Dates sort from the newest to the oldest."""

    def made(original: Any) -> Any:
        def _key(scope: Any, target: Any, place: Any, kind: str, args: Any) -> Any:
            text = original(scope, target, place, kind, args)
            return f"-extract(epoch FROM {text})" if kind == "instant" else text

        return _key

    replace(search, "_key", made)
