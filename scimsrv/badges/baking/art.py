"""What an uploaded SVG may consist of: an allow-list of elements and attributes, and rules for links and styles."""

from __future__ import annotations

import re
from typing import Final

from scimsrv.badges.baking.allowed import ANIMATED, ATTRIBUTES, CUT, ELEMENTS, XLINK_ATTRIBUTES, XML_ATTRIBUTES
from scimsrv.badges.baking.errors import refusal
from scimsrv.badges.baking.limits import UPLOAD, Limits
from scimsrv.badges.baking.markup import Attribute, Doctype, End, Start, Text, value_of
from scimsrv.badges.baking.scope import XML, XMLNS
from scimsrv.badges.baking.svg import SVG
from scimsrv.badges.baking.xml import read

XLINK: Final = b"http://www.w3.org/1999/xlink"
_PICTURE: Final = re.compile(rb"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/= ]*", re.IGNORECASE)
_URL: Final = re.compile(rb"url\([ \t\r\n\f]*[\"']?[ \t\r\n\f]*(.?)", re.IGNORECASE | re.DOTALL)
_LOADING: Final = re.compile(
    rb"[@\\]|image\(|image-set\(|src\(|cross-fade\(|element\(|expression\(|behavior|-moz-binding|javascript:", re.IGNORECASE
)
#: What loads by another name than url(), where a value is a style; and attributes that are words for readers.
_FUNCTIONS: Final = re.compile(rb"image\(|image-set\(|src\(|cross-fade\(|element\(", re.IGNORECASE)
_WORDS: Final = (b"aria-", b"data-")
_DETAIL_MOST: Final = 64


def check_svg_art(image: bytes, *, limits: Limits = UPLOAD) -> bytes:
    """Return uploaded art without document type and without what drawing programs keep for themselves; raises BakeError.

    What is not on the list is refused: scripts, handlers, foreign objects, links to elsewhere, styles that load.
    """
    cut: list[tuple[int, int]] = []
    skipping: int | None = None
    depth = 0
    styles = [False]
    style: list[bytes] = []
    style_start = 0
    root = False
    for event in read(image, limits):
        match event:
            case Start():
                depth += 1
                if skipping is None:
                    if not root and (event.local != b"svg" or event.uri != SVG):
                        raise refusal("svg.root", event.start)
                    root = True
                    if event.uri in CUT:
                        skipping = depth
                        cut.append((event.start, event.end))
                    else:
                        _element(event)
                        cut += _attributes(image, event)
                styles.append(skipping is None and event.local == b"style")
                if styles[-1]:
                    style, style_start = [], event.start
            case Text():
                if styles[-1]:
                    style.append(_plain(image, event))
            case End():
                if styles.pop() and not _harmless(b"".join(style)):
                    raise refusal("art.style", style_start)
                if skipping == depth:
                    cut[-1] = (cut[-1][0], event.end)
                    skipping = None
                depth -= 1
            case Doctype():
                cut.append((event.start, event.end))
    parts, at = [], 0
    for start, end in cut:
        parts.append(image[at:start])
        at = end
    parts.append(image[at:])
    return b"".join(parts)


def _element(tag: Start) -> None:
    if tag.uri != SVG or tag.local not in ELEMENTS:
        raise refusal("art.element", tag.start, _shown(tag.name))


def _attributes(image: bytes, tag: Start) -> list[tuple[int, int]]:
    """Check a tag's attributes; return the ranges of those that are cut out."""
    cut: list[tuple[int, int]] = []
    for attribute in tag.attributes:
        value = value_of(image, attribute.value_start, attribute.value_end, attribute=True)
        if attribute.uri in CUT:
            cut.append((attribute.start, attribute.end))
        elif attribute.uri == XMLNS:
            continue
        elif not _permitted(attribute):
            raise refusal("art.attribute", attribute.start, _shown(attribute.name))
        elif attribute.local == b"href":
            if not _leads_nowhere(tag.local, value.strip()):
                raise refusal("art.link", attribute.start, _shown(attribute.name))
        elif attribute.local == b"attributeName":
            if value.strip() not in ANIMATED:
                raise refusal("art.attribute", attribute.start, _shown(attribute.name))
        elif attribute.local == b"style":
            if not _harmless(value):
                raise refusal("art.style", attribute.start, _shown(attribute.name))
        elif not _links_within(value) or (not attribute.local.startswith(_WORDS) and _FUNCTIONS.search(value)):
            raise refusal("art.link", attribute.start, _shown(attribute.name))
    return cut


def _permitted(attribute: Attribute) -> bool:
    if attribute.uri == b"":
        return attribute.local in ATTRIBUTES or attribute.local.startswith((b"aria-", b"data-"))
    if attribute.uri == XLINK:
        return attribute.local in XLINK_ATTRIBUTES
    return attribute.uri == XML and attribute.local in XML_ATTRIBUTES


def _leads_nowhere(element: bytes, link: bytes) -> bool:
    return link.startswith(b"#") or (element == b"image" and _PICTURE.fullmatch(link) is not None)


def _links_within(value: bytes) -> bool:
    """Tell whether every url(...) in a value names a fragment; a backslash could hide one."""
    return all(match[1] == b"#" for match in _URL.finditer(value)) and not (b"\\" in value and b"(" in value)


def _harmless(style: bytes) -> bool:
    return _LOADING.search(style) is None and _links_within(style)


def _plain(image: bytes, text: Text) -> bytes:
    return image[text.start : text.end] if text.verbatim else value_of(image, text.start, text.end, attribute=False)


def _shown(name: bytes) -> str:
    return name.decode()[:_DETAIL_MOST]
