"""A token that may write and not read learns where a resource is and its version, and nothing of what it holds."""

from __future__ import annotations

from tests.wire.support import Client, Server, assert_error, user


async def test_answers_to_writes_hold_no_resource(server: Server, client: Client) -> None:
    """POST, PUT and PATCH succeed without a body; GET and searches are refused."""
    writer = client.with_token(await server.token(client, "scim:write"))
    made = await writer.post("/Users", user())
    assert (made.status_code, made.content) == (201, b"")
    path = made.headers["Location"].removeprefix("https://scim.example.com" + client.base)
    for answer in (
        await writer.put(path, user()),
        await writer.patch(path),
        await writer.patch(path, {"op": "add", "path": "title", "value": "Dr"}),
        await writer.request(
            "PATCH", path + "?attributes=userName", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": []}
        ),
    ):
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["ETag"].startswith('W/"')
    assert_error(await writer.get(path), 403)
    assert (await client.get(path)).json()["title"] == "Dr"
    assert (await writer.delete(path)).status_code == 204
