"""The OpenAPI document of a tenant says what is served, no more and no less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from scimsrv.limits import DEFAULT
from scimsrv.protocol.openapi import openapi
from scimsrv.protocol.route import METHODS, Endpoint, route
from scimsrv.schema.policy import PROFILES
from tests.store.support import core_catalog

_BASE = "https://scim.example.com/scim/acme/v2"


def _document(**switches: Any) -> dict[str, Any]:
    return openapi(core_catalog(replace(PROFILES["standard"], **switches)), DEFAULT, _BASE, "1")


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _parts(part)


def _served(document: dict[str, Any]) -> dict[Endpoint, set[str]]:
    """The methods that the document has for each kind of endpoint."""
    found: dict[Endpoint, set[str]] = {}
    for path, operations in document["paths"].items():
        endpoint = route(f"/scim/acme/v2{path.replace('{id}', 'x')}".encode()).endpoint
        found.setdefault(endpoint, set()).update(name.upper() for name in operations if name != "parameters")
    return found


def test_every_endpoint_and_method_is_in_it() -> None:
    """Each path is one that is routed, with the methods that it is routed for; what is switched off is not there. The endpoints of OAuth
    have their own metadata (RFC 8414)."""
    everything = _served(_document(me="userName", badges=True))
    apart = (Endpoint.REQUEST, Endpoint.TOKEN, Endpoint.REVOCATION, Endpoint.AUTHORIZATION_SERVER)
    expected = {endpoint: set(methods) for endpoint, methods in METHODS.items() if endpoint not in apart}
    expected[Endpoint.ME] -= {"POST"}
    assert everything == expected
    less = _served(_document(bulk=False, root_query=False, patch=False))
    assert not less.keys() & {Endpoint.BULK, Endpoint.ROOT, Endpoint.ROOT_SEARCH, Endpoint.ME, Endpoint.PROGRESS}
    assert "PATCH" not in less[Endpoint.RESOURCE]


def test_every_reference_leads_somewhere() -> None:
    """Each $ref names a component that is there, and every operation has a name of its own."""
    document = _document(me="userName")
    referred = {part["$ref"] for part in _parts(document["paths"]) if "$ref" in part}
    assert referred == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    names = [part["operationId"] for part in _parts(document["paths"]) if "operationId" in part]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("component", "has", "lacks"),
    [
        ("UserInput", {"userName", "password", "emails"}, {"id", "meta", "groups"}),
        ("User", {"id", "meta", "groups", "userName"}, {"password"}),
    ],
)
def test_what_is_sent_and_what_is_answered_differ(component: str, has: set[str], lacks: set[str]) -> None:
    """Read-only attributes are not sent, and what is never returned is not answered."""
    properties = _document()["components"]["schemas"][component]["properties"].keys()
    assert has <= properties
    assert not lacks & properties
