"""From a canonical document to its search document: folded names, every value replaced by its comparison key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from scimsrv.schema.attribute import Attribute, Returned, Type, fold_name
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import Key, fold, keys_maker

#: Member of a search document that holds the folded display text; no attribute can have this name (RFC 7643 §2.1).
DISPLAY: Final = "$display"

#: Characters of a resource's name that others show: as many as a large group has members are read at once.
LONGEST_DISPLAY: Final = 1_024


def search_document(document: Document, schema: EffectiveSchema) -> dict[str, Any]:
    """What filters and sorts look at: {"username": "ada", "emails": [{"value": …}], "urn:…": {…}, "$display": …}.

    id and meta are columns of the row; links and backlinks are rows; what is never returned is left out.
    """
    result: dict[str, Any] = {}
    for extension, folded, made in schema.derived.get("search") or schema.derived.setdefault("search", _makers(schema)):
        members = document if extension is None else document.get(extension)
        holder = made(members) if members else {}
        if extension is None:
            result = holder
        elif holder:
            result[folded] = holder
    shown = display(document)
    if shown is not None:
        result[DISPLAY] = fold(shown)
    return result


def containing(place: Resolved, value: Any) -> dict[str, Any]:
    """The least search document with this value (of keys, by folded names) at the place's attribute: what SQL containment asks for."""
    for name in reversed(place.search_path):
        value = {name: value}
    nested: dict[str, Any] = value
    return nested


def holding(place: Resolved, key: Key) -> Any:
    """For `containing`: what the place's attribute has, at the least, when one of the values at the place has this key."""
    value: Any = key
    if place.sub is not None:
        value = {place.sub.search_key: [value] if place.sub.multi_valued else value}
    return [value] if place.attribute.multi_valued else value


#: From what a document holds to what its search document does: from the members of an object, and from the value of a member.
_OfMembers: TypeAlias = Callable[[Document], Document]
_OfValue: TypeAlias = Callable[[Any], Any]


def _makers(schema: EffectiveSchema) -> list[tuple[str | None, str, _OfMembers]]:
    """For the core and each extension: its URN, this folded, and the function of its members."""
    found = []
    for extension, places in schema.held.items():
        attributes = [place.attribute for place in places.values() if place.attribute.key not in ("id", "meta")]
        found.append((extension, fold_name(extension or ""), _of_members(attributes)))
    return found


def _of_members(attributes: Iterable[Attribute]) -> _OfMembers:
    shown = [attribute for attribute in attributes if attribute.returned is not Returned.NEVER]
    makers = {one.name: (one.search_key, _of_value(one)) for one in shown}
    twins = {one.name: (one.twin.search_key, _of_value(one.twin)) for one in shown if one.twin is not None}
    maker, twin = makers.get, twins.get

    def made(members: Document) -> Document:
        result = {}
        for name, value in members.items():
            found = maker(name)
            if found is None or value is None:
                continue
            result[found[0]] = found[1](value)
            if twins and (other := twin(name)) is not None:
                result[other[0]] = other[1](value)
        return result

    return made


def _of_value(attribute: Attribute) -> _OfValue:
    if attribute.type is not Type.COMPLEX:
        return keys_maker(attribute)
    one = _of_members(attribute.sub_attributes)

    def made(value: Any) -> Any:
        return [one(element) for element in value] if type(value) is list else one(value)

    return made


def display(document: Document) -> str | None:
    """The text shown for this resource where another one refers to it: its displayName, else its formatted name, else None; of a long one
    the beginning."""
    name = document.get("name")
    formatted = name.get("formatted") if isinstance(name, dict) else None
    for text in (document.get("displayName"), formatted):
        if isinstance(text, str) and text:
            return text[:LONGEST_DISPLAY]
    return None
