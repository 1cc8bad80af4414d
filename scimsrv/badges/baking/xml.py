"""Reads XML as byte ranges: strict, namespace-aware (XML 1.0, Namespaces in XML 1.0), bounded, without DTD and without entities.

Nothing is built or re-serialised: whoever changes a document does so at the offsets given here. Every rule that is checked has one
kind of error and one offset, so that the Rust crate can be held to the same answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from scimsrv.badges.baking.errors import refusal
from scimsrv.badges.baking.limits import Limits
from scimsrv.badges.baking.markup import REFERENCE, Doctype, End, Event, Start, Text, is_character
from scimsrv.badges.baking.prolog import declaration, doctype
from scimsrv.badges.baking.scope import Scope

_NAME: Final = re.compile(rb"[A-Za-z_:\x80-\xff][-A-Za-z0-9._:\x80-\xff]*")
_BLANK: Final = re.compile(rb"[ \t\r\n]*")
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")


def read(data: bytes, limits: Limits) -> Iterator[Event]:
    """Yield what a document consists of, comments left out; raises BakeError svg.* and limit.*."""
    _check_bytes(data, limits)
    return _Reader(data, limits).events()


def _check_bytes(data: bytes, limits: Limits) -> None:
    if len(data) > limits.svg_bytes:
        raise refusal("limit.file", None)
    try:
        data.decode()
    except UnicodeDecodeError as wrong:
        raise refusal("svg.encoding", wrong.start) from None
    forbidden = _FORBIDDEN.search(data)
    if forbidden:
        raise refusal("svg.character", forbidden.start())


class _Reader:
    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data
        self._limits = limits
        self._open: list[tuple[bytes, int]] = []
        self._scope = Scope()
        self._elements = 0
        self._typed = False

    def events(self) -> Iterator[Event]:
        data, at = self._data, declaration(self._data)
        while at < len(data):
            if data[at] != 0x3C:
                end = data.find(b"<", at)
                end = len(data) if end < 0 else end
                if self._open:
                    self._check_text(at, end)
                    yield Text(at, end, verbatim=False)
                elif (first := _blank(data, at)) < end:
                    raise refusal("svg.text", first)
                at = end
            elif data.startswith(b"<!--", at):
                at = self._comment(at)
            elif data.startswith(b"<![CDATA[", at):
                if not self._open:
                    raise refusal("svg.text", at)
                end = data.find(b"]]>", at + 9)
                if end < 0:
                    raise refusal("svg.syntax", at)
                yield Text(at + 9, end, verbatim=True)
                at = end + 3
            elif data.startswith(b"<!", at):
                end = doctype(data, at)
                if self._typed or self._elements:
                    raise refusal("svg.doctype", at)
                self._typed = True
                yield Doctype(at, end)
                at = end
            elif data.startswith(b"<?", at):
                raise refusal("svg.instruction", at)
            elif data.startswith(b"</", at):
                end = self._end(at)
                yield End(at, end)
                at = end
            else:
                tag = self._start(at)
                yield tag
                if tag.closed:
                    self._scope.leave()
                    yield End(tag.end, tag.end)
                else:
                    self._open.append((tag.name, at))
                at = tag.end
        if not self._elements:
            raise refusal("svg.root", len(data))
        if self._open:
            raise refusal("svg.nesting", self._open[-1][1])

    def _comment(self, at: int) -> int:
        end = self._data.find(b"-->", at + 4)
        if end < 0 or self._data.find(b"--", at + 4) != end:
            raise refusal("svg.syntax", at)
        return end + 3

    def _check_text(self, start: int, end: int) -> None:
        closing = self._data.find(b"]]>", start, end)
        if closing >= 0:
            raise refusal("svg.text", closing)
        self._check_references(start, end)

    def _check_references(self, start: int, end: int) -> None:
        data = self._data
        at = data.find(b"&", start, end)
        while at >= 0:
            match = REFERENCE.match(data, at, end)
            if match is None or not is_character(match):
                raise refusal("svg.entity", at)
            at = data.find(b"&", match.end(), end)

    def _end(self, at: int) -> int:
        name = _NAME.match(self._data, at + 2)
        if name is None:
            raise refusal("svg.syntax", at)
        close = _blank(self._data, name.end())
        if not self._data.startswith(b">", close):
            raise refusal("svg.syntax", at)
        if not self._open or self._open[-1][0] != name[0]:
            raise refusal("svg.nesting", at)
        self._open.pop()
        self._scope.leave()
        return close + 1

    def _start(self, at: int) -> Start:
        data, limits = self._data, self._limits
        if self._elements and not self._open:
            raise refusal("svg.nesting", at)
        name = _NAME.match(data, at + 1)
        if name is None:
            raise refusal("svg.syntax", at)
        self._elements += 1
        if self._elements > limits.elements:
            raise refusal("limit.elements", at)
        depth = len(self._open) + 1
        if depth > limits.depth:
            raise refusal("limit.depth", at)
        raw: list[tuple[bytes, int, int, int]] = []
        position = name.end()
        while True:
            after = _blank(data, position)
            if data.startswith((b">", b"/>"), after):
                break
            if after == position or after == len(data):
                raise refusal("svg.syntax", at)
            raw.append(self._attribute(after, len(raw) + 1))
            position = raw[-1][3] + 1
        closed = data[after] == 0x2F
        uri, local, attributes = self._scope.enter(data, name[0], at, raw)
        return Start(at, after + 2 if closed else after + 1, name[0], uri, local, attributes, closed, depth)

    def _attribute(self, at: int, count: int) -> tuple[bytes, int, int, int]:
        """Read an attribute; return its name, where it begins, and the range of its value."""
        data, limits = self._data, self._limits
        name = _NAME.match(data, at)
        if name is None:
            raise refusal("svg.syntax", at)
        if count > limits.attributes:
            raise refusal("limit.attributes", at)
        equals = _blank(data, name.end())
        quote = _blank(data, equals + 1)
        if not data.startswith(b"=", equals) or not data.startswith((b'"', b"'"), quote):
            raise refusal("svg.syntax", at)
        end = data.find(data[quote : quote + 1], quote + 1)
        if end < 0 or data.find(b"<", quote + 1, end) >= 0:
            raise refusal("svg.syntax", at)
        if end - quote - 1 > limits.attribute_bytes:
            raise refusal("limit.attribute", at)
        self._check_references(quote + 1, end)
        return name[0], at, quote + 1, end


def _blank(data: bytes, at: int) -> int:
    """Return the offset of the first byte from `at` that is no white space."""
    match = _BLANK.match(data, at)
    return at if match is None else match.end()
