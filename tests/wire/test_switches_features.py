"""Policy switches about optional features: off they are answered 501 and not advertised (RFC 7644 §3.12, Table 8)."""

from __future__ import annotations

from tests.wire.support import SEARCH, Client, Server, assert_error

_TITLE = {"op": "add", "path": "title", "value": "Dr"}


async def _advertised(client: Client) -> bool:
    supported: bool = (await client.get("/ServiceProviderConfig")).json()["patch"]["supported"]
    return supported


async def test_patch_on(server: Server) -> None:
    """PATCH is served and advertised."""
    client = await server.tenant(patch=True)
    ada = await client.new_user()
    assert (await client.patch(f"/Users/{ada['id']}", _TITLE)).status_code == 200
    assert await _advertised(client)
    assert "PATCH" in (await client.request("OPTIONS", f"/Users/{ada['id']}")).headers["allow"]


async def test_patch_off(server: Server) -> None:
    """PATCH is 501, changes nothing and is not advertised; everything else is served."""
    client = await server.tenant(patch=False)
    ada = await client.new_user()
    assert_error(await client.patch(f"/Users/{ada['id']}", _TITLE), 501, says="PATCH is switched off")
    assert (await client.get(f"/Users/{ada['id']}")).json() == ada
    assert not await _advertised(client)
    assert (await client.request("OPTIONS", f"/Users/{ada['id']}")).headers["allow"] == "GET, HEAD, PUT, DELETE, OPTIONS"
    assert (await client.put(f"/Users/{ada['id']}", ada | {"title": "Dr"})).json()["title"] == "Dr"
    assert_error(await client.request("PATCH", "/Users", {}), 405)


async def test_root_query_on(server: Server) -> None:
    """The base URL answers queries over all types, by GET and by POST."""
    client = await server.tenant(root_query=True)
    await client.new_user()
    await client.new_group()
    assert (await client.get("", filter="meta.created pr")).json()["totalResults"] == 2
    assert (await client.post("/.search", {"schemas": [SEARCH]})).json()["totalResults"] == 2


async def test_root_query_off(server: Server) -> None:
    """Both are 501; each type is still searched."""
    client = await server.tenant(root_query=False)
    await client.new_user()
    for answer in (await client.get(""), await client.post("/.search", {"schemas": [SEARCH]})):
        assert_error(answer, 501, says="over all resource types is switched off")
    assert (await client.request("OPTIONS", "")).headers["allow"] == "OPTIONS"
    assert (await client.post("/Users/.search", {"schemas": [SEARCH]})).json()["totalResults"] == 1
