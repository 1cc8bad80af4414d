"""A refusal's sentence without what the client wrote: only names of the product's own schemas, versions and ids of its form stay."""

from __future__ import annotations

import re
from typing import Final

from scimsrv.schema.attribute import fold_name
from scimsrv.words import VOCABULARY, own_id

#: Longest sentence that is kept, in characters.
LONGEST: Final = 300

_QUOTED: Final = re.compile(r'W/"\d+"|"([^"]*)"|\'([^\']*)\'')
_HIDDEN: Final = '"…"'


def without_values(detail: str) -> str:
    """The first line of the detail; the ones behind it show the client's text. What it has in quotation marks is hidden unless it is
    known to be harmless, together with all between the first and the last mark, as a text may have marks of its own."""
    line, broken, _ = detail.partition("\n")
    first = line.find('"')
    if broken and first >= 0:  # the text in the marks may be what goes on behind the line
        line = line[:first] + _HIDDEN
    if any(not _harmless(found) for found in _QUOTED.finditer(line)):
        for mark in ('"', "'"):
            first, last = line.find(mark), line.rfind(mark)
            if first < last:
                line = line[:first] + _HIDDEN + line[last + 1 :]
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _harmless(found: re.Match[str]) -> bool:
    inner = found[1] if found[1] is not None else found[2]
    return inner is None or own_id(inner) is not None or fold_name(inner) in VOCABULARY
