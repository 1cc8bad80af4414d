"""Single references: what is refused of them whatever the policy says."""

from __future__ import annotations

import pytest

from tests.wire.support import ENTERPRISE, Server, assert_error, user


@pytest.mark.parametrize("require", [True, False])
async def test_a_manager_without_value(server: Server, require: bool) -> None:
    """`$ref` alone refers to nothing: it is refused in POST, PUT and PATCH, and beside an empty `value` it does not count."""
    client = await server.tenant(require_pointer_targets=require)
    ada = await client.new_user("ada")
    path, alone = f"/Users/{ada['id']}", {"$ref": "https://example.com/Users/1"}
    for answer in (
        await client.post("/Users", user(**{ENTERPRISE: {"manager": alone}})),
        await client.put(path, user("ada", **{ENTERPRISE: {"manager": alone}})),
        await client.patch(path, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": alone}),
    ):
        assert_error(answer, 400, "invalidValue", "manager.value is required")
    await client.patch(path, {"op": "add", "path": f"{ENTERPRISE}:manager.$ref", "value": alone["$ref"]})
    assert (await client.get(path)).json() == ada
    await client.patch(path, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": (await client.new_user())["id"]})
    await client.patch(path, {"op": "remove", "path": f"{ENTERPRISE}:manager.value"})
    shown = (await client.get(path)).json()
    assert shown == ada | {"meta": shown["meta"]}
    assert ENTERPRISE not in await client.new_user(**{ENTERPRISE: {"manager": alone | {"value": ""}}})
