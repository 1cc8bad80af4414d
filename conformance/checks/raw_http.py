"""Requests that the ordinary client would not send: without a default header, or with bytes that are no JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence

import httpx

from conformance.client import Json, Scim, ensure, equal, expect, expect_error


def send(
    scim: Scim,
    method: str,
    path: str,
    *,
    without: Sequence[str] = (),
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
) -> httpx.Response:
    """Send one request from which the headers named in `without` are missing altogether. A created resource is the caller's to delete."""
    request = scim.http.build_request(method, scim.url(path), headers=headers, content=content)
    for name in without:
        request.headers.pop(name, None)
    return scim.http.send(request)


def unversioned(scim: Scim) -> str:
    """The base URL without its version segment (RFC 7644 §3.13); the base URL itself when it has none."""
    return re.sub(r"/v\d+$", "", scim.base_url)


def media_type(response: httpx.Response) -> str:
    """The Content-Type of an answer without parameters, in lower case; "" if there is none."""
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def refused_method(response: httpx.Response) -> None:
    """Fail unless the answer is the SCIM Error of a method that is never allowed there: 405, or 501."""
    expect_error(expect(response, 405, 501), response.status_code)


def absent(scim: Scim, user_name: str) -> None:
    """Fail if a user of this name exists."""
    found = scim.find("/Users", f'userName eq "{user_name}"')
    equal(found["totalResults"], 0, f"users named {user_name!r} after a refused request")


def everything(scim: Scim, path: str) -> list[Json]:
    """The Resources of a discovery list; fails unless the answer is a list."""
    body = scim.read(path)
    resources = body.get("Resources")
    ensure(isinstance(resources, list), f"GET {path}: Resources is {type(resources).__name__}, not an array")
    return list(resources)
