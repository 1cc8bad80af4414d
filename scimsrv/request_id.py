"""The id by which a request is found in answers and logs."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Final

_HARMLESS: Final = re.compile(r"[\w-]{8,64}", re.ASCII)

#: Ids of requests are unique, not secret: a random part for the process, then a number.
_PROCESS: Final = secrets.token_hex(8)
_NUMBERS: Final = itertools.count()


def request_id(given: str = "") -> str:
    """The client's own id (X-Request-Id) if it is harmless, else a new one."""
    return given if _HARMLESS.fullmatch(given) else f"{_PROCESS}{next(_NUMBERS):012x}"
