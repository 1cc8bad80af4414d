"""Values of single attributes from JSON: shape, type and sub-attributes, under the strict and the lenient reading."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind
from scimsrv.limits import Limits
from scimsrv.schema.policy import Policy
from scimsrv.schema.validate import Coercer
from tests.unit.schema.support import boat_schema, refused

STRICT = Coercer(Policy())
LENIENT = Coercer(Policy(), lenient=True)


def coerced(coercer: Coercer, name: str, value: Any) -> Any:
    """The value as the coercer reads it for the boat's attribute of that name."""
    place = boat_schema().resolve(name)
    assert place is not None
    assert place.sub is None
    return coercer.attribute(place.attribute, value, name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("nick", "Gull", "Gull"),
        ("nick", "", ""),
        ("nick", None, None),
        ("nick", [], None),
        ("afloat", "True", True),
        ("masts", 2.0, 2),
        ("length", 7, 7),
        ("launched", "2026-01-31T12:00:00+02:00", "2026-01-31T12:00:00+02:00"),
        ("flags", ["a", "b"], ["a", "b"]),
        ("flags", ["a", "b", "a"], ["a", "b"]),
        ("flags", ["a", None], ["a"]),
        ("flags", [None], None),
        ("flags", [], None),
        ("depths", [1, 1.0, 2], [1, 2]),
        ("engine", {"MAKER": "Diesel & Son"}, {"maker": "Diesel & Son"}),
        ("engine", {"fuel": "steam"}, {"fuel": "steam"}),
        ("engine", {"maker": None}, None),
        ("engine", {}, None),
        ("engine", {"hours": 5}, None),
        ("engine", {"maker": "x", "hours": "many", "unknown": 1}, {"maker": "x"}),
        ("sails", [{"value": "jib", "colours": ["red", "red", "blue"]}], [{"value": "jib", "colours": ["red", "blue"]}]),
        ("sails", [{"value": "jib", "PRIMARY": "true"}], [{"value": "jib", "primary": True}]),
        ("sails", [{"value": "jib"}, {"value": "jib"}, {"value": "jib", "area": 1}], [{"value": "jib"}, {"value": "jib", "area": 1}]),
        ("sails", [{}, {"checked": "x"}], None),
        ("fleet", [{"value": "1", "display": "x", "$ref": None, "type": "Car"}, {"VALUE": "1"}], [{"value": "1"}]),
        ("tender", {"value": "1", "display": "x"}, {"value": "1"}),
        ("tender", {"value": ""}, None),
        ("plan", "not a URI", "not a URI"),
    ],
)
def test_read(name: str, value: Any, expected: Any) -> None:
    """Both readings agree on values of the right shape: readOnly and unknown parts dropped, repetitions and nothings too."""
    for coercer in (STRICT, LENIENT):
        found = coerced(coercer, name, value)
        assert found == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("nick", 5, "nick must be a string"),
        ("nick", {"value": "x"}, "nick must be a string"),
        ("nick", ["a", "b"], "nick has a single value"),
        ("afloat", "yes", "afloat must be true or false"),
        ("masts", "2", "masts must be an integer"),
        ("length", "7", "length must be a number"),
        ("launched", "soon", "launched must be a dateTime"),
        ("stamp", "!", "stamp must be base64"),
        ("plan", "", "plan must not be empty"),
        ("flags", ["a", 1], "flags must be a string"),
        ("flags", [["a"]], "flags must be a string"),
        ("depths", [1, "2"], "depths must be an integer"),
        ("engine", "x", "engine must be an object"),
        ("engine", {"maker": ["a", "b"]}, "engine.maker has a single value"),
        ("engine", {"fuel": 1}, "engine.fuel must be a string"),
        ("sails", [{"value": "jib", "area": "big"}], "sails.area must be a number"),
        ("sails", [{"value": "jib", "primary": "perhaps"}], "sails.primary must be true or false"),
        ("sails", [{"value": {"value": "jib"}}], "sails.value must be a string"),
        ("fleet", [{"display": "x"}], "fleet.value is required"),
        ("fleet", [{"value": ""}], "fleet.value is required"),
        ("fleet", [{"value": 7}], "fleet.value must be a string"),
    ],
)
def test_refused(name: str, value: Any, says: str) -> None:
    """A value that does not fit is an invalidValue that names the attribute and the rule, under both readings."""
    for coercer in (STRICT, LENIENT):
        with refused(Kind.INVALID_VALUE, says):
            coerced(coercer, name, value)


@pytest.mark.parametrize(
    ("name", "value", "expected", "says"),
    [
        ("nick", ["Gull"], "Gull", "nick has a single value"),
        ("flags", "a", ["a"], "flags is multi-valued"),
        ("depths", 3, [3], "depths is multi-valued"),
        ("sails", {"value": "jib"}, [{"value": "jib"}], "sails is multi-valued"),
        ("sails", ["jib"], [{"value": "jib"}], "sails must be an object"),
        ("sails", [{"value": "jib", "colours": "red"}], [{"value": "jib", "colours": ["red"]}], "sails.colours is multi-valued"),
        ("engine", [{"maker": "x"}], {"maker": "x"}, "engine has a single value"),
        ("tender", "1", {"value": "1"}, "tender must be an object"),
        ("tender", [{"value": "1"}], {"value": "1"}, "tender has a single value"),
        ("tender", "", None, "tender must be an object"),
        ("fleet", "1", [{"value": "1"}], "fleet is multi-valued"),
    ],
)
def test_shapes_that_only_patch_accepts(name: str, value: Any, expected: Any, says: str) -> None:
    """One value for a list, a list of one for a value, a bare text for an object: the lenient reading takes them, the other refuses."""
    assert coerced(LENIENT, name, value) == expected
    with refused(Kind.INVALID_VALUE, says):
        coerced(STRICT, name, value)


def test_limits_on_values() -> None:
    """The number of values and the length of a text are accepted at the limit and refused one past it."""
    tight = Coercer(Policy(), Limits(values=3, links=5, string_length=10))
    assert coerced(tight, "flags", ["a", "b", "c"]) == ["a", "b", "c"]
    assert coerced(tight, "nick", "x" * 10) == "x" * 10
    assert len(coerced(tight, "fleet", [{"value": str(number)} for number in range(5)])) == 5
    for name, value, says in (
        ("flags", ["a", "b", "c", "d"], "at most 3 values"),
        ("flags", ["a"] * 4, "at most 3 values"),
        ("nick", "x" * 11, "nick is longer than 10 characters"),
        ("sails", [{"value": "x" * 11}], "sails.value is longer than 10 characters"),
        ("fleet", [{"value": str(number)} for number in range(6)], "at most 5 values"),
    ):
        with refused(Kind.INVALID_VALUE, says):
            coerced(tight, name, value)


@pytest.mark.parametrize(
    ("policy", "name", "value", "expected"),
    [
        (Policy(empty_string_clears=True), "nick", "", None),
        (Policy(empty_string_clears=True), "engine", {"maker": "", "fuel": "none"}, {"fuel": "none"}),
        (Policy(empty_string_clears=True), "flags", ["", "a"], ["a"]),
        (Policy(), "flags", ["", "a"], ["", "a"]),
        (Policy(strict_uris=True), "plan", "https://example.com/plan", "https://example.com/plan"),
    ],
)
def test_what_the_policy_changes(policy: Policy, name: str, value: Any, expected: Any) -> None:
    """An empty text unassigns where the policy says so, at every depth."""
    assert coerced(Coercer(policy), name, value) == expected


def test_what_the_policy_refuses() -> None:
    """Strict tenants refuse unknown sub-attributes and references to the outside that are no URIs."""
    with refused(Kind.INVALID_SYNTAX, 'engine has no sub-attribute "colour"'):
        coerced(Coercer(Policy(strict_attributes=True)), "engine", {"colour": "red"})
    with refused(Kind.INVALID_VALUE, "plan must be an absolute URI"):
        coerced(Coercer(Policy(strict_uris=True)), "plan", "plans/7")
