"""Attribute definitions are read with the defaults of RFC 7643 §7, and what kind an attribute is follows from its characteristics."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.schema.attribute import Mutability, Returned, Type, Uniqueness, fold_name, parse_attribute

_VALUE = {"name": "value"}
_DISPLAY = {"name": "display"}


def _ref(*types: str) -> dict[str, Any]:
    return {"name": "$ref", "type": "reference", "referenceTypes": list(types)}


def test_defaults_are_those_of_the_rfc() -> None:
    """A definition that only has a name is an optional, case-insensitive, readable and writable string."""
    found = parse_attribute({"name": "nickName"})
    assert (found.type, found.multi_valued, found.required, found.case_exact) == (Type.STRING, False, False, False)
    assert (found.mutability, found.returned, found.uniqueness) == (Mutability.READ_WRITE, Returned.DEFAULT, Uniqueness.NONE)
    assert (found.canonical_values, found.reference_types, found.sub_attributes) == ((), (), ())


def test_every_characteristic_is_read() -> None:
    """Whatever a definition states is what the attribute has."""
    found = parse_attribute(
        {
            "name": "X",
            "type": "complex",
            "multiValued": True,
            "required": True,
            "caseExact": True,
            "mutability": "writeOnly",
            "returned": "request",
            "uniqueness": "global",
            "canonicalValues": ["a", "b"],
            "referenceTypes": ["User"],
            "subAttributes": [{"name": "y", "type": "decimal"}],
        }
    )
    assert (found.type, found.multi_valued, found.required, found.case_exact) == (Type.COMPLEX, True, True, True)
    assert (found.mutability, found.returned, found.uniqueness) == (Mutability.WRITE_ONLY, Returned.REQUEST, Uniqueness.GLOBAL)
    assert (found.canonical_values, found.reference_types) == (("a", "b"), ("User",))
    assert [(sub.name, sub.type) for sub in found.sub_attributes] == [("y", Type.DECIMAL)]


@pytest.mark.parametrize("type_", list(Type))
def test_case_exactness_by_type(type_: Type) -> None:
    """References and binary values are case-exact unless the definition says otherwise; other types are not."""
    assert parse_attribute({"name": "x", "type": type_.value}).case_exact is (type_ in (Type.REFERENCE, Type.BINARY))
    assert parse_attribute({"name": "x", "type": type_.value, "caseExact": False}).case_exact is False
    assert parse_attribute({"name": "x", "type": type_.value, "caseExact": True}).case_exact is True


@pytest.mark.parametrize("unknown", [{"type": "text"}, {"mutability": "sometimes"}, {"returned": "maybe"}, {"uniqueness": "tenant"}])
def test_unknown_characteristics_are_refused(unknown: dict[str, str]) -> None:
    """A characteristic with a value that RFC 7643 does not have cannot be read."""
    with pytest.raises(ValueError, match=next(iter(unknown.values()))):
        parse_attribute({"name": "x"} | unknown)


def test_names_are_compared_without_case() -> None:
    """Sub-attributes are found in any case, and others are not found."""
    found = parse_attribute({"name": "X", "type": "complex", "subAttributes": [{"name": "givenName"}, {"name": "$ref"}]})
    assert found.key == fold_name("x") == "x"
    for spelling in ("givenName", "GIVENNAME", "givenname", "$REF"):
        assert found.sub(spelling) is not None
    assert found.sub("given") is None


@pytest.mark.parametrize(
    ("definition", "primary", "value"),
    [
        ({"multiValued": True, "subAttributes": [{"name": "primary", "type": "boolean"}, _VALUE]}, True, True),
        ({"multiValued": True, "subAttributes": [{"name": "Primary", "type": "boolean"}]}, True, False),
        ({"multiValued": False, "subAttributes": [{"name": "primary", "type": "boolean"}, _VALUE]}, False, True),
        ({"multiValued": True, "subAttributes": [{"name": "primary", "type": "string"}]}, False, False),
    ],
)
def test_primary_and_value(definition: dict[str, Any], primary: bool, value: bool) -> None:
    """`primary` counts where it is boolean and the attribute multi-valued; `value` stands for a complex attribute."""
    found = parse_attribute({"name": "x", "type": "complex"} | definition)
    assert (found.primary_part is not None, found.value_part is not None) == (primary, value)


@pytest.mark.parametrize(
    ("case", "definition", "expected"),
    [
        ("members", {"multiValued": True, "subAttributes": [_VALUE, _ref("User", "Group"), _DISPLAY]}, (True, False, ("User", "Group"))),
        ("groups", {"multiValued": True, "mutability": "readOnly", "subAttributes": [_VALUE, _ref("Group")]}, (False, True, ("Group",))),
        ("manager", {"multiValued": False, "subAttributes": [_VALUE, _ref("User"), _DISPLAY]}, (False, False, ("User",))),
        ("photos", {"multiValued": True, "subAttributes": [_VALUE, _ref("external")]}, (False, False, ())),
        ("uris too", {"multiValued": True, "subAttributes": [_VALUE, _ref("uri", "User")]}, (True, False, ("User",))),
        ("no value", {"multiValued": True, "subAttributes": [_ref("User")]}, (False, False, ())),
        ("more parts", {"multiValued": True, "subAttributes": [_VALUE, _ref("User"), {"name": "since"}]}, (False, False, ("User",))),
    ],
)
def test_what_is_kept_as_rows(case: str, definition: dict[str, Any], expected: tuple[bool, bool, tuple[str, ...]]) -> None:
    """Multi-valued references with nothing else to store are links, or backlinks when clients cannot write them; no name matters."""
    found = parse_attribute({"name": case, "type": "complex"} | definition)
    assert (found.is_link, found.is_backlink, found.resource_types) == expected
