"""Whether a stored resource bears a change of its type's definition: the checks of `evolution` on one document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, assert_never

from scimsrv.limits import Limits
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Attribute, Returned, Type, Uniqueness
from scimsrv.schema.document import Document
from scimsrv.schema.effective import Resolved
from scimsrv.schema.evolution import Absent, Carries, Check, Compares, Distinct, Fits, Present, Refers, SetAside, Unused
from scimsrv.schema.semantics import SEMANTICS, Key, key_of
from scimsrv.schema.validate import is_canonical, storable_key

#: For each place whose values are not in the document, by its key: the ids of the resources that have one.
Elsewhere: TypeAlias = Mapping[str, frozenset[str]]


def kept_elsewhere(place: Resolved) -> bool:
    """Whether values are kept in rows beside the document: references to resources, and hashes of what is never returned."""
    return place.attribute.refers or place.attribute.returned is Returned.NEVER


def offends(check: Check, document: Document, elsewhere: Elsewhere, limits: Limits) -> bool:
    """Whether a stored document (with its id) contradicts the check; for SetAside, whether it has a value.

    `Distinct` and `Refers` are about several resources, so that none offends them by itself.
    """
    match check:
        case Unused():
            return True
        case Carries(urn):
            return urn not in document
        case Present():
            return _lacks(check, document, elsewhere)
        case Absent(place) | SetAside(place):
            return _has(place, document, elsewhere)
        case Fits(place, after):
            return not all(_fits(after, value, limits) for value in values(document, place))
        case Compares(place, after):
            return any(_key(place.leaf, value) != _key(after.leaf, value) for value in values(document, place))
        case Distinct() | Refers():
            return False
    assert_never(check)


def values(document: Document, place: Resolved) -> list[Any]:
    """Every value at a place, those of all elements."""
    elements = doc.values(doc.get(document, place))
    if place.sub is None:
        return elements
    return [value for element in elements for value in doc.values(element.get(place.sub.name))]


def _has(place: Resolved, document: Document, elsewhere: Elsewhere) -> bool:
    if kept_elsewhere(place):
        return document["id"] in elsewhere.get(place.whole.key, ())
    return bool(values(document, place))


def _lacks(check: Present, document: Document, elsewhere: Elsewhere) -> bool:
    place = check.place
    if place.extension is not None and place.extension not in document:
        return check.extension_required
    if place.sub is None:
        return not _has(place, document, elsewhere) or doc.get(document, place) == ""
    if kept_elsewhere(place):
        return False
    name = place.sub.name
    return any(element.get(name) in (None, "", []) for element in doc.values(doc.get(document, place)))


def _fits(place: Resolved, value: Any, limits: Limits) -> bool:
    attribute = place.leaf
    try:
        coerced = SEMANTICS[attribute.type].coerce(value)
    except ValueError:
        return False
    whole = attribute.type is Type.INTEGER and isinstance(value, float)  # 5.0, which becomes 5 behind the change
    if coerced != value or (type(coerced) is not type(value) and not whole):
        return False
    if attribute.enforced and not is_canonical(attribute, value):
        return False
    return attribute.uniqueness is Uniqueness.NONE or value == "" or storable_key(str(key_of(attribute, value)), limits)


def _key(attribute: Attribute, value: Any) -> Key | None:
    """The comparison key; None for what is no value of the attribute, which is for `Fits` to say."""
    try:
        return key_of(attribute, value)
    except (ValueError, TypeError):
        return None
