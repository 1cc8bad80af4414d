"""Reading and writing a resolved place in a canonical document, copy-on-write: an input document is never changed."""

from __future__ import annotations

from typing import Any

from scimsrv.schema.effective import Resolved

Document = dict[str, Any]


def get(document: Document, place: Resolved) -> Any:
    """The value of the place's attribute (not of its sub-attribute), or None."""
    holder = document if place.extension is None else document.get(place.extension, {})
    return holder.get(place.attribute.name)


def put(document: Document, place: Resolved, value: Any) -> Document:
    """The document with the place's attribute set; None, [] and {} unassign it. An extension left empty goes too."""
    if place.extension is None:
        return _with(document, place.attribute.name, value)
    holder = _with(document.get(place.extension, {}), place.attribute.name, value)
    return _with(document, place.extension, holder)


def _with(holder: Document, name: str, value: Any) -> Document:
    changed = dict(holder)
    if value is None or value in ([], {}):
        changed.pop(name, None)
    else:
        changed[name] = value
    return changed


def values(attribute_value: Any) -> list[Any]:
    """A multi- or single-valued attribute's value as a list: absent is empty."""
    if attribute_value is None:
        return []
    return attribute_value if isinstance(attribute_value, list) else [attribute_value]
