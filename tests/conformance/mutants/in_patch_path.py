"""Mistakes in the paths of PATCH, and in values without path."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.filter.bind import BoundConstant
from scimsrv.filter.match import match_element
from scimsrv.patch import apply as apply_module
from scimsrv.patch import linked, parse, selected
from scimsrv.patch.elements import from_filter
from scimsrv.patch.operation import Action, Part, Selected
from scimsrv.patch.work import Work
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace

HANDLERS = apply_module.HANDLERS


@mutant
def unknown_paths_are_ignored() -> None:
    """An operation whose path names no attribute is skipped."""
    original = parse.parse_operations

    def parsed(raw: Any, *rest: Any) -> Any:
        found: list[Any] = []
        for operation in raw if isinstance(raw, list) else []:
            try:
                found += original([operation], *rest)
            except ScimError as error:
                if error.kind is not Kind.INVALID_PATH:
                    raise
        return tuple(found)

    everywhere(original, parsed)


@mutant
def dotted_keys_are_not_resolved() -> None:
    """In a value without path, a key with a dot is unknown."""
    _keys(lambda key: "." in key.rpartition(":")[2])


@mutant
def qualified_keys_are_not_resolved() -> None:
    """In a value without path, a key with a URN and a name is unknown."""
    _keys(lambda key: key.startswith("urn:") and key.rpartition(":")[2][:1].islower())


@mutant
def urn_keys_are_not_resolved() -> None:
    """In a value without path, the URN of an extension is unknown."""
    _keys(lambda key: key.startswith("urn:") and key.endswith(":User"))


def _keys(unknown: Any) -> None:
    """Let some keys of values without path be skipped."""

    def made(original: Any) -> Any:
        def members(self: Any, action: Any, within: Any, value: Any) -> Any:
            return original(self, action, within, {key: part for key, part in value.items() if not unknown(key)})

        return members

    replace(parse._Parser, "_members", made)


@mutant
def qualified_paths_are_refused() -> None:
    """A path with a URN in front is refused."""

    def made(original: Any) -> Any:
        def target(self: Any, path: str) -> Any:
            if path.lower().startswith("urn:"):
                raise ScimError(Kind.INVALID_PATH)
            return original(self, path)

        return target

    replace(parse._Parser, "target", made)


@mutant
def urns_as_paths_are_refused() -> None:
    """The URN of an extension alone is no path."""

    def made(original: Any) -> Any:
        def on_schema(self: Any, action: Any, named: Any, value: Any) -> Any:
            raise ScimError(Kind.INVALID_PATH)

        return on_schema

    replace(parse._Parser, "_on_schema", made)


@mutant
def paths_to_parts_are_refused() -> None:
    """A path to a sub-attribute is refused."""
    _refused(lambda found: isinstance(found, Part))


@mutant
def paths_with_filters_are_refused() -> None:
    """A path with a filter is refused."""
    _refused(lambda found: isinstance(found, Selected))


@mutant
def paths_behind_filters_are_refused() -> None:
    """A path with a filter and a sub-attribute is refused."""
    _refused(lambda found: isinstance(found, Selected) and found.sub is not None)


def _refused(which: Any) -> None:
    def made(original: Any) -> Any:
        def target(self: Any, path: str) -> Any:
            found = original(self, path)
            if which(found):
                raise ScimError(Kind.INVALID_PATH)
            return found

        return target

    replace(parse._Parser, "target", made)


@mutant
def filters_in_paths_are_ignored() -> None:
    """A filter in a path selects every value."""
    everywhere(match_element, lambda bound, element: True)


@mutant
def filters_in_paths_select_nothing() -> None:
    """A filter in a path selects no value."""
    everywhere(match_element, lambda bound, element: False)


@mutant
def filters_in_paths_select_one() -> None:
    """Of the values that a filter in a path selects only the first is changed."""
    original = selected._edit

    def edit(work: Any, place: Any, present: Any, positions: Any, *rest: Any) -> Any:
        return original(work, place, present, list(positions)[:1], *rest)

    everywhere(original, edit)


@mutant
def sub_attribute_behind_filter_is_ignored() -> None:
    """A sub-attribute behind the filter of a path is ignored by remove."""
    HANDLERS[(Action.REMOVE, Selected)] = lambda work, target, value: _remove_selected(work, changed(target, sub=None))


def _remove_selected(work: Work, target: Selected) -> None:
    (linked.remove_selected if target.place.attribute.is_link else selected.remove)(work, target, None)


@mutant
def add_makes_no_value_of_a_filter() -> None:
    """add on a filter that selects nothing is refused."""

    def refuse(work: Any, target: Any, value: Any) -> None:
        raise selected._no_match(target)

    everywhere(selected._create, refuse)


@mutant
def made_values_lack_the_filter() -> None:
    """A value that add makes lacks what the filter says."""
    original = from_filter
    everywhere(original, lambda *args: None if original(*args) is None else {})
    create = selected._create

    def lax(work: Any, target: Any, value: Any) -> None:
        create(work, changed(target, filter=BoundConstant(True)), value)

    everywhere(create, lax)
