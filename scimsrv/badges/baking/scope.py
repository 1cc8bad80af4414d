"""Namespaces in scope (Namespaces in XML 1.0): a name as written → URI and local name."""

from __future__ import annotations

from typing import Final

from scimsrv.badges.baking.errors import refusal
from scimsrv.badges.baking.markup import Attribute, value_of

XML: Final = b"http://www.w3.org/XML/1998/namespace"
XMLNS: Final = b"http://www.w3.org/2000/xmlns/"

Raw = tuple[bytes, int, int, int]
"""An attribute before its name is resolved: name, where it begins, range of its value."""


class Scope:
    """The declarations of the open elements: for each prefix a stack of URIs, so that an element costs what it declares."""

    def __init__(self) -> None:
        self._bound: dict[bytes, list[bytes]] = {b"": [b""], b"xml": [XML]}
        self._declared: list[tuple[bytes, ...]] = []

    def enter(self, data: bytes, name: bytes, at: int, raw: list[Raw]) -> tuple[bytes, bytes, tuple[Attribute, ...]]:
        """Open an element: bind what it declares, then resolve its name and those of its attributes.

        Raises BakeError svg.name, svg.prefix and svg.attribute.
        """
        declared: list[bytes] = []
        for written, start, value_start, value_end in raw:
            prefix, local = _split(written, start)
            if prefix == b"xmlns" or written == b"xmlns":
                self._declare(data, local if prefix else b"", start, value_start, value_end)
                declared.append(local if prefix else b"")
        self._declared.append(tuple(declared))
        prefix, local = _split(name, at)
        uri = self._resolve(prefix, at)
        attributes: list[Attribute] = []
        seen: set[tuple[bytes, bytes]] = set()
        for written, start, value_start, value_end in raw:
            own_prefix, own_local = _split(written, start)
            own_uri = b""
            if own_prefix == b"xmlns" or written == b"xmlns":
                own_uri = XMLNS
            elif own_prefix:
                own_uri = self._resolve(own_prefix, start)
            if (own_uri, own_local) in seen:
                raise refusal("svg.attribute", start)
            seen.add((own_uri, own_local))
            attributes.append(Attribute(written, own_uri, own_local, start, value_end + 1, value_start, value_end))
        return uri, local, tuple(attributes)

    def leave(self) -> None:
        """Close the element that was opened last."""
        for prefix in self._declared.pop():
            self._bound[prefix].pop()

    def _declare(self, data: bytes, prefix: bytes, start: int, value_start: int, value_end: int) -> None:
        uri = value_of(data, value_start, value_end, attribute=True)
        if prefix == b"xmlns" or uri == XMLNS or (prefix == b"xml") is not (uri == XML) or (prefix and not uri):
            raise refusal("svg.prefix", start)
        self._bound.setdefault(prefix, []).append(uri)

    def _resolve(self, prefix: bytes, at: int) -> bytes:
        stack = self._bound.get(prefix)
        if not stack:
            raise refusal("svg.prefix", at)
        return stack[-1]


def _split(name: bytes, at: int) -> tuple[bytes, bytes]:
    """Split a name as written into prefix (empty for none) and local name."""
    prefix, colon, local = name.partition(b":")
    if not colon:
        return b"", name
    if not prefix or not local or b":" in local or local[0] in b"-.0123456789":
        raise refusal("svg.name", at)
    return prefix, local
