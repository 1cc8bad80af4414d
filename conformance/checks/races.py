"""Requests that meet: what must hold when several clients write the same thing at the same moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from conformance.client import CORE_GROUP, Scim, ensure, equal, expect, rand
from conformance.registry import case

SECTION = "Races"
TAGS = {"races"}

T = TypeVar("T")


def at_once(number: int, send: Callable[[int], T]) -> list[T]:
    """Call send(0) … send(number - 1) in as many threads, released together; the results in order. Raises what a call raised."""
    barrier = Barrier(number, timeout=30)

    def released(index: int) -> T:
        barrier.wait()
        return send(index)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(released, range(number)))


@case("race-create", section=SECTION, tags=TAGS)
def identical_creations(scim: Scim) -> None:
    """Of 64 identical creations at once exactly one is 201, the others are 409, and one user exists."""
    body = scim.user_body(externalId=rand("ext"))
    responses = at_once(64, lambda _: scim.post("/Users", body))
    equal(dict(Counter(response.status_code for response in responses)), {201: 1, 409: 63}, "statuses of 64 creations")
    created = next(response.json() for response in responses if response.status_code == 201)
    page = scim.find("/Users", f'externalId eq "{body["externalId"]}"')
    equal([item["id"] for item in page["Resources"]], [created["id"]], "ids that exist")


@case("race-create-case", section=SECTION, tags=TAGS)
def creations_by_case(scim: Scim) -> None:
    """Of 16 creations at once whose names differ only in case exactly one is 201."""
    name = rand("race")
    statuses = at_once(16, lambda i: scim.post("/Users", scim.user_body(userName=name.upper() if i % 2 else name)).status_code)
    equal(dict(Counter(statuses)), {201: 1, 409: 15}, "statuses of 16 creations")
    equal(scim.find("/Users", f'userName eq "{name}"')["totalResults"], 1, "users of that name")


@case("race-create-group", section=SECTION, tags=TAGS, level="SHOULD")
def identical_groups(scim: Scim) -> None:
    """Of 16 identical groups at once exactly one is 201, where names of groups are unique."""
    body = {"schemas": [CORE_GROUP], "displayName": rand("race")}
    counts = Counter(response.status_code for response in at_once(16, lambda _: scim.post("/Groups", body)))
    equal(dict(counts), {201: 1, 409: 15}, "statuses of 16 creations")


@case("race-etag", section=SECTION, tags=TAGS)
def one_version(scim: Scim) -> None:
    """Of ten writes at once that name the same version exactly one succeeds, the others are 412, and its value is stored."""
    scim.feature("etag")
    for method in ("PATCH", "PUT"):
        user = scim.user()
        path = f"/Users/{user['id']}"
        headers = {"If-Match": expect(scim.get(path), 200).headers["ETag"]}

        def write(
            number: int, method: str = method, path: str = path, headers: dict[str, str] = headers, name: str = user["userName"]
        ) -> int:
            if method == "PUT":
                return scim.put(path, scim.user_body(userName=name, title=f"title {number}"), headers=headers).status_code
            return scim.patch(path, {"op": "replace", "path": "title", "value": f"title {number}"}, headers=headers).status_code

        statuses = at_once(10, write)
        winners = [number for number, status in enumerate(statuses) if status in (200, 204)]
        equal(sorted(statuses)[1:], [412] * 9, f"statuses of ten {method} apart from the one success")
        equal(len(winners), 1, f"{method} that succeeded")
        equal(scim.read(path)["title"], f"title {winners[0]}", f"title after ten {method}")


@case("race-attributes", section=SECTION, tags=TAGS)
def eight_attributes(scim: Scim) -> None:
    """Eight PATCHes of different attributes at once are all applied and none is refused."""
    names = ("title", "nickName", "displayName", "userType", "locale", "timezone", "preferredLanguage", "externalId")
    user = scim.user()
    path = f"/Users/{user['id']}"
    mark = rand("v")
    statuses = at_once(8, lambda i: scim.patch(path, {"op": "add", "path": names[i], "value": f"{mark}-{i}"}).status_code)
    ensure(set(statuses) <= {200, 204}, f"statuses of eight PATCHes: {sorted(set(statuses))}")
    found = scim.read(path)
    equal([found.get(name) for name in names], [f"{mark}-{i}" for i in range(8)], "the eight attributes")


@case("race-members", section=SECTION, tags=TAGS)
def additions_and_removals(scim: Scim) -> None:
    """Ten removals and ten additions of members at once leave exactly those that were added."""
    old, new = [scim.user()["id"] for _ in range(10)], [scim.user()["id"] for _ in range(10)]
    group = scim.group(*old)
    path = f"/Groups/{group['id']}"

    def write(number: int) -> int:
        if number % 2:
            return scim.patch(path, {"op": "add", "path": "members", "value": [{"value": new[number // 2]}]}).status_code
        return scim.patch(path, {"op": "remove", "path": f'members[value eq "{old[number // 2]}"]'}).status_code

    statuses = at_once(20, write)
    ensure(set(statuses) <= {200, 204}, f"statuses of twenty PATCHes: {sorted(set(statuses))}")
    equal({item["value"] for item in scim.read(path).get("members") or []}, set(new), "members")


@case("race-delete", section=SECTION, tags=TAGS)
def one_deletion(scim: Scim) -> None:
    """Of eight deletions at once exactly one is 204 and the others are 404."""
    path = f"/Users/{scim.user()['id']}"
    counts = Counter(response.status_code for response in at_once(8, lambda _: scim.delete(path)))
    equal(dict(counts), {204: 1, 404: 7}, "statuses of eight deletions")
