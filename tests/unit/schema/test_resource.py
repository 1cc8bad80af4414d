"""Whole bodies of POST and PUT: what is taken, what is ignored, where it goes, and what is refused (RFC 7643 §2, §3)."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind
from scimsrv.schema.policy import Policy
from scimsrv.schema.validate import Coercer, Draft
from tests.unit.schema.support import BOAT, CREW, LOG, boat_schema, refused

_STRICT = Policy(strict_attributes=True)
_DECLARED = Policy(strict_schemas=True)


def read(body: dict[str, Any], policy: Policy | None = None) -> Draft:
    """The draft that a body comes to."""
    return Coercer(policy or Policy()).resource(body, boat_schema())


@pytest.mark.parametrize(
    ("body", "document"),
    [
        ({"LABEL": "Gull", "schemas": [BOAT]}, {"label": "Gull"}),
        ({"label": "Gull", "externalID": "7"}, {"label": "Gull", "externalId": "7"}),
        ({"label": "Gull", "id": "mine", "meta": {"version": "x"}, "rating": "A"}, {"label": "Gull"}),
        ({"label": "Gull", "fleets": [{"value": "1"}]}, {"label": "Gull"}),
        ({"label": "Gull", "unknown": 1, "a.b": 2, "urn:x:y": {}}, {"label": "Gull"}),
        ({"label": "Gull", "nick": None, "flags": [], "engine": {}}, {"label": "Gull"}),
        ({"label": "Gull", "yard": "Kiel", "badge": "b"}, {"label": "Gull", "yard": "Kiel", "badge": "b"}),
        ({"label": "Gull", LOG: {"MILES": 5}}, {"label": "Gull", LOG: {"miles": 5}}),
        ({"label": "Gull", LOG.upper(): {"miles": 5}}, {"label": "Gull", LOG: {"miles": 5}}),
        ({"label": "Gull", LOG: None}, {"label": "Gull"}),
        ({"label": "Gull", LOG: {}}, {"label": "Gull"}),
        ({"label": "Gull", LOG: {"label": "x", "miles": None}}, {"label": "Gull"}),
        ({"label": "Gull", "captain": "Ada", f"{CREW}:captain": "Ada"}, {"label": "Gull"}),
        ({"label": "Gull", "engine.maker": "x", BOAT: {"nick": "x"}}, {"label": "Gull"}),
    ],
)
def test_document(body: dict[str, Any], document: dict[str, Any]) -> None:
    """Names are canonical; readOnly, derived, empty and unknown members are left out; extension data stays in its object."""
    found = read(body)
    assert found.document == document
    assert (found.links, found.secrets) == ({}, {})


def test_links_and_secrets_go_apart() -> None:
    """References become ids by attribute, secrets become plaintexts by attribute; neither is in the document."""
    found = read({"label": "Gull", "fleet": [{"value": "1"}, {"value": "2"}, {"value": "1"}], "code": "open sesame"})
    assert found == Draft({"label": "Gull"}, {"fleet": ("1", "2")}, {"code": "open sesame"})
    assert read({"fleet": None, "code": None}) == Draft({}, {"fleet": ()}, {})
    assert read({"fleet": []}).links == {"fleet": ()}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"label": 5}, "label must be a string"),
        ({"label": ["a", "b"]}, "label has a single value"),
        ({LOG: "x"}, f"{LOG} must be an object"),
        ({LOG: []}, f"{LOG} must be an object"),
        ({LOG: {"miles": "far"}}, f"{LOG}:miles must be an integer"),
        ({LOG: {"trips": [{"days": "3"}]}}, f"{LOG}:trips.days must be an integer"),
        ({"code": 5}, "code must be a string"),
        ({"fleet": {"value": "1"}}, "fleet is multi-valued"),
        ({"fleet": ["1"]}, "fleet must be an object"),
    ],
)
def test_values_that_do_not_fit(body: dict[str, Any], says: str) -> None:
    """A wrong value is refused by the attribute's full name."""
    with refused(Kind.INVALID_VALUE, says):
        read(body)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"unknown": None}, 'Boat has no attribute "unknown"'),
        ({"engine.maker": "x"}, 'Boat has no attribute "engine.maker"'),
        ({"captain": "Ada"}, 'Boat has no attribute "captain"'),
        ({BOAT: {}}, "Boat has no attribute"),
        ({LOG: {"label": "x"}}, f'{LOG} has no attribute "label"'),
        ({"engine": {"colour": "red"}}, 'engine has no sub-attribute "colour"'),
        ({"x" * 5000: 1}, "..."),
    ],
)
def test_unknown_names_are_errors_for_strict_tenants(body: dict[str, Any], says: str) -> None:
    """Where unknown attributes are errors, every depth of the body is checked; elsewhere they are ignored."""
    with refused(Kind.INVALID_SYNTAX, says):
        read(body, _STRICT)
    assert read(body).document == {}


def test_read_only_members_are_no_error_for_strict_tenants() -> None:
    """What a client repeats from a GET is ignored and no unknown attribute."""
    body = {"id": "1", "meta": {}, "rating": "A", "fleets": [], "engine": {"hours": 4}, "label": "Gull", "schemas": [BOAT]}
    assert read(body, _STRICT).document == {"label": "Gull"}


@pytest.mark.parametrize("schemas", ["x", {}, 5, [1], [None], [[BOAT]]], ids=repr)
def test_schemas_has_a_shape(schemas: Any) -> None:
    """`schemas` must be an array of texts wherever it is sent."""
    with refused(Kind.INVALID_SYNTAX, "schemas must be an array"):
        read({"schemas": schemas})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"label": "Gull"}, "schemas is required"),
        ({"schemas": None}, "schemas is required"),
        ({"schemas": []}, f"schemas must name {BOAT}"),
        ({"schemas": [LOG]}, f"schemas must name {BOAT}"),
        ({"schemas": [BOAT, "urn:x:y"]}, 'schemas names "urn:x:y", which Boat does not have'),
    ],
)
def test_schemas_is_checked_for_strict_tenants(body: dict[str, Any], says: str) -> None:
    """Missing and unknown URNs are errors where the policy demands `schemas`, and tolerated elsewhere."""
    with refused(Kind.INVALID_SYNTAX, says):
        read(body, _DECLARED)
    read(body)


@pytest.mark.parametrize("schemas", [[BOAT], [BOAT.upper()], [CREW, BOAT, LOG], [BOAT, BOAT]])
def test_schemas_that_are_right(schemas: list[str]) -> None:
    """The type's own URNs are accepted in any case and order, with or without data of theirs."""
    assert read({"SCHEMAS": schemas, "label": "Gull"}, _DECLARED).document == {"label": "Gull"}
