"""Answers of the endpoints of badges: media types, negotiation, caching and what a browser may do with them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.response import Reply

JSON: Final = "application/json"
CREDENTIAL: Final = "application/vc+ld+json"
TOKEN: Final = "text/plain"  # noqa: S105 - a media type
HTML: Final = "text/html"
PNG: Final = "image/png"
SVG: Final = "image/svg+xml"
JWK_SET: Final = "application/jwk-set+json"
DID: Final = "application/did+json"

#: Further names by which a client may ask for a form of a credential where Accept decides; it is answered by the name that it used.
ALSO: Final = {
    JSON: CREDENTIAL,
    "application/ld+json": CREDENTIAL,
    "application/vc": CREDENTIAL,
    "application/vc+jwt": TOKEN,
    "application/jwt": TOKEN,
}

#: Seconds that anybody may keep what is public; a revocation is seen within the shorter one.
LONG: Final = 300
SHORT: Final = 60

#: Ranges of an Accept header that are looked at, and what a weight in it is (RFC 9110 §12.4.2).
_MOST_RANGES: Final = 50
_QUALITY: Final = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?", re.ASCII)

#: SVG is a document that a browser runs: shown by itself it may do nothing, and it is offered as a file.
_SVG_POLICY: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply with its media type."""

    reply: Reply
    media_type: str


def json(document: object, media_type: str = JSON, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """A document as JSON."""
    return Answer(Reply(status, orjson.dumps(document), headers or {}), media_type)


def image(content: bytes, media_type: str, name: str, headers: dict[str, str] | None = None) -> Answer:
    """A picture. An SVG cannot run anything where it is shown, and is saved rather than opened."""
    fixed = (
        {"Content-Security-Policy": _SVG_POLICY, "Content-Disposition": f'attachment; filename="{name}.svg"'} if media_type == SVG else {}
    )
    return Answer(Reply(200, content, {**fixed, **(headers or {})}), media_type)


def published(answer: Answer, seconds: int, given: str | None) -> Answer:
    """The answer with what caches need; 304 where the client has it already (`given` is If-None-Match). Scripts of any page may read it."""
    reply = answer.reply
    assert isinstance(reply.body, bytes)
    tag = f'"{hashlib.sha256(reply.body).hexdigest()[:32]}"'
    headers = reply.headers | {"Cache-Control": f"public, max-age={seconds}", "ETag": tag, "Access-Control-Allow-Origin": "*"}
    if given is not None and (given.strip() == "*" or tag in [one.strip().removeprefix("W/") for one in given.split(",")]):
        return Answer(Reply(304, headers=headers), answer.media_type)
    return Answer(Reply(reply.status, reply.body, headers), answer.media_type)


def negotiated(accept: str | None, offered: Sequence[str]) -> str:
    """The one of the offered media types that the client likes best, the first where it does not say (RFC 9110 §12.5.1).

    Raises ScimError 406 where it takes none of them.
    """
    if not accept:
        return offered[0]
    best, liked = None, 0.0
    for media_type in offered:
        weight = _weight(accept, media_type)
        if weight > liked:
            best, liked = media_type, weight
    if best is None:
        raise ScimError(Kind.NOT_ACCEPTABLE, f"Only {', '.join(offered)} can be answered here")
    return best


def _weight(accept: str, media_type: str) -> float:
    """How much a client likes a media type, from 0 to 1, by the most specific range that covers it; parameters but `q` do not count."""
    ranges = ("*/*", media_type.partition("/")[0] + "/*", media_type)
    found, specific = 0.0, -1
    for part in accept.lower().split(",")[:_MOST_RANGES]:
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name in ranges and ranges.index(name) > specific:
            quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
            found, specific = float(quality) if _QUALITY.fullmatch(quality) else 0.0, ranges.index(name)
    return found
