"""Walks over the chunks of a PNG and holds each against the standard's structure (ISO/IEC 15948 §5, §11); nothing is inflated."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from scimsrv.badges.baking.errors import refusal
from scimsrv.badges.baking.limits import Limits

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
KEYWORD: Final = b"openbadgecredential"
LONGEST: Final = 2**31 - 1
TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")

#: Bytes of an iTXt chunk before its text, as Open Badges 3.0 wants them: keyword, flag, method, no language, no translation.
PREFIX: Final = KEYWORD + b"\0\0\0\0\0"

_CRITICAL: Final = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_LETTERS: Final = re.compile(rb"[A-Za-z]{4}")
_HEADER: Final = struct.Struct(">II5B")

#: Colour type → bit depths (ISO/IEC 15948 table 11.1).
_DEPTHS: Final[dict[int, tuple[int, ...]]] = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PALETTE_NEEDED: Final = 3
_PALETTE_FORBIDDEN: Final = (0, 4)


class Piece(NamedTuple):
    """A chunk: type, offset of its length field, and the range of its content; the next one begins 4 bytes after `end`."""

    type: bytes
    offset: int
    start: int
    end: int


def dimensions(image: bytes) -> tuple[int, int]:
    """Return width and height of a PNG whose IHDR was walked over."""
    return struct.unpack_from(">II", image, 16)


def is_credential(image: bytes, piece: Piece) -> bool:
    """Tell whether a chunk is the one of Open Badges 3.0: iTXt with exactly its keyword."""
    return piece.type == b"iTXt" and image.startswith(KEYWORD + b"\0", piece.start, piece.end)


def walk(image: bytes, limits: Limits, *, checksums: bool) -> Iterator[Piece]:
    """Yield the chunks up to IEND, each after it was checked; with `checksums` False only that of IHDR is computed.

    Raises BakeError png.* and limit.* with the offset of the chunk, or of the field in it that is wrong.
    """
    if len(image) > limits.png_bytes:
        raise refusal("limit.file", None)
    if not image.startswith(SIGNATURE):
        raise refusal("png.signature", 0)
    at, count, ancillary = 8, 0, 0
    colour, palettes, pictures, before = 0, 0, 0, b""
    while before != b"IEND":
        if at == len(image):
            raise refusal("png.iend", at)
        piece = _piece(image, at)
        kind, _, start, end = piece
        count += 1
        if count > limits.chunks:
            raise refusal("limit.chunks", at)
        if kind[0] & 0x20:
            credential = is_credential(image, piece)
            ancillary += not credential
            if ancillary > limits.ancillary_chunks:
                raise refusal("limit.ancillary", at)
            if kind in TEXTS and end - start > limits.text_bytes + (len(PREFIX) if credential else 0):
                raise refusal("limit.payload" if credential else "limit.text", at)
        elif kind not in _CRITICAL:
            raise refusal("png.critical", at)
        if (count == 1) is not (kind == b"IHDR"):
            raise refusal("png.ihdr", at)
        if (checksums or count == 1) and zlib.crc32(image[at + 4 : end]) != int.from_bytes(image[end : end + 4]):
            raise refusal("png.crc", end)
        if count == 1:
            colour = _header(image, piece, limits)
        elif kind == b"PLTE":
            palettes += 1
            colours, rest = divmod(end - start, 3)
            if palettes > 1 or pictures or rest or not 1 <= colours <= 256 or colour in _PALETTE_FORBIDDEN:
                raise refusal("png.palette", at)
        elif kind == b"IDAT":
            if pictures and before != b"IDAT":
                raise refusal("png.idat", at)
            if colour == _PALETTE_NEEDED and not palettes:
                raise refusal("png.palette", at)
            pictures += 1
        elif kind == b"IEND":
            if end != start:
                raise refusal("png.iend", at)
            if not pictures:
                raise refusal("png.idat", at)
        yield piece
        at, before = end + 4, kind


def _piece(image: bytes, at: int) -> Piece:
    """Read the frame of the chunk at an offset."""
    if len(image) - at < 12:
        raise refusal("png.truncated", at)
    length = int.from_bytes(image[at : at + 4])
    if length > LONGEST:
        raise refusal("png.length", at)
    kind = image[at + 4 : at + 8]
    if not _LETTERS.fullmatch(kind):
        raise refusal("png.type", at + 4)
    if length > len(image) - at - 12:
        raise refusal("png.truncated", at)
    return Piece(kind, at, at + 8, at + 8 + length)


def _header(image: bytes, piece: Piece, limits: Limits) -> int:
    """Check what IHDR says and return the colour type."""
    if piece.end - piece.start != _HEADER.size:
        raise refusal("png.ihdr", piece.offset)
    width, height, depth, colour, compression, filtering, interlace = _HEADER.unpack_from(image, piece.start)
    if not (1 <= width <= LONGEST and 1 <= height <= LONGEST):
        raise refusal("png.dimensions", 16)
    if width > limits.width:
        raise refusal("limit.width", 16)
    if height > limits.height:
        raise refusal("limit.height", 20)
    if width * height > limits.area:
        raise refusal("limit.area", 16)
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise refusal("png.ihdr", 24)
    return int(colour)
