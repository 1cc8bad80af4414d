"""Whether a document satisfies a bound filter: the reference meaning of filters, and the one that PATCH uses for elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from scimsrv.filter.bind import Bound, BoundAnd, BoundCompare, BoundConstant, BoundElement, BoundNot, BoundOr, BoundPresent
from scimsrv.schema.attribute import Attribute, Returned
from scimsrv.schema.effective import Resolved
from scimsrv.schema.semantics import Op, key_of, present, satisfies


def match(bound: Bound, document: Mapping[str, Any]) -> bool:
    """Whether a canonical document satisfies the filter (RFC 7644 §3.4.2.2).

    A canonical document has attributes under their canonical names, those of an extension in an object under its URN, and coerced
    values. A comparison with a multi-valued attribute holds if it holds for any value.
    """
    match bound:
        case BoundCompare(place, op, key):
            return _compare(_values(place, document), place, op, key)
        case BoundPresent(place):
            return any(present(_seen(place.leaf, value)) for value in _values(place, document))
        case BoundElement(place, inner):
            return any(match_element(inner, element) for element in _values(place, document))
        case BoundNot(inner):
            return not match(inner, document)
        case BoundAnd(parts):
            return all(match(part, document) for part in parts)
        case BoundOr(parts):
            return any(match(part, document) for part in parts)
        case BoundConstant(value):
            return value
        case _:
            assert_never(bound)


def match_element(bound: Bound, element: Any) -> bool:
    """Whether one element of an attribute satisfies the filter of a value path: an object or, where values are simple, a value."""
    match bound:
        case BoundCompare(place, op, key):
            return _compare(_parts(place, element), place, op, key)
        case BoundPresent(place):
            return any(map(present, _parts(place, element)))
        case BoundElement():
            raise TypeError("a value path within a value path")
        case BoundNot(inner):
            return not match_element(inner, element)
        case BoundAnd(parts):
            return all(match_element(part, element) for part in parts)
        case BoundOr(parts):
            return any(match_element(part, element) for part in parts)
        case BoundConstant(value):
            return value
        case _:
            assert_never(bound)


def _compare(values: list[Any], place: Resolved, op: Op, key: Any) -> bool:
    if op is Op.NE and not values:
        return True
    return any(satisfies(op, key_of(place.leaf, value), key) for value in values)


def _values(place: Resolved, document: Mapping[str, Any]) -> list[Any]:
    """Every value at the place; none if there are none."""
    holder = document.get(place.extension) if place.extension else document
    elements = _listed(holder.get(place.attribute.name) if holder else None)
    if place.sub is None:
        return elements
    return [value for element in elements for value in _parts(place, element)]


def _parts(place: Resolved, element: Any) -> list[Any]:
    """The values of an element at the place: of its sub-attribute, or the element itself where it is simple."""
    return _listed(element if place.sub is None else element.get(place.sub.name))


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [item for item in value if item is not None]
    return [] if value is None else [value]


def _seen(attribute: Attribute, value: Any) -> Any:
    """The value without the parts that are never returned: a filter must not tell whether they are there."""
    if not isinstance(value, dict):
        return value
    hidden = {sub.name for sub in attribute.sub_attributes if sub.returned is Returned.NEVER}
    return {name: part for name, part in value.items() if name not in hidden}
