"""Mistakes in what PATCH makes of values: lists, objects, null, schemas, secrets."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.filter import parse as filter_parse
from scimsrv.patch import apply as apply_module
from scimsrv.patch import dialects, elements, extensions, selected
from scimsrv.patch.operation import Action, Whole
from scimsrv.patch.work import Work
from scimsrv.schema.attribute import Attribute
from scimsrv.schema.validate import Coercer
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace

HANDLERS = apply_module.HANDLERS


@mutant
def added_values_are_repeated() -> None:
    """Adding a value that is there stores it twice."""
    everywhere(elements.appended, lambda attribute, old, new, name: [*old, *new])
    from scimsrv.schema import validate

    everywhere(validate.distinct, lambda elements_: elements_)


@mutant
def added_values_come_first() -> None:
    """Added values come in front of the others."""
    original = elements.appended

    def appended(attribute: Attribute, old: Any, new: Any, name: str) -> Any:
        found = original(attribute, old, new, name)
        return found[len(old) :] + found[: len(old)]

    everywhere(original, appended)


@mutant
def added_lists_keep_the_last() -> None:
    """Of several added values only the last is kept."""
    original = elements.appended
    everywhere(original, lambda attribute, old, new, name: original(attribute, old, new[-1:], name))


@mutant
def objects_are_replaced_whole() -> None:
    """replace and add of an object take away the sub-attributes that they do not name."""
    original = elements.replaced

    def replaced(coercer: Any, attribute: Attribute, old: Any, given: Any, name: str) -> Any:
        return original(coercer, attribute, None if isinstance(given, dict) else old, given, name)

    everywhere(original, replaced)


@mutant
def selected_records_are_merged() -> None:
    """replace of a selected value keeps the sub-attributes that it does not name."""
    original = elements.rewritten
    everywhere(original, lambda attribute, old, change, selector, name: elements.merged(attribute, old, change, name))


@mutant
def selected_records_lose_their_selector() -> None:
    """replace of a selected value takes away what the filter named."""
    original = elements.rewritten
    everywhere(original, lambda attribute, old, change, selector, name: original(attribute, old, change, (), name))


@mutant
def parts_of_nothing_are_not_made() -> None:
    """add and replace of a sub-attribute make no object where there is none."""
    original = selected.change_part

    def change_part(work: Work, target: Any, method: Any, value: Any) -> None:
        if work.get(target.place) is not None:
            original(work, target, method, value)

    selected.change_part = change_part


@mutant
def empty_objects_stay() -> None:
    """An extension stays in schemas when its last attribute goes."""
    from scimsrv.schema import document as document_module

    original = document_module.put

    def put(document: Any, place: Any, value: Any) -> Any:
        made = original(document, place, value)
        if place.extension is not None and place.extension in document and place.extension not in made:
            return made | {place.extension: {}}
        return made

    document_module.put = put


@mutant
def null_is_ignored_by_patch() -> None:
    """replace with null changes nothing."""
    handler = HANDLERS[(Action.REPLACE, Whole)]
    HANDLERS[(Action.REPLACE, Whole)] = lambda work, target, value: None if value is None else handler(work, target, value)


@mutant
def null_is_refused_by_patch() -> None:
    """replace with null is refused."""
    handler = HANDLERS[(Action.REPLACE, Whole)]

    def strict(work: Any, target: Any, value: Any) -> None:
        if value is None:
            raise ScimError(Kind.INVALID_VALUE)
        handler(work, target, value)

    HANDLERS[(Action.REPLACE, Whole)] = strict


@mutant
def one_value_is_no_list() -> None:
    """An object instead of a list is refused by PATCH."""

    def made(original: Any) -> Any:
        def attribute_(self: Coercer, attribute: Attribute, value: Any, name: str) -> Any:
            return original(changed(self, lenient=False), attribute, value, name)

        return attribute_

    replace(Coercer, "attribute", made)


@mutant
def bare_strings_are_no_objects() -> None:
    """A string for an object with a value is refused by PATCH."""

    def made(original: Any) -> Any:
        def complex_(self: Coercer, attribute: Attribute, value: Any, name: str) -> Any:
            return original(changed(self, lenient=False), attribute, value, name)

        return complex_

    replace(Coercer, "_complex", made)


@mutant
def empty_manager_is_stored() -> None:
    """An empty text as manager is stored."""

    def made(original: Any) -> Any:
        def complex_(self: Coercer, attribute: Attribute, value: Any, name: str) -> Any:
            found = original(self, attribute, value, name)
            return {"value": "none"} if found is None and attribute.name == "manager" else found

        return complex_

    replace(Coercer, "_complex", made)


@mutant
def extension_in_schemas_is_refused() -> None:
    """Adding the URN of an extension to schemas is refused."""

    def refuse(work: Any, place: Any, value: Any) -> None:
        raise ScimError(Kind.MUTABILITY)

    extensions.declare = refuse


@mutant
def schemas_can_be_emptied() -> None:
    """Operations on schemas are ignored."""
    for name in ("declare", "redeclare", "withdraw"):
        setattr(extensions, name, lambda work, place, value: None)


@mutant
def json_in_texts_is_read() -> None:
    """A text that holds a JSON object is read as that object."""
    original = dialects.standard
    everywhere(original, lambda raw, policy, *noted: original(raw, changed(policy, parse_json_strings=True), *noted))


@mutant
def patched_passwords_are_dropped() -> None:
    """A password in a PATCH is ignored."""
    replace(Work, "write_secret", lambda _: lambda self, place, given, *, removing=False: None)


@mutant
def patched_passwords_are_refused() -> None:
    """A password in a PATCH is refused."""

    def refuse(self: Any, place: Any, given: Any, *, removing: bool = False) -> None:
        raise ScimError(Kind.MUTABILITY)

    replace(Work, "write_secret", lambda _: refuse)


@mutant
def patch_answers_as_before() -> None:
    """The answer to a PATCH shows the resource as it was."""
    from scimsrv.protocol.plan import Read, Shown
    from scimsrv.store import execute
    from scimsrv.store.read import read

    original = execute._modify

    async def modify(scope: Any, plan: Any) -> Any:
        before = await read(scope, Read(plan.schema, plan.id, plan.view))
        after = await original(scope, plan)
        return before if isinstance(after, Shown) else after

    everywhere(original, modify)


@mutant
def patch_paths_are_lax() -> None:
    """A path that cannot be read names the user's title."""
    original = filter_parse.parse_path

    def lax(path: str) -> Any:
        try:
            return original(path)
        except ScimError:
            return original("title")

    everywhere(original, lax)


@mutant
def patch_takes_array_indexes() -> None:
    """An index in a path is dropped."""
    import re

    original = filter_parse.parse_path
    everywhere(original, lambda path: original(re.sub(r"\[\d+\]|[./]\d+|/-", "", path)))
