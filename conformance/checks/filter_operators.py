"""Filter operators of RFC 7644 Table 3 and Table 4, each told apart on a few users that share a tag."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from conformance.client import Json, Scim, ensure, equal, expect_error, rand
from conformance.registry import requirement


@dataclass(frozen=True, slots=True)
class Sample:
    """Users by short name. They share a nickName, which keeps the rest of the tenant out of every answer."""

    scim: Scim
    tag: str
    users: dict[str, Json]

    def scoped(self, filter_: str = "") -> str:
        """The filter that asks `filter_` of these users only."""
        own = f'nickName eq "{self.tag}"'
        return f"{own} and ({filter_})" if filter_ else own

    def listing(self, filter_: str = "", /, **params: str | int) -> Json:
        """The ListResponse of GET /Users for these users under `filter_` and the other query parameters."""
        return self.scim.find("/Users", self.scoped(filter_), **params)

    def names(self, listing: Json) -> list[str]:
        """Short names of the resources of a ListResponse, in its order; an id that is not of the sample stays an id."""
        known = {user["id"]: name for name, user in self.users.items()}
        return [known.get(resource["id"], resource["id"]) for resource in listing.get("Resources") or []]

    def selects(self, filter_: str, *names: str) -> None:
        """Fail unless the filter selects exactly these users of the sample and counts them."""
        listing = self.listing(filter_)
        equal(sorted(self.names(listing)), sorted(names), f"users selected by {filter_}")
        equal(listing["totalResults"], len(names), f"totalResults of {filter_}")


def sample(scim: Scim, **attributes: dict[str, Json]) -> Sample:
    """Create one user per keyword argument with these attributes."""
    tag = rand("tag")
    return Sample(scim, tag, {name: scim.user(nickName=tag, **values) for name, values in attributes.items()})


def refuses(scim: Scim, filter_: str, path: str = "/Users") -> Json:
    """Fail unless the filter is answered 400 invalidFilter; returns the error body."""
    return expect_error(scim.get(path, params={"filter": filter_}), 400, "invalidFilter")


@requirement("7644-3.4.2.2-01")
def only_matching_resources(scim: Scim) -> None:
    """A filtered list holds the resource that matches and no other."""
    users = sample(scim, a={}, b={})
    name = users.users["a"]["userName"]
    found = scim.find("/Users", f'userName eq "{name}"')
    equal(users.names(found), ["a"], "users with the name of a")
    equal(found["totalResults"], 1, "totalResults")
    equal(found["Resources"][0]["userName"], name, "userName of the match")


@requirement("7644-3.4.2.2-05")
def eq_matches_identical(scim: Scim) -> None:
    """eq selects the values that equal the literal, neither longer ones nor other ones, for texts and booleans."""
    users = sample(scim, a={"title": "Ada", "active": True}, b={"title": "Ada B", "active": False}, c={"title": "Ad", "active": True})
    users.selects('title eq "Ada"', "a")
    users.selects("active eq false", "b")
    users.selects("active eq true", "a", "c")


@requirement("7644-3.4.2.2-06")
def ne_negates_eq(scim: Scim) -> None:
    """ne selects everything that eq does not, resources without a value included."""
    users = sample(scim, a={"title": "x"}, b={"title": "y"}, c={})
    users.selects('title ne "x"', "b", "c")  # decision 5: no value is not identical
    users.selects(f'userName ne "{users.users["a"]["userName"]}"', "b", "c")


@requirement("7644-3.4.2.2-07")
def co_finds_substring(scim: Scim) -> None:
    """co selects values that hold the literal at any place, and takes wildcard characters literally."""
    users = sample(scim, a={"title": "Chief 50% off"}, b={"title": "mischief"}, c={"title": "Chef"}, d={})
    users.selects('title co "chie"', "a", "b")
    users.selects('title co "%"', "a")
    users.selects('title co "chie_"')


@requirement("7644-3.4.2.2-08")
def sw_finds_prefix(scim: Scim) -> None:
    """sw selects values that begin with the literal, the identical value included."""
    users = sample(scim, a={"title": "Tour"}, b={"title": "Tour guide"}, c={"title": "Contour"}, d={"title": "Tou"})
    users.selects('title sw "tour"', "a", "b")


@requirement("7644-3.4.2.2-09")
def ew_finds_suffix(scim: Scim) -> None:
    """ew selects values that end with the literal, the identical value included."""
    users = sample(scim, a={"title": "guide"}, b={"title": "Tour guide"}, c={"title": "guided"}, d={"title": "ide"})
    users.selects('title ew "guide"', "a", "b")


@requirement("7644-3.4.2.2-10")
def pr_needs_a_value(scim: Scim) -> None:
    """pr selects resources with a non-empty value; a complex attribute counts when a sub-attribute has one."""
    users = sample(
        scim,
        a={"title": "Dr", "name": {"givenName": "Ada"}},
        b={"title": "", "emails": []},
        c={"emails": [{"value": f"{rand()}@example.com"}]},
    )
    users.selects("title pr", "a")
    users.selects("name pr", "a")
    users.selects("name.givenName pr", "a")
    users.selects("name.familyName pr")
    users.selects("emails pr", "c")
    users.selects("emails.type pr")


@requirement("7644-3.4.2.2-11")
def text_order(scim: Scim) -> None:
    """gt, ge, lt and le order texts by character, folded unless the attribute is case-exact."""
    users = sample(
        scim,
        a={"title": "alpha", "externalId": "alpha"},
        b={"title": "Beta", "externalId": "Beta"},
        c={"title": "gamma", "externalId": "gamma"},
    )
    users.selects('title gt "b"', "b", "c")
    users.selects('title gt "beta"', "c")
    users.selects('title ge "BETA"', "b", "c")
    users.selects('title lt "Beta"', "a")
    users.selects('title le "beta"', "a", "b")
    users.selects('externalId lt "a"', "b")  # capitals come first when case counts
    users.selects('externalId gt "Beta"', "a", "c")


@requirement("7644-3.4.2.2-12")
def date_order(scim: Scim) -> None:
    """gt, ge, lt and le compare points in time, whatever the offset and the fraction of the literal."""
    users = sample(scim, a={})
    created = datetime.fromisoformat(users.users["a"]["meta"]["created"])
    east, west = timezone(timedelta(hours=9)), timezone(timedelta(hours=-9))
    before, after = created - timedelta(minutes=1), created + timedelta(minutes=1)
    # As text the eastern "before" is the greater one and the western "after" the smaller one.
    for literal in (before.astimezone(east).isoformat(), f"{before.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.25Z"):
        for operator, names in {"gt": ["a"], "ge": ["a"], "lt": [], "le": []}.items():
            users.selects(f'meta.created {operator} "{literal}"', *names)
    for literal in (after.astimezone(west).isoformat(), f"{after.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.25Z"):
        for operator, names in {"gt": [], "ge": [], "lt": ["a"], "le": ["a"]}.items():
            users.selects(f'meta.lastModified {operator} "{literal}"', *names)
    same = created.astimezone(east).isoformat()
    for operator, names in {"eq": ["a"], "ge": ["a"], "le": ["a"], "gt": [], "lt": []}.items():
        users.selects(f'meta.created {operator} "{same}"', *names)


@requirement("7644-3.4.2.2-14")
def order_of_unordered_types(scim: Scim) -> None:
    """gt, ge, lt and le on boolean and binary attributes are refused as invalidFilter."""
    for operator in ("gt", "ge", "lt", "le"):
        refuses(scim, f"active {operator} true")
        refuses(scim, f'x509Certificates.value {operator} "AAAA"')
        refuses(scim, f'x509Certificates[value {operator} "AAAA"]')


@requirement("7644-3.4.2.2-15")
def and_needs_both(scim: Scim) -> None:
    """and selects what both sides select."""
    users = sample(scim, a={"title": "x", "active": True}, b={"title": "x", "active": False}, c={"active": True})
    users.selects("title pr and active eq true", "a")
    users.selects('active eq true and title eq "x"', "a")


@requirement("7644-3.4.2.2-16")
def or_needs_one(scim: Scim) -> None:
    """or selects what at least one side selects, each resource once."""
    users = sample(scim, a={"title": "x"}, b={"userType": "Intern"}, c={"title": "x", "userType": "Intern"}, d={"userType": "Employee"})
    users.selects('title pr or userType eq "Intern"', "a", "b", "c")


@requirement("7644-3.4.2.2-17")
def not_inverts(scim: Scim) -> None:
    """not selects what the expression in parentheses does not, with or without a space before them."""
    users = sample(scim, a={"title": "x"}, b={"title": "y"}, c={})
    users.selects('not (title eq "x")', "b", "c")
    users.selects('not(title eq "x")', "b", "c")
    users.selects("not (title pr)", "c")
    users.selects('not (not (title eq "x"))', "a")


@requirement("7644-3.4.2.2-31")
def unknown_operator(scim: Scim) -> None:
    """An operator that does not exist is refused as invalidFilter, and the detail names it."""
    error = refuses(scim, 'userName regex "a"')
    ensure("regex" in str(error.get("detail")), f"the detail does not name the operator: {error.get('detail')!r}")
    refuses(scim, 'userName like "a"')
    refuses(scim, 'emails[value regex "a"]')


@requirement("7644-3.4.2.2-35")
def unsupported_comparison(scim: Scim) -> None:
    """An operator or a literal that cannot meet the attribute's type is refused as invalidFilter, not answered with a guess."""
    for filter_ in (
        'active co "t"',
        'active sw "t"',
        'active ew "e"',
        "emails.primary gt false",
        'active eq "maybe"',
        "userName eq 5",
        'meta.created gt "yesterday"',
    ):
        refuses(scim, filter_)
