"""Whom a credential is about, without saying it to everybody: salted hashes of identifiers (Open Badges 3.0, IdentityObject)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

EMAIL: Final = "emailAddress"

#: Random bytes in a salt: 22 characters of base64url.
_SALT: Final = 16

_ALGORITHMS: Final = {"sha256": "sha256", "md5": "md5"}


def new_salt() -> str:
    """A salt that nobody else has."""
    return secrets.token_urlsafe(_SALT)


def identity_hash(identity: str, salt: str, algorithm: str = "sha256") -> str:
    """`algorithm$hex` of the UTF-8 text of identity and salt. Raises ValueError for an algorithm that the standard does not have."""
    if algorithm not in _ALGORITHMS:
        raise ValueError(f"{algorithm} is no algorithm of an identity hash")
    made = hashlib.new(_ALGORITHMS[algorithm], (identity + salt).encode(), usedforsecurity=False)
    return f"{algorithm}${made.hexdigest()}"


def hashed_identity(identity: str, type_: str, salt: str) -> dict[str, Any]:
    """An IdentityObject that only who knows the identity can recognise. E-mail addresses are hashed in lower case."""
    known = identity.lower() if type_ == EMAIL else identity
    return {"type": "IdentityObject", "hashed": True, "identityHash": identity_hash(known, salt), "identityType": type_, "salt": salt}


def plain_identity(identity: str, type_: str) -> dict[str, Any]:
    """An IdentityObject that says who it is."""
    return {"type": "IdentityObject", "hashed": False, "identityHash": identity, "identityType": type_}


def is_about(identity_object: Mapping[str, Any], identity: str) -> bool:
    """Whether an IdentityObject means this identity, as given or in lower case; compared in constant time."""
    stated = identity_object.get("identityHash")
    if not isinstance(stated, str):
        return False
    forms = (identity, identity.lower())
    if identity_object.get("hashed") is not True:
        return _any_same(stated, forms)
    algorithm, _, digest = stated.partition("$")
    if algorithm.lower() not in _ALGORITHMS:
        return False
    salt = identity_object.get("salt") or ""
    return _any_same(f"{algorithm.lower()}${digest.lower()}", [identity_hash(form, str(salt), algorithm.lower()) for form in forms])


def _any_same(stated: str, candidates: Iterable[str]) -> bool:
    """Whether one of the candidates is what was stated; each is looked at, in constant time."""
    found = False
    for candidate in candidates:
        found |= hmac.compare_digest(stated.encode(), candidate.encode())
    return found
