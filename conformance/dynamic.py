"""A resource type that a check makes for itself over /Schemas and /ResourceTypes: attributes of every type and characteristic."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conformance.client import Json, Scim, ensure, equal, expect

SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"

SEEN = 3.0
"""Seconds within which every server process must have seen a change of definitions."""


def attribute(name: str, type_: str = "string", **traits: Json) -> Json:
    """An attribute definition with every characteristic that its type has (RFC 7643 §7)."""
    made: dict[str, Json] = {
        "name": name,
        "type": type_,
        "multiValued": False,
        "description": f"The {name} of it.",
        "required": False,
        "mutability": "readWrite",
        "returned": "default",
    }
    if type_ not in ("complex", "boolean"):
        made["uniqueness"] = "none"
    if type_ in ("string", "reference", "binary"):
        made["caseExact"] = type_ != "string"
    return made | traits


def reference(name: str, types: Sequence[str], *parts: Json, several: bool = True, **traits: Json) -> Json:
    """A complex attribute whose values name resources of these types; `parts` are sub-attributes beside `value` and `$ref`."""
    subs = [
        attribute("value", caseExact=True),
        attribute("$ref", "reference", referenceTypes=list(types), mutability="readOnly"),
        *parts,
    ]
    return attribute(name, "complex", multiValued=several, subAttributes=subs, **traits)


def gadget_attributes() -> list[Json]:
    """An attribute of each type, shape and characteristic."""
    display = attribute("display", mutability="readOnly")
    kind = attribute("type", mutability="readOnly")
    return [
        attribute("serial", required=True, uniqueness="server"),
        attribute("label"),
        attribute("code", caseExact=True),
        attribute("count", "integer"),
        attribute("weight", "decimal"),
        attribute("enabled", "boolean"),
        attribute("builtAt", "dateTime"),
        attribute("image", "binary"),
        attribute("home", "reference", referenceTypes=["external"]),
        attribute("words", multiValued=True),
        attribute("numbers", "integer", multiValued=True),
        attribute("dates", "dateTime", multiValued=True),
        attribute("size", "complex", subAttributes=[attribute("height", "integer"), attribute("unit"), attribute("note")]),
        attribute(
            "parts",
            "complex",
            multiValued=True,
            subAttributes=[
                attribute("value"),
                attribute("type", canonicalValues=["inner", "outer"]),
                attribute("weight", "decimal"),
                attribute("primary", "boolean"),
            ],
        ),
        reference("owners", ["User"], kind, display),
        reference("stewards", ["User"], kind, attribute("role"), attribute("primary", "boolean")),
        reference("keeper", ["User"], several=False),
        attribute("batch", mutability="immutable"),
        attribute("state", mutability="readOnly"),
        attribute("pin", mutability="writeOnly", returned="never"),
        attribute("hint", returned="request"),
        attribute("stamp", returned="always"),
    ]


def schema_body(urn: str, name: str, attributes: list[Json]) -> Json:
    """The body of a Schema resource."""
    return {"schemas": [SCHEMA], "id": urn, "name": name, "description": f"Made for a check: {name}.", "attributes": attributes}


@dataclass(frozen=True)
class Gadget:
    """A resource type of the check's own; `extension` is the URN of its only, optional extension (attributes `room`, `level`)."""

    scim: Scim
    name: str
    urn: str
    extension: str

    @property
    def path(self) -> str:
        """The endpoint."""
        return f"/{self.name}s"

    def body(self, **values: Json) -> Json:
        """A body for POST and PUT with a fresh serial number; `extra` holds the extension's attributes, None leaves a value out."""
        extra = values.pop("extra", None)
        made: dict[str, Json] = {"schemas": [self.urn], "serial": f"S-{secrets.token_hex(6)}", **values}
        if extra is not None:
            made |= {"schemas": [self.urn, self.extension], self.extension: extra}
        return {name: value for name, value in made.items() if value is not None}

    def create(self, **values: Json) -> Json:
        """Create one, demand 201, return the body."""
        return self.scim.create(self.path, self.body(**values))

    def at(self, resource: Json) -> str:
        """The path of a resource."""
        return f"{self.path}/{resource['id']}"

    def read(self, resource: Json, **params: str | int) -> Json:
        """What a GET shows of it."""
        return self.scim.read(self.at(resource), params=params or None)

    def patched(self, resource: Json, *operations: Json) -> Json:
        """PATCH, demand success, return what a GET then shows."""
        expect(self.scim.patch(self.at(resource), *operations), 200, 204)
        return self.read(resource)

    def sample(self, **values: dict[str, Json]) -> Sample:
        """Create one resource per keyword argument with these values."""
        return Sample(self, {name: self.create(**given) for name, given in values.items()})


@dataclass(frozen=True)
class Sample:
    """Some gadgets by short names. Nothing else is of their type."""

    gadget: Gadget
    made: dict[str, Json]

    def names(self, listing: Json) -> list[str]:
        """Short names of the resources of a ListResponse, in its order."""
        known = {resource["id"]: name for name, resource in self.made.items()}
        return [known.get(resource["id"], resource["id"]) for resource in listing.get("Resources") or []]

    def selects(self, filter_: str, names: str) -> None:
        """Fail unless the filter selects exactly the resources of these one-letter names, and counts them."""
        listing = self.gadget.scim.find(self.gadget.path, filter_)
        equal("".join(sorted(self.names(listing))), "".join(sorted(names)), f"selected by {filter_}")
        equal(listing["totalResults"], len(names), f"totalResults of {filter_}")


def new_name() -> str:
    """A name for a resource type that nothing else has."""
    return f"Gadget{secrets.token_hex(4)}"


def gadget(scim: Scim, *, required_extension: bool = False) -> Gadget:
    """Make a resource type, its schema and its extension, and wait until the endpoint is served."""
    name = new_name()
    urn, extension = f"urn:example:params:scim:schemas:core:2.0:{name}", f"urn:example:params:scim:schemas:extension:2.0:{name}Extra"
    made = Gadget(scim, name, urn, extension)
    define(scim, schema_body(urn, name, gadget_attributes()))
    define(scim, schema_body(extension, f"{name} Extra", [attribute("room"), attribute("level", "integer")]))
    define_type(scim, name, urn, [{"schema": extension, "required": required_extension}])
    return made


def define(scim: Scim, schema: Json) -> Json:
    """POST a schema, demand 201, return the body."""
    return expect(scim.as_admin("POST", "/Schemas", schema), 201).json()


def define_type(scim: Scim, name: str, urn: str, extensions: list[Json] | None = None, endpoint: str | None = None) -> Json:
    """POST a resource type, demand 201, wait until its endpoint is served, return the body."""
    path = endpoint or f"/{name}s"
    body: dict[str, Json] = {"schemas": [RESOURCE_TYPE], "id": name, "name": name, "endpoint": path, "schema": urn}
    if extensions:
        body["schemaExtensions"] = extensions
    made = expect(scim.as_admin("POST", "/ResourceTypes", body), 201).json()
    until(scim, f"{path}?count=0", lambda _: True)
    return made


def until(scim: Scim, path: str, holds: Any) -> Json:
    """Read until the answer is 200 and its body as it must be: every server process sees a change within a second or so."""
    deadline = time.monotonic() + SEEN
    while True:
        answer = scim.get(path)
        if answer.status_code == 200 and holds(answer.json()):
            return answer.json()
        ensure(time.monotonic() < deadline, f"{path} does not show the change after {SEEN:g} s: {answer.status_code} {answer.text[:200]}")
        time.sleep(0.05)
