"""Our reader of JSON against the standard library's and orjson: it reads what both read alike, and refuses all else by rules on a page.

The rules are written here a second time, over the standard library's events, and have to agree with the reader in every verdict.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.protocol.body import read_object
from tests.mutations import EXAMPLES, mutated

LIMITS: Final = Limits()

_CORPUS: Final = [
    '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","active":true,"emails":[{"value":"a@b","primary":true}]}',
    '{"a":1,"A":2}',
    '{"a":1,"a":2}',
    '{"a":{"b":{"c":[[[{"d":null}]]]}}}',
    '{"a":9223372036854775807,"b":-9223372036854775808,"c":9223372036854775808}',
    '{"a":1e308,"b":1E400,"c":-1.5e-10,"d":0.1,"e":1e5}',
    '{"a":"\\u0000","b":"\\ud83d\\ude00","c":"\\ud83d"}',
    '{"a" : "\\":", "b" :\t[ ] , "c":"x\\\\"}',
    '{"a":NaN,"b":Infinity,"c":-Infinity}',
    '{"\u00e9":1,"e\u0301":2,"\u0130":3,"i\u0307":4,"ß":5,"SS":6}',
    "{}",
    '{"a":' * 16 + "1" + "}" * 16,
    '{"a":' * 15 + "[[]]" + "}" * 15,
    "[1]",
    '{"a":01}',
    '{"a":"\n"}',
    '{"a":1}x',
]

_ENCODINGS: Final = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"]


class _RefusedError(Exception):
    """One of the rules refuses the text."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name.lower() for name, _ in pairs]
    if len(set(names)) < len(names) or len(names) > LIMITS.json_keys:
        raise _RefusedError
    return dict(pairs)


def _whole(text: str) -> int:
    if abs(int(text[:400])) > 2**63 or len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise _RefusedError
    return int(text)


def _broken(text: str) -> float:
    if math.isinf(float(text)):
        raise _RefusedError
    return float(text)


def _no_constant(_text: str) -> None:
    raise _RefusedError


def _fits(value: Any, depth: int = 0) -> bool:
    match value:
        case dict():
            return depth < LIMITS.json_depth and all(_fits(name) and _fits(inner, depth + 1) for name, inner in value.items())
        case list():
            return depth < LIMITS.json_depth and all(_fits(inner, depth + 1) for inner in value)
        case str():
            return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    return True


def by_the_rules(body: bytes) -> dict[str, Any] | None:
    """What the standard library reads, if no rule is against it."""
    try:
        read = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_int=_whole, parse_float=_broken, parse_constant=_no_constant
        )
    except (_RefusedError, ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) and _fits(read) else None


def by_the_reader(body: bytes) -> dict[str, Any] | None:
    """What our reader reads."""
    try:
        return read_object(body, LIMITS)
    except ScimError as error:
        if error.kind is not Kind.INVALID_SYNTAX:
            raise
        return None


def check(body: bytes) -> None:
    """The verdicts agree; and what is read, orjson reads alike."""
    ours, theirs = by_the_reader(body), by_the_rules(body)
    assert json.dumps(ours) == json.dumps(theirs), body
    if ours is not None:
        assert json.dumps(orjson.loads(body)) == json.dumps(ours), body


@pytest.mark.parametrize("text", _CORPUS)
@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_texts_in_every_encoding(text: str, encoding: str) -> None:
    """Only UTF-8 without a byte order mark is read, whatever a parser would guess."""
    check(text.encode(encoding, "replace"))
    if encoding not in ("utf-8", "latin-1"):
        assert by_the_reader(text.encode(encoding)) is None


@settings(max_examples=2 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated(_CORPUS, most=3), st.sampled_from(_ENCODINGS))
def test_mutated_texts(text: str, encoding: str) -> None:
    """Texts that are almost JSON, and JSON that is almost harmless."""
    check(text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace"))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(_CORPUS), st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=3)), max_size=3))
def test_mutated_bytes(text: str, changes: list[tuple[int, bytes]]) -> None:
    """Bytes in the middle of everything, so that characters are cut too."""
    body = text.encode()
    for at, put in changes:
        body = body[: at % (len(body) + 1)] + put + body[at % (len(body) + 1) :]
    check(body)
