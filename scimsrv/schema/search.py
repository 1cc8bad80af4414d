"""From a canonical document to its search document: folded names, every value replaced by its comparison key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from scimsrv.schema.attribute import Attribute, Returned, Type, fold_name
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import Key, fold, key_maker

#: Member of a search document that holds the folded display text; no attribute can have this name (RFC 7643 §2.1).
DISPLAY: Final = "$display"

#: Characters of a resource's name that others show: as many as a large group has members are read at once.
LONGEST_DISPLAY: Final = 1_024


def search_document(document: Document, schema: EffectiveSchema) -> dict[str, Any]:
    """What filters and sorts look at: {"username": "ada", "emails": [{"value": …}], "urn:…": {…}, "$display": …}.

    id and meta are columns of the row; links and backlinks are rows; what is never returned is left out.
    """
    result: dict[str, Any] = {}
    for extension, folded, makers in schema.derived.get("search") or schema.derived.setdefault("search", _makers(schema)):
        members = document if extension is None else document.get(extension)
        if not members:
            continue
        holder: dict[str, Any] = {}
        for name, value in members.items():
            if value is not None:
                for key, make in makers.get(name, ()):
                    holder[key] = make(value)
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


#: How the value of a member becomes those of a search document: their names there, and functions of the value.
_Makers: TypeAlias = dict[str, tuple[tuple[str, Callable[[Any], Any]], ...]]


def _makers(schema: EffectiveSchema) -> list[tuple[str | None, str, _Makers]]:
    """For the core and each extension: its URN, this folded, and its makers."""
    found = []
    for extension, places in schema.held.items():
        attributes = [place.attribute for place in places.values() if place.attribute.key not in ("id", "meta")]
        found.append((extension, fold_name(extension or ""), _makers_of(attributes)))
    return found


def _makers_of(attributes: Iterable[Attribute]) -> _Makers:
    return {
        attribute.name: tuple((form.search_key, _maker(form)) for form in (attribute, attribute.twin) if form is not None)
        for attribute in attributes
        if attribute.returned is not Returned.NEVER
    }


def _maker(attribute: Attribute) -> Callable[[Any], Any]:
    one = key_maker(attribute) if attribute.type is not Type.COMPLEX else _complex_maker(_makers_of(attribute.sub_attributes))

    def keyed(value: Any) -> Any:
        return [one(element) for element in value] if isinstance(value, list) else one(value)

    return keyed


def _complex_maker(makers: _Makers) -> Callable[[Document], Document]:
    def keyed(value: Document) -> Document:
        return {key: make(part) for name, part in value.items() for key, make in makers.get(name, ())}

    return keyed


def display(document: Document) -> str | None:
    """The text shown for this resource where another one refers to it: its displayName, else its formatted name, else None; of a long one
    the beginning."""
    name = document.get("name")
    formatted = name.get("formatted") if isinstance(name, dict) else None
    for text in (document.get("displayName"), formatted):
        if isinstance(text, str) and text:
            return text[:LONGEST_DISPLAY]
    return None
