"""JSON Web Tokens and keys, read strictly: only signatures of named algorithms, only keys that were given (RFC 7515, RFC 7517, RFC 8725).

The algorithms and keys are joserfc's. What a token says about its own verification (alg, kid) only selects among what is permitted, and
where it says where keys are to be found (jwk, jku, x5c, x5u) it is not listened to.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from scimsrv.errors import ScimError
from scimsrv.limits import DEFAULT
from scimsrv.protocol.body import read_object

#: Longest token that is looked at, in characters.
MAX_TOKEN: Final = 16_384

#: Keys in a set that are looked at, and characters of a set as text.
MAX_KEYS: Final = 50
MAX_SET: Final = 256 * 1024

#: Sizes of RSA keys: shorter ones are weak, and longer ones or large exponents take long to verify with.
_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 8192
_MAX_EXPONENT_BITS: Final = 64

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")

#: Members of a key that are nobody's but the signer's (RFC 7518 §6).
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

AsymmetricKey: TypeAlias = RSAKey | ECKey | OKPKey

#: The algorithms that can be permitted, with the type of key and the curve that each needs, and joserfc's name of it.
_ALGORITHMS: Final[Mapping[str, tuple[str, str | None, str]]] = {
    "RS256": ("RSA", None, "RS256"),
    "RS384": ("RSA", None, "RS384"),
    "RS512": ("RSA", None, "RS512"),
    "PS256": ("RSA", None, "PS256"),
    "ES256": ("EC", "P-256", "ES256"),
    "ES384": ("EC", "P-384", "ES384"),
    "EdDSA": ("OKP", "Ed25519", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519", "Ed25519"),
}

ALGORITHMS: Final = tuple(_ALGORITHMS)
"""Names of the algorithms that can be permitted: signatures only, so that no public key can be taken for a shared secret."""


class TokenRefused(Exception):  # noqa: N818 - a verdict
    """A JWT that is not taken. `rule` is the rule that it breaks, `claim` the claim where an administrator named that; for the operator,
    who sent it is not told."""

    def __init__(self, rule: str, claim: str = "") -> None:
        super().__init__(f"{rule} {claim}".rstrip())
        self.rule = rule
        self.claim = claim


class KeySetError(ValueError):
    """A JWK Set that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """A JWT as it was sent. Nothing in it is true before `verify`."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def kid(self) -> str | None:
        """The id of the key that it asks to be verified with."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: its id, the algorithms that it is good for."""

    kid: str | None
    algorithms: frozenset[str]
    key: AsymmetricKey = field(repr=False)


Keys: TypeAlias = tuple[Key, ...]


def looks_like_jwt(text: str) -> bool:
    """Whether a text has the form of a signed JWT; an encrypted one has more parts, one without signature fewer."""
    return len(text) <= MAX_TOKEN and _COMPACT.fullmatch(text) is not None


def read(text: str) -> Unverified:
    """The parts of a JWT. Raises TokenRefused for what is none, or says of itself what would have to be understood (crit, b64)."""
    match = _COMPACT.fullmatch(text) if len(text) <= MAX_TOKEN else None
    if match is None:
        raise TokenRefused("form")
    header, claims, signature = (_decoded(part) for part in match.groups())
    try:
        found = Unverified(read_object(header, DEFAULT), read_object(claims, DEFAULT), text[: match.end(2)].encode(), signature)
    except ScimError:
        raise TokenRefused("JSON") from None
    if not isinstance(found.header.get("alg"), str) or found.header["alg"] not in _ALGORITHMS:
        raise TokenRefused("alg")
    if not found.header.keys().isdisjoint({"crit", "b64", "zip", "enc"}):
        raise TokenRefused("header")
    if "kid" in found.header and found.kid is None:
        raise TokenRefused("kid")
    return found


def verify(token: Unverified, keys: Iterable[Key], algorithms: Sequence[str]) -> None:
    """Raises TokenRefused unless one of the keys made the signature by one of the algorithms.

    A key is used if it has the id that the token asks for; for a token that asks for none, if it is the only one for its algorithm.
    """
    algorithm = token.header["alg"]
    if algorithm not in algorithms:
        raise TokenRefused("alg")
    fit = [key for key in keys if algorithm in key.algorithms]
    if token.kid is not None:
        fit = [key for key in fit if key.kid == token.kid]
    if len(fit) != 1:
        raise TokenRefused("kid")
    try:
        good = JWSRegistry.algorithms[_ALGORITHMS[algorithm][2]].verify(token.signed, token.signature, fit[0].key)
    except (JoseError, ValueError):
        good = False
    if not good:
        raise TokenRefused("signature")


def parse_keys(text: str | bytes, *, strict: bool) -> Keys:
    """The keys of a JWK Set (RFC 7517 §5). Keys for anything but signatures by known algorithms are left out, or with `strict` errors.

    Raises KeySetError for what is no set, has no key or too many, two of one id, or private keys.
    """
    if len(text) > MAX_SET:
        raise KeySetError(f"a key set has at most {MAX_SET} characters")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise KeySetError("the key set is not JSON") from None
    given = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(given, list) or not 0 < len(given) <= MAX_KEYS or not all(isinstance(one, dict) for one in given):
        raise KeySetError(f"a key set is an object with `keys`, an array of 1 to {MAX_KEYS} keys")
    found: list[Key] = []
    for number, one in enumerate(given, 1):
        if not _PRIVATE.isdisjoint(one) and one.get("kty") != "oct":
            raise KeySetError(f"key {number} is a private key: keep it, and give the public one")
        try:
            found.append(_key(one))
        except (KeySetError, JoseError, ValueError, TypeError, KeyError) as problem:
            if strict:
                said = str(problem) if isinstance(problem, KeySetError) else "cannot be read"
                raise KeySetError(f"key {number} {said}") from None
    if not found:
        raise KeySetError("the key set has no key for signatures")
    ids = [key.kid for key in found if key.kid is not None]
    if len(ids) != len(set(ids)):
        raise KeySetError("two keys have one kid")
    return tuple(found)


def _key(given: Mapping[str, Any]) -> Key:
    kid, use, named = given.get("kid"), given.get("use", "sig"), given.get("alg")
    if kid is not None and not isinstance(kid, str):
        raise KeySetError("has a kid that is no text")
    if use != "sig":
        raise KeySetError("is not for signatures")
    curve = given.get("crv")
    algorithms = {name for name, (type_, wanted, _) in _ALGORITHMS.items() if given.get("kty") == type_ and wanted in (None, curve)}
    if named is not None:
        algorithms &= {"EdDSA", "Ed25519"} if named in ("EdDSA", "Ed25519") else {named}
    if not algorithms:
        raise KeySetError(f"is for none of {', '.join(ALGORITHMS)}")
    if given.get("kty") == "RSA" and not _MIN_RSA_BITS <= _bits(given.get("n")) <= _MAX_RSA_BITS:
        raise KeySetError(f"does not have {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits")
    if given.get("kty") == "RSA" and _bits(given.get("e")) > _MAX_EXPONENT_BITS:
        raise KeySetError("has an exponent that takes too long")
    public = {name: value for name, value in given.items() if name in {"kty", "crv", "x", "y", "n", "e"}}
    key = JWKRegistry.import_key(public)
    if not isinstance(key, AsymmetricKey):
        raise KeySetError("is a shared secret")
    return Key(kid, frozenset(algorithms), key)


def _bits(value: Any) -> int:
    """The bits of a number in base64url, 0 for what is none."""
    if not isinstance(value, str) or len(value) > MAX_TOKEN:
        return 0
    return int.from_bytes(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))).bit_length()


def _decoded(part: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise TokenRefused("base64") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise TokenRefused("base64")  # bits that are dropped would make several texts one token
    return decoded
