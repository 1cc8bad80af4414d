"""Index paging (RFC 7644 §3.4.2 and §3.4.2.4): the counters of a ListResponse and the limits of startIndex and count."""

from __future__ import annotations

from conformance.checks.filter_operators import Sample, sample
from conformance.client import Json, Scim, ensure, equal, expect_error
from conformance.registry import requirement

COUNTERS = ("totalResults", "startIndex", "itemsPerPage")


def crowd(scim: Scim, size: int) -> Sample:
    """`size` users that differ only in their names."""
    return sample(scim, **{f"u{number}": {} for number in range(size)})


def counters(listing: Json, total: int, start: int, items: int, what: str) -> None:
    """Fail unless the three counters have these values, as JSON integers, and the page is as long as it says."""
    for name, wanted in zip(COUNTERS, (total, start, items), strict=True):
        ensure(type(listing.get(name)) is int, f"{what}: {name} is {listing.get(name)!r}, not an integer")
        equal(listing[name], wanted, f"{what}: {name}")
    equal(len(listing.get("Resources") or []), items, f"{what}: number of resources")


@requirement("7644-3.4.2-04")
def total_counts_all_matches(scim: Scim) -> None:
    """totalResults counts every match, not only those of the page."""
    users = crowd(scim, 3)
    for count in (1, 2, 3, 10):
        equal(users.listing(count=count).get("totalResults"), 3, f"totalResults with count={count}")


@requirement("7644-3.4.2-05")
def resources_hold_the_matches(scim: Scim) -> None:
    """Resources is an array with the matches whenever there are any."""
    users = crowd(scim, 2)
    listing = users.listing()
    ensure(isinstance(listing.get("Resources"), list), f"Resources is {listing.get('Resources')!r}")
    equal(sorted(users.names(listing)), ["u0", "u1"], "users listed")
    equal(listing.get("totalResults"), 2, "totalResults")
    unfiltered = scim.read("/Users", params={"count": 1})
    ensure(unfiltered["totalResults"] >= 2, f"totalResults of all users is {unfiltered['totalResults']}")
    equal(len(unfiltered.get("Resources") or []), 1, "users on a page of one without filter")


@requirement("7644-3.4.2-06")
def start_index_is_told(scim: Scim) -> None:
    """A partial page says at which index it starts."""
    users = crowd(scim, 3)
    for start in (1, 2, 3):
        counters(users.listing(startIndex=start, count=1), 3, start, 1, f"startIndex={start}")


@requirement("7644-3.4.2-07")
def items_per_page_is_told(scim: Scim) -> None:
    """A partial page says how many resources it holds, which is less than count on the last page."""
    users = crowd(scim, 3)
    counters(users.listing(count=2), 3, 1, 2, "first page of two")
    counters(users.listing(startIndex=3, count=2), 3, 3, 1, "last page")


@requirement("7644-3.4.2.4-01")
def first_index_is_one(scim: Scim) -> None:
    """Indexes count from one, and one is the default."""
    users = crowd(scim, 3)
    first = users.listing(count=1)
    counters(first, 3, 1, 1, "page without startIndex")
    equal(users.names(users.listing(startIndex=1, count=1)), users.names(first), "startIndex=1 against no startIndex")
    equal(users.names(users.listing(startIndex=2, count=2)), users.names(users.listing())[1:], "the rest, from startIndex=2")


@requirement("7644-3.4.2.4-02")
def low_start_index_is_one(scim: Scim) -> None:
    """A startIndex below one means one."""
    users = crowd(scim, 2)
    first = users.names(users.listing(count=1))
    for start in (0, -5):
        listing = users.listing(startIndex=start, count=1)
        counters(listing, 2, 1, 1, f"startIndex={start}")
        equal(users.names(listing), first, f"first user with startIndex={start}")


@requirement("7644-3.4.2.4-03")
def negative_count_is_zero(scim: Scim) -> None:
    """A negative count means zero: no resources, but the true total."""
    counters(crowd(scim, 2).listing(count=-1), 2, 1, 0, "count=-1")


@requirement("7644-3.4.2.4-04")
def count_zero_counts_only(scim: Scim) -> None:
    """count=0 asks for the total alone."""
    users = crowd(scim, 2)
    counters(users.listing(count=0), 2, 1, 0, "count=0")
    unfiltered = scim.read("/Users", params={"count": 0})
    equal(unfiltered.get("Resources") or [], [], "resources of all users with count=0")
    ensure(unfiltered["totalResults"] >= 2, f"totalResults of all users is {unfiltered['totalResults']}")


@requirement("7644-3.4.2.4-05")
def count_is_an_upper_bound(scim: Scim) -> None:
    """A page never holds more than count resources."""
    users = crowd(scim, 5)
    for start in range(1, 6):
        page = users.names(users.listing(startIndex=start, count=2))
        equal(len(page), min(2, 6 - start), f"users from startIndex={start} with count=2")
    ensure(len(scim.read("/Users", params={"count": 2})["Resources"]) <= 2, "more than two users with count=2 and no filter")


@requirement("7644-3.4.2.4-06")
def large_count_is_lowered(scim: Scim) -> None:
    """A count above the server's maximum is answered with at most that maximum, not refused."""
    users = crowd(scim, 3)
    counters(users.listing(count=100_000), 3, 1, 3, "count=100000")
    maximum = (scim.read("/ServiceProviderConfig").get("filter") or {}).get("maxResults") or 100_000
    for params in ({"count": 100_000, "attributes": "id"}, {"attributes": "id"}):
        page = scim.read("/Users", params=params)
        equal(len(page["Resources"]), page["itemsPerPage"], f"resources against itemsPerPage with {params}")
        ensure(page["itemsPerPage"] <= maximum, f"{page['itemsPerPage']} users on a page, the maximum is {maximum}")
        ensure(page["itemsPerPage"] >= min(3, page["totalResults"]), f"only {page['itemsPerPage']} users with {params}")


@requirement("7644-3.4.2.4-07")
def start_index_beyond_the_end(scim: Scim) -> None:
    """A startIndex beyond the end gives an empty page with the true total."""
    users = crowd(scim, 2)
    for start in (3, 999, 3_000_000_000):
        listing = users.listing(startIndex=start, count=10)
        counters(listing, 2, start, 0, f"startIndex={start}")
        equal(listing.get("Resources"), [], f"Resources with startIndex={start}")  # decision 39


@requirement("7644-3.4.2.4-08")
def counters_are_integers(scim: Scim) -> None:
    """The three counters are JSON integers in full, partial and empty lists."""
    users = crowd(scim, 2)
    for params, wanted in (({}, (2, 1, 2)), ({"count": 1}, (2, 1, 1)), ({"startIndex": 2}, (2, 2, 1)), ({"count": 0}, (2, 1, 0))):
        counters(users.listing(**params), *wanted, f"list with {params}")
    counters(users.listing("title pr"), 0, 1, 0, "list without matches")


@requirement("7644-3.4.2.4-09")
def paging_needs_numbers(scim: Scim) -> None:
    """A startIndex or count that is no whole number is refused as invalidValue."""
    for name in ("count", "startIndex"):
        for value in ("abc", "1.5", "1x"):
            expect_error(scim.get("/Users", params={name: value}), 400, "invalidValue")


@requirement("7644-3.4.2.4-10")
def pages_add_up(scim: Scim) -> None:
    """Pages taken one after the other show every unchanged resource once, in the order of the whole list."""
    users = crowd(scim, 12)
    whole = users.names(users.listing())
    equal(len(set(whole)), 12, "users in the whole list")
    pages = [users.listing(startIndex=start, count=5) for start in (1, 6, 11)]
    equal([name for page in pages for name in users.names(page)], whole, "three pages against the whole list")
    equal([page["itemsPerPage"] for page in pages], [5, 5, 2], "itemsPerPage of the three pages")
