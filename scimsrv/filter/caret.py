"""Refusals that point at the place in a filter or path which caused them."""

from __future__ import annotations

from typing import Final

from scimsrv.errors import Kind, ScimError

#: Characters of the client's text that are shown, and how many of them stand before the place where there are enough after it.
_WIDTH: Final = 60
_BEFORE: Final = 36


def refusal(kind: Kind, sentence: str, text: str, offset: int) -> ScimError:
    """The error whose detail is the sentence, an excerpt of at most 60 characters of `text`, and a caret under `offset`."""
    start = max(0, min(offset - _BEFORE, len(text) - _WIDTH))
    end = min(len(text), start + _WIDTH)
    before = ("…" if start else "") + shown(text[start:offset])
    after = shown(text[offset:end]) + ("…" if end < len(text) else "")
    return ScimError(kind, f"{sentence}\n{before}{after}\n{' ' * len(before)}^")


def shown(text: str) -> str:
    """The text with every character that does not print replaced by one that does, so that the caret stays under its place."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
