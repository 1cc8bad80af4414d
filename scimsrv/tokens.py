"""The form of a bearer token: made, recognised and reduced to a digest, without any storage."""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

_ALPHABET = string.digits + string.ascii_lowercase
_PATTERN = re.compile(r"(scs|sca|sck)_[a-z0-9]{6}_[A-Za-z0-9_-]{43}_[0-9a-z]{6}")
_CHECK_LENGTH = 6

PROVISIONING = "scs"
"""Prefix of tokens with which identity providers reach a tenant."""

ADMIN = "sca"
"""Prefix of tokens with which administrators reach the admin API; neither kind is good for the other's listener."""

SECRET = "sck"  # noqa: S105 - a prefix
"""Prefix of the secrets of OAuth clients, which are good at the token endpoint and nowhere else unless a policy says so."""

CLIENT = "scc_"
"""What the ids of OAuth clients begin with."""

TRUST = "sct_"
"""What the ids of trusts begin with."""

_CLIENT = re.compile(r"scc_[a-z0-9]{16}")


@dataclass(frozen=True, slots=True)
class Token:
    """A token as its holder sees it once: the text to send, and the short id by which it is listed and revoked."""

    text: str
    kid: str


def new_token(prefix: str = PROVISIONING) -> Token:
    """Make a token with 256 bits of randomness, `<prefix>_<kid>_<secret>_<check>`."""
    kid = "".join(secrets.choice(_ALPHABET) for _ in range(6))
    body = f"{prefix}_{kid}_{secrets.token_urlsafe(32)}"
    return Token(f"{body}_{_check(body)}", kid)


def new_id(kind: str) -> str:
    """Make the id of a client or a trust: CLIENT or TRUST and 16 random letters and digits."""
    return kind + "".join(secrets.choice(_ALPHABET) for _ in range(16))


def looks_like_client(text: str) -> bool:
    """Tell whether text has the form of a client's id."""
    return _CLIENT.fullmatch(text) is not None


def looks_like_token(text: str, prefix: str = PROVISIONING) -> bool:
    """Tell whether text has the form of our tokens of a kind and an intact checksum; says nothing about whether it was issued.

    A header value without a scheme, as Okta's header authentication sends it, is accepted only where this holds.
    """
    match = _PATTERN.fullmatch(text)
    if match is None or match[1] != prefix:
        return False
    body, _, check = text.rpartition("_")
    return check == _check(body)


def digest(pepper: bytes, text: str) -> bytes:
    """Return the 32 bytes under which a token is stored: HMAC-SHA256 keyed with the server's pepper."""
    return hmac.digest(pepper, text.encode(), hashlib.sha256)


def _check(body: str) -> str:
    number = zlib.crc32(body.encode()) % len(_ALPHABET) ** _CHECK_LENGTH
    digits = []
    for _ in range(_CHECK_LENGTH):
        number, rest = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
