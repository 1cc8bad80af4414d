"""The compiled half of scimsrv_badges."""

from typing import Final, final

from scimsrv_badges._results import Extracted, Inspection

__all__ = [
    "ALLOWED",
    "FOREIGN",
    "KINDS",
    "UPLOAD",
    "Limits",
    "PngPlan",
    "__version__",
    "bake_png",
    "bake_svg",
    "check_svg_art",
    "extract_png",
    "extract_svg",
    "inspect",
    "scan_png",
    "strip_png",
]

__version__: Final[str]
"""That of the server it belongs to."""

FOREIGN: Final[Limits]
"""For files that come from elsewhere, and for what is baked: the ceilings."""

UPLOAD: Final[Limits]
"""For art that a tenant uploads."""

KINDS: Final[dict[str, str]]
"""Kind of error → sentence."""

ALLOWED: Final[dict[str, tuple[str, ...]]]
"""The tables of what uploaded SVG art may consist of."""

@final
class Limits:
    """Sizes are bytes, dimensions are pixels. The defaults are ceilings: a larger value, or one below 1, raises ValueError."""

    def __new__(
        cls,
        *,
        png_bytes: int = ...,
        width: int = ...,
        height: int = ...,
        area: int = ...,
        chunks: int = ...,
        ancillary_chunks: int = ...,
        text_bytes: int = ...,
        inflated_bytes: int = ...,
        svg_bytes: int = ...,
        depth: int = ...,
        elements: int = ...,
        attributes: int = ...,
        attribute_bytes: int = ...,
        verify_bytes: int = ...,
    ) -> Limits: ...
    @property
    def png_bytes(self) -> int:
        """Size of a PNG file, read or written."""
    @property
    def width(self) -> int:
        """Width from IHDR."""
    @property
    def height(self) -> int:
        """Height from IHDR."""
    @property
    def area(self) -> int:
        """Width times height."""
    @property
    def chunks(self) -> int:
        """All chunks."""
    @property
    def ancillary_chunks(self) -> int:
        """The ancillary chunks beside the credential."""
    @property
    def text_bytes(self) -> int:
        """Content of a text chunk, and a credential: chunk, body of an element or argument."""
    @property
    def inflated_bytes(self) -> int:
        """What a compressed text chunk may inflate to."""
    @property
    def svg_bytes(self) -> int:
        """Size of an SVG file, read or written."""
    @property
    def depth(self) -> int:
        """Nesting of elements."""
    @property
    def elements(self) -> int:
        """Number of elements."""
    @property
    def attributes(self) -> int:
        """Attributes of one element, namespace declarations included."""
    @property
    def attribute_bytes(self) -> int:
        """An attribute's value as written."""
    @property
    def verify_bytes(self) -> int:
        """The value of `verify` as written."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class PngPlan:
    """What a scan found; holds for the bytes it was made from."""

    @property
    def size(self) -> int:
        """Size of the picture."""
    @property
    def header_crc(self) -> int:
        """Checksum of IHDR."""
    @property
    def chunks(self) -> int:
        """Number of chunks."""
    @property
    def existing(self) -> tuple[tuple[int, int], ...]:
        """Ranges of the credentials that the picture already holds."""
    def to_bytes(self) -> bytes:
        """Return the plan as bytes that from_bytes reads."""
    @staticmethod
    def from_bytes(stored: bytes) -> PngPlan:
        """Read a stored plan; raises BakeError plan.format."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def scan_png(image: bytes, *, limits: Limits | None = None) -> PngPlan:
    """Validate a PNG with all its checksums and return the plan for baking into it; raises BakeError."""

def bake_png(image: bytes, payload: bytes, *, plan: PngPlan | None = None, overwrite: bool = False, limits: Limits | None = None) -> bytes:
    """Return the PNG with a credential (JSON or compact JWS) in it, directly after IHDR; raises BakeError."""

def strip_png(image: bytes, *, limits: Limits | None = None) -> bytes:
    """Validate uploaded art and return it without eXIf, tEXt, iTXt and zTXt chunks and without what follows IEND; raises BakeError."""

def extract_png(image: bytes, *, strict: bool = False, limits: Limits | None = None) -> Extracted | None:
    """Return the credential in a PNG, None where there is none; raises BakeError."""

def bake_svg(image: bytes, payload: bytes, *, overwrite: bool = False, limits: Limits | None = None) -> bytes:
    """Return the SVG with a credential in it, directly after the root's start tag; raises BakeError."""

def extract_svg(image: bytes, *, strict: bool = False, limits: Limits | None = None) -> Extracted | None:
    """Return the credential in an SVG, None where there is none; raises BakeError."""

def check_svg_art(image: bytes, *, limits: Limits | None = None) -> bytes:
    """Return uploaded art without document type and what drawing programs keep; raises BakeError for what is not on the list."""

def inspect(image: bytes, *, limits: Limits | None = None) -> Inspection:
    """Validate a picture of either kind, checksums included, and say what it consists of; raises BakeError."""
