"""What a cursor does not do (RFC 9865 §2.1, §5): serve another query, outlive its time, be made up, or stand for a right."""

from __future__ import annotations

import re
import time

import httpx

from conformance.checks.cursor import needs_cursors, onward, page, pagination
from conformance.checks.filter_operators import Sample
from conformance.checks.paging import crowd
from conformance.checks.raw_http import send
from conformance.checks.search import post_search
from conformance.client import Scim, ensure, equal, expect, expect_error
from conformance.registry import Skip, requirement

#: Seconds that a check is willing to wait for a cursor to expire.
_PATIENCE = 10


def _ask(users: Sample, cursor: str, path: str = "/Users", **params: str | int) -> httpx.Response:
    """A page of two behind a cursor; parameters given here replace those of the first page."""
    query: dict[str, str | int] = {"filter": users.scoped(), "cursor": cursor, "count": 2}
    return users.scim.get(path, params=query | params)


def _refused(users: Sample, cursor: str, path: str = "/Users", **params: str | int) -> tuple[str, str]:
    """Fail unless the cursor is an invalid one for the query; what the answer says, without what differs from request to request."""
    body = expect_error(_ask(users, cursor, path, **params), 400, "invalidCursor")
    said = str(body.get("detail", "")).replace(cursor, "")
    return body["scimType"], re.sub(r"[0-9a-fA-F-]{8,}", "", said)


def _flipped(cursor: str, at: int) -> str:
    return cursor[:at] + ("B" if cursor[at] == "A" else "A") + cursor[at + 1 :]


@requirement("9865-2-11")
def cursors_belong_to_a_query(scim: Scim) -> None:
    """A cursor with another filter, another order or at another endpoint is refused as invalidCursor."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    cursor = onward(page(users))
    _refused(users, cursor, filter=users.scoped("userName pr"))
    _refused(users, cursor, sortBy="userName")
    expect(_ask(users, cursor), 200)
    everybody = onward(scim.find("/Users", "id pr", cursor="", count=2))
    _refused(users, everybody, "/Groups", filter="id pr")
    expect(_ask(users, everybody, filter="id pr"), 200)


@requirement("9865-2-12")
def count_stays_the_same(scim: Scim) -> None:
    """A count that is not the first page's is refused as invalidCount, and the right one still works."""
    needs_cursors(scim)
    users = crowd(scim, 4)
    cursor = onward(page(users))
    for count in (1, 3):
        expect_error(_ask(users, cursor, count=count), 400, "invalidCount")
    expect(_ask(users, cursor), 200)


@requirement("9865-2-17")
def cursor_or_index(scim: Scim) -> None:
    """A request with both a cursor and a startIndex is refused."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    for cursor in ("", onward(page(users))):
        expect_error(_ask(users, cursor, startIndex=1), 400, "invalidValue", "invalidCursor")


@requirement("9865-2.1-01", "9865-2.1-02")
def made_up_cursors(scim: Scim) -> None:
    """A cursor that the server never gave is refused as invalidCursor, in a query string as in a body."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    for made_up in ("forged", "0", "null", "A" * 64, "+/", "é", onward(page(users)) + "A"):
        _refused(users, made_up)
        expect_error(post_search(scim, filter=users.scoped(), cursor=made_up, count=2), 400, "invalidCursor")


@requirement("9865-2.1-03")
def cursors_expire(scim: Scim) -> None:
    """A cursor that was kept too long is refused as expiredCursor."""
    needs_cursors(scim)
    timeout = pagination(scim).get("cursorTimeout")
    if timeout is None or timeout > _PATIENCE:
        raise Skip(f"cursorTimeout is {timeout}: too long to wait for")
    users = crowd(scim, 3)
    cursor = onward(page(users))
    time.sleep(timeout + 2)
    answer = _ask(users, cursor)
    if answer.status_code == 200:
        raise Skip("cursors live longer than cursorTimeout, which is a minimum")
    expect_error(answer, 400, "expiredCursor")


@requirement("9865-2.1-04")
def counts_that_are_none(scim: Scim) -> None:
    """A count that is no whole number is refused as invalidCount; one above the maximum is that, or stands for the maximum."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    for count in ("abc", "1.5", "2x"):
        expect_error(_ask(users, "", count=count), 400, "invalidCount")
    most = pagination(scim).get("maxPageSize", 1_000_000)
    answer = expect(_ask(users, "", count=most + 1), 200, 400)
    if answer.status_code == 400:
        expect_error(answer, 400, "invalidCount")
    else:
        equal(sorted(users.names(answer.json())), sorted(users.users), "users on a page of more than the maximum")


@requirement("9865-5.2-02", "9865-5.2-03")
def cursors_are_no_credentials(scim: Scim) -> None:
    """Every page needs the client's credentials: a cursor without them, or with wrong ones, is 401."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    path = f"/Users?{httpx.QueryParams({'filter': users.scoped(), 'count': 2, 'cursor': onward(page(users))})}"
    expect_error(send(scim, "GET", path, without=["Authorization"]), 401)
    expect_error(send(scim, "GET", path, headers={"Authorization": "Bearer wrong"}), 401)
    expect(send(scim, "GET", path), 200)


@requirement("9865-5.2-05")
def changed_cursors(scim: Scim) -> None:
    """A cursor in which one character was changed is refused, whichever it is."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    cursor = onward(page(users))
    for at in {*range(0, len(cursor), 7), len(cursor) - 1}:
        _refused(users, _flipped(cursor, at))


@requirement("9865-5.2-06")
def refusals_are_alike(scim: Scim) -> None:
    """Cursors that are made up, changed, or of another query are refused in the same words."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    cursor = onward(page(users))
    said = {
        _refused(users, "forged"),
        _refused(users, _flipped(cursor, 5)),
        _refused(users, cursor, sortBy="userName"),
        _refused(users, cursor, "/Groups", filter="displayName pr"),
    }
    equal(len(said), 1, f"different answers to invalid cursors: {sorted(said)}")


@requirement("9865-5.3-01")
def lists_are_not_for_everybody(scim: Scim) -> None:
    """A list by cursor without credentials is refused: 401, or tooMany."""
    needs_cursors(scim)
    scim.user()
    answer = expect(send(scim, "GET", "/Users?cursor&count=1", without=["Authorization"]), 400, 401)
    ensure(answer.status_code == 401 or expect_error(answer, 400, "tooMany"), "refused without a reason")
