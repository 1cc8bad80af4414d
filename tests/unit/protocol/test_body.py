"""Bodies: only JSON objects on which all parsers agree come through; everything hostile is invalidSyntax."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.protocol import body as reading
from scimsrv.protocol.body import read_object
from tests.unit.protocol.support import refused

LIMITS = Limits()
_INT64 = 1 << 63


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", {}),
        (b' \r\n\t{"a": 1} ', {"a": 1}),
        ('{"ä": "日本語 \U0001f600"}'.encode(), {"ä": "日本語 \U0001f600"}),
        (rb'{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}),
        (rb'{"a": "\u0001\t\u2028"}', {"a": "\x01\t\u2028"}),
        (b'{"a": [1, -2, 1.5, 1e3, true, null, "x", {}, []]}', {"a": [1, -2, 1.5, 1000.0, True, None, "x", {}, []]}),
        (b'{"a": %d, "b": -%d}' % (_INT64 - 1, _INT64), {"a": _INT64 - 1, "b": -_INT64}),
        (b'{"a": 1.7976931348623157e308}', {"a": 1.7976931348623157e308}),
        (b'{"a": 1e-400}', {"a": 0.0}),
        (b'{"__class__": {"__init__": 1}, "__proto__": {}}', {"__class__": {"__init__": 1}, "__proto__": {}}),
    ],
)
def test_read(body: bytes, expected: dict[str, Any]) -> None:
    """Well-formed objects are read exactly, with the types of their numbers."""
    found = read_object(body, LIMITS)
    assert found == expected
    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(
    ("case", "body"),
    [
        ("empty", b""),
        ("white space", b" \n\t"),
        ("no object", b"[]"),
        ("text", b'"x"'),
        ("number", b"1"),
        ("null", b"null"),
        ("not JSON", b"{a: 1}"),
        ("single quotes", b"{'a': 1}"),
        ("trailing comma", b'{"a": 1,}'),
        ("comment", b'{"a": 1} // x'),
        ("two objects", b"{}{}"),
        ("cut", b'{"a": "x'),
        ("raw control character", b'{"a": "x\ny"}'),
        ("bad escape", rb'{"a": "\x41"}'),
        ("byte order mark", b'\xef\xbb\xbf{"a": 1}'),
        ("UTF-16", '{"a": 1}'.encode("utf-16")),
        ("Latin-1", '{"a": "é"}'.encode("latin-1")),
        ("overlong UTF-8", b'{"a": "\xc0\xaf"}'),
        ("surrogate in UTF-8", b'{"a": "\xed\xa0\x80"}'),
        ("duplicate name", b'{"active": true, "active": false}'),
        ("names that differ in case", b'{"userName": "a", "USERNAME": "b"}'),
        ("escaped duplicate", rb'{"a": 1, "\u0061": 2}'),
        ("nested duplicate", b'{"x": [{"a": 1, "a": 1}]}'),
        ("NaN", b'{"a": NaN}'),
        ("Infinity", b'{"a": Infinity}'),
        ("-Infinity", b'{"a": -Infinity}'),
        ("float overflow", b'{"a": 1e400}'),
        ("negative float overflow", b'{"a": -1e400}'),
        ("65 bits", b'{"a": %d}' % _INT64),
        ("below 64 bits", b'{"a": -%d}' % (_INT64 + 1)),
        ("5000 digits", b'{"a": ' + b"9" * 5000 + b"}"),
        ("leading zero", b'{"a": 01}'),
        ("leading plus", b'{"a": +1}'),
        ("hexadecimal", b'{"a": 0x10}'),
        ("NUL in a value", rb'{"a": "x\u0000y"}'),
        ("NUL in a name", rb'{"a\u0000": 1}'),
        ("raw NUL", b'{"a": "\x00"}'),
        ("lone high surrogate", rb'{"a": "\ud800"}'),
        ("lone low surrogate", rb'{"a": ["\udc00"]}'),
        ("reversed surrogates", rb'{"a": "\ude00\ud83d"}'),
        ("lone surrogate in a name", rb'{"\ud800": 1}'),
        ("depth 5000 of arrays", b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
        ("depth 5000 of objects", b'{"a": ' * 5000 + b"1" + b"}" * 5000),
        ("depth 100000, never closed", b"[" * 100_000),
    ],
)
def test_hostile(case: str, body: bytes) -> None:
    """Whatever JSON parsers disagree about, cannot be stored, or costs too much is refused before anything looks at it."""
    with refused(Kind.INVALID_SYNTAX):
        read_object(body, LIMITS)


def _nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    return b'{"a": ' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a": ', b"}"), (b'[{"a": ', b"}]")])
def test_depth(opening: bytes, closing: bytes) -> None:
    """The permitted depth is permitted, one more is not, whatever it is made of."""
    step = opening.count(b"[") + opening.count(b"{")
    levels = (LIMITS.json_depth - 1) // step
    read_object(_nested(levels + 1, opening, closing), LIMITS)
    with refused(Kind.INVALID_SYNTAX, "nested"):
        read_object(_nested(levels + 2, opening, closing), LIMITS)


def test_number_of_names() -> None:
    """An object has at most as many names as the limit, at any depth."""
    limits = Limits(json_keys=5)
    five = json.dumps({f"n{number}": number for number in range(5)})
    six = json.dumps({f"n{number}": number for number in range(6)})
    assert len(read_object(five.encode(), limits)) == 5
    for body in (six, f'{{"a": [{six}]}}'):
        with refused(Kind.INVALID_SYNTAX, "more than 5 names"):
            read_object(body.encode(), limits)


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b'{"a":[[],[],[]]}', False),
        (b'{"a":[[],[],[],[]]}', True),
        (b'{"a":[{},{},{},{}]}', True),
        (b'{"a":[1,2,3,4,5,6]}', False),
        (b'{"a":[1,2,3,4,5,6,7]}', True),
    ],
)
def test_number_of_values(body: bytes, refused: bool) -> None:
    """The objects and arrays, and the values, of a whole body are limited, so that reading one takes no time to speak of."""
    limits = Limits(json_containers=5, json_values=5)
    if not refused:
        read_object(body, limits)
        return
    with pytest.raises(ScimError) as caught:
        read_object(body, limits)
    assert caught.value.kind is Kind.INVALID_SYNTAX


def test_the_place_of_a_mistake_is_named() -> None:
    """A body that is not JSON is answered with line and column, not with its text."""
    with refused(Kind.INVALID_SYNTAX, "at line 2, column 8"):
        read_object(b'{"a": 1,\n "b":  secret}', LIMITS)


def _read_or_refused(body: bytes) -> dict[str, Any] | None:
    """The object, or None when the body is refused as it should be; any other failure is raised."""
    try:
        return read_object(body, LIMITS)
    except ScimError as problem:
        if problem.kind is not Kind.INVALID_SYNTAX:
            raise
        return None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), _VALUES, max_size=4))
def test_any_json_is_read_or_refused(document: dict[str, Any]) -> None:
    """Any object comes back as it was sent or is refused; nothing else happens."""
    body = json.dumps(document).encode()
    found = _read_or_refused(body)
    assert found is None or json.dumps(found) == json.dumps(document)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """No sequence of bytes leads to anything but an object or invalidSyntax."""
    found = _read_or_refused(body)
    assert found is None or isinstance(found, dict)


_PIECES = st.sampled_from(
    [
        '{"a":1}',
        '{"a" :1,"a":2}',
        '"x\\":y"',
        '"\\u0000"',
        '"\\ud800"',
        "1.5",
        "1e400",
        "9" * 19,
        "9" * 20,
        f"-{_INT64}",
        "[]",
        '" :"',
        "NaN",
    ]
)
_TEXTS = st.recursive(
    _PIECES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: "[" + ",".join(parts) + "]")
        | st.lists(st.tuples(st.sampled_from(['"a"', '"A"', '"b"', '"c":', '"d" ', '"\\u0061"']), inner), max_size=3).map(
            lambda members: "{" + ",".join(name + ("" if name.endswith(":") else ":") + value for name, value in members) + "}"
        )
    ),
    max_leaves=6,
)


@given(_TEXTS)
def test_the_quick_reader_agrees_with_the_strict_one(text: str) -> None:
    """Whatever is read without the strict parser is read as the strict one reads it, and whatever that refuses is refused."""
    body = b'{"x":%s}' % text.encode()

    def outcome() -> str:
        try:
            return json.dumps(read_object(body, LIMITS))
        except ScimError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_plain", lambda *_: None)
        strict = outcome()
    assert outcome() == strict
