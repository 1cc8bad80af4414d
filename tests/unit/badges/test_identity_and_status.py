"""Whom a credential is about, and whether it was revoked."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import pytest

from scimsrv.badges import base58, status_list
from scimsrv.badges.identity import EMAIL, hashed_identity, identity_hash, is_about, new_salt, plain_identity

KOSHER = "sha256$b5809d8a92f8858436d7e6b87c12ebc0ae1eac4baecc2c0b913aee2c922ef399"
LIST = "https://badges.example.org/badges/acme/issuers/1/status/1"


def test_the_hash_of_an_identity() -> None:
    """The standard's example, and salts that are long and never the same."""
    assert identity_hash("a@example.com", "Kosher") == KOSHER
    assert len({new_salt() for _ in range(50)}) == 50
    assert len(new_salt()) >= 16


@pytest.mark.parametrize(
    ("object_", "identity", "about"),
    [
        ({"hashed": True, "identityHash": KOSHER, "salt": "Kosher"}, "a@example.com", True),
        ({"hashed": True, "identityHash": KOSHER.upper().replace("SHA256", "sha256"), "salt": "Kosher"}, "a@example.com", True),
        ({"hashed": True, "identityHash": KOSHER, "salt": "Kosher"}, "A@Example.com", True),
        ({"hashed": True, "identityHash": KOSHER, "salt": "Kosher"}, "b@example.com", False),
        ({"hashed": True, "identityHash": KOSHER, "salt": "Salty"}, "a@example.com", False),
        ({"hashed": True, "identityHash": identity_hash("A@x.org", ""), "salt": None}, "A@x.org", True),
        ({"hashed": True, "identityHash": identity_hash("a@x.org", "s", "md5"), "salt": "s"}, "a@x.org", True),
        ({"hashed": True, "identityHash": "sha1$00", "salt": ""}, "a@x.org", False),
        ({"hashed": False, "identityHash": "a@x.org"}, "a@x.org", True),
        ({"hashed": False, "identityHash": "a@x.org"}, "b@x.org", False),
        ({"hashed": True}, "b@x.org", False),
    ],
)
def test_recognising_an_identity(object_: dict[str, Any], identity: str, about: bool) -> None:
    """Hashed or not, with and without salt, as given and in lower case."""
    assert is_about(object_, identity) is about


def test_what_is_written() -> None:
    """E-mail addresses are hashed in lower case, other identifiers as they are."""
    assert hashed_identity("A@Example.com", EMAIL, "Kosher")["identityHash"] == KOSHER
    assert hashed_identity("A", "userName", "s")["identityHash"] == identity_hash("A", "s")
    assert is_about(hashed_identity("A@b.c", EMAIL, "s"), "a@B.C")
    assert plain_identity("x", "userName") == {"type": "IdentityObject", "hashed": False, "identityHash": "x", "identityType": "userName"}
    with pytest.raises(ValueError, match="sha1"):
        identity_hash("a", "b", "sha1")


@pytest.mark.parametrize("index", [0, 1, 7, 8, 65_535, 131_071])
def test_a_bit_for_each(index: int) -> None:
    """What is set is that bit and no other; place 0 is the leftmost bit of the first byte."""
    encoded = status_list.encode([index])
    assert status_list.is_set(encoded, index)
    assert not any(status_list.is_set(encoded, other) for other in {0, 1, 7, 8, 65_535, 131_071} - {index})
    raw = zlib.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)), 31)
    assert len(raw) == 16 * 1024
    assert raw[index // 8] == 0x80 >> index % 8


def _packed(data: bytes) -> str:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return "u" + base64.urlsafe_b64encode(packer.compress(data) + packer.flush()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("encoded", "index", "says"),
    [
        (status_list.encode([]), 131_072, "RANGE_ERROR"),
        ("z" + status_list.encode([])[1:], 0, "multibase in base64url"),
        ("u!", 0, "gzip in base64url"),
        ("uAAAA", 0, "gzip in base64url"),
        (status_list.encode([])[:-12], 0, "cut short"),
        (_packed(bytes(16 * 1024 - 1)), 0, "fewer than"),
        (_packed(bytes(16 * 1024 * 1024 + 1)), 0, "more than"),
        (_packed(bytes(200 * 1024 * 1024)), 0, "more than"),
    ],
)
def test_lists_that_say_nothing(encoded: str, index: int, says: str) -> None:
    """Places beyond the end, other encodings, lists too short for anybody to hide in, and bombs are refused, each with its reason."""
    with pytest.raises(status_list.StatusListError, match=says):
        status_list.is_set(encoded, index)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "1EdTechRevocationList"}, "not supported"),
        ({"statusSize": 0}, "statusSize must be 1"),
        ({"statusSize": 2}, "statusSize must be 1"),
        ({"statusSize": True}, "statusSize must be 1"),
        ({"statusListIndex": 5}, "whole number in a string"),
        ({"statusListIndex": "-1"}, "whole number in a string"),
        ({"statusListIndex": "٣"}, "whole number in a string"),
        ({"statusListCredential": None}, "required"),
    ],
)
def test_entries_that_say_nothing(change: dict[str, Any], says: str) -> None:
    """An entry must be one of a list of single bits."""
    with pytest.raises(status_list.StatusListError, match=says):
        status_list.read_entry(status_list.entry(LIST, 3) | change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "https://example.com/1"}, "another id"),
        ({"credentialSubject": {"type": "Other"}}, "no status list"),
        ({"credentialSubject": {"type": "BitstringStatusList", "statusPurpose": "suspension"}}, "another purpose"),
        ({"credentialSubject": {"type": "BitstringStatusList", "statusPurpose": "revocation"}}, "no encodedList"),
    ],
)
def test_the_list_must_be_the_entrys(change: dict[str, Any], says: str) -> None:
    """The published list has to be the one that the entry names, for its purpose."""
    entry = status_list.read_entry(status_list.entry(LIST, 3))
    published = status_list.list_credential(LIST, "https://badges.example.org/i", "2026-01-01T00:00:00Z", status_list.encode([3]))
    assert status_list.revoked_in(published, entry)
    with pytest.raises(status_list.StatusListError, match=says):
        status_list.revoked_in(published | change, entry)


def test_base58() -> None:
    """Leading zeros survive, and what is no base58, or too long, is refused."""
    for data in (b"", b"\0\0", b"\0a", b"hello", bytes(range(64))):
        assert base58.decode(base58.encode(data)) == data
    assert base58.encode(b"Hello World!") == "2NEpo7TZRRrLZSi2U"
    for text in ("0", "l", "1" * 129):
        with pytest.raises(ValueError, match="base58"):
            base58.decode(text)
    for text in ("m1", "z6Mk", "z" + base58.encode(b"\x12\x00" + bytes(32))):
        with pytest.raises(ValueError, match=r"multibase|Ed25519"):
            base58.from_multikey(text)
