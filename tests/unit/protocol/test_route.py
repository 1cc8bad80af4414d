"""Paths: every form of an endpoint's URL, and nothing that only looks like one."""

from __future__ import annotations

import pytest

from scimsrv.errors import Kind
from scimsrv.protocol.route import METHODS, Endpoint, Route, route
from tests.unit.protocol.support import refused

_URN = "urn:ietf:params:scim:schemas:core:2.0:User"

_ENDPOINTS = [
    ("", Endpoint.ROOT, "", ""),
    ("/.search", Endpoint.ROOT_SEARCH, "", ""),
    ("/ServiceProviderConfig", Endpoint.CONFIG, "ServiceProviderConfig", ""),
    ("/Schemas", Endpoint.SCHEMAS, "", ""),
    (f"/Schemas/{_URN}", Endpoint.SCHEMAS, _URN, ""),
    ("/ResourceTypes", Endpoint.RESOURCE_TYPES, "", ""),
    ("/ResourceTypes/User", Endpoint.RESOURCE_TYPES, "User", ""),
    ("/Bulk", Endpoint.BULK, "Bulk", ""),
    ("/Me", Endpoint.ME, "Me", ""),
    ("/Users", Endpoint.COLLECTION, "Users", ""),
    ("/Anything", Endpoint.COLLECTION, "Anything", ""),
    ("/users", Endpoint.COLLECTION, "users", ""),
    ("/Users/.search", Endpoint.SEARCH, "Users", ""),
    ("/Users/1", Endpoint.RESOURCE, "Users", "1"),
    ("/Groups/a%2Fb", Endpoint.RESOURCE, "Groups", "a/b"),
    ("/Groups/%2e%2e", Endpoint.RESOURCE, "Groups", ".."),
    ("/Groups/..", Endpoint.RESOURCE, "Groups", ".."),
    ("/Users/%C3%A9%20%25", Endpoint.RESOURCE, "Users", "é %"),
    ("/Users/a+b", Endpoint.RESOURCE, "Users", "a+b"),
    ("/Users/bulkId:x", Endpoint.RESOURCE, "Users", "bulkId:x"),
]


@pytest.mark.parametrize(("rest", "endpoint", "name", "id_"), _ENDPOINTS)
@pytest.mark.parametrize("base", ["/scim/acme/v2", "/scim/acme", "/scim/endpoints/acme", "/scim/v2/endpoints/acme", "//scim//acme//v2"])
def test_every_endpoint_under_every_base(base: str, rest: str, endpoint: Endpoint, name: str, id_: str) -> None:
    """Each endpoint is found with and without version segment and under the aliases; a slash at the end and doubled ones do not count."""
    expected = Route("acme", endpoint, name, id_)
    for path in (base + rest, f"{base}{rest}/", base + rest.replace("/", "//")):
        assert route(path.encode()) == expected


@pytest.mark.parametrize(
    ("path", "version"),
    [("/scim/acme/v1/Users", "v1"), ("/scim/acme/V2/Users", "v2"), ("/scim/acme/v3", "v3"), ("/scim/acme/v20/Users", "v20")],
)
def test_versions(path: str, version: str) -> None:
    """A version segment is told from an endpoint and kept, so that an unknown one can be refused by name."""
    assert route(path.encode()).version == version


@pytest.mark.parametrize("path", ["/scim/acme/v2/v2", "/scim/acme/version2", "/scim/acme/v2x", "/scim/acme/v12345"])
def test_what_looks_like_a_version(path: str) -> None:
    """Only `v` and digits directly after the tenant are a version."""
    assert route(path.encode()).endpoint is Endpoint.COLLECTION


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/scim",
        "/scim/",
        "/scim/endpoints",
        "/scim/v2/endpoints",
        "/Users",
        "/api/scim/v2/Users",
        "/SCIM/acme/v2/Users",
        "/%73cim2/acme/Users",
        "/scim/ACME/v2/Users",
        "/scim/acme./v2/Users",
        "/scim/-acme/v2/Users",
        "/scim/ac_me/v2/Users",
        "/scim/../acme/v2/Users",
        "/scim/%2e%2e/acme/v2/Users",
        "/scim/acme%2fv2/Users",
        "/scim/a%2f..%2fb/v2/Users",
        "/scim/%00/v2/Users",
        "/scim/acme/v2/Users/%00",
        "/scim/acme/v2/Users/%FF",
        "/scim/acme/v2/Users/\udcff",
        f"/scim/{'a' * 64}/v2/Users",
        "/scim/acme/v2/Users/1/2",
        "/scim/acme/v2/Users/1/.search",
        "/scim/acme/v2/Schemas/a/b",
        "/scim/acme/v2/../../x",
    ],
)
def test_nothing(path: str) -> None:
    """Everything else is 404 before anybody is asked who they are; nothing is normalised into an endpoint."""
    raw = path.encode("utf-8", "surrogateescape")
    with refused(Kind.NOT_FOUND, "There is no such endpoint"):
        route(raw)


def test_a_part_of_a_name_is_decoded_once() -> None:
    """%252F is the text %2F, not a slash."""
    assert route(b"/scim/acme/v2/Users/a%252Fb").id == "a%2Fb"


def test_every_endpoint_has_methods() -> None:
    """The table of methods is complete, and Allow is made from it."""
    assert set(METHODS) == set(Endpoint)
    assert Route("acme", Endpoint.COLLECTION, "Users").allow == "GET, HEAD, POST, OPTIONS"
    assert Route("acme", Endpoint.RESOURCE, "Users", "1").allow == "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
