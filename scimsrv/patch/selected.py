"""The handlers' part for sub-attributes and value paths in what the document holds: which elements change, and what each becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from scimsrv.filter.match import match_element
from scimsrv.filter.tree import Compare
from scimsrv.patch import elements
from scimsrv.patch.elements import Element, change_of, from_filter, merged, one_primary, primaries, rewritten
from scimsrv.patch.operation import Part, Selected
from scimsrv.patch.work import Work, no_target
from scimsrv.schema.attribute import Attribute, Type
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.document import values
from scimsrv.schema.effective import Resolved
from scimsrv.schema.semantics import Op
from scimsrv.schema.validate import Coercer, distinct

#: `added`, `replaced` or `removed` of `elements`.
Method = Callable[[Coercer, Attribute, Any, Any, str], Any]


def change_part(work: Work, target: Part, method: Method, value: Any) -> None:
    """Changes the sub-attribute in every value of the attribute; add and replace make a value if there is none."""
    place, sub = target.place, target.sub
    present = values(work.get(place))
    if not present and method is not elements.removed:
        present = [{}]
    _edit(work, place, present, range(len(present)), lambda old: _with_sub(work, place, sub, old, method, value), method)


def add(work: Work, target: Selected, value: Any) -> None:
    """Merges the value into every match. Without match one is made if the filter says of what, else noTarget: by RFC 7644 §3.5.2.1
    what does not exist is added, and clients rely on it (erratum 8097)."""

    def edit(old: Any) -> Any:
        if target.sub is not None:
            return _with_sub(work, target.place, target.sub, old, elements.added, value)
        change = _record(work, target.place, value)
        if target.place.attribute.type is not Type.COMPLEX:
            return old if change is None else change
        return old if change is None else merged(target.place.attribute, old, change, target.place.name)

    if not _edit_matches(work, target, edit, elements.added):
        _create(work, target, value)


def replace(work: Work, target: Selected, value: Any) -> None:
    """Replaces every matching record, or its sub-attribute. Without match noTarget (RFC 7644 §3.5.2.3), unless the tenant's policy
    has one made as for add."""

    def edit(old: Any) -> Any:
        attribute, name = target.place.attribute, target.place.name
        if target.sub is not None:
            return _with_sub(work, target.place, target.sub, old, elements.replaced, value)
        change = _record(work, target.place, value)
        if change is None or attribute.type is not Type.COMPLEX:
            return change
        return rewritten(attribute, old, change, from_filter(work.coercer, attribute, target.tree, name) or (), name)

    if not _edit_matches(work, target, edit, elements.replaced):
        if not work.policy.patch_replace_upsert:
            raise _no_match(target)
        work.made.add(Coercion.UPSERT_ON_REPLACE)
        _create(work, target, value)


def remove(work: Work, target: Selected, value: Any) -> None:
    """Removes every match, or its sub-attribute; success without change when there is none (RFC 7644 §3.5.2.2, second example)."""

    def edit(old: Any) -> Any:
        return None if target.sub is None else _with_sub(work, target.place, target.sub, old, elements.removed, value)

    _edit_matches(work, target, edit, elements.removed)


def _edit_matches(work: Work, target: Selected, edit: Callable[[Any], Any], method: Method) -> bool:
    """Changes the matches; whether there are any."""
    present = values(work.get(target.place))
    matches = [position for position, element in enumerate(present) if match_element(target.filter, element)]
    _edit(work, target.place, present, matches, edit, method)
    return bool(matches)


def _edit(work: Work, place: Resolved, present: list[Any], positions: Iterable[int], edit: Callable[[Any], Any], method: Method) -> None:
    """Puts what the edit makes of the elements at these positions in their place; None drops an element."""
    touched = set(positions)
    if not touched:
        return
    edited = [(edit(element) if position in touched else element, position in touched) for position, element in enumerate(present)]
    left = [element for element, _ in edited if element is not None]
    changed = (position for position, (_, is_touched) in enumerate(pair for pair in edited if pair[0] is not None) if is_touched)
    attribute = place.attribute
    left = one_primary(attribute, left, primaries(attribute, left, changed), place.name)
    value = distinct(left) if attribute.multi_valued else left[0] if left else None
    work.write(place, value or None, removing=method is elements.removed)


def _with_sub(work: Work, place: Resolved, sub: Attribute, old: Element, method: Method, value: Any) -> Element | None:
    name = f"{place.name}.{sub.name}"
    new = method(work.coercer, sub, old.get(sub.name), value, name)
    if new is None and sub.required and sub.name in old:
        work.refuse_unassigned(name, removing=method is elements.removed)
    return merged(place.attribute, old, {sub.name: new}, place.name)


def _record(work: Work, place: Resolved, value: Any) -> Any:
    """The changes that a value makes to one element, or the element itself where it is simple; None for null and []."""
    if place.attribute.type is Type.COMPLEX:
        return change_of(work.coercer, place.attribute, value, place.name)
    if isinstance(value, list) and len(value) < 2:
        work.made.add(Coercion.LIST_FOR_SINGLE)
        value = value[0] if value else None
    return work.coercer.single(place.attribute, value, place.name)


def _create(work: Work, target: Selected, value: Any) -> None:
    """Adds the element that the filter and the value describe. Raises ScimError noTarget when the filter does not describe one."""
    place, attribute, name, old = target.place, target.place.attribute, target.place.name, work.get(target.place)
    if old is not None and not attribute.multi_valued:
        raise _no_match(target)
    if attribute.type is not Type.COMPLEX:
        if not (isinstance(target.tree, Compare) and target.tree.op is Op.EQ):
            raise _no_match(target)
        work.write(place, elements.added(work.coercer, attribute, old, value, name), removing=False)
        return
    demanded = from_filter(work.coercer, attribute, target.tree, name)
    if demanded is None or not match_element(target.filter, demanded):
        raise _no_match(target)
    if target.sub is not None:
        change = {target.sub.name: elements.added(work.coercer, target.sub, None, value, f"{name}.{target.sub.name}")}
        if change[target.sub.name] is None:
            return
    else:
        change = change_of(work.coercer, attribute, value, name) or {}
        if not change:
            return
    element = merged(attribute, {}, demanded | change, name)
    if element is not None:
        made = elements.appended(attribute, values(old), [element], name) if attribute.multi_valued else element
        work.write(place, made, removing=False)


def _no_match(target: Selected) -> Exception:
    return no_target(f"No value of {target.place.name} matches the filter")
