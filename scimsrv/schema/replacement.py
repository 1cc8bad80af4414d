"""What a PUT makes of a stored resource: what the client sent, and what it may not change or need not repeat (RFC 7644 §3.5.1)."""

from __future__ import annotations

from typing import Any, Final

from scimsrv.errors import mutability
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Attribute, Mutability, Type, fold_name
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.policy import Policy
from scimsrv.schema.semantics import key_of

#: Values that the server gives to attributes which a client leaves out on creation (RFC 7644 §3.3), by folded schema URN.
DEFAULTS: Final[dict[str, dict[str, Any]]] = {"urn:ietf:params:scim:schemas:core:2.0:user": {"active": True}}


def with_defaults(document: Document, body: Document, schema: EffectiveSchema) -> Document:
    """The document with the server's default for what the client's body does not name; a null in the body stays unassigned."""
    missing = {name: value for name, value in DEFAULTS.get(schema.base.key, {}).items() if name not in body}
    if missing:
        named = {fold_name(name) for name in body}
        missing = {name: value for name, value in missing.items() if fold_name(name) not in named}
    return document | missing if missing else document


def replaced(
    sent: Document, body: Document, stored: Document, schema: EffectiveSchema, policy: Policy, made: set[Coercion] | None = None
) -> Document:
    """The document after a PUT of `sent`, the canonical form of `body`.

    readWrite attributes that were left out are cleared (but see the policy for `active`), readOnly and unsent immutable ones are
    kept. `made` collects what the policy kept beyond that. Raises ScimError mutability when an immutable value would change.
    """
    document: Document = {name: stored[name] for name in ("schemas", "id") if name in stored} | sent
    defaults = DEFAULTS.get(schema.base.key, {})
    named = {fold_name(name) for name in body}
    for name in defaults:
        if fold_name(name) not in named:
            if not policy.put_keeps_omitted_active:
                document[name] = defaults[name]
            elif name in stored:
                document[name] = stored[name]
                if made is not None and stored[name] != defaults[name]:
                    made.add(Coercion.KEPT_OMITTED_ACTIVE)
    for extension, attribute in schema.top_level():
        place = Resolved(extension, attribute)
        if attribute.key == "schemas":
            continue
        before, after = doc.get(stored, place), doc.get(document, place)
        if before is None:
            continue
        kept_unsent = after is None and (
            attribute.mutability is Mutability.IMMUTABLE
            or (attribute.is_annotated and policy.put_keeps_omitted_members and not _is_named(body, place, schema))
        )
        if attribute.mutability is Mutability.READ_ONLY or kept_unsent:
            document = doc.put(document, place, before)
        elif attribute.mutability is Mutability.IMMUTABLE and not same(attribute, before, after):
            raise mutability(f"{place.name} is immutable and has another value")
        elif attribute.type is Type.COMPLEX and not attribute.multi_valued and after is not None:
            document = doc.put(document, place, _parts(place, before, after))
    return document


def _is_named(body: Document, place: Resolved, schema: EffectiveSchema) -> bool:
    """Whether a client's body names the attribute, be it with null."""
    if place.extension is None:
        return place.attribute.key in map(fold_name, body)
    held = [value for key, value in body.items() if schema.extension(key) is schema.extension(place.extension)]
    return any(isinstance(value, dict) and place.attribute.key in map(fold_name, value) for value in held)


def _parts(place: Resolved, before: Document, after: Document) -> Document:
    """The sent value of a complex attribute with the immutable parts that it left out; of one that is itself immutable, with the parts
    that only the server writes."""
    kept = dict(after)
    for sub in place.attribute.sub_attributes:
        if sub.mutability is Mutability.READ_ONLY and place.attribute.mutability is Mutability.IMMUTABLE and sub.name in before:
            kept[sub.name] = before[sub.name]
        if sub.mutability is Mutability.IMMUTABLE and sub.name in before:
            if sub.name not in after:
                kept[sub.name] = before[sub.name]
            elif not same(sub, before[sub.name], after[sub.name]):
                raise mutability(f"{place.name}.{sub.name} is immutable and has another value")
    return kept


def same(attribute: Attribute, one: Any, other: Any) -> bool:
    """Whether two canonical values of the attribute are equal under its comparison rules, but for what only the server writes."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(attribute, a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        subs = {sub.name: sub for sub in attribute.sub_attributes}
        own = {*attribute.server_parts, *(sub.name for sub in attribute.sub_attributes if sub.mutability is Mutability.READ_ONLY)}
        names, others = one.keys() - own, other.keys() - own
        return names == others and all(same(subs[name], one[name], other[name]) for name in names)
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        return False
    return key_of(attribute, one) == key_of(attribute, other)
