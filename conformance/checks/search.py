"""Queries by POST (RFC 7644 §3.4.3): /.search with a SearchRequest body."""

from __future__ import annotations

import httpx

from conformance.checks.filter_operators import sample
from conformance.client import LIST_RESPONSE, SEARCH_REQUEST, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, requirement


def post_search(scim: Scim, path: str = "/Users", /, **members: Json) -> httpx.Response:
    """POST a SearchRequest with these members to the endpoint's /.search."""
    return scim.post(f"{path}/.search", {"schemas": [SEARCH_REQUEST], **members})


def search(scim: Scim, path: str = "/Users", /, **members: Json) -> Json:
    """The ListResponse of a search; skips the check where the server's root takes none."""
    response = post_search(scim, path, **members)
    if not path and response.status_code == 501:
        raise Skip("the server has queries at the root switched off")
    body = expect(response, 200).json()
    equal(body.get("schemas"), [LIST_RESPONSE], "schemas of the answer")
    return body


@requirement("7644-3.4.3-01")
def search_creates_nothing(scim: Scim) -> None:
    """A POST to /.search answers with a list and leaves no resource behind."""
    users = sample(scim, a={}, b={})
    equal(sorted(users.names(search(scim, filter=users.scoped("userName pr")))), ["a", "b"], "users found")
    equal(users.listing()["totalResults"], 2, "users of the sample afterwards")
    equal(scim.find("/Users", f'schemas eq "{SEARCH_REQUEST}"')["totalResults"], 0, "users made of a SearchRequest")


@requirement("7644-3.4.3-02")
def search_equals_get(scim: Scim) -> None:
    """A search with every parameter in its body gives the same list as GET with the same query."""
    users = sample(scim, **{name: {"title": "x"} for name in "abcd"})
    scim.user(title="x")
    sorts = scim.read("/ServiceProviderConfig")["sort"]["supported"]
    params: dict[str, str | int] = {"sortBy": "userName", "sortOrder": "descending", "startIndex": 2, "count": 2}
    by_get = users.listing("title pr", attributes="userName,title", **params)
    by_search = search(scim, filter=users.scoped("title pr"), attributes=["userName", "title"], **params)
    backwards = sorted("abcd", key=lambda name: users.users[name]["userName"], reverse=True)
    equal(users.names(by_search), backwards[1:3] if sorts else users.names(by_get), "users found")
    equal(sorted(by_search["Resources"][0]), ["id", "schemas", "title", "userName"], "attributes of a result")
    equal(by_search["totalResults"], 4, "totalResults")
    equal(by_search, by_get, "search against GET")
    reduced = search(scim, filter=users.scoped("title pr"), excludedAttributes=["title"], **params)
    equal(reduced, users.listing("title pr", excludedAttributes="title", **params), "search against GET, with exclusion")


@requirement("7644-3.4.3-03")
def search_needs_its_schema(scim: Scim) -> None:
    """A search body without the SearchRequest schema is refused as invalidSyntax."""
    filter_ = f'userName eq "{rand()}"'
    for body in ({"filter": filter_}, {"schemas": [], "filter": filter_}, {"schemas": [LIST_RESPONSE], "filter": filter_}):
        expect_error(scim.post("/Users/.search", body), 400, "invalidSyntax")
    equal(search(scim, filter=filter_)["totalResults"], 0, "totalResults with the right schema")


@requirement("7644-3.4.3-04")
def search_takes_arrays_of_names(scim: Scim) -> None:
    """attributes and excludedAttributes in a search are arrays of names; other types are refused."""
    users = sample(scim, a={"title": "x", "displayName": "Ada"})
    scim.user()
    named = search(scim, filter=users.scoped(), attributes=["userName", "title"])["Resources"][0]
    equal(sorted(named), ["id", "schemas", "title", "userName"], "attributes of the result")
    reduced = search(scim, filter=users.scoped(), excludedAttributes=["title"])["Resources"][0]
    ensure("title" not in reduced and "displayName" in reduced, f"excludedAttributes gave {sorted(reduced)}")
    text = expect(post_search(scim, filter=users.scoped(), attributes="userName,title"), 200, 400)
    if text.status_code == 200:  # decision 45 reads a text with commas, which clients send
        equal(text.json()["Resources"][0], named, "result with a text with commas")
    expect_error(post_search(scim, filter=users.scoped(), attributes={"a": 1}), 400, "invalidSyntax", "invalidValue")


@requirement("7644-3.4.3-05")
def search_needs_a_valid_filter(scim: Scim) -> None:
    """A wrong filter in a search body is refused as invalidFilter."""
    for filter_ in ("userName", "userName eq", 'userName regex "a"', "(userName pr", "active gt true"):
        expect_error(post_search(scim, filter=filter_), 400, "invalidFilter")


@requirement("7644-3.4.3-06")
def search_sorts(scim: Scim) -> None:
    """A search sorts by sortBy in the direction of sortOrder, ascending by default, and knows no third direction."""
    scim.feature("sort")
    users = sample(scim, b={"name": {"familyName": "Byron"}}, c={"name": {"familyName": "Curie"}}, a={"name": {"familyName": "abel"}})
    for direction, wanted in (
        ({}, ["a", "b", "c"]),
        ({"sortOrder": "ascending"}, ["a", "b", "c"]),
        ({"sortOrder": "descending"}, ["c", "b", "a"]),
    ):
        equal(
            users.names(search(scim, filter=users.scoped(), sortBy="name.familyName", **direction)),
            wanted,
            f"users sorted with {direction}",
        )
    expect_error(post_search(scim, filter=users.scoped(), sortBy="name.familyName", sortOrder="up"), 400, "invalidValue")


@requirement("7644-3.4.3-07")
def search_pages(scim: Scim) -> None:
    """startIndex and count in a search are integers with the same lower bounds as in a GET."""
    users = sample(scim, a={}, b={}, c={})
    empty = search(scim, filter=users.scoped(), startIndex=0, count=-1)
    equal(empty.get("Resources") or [], [], "resources with count -1")
    equal((empty.get("startIndex"), empty.get("totalResults")), (1, 3), "startIndex and totalResults with startIndex 0 and count -1")
    page = search(scim, filter=users.scoped(), startIndex=2, count=1)
    equal(users.names(page), users.names(users.listing(startIndex=2, count=1)), "second page of one")
    equal((page["startIndex"], page["itemsPerPage"], page["totalResults"]), (2, 1, 3), "counters of the second page")
    expect_error(post_search(scim, filter=users.scoped(), count="many"), 400, "invalidValue", "invalidSyntax")


@requirement("7644-3.4.3-08")
def search_answers_with_a_list(scim: Scim) -> None:
    """A search without any parameter lists the endpoint's resources as GET does."""
    scim.user()
    body = search(scim)
    for name in ("totalResults", "startIndex", "itemsPerPage"):
        ensure(type(body.get(name)) is int, f"{name} is {body.get(name)!r}")
    ensure(body["totalResults"] >= 1 and body["Resources"], f"totalResults is {body['totalResults']}")
    equal(len(body["Resources"]), body["itemsPerPage"], "resources against itemsPerPage")
    equal({resource["meta"]["resourceType"] for resource in body["Resources"]}, {"User"}, "types found")


@requirement("7644-3.4.3-09")
def search_at_the_root(scim: Scim) -> None:
    """A search at the root finds resources of every type."""
    tag = rand("smith")
    user, group, other = scim.user(displayName=f"{tag} Ada"), scim.group(displayName=f"{tag} club"), scim.user()
    body = search(scim, "", filter=f'displayName sw "{tag}"')
    equal({resource["id"] for resource in body["Resources"]}, {user["id"], group["id"]}, "resources found")
    equal(body["totalResults"], 2, "totalResults")
    none = search(scim, "", filter=f'displayName sw "{tag}" and userName eq "{other["userName"]}"')
    equal(none["totalResults"], 0, "totalResults of a filter that nothing matches")


@requirement("7644-3.4.3-10")
def search_results_keep_schemas(scim: Scim) -> None:
    """Each result of a search holds schemas and what is always returned, whatever attributes are asked for."""
    tag = rand("smith")
    user, _ = scim.user(displayName=tag), scim.user(displayName=rand())
    for path in ("/Users", ""):
        found = search(scim, path, filter=f'displayName eq "{tag}"', attributes=["displayName"])["Resources"]
        wanted = {"schemas": user["schemas"], "id": user["id"], "displayName": tag}
        equal(found, [wanted], f"results of {path}/.search")
