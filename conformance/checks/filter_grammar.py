"""The filter grammar of RFC 7644 Figure 1: what must parse, how it groups, what must be refused, and where filters are heard."""

from __future__ import annotations

import time

import httpx

from conformance.checks.filter_operators import refuses, sample
from conformance.client import CORE_USER, ENTERPRISE_USER, SEARCH_REQUEST, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement

WRONG_SYNTAX = (
    "userName",
    "userName eq",
    'eq "a"',
    "userName eq a",
    "userName eq 'a'",
    '"a" eq userName',
    'userName eq "a',
    r'userName eq "a\x"',
    '(userName eq "a"',
    'userName eq "a")',
    "()",
    "not title pr",
    'userName eq "a" and',
    'or userName eq "a"',
    'userName eq "a" userName eq "b"',
    'userName pr "a"',
    'emails[type eq "work"',
    "emails[]",
    'emails.value. eq "a"',
    '.userName eq "a"',
)

# The filters printed there, and whether each selects the user that the check makes.
FIGURE_2 = {
    'userName eq "bjensen"': False,
    'name.familyName co "O\'Malley"': False,
    'userName sw "J"': False,
    'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"': False,
    "title pr": True,
    'meta.lastModified gt "2011-05-13T04:42:34Z"': True,
    'meta.lastModified ge "2011-05-13T04:42:34Z"': True,
    'meta.lastModified lt "2011-05-13T04:42:34Z"': False,
    'meta.lastModified le "2011-05-13T04:42:34Z"': False,
    'title pr and userType eq "Employee"': True,
    'title pr or userType eq "Intern"': True,
    'schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"': True,
    'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")': True,
    'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")': False,
    'userType eq "Employee" and (emails.type eq "work")': True,
    'userType eq "Employee" and emails[type eq "work" and value co "@example.com"]': True,
    'emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]': True,
}


@requirement("7644-3.4.2-01")
def query_places(scim: Scim) -> None:
    """A filter is heard at a resource type's endpoint, and at the base URI unless that is switched off."""
    users = sample(scim, a={}, b={})
    filter_ = f'userName eq "{users.users["a"]["userName"]}"'
    equal(users.names(scim.find("/Users", filter_)), ["a"], "matches at /Users")
    root = expect(scim.get("/", params={"filter": filter_}), 200, 501)
    if root.status_code == 200:
        equal(users.names(root.json()), ["a"], "matches at the base URI")


@requirement("7644-3.4.2-08")
def no_match_is_success(scim: Scim) -> None:
    """A filter that nothing matches is answered 200 with totalResults 0 and no resources, at every endpoint."""
    scim.group(scim.user()["id"])
    for path, attribute in {"/Users": "userName", "/Groups": "displayName"}.items():
        found = scim.find(path, f'{attribute} eq "{rand("absent")}"')
        equal(found.get("totalResults"), 0, f"totalResults at {path}")
        equal(found.get("Resources") or [], [], f"Resources at {path}")


@requirement("7644-3.4.2.1-06")
def filter_on_one_resource(scim: Scim) -> None:
    """A filter on the URL of one resource is ignored: the resource is returned even if it would not match."""
    user = scim.user()
    body = scim.read(f"/Users/{user['id']}", params={"filter": "title pr"})  # decision 69
    equal(body.get("id"), user["id"], "id of the resource")
    equal(body.get("userName"), user["userName"], "userName of the resource")


@requirement("7644-3.4.2.2-02")
def attribute_names_ignore_case(scim: Scim) -> None:
    """Names of attributes and sub-attributes mean the same in any mix of cases."""
    email = f"{rand()}@example.com"
    users = sample(scim, a={"name": {"familyName": "Byron"}, "emails": [{"value": email, "type": "work"}]}, b={})
    users.selects(f'USERNAME eq "{users.users["a"]["userName"]}"', "a")
    users.selects('Name.FAMILYNAME eq "Byron"', "a")
    users.selects(f'EMAILS[Type eq "work" and VALUE eq "{email}"]', "a")
    users.selects("META.Created pr", "a", "b")


@requirement("7644-3.4.2.2-03")
def operators_ignore_case(scim: Scim) -> None:
    """Operators, and, or and not mean the same in any mix of cases."""
    users = sample(scim, a={"title": "x", "active": True}, b={"title": "y", "active": True}, c={"active": False})
    users.selects('title Eq "x" AND active EQ true', "a")
    users.selects('title eQ "x" Or active NE true', "a", "c")
    users.selects("NOT (title PR)", "c")
    users.selects('title Sw "x" oR title cO "y"', "a", "b")


@requirement("7644-3.4.2.2-04")
def filter_holds_an_expression(scim: Scim) -> None:
    """A filter without a complete expression is refused as invalidFilter."""
    for filter_ in ("", " ", "userName", "()"):
        refuses(scim, filter_)


@requirement("7644-3.4.2.2-18")
def parentheses_group(scim: Scim) -> None:
    """Parentheses change what a filter selects."""
    users = sample(
        scim, p={"userType": "E", "title": "A"}, q={"userType": "E", "title": "B"}, r={"userType": "I", "title": "B"}, s={"userType": "E"}
    )
    users.selects('userType eq "E" and (title eq "A" or title eq "B")', "p", "q")
    users.selects('userType eq "E" and title eq "A" or title eq "B"', "p", "q", "r")
    users.selects('((userType eq "E") and ((title eq "A") or (title eq "B")))', "p", "q")


@requirement("7644-3.4.2.2-19")
def brackets_bind_to_one_value(scim: Scim) -> None:
    """All conditions in brackets hold for the same value; outside brackets different values may meet them."""
    work, home = f"{rand()}@a.example", f"{rand()}@b.example"
    users = sample(scim, a={"emails": [{"type": "work", "value": work}, {"type": "home", "value": home}]})
    users.selects('emails[type eq "work" and value ew "@a.example"]', "a")
    users.selects('emails[type eq "work" and value ew "@b.example"]')
    users.selects('emails.type eq "work" and emails.value ew "@b.example"', "a")


@requirement("7644-3.4.2.2-20")
def brackets_name_sub_attributes(scim: Scim) -> None:
    """A filter in brackets that names no sub-attribute of the attribute before them is refused as invalidFilter."""
    refuses(scim, 'emails[nosuch eq "x"]')
    refuses(scim, 'emails[userName eq "x"]')
    refuses(scim, 'emails[type eq "work" and]')


@requirement("7644-3.4.2.2-21")
def brackets_do_not_nest(scim: Scim) -> None:
    """Brackets within brackets are refused as invalidFilter."""
    refuses(scim, "emails[type[x eq 1]]")
    refuses(scim, 'emails[type[value eq "work"]]')
    refuses(scim, 'emails[type eq "work" and value[type eq "work"]]')


@requirement("7644-3.4.2.2-22")
def logic_inside_brackets(scim: Scim) -> None:
    """and, or, not and parentheses work within brackets as outside."""
    users = sample(
        scim,
        a={"emails": [{"type": "work", "value": f"{rand()}@example.com"}]},
        b={"emails": [{"type": "home", "value": f"{rand()}@example.org"}]},
        c={"emails": [{"type": "other", "value": f"{rand()}@example.com"}]},
    )
    users.selects('emails[(type eq "work" or type eq "home") and not (value ew ".org")]', "a")
    users.selects('emails[type eq "work" or type eq "home" and value ew ".com"]', "a")
    users.selects('emails[not (type eq "work")]', "b", "c")


@requirement("7644-3.4.2.2-23")
def wrong_syntax(scim: Scim) -> None:
    """Texts that the grammar does not produce are refused as invalidFilter."""
    for filter_ in WRONG_SYNTAX:
        refuses(scim, filter_)


@requirement("7644-3.4.2.2-25")
def schema_prefix(scim: Scim) -> None:
    """An attribute may be named with its schema's URI in front; an extension attribute is found that way."""
    users = sample(scim, a={ENTERPRISE_USER: {"department": "Engines"}, "title": "x"}, b={ENTERPRISE_USER: {"department": "Looms"}}, c={})
    users.selects(f'{CORE_USER}:title eq "x"', "a")
    users.selects(f'{CORE_USER}:userName eq "{users.users["b"]["userName"]}"', "b")
    users.selects(f'{ENTERPRISE_USER}:department eq "Engines"', "a")
    users.selects(f"{ENTERPRISE_USER}:department pr and {CORE_USER}:nickName pr", "a", "b")


@requirement("7644-3.4.2.2-26")
def schema_prefix_ignores_case(scim: Scim) -> None:
    """A schema URI in front of an attribute means the same in any mix of cases."""
    users = sample(scim, a={ENTERPRISE_USER: {"department": "Engines"}, "title": "x"}, b={})
    users.selects(f'{CORE_USER.upper()}:title eq "x"', "a")
    users.selects(f'{ENTERPRISE_USER.upper()}:DEPARTMENT eq "Engines"', "a")
    users.selects(f'{ENTERPRISE_USER.lower()}:department sw "Eng"', "a")


@requirement("7644-3.4.2.2-27")
def precedence(scim: Scim) -> None:
    """not binds tighter than and, and tighter than or, wherever they stand in the filter."""
    users = sample(
        scim,
        a={"title": "A", "active": True},
        b={"title": "B", "active": True},
        c={"title": "B", "active": False},
        d={"title": "C", "active": False},
    )
    for filter_ in ('title eq "A" or title eq "B" and active eq false', 'active eq false and title eq "B" or title eq "A"'):
        users.selects(filter_, "a", "c")
    users.selects('title eq "A" or (title eq "B" and active eq false)', "a", "c")
    users.selects('(title eq "A" or title eq "B") and active eq false', "c")
    users.selects('not (title eq "A") and active eq true', "b")
    users.selects('not (title eq "B") or active eq true', "a", "b", "d")


@requirement("7644-3.4.2.2-34")
def filters_of_figure_2(scim: Scim) -> None:
    """Every filter that RFC 7644 prints as an example is understood."""
    user = scim.user(
        userType="Employee",
        title="Dr",
        emails=[{"type": "work", "value": f"{rand()}@example.com"}],
        **{ENTERPRISE_USER: {"department": "Engines"}},
    )
    own = f'userName eq "{user["userName"]}"'
    for filter_, wanted in FIGURE_2.items():
        scim.find("/Users", filter_, count=1)
        equal(scim.matches("/Users", f"{own} and ({filter_})", [user]) == {user["id"]}, wanted, f"{filter_} selects the user")


@requirement("7644-3.4.2.2-36")
def filter_support_is_honest(scim: Scim) -> None:
    """A filter is applied if ServiceProviderConfig promises filters and refused if not; it is never dropped in silence."""
    supported = (scim.read("/ServiceProviderConfig").get("filter") or {}).get("supported")
    users = sample(scim, a={}, b={})
    response = scim.get("/Users", params={"filter": f'userName eq "{users.users["a"]["userName"]}"'})
    if supported:
        equal(users.names(expect(response, 200).json()), ["a"], "users under the filter")
    else:
        expect(response, 400, 403, 501)


@requirement("7644-3.4.2.2-37")
def unknown_attribute_of_one_type(scim: Scim) -> None:
    """At the endpoint of one type a filter on an attribute that the type lacks is refused as invalidFilter."""
    for filter_ in ('nosuch eq "x"', "nosuch pr", 'name.nosuch eq "x"', 'userName pr or nosuch eq "x"', f"{CORE_USER}:nosuch pr"):
        refuses(scim, filter_)  # decision 24
    refuses(scim, 'userName eq "x"', "/Groups")


@requirement("7644-3.4.2.2-38")
def filters_have_limits(scim: Scim) -> None:
    """Filters of absurd depth or size are refused at once, and the server goes on answering."""
    deep = "(" * 2000 + "userName pr" + ")" * 2000
    wide = " or ".join(['userName eq "a"'] * 2000)
    nested = "not (" * 2500 + "userName pr" + ")" * 2500
    began = time.monotonic()
    by_url = scim.get("/Users", params={"filter": deep, "count": 1})
    if by_url.status_code != 414:  # a server may find the whole URL too long before it looks at the filter
        _refused_for_size(by_url, deep)
    for filter_ in (deep * 5, "(" * 10_000, wide, nested):
        _refused_for_size(scim.post("/Users/.search", {"schemas": [SEARCH_REQUEST], "filter": filter_, "count": 1}), filter_)
    # Far above the need of a bounded parser, also on a busy machine, and far below that of one that backtracks.
    ensure(time.monotonic() - began < 10, f"five refusals took {time.monotonic() - began:.1f} s")
    sample(scim, a={"title": "x"}, b={}).selects("title pr", "a")


def _refused_for_size(response: httpx.Response, filter_: str) -> None:
    equal(response.status_code, 400, f"status for a filter of {len(filter_)} characters that begins {filter_[:20]!r}")
    expect_error(response, 400, "invalidFilter", "tooMany")
