"""Awards as resources: what the server says of them, what may change, how they are found, and that every way to one is the same."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from scimsrv.keys import AUDIT_KEY, ServerKeys
from scimsrv.store.consistency.verifying import verify_tenant
from tests.wire.badges import URN, USER_EXTENSION, Badges, achievement, award, badges
from tests.wire.support import ENTERPRISE, PUBLIC, Server, assert_error, patch, user

PAST, FUTURE = "2020-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"
REVOCATION = {"op": "replace", "value": {"status": "revoked", "revocationReason": "By mistake"}}


async def test_what_the_server_says_of_an_award(server: Server) -> None:
    """Recipient, achievement and issuer are shown with what they are called, the time is in whole seconds, and the user shows the award."""
    made = await badges(server)
    ada, mini = await made.client.new_user("ada", displayName="Ada"), await made.achievement()
    shown = await made.award(ada["id"], mini)
    base = made.client.base
    for name, endpoint, id_, called in (
        ("recipient", "Users", ada["id"], "Ada"),
        ("achievement", "Achievements", mini, "A mini"),
        ("issuer", "BadgeIssuers", made.issuer, "Institute"),
    ):
        assert shown[name] == {"value": id_, "$ref": f"https://scim.example.com{base}/{endpoint}/{id_}", "display": called}
    assert (shown["source"], shown["status"], shown["displayName"]) == ("manual", "active", "A mini")
    assert shown["awardedAt"].endswith(".000Z")
    found = (await made.client.get(f"/Users/{ada['id']}")).json()
    assert USER_EXTENSION in found["schemas"]
    location = shown["meta"]["location"]
    assert found[USER_EXTENSION] == {"awards": [{"value": shown["id"], "$ref": location, "display": "A mini"}]}
    assert await made.client.search(f'{USER_EXTENSION}:awards.value eq "{shown["id"]}"') == [ada["id"]]
    assert await made.client.search(f"{USER_EXTENSION}:awards pr") == [ada["id"]]


async def test_what_users_show_beside_their_awards(server: Server) -> None:
    """Groups, other extensions and one of the tenant's attributes beside the awards are where they belong, one by one and listed."""
    made = await badges(server)
    department = {"department": "Engines"}
    ada = await made.client.new_user("ada", **{ENTERPRISE: department})
    plain = await made.client.new_user("bob")
    group = await made.client.new_group(ada["id"])
    for user_ in (ada, plain):
        given = await made.award(user_["id"], await made.achievement())
        shown = (await made.client.get(f"/Users/{user_['id']}")).json()
        elements = [{"value": given["id"], "$ref": given["meta"]["location"], "display": "A mini"}]
        expected = user_ | {USER_EXTENSION: {"awards": elements}, "schemas": [*user_["schemas"], USER_EXTENSION], "meta": shown["meta"]}
        if user_ is ada:
            assert [one["value"] for one in shown.pop("groups")] == [group["id"]]
        assert shown == expected
    listed = (await made.client.get("/Users", attributes=f"{USER_EXTENSION}:awards")).json()["Resources"]
    assert [len(one[USER_EXTENSION]["awards"]) for one in listed] == [1, 1]
    everything = (await made.client.get("/Users")).json()["Resources"]
    assert [one[USER_EXTENSION] for one in everything] == [one[USER_EXTENSION] for one in listed]


@pytest.mark.parametrize(
    ("attributes", "scim_type", "says"),
    [
        ({"recipient": None}, "invalidValue", "recipient is required"),
        ({"achievement": None}, "invalidValue", "achievement is required"),
        ({"recipient": {"value": "nobody"}}, "invalidValue", "recipient: there is no User with the id"),
        ({"achievement": {"value": "nothing"}}, "invalidValue", "achievement: there is no Achievement with the id"),
        ({"issuer": {"value": "nobody"}}, "invalidValue", "issuer: there is no BadgeIssuer with the id"),
        ({"status": "expired"}, "invalidValue", "status: an award begins as active, or as revoked"),
        ({"status": "revoked"}, "invalidValue", "revocationReason is required of an award that is revoked"),
        ({"status": "revoked", "revocationReason": "x", "revokedAt": FUTURE}, "invalidValue", "revokedAt must be between"),
        ({"status": "revoked", "revocationReason": "x", "awardedAt": FUTURE}, "invalidValue", "revokedAt must be between"),
        ({"revokedAt": PAST}, "invalidValue", "revokedAt: only a revoked award has one"),
        ({"status": "given"}, "invalidValue", "status must be one of"),
        ({"revocationReason": "Why not"}, "invalidValue", "only a revoked award has one"),
        ({"awardedAt": FUTURE, "validUntil": PAST}, "invalidValue", "validUntil must be later than awardedAt"),
        ({"result": [{"resultDescription": "urn:x"}]}, "invalidValue", "result.resultDescription must be the id"),
        ({"result": [{"status": "Fine"}]}, "invalidValue", "result.status must be one of"),
    ],
)
async def test_awards_that_are_none(server: Server, attributes: dict[str, Any], scim_type: str, says: str) -> None:
    """What is wrong with an award is said by its attribute, and nothing is stored."""
    made = await badges(server)
    body = award((await made.client.new_user())["id"], await made.achievement()) | attributes
    assert_error(await made.client.post("/Awards", body), 400, scim_type, says)
    assert (await made.client.get("/Awards")).json()["totalResults"] == 0


async def test_what_is_the_servers_stays_the_servers(server: Server) -> None:
    """A client's words on source, cause, request and who revoked do not count; nor do those on what things are called."""
    made = await badges(server)
    body = award((await made.client.new_user())["id"], await made.achievement())
    body |= {"source": "automatic", "cause": {"kind": "catalogue"}, "revokedBy": "me", "displayName": "Mine", "request": {"value": "x"}}
    shown = (await made.client.post("/Awards", body)).json()
    assert shown["source"] == "manual"
    assert {"cause", "revokedBy", "request"}.isdisjoint(shown)
    assert shown["displayName"] == "A mini"


async def test_awards_that_were_revoked_elsewhere(server: Server) -> None:
    """They come in one step, with reason and time; what they say stays, a live award of the same can stand beside them, and nothing follows
    from them. Whoever reads the credential or the page sees when and why."""
    made = await badges(server)
    program, _ = await made.program()
    skill = await made.skill(program, 1)
    user = (await made.client.new_user())["id"]
    past = {"awardedAt": "2020-01-01T00:00:00Z", "status": "revoked", "revocationReason": "Copied", "revokedAt": "2021-05-01T00:00:00Z"}
    both = [award(user, skill.minis[0], **past), award(user, skill.minis[0])]
    operations = [{"method": "POST", "path": "/Awards", "bulkId": str(number), "data": body} for number, body in enumerate(both)]
    done = await made.client.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
    assert [one["status"] for one in done.json()["Operations"]] == ["201", "201"], done.text
    assert {skill.minis[0], skill.achievement} <= await made.held(user)
    other = (await made.client.new_user())["id"]
    made_ = await made.award(other, skill.minis[0], **past)
    assert {name: made_[name] for name in past} == {**past, "awardedAt": made_["awardedAt"], "revokedAt": made_["revokedAt"]}
    assert (made_["revokedAt"][:10], bool(made_["revokedBy"]), await made.held(other)) == ("2021-05-01", True, set())
    for change, says in (({"revokedAt": PAST}, "revokedAt"), ({"status": "active"}, "nothing leads out of revoked")):
        assert_error(await made.client.patch(f"/Awards/{made_['id']}", {"op": "replace", "value": change}), 400, "mutability", says)
    token = (await made.client.get(f"/Awards/{made_['id']}/credential.jwt")).text
    report = (await made.client.request("POST", "/badges/verify", content=token.encode())).json()
    assert [report[name]["verdict"] for name in ("signature", "issuerBinding", "status")] == ["valid", "proven", "revoked"]
    page = await made.client.http.get(report["credential"]["id"].removeprefix(PUBLIC), headers={"Accept": "text/html"})
    assert ("1 May 2021" in page.text, "Copied" in page.text) == (True, True)
    active = await made.award((await made.client.new_user())["id"], skill.minis[0])
    late = {"op": "replace", "value": {"status": "revoked", "revocationReason": "x", "revokedAt": "2021-05-01T00:00:00Z"}}
    assert_error(await made.client.patch(f"/Awards/{active['id']}", late), 400, "mutability", "revokedAt: it is the time of the request")


async def test_a_retired_achievement_is_not_awarded(server: Server) -> None:
    """An inactive achievement stays with who has it, and nobody gets it any more."""
    made = await badges(server)
    first, other = [(await made.client.new_user())["id"] for _ in range(2)]
    mini = await made.achievement()
    await made.award(first, mini)
    await made.client.patch(f"/Achievements/{mini}", {"op": "replace", "path": "active", "value": False})
    assert_error(await made.client.post("/Awards", award(other, mini)), 400, "invalidValue", "achievement: it is not active")
    assert await made.held(first) == {mini}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "recipient", "value": {"value": "{other}"}},
        {"op": "replace", "path": "achievement", "value": {"value": "{other}"}},
        {"op": "replace", "path": "issuer", "value": {"value": "{other}"}},
        {"op": "replace", "path": "source", "value": "automatic"},
        {"op": "replace", "path": "awardedAt", "value": PAST},
        {"op": "add", "path": "request", "value": {"value": "{other}"}},
        {"op": "remove", "path": "recipient"},
    ],
    ids=lambda operation: operation["op"] + " " + operation["path"],
)
async def test_what_was_awarded_does_not_change(server: Server, operation: dict[str, Any]) -> None:
    """Who, what, by whom, how and when are fixed."""
    made = await badges(server)
    shown = await made.award((await made.client.new_user())["id"], await made.achievement())
    assert_error(await made.client.patch(f"/Awards/{shown['id']}", operation), 400, "mutability")
    assert (await made.client.get(f"/Awards/{shown['id']}")).json() == shown


async def test_a_put_of_what_was_read(server: Server) -> None:
    """An award that is sent back as it was read is as it was, an expired and a revoked one too."""
    made = await badges(server)
    user_ = (await made.client.new_user())["id"]
    shown = await made.award(user_, await made.achievement(), evidence=[{"id": "https://example.com/e", "name": "E"}])
    expired = await made.award(user_, await made.achievement(), awardedAt="2019-01-01T00:00:00Z", validUntil=PAST)
    revoked = await made.award(user_, await made.achievement())
    await made.client.patch(f"/Awards/{revoked['id']}", REVOCATION)
    for id_ in (shown["id"], expired["id"], revoked["id"]):
        before = await made.client.get(f"/Awards/{id_}")
        after = await made.client.put(f"/Awards/{id_}", before.json())
        assert after.status_code == 200, after.text
        assert after.json() == before.json()


# -- revocation ----------------------------------------------------------------------------------------------------


async def test_a_revocation(server: Server) -> None:
    """It takes a reason, says when and by whom, raises the version, and is final."""
    made = await badges(server)
    shown = await made.award((await made.client.new_user())["id"], await made.achievement())
    path = f"/Awards/{shown['id']}"
    for operation in ({"op": "replace", "path": "status", "value": "revoked"}, {"op": "replace", "path": "status", "value": "expired"}):
        assert_error(await made.client.patch(path, operation), 400, "invalidValue")
    done = await made.client.patch(path, REVOCATION)
    after = done.json()
    assert (after["status"], after["revocationReason"], done.headers["etag"]) == ("revoked", "By mistake", 'W/"2"')
    assert after["revokedBy"]
    assert after["meta"]["created"] <= after["revokedAt"] <= after["meta"]["lastModified"]
    for value in ({"status": "active"}, {"status": "expired"}, {"revocationReason": "Another"}):
        assert_error(await made.client.patch(path, {"op": "replace", "value": value}), 400, "mutability")
    assert (await made.client.patch(path, REVOCATION)).json() == after
    assert (await made.client.get(path)).json() == after
    rows = await server.pool.fetch("SELECT state FROM award WHERE tenant = $1 AND id = $2", made.client.id, shown["id"])
    assert [tuple(row) for row in rows] == [("revoked",)]


async def test_if_match(server: Server) -> None:
    """A revocation under another version is refused, and nothing follows from it."""
    made = await badges(server, badge_revocation="cascade")
    shown = await made.award((await made.client.new_user())["id"], await made.achievement())
    path = f"/Awards/{shown['id']}"
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [REVOCATION]}
    refused = await made.client.request("PATCH", path, body, headers={"If-Match": 'W/"7"'})
    assert refused.status_code == 412
    assert (await made.client.get(path)).json() == shown
    assert (await made.client.request("PATCH", path, body, headers={"If-Match": shown["meta"]["version"]})).status_code == 200


# -- expiry --------------------------------------------------------------------------------------------------------


async def _statuses(made: Badges) -> dict[str, str]:
    """One award of each status, by its id: of an active one, one without end, one that ends, one that ended, and a revoked one that did."""
    user_ = (await made.client.new_user())["id"]
    found = {}
    for status, attributes in (
        ("active", {}),
        ("active", {"validUntil": FUTURE}),
        ("expired", {"awardedAt": "2019-01-01T00:00:00Z", "validUntil": PAST}),
        ("revoked", {}),
        ("revoked", {"awardedAt": "2019-01-01T00:00:00Z", "validUntil": PAST}),
    ):
        shown = await made.award(user_, await made.achievement(), **attributes)
        if status == "revoked":
            await made.client.patch(f"/Awards/{shown['id']}", REVOCATION)
        found[shown["id"]] = status
    return found


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "co": operator.contains,
    "sw": str.startswith,
    "ew": str.endswith,
}


async def test_a_filter_on_the_status_says_what_is_served(server: Server) -> None:
    """Whatever the operator, alone, negated and joined, a filter selects the awards whose served status satisfies it."""
    made = await badges(server)
    statuses = await _statuses(made)
    listed = (await made.client.get("/Awards")).json()["Resources"]
    assert {one["id"]: one["status"] for one in listed} == statuses
    for id_, status in statuses.items():
        assert (await made.client.get(f"/Awards/{id_}")).json()["status"] == status
    for name, holds in _OPERATORS.items():
        for literal in ("active", "expired", "revoked", "e", "x", "nothing"):
            chosen = {id_ for id_, status in statuses.items() if holds(status, literal)}
            written = f'status {name} "{literal}"'
            assert set(await made.client.search(written, "/Awards")) == chosen, written
            assert set(await made.client.search(f"not ({written})", "/Awards")) == statuses.keys() - chosen, written
            both = f'{written} and awardedAt gt "2020-06-01T00:00:00Z"'
            old = {one["id"] for one in listed if one["awardedAt"] < "2020-06-01"}
            assert set(await made.client.search(both, "/Awards")) == chosen - old, both
    assert set(await made.client.search("status pr", "/Awards")) == statuses.keys()


@pytest.mark.parametrize("order", ["ascending", "descending"])
async def test_sorting_by_the_status(server: Server, order: str) -> None:
    """Awards are sorted by the status that is served, by pages of either kind."""
    made = await badges(server)
    statuses = await _statuses(made)
    wanted = sorted(statuses.values(), reverse=order == "descending")
    listed = (await made.client.get("/Awards", sortBy="status", sortOrder=order)).json()["Resources"]
    assert [one["status"] for one in listed] == wanted
    shown: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await made.client.get("/Awards", sortBy="status", sortOrder=order, count=2, cursor=cursor)).json()
        shown += [one["status"] for one in page["Resources"]]
        cursor = page.get("nextCursor")
    assert shown == wanted


async def test_the_entity_tag_of_an_expired_award(server: Server) -> None:
    """What has expired has another tag than before, of the same version; If-Match goes by the version."""
    made = await badges(server)
    user_ = (await made.client.new_user())["id"]
    shown = await made.award(user_, await made.achievement(), awardedAt="2019-01-01T00:00:00Z", validUntil=PAST)
    tag = shown["meta"]["version"]
    assert tag.startswith('W/"1-')
    path = f"/Awards/{shown['id']}"
    assert (await made.client.request("GET", path, headers={"If-None-Match": tag})).status_code == 304
    assert (await made.client.request("GET", path, headers={"If-None-Match": 'W/"1"'})).status_code == 200
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [REVOCATION]}
    done = await made.client.request("PATCH", path, body, headers={"If-Match": tag})
    assert (done.status_code, done.json()["meta"]["version"]) == (200, 'W/"2"')


async def test_an_award_expires_by_itself(server: Server) -> None:
    """Nothing has to happen for it; then the achievement can be awarded anew, and counts again."""
    made = await badges(server)
    program, own = await made.program()
    skill = await made.skill(program, 2)
    user_ = (await made.client.new_user())["id"]
    first = await made.award(user_, skill.minis[0], awardedAt="2019-01-01T00:00:00Z", validUntil=PAST)
    await made.award(user_, skill.minis[1])
    assert await made.held(user_) == {skill.minis[1]}
    again = await made.award(user_, skill.minis[0])
    assert await made.held(user_) == {*skill.minis, skill.achievement, own}
    assert (await made.client.get(f"/Awards/{first['id']}")).json()["status"] == "expired"
    assert (await made.client.patch(f"/Awards/{first['id']}", REVOCATION)).status_code == 200
    assert_error(await made.client.post("/Awards", award(user_, skill.minis[0])), 409, "uniqueness")
    assert (await made.client.get(f"/Awards/{again['id']}")).json()["status"] == "active"


# -- found ---------------------------------------------------------------------------------------------------------


async def test_awards_are_found_by_user_achievement_date_and_status(server: Server) -> None:
    """Filters by each, and joined."""
    made = await badges(server)
    users = [(await made.client.new_user())["id"] for _ in range(2)]
    minis = [await made.achievement() for _ in range(2)]
    days = [(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)).isoformat() for day in range(4)]
    ids = [
        (await made.award(user_, mini, awardedAt=day))["id"]
        for (user_, mini), day in zip([(one, other) for one in users for other in minis], days, strict=True)
    ]
    for written, chosen in (
        (f'recipient.value eq "{users[0]}"', [0, 1]),
        (f'achievement.value eq "{minis[1]}"', [1, 3]),
        ('awardedAt ge "2026-01-03T00:00:00Z"', [2, 3]),
        (f'recipient eq "{users[1]}" and achievement eq "{minis[0]}" and status eq "active"', [2]),
        (f'issuer.value eq "{made.issuer}" and source eq "manual"', [0, 1, 2, 3]),
        ('recipient.display co "user"', [0, 1, 2, 3]),
    ):
        assert sorted(await made.client.search(written, "/Awards")) == sorted(ids[index] for index in chosen), written
    newest = (await made.client.get("/Awards", sortBy="awardedAt", sortOrder="descending")).json()["Resources"]
    assert [one["id"] for one in newest] == ids[::-1]


# -- every way to an award -----------------------------------------------------------------------------------------


def _bulk(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": list(operations)}


def _posted(path: str, data: dict[str, Any], name: str) -> dict[str, Any]:
    return {"method": "POST", "path": path, "bulkId": name, "data": data}


async def test_a_thousand_awards_by_one_request(server: Server) -> None:
    """1,000 users get a mini badge by one bulk request, and the skill that follows, each once; the rows beside are set by set."""
    made = await badges(server)
    skill = await made.skill((await made.program())[0], 1)
    users = [_posted("/Users", user(f"u{number}"), f"u{number}") for number in range(1_000)]
    answer = await made.client.post("/Bulk", _bulk(*users))
    ids = [one["location"].rsplit("/", 1)[1] for one in answer.json()["Operations"]]
    awards = [_posted("/Awards", award(id_, skill.minis[0]), f"a{number}") for number, id_ in enumerate(ids)]
    answer = await made.client.post("/Bulk", _bulk(*awards))
    assert {one["status"] for one in answer.json()["Operations"]} == {"201"}
    for one in (skill.minis[0], skill.achievement):
        found = await made.client.get("/Awards", filter=f'achievement.value eq "{one}" and status eq "active"', count=0)
        assert found.json()["totalResults"] == 1_000
    again = (await made.client.post("/Bulk", _bulk(*awards[:3]))).json()["Operations"]
    assert [one["response"]["scimType"] for one in again] == ["uniqueness"] * 3


async def test_awards_beside_those_that_fail(server: Server) -> None:
    """An award that cannot be, or that the user has already, keeps no other of its set from being made, wherever it stands."""
    made = await badges(server)
    minis = [await made.achievement() for _ in range(3)]
    ada, ben = [(await made.client.new_user())["id"] for _ in range(2)]
    await made.award(ada, minis[0])
    for failing in ((ada, minis[0]), (ada, "nothing"), ("nobody", minis[0])):
        sent = [(ben, minis[0]), failing, (ben, minis[1]), (ada, minis[2])]
        answer = await made.client.post("/Bulk", _bulk(*(_posted("/Awards", award(*one), f"{n}") for n, one in enumerate(sent))))
        results = answer.json()["Operations"]
        assert [one["status"] for one in results] == ["201", "409" if failing == (ada, minis[0]) else "400", "201", "201"], results
        assert await made.held(ben) == {minis[0], minis[1]}
        for result in (results[0], results[2], results[3]):
            shown = (await made.client.get(f"/Awards/{result['location'].rpartition('/')[2]}")).json()
            assert (shown["issuer"]["display"], shown["source"]) == ("Institute", "manual")
            assert (await made.client.patch(f"/Awards/{shown['id']}", REVOCATION)).status_code == 200


@pytest.mark.parametrize("way", ["one by one", "in bulk", "in bulk, backwards", "atomic"])
async def test_a_history_of_awards(server: Server, way: str) -> None:
    """Awards that are over when they come hold up no others, nor those that come with them; of those that are live there is one."""
    made = await badges(server, bulk_atomic=way == "atomic")
    user_, asked = (await made.client.new_user())["id"], await made.achievement()
    ends = [PAST, "2021-01-01T00:00:00Z", None][:: -1 if way == "in bulk, backwards" else 1]
    bodies = [award(user_, asked, awardedAt="2019-01-01T00:00:00Z", **({} if end is None else {"validUntil": end})) for end in ends]
    if way == "one by one":
        statuses = [(await made.client.post("/Awards", body)).status_code for body in bodies]
    else:
        operations = [{"method": "POST", "path": "/Awards", "bulkId": f"{number}", "data": body} for number, body in enumerate(bodies)]
        message = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
        statuses = [int(one["status"]) for one in (await made.client.post("/Bulk", message)).json()["Operations"]]
    assert statuses == [201, 201, 201]
    assert_error(await made.client.post("/Awards", award(user_, asked)), 409, "uniqueness")
    found = (await made.client.get("/Awards", filter=f'recipient.value eq "{user_}"')).json()["Resources"]
    assert sorted(one["status"] for one in found) == ["active", "expired", "expired"]
    connection = await asyncpg.connect(server.settings.owner_url)
    try:
        result = await verify_tenant(connection, made.client.id, ServerKeys.load(server.settings).derive_all(AUDIT_KEY))
    finally:
        await connection.close()
    assert result.found.total == 0, result


async def test_one_bulk_request_with_everything(server: Server) -> None:
    """Issuer, programme, skill, achievements, user and award come by one request and refer to each other; the second of two awards of
    the same achievement fails alone."""
    made = await badges(server)

    def ref(name: str) -> dict[str, str]:
        return {"value": f"bulkId:{name}"}

    answer = await made.client.post(
        "/Bulk",
        _bulk(
            _posted("/BadgeIssuers", {"schemas": [URN + "BadgeIssuer"], "displayName": "I"}, "issuer"),
            _posted("/BadgePrograms", {"schemas": [URN + "BadgeProgram"], "displayName": "P"}, "program"),
            _posted("/BadgeSkills", {"schemas": [URN + "BadgeSkill"], "displayName": "S", "program": ref("program")}, "skill"),
            _posted("/Achievements", achievement("bulkId:issuer", "program", parent=ref("program")), "ofProgram"),
            _posted("/Achievements", achievement("bulkId:issuer", "skill", parent=ref("skill")), "ofSkill"),
            _posted("/Achievements", achievement("bulkId:issuer", "mini", parent=ref("skill")), "mini"),
            _posted("/Users", user("ada"), "ada"),
            _posted("/Awards", award("bulkId:ada", "bulkId:mini"), "first"),
            _posted("/Awards", award("bulkId:ada", "bulkId:mini"), "second"),
        ),
    )
    results = answer.json()["Operations"]
    assert [one["status"] for one in results] == ["201"] * 8 + ["409"]
    ids = {one["bulkId"]: one["location"].rsplit("/", 1)[1] for one in results if "location" in one}
    assert await made.held(ids["ada"]) == {ids["mini"], ids["ofSkill"], ids["ofProgram"]}


@pytest.mark.parametrize("way", ["post", "bulk", "request", "request by bulk"])
@pytest.mark.parametrize("atomic", [False, True])
async def test_every_way_to_an_award_is_the_same(server: Server, way: str, atomic: bool) -> None:
    """POST, bulk and the approval of a request award the same, with the same that follows, but for what says how it came about."""
    made = await badges(server, bulk_atomic=atomic)
    program, own = await made.program()
    skill = await made.skill(program, 1)
    user_, mini = (await made.client.new_user("ada"))["id"], skill.minis[0]
    match way:
        case "post":
            await made.award(user_, mini)
        case "bulk":
            answer = await made.client.post("/Bulk", _bulk(_posted("/Awards", award(user_, mini), "a")))
            assert answer.json()["Operations"][0]["status"] == "201"
        case _:
            request = await made.new("BadgeRequest", requester={"value": user_}, achievement={"value": mini})
            approval = patch({"op": "replace", "path": "status", "value": "approved"})
            path = f"/BadgeRequests/{request}"
            if way == "request":
                done = await made.client.request("PATCH", path, approval)
                assert done.status_code == 200, done.text
            else:
                done = await made.client.post("/Bulk", _bulk({"method": "PATCH", "path": path, "data": approval}))
                assert done.json()["Operations"][0]["status"] == "200", done.text
    awards = await made.awards(user_)
    assert awards.keys() == {mini, skill.achievement, own}
    shown = awards[mini]
    assert shown["source"] == ("request" if "request" in way else "manual")
    assert ("request" in shown) is ("request" in way)
    assert awards[skill.achievement]["cause"]["award"] == shown["id"]
    rest = {name: value for name, value in shown.items() if name not in ("id", "meta", "request", "source", "awardedAt")}
    assert rest.keys() == {"schemas", "recipient", "achievement", "issuer", "displayName", "status"}
    rows = await server.pool.fetch("SELECT id, automatic, length(token) AS token FROM award WHERE tenant = $1", made.client.id)
    assert {row["id"]: row["automatic"] for row in rows} == {one["id"]: one["source"] == "automatic" for one in awards.values()}
    assert {row["token"] for row in rows} == {22}
