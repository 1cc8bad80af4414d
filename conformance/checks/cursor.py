"""Paging by cursor (RFC 9865 §2, §3): the way through the pages, forward and back, and what each of them says."""

from __future__ import annotations

import re
from itertools import pairwise

from conformance.checks.filter_operators import Sample, sample
from conformance.checks.paging import crowd
from conformance.checks.search import post_search
from conformance.client import LIST_RESPONSE, Json, Scim, ensure, equal, expect, rand
from conformance.registry import Skip, requirement

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")
_LINKS = ("nextCursor", "previousCursor")


def pagination(scim: Scim) -> Json:
    """What the configuration says of paging; skips the check where it says nothing."""
    config = scim.read("/ServiceProviderConfig")
    if "pagination" not in config:
        raise Skip("ServiceProviderConfig says nothing of paging by cursor")
    ensure(isinstance(config["pagination"], dict), f"pagination is {config['pagination']!r}, not an object")
    return config["pagination"]


def needs_cursors(scim: Scim) -> None:
    """Skip the check unless the server says that it pages by cursor."""
    if pagination(scim).get("cursor") is not True:
        raise Skip("ServiceProviderConfig says that results cannot be paged with a cursor")


def page(users: Sample, cursor: str = "", count: int = 2, **params: str | int) -> Json:
    """A page of the sample's users; fails unless its links are cursors or absent."""
    listing = users.listing(cursor=cursor, count=count, **params)
    for name in _LINKS:
        if name in listing:
            ensure(isinstance(listing[name], str) and listing[name], f"{name} is {listing[name]!r}")
    return listing


def onward(listing: Json) -> str:
    """The cursor of the next page; fails when there is none."""
    ensure("nextCursor" in listing, "a page that is not the last one has no nextCursor")
    return str(listing["nextCursor"])


def walk(users: Sample, count: int = 2, **params: str | int) -> list[Json]:
    """All pages of the sample's users, from the first to the one without nextCursor."""
    pages = [page(users, "", count, **params)]
    while "nextCursor" in pages[-1]:
        ensure(len(pages) <= len(users.users), "the pages have no end")
        pages.append(page(users, pages[-1]["nextCursor"], count, **params))
    return pages


@requirement("9865-2-01")
def empty_cursor_is_the_first_page(scim: Scim) -> None:
    """A cursor that is empty or has no value begins the list, which says how to go on."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    first = page(users)
    onward(first)
    filter_ = users.scoped().replace(" ", "%20").replace('"', "%22")
    for query in (f"cursor&count=2&filter={filter_}", f"filter={filter_}&count=2&cursor="):
        again = scim.read(f"/Users?{query}")
        equal(users.names(again), users.names(first), f"users of the first page with {query}")
        onward(again)


@requirement("9865-2-02")
def cursors_are_safe_in_urls(scim: Scim) -> None:
    """Cursors consist of characters that need no encoding in a URL."""
    needs_cursors(scim)
    for listing in walk(crowd(scim, 5)):
        for name in _LINKS:
            text = listing.get(name, "absent")
            ensure(_UNRESERVED.fullmatch(text), f"{name} has other characters than the unreserved ones: {text!r}")


@requirement("9865-2-03", "9865-2-04")
def no_resources_wanted(scim: Scim) -> None:
    """A count of zero, or below, gives no resources but their number."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    for count in (0, -3):
        listing = page(users, "", count)
        equal(listing.get("Resources") or [], [], f"Resources with count {count}")
        equal(listing.get("totalResults"), 3, f"totalResults with count {count}")


@requirement("9865-2-05")
def count_is_the_most(scim: Scim) -> None:
    """No page has more resources than count."""
    needs_cursors(scim)
    users = crowd(scim, 5)
    for count in (1, 2, 4):
        for number, listing in enumerate(walk(users, count), 1):
            ensure(len(listing.get("Resources") or []) <= count, f"page {number} has more than {count} resources")


@requirement("9865-2-06")
def count_may_be_missing(scim: Scim) -> None:
    """Without count the server chooses how long a page is, within the size that it advertises."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    listing = users.listing(cursor="")
    size, most = len(listing["Resources"]), pagination(scim).get("defaultPageSize", 3)
    ensure(1 <= size <= most, f"{size} resources on a page, defaultPageSize is {most}")
    equal("nextCursor" in listing, size < 3, "nextCursor on a page without count")


@requirement("9865-2-07", "9865-2-08")
def the_way_forward(scim: Scim) -> None:
    """Every page but the last has a nextCursor, and the pages together hold every match once."""
    needs_cursors(scim)
    users = crowd(scim, 6)
    for count in (1, 2, 4, 6, 7):
        pages = walk(users, count)
        found = [name for listing in pages for name in users.names(listing)]
        equal(sorted(found), sorted(users.users), f"users on pages of {count}")
        for listing in pages:
            ensure(listing["Resources"], f"an empty page in pages of {count}")
    equal(page(users).keys() & set(_LINKS), {"nextCursor"}, "links of the first page")


@requirement("9865-2-09")
def the_way_back(scim: Scim) -> None:
    """previousCursor leads to the page before, as it was, from which nextCursor leads forward again."""
    needs_cursors(scim)
    users = crowd(scim, 5)
    pages = walk(users)
    if not any("previousCursor" in listing for listing in pages):
        raise Skip("the server does not page back")
    for before, after in pairwise(pages):
        if "previousCursor" not in after:
            continue
        back = page(users, after["previousCursor"])
        equal(users.names(back), users.names(before), "users of the page before")
        equal(back.keys(), before.keys(), "members of the page before")
        equal(users.names(page(users, onward(back))), users.names(after), "users of the page after the page before")


@requirement("9865-2-10")
def first_page_has_none_before(scim: Scim) -> None:
    """The first page has no previousCursor, however one comes there."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    first, second = walk(users)
    ensure("previousCursor" not in first, "the first page has a previousCursor")
    if "previousCursor" in second:
        ensure("previousCursor" not in page(users, second["previousCursor"]), "the first page, reached backwards, has a previousCursor")


@requirement("9865-2-13", "9865-2-14")
def total_counts_all_pages(scim: Scim) -> None:
    """totalResults is the number of all matches on every page, or missing from a list that is complete without it."""
    needs_cursors(scim)
    for listing in walk(crowd(scim, 5)):
        equal(listing.get("totalResults", 5), 5, "totalResults")
        equal(listing["schemas"], [LIST_RESPONSE], "schemas")


@requirement("9865-2-15")
def cursor_pages_have_no_index(scim: Scim) -> None:
    """A page by cursor says how many resources it has, and no startIndex."""
    needs_cursors(scim)
    for listing in walk(crowd(scim, 3)):
        equal(listing.get("itemsPerPage"), len(listing["Resources"]), "itemsPerPage")
        ensure("startIndex" not in listing, f"startIndex is {listing.get('startIndex')!r} on a page by cursor")


@requirement("9865-2-16")
def changes_do_not_shift_pages(scim: Scim) -> None:
    """Resources that come or go between two pages neither repeat nor hide those that stay."""
    needs_cursors(scim)
    users = sample(scim, **{f"u{number}": {"title": f"{number}{rand()}"} for number in range(6)})
    sorts: list[dict[str, str | int]] = [{}, {"sortBy": "title"}]
    for params in sorts:
        first = page(users, "", 2, **params)
        gone, stays = users.names(first)
        scim.delete(f"/Users/{users.users[gone]['id']}")
        users.users[rand("new")] = scim.user(nickName=users.tag, title="00")
        rest, cursor = [], onward(first)
        while cursor:
            listing = page(users, cursor, 2, **params)
            rest += users.names(listing)
            cursor = listing.get("nextCursor", "")
            ensure(len(rest) <= 20, "the pages have no end")
        old = sorted(name for name in rest if name.startswith("u"))
        equal(old, sorted(name for name in users.users if name.startswith("u") and name not in (gone, stays)), "users that stayed")
        del users.users[gone]


@requirement("9865-2.2-01")
def cursor_pages_are_sorted(scim: Scim) -> None:
    """With sortBy the pages together are in order, whichever the direction, also for equal and missing values."""
    needs_cursors(scim)
    scim.feature("sort")
    titles = {"a": "3", "b": "1", "c": "2", "d": "2", "e": "2"}
    users = sample(scim, **{name: {"title": title} for name, title in titles.items()}, none={})
    for order, by_title in (("ascending", ["1", "2", "2", "2", "3", ""]), ("descending", ["", "3", "2", "2", "2", "1"])):
        for count in (1, 2, 4):
            pages = walk(users, count, sortBy="title", sortOrder=order)
            found = [name for listing in pages for name in users.names(listing)]
            equal(len(set(found)), 6, f"users on pages of {count}, {order}")
            equal([titles.get(name, "") for name in found], by_title, f"titles on pages of {count}, {order}")


@requirement("9865-2.3-01", "9865-2.4-01")
def default_method(scim: Scim) -> None:
    """A list that was asked for without paging parameters is paged in the one way that the server advertises."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    method = pagination(scim).get("defaultPaginationMethod")
    for listing in (users.listing(), users.listing(count=2), users.listing(count=2)):
        if "nextCursor" in listing:
            ensure(method != "index", "a nextCursor, though the default method is index")
            ensure(users.names(page(users, onward(listing))), "nextCursor of a list without cursor leads nowhere")
        elif method == "cursor":
            equal(len(listing["Resources"]), 3, "resources of a list without nextCursor, though the default method is cursor")


@requirement("9865-2.4-02")
def index_is_the_default(scim: Scim) -> None:
    """A server whose default is the index answers as ever: with startIndex and itemsPerPage, and a count need not stay the same."""
    needs_cursors(scim)
    if pagination(scim).get("defaultPaginationMethod") != "index":
        raise Skip("the default paging method is not index")
    users = crowd(scim, 3)
    listing = users.listing(count=2)
    equal((listing.get("startIndex"), listing.get("itemsPerPage")), (1, 2), "startIndex and itemsPerPage of the first page")
    equal(users.listing(startIndex=3, count=1).get("startIndex"), 3, "startIndex of another page")


@requirement("9865-2.4-03")
def parameters_choose_the_method(scim: Scim) -> None:
    """startIndex asks for a page by index, cursor for one by cursor."""
    needs_cursors(scim)
    users = crowd(scim, 3)
    ensure("nextCursor" in page(users), "no nextCursor, though cursor was given")
    if pagination(scim).get("index"):
        ensure("nextCursor" not in users.listing(startIndex=1, count=2), "a nextCursor, though startIndex was given")


@requirement("9865-3-01")
def cursors_in_bodies(scim: Scim) -> None:
    """A search by POST takes cursor and count in its body, and its pages are those of GET."""
    needs_cursors(scim)
    users = crowd(scim, 5)
    names, members = [], {"filter": users.scoped(), "count": 2}
    cursor = ""
    for _ in range(3):
        listing = expect(post_search(scim, cursor=cursor, **members), 200).json()
        names.append(users.names(listing))
        cursor = listing.get("nextCursor", "")
    equal(cursor, "", "nextCursor of the last page")
    equal(names, [users.names(listing) for listing in walk(users)], "users of the pages of a search")
