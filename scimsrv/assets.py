"""The one place that knows where the files that are not Python live: grammar/ and sql/."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_packaged = files("scimsrv") / "_assets"

ROOT: Traversable = _packaged if _packaged.is_dir() else Path(__file__).resolve().parents[1]
"""Folder holding grammar/ and sql/: inside the package in a wheel, the top of the repository in a checkout."""


def text(path: str) -> str:
    """Return the text of an asset; path is relative to ROOT with "/" between its parts, such as "grammar/scim.lark"."""
    return ROOT.joinpath(*path.split("/")).read_text(encoding="utf-8")


def names(folder: str, suffix: str) -> list[str]:
    """Return the sorted names of the files in an asset folder that end with suffix."""
    return sorted(entry.name for entry in ROOT.joinpath(*folder.split("/")).iterdir() if entry.name.endswith(suffix))
