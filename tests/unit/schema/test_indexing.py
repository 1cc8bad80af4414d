"""Keys of indexed attributes: their order is that of the values, and a value read back from the database has the key it was given."""

from __future__ import annotations

import itertools
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.schema.attribute import Attribute, Type
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.effective import EffectiveSchema, Resolved, parse_schema
from scimsrv.schema.indexing import LONGEST, NO_VALUE, VALUE, Index, IndexKey, after_prefix, indexable, sortable

_INTEGER = Attribute("n", Type.INTEGER)
_DECIMAL = Attribute("n", Type.DECIMAL)
_TEXT = Attribute("n")
_NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
_NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(_NUMBERS, min_size=2, max_size=6))
def test_keys_of_numbers_are_in_their_order(numbers: list[float]) -> None:
    """Of any two, exactly: integers beyond what a double can tell apart too."""
    for one, other in itertools.pairwise(numbers):
        # What counts is the number that is stored: the shortest decimal form of a double.
        first, second = (Decimal(repr(number)) for number in (one, other))
        a, b = sortable(_DECIMAL, one), sortable(_DECIMAL, other)
        assert (a < b, a == b) == (first < second, first == second)


@given(
    st.one_of(_NUMBERS, st.sampled_from([1.2345678901234568e18, 9.007199254740995e17, 2.0**63, -(2.0**53), 1e19, 1.8446744073709552e19]))
)
def test_a_number_read_again_has_the_same_key(number: float) -> None:
    """The database writes numbers without exponents; those without fraction come back as integers as far as JSON's reader can."""
    written = format(Decimal(repr(number)), "f")
    stored = written.rstrip("0").rstrip(".") if "." in written else written
    assert sortable(_DECIMAL, orjson.loads(stored)) == sortable(_DECIMAL, number)


@given(_NAMES, _NAMES)
def test_what_starts_with_a_prefix_is_between_it_and_what_comes_after(prefix: str, rest: str) -> None:
    """In the order of bytes, which is that of code points."""
    end = after_prefix(prefix)
    assert prefix <= prefix + rest
    assert end is None or prefix + rest < end
    assert end is None or not end.startswith(prefix) or not prefix


@pytest.mark.parametrize(
    ("prefix", "end"), [("a", "b"), ("a\U0010ffff", "b"), ("\U0010ffff", None), ("", None), ("\ud7ff", "\ue000"), ("=", ">")]
)
def test_the_end_of_a_prefix(prefix: str, end: str | None) -> None:
    """The last character's successor, skipping what is no character."""
    assert after_prefix(prefix) == end


def test_no_value_is_behind_every_value() -> None:
    """The key of a resource without value sorts last."""
    assert VALUE + "\U0010ffff" * LONGEST < NO_VALUE


@pytest.mark.parametrize(
    ("search", "keys"),
    [
        ({}, [(7, False, "~")]),
        ({"n": "a"}, [(7, True, "=a")]),
        ({"n": ""}, [(7, True, "=")]),
        ({"n": "x" * 255}, [(7, True, "=" + "x" * 255)]),
        ({"n": "x" * 256}, [(7, True, "=" + "x" * 256), (-7, False, "")]),
        ({"n": "x" * 999}, [(7, True, "=" + "x" * 256), (-7, False, "")]),
    ],
)
def test_the_keys_of_a_resource(search: dict[str, str], keys: list[tuple[int, bool, str]]) -> None:
    """One for its value or for having none; a mark where a value may be longer than its key."""
    index = Index(7, Resolved(None, _TEXT), ready=True, substring=True)
    assert index.keys(search) == [IndexKey(*key) for key in keys]


def _user() -> EffectiveSchema:
    known = load_definitions()
    urn = "urn:ietf:params:scim:schemas:core:2.0:user"
    schema = next(parse_schema(one) for one in known.schemas.values() if one["id"].lower() == urn)
    return EffectiveSchema("User", "/Users", (Attribute("id"),), schema)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("shoeSize", "no attribute"),
        ("name", "complex"),
        ("emails", "complex"),
        ("groups.value", "always indexed"),
        ("id", "cannot be indexed"),
        ("password", "never returned"),
        ("x509Certificates.value", "binary"),
    ],
)
def test_what_cannot_be_indexed(name: str, problem: str) -> None:
    """The message says why."""
    with pytest.raises(ValueError, match=problem):
        indexable(_user(), name)
