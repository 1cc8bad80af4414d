"""From a client's JSON to a canonical value of the schema: names, types, shapes, what is required, one primary (RFC 7643 §2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from scimsrv.errors import ScimError, invalid_syntax, invalid_value
from scimsrv.limits import DEFAULT, Limits
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Attribute, Mutability, Returned, Type, fold_name
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved, Schema
from scimsrv.schema.plain import IsPlain, plain
from scimsrv.schema.policy import Policy
from scimsrv.schema.semantics import SEMANTICS, Key, key_of, unique_text

SCHEMAS = "schemas"

#: Members that clients repeat from a GET and that say nothing (RFC 7643 §3.1).
SAYS_NOTHING: Final = frozenset({SCHEMAS, "meta"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A validated resource. `links` has the ids for each reference attribute (by key) that the body named, None for null or [];
    `secrets` the new plaintext of each never-returned attribute (by key). Neither is in the document. `coercions` are those that the
    body needed."""

    document: Document
    links: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    coercions: frozenset[Coercion] = frozenset()


@dataclass(frozen=True, slots=True)
class _Taken:
    """What has been taken from a body so far."""

    document: Document = field(default_factory=dict)
    links: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


#: A member that bodies may have: the place that it stands for, and whether values are canonical as they come; None where bodies say
#: nothing by it.
_Member: TypeAlias = tuple[Resolved, IsPlain | None]


def _members(schema: EffectiveSchema) -> dict[str | None, dict[str, _Member]]:
    """The members of bodies by the URN of their extension, and by name."""
    return {urn: {name: (place, _plain(place.attribute)) for name, place in places.items()} for urn, places in schema.held.items()}


def _plain(attribute: Attribute) -> IsPlain | None:
    return None if attribute.mutability is Mutability.READ_ONLY or attribute.key == SCHEMAS else plain(attribute)


@dataclass(frozen=True, slots=True)
class Coercer:
    """Coerces values under one policy. `lenient` adds what clients send in PATCH: one value for a list, a list of one for a single
    value, a bare string for a complex attribute with `value`. `made` collects what had to be done to values to make them fit."""

    policy: Policy
    limits: Limits = DEFAULT
    lenient: bool = False
    made: set[Coercion] = field(default_factory=set, compare=False)

    def attribute(self, attribute: Attribute, value: Any, name: str) -> Any:
        """The canonical value of the attribute, None when it is unassigned. `name` is used in messages.

        Raises ScimError invalidValue.
        """
        if value is None:
            return None
        if not attribute.multi_valued:
            if isinstance(value, list):
                if value and not (self.lenient and len(value) == 1):
                    raise invalid_value(f"{name} has a single value; a list was given")
                self.made.add(Coercion.LIST_FOR_SINGLE)
                if not value:
                    return None
                value = value[0]
            return self.single(attribute, value, name)
        if not isinstance(value, list):
            if not self.lenient:
                raise invalid_value(f"{name} is multi-valued; an array is needed")
            self.made.add(Coercion.SINGLE_FOR_LIST)
            value = [value]
        most = self.limits.links if attribute.refers else self.limits.values
        if len(value) > most:
            raise invalid_value(f"{name} may have at most {most} values in one request")
        found = [self.single(attribute, element, name) for element in value]
        return distinct([element for element in found if element is not None]) or None

    def single(self, attribute: Attribute, value: Any, name: str) -> Any:
        """One value of the attribute: an element of a list, or the value itself. None when nothing is left of it."""
        if value is None:
            return None
        if attribute.type is Type.COMPLEX:
            return self._complex(attribute, value, name)
        if value == "" and self.policy.empty_string_clears:
            self.made.add(Coercion.EMPTY_CLEARS)
            return None
        try:
            coerced = SEMANTICS[attribute.type].coerce(value)
        except ValueError as problem:
            raise invalid_value(f"{name} {problem}") from problem
        if isinstance(coerced, str):
            self._text(attribute, coerced, name)
        elif isinstance(value, str):
            self.made.add(Coercion.BOOLEAN_AS_TEXT)
        return coerced

    def _text(self, attribute: Attribute, value: str, name: str) -> None:
        if len(value) > self.limits.string_length:
            raise invalid_value(f"{name} is longer than {self.limits.string_length} characters")
        if attribute.enforced and not is_canonical(attribute, value):
            raise invalid_value(f"{name} must be one of {shorten(', '.join(attribute.canonical_values))}")
        if attribute.refers_outside:
            if not value:
                raise invalid_value(f"{name} must not be empty")
            if self.policy.strict_uris and not urlsplit(value).scheme:
                raise invalid_value(f"{name} must be an absolute URI")

    def _complex(self, attribute: Attribute, value: Any, name: str) -> Document | None:
        part = attribute.value_part
        if not isinstance(value, dict) and self.lenient and part is not None:
            self.made.add(Coercion.TEXT_FOR_COMPLEX)
            value = {part.name: value}
        if not isinstance(value, dict):
            raise invalid_value(f"{name} must be an object")
        result: Document = {}
        for key, given in value.items():
            sub = attribute.sub(key)
            if sub is None:
                if self.policy.strict_attributes:
                    raise invalid_syntax(f"{name} has no sub-attribute {shorten(key)}")
                self.made.add(Coercion.UNKNOWN_IGNORED)
            elif sub.mutability is not Mutability.READ_ONLY and not (attribute.refers and sub is not part):
                coerced = self.attribute(sub, given, f"{name}.{sub.name}")
                if coerced is not None:
                    result[sub.name] = coerced
        if attribute.refers and not result.get("value"):
            raise invalid_value(f"{name}.value is required: the id of a resource")
        if attribute.server_parts and "$ref" in result and not result.get("value"):
            if "value" not in result:
                raise invalid_value(f"{name}.value is required: the id of a resource, which $ref alone does not say")
            del result["$ref"]
        if set(result) == {"value"} and result["value"] == "" and attribute.resource_types:
            self.made.add(Coercion.EMPTY_CLEARS)  # how Entra ID clears manager
            return None
        return result or None

    def resource(self, body: Document, schema: EffectiveSchema) -> Draft:
        """A whole resource from a POST or PUT body: readOnly attributes are ignored, `schemas` is computed, nothing is complete yet.

        Raises ScimError invalidValue or invalidSyntax.
        """
        self._declared(body, schema)
        taken = _Taken()
        members = schema.derived.get("members") or schema.derived.setdefault("members", _members(schema))
        for key, given in body.items():
            member = members[None].get(key)
            if member is not None:
                self._take(member, given, taken, taken.document)
                continue
            extension = schema.extension(key)
            if extension is not None:
                self._extension(extension, given, members.get(extension.urn, {}), taken)
                continue
            place = None if "." in key or ":" in key else schema.resolve(key)
            if place is not None and place.extension is None:
                self._take(members[None][place.attribute.name], given, taken, taken.document)
            elif self.policy.strict_attributes:
                raise invalid_syntax(f"{schema.name} has no attribute {shorten(key)}")
            elif fold_name(key) not in SAYS_NOTHING:
                self.made.add(Coercion.UNKNOWN_IGNORED)
        return Draft(taken.document, taken.links, taken.secrets, frozenset(self.made))

    def _extension(self, extension: Schema, given: Any, members: dict[str, _Member], taken: _Taken) -> None:
        if given is not None and not isinstance(given, dict):
            raise invalid_value(f"{extension.urn} must be an object")
        values: Document = {}
        for name, value in (given or {}).items():
            member = members.get(name)
            if member is None and (attribute := extension.attribute(name)) is not None:
                member = members[attribute.name]
            if member is not None:
                self._take(member, value, taken, values)
            elif self.policy.strict_attributes:
                raise invalid_syntax(f"{extension.urn} has no attribute {shorten(name)}")
            else:
                self.made.add(Coercion.UNKNOWN_IGNORED)
        if values:
            taken.document[extension.urn] = values

    def _take(self, member: _Member, given: Any, taken: _Taken, holder: Document) -> None:
        """Put an attribute's canonical value to where it belongs; the holder is the part of the document that would have it."""
        place, is_plain = member
        if is_plain is None:
            return
        attribute = place.attribute
        coerced = given if is_plain(given, self.limits) else self.attribute(attribute, given, place.name)
        if attribute.is_link:
            taken.links[place.key] = tuple(element["value"] for element in coerced or ())
        elif coerced is None:
            return
        elif attribute.returned is Returned.NEVER:
            taken.secrets[place.key] = coerced
        else:
            holder[attribute.name] = coerced

    def _declared(self, body: Document, schema: EffectiveSchema) -> None:
        given = next((value for key, value in body.items() if fold_name(key) == SCHEMAS), None)
        if given is None:
            if self.policy.strict_schemas:
                raise invalid_syntax("schemas is required")
            return
        if not isinstance(given, list) or not all(isinstance(urn, str) for urn in given):
            raise invalid_syntax("schemas must be an array of URNs")
        if self.policy.strict_schemas:
            for urn in given:
                if schema.schema(urn) is None:
                    raise invalid_syntax(f"schemas names {shorten(urn)}, which {schema.name} does not have")
            if schema.base.key not in map(fold_name, given):
                raise invalid_syntax(f"schemas must name {schema.base.urn}")


def is_canonical(attribute: Attribute, value: str) -> bool:
    """Whether a text is one of the attribute's canonical values, compared as the attribute is."""
    sought = key_of(attribute, value)
    return any(key_of(attribute, canonical) == sought for canonical in attribute.canonical_values)


def distinct(elements: list[Any]) -> list[Any]:
    """The elements without exact repetitions, in order (RFC 7643 §2.4)."""
    if len(elements) < 2:
        return elements
    if all(isinstance(element, dict) and element.keys() == {"value"} and isinstance(element["value"], str) for element in elements):
        return [{"value": value} for value in dict.fromkeys(element["value"] for element in elements)]
    kept: list[Any] = []
    for element in elements:
        if element not in kept:
            kept.append(element)
    return kept


def complete(document: Document, schema: EffectiveSchema, limits: Limits = DEFAULT) -> Document:
    """The document as it may be stored: required attributes present, at most one primary, keys short enough, `schemas` computed.

    Raises ScimError invalidValue naming the attribute and the rule.
    """
    for place in schema.pointers:
        pointer = doc.get(document, place)
        if pointer is not None and not pointer.get("value"):  # what the server says of nothing
            document = doc.put(document, place, {name: part for name, part in pointer.items() if name not in place.attribute.server_parts})
    for place in schema.demanded:
        extension, attribute = place.extension, place.attribute
        value = doc.get(document, place)
        if value == "":
            raise invalid_value(f"{place.name} must not be empty")
        if value is None and _must_have(attribute) and (extension is None or extension in document or _is_required(schema, extension)):
            raise invalid_value(f"{place.name} is required")
    for urn, ruled in schema.ruled:
        members = document if urn is None else document.get(urn)
        for name, value in members.items() if members else ():
            if name in ruled and value is not None:
                _check_elements(ruled[name].attribute, doc.values(value), ruled[name].name)
    for extension_schema in schema.required_extensions:
        if extension_schema.urn not in document:
            raise invalid_value(f"{extension_schema.urn} is required")
    for place in schema.unique:
        for key in keys(document, place):
            if len(key) > limits.key_length or len(key.encode()) > limits.key_bytes:
                raise invalid_value(f"{place.name} is longer than {limits.key_length} characters")
            if not storable_key(key, limits):
                raise invalid_value(f"{place.name} must not have control characters")
    urns = [schema.base.urn, *(extension.urn for extension, _ in schema.extensions if extension.urn in document)]
    return {SCHEMAS: urns} | {name: value for name, value in document.items() if name != SCHEMAS}


def _is_required(schema: EffectiveSchema, urn: str) -> bool:
    return any(extension.urn == urn for extension in schema.required_extensions)


def _must_have(attribute: Attribute) -> bool:
    """Whether a client has to supply the attribute; what the server makes, keeps apart or keeps as rows is not in the document."""
    return (
        attribute.required
        and attribute.mutability is not Mutability.READ_ONLY
        and attribute.returned is not Returned.NEVER
        and not attribute.is_link
        and attribute.key != SCHEMAS
    )


def _check_elements(attribute: Attribute, elements: list[Any], name: str) -> None:
    for element in elements:
        if attribute.is_annotated and not element.get("value"):
            raise invalid_value(f"{name}.value is required: the id of a resource")
        for sub in attribute.required_parts:
            if element.get(sub.name) in (None, "", []):
                raise invalid_value(f"{name}.{sub.name} is required")
    if len(elements) > 1 and attribute.primary_part is not None and sum(element.get("primary") is True for element in elements) > 1:
        raise invalid_value(f"{name} may have only one primary value")


def keys(document: Document, place: Resolved) -> list[str]:
    """The comparison keys, as text, of all values at a simple place; empty strings have none."""
    return [unique_text(key) for key in typed_keys(document, place)]


def typed_keys(document: Document, place: Resolved) -> list[Key]:
    """The comparison keys of all values at a simple place; empty strings have none."""
    held = doc.get(document, place)
    if held is None or held == "":
        return []
    if isinstance(held, str):
        return [key_of(place.leaf, held)]
    found: list[Key] = []
    for value in doc.values(held):
        part = value.get(place.sub.name) if place.sub is not None else value
        found += [key_of(place.leaf, one) for one in doc.values(part) if one != ""]
    return found


def storable_key(key: str, limits: Limits) -> bool:
    """Whether the key of a unique value is short enough, and without control characters."""
    short = len(key) <= limits.key_length and len(key.encode()) <= limits.key_bytes
    return short and _CONTROL.search(key) is None


_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def shorten(text: str) -> str:
    """A client's text in a message: quoted and cut."""
    return f'"{text if len(text) <= 60 else text[:57] + "..."}"'


def in_operation(error: ScimError, index: int) -> ScimError:
    """The error, marked as that of the PATCH operation with this index."""
    return ScimError(error.kind, error.detail, index, error.headers)
