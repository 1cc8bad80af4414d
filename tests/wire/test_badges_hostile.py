"""What clumsy and hostile clients do to badges: nothing of it fails, or leaves what was signed and what is stored apart."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from scimsrv.openbadges.host import KEPT
from tests.wire.badges import award, badges
from tests.wire.support import Server, assert_error
from tests.wire.test_credentials import SVG


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("validUntil", "2000-01-01T00:00:00Z"),
        ("narrative", "Much better than it was."),
        ("evidence", [{"id": "https://example.org/later"}]),
        ("role", "Head"),
        ("activityStartDate", "2020-01-01T00:00:00Z"),
    ],
)
async def test_nothing_is_added_to_an_award(server: Server, name: str, value: Any) -> None:
    """What an award was made without stays away: its credential is made, and would say something else than the award."""
    made = await badges(server)
    given = await made.award((await made.client.new_user())["id"], await made.achievement())
    for op in ("add", "replace"):
        assert_error(await made.client.patch(f"/Awards/{given['id']}", {"op": op, "path": name, "value": value}), 400, "mutability")
    assert (await made.client.get(f"/Awards/{given['id']}")).json() == given
    assert (await made.client.put(f"/Awards/{given['id']}", given)).status_code == 200


async def test_an_award_of_long_ago(server: Server) -> None:
    """A year of three digits is written with four: it is signed, shown, and keeps nobody else's award from being signed."""
    made = await badges(server)
    given = await made.award((await made.client.new_user())["id"], await made.achievement(), awardedAt="0900-01-01T00:00:00Z")
    answer = await made.client.get(f"/Awards/{given['id']}/credential.jwt")
    assert answer.status_code == 200, answer.text
    report = (await made.client.request("POST", "/badges/verify", content=answer.content)).json()
    assert [report[name]["verdict"] for name in ("signature", "issuerBinding", "status")] == ["valid", "proven", "active"]


async def test_an_award_that_nobody_could_verify(server: Server) -> None:
    """What is issued can be verified, shown and put into a picture: a credential beyond what these take is refused with its award."""
    made = await badges(server)
    user, achievement = (await made.client.new_user())["id"], await made.achievement()
    evidence = [{"id": f"https://example.org/{number}", "narrative": "x" * 60_000} for number in range(13)]
    refused = await made.client.post("/Awards", award(user, achievement, evidence=evidence))
    assert_error(refused, 400, "invalidValue", "larger than 750000 bytes")
    assert await made.awards(user) == {}
    made_now = await made.award(user, achievement, evidence=evidence[:12])
    token = await made.client.get(f"/Awards/{made_now['id']}/credential.jwt")
    assert (await made.client.request("POST", "/badges/verify", content=token.content)).json()["signature"]["verdict"] == "valid"
    page = "/badges/" + token.headers["link"].partition(">")[0].split("/badges/")[1]
    assert (await made.client.http.get(page, headers={"Accept": "text/html"})).status_code == 200


async def test_the_picture_that_there_is(server: Server) -> None:
    """Who takes any picture gets the one that there is, of whichever kind; who takes only another is told so."""
    made = await badges(server)
    achievement = await made.achievement()
    given = await made.award((await made.client.new_user())["id"], achievement)
    assert (await made.client.request("GET", f"/Awards/{given['id']}/badge")).status_code == 404
    assert (await made.client.request("PUT", f"/Achievements/{achievement}/image", content=SVG)).status_code == 200
    for accept in ("*/*", "image/*", "image/png, image/svg+xml;q=0.1"):
        answer = await made.client.request("GET", f"/Awards/{given['id']}/badge", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "image/svg+xml"), accept
    assert (await made.client.request("GET", f"/Awards/{given['id']}/badge", headers={"Accept": "image/png"})).status_code == 406


async def test_what_a_deleted_user_kept(server: Server) -> None:
    """Credentials that a user keeps are gone with the person, where the policy says that the person is."""
    for policy in ("pseudonymise", "delete"):
        made = await badges(server, open_badges_api=True, me="userName", badge_recipient_deletion=policy)
        ada = await made.client.new_user("ada@example.com")
        own = made.client.with_token(await server.token(made.client, "scim:me", subject="ada@example.com"))
        body = orjson.dumps(
            {"id": "urn:uuid:1", "issuer": "did:key:z6Mk", "proof": {"type": "DataIntegrityProof"}, "name": f"Secret {policy}"}
        )
        headers = {"Content-Type": "application/json"}
        assert (await own.request("POST", "/ims/ob/v3p0/credentials", content=body, headers=headers)).status_code == 201
        assert await server.pool.fetchval("SELECT count(*) FROM badge_kept WHERE holder = $1", ada["id"]) == 1
        assert (await made.client.delete(f"/Users/{ada['id']}")).status_code == 204
        assert await server.pool.fetchval("SELECT count(*) FROM badge_kept WHERE holder = $1", ada["id"]) == 0


async def test_a_full_wallet_takes_newer_ones(server: Server) -> None:
    """Who keeps as many credentials as there may be can still replace one of them."""
    made = await badges(server, open_badges_api=True, me="userName")
    ada = await made.client.new_user("ada@example.com")
    await server.pool.execute(
        "INSERT INTO badge_kept (tenant, holder, identity, issued, media_type, body)"
        " SELECT $1, $2, g::text, now(), 'text/plain', '' FROM generate_series(2, $3::integer) g",
        *(made.client.id, ada["id"], KEPT),
    )
    own = made.client.with_token(await server.token(made.client, "scim:me", subject="ada@example.com"))
    seen = []
    for id_ in ("urn:uuid:1", "urn:uuid:1", "urn:uuid:2"):
        body = orjson.dumps({"id": id_, "issuer": "did:key:z6Mk", "proof": {"type": "DataIntegrityProof"}})
        answer = await own.request("POST", "/ims/ob/v3p0/credentials", content=body, headers={"Content-Type": "application/json"})
        seen.append(answer.status_code)
    assert seen == [201, 200, 409]


async def test_progress_needs_a_token_good_for_awards(server: Server) -> None:
    """A token for users only does not read what they were awarded by another way."""
    made = await badges(server)
    user = (await made.client.new_user())["id"]
    assert (await made.client.get(f"/badges/progress/{user}")).status_code == 200
    narrow = made.client.with_token(await server.token(made.client, "scim:read"))
    kid = (narrow.token or "").split("_")[1]
    await server.pool.execute("UPDATE credential SET types = '{User}' WHERE tenant = $1 AND kid = $2", made.client.id, kid)
    assert (await narrow.get(f"/Users/{user}")).status_code == 200
    assert (await narrow.get(f"/badges/progress/{user}")).status_code == 403
