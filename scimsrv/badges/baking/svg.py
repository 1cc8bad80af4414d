"""Credentials into and out of SVG files: an element directly after the root's start tag, spliced in by offset (Open Badges 3.0 §5.3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Final

from scimsrv.badges.baking.errors import refusal
from scimsrv.badges.baking.limits import FOREIGN, Limits
from scimsrv.badges.baking.markup import Attribute, Doctype, End, Start, Text, value_of
from scimsrv.badges.baking.payload import WHITE, check_payload, content_of, json_for_cdata, json_in_base64
from scimsrv.badges.baking.png_text import CURRENT
from scimsrv.badges.baking.result import Extracted
from scimsrv.badges.baking.scope import XMLNS
from scimsrv.badges.baking.xml import read

SVG: Final = b"http://www.w3.org/2000/svg"
OPEN_BADGES: Final = b"https://purl.imsglobal.org/ob/v3p0"
PREFIX: Final = b"openbadges"

#: Namespace and local name of an element → form.
_FORMS: Final[dict[tuple[bytes, bytes], str]] = {
    (OPEN_BADGES, b"credential"): CURRENT,
    (b"http://openbadges.org", b"assertion"): "openbadges-2",
    (b"https://purl.imsglobal.org/clr/v2p0", b"credential"): "clr",
}


@dataclass(frozen=True, slots=True)
class Carrier:
    """An element image[start:end] that carries a credential: its form, value of `verify` (None: absent) and text."""

    form: str
    start: int
    end: int
    verify: bytes | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Svg:
    """What baking and extraction need to know of a document."""

    root: Start
    elements: int
    doctype: Doctype | None
    carriers: tuple[Carrier, ...]


def scan_svg(image: bytes, limits: Limits) -> Svg:
    """Read a whole SVG document; raises BakeError svg.*, limit.* and credential.format (an element within a credential)."""
    root: Start | None = None
    doctype: Doctype | None = None
    carriers: list[Carrier] = []
    elements, depth = 0, 0
    carrying: tuple[str, Start, bytes | None] | None = None
    body: list[bytes] = []
    length = 0
    for event in read(image, limits):
        match event:
            case Start():
                elements += 1
                depth += 1
                if root is None:
                    root = _root(event)
                if carrying is not None:
                    raise refusal("credential.format", event.start)
                form = _FORMS.get((event.uri, event.local))
                if form is not None:
                    carrying, body, length = (form, event, _verify(image, event, limits)), [], 0
            case Text() if carrying is not None:
                length += event.end - event.start
                if length > limits.text_bytes:
                    raise refusal("limit.payload", carrying[1].start)
                body.append(_text(image, event))
            case End():
                depth -= 1
                if carrying is not None:
                    carriers.append(Carrier(carrying[0], carrying[1].start, event.end, carrying[2], b"".join(body)))
                    carrying = None
            case Doctype():
                doctype = event
            case Text():
                pass
    assert root is not None, "a document without root is refused while it is read"
    return Svg(root, elements, doctype, tuple(carriers))


def bake_svg(image: bytes, payload: bytes, *, overwrite: bool = False, limits: Limits = FOREIGN) -> bytes:
    r"""Return the SVG with a credential in it: a compact JWS as attribute `verify`, JSON in CDATA; every other byte unchanged.

    JSON is written with `>` and everything beyond ASCII as \uXXXX. A picture that holds a credential is refused, or with `overwrite`
    loses all it holds. Raises BakeError.
    """
    svg = scan_svg(image, limits)
    kind = check_payload(payload, limits.text_bytes)
    if kind == "jws" and len(payload) > limits.verify_bytes:
        raise refusal("limit.verify", None)
    existing = [carrier for carrier in svg.carriers if carrier.form == CURRENT]
    if existing and not overwrite:
        raise refusal("credential.duplicate", existing[0].start)
    if svg.elements - len(existing) + 1 > limits.elements:
        raise refusal("limit.elements", None)
    if limits.depth < 2:
        raise refusal("limit.depth", None)
    root = svg.root
    prefix, declared = _prefix(image, root)
    if not declared and len(root.attributes) + 1 > limits.attributes:
        raise refusal("limit.attributes", root.start)
    name = prefix + b":credential"
    if kind == "jws":
        element = b"<" + name + b' verify="' + payload + b'"></' + name + b">"
    else:
        body = json_for_cdata(payload)
        if len(body) > limits.text_bytes:
            raise refusal("limit.payload", None)
        element = b"<" + name + b"><![CDATA[" + body + b"]]></" + name + b">"
    parts = [image[: root.name_end]]
    if not declared:
        parts.append(b" xmlns:" + prefix + b'="' + OPEN_BADGES + b'"')
    if root.closed:
        parts += [image[root.name_end : root.end - 2], b">", element, b"</", root.name, b">"]
    else:
        parts += [image[root.name_end : root.end], element]
    at = root.end
    for carrier in existing:
        parts.append(image[at : carrier.start])
        at = carrier.end
    parts.append(image[at:])
    baked = b"".join(parts)
    if len(baked) > limits.svg_bytes:
        raise refusal("limit.file", None)
    return baked


def extract_svg(image: bytes, *, strict: bool = False, limits: Limits = FOREIGN) -> Extracted | None:
    """Return the credential in an SVG, None where there is none; raises BakeError.

    The first Open Badges 3.0 element wins; without one, the first of an older form. White space around a payload is left out.
    `strict` raises for what is otherwise a warning.
    """
    carriers = scan_svg(image, limits).carriers
    current = [carrier for carrier in carriers if carrier.form == CURRENT]
    if not carriers:
        return None
    carrier = (current or carriers)[0]
    warnings: list[str] = []
    if len(current) > 1:
        if strict:
            raise refusal("credential.duplicate", current[1].start)
        warnings.append("credential.duplicate")
    form, verify, payload = carrier.form, (carrier.verify or b"").strip(WHITE), carrier.body.strip(WHITE)
    if form == CURRENT and payload and carrier.verify is not None:
        warnings.append("credential.ambiguous")
    in_attribute = not payload
    payload = payload or verify
    if not payload:
        raise refusal("credential.empty", carrier.start)
    kind = content_of(payload)
    if form == CURRENT and in_attribute and kind != "jws":
        warnings.append("credential.form")
        legacy = json_in_base64(verify)
        if legacy is not None:
            form, payload, kind = "legacy-badger-mu", legacy, "json"
    elif form == CURRENT and not in_attribute and kind != "json":
        warnings.append("credential.form")
    if strict and warnings:
        raise refusal(warnings[0], carrier.start)
    return Extracted(payload, form, kind, carrier.start, tuple(warnings))


def _root(start: Start) -> Start:
    if start.local != b"svg" or start.uri not in (SVG, b""):
        raise refusal("svg.root", start.start)
    return start


def _verify(image: bytes, start: Start, limits: Limits) -> bytes | None:
    for attribute in start.attributes:
        if attribute.uri == b"" and attribute.local == b"verify":
            if attribute.value_end - attribute.value_start > limits.verify_bytes:
                raise refusal("limit.verify", attribute.start)
            return value_of(image, attribute.value_start, attribute.value_end, attribute=True)
    return None


def _text(image: bytes, text: Text) -> bytes:
    if text.verbatim:
        return image[text.start : text.end].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return value_of(image, text.start, text.end, attribute=False)


def _prefix(image: bytes, root: Start) -> tuple[bytes, bool]:
    """Return the prefix for the credential, and whether the root declares it already.

    The standard's own prefix wherever it is free, since some readers look for nothing else.
    """
    declared: dict[bytes, bool] = {
        attribute.local: _declares(image, attribute)
        for attribute in root.attributes
        if attribute.uri == XMLNS and attribute.name != b"xmlns"
    }
    if declared.get(PREFIX, True):
        return PREFIX, PREFIX in declared
    for prefix, ours in declared.items():
        if ours:
            return prefix, True
    return next(fresh for number in count(3) if (fresh := PREFIX + b"%d" % number) not in declared), False


def _declares(image: bytes, attribute: Attribute) -> bool:
    return value_of(image, attribute.value_start, attribute.value_end, attribute=True) == OPEN_BADGES
