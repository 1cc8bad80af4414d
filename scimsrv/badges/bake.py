"""Credentials in pictures: the Rust package `scimsrv_badges` where it is installed, the same functions in Python where it is not.

Both answer alike, byte for byte and error for error. Where types are checked the Python ones stand for either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from scimsrv.badges import baking as _baking
else:
    try:
        import scimsrv_badges as _baking
    except ImportError:
        from scimsrv.badges import baking as _baking

IMPLEMENTATION: Final[Literal["rust", "python"]] = "rust" if _baking.__name__ == "scimsrv_badges" else "python"
"""Which of the two is in use."""

FOREIGN = _baking.FOREIGN
UPLOAD = _baking.UPLOAD
BakeError = _baking.BakeError
Chunk = _baking.Chunk
Extracted = _baking.Extracted
Found = _baking.Found
Inspection = _baking.Inspection
Limits = _baking.Limits
PngPlan = _baking.PngPlan
bake_png = _baking.bake_png
bake_svg = _baking.bake_svg
check_svg_art = _baking.check_svg_art
extract_png = _baking.extract_png
extract_svg = _baking.extract_svg
inspect = _baking.inspect
scan_png = _baking.scan_png
strip_png = _baking.strip_png
