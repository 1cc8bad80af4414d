"""How names resolve in a resource type: case, URNs, the longest one, extensions (RFC 7644 §3.10)."""

from __future__ import annotations

import pytest

from scimsrv.schema.attribute import parse_attribute
from scimsrv.schema.effective import EffectiveSchema, Schema, is_read_only, parse_schema
from tests.unit.schema.support import BOAT, CREW, LOG, boat_schema


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("label", "label"),
        ("LABEL", "label"),
        ("externalid", "externalId"),
        ("meta.LASTMODIFIED", "meta.lastModified"),
        ("engine.maker", "engine.maker"),
        ("Engine.Maker", "engine.maker"),
        ("sails.primary", "sails.primary"),
        ("tender.$ref", "tender.$ref"),
        (f"{BOAT}:label", "label"),
        (f"{BOAT.upper()}:LABEL", "label"),
        (f"{BOAT}:engine.maker", "engine.maker"),
        (f"{BOAT}:id", "id"),
        (f"{BOAT}:meta.created", "meta.created"),
        (f"{LOG}:miles", f"{LOG}:miles"),
        (f"{LOG.upper()}:MILES", f"{LOG}:miles"),
        (f"{LOG}:trips.to", f"{LOG}:trips.to"),
        (f"{CREW}:captain", f"{CREW}:captain"),
        ("captain", f"{CREW}:captain"),
        ("miles", f"{LOG}:miles"),
        ("trips.days", f"{LOG}:trips.days"),
    ],
)
def test_resolves(name: str, canonical: str) -> None:
    """A name is found in any case, with and without URN, and is reported in the schema's own spelling."""
    schema = boat_schema()
    for _ in range(2):  # the second answer is a remembered one
        place = schema.resolve(name)
        assert place is not None
        assert place.name == canonical


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing",
        "label.value",
        "engine.colour",
        "engine.maker.name",
        "engine.",
        ".engine",
        "keeper",
        BOAT,
        LOG,
        f"{BOAT}:",
        f"{BOAT}:nothing",
        f"{LOG}:label",
        f"{LOG}:id",
        f"{CREW}:miles",
        f"{CREW}:captain.name",
        "urn:example:unknown:label",
        f"{BOAT}x:label",
        "la\u0130bel",
    ],
)
def test_does_not_resolve(name: str) -> None:
    """What no schema has means nothing; nor does a name that two extensions have, or a common attribute under an extension's URN."""
    assert boat_schema().resolve(name) is None


def test_the_longest_urn_decides() -> None:
    """An extension whose URN begins with the core schema's is preferred to a core attribute path that reads alike."""
    core = {"id": BOAT, "attributes": [{"name": "log", "type": "complex", "subAttributes": [{"name": "miles"}]}]}
    extension = {"id": f"{BOAT}:log", "attributes": [{"name": "miles"}]}
    schema = EffectiveSchema("Boat", "/Boats", (), parse_schema(core), ((parse_schema(extension), False),))
    inner, whole = schema.resolve(f"{BOAT}:log:miles"), schema.resolve(f"{BOAT}:log.miles")
    assert inner is not None
    assert inner.extension == f"{BOAT}:log"
    assert whole is not None
    assert (whole.extension, whole.sub is not None) == (None, True)


def test_core_goes_before_extensions_and_common_before_core() -> None:
    """An unqualified name means the common attribute, else the core's, else that of an extension."""
    common = (parse_attribute({"name": "a"}),)
    base = parse_schema({"id": "urn:x:core", "attributes": [{"name": "a", "type": "boolean"}, {"name": "b", "type": "boolean"}]})
    extension = parse_schema(
        {"id": "urn:x:ext", "attributes": [{"name": "a", "type": "integer"}, {"name": "b", "type": "integer"}, {"name": "c"}]}
    )
    schema = EffectiveSchema("T", "/Ts", common, base, ((extension, False),))
    found = {name: schema.resolve(name) for name in ("a", "b", "c", "urn:x:ext:a", "urn:x:core:b")}
    assert {name: place.attribute.type.value for name, place in found.items() if place} == {
        "a": "string",
        "b": "boolean",
        "c": "string",
        "urn:x:ext:a": "integer",
        "urn:x:core:b": "boolean",
    }


def test_names_that_clients_make_up_are_not_kept() -> None:
    """The memory of resolved names is bounded by the schema, not by what clients send."""
    schema = EffectiveSchema("T", "/Ts", (), Schema("urn:x:core", (parse_attribute({"name": "a"}),)))
    for number in range(50):
        assert schema.resolve(f"made-up-{number}") is None
    assert schema.resolve("A") is not None
    assert len(schema._cache) == 1


@pytest.mark.parametrize(
    ("urn", "found", "extension"),
    [(BOAT, True, False), (LOG.upper(), True, True), (CREW, True, True), ("urn:x", False, False), ("", False, False)],
)
def test_schemas_by_urn(urn: str, found: bool, extension: bool) -> None:
    """Schemas are found by URN in any case; the core schema is no extension."""
    assert (boat_schema().schema(urn) is not None) is found
    assert (boat_schema().extension(urn) is not None) is extension


def test_kinds_of_places() -> None:
    """Links, backlinks, pointers, unique attributes and secrets are told by characteristics, in extensions and sub-attributes too."""
    schema = boat_schema()
    assert [place.name for place in schema.links] == ["fleet"]
    assert [place.name for place in schema.backlinks] == ["fleets"]
    assert [place.name for place in schema.pointers] == ["tender"]
    assert [place.name for place in schema.unique] == ["label", "hull", "sails.serial"]
    assert [place.name for place in schema.secrets] == ["code"]
    assert list(schema.writable_links) == ["fleet"]
    assert not schema.served_as_stored


@pytest.mark.parametrize(
    ("name", "search_path", "whole", "read_only"),
    [
        ("engine.maker", ("engine",), "engine", False),
        ("engine.hours", ("engine",), "engine", True),
        (f"{LOG}:trips.to", (LOG.lower(), "trips"), f"{LOG}:trips", False),
        ("rating", ("rating",), "rating", True),
        ("meta.created", ("meta",), "meta", True),
        ("externalId", ("externalid",), "externalId", False),
    ],
)
def test_places(name: str, search_path: tuple[str, ...], whole: str, read_only: bool) -> None:
    """A place knows where it is searched, what holds it, and whether clients may write it."""
    place = boat_schema().resolve(name)
    assert place is not None
    assert (place.search_path, place.whole.name, is_read_only(place)) == (search_path, whole, read_only)
    assert place.key == place.name.lower()


def test_required_extensions() -> None:
    """Only extensions that the resource type marks are required."""
    assert boat_schema().required_extensions == ()
    assert [schema.urn for schema in boat_schema(crew_required=True).required_extensions] == [CREW]
