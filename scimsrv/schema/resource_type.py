"""From the body of a ResourceType resource to the definition that is stored, and how definitions refer to each other (RFC 7643 §6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.definition import checked_urn, declares, members, text
from scimsrv.schema.document import Document
from scimsrv.schema.protection import OF_DISCOVERY
from scimsrv.schema.validate import SCHEMAS, shorten

RESOURCE_TYPE_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"

#: Schemas and resource types of one tenant.
MOST_SCHEMAS: Final = 100
MOST_TYPES: Final = 100
#: Attributes and sub-attributes of all schemas of one tenant, which every server process holds in memory.
MOST_IN_ALL: Final = 5_000
_MOST_EXTENSIONS: Final = 50

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_ENDPOINT: Final = re.compile(r"/[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_VERSION: Final = re.compile(r"v[0-9]+")

#: Path segments that mean something else below a tenant's URL (RFC 7644 §3.2, Table 2), folded.
RESERVED_ENDPOINTS: Final = frozenset(
    {
        *("schemas", "resourcetypes", "serviceproviderconfig", "serviceproviderconfigs", "bulk", "me", "endpoints"),
        *("admin", "oauth", "events", "jobs", "async", "health", "metrics"),
    }
)
#: Names that referenceTypes uses for what is no resource type (RFC 7643 §7), and those of the protocol's own types.
_RESERVED_NAMES: Final = frozenset({"uri", "external", "schema", "resourcetype", "serviceproviderconfig", "policy", "job"})


def checked_resource_type(body: Mapping[str, Any]) -> Document:
    """The definition in the body of a ResourceType resource, as discovery serves it but for `meta`.

    Raises ScimError invalidSyntax for what is no ResourceType at all, else invalidValue naming member and rule.
    """
    known = ("schemas", "id", "name", "description", "endpoint", "schema", "schemaExtensions", "meta")
    given = members(body, known, "the resource type")
    declares(given, RESOURCE_TYPE_URN)
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise invalid_value("name is required")
    if _NAME.fullmatch(name) is None or fold_name(name) in _RESERVED_NAMES:
        raise invalid_value(
            f"name: {shorten(name)} cannot be the name of a resource type: it is reserved, or not a letter followed by at most 63"
            " letters, digits, - and _"
        )
    if given.get("id", name) != name:
        raise invalid_value("id is the name of the resource type, or left out")
    definition: Document = {SCHEMAS: [RESOURCE_TYPE_URN], "id": name, "name": name}
    description = text(given.get("description"), "description", required=False)
    if description is not None:
        definition["description"] = description
    definition["endpoint"] = _endpoint(given.get("endpoint"))
    definition["schema"] = _schema(given.get("schema"), "schema")
    definition["schemaExtensions"] = _extensions(given.get("schemaExtensions", []), definition["schema"])
    return definition


def _endpoint(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise invalid_value("endpoint is required: a path such as /Devices")
    path = value if value.startswith("/") else f"/{value}"
    if _ENDPOINT.fullmatch(path) is None:
        raise invalid_value(f"endpoint: {shorten(value)} is not / and a letter, followed by at most 63 letters, digits, - and _")
    segment = fold_name(path[1:])
    if segment in RESERVED_ENDPOINTS or _VERSION.fullmatch(segment):
        raise invalid_value(f"endpoint: {path} is reserved, as it has a meaning of its own in URLs")
    return path


def _schema(value: Any, name: str) -> str:
    urn = checked_urn(value, name)
    if fold_name(urn) in OF_DISCOVERY:
        raise invalid_value(f"{name}: {urn} describes the protocol, and no resources of a tenant")
    return urn


def _extensions(given: Any, base: str) -> list[Document]:
    if not isinstance(given, list) or len(given) > _MOST_EXTENSIONS:
        raise invalid_value(f"schemaExtensions must be an array of at most {_MOST_EXTENSIONS} extensions")
    found: dict[str, Document] = {}
    for index, one in enumerate(given):
        place = f"schemaExtensions[{index}]"
        extension = members(one, ("schema", "required"), place)
        urn = _schema(extension.get("schema"), f"{place}.schema")
        required = extension.get("required", False)
        if not isinstance(required, bool):
            raise invalid_value(f"{place}.required must be true or false")
        if fold_name(urn) in found or fold_name(urn) == fold_name(base):
            raise invalid_value(f"{place}.schema: {urn} is named twice")
        found[fold_name(urn)] = {"schema": urn, "required": required}
    return list(found.values())


def spelled(definition: Document, schemas: Mapping[str, Document]) -> Document:
    """The resource type with the URNs of its schemas as these spell them. Raises ScimError invalidValue for one that is not there."""

    def urn(given: str, name: str) -> str:
        schema = schemas.get(fold_name(given))
        if schema is None:
            raise invalid_value(f"{name}: there is no schema {given}")
        found: str = schema["id"]
        return found

    return definition | {
        "schema": urn(definition["schema"], "schema"),
        "schemaExtensions": [
            extension | {"schema": urn(extension["schema"], f"schemaExtensions[{index}].schema")}
            for index, extension in enumerate(definition["schemaExtensions"])
        ],
    }


def check_references(schemas: Mapping[str, Document], types: Iterable[Document]) -> None:
    """Raises ScimError 409 when the definitions of a tenant, taken together, contradict each other or are too many: a resource type
    without its schemas, two at one endpoint, an extension whose URN reads like an attribute of the base schema."""
    endpoints: dict[str, str] = {}
    listed = list(types)
    if len(schemas) > MOST_SCHEMAS:
        raise _conflict(f"A tenant may have at most {MOST_SCHEMAS} schemas")
    if len(listed) > MOST_TYPES:
        raise _conflict(f"A tenant may have at most {MOST_TYPES} resource types")
    number = sum(1 + len(one.get("subAttributes", ())) for schema in schemas.values() for one in schema["attributes"])
    if number > MOST_IN_ALL:
        raise _conflict(f"The schemas of a tenant may have at most {MOST_IN_ALL} attributes and sub-attributes in all")
    for type_ in listed:
        name, urns = type_["name"], [type_["schema"], *(extension["schema"] for extension in type_.get("schemaExtensions", ()))]
        for urn in urns:
            if fold_name(urn) not in schemas:
                raise _conflict(f"The resource type {name} uses the schema {urn}")
        other = endpoints.setdefault(fold_name(type_["endpoint"]), name)
        if other != name:
            raise ScimError(Kind.UNIQUENESS, f"endpoint: {type_['endpoint']} is that of the resource type {other}")
        for urn in urns:
            for attribute in schemas[fold_name(urn)]["attributes"]:
                if fold_name(f"{urn}:{attribute['name']}") in map(fold_name, urns):
                    raise _conflict(f"{name}: {urn}:{attribute['name']} is an attribute and a schema at once")


def _conflict(detail: str) -> ScimError:
    return ScimError(Kind.CONFLICT, detail)
