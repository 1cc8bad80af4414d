"""Which attributes an answer shows: a table over `returned`, attributes, excludedAttributes, sub-attributes and extensions."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.project import EVERYTHING, Projection, project, view
from tests.schemas import group_schema, user_schema
from tests.unit.schema.support import BOAT, CREW, LOG, boat, boat_schema

_SAIL = {"value": "jib", "area": 3, "maker": "Ada", "weave": "x"}
DOCUMENT = boat(
    nick="G",
    badge="B7",
    history="long",
    sails=[_SAIL, {"value": "main"}],
    engine={"maker": "M", "fuel": "none"},
    deck={"wood": "teak", "age": 9},
    mast={"wood": "pine", "height": 12},
    log={"miles": 5, "secretary": "Ben", "seal": "S", "trips": [{"to": "Kiel", "days": 2}]},
    crew={"captain": "Ada"},
    meta={"resourceType": "Boat", "version": "W/1"},
)
#: What is shown whatever the client asks for.
ALWAYS = {"schemas": DOCUMENT["schemas"], "id": "b-1", "badge": "B7", "mast": DOCUMENT["mast"], LOG: {"seal": "S"}}


def shown(attributes: str = "", without: str = "") -> dict[str, Any]:
    """The part of the boat that an answer to these parameters has."""
    only = frozenset(name.lower() for name in attributes.split()) or None
    return project(DOCUMENT, boat_schema(), view(Projection(only, frozenset(without.lower().split())), boat_schema()))


def test_without_parameters() -> None:
    """Shown is what is returned always or by default, at every depth; `request` and `never` are not."""
    assert shown() == ALWAYS | {
        "label": "Gull",
        "nick": "G",
        "sails": [{"value": "jib", "area": 3}, {"value": "main"}],
        "engine": {"maker": "M", "fuel": "none"},
        LOG: {"miles": 5, "seal": "S", "trips": [{"to": "Kiel", "days": 2}]},
        CREW: {"captain": "Ada"},
        "meta": {"resourceType": "Boat", "version": "W/1"},
    }


@pytest.mark.parametrize(
    ("attributes", "more"),
    [
        ("nothing", {}),
        ("label", {"label": "Gull"}),
        ("LABEL nick nothing", {"label": "Gull", "nick": "G"}),
        (f"{BOAT}:label", {"label": "Gull"}),
        ("id schemas badge", {}),
        ("history", {"history": "long"}),
        ("deck", {"deck": {"wood": "teak", "age": 9}}),
        ("deck.wood", {"deck": {"wood": "teak"}}),
        ("mast.wood", {"mast": {"wood": "pine"}}),
        ("mast mast.wood", {}),
        ("engine", {"engine": {"maker": "M", "fuel": "none"}}),
        ("engine.fuel", {"engine": {"fuel": "none"}}),
        ("engine.number", {}),
        ("sails", {"sails": [{"value": "jib", "area": 3}, {"value": "main"}]}),
        ("sails.value", {"sails": [{"value": "jib", "area": 3}, {"value": "main"}]}),
        ("sails.maker", {"sails": [{"area": 3, "maker": "Ada"}]}),
        ("sails sails.maker", {"sails": [{"value": "jib", "area": 3, "maker": "Ada"}, {"value": "main"}]}),
        ("sails.weave", {"sails": [{"area": 3}]}),
        ("code", {}),
        (f"{LOG}:miles", {LOG: {"miles": 5, "seal": "S"}}),
        ("miles", {LOG: {"miles": 5, "seal": "S"}}),
        (f"{LOG}:secretary", {LOG: {"secretary": "Ben", "seal": "S"}}),
        (f"{LOG}:trips.to", {LOG: {"seal": "S", "trips": [{"to": "Kiel"}]}}),
        (LOG, {LOG: {"miles": 5, "secretary": "Ben", "seal": "S", "trips": [{"to": "Kiel", "days": 2}]}}),
        (CREW, {CREW: {"captain": "Ada"}}),
        ("captain", {CREW: {"captain": "Ada"}}),
        ("keeper", {}),
        ("meta", {"meta": {"resourceType": "Boat", "version": "W/1"}}),
        ("meta.version", {"meta": {"version": "W/1"}}),
        ("label.value", {}),
    ],
)
def test_attributes(attributes: str, more: dict[str, Any]) -> None:
    """`attributes` shows what it names beside what is returned always; unknown and never-returned names show nothing."""
    assert shown(attributes) == ALWAYS | more


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ("nothing", {}),
        ("nick", {"nick": None}),
        ("NICK label", {"nick": None, "label": None}),
        ("id schemas badge mast", {}),
        ("mast.wood", {"mast": {"height": 12}}),
        ("sails", {"sails": None}),
        ("sails.value", {"sails": [{"area": 3}]}),
        ("sails.area", {}),
        ("sails.value sails.area", {"sails": [{"area": 3}]}),
        ("engine.maker", {"engine": {"fuel": "none"}}),
        ("engine.maker engine.fuel", {"engine": None}),
        ("meta.version", {"meta": {"resourceType": "Boat"}}),
        ("meta", {"meta": None}),
        (f"{LOG}:miles", {LOG: {"seal": "S", "trips": [{"to": "Kiel", "days": 2}]}}),
        (LOG, {LOG: {"seal": "S"}}),
        (f"{LOG}:trips.days", {LOG: {"miles": 5, "seal": "S", "trips": [{"to": "Kiel"}]}}),
        (CREW, {CREW: None}),
        (f"{CREW}:captain", {CREW: None}),
        ("history", {}),
    ],
)
def test_excluded_attributes(without: str, expected: dict[str, Any]) -> None:
    """`excludedAttributes` hides what it names except what is returned always; what is left empty goes as well."""
    assert shown(without=without) == {name: value for name, value in (shown() | expected).items() if value is not None}


def test_the_core_urn_names_the_core_schema() -> None:
    """The URN of the core schema stands for its attributes, not for the common ones or for extensions."""
    found = shown(without=BOAT)
    assert set(found) == {"schemas", "id", "badge", "mast", LOG, CREW, "meta"}
    assert set(shown(BOAT)) == {"schemas", "id", "label", "nick", "badge", "history", "sails", "engine", "deck", "mast", LOG}


def test_order_is_that_of_the_document() -> None:
    """A projection keeps the order of attributes."""
    assert list(shown()) == [name for name in DOCUMENT if name not in ("history", "deck")]


@pytest.mark.parametrize(
    ("schema", "projection", "as_stored"),
    [
        (user_schema(), EVERYTHING, True),
        (user_schema(), Projection(None, frozenset({"groups"})), True),
        (user_schema(), Projection(None, frozenset({"nothing"})), True),
        (user_schema(), Projection(None, frozenset({"title"})), False),
        (user_schema(), Projection(frozenset({"groups"})), False),
        (group_schema(), Projection(None, frozenset({"members"})), True),
        (group_schema(), Projection(None, frozenset({"members.display"})), False),
        (boat_schema(), EVERYTHING, False),
    ],
)
def test_what_can_be_served_unparsed(schema: EffectiveSchema, projection: Projection, as_stored: bool) -> None:
    """The stored text is served as it is only when nothing in it has to be hidden."""
    assert view(projection, schema).as_stored is as_stored
