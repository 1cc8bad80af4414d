"""Versions and conditional requests: RFC 7644 §3.14, RFC 7643 §3.1 (meta.version), RFC 7232."""

from __future__ import annotations

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from conformance.checks.patch_general import apply, place, same, values
from conformance.client import CORE_GROUP, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, requirement

ENTITY_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
STALE = 'W/"stale-0"'


def tag_of(response: httpx.Response) -> str:
    """The ETag header of a response, which must be there and well formed."""
    tag = response.headers.get("ETag")
    request = response.request
    ensure(tag, f"{request.method} {request.url.path} answered {response.status_code} without ETag")
    ensure(ENTITY_TAG.fullmatch(tag), f"not an entity tag: {tag!r}")
    return str(tag)


def tagged(scim: Scim, **attributes: Json) -> Json:
    """A fresh user; skips the check when the server says that it has no ETags."""
    scim.feature("etag")
    return scim.user(**attributes)


def current(scim: Scim, path: str) -> str:
    """The tag that a GET shows now."""
    return tag_of(expect(scim.get(path), 200))


def title(text: str) -> Json:
    """A PATCH operation that sets the title."""
    return {"op": "replace", "path": "title", "value": text}


@requirement("7643-3.1-20", "7644-3.14-03")
def version_equals_header(scim: Scim) -> None:
    """meta.version is the ETag header of the same answer, letter for letter, also for a user in groups and inside lists."""
    user = tagged(scim)
    group = scim.group(user["id"])
    for path in (place(user), place(group, "/Groups")):
        response = expect(scim.get(path), 200)
        equal(response.json()["meta"].get("version"), tag_of(response), f"meta.version of {path}")
    body = scim.user_body(userName=user["userName"], title="A")
    answers = [
        scim.post("/Users", scim.user_body()),
        scim.put(place(user), body),
        scim.patch(place(user), title("B"), params={"attributes": "meta"}),
    ]
    for response in answers:
        equal(
            expect(response, 200, 201).json()["meta"].get("version"),
            tag_of(response),
            f"meta.version in the answer to {response.request.method}",
        )
    listed = scim.find("/Users", f'id eq "{user["id"]}"')["Resources"]
    equal(listed[0]["meta"].get("version"), current(scim, place(user)), "meta.version inside a list")


@requirement("7643-3.1-21")
def version_is_case_exact(scim: Scim) -> None:
    """A filter on meta.version distinguishes capital and small letters."""
    user = tagged(scim)
    version = scim.read(place(user))["meta"]["version"]
    if version == version.swapcase():
        raise Skip(f"the version {version} has no letter to turn")
    same_user = f'id eq "{user["id"]}" and meta.version eq '
    equal(scim.matches("/Users", same_user + json.dumps(version), [user]), {user["id"]}, "users found by the version as it is")
    equal(scim.matches("/Users", same_user + json.dumps(version.swapcase()), [user]), set(), "users found by the version in other case")


@requirement("7643-3.1-22")
def weak_tags_say_so(scim: Scim) -> None:
    """A tag that several representations share starts with W/; a strong one belongs to exactly one representation."""
    user = tagged(scim, title="A")
    whole = expect(scim.get(place(user)), 200)
    part = expect(scim.get(place(user), params={"attributes": "title"}), 200)
    ensure(whole.content != part.content, "the parameter attributes made no difference")
    if not tag_of(whole).startswith("W/"):
        ensure(tag_of(whole) != tag_of(part), f"two representations share the strong tag {tag_of(whole)}")


@requirement("7644-3.14-01")
def tags_may_be_weak(scim: Scim) -> None:
    """ETags exist exactly if ServiceProviderConfig says so, and a weak one validates every projection of its version."""
    supported = (scim.read("/ServiceProviderConfig").get("etag") or {}).get("supported")
    user = scim.user(title="A")
    whole = expect(scim.get(place(user)), 200)
    equal("ETag" in whole.headers, supported, "ETag header against etag.supported")
    if supported and tag_of(whole).startswith("W/"):
        part = scim.get(place(user), params={"attributes": "title"}, headers={"If-None-Match": tag_of(whole)})
        expect(part, 304)


@requirement("7644-3.14-02")
def tag_is_a_header(scim: Scim) -> None:
    """The answers to POST, GET, PUT and PATCH of a resource carry an ETag header that a following GET confirms."""
    scim.feature("etag")
    posted = expect(scim.post("/Users", scim.user_body()), 201)
    user = posted.json()
    equal(tag_of(posted), current(scim, place(user)), "tag of the POST")
    put = expect(scim.put(place(user), scim.user_body(userName=user["userName"], title="A")), 200)
    equal(tag_of(put), current(scim, place(user)), "tag of the PUT")
    patch = expect(scim.patch(place(user), title("B")), 200, 204)
    equal(tag_of(patch), current(scim, place(user)), "tag of the PATCH")
    posted = expect(scim.post("/Groups", {"schemas": [CORE_GROUP], "displayName": rand("group")}), 201)
    equal(tag_of(posted), current(scim, place(posted.json(), "/Groups")), "tag of the POST of a group")


@requirement("7644-3.14-04")
def unchanged_answers_304(scim: Scim) -> None:
    """A GET with the current tag in If-None-Match answers 304 without body; lists, the star and weak comparison work."""
    user = tagged(scim)
    group = scim.group(user["id"])
    for path in (place(user), place(group, "/Groups")):
        tag = current(scim, path)
        opaque = tag.removeprefix("W/")
        for condition in (tag, f'W/"x", {tag}', f'{tag},"x"', opaque, f"W/{opaque}", "*"):
            response = expect(scim.get(path, headers={"If-None-Match": condition}), 304)
            ensure(not response.content, f"304 with a body: {response.content[:100]!r}")
            equal(tag_of(response), tag, "ETag of the 304")
    unknown = scim.get(f"/Users/{rand()}", headers={"If-None-Match": "*"})
    expect_error(unknown, 404)


@requirement("7644-3.14-05")
def changed_answers_200(scim: Scim) -> None:
    """A GET whose If-None-Match names only other tags answers 200 with the resource as it is now."""
    user = tagged(scim, title="A")
    path = place(user)
    old = current(scim, path)
    expect(scim.put(path, scim.user_body(userName=user["userName"], title="B")), 200)
    for condition in (old, STALE, f'{old}, {STALE}, "x"'):
        response = expect(scim.get(path, headers={"If-None-Match": condition}), 200)
        equal(response.json().get("title"), "B", "title")
        ensure(tag_of(response) != old, "the tag is still the old one")
    expect(scim.get(path, headers={"If-None-Match": f"{old}, {current(scim, path)}"}), 304)


@requirement("7644-3.14-06")
def if_match_guards_writes(scim: Scim) -> None:
    """PUT and PATCH with If-Match go on only if the tag is the current one; else 412 and nothing changes."""
    user = tagged(scim, title="A")
    group = scim.group(user["id"])
    path = place(user)
    old = current(scim, path)
    expect(scim.put(path, scim.user_body(userName=user["userName"], title="B")), 200)
    before, group_before = scim.read(path), scim.read(place(group, "/Groups"))
    put = scim.user_body(userName=user["userName"], title="C")
    for condition in (old, STALE, f'{old}, "x"'):
        headers = {"If-Match": condition}
        expect_error(scim.put(path, put, headers=headers), 412)
        expect_error(scim.patch(path, title("C"), headers=headers), 412)
    expect_error(scim.patch(place(group, "/Groups"), {"op": "remove", "path": "members"}, headers={"If-Match": STALE}), 412)
    same(before, scim.read(path))
    same(group_before, scim.read(place(group, "/Groups")))
    expect(scim.put(path, put, headers={"If-Match": current(scim, path)}), 200)
    equal(scim.read(path).get("title"), "C", "title after a PUT with the current tag")
    for text, condition in (("D", current(scim, path)), ("E", "*")):
        expect(scim.patch(path, title(text), headers={"If-Match": condition}), 200, 204)
        equal(scim.read(path).get("title"), text, f"title after a PATCH with If-Match {condition}")
    expect(scim.patch(f"/Users/{rand()}", title("F"), headers={"If-Match": "*"}), 404, 412)
    guarded = current(scim, path)
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda text: scim.patch(path, title(text), headers={"If-Match": guarded}).status_code, ["r1", "r2", "r3", "r4"])
        )
    count = Counter(status if status == 412 else status // 100 for status in answers)
    equal(dict(count), {2: 1, 412: 3}, "answers to four simultaneous writes under one tag (2: success)")


@requirement("7644-3.14-07")
def if_match_guards_delete(scim: Scim) -> None:
    """DELETE with a stale If-Match answers 412 and keeps the resource; with the current tag it deletes."""
    user = tagged(scim, title="A")
    group = scim.group(user["id"])
    old = current(scim, place(user))
    expect(scim.put(place(user), scim.user_body(userName=user["userName"], title="B")), 200)
    for path, stale in ((place(user), old), (place(group, "/Groups"), STALE)):
        before = scim.read(path)
        expect_error(scim.delete(path, headers={"If-Match": stale}), 412)
        same(before, scim.read(path))
        expect(scim.delete(path, headers={"If-Match": current(scim, path)}), 204)
        expect_error(scim.get(path), 404)


@requirement("7644-3.14-08")
def every_change_makes_a_new_version(scim: Scim) -> None:
    """Every change of a resource gives it another tag, also a change of members and of the groups that a user shows."""
    user = tagged(scim)
    group, path = scim.group(), place(user)
    tags = [current(scim, path)]
    for text in ("A", "B", "A"):
        apply(scim, path, title(text))
        tags.append(current(scim, path))
    expect(scim.put(path, scim.user_body(userName=user["userName"])), 200)
    tags.append(current(scim, path))
    equal(len(set(tags)), len(tags), f"different tags of the user among {tags}")
    members = place(group, "/Groups")
    group_tags = [current(scim, members)]
    for operation in ({"op": "add", "path": "members", "value": [{"value": user["id"]}]}, {"op": "remove", "path": "members"}):
        before, tag = scim.read(path), current(scim, path)
        apply(scim, members, operation)
        group_tags.append(current(scim, members))
        after = scim.read(path)
        if values(before, "groups") != values(after, "groups"):
            ensure(current(scim, path) != tag, f"the user's groups changed and the tag stayed {tag}")
    equal(len(set(group_tags)), 3, f"different tags of the group among {group_tags}")


@requirement("7644-3.14-09")
def weak_tags_work_in_if_match(scim: Scim) -> None:
    """A weak tag in If-Match matches by its opaque part, for users in groups and in lists of tags too."""
    user = tagged(scim, title="A")
    path = place(user)
    for text in ("B", "C", "D"):
        tag = current(scim, path)
        opaque = tag.removeprefix("W/")
        condition = {"B": f"W/{opaque}", "C": f'W/"x", {tag}', "D": opaque}[text]  # decision 42
        expect(scim.patch(path, title(text), headers={"If-Match": condition}), 200, 204)
        equal(scim.read(path).get("title"), text, f"title after If-Match {condition}")
    expect_error(scim.patch(path, title("no"), headers={"If-Match": STALE}), 412)
    scim.group(user["id"])
    expect(scim.patch(path, title("E"), headers={"If-Match": current(scim, path)}), 200, 204)
    equal(scim.read(path).get("title"), "E", "title of a user in a group")
