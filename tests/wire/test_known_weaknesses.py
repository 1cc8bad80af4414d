"""What went wrong in other servers, tried on this one from outside; docs/threat-model.md has the whole list and where each is tried."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest

from scimsrv import tokens
from scimsrv.keys import TOKEN_PEPPER, ServerKeys
from scimsrv.store.credentials import create_credential
from scimsrv.store.tenants import create_tenant, delete_tenant
from tests.wire.support import ENTERPRISE, USER, Client, Server, assert_error, user


async def _reread(client: Client, id_: str) -> Any:
    return (await client.get(f"/Users/{id_}")).json()


@pytest.mark.parametrize("spelled", ["1", "0", "-1", "admin", "null", "{own}", "{other}", "{foreign}"])
async def test_what_clients_call_a_resource_is_never_its_id(server: Server, client: Client, spelled: str) -> None:
    """externalId and userName may look like any id, of the tenant's resources or of another's: nobody is reached by them."""
    other = await server.tenant()
    foreign = await other.new_user()
    own, victim = await client.new_user(), await client.new_user()
    name = spelled.format(own=own["id"], other=victim["id"], foreign=foreign["id"])
    made = await client.new_user(f"{name}", externalId=name)
    assert made["id"] not in (name, victim["id"], foreign["id"])
    for resource in (own, victim, made):
        assert await _reread(client, resource["id"]) == resource
    if name not in (own["id"], victim["id"]):
        assert_error(await client.get(f"/Users/{name}"), 404)
    assert await _reread(other, foreign["id"]) == foreign


async def test_nobody_is_adopted(server: Server, client: Client) -> None:
    """A user with another tenant's userName and email is a new one, and the other stays as it was; in one tenant it is a conflict, also
    by PATCH and PUT."""
    other = await server.tenant()
    theirs = await other.new_user("eve@example.com", emails=[{"value": "eve@example.com", "primary": True}], externalId="e1")
    made = await client.new_user("eve@example.com", emails=[{"value": "eve@example.com", "primary": True}], externalId="e1")
    assert made["id"] != theirs["id"]
    ada = await client.new_user()
    assert_error(await client.post("/Users", user("EVE@example.com")), 409, "uniqueness")
    assert_error(
        await client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "userName", "value": "eve@example.com"}), 409, "uniqueness"
    )
    assert_error(await client.put(f"/Users/{ada['id']}", user("eve@example.com")), 409, "uniqueness")
    await client.patch(f"/Users/{made['id']}", {"op": "replace", "path": "emails", "value": [{"value": "root@example.com"}]})
    assert await _reread(other, theirs["id"]) == theirs
    assert await _reread(client, ada["id"]) == ada


async def test_a_tenant_that_comes_again_knows_no_old_token(server: Server, client: Client) -> None:
    """A tenant is deleted and another gets its name: tokens of the first open nothing of the second."""
    async with server.pool.acquire() as connection:
        await delete_tenant(connection, client.slug)
        await create_tenant(connection, client.slug)
    async with server.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM credential WHERE tenant = $1", client.id) == 0
    fresh = Client(client.http, client.slug, client.id, client.token)
    assert_error(await fresh.get("/Users"), 401)


@pytest.mark.parametrize("label", ["null", "admin", "scim:write", "tenant:admin", "*", "root", "ѕсіm", ""])
async def test_the_name_of_a_token_gives_no_right(server: Server, client: Client, label: str) -> None:
    """Whatever a token is called, without scopes it may do nothing."""
    token = tokens.new_token()
    async with server.pool.acquire() as connection:
        await create_credential(
            connection,
            client.id,
            digest=tokens.digest(ServerKeys.load(server.settings).derive(TOKEN_PEPPER), token.text),
            kid=token.kid,
            label=label or "empty",
            scopes=(),
            expires=None,
        )
    bare = client.with_token(token.text)
    for method, path in (("GET", "/Users"), ("POST", "/Users"), ("GET", "/Schemas"), ("POST", "/Bulk"), ("POST", "/.search")):
        assert_error(await bare.request(method, path, user() if method == "POST" else None), 403)


_ASSIGNED: Final[list[tuple[str, Any]]] = [
    ("__class__", {"__init__": {"__globals__": 1}}),
    ("__proto__", {"admin": True}),
    ("constructor", {"prototype": {}}),
    ("tenant", 1),
    ("id", "chosen"),
    ("meta", {"created": "1999-01-01T00:00:00Z", "version": 'W/"99"', "resourceType": "Admin"}),
    ("groups", [{"value": "admins"}]),
    ("roles.super_admin", True),
    ("name.__class__", "x"),
    ("version", 99),
    ("search", {"username": "root"}),
]


@pytest.mark.parametrize(("name", "value"), _ASSIGNED, ids=lambda value: value if isinstance(value, str) else "")
async def test_only_what_the_schema_permits_is_written(server: Server, client: Client, name: str, value: Any) -> None:
    """What is no attribute, or not the client's to write, changes nothing, on whatever way it comes; and nothing of it is stored."""
    ada = await client.new_user("ada", title="t")
    path = f"/Users/{ada['id']}"
    for method, body in (
        ("PATCH", [{"op": "add", "path": name, "value": value}]),
        ("PATCH", [{"op": "replace", "value": {name: value}}]),
        ("PATCH", [{"op": "replace", "value": {ENTERPRISE: {name: value}}}]),
    ):
        answer = await client.patch(path, *body)
        assert answer.status_code in (200, 204, 400), (method, answer.text)
    answer = await client.put(path, user("ada", title="t") | {name: value})
    assert answer.status_code in (200, 400), answer.text
    found = await _reread(client, ada["id"])
    kept = {key: kept for key, kept in found.items() if key not in ("meta", "schemas", ENTERPRISE)}
    assert kept == {key: value for key, value in ada.items() if key not in ("meta", "schemas")}
    assert found["meta"]["created"] == ada["meta"]["created"]
    assert found["meta"]["resourceType"] == "User"
    assert int(found["meta"]["version"].split('"')[1]) <= 5
    rows = await server.pool.fetch("SELECT tenant, document FROM resource WHERE id = $1", ada["id"])
    assert [row["tenant"] for row in rows] == [client.id]
    assert name not in orjson.loads(rows[0]["document"]) or name == "id"


async def test_parameters_given_twice(client: Client) -> None:
    """The path's id counts, whatever the query says; a parameter that is given twice is refused or has one meaning everywhere."""
    ada, bob = await client.new_user("ada"), await client.new_user("bob")
    for query in (f"id={bob['id']}", f"id={ada['id']}&id={bob['id']}", f"userId={bob['id']}"):
        answer = await client.request("GET", f"/Users/{ada['id']}?{query}")
        assert answer.status_code == 400 or answer.json()["id"] == ada["id"]
    answer = await client.request("GET", '/Users?filter=userName+eq+"ada"&filter=userName+eq+"bob"')
    assert answer.status_code == 400 or len(answer.json()["Resources"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        *("/debug", "/metrics", "/docs", "/openapi.json", "/redoc", "/static/app.js", "/console", "/admin/v1/tenants", "/health", "/livez"),
        *("/", "/scim", "/scim/", "/scim/v2/Users", "/api/scim/v2/Users", "/.env", "/favicon.ico", "/robots.txt", "/server-status"),
    ],
)
async def test_nothing_else_is_served_here(client: Client, path: str) -> None:
    """What scanners ask for, and what other planes have, is not there for anybody, with a good token or without."""
    for token in (None, client.token):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
            answer = await client.http.request(method, path, headers=headers)
            assert answer.status_code in (401, 404, 405), (method, answer.status_code)


async def test_two_tenants_of_the_same_names_share_no_memory(server: Server) -> None:
    """The same names, types and policies in two tenants, warm as one and read as the other: each has its own."""
    one, two = await server.tenant(), await server.tenant("standard", require_if_match=True)
    made = []
    for client, title in ((one, "first"), (two, "second")):
        ada = await client.new_user("ada", externalId="1", title=title)
        team = await client.new_group(ada["id"], displayName="team")
        made.append((ada, team))
    for _ in range(2):
        for client, title, (ada, team) in ((one, "first", made[0]), (two, "second", made[1])):
            found = (await client.get("/Users", filter='userName eq "ada"')).json()
            assert [(user["id"], user["title"]) for user in found["Resources"]] == [(ada["id"], title)]
            assert found["Resources"][0]["groups"][0]["value"] == team["id"]
            assert found["Resources"][0]["meta"]["location"].startswith(f"https://scim.example.com/scim/{client.slug}/")
    assert (await one.put(f"/Users/{made[0][0]['id']}", user("ada"))).status_code == 200
    assert_error(await two.put(f"/Users/{made[1][0]['id']}", user("ada")), 428)


async def test_groups_in_a_circle(client: Client) -> None:
    """Groups that are members of each other are read, listed and shown of a user, to an end."""
    ada = await client.new_user()
    first = await client.new_group(ada["id"], displayName="first")
    second = await client.new_group(first["id"], displayName="second")
    third = await client.new_group(second["id"], displayName="third")
    closing = await client.patch(f"/Groups/{first['id']}", {"op": "add", "path": "members", "value": [{"value": third["id"]}]})
    assert closing.status_code in (200, 204)
    own = await client.patch(f"/Groups/{first['id']}", {"op": "add", "path": "members", "value": [{"value": first["id"]}]})
    assert own.status_code in (200, 204, 400)
    found = await _reread(client, ada["id"])
    assert {group["display"] for group in found["groups"]} == {"first", "second", "third"}
    assert len((await client.get("/Groups")).json()["Resources"]) == 3
    for group in (first, second, third):
        assert (await client.delete(f"/Groups/{group['id']}")).status_code == 204


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com/abc?x=", "evil.example.com:80@x", "[::1]", "x" * 300])
async def test_the_host_that_a_client_names_is_nowhere(client: Client, host: str) -> None:
    """Locations and references are made of the configured URL."""
    headers = {"Host": host, "X-Forwarded-Host": host, "Forwarded": f"host={host}"}
    answer = await client.request("POST", "/Users", user(), headers=headers)
    assert answer.status_code == 201
    assert host not in answer.text + str(answer.headers)
    assert answer.headers["location"].startswith(f"https://scim.example.com/scim/{client.slug}/v2/Users/")


async def test_a_password_is_in_no_answer(client: Client) -> None:
    """POST, PUT, PATCH, Bulk, GET and searches, with the attribute named or not, show neither the password nor its hash."""
    secret = "correct horse battery"
    made = await client.post("/Users", user(password=secret))
    path = f"/Users/{made.json()['id']}"
    operation = {"method": "POST", "path": "/Users", "bulkId": "1", "data": user(password=secret)}
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation]}
    search = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "attributes": ["password", "userName"]}
    answers = [
        made,
        await client.put(path, user(made.json()["userName"], password=secret)),
        await client.patch(path, {"op": "replace", "path": "password", "value": secret}),
        await client.post("/Bulk", bulk),
        await client.get(path, attributes="password"),
        await client.get("/Users", attributes=f"password,{USER}:password"),
        await client.post("/Users/.search", search),
        await client.get("/Users", filter=f'password eq "{secret}"'),
        await client.get(path, excludedAttributes="userName"),
    ]
    for answer in answers:
        assert secret not in answer.text
        assert "$argon2" not in answer.text
        assert '"password"' not in answer.text
