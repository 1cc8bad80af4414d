"""Mistakes in what PATCH may do: noTarget, read-only, immutable, required, one primary."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.patch import apply as apply_module
from scimsrv.patch import elements, selected
from scimsrv.patch.operation import Action, Root, Selected, Whole
from scimsrv.patch.work import Work, listed
from scimsrv.schema.attribute import Attribute, Mutability
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace

HANDLERS = apply_module.HANDLERS


@mutant
def replace_makes_values() -> None:
    """replace on a filter that selects nothing makes a value."""
    _policy(patch_replace_upsert=True)


def _policy(**switches: Any) -> None:
    original = apply_module.apply

    def apply(operations: Any, document: Any, schema: Any, policy: Any, *rest: Any) -> Any:
        return original(operations, document, schema, changed(policy, **switches), *rest)

    everywhere(original, apply)


@mutant
def replace_of_nothing_is_fine() -> None:
    """replace on a filter that selects nothing changes nothing and succeeds."""
    handler = HANDLERS[(Action.REPLACE, Selected)]

    def lax(work: Any, target: Any, value: Any) -> None:
        try:
            handler(work, target, value)
        except ScimError as error:
            if error.kind is not Kind.NO_TARGET:
                raise

    HANDLERS[(Action.REPLACE, Selected)] = lax


@mutant
def remove_of_nothing_is_refused() -> None:
    """remove on a filter that selects nothing is refused."""
    original = selected.remove

    def strict(work: Any, target: Any, value: Any) -> None:
        before = work.document
        original(work, target, value)
        if work.document == before:
            raise selected._no_match(target)

    selected.remove = strict


@mutant
def remove_of_an_absent_attribute_is_refused() -> None:
    """remove of an attribute without a value is refused."""
    handler = HANDLERS[(Action.REMOVE, Whole)]

    def strict(work: Any, target: Any, value: Any) -> None:
        before = work.document
        handler(work, target, value)
        if work.document == before and not target.place.attribute.is_link:
            raise ScimError(Kind.NO_TARGET)

    HANDLERS[(Action.REMOVE, Whole)] = strict


@mutant
def remove_without_path_clears() -> None:
    """remove without a path is taken and removes nothing."""
    HANDLERS[(Action.REMOVE, Root)] = lambda work, target, value: None


@mutant
def remove_ignores_the_value_list() -> None:
    """remove with a list of values removes all of them."""
    everywhere(listed, lambda value: None)


@mutant
def remove_by_value_needs_the_whole() -> None:
    """remove with a list of values finds only values that are equal in every part."""
    everywhere(elements._agrees, lambda attribute, element, wanted: element == wanted)


@mutant
def required_can_be_removed() -> None:
    """remove and null take a required attribute away without an error at once."""
    replace(Work, "refuse_unassigned", lambda _: lambda name, *, removing: None)


@mutant
def required_removal_is_invalid_value() -> None:
    """remove of a required attribute is invalidValue."""
    from scimsrv.errors import invalid_value

    def refuse(name: str, *, removing: bool) -> None:
        raise invalid_value(f"{name} is required")

    replace(Work, "refuse_unassigned", lambda _: refuse)


@mutant
def read_only_can_be_patched_silently() -> None:
    """An operation on a read-only attribute is skipped."""
    original = apply_module.perform

    def perform(work: Work, operation: Any) -> None:
        if not isinstance(operation.target, Root) and apply_module._read_only(operation.target):
            return
        original(work, operation)

    everywhere(original, perform)


@mutant
def read_only_in_values_is_refused() -> None:
    """A value without path that repeats the id is refused."""
    everywhere(apply_module._repeats, lambda work, target, value: False)


@mutant
def read_only_in_values_is_ignored() -> None:
    """A value without path may say another id."""
    everywhere(apply_module._repeats, lambda work, target, value: True)


@mutant
def immutable_can_be_patched() -> None:
    """PATCH changes immutable attributes."""

    def made(original: Any) -> Any:
        def write(self: Work, place: Any, value: Any, *, removing: bool) -> None:
            if place.attribute.mutability is Mutability.IMMUTABLE:
                place = changed(place, attribute=changed(place.attribute, mutability=Mutability.READ_WRITE))
            original(self, place, value, removing=removing)

        return write

    replace(Work, "write", made)
    everywhere(apply_module._refuse_protected, lambda target: None)


@mutant
def immutable_cannot_be_patched_at_all() -> None:
    """PATCH cannot give an immutable attribute its first value."""

    def made(original: Any) -> Any:
        def write(self: Work, place: Any, value: Any, *, removing: bool) -> None:
            if place.attribute.mutability is Mutability.IMMUTABLE:
                raise ScimError(Kind.MUTABILITY)
            original(self, place, value, removing=removing)

        return write

    replace(Work, "write", made)


@mutant
def primary_is_not_exclusive() -> None:
    """Making a value primary leaves the old primary one, which is then refused."""
    everywhere(elements.one_primary, lambda attribute, elements_, setters, name: elements_)


@mutant
def primary_is_exclusive_nowhere() -> None:
    """Two values may be primary after a PATCH."""
    from scimsrv.schema import validate

    everywhere(elements.one_primary, lambda attribute, elements_, setters, name: elements_)
    everywhere(validate._check_elements, lambda attribute, elements_, name: None)


@mutant
def old_primary_stays() -> None:
    """Making a value primary keeps the old primary one instead."""
    original = elements.one_primary

    def one_primary(attribute: Attribute, elements_: Any, setters: set[int], name: str) -> Any:
        part = attribute.primary_part
        if part is None or not setters:
            return original(attribute, elements_, setters, name)
        others = [position for position, element in enumerate(elements_) if element.get(part.name) is True and position not in setters]
        return original(attribute, elements_, set(others[:1]) or setters, name)

    everywhere(original, one_primary)
