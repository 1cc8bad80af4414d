"""The one exception of the package."""

from __future__ import annotations


class BakeError(Exception):
    """A refusal: `kind` is a key of KINDS, `offset` the byte where the trouble begins (None: the whole), `message` a sentence."""

    def __init__(self, kind: str, offset: int | None, message: str) -> None:
        super().__init__(kind, offset, message)
        self.kind = kind
        self.offset = offset
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.kind})" if self.offset is None else f"{self.message} ({self.kind} at byte {self.offset})"
