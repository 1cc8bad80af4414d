"""What may stand before the root of an XML document: byte order mark, declaration, document type."""

from __future__ import annotations

import re
from typing import Final

from scimsrv.badges.baking.errors import refusal

BOM: Final = b"\xef\xbb\xbf"
WHITE: Final = b" \t\r\n"

_DECLARATION: Final = re.compile(
    rb"<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:\"1\.0\"|'1\.0')"
    rb"(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:\"([A-Za-z][A-Za-z0-9._-]*)\"|'([A-Za-z][A-Za-z0-9._-]*)'))?"
    rb"(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:\"(?:yes|no)\"|'(?:yes|no)'))?[ \t\r\n]*\?>"
)
_DOCTYPE: Final = re.compile(
    rb"<!DOCTYPE[ \t\r\n]+[A-Za-z_:\x80-\xff][-A-Za-z0-9._:\x80-\xff]*"
    rb"(?:[ \t\r\n]+(?:PUBLIC[ \t\r\n]+(?:\"[-A-Za-z0-9 \r\n'()+,./:=?;!*#@$_%]*\"|'[-A-Za-z0-9 \r\n()+,./:=?;!*#@$_%]*')[ \t\r\n]+"
    rb"|SYSTEM[ \t\r\n]+)(?:\"[^\"]*\"|'[^']*'))?[ \t\r\n]*>"
)


def declaration(data: bytes) -> int:
    """Return where the document begins after byte order mark and XML declaration; raises BakeError svg.syntax or svg.encoding."""
    at = len(BOM) if data.startswith(BOM) else 0
    if not data.startswith((b"<?xml ", b"<?xml\t", b"<?xml\r", b"<?xml\n"), at):
        return at
    match = _DECLARATION.match(data, at)
    if match is None:
        raise refusal("svg.syntax", at)
    encoding = match[1] or match[2]
    if encoding is not None and encoding.lower() != b"utf-8":
        raise refusal("svg.encoding", at)
    return match.end()


def doctype(data: bytes, at: int) -> int:
    """Return where the document type at an offset ends; raises BakeError svg.doctype for anything else, and for an internal subset."""
    match = _DOCTYPE.match(data, at)
    if match is None:
        raise refusal("svg.doctype", at)
    return match.end()
