"""PUT: what the client sent replaces the resource, except for what it may not change and what it need not repeat (RFC 7644 §3.5.1)."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind
from scimsrv.schema.policy import Policy
from scimsrv.schema.replacement import replaced, with_defaults
from scimsrv.schema.validate import Coercer
from tests.schemas import CORE_USER, user_schema
from tests.unit.schema.support import BOAT, CREW, LOG, boat, boat_schema, refused


def put(body: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """The document after a PUT of the body."""
    draft = Coercer(Policy()).resource(body, boat_schema())
    return replaced(draft.document, body, stored, boat_schema(), Policy())


@pytest.mark.parametrize(
    ("stored", "body", "expected"),
    [
        (boat(nick="G", masts=2), {"label": "Tern"}, boat(label="Tern")),
        (boat(nick="G"), {"label": "Gull", "nick": None}, boat()),
        (boat(flags=["a"]), {"label": "Gull", "flags": []}, boat()),
        (boat(), {"label": "Gull", "id": "mine", "rating": "A"}, boat()),
        (boat(rating="A"), {"label": "Gull"}, boat(rating="A")),
        (boat(rating="A"), {"label": "Gull", "rating": "B"}, boat(rating="A")),
        (boat(yard="Kiel"), {"label": "Gull"}, boat(yard="Kiel")),
        (boat(yard="Kiel"), {"label": "Gull", "yard": None}, boat(yard="Kiel")),
        (boat(yard="Kiel"), {"label": "Gull", "yard": "KIEL"}, boat(yard="KIEL")),
        (boat(), {"label": "Gull", "yard": "Kiel"}, boat(yard="Kiel")),
        (boat(ports=["a", "b"]), {"label": "Gull", "ports": ["a", "b"]}, boat(ports=["a", "b"])),
        (boat(log={"miles": 5}), {"label": "Gull"}, {key: value for key, value in boat(log={}).items() if key != LOG}),
        (
            boat(engine={"maker": "M", "number": "7"}),
            {"label": "Gull", "engine": {"maker": "N"}},
            boat(engine={"maker": "N", "number": "7"}),
        ),
        (boat(engine={"maker": "M", "number": "7"}), {"label": "Gull"}, boat()),
        (boat(engine={"maker": "M"}), {"label": "Gull", "engine": {"number": "7"}}, boat(engine={"number": "7"})),
        (boat(sails=[{"value": "a"}, {"value": "b"}]), {"label": "Gull", "sails": [{"value": "c"}]}, boat(sails=[{"value": "c"}])),
    ],
)
def test_replaced(stored: dict[str, Any], body: dict[str, Any], expected: dict[str, Any]) -> None:
    """readWrite attributes are cleared when they are left out; readOnly and unsent immutable ones are kept."""
    assert put(body, stored) == expected


@pytest.mark.parametrize(
    ("stored", "body", "says"),
    [
        (boat(yard="Kiel"), {"label": "Gull", "yard": "Bonn"}, "yard is immutable"),
        (boat(ports=["a", "b"]), {"label": "Gull", "ports": ["a"]}, "ports is immutable"),
        (boat(ports=["a", "b"]), {"label": "Gull", "ports": ["b", "a"]}, "ports is immutable"),
        (boat(engine={"number": "7"}), {"label": "Gull", "engine": {"number": "8"}}, "engine.number is immutable"),
    ],
)
def test_immutable(stored: dict[str, Any], body: dict[str, Any], says: str) -> None:
    """Another value for what is immutable is refused, at both depths."""
    with refused(Kind.MUTABILITY, says):
        put(body, stored)


@pytest.mark.parametrize(
    ("stored", "body", "keeps", "active"),
    [
        ({"active": False}, {}, True, False),
        ({"active": False}, {}, False, True),
        ({"active": True}, {}, True, True),
        ({"active": False}, {"ACTIVE": True}, True, True),
        ({"active": True}, {"active": False}, False, False),
        ({"active": True}, {"active": None}, True, None),
        ({}, {}, True, None),
        ({}, {}, False, True),
    ],
)
def test_active(stored: dict[str, Any], body: dict[str, Any], keeps: bool, active: bool | None) -> None:
    """Whether a PUT that does not name `active` keeps it or sets the default is the tenant's choice."""
    schema = user_schema()
    policy = Policy(put_keeps_omitted_active=keeps)
    sent = Coercer(policy).resource({"userName": "ada"} | body, schema).document
    found = replaced(sent, {"userName": "ada"} | body, {"schemas": [CORE_USER], "id": "1", "userName": "ada"} | stored, schema, policy)
    assert found.get("active") is active


def test_defaults_on_creation() -> None:
    """A new user is active unless the client says otherwise; null leaves it unassigned; other types have no defaults."""
    assert with_defaults({}, {}, user_schema()) == {"active": True}
    assert with_defaults({"active": False}, {"Active": False}, user_schema()) == {"active": False}
    assert with_defaults({}, {"active": None}, user_schema()) == {}
    assert with_defaults({}, {}, boat_schema()) == {}


def test_extension_schemas_are_spelled_as_stored() -> None:
    """The stored `schemas` is what is completed later, whatever the body lists."""
    body = {"schemas": [BOAT, CREW], "label": "Gull", CREW: {"captain": "Ada"}}
    assert put(body, boat())["schemas"] == [BOAT]
