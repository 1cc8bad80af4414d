"""Reading bulk requests piece by piece: whatever the pieces, the message is the one that a JSON parser sees, or none at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.protocol.bulk import Entry, entries_of, fail_on_errors
from scimsrv.protocol.operations import Message, OperationsReader

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(alphabet='ab"\\{}[],:é \n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='ab"\\{', max_size=3), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(["Operations", "operations", "schemas", "failOnErrors", "x", 'Operations"', "y\\"])


def _read(text: bytes, size: int = 1 << 20, most: int = 1000) -> Message:
    reader = OperationsReader(Limits(bulk_operations=most))
    for start in range(0, len(text), size):
        reader.feed(text[start : start + size])
    return reader.finish()


@settings(deadline=None)
@given(
    st.dictionaries(_NAMES, _VALUES, max_size=4),
    st.lists(_VALUES, max_size=5),
    st.integers(1, 9),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_any_cut_gives_the_same_message(
    members: dict[str, Any], operations: list[Any], size: int, indent: int | None, ascii_: bool
) -> None:
    """The operations are the elements of the member `Operations`, and the envelope is all the rest, however the bytes arrive."""
    members = {name: value for name, value in members.items() if name.lower() != "operations"} | {"OPERATIONS": operations}
    if len({name.lower() for name in members}) < len(members) or any(_doubled(value) for value in members.values()):
        return
    text = json.dumps(members, indent=indent, ensure_ascii=ascii_).encode()
    found = _read(text, size)
    assert [json.loads(one) for one in found.operations] == operations
    assert found.envelope == members | {"OPERATIONS": []}


def _doubled(value: Any) -> bool:
    """Whether an object has a name twice but for its case, which a body may not have."""
    if isinstance(value, dict):
        return len({name.lower() for name in value}) < len(value) or any(map(_doubled, value.values()))
    return isinstance(value, list) and any(map(_doubled, value))


def test_an_escaped_name() -> None:
    """The member is found by what its name means, not by how it is spelled."""
    assert _read(rb'{"\u004fperations":[{},{"a":"]"}]}').operations == (b"{}", b'{"a":"]"}')
    spelled = "".join(f"\\u{ord(letter):04x}" for letter in "oPERATIONS").encode()
    assert _read(b'{"' + spelled + b'":[{}]}').operations == (b"{}",)


def test_a_long_name_before_many_brackets() -> None:
    """It is not read for each of them: with the largest body that would take the better part of an hour."""
    size = 2 << 20
    with pytest.raises(ScimError) as caught:
        _read(b'{"' + b"a" * size + b'":' + b"[]" * (size // 2) + b"}", 1 << 16)
    assert caught.value.kind is Kind.INVALID_SYNTAX


def _entries(message: Message) -> list[Entry]:
    fail_on_errors(message)
    return list(entries_of(message.operations, "acme", Limits()))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b'{"Operations":[}',
        b'{"Operations":[{]}',
        b'{"Operations":[{}',
        b'{"Operations":[{},]}',
        b'{"Operations":[,{}]}',
        b'{"Operations":[{}],"operations":[{}]}',
        b'{"Operations":[{}}',
        b'{"Operations":[{}]]}',
        b'{"Operations":[{}]}}',
        b'{"Operations" [{}]}',
        b'{"Operations":[{"a',
        b'{"Operations":[{}] "x":1}',
        b'["Operations":[{}]]',
    ],
)
def test_what_is_no_json(text: bytes) -> None:
    """Text that is not a JSON object, or has the member twice, is no message."""
    for size in (1, 3, 100):
        with pytest.raises(ScimError) as caught:
            _entries(_read(text, size))
        assert caught.value.kind is Kind.INVALID_SYNTAX


def test_operations_are_counted_as_they_arrive() -> None:
    """One operation too many is refused before the rest of the body is there; what is nested in an operation does not count."""
    reader = OperationsReader(Limits(bulk_operations=2))
    reader.feed(b'{"x":[1,2,3],"Operations":[{"data":{"a":[1,2,3],"b":[{},{},{}]}},{}')
    with pytest.raises(ScimError) as caught:
        reader.feed(b",")
    assert caught.value.kind is Kind.PAYLOAD_TOO_LARGE
    assert "maxOperations (2)" in str(caught.value)
    assert len(_read(b'{"Operations":[{},{}],"z":[1,2,3,4]}', most=2).operations) == 2
