"""Reading the body of a bulk request piece by piece: operations are counted as they arrive, and none is parsed before all are there."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scimsrv.errors import Kind, ScimError, invalid_syntax
from scimsrv.limits import Limits
from scimsrv.protocol.body import read_object

#: What the shape of JSON text depends on: strings without escapes in one piece, the beginning of others, and punctuation.
_TOKEN: Final = re.compile(rb'"[^"\\]*"|["{}\[\],:]')
_IN_STRING: Final = re.compile(rb'["\\]')


def _nested(depth: int) -> bytes:
    """A pattern for what may stand between brackets, nested so deeply: it passes over whole objects at once."""
    between = rb'[^"{}\[\]]*+'
    flat = between + _repeated(rb'"[^"\\]*+"' + between)
    return flat + _repeated(rb"[{\[]" + _nested(depth - 1) + rb"[}\]]" + flat) if depth else flat


def _repeated(pattern: bytes) -> bytes:
    """A pattern for any number of these, of which none is taken back."""
    # Python before 3.11.5 takes back part of a possessively repeated group (CPython gh-106052), and none of an atomic one, which is slower.
    return rb"(?:" + pattern + rb")*+" if sys.version_info >= (3, 11, 5) else rb"(?>(?:" + pattern + rb")*)"


#: What is of no interest inside an operation: everything up to a bracket, or to a string, that the pattern cannot pass over.
_INSIDE: Final = re.compile(_nested(4))

_OPERATIONS: Final = "operations"
#: Bytes of the longest spelling of that name: quotation marks, and an escape for each letter.
_LONGEST: Final = 2 + 6 * len(_OPERATIONS)
#: The depth of the elements of `Operations`: that of the body's object is 1.
_OF_OPERATIONS: Final = 2
_QUOTE, _COLON, _COMMA = b'":,'
_OPEN, _CLOSE = frozenset(b"{["), frozenset(b"}]")
_ARRAY: Final = ord("[")


@dataclass(frozen=True, slots=True)
class Message:
    """A bulk request's body: its members but for the contents of `Operations`, and each operation as the JSON text that was sent."""

    envelope: dict[str, Any]
    operations: tuple[bytes, ...]


class OperationsReader:
    """Follows the nesting of a JSON text as its bytes arrive, far enough to find the elements of the member `Operations` (RFC 7644
    §3.7). Whether the text is JSON is decided at the end, element by element."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._text = bytearray()
        self._at = 0
        self._depth = 0
        self._string: int | None = None
        self._name = b""
        self._is_value = False
        self._array: tuple[int, int] | None = None
        self._elements: list[tuple[int, int]] = []
        self._element: int | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises ScimError 413 as soon as there is one operation more than the limit."""
        self._text += chunk
        while True:
            if self._string is not None:
                if not self._skip_string():
                    return
                continue
            if self._depth > _OF_OPERATIONS:
                self._at = _INSIDE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            token = _TOKEN.search(self._text, self._at)
            if token is None:
                self._at = max(self._at, len(self._text))
                return
            start, self._at = token.span()
            if self._at - start > 1:
                self._named(start)
            elif self._text[start] == _QUOTE:
                self._string = start
            else:
                self._punctuation(self._text[start], start)

    def _skip_string(self) -> bool:
        """Go on to the end of the string that has begun; False when that is still to come."""
        while (found := _IN_STRING.search(self._text, self._at)) is not None:
            if found[0] == b'"':
                self._at, start, self._string = found.end(), self._string, None
                self._named(start or 0)
                return True
            self._at = found.end() + 1
        self._at = max(self._at, len(self._text))
        return False

    def _named(self, start: int) -> None:
        if self._depth == 1 and not self._is_value:
            # A longer one is another name, and would be read again for each bracket that follows.
            self._name = bytes(self._text[start : self._at]) if self._at - start <= _LONGEST else b""

    def _punctuation(self, mark: int, start: int) -> None:
        if mark in _OPEN:
            self._depth += 1
            if self._depth == _OF_OPERATIONS and mark == _ARRAY and self._is_value and self._array is None and self._is_operations():
                self._element = self._at
        elif mark in _CLOSE:
            self._depth -= 1
            if self._depth == 1 and self._element is not None:
                self._elements.append((self._element, start))
                self._array = (self._elements[0][0], start)
                self._element = None
        elif self._depth == 1:
            self._is_value = mark == _COLON
        elif self._depth == _OF_OPERATIONS and mark == _COMMA and self._element is not None:
            self._elements.append((self._element, start))
            self._element = self._at
            if len(self._elements) >= self._limits.bulk_operations:
                raise ScimError(
                    Kind.PAYLOAD_TOO_LARGE,
                    f"The request has more operations than maxOperations ({self._limits.bulk_operations})",
                    headers={"Connection": "close"},
                )

    def _is_operations(self) -> bool:
        try:
            return str(orjson.loads(self._name)).lower() == _OPERATIONS
        except orjson.JSONDecodeError:
            return False

    def finish(self) -> Message:
        """The message, when all bytes have been taken. Raises ScimError invalidSyntax when it is no JSON object."""
        text = bytes(self._text)
        if self._array is None:
            return Message(read_object(text, self._limits), ())
        envelope = read_object(text[: self._array[0]] + text[self._array[1] :], self._limits)
        parts = tuple(text[start:end].strip() for start, end in self._elements)
        if parts == (b"",):
            parts = ()
        if b"" in parts:
            raise invalid_syntax("The body is not JSON: an element of Operations is missing")
        return Message(envelope, parts)
