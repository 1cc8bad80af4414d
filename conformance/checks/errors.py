"""Error answers: their body, their status, their keyword, and that nothing changes (RFC 7644 §3.12)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from conformance.checks.raw_http import absent, media_type, send, unversioned
from conformance.client import CORE_USER, ERROR, PATCH_OP, SCIM_JSON, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import case, requirement

_KEYWORDS = {
    *("invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget", "invalidValue"),
    *("invalidVers", "sensitive", "invalidCursor", "expiredCursor", "invalidCount"),
}
# What a server's inner life looks like when it leaks into an answer.
_INTERNALS = ("Traceback", 'File "', "asyncpg", "psycopg", "sqlalchemy", "SELECT ", "INSERT ", "NoneType", "at java.", "Exception in")
# Beyond what a provisioning server should take for one resource; small enough to send several times.
_LARGE = 5 * 1024 * 1024
_PATCH_HEAD = f'{{"schemas": ["{PATCH_OP}"], "Operations": [{{"op": "add", "path": "title", "value": '.encode()


def _bad_requests(scim: Scim, user: Json) -> Iterator[tuple[str, httpx.Response]]:
    """Requests that are 400, with the keyword that fits each; none of them may change the user."""
    at = f"/Users/{user['id']}"
    yield "invalidSyntax", scim.post("/Users", content=b'{"userName": ')
    yield "invalidSyntax", scim.post("/Users", content=b'["userName"]')
    yield "invalidSyntax", scim.request("PATCH", at, {"schemas": [CORE_USER], "Operations": [{"op": "remove", "path": "title"}]})
    yield "invalidSyntax", scim.patch(at, {"op": "increment", "path": "title", "value": "after"})
    yield "invalidValue", scim.post("/Users", scim.user_body(userName=None, title="after"))
    yield "invalidValue", scim.put(at, scim.user_body(userName=user["userName"], title="after", active="perhaps"))
    yield "invalidFilter", scim.get("/Users", params={"filter": "userName is known"})
    yield "invalidFilter", scim.get("/Users", params={"filter": "active gt true"})
    yield "invalidPath", scim.patch(at, {"op": "replace", "path": "title[", "value": "after"})
    yield "invalidPath", scim.patch(at, {"op": "replace", "path": "noSuchAttribute", "value": "after"})
    yield "noTarget", scim.patch(at, {"op": "remove"})
    yield "noTarget", scim.patch(at, {"op": "replace", "path": 'emails[type eq "fax"].value', "value": "after@example.com"})
    yield "mutability", scim.patch(at, {"op": "replace", "path": "id", "value": rand("id")})


def _refusals(scim: Scim, user: Json) -> Iterator[tuple[int, httpx.Response]]:
    """One request for each status from 400 to 415 that can be provoked from outside."""
    at = f"/Users/{user['id']}"
    yield 400, scim.post("/Users", content=b"nonsense")
    yield 401, send(scim, "GET", at, without=["Authorization"])
    yield 403, scim.get("/ResourceTypes", params={"filter": 'name eq "User"'})
    yield 404, scim.get(f"/Users/{rand('none')}")
    yield 404, scim.get(f"/{rand('Nope')}")
    yield 405, scim.delete("/Users")
    yield 405, scim.post(at, scim.user_body())
    yield 409, scim.post("/Users", scim.user_body(userName=user["userName"]))
    yield 412, scim.put(at, scim.user_body(userName=user["userName"], title="after"), headers={"If-Match": 'W/"no-such-version"'})
    yield 413, scim.post("/Users", scim.user_body(title="x" * _LARGE))
    yield 415, scim.post("/Users", content=b"<user/>", headers={"Content-Type": "text/xml"})


def _unchanged(scim: Scim, user: Json) -> None:
    equal(scim.read(f"/Users/{user['id']}"), user, "the user after refused requests")


@requirement("7644-3.2-08")
def method_not_allowed(scim: Scim) -> None:
    """A method that an endpoint never takes is answered 405 with the methods that it does take."""
    user = scim.user()
    tried = {"/Users": ("PUT", "DELETE"), f"/Users/{user['id']}": ("POST",), "/Schemas": ("POST", "PATCH", "DELETE")}
    for path, methods in tried.items():
        for method in methods:
            answer = expect(scim.request(method, path, {"schemas": [CORE_USER], "userName": rand("user")}), 405, 501)
            expect_error(answer, answer.status_code)
            if answer.status_code == 405:
                allowed = {name.strip().upper() for name in answer.headers.get("Allow", "").split(",")}
                ensure("GET" in allowed and method not in allowed, f"{method} {path}: Allow is {answer.headers.get('Allow')!r}")
    _unchanged(scim, user)


@requirement("7644-3.3-10")
def bad_create_bodies(scim: Scim) -> None:
    """A create body that is no JSON object is invalidSyntax, one with a missing or unfitting value is invalidValue; no user appears."""
    name = rand("user")
    for content in (b"{", b"[]", b'"text"', b"null", b"", f'{{"userName": "{name}"'.encode()):
        expect_error(scim.post("/Users", content=content), 400, "invalidSyntax")
    for wrong in ({"userName": None, "displayName": name}, {"userName": 5}, {"active": "perhaps"}, {"name": "Ada"}, {"title": {"a": 1}}):
        expect_error(scim.post("/Users", scim.user_body(**{"userName": name, **wrong})), 400, "invalidValue")
    absent(scim, name)
    equal(scim.find("/Users", f'displayName eq "{name}"')["totalResults"], 0, "users with this displayName")


@requirement("7644-3.4.1-02", "7644-3.12-09")
def missing_is_404(scim: Scim) -> None:
    """A resource or endpoint that does not exist, or no longer does, is 404 for every method."""
    user = scim.user()
    gone = f"/Users/{user['id']}"
    expect(scim.delete(gone), 204)
    for path in (gone, f"/Users/{rand('none')}", f"/Groups/{user['id']}", f"/Groups/{rand('none')}"):
        expect_error(scim.get(path), 404)
        expect_error(scim.put(path, scim.user_body(displayName=rand())), 404)
        expect_error(scim.patch(path, {"op": "replace", "path": "displayName", "value": rand()}), 404)
        expect_error(scim.delete(path), 404)
    for path in (f"/{rand('Nope')}", f"/{rand('Nope')}/1", f"/Users/{user['id']}/emails"):
        expect_error(scim.get(path), 404)
    absent(scim, user["userName"])


@requirement("7644-3.12-01")
def errors_have_bodies(scim: Scim) -> None:
    """Every kind of refusal, also by routing and authentication, carries a SCIM Error as application/scim+json."""
    user = scim.user()
    for status, answer in _refusals(scim, user):
        # Which 4xx a server chooses is for other checks; the one exception is a server that takes bodies of any size.
        if status == 413 and answer.status_code < 400:
            continue
        ensure(400 <= answer.status_code < 500, f"{answer.request.method} {answer.request.url}: {answer.status_code}, not about {status}")
        expect_error(answer, answer.status_code)
        equal(media_type(answer), SCIM_JSON, f"Content-Type of a {answer.status_code}")
    _unchanged(scim, user)


@requirement("7644-3.12-02")
def status_is_a_string(scim: Scim) -> None:
    """status in the body is the HTTP status as a JSON string."""
    user = scim.user()
    for answer in (
        scim.post("/Users", content=b"{"),
        scim.get(f"/Users/{rand('none')}"),
        send(scim, "GET", "/Users", without=["Authorization"]),
        scim.post("/Users", scim.user_body(userName=user["userName"])),
    ):
        ensure(answer.status_code >= 400, f"{answer.request.method} {answer.request.url} succeeded")
        equal(answer.json().get("status"), str(answer.status_code), "status")
    _unchanged(scim, user)


@requirement("7644-3.12-03")
def keywords_fit(scim: Scim) -> None:
    """A 400 names the keyword that fits its cause, a duplicate is uniqueness, and no keyword is invented."""
    user = scim.user(title="before")
    for keyword, answer in _bad_requests(scim, user):
        body = expect_error(answer, 400)
        sent = f"{answer.request.method} {answer.request.url} {answer.request.content[:120]!r}"
        equal(body.get("scimType"), keyword, f"scimType of {sent} ({body.get('detail')})")
    expect_error(scim.post("/Users", scim.user_body(userName=user["userName"])), 409, "uniqueness")
    for _, answer in _refusals(scim, user):
        if answer.status_code >= 400:
            ensure(answer.json().get("scimType") in {None, *_KEYWORDS}, f"scimType is {answer.json().get('scimType')!r}")
    _unchanged(scim, user)


@requirement("7644-3.12-04")
def detail_is_for_people(scim: Scim) -> None:
    """detail is a sentence without internals and without the secrets that the request held."""
    user, secret, token = scim.user(), rand("Secret"), rand("wrong")
    answers = [answer for _, answer in _bad_requests(scim, user)]
    answers.append(scim.post("/Users", scim.user_body(userName=user["userName"], password=secret)))
    answers.append(scim.post("/Users", scim.user_body(userName=None, password=secret)))
    answers.append(scim.post("/Users", scim.user_body(password={"clear": secret})))
    answers.append(scim.get("/Users", headers={"Authorization": f"Bearer {token}"}))
    for answer in answers:
        detail = expect_error(answer, answer.status_code).get("detail")
        ensure(isinstance(detail, str) and detail.strip(), f"detail of {answer.request.method} {answer.request.url} is {detail!r}")
        leaked = [mark for mark in (*_INTERNALS, secret, token) if mark in answer.text]
        ensure(not leaked, f"an error shows {leaked}: {answer.text[:300]}")


@requirement("7644-3.12-05")
def statuses_are_as_described(scim: Scim) -> None:
    """Success and refusal use the statuses of the table of RFC 7644 §3.12 and of each method's section."""
    user = scim.user()
    for status, answer in _refusals(scim, user):
        # Two that the table lacks: a method never allowed may also be 501, and a server may take bodies of any size.
        expect(answer, *{405: (405, 501), 413: (201, 413)}.get(status, (status,)))
    _unchanged(scim, user)
    at = f"/Users/{user['id']}"
    expect(scim.get(at), 200)
    expect(scim.get("/Users", params={"filter": f'userName eq "{rand("none")}"'}), 200)
    expect(scim.put(at, scim.user_body(userName=user["userName"], title="after")), 200)
    expect(scim.patch(at, {"op": "replace", "path": "title", "value": "last"}), 200, 204)
    equal(scim.read(at).get("title"), "last", "title after PUT and PATCH")
    expect(scim.delete(at), 204)
    expect(scim.get(at), 404)


@requirement("7644-3.12-06")
def unparsable_is_400(scim: Scim) -> None:
    """A body that cannot be parsed, or breaks the schema, is 400 for POST, PUT and PATCH, and changes nothing."""
    user = scim.user(title="before")
    at = f"/Users/{user['id']}"
    for method, path in (("POST", "/Users"), ("PUT", at), ("PATCH", at), ("POST", "/Users/.search")):
        expect_error(scim.request(method, path, content=b"nonsense"), 400, "invalidSyntax")
    expect_error(scim.put(at, scim.user_body(userName=user["userName"], title=["a", "b"])), 400, "invalidValue")
    expect_error(scim.patch(at, {"op": "replace", "path": "emails", "value": [{"value": 5}]}), 400, "invalidValue")
    _unchanged(scim, user)


@requirement("7644-3.12-07")
def unauthorized_is_401(scim: Scim) -> None:
    """Missing and invalid credentials are 401 with a challenge, for reading and writing alike, and disclose nothing."""
    user = scim.user()
    at = f"/Users/{user['id']}"
    # Few wrong tokens: a server may slow down an address that guesses.
    answers = [
        scim.get(at, headers={"Authorization": f"Bearer {rand('wrong')}"}),
        scim.delete(at, headers={"Authorization": f"Bearer {rand('wrong')}"}),
        scim.get("/Users", headers={"Authorization": "Basic YWRhOmJlbg=="}),
    ]
    for method, path in (("GET", at), ("GET", "/Users"), ("DELETE", at), ("GET", f"/Users/{rand('none')}")):
        answers.append(send(scim, method, path, without=["Authorization"]))
    for answer in answers:
        expect_error(answer, 401)
        ensure(answer.headers.get("WWW-Authenticate"), f"{answer.request.method} {answer.request.url}: 401 without WWW-Authenticate")
        ensure(user["userName"] not in answer.text, f"{answer.request.method} {answer.request.url}: a 401 shows the user")
    _unchanged(scim, user)


@requirement("7644-3.12-08")
def forbidden_is_403(scim: Scim) -> None:
    """What is understood but not permitted is 403 with a SCIM Error and without the data asked for."""
    # With one credential, a filter on discovery is the refusal that can be provoked from outside.
    for path in ("/Schemas", "/ResourceTypes"):
        body = expect_error(scim.get(path, params={"filter": 'name eq "User"'}), 403)
        equal(sorted(body.keys() - {"schemas", "status", "scimType", "detail"}), [], f"members of the 403 at {path} beside the usual")


@requirement("7644-3.12-10")
def duplicate_is_409(scim: Scim) -> None:
    """A duplicate userName is 409 uniqueness on POST, PUT and PATCH, and both users stay as they are."""
    # Decision 12: never 400.
    ada, ben = scim.user(title="ada"), scim.user(title="ben")
    at, taken = f"/Users/{ben['id']}", ada["userName"]
    expect_error(scim.post("/Users", scim.user_body(userName=taken)), 409, "uniqueness")
    expect_error(scim.put(at, scim.user_body(userName=taken)), 409, "uniqueness")
    expect_error(scim.patch(at, {"op": "replace", "path": "userName", "value": taken}), 409, "uniqueness")
    for user in (ada, ben):
        _unchanged(scim, user)
    equal(scim.find("/Users", f'userName eq "{taken}"')["totalResults"], 1, "users with the name")


@requirement("7644-3.12-11")
def stale_version_is_412(scim: Scim) -> None:
    """A write whose If-Match names an older version is 412 and has no effect; the current version is let through."""
    scim.feature("etag")
    user = scim.user()
    at, stale = f"/Users/{user['id']}", {"If-Match": user["meta"]["version"]}
    expect(scim.put(at, scim.user_body(userName=user["userName"], title="second"), headers=stale), 200)
    current = scim.read(at)
    expect_error(scim.put(at, scim.user_body(userName=user["userName"], title="third"), headers=stale), 412)
    expect_error(scim.patch(at, {"op": "replace", "path": "title", "value": "third"}, headers=stale), 412)
    expect_error(scim.delete(at, headers=stale), 412)
    _unchanged(scim, current)
    expect(scim.delete(at, headers={"If-Match": current["meta"]["version"]}), 204)


def _hostile(scim: Scim, user: Json) -> Iterator[httpx.Response]:
    """Inputs known to upset servers: NUL, lone surrogates, huge numbers, deep nesting, odd parameters."""
    at = f"/Users/{user['id']}"
    for value in (rb'"a\u0000b"', rb'"\ud800"', b"1e400", b"9" * 400, b"[" * 2000 + b"]" * 2000, b'{"a":' * 2000 + b"1" + b"}" * 2000):
        head = f'{{"schemas": ["{CORE_USER}"], "userName": "{rand("user")}", "title": '.encode()
        yield scim.post("/Users", content=head + value + b"}")
        yield scim.request("PATCH", at, content=_PATCH_HEAD + value + b"}]}")
    yield scim.get("/Users/%00")
    yield scim.get("/Users/%ff%fe")
    yield scim.get(f"/Users/{'x' * 4000}")
    yield scim.get("/Users", params={"startIndex": "9" * 40, "filter": f'userName eq "{user["userName"]}"'})
    for filter_ in ('userName eq "a\\u0000b"', "(" * 3000 + "title pr" + ")" * 3000, 'meta.created gt "99999-01-01T00:00:00Z"'):
        yield scim.get("/Users", params={"filter": filter_})


@requirement("7644-3.12-12")
def faults_are_described(scim: Scim) -> None:
    """Should an input bring the server to a 5xx, it is a SCIM Error with advice and without internals, and the server goes on."""
    user = scim.user()
    for answer in _hostile(scim, user):
        if answer.status_code >= 500:
            body = expect_error(answer, answer.status_code)
            ensure(body.get("detail"), f"a {answer.status_code} without detail")
        leaked = [mark for mark in _INTERNALS if mark in answer.text]
        ensure(not leaked, f"{answer.request.method} {str(answer.request.url)[:120]}: the answer shows {leaked}")
    equal(scim.read(f"/Users/{user['id']}")["userName"], user["userName"], "userName after the inputs")


@case("errors.no-fault-by-input", section="RFC 7644 §3.12", tags={"errors", "rfc"}, level="SHOULD")
def input_is_never_a_fault(scim: Scim) -> None:
    """No input of a client, however odd, is answered 5xx: it is taken, or refused with a 4xx."""
    user = scim.user()
    for answer in _hostile(scim, user):
        request = answer.request
        ensure(answer.status_code < 500, f"{request.method} {str(request.url)[:120]} {request.content[:80]!r}: {answer.status_code}")


@requirement("7644-3.12-14")
def redirects_keep_the_method(scim: Scim) -> None:
    """Another spelling of an endpoint is served, unknown, or redirected so that method and body survive."""
    for path in ("/Users/", f"{scim.base_url}//Users", f"{unversioned(scim)}/Users"):
        name = rand("user")
        body = scim.user_body(userName=name)
        answer = scim.post(path, body)
        if answer.is_redirect:
            expect(answer, 307, 308)
            answer = scim.post(str(answer.request.url.join(answer.headers["Location"])), body)
            expect(answer, 201)
        if answer.status_code >= 400:
            expect_error(answer, answer.status_code)
            absent(scim, name)
        else:
            equal(expect(answer, 201).json().get("userName"), name, "userName of the answer")
            found = scim.find("/Users", f'userName eq "{name}"')
            equal(found["totalResults"], 1, f"users created by POST {path}")


@case("errors.schema-is-not-a-resource", section="RFC 7644 §3.12", tags={"errors", "rfc"})
def error_schema_is_alone(scim: Scim) -> None:
    """An Error is exactly the message: no resource's attributes stand beside its members."""
    for answer in (scim.get(f"/Users/{rand('none')}"), scim.post("/Users", content=b"{")):
        body = answer.json()
        equal(body.get("schemas"), [ERROR], "schemas")
        equal(sorted(body.keys() & {"id", "meta", "Resources", "totalResults"}), [], "members of a resource or list")
