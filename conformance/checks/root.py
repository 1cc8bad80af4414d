"""Queries at the server's root (RFC 7644 §3.4.2.1): several resource types in one list."""

from __future__ import annotations

from conformance.client import LIST_RESPONSE, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, requirement


def ask(scim: Scim, filter_: str) -> Json:
    """The ListResponse of a filtered GET at the root; skips the check where the server has that off."""
    response = scim.get("/", params={"filter": filter_})
    if response.status_code == 501:
        raise Skip("the server has queries at the root switched off")
    body = expect(response, 200).json()
    equal(body.get("schemas"), [LIST_RESPONSE], f"schemas of the answer to {filter_}")
    return body


def finds(scim: Scim, filter_: str, *wanted: Json) -> None:
    """Fail unless the filter, asked at the root, gives exactly these resources."""
    body = ask(scim, filter_)
    found = sorted(resource["id"] for resource in body.get("Resources") or [])
    equal(found, sorted(resource["id"] for resource in wanted), f"resources found by {filter_}")
    equal(body.get("totalResults"), len(wanted), f"totalResults of {filter_}")


def pair(scim: Scim) -> tuple[str, Json, Json]:
    """A fresh name, and a user and a group that have it as displayName."""
    name = rand("pair")
    return name, scim.user(displayName=name), scim.group(displayName=name)


@requirement("7644-3.4.2.1-01")
def root_covers_all_types(scim: Scim) -> None:
    """A query at the root looks at the resources of all types, and not at the descriptions of the server itself."""
    name, user, group = pair(scim)
    finds(scim, f'id pr and displayName eq "{name}"', user, group)
    finds(scim, f'id eq "{group["id"]}"', group)
    for kind in ("Schema", "ResourceType", "ServiceProviderConfig"):
        finds(scim, f'meta.resourceType eq "{kind}"')


@requirement("7644-3.4.2.1-02")
def root_by_type(scim: Scim) -> None:
    """A filter on meta.resourceType limits a query at the root to one type."""
    name, user, group = pair(scim)
    finds(scim, f'meta.resourceType eq "User" and displayName eq "{name}"', user)
    finds(scim, f'meta.resourceType eq "Group" and displayName eq "{name}"', group)
    finds(scim, f'(meta.resourceType eq "User" or meta.resourceType eq "Group") and displayName eq "{name}"', user, group)
    # The RFC's own example leaves the quotes out, which its grammar does not allow (decision 28).
    filter_ = f'meta.resourceType eq User and displayName eq "{name}"'
    if expect(scim.get("/", params={"filter": filter_}), 200, 400).status_code == 200:
        finds(scim, filter_, user)
    else:
        expect_error(scim.get("/", params={"filter": filter_}), 400, "invalidFilter")


@requirement("7644-3.4.2.1-03")
def root_may_be_too_many(scim: Scim) -> None:
    """A query at the root without filter is answered with a list or refused as tooMany; a narrow one always gets its list."""
    name, user, group = pair(scim)
    scim.user()
    finds(scim, f'displayName eq "{name}"', user, group)
    response = expect(scim.get("/", params={"count": 1}), 200, 400)
    if response.status_code == 400:
        expect_error(response, 400, "tooMany")
    else:
        ensure(response.json()["totalResults"] >= 2, f"totalResults is {response.json()['totalResults']}")
        equal(len(response.json()["Resources"]), 1, "resources on a page of one")


@requirement("7644-3.4.2.1-04")
def root_attribute_of_one_type(scim: Scim) -> None:
    """At the root an attribute that a type lacks counts as having no value there, without an error."""
    name, user, group = pair(scim)
    finds(scim, f'userName pr and displayName eq "{name}"', user)
    finds(scim, f'not (userName pr) and displayName eq "{name}"', group)
    finds(scim, f'userName eq "{user["userName"]}" or displayName eq "{name}"', user, group)
    finds(scim, f'(userName eq "{user["userName"]}" or members pr) and displayName eq "{name}"', user)
    finds(scim, f'displayName eq "{name}" and emails[type eq "work"]')


@requirement("7644-3.4.2.1-05")
def root_unknown_attribute(scim: Scim) -> None:
    """At the root presence and equality of an attribute that no type has are false."""
    name, user, group = pair(scim)
    finds(scim, "nosuch pr")
    finds(scim, 'nosuch eq "x"')
    finds(scim, f'nosuch eq "x" or displayName eq "{name}"', user, group)
    finds(scim, f'not (nosuch pr) and displayName eq "{name}"', user, group)
