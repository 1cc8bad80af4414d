"""Mistakes in PATCH: actions, targets, paths, what clients spell differently, and that it is all or nothing."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.patch import apply as apply_module
from scimsrv.patch import dialects, elements, extensions, linked, parse, selected
from scimsrv.patch.operation import Action, Part, Root, Selected, Whole
from scimsrv.patch.work import Work
from scimsrv.protocol import planning
from scimsrv.schema.attribute import Attribute, Mutability
from scimsrv.schema.validate import Coercer
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import everywhere, replace

HANDLERS = apply_module.HANDLERS


def _as(action: Action, kind: Any, other: tuple[Action, Any]) -> None:
    @variant(f"{action.value}_{kind.__name__.lower()}_does_{other[0].value}", f"{action.value} on {kind.__name__} does what {other[0].value} does.")
    def apply() -> None:
        HANDLERS[(action, kind)] = HANDLERS[other]


_as(Action.ADD, Whole, (Action.REPLACE, Whole))
_as(Action.REPLACE, Whole, (Action.ADD, Whole))
_as(Action.ADD, Selected, (Action.REPLACE, Selected))
_as(Action.REPLACE, Selected, (Action.ADD, Selected))


def _idle(action: Action, kind: Any) -> None:
    @variant(f"{action.value}_{kind.__name__.lower()}_does_nothing", f"{action.value} on {kind.__name__} changes nothing.")
    def apply() -> None:
        HANDLERS[(action, kind)] = lambda work, target, value: None


for _action, _kind in HANDLERS:
    _idle(_action, _kind)


@mutant
def patch_stores_nothing() -> None:
    """PATCH is answered with 200 and changes nothing."""
    everywhere(apply_module.perform, lambda work, operation: None)


@mutant
def patch_stops_at_the_first_operation() -> None:
    """Of several operations only the first is applied."""
    original = apply_module.apply
    everywhere(original, lambda operations, *rest: original(operations[:1], *rest))


@mutant
def patch_is_not_atomic() -> None:
    """The operations before one that fails are kept."""
    original = apply_module.apply

    def apply(operations: Any, document: Any, schema: Any, policy: Any, limits: Any, *loaded: Any) -> Any:
        good = len(operations)
        while True:
            try:
                return original(operations[:good], document, schema, policy, limits, *loaded)
            except ScimError:
                if good < 2:
                    raise
                good -= 1

    everywhere(original, apply)


@mutant
def patch_commits_and_fails() -> None:
    """The operations before one that fails are kept, and the answer is the error."""
    from scimsrv.store import execute

    original = execute._modify

    async def modify(scope: Any, plan: Any) -> Any:
        try:
            return await original(scope, plan)
        except ScimError:
            for count in range(len(plan.operations) - 1, 0, -1):
                try:
                    await original(scope, changed(plan, operations=plan.operations[:count]))
                    break
                except ScimError:
                    continue
            raise

    everywhere(original, modify)


@mutant
def patch_ignores_errors() -> None:
    """An operation that cannot be applied is skipped."""
    original = apply_module.perform

    def perform(work: Work, operation: Any) -> None:
        try:
            original(work, operation)
        except ScimError:
            return

    everywhere(original, perform)


@mutant
def patch_skips_unreadable_operations() -> None:
    """An operation that cannot be read is skipped."""
    original = parse.parse_operations

    def parsed(raw: Any, *rest: Any) -> Any:
        found: list[Any] = []
        for operation in raw if isinstance(raw, list) else []:
            try:
                found += original([operation], *rest)
            except ScimError:
                continue
        return tuple(found)

    everywhere(original, parsed)


@mutant
def patch_in_reverse() -> None:
    """Operations are applied last first."""
    original = apply_module.apply
    everywhere(original, lambda operations, *rest: original(tuple(reversed(operations)), *rest))


@mutant
def patch_needs_operations() -> None:
    """A PATCH without operations is refused."""
    original = parse.parse_operations

    def strict(raw: Any, schema: Any, policy: Any, limits: Any) -> Any:
        return original(raw, schema, changed(policy, strict_operations=True), limits)

    everywhere(original, strict)


@mutant
def patch_of_five_operations() -> None:
    """A PATCH may have one operation."""
    original = parse.parse_operations

    def strict(raw: Any, schema: Any, policy: Any, limits: Any) -> Any:
        return original(raw, schema, policy, changed(limits, patch_operations=1))

    everywhere(original, strict)


@mutant
def capital_ops_are_refused() -> None:
    """The name of an operation must be in lower case."""
    dialects.DIALECTS = dialects.DIALECTS[1:]  # type: ignore[misc]


@mutant
def bare_comparisons_are_refused() -> None:
    """A path without brackets is refused as the path of an unknown attribute."""
    dialects.DIALECTS = (dialects.DIALECTS[0], *dialects.DIALECTS[2:])  # type: ignore[misc]


@mutant
def other_ops_are_ignored() -> None:
    """An unknown op is ignored."""
    original = dialects.standard

    def standard(raw: Any, policy: Any) -> Any:
        found = original(raw, policy)
        if not isinstance(found, list):
            return found
        return [one for one in found if not isinstance(one, dict) or str(one.get("op", "add")).lower() in ("add", "remove", "replace")]

    everywhere(original, standard)


@mutant
def missing_op_is_replace() -> None:
    """An operation without op is a replace."""
    original = dialects.standard

    def standard(raw: Any, policy: Any) -> Any:
        found = original(raw, policy)
        if not isinstance(found, list):
            return found
        return [one if not isinstance(one, dict) or any(name.lower() == "op" for name in one) else {"op": "replace"} | one for one in found]

    everywhere(original, standard)


@mutant
def missing_value_is_null() -> None:
    """An operation without a value assigns null."""
    original = dialects.standard

    def standard(raw: Any, policy: Any) -> Any:
        found = original(raw, policy)
        if not isinstance(found, list):
            return found
        return [
            one if not isinstance(one, dict) or "value" in one or one.get("op") == "remove" else one | {"value": None if "path" in one else {}}
            for one in found
        ]

    everywhere(original, standard)


@mutant
def members_of_operations_with_case() -> None:
    """The names of an operation's members count with their case."""
    original = dialects.standard

    def standard(raw: Any, policy: Any) -> Any:
        found = original(raw, policy)
        if not isinstance(found, list):
            return found
        return [{name: value for name, value in one.items() if name in ("op", "path", "value")} if isinstance(one, dict) else one for one in found]

    everywhere(original, standard)


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
    everywhere(selected.match_element, lambda bound, element: True)


@mutant
def filters_in_paths_select_nothing() -> None:
    """A filter in a path selects no value."""
    everywhere(selected.match_element, lambda bound, element: False)


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
    original = selected.from_filter
    everywhere(original, lambda *args: None if original(*args) is None else {})
    everywhere(selected.match_element, lambda bound, element: bool(element) and _matches(bound, element))


def _matches(bound: Any, element: Any) -> bool:
    from scimsrv.filter.match import _parts

    assert _parts
    return True


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
    everywhere(apply_module.listed, lambda value: None)


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
    everywhere(original, lambda raw, policy: original(raw, changed(policy, parse_json_strings=True)))


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
    from scimsrv.store import execute

    original = execute._modify

    async def modify(scope: Any, plan: Any) -> Any:
        before = await execute.read(scope, execute.Read(plan.schema, plan.id, plan.view))
        after = await original(scope, plan)
        return before if isinstance(after, execute.Shown) else after

    everywhere(original, modify)


@mutant
def patch_paths_are_lax() -> None:
    """A path that cannot be read names the user's title."""
    original = parse.parse_path

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

    original = parse.parse_path
    everywhere(original, lambda path: original(re.sub(r"\[\d+\]|[./]\d+|/-", "", path)))


assert planning
