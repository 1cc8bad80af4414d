"""The HTTP client that checks use: requests, throw-away resources, and assertions that explain themselves."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import httpx

from conformance.registry import Skip

Json = Any

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
SCIM_JSON = "application/scim+json"


class Failed(AssertionError):  # noqa: N818 - a verdict, not an error of the client
    """The server did not do what the check claims."""


def rand(prefix: str = "c") -> str:
    """A text that no other check uses."""
    return f"{prefix}-{secrets.token_hex(6)}"


class Scim:
    """One check's view of the server: every resource it creates is deleted by `clean_up`."""

    def __init__(self, http: httpx.Client, base_url: str, admin_token: str | None = None) -> None:
        self.http = http
        self.base_url = base_url.rstrip("/")
        self._admin_token = admin_token
        self._created: list[tuple[str, dict[str, str]]] = []

    def url(self, path: str) -> str:
        """Absolute URL for a path relative to the base; an absolute URL is left alone."""
        return path if path.startswith(("http://", "https://")) else self.base_url + path

    def request(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        params: dict[str, str | int] | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Send one request. `body` is sent as application/scim+json; `content` is sent as it is. Any status is returned."""
        sent = dict(headers or {})
        if body is not None or content is not None:
            sent.setdefault("Content-Type", SCIM_JSON)
        response = self.http.request(
            method, self.url(path), params=params, headers=sent, **({"json": body} if body is not None else {"content": content})
        )
        if method == "POST" and response.status_code == 201:
            location = response.headers.get("Location")
            if location:
                self._created.append((location, {name: sent[name] for name in ("Authorization",) if name in sent}))
        return response

    def get(self, path: str, **kw: Any) -> httpx.Response:
        """GET a path."""
        return self.request("GET", path, **kw)

    def post(self, path: str, body: Json = None, **kw: Any) -> httpx.Response:
        """POST a body."""
        return self.request("POST", path, body, **kw)

    def put(self, path: str, body: Json = None, **kw: Any) -> httpx.Response:
        """PUT a body."""
        return self.request("PUT", path, body, **kw)

    def delete(self, path: str, **kw: Any) -> httpx.Response:
        """DELETE a path."""
        return self.request("DELETE", path, **kw)

    def patch(self, path: str, *operations: Json, **kw: Any) -> httpx.Response:
        """PATCH with the standard envelope around `operations`."""
        return self.request("PATCH", path, {"schemas": [PATCH_OP], "Operations": list(operations)}, **kw)

    def as_admin(self, method: str, path: str, body: Json = None, **kw: Any) -> httpx.Response:
        """Send one request with the token that may change schemas and resource types. Skips the check without one."""
        if self._admin_token is None:
            raise Skip("needs --admin-token, a token that may change the tenant's schemas and resource types")
        headers = {"Authorization": f"Bearer {self._admin_token}", **kw.pop("headers", {})}
        return self.request(method, path, body, headers=headers, **kw)

    # -- asserting shortcuts ---------------------------------------------------------------------------------------

    def create(self, path: str, body: Json) -> Json:
        """POST, demand 201, return the body."""
        return expect(self.post(path, body), 201).json()

    def user(self, **attributes: Json) -> Json:
        """Create a user with a fresh userName (attributes overlay the defaults); returns the 201 body."""
        return self.create("/Users", self.user_body(**attributes))

    def user_body(self, **attributes: Json) -> Json:
        """The body `user` would send. An attribute given as None is left out. Extension attributes go under their URN."""
        body: dict[str, Json] = {"schemas": [CORE_USER], "userName": rand("user"), **attributes}
        if any(key.startswith("urn:") for key in body):
            body["schemas"] = [CORE_USER, *[key for key in body if key.startswith("urn:")]]
        return {key: value for key, value in body.items() if value is not None}

    def group(self, *member_ids: str, **attributes: Json) -> Json:
        """Create a group with a fresh displayName and these members; returns the 201 body."""
        body: dict[str, Json] = {"schemas": [CORE_GROUP], "displayName": rand("group")}
        if member_ids:
            body["members"] = [{"value": id_} for id_ in member_ids]
        return self.create("/Groups", body | attributes)

    def read(self, path: str, **kw: Any) -> Json:
        """GET, demand 200, return the body."""
        return expect(self.get(path, **kw), 200).json()

    def find(self, path: str, filter_: str, **params: str | int) -> Json:
        """GET a list with a filter, demand 200 and a well-formed ListResponse, return it."""
        body = self.read(path, params={"filter": filter_, **params})
        ensure(body.get("schemas") == [LIST_RESPONSE], f"not a ListResponse: schemas is {body.get('schemas')!r}")
        return body

    def matches(self, path: str, filter_: str, among: Iterable[Json]) -> set[str]:
        """Which of the resources `among` (by id) the filter selects. Reads all pages, so other data does not disturb."""
        wanted = {resource["id"] for resource in among}
        found: set[str] = set()
        start = 1
        while True:
            page = self.find(path, filter_, startIndex=start, count=100)
            resources = page.get("Resources") or []
            found |= {resource["id"] for resource in resources} & wanted
            start += len(resources)
            if not resources or start > page["totalResults"]:
                return found

    def feature(self, name: str) -> None:
        """Skip the check unless ServiceProviderConfig says that the feature is supported."""
        config = self.read("/ServiceProviderConfig")
        if not (config.get(name) or {}).get("supported"):
            raise Skip(f"ServiceProviderConfig says {name} is not supported")

    def created(self, location: str) -> None:
        """Have this resource deleted when the check ends."""
        self._created.append((location, {}))

    def clean_up(self) -> None:
        """Delete what the check created, newest first; answers are not looked at."""
        for location, headers in reversed(self._created):
            self.http.delete(location, headers=headers)
        self._created.clear()


def ensure(condition: object, message: str) -> None:
    """Fail the check with the message unless the condition holds."""
    if not condition:
        raise Failed(message)


def equal(actual: object, wanted: object, what: str) -> None:
    """Fail unless both are equal (booleans never equal numbers)."""
    if actual != wanted or (type(actual) is bool) != (type(wanted) is bool):
        raise Failed(f"{what}: expected {wanted!r}, got {actual!r}")


def expect(response: httpx.Response, *statuses: int) -> httpx.Response:
    """Fail unless the response has one of the statuses."""
    if response.status_code not in statuses:
        raise Failed(
            f"{response.request.method} {response.request.url}: expected {' or '.join(map(str, statuses))}, "
            f"got {response.status_code} {response.text[:300]}"
        )
    return response


def expect_error(response: httpx.Response, status: int, *scim_types: str | None) -> Json:
    """Fail unless the response is a SCIM Error of this status; with scim_types given, one of them must be in it."""
    expect(response, status)
    try:
        body = response.json()
    except ValueError as problem:
        raise Failed(f"status {status} without a JSON body: {response.text[:200]!r}") from problem
    equal(body.get("schemas"), [ERROR], "schemas of the error")
    equal(body.get("status"), str(status), "status in the error body")
    if scim_types and body.get("scimType") not in scim_types:
        raise Failed(f"scimType: expected {' or '.join(map(str, scim_types))}, got {body.get('scimType')!r} ({body.get('detail')})")
    return body
