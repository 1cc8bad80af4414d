"""Bounds on everything a picture can make us do."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

_KIB: Final = 1024
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes are bytes, dimensions are pixels. The defaults are ceilings: a larger value, or one below 1, raises ValueError."""

    #: Size of a PNG file, read or written.
    png_bytes: int = 4 * _MIB
    #: Width and height from IHDR, and their product.
    width: int = 4096
    height: int = 4096
    area: int = 4096 * 4096
    #: All chunks, and the ancillary ones beside the credential.
    chunks: int = 10_000
    ancillary_chunks: int = 10_000
    #: Content of a text chunk, and a credential: chunk, body of an element or argument.
    text_bytes: int = _MIB
    #: What a compressed text chunk may inflate to.
    inflated_bytes: int = 256 * _KIB
    #: Size of an SVG file, read or written.
    svg_bytes: int = _MIB
    #: Nesting and number of elements, attributes of one element (namespace declarations included).
    depth: int = 128
    elements: int = 50_000
    attributes: int = 64
    #: An attribute's value as written, and that of `verify`.
    attribute_bytes: int = 256 * _KIB
    verify_bytes: int = 64 * _KIB

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 1 <= value <= field.default:
                raise ValueError(f"{field.name} must be from 1 to {field.default}")


FOREIGN: Final = Limits()
"""For files that come from elsewhere, and for what is baked: the ceilings."""

UPLOAD: Final = Limits(png_bytes=_MIB, ancillary_chunks=64, text_bytes=256 * _KIB, svg_bytes=256 * _KIB, depth=64, elements=5_000)
"""For art that a tenant uploads."""
