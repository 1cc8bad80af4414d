"""Policy switches about uniqueness, preconditions, filters and answers in every position; and that no switch is without its tests."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path
from typing import Final

import httpx

from scimsrv.schema.policy import LISTS, NUMBERS, Policy, choices
from tests.wire.support import GROUP, Client, Server, assert_error, group, user

#: Switches all of whose positions one test goes through, which is with the rest of what it is about.
_ELSEWHERE: Final = {
    "basic": ("token_endpoint", "basic_only_where_the_policy_says_so"),
    "me_claim": ("trusted_people", "people_at_me"),
    "badge_identity": ("credentials", "identity_by_policy"),
    "badge_evidence": ("credentials", "identity_by_policy"),
    "open_badges_api": ("open_badges_api", "who_may"),
    "badge_self_approval": ("badge_requests", "nobody_approves_their_own"),
    "badge_keeping": ("open_badges_api", "what_is_not_what_it_says"),
    **dict.fromkeys(
        ("max_body", "max_search_body", "max_operations", "max_page", "max_patch_operations", "max_values", "max_references"),
        ("limits", "a_tenants_own_limits"),
    ),
    "max_requests": ("places", "requests_at_the_same_time"),
    "max_searches": ("places", "searches_at_the_same_time"),
    "token_rate": ("rates", "a_tenant_may_have_a_lower_rate"),
    "tenant_rate": ("rates", "a_tenant_may_have_a_lower_rate"),
}


def test_every_switch_has_a_test_in_each_position() -> None:
    """For each field of Policy there is a named test for each of its positions, and there is none for a switch that is gone."""
    named = {
        node.name
        for path in Path(__file__).parent.glob("test_switches_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    positions = {field.name: choices().get(field.name, ("on", "off")) for field in fields(Policy)}
    positions |= dict.fromkeys(LISTS, ("listed", "others")) | dict.fromkeys(NUMBERS, ("zero", "some"))
    assert named == {f"test_{name}_{position}" for name, words in positions.items() if name not in _ELSEWHERE for position in words}
    assert _ELSEWHERE.keys() <= positions.keys()
    for name, (file, test) in _ELSEWHERE.items():
        text = (Path(__file__).parent / f"test_{file}.py").read_text(encoding="utf-8")
        assert name in text.partition(f"async def test_{test}(")[2].partition("\n\n\n")[0], name


async def test_unique_group_names_on(server: Server) -> None:
    """Two groups cannot share a name, in any case, by POST, PUT or PATCH; /Schemas says so."""
    client = await server.tenant(unique_group_names=True)
    await client.new_group(displayName="Admins")
    other = await client.new_group()
    path = f"/Groups/{other['id']}"
    for answer in (
        await client.post("/Groups", group(displayName="ADMINS")),
        await client.put(path, group(displayName="admins")),
        await client.patch(path, {"op": "replace", "path": "displayName", "value": "admins"}),
    ):
        assert_error(answer, 409, "uniqueness", "displayName")
    assert await _uniqueness(client) == "server"


async def test_unique_group_names_off(server: Server) -> None:
    """Two groups may share a name; /Schemas says so."""
    client = await server.tenant(unique_group_names=False)
    for _ in range(2):
        await client.new_group(displayName="Admins")
    assert await _uniqueness(client) == "none"


async def _uniqueness(client: Client) -> str:
    schema = (await client.get(f"/Schemas/{GROUP}")).json()
    found: str = next(one["uniqueness"] for one in schema["attributes"] if one["name"] == "displayName")
    return found


async def test_unique_external_ids_on(server: Server) -> None:
    """Two users cannot share an externalId, but a user and a group can; case counts."""
    client = await server.tenant(unique_external_ids=True)
    await client.new_user(externalId="x")
    assert_error(await client.post("/Users", user(externalId="x")), 409, "uniqueness", "externalId")
    await client.new_user(externalId="X")
    await client.new_group(externalId="x")


async def test_unique_external_ids_off(server: Server) -> None:
    """Two users may share an externalId."""
    client = await server.tenant(unique_external_ids=False)
    for _ in range(2):
        await client.new_user(externalId="x")


async def _changes(client: Client, headers: dict[str, str]) -> list[httpx.Response]:
    """The answers to a PUT, a PATCH and a DELETE under these headers."""
    ada = await client.new_user()
    path = f"/Users/{ada['id']}"
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": []}
    return [
        await client.request("PUT", path, user(ada["userName"]), headers=headers),
        await client.request("PATCH", path, body, headers=headers),
        await client.request("DELETE", path, headers=headers),
    ]


async def test_require_if_match_on(server: Server) -> None:
    """PUT, PATCH and DELETE without If-Match are 428; with it they go on. POST needs none."""
    client = await server.tenant(require_if_match=True)
    for answer in await _changes(client, {}):
        assert_error(answer, 428)
    assert all(answer.is_success for answer in await _changes(client, {"If-Match": "*"}))


async def test_require_if_match_off(server: Server) -> None:
    """Changes without If-Match go on."""
    client = await server.tenant(require_if_match=False)
    assert all(answer.is_success for answer in await _changes(client, {}))


async def _patched(server: Server, position: str, members: int, query: str = "") -> httpx.Response:
    """The answer to a PATCH of a group with so many members under this policy."""
    client = await server.tenant(patch_body=position)
    ada = await client.new_user()
    await server.pool.execute(
        "INSERT INTO resource SELECT tenant, 'm-' || n, type, 1, created, modified, 'M', document, search"
        " FROM resource, generate_series(1, $2) n WHERE tenant = $1",
        *(client.id, members),
    )
    admins = await client.new_group(*(f"m-{number}" for number in range(1, members + 1)))
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}
    operation = {"op": "add", "path": "members", "value": [{"value": ada["id"]}]}
    answer = await client.request("PATCH", f"/Groups/{admins['id']}{query}", body | {"Operations": [operation]})
    assert (await client.get(f"/Groups/{admins['id']}")).headers["etag"] == answer.headers["etag"] == 'W/"2"'
    return answer


async def test_patch_body_auto(server: Server) -> None:
    """The result is shown up to 100 members and left out beyond, unless the client asks for attributes."""
    assert len((await _patched(server, "auto", 99)).json()["members"]) == 100
    beyond = await _patched(server, "auto", 100)
    assert (beyond.status_code, beyond.content) == (204, b"")
    assert set((await _patched(server, "auto", 100, "?attributes=displayName")).json()) == {"schemas", "id", "displayName"}


async def test_patch_body_always(server: Server) -> None:
    """The result is shown however many members it has."""
    assert len((await _patched(server, "always", 100)).json()["members"]) == 101


async def test_patch_body_never(server: Server) -> None:
    """The result is left out, unless the client asks for attributes."""
    answer = await _patched(server, "never", 0)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await _patched(server, "never", 0, "?attributes=members")).status_code == 200


_SCHEMA = {"id": "urn:example:switch:1.0", "name": "Switch", "attributes": [{"name": "x"}]}


async def test_schema_api_on(server: Server) -> None:
    """A token with the scope tenant:admin defines schemas."""
    client = await server.tenant(schema_api=True)
    answer = await client.with_token(await server.token(client, "tenant:admin")).post("/Schemas", _SCHEMA)
    assert answer.status_code == 201


async def test_schema_api_off(server: Server) -> None:
    """Definitions are for reading, whatever the token."""
    client = await server.tenant(schema_api=False)
    answer = await client.with_token(await server.token(client, "tenant:admin")).post("/Schemas", _SCHEMA)
    assert_error(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
