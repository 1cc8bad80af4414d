"""Filters, paths and bodies that are almost right, through the whole server: each is answered, none as a failure of the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.filter_cases import CASES
from tests.mutations import EXAMPLES, mutated
from tests.wire.test_stateful import Server, Tenant

_FILTERS: Final = ['userName eq "ada"', 'emails[type eq "work"].value co "a"', 'not (title pr) and meta.created gt "2024-01-01T00:00:00Z"']
_PATHS: Final = ["userName", "name.givenName", 'emails[type eq "work"].value', "active", "emails", "groups", "password", "meta.created"]
_VALUES: Final[list[Any]] = ["x", "True", True, None, 1, [], {}, [{"value": "a@b"}], {"value": {"value": 1}}, "9" * 300, "\u0000", 1e300]
_BODIES: Final = [
    '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","emails":[{"value":"a@b","type":"work","primary":true}]}',
    '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"title","value":"x"}]}',
    '{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"title pr","count":3,"sortBy":"title"}',
    '{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"POST","path":"/Users","bulkId":"1",'
    '"data":{"userName":"bulk","manager":{"value":"bulkId:1"}}}]}',
]

_FUZZ: Final = settings(max_examples=EXAMPLES // 2, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def tenant(database: str) -> Iterator[Tenant]:
    """Yield a tenant of the application in this process."""
    server = Server(database)
    yield server.tenant()
    server.close()


@pytest.fixture(scope="module")
def ada(tenant: Tenant) -> str:
    """Return the path of a user."""
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "fuzzed", "emails": [{"value": "a@b", "type": "work"}]}
    return f"/Users/{tenant.ask('POST', '/Users', body).json()['id']}"


def test_filters(tenant: Tenant, ada: str) -> None:
    """In the query: 200, or 400 for the filter; where the text cannot be sent as UTF-8, for the query."""

    @_FUZZ
    @given(mutated([*_FILTERS, *(case[1] for case in CASES)]))
    def send(text: str) -> None:
        query = httpx.QueryParams({"filter": text.encode("utf-8", "replace").decode()})
        assert tenant.ask("GET", f"/Users?{query}").status_code in (200, 400, 403)

    send()


def test_paths_and_values(tenant: Tenant, ada: str) -> None:
    """In a PATCH: a success or 4xx, after which the user is still one."""

    @_FUZZ
    @given(mutated(_PATHS), st.sampled_from(_VALUES), st.sampled_from(["add", "remove", "replace", "Add"]))
    def send(path: str, value: Any, op: str) -> None:
        operation = {"op": op, "path": path.encode("utf-8", "replace").decode(), "value": value}
        message = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}
        assert tenant.ask("PATCH", ada, message).status_code in (200, 204, 400, 409, 501)
        assert tenant.ask("GET", ada).json()["userName"]

    send()


def test_bodies(tenant: Tenant, ada: str) -> None:
    """At every endpoint that takes a body."""

    @_FUZZ
    @given(mutated(_BODIES), st.sampled_from([("POST", "/Users"), ("PUT", ada), ("PATCH", ada), ("POST", "/.search"), ("POST", "/Bulk")]))
    def send(text: str, place: tuple[str, str]) -> None:
        method, path = place
        headers = {"Authorization": f"Bearer {tenant.token}", "Content-Type": "application/scim+json"}
        content = text.encode("utf-8", "surrogatepass")
        sent = tenant.server.client.request(method, tenant.url + path, content=content, headers=headers)
        answer = tenant.server.runner.run(sent)
        assert answer.status_code < 500, answer.text
        for one in answer.json().get("Operations", []) if path == "/Bulk" and answer.status_code == 200 else []:
            assert int(one["status"]) < 500, answer.text

    send()
