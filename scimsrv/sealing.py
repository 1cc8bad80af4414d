"""Sealing what is kept for later and must not be read where it lies: AES-256-GCM under a key derived from the server's."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from scimsrv.keys import BADGE_KEY, ServerKeys
from scimsrv.store.badge_keys import Keyring

_NONCE: Final = 12


@dataclass(frozen=True, slots=True)
class Safe:
    """Seals with the first key, opens what was sealed with any."""

    keys: tuple[bytes, ...] = field(repr=False)

    def seal(self, contents: bytes, place: str) -> bytes:
        """The contents for this place; they can be opened for no other."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self.keys[0]).encrypt(nonce, contents, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """The contents of what was sealed for this place. Raises ValueError for anything else."""
        for key in self.keys:
            try:
                return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
            except (InvalidTag, ValueError):
                continue
        raise ValueError("what is kept was sealed with a key that is not known any more")


def keyring_of(keys: ServerKeys) -> Keyring:
    """The keys of badge issuers, sealed under one derived from the server's."""
    return keyring_under(*keys.derive_all(BADGE_KEY))


def keyring_under(*keys: bytes) -> Keyring:
    """The keys of badge issuers, sealed under the first of these."""
    safe = Safe(keys)
    return Keyring(safe.seal, safe.open)
