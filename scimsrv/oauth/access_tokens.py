"""The access tokens of this server: short-lived JWTs (RFC 9068) that every process makes and checks by keys derived from the secret key."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from scimsrv.oauth.claims import check_claims
from scimsrv.oauth.jose import Key, TokenRefused, Unverified, verify
from scimsrv.scopes import SCOPES

ALGORITHM: Final = "Ed25519"
TYPE: Final = "at+jwt"


@dataclass(frozen=True, slots=True)
class Grant:
    """What an access token says: the client or trust that it is issued to, who is behind a trust's, the edition of a client's, what it may
    do, and of people their subject for /Me and their roles. `expires` is seconds since 1970; `digest` stands for the token itself, empty
    for what is not one yet."""

    client: str
    holder: str
    edition: int
    scopes: frozenset[str]
    expires: float
    subject: str | None = None
    roles: frozenset[str] = frozenset()
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Makes tokens with the first seed's key, takes those of any. `base_url` is the server's; `clock` gives seconds since 1970."""

    seeds: Sequence[bytes] = field(repr=False)
    base_url: str
    clock: Callable[[], float] = time.time
    _keys: list[OKPKey] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self._keys.extend(_key(seed) for seed in self.seeds)

    def issuer(self, slug: str) -> str:
        """The tenant's authorization server (RFC 8414 §2)."""
        return f"{self.base_url}/scim/{slug}"

    def audience(self, slug: str) -> str:
        """What the tokens are for: the tenant's base URL."""
        return f"{self.base_url}/scim/{slug}/v2"

    def issue(self, slug: str, grant: Grant) -> str:
        """The token for a grant in the tenant with this slug."""
        key = self._keys[0]
        claims: dict[str, Any] = {
            "iss": self.issuer(slug),
            "aud": self.audience(slug),
            "sub": grant.holder or grant.client,
            "client_id": grant.client,
            "scope": " ".join(scope for scope in SCOPES if scope in grant.scopes),
            "iat": int(self.clock()),
            "exp": int(grant.expires),
            "jti": secrets.token_urlsafe(16),
            "edition": grant.edition,
        }
        if grant.subject is not None:
            claims["me"] = grant.subject
        if grant.roles:
            claims["roles"] = sorted(grant.roles)
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.thumbprint()}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])

    def is_ours(self, token: Unverified, slug: str) -> bool:
        """Whether the token says that it is one of this server's for the tenant with this slug."""
        return token.header.get("typ") == TYPE and token.claims.get("iss") == self.issuer(slug)

    def read(self, token: Unverified, slug: str) -> Grant:
        """What a token grants in the tenant with this slug. Raises TokenRefused."""
        keys = [Key(key.thumbprint(), frozenset({ALGORITHM}), key) for key in self._keys]
        verify(token, keys, (ALGORITHM,))
        claims = token.claims
        if token.header.get("typ") != TYPE:
            raise TokenRefused("typ")
        expires = check_claims(claims, self.issuer(slug), (self.audience(slug),), self.clock())
        holder = "" if claims["sub"] == claims["client_id"] else claims["sub"]
        scopes, roles = frozenset(claims["scope"].split()), frozenset(claims.get("roles", ()))
        digest = hashlib.sha256(b"access\x00" + claims["jti"].encode()).digest()
        return Grant(claims["client_id"], holder, claims["edition"], scopes, expires, claims.get("me"), roles, digest)


def _key(seed: bytes) -> OKPKey:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": _text(seed), "x": _text(public)})


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
