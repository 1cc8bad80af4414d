"""The Prefer header (RFC 7240): what a client would like, and which of it was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Longest header that is looked at, in characters; and the longest time that is waited, in seconds.
_LONGEST: Final = 1_000
MOST_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Preferences:
    """`asynchronous`: respond-async; `wait`: for so many seconds the client would rather have the answer itself; `minimal`: the answer to
    a write need not have a body."""

    asynchronous: bool = False
    wait: int = 0
    minimal: bool = False


NONE: Final = Preferences()


def preferences(header: str | None) -> Preferences:
    """The preferences of a header; of two with one name the first counts, and what is not known is no error (RFC 7240 §2)."""
    if header is None or len(header) > _LONGEST:
        return NONE
    found: dict[str, str] = {}
    for part in header.split(","):
        name, _, value = part.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"').lower())
    wait = found.get("wait", "")
    return Preferences(
        asynchronous="respond-async" in found,
        wait=min(int(wait), MOST_SECONDS) if wait.isascii() and wait.isdigit() and len(wait) < 10 else 0,
        minimal=found.get("return") == "minimal",
    )
