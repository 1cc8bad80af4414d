"""Endorsements that a credential carries: what somebody else says of it, of its achievement or of its issuer (Open Badges 3.0 §B.1.12).

Each is a credential of its own with a proof of its own, and is judged like one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson

#: Endorsements of a credential that are looked at.
MOST: Final = 10

_TYPE: Final = "EndorsementCredential"


@dataclass(frozen=True, slots=True)
class Endorsement:
    """An endorsement as it is carried: what it is in (`credential`, `achievement` or `issuer`), the id of that, and its own text, a token
    or a document."""

    of: str
    target: str | None
    payload: bytes


def carried(credential: Mapping[str, Any]) -> list[Endorsement]:
    """The endorsements of a credential, as many as are looked at."""
    return list(islice(_carried(credential), MOST))


def _carried(credential: Mapping[str, Any]) -> Iterator[Endorsement]:
    subject = credential.get("credentialSubject")
    achievement = subject.get("achievement") if isinstance(subject, Mapping) else None
    for of, holder in (("credential", credential), ("achievement", achievement), ("issuer", credential.get("issuer"))):
        if not isinstance(holder, Mapping):
            continue
        target = holder.get("id") if isinstance(holder.get("id"), str) else None
        for one in _listed(holder.get("endorsement")):
            if isinstance(one, Mapping):
                yield Endorsement(of, target, orjson.dumps(one))
        for one in _listed(holder.get("endorsementJwt")):
            if isinstance(one, str):
                yield Endorsement(of, target, one.encode("utf-8", "replace"))


def faults(endorsement: Mapping[str, Any], target: str | None) -> list[str]:
    """What is wrong with an endorsement by where it is, as sentences; nothing when all is well."""
    subject = endorsement.get("credentialSubject")
    about = subject.get("id") if isinstance(subject, Mapping) else None
    found = [] if is_endorsement(endorsement) else [f"type must have {_TYPE}"]
    if about is None or about != target:
        found.append("credentialSubject.id is not what it is carried by")
    return found


def is_endorsement(credential: Mapping[str, Any]) -> bool:
    """Whether a credential says that it is an endorsement."""
    return _TYPE in _listed(credential.get("type"))


def comment(endorsement: Mapping[str, Any]) -> str | None:
    """What the endorser says."""
    subject = endorsement.get("credentialSubject")
    said = subject.get("endorsementComment") if isinstance(subject, Mapping) else None
    return said if isinstance(said, str) else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
