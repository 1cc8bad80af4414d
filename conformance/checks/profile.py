"""What the draft of the IPSIE profile for SCIM asks of a server at its first level."""

from __future__ import annotations

import time

from conformance.client import Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, case, requirement

_SECTION = "IPSIE SCIM AL1 draft"
_TAGS = {"profile"}

#: Requests that a check sends to meet a rate, and the longest time in seconds that it then waits.
_MOST = 300
_PATIENCE = 30


@case("IPSIE-AL1-01", section=_SECTION, tags=_TAGS)
def filters(scim: Scim) -> None:
    """Users are found by userName, by externalId and by an element of emails."""
    mail = f"{rand()}@example.com"
    user = scim.user(externalId=rand("ext"), emails=[{"value": mail, "type": "work"}])
    for filter_ in (f'userName eq "{user["userName"]}"', f'externalId eq "{user["externalId"]}"', f'emails[value eq "{mail}"]'):
        equal([one["id"] for one in scim.find("/Users", filter_)["Resources"]], [user["id"]], f"users found by {filter_}")


@case("IPSIE-AL1-02", section=_SECTION, tags=_TAGS)
def groups_without_members(scim: Scim) -> None:
    """A group can be read without its members."""
    group = scim.group(scim.user()["id"])
    shown = scim.read(f"/Groups/{group['id']}", params={"excludedAttributes": "members"})
    ensure("members" not in shown, "members are shown although they are excluded")
    equal(shown["displayName"], group["displayName"], "displayName")


@case("IPSIE-AL1-03", section=_SECTION, tags=_TAGS)
def member_patches(scim: Scim) -> None:
    """Members are added and removed by the path members, and removed by a filter on their value."""
    ada, ben = scim.user(), scim.user()
    group = scim.group(ada["id"])
    path = f"/Groups/{group['id']}"
    for operation, members in (
        ({"op": "add", "path": "members", "value": [{"value": ben["id"]}]}, {ada["id"], ben["id"]}),
        ({"op": "remove", "path": f'members[value eq "{ada["id"]}"]'}, {ben["id"]}),
        ({"op": "remove", "path": "members", "value": [{"value": ben["id"]}]}, set()),
    ):
        expect(scim.patch(path, operation), 200, 204)
        equal({one["value"] for one in scim.read(path).get("members", [])}, members, f"members after {operation!r}")


@case("IPSIE-AL1-04", section=_SECTION, tags=_TAGS, level="SHOULD")
def rates_of_requests(scim: Scim) -> None:
    """Beyond its rate a client is refused with 429, told after how many seconds to come back, and served then."""
    _check_refusal(scim, "/Users", {"count": "1"})


@requirement("9865-5.3-02", tags=_TAGS)
def rates_of_pages(scim: Scim) -> None:
    """Pages by cursor have a rate, too: beyond it the answer is 429, and not an error about the cursor."""
    scim.user()
    _check_refusal(scim, "/Users", {"cursor": "", "count": "1"})


def _check_refusal(scim: Scim, path: str, params: dict[str, str]) -> None:
    """Ask until the answer is 429, and look at that. Raises Skip where the rate is higher than a client can ask one by one."""
    for _ in range(_MOST):
        answer = scim.get(path, params=params)
        if answer.status_code == 429:
            break
        expect(answer, 200)
    else:
        raise Skip(f"{_MOST} requests, one after the other, did not meet the server's rate")
    expect_error(answer, 429)
    wait = answer.headers.get("retry-after", "")
    ensure(wait.isdigit() and int(wait) >= 1, f"Retry-After is {wait!r} and no number of seconds")
    time.sleep(min(int(wait), _PATIENCE))
    expect(scim.get("/ServiceProviderConfig"), 200)


@case("IPSIE-AL1-05", section=_SECTION, tags=_TAGS)
def created_again(scim: Scim) -> None:
    """A user who was deleted can be created again with the same names."""
    user = scim.user(externalId=rand("ext"))
    expect(scim.delete(f"/Users/{user['id']}"), 204)
    again = scim.user(userName=user["userName"], externalId=user["externalId"])
    ensure(again["id"] != user["id"], "the new user has the id of the deleted one")
