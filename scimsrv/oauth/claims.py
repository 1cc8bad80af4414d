"""What the claims of a JWT have to say (RFC 7519 §4.1, RFC 8725 §3, RFC 7523 §3), and whose token it then is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scimsrv.oauth.jose import TokenRefused
from scimsrv.scopes import ME, ROLES
from scimsrv.store.trusts import RoleRule, Trust

#: Seconds by which clocks may differ.
LEEWAY: Final = 60

_LONGEST: Final = 256

#: The last time that a claim may name, in seconds since 1970: before the year 10000, so that the database has it.
_LATEST: Final = 2**37

#: Types of the header that a bearer token or an assertion may have; a SET, a logout token or a credential has another (RFC 8725 §3.11).
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt", "client-authentication+jwt"})

#: Claims that only an ID token has (OpenID Connect Core §2): it says who signed in, and gives no access.
_OF_ID_TOKENS: Final = frozenset({"nonce", "at_hash", "c_hash"})

_PRINTED: Final = re.compile(r"[\x21-\x7e]{1,256}")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token it is: who is recorded, until when it is good in seconds since 1970, the user's subject for /Me, and the roles."""

    name: str
    expires: float
    subject: str | None = None
    roles: frozenset[str] = frozenset()

    def scopes(self, trust: Trust) -> frozenset[str]:
        """What the holder of a trust's token may do."""
        return frozenset(trust.scopes).union(*(ROLES[role] for role in self.roles))


def check_type(header: Mapping[str, Any]) -> None:
    """Raises TokenRefused for a token of another kind."""
    type_ = header.get("typ")
    if not isinstance(type_, str) or type_.lower() not in _TYPES:
        raise TokenRefused("typ")


def check_claims(claims: Mapping[str, Any], issuer: str, audiences: Collection[str], now: float) -> float:
    """When a token with these claims ends, in seconds since 1970. Raises TokenRefused unless it is of the issuer, for one of the
    audiences, of this time, and about somebody."""
    if claims.get("iss") != issuer:
        raise TokenRefused("iss")
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named) or not set(named) & set(audiences):
        raise TokenRefused("aud")
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    begins = _time(claims, "nbf") if "nbf" in claims else issued
    if expires + LEEWAY <= now:
        raise TokenRefused("exp")
    if issued - LEEWAY > now:
        raise TokenRefused("iat")
    if begins - LEEWAY > now:
        raise TokenRefused("nbf")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST:
        raise TokenRefused("sub")
    return expires


def check_pins(claims: Mapping[str, Any], trust: Trust) -> None:
    """Raises TokenRefused unless each pinned claim has one of its values."""
    for claim, values in trust.pins.items():
        found = claims.get(claim)
        if not isinstance(found, str) or found not in values:
            raise TokenRefused("pin", claim)


def holder_of(header: Mapping[str, Any], claims: Mapping[str, Any], trust: Trust, me_claim: str, now: float, *, bearer: bool) -> Holder:
    """Whose token it is, if the trust takes it. Raises TokenRefused. `bearer` says whether it is to open the tenant by itself, as no ID
    token does; `me_claim` is the claim with a user's subject."""
    check_type(header)
    if bearer and not _OF_ID_TOKENS.isdisjoint(claims):
        raise TokenRefused("ID token")
    expires = check_claims(claims, trust.issuer, trust.audiences, now)
    check_pins(claims, trust)
    roles = roles_of(claims, trust.roles)
    name = claims["sub"] if _PRINTED.fullmatch(claims["sub"]) else _unprinted(claims["sub"])
    subject = claims.get(me_claim) if ME in trust.scopes else None
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST:
        subject = None
    return Holder(name, expires, subject, roles)


def _unprinted(subject: str) -> str:
    """What stands for a subject that is no printable text in ASCII: the same for the same one."""
    return "?" + hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def roles_of(claims: Mapping[str, Any], rules: Collection[RoleRule]) -> frozenset[str]:
    """The roles that the rules give. Raises TokenRefused where a claim that they need was left out of the token for being too long, as
    Entra ID does with more than 200 groups: what cannot be told is not guessed."""
    left_out = claims.get("_claim_names")
    found = set()
    for rule in rules:
        if isinstance(left_out, Mapping) and rule.claim in left_out:
            raise TokenRefused("overage", rule.claim)
        value = claims.get(rule.claim)
        if value == rule.value or (isinstance(value, list) and rule.value in value):
            found.add(rule.role)
    return frozenset(found)


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise TokenRefused(name)
    return value
