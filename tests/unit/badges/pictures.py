"""Pictures made of their parts: PNGs chunk by chunk, SVGs as text, for the tests of baking."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
JSON: Final = b'{"@context":["https://www.w3.org/ns/credentials/v2"],"id":"urn:uuid:4a3c"}'
JWS: Final = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V4YW1wbGUub3JnIn0.c2lnbmF0dXJl"
KEYWORD: Final = b"openbadgecredential"

#: Colour type and bit depth of every kind of PNG (ISO/IEC 15948 table 11.1).
KINDS: Final = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16), (6, 8), (6, 16)]
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """Return a chunk with length and checksum."""
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


def header(width: int = 3, height: int = 2, depth: int = 8, colour: int = 6, interlace: int = 0) -> bytes:
    """Return an IHDR chunk."""
    return chunk(b"IHDR", struct.pack(">II5B", width, height, depth, colour, 0, 0, interlace))


def pixels(width: int = 3, height: int = 2, depth: int = 8, colour: int = 6) -> bytes:
    """Return an IDAT chunk that decodes, black."""
    row = b"\0" * (1 + (width * depth * _CHANNELS[colour] + 7) // 8)
    return chunk(b"IDAT", zlib.compress(row * height))


def assemble(*chunks: bytes) -> bytes:
    """Return a PNG of the given chunks."""
    return SIGNATURE + b"".join(chunks)


def png(*between: bytes, colour: int = 6, depth: int = 8, after: Iterable[bytes] = ()) -> bytes:
    """Return a small PNG with chunks between IHDR and the picture, and others after it; an indexed one gets a palette."""
    palette = [chunk(b"PLTE", bytes(6))] if colour == 3 else []
    return assemble(header(depth=depth, colour=colour), *between, *palette, pixels(depth=depth, colour=colour), *after, chunk(b"IEND"))


def text(
    payload: bytes, *, keyword: bytes = KEYWORD, flag: int = 0, method: int = 0, language: bytes = b"", translated: bytes = b""
) -> bytes:
    """Return an iTXt chunk."""
    return chunk(b"iTXt", keyword + b"\0" + bytes([flag, method]) + language + b"\0" + translated + b"\0" + payload)


def rich_pngs() -> dict[str, bytes]:
    """Return PNGs of every colour type and with everything a PNG may carry, by name."""
    found = {f"colour {colour} depth {depth}": png(colour=colour, depth=depth) for colour, depth in KINDS}
    found["transparent palette"] = assemble(
        header(colour=3),
        chunk(b"gAMA", b"\0\0\xb1\x8f"),
        chunk(b"PLTE", bytes(9)),
        chunk(b"tRNS", b"\0\x7f\xff"),
        pixels(colour=3),
        chunk(b"IEND"),
    )
    found["profile"] = png(chunk(b"iCCP", b"name\0\0" + zlib.compress(b"profile")), chunk(b"pHYs", bytes(9)))
    found["animated"] = png(
        chunk(b"acTL", struct.pack(">II", 2, 0)),
        chunk(b"fcTL", bytes(26)),
        after=[chunk(b"fcTL", bytes(26)), chunk(b"fdAT", bytes(4) + zlib.compress(bytes(26)))],
    )
    found["texts"] = png(
        chunk(b"tEXt", b"Software\0maker"),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"hello")),
        text(b"hi", keyword=b"Title"),
        after=[chunk(b"eXIf", b"MM\0*"), chunk(b"tIME", bytes(7))],
    )
    found["picture in parts"] = assemble(header(), chunk(b"IDAT", b"one"), chunk(b"IDAT"), chunk(b"IDAT", b"two"), chunk(b"IEND"))
    found["suggested palette"] = assemble(header(), chunk(b"PLTE", bytes(768)), pixels(), chunk(b"IEND"))
    found["interlaced"] = assemble(header(interlace=1), pixels(), chunk(b"IEND"))
    found["bytes after the end"] = png() + b"left over"
    return found


def svg(inside: bytes = b'<rect width="9" height="9"/>', attributes: bytes = b"", prolog: bytes = b"") -> bytes:
    """Return an SVG with given content, attributes of the root, and what comes before it."""
    return prolog + b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"' + attributes + b">" + inside + b"</svg>"


PUBLIC: Final = b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'


def rich_svgs() -> dict[str, bytes]:
    """Return SVGs with everything that real exports have, by name."""
    declaration = b'<?xml version="1.0" encoding="utf-8" standalone="no"?>'
    return {
        "plain": svg(),
        "declaration, comments, document type": svg(
            prolog=declaration + b"\n<!-- made by a program -->\n<!-- another -->\n" + PUBLIC + b"\n"
        ),
        "all on one line": svg(prolog=b'<?xml version="1.0" ?>' + PUBLIC.replace(b'"', b"'").replace(b"svg P", b"svg  P")),
        "system document type": svg(prolog=b"<!DOCTYPE svg SYSTEM 'svg11.dtd' >"),
        "bare document type": svg(prolog=b"<!DOCTYPE svg>"),
        "byte order mark": b"\xef\xbb\xbf" + svg(prolog=declaration),
        "windows lines": svg(b'\r\n<g\r\n\tid="a"\r\n>\r\n</g>\r\n'),
        "closed root": b'<svg xmlns="http://www.w3.org/2000/svg" />',
        "closed root, no space": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "prefixed root": b'<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:g/></s:svg >',
        "prefixed and closed root": b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>',
        "no namespace": b"<svg><g/></svg>",
        "greater-than in an attribute": svg(b"<g/>", b" data-a='a > b' data-b=\"/>\""),
        "entities": svg(b"<text>&lt;&amp;&gt;&quot;&apos;&#65;&#x1F600;</text>"),
        "cdata": svg(b"<style><![CDATA[ .a > .b { fill: red } ]]></style>"),
        "beyond ascii": svg("<text id='ü'>żółć 名 😀</text>".encode()),
        "closing svg in a comment": svg(b"<!-- </svg> --><g/>"),
        "after the root": svg() + b"\n<!-- done -->\n",
        "prefix taken": svg(b"<g/>", b' xmlns:openbadges="http://openbadges.org"'),
        "prefixes taken": svg(b"<g/>", b' xmlns:openbadges="http://openbadges.org" xmlns:openbadges3="urn:x"'),
        "prefix taken, declared under another": svg(
            b"<g/>", b' xmlns:openbadges="http://openbadges.org" xmlns:ob="https://purl.imsglobal.org/ob/v3p0"'
        ),
        "declared": svg(b"<g/>", b' xmlns:openbadges="https://purl.imsglobal.org/ob/v3p0"'),
        "declared under another prefix": svg(b"<g/>", b' xmlns:ob="https://purl.imsglobal.org/ob/v3p0"'),
        "declared as default within": svg(b'<g xmlns="urn:other"><h/></g>'),
        "editor": svg(b"<metadata/>", b' xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" inkscape:label="x"'),
    }
