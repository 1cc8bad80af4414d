"""Sorting (RFC 7644 §3.4.2.3): order by type and case, missing and multiple values, directions, stability."""

from __future__ import annotations

from datetime import datetime

from conformance.checks.filter_operators import Sample, sample
from conformance.client import Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement


def order(users: Sample, by: str, **params: str | int) -> list[str]:
    """Short names of the sample's users in the order of GET /Users?sortBy=`by`."""
    return users.names(users.listing(sortBy=by, **params))


@requirement("7644-3.4.2.3-01")
def sorted_by_attribute(scim: Scim) -> None:
    """sortBy orders the list by the attribute named, in any spelling of its name."""
    scim.feature("sort")
    users = sample(
        scim, c={"userName": rand("c"), "title": "1"}, a={"userName": rand("a"), "title": "2"}, b={"userName": rand("b"), "title": "0"}
    )
    equal(order(users, "userName"), ["a", "b", "c"], "order by userName")
    equal(order(users, "USERNAME"), ["a", "b", "c"], "order by USERNAME")
    equal(order(users, "title"), ["b", "c", "a"], "order by title")
    equal(order(users, "urn:ietf:params:scim:schemas:core:2.0:User:title"), ["b", "c", "a"], "order by the title's full name")


@requirement("7644-3.4.2.3-02")
def multi_valued_uses_primary(scim: Scim) -> None:
    """A multi-valued attribute sorts by its primary value, and by the first where none is primary."""
    scim.feature("sort")
    users = sample(
        scim,
        r={"emails": [{"value": f"d-{rand()}@example.com"}]},
        q={"emails": [{"value": f"c-{rand()}@example.com"}, {"value": f"a-{rand()}@example.com"}]},
        p={"emails": [{"value": f"z-{rand()}@example.com"}, {"value": f"b-{rand()}@example.com", "primary": True}]},
    )
    equal(order(users, "emails.value"), ["p", "q", "r"], "order by emails.value")
    equal(order(users, "emails.value", sortOrder="descending"), ["r", "q", "p"], "descending order by emails.value")
    bare = scim.get("/Users", params={"filter": users.scoped(), "sortBy": "emails"})
    if expect(bare, 200, 400).status_code == 200:  # a complex attribute needs no meaning here, but not a wrong one
        equal(users.names(bare.json()), ["p", "q", "r"], "order by emails")


@requirement("7644-3.4.2.3-03")
def complex_needs_a_part(scim: Scim) -> None:
    """A complex attribute sorts by a sub-attribute that the request names; the attribute alone is refused."""
    scim.feature("sort")
    users = sample(
        scim,
        b={"name": {"givenName": "Ben", "familyName": "Abel"}},
        a={"name": {"givenName": "Ada", "familyName": "Byron"}},
    )
    equal(order(users, "name.givenName"), ["a", "b"], "order by name.givenName")
    equal(order(users, "name.familyName"), ["b", "a"], "order by name.familyName")
    expect_error(scim.get("/Users", params={"filter": users.scoped(), "sortBy": "name"}), 400, "invalidValue", "invalidPath")


@requirement("7644-3.4.2.3-04")
def missing_values(scim: Scim) -> None:
    """Resources without the value come last in ascending and first in descending order."""
    scim.feature("sort")
    users = sample(scim, none={}, b={"title": "b"}, a={"title": "a"})
    equal(order(users, "title", sortOrder="ascending"), ["a", "b", "none"], "ascending")
    equal(order(users, "title", sortOrder="descending"), ["none", "b", "a"], "descending")


@requirement("7644-3.4.2.3-05")
def sort_order_values(scim: Scim) -> None:
    """sortOrder is ascending or descending; another word is refused."""
    scim.feature("sort")
    users = sample(scim, b={"title": "b"}, a={"title": "a"})
    equal(order(users, "title", sortOrder="ascending"), ["a", "b"], "ascending")
    equal(order(users, "title", sortOrder="descending"), ["b", "a"], "descending")
    params = {"filter": users.scoped(), "sortBy": "title", "sortOrder": "sideways"}
    expect_error(scim.get("/Users", params=params), 400, "invalidValue")


@requirement("7644-3.4.2.3-06")
def ascending_by_default(scim: Scim) -> None:
    """Without sortOrder the order is ascending."""
    scim.feature("sort")
    users = sample(scim, c={"title": "c"}, a={"title": "a"}, b={"title": "b"})
    equal(order(users, "title"), ["a", "b", "c"], "order without sortOrder")
    equal(order(users, "title"), order(users, "title", sortOrder="ascending"), "default against ascending")


@requirement("7644-3.4.2.3-07")
def order_follows_case_exact(scim: Scim) -> None:
    """Texts sort without regard to case unless the attribute is case-exact."""
    scim.feature("sort")
    users = sample(
        scim,
        b={"userName": rand("b"), "displayName": "b", "externalId": "b"},
        A={"userName": rand("A"), "displayName": "A", "externalId": "A"},
        C={"userName": rand("C"), "displayName": "C", "externalId": "C"},
    )
    equal(order(users, "userName"), ["A", "b", "C"], "order by userName")
    equal(order(users, "displayName"), ["A", "b", "C"], "order by displayName")
    equal(order(users, "externalId"), ["A", "C", "b"], "order by externalId, which is case-exact")


@requirement("7644-3.4.2.3-08")
def dates_sort_by_time(scim: Scim) -> None:
    """Dates sort by time in both directions."""
    scim.feature("sort")
    users = sample(scim, a={}, b={}, c={})
    expect(scim.patch(f"/Users/{users.users['a']['id']}", {"op": "replace", "path": "title", "value": "x"}), 200, 204)
    for name in ("created", "lastModified"):
        for direction in ("ascending", "descending"):
            listing = users.listing(sortBy=f"meta.{name}", sortOrder=direction)
            equal(len(users.names(listing)), 3, "users listed")
            times = [datetime.fromisoformat(resource["meta"][name]) for resource in listing["Resources"]]
            equal(times, sorted(times, reverse=direction == "descending"), f"{direction} meta.{name}")


@requirement("7644-3.4.2.3-09")
def equal_keys_keep_their_order(scim: Scim) -> None:
    """Paging through resources with the same sort key shows each of them once."""
    scim.feature("sort")
    users = sample(scim, **{name: {"title": "same"} for name in "abcdef"})
    for direction in ("ascending", "descending"):
        seen = [order(users, "title", sortOrder=direction, startIndex=place, count=1) for place in range(1, 7)]
        equal(sorted(name for page in seen for name in page), list("abcdef"), f"users seen in pages of one, {direction}")
        equal(order(users, "title", sortOrder=direction), [page[0] for page in seen], f"one page against six, {direction}")


@requirement("7644-3.4.2.3-10")
def sort_support_is_honest(scim: Scim) -> None:
    """sortBy sorts if ServiceProviderConfig promises it; if not, it is ignored or refused but breaks nothing."""
    supported = (scim.read("/ServiceProviderConfig").get("sort") or {}).get("supported")
    ensure(isinstance(supported, bool), f"sort.supported is {supported!r}")
    users = sample(scim, b={"title": "b"}, a={"title": "a"})
    response = scim.get("/Users", params={"filter": users.scoped(), "sortBy": "title"})
    if supported:
        equal(users.names(expect(response, 200).json()), ["a", "b"], "order by title")
    elif expect(response, 200, 400, 501).status_code == 200:
        equal(sorted(users.names(response.json())), ["a", "b"], "users listed")
