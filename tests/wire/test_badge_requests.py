"""Requests for achievements: who may ask, withdraw and decide, what a decision does, and how queue and history are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.wire.badges import ALL, URN, Badges, award, badges
from tests.wire.support import ERROR, Client, Server, assert_error, patch
from tests.wire.test_asynchronous import ASYNC, finished
from tests.wire.test_bulk import statuses

APPROVAL = {"op": "replace", "path": "status", "value": "approved"}
REJECTION = {"op": "replace", "value": {"status": "rejected", "reason": "Not yet"}}
WITHDRAWAL = {"op": "replace", "path": "status", "value": "withdrawn"}


def asked(achievement: str, **attributes: Any) -> dict[str, Any]:
    """The body of a request."""
    return {"schemas": [URN + "BadgeRequest"], "achievement": {"value": achievement}} | attributes


async def student(server: Server, made: Badges, name: str) -> tuple[str, Client]:
    """A user, and a client whose token stands for them alone."""
    user = await made.client.new_user(name)
    return user["id"], made.client.with_token(await server.token(made.client, "scim:me", subject=name))


async def with_scopes(server: Server, made: Badges, *scopes: str) -> Client:
    """A client of the same tenant with a token of these scopes."""
    return made.client.with_token(await server.token(made.client, *scopes))


async def test_a_user_asks_and_an_approver_approves(server: Server) -> None:
    """The request says who, what and when; its approval awards, with everything that follows, and says so on both sides."""
    made = await badges(server, me="userName")
    program, own = await made.program()
    skill = await made.skill(program, 1)
    ada, client = await student(server, made, "ada")
    answer = await client.post("/BadgeRequests", asked(skill.minis[0], statement="I did it", evidence=[{"id": "https://example.com/e"}]))
    assert answer.status_code == 201, answer.text
    request = answer.json()
    assert (request["requester"]["value"], request["requester"]["display"], request["status"]) == (ada, "ada", "pending")
    assert request["submittedAt"] == request["meta"]["created"]
    approver = await with_scopes(server, made, "scim:read", "badges:approve")
    done = (await approver.patch(f"/BadgeRequests/{request['id']}", APPROVAL)).json()
    awards = await made.awards(ada)
    assert awards.keys() == {skill.minis[0], skill.achievement, own}
    shown = awards[skill.minis[0]]
    assert (done["status"], done["award"]["value"], shown["request"]["value"]) == ("approved", shown["id"], request["id"])
    assert (shown["source"], shown["evidence"]) == ("request", request["evidence"])
    assert request["submittedAt"] <= done["decidedAt"] <= done["meta"]["lastModified"]
    actors = "SELECT actor, operation FROM change WHERE tenant = $1 AND id = $2 AND type <> 'Credential' ORDER BY seq"
    noted = [tuple(row) for row in await server.pool.fetch(actors, made.client.id, request["id"])]
    assert noted[1:] == [(done["decidedBy"], "update")]
    assert [tuple(row) for row in await server.pool.fetch(actors, made.client.id, shown["id"])] == [(done["decidedBy"], "create")]


@pytest.mark.parametrize(
    ("before", "operation", "kind", "says"),
    [
        ([], {"op": "replace", "path": "status", "value": "rejected"}, "invalidValue", "reason is required for a rejection"),
        ([], {"op": "replace", "path": "reason", "value": "Hm"}, "invalidValue", "a request has one when it is decided"),
        ([], {"op": "replace", "path": "achievement", "value": {"value": "x"}}, "mutability", "achievement.value is immutable"),
        ([APPROVAL], REJECTION, "mutability", "the request is approved, which is final"),
        ([REJECTION], APPROVAL, "mutability", "the request is rejected, which is final"),
        ([REJECTION], {"op": "replace", "path": "reason", "value": "Another"}, "mutability", "reason: the request is rejected"),
        ([APPROVAL], {"op": "add", "path": "statement", "value": "Late"}, "mutability", "statement: the request is approved"),
        ([REJECTION], {"op": "add", "path": "evidence", "value": [{"name": "Late"}]}, "mutability", "evidence: the request is rejected"),
        ([WITHDRAWAL], APPROVAL, "mutability", "the request is withdrawn, which is final"),
    ],
)
async def test_a_request_is_decided_once(
    server: Server, before: list[dict[str, Any]], operation: dict[str, Any], kind: str, says: str
) -> None:
    """A rejection has a reason, and what is decided stays as it is."""
    made = await badges(server)
    user = (await made.client.new_user())["id"]
    id_ = await made.new("BadgeRequest", requester={"value": user}, achievement={"value": await made.achievement()})
    for one in before:
        assert (await made.client.patch(f"/BadgeRequests/{id_}", one)).status_code == 200
    shown = (await made.client.get(f"/BadgeRequests/{id_}")).json()
    assert_error(await made.client.patch(f"/BadgeRequests/{id_}", operation), 400, kind, says)
    assert (await made.client.get(f"/BadgeRequests/{id_}")).json() == shown


@pytest.mark.parametrize(("permitted", "status"), [(False, 403), (True, 200)])
async def test_nobody_approves_their_own(server: Server, permitted: bool, status: int) -> None:
    """A person who may decide requests approves others', and their own only where the policy permits it: bulk or later is no way around."""
    made = await badges(server, me="userName", badge_self_approval=permitted)
    scopes = ("scim:read", "scim:write", "scim:me", "scim:bulk", "badges:approve")
    ada = made.client.with_token(await server.token(made.client, *scopes, subject="ADA"))
    for name, expected in (("ada", status), ("eve", 200)):
        user = (await made.client.new_user(name))["id"]
        id_ = await made.new("BadgeRequest", requester={"value": user}, achievement={"value": await made.achievement()})
        operation = {"method": "PATCH", "path": f"/BadgeRequests/{id_}", "data": patch(APPROVAL)}
        message = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation]}
        if expected == 403:
            done = (await ada.post("/Bulk", message)).json()["Operations"][0]
            assert (done["status"], "request of their own" in done["response"]["detail"]) == ("403", True)
            assert_error(await ada.patch(f"/BadgeRequests/{id_}", APPROVAL), 403, says="request of their own")
            wait = {"Prefer": "respond-async, wait=20"}
            later = await ada.request("PATCH", f"/BadgeRequests/{id_}", patch(APPROVAL), headers=wait)
            assert (later.status_code, "of their own" in later.json()["detail"]) == (403, True)
            assert (await made.client.get(f"/BadgeRequests/{id_}")).json()["status"] == "pending"
        else:
            assert (await ada.patch(f"/BadgeRequests/{id_}", APPROVAL)).status_code == 200


async def test_one_open_request_per_user_and_achievement(server: Server) -> None:
    """A second one is refused until the first is decided or withdrawn."""
    made = await badges(server)
    user, mini = (await made.client.new_user())["id"], await made.achievement()
    for decision in (REJECTION, WITHDRAWAL):
        id_ = await made.new("BadgeRequest", requester={"value": user}, achievement={"value": mini})
        again = await made.client.post("/BadgeRequests", asked(mini, requester={"value": user}))
        assert_error(again, 409, "uniqueness", "The requester has a pending request for this achievement already")
        assert (await made.client.patch(f"/BadgeRequests/{id_}", decision)).status_code == 200


async def test_an_approval_that_cannot_award_changes_nothing(server: Server) -> None:
    """Who got the achievement meanwhile, or for what is retired, is not awarded: the request stays pending, to be rejected."""
    made = await badges(server)
    user, mini = (await made.client.new_user())["id"], await made.achievement()
    id_ = await made.new("BadgeRequest", requester={"value": user}, achievement={"value": mini})
    given = await made.award(user, mini)
    refused = await made.client.patch(f"/BadgeRequests/{id_}", APPROVAL)
    assert_error(refused, 409, "uniqueness", "The requester has a live award of this achievement already")
    assert (await made.client.get(f"/BadgeRequests/{id_}")).json()["status"] == "pending"
    assert [one["id"] for one in (await made.awards(user)).values()] == [given["id"]]
    other = (await made.client.new_user())["id"]
    id_ = await made.new("BadgeRequest", requester={"value": other}, achievement={"value": mini})
    await made.client.patch(f"/Achievements/{mini}", {"op": "replace", "path": "active", "value": False})
    assert_error(await made.client.patch(f"/BadgeRequests/{id_}", APPROVAL), 400, "invalidValue", "achievement: it is not active")
    assert_error(await made.client.post("/BadgeRequests", asked(mini, requester={"value": user})), 400, "invalidValue", "not active")


async def test_queue_and_history(server: Server) -> None:
    """The pending requests in the order in which they came, and those of a user, an achievement, or decided as somebody decided."""
    made = await badges(server)
    users = [(await made.client.new_user())["id"] for _ in range(3)]
    mini = await made.achievement()
    ids = [await made.new("BadgeRequest", requester={"value": user}, achievement={"value": mini}) for user in users]
    await made.client.patch(f"/BadgeRequests/{ids[1]}", REJECTION)
    for written, chosen in (
        ('status eq "pending"', [0, 2]),
        (f'requester.value eq "{users[1]}"', [1]),
        (f'achievement.value eq "{mini}" and status eq "rejected"', [1]),
        ('decidedAt pr and reason co "yet"', [1]),
    ):
        found = await made.client.get("/BadgeRequests", filter=written, sortBy="submittedAt")
        assert [one["id"] for one in found.json()["Resources"]] == [ids[index] for index in chosen], written


# -- who may ---------------------------------------------------------------------------------------------------------


async def test_users_see_their_own_badges(server: Server) -> None:
    """A token that stands for a user shows that user's awards and requests, one by one and listed, and nobody else's."""
    made = await badges(server, me="userName")
    ada, client = await student(server, made, "ada")
    bob, other = await student(server, made, "bob")
    mini = await made.achievement()
    mine, theirs = (await made.award(ada, mini))["id"], (await made.award(bob, mini))["id"]
    capstone = await made.achievement("progress")
    request = (await client.post("/BadgeRequests", asked(capstone))).json()["id"]
    await other.post("/BadgeRequests", asked(capstone))
    assert await client.search("id pr", "/Awards") == [mine]
    assert await client.search('status eq "active"', "/Awards") == [mine]
    assert [one["id"] for one in (await client.get("/BadgeRequests")).json()["Resources"]] == [request]
    assert (await client.get(f"/Awards/{mine}")).status_code == 200
    assert_error(await client.get(f"/Awards/{theirs}"), 404)
    for path in ("/Users", "/Groups", f"/Users/{ada}"):
        assert_error(await client.get(path), 403)
    assert set(await client.search("kind pr", "/Achievements")) == {mini, capstone}
    searched = await client.post("/Awards/.search", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]})
    assert [one["id"] for one in searched.json()["Resources"]] == [mine]


async def test_what_users_may_do_with_requests(server: Server) -> None:
    """They ask for themselves and withdraw; deciding, deleting, asking for others and touching others' requests is refused."""
    made = await badges(server, me="userName")
    _, client = await student(server, made, "ada")
    bob, other = await student(server, made, "bob")
    mini = await made.achievement()
    assert_error(await client.post("/BadgeRequests", asked(mini, requester={"value": bob})), 403, None, "users ask for themselves")
    path = f"/BadgeRequests/{(await client.post('/BadgeRequests', asked(mini))).json()['id']}"
    for operation in (APPROVAL, REJECTION):
        assert_error(await client.patch(path, operation), 403, None, "Users may withdraw their requests")
    assert_error(await client.delete(path), 403)
    assert_error(await other.patch(path, WITHDRAWAL), 404)
    assert_error(await client.post("/Awards", award(bob, mini)), 403, None, "badges:issue")
    refused = await finished(client, await client.request("PATCH", path, patch(APPROVAL), headers=ASYNC))
    assert statuses(refused["Operations"]) == ["403"]
    assert (await client.patch(path, WITHDRAWAL)).json()["status"] == "withdrawn"


@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async, wait=20"}], ids=["at once", "later"])
async def test_a_change_of_nothing_shows_nothing(server: Server, headers: dict[str, str]) -> None:
    """Users do not get to see another's request by changing nothing of it."""
    made = await badges(server, me="userName")
    _, ada = await student(server, made, "ada")
    _, ben = await student(server, made, "ben")
    request = (await ben.post("/BadgeRequests", asked(await made.achievement(), statement="Between us"))).json()
    for method, body in (("PATCH", patch()), ("PUT", request), ("PATCH", patch({"op": "add", "path": "statement", "value": "Between us"}))):
        answer = await ada.request(method, f"/BadgeRequests/{request['id']}", body, headers=headers)
        assert (answer.status_code, answer.json()["schemas"]) == (404, [ERROR])
        assert "Between us" not in answer.text
        assert (await ben.request(method, f"/BadgeRequests/{request['id']}", body, headers=headers)).status_code == 200


async def test_a_key_shows_nobody_the_answer_to_another(server: Server) -> None:
    """A user who repeats what another one sent, key and all, is not given that one's answer."""
    made = await badges(server, me="userName")
    ada, client = await student(server, made, "ada")
    _, other = await student(server, made, "ben")
    key, body = {"Idempotency-Key": "1"}, asked(await made.achievement())
    first = await client.request("POST", "/BadgeRequests", body, headers=key)
    assert first.status_code == 201
    assert_error(await other.request("POST", "/BadgeRequests", body | {"requester": {"value": ada}}, headers=key), 422)
    assert (await client.request("POST", "/BadgeRequests", body, headers=key)).json() == first.json()


@pytest.mark.parametrize("more", [{}, {"Idempotency-Key": "k"}], ids=["", "with a key"])
async def test_users_ask_asynchronously(server: Server, more: dict[str, str]) -> None:
    """What users may do about their badges they may also have done later, and nothing else."""
    made = await badges(server, me="userName")
    ada, client = await student(server, made, "ada")
    bob, other = await student(server, made, "bob")
    mini = await made.achievement()
    asking = await finished(client, await client.request("POST", "/BadgeRequests", asked(mini), headers=ASYNC | more))
    assert statuses(asking["Operations"]) == ["201"]
    path = f"/BadgeRequests/{asking['Operations'][0]['location'].rpartition('/')[2]}"
    assert (await client.get(path)).json()["requester"]["value"] == ada
    for body in (asked(mini, requester={"value": bob}), asked(mini)):
        refused = await finished(client, await client.request("POST", "/BadgeRequests", body, headers=ASYNC))
        assert statuses(refused["Operations"]) == (["403"] if "requester" in body else ["409"])
    foreign = await finished(other, await other.request("PATCH", path, patch(WITHDRAWAL), headers=ASYNC))
    assert statuses(foreign["Operations"]) == ["404"]
    withdrawn = await finished(client, await client.request("PATCH", path, patch(WITHDRAWAL), headers=ASYNC))
    assert statuses(withdrawn["Operations"]) == ["200"]
    assert (await client.get(path)).json()["status"] == "withdrawn"


@pytest.mark.parametrize("scopes", [(), *((scope,) for scope in ALL), ("scim:me",)], ids="-".join)
async def test_what_takes_which_scope(server: Server, scopes: tuple[str, ...]) -> None:
    """Awarding and revoking takes badges:issue, deciding takes badges:approve, asking for somebody scim:write; one is not the other."""
    made = await badges(server)
    user, mini = (await made.client.new_user())["id"], await made.achievement()
    given = (await made.award((await made.client.new_user())["id"], mini))["id"]
    request = await made.new("BadgeRequest", requester={"value": user}, achievement={"value": mini})
    client = await with_scopes(server, made, *(scopes or ("tenant:admin",)))
    revocation = {"op": "replace", "value": {"status": "revoked", "revocationReason": "x"}}
    for needed, answer in (
        ("badges:issue", await client.post("/Awards", award((await made.client.new_user())["id"], mini))),
        ("badges:issue", await client.patch(f"/Awards/{given}", revocation)),
        ("badges:approve", await client.patch(f"/BadgeRequests/{request}", REJECTION)),
        ("scim:write", await client.post("/BadgeRequests", asked(mini, requester={"value": user}))),
        ("badges:issue", await client.delete(f"/Awards/{given}")),
        ("scim:write", await client.delete(f"/BadgeRequests/{request}")),
        ("scim:write", await client.post("/Achievements", {})),
    ):
        assert (answer.status_code != 403) is (needed in scopes), (needed, answer.text)


async def test_scopes_in_a_bulk_request(server: Server) -> None:
    """Each operation takes the scope that it would take alone, at once, later and atomically."""
    made = await badges(server)
    mini = await made.achievement()
    issuer = await with_scopes(server, made, "scim:bulk", "badges:issue")
    writer = await with_scopes(server, made, "scim:bulk", "scim:write")
    for headers in ({}, {"Prefer": "respond-async, wait=20"}):
        user = (await made.client.new_user())["id"]
        operations = [
            {"method": "POST", "path": "/Awards", "bulkId": "a", "data": award(user, mini)},
            {"method": "POST", "path": "/BadgeIssuers", "bulkId": "b", "data": {"displayName": "I"}},
        ]
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
        for client, expected in ((writer, ["403", "201"]), (issuer, ["201", "403"])):
            results = (await client.request("POST", "/Bulk", body, headers=headers)).json()["Operations"]
            assert [one["status"] for one in results] == expected


async def test_me_shows_awards(server: Server) -> None:
    """/Me is the user, with the awards."""
    made = await badges(server, me="userName")
    ada, client = await student(server, made, "ada")
    given = await made.award(ada, await made.achievement())
    shown = (await client.get("/Me")).json()
    assert [one["value"] for one in shown["urn:scimsrv:scim:schemas:extension:badges:1.0:User"]["awards"]] == [given["id"]]
    assert replace(client, token=None).base == made.client.base
