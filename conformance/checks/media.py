"""JSON in UTF-8, its media types, and the shape of values (RFC 7644 §3.8, §8.1)."""

from __future__ import annotations

import json

import httpx

from conformance.checks.raw_http import absent, media_type, send
from conformance.client import CORE_USER, SCIM_JSON, SEARCH_REQUEST, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement

_NAMES = "Zoë Ångström 漢字 Ελλάδα 🙂"


def _body(name: str, title: str = "Engineer") -> bytes:
    return json.dumps({"schemas": [CORE_USER], "userName": name, "title": title}, ensure_ascii=False).encode()


@requirement("7644-3.8-01")
def utf8_in_and_out(scim: Scim) -> None:
    """Bodies are UTF-8 without being told so, come back as they went in, and bytes that are no UTF-8 are invalidSyntax."""
    name = rand("user")
    made = expect(scim.post("/Users", content=_body(name, _NAMES)), 201).json()
    answer = expect(scim.get(f"/Users/{made['id']}"), 200)
    equal(json.loads(answer.content.decode("utf-8")).get("title"), _NAMES, "title read back")
    escaped = expect(scim.put(f"/Users/{made['id']}", content=json.dumps(scim.user_body(userName=name, title=_NAMES)).encode()), 200)
    equal(escaped.json().get("title"), _NAMES, "title sent with escapes")
    broken = rand("user")
    for content in (_body(broken, "XX").replace(b"XX", b"\xff\xfe"), _body(broken, "é").decode().encode("latin-1")):
        expect_error(scim.post("/Users", content=content), 400, "invalidSyntax")
    absent(scim, broken)


@requirement("7644-3.8-02")
def accepts_scim_json(scim: Scim) -> None:
    """A client that accepts application/scim+json gets it."""
    user = scim.user()
    for path in (f"/Users/{user['id']}", "/Users?count=1", "/ServiceProviderConfig"):
        for accept in (SCIM_JSON, "application/scim+json;q=0.9, text/html;q=0.1", "APPLICATION/SCIM+JSON"):
            answer = expect(scim.get(path, headers={"Accept": accept}), 200)
            equal(media_type(answer), SCIM_JSON, f"Content-Type of {path} for Accept: {accept}")
            ensure(answer.json().get("schemas"), f"{path}: no SCIM document")


@requirement("7644-3.8-03")
def accepts_plain_json(scim: Scim) -> None:
    """A client that accepts application/json only is served the same document, labelled as either JSON type."""
    user = scim.user()
    answer = expect(scim.get(f"/Users/{user['id']}", headers={"Accept": "application/json"}), 200)
    ensure(media_type(answer) in (SCIM_JSON, "application/json"), f"Content-Type is {answer.headers.get('Content-Type')!r}")
    equal(answer.json(), user, "the user served as application/json")


@requirement("7644-3.8-04")
def default_is_scim_json(scim: Scim) -> None:
    """Without Accept, or with one that takes anything, the answer is application/scim+json."""
    user = scim.user()
    at = f"/Users/{user['id']}"
    for answer in (
        send(scim, "GET", at, without=["Accept"]),
        scim.get(at, headers={"Accept": "*/*"}),
        scim.get(at, headers={"Accept": "application/*"}),
        scim.get(at, headers={"Accept": ""}),
    ):
        equal(media_type(expect(answer, 200)), SCIM_JSON, f"Content-Type for Accept: {answer.request.headers.get('Accept')!r}")
        equal(answer.json().get("id"), user["id"], "id of the user")


@requirement("7644-3.8-05")
def uri_suffix(scim: Scim) -> None:
    """A resource URL with the suffix .scim is either the resource or unknown, never something else."""
    user = scim.user()
    answer = expect(scim.get(f"/Users/{user['id']}.scim"), 200, 404)
    if answer.status_code == 200:
        equal(media_type(answer), SCIM_JSON, "Content-Type")
        equal(answer.json(), user, "the user read with the suffix")
    else:
        expect_error(answer, 404)
        equal(scim.read(f"/Users/{user['id']}"), user, "the user read without the suffix")


@requirement("7644-3.8-06")
def foreign_media_types(scim: Scim) -> None:
    """A body of another media type is 415 and has no effect; a client that takes no JSON gets 406, or JSON all the same."""
    name = rand("user")
    for type_ in ("text/xml", "application/x-www-form-urlencoded", "text/plain", "application/jsonp"):
        expect_error(scim.post("/Users", content=_body(name), headers={"Content-Type": type_}), 415)
    absent(scim, name)
    user = scim.user()
    answer = expect(scim.get(f"/Users/{user['id']}", headers={"Accept": "text/html"}), 200, 406)
    if answer.status_code == 406:
        expect_error(answer, 406)
    else:
        equal(media_type(answer), SCIM_JSON, "Content-Type for Accept: text/html")
        equal(answer.json(), user, "the user for Accept: text/html")


@requirement("7644-3.8-07")
def plain_json_bodies(scim: Scim) -> None:
    """Bodies labelled application/json are taken, however the charset is spelt, for POST, PUT and PATCH."""
    for charset in ("", "; charset=utf-8", ";charset=UTF-8", '; charset="utf-8"'):
        type_ = f"application/json{charset}"
        headers = {"Content-Type": type_}
        user = expect(scim.post("/Users", content=_body(rand("user"), _NAMES), headers=headers), 201).json()
        at = f"/Users/{user['id']}"
        equal(scim.read(at).get("title"), _NAMES, f"title sent as {type_}")
        expect(scim.put(at, content=_body(user["userName"], "Second"), headers=headers), 200)
        equal(scim.read(at).get("title"), "Second", f"title after PUT as {type_}")
        expect(scim.patch(at, {"op": "replace", "path": "title", "value": "Third"}, headers=headers), 200, 204)
        equal(scim.read(at).get("title"), "Third", f"title after PATCH as {type_}")


@requirement("7644-3.8-08")
def json_kinds(scim: Scim) -> None:
    """Multi-valued attributes are arrays even of one value, complex ones are objects, singular ones are plain values."""
    user = scim.user(name={"givenName": "Ada"}, emails=[{"value": f"{rand('ada')}@example.com"}], title="Engineer", active=True)
    group = scim.group(user["id"])
    kinds: dict[str, type] = {"schemas": list, "emails": list, "groups": list, "name": dict, "meta": dict, "title": str, "active": bool}
    shown = scim.read(f"/Users/{user['id']}")
    for name, kind in kinds.items():
        ensure(name not in shown or type(shown[name]) is kind, f"{name} is {shown.get(name)!r}, not {kind.__name__}")
    for name in kinds.keys() - {"groups"}:
        ensure(name in shown, f"{name} is missing")
    ensure(all(type(email) is dict for email in shown["emails"]), f"emails is {shown['emails']!r}")
    members = scim.read(f"/Groups/{group['id']}").get("members")
    ensure(type(members) is list and len(members) == 1 and type(members[0]) is dict, f"members of one is {members!r}")
    found = scim.find("/Users", f'userName eq "{user["userName"]}"').get("Resources")
    ensure(type(found) is list and len(found) == 1, f"Resources of one result is {found!r}")


def _exchanges(scim: Scim) -> list[httpx.Response]:
    user_name = rand("user")
    made = expect(scim.post("/Users", scim.user_body(userName=user_name)), 201)
    at = f"/Users/{made.json()['id']}"
    by_name = f'userName eq "{user_name}"'
    return [
        made,
        scim.get(at),
        scim.put(at, scim.user_body(userName=user_name, title="Engineer")),
        scim.patch(at, {"op": "replace", "path": "title", "value": "Manager"}, params={"attributes": "title"}),
        scim.get("/Users", params={"filter": by_name}),
        scim.post("/Users/.search", {"schemas": [SEARCH_REQUEST], "filter": by_name}),
        scim.get("/Schemas"),
        scim.get("/ResourceTypes/User"),
        scim.get("/ServiceProviderConfig"),
        scim.get(f"/Users/{rand('none')}"),
        scim.post("/Users", content=b"{"),
    ]


@requirement("7644-8.1-01")
def all_answers_are_scim_json(scim: Scim) -> None:
    """Every answer with a body, success or error, is labelled application/scim+json and is a JSON object with schemas."""
    for answer in _exchanges(scim):
        where = f"{answer.request.method} {answer.request.url} ({answer.status_code})"
        ensure(answer.content, f"{where}: no body")
        equal(media_type(answer), SCIM_JSON, f"Content-Type of {where}")
        ensure(isinstance(answer.json().get("schemas"), list), f"{where}: no schemas in the body")
