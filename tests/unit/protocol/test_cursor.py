"""Cursors: what was sealed is what is opened, by nobody and for nothing else, and not for ever (RFC 9865 §2, §5.2)."""

from __future__ import annotations

import base64
import dataclasses
import os
import string
from typing import Any

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.protocol.cursor import LONGEST, Holder, Sealer, binding
from scimsrv.protocol.messages import SEARCH_REQUEST
from scimsrv.protocol.plan import Cursor, Cursors, Position, Query
from scimsrv.protocol.planning import placed
from scimsrv.protocol.request import Search, parameters, search_by_body, search_by_query
from scimsrv.schema.catalog import build_catalog
from scimsrv.schema.policy import Policy
from scimsrv.schema.project import Projection
from tests.unit.protocol.support import refused

OLD, NEW = b"o" * 32, b"n" * 32
SEARCH = Search(filter='userName sw "J"', sort_by="userName", projection=Projection(frozenset({"username"})))
CATALOG = build_catalog([], [], [], Policy())
HOLDER = Holder(7, "kid", frozenset({"scim:read"}), "now")
BOUND = binding(HOLDER, "COLLECTION/Users", SEARCH)
PLACE = Position("jensen", "2819c223")
LIMITS = Limits(page=50, default_page=20)
_UNRESERVED = set(string.ascii_letters + string.digits + "-._~")


def sealer(*keys: bytes, now: float = 1_000.0, timeout: int = 60) -> Sealer:
    """A sealer whose clock stands still."""
    return Sealer(keys or (NEW,), timeout, lambda: now, os.urandom)


def sealed(position: Position = PLACE, count: int = 10, by: Sealer | None = None, *, backwards: bool = False) -> str:
    """The cursor to a position of the query."""
    links = (by or sealer()).links(Cursors(BOUND, None if backwards else position, position if backwards else None), count)
    return links["previousCursor" if backwards else "nextCursor"]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "position",
    [
        PLACE,
        Position(None, "2819c223"),
        Position("", ""),
        Position('null "\\ \n', "a/b?c"),
        Position("Ünïcødé 語 𝒳", "é"),
        Position("x" * 65_536, "long, and one letter"),
        Position("".join(map(chr, range(1_000, 2_000))), "long, and many letters"),
    ],
    ids=lambda position: repr(position)[:40],
)
def test_what_is_sealed_is_opened(position: Position, backwards: bool) -> None:
    """A cursor opens as the position and direction it was made of; it holds unreserved characters only, and is bounded."""
    text = sealed(position, backwards=backwards)
    assert set(text) <= _UNRESERVED
    assert 0 < len(text) <= LONGEST
    assert sealer().open(text, BOUND, 10) == Cursor(BOUND, position, backwards)


def test_the_empty_cursor_is_the_first_page() -> None:
    """An empty cursor opens for any query and any count, without a position."""
    assert sealer().open("", BOUND, 3) == Cursor(BOUND)


@pytest.mark.parametrize(
    ("cursors", "names"),
    [
        (Cursors(BOUND, None, None), []),
        (Cursors(BOUND, PLACE, None), ["nextCursor"]),
        (Cursors(BOUND, None, PLACE), ["previousCursor"]),
        (Cursors(BOUND, PLACE, PLACE), ["nextCursor", "previousCursor"]),
    ],
)
def test_only_pages_that_exist_are_linked(cursors: Cursors, names: list[str]) -> None:
    """There is a cursor for each neighbour, and no member at all where there is none (RFC 9865 §2)."""
    assert list(sealer().links(cursors, 10)) == names


def test_cursors_say_nothing() -> None:
    """The same place is sealed differently each time, and its contents cannot be read in it."""
    first, second = sealed(), sealed()
    assert first != second
    raw = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))
    assert PLACE.id.encode() not in raw
    assert b"jensen" not in raw


def test_every_change_of_a_character_is_noticed() -> None:
    """Changing any one character to any other, leaving one out, or adding one, makes an invalid cursor."""
    text = sealed()
    alphabet = string.ascii_letters + string.digits + "-_"
    changed = [text[:at] + other + text[at + 1 :] for at in range(len(text)) for other in alphabet if other != text[at]]
    changed += [text[:at] + text[at + 1 :] for at in range(len(text))]
    changed += [text[:at] + other + text[at:] for at in range(len(text) + 1) for other in "A~.=+/é\x00"]
    for forged in changed:
        with refused(Kind.INVALID_CURSOR):
            sealer().open(forged, BOUND, 10)


@pytest.mark.parametrize(
    "text", [" ", "=", "A", "AAAA", "null", "+/", "A" * 16, "A" * 38, "A" * LONGEST, "A" * (LONGEST + 4), "A" * 100_000, "語", "\x00"]
)
def test_what_was_never_sealed(text: str) -> None:
    """Anything made up is an invalid cursor, however long."""
    with refused(Kind.INVALID_CURSOR):
        sealer().open(text, BOUND, 10)


def _other(**changes: Any) -> bytes:
    return binding(HOLDER, "COLLECTION/Users", dataclasses.replace(SEARCH, **changes))


@pytest.mark.parametrize(
    "foreign",
    [
        binding(dataclasses.replace(HOLDER, tenant=8), "COLLECTION/Users", SEARCH),
        binding(dataclasses.replace(HOLDER, client="kie"), "COLLECTION/Users", SEARCH),
        binding(dataclasses.replace(HOLDER, scopes=frozenset({"scim"})), "COLLECTION/Users", SEARCH),
        binding(dataclasses.replace(HOLDER, epoch="then"), "COLLECTION/Users", SEARCH),
        binding(HOLDER, "COLLECTION/Users", SEARCH, [1]),
        binding(HOLDER, "COLLECTION/Groups", SEARCH),
        binding(HOLDER, "SEARCH/Users", SEARCH),
        binding(HOLDER, "ROOT/", SEARCH),
        _other(filter=None),
        _other(filter='userName sw "K"'),
        _other(sort_by=None),
        _other(sort_by="title"),
        _other(descending=True),
        _other(projection=Projection()),
        _other(projection=Projection(frozenset())),
        _other(projection=Projection(None, frozenset({"username"}))),
        _other(projection=Projection(frozenset({"username", "title"}))),
    ],
)
def test_a_cursor_of_something_else(foreign: bytes) -> None:
    """What was made for another tenant, token, endpoint, filter, order or projection is refused in the words for what was made up."""
    said = []
    for text in (sealed(), "made-up"):
        with pytest.raises(ScimError) as caught:
            sealer().open(text, foreign, 10)
        said.append(caught.value)
    assert said == [ScimError(Kind.INVALID_CURSOR)] * 2


def test_what_does_not_bind() -> None:
    """The case of sortBy, the place of startIndex (which cursors do not have) and the cursor itself are free; count is told apart."""
    assert BOUND == _other(sort_by="USERNAME") == _other(start=5) == _other(cursor="x") == _other(count=99)
    assert len(BOUND) == 32


def test_lists_do_not_run_into_each_other() -> None:
    """A text at one place of the query is not the same text at another."""
    searches = [Search(filter="a", sort_by="b"), Search(filter="ab"), Search(sort_by="ab"), Search(filter='a","b')]
    assert len({binding(HOLDER, "COLLECTION/Users", search) for search in searches}) == len(searches)


def test_keys_are_rotated() -> None:
    """Older versions of the key still open; only the first one seals; an unknown one opens nothing."""
    old, both = sealer(OLD), sealer(NEW, OLD)
    assert both.open(sealed(by=old), BOUND, 10).position == PLACE
    assert sealer(NEW).open(sealed(by=both), BOUND, 10).position == PLACE
    for text, by in ((sealed(by=both), old), (sealed(by=old), sealer(NEW))):
        with refused(Kind.INVALID_CURSOR):
            by.open(text, BOUND, 10)


@pytest.mark.parametrize(("made", "read"), [(1_000.0, 1_060.0), (1_000.9, 1_060.9), (1_000.999, 1_060.0), (1_000.0, 900.0)])
def test_a_cursor_lives_as_long_as_promised(made: float, read: float) -> None:
    """At the timeout's last moment a cursor works, and one of a server whose clock is ahead works as well."""
    assert sealer(now=read).open(sealed(by=sealer(now=made)), BOUND, 10).position == PLACE


@pytest.mark.parametrize(("made", "read"), [(1_000.0, 1_061.0), (1_000.999, 1_061.0), (1_000.0, 10_000_000.0)])
def test_an_old_cursor_is_expired(made: float, read: float) -> None:
    """One second past the timeout it is an expired cursor, whatever the count; of another query it is an invalid one."""
    text = sealed(by=sealer(now=made))
    for count in (10, 11):
        with refused(Kind.EXPIRED_CURSOR):
            sealer(now=read).open(text, BOUND, count)
    with refused(Kind.INVALID_CURSOR):
        sealer(now=read).open(text, _other(filter=None), 10)


@pytest.mark.parametrize("count", [0, 9, 11, 50])
def test_another_count(count: int) -> None:
    """A count that is not the first page's is an invalidCount that names the right one."""
    with refused(Kind.INVALID_COUNT, "10"):
        sealer().open(sealed(count=10), BOUND, count)


def test_keys_too_long_for_a_cursor() -> None:
    """Where the next page's cursor would not fit into a URL, the page is refused with the way out; the previous page's is left out."""
    long = Position(os.urandom(LONGEST).hex(), "1")
    assert sealer().links(Cursors(BOUND, PLACE, long), 10).keys() == {"nextCursor"}
    with refused(Kind.INVALID_VALUE, "startIndex"):
        sealer().links(Cursors(BOUND, long, PLACE), 10)


def test_keys_are_not_in_the_representation() -> None:
    """Printing the object does not print its keys."""
    assert "nnn" not in repr(sealer())


@pytest.mark.parametrize(
    ("query", "cursor"),
    [(b"", None), (b"count=3", None), (b"cursor", ""), (b"cursor=", ""), (b"CURSOR=x&count=3", "x"), (b"cursor&startIndex=", "")],
)
def test_cursors_in_query_strings(query: bytes, cursor: str | None) -> None:
    """A bare or empty cursor begins a list by cursor, none is index paging; an empty startIndex is none."""
    found = search_by_query(parameters(query), LIMITS)
    assert (found.cursor, found.start) == (cursor, 1)


@pytest.mark.parametrize(
    ("members", "cursor"),
    [
        ({}, None),
        ({"cursor": None, "startIndex": 1}, None),
        ({"cursor": ""}, ""),
        ({"Cursor": "x"}, "x"),
        ({"cursor": "", "count": None}, ""),
    ],
)
def test_cursors_in_bodies(members: dict[str, Any], cursor: str | None) -> None:
    """The same in the body of a search, where null is absent (RFC 9865 §3)."""
    assert search_by_body({"schemas": [SEARCH_REQUEST]} | members, LIMITS).cursor == cursor


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"cursor": "", "startIndex": 1}, Kind.INVALID_VALUE),
        ({"cursor": "x", "startIndex": 0}, Kind.INVALID_VALUE),
        ({"cursor": "", "count": "many"}, Kind.INVALID_COUNT),
        ({"cursor": "x", "count": "1.5"}, Kind.INVALID_COUNT),
        ({"count": "many"}, Kind.INVALID_VALUE),
    ],
)
def test_pages_that_are_refused(given: dict[str, Any], kind: Kind) -> None:
    """A cursor beside a startIndex, and a count that is no integer, are refused in both forms of a search."""
    with refused(kind):
        search_by_query({name.lower(): str(value) for name, value in given.items()}, LIMITS)
    with refused(kind):
        search_by_body({"schemas": [SEARCH_REQUEST]} | given, LIMITS)


@pytest.mark.parametrize("cursor", [5, True, [], {}])
def test_a_cursor_that_is_no_text(cursor: Any) -> None:
    """In a body, a cursor of another type is an invalid one."""
    with refused(Kind.INVALID_CURSOR):
        search_by_body({"schemas": [SEARCH_REQUEST], "cursor": cursor}, LIMITS)


def test_a_doubled_cursor() -> None:
    """A cursor given twice is refused, as any known parameter is."""
    with refused(Kind.INVALID_VALUE):
        parameters(b"cursor=&CURSOR=x")


@pytest.mark.parametrize(("count", "same"), [("", "20"), ("99", "50"), ("-1", "0"), ("7", " 7 ")])
def test_counts_that_come_to_the_same(count: str, same: str) -> None:
    """What counts is how many resources a page may have: the default is a count, and so is the maximum."""
    found, again = (search_by_query({"cursor": "", "count": text}, LIMITS).count for text in (count, same))
    assert found == again


def test_a_plan_has_its_place() -> None:
    """A search by cursor is planned behind its position, in its own direction; one by index is left as it is."""
    plan = Query((), descending=False, start=1, count=10)
    assert placed(plan, SEARCH, "COLLECTION/Users", CATALOG, HOLDER, sealer()) is plan
    for text, cursor in (("", Cursor(BOUND)), (sealed(backwards=True), Cursor(BOUND, PLACE, backwards=True))):
        asked = dataclasses.replace(SEARCH, cursor=text)
        assert placed(plan, asked, "COLLECTION/Users", CATALOG, HOLDER, sealer()) == dataclasses.replace(plan, cursor=cursor)
