"""Keys that sign credentials: made, written and read as JWK, and used (RFC 7517, RFC 7518, RFC 8037)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from scimsrv.badges.base58 import from_multikey, multikey

_Key: TypeAlias = "RSAKey | ECKey | OKPKey"

RS256: Final = "RS256"
ES256: Final = "ES256"
EDDSA: Final = "EdDSA"

#: What a key may sign with, the one that every verifier of the standard knows first.
ALGORITHMS: Final = (RS256, ES256, EDDSA)

_RSA_BITS: Final = 2048
_RSA_MOST: Final = 8192


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key: its algorithm, its id (the URL under which the public half is published) and the key itself."""

    alg: str
    kid: str
    key: _Key = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """The signature in the form of JWS."""
        signature: bytes = JWSRegistry.algorithms[self.alg].sign(message, self.key)
        return signature


def new_key(alg: str) -> _Key:
    """Make a private key for the algorithm. RSA takes a tenth of a second and more. Raises ValueError for an unknown algorithm."""
    match alg:
        case "RS256":
            return RSAKey.generate_key(_RSA_BITS)
        case "ES256":
            return ECKey.generate_key("P-256")
        case "EdDSA":
            return OKPKey.generate_key("Ed25519")
    raise ValueError(f"there is no algorithm {alg!r}; there are {', '.join(ALGORITHMS)}")


def private_text(key: _Key) -> bytes:
    """The private key as JWK, to be sealed at once."""
    return orjson.dumps(key.as_dict(private=True))


def read_private(text: bytes) -> _Key:
    """The private key of what `private_text` wrote."""
    return _imported(orjson.loads(text))


def public_jwk(key: _Key) -> dict[str, Any]:
    """The public half, without its id."""
    return {name: value for name, value in key.as_dict(private=False).items() if name in _PUBLIC}


_PUBLIC: Final = ("kty", "crv", "n", "e", "x", "y")


def thumbprint(key: _Key) -> str:
    """The key's RFC 7638 thumbprint: the last part of its id."""
    return key.thumbprint()


def multikey_of(jwk: Mapping[str, Any]) -> str:
    """The Multikey of an Ed25519 public key that is given as JWK. Raises ValueError for another key."""
    return multikey(_raw(jwk))


def jwk_of(multikey_text: str) -> dict[str, Any]:
    """The JWK of an Ed25519 public key that is given as Multikey. Raises ValueError for another key."""
    return {"kty": "OKP", "crv": "Ed25519", "x": to_base64url(from_multikey(multikey_text))}


def verify(alg: str, jwk: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
    """Whether the signature was made with the private half of this key by this algorithm. Raises ValueError for a key that is not one
    of the algorithm's, or too weak."""
    if alg_of(jwk) != alg:
        raise ValueError(f"the key is not one for {alg}")
    key = _imported(public_part(jwk))
    return bool(JWSRegistry.algorithms[alg].verify(message, signature, key))


def alg_of(jwk: Mapping[str, Any]) -> str:
    """The one algorithm that this public key is for. Raises ValueError for every other kind of key, and for a weak one."""
    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", None:
            if not _RSA_BITS <= _bits(jwk.get("n")) <= _RSA_MOST:
                raise ValueError(f"RSA keys must have {_RSA_BITS} to {_RSA_MOST} bits")
            return RS256
        case "EC", "P-256":
            return ES256
        case "OKP", "Ed25519":
            return EDDSA
    raise ValueError("the key is neither RSA nor on the curves P-256 and Ed25519")


def _bits(modulus: Any) -> int:
    """The bits of a modulus, without zeros before it; none where it is no number, or is longer than any may be."""
    if not isinstance(modulus, str) or len(modulus) > _RSA_MOST:
        return 0
    try:
        return int.from_bytes(base64url(modulus), "big").bit_length()
    except ValueError:
        return 0


def public_part(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """What of a JWK is the public key, and by which two of them are the same."""
    return {name: value for name, value in jwk.items() if name in _PUBLIC}


def _raw(jwk: Mapping[str, Any]) -> bytes:
    if alg_of(jwk) != EDDSA:
        raise ValueError("the key is not an Ed25519 key")
    text = str(jwk.get("x"))
    return base64url(text)


def _imported(jwk: Mapping[str, Any]) -> _Key:
    try:
        key = import_key(dict(jwk))
    except (JoseError, ValueError, TypeError, KeyError) as problem:
        raise ValueError("the key cannot be read") from problem
    if not isinstance(key, RSAKey | ECKey | OKPKey):
        raise ValueError("the key is not an asymmetric one")
    return key


def base64url(text: str) -> bytes:
    """The bytes of base64url without padding, in its one canonical spelling. Raises ValueError for anything else."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as problem:
        raise ValueError("not base64url") from problem
    if to_base64url(data) != text:
        raise ValueError("not base64url")
    return data


def to_base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
