"""What a tenant may do to the definitions of RFC 7643 and to those of badges: make them stricter, never contradict them.

`required`, `uniqueness`, canonical values, whether these are enforced and `indexed` are the tenant's; reference types may be added.
New attributes belong into an extension, which clients tell from the standard by its URN (RFC 7643 §3.3).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from scimsrv.errors import mutability
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.definitions import is_of_badges, load_badges, load_definitions, refers_only_to
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

#: The schema of awards, and what each of them has, those that follow from others by themselves included: more cannot be demanded of it.
_AWARD: Final = "urn:scimsrv:scim:schemas:badges:1.0:Award"
_OF_EVERY_AWARD: Final = frozenset({"recipient", "achievement", "issuer", "source", "awardedat", "status"})


def check_protected(urn: str, definition: Document | None, types: Collection[str]) -> None:
    """Raises ScimError mutability when a definition (None: its deletion) contradicts the standard's schema of this URN.

    `types` names the tenant's resource types: without groups, users need no attribute that could only refer to them.
    """
    key = fold_name(urn)
    if key in OF_DISCOVERY:
        raise mutability(f"{urn} describes the protocol and cannot be changed")
    shipped = {**load_definitions().schemas, **load_badges().schemas}
    standard = {fold_name(one): schema for one, schema in shipped.items()}.get(key)
    if standard is None:
        return
    if definition is None:
        if is_of_badges(urn):
            raise mutability(f"{urn} comes and goes with the policy switch badges")
        return
    if definition["name"] != standard["name"]:
        raise mutability(f"name: {urn} is called {standard['name']}")
    lacking = {type_["name"] for type_ in load_definitions().resource_types} - {*types}
    given = {fold_name(attribute["name"]) for attribute in definition["attributes"]}
    expected = [one for one in standard["attributes"] if fold_name(one["name"]) in given or not refers_only_to(one, lacking)]
    source = "badges" if is_of_badges(urn) else "RFC 7643"
    _compare(expected, definition["attributes"], None, urn, source)
    if standard["id"] == _AWARD:
        for attribute in definition["attributes"]:
            if attribute.get("required") and fold_name(attribute["name"]) not in _OF_EVERY_AWARD:
                raise mutability(f"{attribute['name']}: required cannot be true, since awards that follow from others have none")


def check_protected_type(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
    """Raises ScimError mutability when a resource type of badges is deleted, or moved to another endpoint or schema; or when users lose the
    extension that shows their awards. Extensions may be added, which awards need not have."""
    if old is None or not any(map(is_of_badges, _urns(old))):
        return
    if is_of_badges(old["schema"]):
        if new is None or any(old[name] != new[name] for name in ("endpoint", "schema")):
            raise mutability(f"{old['name']} comes and goes with the policy switch badges, and keeps its endpoint and schema")
        demanded = [one["schema"] for one in new.get("schemaExtensions", ()) if one.get("required")]
        if old["schema"] == _AWARD and demanded:
            raise mutability(f"schemaExtensions: {demanded[0]} cannot be required, since awards that follow from others have none")
    elif not {*filter(is_of_badges, _urns(old))} <= {*_urns(new or {})}:
        raise mutability("schemaExtensions: that of badges comes and goes with the policy switch badges")


def _urns(type_: Mapping[str, Any]) -> list[str]:
    return [*([type_["schema"]] if "schema" in type_ else []), *(one["schema"] for one in type_.get("schemaExtensions", ()))]


def _compare(standard: Sequence[Document], given: Sequence[Document], within: str | None, urn: str, source: str) -> None:
    found = {fold_name(attribute["name"]): attribute for attribute in given}
    for attribute in standard:
        path = attribute["name"] if within is None else f"{within}.{attribute['name']}"
        other = found.pop(fold_name(attribute["name"]), None)
        if other is None:
            raise mutability(f"{path} is an attribute of {urn} ({source}) and cannot be removed")
        _same(attribute, other, path, source)
        _compare(attribute.get("subAttributes", ()), other.get("subAttributes", ()), path, urn, source)
    for attribute in found.values():
        path = attribute["name"] if within is None else f"{within}.{attribute['name']}"
        raise mutability(f"{path} is no attribute of {urn} ({source}): define it in an extension of the resource type")


def _same(standard: Mapping[str, Any], given: Mapping[str, Any], path: str, source: str) -> None:
    for name, default in _FIXED.items():
        if name == "caseExact" and "caseExact" not in given:
            continue  # a type without case
        before = standard.get(name, False if name == "caseExact" else default)
        if given.get(name, before) != before:
            raise mutability(f"{path}: {name} is {_said(before)} in {source} and cannot be {_said(given[name])}")
    if standard.get("required") and not given.get("required"):
        raise mutability(f"{path}: required is true in {source} and cannot be false")
    if standard.get("uniqueness", "none") != "none" and given.get("uniqueness", "none") == "none":
        raise mutability(f"{path}: uniqueness is {standard['uniqueness']} in {source} and cannot be none")
    closed = ("canonicalValues", "canonicalValuesEnforced") if standard.get("canonicalValuesEnforced") else ()
    for name in closed:
        if given.get(name) != standard[name]:
            raise mutability(f"{path}: {name} is fixed in {source}, where the values are closed")
    missing = set(standard.get("referenceTypes", ())) - set(given.get("referenceTypes", ()))
    if missing:
        raise mutability(f"{path}: referenceTypes has {', '.join(sorted(missing))} in {source} and cannot lack it")


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
