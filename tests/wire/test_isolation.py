"""Tenants do not see each other: not their resources, not their names, not even whether they exist."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.support import ENTERPRISE, SEARCH, Client, Server, assert_error, group, patch, user

_GHOST = "0190aaaa-0000-7000-8000-000000000000"


async def _everything(server: Server, client: Client) -> list[Any]:
    """Every row of the tenant's resources, keys, references and secrets, as text."""
    return [
        [row[0] for row in await server.pool.fetch(f"SELECT t::text FROM {table} t WHERE tenant = $1 ORDER BY 1", client.id)]
        for table in ("resource", "unique_key", "reference", "secret", "change")
    ]


@pytest.mark.parametrize("path", ["/Users/{id}", "/Groups/{id}", "/Users/{id}/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("kind", ["user", "group"])
async def test_ids_in_paths(server: Server, client: Client, method: str, path: str, kind: str) -> None:
    """An id of another tenant is answered like one that never was: the same 404, byte by byte but for the id; nothing is touched."""
    other = await server.tenant()
    ada = await client.new_user(password="correct horse")
    foreign = ada["id"] if kind == "user" else (await client.new_group(ada["id"]))["id"]
    before = await _everything(server, client)
    bodies = {"PUT": user() if "Users" in path else group(), "PATCH": patch({"op": "replace", "path": "displayName", "value": "x"})}
    headers = {"If-Match": "*", "X-Request-Id": "same-request"}
    answers = [await other.request(method, path.format(id=id_), bodies.get(method), headers=headers) for id_ in (foreign, _GHOST)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(foreign, _GHOST) == answers[1].text
    assert answers[0].headers == answers[1].headers
    assert await _everything(server, client) == before


async def test_ids_in_members(server: Server, client: Client) -> None:
    """A member of another tenant is one that does not exist, wherever members can be written."""
    other = await server.tenant()
    foreign = (await client.new_user())["id"]
    own = await other.new_group()
    path = f"/Groups/{own['id']}"
    member = [{"value": foreign}]
    for answer in (
        await other.post("/Groups", group(foreign)),
        await other.put(path, group(foreign, displayName=own["displayName"])),
        await other.patch(path, {"op": "add", "path": "members", "value": member}),
        await other.patch(path, {"op": "replace", "path": "members", "value": member}),
        await other.patch(path, {"op": "add", "value": {"members": member}}),
    ):
        assert_error(answer, 400, "invalidValue", "there is no resource with the id")
    removed = await other.patch(path, {"op": "remove", "path": f'members[value eq "{foreign}"]'})
    assert (removed.status_code, removed.json()["meta"]["version"]) == (200, own["meta"]["version"])
    assert await server.pool.fetchval("SELECT count(*) FROM reference WHERE target = $1", foreign) == 0


async def test_ids_in_manager(server: Server, client: Client) -> None:
    """A manager of another tenant is stored as the text it is and never shown as a reference; where integrity is demanded, refused."""
    foreign = (await client.new_user(displayName="Ada"))["id"]
    extension = {ENTERPRISE: {"manager": {"value": foreign}}}
    lax, strict = await server.tenant(), await server.tenant(require_pointer_targets=True)
    shown = (await lax.new_user(**extension))[ENTERPRISE]["manager"]
    assert shown == {"value": foreign}
    assert_error(await strict.post("/Users", user(**extension)), 400, "invalidValue", "manager")
    # Deleting the foreign user touches nobody here.
    await client.delete(f"/Users/{foreign}")
    assert len(await lax.search(f'{ENTERPRISE}:manager.value eq "{foreign}"')) == 1


@pytest.mark.parametrize(
    "filter_",
    [
        'id eq "{user}"',
        'id sw ""',
        'userName eq "{name}"',
        'externalId eq "X1"',
        'groups.value eq "{group}"',
        'meta.location ew "{user}"',
        'members.value eq "{user}"',
        'members.display eq "Ada"',
        'groups[value eq "{group}"]',
        'password pr or id eq "{user}"',
    ],
)
async def test_filters(server: Server, client: Client, filter_: str) -> None:
    """No filter, at a type or at the root, by GET or POST, selects anything of another tenant."""
    other = await server.tenant()
    ada = await client.new_user(displayName="Ada", externalId="X1")
    admins = await client.new_group(ada["id"])
    text = filter_.format(user=ada["id"], name=ada["userName"], group=admins["id"])
    for path in ("/Users", "/Groups", ""):
        by_get = await other.get(path, filter=text)
        by_post = await other.post(f"{path}/.search", {"schemas": [SEARCH], "filter": text})
        assert by_get.status_code == by_post.status_code
        if by_get.status_code == 200:
            assert by_get.json()["totalResults"] == by_post.json()["totalResults"] == 0


async def test_unique_names_are_unique_within_a_tenant(server: Server, client: Client) -> None:
    """What is taken in one tenant is free in another, and the refusal does not come from elsewhere."""
    other = await server.tenant()
    await client.new_user("ada@example.com")
    await other.new_user("ada@example.com")
    for one in (client, other):
        assert_error(await one.post("/Users", user("ADA@example.com")), 409, "uniqueness", "userName")


async def test_ids_in_bodies(client: Client) -> None:
    """The path alone says which resource is meant: id, meta and the like in a body change nothing."""
    ada, ben = await client.new_user("ada"), await client.new_user("ben")
    body = user(
        "ada", id=ben["id"], meta={"location": ben["meta"]["location"], "created": "2001-01-01T00:00:00Z"}, tenant=1, displayName="A"
    )
    changed = await client.put(f"/Users/{ada['id']}?id={ben['id']}", body)
    assert changed.status_code == 200
    assert (changed.json()["id"], changed.json()["displayName"]) == (ada["id"], "A")
    assert changed.json()["meta"]["created"] == ada["meta"]["created"]
    assert (await client.get(f"/Users/{ben['id']}")).json() == ben
    posted = (await client.post("/Users", user("cleo", id=ada["id"]))).json()
    assert posted["id"] not in (ada["id"], ben["id"])


async def test_a_tenant_that_is_not_ones_own_is_like_one_that_is_not(server: Server, client: Client) -> None:
    """With a good token, another tenant and a tenant that does not exist give the same bytes; without one, too."""
    other = await server.tenant()
    for method, path in (
        ("GET", "/Users"),
        ("POST", "/Users"),
        ("GET", "/ServiceProviderConfig"),
        ("DELETE", f"/Users/{_GHOST}"),
        ("GET", "/x"),
    ):
        for token in (client.token, None):
            answers = [
                await client.http.request(
                    method,
                    f"/scim/{slug}/v2{path}",
                    headers={"X-Request-Id": "same-request"} | ({"Authorization": f"Bearer {token}"} if token else {}),
                )
                for slug in (other.slug, "ghost")
            ]
            assert answers[0].status_code == answers[1].status_code
            assert answers[0].text.replace(other.slug, "ghost") == answers[1].text
            assert set(answers[0].headers) == set(answers[1].headers)


@pytest.mark.parametrize(
    "path",
    [
        "/scim/ghost/v2/Users",
        "/scim/%00/v2/Users",
        "/scim/{upper}/v2/Users",
        "/scim/{slug}./v2/Users",
        "/scim/{slug}%20/v2/Users",
        "/scim/x%2f..%2f{slug}/v2/Users",
        "/scim/%2e%2e/{slug}/v2/Users",
        "/scim/v2/Users",
        "/{slug}/v2/Users",
    ],
)
async def test_paths_that_only_look_like_the_tenant(server: Server, client: Client, path: str) -> None:
    """No spelling of another path reaches a tenant, with its token or without."""
    url = path.format(slug=client.slug, upper=client.slug.upper())
    assert (await client.http.get(url)).status_code in (401, 404)
    assert (await client.http.get(url, headers={"Authorization": f"Bearer {client.token}"})).status_code == 404
