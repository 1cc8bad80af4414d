"""Schemas and resource types that change while the server runs: made, discovered, refused, changed and deleted (RFC 7643 §6, §7)."""

from __future__ import annotations

from conformance.checks.schema_support import contains
from conformance.client import CORE_USER, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.dynamic import (
    RESOURCE_TYPE,
    attribute,
    define,
    define_type,
    gadget,
    gadget_attributes,
    new_name,
    reference,
    schema_body,
    until,
)
from conformance.registry import case

_TAGS = {"dynamic", "discovery"}
_CORE = "urn:example:params:scim:schemas:core:2.0:"


def _simple(scim: Scim, *attributes: Json) -> tuple[str, str]:
    """A new type with these attributes and a label: its name and the URN of its schema."""
    name = new_name()
    define(scim, schema_body(_CORE + name, name, [attribute("label"), *attributes]))
    define_type(scim, name, _CORE + name)
    return name, _CORE + name


@case("dynamic-discovery", section="RFC 7643 §7", tags=_TAGS)
def discovery(scim: Scim) -> None:
    """A new schema and resource type are discovered as they were sent, alone and in the lists, with a meta of their own."""
    type_ = gadget(scim)
    schema = scim.read(f"/Schemas/{type_.urn}")
    ensure(contains(schema["attributes"], gadget_attributes()), "the attributes are not served as they were sent")
    equal(schema["meta"]["resourceType"], "Schema", "meta.resourceType of the schema")
    ensure(schema["meta"]["location"].endswith(f"/Schemas/{type_.urn}"), f"location is {schema['meta']['location']}")
    kind = scim.read(f"/ResourceTypes/{type_.name}")
    equal((kind["name"], kind["schema"], "/" + kind["endpoint"].strip("/")), (type_.name, type_.urn, type_.path), "the resource type")
    equal(kind["schemaExtensions"], [{"schema": type_.extension, "required": False}], "schemaExtensions")
    equal(kind["meta"]["resourceType"], "ResourceType", "meta.resourceType of the type")
    listed = [one["id"] for one in scim.read("/Schemas")["Resources"]]
    equal((listed.count(type_.urn), listed.count(type_.extension)), (1, 1), "how often /Schemas lists them")
    equal([one["name"] for one in scim.read("/ResourceTypes")["Resources"]].count(type_.name), 1, "how often /ResourceTypes lists it")


@case("dynamic-definition-answer", section="RFC 7644 §3.3", tags=_TAGS)
def answers(scim: Scim) -> None:
    """POST of a schema or resource type answers 201 with Location and the representation that a GET gives; a second one is 409."""
    name = new_name()
    body = schema_body(_CORE + name, name, [attribute("label")])
    response = expect(scim.as_admin("POST", "/Schemas", body), 201)
    equal(response.headers.get("Location"), response.json()["meta"]["location"], "Location of the schema")
    until(scim, f"/Schemas/{_CORE}{name}", lambda _: True)
    equal(scim.read(f"/Schemas/{_CORE}{name}"), response.json(), "the schema when read")
    expect_error(scim.as_admin("POST", "/Schemas", body), 409, "uniqueness")
    kind = {"schemas": [RESOURCE_TYPE], "name": name, "endpoint": f"/{name}s", "schema": _CORE + name}
    made = expect(scim.as_admin("POST", "/ResourceTypes", kind), 201)
    equal(made.headers.get("Location"), made.json()["meta"]["location"], "Location of the resource type")
    until(scim, f"/ResourceTypes/{name}", lambda _: True)
    equal(scim.read(f"/ResourceTypes/{name}"), made.json(), "the resource type when read")
    expect_error(scim.as_admin("POST", "/ResourceTypes", kind), 409, "uniqueness")


@case("dynamic-definition-refusals", section="RFC 7643 §7", tags=_TAGS)
def refused_schemas(scim: Scim) -> None:
    """A schema with a fault is refused with an error that names the attribute by its path, and nothing is defined."""
    name = new_name()
    urn = _CORE + name
    nested = attribute("inner", "complex", subAttributes=[attribute("deep", "complex", subAttributes=[attribute("x")])])
    for attributes, path in (
        ([attribute("bad name")], "bad name"),
        ([attribute("1st")], "1st"),
        ([attribute("id")], "id"),
        ([attribute("label"), attribute("LABEL")], "LABEL"),
        ([attribute("kind", "text")], "kind"),
        ([attribute("kind", mutability="sometimes")], "kind"),
        ([attribute("kind", returned="perhaps")], "kind"),
        ([attribute("kind", required="yes")], "kind"),
        ([attribute("kind", "complex")], "kind"),
        ([attribute("kind", subAttributes=[attribute("x")])], "kind"),
        ([attribute("size", "complex", subAttributes=[attribute("height", "integr")])], "size.height"),
        ([nested], "inner.deep"),
        ([], "attributes"),
    ):
        error = expect_error(scim.as_admin("POST", "/Schemas", schema_body(urn, name, attributes)), 400, "invalidValue", "invalidSyntax")
        ensure(path in str(error.get("detail")), f"the detail does not name {path}: {error.get('detail')!r}")
    good = schema_body(urn, name, [attribute("x")])
    bodies: tuple[Json, ...] = (good | {"id": "no urn"}, good | {"attributes": "x"}, {})
    for body in bodies:
        expect_error(scim.as_admin("POST", "/Schemas", body), 400, "invalidValue", "invalidSyntax")
    expect_error(scim.get(f"/Schemas/{urn}"), 404)


@case("dynamic-type-refusals", section="RFC 7643 §6", tags=_TAGS)
def refused_types(scim: Scim) -> None:
    """A resource type without schemas that exist, or at an endpoint that is taken, reserved or malformed, is refused."""
    name = new_name()
    define(scim, schema_body(_CORE + name, name, [attribute("label")]))
    good = {"schemas": [RESOURCE_TYPE], "name": name, "endpoint": f"/{name}s", "schema": _CORE + name}
    for wrong in (
        {"schema": f"{_CORE}Nothing{name}"},
        {"schemaExtensions": [{"schema": f"{_CORE}Nothing{name}", "required": False}]},
        {"endpoint": "/Users"},
        {"endpoint": "/Schemas"},
        {"endpoint": "/Bulk"},
        {"endpoint": "/a/b"},
        {"endpoint": None},
        {"name": None},
        {"name": "User"},
    ):
        answer = scim.as_admin("POST", "/ResourceTypes", {key: value for key, value in (good | wrong).items() if value is not None})
        ensure(answer.status_code in (400, 409), f"{wrong!r} is answered with {answer.status_code}")
        expect_error(answer, answer.status_code)
    expect_error(scim.get(f"/ResourceTypes/{name}"), 404)


@case("dynamic-definition-tokens", section="RFC 7643 §7", tags=_TAGS)
def ordinary_tokens(scim: Scim) -> None:
    """For a token that may not define, schemas and resource types cannot be changed: 405 with Allow, and nothing is changed."""
    name, urn = _simple(scim)
    schema, kind = scim.read(f"/Schemas/{urn}"), scim.read(f"/ResourceTypes/{name}")
    for path, body in ((f"/Schemas/{urn}", schema), (f"/ResourceTypes/{name}", kind)):
        place = path.rsplit("/", 1)[0]
        for answer in (scim.post(place, body), scim.put(path, body), scim.delete(path), scim.patch(path, {"op": "remove", "path": "name"})):
            expect_error(answer, 405)
            ensure("GET" in answer.headers.get("Allow", ""), f"Allow is {answer.headers.get('Allow')!r}")
    equal((scim.read(f"/Schemas/{urn}"), scim.read(f"/ResourceTypes/{name}")), (schema, kind), "the definitions afterwards")


@case("dynamic-definition-versions", section="RFC 7644 §3.14", tags=_TAGS)
def versions(scim: Scim) -> None:
    """A schema has an ETag that changes with it; a PUT whose If-Match names an older one is 412 and changes nothing."""
    name, urn = _simple(scim)
    path = f"/Schemas/{urn}"
    first = expect(scim.get(path), 200)
    tag = first.headers.get("ETag")
    equal(first.json()["meta"].get("version"), tag, "meta.version of the schema")
    body = schema_body(urn, name, [attribute("label"), attribute("colour")])
    expect(scim.as_admin("PUT", path, body, headers={"If-Match": str(tag)}), 200)
    until(scim, path, lambda schema: schema["meta"].get("version") != tag)
    late = schema_body(urn, name, [attribute("label")])
    expect_error(scim.as_admin("PUT", path, late, headers={"If-Match": str(tag)}), 412)
    late_delete = scim.as_admin("DELETE", path, headers={"If-Match": str(tag)})
    expect(late_delete, 409, 412)  # that it is in use may come first (RFC 7232 §5)
    equal([one["name"] for one in scim.read(path)["attributes"]], ["label", "colour"], "attributes after a refused PUT")


@case("dynamic-new-attribute", section="RFC 7643 §7", tags=_TAGS)
def new_attribute(scim: Scim) -> None:
    """An attribute that is added to a schema in use is taken, found and shown from then on, and older resources are as they were."""
    name, urn = _simple(scim)
    old = scim.create(f"/{name}s", {"schemas": [urn], "label": "old"})
    definition = attribute("colour", caseExact=False)
    added = {"op": "add", "path": "attributes", "value": [definition]}
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [added]}
    expect(scim.as_admin("PATCH", f"/Schemas/{urn}", body), 200, 204)
    until(scim, f"/Schemas/{urn}", lambda schema: len(schema["attributes"]) == 2)
    new = scim.create(f"/{name}s", {"schemas": [urn], "label": "new", "colour": "Red"})
    equal(new.get("colour"), "Red", "the new attribute")
    equal([one["id"] for one in scim.find(f"/{name}s", 'colour eq "red"')["Resources"]], [new["id"]], "found by the new attribute")
    equal([one["id"] for one in scim.find(f"/{name}s", "not (colour pr)")["Resources"]], [old["id"]], "without the new attribute")
    equal(scim.read(f"/{name}s/{old['id']}"), old, "the older resource")


@case("dynamic-tightened", section="RFC 7643 §7", tags=_TAGS)
def tightened(scim: Scim) -> None:
    """A change that stored resources contradict is refused with an error that names the attribute; without them it holds at once."""
    name, urn = _simple(scim, attribute("colour"))
    path = f"/{name}s"
    bare = scim.create(path, {"schemas": [urn], "label": "x"})
    needed = schema_body(urn, name, [attribute("label"), attribute("colour", required=True)])
    answer = scim.as_admin("PUT", f"/Schemas/{urn}", needed)
    ensure(answer.status_code in (400, 409), f"requiring what a resource lacks is answered with {answer.status_code}")
    ensure("colour" in answer.text, f"the error does not name the attribute: {answer.text[:200]}")
    equal(scim.read(f"{path}/{bare['id']}"), bare, "the resource after a refused change")
    expect(scim.patch(f"{path}/{bare['id']}", {"op": "add", "path": "colour", "value": "red"}), 200, 204)
    expect(scim.as_admin("PUT", f"/Schemas/{urn}", needed), 200)
    until(scim, f"/Schemas/{urn}", lambda schema: schema["attributes"][1]["required"])
    expect_error(scim.post(path, {"schemas": [urn], "label": "y"}), 400, "invalidValue", "invalidSyntax")
    expect_error(scim.patch(f"{path}/{bare['id']}", {"op": "remove", "path": "colour"}), 400, "mutability", "invalidValue")


@case("dynamic-removed", section="RFC 7643 §7", tags=_TAGS)
def removed(scim: Scim) -> None:
    """An attribute that is taken out of a schema is neither shown nor taken nor found any more, and the rest is as it was."""
    name, urn = _simple(scim, attribute("colour"))
    path = f"/{name}s"
    made = scim.create(path, {"schemas": [urn], "label": "x", "colour": "red"})
    expect(scim.as_admin("PUT", f"/Schemas/{urn}", schema_body(urn, name, [attribute("label")])), 200)
    until(scim, f"/Schemas/{urn}", lambda schema: len(schema["attributes"]) == 1)
    for shown in (scim.read(f"{path}/{made['id']}"), scim.read(path)["Resources"][0]):
        equal({key: shown.get(key) for key in ("label", "colour")}, {"label": "x", "colour": None}, "what is shown")
    expect_error(scim.get(path, params={"filter": 'colour eq "red"'}), 400, "invalidFilter")
    later = scim.create(path, {"schemas": [urn], "label": "y", "colour": "red"})
    ensure("colour" not in scim.read(f"{path}/{later['id']}"), "an attribute that is gone was stored")


@case("dynamic-user-extension", section="RFC 7643 §3.3", tags=_TAGS)
def user_extension(scim: Scim) -> None:
    """A new extension of User works for users like a standard one, and leaves those without it alone; it can be taken away again."""
    name = new_name()
    urn = f"urn:example:params:scim:schemas:extension:2.0:{name}"
    badges = attribute("badges", "complex", multiValued=True, subAttributes=[attribute("value"), attribute("room", "integer")])
    define(scim, schema_body(urn, name, [attribute("desk"), badges, reference("buddies", ["User"])]))
    kind = scim.read("/ResourceTypes/User")
    extended = kind | {"schemaExtensions": [*kind.get("schemaExtensions", []), {"schema": urn, "required": False}]}
    plain = scim.user()
    expect(scim.as_admin("PUT", "/ResourceTypes/User", extended), 200)
    try:
        until(scim, "/ResourceTypes/User", lambda shown: urn in str(shown))
        ada = scim.user(**{urn: {"desk": "D1", "badges": [{"value": "b", "room": 4}], "buddies": [{"value": plain["id"]}]}})
        equal(ada["schemas"], [CORE_USER, urn], "schemas")
        equal(ada[urn]["desk"], "D1", "desk")
        equal([one["value"] for one in ada[urn]["buddies"]], [plain["id"]], "buddies")
        for filter_ in (f'{urn}:desk eq "d1"', f"{urn}:badges[room gt 3]", f'{urn}:buddies.value eq "{plain["id"]}"'):
            equal([one["id"] for one in scim.find("/Users", filter_)["Resources"]], [ada["id"]], f"users found by {filter_}")
        expect(scim.patch(f"/Users/{ada['id']}", {"op": "replace", "path": f"{urn}:desk", "value": "D2"}), 200, 204)
        shown = scim.read(f"/Users/{ada['id']}", params={"attributes": f"{urn}:desk"})
        equal(shown.get(urn), {"desk": "D2"}, "desk after PATCH")
        equal(scim.read(f"/Users/{plain['id']}"), plain, "a user without the extension")
        expect(scim.delete(f"/Users/{ada['id']}"), 204)
    finally:
        expect(scim.as_admin("PUT", "/ResourceTypes/User", kind), 200)
    until(scim, "/ResourceTypes/User", lambda shown: urn not in str(shown))
    equal(scim.read(f"/Users/{plain['id']}"), plain, "a user after the extension went")


@case("dynamic-protected", section="RFC 7643 §4", tags=_TAGS)
def protected(scim: Scim) -> None:
    """The schemas of the RFC cannot be contradicted: an attribute less, another type or a lost requirement is refused."""
    user = scim.read(f"/Schemas/{CORE_USER}")
    before = user["attributes"]

    def changed(name: str, **traits: Json) -> list[Json]:
        return [one | traits if one["name"] == name else one for one in before]

    for attributes, names in (
        ([one for one in before if one["name"] != "title"], "title"),
        (changed("title", type="integer", caseExact=None, uniqueness=None), "title"),
        (changed("emails", multiValued=False), "emails"),
        (changed("userName", required=False), "userName"),
        (changed("userName", uniqueness="none"), "userName"),
        (changed("password", returned="default"), "password"),
    ):
        attributes = [{key: value for key, value in one.items() if value is not None} for one in attributes]
        answer = scim.as_admin("PUT", f"/Schemas/{CORE_USER}", user | {"attributes": attributes})
        ensure(answer.status_code in (400, 403, 409), f"a change of {names} is answered with {answer.status_code}")
        ensure(names in answer.text, f"the error does not name {names}: {answer.text[:200]}")
    equal(scim.read(f"/Schemas/{CORE_USER}")["attributes"], before, "the attributes of User afterwards")
    answer = scim.as_admin("DELETE", f"/Schemas/{CORE_USER}")
    ensure(answer.status_code in (400, 403, 409), f"deleting the schema of User is answered with {answer.status_code}")


@case("dynamic-dry-run", section="RFC 7643 §7", level="MAY", tags=_TAGS)
def dry_run(scim: Scim) -> None:
    """With dryRun=true a change of a schema is judged and not made."""
    name, urn = _simple(scim, attribute("colour"))
    made = scim.create(f"/{name}s", {"schemas": [urn], "label": rand()})
    before = scim.read(f"/Schemas/{urn}")
    needed = schema_body(urn, name, [attribute("label"), attribute("colour", required=True)])
    report = expect(scim.as_admin("PUT", f"/Schemas/{urn}?dryRun=true", needed), 200)
    ensure(made["id"] in report.text, f"the report does not name the resource in the way: {report.text[:300]}")
    expect(scim.as_admin("DELETE", f"/ResourceTypes/{name}?dryRun=true"), 200, 204, 409)
    equal(scim.read(f"/Schemas/{urn}"), before, "the schema after a dry run")
    scim.create(f"/{name}s", {"schemas": [urn], "label": "y"})


@case("dynamic-deletion", section="RFC 7644 §3.6", tags=_TAGS)
def deletion(scim: Scim) -> None:
    """A type with resources and a schema in use are not deleted (409); when free, both go, and nothing of them is served any more."""
    name, urn = _simple(scim)
    made = scim.create(f"/{name}s", {"schemas": [urn], "label": "x"})
    expect_error(scim.as_admin("DELETE", f"/ResourceTypes/{name}"), 409)
    expect_error(scim.as_admin("DELETE", f"/Schemas/{urn}"), 409)
    equal(scim.read(f"/{name}s/{made['id']}"), made, "the resource after refused deletions")
    expect(scim.delete(f"/{name}s/{made['id']}"), 204)
    expect(scim.as_admin("DELETE", f"/ResourceTypes/{name}"), 204)
    expect(scim.as_admin("DELETE", f"/Schemas/{urn}"), 204)
    until(scim, "/ResourceTypes", lambda listed: name not in [one["name"] for one in listed["Resources"]])
    until(scim, "/Schemas", lambda listed: urn not in [one["id"] for one in listed["Resources"]])
    for path in (f"/{name}s", f"/{name}s/{made['id']}", f"/ResourceTypes/{name}", f"/Schemas/{urn}"):
        expect_error(scim.get(path), 404)
    expect_error(scim.as_admin("DELETE", f"/Schemas/{urn}"), 404)
