"""What deletions leave of badges: users as the policy says, catalogues what was awarded, awards and requests no reference to them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.keys import AUDIT_KEY, ServerKeys
from scimsrv.limits import Limits
from scimsrv.store import seals
from scimsrv.store.audit import truncate, verify
from scimsrv.store.identity import load_catalog
from scimsrv.store.scope import Scope
from scimsrv.store.tombstones import restore
from tests.wire.admin_support import admin_api, assert_problem
from tests.wire.badges import URN, USER_EXTENSION, Badges, badges, recomputed
from tests.wire.support import Server, assert_error


async def _with_history(server: Server, policy: str, **switches: str) -> tuple[Badges, str, str]:
    """A user with awards of every state and requests, pending and rejected; the user's id and that of an active award."""
    made = await badges(server, badge_recipient_deletion=policy, **switches)
    skill = await made.skill((await made.program())[0], 1)
    user = (await made.client.new_user(displayName="Ada"))["id"]
    active = await made.award(user, skill.minis[0], narrative="She did it", evidence=[{"name": "Ada's work"}])
    revoked = await made.award(user, await made.achievement())
    await made.client.patch(f"/Awards/{revoked['id']}", {"op": "add", "value": {"status": "revoked", "revocationReason": "x"}})
    for _ in range(2):
        await made.new("BadgeRequest", requester={"value": user}, achievement={"value": await made.achievement()}, statement="I, Ada")
    requests = (await made.client.get("/BadgeRequests")).json()["Resources"]
    await made.client.patch(f"/BadgeRequests/{requests[0]['id']}", {"op": "add", "value": {"status": "rejected", "reason": "No"}})
    return made, user, active["id"]


@pytest.mark.parametrize("pointers", ["clear", "restrict", "keep"])
async def test_awards_stay_with_what_the_recipient_was_called(server: Server, pointers: str) -> None:
    """By default a deleted user's awards and requests stay, with id and name and without $ref; what was pending is withdrawn."""
    made, user, active = await _with_history(server, "keep", pointer_target_deletion=pointers)
    before = (await made.client.get(f"/Awards/{active}")).json()
    assert (await made.client.delete(f"/Users/{user}")).status_code == 204
    after = (await made.client.get(f"/Awards/{active}")).json()
    assert after == before | {"recipient": {"value": user, "display": "Ada"}, "meta": after["meta"]}
    assert len(await made.awards(user)) == 4
    requests = (await made.client.get("/BadgeRequests", sortBy="status")).json()["Resources"]
    assert [one["status"] for one in requests] == ["rejected", "withdrawn"]
    assert {one["requester"]["display"] for one in requests} == {"Ada"}
    assert await server.pool.fetchval("SELECT count(*) FROM reference WHERE tenant = $1", made.client.id) == 0
    revocation = {"op": "add", "value": {"status": "revoked", "revocationReason": "x"}}
    assert (await made.client.patch(f"/Awards/{active}", revocation)).status_code == 200


async def test_a_recipient_who_comes_back(server: Server) -> None:
    """A restored user shows the awards that were kept, which refer to the user again; what was withdrawn stays so. A deleted award does
    not come back."""
    made, user, active = await _with_history(server, "keep")
    before = (await made.client.get(f"/Users/{user}")).json()
    shown = (await made.client.get(f"/Awards/{active}")).json()
    requests = {one["id"]: one["requester"] for one in (await made.client.get("/BadgeRequests")).json()["Resources"]}
    assert (await made.client.delete(f"/Users/{user}")).status_code == 204
    scope = await _scope(server, made)
    await restore(scope, user)
    assert (await made.client.get(f"/Awards/{active}/credential.jwt")).status_code == 200
    after = (await made.client.get(f"/Users/{user}")).json()
    assert after[USER_EXTENSION] == before[USER_EXTENSION]
    assert (await made.client.get(f"/Awards/{active}")).json()["recipient"] == shown["recipient"]
    found = (await made.client.get("/BadgeRequests", sortBy="status")).json()["Resources"]
    assert {one["id"]: one["requester"] for one in found} == requests
    assert [one["status"] for one in found] == ["rejected", "withdrawn"]
    assert (await made.client.delete(f"/Awards/{active}")).status_code == 204
    with pytest.raises(ScimError, match="NOT_FOUND"):
        await restore(scope, active)


async def _scope(server: Server, made: Badges) -> Scope:
    _, catalog = await load_catalog(server.app.pool.of(made.client.id), made.client.id)
    return Scope(
        server.app.pool.of(made.client.id), made.client.id, catalog, f"https://scim.example.com{made.client.base}", "tests", Limits()
    )


async def test_awards_without_the_person(server: Server) -> None:
    """A pseudonym takes the place of the recipient, the same in all that stays, and nothing personal is left of it."""
    made, user, active = await _with_history(server, "pseudonymise")
    assert (await made.client.delete(f"/Users/{user}")).status_code == 204
    awards = (await made.client.get("/Awards")).json()["Resources"]
    requests = (await made.client.get("/BadgeRequests")).json()["Resources"]
    assert (len(awards), len(requests)) == (4, 2)
    (pseudonym,) = {one["recipient"]["value"] for one in awards} | {one["requester"]["value"] for one in requests}
    text = (await made.client.get("/Awards")).text + (await made.client.get("/BadgeRequests")).text
    assert not [word for word in (user, "Ada", "She did it") if word in text]
    assert (await made.client.get(f"/Awards/{active}")).json()["recipient"] == {"value": pseudonym}
    rows = await server.pool.fetch("SELECT DISTINCT recipient FROM award WHERE tenant = $1", made.client.id)
    assert [row["recipient"] for row in rows] == [pseudonym]


@pytest.mark.parametrize(("deletion", "left"), [("keep", 4), ("pseudonymise", 4), ("delete", 0)])
async def test_an_erased_recipient(server: Server, deletion: str, left: int) -> None:
    """Erasing a deleted user takes the person out of the awards that were kept, and out of the history in the audit trail of all that there
    were, whose chain stays whole."""
    made, user, _ = await _with_history(server, deletion)
    path = f"/tenants/{made.client.slug}/erasures"
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as admin:
        assert_problem(await admin.ask("POST", path, {"id": user}), 409)
        assert "Ada" in (await made.client.get("/Awards")).text
        assert (await made.client.delete(f"/Users/{user}")).status_code == 204
        assert (await admin.ask("POST", path, {"id": user})).status_code == 200
    awards = (await made.client.get("/Awards")).json()["Resources"]
    assert (len(awards), len({one["recipient"]["value"] for one in awards})) == (left, min(left, 1))
    kept = await server.pool.fetch("SELECT content::text AS content FROM change WHERE tenant = $1 AND content IS NOT NULL", made.client.id)
    text = (
        "".join(row["content"] for row in kept) + (await made.client.get("/Awards")).text + (await made.client.get("/BadgeRequests")).text
    )
    assert not [word for word in (user, "Ada") if word in text]
    key = ServerKeys.load(server.settings).derive(AUDIT_KEY)
    async with server.pool.acquire() as connection:
        async with connection.transaction():
            await seals.hold(connection, made.client.id)
            await seals.seal_all(connection, made.client.id, key)
        found = await verify(connection, made.client.id, [key])
    assert found.problems == []


@pytest.mark.parametrize("deletion", ["keep", "pseudonymise", "delete"])
@pytest.mark.parametrize("ways", [("request", "user"), ("user", "request"), ("request", "user", "badges off")], ids=" ".join)
async def test_a_deleted_request_does_not_bring_an_erased_person_back(server: Server, deletion: str, ways: tuple[str, ...]) -> None:
    """A request that was deleted, before its requester or after, is kept to be brought back; erasing the requester takes it along, or it
    says nothing of the person."""
    made = await badges(server, badge_recipient_deletion=deletion)
    user = (await made.client.new_user(displayName="Ada"))["id"]
    mini = await made.achievement()
    asked = await made.new("BadgeRequest", requester={"value": user}, achievement={"value": mini}, statement="Ada did it")
    for one in ways[:2]:
        status = (await made.client.delete(f"/Users/{user}" if one == "user" else f"/BadgeRequests/{asked}")).status_code
        assert status == 204 or (one, deletion, status) == ("request", "delete", 404)
    if ways[2:]:
        await server.set_policy(made.client, {"badges": False})
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as admin:
        assert (await admin.ask("POST", f"/tenants/{made.client.slug}/erasures", {"id": user})).status_code == 200
    for table in ("tombstone", "tombstone_reference", "resource", "change"):
        held = await server.pool.fetch(f"SELECT * FROM {table} WHERE tenant = $1", made.client.id)
        text = " ".join(str(row.get("document", row.get("content", tuple(row)))) for row in held)
        assert not [word for word in (user, "Ada") if word in text], table


@pytest.mark.parametrize("deletion", ["keep", "pseudonymise", "delete"])
async def test_a_request_comes_back_with_its_requester_alone(server: Server, deletion: str) -> None:
    """A deleted request is not brought back while its requester is gone, whose it would not be any more; with the requester it is."""
    made = await badges(server, badge_recipient_deletion=deletion)
    user = (await made.client.new_user())["id"]
    asked = await made.new(
        "BadgeRequest", requester={"value": user}, achievement={"value": await made.achievement()}, statement="Ada did it"
    )
    for path in (f"/BadgeRequests/{asked}", f"/Users/{user}"):
        assert (await made.client.delete(path)).status_code == 204
    scope = await _scope(server, made)
    with pytest.raises(ScimError, match="requester") as refused:
        await restore(scope, asked)
    assert refused.value.kind is Kind.CONFLICT
    assert (await made.client.get("/BadgeRequests")).json()["totalResults"] == 0
    await restore(scope, user)
    await restore(scope, asked)
    assert (await made.client.get(f"/BadgeRequests/{asked}")).json()["requester"]["value"] == user


async def _retained(server: Server, made: Badges, since: datetime | None = None) -> None:
    """Seal the tenant's trail; what was sealed before a time is left out of it from then on."""
    key = ServerKeys.load(server.settings).derive(AUDIT_KEY)
    async with server.pool.acquire() as connection, connection.transaction():
        await seals.hold(connection, made.client.id)
        await seals.seal_all(connection, made.client.id, key)
    if since is not None:
        await truncate(server.pool, made.client.id, since, key)  # as who may: with row-level security the server may not


@pytest.mark.parametrize("deletion", ["keep", "pseudonymise", "delete"])
async def test_an_erased_recipient_whose_beginning_is_not_kept(server: Server, deletion: str) -> None:
    """The person goes out of the history of awards also where retention has taken the user's creation out of the trail."""
    made = await badges(server, badge_recipient_deletion=deletion)
    user = (await made.client.new_user(displayName="Ada"))["id"]
    await _retained(server, made)
    since = datetime.now(UTC)
    await made.award(user, await made.achievement(), narrative="Ada did it")
    await _retained(server, made, since)
    assert (await made.client.delete(f"/Users/{user}")).status_code == 204
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as admin:
        assert (await admin.ask("POST", f"/tenants/{made.client.slug}/erasures", {"id": user})).status_code == 200
    kept = await server.pool.fetch("SELECT content FROM change WHERE tenant = $1 AND content IS NOT NULL", made.client.id)
    assert not [row["content"] for row in kept if "Ada" in row["content"] or user in row["content"]]


@pytest.mark.parametrize("left", ["tombstone", "awards", "nothing"])
async def test_what_the_trail_knows_nothing_of_is_erased(server: Server, left: str) -> None:
    """Retention may have taken all of a deleted user out of the trail, while a tombstone or awards still say who it was."""
    made = await badges(server, badge_recipient_deletion="keep", restore_days=30 if left == "tombstone" else 0)
    user = (await made.client.new_user(displayName="Ada"))["id"]
    if left == "awards":
        await made.award(user, await made.achievement(), narrative="Ada did it")
    assert (await made.client.delete(f"/Users/{user}")).status_code == 204
    await _retained(server, made)
    since = datetime.now(UTC)
    await made.client.new_user()
    await _retained(server, made, since)
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as admin:
        answer = await admin.ask("POST", f"/tenants/{made.client.slug}/erasures", {"id": user})
        assert answer.status_code == (404 if left == "nothing" else 200), answer.text
        assert (await admin.ask("GET", f"/tenants/{made.client.slug}/deleted")).json()["deleted"] == []
    assert "Ada" not in (await made.client.get("/Awards")).text
    logged = await server.pool.fetch("SELECT type FROM change WHERE tenant = $1 AND id = $2 AND operation = 'erase'", made.client.id, user)
    assert [row["type"] for row in logged] == {"tombstone": ["User"], "awards": [""], "nothing": []}[left]


async def test_awards_that_go_with_their_recipient(server: Server) -> None:
    """Everything goes, and the counts with it."""
    made, user, _ = await _with_history(server, "delete")
    assert (await made.client.delete(f"/Users/{user}")).status_code == 204
    for path in ("/Awards", "/BadgeRequests"):
        assert (await made.client.get(path)).json()["totalResults"] == 0
    for table in ("award", "reference", "unique_key"):
        number = await server.pool.fetchval(
            f"SELECT count(*) FROM {table} WHERE tenant = $1"
            + (" AND attribute LIKE '$%' AND type <> 'Achievement'" * (table == "unique_key")),
            made.client.id,
        )
        assert number == 0, table
    rows = await server.pool.fetch(
        "SELECT count(*) AS number FROM resource_key WHERE tenant = $1 AND id NOT IN (SELECT id FROM resource)", made.client.id
    )
    assert rows[0]["number"] == 0


async def test_a_catalogue_keeps_what_was_awarded(server: Server) -> None:
    """What something refers to cannot be deleted, in the order in which it refers; unused it can."""
    made = await badges(server)
    program, own = await made.program()
    skill = await made.skill(program, 1)
    user = (await made.client.new_user())["id"]
    given = await made.award(user, skill.minis[0])
    for path, says in (
        (f"/Achievements/{skill.minis[0]}", "achievement of 1 Award resources names it"),
        (f"/BadgeSkills/{skill.id}", "parent of 2 Achievement resources names it"),
        (f"/BadgePrograms/{program}", "program of 1 BadgeSkill resources names it"),
        (f"/BadgeIssuers/{made.issuer}", "issuer of 3 Award resources names it"),
    ):
        assert_error(await made.client.delete(path), 409, None, says)
    unused = await made.achievement("mini", skill.id)
    assert (await made.client.delete(f"/Achievements/{unused}")).status_code == 204
    assert await made.held(user) == {skill.minis[0], skill.achievement, own}
    assert (await made.client.get(f"/Awards/{given['id']}")).status_code == 200


@pytest.mark.parametrize(("policy", "left"), [("keep", 2), ("cascade", 0)])
async def test_a_deleted_award(server: Server, policy: str, left: int) -> None:
    """It counts as revoked for what follows from it, goes with its row, and the request that led to it names it no more."""
    made = await badges(server, badge_revocation=policy)
    skill = await made.skill((await made.program())[0], 1)
    user = (await made.client.new_user())["id"]
    request = await made.new("BadgeRequest", requester={"value": user}, achievement={"value": skill.minis[0]})
    await made.client.patch(f"/BadgeRequests/{request}", {"op": "replace", "path": "status", "value": "approved"})
    given = (await made.awards(user))[skill.minis[0]]["id"]
    assert (await made.client.delete(f"/Awards/{given}")).status_code == 204
    assert len(await made.held(user)) == left
    shown = (await made.client.get(f"/BadgeRequests/{request}")).json()
    assert (shown["status"], "award" in shown) == ("approved", False)
    assert await server.pool.fetchval("SELECT count(*) FROM award WHERE tenant = $1 AND id = $2", made.client.id, given) == 0
    await made.award(user, skill.minis[0])


async def test_a_deleted_request(server: Server) -> None:
    """The award that it led to stays, and names it no more."""
    made = await badges(server)
    user, mini = (await made.client.new_user())["id"], await made.achievement()
    request = await made.new("BadgeRequest", requester={"value": user}, achievement={"value": mini})
    await made.client.patch(f"/BadgeRequests/{request}", {"op": "replace", "path": "status", "value": "approved"})
    assert (await made.client.delete(f"/BadgeRequests/{request}")).status_code == 204
    shown = (await made.awards(user))[mini]
    assert (shown["source"], "request" in shown) == ("request", False)


async def test_a_part_of_the_catalogue_that_comes_back(server: Server) -> None:
    """It takes what it belongs to, and what follows from it is awarded."""
    made = await badges(server)
    program, _ = await made.program()
    skill = await made.skill(program, 1)
    other = await made.new("BadgeIssuer", displayName="Other")
    lone = await made.achievement(creator={"value": other})
    for path in (f"/Achievements/{lone}", f"/BadgeIssuers/{other}", f"/Achievements/{skill.achievement}"):
        assert (await made.client.delete(path)).status_code == 204
    user = (await made.client.new_user())["id"]
    await made.award(user, skill.minis[0])
    await recomputed(server, made)
    scope = await _scope(server, made)
    with pytest.raises(ScimError, match="bring that back first"):
        await restore(scope, lone)
    await restore(scope, other)
    await restore(scope, lone)
    assert (await made.client.get(f"/Achievements/{lone}")).json()["creator"]["value"] == other
    assert await made.held(user) == {skill.minis[0]}
    await restore(scope, skill.achievement)
    await recomputed(server, made)
    assert await made.held(user) > {skill.minis[0], skill.achievement}


async def test_a_skills_achievement_comes_back_with_its_skill_alone(server: Server) -> None:
    """What it would be the achievement of is gone: it is brought back after that."""
    made = await badges(server)
    skill = await made.skill((await made.program())[0], 0)
    for path in (f"/Achievements/{skill.achievement}", f"/BadgeSkills/{skill.id}"):
        assert (await made.client.delete(path)).status_code == 204
    scope = await _scope(server, made)
    with pytest.raises(ScimError, match="parent is required of a skill"):
        await restore(scope, skill.achievement)
    await restore(scope, skill.id)
    await restore(scope, skill.achievement)


async def test_a_post_brings_no_badge_resource_back(server: Server) -> None:
    """With `reprovision` a POST that is the same as a deleted one creates another one, by the rules of badges."""
    made = await badges(server, reprovision="externalId")
    user, asked = (await made.client.new_user())["id"], await made.achievement()
    body = {"schemas": [URN + "BadgeRequest"], "externalId": "x", "requester": {"value": user}, "achievement": {"value": asked}}
    first = (await made.client.post("/BadgeRequests", body)).json()["id"]
    assert (await made.client.delete(f"/BadgeRequests/{first}")).status_code == 204
    assert_error(
        await made.client.post("/BadgeRequests", body | {"status": "approved"}), 400, "invalidValue", "a request begins as pending"
    )
    bulk = {"method": "POST", "path": "/BadgeRequests", "bulkId": "1", "data": body | {"status": "approved"}}
    answer = await made.client.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [bulk]})
    assert answer.json()["Operations"][0]["status"] == "400"
    again = await made.client.post("/BadgeRequests", body)
    assert (again.status_code, again.json()["id"] != first, again.json()["status"]) == (201, True, "pending")
