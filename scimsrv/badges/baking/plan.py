"""Where a credential goes in a PNG that was validated before, so that baking into it is copying."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Self

from scimsrv.badges.baking.errors import refusal

_MAGIC: Final = b"SBP1"
_HEAD: Final = struct.Struct(">4sIIII")
_RANGE: Final = struct.Struct(">II")
INSERT_AT: Final = 33
"""The byte after IHDR: 8 of signature, 25 of chunk."""


@dataclass(frozen=True, slots=True)
class PngPlan:
    """What a scan found: size and IHDR checksum of the picture, its number of chunks, and the ranges of credentials it already holds.

    A plan holds for the bytes it was made from. Size and IHDR are compared when it is used; the rest is the caller's promise.
    """

    size: int
    header_crc: int
    chunks: int
    existing: tuple[tuple[int, int], ...]

    def to_bytes(self) -> bytes:
        """Return the plan as bytes that from_bytes of either implementation reads."""
        head = _HEAD.pack(_MAGIC, self.size, self.header_crc, self.chunks, len(self.existing))
        return head + b"".join(_RANGE.pack(*one) for one in self.existing)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Read a stored plan; raises BakeError plan.format for anything that is none."""
        if len(stored) < _HEAD.size:
            raise refusal("plan.format", None)
        magic, size, crc, chunks, count = _HEAD.unpack_from(stored)
        if magic != _MAGIC or len(stored) != _HEAD.size + count * _RANGE.size:
            raise refusal("plan.format", None)
        existing = tuple((start, end) for start, end in _RANGE.iter_unpack(stored[_HEAD.size :]))
        before = INSERT_AT
        for start, end in existing:
            if not before <= start < end <= size:
                raise refusal("plan.format", None)
            before = end
        if size < INSERT_AT or chunks < len(existing):
            raise refusal("plan.format", None)
        return cls(size, crc, chunks, existing)
