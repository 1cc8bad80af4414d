"""Filters and paths that are almost right: each is read or refused, in a number of steps that its length bounds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, TypeVar

from hypothesis import HealthCheck, given, settings

from scimsrv.errors import Kind, ScimError
from scimsrv.filter.bind import bind
from scimsrv.filter.parse import parse_filter, parse_path
from scimsrv.filter.render import render
from tests.filter_cases import CASES
from tests.mutations import EXAMPLES, mutated
from tests.schemas import sample_schema
from tests.unit.filter.test_render import placeless

T = TypeVar("T")

_FILTERS: Final = [case[1] for case in CASES]
_PATHS: Final = [
    *("userName", "name.givenName", "emails", "emails.value", 'emails[type eq "work"]', 'emails[type eq "work" and primary eq true].value'),
    *("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", "emails[not (value pr)]", "$ref", "members[value sw 1]"),
]

#: Calls of functions for a character, and for any text at all: generous, for what matters is that the first is a constant.
_PER_CHARACTER: Final = 400
_IN_ANY_CASE: Final = 20_000

_FUZZ: Final = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def counted(work: Callable[[], T]) -> tuple[T, int]:
    """What the work comes to, and the number of calls that it took: other work shares the machine, so time says nothing."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event.endswith("call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        return work(), calls
    finally:
        sys.setprofile(before)


@_FUZZ
@given(mutated(_FILTERS))
def test_filters(text: str) -> None:
    """A filter is a tree that its canonical form leads back to, and fits the schema or not; or it is invalidFilter. Nothing else."""
    tree, calls = counted(lambda: _read(parse_filter, text, Kind.INVALID_FILTER))
    assert calls <= _IN_ANY_CASE + _PER_CHARACTER * len(text)
    if tree is None:
        return
    assert placeless(parse_filter(render(tree))) == placeless(tree)
    try:
        bind(tree, sample_schema(), text, unknown_matches_nothing=False)
    except ScimError as error:
        if error.kind is not Kind.INVALID_FILTER:
            raise


@_FUZZ
@given(mutated(_PATHS))
def test_paths(text: str) -> None:
    """The same of the paths of PATCH, which are invalidPath."""
    path, calls = counted(lambda: _read(parse_path, text, Kind.INVALID_PATH))
    assert calls <= _IN_ANY_CASE + _PER_CHARACTER * len(text)
    assert path is None or render(parse_path(render(path))) == render(path)


def _read(parse: Callable[[str], T], text: str, kind: Kind) -> T | None:
    try:
        return parse(text)
    except ScimError as error:
        if error.kind is not kind:
            raise
        return None
