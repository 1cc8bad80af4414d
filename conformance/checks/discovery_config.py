"""The service provider's configuration: complete, open to read, closed to writes, and true (RFC 7643 §5, RFC 7644 §4)."""

from __future__ import annotations

from urllib.parse import urlsplit

from conformance.checks.raw_http import refused_method, send
from conformance.checks.schema_facts import SERVICE_PROVIDER_CONFIG
from conformance.client import CORE_USER, PATCH_OP, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement

_PATH = "/ServiceProviderConfig"
_BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
# Beyond these a limit is not put to the test: the request alone would cost more than the answer is worth.
_TRIED_OPERATIONS = 5_000
_TRIED_BYTES = 16 * 1024 * 1024


def _supported(scim: Scim, feature: str) -> bool:
    value = (scim.read(_PATH).get(feature) or {}).get("supported")
    ensure(isinstance(value, bool), f"{feature}.supported is {value!r}, not a boolean")
    return bool(value)


def _limit(scim: Scim, feature: str, name: str) -> int:
    value: Json = (scim.read(_PATH).get(feature) or {}).get(name)
    ensure(type(value) is int and value >= 0, f"{feature}.{name} is {value!r}, not a non-negative integer")
    limit: int = value
    return limit


@requirement("7643-5-01")
def configuration_is_read_only(scim: Scim) -> None:
    """No method but reading works on the configuration, and it stays as it is."""
    before = scim.read(_PATH)
    changed = before | {"patch": {"supported": not before["patch"]["supported"]}}
    for method in ("POST", "PUT"):
        refused_method(scim.request(method, _PATH, changed))
    refused_method(scim.patch(_PATH, {"op": "replace", "path": "patch.supported", "value": not before["patch"]["supported"]}))
    refused_method(scim.delete(_PATH))
    equal(scim.read(_PATH), before, "ServiceProviderConfig after refused writes")


@requirement("7643-5-02", "7644-4-01")
def configuration_is_one_object(scim: Scim) -> None:
    """The configuration is a single object of its own schema, with or without an id, and no list."""
    body = scim.read(_PATH)
    equal(body.get("schemas"), [SERVICE_PROVIDER_CONFIG], "schemas")
    for foreign in ("Resources", "totalResults"):
        ensure(foreign not in body, f"the configuration has {foreign}, as if it were a list")
    ensure("id" not in body or (isinstance(body["id"], str) and body["id"]), f"id is {body.get('id')!r}")


@requirement("7643-5-03")
def patch_is_true(scim: Scim) -> None:
    """patch.supported says whether PATCH changes a resource or is answered 501."""
    user, title = scim.user(title="before"), rand("title")
    answer = scim.patch(f"/Users/{user['id']}", {"op": "replace", "path": "title", "value": title})
    if _supported(scim, "patch"):
        expect(answer, 200, 204)
        equal(scim.read(f"/Users/{user['id']}").get("title"), title, "title after PATCH")
    else:
        expect_error(answer, 501)
        equal(scim.read(f"/Users/{user['id']}").get("title"), "before", "title after an unsupported PATCH")


@requirement("7643-5-04")
def bulk_is_true(scim: Scim) -> None:
    """bulk states support and both limits, and a request beyond a limit, or any when unsupported, changes nothing."""
    operations, size = _limit(scim, "bulk", "maxOperations"), _limit(scim, "bulk", "maxPayloadSize")
    name = rand("user")
    body = {"schemas": [CORE_USER], "userName": name}
    first = {"method": "POST", "path": "/Users", "bulkId": "first", "data": body}
    if not _supported(scim, "bulk"):
        expect_error(scim.post("/Bulk", {"schemas": [_BULK], "Operations": [first]}), 501)
    else:
        ensure(operations > 0 and size > 0, f"bulk is supported with maxOperations {operations} and maxPayloadSize {size}")
        if operations <= _TRIED_OPERATIONS:
            more = [{"method": "DELETE", "path": "/Users/none"}] * operations
            expect_error(scim.post("/Bulk", {"schemas": [_BULK], "Operations": [first, *more]}), 413)
        if size <= _TRIED_BYTES:
            heavy = {**first, "data": {**body, "title": "x" * size}}
            expect_error(scim.post("/Bulk", {"schemas": [_BULK], "Operations": [heavy]}), 413)
    equal(scim.find("/Users", f'userName eq "{name}"')["totalResults"], 0, "users made by a refused bulk request")


@requirement("7643-5-05")
def filter_is_true(scim: Scim) -> None:
    """filter states support and maxResults; filters select, and no page is longer than maxResults."""
    most = _limit(scim, "filter", "maxResults")
    one, other = scim.user(), scim.user()
    if not _supported(scim, "filter"):
        answer = scim.get("/Users", params={"filter": f'userName eq "{one["userName"]}"'})
        expect_error(expect(answer, 400, 403, 501), answer.status_code)
        return
    equal(scim.matches("/Users", f'userName eq "{one["userName"]}"', [one, other]), {one["id"]}, "users selected by a filter")
    ensure(most > 0, "filter is supported with maxResults 0")
    page = scim.find("/Users", "userName pr", count=most + 1, attributes="userName")
    ensure(len(page["Resources"]) <= most, f"{len(page['Resources'])} resources in a page, maxResults is {most}")


@requirement("7643-5-06")
def change_password_is_true(scim: Scim) -> None:
    """changePassword says whether a password can be changed; the change is a change of the user, and shows no password."""
    user, secret = scim.user(password=rand("Secret"), title="before"), rand("Changed")
    at = f"/Users/{user['id']}"
    answer = scim.patch(at, {"op": "replace", "path": "password", "value": secret})
    if not _supported(scim, "changePassword"):
        ensure(answer.status_code >= 400, f"changePassword is not supported, yet PATCH of it gave {answer.status_code}")
        return
    expect(answer, 200, 204)
    after = scim.get(at)
    ensure(secret not in answer.text + after.text, "an answer shows the password")
    equal(expect(after, 200).json().get("title"), "before", "title after a change of password")
    if _supported(scim, "etag"):
        ensure(after.json()["meta"].get("version") != user["meta"].get("version"), "a changed password left the version unchanged")


@requirement("7643-5-07")
def sort_is_true(scim: Scim) -> None:
    """sort says whether sortBy and sortOrder put the results in order."""
    tag = rand("sort")
    for letter in "bca":
        scim.user(displayName=f"{tag}-{letter}", userName=rand("user"))
    query: dict[str, str | int] = {"filter": f'displayName sw "{tag}"', "sortBy": "displayName"}
    if not _supported(scim, "sort"):
        # Ignoring the parameter and refusing it are both open to a server; three results in any order, or an error.
        answer = scim.get("/Users", params=query)
        ensure(answer.status_code >= 400 or len(answer.json()["Resources"]) == 3, f"unsupported sortBy broke the list: {answer.text[:200]}")
        return
    for order, letters in (("ascending", "abc"), ("descending", "cba")):
        shown = [user["displayName"] for user in scim.read("/Users", params={**query, "sortOrder": order})["Resources"]]
        equal(shown, [f"{tag}-{letter}" for letter in letters], f"displayNames sorted {order}")


@requirement("7643-5-08")
def etag_is_true(scim: Scim) -> None:
    """etag says whether resources carry a version as ETag that changes with them and answers If-None-Match."""
    user = scim.user(title="before")
    at = f"/Users/{user['id']}"
    first = expect(scim.get(at), 200)
    if not _supported(scim, "etag"):
        ensure("version" not in first.json()["meta"], "etag is not supported, yet meta.version is given")
        return
    tag = first.headers.get("ETag")
    ensure(tag, "GET of a user without an ETag header")
    equal(first.json()["meta"].get("version"), tag, "meta.version against the ETag header")
    expect(scim.get(at, headers={"If-None-Match": str(tag)}), 304)
    expect(scim.put(at, scim.user_body(userName=user["userName"], title="after")), 200)
    changed = expect(scim.get(at, headers={"If-None-Match": str(tag)}), 200)
    ensure(changed.headers.get("ETag") != tag, "the ETag stayed the same when the user changed")


@requirement("7643-5-09")
def authentication_schemes_are_described(scim: Scim) -> None:
    """Every authentication scheme has type, name and description, and the bearer token in use is among them."""
    schemes = scim.read(_PATH).get("authenticationSchemes")
    ensure(isinstance(schemes, list) and schemes, f"authenticationSchemes is {schemes!r}")
    for scheme in schemes:
        for key in ("type", "name", "description"):
            ensure(isinstance(scheme.get(key), str) and scheme[key].strip(), f"{key} of an authentication scheme is {scheme.get(key)!r}")
    types = {scheme["type"] for scheme in schemes}
    ensure(types & {"oauth", "oauth2", "oauthbearertoken"}, f"a bearer token works, but the schemes are {sorted(types)}")


@requirement("7643-5-10")
def schemes_are_open(scim: Scim) -> None:
    """A client without credentials can read how to authenticate, and nothing beyond the configuration."""
    # Decision 44: this document is open by default, users are not.
    body = expect(send(scim, "GET", _PATH, without=["Authorization"]), 200).json()
    equal(body.get("schemas"), [SERVICE_PROVIDER_CONFIG], "schemas of the configuration read without credentials")
    ensure(body.get("authenticationSchemes"), "no authenticationSchemes in the configuration read without credentials")
    expect_error(send(scim, "GET", "/Users", without=["Authorization"]), 401)


@requirement("7643-5-11")
def links_are_absolute(scim: Scim) -> None:
    """documentationUri and specUri, where given, are absolute http(s) URLs."""
    body = scim.read(_PATH)
    links: dict[str, Json] = {"documentationUri": body.get("documentationUri")}
    for scheme in body.get("authenticationSchemes") or []:
        for key in ("specUri", "documentationUri"):
            links[f"{scheme.get('name')}: {key}"] = scheme.get(key)
    for where, link in links.items():
        if link is not None:
            ensure(isinstance(link, str), f"{where} is {link!r}")
            parts = urlsplit(link)
            ensure(parts.scheme in ("http", "https") and parts.netloc, f"{where} is no absolute URL: {link!r}")


@requirement("7643-8.5-01")
def configuration_has_meta(scim: Scim) -> None:
    """The configuration's meta names its resource type and the URL at which it is read."""
    body = scim.read(_PATH)
    meta = body.get("meta") or {}
    equal(meta.get("resourceType"), "ServiceProviderConfig", "meta.resourceType")
    location = str(meta.get("location"))
    ensure(urlsplit(location).scheme and location.endswith(_PATH), f"meta.location is {location!r}")
    equal(scim.read(location), body, "what is read at meta.location")


@requirement("7644-3.12-13")
def features_off_are_501(scim: Scim) -> None:
    """A feature that the server does not offer is answered 501 with a SCIM Error and has no effect."""
    user = scim.user(title="before")
    at = f"/Users/{user['id']}"
    config = scim.read(_PATH)
    # /Me has no entry in the configuration: it is off (501), an alias (308), this token's user (200) or nobody's (404), decision 50.
    me = expect(scim.get("/Me"), 200, 308, 404, 501)
    if me.status_code in (404, 501):
        expect_error(me, me.status_code)
    if not config["patch"]["supported"]:
        expect_error(scim.patch(at, {"op": "replace", "path": "title", "value": "after"}), 501)
    if not config["bulk"]["supported"]:
        patch = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "title", "value": "after"}]}
        expect_error(scim.post("/Bulk", {"schemas": [_BULK], "Operations": [{"method": "PATCH", "path": at, "data": patch}]}), 501)
    equal(scim.read(at).get("title"), "before", "title after requests for features that are off")
