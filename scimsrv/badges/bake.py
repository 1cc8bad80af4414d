"""Credentials in pictures: the Rust package `scimsrv_badges` where it is installed, the same functions in Python where it is not.

Both answer alike, byte for byte and error for error. A package of another version than the server's is left alone. Where types are
checked the Python functions stand for either.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

from scimsrv import __version__
from scimsrv.badges import baking as _baking


def _package() -> ModuleType | None:
    try:
        return import_module("scimsrv_badges")
    except ImportError:
        return None


_found: Final = _package()

PACKAGE: Final[str | None] = None if _found is None else _found.__version__
"""Version of the Rust package, None where it is not installed."""

IMPLEMENTATION: Final[Literal["rust", "python"]] = "rust" if __version__ == PACKAGE else "python"
"""Which of the two is in use."""

if not TYPE_CHECKING and __version__ == PACKAGE:
    _baking = _found

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
