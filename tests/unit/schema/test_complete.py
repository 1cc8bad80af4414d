"""What a resource must have before it is stored: required values, one primary, short keys, computed `schemas`."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind
from scimsrv.limits import Limits
from scimsrv.schema.attribute import parse_attribute
from scimsrv.schema.effective import EffectiveSchema, parse_schema
from scimsrv.schema.validate import complete, keys
from tests.unit.schema.support import BOAT, CREW, LOG, boat, boat_schema, refused


@pytest.mark.parametrize(
    ("document", "schemas"),
    [
        ({"label": "Gull"}, [BOAT]),
        ({"label": "Gull", "schemas": ["urn:x", LOG]}, [BOAT]),
        ({"label": "Gull", CREW: {"captain": "Ada"}, LOG: {"miles": 1}}, [BOAT, LOG, CREW]),
    ],
)
def test_schemas_follow_the_data(document: dict[str, Any], schemas: list[str]) -> None:
    """`schemas` comes first and names the core schema and those extensions that have data, in the order of the type."""
    found = complete(document, boat_schema())
    assert next(iter(found)) == "schemas"
    assert found["schemas"] == schemas
    assert {name: value for name, value in found.items() if name != "schemas"} == {
        name: value for name, value in document.items() if name != "schemas"
    }


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "label is required"),
        ({"label": ""}, "label must not be empty"),
        ({"label": "Gull", LOG: {"keeper": "Ben"}}, f"{LOG}:miles is required"),
        ({"label": "Gull", "sails": [{"area": 5}]}, "sails.value is required"),
        ({"label": "Gull", "sails": [{"value": "jib"}, {"value": ""}]}, "sails.value is required"),
        ({"label": "Gull", "sails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]}, "only one primary"),
    ],
)
def test_what_is_missing_is_named(document: dict[str, Any], says: str) -> None:
    """Required attributes, those of an extension that is there, and required sub-attributes must have a value; one primary is enough."""
    with refused(Kind.INVALID_VALUE, says):
        complete(document, boat_schema())


@pytest.mark.parametrize(
    "document",
    [
        {"label": "Gull"},
        {"label": "Gull", CREW: {"captain": "Ada"}},
        {"label": "Gull", "sails": [{"value": "a", "primary": True}, {"value": "b", "primary": False}, {"value": "c"}]},
    ],
)
def test_what_may_be_missing(document: dict[str, Any]) -> None:
    """What an absent extension requires is not required; nor is any value primary."""
    assert complete(document, boat_schema())["label"] == "Gull"


def test_a_required_extension_must_be_there() -> None:
    """A resource type may demand an extension."""
    with refused(Kind.INVALID_VALUE, f"{CREW} is required"):
        complete(boat(), boat_schema(crew_required=True))
    assert complete(boat(crew={"captain": "Ada"}), boat_schema(crew_required=True))["schemas"] == [BOAT, CREW]


@pytest.mark.parametrize("definition", [{"mutability": "readOnly"}, {"returned": "never"}])
def test_what_the_document_cannot_have_is_not_demanded_of_it(definition: dict[str, str]) -> None:
    """A required attribute that the server makes, or keeps apart as a secret, is not looked for in the document."""
    base = parse_schema({"id": "urn:x:core", "attributes": [{"name": "made", "required": True} | definition]})
    assert complete({}, EffectiveSchema("T", "/Ts", (parse_attribute({"name": "id"}),), base)) == {"schemas": ["urn:x:core"]}


@pytest.mark.parametrize("name", ["label", "hull"])
@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("x" * 256, True),
        ("x" * 257, False),
        ("語" * 256, True),
        ("語" * 257, False),
        ("語" * 3000, False),
        ("𝒳" * 256, True),
        ("a\tb", False),
        ("a\nb", False),
        ("a\u0001b", False),
        ("a b", True),
    ],
)
def test_unique_keys_are_short(name: str, text: str, fits: bool) -> None:
    """A unique text has at most 256 characters and 1,024 bytes, and no control characters."""
    document = boat(**{name: text})
    if fits:
        assert complete(document, boat_schema())[name] == text
    else:
        with refused(Kind.INVALID_VALUE, name):
            complete(document, boat_schema())


def test_the_folded_key_is_measured() -> None:
    """A text that grows when it is folded is measured by what is stored as its key; sub-attributes are measured as well."""
    assert complete(boat(label="ß" * 128), boat_schema())
    with refused(Kind.INVALID_VALUE, "label is longer than 256 characters"):
        complete(boat(label="ß" * 129), boat_schema())
    with refused(Kind.INVALID_VALUE, "sails.serial is longer than 4 characters"):
        complete(boat(sails=[{"value": "jib", "serial": "12345"}]), boat_schema(), Limits(key_length=4))
    with refused(Kind.INVALID_VALUE, "label"):
        complete(boat(label="語" * 4), boat_schema(), Limits(key_bytes=11))


@pytest.mark.parametrize(
    ("document", "name", "expected"),
    [
        (boat(label="GULL"), "label", ["gull"]),
        (boat(hull="GULL"), "hull", ["GULL"]),
        (boat(hull=""), "hull", []),
        (boat(), "hull", []),
        (boat(sails=[{"value": "a", "serial": "S1"}, {"value": "b"}, {"value": "c", "serial": "S2"}]), "sails.serial", ["S1", "S2"]),
        (boat(depths=[1, 2]), "depths", ["1", "2"]),
    ],
)
def test_keys_of_a_place(document: dict[str, Any], name: str, expected: list[str]) -> None:
    """Every value has a key under the attribute's own rule; absent and empty values have none."""
    place = boat_schema().resolve(name)
    assert place is not None
    assert keys(document, place) == expected
