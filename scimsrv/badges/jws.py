"""Credentials as JSON Web Tokens in the profile of Open Badges 3.0 (§8.2): a compact JWS over the credential and five claims.

Stricter than a general JWS: an algorithm belongs to a key and is never chosen by the token, a name that occurs twice is refused, and of
the header only what the profile has is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from scimsrv.badges.signing import ALGORITHMS, SigningKey, base64url, to_base64url
from scimsrv.badges.strict import UnreadableError, read_json

#: Characters of a token that are looked at.
LONGEST: Final = 1024 * 1024

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_HEADERS: Final = frozenset({"alg", "kid", "jwk", "typ"})
_TYPES: Final = frozenset({"JWT", "vc+jwt", "vc-ld+jwt", "vc+ld+jwt"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was taken apart, not yet verified. `unsupported` says why it cannot be verified by the profile."""

    header: Mapping[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes
    unsupported: str | None

    @property
    def credential(self) -> dict[str, Any]:
        """The credential: the claims at top level, or under `vc` in tokens of version 1.1."""
        inner = self.claims.get("vc")
        if isinstance(inner, dict) and "type" not in self.claims:
            return inner
        return {name: value for name, value in self.claims.items() if name not in _CLAIMS}


_CLAIMS: Final = ("iss", "jti", "nbf", "sub", "exp", "iat")


def claims_of(credential: Mapping[str, Any]) -> dict[str, Any]:
    """The credential with the claims that repeat parts of it. Raises ValueError for times that are no whole seconds, and for a subject
    without id."""
    issuer, subject = credential["issuer"], credential["credentialSubject"]
    claims = {
        **credential,
        "iss": issuer if isinstance(issuer, str) else issuer["id"],
        "jti": credential["id"],
        "nbf": numeric_date(credential["validFrom"]),
        "sub": subject["id"],
    }
    if "validUntil" in credential:
        claims["exp"] = numeric_date(credential["validUntil"])
    return claims


def numeric_date(text: str) -> int:
    """The seconds since 1970 of a dateTime. Raises ValueError for fractions of a second, or for a time without an offset."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None or when.microsecond:
        raise ValueError(f"{text} must be in whole seconds and have an offset")
    return int(when.timestamp())


def date_time(when: datetime) -> str:
    """The dateTime of an instant, in whole seconds."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def sign(credential: Mapping[str, Any], key: SigningKey) -> str:
    """The credential as a compact JWS. Raises ValueError as `claims_of`."""
    header = orjson.dumps({"alg": key.alg, "kid": key.kid, "typ": "JWT"})
    signed = f"{to_base64url(header)}.{to_base64url(orjson.dumps(claims_of(credential)))}"
    return f"{signed}.{to_base64url(key.sign(signed.encode()))}"


def looks_like_token(payload: bytes) -> bool:
    """Whether a payload is in the form of a compact JWS."""
    return payload.strip().startswith(b"eyJ")


def read(text: str) -> Token:
    """Take a compact JWS apart. Raises UnreadableError where it is none, or is ambiguous."""
    if len(text) > LONGEST:
        raise UnreadableError(f"the token is longer than {LONGEST} characters")
    if _COMPACT.fullmatch(text) is None:
        raise UnreadableError("the token is not a compact JWS")
    head, body, mark = text.split(".")
    try:
        header, claims, signature = base64url(head), base64url(body), base64url(mark)
    except ValueError as problem:
        raise UnreadableError("a part of the token is not base64url") from problem
    known = read_json(header)
    return Token(known, read_json(claims), f"{head}.{body}".encode(), signature, _unsupported(known))


def _unsupported(header: Mapping[str, Any]) -> str | None:
    """Why a header is not one of the profile, if so."""
    if header.get("alg") not in ALGORITHMS:
        return f"the algorithm {str(header.get('alg'))[:32]!r} is not one of {', '.join(ALGORITHMS)}"
    further = sorted(header.keys() - _HEADERS)
    if further:
        return f"the header has {further[0][:32]!r}, which the profile does not allow"
    if ("kid" in header) == ("jwk" in header):
        return "the header needs exactly one of kid and jwk"
    if not isinstance(header.get("kid", ""), str) or not isinstance(header.get("jwk", {}), dict):
        return "kid must be a string, and jwk an object"
    if "d" in header.get("jwk", {}):
        return "the header holds a private key"
    if "typ" in header and (not isinstance(header["typ"], str) or header["typ"] not in _TYPES):
        return f"the type {str(header['typ'])[:32]!r} is not one of a credential"
    return None


def contradictions(token: Token, *, strict: bool) -> tuple[list[str], list[str]]:
    """Which claims contradict the credential or are missing, and of which that is tolerated unless `strict`: `sub` where the subject has
    no id, as other validators let it pass."""
    credential, claims = token.credential, token.claims
    wrong: list[str] = []
    tolerated: list[str] = []
    issuer, subject = credential.get("issuer"), credential.get("credentialSubject")
    expected = {
        "iss": issuer.get("id") if isinstance(issuer, dict) else issuer,
        "jti": credential.get("id"),
        "nbf": _seconds(credential.get("validFrom", credential.get("issuanceDate"))),
        "sub": subject.get("id") if isinstance(subject, dict) else None,
        "exp": _seconds(credential.get("validUntil", credential.get("expirationDate"))),
    }
    for name, value in expected.items():
        if name not in claims:
            if value is not None:
                wrong.append(f"the claim {name} is missing")
            elif name != "exp":
                (wrong if strict else tolerated).append(f"the claim {name} is missing")
        elif type(claims[name]) is not type(value) or claims[name] != value:
            wrong.append(f"the claim {name} differs from the credential")
    return wrong, tolerated


def _seconds(text: Any) -> int | None:
    try:
        return numeric_date(text) if isinstance(text, str) else None
    except ValueError:
        return None
