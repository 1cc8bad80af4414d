"""The meaning of filters over documents, by the table that every evaluator shares."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind
from scimsrv.filter.bind import BoundConstant, bind, bind_element
from scimsrv.filter.match import match, match_element
from scimsrv.filter.parse import parse_filter, parse_path
from scimsrv.schema.attribute import Returned
from tests.filter_cases import CASES, DERIVED_CASES, DOCUMENTS
from tests.schemas import SAMPLE, group_schema, sample_schema


def verdict(text: str, document: dict[str, Any], *, unknown_matches_nothing: bool = False) -> bool:
    return match(bind(parse_filter(text), sample_schema(), text, unknown_matches_nothing=unknown_matches_nothing), document)


@pytest.mark.parametrize(("document", "text", "expected"), CASES + DERIVED_CASES)
def test_filters_mean_what_the_table_says(document: str, text: str, expected: bool) -> None:
    assert verdict(text, DOCUMENTS[document]) is expected


@pytest.mark.parametrize(("document", "text", "expected"), CASES + DERIVED_CASES)
def test_not_is_the_exact_opposite(document: str, text: str, expected: bool) -> None:
    assert verdict(f"not ({text})", DOCUMENTS[document]) is not expected


def test_a_group_is_found_by_member() -> None:
    """`members eq` compares the members' ids (decision 25)."""
    group = {"id": "g-1", "displayName": "Staff", "members": [{"value": "u-1", "type": "User"}, {"value": "g-2", "type": "Group"}]}
    for text, expected in (
        ('id eq "g-1" and members eq "u-1"', True),
        ('members[value eq "g-2" and type eq "User"]', False),
        ('members.type eq "group"', True),
        ('displayName eq "STAFF"', True),
        ('members.value ne "u-1"', True),
    ):
        bound = bind(parse_filter(text), group_schema(), text, unknown_matches_nothing=False)
        assert match(bound, group) is expected, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('color eq "red"', False),
        ('color co "red"', False),
        ('color ne "red"', True),
        ("color pr", False),
        ("color eq null", True),
        ("color ne null", False),
        ('color[shade eq "x"]', False),
        ('emails[color eq "x"]', False),
        ('emails[color ne "x"]', True),
        ("emails[color pr]", False),
        ('not (color eq "red")', True),
        ('color eq "red" or userName eq "ada@example.com"', True),
        ('color ne "red" and userName eq "ada@example.com"', True),
        ('color eq "red" and userName eq "ada@example.com"', False),
        ('emails[color ne "x" and type eq "work"]', True),
        ('emails[color ne "x" and type eq "other"]', False),
    ],
)
def test_an_unknown_attribute_has_no_value_in_queries_over_several_types(text: str, expected: bool) -> None:
    assert verdict(text, DOCUMENTS["ada"], unknown_matches_nothing=True) is expected


@pytest.mark.parametrize(
    ("path", "elements", "expected"),
    [
        ('emails[type eq "WORK"]', [{"type": "work"}, {"type": "home"}, {}], [True, False, False]),
        ('emails[type ne "work"]', [{"type": "work"}, {"type": "home"}, {}], [False, True, True]),
        ('emails[not (type eq "work")].value', [{"type": "work"}, {"value": "x"}], [False, True]),
        ("emails[value pr]", [{"value": "x"}, {"value": ""}, {}], [True, False, False]),
        ("emails[value eq null]", [{"value": "x"}, {"value": None}, {}], [False, True, True]),
        ('roles[primary eq "True"].value', [{"primary": True}, {"primary": False}, {}], [True, False, False]),
        ("emails[primary eq false]", [{"primary": True}, {"primary": False}, {}], [False, True, True]),
        ('emails[value co "a" or type pr]', [{"value": "bab"}, {"type": "x"}, {"value": "b"}], [True, True, False]),
        ('tags[value eq "BLUE"]', ["blue", "green"], [True, False]),
        ("floors[value ge 7 and value lt 9]", [6, 7, 8, 9], [False, True, True, False]),
    ],
)
def test_paths_select_elements(path: str, elements: list[Any], expected: list[bool]) -> None:
    tree = parse_path(path)
    place = sample_schema().resolve(tree.name.text)
    assert place is not None
    assert tree.filter is not None
    bound = bind_element(tree.filter, place, path, Kind.INVALID_FILTER)
    assert [match_element(bound, element) for element in elements] == expected


def test_presence_does_not_tell_of_what_is_never_returned() -> None:
    """A complex attribute that holds nothing but secrets counts as empty."""
    place = sample_schema().resolve("desks.key")
    assert place is not None
    assert place.leaf.returned is Returned.NEVER
    assert not verdict("desks pr", {SAMPLE: {"desks": [{"key": "secret"}]}})
    assert verdict("desks pr", {SAMPLE: {"desks": [{"key": "secret", "room": "A1"}]}})


def test_a_value_path_within_a_value_path_has_no_meaning() -> None:
    """Neither parser nor binder makes one; the matcher does not guess."""
    text = 'emails[type eq "work"]'
    with pytest.raises(TypeError):
        match_element(bind(parse_filter(text), sample_schema(), text, unknown_matches_nothing=False), {"type": "work"})


def test_null_is_no_value_wherever_it_stands() -> None:
    """RFC 7643 §2.5: null, an empty array and absence are one state."""
    for tags in ([None], [], None):
        assert verdict('tags ne "x"', {SAMPLE: {"tags": tags}})
        assert not verdict("tags pr", {SAMPLE: {"tags": tags}})
    assert verdict('tags eq "x"', {SAMPLE: {"tags": [None, "X"]}})
    assert not verdict('tags ne "x"', {SAMPLE: {"tags": [None, "X"]}})


def test_constants_hold_for_elements_too() -> None:
    assert match_element(BoundConstant(True), {})
    assert not match_element(BoundConstant(False), "x")
