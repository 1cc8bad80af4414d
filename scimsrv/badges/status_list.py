"""Bitstring status lists: which credentials of a list are revoked, one bit for each (W3C Bitstring Status List v1.0)."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: Entries of a list, so that a look at one does not tell whose it was.
SIZE: Final = 131_072

#: Bytes that a list may have when unpacked.
_LARGEST: Final = 16 * 1024 * 1024

ENTRY: Final = "BitstringStatusListEntry"
LIST: Final = "BitstringStatusList"
REVOCATION: Final = "revocation"

#: Milliseconds for which a verifier may keep a list: as long as a cache may.
_TTL: Final = 60_000


class StatusListError(ValueError):
    """The status of a credential cannot be told from the list; the message says why."""


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """Where the status of a credential is found: the list's URL, its purpose and the place in it."""

    url: str
    purpose: str
    index: int


def entry(list_url: str, index: int) -> dict[str, Any]:
    """The credentialStatus of a credential at this place of a list."""
    return {
        "id": f"{list_url}#{index}",
        "type": ENTRY,
        "statusPurpose": REVOCATION,
        "statusListIndex": str(index),
        "statusListCredential": list_url,
    }


def read_entry(status: Mapping[str, Any]) -> StatusEntry:
    """Where a credential's status is. Raises StatusListError where the entry is not one of a list of single bits."""
    if status.get("type") != ENTRY:
        raise StatusListError(f"status of type {str(status.get('type'))[:64]!r} is not supported")
    size = status.get("statusSize", 1)
    if type(size) is not int or size != 1:
        raise StatusListError("statusSize must be 1")
    index = status.get("statusListIndex")
    if not isinstance(index, str) or not index.isascii() or not index.isdigit() or len(index) > 10:
        raise StatusListError("statusListIndex must be a whole number in a string")
    url, purpose = status.get("statusListCredential"), status.get("statusPurpose")
    if not isinstance(url, str) or not isinstance(purpose, str):
        raise StatusListError("statusListCredential and statusPurpose are required")
    return StatusEntry(url, purpose, int(index))


def encode(revoked: Iterable[int], size: int = SIZE) -> str:
    """The encodedList in which the bits of these places are set; place 0 is the leftmost bit. Raises IndexError beyond `size`."""
    bits = bytearray(size // 8)
    for index in revoked:
        if not 0 <= index < size:
            raise IndexError(index)
        bits[index >> 3] |= 0x80 >> (index & 7)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return "u" + base64.urlsafe_b64encode(packer.compress(bits) + packer.flush()).rstrip(b"=").decode()


def is_set(encoded: str, index: int) -> bool:
    """Whether the bit at this place of an encodedList is set. Raises StatusListError for what is no list, is too large unpacked, or is
    shorter than the standard's least, and RANGE_ERROR for a place that it does not have."""
    if not encoded.startswith("u"):
        raise StatusListError("encodedList must be multibase in base64url")
    if len(encoded) > _LARGEST:
        raise StatusListError("encodedList is too large")
    try:
        packed = base64.b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj(31)
        bits = unpacker.decompress(packed, _LARGEST + 1)
    except (binascii.Error, ValueError, zlib.error) as problem:
        raise StatusListError("encodedList is not gzip in base64url") from problem
    if len(bits) > _LARGEST:
        raise StatusListError(f"the list has more than {_LARGEST} bytes")
    if not unpacker.eof:
        raise StatusListError("encodedList is cut short")
    if len(bits) * 8 < SIZE:
        raise StatusListError(f"the list has fewer than {SIZE} entries")
    if index >= len(bits) * 8:
        raise StatusListError("RANGE_ERROR: statusListIndex is beyond the end of the list")
    return bool(bits[index >> 3] & 0x80 >> (index & 7))


def list_credential(url: str, issuer: str, valid_from: str, encoded: str) -> dict[str, Any]:
    """The credential that publishes a list, not yet signed. `issuer` is the issuer's URL, `valid_from` a dateTime."""
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": valid_from,
        "credentialSubject": {
            "id": f"{url}#list",
            "type": LIST,
            "statusPurpose": REVOCATION,
            "encodedList": encoded,
            "ttl": _TTL,
        },
    }


def revoked_in(credential: Mapping[str, Any], wanted: StatusEntry) -> bool:
    """Whether the published list says that the entry is revoked. Raises StatusListError where it does not speak of it."""
    if credential.get("id", wanted.url) != wanted.url:  # which it may leave out (§2.2)
        raise StatusListError("the list published there has another id")
    subject = credential.get("credentialSubject")
    if not isinstance(subject, dict) or LIST not in _listed(subject.get("type")):
        raise StatusListError("what is published there is no status list")
    if wanted.purpose not in _listed(subject.get("statusPurpose")):  # one or more (§2.2)
        raise StatusListError("the list has another purpose than the entry")
    encoded = subject.get("encodedList")
    if not isinstance(encoded, str):
        raise StatusListError("the list has no encodedList")
    return is_set(encoded, wanted.index)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
