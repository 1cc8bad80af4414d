"""What add, replace and remove do to the value of one attribute, of any shape (RFC 7644 §3.5.2.1 to §3.5.2.3). Pure functions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Final

from scimsrv.errors import invalid_value, mutability
from scimsrv.filter.tree import And, Compare, Filter
from scimsrv.schema.attribute import Attribute, Mutability, Type
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.document import values
from scimsrv.schema.semantics import Op, key_of
from scimsrv.schema.validate import Coercer

Element = dict[str, Any]

#: Sub-attributes that a record keeps when it is replaced.
_KEPT: Final = frozenset({Mutability.READ_ONLY, Mutability.IMMUTABLE})


def added(coercer: Coercer, attribute: Attribute, old: Any, given: Any, name: str) -> Any:
    """The value after an add: appended to a list, merged into an object, else replaced (RFC 7644 §3.5.2.1)."""
    if attribute.multi_valued:
        new = values(coercer.attribute(attribute, given, name))
        return appended(attribute, values(old), new, name) or None
    return replaced(coercer, attribute, old, given, name)


def replaced(coercer: Coercer, attribute: Attribute, old: Any, given: Any, name: str) -> Any:
    """The value after a replace: a list as a whole, of an object the members that are given (RFC 7644 §3.5.2.3)."""
    if attribute.type is Type.COMPLEX and not attribute.multi_valued:
        change = change_of(coercer, attribute, given, name)
        return None if change is None else merged(attribute, old, change, name)
    new = coercer.attribute(attribute, given, name)
    if attribute.multi_valued:
        one_primary(attribute, values(new), primaries(attribute, values(new), range(len(values(new)))), name)
    return new


def removed(coercer: Coercer, attribute: Attribute, old: Any, given: Any, name: str) -> Any:
    """The value after a remove. `given`, None without it, lists which of several values go; RFC 7644 §3.5.2.2 says nothing of it,
    yet to clients that send it, ignoring it would mean the loss of all the others."""
    if given is None or not attribute.multi_valued:
        return None
    coercer.made.add(Coercion.REMOVED_BY_VALUE)
    wanted = values(coercer.attribute(attribute, given, name))
    return [element for element in values(old) if not any(_agrees(attribute, element, one) for one in wanted)] or None


def change_of(coercer: Coercer, attribute: Attribute, given: Any, name: str) -> Element | None:
    """The sub-attributes that an object changes, None for those it unassigns; None when the whole value is unassigned."""
    if isinstance(given, list) and len(given) < 2:
        coercer.made.add(Coercion.LIST_FOR_SINGLE)
        given = given[0] if given else None
    if given is None:
        return None
    coerced: Element | None = coercer.single(attribute, given, name)
    if not isinstance(given, dict):
        return coerced
    named = (attribute.sub(key) for key in given)
    cleared = {sub.name: None for sub in named if sub is not None and sub.mutability is not Mutability.READ_ONLY}
    return cleared | (coerced or {})


def merged(attribute: Attribute, old: Element | None, change: Element, name: str) -> Element | None:
    """The object with the change applied, None when nothing is left of it.

    What describes a reference goes when its `value` changes. Raises ScimError mutability for an immutable sub-attribute.
    """
    before = old or {}
    after = before | change
    part = attribute.value_part
    if attribute.resource_types and part is not None and part.name in change:
        if not change[part.name]:
            return None
        if change[part.name] != before.get(part.name):
            after = {key: value for key, value in after.items() if key in change or not _describes(attribute.sub(key))}
    after = {key: value for key, value in after.items() if value is not None and value != []}
    for sub in attribute.sub_attributes:
        if sub.mutability is Mutability.IMMUTABLE and sub.name in before and not same(sub, before[sub.name], after.get(sub.name)):
            raise mutability(f"{name}.{sub.name} is immutable and has a value")
    return after or None


def _describes(sub: Attribute | None) -> bool:
    """Whether the sub-attribute of a reference tells what its `value` tells: `$ref`, and what the server fills in."""
    return sub is not None and (sub.key == "$ref" or sub.mutability is Mutability.READ_ONLY)


def rewritten(attribute: Attribute, old: Element, change: Element, selector: Iterable[str], name: str) -> Element | None:
    """The record that takes the place of a selected one: as given, with what the selector names or the client may not write kept."""
    kept = {*selector, *(sub.name for sub in attribute.sub_attributes if sub.mutability in _KEPT)}
    return merged(attribute, old, {key: None for key in old if key not in kept} | change, name)


def from_filter(coercer: Coercer, attribute: Attribute, tree: Filter, name: str) -> Element | None:
    """The sub-attributes that a conjunction of `eq` terms demands, coerced as values are; None for any other filter."""
    demanded: Element = {}
    for term in tree.parts if isinstance(tree, And) else (tree,):
        if isinstance(term, And):
            inner = from_filter(coercer, attribute, term, name)
            if inner is None:
                return None
            demanded |= inner
            continue
        sub = attribute.sub(term.name.text) if isinstance(term, Compare) else None
        if sub is None or not isinstance(term, Compare) or term.op is not Op.EQ or sub.mutability is Mutability.READ_ONLY:
            return None
        if term.literal is not None:  # `eq null` demands that nothing is there
            demanded[sub.name] = coercer.attribute(sub, term.literal, f"{name}.{sub.name}")
    return demanded


def one_primary(attribute: Attribute, elements: list[Any], setters: set[int], name: str) -> list[Any]:
    """The elements with primary false in all but the one that an operation made primary, if any (RFC 7644 §3.5.2).

    `setters` are the positions of those that it made primary; two are too many. Raises ScimError invalidValue.
    """
    if len(setters) > 1:
        raise invalid_value(f"{name} may have only one primary value")
    part = attribute.primary_part
    if part is None or not setters:
        return elements
    return [
        element | {part.name: False} if position not in setters and element.get(part.name) is True else element
        for position, element in enumerate(elements)
    ]


def primaries(attribute: Attribute, elements: list[Any], positions: Iterable[int]) -> set[int]:
    """Those of the positions where the element is primary."""
    part = attribute.primary_part
    return set() if part is None else {position for position in positions if elements[position].get(part.name) is True}


def same(attribute: Attribute, one: Any, other: Any) -> bool:
    """Whether two values of the attribute mean the same; the order of several values does not count."""
    if attribute.multi_valued:
        return {_key(attribute, element) for element in values(one)} == {_key(attribute, element) for element in values(other)}
    return _key(attribute, one) == _key(attribute, other)


def appended(attribute: Attribute, old: list[Any], new: list[Any], name: str) -> list[Any]:
    """The old elements and those new ones that mean none of them. `primary` is no part of what an element means, so a repeated
    element can still become primary."""
    elements, part = list(old), attribute.primary_part
    where = {_key(attribute, element): position for position, element in reversed(list(enumerate(elements)))}
    setters = set()
    for element in new:
        position = where.setdefault(_key(attribute, element), len(elements))
        if position == len(elements):
            elements.append(element)
        elif part is not None and element.get(part.name, False) is not elements[position].get(part.name, False) and part.name in element:
            elements[position] = elements[position] | {part.name: element[part.name]}
        if part is not None and element.get(part.name) is True:
            setters.add(position)
    return one_primary(attribute, elements, setters, name)


def _key(attribute: Attribute, value: Any) -> Hashable:
    """What a value means, for comparison with another of this attribute: its key, or those of its sub-attributes but `primary`."""
    if attribute.type is not Type.COMPLEX:
        return None if value is None else key_of(attribute, value)
    return frozenset(
        (sub.key, frozenset(_key(sub, part) for part in values(value[sub.name])))
        for sub in attribute.sub_attributes
        if value is not None and sub.name in value and sub is not attribute.primary_part
    )


def _agrees(attribute: Attribute, element: Any, wanted: Any) -> bool:
    """Whether the element has all that is wanted of it."""
    if attribute.type is not Type.COMPLEX:
        return same(attribute, element, wanted)
    parts = ((sub, wanted[sub.name]) for sub in attribute.sub_attributes if sub.name in wanted)
    return all(same(sub, element.get(sub.name, _default(attribute, sub)), part) for sub, part in parts)


def _default(attribute: Attribute, sub: Attribute) -> bool | None:
    """What a sub-attribute that is not there counts as: `primary` is false (RFC 7643 §2.4)."""
    return False if sub is attribute.primary_part else None
