"""The token endpoint: who proves to be a client gets a short-lived JWT, and nobody learns why another does not (RFC 6749, RFC 9068)."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, Final

import httpx
import orjson
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

from scimsrv import tokens
from scimsrv.admin import granting_models as models
from scimsrv.oauth.jose import read
from scimsrv.store import asynchronous as jobs
from scimsrv.store import proof
from scimsrv.store.credentials import CredentialError, CredentialLimit
from scimsrv.store.tenants import create_tenant
from tests.wire.oauth_support import Issuer, OAuth, ask, assert_refused, basic, tenant
from tests.wire.support import PUBLIC, Server, assert_error, until_seen, user


@pytest.fixture
async def oauth(server: Server) -> OAuth:
    """Return the token endpoint of a fresh tenant."""
    return await tenant(server)


async def test_ways_to_show_a_secret(oauth: OAuth) -> None:
    """client_secret_basic and client_secret_post, by a form or in JSON, with and without a version in the path: a token that works."""
    made = await oauth.new_client()
    assert made.secret is not None
    grant = {"grant_type": "client_credentials"}
    pair = {"client_id": made.id, "client_secret": made.secret}
    for json in (False, True):
        header = basic(made.id, made.secret)
        ways: list[tuple[dict[str, str], dict[str, str]]] = [(header, {}), (header, {"client_id": made.id}), ({}, pair)]
        for headers, parameters in ways:
            answer = await oauth.ask(grant | parameters, headers, json=json)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == "application/json"
            assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
            body = answer.json()
            assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
            assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "scim:bulk scim:read scim:write")
            assert (await oauth.using(answer).get("/Users")).status_code == 200
            assert (await oauth.using(answer).post("/Users", user())).status_code == 201
    for path in (f"/scim/{oauth.client.slug}/v2/oauth/token", f"/scim/endpoints/{oauth.client.slug}/oauth/token"):
        assert (await ask(oauth.client.http, path, grant | pair)).status_code == 200


async def test_the_shape_of_access_tokens(oauth: OAuth) -> None:
    """Header and claims are those of RFC 9068 §2; they name issuer, audience and client, and end when it was said."""
    made = await oauth.new_client(scopes=["scim:read"], lifetime=60)
    answer = (await oauth.by_secret(made)).json()
    token = read(answer["access_token"])
    assert (token.header["typ"], token.header["alg"]) == ("at+jwt", "Ed25519")
    assert token.claims["iss"] == oauth.issuer
    assert token.claims["aud"] == f"{oauth.issuer}/v2"
    assert token.claims["sub"] == token.claims["client_id"] == made.id
    assert token.claims["scope"] == answer["scope"] == "scim:read"
    assert token.claims["exp"] - token.claims["iat"] == answer["expires_in"] == 60
    assert len(token.claims["jti"]) >= 16
    assert (made.token_endpoint, made.issuer) == (f"{oauth.issuer}/oauth/token", oauth.issuer)


async def test_metadata(oauth: OAuth) -> None:
    """RFC 8414 §3: at the well-known place of the issuer, valid by Authlib, and the same for a tenant that there is not."""
    place = get_well_known_url(oauth.issuer, external=True).removeprefix(PUBLIC)
    assert place == f"/.well-known/oauth-authorization-server/scim/{oauth.client.slug}"
    for path in (place, f"/scim/{oauth.client.slug}/.well-known/oauth-authorization-server"):
        answer = await oauth.client.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        AuthorizationServerMetadata(answer.json()).validate()
        assert answer.json()["issuer"] == oauth.issuer
        assert answer.json()["token_endpoint"] == f"{oauth.issuer}/oauth/token"
        assert answer.json()["revocation_endpoint"] == f"{oauth.issuer}/oauth/revoke"
        ghost = await oauth.client.http.get(path.replace(oauth.client.slug, "ghost"))
        assert ghost.text == answer.text.replace(oauth.client.slug, "ghost")
        assert (await oauth.client.http.post(path)).headers["allow"] == "GET, HEAD, OPTIONS"
    for wrong in (f"{place}/v2", "/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/scim/A"):
        assert (await oauth.client.http.get(wrong)).status_code == 404


async def test_methods(oauth: OAuth) -> None:
    """The token endpoint is for POST."""
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await oauth.client.http.request(method, oauth.endpoint)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert (await oauth.client.http.options(oauth.endpoint)).headers["allow"] == "POST, OPTIONS"


async def test_who_is_not_a_client(server: Server, oauth: OAuth) -> None:
    """A wrong secret, an unknown client, a client of another tenant and an unknown tenant get the same answer, byte for byte."""
    made, other = await oauth.new_client(), await tenant(server)
    foreign = await other.new_client()
    spare = tokens.new_token(tokens.SECRET).text
    provisioning = oauth.client.token or ""
    cases = [
        (oauth.endpoint, made.id, spare),
        (oauth.endpoint, made.id, "x"),
        (oauth.endpoint, made.id, provisioning),
        (oauth.endpoint, "scc_" + "0" * 16, made.secret),
        (oauth.endpoint, "x", made.secret),
        (oauth.endpoint, "", made.secret),
        (oauth.endpoint, foreign.id, foreign.secret),
        (oauth.endpoint, made.id, foreign.secret),
        (other.endpoint, made.id, made.secret),
        ("/scim/ghost/oauth/token", made.id, made.secret),
        ("/scim/ghost/oauth/token", "x", "y"),
    ]
    bodies = set()
    for path, client, secret in cases:
        shown: dict[str, str] = {"client_id": client, "client_secret": secret or ""}
        none: dict[str, str] = {}
        for headers, parameters in ((none, shown), (basic(client, secret or ""), none)):
            answer = await ask(oauth.client.http, path, {"grant_type": "client_credentials"} | parameters, headers)
            assert_refused(answer, 401, "invalid_client")
            bodies.add(answer.content)
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("parameters", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "password", "username": "a", "password": "b"}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_assertion": "x"}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_assertion_type": "x", "client_assertion": "y"}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "scim:read " * 300}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "x" * 3000, "client_secret": "y"}, 400, "invalid_request"),
    ],
    ids=str,
)
async def test_malformed_requests(oauth: OAuth, parameters: dict[str, str], status: int, error: str) -> None:
    """What is wrong before anybody is looked for is said by the words of RFC 6749 §5.2."""
    for json in (False, True):
        assert_refused(await oauth.ask(parameters, json=json), status, error)


async def test_bodies_that_are_neither(oauth: OAuth) -> None:
    """Another media type, doubled parameters, values that are no text, and bodies that are too large are refused in JSON, too."""
    made = await oauth.new_client()
    good = f"grant_type=client_credentials&client_id={made.id}&client_secret={made.secret}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    json = {"Content-Type": "application/json"}
    cases: list[tuple[dict[str, str], str | bytes, int]] = [
        ({}, good, 400),
        ({"Content-Type": "text/plain"}, good, 400),
        (form, good + "&grant_type=client_credentials", 400),
        (form, good + "&scope=scim&scope=scim", 400),
        (form, good + "&x=%ff", 400),
        (form, good + "&" + "&".join(f"a{number}=1" for number in range(60)), 400),
        (json, f'{{"grant_type":"client_credentials","client_id":"{made.id}","client_id":"x","client_secret":"{made.secret}"}}', 400),
        (json, '{"grant_type":["client_credentials"]}', 400),
        (json, "[]", 400),
        (json, "", 400),
        (form, good + "&x=" + "y" * 60_000, 413),
        (form | {"Content-Encoding": "gzip"}, good, 415),
    ]
    for headers, content, status in cases:
        assert_refused(await oauth.client.http.post(oauth.endpoint, headers=headers, content=content), status, "invalid_request")
    assert (await oauth.client.http.post(oauth.endpoint, headers=form, content=good)).status_code == 200


async def test_one_way_at_a_time(oauth: OAuth) -> None:
    """Two ways to authenticate, two headers, or a client_id that is another's are refused, even if each is good."""
    made = await oauth.new_client()
    assert made.secret is not None
    header = basic(made.id, made.secret)
    grant = {"grant_type": "client_credentials"}
    assert_refused(await oauth.ask(grant | {"client_id": made.id, "client_secret": made.secret}, header), 400, "invalid_request")
    assert_refused(await oauth.ask(grant | {"client_id": "scc_" + "0" * 16}, header), 400, "invalid_request")
    twice = [("Authorization", header["Authorization"])] * 2
    answer = await oauth.client.http.post(oauth.endpoint, data=grant, headers=twice)
    assert_refused(answer, 400, "invalid_request")
    for value in ("Bearer x", "Basic", "Basic !", "Basic eA==", f"Bearer {oauth.client.token}"):
        assert_refused(await oauth.ask(grant, {"Authorization": value}), 401, "invalid_client")


async def test_scopes(oauth: OAuth) -> None:
    """A client gets what it asks for of what it has, `scim` meaning what it has of its parts; more is refused, and less is enforced."""
    made = await oauth.new_client(scopes=["scim:read", "scim:write"])
    for asked, granted in ((None, "scim:read scim:write"), ("scim", "scim:read scim:write"), ("scim:read", "scim:read")):
        answer = await oauth.by_secret(made, **({} if asked is None else {"scope": asked}))
        assert answer.json()["scope"] == granted
    reader = oauth.using(await oauth.by_secret(made, scope="scim:read"))
    assert (await reader.get("/Users")).status_code == 200
    refused = await reader.post("/Users", user())
    assert_error(refused, 403, None, "scim:write")
    assert refused.headers["www-authenticate"] == 'Bearer realm="scim", error="insufficient_scope", scope="scim:write"'
    for asked in ("tenant:admin", "scim:read tenant:admin", "nonsense", "scim:read, scim:write"):
        assert_refused(await oauth.by_secret(made, scope=asked), 400, "invalid_scope")


async def test_resources(oauth: OAuth) -> None:
    """resource (RFC 8707) and audience may name this tenant; a token for anything else is not issued."""
    made = await oauth.new_client()
    for target in (oauth.issuer, f"{oauth.issuer}/v2", f"{oauth.issuer}/v2/"):
        assert (await oauth.by_secret(made, resource=target)).status_code == 200
    for name in ("resource", "audience"):
        assert_refused(await oauth.by_secret(made, **{name: f"{PUBLIC}/scim/other/v2"}), 400, "invalid_target")


async def test_rotation(oauth: OAuth) -> None:
    """The next secret works beside the old one, which ends within a week; a third is refused until one is revoked."""
    made = await oauth.new_client(expires=None)
    second = await oauth.do("rotate_client", made.id, models.ClientRotation(expires=None))
    assert second.secret not in (None, made.secret)
    for one in (made, second):
        assert (await oauth.by_secret(one)).status_code == 200
    listed = (await oauth.do("list_clients")).clients[0]
    assert [secret.kid for secret in listed.secrets] == [(one.secret or "").split("_")[1] for one in (made, second)]
    ends = listed.secrets[0].expires
    assert ends is not None
    assert 6.9 < (ends.timestamp() - time.time()) / 86_400 < 7.1
    assert listed.secrets[1].expires is None
    with pytest.raises(CredentialLimit, match="2 live secrets"):
        await oauth.do("rotate_client", made.id, models.ClientRotation())
    await oauth.do("revoke_client", made.id, listed.secrets[0].kid)
    assert_refused(await oauth.by_secret(made), 401, "invalid_client")
    assert (await oauth.by_secret(second)).status_code == 200
    await oauth.server.pool.execute("UPDATE oauth_secret SET expires = now() WHERE tenant = $1", oauth.client.id)
    assert_refused(await oauth.by_secret(second), 401, "invalid_client")


@pytest.mark.parametrize("what", ["client", "secret"])
async def test_revocation_ends_access_tokens(oauth: OAuth, what: str) -> None:
    """Within a second of a client's or its secret's end its access tokens are 401; those of other clients go on."""
    made, other = await oauth.new_client(), await oauth.new_client()
    client, left = oauth.using(await oauth.by_secret(made)), oauth.using(await oauth.by_secret(other))
    assert {(await one.get("/Users")).status_code for one in (client, left)} == {200}
    assert made.secret is not None
    started = asyncio.get_running_loop().time()
    await oauth.do("revoke_client", made.id, made.secret.split("_")[1] if what == "secret" else None)
    await until_seen(started)
    refused = await client.get("/Users")
    assert_error(refused, 401)
    assert refused.headers["www-authenticate"] == 'Bearer realm="scim", error="invalid_token"'
    assert (await left.get("/Users")).status_code == 200
    if what == "secret":  # the client itself lives on
        again = await oauth.do("rotate_client", made.id, models.ClientRotation())
        assert (await oauth.using(await oauth.by_secret(again)).get("/Users")).status_code == 200


async def test_an_access_token_is_revoked(oauth: OAuth) -> None:
    """RFC 7009: the client ends one of its tokens, which is 401 within a second, however often it asks; its other tokens, and tokens of
    others, go on. What is no token, or ended already, is as good as revoked."""
    made, other = await oauth.new_client(), await oauth.new_client()
    one, two = [(await oauth.by_secret(made)).json()["access_token"] for _ in range(2)]
    clients = [oauth.client.with_token(token) for token in (one, two)]
    assert {(await client.get("/Users")).status_code for client in clients} == {200}
    started = asyncio.get_running_loop().time()
    for token in (one, one, "nonsense", f"{one}x", "scs_aaaaaa_" + "A" * 43 + "_aaaaaa"):
        answer = await _revoke(oauth, made, token, token_type_hint="refresh_token")
        assert (answer.status_code, answer.content) == (200, b"")
    await until_seen(started)
    assert [(await client.get("/Users")).status_code for client in clients] == [401, 200]
    assert_refused(await _revoke(oauth, other, two), 400, "unauthorized_client")
    assert_refused(await _revoke(oauth, made, ""), 400, "invalid_request")
    assert_refused(await ask(oauth.client.http, _REVOKE.format(oauth.client.slug), {"token": two}), 401, "invalid_client")
    wrong = made.model_copy(update={"secret": other.secret})
    assert_refused(await _revoke(oauth, wrong, two), 401, "invalid_client")
    assert_refused(
        await ask(oauth.client.http, _REVOKE.format("ghost"), {"token": two}, basic(made.id, made.secret or "")), 401, "invalid_client"
    )
    assert (await clients[1].get("/Users")).status_code == 200


_REVOKE: Final = "/scim/{}/oauth/revoke"


async def _revoke(oauth: OAuth, made: models.NewClient, token: str, **more: str) -> httpx.Response:
    """Ask for the revocation of a token with a client's secret."""
    given = {"client_id": made.id, "client_secret": made.secret or "", "token": token} | more
    return await ask(oauth.client.http, _REVOKE.format(oauth.client.slug), given)


async def test_suspension(oauth: OAuth) -> None:
    """A suspended tenant issues no tokens, and those that it issued are 403 within a second; resumed, they work again."""
    made = await oauth.new_client()
    client = oauth.using(await oauth.by_secret(made))
    assert (await client.get("/Users")).status_code == 200
    for verb, issued, used in (("suspend_tenant", 400, 403), ("resume_tenant", 200, 200)):
        started = asyncio.get_running_loop().time()
        await oauth.do(verb)
        answer = await oauth.by_secret(made)
        if issued == 400:
            assert_refused(answer, 400, "unauthorized_client")
            assert_refused(await ask(client.http, oauth.endpoint, {"grant_type": "client_credentials"}), 401, "invalid_client")
        await until_seen(started)
        assert (await client.get("/Users")).status_code == used


async def test_a_new_tenant_of_the_same_name_knows_nobody(server: Server, oauth: OAuth) -> None:
    """Neither access tokens nor clients of a deleted tenant are good for one that is created with its slug."""
    made = await oauth.new_client()
    client = oauth.using(await oauth.by_secret(made))
    assert (await client.get("/Users")).status_code == 200
    started = asyncio.get_running_loop().time()
    await oauth.do("delete_tenant")
    async with server.pool.acquire() as connection:
        await create_tenant(connection, oauth.client.slug)
    await until_seen(started)
    assert_error(await client.get("/Users"), 401)
    assert_refused(await oauth.by_secret(made), 401, "invalid_client")


async def test_narrowed_by_type(oauth: OAuth) -> None:
    """A client for users alone gets 403 for groups: single, listed, searched, in bulk; and sees users alone at the root."""
    ada, team = await oauth.client.new_user(), await oauth.client.new_group()
    made = await oauth.new_client(types=["user"])
    assert made.types == ["User"]
    client = oauth.using(await oauth.by_secret(made))
    assert (await client.get(f"/Users/{ada['id']}")).status_code == 200
    for answer in (
        await client.get(f"/Groups/{team['id']}"),
        await client.get("/Groups"),
        await client.post("/Groups", {"displayName": "x"}),
        await client.delete(f"/Groups/{team['id']}"),
        await client.post("/Groups/.search", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}),
    ):
        assert_error(answer, 403, None, "type Group")
    found = (await client.get("")).json()["Resources"]
    assert {one["meta"]["resourceType"] for one in found} == {"User"}
    operations: list[dict[str, Any]] = [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": user()},
        {"method": "POST", "path": "/Groups", "bulkId": "b", "data": {"displayName": "y"}},
        {"method": "DELETE", "path": f"/Groups/{team['id']}"},
    ]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    for headers in ({}, {"Prefer": "respond-async, wait=10"}):
        operations[0]["data"] = user()
        answer = await client.request("POST", "/Bulk", bulk, headers=headers)
        assert [one["status"] for one in answer.json()["Operations"]] == ["201", "403", "403"], answer.text
    with pytest.raises(CredentialError, match="no resource type 'Robot'"):
        await oauth.new_client(types=["Robot"])


async def test_narrowed_by_network(server: Server, oauth: OAuth) -> None:
    """A credential for a network is 403 from elsewhere, at the token endpoint and with its token, also when it was let in before."""
    near, far = await oauth.new_client(networks=["127.0.0.0/8", "::1/128"]), await oauth.new_client(networks=["192.0.2.0/24"])
    client = oauth.using(await oauth.by_secret(near))
    assert (await client.get("/Users")).status_code == 200
    assert_refused(await oauth.by_secret(far), 400, "unauthorized_client")
    await server.pool.execute("UPDATE oauth_client SET networks = '{198.51.100.0/24}' WHERE tenant = $1 AND id = $2", client.id, near.id)
    await until_seen(asyncio.get_running_loop().time())
    assert_error(await client.get("/Users"), 403, None, "network")
    for wrong in (["127.0.0.1/8"], ["nonsense"]):
        with pytest.raises(CredentialError, match="network"):
            await oauth.new_client(networks=wrong)


async def test_asynchronous_requests_have_the_rights_of_the_token(oauth: OAuth) -> None:
    """What an access token asks for asynchronously is done with its scopes and not with its client's, and is its client's to look up."""
    made = await oauth.new_client()
    writer, reader = oauth.using(await oauth.by_secret(made)), oauth.using(await oauth.by_secret(made, scope="scim:read"))
    answer = await writer.request("POST", "/Users", user(), headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    status = answer.headers["location"].removeprefix(f"{PUBLIC}{oauth.client.base}")
    for _ in range(100):
        document = (await writer.get(status)).json()
        if document["state"] == "finished":
            break
        await asyncio.sleep(0.05)
    assert document["Operations"][0]["status"] == "201"
    assert (await reader.get(status)).status_code == 200
    assert_error(await oauth.client.get(status), 404)
    assert_error(await reader.request("POST", "/Users", user(), headers={"Prefer": "respond-async"}), 403)


@pytest.mark.parametrize("what", ["token", "secret", "basic", "time"])
async def test_asynchronous_requests_end_with_their_token(server: Server, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """What waits to be carried out when its access token is revoked or expires, or a secret of its client is revoked, is 401 and not done;
    what another token of the client asks for is done."""

    async def nobody(*_: Any) -> None:
        return None

    oauth = await tenant(server, basic=True)
    made = await oauth.new_client()
    assert made.secret is not None
    texts = [(await oauth.by_secret(made)).json()["access_token"] for _ in range(2)]
    if what == "time":
        await oauth.trust(Issuer().trust())
        texts[0] = (await oauth.exchange(Issuer().token())).json()["access_token"]
    shown = [{"Authorization": f"Bearer {text}"} for text in texts]
    if what == "basic":
        shown[0] = basic(made.id, made.secret)
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "take_job", nobody)
        answers = [await oauth.client.request("POST", "/Users", user(), headers={"Prefer": "respond-async"} | one) for one in shown]
        assert [answer.status_code for answer in answers] == [202, 202]
        await asyncio.sleep(0.1)  # whoever was woken has looked
    match what:
        case "token":
            assert (await _revoke(oauth, made, texts[0])).status_code == 200
        case "secret" | "basic":
            await oauth.do("revoke_client", made.id, made.secret.split("_")[1])
        case _:
            monkeypatch.setattr(proof, "time", SimpleNamespace(time=lambda: time.time() + 1_000))
    for answer in answers:
        await server.app.jobs.begin(oauth.client.id, answer.headers["set-txn"])
    rows = await server.pool.fetch("SELECT txn, result FROM request_result WHERE tenant = $1", oauth.client.id)
    found = {row["txn"]: orjson.loads(row["result"])["status"] for row in rows}
    ended = ["401", "201"] if what in ("token", "time") else ["401", "401"]
    assert [found[answer.headers["set-txn"]] for answer in answers] == ended
    assert (await oauth.client.get("/Users")).json()["totalResults"] == ended.count("201")


async def test_secrets_are_nowhere(server: Server, oauth: OAuth) -> None:
    """A client's secret is shown once: it is in no list, no record and no column."""
    made = await oauth.new_client()
    assert made.secret is not None
    part = made.secret.split("_", 2)[2].rpartition("_")[0]
    shown = (await oauth.do("list_clients")).model_dump_json()
    rows = await server.pool.fetch("SELECT c::text FROM admin_change c UNION ALL SELECT s::text FROM oauth_secret s")
    assert part not in shown + "".join(row[0] for row in rows)
    assert part.encode().hex() not in "".join(row[0] for row in rows)


async def test_last_use(server: Server, oauth: OAuth) -> None:
    """The last use of a client is noted, and not with every request."""
    made = await oauth.new_client()
    assert (await oauth.do("list_clients")).clients[0].last_used is None
    client = oauth.using(await oauth.by_secret(made))
    noted = (await oauth.do("list_clients")).clients[0].last_used
    assert noted is not None
    for _ in range(3):
        assert (await client.get("/Users")).status_code == 200
    assert (await oauth.do("list_clients")).clients[0].last_used == noted


async def test_basic_only_where_the_policy_says_so(server: Server) -> None:
    """Off, HTTP Basic is 401 and not advertised; on, a client's id and secret are good with each request, and the challenge lists it."""
    for switch in (False, True):
        oauth = await tenant(server, basic=switch)
        made = await oauth.new_client()
        assert made.secret is not None
        anonymous = oauth.client.with_token(None)
        answer = await anonymous.request("GET", "/Users", headers=basic(made.id, made.secret))
        assert answer.status_code == (200 if switch else 401)
        config = (await oauth.client.get("/ServiceProviderConfig")).json()
        assert ("httpbasic" in [scheme["type"] for scheme in config["authenticationSchemes"]]) is switch
        for header in ({}, basic(made.id, "x"), basic("x", made.secret), {"Authorization": "Basic !"}, basic(made.secret, made.id)):
            refused = await anonymous.request("GET", "/Users", headers=header)
            assert_error(refused, 401)
            assert ("Basic realm" in refused.headers["www-authenticate"]) is switch
            assert refused.headers["www-authenticate"].startswith('Bearer realm="scim"')
        other = await tenant(server, basic=True)
        assert_error(await other.client.with_token(None).request("GET", "/Users", headers=basic(made.id, made.secret)), 401)
        assert_error(await anonymous.request("GET", "/Users", headers={"Authorization": f"Bearer {made.secret}"}), 401)
        assert_error(await anonymous.request("GET", "/Users", headers={"Authorization": made.secret}), 401)


async def test_answers_are_json_objects(oauth: OAuth) -> None:
    """Refusals have a description that a person can read, in the characters that RFC 6749 §5.2 permits."""
    answer = await oauth.ask({"grant_type": 'client_credentials"\\'})
    assert orjson.loads(answer.content)["error_description"].isascii()
    assert '"\\' not in answer.json()["error_description"]
