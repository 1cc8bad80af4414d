"""What a tenant may do to the definitions of RFC 7643: make them stricter, never contradict them.

`required`, `uniqueness`, canonical values, whether these are enforced and `indexed` are the tenant's; reference types may be added.
New attributes belong into an extension, which clients tell from the standard by its URN (RFC 7643 §3.3).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from scimsrv.errors import mutability
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.definitions import load_definitions, refers_only_to
from scimsrv.schema.document import Document

#: The schemas of discovery itself, folded: what they describe is the protocol, so a tenant cannot change them at all.
OF_DISCOVERY: Final = frozenset(
    f"urn:ietf:params:scim:schemas:core:2.0:{name}".lower() for name in ("Schema", "ResourceType", "ServiceProviderConfig")
)

#: Characteristics that say what a standard attribute is, with the default that a definition may leave out.
_FIXED: Final[dict[str, Any]] = {
    "type": "string",
    "multiValued": False,
    "caseExact": None,
    "mutability": "readWrite",
    "returned": "default",
}


def check_protected(urn: str, definition: Document | None, types: Collection[str]) -> None:
    """Raises ScimError mutability when a definition (None: its deletion) contradicts the standard's schema of this URN.

    `types` names the tenant's resource types: without groups, users need no attribute that could only refer to them.
    """
    key = fold_name(urn)
    if key in OF_DISCOVERY:
        raise mutability(f"{urn} describes the protocol and cannot be changed")
    standard = {fold_name(shipped): schema for shipped, schema in load_definitions().schemas.items()}.get(key)
    if standard is None or definition is None:
        return
    if definition["name"] != standard["name"]:
        raise mutability(f"name: {urn} is called {standard['name']}")
    lacking = {type_["name"] for type_ in load_definitions().resource_types} - {*types}
    given = {fold_name(attribute["name"]) for attribute in definition["attributes"]}
    expected = [one for one in standard["attributes"] if fold_name(one["name"]) in given or not refers_only_to(one, lacking)]
    _compare(expected, definition["attributes"], None, urn)


def _compare(standard: Sequence[Document], given: Sequence[Document], within: str | None, urn: str) -> None:
    found = {fold_name(attribute["name"]): attribute for attribute in given}
    for attribute in standard:
        path = attribute["name"] if within is None else f"{within}.{attribute['name']}"
        other = found.pop(fold_name(attribute["name"]), None)
        if other is None:
            raise mutability(f"{path} is an attribute of {urn} (RFC 7643) and cannot be removed")
        _same(attribute, other, path)
        _compare(attribute.get("subAttributes", ()), other.get("subAttributes", ()), path, urn)
    for attribute in found.values():
        path = attribute["name"] if within is None else f"{within}.{attribute['name']}"
        raise mutability(f"{path} is no attribute of {urn} (RFC 7643): define it in an extension of the resource type")


def _same(standard: Mapping[str, Any], given: Mapping[str, Any], path: str) -> None:
    for name, default in _FIXED.items():
        if name == "caseExact" and "caseExact" not in given:
            continue  # a type without case
        before = standard.get(name, False if name == "caseExact" else default)
        if given.get(name, before) != before:
            raise mutability(f"{path}: {name} is {_said(before)} in RFC 7643 and cannot be {_said(given[name])}")
    if standard.get("required") and not given.get("required"):
        raise mutability(f"{path}: required is true in RFC 7643 and cannot be false")
    if standard.get("uniqueness", "none") != "none" and given.get("uniqueness", "none") == "none":
        raise mutability(f"{path}: uniqueness is {standard['uniqueness']} in RFC 7643 and cannot be none")
    missing = set(standard.get("referenceTypes", ())) - set(given.get("referenceTypes", ()))
    if missing:
        raise mutability(f"{path}: referenceTypes has {', '.join(sorted(missing))} in RFC 7643 and cannot lack it")


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
