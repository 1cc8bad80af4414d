"""Credentials into PNG files: a chunk directly after IHDR, every other byte unchanged (Open Badges 3.0 §5.3.1)."""

from __future__ import annotations

import zlib
from typing import Final

from scimsrv.badges.baking.chunks import PREFIX, SIGNATURE, is_credential, walk
from scimsrv.badges.baking.errors import refusal
from scimsrv.badges.baking.limits import FOREIGN, UPLOAD, Limits
from scimsrv.badges.baking.payload import check_payload
from scimsrv.badges.baking.plan import INSERT_AT, PngPlan

#: Chunks of uploaded art that may hold personal data, and nothing that is seen.
_STRIPPED: Final = (b"eXIf", b"tEXt", b"iTXt", b"zTXt")


def scan_png(image: bytes, *, limits: Limits = FOREIGN) -> PngPlan:
    """Validate a PNG with all its checksums and return the plan for baking into it; raises BakeError."""
    count, existing = 0, []
    for piece in walk(image, limits, checksums=True):
        count += 1
        if is_credential(image, piece):
            existing.append((piece.offset, piece.end + 4))
    return PngPlan(len(image), _header_crc(image), count, tuple(existing))


def bake_png(image: bytes, payload: bytes, *, plan: PngPlan | None = None, overwrite: bool = False, limits: Limits = FOREIGN) -> bytes:
    """Return the PNG with a credential (JSON or compact JWS) in it; the result is 36 bytes and the payload longer.

    Without a plan the picture is validated first. A picture that holds a credential is refused, or with `overwrite` loses all it
    holds. Raises BakeError.
    """
    if plan is None:
        plan = scan_png(image, limits=limits)
    elif plan.size != len(image) or not image.startswith(SIGNATURE) or plan.header_crc != _header_crc(image):
        raise refusal("plan.mismatch", None)
    check_payload(payload, limits.text_bytes)
    if plan.existing and not overwrite:
        raise refusal("credential.duplicate", plan.existing[0][0])
    if plan.chunks - len(plan.existing) + 1 > limits.chunks:
        raise refusal("limit.chunks", None)
    content = b"iTXt" + PREFIX + payload
    view = memoryview(image)
    parts: list[bytes | memoryview] = [view[:INSERT_AT], (len(content) - 4).to_bytes(4), content, zlib.crc32(content).to_bytes(4)]
    at = INSERT_AT
    for start, end in plan.existing:
        parts.append(view[at:start])
        at = end
    parts.append(view[at:])
    baked = b"".join(parts)
    if len(baked) > limits.png_bytes:
        raise refusal("limit.file", None)
    return baked


def strip_png(image: bytes, *, limits: Limits = UPLOAD) -> bytes:
    """Validate uploaded art and return it without eXIf, tEXt, iTXt and zTXt chunks and without what follows IEND; raises BakeError."""
    parts, kept, at = [], 0, 0
    for piece in walk(image, limits, checksums=True):
        at = piece.end + 4
        if piece.type in _STRIPPED:
            parts.append(image[kept : piece.offset])
            kept = at
    parts.append(image[kept:at])
    return b"".join(parts)


def _header_crc(image: bytes) -> int:
    return int.from_bytes(image[INSERT_AT - 4 : INSERT_AT])
