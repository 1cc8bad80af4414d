"""Open Badges credentials into and out of PNG and SVG files: bytes in, bytes out.

Nothing is decoded, drawn, fetched or stored; what a picture can make us do is bounded by Limits, every refusal is a BakeError.
"""

from __future__ import annotations

from scimsrv_badges._errors import BakeError
from scimsrv_badges._native import (
    FOREIGN,
    KINDS,
    UPLOAD,
    Limits,
    PngPlan,
    __version__,
    bake_png,
    bake_svg,
    check_svg_art,
    extract_png,
    extract_svg,
    inspect,
    scan_png,
    strip_png,
)
from scimsrv_badges._results import Chunk, Extracted, Found, Inspection

__all__ = [
    "FOREIGN",
    "KINDS",
    "UPLOAD",
    "BakeError",
    "Chunk",
    "Extracted",
    "Found",
    "Inspection",
    "Limits",
    "PngPlan",
    "__version__",
    "bake_png",
    "bake_svg",
    "check_svg_art",
    "extract_png",
    "extract_svg",
    "inspect",
    "scan_png",
    "strip_png",
]
