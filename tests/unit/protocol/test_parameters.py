"""Query strings and the bodies of searches: both come to the same search (RFC 7644 §3.4.2, §3.4.3, §3.9)."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind
from scimsrv.limits import Limits
from scimsrv.protocol.messages import SEARCH_REQUEST
from scimsrv.protocol.request import Search, parameters, projection, search_by_body, search_by_query
from scimsrv.schema.project import EVERYTHING, Projection
from tests.unit.protocol.support import refused

LIMITS = Limits(page=50, default_page=20, projected_names=3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", {}),
        (b"filter=userName+eq+%22ada%22", {"filter": 'userName eq "ada"'}),
        (b"FILTER=x&StartIndex=2", {"filter": "x", "startindex": "2"}),
        (b"count=", {"count": ""}),
        (b"count", {"count": ""}),
        (b"a=1&a=2", {"a": "2"}),
        (b"x=%C3%A9&y=a%2Bb", {"x": "é", "y": "a+b"}),
        (b"a=1;b=2", {"a": "1;b=2"}),
    ],
)
def test_query_strings(query: bytes, expected: dict[str, str]) -> None:
    """Names are compared without case, values are decoded; what the protocol does not know is kept and not looked at."""
    assert parameters(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        b"filter=a&filter=b",
        b"filter=a&FILTER=b",
        b"count=1&count=1",
        b"dryRun=true&dryrun=false",
        b"attributes=a&attributes=b",
        b"filter=%FF",
        b"filter=\xff",
        b"filter=a%00b",
        b"&".join(b"x%d=1" % number for number in range(101)),
    ],
)
def test_query_strings_that_are_refused(query: bytes) -> None:
    """A known parameter given twice, text that is not UTF-8, NUL, and more than 100 parameters are refused."""
    with refused(Kind.INVALID_VALUE):
        parameters(query)


@pytest.mark.parametrize(
    ("given", "start", "count"),
    [
        ({}, 1, 20),
        ({"startindex": "0", "count": "5"}, 1, 5),
        ({"startindex": "-3", "count": "-1"}, 1, 0),
        ({"startindex": "7", "count": "0"}, 7, 0),
        ({"startindex": "+7", "count": " 5 "}, 7, 5),
        ({"startindex": "", "count": ""}, 1, 20),
        ({"count": "50"}, 1, 50),
        ({"count": "51"}, 1, 50),
        ({"count": "999999999999999999"}, 1, 50),
        ({"startindex": "999999999999999999"}, 999999999999999999, 20),
    ],
)
def test_paging(given: dict[str, str], start: int, count: int) -> None:
    """startIndex below 1 is 1, a negative count is 0, a count beyond the maximum is the maximum (RFC 7644 §3.4.2.4)."""
    found = search_by_query(given, LIMITS)
    assert (found.start, found.count) == (start, count)
    if all(value.strip() for value in given.values()):
        message = {"startIndex": given.get("startindex"), "count": given.get("count")}
        body = {name: int(value) for name, value in message.items() if value is not None}
        assert search_by_body({"schemas": [SEARCH_REQUEST]} | body, LIMITS) == found


@pytest.mark.parametrize("number", [10**18, 2**63, 10**998], ids=["10^18", "2^63", "10^998"])
def test_numbers_behind_the_end(number: int) -> None:
    """However large, a startIndex is one behind the end, and a count the maximum."""
    found = search_by_query({"startindex": str(number), "count": str(number)}, LIMITS)
    assert (found.start, found.count) == (10**18, LIMITS.page)
    assert search_by_query({"startindex": str(-number), "count": str(-number)}, LIMITS).start == 1


@pytest.mark.parametrize("text", ["x", "1.5", "1e3", "0x1", "--1", "+-1", "١", "1 2", "-+5", "+", "null", "9" * 1_001])
@pytest.mark.parametrize("name", ["startindex", "count"])
def test_paging_that_is_refused(name: str, text: str) -> None:
    """Anything but an integer is an invalidValue that names the parameter."""
    with refused(Kind.INVALID_VALUE, "must be an integer"):
        search_by_query({name: text}, LIMITS)


@pytest.mark.parametrize(
    ("order", "descending"), [(None, False), ("", False), ("ascending", False), ("DESCENDING", True), ("Descending", True)]
)
def test_order(order: str | None, descending: bool) -> None:
    """sortOrder is compared without case and is ascending by default, in both forms of a search."""
    given = {"sortby": "userName"} | ({} if order is None else {"sortorder": order})
    found = search_by_query(given, LIMITS)
    assert (found.sort_by, found.descending) == ("userName", descending)
    assert search_by_body({"schemas": [SEARCH_REQUEST], "sortBy": "userName", "sortOrder": order}, LIMITS) == found


@pytest.mark.parametrize("order", ["up", "asc", "descending "])
def test_order_that_is_refused(order: str) -> None:
    """Another word is refused rather than taken for the default."""
    with refused(Kind.INVALID_VALUE, "sortOrder"):
        search_by_query({"sortorder": order}, LIMITS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, EVERYTHING),
        ({"attributes": ""}, EVERYTHING),
        ({"attributes": " , "}, EVERYTHING),
        ({"attributes": "userName, EMAILS.value,userName"}, Projection(frozenset({"username", "emails.value"}))),
        ({"excludedattributes": "Members"}, Projection(None, frozenset({"members"}))),
        ({"attributes": "a", "excludedattributes": ""}, Projection(frozenset({"a"}))),
        ({"attributes": "a,b,c"}, Projection(frozenset("abc"))),
    ],
)
def test_projection(given: dict[str, str], expected: Projection) -> None:
    """Names are split at commas and folded; an empty parameter is no parameter; a body may have an array or a text."""
    assert projection(given, LIMITS) == expected
    names = {"attributes": "attributes", "excludedattributes": "excludedAttributes"}
    for form in (lambda text: text, lambda text: [text], lambda text: text.split(",")):
        body: dict[str, Any] = {"schemas": [SEARCH_REQUEST]} | {names[name]: form(text) for name, text in given.items()}
        assert search_by_body(body, LIMITS).projection == expected


@pytest.mark.parametrize(
    "given", [{"attributes": "a", "excludedattributes": "b"}, {"attributes": "a,b,c,d"}, {"excludedattributes": "a,b,c,d"}]
)
def test_projection_that_is_refused(given: dict[str, str]) -> None:
    """Both parameters at once, or more names than the limit, are refused."""
    with refused(Kind.INVALID_VALUE, "attributes"):
        projection(given, LIMITS)


def test_a_search_by_body() -> None:
    """The members of a search request are named in any case; others are ignored; null is absent."""
    body = {"SCHEMAS": [SEARCH_REQUEST.upper()], "FILTER": "x pr", "sortby": "y", "Count": 3, "startIndex": None, "unknown": {}}
    assert search_by_body(body, LIMITS) == Search(filter="x pr", sort_by="y", count=3)


@pytest.mark.parametrize(
    ("member", "value"),
    [("filter", 5), ("filter", ["x"]), ("sortBy", {}), ("count", "many"), ("count", 1.5), ("startIndex", []), ("attributes", [1])],
)
def test_a_search_by_body_that_is_refused(member: str, value: Any) -> None:
    """A member of the wrong type is an invalidValue that names it."""
    with refused(Kind.INVALID_VALUE, member.removesuffix("Index")):
        search_by_body({"schemas": [SEARCH_REQUEST], member: value}, LIMITS)
