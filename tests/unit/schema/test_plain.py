"""Values that pass as they come: whatever the policy, the long way leaves them as they are too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.limits import DEFAULT
from scimsrv.schema.attribute import Mutability
from scimsrv.schema.plain import plain
from scimsrv.schema.policy import Policy
from scimsrv.schema.validate import Coercer
from tests.unit.schema.support import boat_schema

_ATTRIBUTES: Final = [
    place for place in boat_schema().places if place.attribute.mutability is not Mutability.READ_ONLY and place.extension is None
]
_STRICT: Final = replace(Policy(), strict_attributes=True, strict_uris=True, empty_string_clears=True)
_LIMITS: Final = replace(DEFAULT, string_length=4, values=3)

_TEXTS: Final = st.sampled_from(["", "a", "A", "jib", "\x00", "é", "long text", "true", "2026-01-31T12:00:00Z", "aGk="])
_SIMPLE: Final = st.one_of(_TEXTS, st.booleans(), st.none(), st.integers(0, 2), st.just(1.5))
_NAMES: Final = st.sampled_from(["value", "VALUE", "area", "weave", "checked", "colours", "maker", "fuel", "hours", "primary", "$ref", "x"])
_VALUES: Final = st.recursive(
    _SIMPLE, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_NAMES, inner, max_size=3)), max_leaves=8
)


@given(_VALUES, st.sampled_from([Policy(), _STRICT]), st.booleans())
def test_what_is_plain_needs_nothing(value: Any, policy: Policy, lenient: bool) -> None:
    """The coercer gives back the same value, and notes nothing that it had to do, whichever attribute it is a value of."""
    for place in _ATTRIBUTES:
        if plain(place.attribute)(value, _LIMITS):
            coercer = Coercer(policy, _LIMITS, lenient=lenient)
            assert coercer.attribute(place.attribute, value, place.name) == value
            assert not coercer.made


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("nick", "Gull", True),
        ("nick", "", False),
        ("nick", "Möwe", False),
        ("nick", "abcde", False),
        ("nick", "a\x00", False),
        ("nick", ["Gull"], False),
        ("afloat", True, True),
        ("afloat", "true", False),
        ("afloat", 1, False),
        ("flags", ["a", "b"], True),
        ("flags", ["a", "a"], False),
        ("flags", ["a", "b", "c", "d"], False),
        ("flags", [], False),
        ("flags", "a", False),
        ("engine", {"maker": "ab"}, True),
        ("engine", {"MAKER": "ab"}, False),
        ("engine", {"unknown": "ab"}, False),
        ("engine", {}, False),
        ("sails", [{"value": "jib", "colours": ["red"]}], True),
        ("sails", [{"value": "jib"}, {"value": "jib"}], False),
        ("sails", [{"value": "jib", "checked": True}], False),
        ("masts", 2, False),
        ("plan", "a:b", False),
    ],
)
def test_plain(name: str, value: Any, expected: bool) -> None:
    """Texts in ASCII, booleans, and what is made of them under the schema's own names; everything else takes a closer look."""
    place = boat_schema().resolve(name)
    assert place is not None
    assert plain(place.attribute)(value, _LIMITS) is expected
