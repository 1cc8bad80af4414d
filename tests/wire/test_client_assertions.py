"""Clients that sign assertions at the token endpoint: keys of theirs, each assertion once, and what is refused (RFC 7523)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from scimsrv.admin import granting_models as models
from scimsrv.oauth.jose import read
from scimsrv.store.credentials import CredentialError
from tests.wire.oauth_support import EC, ED, OTHER_RSA, RSA, Issuer, OAuth, assert_refused, public_keys, tenant
from tests.wire.support import PUBLIC, Server, until_seen


@pytest.fixture
async def oauth(server: Server) -> OAuth:
    """Return the token endpoint of a fresh tenant."""
    return await tenant(server)


async def test_assertions_of_clients(oauth: OAuth) -> None:
    """private_key_jwt (RFC 7523 §2.2) with each kind of key: an access token; the client has no secret, and its keys are listed nowhere."""
    made = await oauth.new_client(jwks=public_keys(RSA, EC, ED))
    assert (made.secret, made.signs, made.secrets) == (None, True, [])
    for key, algorithm in ((RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")):
        signer = Issuer(made.id, f"{oauth.issuer}/oauth/token", {"sub": made.id}, key, algorithm)
        answer = await oauth.by_assertion(signer.token())
        assert (await oauth.using(answer).get("/Users")).status_code == 200
    signer = Issuer(made.id, oauth.issuer, {"sub": made.id})
    assert (await oauth.by_assertion(signer.token(), client_id=made.id)).status_code == 200


async def test_keys_are_rotated(oauth: OAuth) -> None:
    """A client that signs gets its next keys, with the present ones beside them or without; it gets no secret, and others get no keys."""
    made = await oauth.new_client(jwks=public_keys(RSA))
    signers = [Issuer(made.id, oauth.issuer, {"sub": made.id}, key, algorithm) for key, algorithm in ((RSA, "RS256"), (EC, "ES256"))]
    for keys, statuses in (([RSA], [200, 401]), ([RSA, EC], [200, 200]), ([EC], [401, 200])):
        rotated = await oauth.do("rotate_client", made.id, models.ClientRotation(jwks=public_keys(*keys)))
        assert (rotated.secret, rotated.secrets) == (None, [])
        assert [(await oauth.by_assertion(signer.token())).status_code for signer in signers] == statuses
    with pytest.raises(CredentialError, match="signs"):
        await oauth.do("rotate_client", made.id, models.ClientRotation())
    other = await oauth.new_client()
    with pytest.raises(CredentialError, match="does not sign"):
        await oauth.do("rotate_client", other.id, models.ClientRotation(jwks=public_keys(RSA)))
    with pytest.raises(CredentialError, match="private"):
        await oauth.do("rotate_client", made.id, models.ClientRotation(jwks={"keys": [RSA.as_dict(private=True)]}))


async def test_access_tokens_end_with_a_key(oauth: OAuth) -> None:
    """A key that its client has no more took the access tokens of the client along; another one that is added takes none."""
    made = await oauth.new_client(jwks=public_keys(RSA))
    signer = Issuer(made.id, oauth.issuer, {"sub": made.id})
    client = oauth.using(await oauth.by_assertion(signer.token()))
    for keys, status in (([EC, RSA], 200), ([EC], 401)):
        started = asyncio.get_running_loop().time()
        await oauth.do("rotate_client", made.id, models.ClientRotation(jwks=public_keys(*keys)))
        await until_seen(started)
        assert (await client.get("/Users")).status_code == status


async def test_assertions_are_good_once(oauth: OAuth) -> None:
    """The same assertion again, or another with its jti, is refused, of sixteen at once fifteen; other clients are not concerned."""
    first, second = [await oauth.new_client(jwks=public_keys(RSA)) for _ in range(2)]
    signer = Issuer(first.id, oauth.issuer, {"sub": first.id})
    token = signer.token()
    answers = await asyncio.gather(*(oauth.by_assertion(token) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 15
    assert_refused(await oauth.by_assertion(token), 401, "invalid_client")
    assert_refused(await oauth.by_assertion(signer.token(jti=read(token).claims["jti"])), 401, "invalid_client")
    same = Issuer(second.id, oauth.issuer, {"sub": second.id}).token(jti=read(token).claims["jti"])
    assert (await oauth.by_assertion(same)).status_code == 200


async def test_for_how_long_an_assertion_is_known(oauth: OAuth) -> None:
    """It is refused for as long as a server takes it whose clock is a day behind the database's, and forgotten then."""
    made = await oauth.new_client(jwks=public_keys(RSA))
    signer = Issuer(made.id, oauth.issuer, {"sub": made.id})
    token = signer.token()
    assert (await oauth.by_assertion(token)).status_code == 200
    for ago, left in (("23 hours", 2), ("25 hours", 1)):
        change = "UPDATE used_assertion SET expires = now() - $2::text::interval WHERE tenant = $1"
        await oauth.server.pool.execute(change, oauth.client.id, ago)
        assert (await oauth.by_assertion(signer.token())).status_code == 200
        assert await oauth.server.pool.fetchval("SELECT count(*) FROM used_assertion WHERE tenant = $1", oauth.client.id) == left
        if left == 2:
            assert_refused(await oauth.by_assertion(token), 401, "invalid_client")


_REFUSED: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "without jti": lambda: {"without": ("jti",)},
    "a number as jti": lambda: {"jti": 7},
    "a long jti": lambda: {"jti": "x" * 300},
    "another sub": lambda: {"sub": "somebody"},
    "another aud": lambda: {"aud": "https://elsewhere.example.com"},
    "another tenant as aud": lambda: {"aud": f"{PUBLIC}/scim/ghost/oauth/token"},
    "without exp": lambda: {"without": ("exp",)},
    "exp over": lambda: {"exp": 10**9},
    "exp too far": lambda: {"exp": int(time.time()) + 10_000},
    "iat to come": lambda: {"iat": int(time.time()) + 1_000},
    "another key": lambda: {"key": OTHER_RSA},
    "a key of another type": lambda: {"key": EC, "header": {"alg": "ES256"}},
    "another kid": lambda: {"header": {"kid": "other"}},
    "another typ": lambda: {"header": {"typ": "secevent+jwt"}},
}


@pytest.mark.parametrize("case", _REFUSED)
async def test_assertions_that_are_refused(oauth: OAuth, case: str) -> None:
    """Each breaks one rule of RFC 7523 §3, and is told from an unknown client by nothing."""
    made = await oauth.new_client(jwks=public_keys(RSA))
    signer = Issuer(made.id, oauth.issuer, {"sub": made.id})
    answer = await oauth.by_assertion(signer.token(**_REFUSED[case]()))
    assert_refused(answer, 401, "invalid_client")
    unknown = Issuer("scc_" + "0" * 16, oauth.issuer, {"sub": "scc_" + "0" * 16})
    assert (await oauth.by_assertion(unknown.token())).content == answer.content
    assert_refused(await oauth.by_assertion(signer.token(), client_id="scc_" + "0" * 16), 401, "invalid_client")


async def test_keys_of_clients_are_checked(oauth: OAuth) -> None:
    """A set with a private key, a shared secret, a weak key, no key or two of one id is refused when it is given."""
    weak = {"kty": "RSA", "n": public_keys(RSA)["keys"][0]["n"][:170], "e": "AQAB"}
    for wrong, says in (
        ({"keys": [RSA.as_dict(private=True)]}, "private"),
        ({"keys": [{"kty": "oct", "k": "AAAA"}]}, "key 1"),
        ({"keys": [weak]}, "key 1"),
        ({"keys": [public_keys(RSA)["keys"][0] | {"e": "_" * 400}]}, "exponent"),
        ({"keys": []}, "1 to 50"),
        ({}, "keys"),
        ({"keys": public_keys(RSA)["keys"] * 2}, "two keys"),
        ({"keys": [public_keys(RSA)["keys"][0] | {"use": "enc"}]}, "not for signatures"),
    ):
        with pytest.raises(CredentialError, match=says):
            await oauth.new_client(jwks=wrong)
