"""Credentials in PNG and SVG pictures, in Python alone: what `scimsrv_badges` does in Rust, answer for answer.

Bytes in, bytes out; nothing is decoded, drawn, fetched or stored. Use it through `scimsrv.badges.bake`.
"""

from __future__ import annotations

from scimsrv.badges.baking.art import check_svg_art
from scimsrv.badges.baking.errors import KINDS, BakeError
from scimsrv.badges.baking.inspection import inspect
from scimsrv.badges.baking.limits import FOREIGN, UPLOAD, Limits
from scimsrv.badges.baking.plan import PngPlan
from scimsrv.badges.baking.png import bake_png, scan_png, strip_png
from scimsrv.badges.baking.png_text import extract_png
from scimsrv.badges.baking.result import Chunk, Extracted, Found, Inspection
from scimsrv.badges.baking.svg import bake_svg, extract_svg

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
    "bake_png",
    "bake_svg",
    "check_svg_art",
    "extract_png",
    "extract_svg",
    "inspect",
    "scan_png",
    "strip_png",
]
