"""Texts that are almost right: cut, doubled, turned round and peppered with what parsers stumble over. For fuzzing, from Hypothesis."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

#: Examples of a fuzzing test; many more with `make test-faults`.
EXAMPLES: Final = int(os.environ.get("FAULT_FUZZ", "150"))

_SPICE: Final = [
    *("'", "\\", '"', "--", "$1", "%", "_", "{", "}", "\x00", "\ud800", "\u202e", "\ufeff", "ß", "İ", "\U0001f600", "\r\n", "\t"),
    *("(", ")", "[", "]", ".", ":", ",", "/*", ";", " ", "not (", " and ", " or ", " eq ", " pr", "urn:", "1e999", "-0", "9" * 30),
    *("NaN", "null", "TRUE", "$ref", "__class__", "__proto__", "password", "\\u0000", "\\ud83d", "{{7*7}}", "%00", "é", "e\u0301"),
]


@st.composite
def mutated(draw: st.DrawFn, corpus: Sequence[str], most: int = 4) -> str:
    """One of the texts of a corpus, or parts of two, after at most so many changes."""
    text = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, len(text)))
        to = draw(st.integers(at, min(len(text), at + 12)))
        match draw(st.integers(0, 6)):
            case 0:
                text = text[:at] + text[to:]
            case 1:
                text = text[:at] + draw(st.sampled_from(_SPICE)) + text[at:]
            case 2:
                text = text[:to] + text[at:to] * draw(st.sampled_from([1, 2, 40])) + text[to:]
            case 3:
                text = text[:at] + text[at:to][::-1] + text[to:]
            case 4:
                text = text[:at] + draw(st.characters()) + text[to:]
            case 5:
                other = draw(st.sampled_from(corpus))
                text = text[:at] + other[draw(st.integers(0, len(other))) :]
            case _:
                text = text[:at] + text[at:to].swapcase() + text[to:]
    return text
