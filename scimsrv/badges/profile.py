"""What an issuer publishes of itself: its profile, its keys as a JWK set, and its did:web document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scimsrv.badges.contexts import DID, JSON_WEB_KEY, MULTIKEY, OPEN_BADGES, VC
from scimsrv.badges.places import Places
from scimsrv.badges.signing import EDDSA, alg_of, multikey_of

_MULTIKEY: Final = "Multikey"
_JSON_WEB_KEY: Final = "JsonWebKey"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key as the world sees it. `thumbprint` is the last part of its id; a compromised key is not published any more."""

    thumbprint: str
    jwk: Mapping[str, Any]
    compromised: datetime | None = None


def profile_document(places: Places, issuer: str, profile: Mapping[str, Any], keys: Iterable[PublicKey]) -> dict[str, Any]:
    """The profile at the issuer's URL, with its keys by the ids that tokens and embedded proofs name."""
    methods = _methods(places.issuer(issuer), places, issuer, keys)
    document = {"@context": [VC, OPEN_BADGES], **profile}
    if methods:
        document["@context"] += [DID, *_contexts(methods)]  # the terms below are of the DID context
        document |= _asserting(methods)
    return document


def with_contexts(part: Mapping[str, Any]) -> dict[str, Any]:
    """An achievement, or another part of a credential, as a document of its own."""
    return {"@context": [VC, OPEN_BADGES], **part}


def did_document(places: Places, issuer: str, keys: Iterable[PublicKey]) -> dict[str, Any]:
    """The did:web document of an issuer: the same keys, under its DID (did:web method §2.5)."""
    did = places.did(issuer)
    methods = _methods(did, places, issuer, keys, named=did)
    document = {"@context": [DID, *_contexts(methods)], "id": did, "alsoKnownAs": [places.issuer(issuer)]}
    return document | _asserting(methods)


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
    """Keys as verification methods, those on Ed25519 as Multikey, all others as JsonWebKey (Controlled Identifiers §2.2.2, §2.2.3): as
    parts of the document of that name, else by the ids under which they sign."""
    made = []
    for key in keys:
        if key.compromised is not None:
            continue
        if alg_of(key.jwk) == EDDSA:
            fragment = multikey_of(key.jwk)
            id_, kind = places.method(issuer, fragment), _MULTIKEY
            material: dict[str, Any] = {"publicKeyMultibase": fragment}
        else:
            fragment = key.thumbprint
            id_, kind = places.key(issuer, fragment), _JSON_WEB_KEY
            material = {"publicKeyJwk": {**key.jwk, "kid": fragment, "alg": alg_of(key.jwk)}}
        made.append({"id": f"{named}#{fragment}" if named else id_, "type": kind, "controller": controller, **material})
    return made


def _asserting(methods: list[dict[str, Any]]) -> dict[str, Any]:
    """Methods, and that all of them are for making assertions."""
    return {"verificationMethod": methods, "assertionMethod": [method["id"] for method in methods]}


def _contexts(methods: list[dict[str, Any]]) -> list[str]:
    """The contexts of the kinds of methods that there are."""
    kinds = {method["type"] for method in methods}
    return [context for kind, context in ((_MULTIKEY, MULTIKEY), (_JSON_WEB_KEY, JSON_WEB_KEY)) if kind in kinds]
