"""Authentication and authorization (RFC 7644 §2): who is let in, and how the others are told."""

from __future__ import annotations

import base64
import json
import time

import httpx

from conformance.checks.raw_http import absent, send
from conformance.client import Json, Scim, ensure, equal, expect, expect_error
from conformance.registry import requirement

#: A key id and a signature that nobody has made anything of.
_SIGNATURE = "c2lnbmF0dXJl" * 20


@requirement("7644-2-01")
def challenge(scim: Scim) -> None:
    """Without credentials, and with ones that are not good, the answer is a 401 Error whose WWW-Authenticate names a scheme."""
    for path in ("/Users", "/Groups", "/Schemas"):
        for answer in (send(scim, "GET", path, without=["Authorization"]), scim.get(path, headers={"Authorization": "Bearer x"})):
            expect_error(answer, 401)
            ensure("bearer" in _challenge(answer), f"GET {path}: WWW-Authenticate is {_challenge(answer)!r}")


@requirement("7644-2-05")
def bearer_tokens(scim: Scim) -> None:
    """A bearer token is taken whatever the case of its scheme's name; a wrong one is 401 with error="invalid_token" (RFC 6750 §3)."""
    token = _token(scim)
    for scheme in ("Bearer", "bearer", "BEARER"):
        expect(scim.get("/Users", params={"count": 0}, headers={"Authorization": f"{scheme} {token}"}), 200)
    answer = scim.get("/Users", headers={"Authorization": f"Bearer {token[:-1]}{'a' if token[-1] != 'a' else 'b'}"})
    expect_error(answer, 401)
    ensure('error="invalid_token"' in _challenge(answer), f"WWW-Authenticate is {_challenge(answer)!r}")


@requirement("7644-2.1-02")
def forged_tokens(scim: Scim) -> None:
    """JWTs without signature, with a made-up one, that have expired or are for somebody else are 401, and create nothing."""
    now = int(time.time())
    good = {"iss": scim.base_url, "aud": scim.base_url, "sub": "x", "iat": now, "exp": now + 600, "scope": "scim"}
    for header, claims, signature in (
        ({"alg": "none", "typ": "JWT"}, good, ""),
        ({"alg": "none", "typ": "at+jwt"}, good, _SIGNATURE),
        ({"alg": "HS256", "typ": "JWT", "kid": "../../dev/null"}, good, _SIGNATURE),
        ({"alg": "RS256", "typ": "JWT", "kid": "x", "jku": "https://example.com/keys"}, good, _SIGNATURE),
        ({"alg": "RS256", "typ": "JWT"}, good | {"exp": now - 600}, _SIGNATURE),
        ({"alg": "RS256", "typ": "JWT"}, good | {"aud": "somebody else"}, _SIGNATURE),
    ):
        bearer = {"Authorization": f"Bearer {_part(header)}.{_part(claims)}.{signature}"}
        user = scim.user_body()
        expect_error(scim.get("/Users", headers=bearer), 401)
        expect_error(scim.post("/Users", user, headers=bearer), 401)
        absent(scim, user["userName"])


@requirement("7644-2.2-01")
def anonymous(scim: Scim) -> None:
    """Without credentials nobody creates anything, unless the server lets users register themselves."""
    user = scim.user_body()
    content = json.dumps(user).encode()
    answer = send(scim, "POST", "/Users", without=["Authorization"], headers={"Content-Type": "application/scim+json"}, content=content)
    expect_error(answer, 401)
    absent(scim, user["userName"])


@requirement("7644-2-07")
def basic(scim: Scim) -> None:
    """HTTP Basic is offered in the challenge if, and only if, ServiceProviderConfig lists it."""
    schemes = [one["type"] for one in scim.read("/ServiceProviderConfig")["authenticationSchemes"]]
    answer = scim.get("/Users", headers={"Authorization": "Basic " + base64.b64encode(b"nobody:nothing").decode()})
    expect_error(answer, 401)
    equal("basic" in _challenge(answer), "httpbasic" in schemes, "whether the challenge offers Basic")


def _challenge(answer: httpx.Response) -> str:
    return str(answer.headers.get("WWW-Authenticate", "")).lower()


def _token(scim: Scim) -> str:
    return str(scim.http.headers["Authorization"]).partition(" ")[2]


def _part(value: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
