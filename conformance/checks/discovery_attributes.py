"""Attribute definitions in published schemas: well-formed, complete, and true to what the server does (RFC 7643 §7, §8.7.1)."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.raw_http import everything
from conformance.checks.schema_facts import Fact
from conformance.checks.schema_samples import path_of, picked, placed, sample
from conformance.client import CORE_GROUP, CORE_USER, ENTERPRISE_USER, Json, Scim, ensure, equal, expect, expect_error
from conformance.registry import requirement

_TYPES = {"string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"}
_CHOICES = {
    "mutability": {"readOnly", "readWrite", "immutable", "writeOnly"},
    "returned": {"always", "never", "default", "request"},
    "uniqueness": {"none", "server", "global"},
}


def _walk(attributes: list[Json], path: str) -> Iterator[tuple[str, Json]]:
    for attribute in attributes:
        where = f"{path}.{attribute.get('name')}"
        yield where, attribute
        yield from _walk(attribute.get("subAttributes") or [], where)


def _definitions(scim: Scim) -> list[tuple[str, Json]]:
    """Every attribute and sub-attribute of every published schema with its place."""
    found = [pair for schema in everything(scim, "/Schemas") for pair in _walk(schema["attributes"], schema["id"])]
    ensure(found, "no published schema has attributes")
    return found


def _fact(definition: Json) -> Fact:
    """The advertised definition in the form that samples are made from."""
    return Fact(
        definition["name"],
        definition["type"],
        multi=definition["multiValued"],
        required=definition["required"],
        exact=definition.get("caseExact", False),
        mutability=definition["mutability"],
        returned=definition["returned"],
        uniqueness=(definition.get("uniqueness", "none"),),
        canonical=tuple(definition.get("canonicalValues") or ()),
        refs=tuple(definition.get("referenceTypes") or ()),
        # A reference to another resource is derived from the value beside it, so a sample leaves it out.
        subs=tuple(_fact(sub) for sub in definition.get("subAttributes") or () if sub["name"] != "$ref"),
    )


@requirement("7643-7-04")
def types_are_known(scim: Scim) -> None:
    """Every attribute has one of the eight types."""
    for where, attribute in _definitions(scim):
        ensure(attribute.get("type") in _TYPES, f"{where}: type is {attribute.get('type')!r}")


@requirement("7643-7-05")
def complex_attributes_have_sub_attributes(scim: Scim) -> None:
    """Complex attributes list sub-attributes, and only they do."""
    for where, attribute in _definitions(scim):
        equal(bool(attribute.get("subAttributes")), attribute["type"] == "complex", f"{where} ({attribute['type']}) has subAttributes")


@requirement("7643-7-06")
def characteristics_are_true(scim: Scim) -> None:
    """All characteristics are given with known values, and a user with every attribute is treated as they say."""
    for where, attribute in _definitions(scim):
        for key in ("multiValued", "required"):
            ensure(type(attribute.get(key)) is bool, f"{where}: {key} is {attribute.get(key)!r}")
        string = attribute["type"] == "string"
        ensure(not string or type(attribute.get("caseExact")) is bool, f"{where}: caseExact is {attribute.get('caseExact')!r}")
        for key, values in _CHOICES.items():
            # uniqueness says something of single comparable values only (erratum 6004); elsewhere it may be absent.
            value = attribute.get(key, None if key != "uniqueness" or string else "none")
            ensure(value in values, f"{where}: {key} is {value!r}")
    for urn in (CORE_USER, ENTERPRISE_USER):
        for definition in scim.read(f"/Schemas/{urn}")["attributes"]:
            _is_treated_as_advertised(scim, urn, _fact(definition))


def _is_treated_as_advertised(scim: Scim, urn: str, fact: Fact) -> None:
    path = path_of(urn, fact.name)
    sent: Json = {"value": scim.user()["id"]} if fact.name == "manager" else sample(fact)
    answer = scim.post("/Users", scim.user_body(**placed(urn, fact.name, sent)))
    at = f"/Users/{expect(answer, 201).json()['id']}"
    shown = picked(urn, fact.name, scim.read(at))
    asked = picked(urn, fact.name, scim.read(at, params={"attributes": path}))
    hidden = picked(urn, fact.name, scim.read(at, params={"excludedAttributes": path}))
    if fact.mutability == "readOnly":
        ensure(shown != sent, f"{path} is readOnly, yet the client's value was taken")
        return
    equal(shown is not None, fact.returned in ("always", "default"), f"{path} (returned {fact.returned}) in a plain GET")
    equal(asked is not None, fact.returned != "never", f"{path} (returned {fact.returned}) when asked for")
    equal(hidden is not None, fact.returned == "always", f"{path} (returned {fact.returned}) when excluded")
    if fact.returned != "never":
        equal(isinstance(asked, list), fact.multi, f"{path} is an array")
    if fact.uniqueness != ("none",):
        swapped = sent if fact.exact else sent.swapcase()
        expect_error(scim.post("/Users", scim.user_body(**placed(urn, fact.name, swapped))), 409, "uniqueness")
    if fact.required:
        expect_error(scim.post("/Users", {"schemas": [CORE_USER], "nickName": "Ada"}), 400, "invalidValue")


@requirement("7643-7-21")
def reference_types_are_given(scim: Scim) -> None:
    """Reference attributes, and only they, say what they refer to: resource types that exist, "external" or "uri"."""
    allowed = {"external", "uri"} | {type_["name"] for type_ in everything(scim, "/ResourceTypes")}
    for where, attribute in _definitions(scim):
        kinds = attribute.get("referenceTypes")
        if attribute["type"] == "reference":
            ensure(isinstance(kinds, list) and kinds, f"{where}: referenceTypes is {kinds!r}")
            ensure(set(kinds) <= allowed, f"{where}: referenceTypes holds {sorted(set(kinds) - allowed)}")
        else:
            ensure(not kinds, f"{where} is {attribute['type']}, yet referenceTypes is {kinds!r}")


def _attribute(scim: Scim, urn: str, name: str) -> Json:
    return next((a for a in scim.read(f"/Schemas/{urn}")["attributes"] if a["name"] == name), {})


@requirement("7643-8.7.1-01")
def complex_attributes_are_not_unique(scim: Scim) -> None:
    """name, emails and addresses promise no uniqueness, and two users may have the same."""
    same: dict[str, Json] = {
        "name": sample(Fact("name", "complex", subs=(Fact("givenName"), Fact("familyName")))),
        "emails": [{"value": "ada@example.com", "type": "work"}],
        "addresses": [{"locality": "Zurich", "type": "work"}],
    }
    for name in same:
        attribute = _attribute(scim, CORE_USER, name)
        equal(attribute.get("type"), "complex", f"type of {name}")
        equal(attribute.get("uniqueness", "none"), "none", f"uniqueness of {name}")
    one, other = scim.user(**same), scim.user(**same)
    for name in same:
        equal(scim.read(f"/Users/{other['id']}").get(name), scim.read(f"/Users/{one['id']}").get(name), f"{name} of two users")


@requirement("7643-8.7.1-02")
def addresses_have_a_primary(scim: Scim) -> None:
    """An address can be marked primary, as the schema says."""
    subs = {sub["name"]: sub["type"] for sub in _attribute(scim, CORE_USER, "addresses").get("subAttributes", [])}
    equal(subs.get("primary"), "boolean", "type of addresses.primary")
    user = scim.user(addresses=[{"type": "home", "locality": "Bern"}, {"type": "work", "locality": "Zurich", "primary": True}])
    shown = {a["type"]: a.get("primary", False) for a in scim.read(f"/Users/{user['id']}")["addresses"]}
    equal(shown, {"home": False, "work": True}, "addresses.primary by type")


@requirement("7643-8.7.1-03")
def members_have_a_display(scim: Scim) -> None:
    """A group's members show the display name of the user behind each, as the schema says."""
    subs = {sub["name"] for sub in _attribute(scim, CORE_GROUP, "members").get("subAttributes", [])}
    ensure("display" in subs, "members has no sub-attribute display")
    user = scim.user(displayName="Ada Example")
    group = scim.group(user["id"])
    shown = scim.read(f"/Groups/{group['id']}")["members"]
    equal([(member["value"], member.get("display")) for member in shown], [(user["id"], "Ada Example")], "members")
