"""Credentials out of PNG files: the chunk of Open Badges 3.0, and what came before it."""

from __future__ import annotations

import zlib
from typing import Final

from scimsrv.badges.baking.chunks import Piece, walk
from scimsrv.badges.baking.errors import refusal
from scimsrv.badges.baking.limits import FOREIGN, Limits
from scimsrv.badges.baking.payload import content_of
from scimsrv.badges.baking.result import Extracted

CURRENT: Final = "openbadges-3"

#: Chunk type and keyword → form.
_FORMS: Final[dict[tuple[bytes, bytes], str]] = {
    (b"iTXt", b"openbadgecredential"): CURRENT,
    (b"iTXt", b"openbadges"): "openbadges-2",
    (b"tEXt", b"openbadges"): "openbadges-1",
    (b"iTXt", b"clrcredential"): "clr",
}
_KEYWORD_MOST: Final = 79


def form_of(image: bytes, piece: Piece) -> str | None:
    """Return the form of the credential that a chunk carries, None for any other chunk."""
    if piece.type not in (b"iTXt", b"tEXt"):
        return None
    keyword, end, _ = image[piece.start : min(piece.end, piece.start + _KEYWORD_MOST + 1)].partition(b"\0")
    return _FORMS.get((piece.type, keyword)) if end else None


def extract_png(image: bytes, *, strict: bool = False, limits: Limits = FOREIGN) -> Extracted | None:
    """Return the credential in a PNG, None where there is none; raises BakeError.

    The first Open Badges 3.0 chunk wins, and nothing behind it is read; without one, the first of an older form. `strict` validates the
    whole file first, and raises for what is otherwise a warning and for a second chunk.
    """
    chosen: tuple[Piece, str] | None = None
    for piece in walk(image, limits, checksums=strict):
        form = form_of(image, piece)
        if form == CURRENT:
            if chosen is not None and chosen[1] == CURRENT:  # only strict reading comes to a second one
                raise refusal("credential.duplicate", piece.offset)
            chosen = (piece, form)
            if not strict:
                break
        elif form is not None and chosen is None:
            chosen = (piece, form)
    return None if chosen is None else _read(image, *chosen, strict, limits)


def _read(image: bytes, piece: Piece, form: str, strict: bool, limits: Limits) -> Extracted:
    if zlib.crc32(image[piece.offset + 4 : piece.end]) != int.from_bytes(image[piece.end : piece.end + 4]):
        raise refusal("png.crc", piece.end)
    content = image[piece.start : piece.end]
    keyword, _, rest = content.partition(b"\0")
    warnings: list[str] = []
    if piece.type == b"iTXt":
        payload, start = _international(rest, piece.start + len(keyword) + 1, warnings, limits)
        try:
            payload.decode()
        except UnicodeDecodeError as wrong:
            raise refusal("credential.utf8", start if "credential.compressed" in warnings else start + wrong.start) from None
    else:
        payload = rest
    if len(payload) > limits.text_bytes:
        raise refusal("limit.payload", piece.offset)
    if not payload:
        raise refusal("credential.empty", piece.offset)
    kind = content_of(payload)
    if form == CURRENT and kind not in ("json", "jws"):
        warnings.append("credential.form")
    if strict and warnings:
        raise refusal(warnings[0], piece.offset)
    return Extracted(payload, form, kind, piece.offset, tuple(warnings))


def _international(rest: bytes, offset: int, warnings: list[str], limits: Limits) -> tuple[bytes, int]:
    """Take an iTXt chunk apart after its keyword; return the text and where it begins in the file (ISO/IEC 15948 §11.3.4.5)."""
    language = rest.find(b"\0", 2)
    translated = rest.find(b"\0", language + 1) if language >= 0 else -1
    if translated < 0 or rest[0] > 1 or (rest[0] == 1 and rest[1] != 0):
        raise refusal("credential.format", offset)
    if rest[1] or translated != 3:
        warnings.append("credential.language")
    text, start = rest[translated + 1 :], offset + translated + 1
    if rest[0] == 0:
        return text, start
    warnings.append("credential.compressed")
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(text, limits.inflated_bytes + 1)
    except zlib.error:
        raise refusal("png.inflate", start) from None
    if len(inflated) > limits.inflated_bytes:
        raise refusal("limit.inflated", start)
    if not inflater.eof or inflater.unused_data:
        raise refusal("png.inflate", start)
    return inflated, start
