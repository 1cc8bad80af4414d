"""PATCH on a resource type that a tenant made: every operation on every kind of target (RFC 7644 §3.5.2)."""

from __future__ import annotations

from conformance.client import Json, Scim, equal, expect_error
from conformance.dynamic import Gadget, gadget
from conformance.registry import case

_SECTION = "RFC 7644 §3.5.2"
_TAGS = {"dynamic", "patch"}


def _full(type_: Gadget) -> Json:
    return type_.create(
        label="x",
        count=1,
        words=["one", "two"],
        size={"height": 3, "unit": "cm"},
        parts=[{"value": "p", "type": "inner", "weight": 1.5, "primary": True}, {"value": "q", "type": "outer"}],
        extra={"room": "1"},
    )


def _changes(scim: Scim, *steps: tuple[Json, dict[str, Json]]) -> None:
    """Apply each operation to a fresh resource and compare the attributes that it names afterwards; None means absent."""
    type_ = gadget(scim)
    for operation, wanted in steps:
        operation = {key: value.replace("{extra}", type_.extension) if key == "path" else value for key, value in operation.items()}
        if isinstance(operation.get("value"), dict):
            operation["value"] = {key.replace("{extra}", type_.extension): value for key, value in operation["value"].items()}
        made = _full(type_)
        shown = type_.patched(made, operation)
        for name, value in wanted.items():
            found = shown.get(type_.extension) if name == "extra" else shown.get(name)
            equal(found, value, f"{name} after {operation!r}")
        for name in {"label", "count", "words", "size", "parts"} - wanted.keys():
            equal(shown.get(name), made.get(name), f"{name} after {operation!r}")


_P = {"value": "p", "type": "inner", "weight": 1.5, "primary": True}
_Q = {"value": "q", "type": "outer"}


@case("dynamic-patch-add", section=_SECTION + ".1", tags=_TAGS)
def add(scim: Scim) -> None:
    """add sets single values, appends to lists, merges objects, and reaches elements and extensions, with and without path."""
    _changes(
        scim,
        ({"op": "add", "path": "label", "value": "y"}, {"label": "y"}),
        ({"op": "add", "path": "weight", "value": 2.5}, {"weight": 2.5}),
        ({"op": "add", "path": "words", "value": ["three", "one"]}, {"words": ["one", "two", "three"]}),
        ({"op": "add", "path": "size", "value": {"note": "n"}}, {"size": {"height": 3, "unit": "cm", "note": "n"}}),
        ({"op": "add", "path": "size.note", "value": "n"}, {"size": {"height": 3, "unit": "cm", "note": "n"}}),
        ({"op": "add", "path": "parts", "value": [{"value": "r"}]}, {"parts": [_P, _Q, {"value": "r"}]}),
        ({"op": "add", "path": 'parts[value eq "q"].weight', "value": 7}, {"parts": [_P, _Q | {"weight": 7}]}),
        ({"op": "add", "path": "{extra}:level", "value": 4}, {"extra": {"room": "1", "level": 4}}),
        ({"op": "add", "value": {"label": "z", "count": 5}}, {"label": "z", "count": 5}),
        ({"op": "add", "value": {"{extra}": {"level": 6}}}, {"extra": {"room": "1", "level": 6}}),
        (
            {"op": "add", "path": "parts", "value": [{"value": "r", "primary": True}]},
            {"parts": [_P | {"primary": False}, _Q, {"value": "r", "primary": True}]},
        ),
    )


@case("dynamic-patch-replace", section=_SECTION + ".3", tags=_TAGS)
def replace(scim: Scim) -> None:
    """replace changes values, whole lists, named sub-attributes, selected elements and extensions, with and without path."""
    _changes(
        scim,
        ({"op": "replace", "path": "label", "value": "y"}, {"label": "y"}),
        ({"op": "replace", "path": "weight", "value": 3}, {"weight": 3}),
        ({"op": "replace", "path": "words", "value": ["three"]}, {"words": ["three"]}),
        ({"op": "replace", "path": "size.unit", "value": "mm"}, {"size": {"height": 3, "unit": "mm"}}),
        ({"op": "replace", "path": "parts", "value": [{"value": "r"}]}, {"parts": [{"value": "r"}]}),
        ({"op": "replace", "path": 'parts[type eq "outer"].value', "value": "s"}, {"parts": [_P, {"value": "s", "type": "outer"}]}),
        ({"op": "replace", "path": "{extra}:room", "value": "2"}, {"extra": {"room": "2"}}),
        ({"op": "replace", "value": {"label": "z", "words": ["w"]}}, {"label": "z", "words": ["w"]}),
        ({"op": "replace", "path": "label", "value": None}, {"label": None}),
    )


@case("dynamic-patch-remove", section=_SECTION + ".2", tags=_TAGS)
def remove(scim: Scim) -> None:
    """remove unassigns attributes, sub-attributes, selected elements and parts of them, and extensions' attributes."""
    _changes(
        scim,
        ({"op": "remove", "path": "label"}, {"label": None}),
        ({"op": "remove", "path": "words"}, {"words": None}),
        ({"op": "remove", "path": "size.unit"}, {"size": {"height": 3}}),
        ({"op": "remove", "path": "size"}, {"size": None}),
        ({"op": "remove", "path": 'parts[value eq "p"]'}, {"parts": [_Q]}),
        ({"op": "remove", "path": 'parts[value eq "p"].weight'}, {"parts": [{"value": "p", "type": "inner", "primary": True}, _Q]}),
        ({"op": "remove", "path": 'parts[type eq "none"]'}, {}),
        ({"op": "remove", "path": "{extra}:room"}, {"extra": None}),
    )


@case("dynamic-patch-refusals", section=_SECTION, tags=_TAGS)
def refusals(scim: Scim) -> None:
    """PATCH on a made type refuses unknown paths, values of the wrong type, what is not there, readOnly and required attributes; a
    request with one such operation changes nothing."""
    type_ = gadget(scim)
    made = _full(type_)
    before = type_.read(made)
    for operation, scim_type in (
        ({"op": "add", "path": "colour", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": "size.depth", "value": 1}, "invalidPath"),
        ({"op": "replace", "path": f"{type_.extension}:colour", "value": 1}, "invalidPath"),
        ({"op": "replace", "path": "count", "value": "many"}, "invalidValue"),
        ({"op": "add", "path": "size.height", "value": "tall"}, "invalidValue"),
        ({"op": "replace", "path": 'parts[value eq "none"].weight', "value": 1}, "noTarget"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "path": "state", "value": "x"}, "mutability"),
        ({"op": "remove", "path": "serial"}, "mutability"),
    ):
        answer = scim.patch(type_.at(made), {"op": "replace", "path": "label", "value": "changed"}, operation)
        expect_error(answer, 400, scim_type)
        equal(type_.read(made), before, f"the resource after {operation!r} was refused")


@case("dynamic-patch-several", section=_SECTION, tags=_TAGS)
def several(scim: Scim) -> None:
    """Operations of one PATCH apply in order, each to the result of the one before, in one new version."""
    type_ = gadget(scim)
    made = _full(type_)
    shown = type_.patched(
        made,
        {"op": "add", "path": "words", "value": ["three"]},
        {"op": "remove", "path": "label"},
        {"op": "add", "path": "label", "value": "last"},
        {"op": "replace", "path": 'parts[value eq "q"].value', "value": "r"},
        {"op": "add", "path": 'parts[value eq "r"].weight', "value": 2},
    )
    equal(shown["words"], ["one", "two", "three"], "words")
    equal(shown["label"], "last", "label")
    equal(shown["parts"], [_P, {"value": "r", "type": "outer", "weight": 2}], "parts")
    if made["meta"].get("version"):
        again = type_.patched(made, {"op": "replace", "path": "label", "value": "last"})
        equal(again["meta"]["version"], shown["meta"]["version"], "version after a PATCH that changes nothing")
