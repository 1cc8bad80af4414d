"""Values that a type has no place for any more: told from the rest of a stored document, and put back into it.

Their attribute was removed, or a server that had not yet heard of a change wrote them in a form that the attribute has no more.
"""

from __future__ import annotations

from typing import Any

from scimsrv.errors import ScimError
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Attribute, Type, fold_name
from scimsrv.schema.conforming import kept_elsewhere
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import SEMANTICS
from scimsrv.schema.validate import SCHEMAS, Coercer, complete


def split(document: Document, schema: EffectiveSchema) -> tuple[Document, dict[str, Any]]:
    """The document with what the type has, and the values of what it has not, by the key that their place had.

    The value of a sub-attribute is a list of pairs: the element without it, and what it had there.
    """
    known: Document = {}
    strays: dict[str, Any] = {}
    for name, value in document.items():
        extension = schema.extension(name)
        if name == SCHEMAS:
            continue
        if extension is not None:
            parts = {inner: _kept(extension.attribute(inner), one, f"{name}:{inner}", strays) for inner, one in value.items()}
            part: Any = {inner: one for inner, one in parts.items() if one is not None} or None
        elif ":" in name and isinstance(value, dict):
            strays |= {fold_name(f"{name}:{inner}"): one for inner, one in value.items()}
            part = None
        else:
            part = _kept(schema.core(name), value, name, strays)
        if part is not None:
            known[name] = part
    urns = [schema.base.urn, *(extension.urn for extension, _ in schema.extensions if extension.urn in known)]
    return {SCHEMAS: urns} | known, strays


def _kept(attribute: Attribute | None, value: Any, name: str, strays: dict[str, Any]) -> Any:
    found = None if attribute is None or kept_elsewhere(Resolved(None, attribute)) else _in_form(attribute, value)
    if attribute is None or found is None:
        strays[fold_name(name)] = value
        return None
    if attribute.type is not Type.COMPLEX:
        return found
    kept = []
    for element in doc.values(value):
        parts = {inner: _in_form(sub, part) for inner, part in element.items() if (sub := attribute.sub(inner)) is not None}
        rest = {inner: part for inner, part in parts.items() if part is not None}
        for inner in element.keys() - rest.keys():
            strays.setdefault(fold_name(f"{name}.{inner}"), []).append([rest, element[inner]])
        if rest:
            kept.append(rest)
    if not kept:
        return None
    return kept if isinstance(value, list) else kept[0]


def _in_form(attribute: Attribute, value: Any) -> Any:
    """A stored value as the attribute's own, such as 5 for the decimal 5.0; None for what cannot be read as that."""
    if isinstance(value, list) is not attribute.multi_valued:
        return None
    try:
        found = [SEMANTICS[attribute.type].coerce(one) for one in doc.values(value)]
    except ValueError:
        return None
    return found if attribute.multi_valued else found[0]


def restored(document: Document, schema: EffectiveSchema, key: str, value: Any, coercer: Coercer) -> Document | None:
    """The complete document with a value that was set aside; None where it has another value by now, or the value does not fit."""
    place = schema.resolve(key)
    if place is None or place.key != key or place.attribute.refers:
        return None
    present = doc.get(document, place)
    try:
        if place.sub is not None:
            new = _with_parts(place, present, value, coercer)
        elif present is None:
            new = coercer.attribute(place.attribute, value, place.name)
        else:
            return None
        return None if new is None else complete(doc.put(document, place, new), schema, coercer.limits)
    except ScimError:
        return None


def _with_parts(place: Resolved, present: Any, pairs: list[list[Any]], coercer: Coercer) -> Any:
    """The attribute's value with the parts back in the elements that they were taken from; None where none of these is left."""
    if place.sub is None:
        raise AssertionError("only a sub-attribute has parts")
    elements = [dict(element) for element in doc.values(present)]
    found = False
    for rest, value in pairs:
        part = coercer.attribute(place.sub, value, place.name)
        if part is None:
            continue
        if not rest and (place.attribute.multi_valued or not elements):
            elements.append({place.sub.name: part})
            found = True
            continue
        for element in elements:
            if place.sub.name not in element and rest.items() <= element.items():
                element[place.sub.name] = part
                found = True
                break
    if not found:
        return None
    return elements if place.attribute.multi_valued else elements[0]
