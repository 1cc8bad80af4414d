"""The picture and the credential that are measured with."""

from __future__ import annotations

import math
import random
import struct
import zlib
from typing import Final

SIDE: Final = 512
BYTES: Final = 84_000


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a PNG chunk."""
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


def picture() -> bytes:
    """Return a PNG of 512 x 512 RGBA pixels, a shaded disc with as much noise as makes it about 84 kB; always the same."""
    low, high = 0.0, 1.0
    image = _draw(0.5)
    for _ in range(7):
        share = (low + high) / 2
        image = _draw(share)
        if abs(len(image) - BYTES) < BYTES // 50:
            break
        low, high = (share, high) if len(image) < BYTES else (low, share)
    return image


def credential() -> bytes:
    """Return a compact JWS of the length that a signed credential has."""
    chance = random.Random(3)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return ".".join("".join(chance.choices(letters, k=length)) for length in (110, 1_600, 86)).encode()


def _draw(share: float) -> bytes:
    chance = random.Random(2)
    rows = bytearray()
    for y in range(SIDE):
        rows.append(0)
        half = math.isqrt(max(0, (SIDE // 2) ** 2 - (y - SIDE // 2) ** 2))
        noisy = int(half * 2 * share)
        for x in range(SIDE):
            inside = abs(x - SIDE // 2) < half
            value = chance.getrandbits(3) if inside and x - SIDE // 2 + half < noisy else 0
            rows += bytes((200 + value, 120, 40 + y // 16, 255)) if inside else bytes(4)
    header = struct.pack(">II5B", SIDE, SIDE, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + chunk(b"IEND", b"")
