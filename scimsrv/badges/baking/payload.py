"""What may be baked, and what was found: JSON, a compact JWS, a URL, or something else."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Final

from scimsrv.badges.baking.errors import refusal

WHITE: Final = b" \t\r\n"
_JWS: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def content_of(payload: bytes) -> str:
    """Tell what a payload is by its first bytes: "json", "jws", "url" or "other"; white space around it does not count."""
    trimmed = payload.strip(WHITE)
    if trimmed.startswith(b"{"):
        return "json"
    if _JWS.fullmatch(trimmed):
        return "jws"
    if trimmed.startswith((b"http://", b"https://")):
        return "url"
    return "other"


def check_payload(payload: bytes, most: int) -> str:
    """Return "json" or "jws" for what is to be baked; raises BakeError limit.payload, payload.utf8, payload.control or payload.form.

    Whether JSON is well-formed is the business of whoever made it; offsets are those in the payload.
    """
    if len(payload) > most:
        raise refusal("limit.payload", None)
    if _JWS.fullmatch(payload):
        return "jws"
    try:
        payload.decode()
    except UnicodeDecodeError as wrong:
        raise refusal("payload.utf8", wrong.start) from None
    control = _CONTROL.search(payload)
    if control:
        raise refusal("payload.control", control.start())
    trimmed = payload.strip(WHITE)
    if not (trimmed.startswith(b"{") and trimmed.endswith(b"}")):
        raise refusal("payload.form", None)
    return "json"


def json_for_cdata(payload: bytes) -> bytes:
    r"""Rewrite JSON so that it can stand in CDATA: `>` and non-ASCII characters, which only strings can hold, as \uXXXX, CR as a space."""
    if payload.isascii() and b">" not in payload and b"\r" not in payload:
        return payload
    out: list[str] = []
    for character in payload.decode():
        number = ord(character)
        if character == "\r":
            out.append(" ")
        elif number > 0xFFFF:
            number -= 0x10000
            out.append(f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}")
        elif number > 0x7F or character == ">":
            out.append(f"\\u{number:04x}")
        else:
            out.append(character)
    return "".join(out).encode()


def json_in_base64(verify: bytes) -> bytes | None:
    """Return the JSON that Badger-MU put into a verify attribute as base64; None for anything else."""
    if len(verify) % 4 or not _BASE64.fullmatch(verify):
        return None
    decoded = b64decode(verify)
    return decoded if decoded.lstrip(WHITE).startswith(b"{") else None
