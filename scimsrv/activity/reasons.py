"""Why a request was refused: a word that stays the same, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DENIALS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "missing": ("bearer_missing", "it showed no token"),
        "malformed": ("bearer_malformed", "its Authorization header has no token that could be read"),
        "repeated": ("authorization_repeated", "it has two Authorization headers"),
        "invalid": ("bearer_unknown", "its token is unknown, or was revoked"),
        "expired": ("bearer_expired", "its token has expired"),
        "exp": ("bearer_expired", "its token has expired"),
        "nbf": ("bearer_early", "its token is not valid yet"),
        "iat": ("bearer_early", "its token was issued in the future"),
        "aud": ("aud_mismatch", "its token is for another audience"),
        "iss": ("issuer_unknown", "its token is of an issuer that the tenant does not trust"),
        "signature": ("signature_invalid", "the signature of its token does not fit"),
        "kid": ("key_unknown", "its token is signed with a key that is not known"),
        "alg": ("alg_forbidden", "its token is signed by an algorithm that is not permitted"),
        "pin": ("pin_mismatch", "a claim of its token has another value than the trust demands"),
        "client": ("client_unknown", "the client or trust of its token is gone, or has changed"),
        "suspended": ("tenant_suspended", "the tenant is suspended"),
        "tenant": ("tenant_mismatch", "its token is another tenant's"),
        "forbidden": ("forbidden", "its token does not permit that"),
    }
)
"""The words of authentication, as metrics have them, with the word in the log and its meaning."""

OTHER_DENIAL: Final = ("token_refused", "its token breaks a rule")

GONE: Final = "client_gone"


def reason_of(denial: str | None, failure: str | None) -> str | None:
    """The word in the log for why a request failed: that of authentication, else that of what was wrong with the request."""
    return failure if denial is None or denial == "forbidden" else DENIALS.get(denial, OTHER_DENIAL)[0]


def meaning(reason: str | None) -> str | None:
    """What a word of authentication means; None for one that is not of authentication."""
    return _MEANINGS.get(reason or "")


_MEANINGS: Final = {word: said for word, said in (*DENIALS.values(), OTHER_DENIAL) if word != "forbidden"}
