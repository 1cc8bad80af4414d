"""Every way a picture, a plan or a payload can be refused, as one exception over one table of kinds."""

from __future__ import annotations

from typing import Final

#: Kind → sentence. docs/badges-baking.md is compared with this table by a test, and so is the table of the Rust crate.
KINDS: Final[dict[str, str]] = {
    "image.unknown": "The bytes begin neither as a PNG nor as an SVG.",
    "png.signature": "The bytes do not begin with the PNG signature.",
    "png.truncated": "The file ends within a chunk.",
    "png.length": "A chunk gives a length above 2^31 - 1.",
    "png.type": "A chunk's type is not four ASCII letters.",
    "png.ihdr": "IHDR must come first, once, with length 13 and with values that the standard knows.",
    "png.dimensions": "Width and height must be positive.",
    "png.critical": "An unknown critical chunk makes the picture unreadable.",
    "png.palette": "PLTE must come once, before IDAT, with 1 to 256 colours, where the colour type asks for it or permits it.",
    "png.idat": "The picture needs IDAT chunks, one directly after the other.",
    "png.iend": "The file must end with an empty IEND chunk.",
    "png.crc": "A chunk's checksum does not fit its content.",
    "png.inflate": "Compressed text cannot be inflated.",
    "svg.encoding": "The file must be UTF-8.",
    "svg.character": "The file holds a character that XML does not permit.",
    "svg.syntax": "A tag, attribute, comment or CDATA section is not well-formed.",
    "svg.name": "A name must have at most one colon, with a name on either side.",
    "svg.prefix": "A namespace prefix is not declared, or declared in a way that is not permitted.",
    "svg.attribute": "An attribute occurs twice in one element.",
    "svg.entity": "Only the five predefined entities and references to characters are permitted.",
    "svg.doctype": "A document type may stand once before the root, without internal subset.",
    "svg.instruction": "Processing instructions are not permitted.",
    "svg.text": "Text stands where none may stand, or holds ]]>.",
    "svg.nesting": "Start and end tags do not match, or something follows the root.",
    "svg.root": "The root element must be svg.",
    "art.element": "The element is not permitted in uploaded art",
    "art.attribute": "The attribute is not permitted in uploaded art",
    "art.link": "Links in uploaded art must lead to its own fragments, pictures may also be data:image/png or data:image/jpeg",
    "art.style": "Styles in uploaded art must not load anything, and not hide anything by @ or backslash",
    "credential.duplicate": "The picture already holds a credential.",
    "credential.ambiguous": "The credential has both a verify attribute and a body.",
    "credential.compressed": "The credential is compressed, which Open Badges 3.0 forbids.",
    "credential.language": "The credential has a language tag, a translated keyword or a compression method: Open Badges 3.0 forbids it.",
    "credential.form": "The credential is neither JSON nor a compact JWS in the place that Open Badges 3.0 has for it.",
    "credential.format": "The chunk or element that holds the credential is malformed.",
    "credential.utf8": "The credential is not UTF-8.",
    "credential.empty": "The chunk or element for the credential is empty.",
    "payload.form": "What is baked must be a JSON object or a compact JWS.",
    "payload.utf8": "What is baked must be UTF-8.",
    "payload.control": "What is baked must not hold control characters other than white space.",
    "plan.format": "The bytes are not a stored plan.",
    "plan.mismatch": "The plan was made for another picture.",
    "limit.file": "The file is larger than permitted.",
    "limit.width": "The picture is wider than permitted.",
    "limit.height": "The picture is higher than permitted.",
    "limit.area": "The picture has more pixels than permitted.",
    "limit.chunks": "The file has more chunks than permitted.",
    "limit.ancillary": "The file has more ancillary chunks than permitted.",
    "limit.text": "A text chunk is longer than permitted.",
    "limit.inflated": "Compressed text inflates to more than permitted.",
    "limit.payload": "The credential is longer than permitted.",
    "limit.depth": "Elements are nested deeper than permitted.",
    "limit.elements": "The file has more elements than permitted.",
    "limit.attributes": "An element has more attributes than permitted.",
    "limit.attribute": "An attribute's value is longer than permitted.",
    "limit.verify": "The verify attribute is longer than permitted.",
}


class BakeError(Exception):
    """A refusal: `kind` is a key of KINDS, `offset` the byte where the trouble begins (None: the whole), `message` a sentence."""

    def __init__(self, kind: str, offset: int | None, message: str) -> None:
        super().__init__(kind, offset, message)
        self.kind = kind
        self.offset = offset
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.kind})" if self.offset is None else f"{self.message} ({self.kind} at byte {self.offset})"


def refusal(kind: str, offset: int | None, detail: str | None = None) -> BakeError:
    """Make the error of a kind; `detail` is appended to its sentence."""
    return BakeError(kind, offset, KINDS[kind] if detail is None else f"{KINDS[kind]}: {detail}")
