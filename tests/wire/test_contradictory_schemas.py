"""Two tenants define the same names in contradictory ways and are used at the same time: each is served by its own definitions alone."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.wire.support import Client, Server, assert_error

_URN = "urn:example:params:scim:schemas:core:2.0:Thing"

#: The same attribute twice.
_ONE: dict[str, Any] = {"name": "size", "type": "integer"}
_OTHER: dict[str, Any] = {"name": "SIZE", "type": "string", "multiValued": True, "caseExact": True, "required": True}


async def _tenant(server: Server, attribute: dict[str, Any]) -> Client:
    client = await server.tenant()
    admin = client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))
    schema = {"id": _URN, "name": "Thing", "attributes": [attribute, {"name": "label", "type": "string"}]}
    assert (await admin.post("/Schemas", schema)).status_code == 201
    assert (await admin.post("/ResourceTypes", {"name": "Thing", "endpoint": "/Things", "schema": _URN})).status_code == 201
    return admin


async def _use_one(client: Client, number: int) -> None:
    made = (await client.post("/Things", {"size": number, "label": "one"})).json()
    assert made["size"] == number
    assert made["id"] in await client.search(f"size ge {number} and size lt {number + 1}", "/Things")
    assert_error(await client.post("/Things", {"size": ["XL"]}), 400, "invalidValue", "size")
    assert_error(await client.get("/Things", filter='size co "X"'), 400, "invalidFilter")
    shown = (await client.patch(f"/Things/{made['id']}", {"op": "remove", "path": "size"})).json()
    assert "size" not in shown
    assert (await client.get(f"/Schemas/{_URN}")).json()["attributes"][0]["type"] == "integer"


async def _use_other(client: Client, number: int) -> None:
    made = (await client.post("/Things", {"size": [f"X{number}"], "label": "other"})).json()
    assert made["SIZE"] == [f"X{number}"]
    assert await client.search(f'size eq "X{number}"', "/Things") == [made["id"]]
    assert await client.search(f'size eq "x{number}"', "/Things") == []
    assert_error(await client.post("/Things", {"size": number}), 400, "invalidValue", "SIZE")
    assert_error(await client.post("/Things", {"label": "none"}), 400, "invalidValue", "SIZE is required")
    assert_error(await client.patch(f"/Things/{made['id']}", {"op": "remove", "path": "size"}), 400, "mutability", "SIZE")
    assert (await client.get(f"/Schemas/{_URN}")).json()["attributes"][0]["type"] == "string"


async def test_each_is_served_by_its_own(server: Server) -> None:
    """Created, found, refused and changed side by side; neither sees the other's resources, spelling or rules."""
    one, other = await _tenant(server, _ONE), await _tenant(server, _OTHER)
    await asyncio.gather(*(use(client, number) for number in range(12) for use, client in ((_use_one, one), (_use_other, other))))
    assert (await one.get("/Things", filter='label eq "other"')).json()["totalResults"] == 0
    assert (await other.get("/Things", filter='label eq "other"')).json()["totalResults"] == 12
