"""What an issuer publishes of itself: its profile, its keys as a JWK set, and its did:web document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scimsrv.badges.contexts import DID, MULTIKEY, OPEN_BADGES, VC
from scimsrv.badges.places import Places
from scimsrv.badges.signing import EDDSA, alg_of, multikey_of


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key as the world sees it. `thumbprint` is the last part of its id; a compromised key is not published any more."""

    thumbprint: str
    jwk: Mapping[str, Any]
    compromised: datetime | None = None


def profile_document(places: Places, issuer: str, profile: Mapping[str, Any], keys: Iterable[PublicKey]) -> dict[str, Any]:
    """The profile at the issuer's URL, with the keys that may make embedded proofs."""
    owner = places.issuer(issuer)
    methods = _methods(owner, places, issuer, keys)
    document = {"@context": [VC, OPEN_BADGES, MULTIKEY], **profile}
    if methods:
        document["verificationMethod"] = methods
        document["assertionMethod"] = [method["id"] for method in methods]
    return document


def with_contexts(part: Mapping[str, Any]) -> dict[str, Any]:
    """An achievement, or another part of a credential, as a document of its own."""
    return {"@context": [VC, OPEN_BADGES], **part}


def did_document(places: Places, issuer: str, keys: Iterable[PublicKey]) -> dict[str, Any]:
    """The did:web document of an issuer: the same keys, under its DID (did:web method §2.5)."""
    did = places.did(issuer)
    methods = _methods(did, places, issuer, keys, named=did)
    return {
        "@context": [DID, MULTIKEY],
        "id": did,
        "alsoKnownAs": [places.issuer(issuer)],
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def jwk(places: Places, issuer: str, key: PublicKey) -> dict[str, Any]:
    """A key as JWK; `iss` says whose it is, where several issuers share an authority (Open Badges 3.0 Implementation Guide §3.3)."""
    return {
        **key.jwk,
        "kid": places.key(issuer, key.thumbprint),
        "alg": alg_of(key.jwk),
        "use": "sig",
        "iss": places.issuer(issuer),
    }


def jwk_set(places: Places, issuer: str, keys: Iterable[PublicKey]) -> dict[str, Any]:
    """An issuer's JWK set (RFC 7517 §5)."""
    return {"keys": [jwk(places, issuer, key) for key in keys if key.compromised is None]}


def _methods(controller: str, places: Places, issuer: str, keys: Iterable[PublicKey], *, named: str | None = None) -> list[dict[str, Any]]:
    made = []
    for key in keys:
        if key.compromised is None and alg_of(key.jwk) == EDDSA:
            multikey = multikey_of(key.jwk)
            made.append(
                {
                    "id": f"{named}#{multikey}" if named else places.method(issuer, multikey),
                    "type": "Multikey",
                    "controller": controller,
                    "publicKeyMultibase": multikey,
                }
            )
    return made
