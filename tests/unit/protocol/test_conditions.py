"""If-Match and If-None-Match: lists, asterisks, weak and strong tags, tags of others (RFC 7644 §3.14, decisions on weak comparison)."""

from __future__ import annotations

import pytest

from scimsrv.protocol.plan import IfMatch
from scimsrv.protocol.request import if_match, if_none_match


@pytest.mark.parametrize(
    ("header", "permitted", "refused"),
    [
        ('W/"3"', {3}, {1, 2, 4, 33}),
        ('"3"', {3}, {2}),
        ('w/"3"', {3}, {2}),
        ("3", {3}, {2}),
        ('W/"3-0badcafe"', {3}, {2}),
        ('W/"2", W/"3"', {2, 3}, {1, 4}),
        ('W/"2",W/"3" , "9"', {2, 3, 9}, {1}),
        ("*", {1, 99}, set()),
        ('W/"2", *', {1, 2}, set()),
        ("", set(), {0, 1}),
        (",", set(), {1}),
        ('W/"x"', set(), {1}),
        ('W/"-3"', set(), {3}),
        ('W/""', set(), {0}),
        ('W/"٣"', set(), {3}),
        ('W/"1.0"', set(), {1}),
        ('W/"99999999999999999999"', set(), {1}),
        ('W/"x", W/"2"', {2}, {1}),
    ],
)
def test_if_match(header: str, permitted: set[int], refused: set[int]) -> None:
    """A resource may be changed when one of the tags is its own, or for an asterisk; a tag that is none of ours matches nothing."""
    found = if_match(header)
    assert found is not None
    assert all(found.permits(version) for version in permitted)
    assert not any(found.permits(version) for version in refused)


def test_without_the_header() -> None:
    """No header is no condition, which is not the same as one that matches nothing."""
    assert if_match(None) is None
    assert if_match("") == IfMatch(any=False)
    assert if_none_match(None) == ()


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ('W/"3"', ("3",)),
        ('"3"', ("3",)),
        ('W/"3-0badcafe", "4"', ("3-0badcafe", "4")),
        ("*", ("*",)),
        ("", ()),
        (" , ", ()),
        ("garbage", ("garbage",)),
    ],
)
def test_if_none_match(header: str, tags: tuple[str, ...]) -> None:
    """The opaque parts are compared, weak or strong."""
    assert if_none_match(header) == tags
