"""Text that others wrote as a person may see it: what would move, hide or forge other text is shown as what it is."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

#: Characters that show nothing and that names are written with: joiners of letters, and of the parts of an emoji.
_JOINERS: Final = "\u200c\u200d"

#: Controls of the terminal, formats such as the marks that turn the direction of text (U+202E), separators of lines, halves of pairs.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: Letters, marks and symbols that show nothing: fillers of Hangul, vowels and selectors that nobody writes, the blank of Braille.
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")


def visible(text: str, keep: str = "") -> str:
    r"""The text in which each such character is its escape (`\u202e`), but for those to be kept; the same where it has none."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one in keep or not _hidden(one) else _escaped(one) for one in text)


@lru_cache(maxsize=1_000)
def _hidden(character: str) -> bool:
    return character in _BLANK or (unicodedata.category(character) in _HIDDEN and character not in _JOINERS)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
