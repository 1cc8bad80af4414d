"""The parts of an XML document as byte ranges, and the meaning of a range."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

REFERENCE: Final = re.compile(rb"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));")
_PREDEFINED: Final = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute at data[start:end], its value as written at data[value_start:value_end]; `name` as written, `uri` empty for none."""

    name: bytes
    uri: bytes
    local: bytes
    start: int
    end: int
    value_start: int
    value_end: int


@dataclass(frozen=True, slots=True)
class Start:
    """A start tag at data[start:end]; `closed` where it ends with "/>"."""

    start: int
    end: int
    name: bytes
    uri: bytes
    local: bytes
    attributes: tuple[Attribute, ...]
    closed: bool
    depth: int

    @property
    def name_end(self) -> int:
        """Where the element's name ends."""
        return self.start + 1 + len(self.name)


@dataclass(frozen=True, slots=True)
class End:
    """The end of the element that began last: its end tag, or nothing after a tag that closed itself."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Text:
    """Text within the root as written; `verbatim` for the inside of a CDATA section, where & is no reference."""

    start: int
    end: int
    verbatim: bool


@dataclass(frozen=True, slots=True)
class Doctype:
    """The document type at data[start:end]."""

    start: int
    end: int


Event = Start | End | Text | Doctype


def value_of(data: bytes, start: int, end: int, *, attribute: bool) -> bytes:
    """Return the meaning of a checked range: line ends and, in attributes, white space normalised, references replaced."""
    raw = data[start:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if attribute:
        raw = raw.replace(b"\n", b" ").replace(b"\t", b" ")
    return REFERENCE.sub(_replacement, raw) if b"&" in raw else raw


def is_character(match: re.Match[bytes]) -> bool:
    """Tell whether a reference stands for a character of XML."""
    name, decimal, hexadecimal = match.groups()
    if name is not None:
        return True
    number = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return number in (9, 10, 13) or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or 0x10000 <= number <= 0x10FFFF


def _replacement(match: re.Match[bytes]) -> bytes:
    name, decimal, hexadecimal = match.groups()
    if name is not None:
        return _PREDEFINED[name]
    return chr(int(decimal) if decimal is not None else int(hexadecimal, 16)).encode()
