"""What the schema, core, user and group checks share: published definitions, comparisons, and accept-or-refuse probes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin

import httpx

from conformance.client import Json, Scim, ensure, equal, expect, expect_error, rand

SCHEMA_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
UNKNOWN_ID = "00000000-0000-7000-8000-000000000000"
XSD_DATETIME = re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")

# RFC 7643 §2.2: what holds where a definition is silent.
DEFAULTS: dict[str, Json] = {
    "type": "string",
    "multiValued": False,
    "required": False,
    "caseExact": False,
    "mutability": "readWrite",
    "returned": "default",
    "uniqueness": "none",
}


def quoted(text: str) -> str:
    """The text as a filter literal."""
    return json.dumps(text, ensure_ascii=False)


def instant(text: str) -> datetime:
    """The point in time of a dateTime value with an offset; fails the check when the text is no xsd:dateTime."""
    ensure(XSD_DATETIME.fullmatch(str(text)), f"not an xsd:dateTime: {text!r}")
    moment = datetime.fromisoformat(text)
    ensure(moment.tzinfo is not None, f"dateTime without an offset: {text!r}")
    return moment


def contains(actual: Json, wanted: Json) -> bool:
    """Whether `actual` holds all of `wanted`: objects may have more keys, arrays must have as many elements in the same order."""
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(key in actual and contains(actual[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(actual, list) and len(actual) == len(wanted) and all(map(contains, actual, wanted))
    return type(actual) is type(wanted) and bool(actual == wanted)


def selects(scim: Scim, path: str, filter_: str, resource: Json) -> bool:
    """Whether the filter selects this resource (asked together with its id, so that other data does not matter)."""
    both = f"id eq {quoted(resource['id'])} and ({filter_})"
    return scim.matches(path, both, [resource]) == {resource["id"]}


def again(scim: Scim, resource: Json) -> Json:
    """The resource as a GET of its meta.location shows it now."""
    return scim.read(resource["meta"]["location"])


def followed(scim: Scim, reference: Json) -> Json:
    """What a GET of the `$ref` inside a value gives; a relative one counts from the base URL. Fails the check when it is missing."""
    ensure(isinstance(reference.get("$ref"), str), f"no $ref in {reference!r}")
    return scim.read(urljoin(scim.base_url + "/", reference["$ref"]))


def user_path(user: Json) -> str:
    """The path of a user below the base URL."""
    return f"/Users/{user['id']}"


def group_path(group: Json) -> str:
    """The path of a group below the base URL."""
    return f"/Groups/{group['id']}"


def refused(scim: Scim, body: Json, *scim_types: str) -> None:
    """Demand that POST /Users answers this body with 400 (one of the scimTypes) and creates nothing."""
    response = scim.post("/Users", body)
    ensure(response.status_code != 201, f"accepted: {body!r}")
    expect_error(response, 400, *(scim_types or ("invalidValue", "invalidSyntax")))
    if isinstance(body.get("userName"), str):
        found = scim.find("/Users", f"userName eq {quoted(body['userName'])}")
        equal(found["totalResults"], 0, "users left behind by a refused create")


def stored_or_refused(scim: Scim, name: str, value: Json) -> bool:
    """POST a user with the attribute: either it is stored exactly as sent (true) or 400 invalidValue and no user (false)."""
    body = scim.user_body(**{name: value})
    response = scim.post("/Users", body)
    if response.status_code == 201:
        shown = again(scim, response.json()).get(name)
        ensure(contains(shown, value), f"{name} was accepted as {value!r} but is stored as {shown!r}")
        return True
    expect_error(response, 400, "invalidValue", "invalidSyntax")
    equal(scim.find("/Users", f"userName eq {quoted(body['userName'])}")["totalResults"], 0, "users left behind by a refused create")
    return False


def stored(scim: Scim, **attributes: Json) -> Json:
    """Create a user with these attributes and demand that a GET shows each of them as sent; returns what the GET shows."""
    shown = again(scim, scim.user(**attributes))
    for name, value in attributes.items():
        ensure(contains(shown.get(name), value), f"{name}: sent {value!r}, stored {shown.get(name)!r}")
    return shown


def schemas(scim: Scim) -> dict[str, Json]:
    """The published schemas by URN."""
    listed = scim.read("/Schemas").get("Resources") or []
    ensure(listed, "/Schemas lists nothing")
    return {schema["id"]: schema for schema in listed}


def resource_types(scim: Scim) -> list[Json]:
    """The published resource types."""
    listed: list[Json] = scim.read("/ResourceTypes").get("Resources") or []
    ensure(listed, "/ResourceTypes lists nothing")
    return listed


def endpoint_of(resource_type: Json) -> str:
    """The endpoint of a resource type as a path below the base URL."""
    return "/" + str(resource_type["endpoint"]).strip("/")


def trait(definition: Json, name: str) -> Json:
    """A characteristic of an attribute definition, with the default of RFC 7643 §2.2 where it is silent."""
    value = definition.get(name)
    return DEFAULTS[name] if value is None else value


def definitions(scim: Scim) -> Iterator[tuple[str, Json]]:
    """Every attribute and sub-attribute of every published schema, each with a name for messages."""
    for urn, schema in schemas(scim).items():
        for attribute in schema.get("attributes") or []:
            yield f"{urn}:{attribute.get('name')}", attribute
            for sub in attribute.get("subAttributes") or []:
                yield f"{urn}:{attribute.get('name')}.{sub.get('name')}", sub


@dataclass(frozen=True, slots=True)
class Place:
    """A top-level attribute of a resource type's base schema or of one of its extensions."""

    endpoint: str
    urn: str
    extension: bool
    definition: Json

    @property
    def path(self) -> str:
        """The attribute as a PATCH path or filter attribute."""
        name = str(self.definition["name"])
        return f"{self.urn}:{name}" if self.extension else name

    def draft(self, scim: Scim, value: Json) -> Json:
        """A body for POST that sets the attribute, with fresh names."""
        name = self.definition["name"]
        held = {self.urn: {name: value}} if self.extension else {name: value}
        if self.endpoint == "/Users":
            return scim.user_body(**held)
        group: dict[str, Json] = {"schemas": [self.urn], "displayName": rand("group")} | held
        if self.extension:
            group["schemas"] = ["urn:ietf:params:scim:schemas:core:2.0:Group", self.urn]
        return group

    def of(self, resource: Json) -> Json:
        """The attribute's value in a resource, None when it has none."""
        return ((resource.get(self.urn) or {}) if self.extension else resource).get(self.definition["name"])

    def create(self, scim: Scim, value: Json) -> httpx.Response:
        """POST a fresh resource with the attribute set."""
        return scim.post(self.endpoint, self.draft(scim, value))

    def kept(self, scim: Scim, value: Json) -> Json:
        """Create with the value, demand 201, return what a GET then shows of the attribute."""
        return self.of(again(scim, expect(self.create(scim, value), 201).json()))


def places(scim: Scim, **traits: Json) -> list[Place]:
    """The top-level attributes of User, Group and their extensions that have all these characteristics."""
    defined = schemas(scim)
    found: list[Place] = []
    for kind in resource_types(scim):
        endpoint = endpoint_of(kind)
        if endpoint not in ("/Users", "/Groups"):
            continue
        urns = [(kind["schema"], False), *[(item["schema"], True) for item in kind.get("schemaExtensions") or []]]
        for urn, extension in urns:
            fitting = (
                attribute
                for attribute in (defined.get(urn) or {}).get("attributes") or []
                if all(trait(attribute, name) == wanted for name, wanted in traits.items())
            )
            found.extend(Place(endpoint, urn, extension, attribute) for attribute in fitting)
    return found


def published(scim: Scim, urn: str, name: str, sub: str = "") -> Json:
    """The published definition of an attribute (or sub-attribute); fails the check when there is none."""
    for attribute in (schemas(scim).get(urn) or {}).get("attributes") or []:
        if attribute["name"] == name:
            if not sub:
                return attribute
            for part in attribute.get("subAttributes") or []:
                if part["name"] == sub:
                    return part
    ensure(False, f"/Schemas does not define {urn}:{name}{'.' + sub if sub else ''}")
    return None
