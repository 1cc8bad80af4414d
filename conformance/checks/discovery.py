"""Discovery lists: which resource types and schemas there are, and how they are read (RFC 7643 §6, §7, RFC 7644 §4)."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from conformance.checks.raw_http import everything, refused_method
from conformance.checks.schema_facts import RESOURCE_TYPE, SCHEMA
from conformance.client import (
    CORE_GROUP,
    CORE_USER,
    ENTERPRISE_USER,
    ERROR,
    LIST_RESPONSE,
    PATCH_OP,
    SEARCH_REQUEST,
    Json,
    Scim,
    ensure,
    equal,
    expect,
    expect_error,
    rand,
)
from conformance.registry import requirement

_LISTS = ("/ResourceTypes", "/Schemas")


def _types(scim: Scim) -> dict[str, Json]:
    return {type_["name"]: type_ for type_ in everything(scim, "/ResourceTypes")}


@requirement("7643-6-01")
def resource_types_are_read_only(scim: Scim) -> None:
    """Resource types can be read and nothing else."""
    before = scim.read("/ResourceTypes/User")
    changed = before | {"endpoint": f"/{rand('Users')}"}
    refused_method(scim.post("/ResourceTypes", changed | {"name": rand("Type"), "id": rand("Type")}))
    refused_method(scim.put("/ResourceTypes/User", changed))
    refused_method(scim.patch("/ResourceTypes/User", {"op": "replace", "path": "endpoint", "value": changed["endpoint"]}))
    refused_method(scim.delete("/ResourceTypes/User"))
    equal(scim.read("/ResourceTypes/User"), before, "the resource type after refused writes")


@requirement("7643-6-02")
def names_of_resource_types(scim: Scim) -> None:
    """Every resource type has name, endpoint and schema; names differ, and letter case counts in them."""
    types = everything(scim, "/ResourceTypes")
    for type_ in types:
        for key in ("name", "endpoint", "schema"):
            ensure(isinstance(type_.get(key), str) and type_[key], f"{key} of a resource type is {type_.get(key)!r}")
    names = [type_["name"] for type_ in types]
    equal(len(set(names)), len(names), "number of different names")
    user = scim.user()
    equal(scim.matches("/Users", 'meta.resourceType eq "User"', [user]), {user["id"]}, "users of resource type User")
    equal(scim.matches("/Users", 'meta.resourceType eq "uSER"', [user]), set(), "users of resource type uSER")


@requirement("7643-6-03", "7644-4-08")
def endpoints_of_resource_types(scim: Scim) -> None:
    """Every resource type has an endpoint of its own, relative to the base URL, where its resources are listed."""
    types = everything(scim, "/ResourceTypes")
    endpoints = [type_["endpoint"] for type_ in types]
    equal(len({endpoint.strip("/").lower() for endpoint in endpoints}), len(endpoints), "number of different endpoints")
    for type_ in types:
        endpoint = type_["endpoint"]
        ensure(not urlsplit(endpoint).scheme and not endpoint.startswith("//"), f"endpoint is not relative: {endpoint!r}")
        listed = scim.read("/" + endpoint.lstrip("/"), params={"count": 5})
        equal(listed.get("schemas"), [LIST_RESPONSE], f"schemas of the answer at {endpoint}")
        for resource in listed.get("Resources") or []:
            equal(resource["meta"]["resourceType"], type_["name"], f"meta.resourceType of a resource at {endpoint}")


@requirement("7643-6-04")
def base_schemas_exist(scim: Scim) -> None:
    """The base schema of every resource type is published under the same id."""
    for name, type_ in _types(scim).items():
        equal(scim.read(f"/Schemas/{type_['schema']}").get("id"), type_["schema"], f"id of the schema of {name}")


@requirement("7643-6-05")
def schema_extensions_exist(scim: Scim) -> None:
    """Extensions of a resource type are published schemas with a boolean required; what is not required may be left out."""
    types = _types(scim)
    for name, type_ in types.items():
        for extension in type_.get("schemaExtensions") or []:
            ensure(type(extension.get("required")) is bool, f"{name}: required of an extension is {extension.get('required')!r}")
            equal(scim.read(f"/Schemas/{extension['schema']}").get("id"), extension["schema"], f"{name}: id of an extension")
    listed = {extension["schema"]: extension["required"] for extension in types["User"].get("schemaExtensions") or []}
    if listed.get(ENTERPRISE_USER) is False:
        ensure(ENTERPRISE_USER not in scim.user()["schemas"], "a user without enterprise attributes lists the extension")


@requirement("7643-6-08")
def meta_names_the_resource_type(scim: Scim) -> None:
    """meta.resourceType of a resource is the name of the resource type that its endpoint belongs to."""
    names = {type_["endpoint"].strip("/"): type_["name"] for type_ in everything(scim, "/ResourceTypes")}
    for path, made in (("Users", scim.user()), ("Groups", scim.group())):
        equal(scim.read(f"/{path}/{made['id']}")["meta"].get("resourceType"), names.get(path), f"meta.resourceType at /{path}")


@requirement("7643-7-01")
def used_schemas_are_published(scim: Scim) -> None:
    """Every schema URI that a resource lists is published."""
    user = scim.user(**{ENTERPRISE_USER: {"department": "Research"}})
    ensure(ENTERPRISE_USER in user["schemas"], "a user with enterprise attributes does not list the extension")
    shown = [user, scim.group(), scim.read("/ServiceProviderConfig"), *everything(scim, "/ResourceTypes"), *everything(scim, "/Schemas")]
    for uri in sorted({uri for resource in shown for uri in resource["schemas"]}):
        equal(scim.read(f"/Schemas/{uri}").get("id"), uri, "id of a published schema")


@requirement("7643-7-02")
def schemas_are_read_only(scim: Scim) -> None:
    """Schemas can be read and nothing else."""
    at = f"/Schemas/{CORE_USER}"
    before = scim.read(at)
    changed = before | {"name": rand("Schema")}
    refused_method(scim.post("/Schemas", changed | {"id": f"urn:example:{rand('schema')}"}))
    refused_method(scim.put(at, changed))
    refused_method(scim.patch(at, {"op": "replace", "path": "name", "value": changed["name"]}))
    refused_method(scim.delete(at))
    equal(scim.read(at), before, "the schema after refused writes")


@requirement("7644-3.1-04")
def messages_are_not_published(scim: Scim) -> None:
    """The schemas of messages are not listed and cannot be read at /Schemas."""
    published = [schema["id"] for schema in everything(scim, "/Schemas")]
    ensure(CORE_USER in published, "the User schema is not published")
    for uri in published:
        ensure(not uri.lower().startswith("urn:ietf:params:scim:api:"), f"published message schema {uri}")
    for uri in (ERROR, LIST_RESPONSE, PATCH_OP, SEARCH_REQUEST):
        expect_error(scim.get(f"/Schemas/{uri}"), 404)


@requirement("7644-3.2-02")
def endpoints_are_plurals(scim: Scim) -> None:
    """The endpoint of a resource type is the plural of its name."""
    for name, type_ in _types(scim).items():
        plurals = {f"/{name}s", f"/{name}es", f"/{name[:-1]}ies"}
        ensure(type_["endpoint"] in plurals, f"the endpoint of {name} is {type_['endpoint']}")


@requirement("7644-3.4.1-04")
def one_document_by_its_key(scim: Scim) -> None:
    """A schema is read by its URN, colons percent-encoded or not, and a resource type by its name."""
    for uri in (CORE_USER, ENTERPRISE_USER, CORE_GROUP):
        plain = scim.read(f"/Schemas/{uri}")
        equal(plain.get("id"), uri, "id of the schema")
        equal(scim.read(f"/Schemas/{uri.replace(':', '%3A')}"), plain, "the schema read with encoded colons")
    for name in ("User", "Group"):
        equal(scim.read(f"/ResourceTypes/{name}").get("name"), name, "name of the resource type")


@requirement("7644-4-02", "7644-4-04")
def discovery_lists(scim: Scim) -> None:
    """Schemas and resource types are listed completely, each as a ListResponse of objects of its own kind."""
    wanted = {"/ResourceTypes": ("name", {"User", "Group"}, RESOURCE_TYPE), "/Schemas": ("id", {CORE_USER, CORE_GROUP}, SCHEMA)}
    for path, (key, least, kind) in wanted.items():
        body = scim.read(path)
        equal(body.get("schemas"), [LIST_RESPONSE], f"schemas of {path}")
        equal(body.get("totalResults"), len(body["Resources"]), f"totalResults of {path}")
        missing = least - {resource[key] for resource in body["Resources"]}
        ensure(not missing, f"{path} lacks {sorted(missing)}")
        for resource in body["Resources"]:
            equal(resource.get("schemas"), [kind], f"schemas of an element of {path}")


@requirement("7644-4-03", "7644-4-05")
def single_documents(scim: Scim) -> None:
    """A schema or resource type read alone is the object that the list holds; an unknown one is 404."""
    for path, key in (("/Schemas", "id"), ("/ResourceTypes", "name")):
        for listed in everything(scim, path):
            equal(scim.read(f"{path}/{listed[key]}"), listed, f"{path}/{listed[key]} against the list")
    expect_error(scim.get(f"/Schemas/urn:example:{rand('schema')}"), 404)
    expect_error(scim.get(f"/ResourceTypes/{rand('Type')}"), 404)


@requirement("7644-4-06")
def query_parameters_are_ignored(scim: Scim) -> None:
    """Paging and sorting parameters change nothing of a discovery answer."""
    query: dict[str, str | int] = {"startIndex": 2, "count": 1, "sortBy": "name", "sortOrder": "descending"}
    for path in (*_LISTS, "/ServiceProviderConfig"):
        plain = scim.read(path)
        ensure(path not in _LISTS or len(plain["Resources"]) > 1, f"{path} is too short to show the effect of paging")
        equal(scim.read(path, params=query), plain, f"{path} with paging and sorting parameters")


@requirement("7644-4-07")
def filters_are_refused(scim: Scim) -> None:
    """A filter on a discovery endpoint is answered 403 and discloses nothing."""
    # Decision 43: also where a single document is read.
    for path in (*_LISTS, f"/Schemas/{CORE_USER}", "/ResourceTypes/User", "/ServiceProviderConfig"):
        expect(scim.get(path), 200)
        body = expect_error(scim.get(path, params={"filter": 'name eq "User"'}), 403)
        ensure("Resources" not in body and "attributes" not in body, f"{path}: the refusal carries data")


@requirement("7644-4-09")
def discovery_is_one_page(scim: Scim) -> None:
    """A discovery list is one page that starts at 1 and holds everything it counts."""
    for path in _LISTS:
        body = scim.read(path)
        count = len(body["Resources"])
        ensure(count > 0, f"{path} is empty")
        for key, value in (("totalResults", count), ("itemsPerPage", count), ("startIndex", 1)):
            equal(body.get(key), value, f"{key} of {path}")


@requirement("7643-7-03")
def schemas_are_resources(scim: Scim) -> None:
    """A published schema has schemas, id, name, description, attributes and a meta whose location reads it."""
    listed = everything(scim, "/Schemas")
    equal(len({schema["id"] for schema in listed}), len(listed), "number of different ids")
    for schema in listed:
        equal(schema.get("schemas"), [SCHEMA], f"schemas of {schema.get('id')}")
        for key in ("id", "name", "description"):
            ensure(isinstance(schema.get(key), str) and schema[key], f"{key} of {schema.get('id')} is {schema.get(key)!r}")
        ensure(isinstance(schema.get("attributes"), list) and schema["attributes"], f"{schema['id']} has no attributes")
        meta = schema.get("meta") or {}
        equal(meta.get("resourceType"), "Schema", f"meta.resourceType of {schema['id']}")
        ensure(unquote(str(meta.get("location"))).endswith(f"/Schemas/{schema['id']}"), f"meta.location is {meta.get('location')!r}")
        equal(scim.read(meta["location"]).get("id"), schema["id"], "id of what is read at meta.location")
