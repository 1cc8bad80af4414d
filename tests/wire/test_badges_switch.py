"""The policy switch `badges`: types and extension come with it and go with it, and are protected in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scimsrv.schema.badging import TYPES
from scimsrv.schema.definitions import load_badges
from scimsrv.store.policy import PolicyConflict, write_policy
from scimsrv.store.rework import rework
from scimsrv.store.tenants import TenantError, create_tenant
from tests.wire.badges import URN, USER_EXTENSION, achievement, badges
from tests.wire.support import Client, Server, assert_error, until_seen

RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"


async def _types(client: Client) -> set[str]:
    return {one["name"] for one in (await client.get("/ResourceTypes")).json()["Resources"]}


async def _schemas(client: Client) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in (await client.get("/Schemas")).json()["Resources"]}


async def _switch(server: Server, client: Client, *, on: bool) -> None:
    async with server.pool.acquire() as connection:
        await write_policy(connection, client.id, "tests", {"badges": on}, merge=True)
    await until_seen(asyncio.get_running_loop().time())


async def test_turning_badges_on_and_off(server: Server) -> None:
    """On brings six resource types, their schemas and the extension of users, to a tenant that has users already; off takes them away,
    unless something is left of them; each is noted. Versions of what comes again go on."""
    client = await server.tenant()
    client = client.with_token(await server.token(client, "scim:read", "scim:write", "badges:issue"))
    user = await client.new_user()
    assert (await _types(client)).isdisjoint(TYPES)
    assert_error(await client.get("/Awards"), 404)
    await _switch(server, client, on=True)
    assert await _types(client) >= {*TYPES}
    served = await _schemas(client)
    for urn, shipped in load_badges().schemas.items():
        assert served[urn]["attributes"] == shipped["attributes"]
    assert (await client.get(f"/Users/{user['id']}")).json() == user
    made = await client.post("/BadgeIssuers", {"displayName": "I"})
    assert made.status_code == 201
    with pytest.raises(PolicyConflict, match="BadgeIssuer has resources"):
        await _switch(server, client, on=False)
    assert (await client.delete(f"/BadgeIssuers/{made.json()['id']}")).status_code == 204
    before = (await client.get("/ResourceTypes/Award")).headers["etag"]
    await _switch(server, client, on=False)
    assert (await _types(client)).isdisjoint(TYPES)
    assert USER_EXTENSION not in await _schemas(client)
    assert (await client.get(f"/Users/{user['id']}")).json() == user
    while await rework(server.pool, client.id, settled=0):  # users lose the extension
        pass
    await _switch(server, client, on=True)
    assert (before, (await client.get("/ResourceTypes/Award")).headers["etag"]) == ('W/"1"', 'W/"3"')
    rows = await server.pool.fetch("SELECT operation FROM change WHERE tenant = $1 AND id = 'Award' ORDER BY seq", client.id)
    assert [row["operation"] for row in rows] == ["create", "delete", "create"]


async def test_a_tenant_that_begins_with_badges(server: Server) -> None:
    """A new tenant with the switch has what one has that turns it on."""
    later, first = await server.tenant(), await server.tenant(badges=True)
    await _switch(server, later, on=True)
    assert await _types(first) == await _types(later)
    assert (await _schemas(first)).keys() == (await _schemas(later)).keys()
    indexes = "SELECT type, attribute, substring, state FROM tenant_index WHERE tenant = $1 ORDER BY type, attribute"
    assert [tuple(row) for row in await server.pool.fetch(indexes, first.id)] == [
        tuple(row) for row in await server.pool.fetch(indexes, later.id)
    ]


async def test_what_is_in_the_way_of_badges(server: Server) -> None:
    """A resource type or endpoint of the tenant's own with the name of one of badges: 409, and nothing changes."""
    client = await server.tenant()
    schema = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": "urn:example:Award",
        "name": "A",
        "attributes": [{"name": "x", "type": "string"}],
    }
    type_ = {"schemas": [RESOURCE_TYPE], "name": "Award", "endpoint": "/Prizes", "schema": "urn:example:Award"}
    await server.define(client, [schema], type_)
    with pytest.raises(PolicyConflict, match="The tenant has a resource type Award of its own"):
        await _switch(server, client, on=True)
    client = await server.tenant()
    await server.define(client, [schema], type_ | {"name": "Prize", "endpoint": "/Awards"})
    with pytest.raises(PolicyConflict, match="The tenant has a resource type at /Awards"):
        await _switch(server, client, on=True)
    async with server.pool.acquire() as connection:
        with pytest.raises(TenantError, match="badges must be true or false"):
            await create_tenant(connection, "neither", "standard", {"badges": "yes"})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda award: award["attributes"].pop(), "is an attribute of"),
        (lambda award: award["attributes"].append({"name": "extra", "type": "string"}), "define it in an extension"),
        (lambda award: award["attributes"][0].update(required=False), "required is true in badges"),
        (lambda award: award["attributes"][0].update(mutability="readWrite"), "mutability is immutable in badges"),
        (lambda award: _named(award, "status").update(canonicalValues=["active", "revoked"]), "canonicalValues is fixed in badges"),
        (lambda award: _named(award, "status").pop("canonicalValuesEnforced"), "canonicalValuesEnforced is fixed in badges"),
        (lambda award: _named(award, "narrative").update(required=True), "narrative: required cannot be true"),
    ],
)
async def test_badge_schemas_are_not_contradicted(server: Server, change: Any, says: str) -> None:
    """A tenant may make them stricter and extend them, and neither loosen nor remove."""
    made = await badges(server)
    admin = made.client.with_token(await server.token(made.client, "tenant:admin"))
    path = f"/Schemas/{URN}Award"
    award = (await admin.get(path)).json()
    change(award)
    assert_error(await admin.put(path, award), 400, "mutability", says)


def _named(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in schema["attributes"] if one["name"] == name)
    return found


async def test_badge_schemas_can_be_made_stricter_and_extended(server: Server) -> None:
    """Tags may be demanded of every achievement, and an extension holds what is the tenant's own, which not every award has; types and
    schemas stay."""
    made = await badges(server)
    admin = made.client.with_token(await server.token(made.client, "tenant:admin"))
    path = f"/Schemas/{URN}Achievement"
    schema = (await admin.get(path)).json()
    _named(schema, "tags").update(required=True)
    assert (await admin.put(path, schema)).status_code == 200
    assert_error(await made.client.post("/Achievements", achievement(made.issuer)), 400, "invalidValue", "tags is required")
    mini = await made.achievement(tags=["one"])
    body = {"achievement": {"value": mini}}
    for target in (path, "/ResourceTypes/Award"):
        assert_error(await admin.delete(target), 400, "mutability", "comes and goes with the policy switch badges")
    user_type = (await admin.get("/ResourceTypes/User")).json()
    user_type["schemaExtensions"] = []
    assert_error(await admin.put("/ResourceTypes/User", user_type), 400, "mutability", "comes and goes with the policy switch badges")
    extension = {"id": "urn:example:Level", "name": "L", "attributes": [{"name": "level", "type": "string"}]}
    assert (await admin.post("/Schemas", extension)).status_code == 201
    award_type = (await admin.get("/ResourceTypes/Award")).json()
    award_type["schemaExtensions"] = [{"schema": "urn:example:Level", "required": True}]
    assert_error(await admin.put("/ResourceTypes/Award", award_type), 400, "mutability", "urn:example:Level cannot be required")
    award_type["schemaExtensions"][0]["required"] = False
    assert (await admin.put("/ResourceTypes/Award", award_type)).status_code == 200
    extended = body | {
        "recipient": {"value": (await made.client.new_user())["id"]},
        "urn:example:Level": {"level": "high"},
    }
    made_award = await made.client.post("/Awards", extended)
    assert made_award.json()["urn:example:Level"] == {"level": "high"}
    assert await made.client.search('urn:example:Level:level eq "high"', "/Awards") == [made_award.json()["id"]]
