"""People who show a JWT of a trusted issuer: the claim that leads to the user whom they are, and those that give them roles."""

from __future__ import annotations

from tests.wire.oauth_support import Issuer, tenant
from tests.wire.support import Server, assert_error, user


async def test_people_at_me(server: Server) -> None:
    """The claim that the policy names leads to the user whose attribute it is, by a token and by one that it was exchanged for."""
    for attribute, claim in (("externalId", "oid"), ("userName", "sub"), ("id", "employee")):
        oauth = await tenant(server, me=attribute, me_claim=claim)
        ada = await oauth.client.new_user("ada", externalId="object-1")
        people = Issuer(
            claims={"sub": "ada" if claim == "sub" else "pairwise", "oid": "object-1", "employee": ada["id"], "email": "x@example.com"}
        )
        await oauth.trust(people.trust(scopes=["scim:me"], pins={}))
        for mine in (oauth.client.with_token(people.token()), oauth.using(await oauth.exchange(people.token()))):
            answer = await mine.get("/Me")
            assert (answer.status_code, answer.json()["id"]) == (200, ada["id"]), answer.text
            assert answer.headers["location"] == ada["meta"]["location"]
            assert (await mine.patch("/Me", {"op": "add", "path": "nickName", "value": "a"})).status_code == 200
            assert_error(await mine.get("/Users"), 403)
            assert_error(await mine.get(f"/Users/{ada['id']}"), 403)
        for nobody in (
            {claim: "somebody"},
            {"without": (claim,)} if claim != "sub" else {claim: "x"},
            {claim: 7} if claim != "sub" else {claim: "y"},
        ):
            assert_error(await oauth.client.with_token(people.token(**nobody)).get("/Me"), 404)
        await oauth.client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": False})
        assert_error(await oauth.client.with_token(people.token()).get("/Me"), 403, None, "deactivated")


async def test_roles(server: Server) -> None:
    """People get the scopes of the roles that a group or a role claim gives them, and without any nothing."""
    oauth = await tenant(server)
    people = Issuer(claims={"sub": "ada"})
    rules = [
        {"claim": "groups", "value": "g-view", "role": "viewer"},
        {"claim": "roles", "value": "Operator", "role": "operator"},
        {"claim": "roles", "value": "Admin", "role": "tenant_admin"},
    ]
    await oauth.trust(people.trust(scopes=[], pins={}, roles=rules))
    schema = {"id": "urn:example:roles:1.0", "name": "Roles", "attributes": [{"name": "x", "type": "string"}]}
    for claims, read_, write, define in (
        ({}, 403, 403, 405),
        ({"groups": ["g-view", "x"]}, 200, 403, 405),
        ({"groups": "g-view"}, 200, 403, 405),
        ({"groups": ["G-VIEW"]}, 403, 403, 405),
        ({"groups": {"g-view": 1}}, 403, 403, 405),
        ({"roles": ["Operator"]}, 200, 201, 405),
        ({"roles": ["Admin"], "groups": ["x"]}, 200, 201, 201),
    ):
        for client in (
            oauth.client.with_token(people.token(**claims)),
            *([oauth.using(await oauth.exchange(people.token(**claims)))] if read_ == 200 else []),
        ):
            answers = [await client.get("/Users"), await client.post("/Users", user())]
            assert [answer.status_code for answer in answers] == [read_, write], claims
        assert (await client.post("/Schemas", schema)).status_code == define, claims
    overage = people.token(_claim_names={"groups": "src1"}, _claim_sources={"src1": {"endpoint": "https://x"}}, roles=["Admin"])
    assert_error(await oauth.client.with_token(overage).get("/Users"), 401)
