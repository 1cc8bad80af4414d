"""The version segment of the base URL (RFC 7644 §3.13)."""

from __future__ import annotations

import httpx

from conformance.checks.raw_http import absent, unversioned
from conformance.client import Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, requirement

# No server speaks these: SCIM 1 has other schemas, and there is no SCIM 9.
_OTHER_VERSIONS = ("v1", "v9")


def _refused(answer: httpx.Response) -> None:
    expect(answer, 400, 404, 405)
    if answer.status_code == 400:
        expect_error(answer, 400, "invalidVers")
    elif answer.headers.get("Content-Type", "").startswith("application/scim+json"):
        expect_error(answer, answer.status_code)


@requirement("7644-3.13-01")
def version_before_the_endpoint(scim: Scim) -> None:
    """The segment v2 stands right before the endpoint, and the same resources are behind it."""
    user = scim.user()
    answer = scim.get(f"{unversioned(scim)}/v2/Users/{user['id']}")
    if scim.base_url == unversioned(scim) and answer.status_code == 404:
        raise Skip("the base URL has no version segment and the server serves none")
    equal(expect(answer, 200).json(), user, "the user read below /v2")
    # Decision 65: one canonical location, whatever form the request had.
    equal(scim.read(user["meta"]["location"]), user, "the user read at its meta.location")


@requirement("7644-3.13-02", "7644-3.12-16")
def other_versions_are_refused(scim: Scim) -> None:
    """A version that the server does not speak is refused as invalidVers or unknown; nothing is shown or created."""
    user, name = scim.user(), rand("user")
    for version in _OTHER_VERSIONS:
        base = f"{unversioned(scim)}/{version}"
        for path in ("/Users", f"/Users/{user['id']}", "/ServiceProviderConfig"):
            answer = scim.get(base + path)
            _refused(answer)
            ensure(user["userName"] not in answer.text, f"{base}{path} shows a user")
        _refused(scim.post(f"{base}/Users", scim.user_body(userName=name)))
        _refused(scim.delete(f"{base}/Users/{user['id']}"))
    absent(scim, name)
    equal(scim.read(f"/Users/{user['id']}"), user, "the user after requests below other versions")


@requirement("7644-3.13-03")
def no_version_is_the_newest(scim: Scim) -> None:
    """Below a base URL without version a server that serves it speaks SCIM 2, and names the same locations."""
    user, name = scim.user(), rand("user")
    base = unversioned(scim)
    answer = scim.get(f"{base}/Users/{user['id']}")
    if answer.status_code == 404:
        raise Skip("the base URL without version is not served")
    equal(expect(answer, 200).json(), user, "the user read without version")
    made = expect(scim.post(f"{base}/Users", scim.user_body(userName=name)), 201).json()
    shown = scim.read(f"/Users/{made['id']}")
    equal(shown.get("userName"), name, "userName of a user created without version")
    equal(made["meta"]["location"], shown["meta"]["location"], "meta.location of a user created without version")
