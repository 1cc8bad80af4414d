"""Resources of a type that a tenant made: their life, their values and what their characteristics promise (RFC 7643 §2, §7)."""

from __future__ import annotations

from conformance.client import CORE_USER, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.dynamic import gadget
from conformance.registry import case

_TAGS = {"dynamic", "schema"}

_VALUES: dict[str, Json] = {
    "label": "Grüße, 世界",
    "code": "aB-1",
    "count": -42,
    "weight": 12.75,
    "enabled": False,
    "builtAt": "2024-02-29T23:59:59Z",
    "image": "AAECAwQ=",
    "home": "https://example.com/a?b=c#d",
    "words": ["one", "Two"],
    "numbers": [3, 1, 2],
    "dates": ["2024-01-01T00:00:00Z", "2023-01-01T00:00:00Z"],
    "size": {"height": 7, "unit": "cm"},
    "parts": [{"value": "p", "type": "inner", "weight": 1.5, "primary": True}, {"value": "q", "type": "of its own"}],
    "batch": "B1",
    "stamp": "seal",
}


@case("dynamic-life", section="RFC 7644 §3.3", tags=_TAGS)
def life(scim: Scim) -> None:
    """A resource of a made type is created, read, listed, replaced, changed and deleted as a user is."""
    type_ = gadget(scim)
    response = expect(scim.post(type_.path, type_.body(label="x", extra={"room": "1"})), 201)
    made = response.json()
    equal(made["schemas"], [type_.urn, type_.extension], "schemas")
    equal(made["meta"]["resourceType"], type_.name, "meta.resourceType")
    equal(response.headers.get("Location"), made["meta"]["location"], "Location")
    ensure(made["meta"]["location"].endswith(type_.at(made)), f"location is {made['meta']['location']}")
    equal(type_.read(made), made, "what a GET shows")
    listed = scim.read(type_.path)
    equal([one["id"] for one in listed["Resources"]], [made["id"]], "the list")
    expect(scim.put(type_.at(made), type_.body(serial=made["serial"], count=3)), 200)
    replaced = type_.read(made)
    equal((replaced.get("label"), replaced.get("count"), replaced.get(type_.extension)), (None, 3, None), "after PUT")
    equal(type_.patched(made, {"op": "add", "path": "label", "value": "y"}).get("label"), "y", "label after PATCH")
    expect(scim.delete(type_.at(made)), 204)
    expect_error(scim.get(type_.at(made)), 404)
    equal(scim.read(type_.path)["totalResults"], 0, "resources after DELETE")


@case("dynamic-values", section="RFC 7643 §2.3", tags=_TAGS)
def values(scim: Scim) -> None:
    """Values of every type and shape come back as sent, after POST and after PUT, also within an extension."""
    type_ = gadget(scim)
    made = type_.create(**_VALUES, extra={"room": "1", "level": 4})
    for shown in (made, type_.read(made)):
        for name, value in _VALUES.items():
            equal(shown.get(name), value, name)
        equal(shown.get(type_.extension), {"room": "1", "level": 4}, "the extension")
    other = type_.create()
    expect(scim.put(type_.at(other), type_.body(**_VALUES)), 200)
    for name, value in _VALUES.items():
        equal(type_.read(other).get(name), value, f"{name} after PUT")


@case("dynamic-wrong-values", section="RFC 7643 §2.3", tags=_TAGS)
def wrong_values(scim: Scim) -> None:
    """Values of the wrong type or shape are refused as invalidValue that names the attribute, and nothing is stored."""
    type_ = gadget(scim)
    for name, value in (
        ("label", 5),
        ("label", ["x"] * 2),
        ("count", "five"),
        ("count", 1.5),
        ("weight", "heavy"),
        ("enabled", "maybe"),
        ("builtAt", "yesterday"),
        ("builtAt", 5),
        ("image", "not base64!"),
        ("words", "one"),
        ("words", [{"value": "one"}]),
        ("numbers", [1, "two"]),
        ("size", "tall"),
        ("size", {"height": "tall"}),
        ("parts", {"value": "p"}),
        ("parts", [{"value": "p", "weight": "x"}]),
        ("parts", [{"value": "p", "primary": True}, {"value": "q", "primary": True}]),
    ):
        error = expect_error(scim.post(type_.path, type_.body(**{name: value})), 400, "invalidValue", "invalidSyntax")
        ensure(name in str(error.get("detail")), f"{name} = {value!r}: the detail does not name it: {error.get('detail')!r}")
    expect_error(scim.post(type_.path, type_.body(extra={"level": "high"})), 400, "invalidValue", "invalidSyntax")
    equal(scim.read(type_.path)["totalResults"], 0, "resources left behind by refused creates")


@case("dynamic-names", section="RFC 7643 §2.1", tags=_TAGS)
def names(scim: Scim) -> None:
    """Attribute names and URNs are taken in any case and shown as the schema spells them."""
    type_ = gadget(scim)
    body = type_.body()
    sent = {"schemas": body["schemas"], "SERIAL": body["serial"], "LABEL": "x", "Size": {"HEIGHT": 2}, "PARTS": [{"Value": "p"}]}
    made = scim.create(type_.path, sent | {type_.extension.upper(): {"Room": "1"}})
    shown = type_.read(made)
    equal({name: shown.get(name) for name in ("serial", "label")}, {"serial": body["serial"], "label": "x"}, "simple attributes")
    equal((shown.get("size"), shown.get("parts")), ({"height": 2}, [{"value": "p"}]), "complex attributes")
    equal(shown.get(type_.extension), {"room": "1"}, "the extension")
    equal(
        type_.patched(made, {"op": "add", "path": "BUILTAT", "value": "2024-01-01T00:00:00Z"}).get("builtAt"),
        "2024-01-01T00:00:00Z",
        "builtAt",
    )
    equal(len(scim.find(type_.path, 'LABEL eq "x" and SIZE.Height eq 2')["Resources"]), 1, "resources found by names in another case")


@case("dynamic-required", section="RFC 7643 §2.2", tags=_TAGS)
def required(scim: Scim) -> None:
    """A required attribute of a made type must be there in POST and PUT and cannot be unassigned by PATCH."""
    type_ = gadget(scim)
    for body in (type_.body(serial=None), type_.body() | {"serial": ""}, type_.body() | {"serial": None}):
        expect_error(scim.post(type_.path, body), 400, "invalidValue", "invalidSyntax")
    made = type_.create()
    expect_error(scim.put(type_.at(made), type_.body(serial=None)), 400, "invalidValue", "invalidSyntax")
    for operation in ({"op": "remove", "path": "serial"}, {"op": "replace", "path": "serial", "value": None}):
        expect_error(scim.patch(type_.at(made), operation), 400, "mutability", "invalidValue")
    equal(type_.read(made), made, "the resource after refused changes")


@case("dynamic-required-extension", section="RFC 7643 §6", tags=_TAGS)
def required_extension(scim: Scim) -> None:
    """A made type whose extension is required takes only resources that carry it."""
    type_ = gadget(scim, required_extension=True)
    error = expect_error(scim.post(type_.path, type_.body()), 400, "invalidValue", "invalidSyntax")
    ensure(type_.extension in str(error.get("detail")), f"the detail does not name the extension: {error.get('detail')!r}")
    made = type_.create(extra={"room": "1"})
    expect_error(scim.put(type_.at(made), type_.body()), 400, "invalidValue", "invalidSyntax")
    equal(type_.read(made)[type_.extension], {"room": "1"}, "the extension after a refused PUT")


@case("dynamic-uniqueness", section="RFC 7643 §7", tags=_TAGS)
def uniqueness(scim: Scim) -> None:
    """A unique value of a made type is taken once, whatever its case, by POST, PUT and PATCH, and is free again after a DELETE."""
    type_ = gadget(scim)
    serial = rand("Serial")
    first, second = type_.create(serial=serial), type_.create()
    for answer in (
        scim.post(type_.path, type_.body(serial=serial.upper())),
        scim.put(type_.at(second), type_.body(serial=serial.lower())),
        scim.patch(type_.at(second), {"op": "replace", "path": "serial", "value": serial}),
    ):
        expect_error(answer, 409, "uniqueness")
    equal(type_.read(second), second, "the second after refused changes")
    expect(scim.put(type_.at(first), type_.body(serial=serial, label="x")), 200)
    expect(scim.delete(type_.at(first)), 204)
    type_.create(serial=serial)


@case("dynamic-mutability", section="RFC 7643 §7", tags=_TAGS)
def mutability(scim: Scim) -> None:
    """Of a made type, readOnly is ignored in bodies and refused as a PATCH path; immutable is set once and kept."""
    type_ = gadget(scim)
    made = type_.create(state="mine", batch="B1")
    ensure("state" not in made, f"a readOnly attribute was written: {made.get('state')!r}")
    expect(scim.put(type_.at(made), type_.body(serial=made["serial"], state="mine", batch="B1")), 200)
    equal((type_.read(made).get("state"), type_.read(made).get("batch")), (None, "B1"), "state and batch after PUT")
    expect_error(scim.patch(type_.at(made), {"op": "add", "path": "state", "value": "mine"}), 400, "mutability")
    expect_error(scim.patch(type_.at(made), {"op": "replace", "path": "batch", "value": "B2"}), 400, "mutability")
    expect_error(scim.put(type_.at(made), type_.body(serial=made["serial"], batch="B2")), 400, "mutability")
    equal(type_.read(made).get("batch"), "B1", "batch after refused changes")
    later = type_.create()
    equal(type_.patched(later, {"op": "add", "path": "batch", "value": "B3"}).get("batch"), "B3", "batch set for the first time")


@case("dynamic-returned", section="RFC 7643 §7", tags=_TAGS)
def returned(scim: Scim) -> None:
    """Of a made type, never is never shown, request only when asked for, always even when it is not."""
    type_ = gadget(scim)
    made = type_.create(pin="correct horse 1", hint="think", stamp="seal", label="x")
    for shown in (made, type_.read(made), scim.read(type_.path)["Resources"][0], type_.read(made, attributes="pin,label")):
        ensure("pin" not in shown, "a value that is never returned was shown")
        if shown is not made:  # an answer may show what the client has just sent
            ensure("hint" not in shown, "a value that is returned on request was shown without one")
        equal(shown.get("stamp"), "seal", "a value that is always returned")
    equal(type_.read(made, attributes="hint").get("hint"), "think", "hint when asked for")
    equal(type_.read(made, attributes="label").get("stamp"), "seal", "stamp when another one is asked for")
    equal(type_.read(made, excludedAttributes="stamp,label").get("stamp"), "seal", "stamp when excluded")
    ensure("hint" not in type_.patched(made, {"op": "add", "path": "label", "value": "y"}), "hint is shown after PATCH")


@case("dynamic-versions", section="RFC 7644 §3.14", tags=_TAGS)
def versions(scim: Scim) -> None:
    """Resources of a made type have ETags that change with them; If-Match and If-None-Match are decided by them."""
    scim.feature("etag")
    type_ = gadget(scim)
    made = type_.create(label="x")
    tag = expect(scim.get(type_.at(made)), 200).headers.get("ETag")
    equal(made["meta"]["version"], tag, "meta.version")
    expect(scim.get(type_.at(made), headers={"If-None-Match": str(tag)}), 304)
    expect(scim.put(type_.at(made), type_.body(serial=made["serial"], label="y"), headers={"If-Match": str(tag)}), 200)
    changed = expect(scim.get(type_.at(made), headers={"If-None-Match": str(tag)}), 200)
    ensure(changed.headers.get("ETag") != tag, "the ETag is the same after a change")
    old = {"If-Match": str(tag)}
    expect_error(scim.put(type_.at(made), type_.body(serial=made["serial"], label="z"), headers=old), 412)
    expect_error(scim.patch(type_.at(made), {"op": "remove", "path": "label"}, headers=old), 412)
    expect_error(scim.delete(type_.at(made), headers=old), 412)
    equal(type_.read(made).get("label"), "y", "label after refused changes")


@case("dynamic-apart", section="RFC 7644 §3.4.1", tags=_TAGS)
def apart(scim: Scim) -> None:
    """Resources of a made type are not served under other types' endpoints, nor those of other types under its own."""
    type_ = gadget(scim)
    made, user = type_.create(), scim.user()
    expect_error(scim.get(f"/Users/{made['id']}"), 404)
    expect_error(scim.get(f"{type_.path}/{user['id']}"), 404)
    expect_error(scim.delete(f"{type_.path}/{user['id']}"), 404)
    equal(scim.read(type_.path)["totalResults"], 1, "resources of the made type")
    equal(scim.read(f"/Users/{user['id']}")["schemas"], [CORE_USER], "schemas of the user")
