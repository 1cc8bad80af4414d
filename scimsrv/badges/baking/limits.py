"""Bounds on everything a picture can make us do."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

_KIB: Final = 1024
_MIB: Final = 1024 * 1024


def _at_most(ceiling: int, meaning: str) -> Any:
    return field(default=ceiling, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes are bytes, dimensions are pixels. The defaults are ceilings: a larger value, or one below 1, raises ValueError."""

    png_bytes: int = _at_most(4 * _MIB, "size of a PNG file, read or written")
    width: int = _at_most(4096, "width from IHDR")
    height: int = _at_most(4096, "height from IHDR")
    area: int = _at_most(4096 * 4096, "width times height")
    chunks: int = _at_most(10_000, "all chunks")
    ancillary_chunks: int = _at_most(10_000, "the ancillary chunks beside the credential")
    text_bytes: int = _at_most(_MIB, "content of a text chunk, and a credential: chunk, body of an element or argument")
    inflated_bytes: int = _at_most(256 * _KIB, "what a compressed text chunk may inflate to")
    svg_bytes: int = _at_most(_MIB, "size of an SVG file, read or written")
    depth: int = _at_most(128, "nesting of elements")
    elements: int = _at_most(50_000, "number of elements")
    attributes: int = _at_most(64, "attributes of one element, namespace declarations included")
    attribute_bytes: int = _at_most(256 * _KIB, "an attribute's value as written")
    verify_bytes: int = _at_most(64 * _KIB, "the value of `verify` as written")

    def __post_init__(self) -> None:
        for one in fields(self):
            if not 1 <= getattr(self, one.name) <= one.default:
                raise ValueError(f"{one.name} must be from 1 to {one.default}")


FOREIGN: Final = Limits()
"""For files that come from elsewhere, and for what is baked: the ceilings."""

UPLOAD: Final = Limits(png_bytes=_MIB, ancillary_chunks=64, text_bytes=256 * _KIB, svg_bytes=256 * _KIB, depth=64, elements=5_000)
"""For art that a tenant uploads."""
