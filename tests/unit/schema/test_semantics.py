"""What each type accepts, what its values become, how they compare, and what counts as present (RFC 7643 §2.3, RFC 7644 Table 3)."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.schema.attribute import Attribute, Type
from scimsrv.schema.semantics import EQUALITY, ORDERING, SEMANTICS, SUBSTRING, Op, key_of, present, satisfies

_ALL = EQUALITY | SUBSTRING | ORDERING


def test_there_is_a_rule_for_every_type() -> None:
    """The table has one row per type of RFC 7643, and the operators are shared out without rest."""
    assert set(SEMANTICS) == set(Type)
    assert frozenset(Op) == _ALL
    assert len(_ALL) == len(EQUALITY) + len(SUBSTRING) + len(ORDERING)


@pytest.mark.parametrize(
    ("type_", "operators"),
    [
        (Type.STRING, _ALL),
        (Type.BOOLEAN, EQUALITY),
        (Type.INTEGER, EQUALITY | ORDERING),
        (Type.DECIMAL, EQUALITY | ORDERING),
        (Type.DATETIME, EQUALITY | ORDERING),
        (Type.BINARY, EQUALITY),
        (Type.REFERENCE, EQUALITY | SUBSTRING),
        (Type.COMPLEX, frozenset()),
    ],
)
def test_operators(type_: Type, operators: frozenset[Op]) -> None:
    """Each type takes the operators that mean something for it."""
    assert SEMANTICS[type_].accepts == operators


_INT64 = 1 << 63


@pytest.mark.parametrize(
    ("type_", "given", "expected"),
    [
        (Type.STRING, "Ada", "Ada"),
        (Type.STRING, "", ""),
        (Type.REFERENCE, "../Users/1", "../Users/1"),
        (Type.BOOLEAN, True, True),
        (Type.BOOLEAN, False, False),
        (Type.BOOLEAN, "true", True),
        (Type.BOOLEAN, "False", False),
        (Type.INTEGER, 0, 0),
        (Type.INTEGER, -5, -5),
        (Type.INTEGER, 3.0, 3),
        (Type.INTEGER, _INT64 - 1, _INT64 - 1),
        (Type.INTEGER, -_INT64, -_INT64),
        (Type.DECIMAL, 1.5, 1.5),
        (Type.DECIMAL, 2, 2),
        (Type.DECIMAL, -1e300, -1e300),
        (Type.DATETIME, "2026-01-31T12:00:00+02:00", "2026-01-31T12:00:00+02:00"),
        (Type.BINARY, "aGVsbG8=", "aGVsbG8="),
        (Type.BINARY, "", ""),
        (Type.COMPLEX, {"a": 1}, {"a": 1}),
    ],
)
def test_accepted(type_: Type, given: Any, expected: Any) -> None:
    """A JSON value that fits the type is kept as it was written; booleans as text become booleans."""
    found = SEMANTICS[type_].coerce(given)
    assert (found, type(found)) == (expected, type(expected))


_JSON: list[Any] = [None, True, 1, 1.5, "x", [], ["x"], {}, {"value": "x"}]


@pytest.mark.parametrize("given", _JSON, ids=repr)
@pytest.mark.parametrize("type_", list(Type))
def test_every_json_type_against_every_type(type_: Type, given: Any) -> None:
    """A value of another JSON type is refused: numbers are no strings, booleans no numbers, lists no single values."""
    fits: dict[Type, tuple[type, ...]] = {
        Type.STRING: (str,),
        Type.REFERENCE: (str,),
        Type.BOOLEAN: (bool,),
        Type.INTEGER: (int,),
        Type.DECIMAL: (int, float),
        Type.DATETIME: (),
        Type.BINARY: (),
        Type.COMPLEX: (dict,),
    }
    if type(given) in fits[type_]:
        assert SEMANTICS[type_].coerce(given) == given
    else:
        with pytest.raises(ValueError, match="must be"):
            SEMANTICS[type_].coerce(given)


@pytest.mark.parametrize(
    ("type_", "given"),
    [
        (Type.BOOLEAN, "yes"),
        (Type.BOOLEAN, " true"),
        (Type.BOOLEAN, "1"),
        (Type.BOOLEAN, 0),
        (Type.INTEGER, 1.5),
        (Type.INTEGER, 1e300),
        (Type.INTEGER, "5"),
        (Type.INTEGER, _INT64),
        (Type.INTEGER, -_INT64 - 1),
        (Type.DECIMAL, "1.5"),
        (Type.DECIMAL, _INT64),
        (Type.DATETIME, "yesterday"),
        (Type.DATETIME, 1767225600),
        (Type.BINARY, "a"),
        (Type.BINARY, "%%%%"),
        (Type.BINARY, "aGVs bG8="),
    ],
)
def test_refused(type_: Type, given: Any) -> None:
    """Values that look like the type but are not of it are refused with the end of a sentence."""
    with pytest.raises(ValueError, match=r"^must be"):
        SEMANTICS[type_].coerce(given)


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        (Type.DATETIME, "2026-01-31T12:00:00Z", "2026-01-31T14:00:00+02:00"),
        (Type.DATETIME, "2026-01-31T12:00:00", "2026-01-31T12:00:00.0001Z"),
        (Type.DECIMAL, 1, 1.0),
        (Type.INTEGER, 7, 7),
        (Type.BOOLEAN, True, True),
    ],
)
def test_equal_keys(type_: Type, one: Any, other: Any) -> None:
    """Values that mean the same have one key, however they were written."""
    assert key_of(Attribute("x", type_), one) == key_of(Attribute("x", type_), other)


def test_a_complex_value_has_no_key() -> None:
    """Only simple values can be compared."""
    with pytest.raises(TypeError, match="x: a complex value"):
        key_of(Attribute("x", Type.COMPLEX), {})


@pytest.mark.parametrize("value", [None, "", [], {}, [None], [""], {"a": None}, {"a": ""}, [{}], {"a": [{"b": ""}]}], ids=repr)
def test_absent(value: Any) -> None:
    """null, the empty string, empty containers and what holds nothing else count as unassigned (RFC 7643 §2.5)."""
    assert not present(value)


@pytest.mark.parametrize("value", [False, 0, 0.0, " ", "x", [0], {"a": False}, ["", "x"], {"a": None, "b": [{"c": 0}]}], ids=repr)
def test_present(value: Any) -> None:
    """false, zero and white space are values."""
    assert present(value)


@pytest.mark.parametrize(
    ("op", "holds"),
    [
        (Op.EQ, {("b", "b")}),
        (Op.NE, {("a", "b"), ("abc", "b"), ("c", "b")}),
        (Op.CO, {("b", "b"), ("abc", "b")}),
        (Op.SW, {("b", "b")}),
        (Op.EW, {("b", "b")}),
        (Op.GT, {("c", "b")}),
        (Op.GE, {("b", "b"), ("c", "b")}),
        (Op.LT, {("a", "b"), ("abc", "b")}),
        (Op.LE, {("a", "b"), ("abc", "b"), ("b", "b")}),
    ],
)
def test_relations_of_texts(op: Op, holds: set[tuple[str, str]]) -> None:
    """Each operator holds for the pairs of keys that its name says, and for no other."""
    pairs = [("a", "b"), ("b", "b"), ("c", "b"), ("abc", "b")]
    assert {pair for pair in pairs if satisfies(op, *pair)} == holds


@pytest.mark.parametrize(("key", "literal", "less"), [(9, 10, True), (-1, 0, True), (2.5, 2, False), (10, 9, False)])
def test_numbers_are_compared_as_numbers(key: float, literal: float, less: bool) -> None:
    """Order among numbers is not that of their text."""
    assert satisfies(Op.LT, key, literal) is less
    assert satisfies(Op.GE, key, literal) is not less
