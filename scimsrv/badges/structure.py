"""What a credential must look like (Open Badges 3.0 §B.1): the rules of the canonical schema that say what has to be there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from scimsrv.badges.contexts import VC, VC_1

_OPEN_BADGES: Final = re.compile(r"https://purl\.imsglobal\.org/spec/ob/v3p0/context(-3\.\d\.\d)*\.json")
_DATE_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_MOST: Final = 20

_NAMES: Final = frozenset({"AchievementCredential", "OpenBadgeCredential"})


def faults(credential: Mapping[str, Any]) -> list[str]:
    """What is wrong with a credential, as sentences that name the property; nothing when all is well. Both the canonical form with
    arrays and the compacted one are accepted, and version 1.1 of the data model as well as 2.0."""
    return [fault for fault, _ in zip(_faults(credential), range(_MOST), strict=False)]


def _faults(credential: Mapping[str, Any]) -> Iterator[str]:
    contexts = credential.get("@context")
    if not isinstance(contexts, list) or len(contexts) < 2 or contexts[0] not in (VC, VC_1):
        yield "@context must begin with the context of verifiable credentials"
    elif not any(isinstance(one, str) and _OPEN_BADGES.fullmatch(one) for one in contexts[1:]):
        yield "@context must have the context of Open Badges 3.0"
    yield from _member(credential, "id", _is_uri, "a URI")
    types = _types(credential)
    if "VerifiableCredential" not in types or types.isdisjoint(_NAMES):
        yield "type must have VerifiableCredential and one of AchievementCredential, OpenBadgeCredential"
    issuer = credential.get("issuer")
    if isinstance(issuer, Mapping):
        yield from _member(issuer, "id", _is_uri, "a URI", "issuer.")
        if "Profile" not in _types(issuer):
            yield "issuer.type must have Profile"
    elif not _is_uri(issuer):
        yield "issuer must be a URI or a Profile"
    begins = "issuanceDate" if "issuanceDate" in credential and "validFrom" not in credential else "validFrom"
    yield from _member(credential, begins, _is_date_time, "a dateTime with an offset")
    for name in ("validUntil", "expirationDate", "awardedDate"):
        if name in credential:
            yield from _member(credential, name, _is_date_time, "a dateTime with an offset")
    subject = credential.get("credentialSubject")
    if not isinstance(subject, Mapping):
        yield "credentialSubject must be an object"
        return
    yield from _subject(subject)


def _subject(subject: Mapping[str, Any]) -> Iterator[str]:
    if "AchievementSubject" not in _types(subject):
        yield "credentialSubject.type must have AchievementSubject"
    identifiers = subject.get("identifier")
    if "id" not in subject and not identifiers:
        yield "credentialSubject needs an id or an identifier"
    for one in identifiers if isinstance(identifiers, list) else [identifiers] if identifiers else []:
        if not isinstance(one, Mapping) or one.get("type") != "IdentityObject" or not isinstance(one.get("hashed"), bool):
            yield "credentialSubject.identifier must hold objects of type IdentityObject that say whether they are hashed"
    achievement = subject.get("achievement")
    if not isinstance(achievement, Mapping):
        yield "credentialSubject.achievement must be an object"
        return
    place = "credentialSubject.achievement."
    yield from _member(achievement, "id", _is_uri, "a URI", place)
    if "Achievement" not in _types(achievement):
        yield f"{place}type must have Achievement"
    for name in ("name", "description"):
        yield from _member(achievement, name, lambda value: isinstance(value, str), "a string", place)
    yield from _member(achievement, "criteria", lambda value: isinstance(value, Mapping), "an object", place)


def _member(value: Mapping[str, Any], name: str, fits: Callable[[Any], bool], what: str, place: str = "") -> Iterator[str]:
    if name not in value:
        yield f"{place}{name} is required"
    elif not fits(value[name]):
        yield f"{place}{name} must be {what}"


def _types(value: Mapping[str, Any]) -> frozenset[str]:
    types = value.get("type")
    return frozenset(one for one in (types if isinstance(types, list) else [types]) if isinstance(one, str))


def _is_uri(value: Any) -> bool:
    return isinstance(value, str) and _URI.fullmatch(value) is not None


def _is_date_time(value: Any) -> bool:
    return isinstance(value, str) and _DATE_TIME.fullmatch(value) is not None
