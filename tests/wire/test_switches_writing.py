"""Policy switches about what clients write, in both positions, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.support import ENTERPRISE, USER, Server, assert_error, patch, user

_BY_WORK = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "ada@example.com"}
_ROLE = {"op": "add", "path": "roles", "value": '{"id": "1", "value": "editor", "displayName": "Editor"}'}


async def test_patch_replace_upsert_on(server: Server) -> None:
    """A replace on a value path that matches nothing creates the element."""
    client = await server.tenant(patch_replace_upsert=True)
    ada = await client.new_user()
    assert (await client.patch(f"/Users/{ada['id']}", _BY_WORK)).json()["emails"] == [{"type": "work", "value": "ada@example.com"}]


async def test_patch_replace_upsert_off(server: Server) -> None:
    """It is refused as having no target."""
    client = await server.tenant(patch_replace_upsert=False)
    ada = await client.new_user()
    assert_error(await client.patch(f"/Users/{ada['id']}", _BY_WORK), 400, "noTarget")


async def test_put_keeps_omitted_active_on(server: Server) -> None:
    """A PUT without `active` re-activates nobody."""
    client = await server.tenant(put_keeps_omitted_active=True)
    ada = await client.new_user("ada", active=False)
    assert (await client.put(f"/Users/{ada['id']}", user("ada"))).json()["active"] is False


async def test_put_keeps_omitted_active_off(server: Server) -> None:
    """A PUT without `active` sets the default."""
    client = await server.tenant(put_keeps_omitted_active=False)
    ada = await client.new_user("ada", active=False)
    assert (await client.put(f"/Users/{ada['id']}", user("ada"))).json()["active"] is True


async def test_put_keeps_omitted_members_on(server: Server) -> None:
    """A PUT without `members` keeps them; an empty list still clears them."""
    client = await server.tenant(put_keeps_omitted_members=True)
    admins = await client.new_group((await client.new_user())["id"])
    renamed = {"schemas": admins["schemas"], "displayName": "renamed"}
    assert (await client.put(f"/Groups/{admins['id']}", renamed)).json()["members"] == admins["members"]
    assert "members" not in (await client.put(f"/Groups/{admins['id']}", renamed | {"members": []})).json()


async def test_put_keeps_omitted_members_off(server: Server) -> None:
    """A PUT without `members` clears them."""
    client = await server.tenant(put_keeps_omitted_members=False)
    admins = await client.new_group((await client.new_user())["id"])
    renamed = {"schemas": admins["schemas"], "displayName": "renamed"}
    assert "members" not in (await client.put(f"/Groups/{admins['id']}", renamed)).json()


async def test_strict_attributes_on(server: Server) -> None:
    """Unknown attributes are errors in POST, PUT and in PATCH values without path."""
    client = await server.tenant(strict_attributes=True)
    ada = await client.new_user("ada")
    path = f"/Users/{ada['id']}"
    for answer in (
        await client.post("/Users", user(shoeSize=44)),
        await client.post("/Users", user(name={"nick": "x"})),
        await client.put(path, user("ada", shoeSize=44)),
        await client.patch(path, {"op": "replace", "value": {"shoeSize": 44}}),
    ):
        assert_error(answer, 400, "invalidSyntax")


async def test_strict_attributes_off(server: Server) -> None:
    """Unknown attributes are ignored there, but never in a PATCH path."""
    client = await server.tenant(strict_attributes=False)
    ada = await client.new_user("ada", shoeSize=44, name={"nick": "x"})
    path = f"/Users/{ada['id']}"
    for answer in (
        await client.put(path, user("ada", shoeSize=44)),
        await client.patch(path, {"op": "replace", "value": {"shoeSize": 44}}),
    ):
        assert answer.json() == ada
    assert_error(await client.patch(path, {"op": "replace", "path": "shoeSize", "value": 44}), 400, "invalidPath")


_UNDECLARED = [{"userName": "x1"}, {"userName": "x2", "schemas": []}, {"userName": "x3", "schemas": [USER, "urn:x:y"]}]


async def test_strict_schemas_on(server: Server) -> None:
    """`schemas` must be there, name the core schema and nothing unknown."""
    client = await server.tenant(strict_schemas=True)
    for body in _UNDECLARED:
        assert_error(await client.post("/Users", body), 400, "invalidSyntax", "schemas")
    assert (await client.post("/Users", user())).status_code == 201


async def test_strict_schemas_off(server: Server) -> None:
    """The endpoint says which type is meant, whatever `schemas` says; the answer has the right ones."""
    client = await server.tenant(strict_schemas=False)
    for body in _UNDECLARED:
        assert (await client.post("/Users", body)).json()["schemas"] == [USER]


async def test_strict_operations_on(server: Server) -> None:
    """A PATCH without operations is an error."""
    client = await server.tenant(strict_operations=True)
    ada = await client.new_user()
    assert_error(await client.request("PATCH", f"/Users/{ada['id']}", patch()), 400, "invalidSyntax", "Operations")


async def test_strict_operations_off(server: Server) -> None:
    """A PATCH without operations changes nothing and succeeds."""
    client = await server.tenant(strict_operations=False)
    ada = await client.new_user()
    answer = await client.patch(f"/Users/{ada['id']}")
    assert (answer.status_code, answer.json()) == (200, ada)


_LINKS: list[dict[str, Any]] = [{"profileUrl": "home"}, {"photos": [{"value": "me.png"}]}]


async def test_strict_uris_on(server: Server) -> None:
    """References to the outside must be absolute URIs."""
    client = await server.tenant(strict_uris=True)
    for attributes in _LINKS:
        assert_error(await client.post("/Users", user(**attributes)), 400, "invalidValue", "absolute URI")
    await client.new_user(profileUrl="https://example.com/ada")


async def test_strict_uris_off(server: Server) -> None:
    """Any text but an empty one is stored."""
    client = await server.tenant(strict_uris=False)
    for attributes in _LINKS:
        await client.new_user(**attributes)
    assert_error(await client.post("/Users", user(profileUrl="")), 400, "invalidValue", "profileUrl")


async def test_parse_json_strings_on(server: Server) -> None:
    """A role that is the text of a JSON object is that object."""
    client = await server.tenant(parse_json_strings=True)
    ada = await client.new_user()
    assert (await client.patch(f"/Users/{ada['id']}", _ROLE)).json()["roles"] == [{"value": "editor", "display": "Editor"}]


async def test_parse_json_strings_off(server: Server) -> None:
    """It is the text that was sent."""
    client = await server.tenant(parse_json_strings=False)
    ada = await client.new_user()
    assert (await client.patch(f"/Users/{ada['id']}", _ROLE)).json()["roles"] == [{"value": _ROLE["value"]}]


async def test_empty_string_clears_on(server: Server) -> None:
    """An empty text unassigns in POST, PUT and PATCH; a required attribute cannot be cleared so."""
    client = await server.tenant(empty_string_clears=True)
    ada = await client.new_user("ada", title="", nickName="A")
    path = f"/Users/{ada['id']}"
    assert "title" not in ada
    assert "nickName" not in (await client.patch(path, {"op": "replace", "path": "nickName", "value": ""})).json()
    assert "nickName" not in (await client.put(path, user("ada", nickName=""))).json()
    assert_error(await client.put(path, user("ada") | {"userName": ""}), 400, "invalidValue", "userName")


async def test_empty_string_clears_off(server: Server) -> None:
    """An empty text is a value."""
    client = await server.tenant(empty_string_clears=False)
    ada = await client.new_user("ada", title="")
    assert ada["title"] == ""
    assert (await client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "nickName", "value": ""})).json()["nickName"] == ""


@pytest.mark.parametrize("manager", [{"value": "nobody"}, {"value": "nobody", "$ref": "https://example.com/Users/nobody"}])
async def test_require_pointer_targets_on(server: Server, manager: dict[str, str]) -> None:
    """A manager must exist, and be of the right type, in POST, PUT and PATCH."""
    client = await server.tenant(require_pointer_targets=True)
    ada = await client.new_user("ada")
    path = f"/Users/{ada['id']}"
    wrong = (await client.new_group())["id"]
    for answer in (
        await client.post("/Users", user(**{ENTERPRISE: {"manager": manager}})),
        await client.put(path, user("ada", **{ENTERPRISE: {"manager": manager}})),
        await client.patch(path, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": manager}),
        await client.patch(path, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": wrong}),
    ):
        assert_error(answer, 400, "invalidValue", "manager")
    assert (await client.get(path)).json() == ada
    await client.new_user(**{ENTERPRISE: {"manager": {"value": ada["id"]}}})


async def test_require_pointer_targets_off(server: Server) -> None:
    """A manager that does not exist is stored without $ref, whatever the client sends there."""
    client = await server.tenant(require_pointer_targets=False)
    ada = await client.new_user(**{ENTERPRISE: {"manager": {"value": "nobody", "$ref": "https://example.com/x"}}})
    assert ada[ENTERPRISE]["manager"] == {"value": "nobody"}
