"""What reading a picture gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extracted:
    """A credential as found.

    `form` is "openbadges-3", "openbadges-2", "openbadges-1" (a URL in a tEXt chunk), "clr" or "legacy-badger-mu"; `content` is "json",
    "jws", "url" or "other"; `offset` is where its chunk or element begins; `warnings` are the kinds of error that strict reading raises.
    """

    payload: bytes
    form: str
    content: str
    offset: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a PNG: its type, the offset of its length field, and the length of its content."""

    type: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk or element that carries a credential: form as in Extracted, and the bytes image[start:end] that it takes."""

    form: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """A picture as it is: `kind` "png" or "svg"; dimensions and chunks of a PNG, elements of an SVG; what carries credentials.

    `trailing` counts the bytes after IEND.
    """

    kind: str
    width: int | None
    height: int | None
    chunks: tuple[Chunk, ...]
    trailing: int
    elements: int
    found: tuple[Found, ...]
