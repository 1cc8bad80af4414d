"""What the configuration says of paging (RFC 9865 §4), against what the server does."""

from __future__ import annotations

from conformance.checks.cursor import needs_cursors, onward, page, pagination
from conformance.checks.paging import crowd
from conformance.client import Json, Scim, ensure, equal
from conformance.registry import Skip, requirement


def _number(scim: Scim, name: str) -> int:
    """A positive integer of the configuration; skips the check where it is not given."""
    value: Json = pagination(scim).get(name)
    if value is None:
        raise Skip(f"pagination has no {name}")
    ensure(type(value) is int and value > 0, f"pagination.{name} is {value!r}, not a positive integer")
    return int(value)


@requirement("9865-4-01", "9865-4-02")
def cursor_is_true(scim: Scim) -> None:
    """pagination is an object whose member cursor says whether a list asked for with a cursor has one to go on."""
    promised = pagination(scim).get("cursor")
    ensure(isinstance(promised, bool), f"pagination.cursor is {promised!r}, not a boolean")
    listing = crowd(scim, 3).listing(cursor="", count=2)
    equal("nextCursor" in listing, promised, "nextCursor in a list asked for by cursor")


@requirement("9865-4-03")
def index_is_true(scim: Scim) -> None:
    """pagination.index says whether startIndex chooses the page."""
    promised = pagination(scim).get("index")
    ensure(isinstance(promised, bool), f"pagination.index is {promised!r}, not a boolean")
    users = crowd(scim, 3)
    if promised:
        whole = users.names(users.listing(startIndex=1, count=3))
        equal(users.names(users.listing(startIndex=2, count=1)), whole[1:2], "users of the page that starts at 2")


@requirement("9865-4-04")
def default_method_is_true(scim: Scim) -> None:
    """defaultPaginationMethod, where given, is cursor or index, and one that the server has."""
    said = pagination(scim)
    method = said.get("defaultPaginationMethod")
    if method is None:
        raise Skip("pagination has no defaultPaginationMethod")
    ensure(method in ("cursor", "index"), f"defaultPaginationMethod is {method!r}")
    ensure(said.get(method) is True, f"defaultPaginationMethod is {method}, which the server says it does not have")


@requirement("9865-4-05")
def default_page_size_is_true(scim: Scim) -> None:
    """defaultPageSize, where given, is a positive integer, and no page without count is longer."""
    size = _number(scim, "defaultPageSize")
    crowd(scim, 2)
    for params in ({}, {"cursor": ""}):
        found = len(scim.find("/Users", "userName pr", attributes="userName", **params)["Resources"])
        ensure(1 <= found <= size, f"{found} resources on a page without count, defaultPageSize is {size}")


@requirement("9865-4-06")
def max_page_size_is_true(scim: Scim) -> None:
    """maxPageSize, where given, is a positive integer, and no page is longer, whatever count says."""
    needs_cursors(scim)
    size = _number(scim, "maxPageSize")
    crowd(scim, 2)
    for params in ({}, {"cursor": ""}):
        found = len(scim.find("/Users", "userName pr", attributes="userName", count=size + 1, **params)["Resources"])
        ensure(1 <= found <= size, f"{found} resources on a page, maxPageSize is {size}")


@requirement("9865-4-07")
def cursor_timeout_is_true(scim: Scim) -> None:
    """cursorTimeout, where given, is a positive integer, and within it a cursor works, more than once."""
    needs_cursors(scim)
    _number(scim, "cursorTimeout")
    users = crowd(scim, 3)
    cursor = onward(page(users))
    equal(users.names(page(users, cursor)), users.names(page(users, cursor)), "users behind the same cursor")
