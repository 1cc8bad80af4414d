"""The OpenAPI 3.1 document of a tenant's data plane, made from its schemas, its policy and the table of endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from scimsrv.limits import Limits
from scimsrv.protocol.features import served
from scimsrv.protocol.messages import BULK_REQUEST, BULK_RESPONSE, ERROR, LIST_RESPONSE, PATCH_OP, SEARCH_REQUEST
from scimsrv.protocol.route import METHODS, Endpoint, Route
from scimsrv.schema.attribute import Attribute, Mutability, Returned, Type
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema

Json = dict[str, Any]

_SCIM: Final = "application/scim+json"

_TYPES: Final[dict[Type, Json]] = {
    Type.STRING: {"type": "string"},
    Type.BOOLEAN: {"type": "boolean"},
    Type.DECIMAL: {"type": "number"},
    Type.INTEGER: {"type": "integer"},
    Type.DATETIME: {"type": "string", "format": "date-time"},
    Type.BINARY: {"type": "string", "contentEncoding": "base64"},
    Type.REFERENCE: {"type": "string"},
}

_QUERY: Final[dict[str, Json]] = {
    "filter": {"type": "string", "description": "RFC 7644 §3.4.2.2."},
    "sortBy": {"type": "string"},
    "sortOrder": {"type": "string", "enum": ["ascending", "descending"]},
    "startIndex": {"type": "integer"},
    "count": {"type": "integer"},
    "cursor": {"type": "string", "description": "Empty for the first page by cursor (RFC 9865)."},
}
_SHOWN: Final[dict[str, Json]] = {
    "attributes": {"type": "string", "description": "Names with commas between them."},
    "excludedAttributes": {"type": "string"},
}

_TRAIL: Final[dict[str, Json]] = {
    "after": {"type": "integer", "minimum": 0, "description": "Only rows behind this position."},
    "since": {"type": "string", "format": "date-time", "description": "Only rows of what happened at this time or later."},
    "count": {"type": "integer", "minimum": 1, "description": "How many rows at most."},
    "format": {"type": "string", "enum": ["jsonl", "ocsf"], "description": "The form of the rows, of which each line has one."},
}

_SUMMARIES: Final = {
    "GET": "Read it.",
    "HEAD": "The headers of GET.",
    "POST": "Create one.",
    "PUT": "Replace it.",
    "PATCH": "Change it.",
    "DELETE": "Delete it.",
}


def openapi(catalog: Catalog, limits: Limits, base_url: str, version: str) -> Json:
    """The document of the tenant with this catalogue; `base_url` ends with /v2, `version` is the program's."""
    schemas: Json = dict(_messages(limits))
    paths: Json = {
        "/ServiceProviderConfig": _discovery(Endpoint.CONFIG, catalog),
        "/Schemas": _discovery(Endpoint.SCHEMAS, catalog, listed=True),
        "/Schemas/{id}": _discovery(Endpoint.SCHEMAS, catalog),
        "/ResourceTypes": _discovery(Endpoint.RESOURCE_TYPES, catalog, listed=True),
        "/ResourceTypes/{id}": _discovery(Endpoint.RESOURCE_TYPES, catalog),
        "/": _path(Endpoint.ROOT, catalog, "everything", {}),
        "/.search": _path(Endpoint.ROOT_SEARCH, catalog, "everything", {}),
        "/Bulk": _path(Endpoint.BULK, catalog, "bulk", {}),
        "/.audit": _trail(Endpoint.AUDIT, _content({"type": "object"}), {}),
        "/.audit/rows": _trail(Endpoint.AUDIT_ROWS, {"application/x-ndjson": {"schema": {"type": "object"}}}, _TRAIL),
    }
    for type_ in catalog.types():
        schemas[type_.name] = _resource(type_, answered=True)
        schemas[f"{type_.name}Input"] = _resource(type_, answered=False)
        link = {"$ref": f"#/components/schemas/{type_.name}"}, {"$ref": f"#/components/schemas/{type_.name}Input"}
        paths[type_.endpoint] = _path(Endpoint.COLLECTION, catalog, type_.name, *link)
        paths[f"{type_.endpoint}/.search"] = _path(Endpoint.SEARCH, catalog, type_.name, *link)
        paths[f"{type_.endpoint}/{{id}}"] = _path(Endpoint.RESOURCE, catalog, type_.name, *link)
    if catalog.by_name.get("User") is not None:
        paths["/Me"] = _path(Endpoint.ME, catalog, "Me", {"$ref": "#/components/schemas/User"}, {"$ref": "#/components/schemas/UserInput"})
    if catalog.policy.badges:
        paths["/badges/progress/{id}"] = _with_id(
            {
                method.lower(): _operation(method, Endpoint.PROGRESS, "badges", {"type": "object"}, None)
                for method in METHODS[Endpoint.PROGRESS]
            },
            listed=False,
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SCIM 2.0",
            "version": version,
            "description": "RFC 7643, RFC 7644 and RFC 9865. Names of attributes are compared without regard to case.",
        },
        "servers": [{"url": base_url}],
        "security": [{"bearer": []}, {"oauth2": []}],
        "paths": {path: found for path, found in paths.items() if found.keys() - {"parameters"}},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`scimsrv token create`"},
                "oauth2": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": f"{base_url}/oauth/token", "scopes": {}}}},
            },
        },
    }


def _discovery(endpoint: Endpoint, catalog: Catalog, *, listed: bool = False) -> Json:
    methods = served(Route("", endpoint), METHODS[endpoint], catalog.policy)
    answer: Json = {"$ref": "#/components/schemas/ListResponse"} if listed else {"type": "object"}
    name = "list" if listed else "one"
    found = _with_id({method.lower(): _operation(method, endpoint, name, answer, None) for method in methods}, listed=listed)
    return found if endpoint is not Endpoint.CONFIG else {name: value for name, value in found.items() if name != "parameters"}


def _path(endpoint: Endpoint, catalog: Catalog, name: str, answer: Json, body: Json | None = None) -> Json:
    methods = served(Route("", endpoint), METHODS[endpoint], catalog.policy)
    operations = {method.lower(): _operation(method, endpoint, name, answer, body) for method in methods}
    return _with_id(operations, listed=endpoint is not Endpoint.RESOURCE)


def _trail(endpoint: Endpoint, content: Json, query: dict[str, Json]) -> Json:
    """An endpoint of the tenant's audit trail."""
    refused = {"description": "It was refused, or failed.", "content": _content({"$ref": "#/components/schemas/Error"})}
    shown = {
        "GET": {"200": {"description": "Done.", "content": content}, "default": refused},
        "HEAD": {"200": {"description": "As GET, without the body."}, "default": {"description": "-"}},
    }
    return {
        method.lower(): {
            "operationId": f"{method.lower()}-{endpoint.name.lower()}",
            "summary": "Where the audit trail ends." if endpoint is Endpoint.AUDIT else "Rows of the audit trail.",
            "description": "Needs the scope `audit:read`.",
            "parameters": [_parameter(key, "query", schema) for key, schema in query.items()],
            "responses": shown[method],
        }
        for method in METHODS[endpoint]
    }


def _with_id(operations: Json, *, listed: bool) -> Json:
    return operations if listed else operations | {"parameters": [_parameter("id", "path", {"type": "string", "minLength": 1})]}


def _operation(method: str, endpoint: Endpoint, name: str, answer: Json, body: Json | None) -> Json:
    lists = endpoint in (Endpoint.ROOT, Endpoint.COLLECTION) and method in ("GET", "HEAD")
    searches = endpoint in (Endpoint.SEARCH, Endpoint.ROOT_SEARCH)
    discovers = endpoint in (Endpoint.CONFIG, Endpoint.SCHEMAS, Endpoint.RESOURCE_TYPES, Endpoint.PROGRESS)
    query = ({} if discovers or searches or endpoint is Endpoint.BULK else _SHOWN) | (_QUERY if lists else {})
    found: Json = {
        "operationId": f"{method.lower()} {name} {endpoint.name.lower()}".replace(" ", "-"),
        "summary": _summary(method, endpoint),
        "parameters": [_parameter(key, "query", schema) for key, schema in query.items()],
        "responses": _responses(method, endpoint, answer, lists=lists or searches),
    }
    if endpoint in (Endpoint.RESOURCE, Endpoint.ME):
        header = "If-None-Match" if method in ("GET", "HEAD") else "If-Match"
        found["parameters"].append(_parameter(header, "header", {"type": "string"}))
    sent = _body(method, endpoint, body)
    if sent is not None:
        found["requestBody"] = {"required": True, "content": {media: {"schema": sent} for media in (_SCIM, "application/json")}}
    return found


def _summary(method: str, endpoint: Endpoint) -> str:
    if endpoint is Endpoint.BULK:
        return "Carry out several operations."
    if endpoint in (Endpoint.SEARCH, Endpoint.ROOT_SEARCH):
        return "Search, with the query in the body."
    return "List and search." if endpoint in (Endpoint.ROOT, Endpoint.COLLECTION) and method == "GET" else _SUMMARIES[method]


def _body(method: str, endpoint: Endpoint, body: Json | None) -> Json | None:
    if method not in ("POST", "PUT", "PATCH"):
        return None
    if endpoint is Endpoint.BULK:
        return {"$ref": "#/components/schemas/BulkRequest"}
    if endpoint in (Endpoint.SEARCH, Endpoint.ROOT_SEARCH):
        return {"$ref": "#/components/schemas/SearchRequest"}
    return {"$ref": "#/components/schemas/PatchOp"} if method == "PATCH" else body


def _responses(method: str, endpoint: Endpoint, answer: Json, *, lists: bool) -> Json:
    failed = {"description": "It was refused, or failed.", "content": _content({"$ref": "#/components/schemas/Error"})}
    if method == "HEAD":
        return {
            "200": {"description": "As GET, without the body."},
            "304": {"description": "Not modified."},
            "default": {"description": "-"},
        }
    if endpoint is Endpoint.BULK:
        answer = {"$ref": "#/components/schemas/BulkResponse"}
    elif lists:
        answer = {"$ref": "#/components/schemas/ListResponse"}
    done = {"description": "Done.", "content": _content(answer)}
    nothing = {"description": "Done; there is nothing to show."}
    if method == "GET" or lists or endpoint is Endpoint.BULK:
        return {"200": done, "304": {"description": "Not modified."}, "default": failed}
    if method == "POST":
        return {"201": done, "202": {"description": "Accepted, to be done later."}, "default": failed}
    if method == "DELETE":
        return {"204": nothing, "202": {"description": "Accepted, to be done later."}, "default": failed}
    return {"200": done, "202": {"description": "Accepted, to be done later."}, "204": nothing, "default": failed}


def _content(schema: Json) -> Json:
    return {media: {"schema": schema} for media in (_SCIM, "application/json")}


def _parameter(name: str, place: str, schema: Json) -> Json:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _resource(type_: EffectiveSchema, *, answered: bool) -> Json:
    """What a resource looks like: as clients send it, or as it is answered, where anything may be left out but what is always shown."""
    properties: Json = {}
    for attribute in (*type_.common, *type_.base.attributes):
        if _taken(attribute, answered=answered):
            properties[attribute.name] = _attribute(attribute, answered=answered)
    for extension, _ in type_.extensions:
        properties[extension.urn] = _object(extension.attributes, answered=answered)
    if not answered:
        properties["schemas"]["contains"] = {"const": type_.base.urn}
    sent = ["schemas", *(one.name for one in type_.base.attributes if one.required and _taken(one, answered=False))]
    required = ["schemas", "id"] if answered else sent
    return {"type": "object", "properties": properties, "required": required}


def _taken(attribute: Attribute, *, answered: bool) -> bool:
    return attribute.returned is not Returned.NEVER if answered else attribute.mutability is not Mutability.READ_ONLY


def _object(attributes: Iterable[Attribute], *, answered: bool) -> Json:
    taken = [attribute for attribute in attributes if _taken(attribute, answered=answered)]
    required = [] if answered else [attribute.name for attribute in taken if attribute.required]
    found: Json = {"type": "object", "properties": {one.name: _attribute(one, answered=answered) for one in taken}}
    return found | {"required": required} if required else found


def _attribute(attribute: Attribute, *, answered: bool) -> Json:
    schema = _object(attribute.sub_attributes, answered=answered) if attribute.type is Type.COMPLEX else dict(_TYPES[attribute.type])
    if attribute.enforced and attribute.canonical_values and not answered:
        schema["enum"] = list(attribute.canonical_values)
    return {"type": "array", "items": schema} if attribute.multi_valued else schema


def _messages(limits: Limits) -> Iterator[tuple[str, Json]]:
    """The envelopes of RFC 7644."""
    names = {"type": "array", "items": {"type": "string"}, "maxItems": limits.projected_names}
    query = {name: schema for name, schema in _QUERY.items() if name != "cursor"} | {"cursor": {"type": ["string", "null"]}}
    operation = {
        "type": "object",
        "properties": {"op": {"type": "string", "enum": ["add", "remove", "replace"]}, "path": {"type": "string"}, "value": {}},
        "required": ["op"],
    }
    bulk = {
        "type": "object",
        "properties": {
            "method": {"type": "string", "enum": ["POST", "PUT", "PATCH", "DELETE"]},
            "path": {"type": "string"},
            "bulkId": {"type": "string"},
            "version": {"type": "string"},
            "data": {"type": "object"},
        },
        "required": ["method", "path"],
    }
    error = {"status": {"type": "string"}, "scimType": {"type": "string"}, "detail": {"type": "string"}}
    yield "Error", _message(ERROR, error, ["status"])
    numbers = {name: {"type": "integer"} for name in ("totalResults", "startIndex", "itemsPerPage")}
    cursors = {name: {"type": "string"} for name in ("nextCursor", "previousCursor")}
    listed = {"Resources": {"type": "array", "items": {"type": "object"}}}
    yield "ListResponse", _message(LIST_RESPONSE, numbers | cursors | listed, ["totalResults"])
    yield "SearchRequest", _message(SEARCH_REQUEST, query | {"attributes": names, "excludedAttributes": names}, [])
    operations = {"type": "array", "items": operation, "minItems": 1, "maxItems": limits.patch_operations}
    yield "PatchOp", _message(PATCH_OP, {"Operations": operations}, ["Operations"])
    several = {"type": "array", "items": bulk, "maxItems": limits.bulk_operations}
    yield "BulkRequest", _message(BULK_REQUEST, {"Operations": several, "failOnErrors": {"type": "integer"}}, ["Operations"])
    done = {"type": "array", "items": {"type": "object", "required": ["method", "status"]}}
    yield "BulkResponse", _message(BULK_RESPONSE, {"Operations": done}, ["Operations"])


def _message(urn: str, properties: Json, required: list[str]) -> Json:
    schemas = {"type": "array", "items": {"type": "string"}, "contains": {"const": urn}}
    return {"type": "object", "properties": {"schemas": schemas} | properties, "required": ["schemas", *required]}
