"""From a canonical document to its search document: folded names, every value replaced by its comparison key."""

from __future__ import annotations

from typing import Any, Final

from scimsrv.schema.attribute import Attribute, Returned, Type, fold_name
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import Key, fold, key_of

#: Member of a search document that holds the folded display text; no attribute can have this name (RFC 7643 §2.1).
DISPLAY: Final = "$display"


def search_document(document: Document, schema: EffectiveSchema) -> dict[str, Any]:
    """What filters and sorts look at: {"username": "ada", "emails": [{"value": …}], "urn:…": {…}, "$display": …}.

    id and meta are columns of the row; links and backlinks are rows; what is never returned is left out.
    """
    result: dict[str, Any] = {}
    for extension, places in schema.held.items():
        members = document if extension is None else document.get(extension)
        if not members:
            continue
        holder: dict[str, Any] = {}
        for name, value in members.items():
            place = places.get(name)
            if place is None or value is None:
                continue
            attribute = place.attribute
            if attribute.returned is Returned.NEVER or attribute.key in ("id", "meta"):
                continue
            for form in attribute.forms:
                holder[form.search_key] = _keyed(form, value)
        if extension is None:
            result = holder
        elif holder:
            result[fold_name(extension)] = holder
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


def _keyed(attribute: Attribute, value: Any) -> Any:
    if isinstance(value, list):
        return [_keyed(attribute, element) for element in value]
    if attribute.type is not Type.COMPLEX:
        return key_of(attribute, value)
    return {form.search_key: _keyed(form, value[forms[0].name]) for forms in attribute.searched if forms[0].name in value for form in forms}


def display(document: Document) -> str | None:
    """The text shown for this resource where another one refers to it: its displayName, else its formatted name, else None."""
    name = document.get("name")
    formatted = name.get("formatted") if isinstance(name, dict) else None
    for text in (document.get("displayName"), formatted):
        if isinstance(text, str) and text:
            return text
    return None
