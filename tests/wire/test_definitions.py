"""Schemas and resource types that a tenant defines through SCIM: who may, what is refused, and that the next request knows them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from tests.wire.support import ENTERPRISE, GROUP, USER, Client, Server, assert_error, patch

BADGE: Final = "urn:example:params:scim:schemas:extension:badge:1.0:User"
DEVICE: Final = "urn:example:params:scim:schemas:core:1.0:Device"
SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"


def schema(urn: str, *attributes: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A Schema with these attributes."""
    return {"schemas": [SCHEMA], "id": urn, "name": "Made up", "attributes": list(attributes)} | members


def resource_type(name: str, endpoint: str, base: str, *extensions: tuple[str, bool]) -> dict[str, Any]:
    """A ResourceType with these extensions."""
    listed = [{"schema": urn, "required": required} for urn, required in extensions]
    return {"schemas": [RESOURCE_TYPE], "name": name, "endpoint": endpoint, "schema": base, "schemaExtensions": listed}


DEVICE_SCHEMA: Final = schema(
    DEVICE,
    {"name": "serial", "type": "string", "multiValued": False, "required": True, "uniqueness": "server"},
    {"name": "model", "type": "string"},
    {"name": "slots", "type": "integer"},
    {
        "name": "owner",
        "type": "complex",
        "subAttributes": [{"name": "value"}, {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}],
    },
)


@pytest.fixture
async def admin(server: Server, client: Client) -> Client:
    """A client of a fresh tenant that may also define."""
    return client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))


async def made(answer_of: Any, status: int = 201) -> dict[str, Any]:
    """The body of an answer with this status."""
    answer = await answer_of
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_type_from_the_next_request_on(admin: Client) -> None:
    """A schema and a type are created; the very next requests discover, validate, filter, sort, patch, page and project it."""
    answer = await admin.post("/Schemas", DEVICE_SCHEMA)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"/Schemas/{DEVICE}")
    assert answer.headers["etag"] == answer.json()["meta"]["version"] == 'W/"1"'
    assert answer.json()["attributes"][1] == {
        "name": "model",
        "type": "string",
        "multiValued": False,
        "required": False,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
    }
    type_ = await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE.upper().replace("URN", "urn", 1))))
    assert (type_["id"], type_["schema"]) == ("Device", DEVICE)
    assert (await admin.get("/ResourceTypes/device")).json() == type_
    assert (await admin.get("/Schemas/" + DEVICE)).json() == answer.json()
    ids = [(await made(admin.post("/Devices", {"SERIAL": f"S{n}", "model": "Pi", "slots": n})))["id"] for n in (3, 1, 2)]
    assert_error(await admin.post("/Devices", {"model": "Pi"}), 400, "invalidValue", "serial is required")
    assert_error(await admin.post("/Devices", {"serial": "s1"}), 409, "uniqueness", "serial")
    assert_error(await admin.post("/Devices", {"serial": "x", "slots": "many"}), 400, "invalidValue", "slots")
    assert await admin.search('model eq "pi" and slots ge 2', "/Devices") == [ids[0], ids[2]]
    page = (await admin.get("/Devices", sortBy="slots", count=2, attributes="slots")).json()
    assert (page["totalResults"], [one["slots"] for one in page["Resources"]]) == (3, [1, 2])
    assert set(page["Resources"][0]) == {"schemas", "id", "slots"}
    patched = await made(admin.patch(f"/Devices/{ids[0]}", {"op": "replace", "path": "Model", "value": "Zero"}), 200)
    assert (patched["model"], patched["meta"]["resourceType"]) == ("Zero", "Device")


async def test_an_extension_of_users(admin: Client) -> None:
    """A schema added to User extends it at once; a required one is demanded; one schema may extend several types."""
    await made(admin.post("/Schemas", schema(BADGE, {"name": "number", "required": True}, {"name": "colour"})))
    user_type = (await admin.get("/ResourceTypes/User")).json()
    user_type["schemaExtensions"].append({"schema": BADGE, "required": False})
    assert (await made(admin.put("/ResourceTypes/User", user_type), 200))["schemaExtensions"] == [
        {"schema": ENTERPRISE, "required": False},
        {"schema": BADGE, "required": False},
    ]
    ada = await admin.new_user(**{BADGE: {"Number": "7"}})
    assert (ada["schemas"], ada[BADGE]) == ([USER, BADGE], {"number": "7"})
    assert_error(await admin.post("/Users", {"userName": "ben", BADGE: {"colour": "red"}}), 400, "invalidValue", "number is required")
    assert await admin.search(f'{BADGE}:number eq "7"') == [ada["id"]]
    operation = {"op": "add", "path": "schemaExtensions", "value": [{"schema": BADGE, "required": True}]}
    await made(admin.patch("/ResourceTypes/Group", operation), 200)
    assert_error(await admin.post("/Groups", {"displayName": "Staff"}), 400, "invalidValue", f"{BADGE}:number is required")
    assert (await admin.post("/Groups", {"displayName": "Staff", BADGE: {"number": "8"}})).status_code == 201
    assert_error(await admin.delete(f"/Schemas/{BADGE}"), 409, None, "uses the schema")


async def test_patch_of_a_schema(admin: Client) -> None:
    """A value path changes one characteristic, an add appends an attribute; the result is checked as a PUT is."""
    await made(admin.post("/Schemas", schema(BADGE, {"name": "number"}, {"name": "colour"})))
    path = f"/Schemas/{BADGE}"
    changed = await made(
        admin.patch(
            path,
            {"op": "replace", "path": 'attributes[name eq "colour"].canonicalValues', "value": ["red", "blue"]},
            {"op": "replace", "path": 'attributes[name eq "colour"].canonicalValuesEnforced', "value": True},
            {"op": "add", "path": 'attributes[name eq "colour"].indexed', "value": True},
            {"op": "add", "path": "attributes", "value": [{"name": "since", "type": "dateTime", "indexed": True}]},
            {"op": "replace", "path": "description", "value": "What people wear."},
        ),
        200,
    )
    assert changed["meta"]["version"] == 'W/"2"'
    assert [one["name"] for one in changed["attributes"]] == ["number", "colour", "since"]
    assert {"canonicalValues": ["red", "blue"], "canonicalValuesEnforced": True, "indexed": True}.items() <= changed["attributes"][
        1
    ].items()
    assert changed == (await admin.get(path)).json()
    operation = {"op": "add", "path": "attributes", "value": [{"name": "2nd"}]}
    assert_error(await admin.patch(path, operation), 400, "invalidValue", '"2nd" cannot be a name')
    assert_error(await admin.patch(path, {"op": "add", "path": "colour", "value": 1}), 400, "invalidPath")
    assert_error(await admin.patch(path, {"op": "replace", "path": 'attributes[name eq "x"].required', "value": True}), 400, "noTarget")


async def test_enforced_canonical_values(admin: Client) -> None:
    """Canonical values are suggestions until they are marked as enforced; compared as the attribute is."""
    await made(admin.post("/Schemas", schema(DEVICE, {"name": "state", "canonicalValues": ["on", "off"]})))
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    assert (await admin.post("/Devices", {"state": "ON"})).status_code == 201
    await made(
        admin.patch(f"/Schemas/{DEVICE}", {"op": "add", "path": 'attributes[name eq "state"].canonicalValuesEnforced', "value": True}), 200
    )
    assert (await admin.post("/Devices", {"state": "Off"})).status_code == 201
    assert_error(await admin.post("/Devices", {"state": "idle"}), 400, "invalidValue", "state must be one of")


@pytest.mark.parametrize("scopes", [("scim:read", "scim:write"), ("scim:read",)])
async def test_other_tokens_only_read(server: Server, client: Client, scopes: tuple[str, ...]) -> None:
    """Without the scope tenant:admin the endpoints of definitions take no changes: 405 with Allow."""
    other = client.with_token(await server.token(client, *scopes))
    for path, method in (
        ("/Schemas", "POST"),
        (f"/Schemas/{USER}", "PUT"),
        (f"/Schemas/{USER}", "PATCH"),
        ("/ResourceTypes/User", "DELETE"),
    ):
        answer = await other.request(method, path, {})
        assert_error(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await other.request("OPTIONS", "/Schemas")).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_a_token_for_some_types_defines_none(server: Server, client: Client) -> None:
    """Narrowed to groups, a token with tenant:admin takes no type away and changes none: definitions are those of all types."""
    admin = client.with_token(await server.token(client, "scim:read", "tenant:admin"))
    assert admin.token is not None
    await server.pool.execute(
        "UPDATE credential SET types = '{Group}' WHERE tenant = $1 AND kid = $2", client.id, admin.token.split("_")[1]
    )
    for path, method in (
        ("/ResourceTypes/User", "DELETE"),
        ("/ResourceTypes/Group", "PUT"),
        ("/Schemas", "POST"),
        (f"/Schemas/{USER}", "PUT"),
    ):
        answer = await admin.request(method, path, {})
        assert_error(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await admin.get("/ResourceTypes/User")).status_code == 200


async def test_what_an_administrator_may(server: Server, client: Client) -> None:
    """A token with tenant:admin alone defines and reads definitions, and sees no resource; OPTIONS says what it may."""
    admin = client.with_token(await server.token(client, "tenant:admin"))
    assert (await admin.request("OPTIONS", "/Schemas")).headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert (await admin.request("OPTIONS", f"/Schemas/{USER}")).headers["allow"] == "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
    assert (await admin.get("/ResourceTypes")).status_code == 200
    assert (await admin.get("/ServiceProviderConfig")).status_code == 200
    assert (await made(admin.post("/Schemas", schema(BADGE, {"name": "number"}))))["id"] == BADGE
    assert_error(await admin.get("/Users"), 403, None, "scim:read")
    assert_error(await admin.post("/Users", {"userName": "x"}), 403, None, "scim:write")
    assert_error(await admin.put("/Schemas", {}), 405)


async def test_preconditions(server: Server, admin: Client) -> None:
    """A definition has a version and an entity tag; If-Match and If-None-Match hold as they do for resources."""
    await made(admin.post("/Schemas", schema(BADGE, {"name": "number"})))
    path = f"/Schemas/{BADGE}"
    stale = {"If-Match": 'W/"7"'}
    assert_error(await admin.request("PUT", path, schema(BADGE, {"name": "other"}), headers=stale), 412)
    assert_error(await admin.request("DELETE", path, headers=stale), 412)
    answer = await admin.request("PUT", path, schema(BADGE, {"name": "number"}, {"name": "more"}), headers={"If-Match": 'W/"1"'})
    assert answer.headers["etag"] == 'W/"2"'
    same = await admin.put(path, schema(BADGE, {"name": "number"}, {"name": "more"}))
    assert same.headers["etag"] == 'W/"2"'
    assert (await admin.request("GET", path, headers={"If-None-Match": 'W/"2"'})).status_code == 304
    assert (await admin.request("GET", path, headers={"If-None-Match": 'W/"1"'})).status_code == 200
    await server.set_policy(admin, {"require_if_match": True})
    await asyncio.sleep(1)
    assert_error(await admin.delete(path), 428)
    assert (await admin.request("DELETE", path, headers={"If-Match": 'W/"2"'})).status_code == 204
    assert_error(await admin.get(path), 404)


@pytest.mark.parametrize("path", [f"/Schemas/{USER}", f"/Schemas/{GROUP}", f"/Schemas/{ENTERPRISE}", "/ResourceTypes/User"])
async def test_what_was_read_changes_nothing(admin: Client, path: str) -> None:
    """A definition put back as it was read is the same, of the same version."""
    shown = await made(admin.get(path), 200)
    assert (await made(admin.put(path, shown), 200))["meta"] == shown["meta"]
    assert (await made(admin.get(path), 200)) == shown


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "scim_type", "says"),
    [
        ("POST", "/Schemas", schema(USER, {"name": "x"}), 409, "uniqueness", "id"),
        ("PUT", "/Schemas/urn:nothing:x", schema("urn:nothing:x", {"name": "x"}), 404, None, "urn:nothing:x"),
        ("PUT", f"/Schemas/{SCHEMA}", schema(SCHEMA, {"name": "x"}), 400, "mutability", "describes the protocol"),
        ("PUT", f"/Schemas/{GROUP}", schema(GROUP, {"name": "x"}, name="Group"), 400, "mutability", "displayName"),
        ("DELETE", f"/Schemas/{USER}", None, 409, None, "The resource type User uses the schema"),
        ("POST", "/ResourceTypes", resource_type("Device", "/Devices", DEVICE), 400, "invalidValue", f"there is no schema {DEVICE}"),
        ("POST", "/ResourceTypes", resource_type("user", "/People", USER), 409, "uniqueness", "name"),
        ("POST", "/ResourceTypes", resource_type("Person", "/USERS", USER), 409, "uniqueness", "endpoint"),
        ("POST", "/ResourceTypes", resource_type("Person", "/Bulk", USER), 400, "invalidValue", "reserved"),
        ("POST", "/ResourceTypes", resource_type("Person", "/v3", USER), 400, "invalidValue", "reserved"),
        ("PUT", "/ResourceTypes/User", resource_type("Person", "/Users", USER), 400, "mutability", "name is User"),
        ("PUT", "/ResourceTypes/User", resource_type("User", "/Users", USER, (USER, False)), 400, "invalidValue", "named twice"),
        ("POST", "/Schemas?dryRun=maybe", schema(BADGE, {"name": "x"}), 400, "invalidValue", "dryRun"),
    ],
)
async def test_refused(admin: Client, method: str, path: str, body: Any, status: int, scim_type: str | None, says: str) -> None:
    """What contradicts the standard, or other definitions of the tenant, is refused and changes nothing."""
    before = ((await admin.get("/Schemas")).json(), (await admin.get("/ResourceTypes")).json())
    assert_error(await admin.request(method, path, body), status, scim_type, says)
    assert ((await admin.get("/Schemas")).json(), (await admin.get("/ResourceTypes")).json()) == before


async def test_standard_attributes_made_stricter(admin: Client) -> None:
    """A tenant may demand, enforce, index and make unique what RFC 7643 defines."""
    changed = await made(
        admin.patch(
            f"/Schemas/{USER}",
            {"op": "replace", "path": 'attributes[name eq "displayName"].required', "value": True},
            {"op": "replace", "path": 'attributes[name eq "nickName"].uniqueness', "value": "server"},
            {"op": "add", "path": 'attributes[name eq "title"].indexed', "value": "substring"},
        ),
        200,
    )
    assert next(one for one in changed["attributes"] if one["name"] == "title")["indexed"] == "substring"
    assert_error(await admin.post("/Users", {"userName": "ada"}), 400, "invalidValue", "displayName is required")
    await admin.new_user(displayName="Ada", nickName="A")
    assert_error(await admin.post("/Users", {"userName": "ben", "displayName": "Ben", "nickName": "a"}), 409, "uniqueness", "nickName")


async def test_two_tenants_contradict_each_other(server: Server) -> None:
    """One URN means different things in two tenants at the same time, and neither notices the other."""
    clients = []
    for attribute in ({"name": "level", "type": "integer"}, {"name": "level", "type": "string", "multiValued": True}):
        client = await server.tenant()
        admin = client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))
        await made(admin.post("/Schemas", schema(DEVICE, attribute)))
        await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
        clients.append(admin)
    values = (5, ["low", "high"])

    async def use(client: Client, value: Any, other: Any, filter_: str) -> None:
        for _ in range(10):
            device = await made(client.post("/Devices", {"level": value}))
            assert device["level"] == value
            assert_error(await client.post("/Devices", {"level": other}), 400, "invalidValue", "level")
            assert device["id"] in await client.search(filter_, "/Devices")

    await asyncio.gather(use(clients[0], values[0], values[1], "level gt 4"), use(clients[1], values[1], values[0], 'level eq "LOW"'))


async def test_deleted_types(admin: Client) -> None:
    """A type without resources can be deleted, then its schema; with a resource neither can."""
    await made(admin.post("/Schemas", DEVICE_SCHEMA))
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    device = await made(admin.post("/Devices", {"serial": "1"}))
    assert_error(await admin.delete("/ResourceTypes/Device"), 409, None, "Device has resources")
    assert (await admin.delete(f"/Devices/{device['id']}")).status_code == 204
    assert (await admin.delete("/ResourceTypes/Device")).status_code == 204
    assert_error(await admin.get("/Devices"), 404)
    assert (await admin.delete(f"/Schemas/{DEVICE}")).status_code == 204
    assert (await admin.get("/Schemas")).json()["totalResults"] == 6


async def test_a_tenant_without_groups(admin: Client) -> None:
    """The type Group can go, and users are served as before; it can come again, with the standard's schema."""
    ada = await admin.new_user()
    type_ = (await admin.get("/ResourceTypes/Group")).json()
    assert (await admin.delete("/ResourceTypes/Group")).status_code == 204
    assert (await made(admin.get(f"/Users/{ada['id']}"), 200))["id"] == ada["id"]
    assert await admin.search("not (groups pr)") == [ada["id"]]
    assert await admin.search('groups.value eq "x"') == []
    assert (await admin.get("/", filter="userName pr")).json()["totalResults"] == 1
    assert (await admin.delete(f"/Users/{ada['id']}")).status_code == 204
    assert (await made(admin.post("/ResourceTypes", type_)))["name"] == "Group"
    assert (await admin.new_group())["meta"]["resourceType"] == "Group"


async def test_the_audit_trail(server: Server, admin: Client) -> None:
    """Every change of a definition is in the trail with who, which version, and each path before and after."""
    await made(admin.post("/Schemas", schema(BADGE, {"name": "number"})))
    await admin.patch(f"/Schemas/{BADGE}", {"op": "replace", "path": 'attributes[name eq "number"].required', "value": True})
    await admin.delete(f"/Schemas/{BADGE}")
    rows = await server.pool.fetch(
        "SELECT operation, version, attributes, diff::text FROM change WHERE tenant = $1 AND type = 'Schema' AND id = $2 ORDER BY seq",
        *(admin.id, BADGE),
    )
    assert [(row["operation"], row["version"], row["attributes"]) for row in rows] == [
        ("create", 1, []),
        ("update", 2, ["attributes"]),
        ("delete", 3, []),
    ]
    assert rows[1]["diff"] == '{"attributes.number.required": [false, true]}'


async def test_versions_go_on_when_a_definition_is_made_again(admin: Client) -> None:
    """What is deleted and made again has a version that it never had, so that an entity tag means one definition for ever."""
    for path, body in (("/Schemas", schema(DEVICE, {"name": "x"})), ("/ResourceTypes", resource_type("Device", "/Devices", DEVICE))):
        first = await made(admin.post(path, body))
        where = f"{path}/{first['id']}"
        assert first["meta"]["version"] == 'W/"1"'
        assert (await admin.delete(where)).status_code == 204
        again = await made(admin.post(path, body))
        assert again["meta"]["version"] == 'W/"3"'
        shown = await admin.request("GET", where, headers={"If-None-Match": 'W/"1"'})
        assert (shown.status_code, shown.json()["meta"]["version"]) == (200, 'W/"3"')
        changed = await made(admin.put(where, body | {"description": "Another."}), 200)
        assert changed["meta"]["version"] == 'W/"4"'


@pytest.mark.parametrize("strict", [False, True])
async def test_bodies_of_patch_are_messages(server: Server, admin: Client, strict: bool) -> None:
    """A PATCH of a definition is a PatchOp like any other; one without operations changes nothing, where the policy takes it."""
    await server.set_policy(admin, {"strict_operations": strict})
    before = await made(admin.get(f"/Schemas/{USER}"), 200)
    assert_error(await admin.request("PATCH", f"/Schemas/{USER}", patch() | {"Operations": {}}), 400, "invalidSyntax")
    answer = await admin.request("PATCH", f"/Schemas/{USER}", patch() | {"Operations": []})
    if strict:
        assert_error(answer, 400, "invalidSyntax")
    else:
        assert (answer.status_code, answer.json()) == (200, before)
    assert await made(admin.get(f"/Schemas/{USER}"), 200) == before
