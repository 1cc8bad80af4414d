"""The search document: every searchable value under its folded name as its comparison key, and nothing secret or derived."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.schema.search import DISPLAY, display, search_document
from tests.unit.schema.support import CREW, LOG, boat, boat_schema


def test_names_are_folded_and_values_are_keys() -> None:
    """Names are in lower case; texts are folded unless case-exact; instants are in UTC; numbers and booleans stay."""
    document = boat(
        label="GULL",
        hull="ABC",
        externalId="Ext",
        afloat=True,
        masts=2,
        length=7.5,
        launched="2026-01-31T12:00:00+02:00",
        stamp="aGk=",
        plan="https://example.com/Plan",
        flags=["Red", "BLUE"],
        sails=[{"value": "JIB", "serial": "S1", "colours": ["Red"], "primary": True}],
        engine={"maker": "Ada & Ben"},
        log={"miles": 5, "trips": [{"to": "KIEL"}]},
        crew={"captain": "Ada"},
    )
    found = search_document(document, boat_schema())
    assert found.pop("schemas")
    assert found == {
        "externalid": "Ext",
        "label": "gull",
        "hull": "ABC",
        "afloat": True,
        "masts": 2,
        "length": 7.5,
        "launched": "2026-01-31T10:00:00.000Z",
        "stamp": "aGk=",
        "plan": "https://example.com/Plan",
        "flags": ["red", "blue"],
        "sails": [{"value": "jib", "serial": "S1", "colours": ["red"], "primary": True}],
        "engine": {"maker": "ada & ben"},
        LOG.lower(): {"miles": 5, "trips": [{"to": "kiel"}]},
        CREW.lower(): {"captain": "ada"},
    }


@pytest.mark.parametrize(
    "document",
    [
        boat(code="secret"),
        boat(id="other"),
        boat(meta={"created": "2026-01-31T12:00:00Z"}),
        boat(unknown="x"),
    ],
)
def test_left_out(document: dict[str, Any]) -> None:
    """What is never returned, is a column of the row, or is unknown to the schema cannot be searched here."""
    assert search_document(document, boat_schema()) == search_document(boat(), boat_schema())


def test_never_returned_parts_are_left_out() -> None:
    """So is a sub-attribute that is never returned."""
    found = search_document(boat(sails=[{"value": "jib", "weave": "tight"}]), boat_schema())
    assert found["sails"] == [{"value": "jib"}]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, None),
        ({"displayName": "Ada"}, "Ada"),
        ({"displayName": "Ada", "name": {"formatted": "Ms Ada"}}, "Ada"),
        ({"displayName": "", "name": {"formatted": "Ms Ada"}}, "Ms Ada"),
        ({"name": {"formatted": "Ms Ada"}}, "Ms Ada"),
        ({"name": {"givenName": "Ada"}}, None),
        ({"name": "Ada", "displayName": ["x"]}, None),
    ],
)
def test_display(document: dict[str, Any], text: str | None) -> None:
    """What stands for a resource where another refers to it: its displayName, else its formatted name; folded for search."""
    assert display(document) == text
    found = search_document({"schemas": []} | document, boat_schema()).get(DISPLAY)
    assert found == (None if text is None else text.lower())
