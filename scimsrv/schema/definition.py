"""From the body of a Schema resource to the definition that is stored: every name, characteristic and reference checked (RFC 7643 §7).

A fault names the attribute that has it by its path (`badge.room: type must be …`), and the first one found is raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scimsrv.errors import invalid_syntax, invalid_value
from scimsrv.schema.attribute import Attribute, Mutability, Returned, Type, Uniqueness, fold_name, parse_attribute
from scimsrv.schema.definitions import is_of_badges
from scimsrv.schema.document import Document
from scimsrv.schema.validate import SCHEMAS, shorten

SCHEMA_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"

#: Attributes of one schema, sub-attributes included.
MOST_ATTRIBUTES: Final = 200

#: Canonical values or reference types of one attribute.
_MOST_WORDS: Final = 200
_LONGEST_TEXT: Final = 2_000
#: Descriptions are copied from documents with their line breaks.
_WHITE: Final = str.maketrans("\n\r\t", "   ")
_LONGEST_NAME: Final = 64
_LONGEST_URN: Final = 200

#: RFC 7643 §2.1 (ATTRNAME); only a sub-attribute may be called $ref (§2.4).
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
#: RFC 8141 §2, without the characters that would have to be quoted in a path, in a filter or in a URL.
_URN: Final = re.compile(r"urn:[a-z0-9][a-z0-9-]{0,31}:[a-z0-9](?:[a-z0-9._:-]*[a-z0-9])?", re.ASCII | re.IGNORECASE)
#: Namespaces in which a tenant cannot define: messages of the protocol, and what this server defines itself.
_TAKEN: Final = ("urn:ietf:params:scim:api:", "urn:scimsrv:")

#: Names that every resource has outside of its schemas (RFC 7643 §3).
COMMON_NAMES: Final = frozenset({"schemas", "id", "externalid", "meta"})

#: The members of an attribute's definition in the order in which they are shown. `indexed` and `canonicalValuesEnforced` are this
#: server's: whether filters on the attribute are fast, and whether other values than the canonical ones are refused.
_MEMBERS: Final = (
    *("name", "type", "multiValued", "description", "required", "canonicalValues", "canonicalValuesEnforced", "caseExact"),
    *("mutability", "returned", "uniqueness", "referenceTypes", "indexed", "subAttributes"),
)

_TEXTS: Final = frozenset({Type.STRING, Type.REFERENCE})
#: Types whose values have an upper and a lower case to compare.
_CASED: Final = _TEXTS | {Type.BINARY}


def checked_schema(body: Mapping[str, Any]) -> Document:
    """The definition in the body of a Schema resource, as discovery serves it but for `meta`: canonical names, every default said.

    Raises ScimError invalidSyntax for what is no Schema at all, else invalidValue naming attribute and rule.
    """
    given = members(body, ("schemas", "id", "name", "description", "attributes", "meta"), "the schema")
    declares(given, SCHEMA_URN)
    urn = checked_urn(given.get("id"), "id")
    if fold_name(urn).startswith(_TAKEN) and not is_of_badges(urn):
        raise invalid_value(f"id: {shorten(urn)} is in a namespace that is not the tenant's")
    name = text(given.get("name"), "name", required=True)
    description = text(given.get("description"), "description", required=False)
    attributes = _definitions(given.get("attributes"), "attributes", within=None)
    number = sum(1 + len(attribute.get("subAttributes", ())) for attribute in attributes)
    if number > MOST_ATTRIBUTES:
        raise invalid_value(f"attributes: a schema may have at most {MOST_ATTRIBUTES} attributes and sub-attributes, this one has {number}")
    definition: Document = {SCHEMAS: [SCHEMA_URN], "id": urn, "name": name}
    return definition | ({} if description is None else {"description": description}) | {"attributes": attributes}


def declares(given: Mapping[str, Any], urn: str) -> None:
    """Raises ScimError invalidSyntax when `schemas` is there and is not the list of this URN."""
    declared = given.get(SCHEMAS)
    if declared is not None and not (isinstance(declared, list) and [fold_name(str(one)) for one in declared] == [fold_name(urn)]):
        raise invalid_syntax(f"schemas must be {[urn]}")


def checked_urn(value: Any, name: str) -> str:
    """A schema's URN (RFC 7643 §7). Raises ScimError invalidValue."""
    if not isinstance(value, str) or not value:
        raise invalid_value(f"{name} is required: the URN of a schema")
    if len(value) > _LONGEST_URN or _URN.fullmatch(value) is None:
        raise invalid_value(
            f"{name}: {shorten(value)} is no URN of a schema such as urn:example:params:scim:schemas:extension:2.0:Badge, of letters,"
            f" digits, dots, colons, hyphens and underscores, with at most {_LONGEST_URN} characters"
        )
    return value


def members(given: Any, known: tuple[str, ...], what: str) -> Document:
    """The members by their canonical names; null counts as absent. Raises ScimError invalidSyntax for one unknown or doubled."""
    if not isinstance(given, Mapping):
        raise invalid_syntax(f"{what} must be an object")
    names = {fold_name(name): name for name in known}
    found: Document = {}
    for key, value in given.items():
        name = names.get(fold_name(key))
        if name is None:
            raise invalid_syntax(f"{what} has no member {shorten(key)}; it can have {', '.join(known)}")
        if name in found:
            raise invalid_syntax(f"{what} names {name} twice")
        if value is not None:
            found[name] = value
    return found


def text(value: Any, name: str, *, required: bool) -> str | None:
    """A text, None where there is none. Raises ScimError invalidValue."""
    if value is None or value == "":
        if required:
            raise invalid_value(f"{name} is required")
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.translate(_WHITE).isprintable():
        raise invalid_value(f"{name} must be a text without control characters, with at most {_LONGEST_TEXT}")
    return value


def _definitions(given: Any, name: str, within: str | None) -> list[Document]:
    """The definitions of a list; `within` is the complex attribute that they are the parts of."""
    if not isinstance(given, list) or not given:
        raise invalid_value(f"{name} must be an array of at least one attribute")
    if len(given) > MOST_ATTRIBUTES:
        raise invalid_value(f"{name} may have at most {MOST_ATTRIBUTES} attributes")
    found: dict[str, Document] = {}
    for index, one in enumerate(given):
        definition = _definition(one, f"{name}[{index}]", within)
        key = fold_name(definition["name"])
        if key in found:
            raise invalid_value(f"{_path(definition['name'], within)} is defined twice; names differ in more than their case")
        found[key] = definition
    return list(found.values())


def _path(name: str, within: str | None) -> str:
    return name if within is None else f"{within}.{name}"


def _definition(given: Any, place: str, within: str | None) -> Document:
    given = members(given, _MEMBERS, _named(given, place, within))
    path = _path(_name(given.get("name"), place, within), within)
    type_ = Type(_word(given.get("type", "string"), [one.value for one in Type], f"{path}: type"))
    definition: Document = {
        "name": given["name"],
        "type": type_.value,
        "multiValued": _flag(given, "multiValued", path),
        "description": text(given.get("description"), f"{path}: description", required=False),
        "required": _flag(given, "required", path),
        "canonicalValues": _words(given, "canonicalValues", path),
        "canonicalValuesEnforced": _flag(given, "canonicalValuesEnforced", path) or None,
        "caseExact": _flag(given, "caseExact", path, default=type_ in (Type.REFERENCE, Type.BINARY)) if type_ in _CASED else None,
        "mutability": _word(given.get("mutability", "readWrite"), [one.value for one in Mutability], f"{path}: mutability"),
        "returned": _word(given.get("returned", "default"), [one.value for one in Returned], f"{path}: returned"),
        "uniqueness": _word(given.get("uniqueness", "none"), [one.value for one in Uniqueness], f"{path}: uniqueness"),
        "referenceTypes": _words(given, "referenceTypes", path),
        "indexed": _indexed(given.get("indexed"), path),
    }
    _flag(given, "caseExact", path)
    if type_ is Type.COMPLEX:
        if within is not None:
            raise invalid_value(f"{path}: a sub-attribute cannot be complex (RFC 7643 §2.3.8)")
        definition["subAttributes"] = _definitions(given.get("subAttributes"), f"{path}.subAttributes", path)
    elif given.get("subAttributes"):
        raise invalid_value(f"{path}: only a complex attribute has subAttributes, this one is of the type {type_.value}")
    definition = {name: value for name, value in definition.items() if value is not None}
    if type_ in (Type.COMPLEX, Type.BOOLEAN) and definition["uniqueness"] == "none":
        del definition["uniqueness"]
    for rule in _faults(parse_attribute(definition), definition, within):
        raise invalid_value(f"{path}: {rule}")
    return definition


def _named(given: Any, place: str, within: str | None) -> str:
    """How messages call a definition: by its name where it has one, else by its place."""
    name = next((value for key, value in given.items() if fold_name(key) == "name"), None) if isinstance(given, Mapping) else None
    return _path(name, within) if isinstance(name, str) and len(name) <= _LONGEST_NAME else place


def _name(name: Any, place: str, within: str | None) -> str:
    if not isinstance(name, str) or not name:
        raise invalid_value(f"{place}: name is required")
    if name == "$ref" and within is not None:
        return name
    if len(name) > _LONGEST_NAME or _NAME.fullmatch(name) is None:
        raise invalid_value(
            f"{place}: {shorten(name)} cannot be a name: it begins with a letter and goes on with letters, digits, - and _"
            f" (RFC 7643 §2.1), with at most {_LONGEST_NAME} characters"
        )
    if within is None and fold_name(name) in COMMON_NAMES:
        raise invalid_value(f"{place}: {name} is an attribute that every resource has (RFC 7643 §3)")
    return name


def _flag(given: Mapping[str, Any], name: str, path: str, *, default: bool = False) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise invalid_value(f"{path}: {name} must be true or false")
    return value


def _word(value: Any, known: list[str], what: str) -> str:
    """One of the known words, taken in any case."""
    found = {fold_name(word): word for word in known}.get(fold_name(value)) if isinstance(value, str) else None
    if found is None:
        raise invalid_value(f"{what} must be one of {', '.join(known)}")
    return found


def _words(given: Mapping[str, Any], name: str, path: str) -> list[str] | None:
    value = given.get(name)
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) and word and word.isprintable() for word in value):
        raise invalid_value(f"{path}: {name} must be an array of texts")
    if len(value) > _MOST_WORDS or any(len(word) > _LONGEST_TEXT for word in value):
        raise invalid_value(f"{path}: {name} may have at most {_MOST_WORDS} texts of {_LONGEST_TEXT} characters")
    if len(set(value)) < len(value):
        raise invalid_value(f"{path}: {name} has a text twice")
    return value


def _indexed(value: Any, path: str) -> bool | str | None:
    if value is None or value is False or value == "false":
        return None
    if value is True or value == "true":
        return True
    if value == "substring":
        return "substring"
    raise invalid_value(f'{path}: indexed must be true, false or "substring"')


def _faults(attribute: Attribute, definition: Document, within: str | None) -> Iterator[str]:
    """What is wrong with the characteristics taken together."""
    type_, unique = attribute.type, attribute.uniqueness is not Uniqueness.NONE
    never = attribute.returned is Returned.NEVER
    if type_ is Type.REFERENCE and not attribute.reference_types:
        yield "referenceTypes is required for a reference (RFC 7643 §7)"
    if attribute.reference_types and type_ is not Type.REFERENCE:
        yield f"only a reference has referenceTypes, this is of the type {type_.value}"
    for word in attribute.reference_types:
        if _NAME.fullmatch(word) is None or len(word) > _LONGEST_NAME:
            yield f"referenceTypes: {shorten(word)} is neither uri, external nor the name of a resource type"
    if attribute.canonical_values and type_ not in _TEXTS:
        yield f"canonicalValues are texts, which values of the type {type_.value} are not"
    if attribute.enforced and not attribute.canonical_values:
        yield "canonicalValuesEnforced needs canonicalValues"
    if type_ is Type.BINARY and not attribute.case_exact:
        yield "binary values are case-exact (RFC 7643 §2.3.6)"
    if unique and type_ in (Type.COMPLEX, Type.BOOLEAN):
        yield f"a value of the type {type_.value} cannot be unique"
    if never and attribute.mutability is Mutability.READ_ONLY:
        yield "what is readOnly and never returned is of no use to anybody"
    if attribute.mutability is Mutability.WRITE_ONLY and not never:
        yield "what is writeOnly appears in no answer (RFC 7643 §7), and has to be returned never"
    if never and within is None and (type_ is not Type.STRING or attribute.multi_valued):
        yield "what is never returned is kept as a hash, and has to be a single string"
    if never and (unique or "indexed" in definition):
        yield "what is never returned can be neither unique nor indexed, since it is not searched for"
    if "indexed" in definition and type_ in (Type.COMPLEX, Type.BINARY):
        yield f"an attribute of the type {type_.value} cannot be indexed"
    if definition.get("indexed") == "substring" and type_ not in _TEXTS:
        yield f"a value of the type {type_.value} has no pieces to look for: indexed can be true only"
    if within is not None and attribute.name == "$ref" and type_ is not Type.REFERENCE:
        yield "$ref is a reference (RFC 7643 §2.4)"
    yield from _faults_of_parts(attribute, definition)


def _faults_of_parts(attribute: Attribute, definition: Document) -> Iterator[str]:
    primary = attribute.sub("primary")
    if attribute.multi_valued and primary is not None and (primary.type is not Type.BOOLEAN or primary.multi_valued):
        yield "its part primary has to be a single boolean (RFC 7643 §2.4)"
    if not attribute.resource_types:
        return
    for sub, part in zip(attribute.sub_attributes, definition["subAttributes"], strict=True):
        if sub.key == "value" and (sub.type not in _TEXTS or sub.multi_valued):
            yield "its part value holds the id of a resource, and has to be a single string"
        if attribute.refers and (sub.uniqueness is not Uniqueness.NONE or "indexed" in part or sub.multi_valued):
            yield f"its part {sub.name} is part of a reference to resources, which is indexed always, single and not unique by itself"
