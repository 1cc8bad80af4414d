"""OAuth clients and trusted issuers by the admin API: shown without secrets, recorded, and refused with what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.wire.admin_support import Admin, admin_api, assert_problem
from tests.wire.oauth_support import DIRECTORY, ENTRA_AUDIENCE, OTHER_RSA, RSA, Issuer, ask, public_keys
from tests.wire.support import PUBLIC, Client, Server, assert_error


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Admin]:
    """Yield an administrator beside the server of the tenants."""
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as made:
        yield made


async def test_a_client_from_beginning_to_end(server: Server, admin: Admin) -> None:
    """Made, listed, used, rotated and revoked; each step is recorded, and no answer but two has a secret."""
    slug = await admin.tenant()
    path = f"/tenants/{slug}/clients"
    made = await admin.ask(
        "POST", path, {"label": "okta", "scopes": ["scim"], "types": ["user"], "networks": ["127.0.0.0/8"], "lifetime": 600}
    )
    assert made.status_code == 201, made.text
    client = made.json()
    assert client["url"] == f"{PUBLIC}/scim/{slug}/v2"
    assert client["token_endpoint"] == f"{client['issuer']}/oauth/token" == f"{PUBLIC}/scim/{slug}/oauth/token"
    assert (client["scopes"], client["types"], client["networks"]) == (["scim:read", "scim:write", "scim:bulk"], ["User"], ["127.0.0.0/8"])
    noted = await admin.noted("client.create")
    assert (noted["tenant"], noted["subject"], noted["detail"]["label"]) == (slug, client["id"], "okta")
    shown = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
    answer = await ask(server.http, f"/scim/{slug}/oauth/token", shown)
    assert answer.json()["expires_in"] == 600
    used = Client(server.http, slug, 0, answer.json()["access_token"])
    assert (await used.get("/Users")).status_code == 200
    assert_error(await used.get("/Groups"), 403)
    listed = (await admin.ask("GET", path)).json()["clients"][0]
    assert listed["last_used"] is not None
    assert [secret["kid"] for secret in listed["secrets"]] == [client["secret"].split("_")[1]]
    rotated = await admin.ask("POST", f"{path}/{client['id']}/rotate", {"expires": None})
    assert rotated.status_code == 201
    await admin.noted("client.rotate")
    assert_problem(await admin.ask("POST", f"{path}/{client['id']}/rotate", {}), 409, "2 live secrets")
    kid = listed["secrets"][0]["kid"]
    assert (await admin.ask("DELETE", f"{path}/{client['id']}/secrets/{kid}")).json() == {"revoked": kid}
    await admin.noted("client.secret.revoke")
    assert (await admin.ask("DELETE", f"{path}/{client['id']}")).json() == {"revoked": client["id"]}
    await admin.noted("client.revoke")
    for gone in (f"{path}/{client['id']}", f"{path}/{client['id']}/secrets/{kid}"):
        assert_problem(await admin.ask("DELETE", gone), 404)
    assert_problem(await admin.ask("POST", f"{path}/{client['id']}/rotate", {}), 404, "no client")
    recorded = (await admin.ask("GET", f"/changes?tenant={slug}")).text + (await admin.ask("GET", path)).text
    for secret in (client["secret"], rotated.json()["secret"]):
        assert secret.split("_", 2)[2].rpartition("_")[0] not in recorded


async def test_a_trust_from_beginning_to_end(server: Server, admin: Admin) -> None:
    """Added, listed, used and removed; each step is recorded."""
    slug = await admin.tenant()
    path = f"/tenants/{slug}/trusts"
    issuer = Issuer()
    asked = issuer.trust(types=["User"], networks=["127.0.0.0/8"]).model_dump(mode="json")
    made = await admin.ask("POST", path, asked)
    assert made.status_code == 201, made.text
    trust = made.json()
    assert (trust["types"], trust["networks"], trust["pins"]) == (["User"], ["127.0.0.0/8"], {"azp": ["app-1"]})
    assert trust["jwks"] == asked["jwks"]
    noted = await admin.noted("trust.add")
    assert (noted["subject"], noted["detail"]["issuer"]) == (trust["id"], issuer.issuer)
    client = Client(server.http, slug, 0, issuer.token())
    assert (await client.get("/Users")).status_code == 200
    assert_error(await client.get("/Groups"), 403)
    assert (await admin.ask("GET", path)).json()["trusts"] == [trust | {"last_used": (await _last_used(admin, path))}]
    assert (await admin.ask("DELETE", f"{path}/{trust['id']}")).json() == {"removed": trust["id"]}
    await admin.noted("trust.remove")
    assert_problem(await admin.ask("DELETE", f"{path}/{trust['id']}"), 404, "no trust")


async def _last_used(admin: Admin, path: str) -> str:
    found: str = (await admin.ask("GET", path)).json()["trusts"][0]["last_used"]
    assert found is not None
    return found


async def test_mistakes_are_named(admin: Admin) -> None:
    """What is wrong with a client, a trust or a token is said; nothing is made."""
    slug = await admin.tenant()
    trust = Issuer().trust().model_dump(mode="json")
    for path, body, says in (
        ("clients", {"scopes": ["nonsense"]}, "Unknown scope"),
        ("clients", {"types": ["Robot"]}, "no resource type 'Robot'"),
        ("clients", {"networks": ["10.0.0.1/8"]}, "no network"),
        ("clients", {"networks": ["10.0.0.0/8"] * 11}, "networks"),
        ("clients", {"lifetime": 5}, "lifetime"),
        ("clients", {"jwks": {"keys": [RSA.as_dict(private=True)]}}, "private"),
        ("clients", {"jwks": public_keys(RSA, OTHER_RSA)}, "two keys"),
        ("clients", {"secret": "mine"}, "secret"),
        ("tokens", {"types": ["Robot"]}, "no resource type 'Robot'"),
        ("tokens", {"networks": ["x"]}, "no network"),
        ("trusts", trust | {"pins": {}}, "pins"),
        ("trusts", trust | {"jwks": {"keys": [RSA.as_dict(private=True)]}}, "private"),
        ("trusts", trust | {"audiences": [ENTRA_AUDIENCE], "pins": {"sub": ["x"]}}, "appid"),
        ("trusts", trust | {"issuer": f"https://sts.windows.net/{DIRECTORY}/"}, "tid"),
        ("trusts", trust | {"issuer": None}, "issuer"),
    ):
        assert_problem(await admin.ask("POST", f"/tenants/{slug}/{path}", body), 400, says)
    assert (await admin.ask("GET", f"/tenants/{slug}/clients")).json() == {"clients": []}
    assert (await admin.ask("GET", f"/tenants/{slug}/trusts")).json() == {"trusts": []}
    assert (await admin.ask("GET", f"/tenants/{slug}/tokens")).json() == {"tokens": []}


async def test_there_are_limits(admin: Admin) -> None:
    """A tenant has at most 20 clients and 20 trusts."""
    slug = await admin.tenant()
    trust = Issuer().trust().model_dump(mode="json")
    for path, body in (("clients", {}), ("trusts", trust)):
        for _ in range(20):
            assert (await admin.ask("POST", f"/tenants/{slug}/{path}", body)).status_code == 201
        assert_problem(await admin.ask("POST", f"/tenants/{slug}/{path}", body), 409, "20")


async def test_narrowed_tokens(server: Server, admin: Admin) -> None:
    """A secret token is narrowed as a client is, also after it was rotated, and says so."""
    slug = await admin.tenant()
    path = f"/tenants/{slug}/tokens"
    made = (await admin.ask("POST", path, {"label": "hr", "types": ["User"], "networks": ["127.0.0.0/8"]})).json()
    rotated = (await admin.ask("POST", f"{path}/rotate", {"label": "hr"})).json()
    for token in (made, rotated):
        assert (token["types"], token["networks"]) == (["User"], ["127.0.0.0/8"])
        client = Client(server.http, slug, 0, token["token"])
        assert (await client.get("/Users")).status_code == 200
        assert_error(await client.get("/Groups"), 403, None, "type Group")
    far = (await admin.ask("POST", path, {"label": "far", "networks": ["2001:db8::/32"]})).json()
    assert_error(await Client(server.http, slug, 0, far["token"]).get("/Users"), 403, None, "network")
