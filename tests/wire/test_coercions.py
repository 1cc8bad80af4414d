"""What the server does to make a client's request fit is kept with the change that it led to, and nothing where nothing was done."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.schema.coercions import Coercion
from tests.wire.support import ENTERPRISE, Client, Server, group, user


async def _last(server: Server, client: Client) -> list[str] | None:
    """The coercions of the tenant's last change."""
    row = await server.pool.fetchrow("SELECT coercions FROM change WHERE tenant = $1 ORDER BY seq DESC LIMIT 1", client.id)
    assert row is not None
    found: list[str] | None = row["coercions"]
    return found


_PATCHES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("lower_case_op", {}, {"op": "Replace", "path": "title", "value": "Dr"}),
    ("boolean_as_text", {}, {"op": "replace", "path": "active", "value": "False"}),
    ("dotted_key", {}, {"op": "add", "value": {"name.givenName": "Ada"}}),
    ("dotted_key", {}, {"op": "add", "value": {f"{ENTERPRISE}:department": "Tools"}}),
    ("unknown_ignored", {}, {"op": "add", "value": {"title": "Dr", "shoeSize": 38}}),
    ("single_for_list", {}, {"op": "add", "path": "emails", "value": {"value": "a@example.com"}}),
    ("list_for_single", {}, {"op": "replace", "path": "title", "value": ["Dr"]}),
    ("list_for_single", {}, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": [{"value": "1"}]}),
    ("text_for_complex", {}, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": "1"}),
    ("removed_by_value", {}, {"op": "remove", "path": "phoneNumbers", "value": [{"value": "1"}]}),
    ("upsert_on_replace", {"patch_replace_upsert": True}, {"op": "replace", "path": 'emails[type eq "work"].value', "value": "a@x.org"}),
    ("empty_clears", {"empty_string_clears": True}, {"op": "replace", "path": "nickName", "value": ""}),
    (
        "roles_as_json_text",
        {"parse_json_strings": True},
        {"op": "add", "path": "roles", "value": [{"value": '{"value": "editor", "displayName": "Editor"}'}]},
    ),
]


@pytest.mark.parametrize(("name", "switches", "operation"), _PATCHES, ids=[one[0] for one in _PATCHES])
async def test_by_patch(server: Server, name: str, switches: dict[str, Any], operation: dict[str, Any]) -> None:
    """A PATCH in a client's own spelling leaves the name of each coercion, and only those, with its change."""
    client = await server.tenant(**switches)
    ada = await client.new_user(title="Ms", nickName="A", phoneNumbers=[{"value": "1"}, {"value": "2"}])
    assert await _last(server, client) is None
    answer = await client.patch(f"/Users/{ada['id']}", operation)
    assert answer.status_code == 200, answer.text
    assert answer.json()["meta"]["version"] != ada["meta"]["version"]
    assert await _last(server, client) == [name]


async def test_by_erratum(server: Server, client: Client) -> None:
    """A comparison without brackets as path is one of the coercions."""
    ada = await client.new_user(**{ENTERPRISE: {"department": "Tools"}})
    assert (await client.patch(f"/Users/{ada['id']}", {"op": "remove", "path": f'schemas eq "{ENTERPRISE}"'})).status_code == 200
    assert await _last(server, client) == ["bare_comparison"]


async def test_several_in_one_request(server: Server, client: Client) -> None:
    """All coercions of a request are named once each, in order."""
    ada = await client.new_user()
    await client.patch(
        f"/Users/{ada['id']}",
        {"op": "Add", "path": "active", "value": "False"},
        {"op": "Add", "value": {"name.givenName": "Ada", "name.familyName": "Byron"}},
    )
    assert await _last(server, client) == ["boolean_as_text", "dotted_key", "lower_case_op"]


async def test_by_post_and_put(server: Server) -> None:
    """Bodies of POST and PUT are read as leniently, and what a PUT kept for the client is named too."""
    client = await server.tenant(put_keeps_omitted_members=True)
    ada = await client.new_user("ada", active="False", shoeSize=38, emails=[{"value": "a@x.org", "verified": True}])
    assert await _last(server, client) == ["boolean_as_text", "unknown_ignored"]
    await client.put(f"/Users/{ada['id']}", user("ada", title="Ms"))
    assert await _last(server, client) == ["kept_omitted_active"]
    await client.put(f"/Users/{ada['id']}", user("ada", title="Dr", active=True))
    assert await _last(server, client) is None
    admins = await client.new_group(ada["id"])
    await client.put(f"/Groups/{admins['id']}", group(displayName="renamed"))
    assert await _last(server, client) == ["kept_omitted_members"]


async def test_changes_of_members_only(server: Server, client: Client) -> None:
    """A change of references alone keeps its coercions like any other; what follows from a deletion has none."""
    ada, ben = (await client.new_user())["id"], (await client.new_user())["id"]
    admins = await client.new_group(ada, ben)
    await client.patch(f"/Groups/{admins['id']}", {"op": "Remove", "path": "members", "value": [{"value": ada}]})
    assert await _last(server, client) == ["lower_case_op", "removed_by_value"]
    await client.delete(f"/Users/{ben}")
    assert await _last(server, client) is None


async def test_what_keeps_to_the_rfc_has_none(server: Server, client: Client) -> None:
    """A resource sent back as it was read, and plain operations, are changes without coercions."""
    ada = await client.new_user("ada", title="Ms", **{ENTERPRISE: {"manager": {"value": "1"}}})
    await client.put(f"/Users/{ada['id']}", ada | {"title": "Dr"})
    assert await _last(server, client) is None
    await client.patch(
        f"/Users/{ada['id']}",
        {"op": "replace", "path": "active", "value": False},
        {"op": "add", "path": "emails", "value": [{"value": "a@x.org", "type": "work", "primary": True}]},
        {"op": "replace", "value": {"nickName": "A", "name": {"givenName": "Ada"}, ENTERPRISE: {"department": "Tools"}}},
    )
    assert await _last(server, client) is None


def test_every_coercion_is_seen() -> None:
    """Each coercion of the table is made by some request above."""
    seen = {name for name, _, _ in _PATCHES} | {"bare_comparison", "kept_omitted_active", "kept_omitted_members"}
    assert seen == {one.name.lower() for one in Coercion}
