"""What a change of definitions means for resources: every difference has its effect and its checks, and a check judges one document."""

from __future__ import annotations

from typing import Any, Final

import pytest

from scimsrv.errors import Kind
from scimsrv.limits import DEFAULT
from scimsrv.schema.attribute import parse_attribute
from scimsrv.schema.conforming import offends
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.effective import EffectiveSchema, parse_schema
from scimsrv.schema.evolution import Absent, Carries, Compares, Distinct, Effect, Fits, Present, Refers, SetAside, Unused, compare
from scimsrv.schema.redefinition import Subject, redefine
from tests.store.support import core_catalog
from tests.unit.schema.support import BOAT, BOAT_DEFINITION, CREW, CREW_DEFINITION, LOG, LOG_DEFINITION, refused

W, T, B = Effect.WIDENING, Effect.TIGHTENING, Effect.BREAKING


def boats(*, extensions: tuple[tuple[dict[str, Any], bool], ...] = ((LOG_DEFINITION, False),), **changed: Any) -> EffectiveSchema:
    """Boats with some attributes defined otherwise: by name, the members that differ, None for one that is gone."""
    attributes = [
        one | (changed.get(one["name"]) or {}) for one in BOAT_DEFINITION["attributes"] if changed.get(one["name"], {}) is not None
    ]
    known = {one["name"] for one in attributes}
    attributes += [{"name": name} | members for name, members in changed.items() if members is not None and name not in known]
    return EffectiveSchema(
        name="Boat",
        endpoint="/Boats",
        common=tuple(map(parse_attribute, load_definitions().common)),
        base=parse_schema({"id": BOAT, "attributes": attributes}),
        extensions=tuple((parse_schema(definition), required) for definition, required in extensions),
    )


def _subs(name: str, **changed: Any) -> dict[str, Any]:
    """A complex attribute of boats with some of its parts defined otherwise."""
    found = next(one for one in BOAT_DEFINITION["attributes"] if one["name"] == name)["subAttributes"]
    kept = [one | (changed.get(one["name"]) or {}) for one in found if changed.get(one["name"], {}) is not None]
    known = {one["name"] for one in found}
    return {"subAttributes": kept + [{"name": new} | members for new, members in changed.items() if new not in known]}


_CHANGES: Final[list[tuple[dict[str, Any], str, str, Effect, tuple[type, ...]]]] = [
    ({"colour": {}}, "colour", "name", W, ()),
    ({"colour": {"required": True}}, "colour", "name", T, (Present,)),
    ({"colour": {"required": True, "mutability": "readOnly"}}, "colour", "name", W, ()),
    ({"crew": _subs("fleet") | {"type": "complex", "multiValued": True}}, "crew", "referenceTypes", W, (Refers,)),
    ({"nick": None}, "nick", "name", B, (SetAside,)),
    ({"nick": {"required": True}}, "nick", "required", T, (Present,)),
    ({"label": {"required": False}}, "label", "required", W, ()),
    ({"nick": {"type": "integer", "required": True}}, "nick", "required", T, (Present,)),
    ({"nick": {"multiValued": True, "required": True}}, "nick", "required", T, (Present,)),
    ({"label": {"required": True, "mutability": "readOnly"}}, "label", "mutability", W, ()),
    ({"nick": {"uniqueness": "server"}}, "nick", "uniqueness", T, (Compares, Fits, Distinct)),
    ({"label": {"uniqueness": "none"}}, "label", "uniqueness", W, (Compares,)),
    (
        {"nick": {"uniqueness": "server", "type": "reference", "referenceTypes": ["uri"]}},
        "nick",
        "uniqueness",
        T,
        (Compares, Fits, Distinct),
    ),
    ({"nick": {"caseExact": True}}, "nick", "caseExact", B, (Compares,)),
    ({"hull": {"caseExact": False}}, "hull", "caseExact", B, (Compares,)),
    ({"length": {"type": "integer"}}, "length", "type", B, (Fits, Compares)),
    ({"masts": {"type": "decimal"}}, "masts", "type", W, (Fits, Compares)),
    ({"nick": {"type": "dateTime"}}, "nick", "type", B, (Fits, Compares)),
    ({"nick": {"type": "integer"}}, "nick", "type", B, (Absent,)),
    ({"nick": {"multiValued": True}}, "nick", "type", B, (Absent,)),
    ({"flags": {"multiValued": False}}, "flags", "type", B, (Absent,)),
    ({"code": {"returned": "default"}}, "code", "type", B, (Absent,)),
    ({"fleet": {"mutability": "readOnly"}}, "fleet", "type", B, (Absent,)),
    ({"nick": {"canonicalValues": ["a"]}}, "nick", "canonicalValues", W, ()),
    ({"nick": {"canonicalValues": ["a"], "canonicalValuesEnforced": True}}, "nick", "canonicalValues", T, (Fits,)),
    ({"nick": {"mutability": "immutable"}}, "nick", "mutability", W, ()),
    ({"nick": {"returned": "request"}}, "nick", "returned", W, ()),
    ({"nick": {"indexed": True}}, "nick", "indexed", W, ()),
    ({"sails": _subs("sails", maker=None)}, "sails.maker", "name", B, (SetAside,)),
    ({"sails": _subs("sails", cloth={"required": True})}, "sails.cloth", "name", T, (Present,)),
    ({"sails": _subs("sails", cloth={})}, "sails.cloth", "name", W, ()),
    ({"sails": _subs("sails", area={"type": "integer"})}, "sails.area", "type", B, (Fits, Compares)),
    ({"sails": _subs("sails", area={"type": "string"})}, "sails.area", "type", B, (Absent,)),
    ({"sails": _subs("sails", area={"type": "string", "required": True})}, "sails.area", "required", T, (Present,)),
    ({"fleet": _subs("fleet", **{"$ref": {"referenceTypes": ["User"]}})}, "fleet", "referenceTypes", T, (Refers,)),
    ({"fleet": _subs("fleet", **{"$ref": {"referenceTypes": ["Boat", "User"]}})}, "fleet", "referenceTypes", W, ()),
    ({"tender": _subs("tender", **{"$ref": {"referenceTypes": ["User"]}})}, "tender", "referenceTypes", T, (Refers,)),
    ({"extensions": ()}, f"{LOG}:miles", "name", B, (SetAside,)),
    ({"extensions": ((LOG_DEFINITION, True),)}, LOG, "required", T, (Carries,)),
    ({"extensions": ((LOG_DEFINITION, False), (CREW_DEFINITION, False))}, CREW, "schemaExtensions", W, ()),
    ({"extensions": ((LOG_DEFINITION, False), (CREW_DEFINITION, True))}, CREW, "required", T, (Carries,)),
]


@pytest.mark.parametrize(("changed", "path", "member", "effect", "checks"), _CHANGES)
def test_each_difference(changed: dict[str, Any], path: str, member: str, effect: Effect, checks: tuple[type, ...]) -> None:
    """A difference is found by its path, with its effect and what has to hold of stored resources."""
    found = {(one.path, one.member): one for one in compare(boats(), boats(**changed))}
    one = found.pop((path, member))
    assert (one.effect, tuple(type(check) for check in one.checks)) == (effect, checks)
    others = {(other.effect, *(type(check) for check in other.checks)) for other in found.values()}
    assert others <= ({(B, SetAside)} if changed.get("extensions") == () else {(W,), (B, Fits, Compares), (B, Absent)})


def test_a_readonly_attribute_that_clients_have_to_give() -> None:
    """What is required of clients once it is not readOnly any more is looked for, though `required` says the same as before."""
    given = {"required": True, "mutability": "readOnly"}
    for one, other in (
        ({"nick": given}, {"nick": {"required": True}}),
        ({"sails": _subs("sails", area=given)}, {"sails": _subs("sails", area={"required": True})}),
    ):
        checks = [
            (change.member, change.effect, type(check)) for change in compare(boats(**one), boats(**other)) for check in change.checks
        ]
        assert checks == [("required", T, Present)]


@pytest.mark.parametrize("word", [True, "substring"])
def test_indexed_is_said_as_in_definitions(word: object) -> None:
    """A difference shows `indexed` in the words of definitions."""
    (change,) = compare(boats(), boats(nick={"indexed": word}))
    assert (change.member, change.old, change.new) == ("indexed", False, word)


def test_no_difference() -> None:
    """A definition that says the same in other words changes nothing."""
    assert compare(boats(), boats(nick={"description": "Another.", "type": "string"})) == []


@pytest.mark.parametrize("changed", [{"nick": None, "Nick": {}}, {"engine": _subs("engine", maker=None, Maker={})}])
def test_the_spelling_of_a_name_stays(changed: dict[str, Any]) -> None:
    """Names are compared without case, and stored as they were first spelled."""
    with refused(Kind.MUTABILITY, "spelling"):
        compare(boats(), boats(**changed))


_LONGER_LOG: Final[dict[str, Any]] = LOG_DEFINITION | {"attributes": [*LOG_DEFINITION["attributes"], {"name": "x", "required": True}]}


def _judged(changed: dict[str, Any], *documents: dict[str, Any], elsewhere: dict[str, frozenset[str]] | None = None) -> list[bool]:
    """Which of the documents offend any check of the change."""
    checks = [check for one in compare(boats(), boats(**changed)) for check in one.checks]
    assert checks
    return [any(offends(check, {"id": "b-1"} | document, elsewhere or {}, DEFAULT) for check in checks) for document in documents]


@pytest.mark.parametrize(
    ("changed", "bears", "offending"),
    [
        ({"nick": {"required": True}}, [{"nick": "x"}], [{}, {"nick": ""}]),
        ({"sails": _subs("sails", cloth={"required": True})}, [{}, {"sails": [{"cloth": "x"}]}], [{"sails": [{"cloth": "x"}, {}]}]),
        ({"extensions": ((_LONGER_LOG, False),)}, [{}, {LOG: {"x": "1"}}], [{LOG: {"miles": 1}}]),
        ({"extensions": ((LOG_DEFINITION, True),)}, [{LOG: {"miles": 1}}], [{}]),
        ({"length": {"type": "integer"}}, [{}, {"length": 3}, {"length": 3.0}], [{"length": 3.5}, {"length": 1e300}]),
        ({"nick": {"type": "binary", "caseExact": False}}, [{"nick": "aGVsbG8="}], [{"nick": "é"}]),
        ({"nick": {"caseExact": True}}, [{"nick": "abc"}, {"nick": "1-2"}], [{"nick": "Abc"}, {"nick": "ß"}]),
        ({"hull": {"caseExact": False}}, [{"hull": "abc"}], [{"hull": "Abc"}]),
        ({"nick": {"uniqueness": "server"}}, [{"nick": "Abc"}, {"nick": ""}], [{"nick": "x" * 257}, {"nick": "a\x07"}, {"nick": "Ａ"}]),
        ({"label": {"uniqueness": "none"}}, [{"label": "Abc"}], [{"label": "Ａ"}]),
        ({"nick": {"canonicalValues": ["On"], "canonicalValuesEnforced": True}}, [{}, {"nick": "ON"}], [{"nick": "off"}]),
        ({"nick": {"type": "integer"}}, [{}], [{"nick": "5"}]),
        ({"sails": _subs("sails", area={"type": "string"})}, [{"sails": [{"value": "x"}]}], [{"sails": [{"value": "x"}, {"area": 1}]}]),
    ],
)  # fmt: skip
def test_each_check_judges_a_document(changed: dict[str, Any], bears: list[dict[str, Any]], offending: list[dict[str, Any]]) -> None:
    """A document bears a change or offends it, by the values that it has and by those that it lacks."""
    assert _judged(changed, *bears) == [False] * len(bears)
    assert _judged(changed, *offending) == [True] * len(offending)


def test_values_kept_elsewhere() -> None:
    """References and hashes are not in the document: whether a resource has them is said beside it."""
    for changed, key in (({"code": {"required": True}}, "code"), ({"fleet": {"required": True}}, "fleet")):
        assert _judged(changed, {}, elsewhere={key: frozenset({"b-1"})}) == [False]
        assert _judged(changed, {}, elsewhere={key: frozenset({"b-2"})}) == [True]


def test_a_type_that_goes_must_be_unused() -> None:
    """The deletion of a type, another endpoint and another base schema demand that there is no resource."""
    catalog = core_catalog()
    user = dict(catalog.resource_types["user"])
    for body in (
        None,
        user | {"endpoint": "/People"},
        user | {"schema": BOAT.replace(BOAT, "urn:ietf:params:scim:schemas:core:2.0:Group")},
    ):
        change = redefine(catalog, Subject.RESOURCE_TYPE, "User", body)
        assert Unused() in [check for one in change.changes["User"] for check in one.checks]


def test_a_change_says_what_differs() -> None:
    """The diff has each path with the value before and after, and the work that is left for the types that use the schema."""
    catalog = core_catalog()
    user = catalog.schemas["urn:ietf:params:scim:schemas:core:2.0:user"]
    attributes = [one | {"required": True, "uniqueness": "server"} if one["name"] == "nickName" else one for one in user["attributes"]]
    change = redefine(catalog, Subject.SCHEMA, user["id"], user | {"attributes": attributes})
    assert {path: pair for path, pair in change.diff.items() if path.startswith("attributes.nickName")} == {
        "attributes.nickName.required": [False, True],
        "attributes.nickName.uniqueness": ["none", "server"],
    }
    work = change.work("User")
    assert work is not None
    assert (work.claims, work.releases, work.removed) == (("nickname",), (), ())
    assert set(change.changes) == {"User"}
