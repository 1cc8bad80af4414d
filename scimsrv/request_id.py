"""The id by which a request is found in answers and logs."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Final

#: Harmless to show anywhere. What begins like a token of ours is a token in the wrong header.
_HARMLESS: Final = re.compile(r"(?!sc[a-z]_)[\w-]{8,64}", re.ASCII)

#: Ids of requests are unique, not secret: a random part for the process, then a number.
_PROCESS: Final = secrets.token_hex(8)
_NUMBERS: Final = itertools.count()


def request_id(given: str = "") -> str:
    """The client's own id (X-Request-Id) if it is harmless, else a new one."""
    return harmless(given) or f"{_PROCESS}{next(_NUMBERS):012x}"


def harmless(given: str | None) -> str | None:
    """An id that a client gave, if it may be shown and logged, else None."""
    return given if given and _HARMLESS.fullmatch(given) else None
