"""Keys that an issuer on another server publishes, and whose they are by what is published: at its authority, or at its own URL or DID.

Pure: who calls fetches what `whereabouts` names, and `found_in` says what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from scimsrv.badges import jws
from scimsrv.badges.signing import alg_of, jwk_of, public_part
from scimsrv.badges.strict import UnreadableError, read_json
from scimsrv.badges.verification import KnownKey

_DID_WEB: Final = "did:web:"
_DOMAIN: Final = re.compile(r"[A-Za-z0-9.-]+(%3[Aa][0-9]{1,5})?")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~%-]+")

#: Keys of a document that are looked at.
_MOST_KEYS: Final = 1_000


class UnknownKeyError(ValueError):
    """The issuer's key is not in what is published; the message says why."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where an issuer's keys are: a URL, whether there is a JWK set or a document that lists keys, and what it is called."""

    url: str
    jwk_set: bool
    how: str


def whereabouts(issuer: str, *, token: bool) -> Whereabouts:
    """Where the key of an issuer is that made a token, or an embedded proof. Raises UnknownKeyError for an id that leads nowhere.

    The id of a key says nothing of whose it is, so it is not asked: a DID leads to its document, and the URL of an issuer to the JWK set of
    its authority for tokens (Open Badges 3.0 Implementation Guide §3.3), to the issuer's profile for proofs.
    """
    if issuer.startswith(_DID_WEB):
        return Whereabouts(_url_of(issuer), jwk_set=False, how="the issuer's did:web document")
    try:
        parts = urlsplit(issuer)
    except ValueError as problem:
        raise UnknownKeyError("the issuer's id is no URL") from problem
    if parts.scheme != "https" or not parts.netloc:
        raise UnknownKeyError("the issuer's id is neither an https URL nor a did:web, so that nothing can be found out of its keys")
    if token:
        return Whereabouts(f"https://{parts.netloc}/.well-known/jwks.json", jwk_set=True, how="the JWK set of the issuer's authority")
    return Whereabouts(issuer, jwk_set=False, how="the issuer's profile")


def _url_of(did: str) -> str:
    """Where the document of a did:web is (did:web method §3.2)."""
    segments = did.removeprefix(_DID_WEB).split(":")
    if _DOMAIN.fullmatch(segments[0]) is None or not all(_SEGMENT.fullmatch(segment) for segment in segments[1:]):
        raise UnknownKeyError("the issuer's did:web is malformed")
    host = unquote(segments[0])
    return f"https://{'/'.join((host, *(segments[1:] or ['.well-known'])))}/did.json"


def found_in(
    body: bytes, place: Whereabouts, issuer: str, method: str | None, brought: Mapping[str, Any] | None, now: datetime
) -> KnownKey:
    """The key of this id, or the one that a token `brought` along, in what is published at the place. Raises UnknownKeyError."""
    try:
        document = read_json(body)
        return _in_set(document, place, issuer, method, brought) if place.jwk_set else _in_document(document, place, issuer, method, now)
    except UnreadableError as problem:
        raise UnknownKeyError(f"what is published there cannot be read: {problem}") from problem


def _in_set(document: Mapping[str, Any], place: Whereabouts, issuer: str, kid: str | None, brought: Mapping[str, Any] | None) -> KnownKey:
    """A key of a JWK set. Of an authority with several issuers, each key says whose it is."""
    keys = [one for one in _listed(document.get("keys"))[:_MOST_KEYS] if isinstance(one, dict) and one.get("use", "sig") == "sig"]
    wanted = (
        [one for one in keys if one.get("kid") == kid]
        if kid is not None
        else [one for one in keys if public_part(one) == public_part(brought or {})]
    )
    if not wanted:
        raise UnknownKeyError(f"the key is not in {place.how}")
    own = next((one for one in wanted if one.get("iss", issuer) == issuer), None)
    return KnownKey(wanted[0], str(wanted[0].get("iss")), place.how) if own is None else KnownKey(own, issuer, place.how)


def _in_document(document: Mapping[str, Any], place: Whereabouts, issuer: str, method: str | None, now: datetime) -> KnownKey:
    """A key that a DID document or a profile lists for making assertions (Controlled Identifiers §2.2, §2.3.2)."""
    if document.get("id") != issuer:
        raise UnknownKeyError(f"{place.how} has another id")
    if method is None:
        raise UnknownKeyError("the credential names no key")
    asserting = _listed(document.get("assertionMethod"))[:_MOST_KEYS]
    methods = [one for one in (*_listed(document.get("verificationMethod"))[:_MOST_KEYS], *asserting) if isinstance(one, dict)]
    if method not in [_whole(one.get("id") if isinstance(one, dict) else one, issuer) for one in asserting]:
        raise UnknownKeyError(f"{place.how} does not list the key in assertionMethod")
    found = next((one for one in methods if _whole(one.get("id"), issuer) == method), None)
    if found is None or found.get("controller") != issuer:
        raise UnknownKeyError(f"{place.how} does not have the key as one that the issuer controls")
    if any(_is_over(found.get(name), now) for name in ("revoked", "expires")):
        raise UnknownKeyError(f"{place.how} says that the key was revoked, or has expired")
    jwk, multibase = found.get("publicKeyJwk"), found.get("publicKeyMultibase")
    try:
        key = jwk if isinstance(jwk, dict) else jwk_of(str(multibase))
        alg_of(key)
    except ValueError as problem:
        raise UnknownKeyError(f"{place.how} has a key of a kind that is not supported: {problem}") from problem
    return KnownKey(key, issuer, place.how)


def _is_over(text: Any, now: datetime) -> bool:
    """Whether a time is past; what is no time is."""
    if text is None:
        return False
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return True
    return when.tzinfo is None or when <= now


def _whole(id_: Any, base: str) -> str | None:
    """The whole id of a part of a document."""
    if not isinstance(id_, str):
        return None
    return base + id_ if id_.startswith("#") else id_


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def brought_by(token: jws.Token) -> Mapping[str, Any] | None:
    """The key that a token brings along in place of naming one."""
    jwk = token.header.get("jwk")
    return jwk if isinstance(jwk, dict) and "kid" not in token.header else None
