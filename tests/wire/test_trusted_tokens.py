"""JWTs of issuers that a tenant trusts: Entra ID's, those of any OpenID Connect provider, and the many that are forged (RFC 8725)."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from joserfc.jwk import OctKey

from scimsrv.admin import models
from scimsrv.oauth.jose import read
from scimsrv.store.credentials import CredentialError
from tests.wire.oauth_support import (
    APP,
    DIRECTORY,
    EC,
    ED,
    ENTRA_AUDIENCE,
    OTHER_RSA,
    RSA,
    In,
    Issuer,
    OAuth,
    assert_refused,
    entra,
    entra_trust,
    part,
    public_keys,
    sign,
    tenant,
)
from tests.wire.support import PUBLIC, Server, Starter, assert_error, until_seen, user

OTHER_DIRECTORY = "00000000-1111-2222-3333-444444444444"


@pytest.fixture
async def oauth(server: Server) -> OAuth:
    """Return a fresh tenant that trusts Entra ID and another issuer."""
    made = await tenant(server)
    await made.trust(entra_trust())
    await made.trust(Issuer().trust())
    return made


async def test_entra_provisions_with_its_own_token(oauth: OAuth) -> None:
    """The exchange of a blank secret token: Test Connection, a user, a group, a change; and who did it is told from others."""
    client = oauth.client.with_token(entra().token())
    probe = await client.get("/Users", filter='userName eq "7f7e1f10-0001-4b53-a95b-7b4a1d3c61a6"')
    assert (probe.status_code, probe.json()["totalResults"]) == (200, 0)
    ada = await client.new_user(externalId="ada")
    team = await client.new_group(ada["id"])
    change = await client.patch(f"/Users/{ada['id']}", {"op": "Replace", "path": "active", "value": "False"})
    assert change.json()["active"] is False
    assert (await client.delete(f"/Groups/{team['id']}")).status_code == 204
    again = oauth.client.with_token(entra().token())
    assert (await again.get(f"/Users/{ada['id']}")).status_code == 200
    actors = {one.actor for one in (await _changes(oauth)).changes}
    trusts = (await oauth.do("list_trusts")).trusts
    assert actors == {f"{trusts[0].id}/sp-object"}
    assert trusts[0].last_used is not None


async def _changes(oauth: OAuth) -> Any:
    return await oauth.do("list_changes", models.ChangePage())


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")], ids=lambda one: str(one)[:8])
async def test_good_tokens(oauth: OAuth, key: Any, algorithm: str) -> None:
    """Each permitted algorithm with its key, and the forms that claims may have."""
    issuer = Issuer(key=key, algorithm=algorithm)
    forms: list[dict[str, Any]] = [
        {},
        {"aud": ["x", "api://scim"]},
        {"header": {"typ": "at+jwt"}},
        {"header": {"typ": "application/at+jwt"}},
        {"exp": In(500.5, float)},
        {"without": ("nbf", "jti")},
        {"exp": In(-30)},
        {"nbf": In(30)},
        {"iat": In(30)},
        {"header": {"jku": "https://evil.example/", "x5u": "https://evil.example/", "x5t": "AAAA"}},
    ]
    for form in forms:
        answer = await oauth.client.with_token(issuer.token(**form)).get("/Users")
        assert answer.status_code == 200, form


@pytest.mark.parametrize("sent", [{"Prefer": "respond-async, wait=20"}, {"Idempotency-Key": "k"}], ids=str)
async def test_another_clock_counts_later_too(oauth: OAuth, sent: dict[str, str]) -> None:
    """A token that is taken although it has ended by our clock, since its issuer's may be ahead, is good for what is kept as well."""
    client = oauth.client.with_token(Issuer().token(exp=In(-30)))
    assert (await client.request("POST", "/Users", user("later"), headers=sent)).status_code == 201


async def test_subjects_that_are_not_printed(oauth: OAuth) -> None:
    """Whoever has a subject with other characters than ASCII's is told from others, too, in the trail and by the rates."""
    for number, subject in enumerate(("Žofie", "two words", "Žofie")):
        answer = await oauth.client.with_token(Issuer().token(sub=subject)).post("/Users", user(f"user-{number}"))
        assert answer.status_code == 201, answer.text
    actors = [one.actor.partition("/")[2] for one in (await _changes(oauth)).changes if one.type == "User"]
    assert len(actors) == 3
    assert len(set(actors)) == 2
    assert all(actor.startswith("?") and actor.isascii() for actor in actors)


def _confused(algorithm: str) -> Callable[[Issuer], str]:
    """A token whose signature is a hash by the public key, as text or as JSON."""

    def forge(issuer: Issuer) -> str:
        body = issuer.token().split(".")[1]
        head = part({"alg": algorithm, "typ": "JWT", "kid": "rsa"})
        secret = RSA.as_pem(private=False) if algorithm == "HS256" else orjson.dumps(public_keys(RSA)["keys"][0])
        return f"{head}.{body}.{part(hmac.digest(secret, f'{head}.{body}'.encode(), 'sha256' if algorithm == 'HS256' else 'sha512'))}"

    return forge


def _raw(header: dict[str, Any] | bytes, **claims: Any) -> Callable[[Issuer], str]:
    """A token with this header and the signature of a good one."""

    def forge(issuer: Issuer) -> str:
        good = issuer.token(**claims)
        _, body, signature = good.split(".")
        return f"{part(header)}.{body}.{signature}"

    return forge


def _with(**members: Any) -> Callable[[Issuer], str]:
    """A token that is signed well, with other members."""
    return lambda issuer: issuer.token(**members)


def _changed(change: Callable[[list[str]], str]) -> Callable[[Issuer], str]:
    """What is made of the three parts of a good token."""
    return lambda issuer: change(issuer.token().split("."))


def _empty_secret(issuer: Issuer) -> str:
    return sign({"alg": "HS256", "typ": "JWT", "kid": ""}, read(issuer.token()).claims, OctKey.import_key(b"0" * 32))


FORGED: dict[str, Callable[[Issuer], str]] = {
    "alg none": _raw({"alg": "none", "typ": "JWT"}),
    "alg None": _raw({"alg": "None", "typ": "JWT"}),
    "alg nOnE without signature": _changed(lambda one: f"{part({'alg': 'nOnE', 'typ': 'JWT'})}.{one[1]}."),
    "alg missing": _raw({"typ": "JWT", "kid": "rsa"}),
    "alg a list": _raw({"alg": ["RS256"], "typ": "JWT", "kid": "rsa"}),
    "alg null": _raw({"alg": None, "typ": "JWT", "kid": "rsa"}),
    "alg HS256 by the public key": _confused("HS256"),
    "alg HS512 by the public JWK": _confused("HS512"),
    "alg HS256 by another secret": _empty_secret,
    "alg RS384, not permitted": _with(header={"alg": "RS384"}),
    "alg ES256 with the kid of an RSA key": _with(key=EC, header={"alg": "ES256", "kid": "rsa"}),
    "alg of another key": _raw({"alg": "PS256", "typ": "JWT", "kid": "rsa"}),
    "another key of the same kid": _with(key=OTHER_RSA),
    "a key in the header": lambda issuer: issuer.token(key=OTHER_RSA, header={"jwk": public_keys(OTHER_RSA)["keys"][0]}),
    "a key at a URL": _with(key=OTHER_RSA, header={"jku": "https://evil.example/keys", "kid": "new"}),
    "a certificate at a URL": _with(key=OTHER_RSA, header={"x5u": "https://evil.example/cert"}),
    "a certificate in the header": _with(key=OTHER_RSA, header={"x5c": ["MIIB"]}),
    "kid of a file": _with(header={"kid": "../../dev/null"}),
    "kid of a statement": _with(header={"kid": "' OR 1=1 --"}),
    "kid with NUL": _with(header={"kid": "rsa\x00"}),
    "kid a number": _raw({"alg": "RS256", "typ": "JWT", "kid": 1}),
    "kid an object": _raw({"alg": "RS256", "typ": "JWT", "kid": {"a": 1}}),
    "kid missing with several keys": lambda issuer: issuer.token(header={"kid": None, "alg": "EdDSA"}, key=ED)[:-4] + "AAAA",
    "crit": _raw({"alg": "RS256", "typ": "JWT", "kid": "rsa", "crit": ["exp"]}),
    "crit of the unknown": _raw({"alg": "RS256", "typ": "JWT", "kid": "rsa", "crit": ["x"], "x": 1}),
    "b64 false": _raw({"alg": "RS256", "typ": "JWT", "kid": "rsa", "b64": False, "crit": ["b64"]}),
    "zip": _raw({"alg": "RS256", "typ": "JWT", "kid": "rsa", "zip": "DEF"}),
    "header with a doubled member": _raw(b'{"alg":"none","alg":"RS256","typ":"JWT","kid":"rsa"}'),
    "header that is no object": _raw(b"[]"),
    "header that is no JSON": _raw(b"{"),
    "header that is not UTF-8": _raw(b'{"alg":"RS256","typ":"\xff"}'),
    "header too deep": _raw(b'{"alg":"RS256","x":' + b"[" * 500 + b"]" * 500 + b"}"),
    "typ missing": _with(header={"typ": None}),
    "typ of an event": _with(header={"typ": "secevent+jwt"}),
    "typ of a logout": _with(header={"typ": "logout+jwt"}),
    "typ of a credential": _with(header={"typ": "vc+ld+jwt"}),
    "typ a number": _with(header={"typ": 1}),
    "an ID token": _with(nonce="x"),
    "an ID token with at_hash": _with(at_hash="x"),
    "iss missing": _with(without=("iss",)),
    "iss of another": _with(iss="https://evil.example/"),
    "iss without the slash": lambda issuer: issuer.token(iss=issuer.issuer.rstrip("/")),
    "iss in capitals": lambda issuer: issuer.token(iss=issuer.issuer.upper()),
    "iss a list": lambda issuer: issuer.token(iss=[issuer.issuer]),
    "iss with NUL": lambda issuer: issuer.token(iss=issuer.issuer + "\x00"),
    "aud missing": _with(without=("aud",)),
    "aud of another": _with(aud="api://other"),
    "aud a prefix": lambda issuer: issuer.token(aud=issuer.audience + "x"),
    "aud empty": _with(aud=[]),
    "aud an object": lambda issuer: issuer.token(aud={issuer.audience: True}),
    "aud with a number": lambda issuer: issuer.token(aud=[issuer.audience, 1]),
    "exp missing": _with(without=("exp",)),
    "exp over": _with(exp=In(-120)),
    "exp as text": _with(exp=In(600, lambda at: str(int(at)))),
    "exp true": _with(exp=True),
    "exp null": _with(exp=None),
    "exp enormous": _with(exp=2**60),
    "exp after the last year": _with(exp=2**39),
    "exp negative": _with(exp=-1),
    "iat missing": _with(without=("iat",)),
    "iat to come": _with(iat=In(100_000), nbf=In(0)),
    "iat as text": _with(iat=In(0, lambda at: str(int(at)))),
    "nbf to come": _with(nbf=In(100_000)),
    "nbf as text": _with(nbf=In(0, lambda at: str(int(at)))),
    "sub missing": _with(without=("sub",)),
    "sub empty": _with(sub=""),
    "sub a number": _with(sub=7),
    "sub too long": _with(sub="x" * 300),
    "signature cut": _changed(lambda one: f"{one[0]}.{one[1]}.{one[2][:-8]}"),
    "signature changed": _changed(lambda one: f"{one[0]}.{one[1]}.{'A' * 8}{one[2][8:]}"),
    "signature empty": _changed(lambda one: f"{one[0]}.{one[1]}."),
    "signature missing": _changed(lambda one: f"{one[0]}.{one[1]}"),
    "signature of zeros": _changed(lambda one: f"{one[0]}.{one[1]}.{'A' * len(one[2])}"),
    "claims of another": _changed(lambda one: f"{one[0]}.{part({'iss': 'x', 'sub': 'root'})}.{one[2]}"),
    "five parts": _changed(lambda one: f"{one[0]}.{one[1]}.{one[2]}.{one[1]}.{one[2]}"),
    "padded": _changed(lambda one: f"{one[0]}.{one[1]}.{one[2]}=="),
    "with a space": _changed(lambda one: f"{one[0]}. {one[1]}.{one[2]}"),
    "too long": _with(filler="x" * 13_000),
}


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("issuer", [Issuer(), entra()], ids=["any", "Entra"])
async def test_forged_tokens(oauth: OAuth, issuer: Issuer, name: str) -> None:
    """Each forged token is 401 with one and the same answer, as a bearer token and at the token endpoint, and nothing is stored."""
    text = FORGED[name](issuer)
    client = oauth.client.with_token(text)
    answers = [await client.get("/Users"), await client.post("/Users", user()), await client.get("/ServiceProviderConfig")]
    for answer in answers:
        detail = "too long" if name == "too long" and len(text) > 16_000 else "The bearer token is not valid"
        assert_error(answer, 401, None, detail)
        assert answer.headers["www-authenticate"] == 'Bearer realm="scim", error="invalid_token"'
    assert (await oauth.client.get("/Users", count=0)).json()["totalResults"] == 0
    if not name.startswith("an ID token"):
        assert_refused(await oauth.by_assertion(text), 401, "invalid_client")
        assert_refused(await oauth.exchange(text), 400, "invalid_request")


@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        ({}, True),
        ({"tid": OTHER_DIRECTORY}, False),
        ({"tid": OTHER_DIRECTORY, "iss": f"https://sts.windows.net/{OTHER_DIRECTORY}/"}, False),
        ({"iss": f"https://login.microsoftonline.com/{DIRECTORY}/v2.0"}, False),
        ({"tid": None}, False),
        ({"tid": [DIRECTORY]}, False),
        ({"tid": DIRECTORY.upper()}, False),
        ({"appid": "another"}, False),
        ({"appid": None, "azp": APP}, False),
        ({"aud": "00000002-0000-0000-c000-000000000000"}, False),
        ({"aud": [ENTRA_AUDIENCE]}, True),
        ({"oid": "another", "sub": "another"}, True),
    ],
    ids=str,
)
async def test_entra_is_bound(oauth: OAuth, claims: dict[str, Any], taken: bool) -> None:
    """Issuer, audience, directory and application all have to be those that were named: the audience is everybody's."""
    answer = await oauth.client.with_token(entra().token(**claims)).get("/Users")
    assert answer.status_code == (200 if taken else 401)


async def test_a_token_is_good_for_who_trusts_it(server: Server, oauth: OAuth) -> None:
    """At a tenant without the trust, and at a tenant that there is not, the same token gets the same 401; two that trust it take it."""
    other, third = await tenant(server), await tenant(server)
    await third.trust(entra_trust(pins={"tid": [DIRECTORY], "oid": ["sp-object"]}))
    token = entra().token()
    assert (await oauth.client.with_token(token).get("/Users")).status_code == 200
    assert (await third.client.with_token(token).get("/Users")).status_code == 200
    refused = await other.client.with_token(token).get("/Users")
    ghost = await other.client.http.get("/scim/ghost/v2/Users", headers={"Authorization": f"Bearer {token}"})
    for answer in (refused, ghost):
        assert_error(answer, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="scim", error="invalid_token"'
    assert refused.json()["detail"].partition(" (")[0] == ghost.json()["detail"].partition(" (")[0]
    ada = await third.client.new_user()
    assert_error(await oauth.client.with_token(token).get(f"/Users/{ada['id']}"), 404)


async def test_access_tokens_are_of_one_tenant(server: Server, oauth: OAuth) -> None:
    """An access token of one tenant is 401 at another, also under a changed issuer or with the other's issuer trusted."""
    made, other = await oauth.new_client(), await tenant(server)
    token = (await oauth.by_secret(made)).json()["access_token"]
    assert_error(await other.client.with_token(token).get("/Users"), 401)
    head, body, signature = token.split(".")
    claims = dict(read(token).claims) | {"iss": other.issuer, "aud": f"{other.issuer}/v2"}
    for forged in (f"{head}.{part(claims)}.{signature}", sign(dict(read(token).header) | {"alg": "EdDSA"}, claims, ED)):
        assert_error(await other.client.with_token(forged).get("/Users"), 401)
    grown = dict(read(token).claims) | {"scope": "tenant:admin"}
    assert_error(await oauth.client.with_token(f"{head}.{part(grown)}.{signature}").get("/Users"), 401)
    assert_error(await oauth.client.with_token(token.replace(body, part(grown))).get("/Users"), 401)
    typed = dict(read(token).header) | {"typ": "JWT"}
    assert_error(await oauth.client.with_token(f"{part(typed)}.{body}.{signature}").get("/Users"), 401)
    assert (await oauth.client.with_token(token).get("/Users")).status_code == 200


async def test_access_tokens_end(server: Server, oauth: OAuth) -> None:
    """An access token is 401 after its end, also where it was taken before, whatever is kept of it."""
    made = await oauth.new_client(lifetime=60)
    client = oauth.using(await oauth.by_secret(made))
    assert (await client.get("/Users")).status_code == 200
    authenticator = server.app.authenticator
    usual = authenticator.clock
    try:
        authenticator.clock = lambda: usual() + 61
        await until_seen(asyncio.get_running_loop().time())
        assert_error(await client.get("/Users"), 401)
    finally:
        authenticator.clock = usual
    assert (await client.get("/Users")).status_code == 200


async def test_a_new_secret_key_leaves_access_tokens_good(start: Starter) -> None:
    """After the server's key was rotated, tokens that were signed with the older one are good; with that one gone they are not."""
    old, new = "A" * 43, "B" * 43
    answers = []
    async with start(secret_key=f"1:{old}") as server:
        oauth = await tenant(server)
        made = await oauth.new_client()
        token = (await oauth.by_secret(made)).json()["access_token"]
    for keys in (f"2:{new},1:{old}", f"2:{new}"):
        async with start(secret_key=keys) as server:
            answers.append(await replace(oauth.client, http=server.http).with_token(token).get("/Users"))
            issued = await replace(oauth, client=replace(oauth.client, http=server.http)).by_secret(made)
            assert issued.status_code == (200 if old in keys else 401)
            if old in keys:
                assert read(issued.json()["access_token"]).header["kid"] != read(token).header["kid"]
    assert [answer.status_code for answer in answers] == [200, 401]


async def test_removing_a_trust(oauth: OAuth) -> None:
    """Within a second its tokens are 401, and so are access tokens that they led to."""
    client = oauth.client.with_token(Issuer().token())
    led = oauth.using(await oauth.exchange(Issuer().token()))
    assert {(await one.get("/Users")).status_code for one in (client, led)} == {200}
    trust = (await oauth.do("list_trusts")).trusts[1]
    started = asyncio.get_running_loop().time()
    assert (await oauth.do("remove_trust", trust.id)).removed == trust.id
    await until_seen(started)
    for one in (client, led):
        assert_error(await one.get("/Users"), 401)
    assert_refused(await oauth.exchange(Issuer().token()), 400, "invalid_request")
    assert (await oauth.client.with_token(entra().token()).get("/Users")).status_code == 200


async def test_workload_identity(oauth: OAuth) -> None:
    """A trusted issuer's token gets an access token as an assertion (RFC 7523) and by exchange (RFC 8693), which never outlives it."""
    issuer = Issuer()
    token = issuer.token(exp=In(120))
    asserted = await oauth.by_assertion(token)
    assert asserted.json().keys() == {"access_token", "token_type", "expires_in", "scope"}
    exchanged = await oauth.exchange(token)
    assert exchanged.json()["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    for answer in (asserted, exchanged, await oauth.exchange(token, subject_token_type="urn:ietf:params:oauth:token-type:id_token")):
        assert 100 < answer.json()["expires_in"] <= 120
        claims = read(answer.json()["access_token"]).claims
        assert (claims["sub"], claims["client_id"]) == ("workload-1", (await oauth.do("list_trusts")).trusts[1].id)
        assert (await oauth.using(answer).post("/Users", user())).status_code == 201
    reader = oauth.using(await oauth.exchange(token, scope="scim:read"))
    assert_error(await reader.post("/Users", user()), 403)
    assert_refused(await oauth.exchange(token, scope="tenant:admin"), 400, "invalid_scope")
    assert_refused(await oauth.exchange(issuer.token(azp="other")), 400, "invalid_request")
    assert_refused(await oauth.exchange(entra().token()), 400, "invalid_request")  # which is trusted as a bearer token alone
    for wrong in (
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"subject_token_type": ""},
        {"subject_token": ""},
        {"actor_token": token, "actor_token_type": "urn:ietf:params:oauth:token-type:jwt"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"client_id": "x", "client_secret": "y"},
    ):
        assert_refused(await oauth.exchange(token, **wrong), 400, "invalid_request")


async def test_tokens_that_are_good_for_one_exchange(oauth: OAuth) -> None:
    """Where the trust says so, a token is exchanged once, whichever way; without a jti not at all."""
    once = Issuer("https://once.example.com/")
    await oauth.trust(once.trust(single_use=True, uses=["exchange"]))
    token = once.token()
    answers = await asyncio.gather(*(oauth.exchange(token) for _ in range(8)), *(oauth.by_assertion(token) for _ in range(8)))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert_refused(await oauth.exchange(once.token(without=("jti",))), 400, "invalid_request")
    assert_refused(await oauth.exchange(once.token(exp=2**39)), 400, "invalid_request")
    assert (await oauth.exchange(once.token(exp=2**36))).status_code == 200
    assert_error(await oauth.client.with_token(once.token()).get("/Users"), 401)


async def test_asynchronous_requests_of_trusted_tokens(oauth: OAuth) -> None:
    """What a trusted token asks for asynchronously is done, as long as it is trusted, and can be looked up by its holder alone."""
    client = oauth.client.with_token(Issuer().token())
    answer = await client.request("POST", "/Users", user("later"), headers={"Prefer": "respond-async, wait=10"})
    assert answer.status_code == 201, answer.text
    answer = await client.request("POST", "/Users", user("much-later"), headers={"Prefer": "respond-async"})
    status = answer.headers["location"].removeprefix(f"{PUBLIC}{oauth.client.base}")
    assert (await client.get(status)).status_code == 200
    for other in (Issuer().token(sub="workload-2"), entra().token(), oauth.client.token):
        assert_error(await oauth.client.with_token(other).get(status), 404)


async def test_nothing_is_asked_of_the_token_endpoint_in_bulk(oauth: OAuth) -> None:
    """An operation of a bulk request cannot reach it."""
    operations = [
        {"method": "POST", "path": path, "bulkId": "a", "data": {"grant_type": "client_credentials"}} for path in ("/oauth/token",)
    ]
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    answer = await oauth.client.post("/Bulk", body)
    assert answer.json()["Operations"][0]["status"] in ("400", "404", "405"), answer.text


async def test_services_are_nobody_at_me(server: Server) -> None:
    """A token of a trust without scim:me stands for no user, even if there is one of its subject."""
    oauth = await tenant(server, me="userName")
    await oauth.client.new_user("workload-1")
    await oauth.trust(Issuer().trust())
    assert_error(await oauth.client.with_token(Issuer().token()).get("/Me"), 404)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"pins": {}}, "pins: at least one"),
        ({"audiences": [""]}, "audiences"),
        ({"issuer": "http://login.example.com/"}, "issuer"),
        ({"issuer": "login.example.com"}, "issuer"),
        ({"issuer": "https://[x"}, "issuer"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"uses": ["everything"]}, "uses"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["nonsense"]}, "Unknown scope"),
        ({"jwks": None}, "jwks"),
        ({"jwks_uri": "https://x.example/keys"}, "jwks"),
        ({"jwks": None, "jwks_uri": "http://x.example/keys"}, "jwks_uri"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, "jwks"),
        ({"roles": [{"claim": "groups", "value": "x", "role": "platform_admin"}]}, "roles"),
        ({"issuer": f"https://sts.windows.net/{DIRECTORY}/"}, "tid"),
        ({"issuer": f"https://sts.windows.net/{DIRECTORY}/", "pins": {"tid": [OTHER_DIRECTORY]}}, "tid"),
        ({"issuer": "https://login.microsoftonline.com/common/v2.0", "pins": {"tid": [DIRECTORY]}}, "directory"),
        ({"audiences": [ENTRA_AUDIENCE], "pins": {"tid": [DIRECTORY]}}, "appid"),
    ],
    ids=str,
)
async def test_what_is_not_trusted(oauth: OAuth, asked: dict[str, Any], says: str) -> None:
    """What would let in more than was meant is refused when it is set up."""
    given = Issuer().trust().model_dump(mode="json") | asked
    wanted = Issuer().trust()
    with pytest.raises((CredentialError, ValueError), match=says):
        await oauth.trust(type(wanted).model_validate(given))


async def test_keys_are_not_fetched_unless_permitted(oauth: OAuth, caplog: pytest.LogCaptureFixture) -> None:
    """A trust with keys elsewhere refuses every token while the operator lists no host, and says so in the log."""
    await oauth.trust(Issuer("https://far.example.com/").trust(jwks=None, jwks_uri="https://far.example.com/keys"))
    assert_error(await oauth.client.with_token(Issuer("https://far.example.com/").token()).get("/Users"), 401)
    assert "jwks_hosts does not list far.example.com" in caplog.text


async def test_why_is_in_the_log(oauth: OAuth, caplog: pytest.LogCaptureFixture) -> None:
    """The rule that a token breaks is logged, once for a tenant, and nothing of the token is."""
    for _ in range(3):
        token = entra().token(appid="another")
        assert_error(await oauth.client.with_token(token).get("/Users"), 401)
    lines = [record.getMessage() for record in caplog.records if record.name == "scimsrv.auth"]
    assert lines == [f"a JWT for tenant {oauth.client.slug} was refused by the rule on pin appid"]
    assert token.split(".")[1] not in caplog.text
    assert PUBLIC not in caplog.text
