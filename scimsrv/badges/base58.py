"""Base58 in Bitcoin's alphabet and the Multibase and Multikey forms that are built on it (W3C Controlled Identifiers §2.4, §2.2.2)."""

from __future__ import annotations

from typing import Final

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}

#: Multicodec of an Ed25519 public key.
_ED25519: Final = b"\xed\x01"

#: Characters that are read at most: decoding costs the square of them.
_LONGEST: Final = 128


def encode(data: bytes) -> str:
    """The text of bytes; leading zero bytes are kept."""
    number = int.from_bytes(data, "big")
    digits = []
    while number:
        number, rest = divmod(number, 58)
        digits.append(_ALPHABET[rest])
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + "".join(reversed(digits))


def decode(text: str) -> bytes:
    """The bytes of a text. Raises ValueError for another alphabet, or for more than a key or a signature needs."""
    if len(text) > _LONGEST:
        raise ValueError("the base58 text is too long")
    number = 0
    for character in text:
        if character not in _VALUES:
            raise ValueError(f"{character!r} is no character of base58")
        number = number * 58 + _VALUES[character]
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def multibase(data: bytes) -> str:
    """The Multibase form with base58btc."""
    return "z" + encode(data)


def from_multibase(text: str) -> bytes:
    """The bytes of a Multibase text in base58btc. Raises ValueError for any other base."""
    if not text.startswith("z"):
        raise ValueError("the value is not multibase in base58btc")
    return decode(text[1:])


def multikey(public: bytes) -> str:
    """The Multikey of an Ed25519 public key of 32 bytes."""
    return multibase(_ED25519 + public)


def from_multikey(text: str) -> bytes:
    """The 32 bytes of an Ed25519 public key. Raises ValueError for any other key."""
    data = from_multibase(text)
    if len(data) != 34 or not data.startswith(_ED25519):
        raise ValueError("the key is not an Ed25519 public key")
    return data[2:]
