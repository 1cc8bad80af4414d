"""Presets: a tenant is ready for its client from the first request, and what it does not have exists nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.policy import PROFILES
from scimsrv.schema.presets import PRESETS
from scimsrv.store.tenants import create_tenant
from tests.wire.support import GROUP, USER, Client, Server, assert_error, user


async def _tenant(server: Server, preset: str, slug: str, **switches: Any) -> Client:
    async with server.pool.acquire() as connection:
        made = await create_tenant(connection, slug, None, switches, preset=preset)
    client = Client(server.http, made.slug, made.id, None)
    return client.with_token(await server.token(client))


@pytest.mark.parametrize("preset", list(PRESETS))
async def test_every_preset_serves(server: Server, preset: str) -> None:
    """Every preset's tenant advertises exactly its resource types, creates users, and has the profile that it names."""
    client = await _tenant(server, preset, f"preset-{preset}")
    types = [one["id"] for one in (await client.get("/ResourceTypes")).json()["Resources"]]
    assert sorted(types) == sorted({"User", "Group"} - PRESETS[preset].without)
    await client.new_user()
    profile = PRESETS[preset].policy["profile"]
    assert profile in PROFILES
    kept = await server.pool.fetchval("SELECT policy ->> 'profile' FROM tenant_config WHERE tenant = $1", client.id)
    assert kept == profile


async def test_user_only(server: Server) -> None:
    """Without groups there is no endpoint, no schema, no reference to one, and no attribute or index that could only show groups."""
    client = await _tenant(server, "user-only", "people")
    assert_error(await client.get("/Groups"), 404)
    assert_error(await client.post("/Groups", {"schemas": [GROUP], "displayName": "Admins"}), 404)
    assert_error(await client.get(f"/Schemas/{GROUP}"), 404)
    schemas = (await client.get("/Schemas")).json()["Resources"]
    assert GROUP not in {schema["id"] for schema in schemas}
    assert '"Group"' not in (await client.get("/Schemas")).text.replace('"name":"Group"', "")
    attributes = {one["name"] for schema in schemas for one in schema["attributes"] if schema["name"] == "User"}
    assert "userName" in attributes
    assert "groups" not in attributes
    assert_error(await client.get("/Users", filter='groups.value eq "1"'), 400, "invalidFilter", "groups")
    ada = await client.new_user("ada", groups=[{"value": "1"}])
    assert "groups" not in ada
    assert (await client.get("/Users", attributes="userName,groups")).json()["Resources"][0]["userName"] == "ada"
    assert (await client.patch(f"/Users/{ada['id']}", {"op": "replace", "value": {"title": "Dr", "groups": []}})).status_code == 200
    assert (await client.get("", filter='userName eq "ada"')).json()["totalResults"] == 1
    assert (await client.delete(f"/Users/{ada['id']}")).status_code == 204
    types = await server.pool.fetch("SELECT DISTINCT type FROM tenant_index WHERE tenant = $1", client.id)
    assert [row["type"] for row in types] == ["User"]


async def test_user_only_can_be_shaped(server: Server) -> None:
    """Users without groups can be made stricter like any other, and groups can be added later, exactly as the standard has them."""
    client = await _tenant(server, "user-only", "shaped")
    client = client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))
    tighter = {"op": "replace", "path": 'attributes[name eq "title"].required', "value": True}
    assert (await client.patch(f"/Schemas/{USER}", tighter)).status_code == 200
    assert_error(await client.post("/Users", user("ada")), 400, "invalidValue", "title")
    lacks = {"op": "remove", "path": 'attributes[name eq "emails"]'}
    assert_error(await client.patch(f"/Schemas/{USER}", lacks), 400, "mutability", "emails")
    standard = load_definitions()
    for path, body in (("/Schemas", standard.schemas[GROUP]), ("/ResourceTypes", standard.resource_types[1])):
        assert (await client.post(path, body)).status_code == 201
    assert (await client.put(f"/Schemas/{USER}", standard.schemas[USER])).status_code == 200
    ada = await client.new_user("ada")
    await client.new_group(ada["id"], displayName="Admins")
    assert [one["display"] for one in (await client.get(f"/Users/{ada['id']}")).json()["groups"]] == ["Admins"]
    assert_error(await client.patch(f"/Schemas/{USER}", lacks | {"path": 'attributes[name eq "groups"]'}), 400, "mutability", "groups")


async def test_strict(server: Server) -> None:
    """The preset for conformance runs takes what keeps to the RFC and refuses the rest."""
    client = await _tenant(server, "strict", "rigorous")
    assert (await client.post("/Users", user("ada"))).status_code == 201
    assert_error(await client.post("/Users", {"userName": "ben"}), 400, "invalidSyntax", "schemas")


async def test_switches_on_top(server: Server) -> None:
    """A switch that is named at creation differs from the preset's profile."""
    client = await _tenant(server, "entra", "switched", patch_replace_upsert=False)
    ada = await client.new_user()
    operation = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "a@x.org"}
    assert_error(await client.patch(f"/Users/{ada['id']}", operation), 400, "noTarget")
