"""What a picture is and carries, without taking anything out of it."""

from __future__ import annotations

from scimsrv.badges.baking.chunks import SIGNATURE, dimensions, walk
from scimsrv.badges.baking.errors import refusal
from scimsrv.badges.baking.limits import FOREIGN, Limits
from scimsrv.badges.baking.png_text import form_of
from scimsrv.badges.baking.prolog import BOM, WHITE
from scimsrv.badges.baking.result import Chunk, Found, Inspection
from scimsrv.badges.baking.svg import scan_svg


def inspect(image: bytes, *, limits: Limits = FOREIGN) -> Inspection:
    """Validate a picture of either kind, checksums included, and say what it consists of; raises BakeError."""
    if image.startswith(SIGNATURE):
        return _png(image, limits)
    if image.removeprefix(BOM).lstrip(WHITE).startswith(b"<"):
        svg = scan_svg(image, limits)
        found = tuple(Found(carrier.form, carrier.start, carrier.end) for carrier in svg.carriers)
        return Inspection("svg", None, None, (), 0, svg.elements, found)
    raise refusal("image.unknown", 0)


def _png(image: bytes, limits: Limits) -> Inspection:
    pieces = list(walk(image, limits, checksums=True))
    forms = [(piece, form_of(image, piece)) for piece in pieces]
    return Inspection(
        "png",
        *dimensions(image),
        tuple(Chunk(piece.type.decode(), piece.offset, piece.end - piece.start) for piece in pieces),
        len(image) - pieces[-1].end - 4,
        0,
        tuple(Found(form, piece.offset, piece.end + 4) for piece, form in forms if form is not None),
    )
