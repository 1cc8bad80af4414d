"""What users permit applications ends for good when it ends, and all of it is in the audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from scimsrv.openbadges.description import CHANGE, KEEP, PROFILE
from scimsrv.store.applications import MOST_PERMITTED, OFFLINE
from tests.unit.badges.test_verification import CREDENTIAL
from tests.wire.admin_support import admin_api
from tests.wire.badges import Badges
from tests.wire.support import Client, Server, Starter
from tests.wire.test_audit import BULK
from tests.wire.test_open_badges_api import API
from tests.wire.test_open_badges_oauth import OAUTH, App, _all, _app, _said

MERGE = "application/merge-patch+json"
SUBJECT = "ada@example.com"
SWITCHES = {"profile": "standard", "badges": True, "open_badges_api": True, "me": "userName"}


async def _granted(app: App, own: Client) -> dict[str, Any]:
    got = await app.redeem(await app.code(own, scope=f"{PROFILE} {OFFLINE}"))
    found: dict[str, Any] = got.json()
    return found


async def _use(made: Badges, token: dict[str, Any]) -> int:
    return (await made.client.with_token(token["access_token"]).get(f"{API}/profile")).status_code


async def _refresh(app: App, token: dict[str, Any]) -> int:
    return (await app.post("token", grant_type="refresh_token", refresh_token=token["refresh_token"])).status_code


async def _trail(server: Server, client: Client) -> list[tuple[str, str, str, Any]]:
    text = "SELECT operation, actor, id, content FROM change WHERE tenant = $1 AND type IN ('Application', 'Permission') ORDER BY seq"
    rows = await server.pool.fetch(text, client.id)
    return [(row["operation"], row["actor"], row["id"], orjson.loads(row["content"])) for row in rows]


def _active(value: bool) -> dict[str, Any]:
    return {"op": "replace", "path": "active", "value": value}


def _name(value: str) -> dict[str, Any]:
    return {"op": "replace", "path": "userName", "value": value}


async def _to_and_fro(server: Server, made: Badges, ada: str, what: str) -> None:
    """Do something to the user, and undo it."""
    client, user = made.client, f"/Users/{ada}"
    match what:
        case "deactivated":
            for value in (False, True):
                assert (await client.patch(user, _active(value))).status_code == 200
        case "deactivated in bulk":
            operation = {"method": "PATCH", "path": user, "data": {"Operations": [_active(False)]}}
            operation["data"] |= {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}  # type: ignore[operator]
            done = await client.post("/Bulk", {"schemas": [BULK], "Operations": [operation]})
            assert done.json()["Operations"][0]["status"] == "200", done.text
            assert (await client.patch(user, _active(True))).status_code == 200
        case "renamed":
            for name in ("gone@example.com", SUBJECT):
                assert (await client.patch(user, _name(name))).status_code == 200
        case "deleted":
            assert (await client.delete(user)).status_code == 204
            async with admin_api(server.pool, server.settings) as admin:
                assert (await admin.ask("POST", f"/tenants/{client.slug}/deleted/{ada}/restore")).status_code == 200
        case "in another case":
            assert (await client.patch(user, _name(SUBJECT.title()))).status_code == 200
        case "activated":
            assert (await client.patch(user, _active(True), {"op": "add", "path": "title", "value": "Dr"})).status_code == 200
        case _:
            raise AssertionError(what)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("deactivated", "The user was deactivated"),
        ("deactivated in bulk", "The user was deactivated"),
        ("renamed", "The user has another userName"),
        ("deleted", "The user was deleted"),
        ("in another case", None),
        ("activated", None),
    ],
)
async def test_what_a_user_permits_ends_with_the_user(server: Server, what: str, reason: str | None) -> None:
    """Whoever is deactivated, gets another name, or is deleted permits nothing any more, and nothing again when that is undone."""
    made, own, ada, app = await _all(server)
    token = await _granted(app, own)
    await _to_and_fro(server, made, ada, what)
    found = [row for row in await _trail(server, made.client) if row[0] == "withdraw"]
    assert await _use(made, token) == (200 if reason is None else 401)
    assert await _refresh(app, token) == (200 if reason is None else 400)
    assert len((await own.get("/badges/applications")).json()["applications"]) == (1 if reason is None else 0)
    actor = (made.client.token or "").split("_")[1]
    ended = [{"application": app.id, "scopes": [PROFILE, OFFLINE]}]
    assert found == ([] if reason is None else [("withdraw", actor, ada, {"reason": reason, "ended": ended})])


async def test_a_token_that_leads_to_nobody_ends_what_it_is_for(server: Server) -> None:
    """Where the policy finds users by something else, an application's token leads to nobody, and not to its user again later."""
    made, own, _, app = await _all(server)
    used, unused = await _granted(app, own), await _granted(app, own)
    await server.set_policy(made.client, SWITCHES | {"me": "externalId"})
    assert await _use(made, used) == 404
    await server.set_policy(made.client, SWITCHES)
    assert (await _use(made, used), await _refresh(app, used)) == (401, 400)
    assert (await _use(made, unused), await _refresh(app, unused)) == (200, 200)


async def test_a_code_of_somebody_who_was_deactivated_meanwhile(server: Server) -> None:
    """A permission that comes while its user is being deactivated is worth nothing."""
    made, own, ada, app = await _all(server)
    code, token = await app.code(own, scope=PROFILE), await _granted(app, own)
    text = "UPDATE resource SET document = (document::jsonb || '{\"active\": false}')::text WHERE tenant = $1 AND id = $2"
    await server.pool.execute(text, made.client.id, ada)
    assert (await app.redeem(code)).json()["error"] == "invalid_grant"
    assert await _refresh(app, token) == 400


async def test_the_trail_of_an_application(server: Server) -> None:
    """Registering, permitting and withdrawing are rows of the trail that say who did it, from where, and why it ended; what is done
    without a token leaves none until a user permits something."""
    made, own, ada, app = await _all(server)
    scopes = [PROFILE, OFFLINE]
    user = (own.token or "").split("_")[1]
    await _app(made.client)
    await app.request()
    assert await _trail(server, made.client) == []
    await _granted(app, own)
    assert (await own.delete(f"/badges/applications/{app.id}")).status_code == 204
    token = await _granted(app, own)
    assert (await app.post("revoke", token=token["access_token"])).status_code == 200
    code = await app.code(own, scope=f"{PROFILE} {OFFLINE}")
    for _ in range(3):
        await app.redeem(code)
    first = await _granted(app, own)
    for _ in range(2):
        await _refresh(app, first)
    async with admin_api(server.pool, server.settings) as admin:
        assert (await admin.ask("DELETE", f"/tenants/{made.client.slug}/badges/applications/{app.id}")).status_code == 200
    rows = await _trail(server, made.client)
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("register", app.id, app.id),
        *(("permit", user, ada), ("withdraw", user, ada)),
        *(("permit", user, ada), ("withdraw", app.id, ada)) * 3,
    ]
    assert (rows[0][3]["metadata"]["client_name"], rows[0][3]["network"]) == ("Backpack", "127.0.0.1")
    assert [row[3] for row in rows if row[0] == "permit"] == [{"application": app.id, "scopes": scopes}] * 4
    assert [row[3]["reason"] for row in rows if row[0] == "withdraw"] == [
        "The user withdrew it",
        "The application revoked it",
        "A code was shown again",
        "A refresh token was shown that is not good any more",
    ]
    origins = await server.pool.fetch(
        "SELECT DISTINCT origin[2] AS of FROM change WHERE tenant = $1 AND type = 'Permission'", made.client.id
    )
    assert [row["of"] for row in origins] == ["127.0.0.1"]
    removed = await server.pool.fetchval(
        "SELECT id FROM change WHERE tenant = $1 AND operation = 'badge-application.remove'", made.client.id
    )
    assert removed == app.id


async def test_a_code_that_another_application_shows(server: Server) -> None:
    """A code, used or not, is worth nothing to an application to which it was not given, and what it gave the rightful one stays; when that
    one shows it again, it ends."""
    made, own, _, app = await _all(server)
    other, code = await _app(made.client), await app.code(own, scope=PROFILE)
    assert (await other.redeem(code)).json()["error"] == "invalid_grant"
    token = (await app.redeem(code)).json()
    assert (await other.redeem(code)).json()["error"] == "invalid_grant"
    assert await _use(made, token) == 200
    assert (await app.redeem(code)).json()["error"] == "invalid_grant"
    assert await _use(made, token) == 401


async def test_badges_that_are_switched_off_leave_nothing_permitted(server: Server) -> None:
    """Where a tenant has no badges any more, its users permit nothing, and nothing either when it has them again."""
    made, own, _, app = await _all(server)
    await _granted(app, own)
    assert (await made.client.delete(f"/BadgeIssuers/{made.issuer}")).status_code == 204
    async with admin_api(server.pool, server.settings) as admin:
        off = await admin.ask("PATCH", f"/tenants/{made.client.slug}/policy", {"badges": False}, content_type=MERGE)
        assert off.status_code == 200, off.text
    assert await server.pool.fetchval("SELECT count(*) FROM badge_grant WHERE tenant = $1", made.client.id) == 0


async def test_an_application_that_has_not_registered_for_refresh_tokens(server: Server) -> None:
    """Who registers for codes alone (RFC 7591 §2) gets no refresh token, and users are not asked for what it does not get."""
    made, own, _, other = await _all(server)
    app = await _app(made.client, scope=f"{PROFILE} {OFFLINE}")
    request = await app.request(scope=f"{PROFILE} {OFFLINE}")
    assert list((await own.get(f"{OAUTH}/requests/{request}")).json()["scopes"]) == [PROFILE]
    assert _said((await app.ask(scope=OFFLINE)).headers["location"])["error"] == "invalid_scope"
    token = (await app.redeem(await app.code(own, scope=f"{PROFILE} {OFFLINE}"))).json()
    assert (token["scope"], "refresh_token" in token) == (PROFILE, False)
    theirs = await _granted(other, own)
    refused = await app.post("token", grant_type="refresh_token", refresh_token=theirs["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    assert await _refresh(other, theirs) == 200


async def test_as_much_as_a_user_may_permit(server: Server) -> None:
    """A user permits a hundred times at once; one more is refused, and waits until something is withdrawn. What has expired counts for
    nothing."""
    made, own, ada, app = await _all(server)
    text = (
        "INSERT INTO badge_grant (tenant, id, application, scopes, redirect, state, challenge, holder, subject, redeemed, expires)"
        " SELECT $1, 'old-' || g, $2, '{}', '', '', '', $3, 'x', true, now() + make_interval(hours => CASE WHEN g < $4 THEN 1 ELSE -1 END)"
        " FROM generate_series(1, 120) g"
    )
    await server.pool.execute(text, made.client.id, app.id, ada, MOST_PERMITTED)
    last, more = await app.request(), await app.request()
    assert (await own.post(f"{OAUTH}/requests/{last}", {"permit": True})).status_code == 200
    refused = await own.post(f"{OAUTH}/requests/{more}", {"permit": True})
    assert (refused.status_code, "A user may permit 100 times at once" in refused.json()["detail"]) == (409, True)
    assert (await own.delete(f"/badges/applications/{app.id}")).status_code == 204
    assert (await own.post(f"{OAUTH}/requests/{more}", {"permit": True})).status_code == 200


async def test_tokens_that_are_over_are_no_guesses(start: Starter) -> None:
    """A token that has expired, or was replaced, is refused like any other and counts as no attempt to guess one; what never was one
    does."""
    async with start(bad_tokens=2) as server:
        made, own, _, app = await _all(server)
        replaced = await _granted(app, own)
        assert await _refresh(app, replaced) == 200
        expired, gone = await _granted(app, own), (await app.redeem(await app.code(own, scope=PROFILE))).json()
        times = "UPDATE badge_grant SET access_until = now() - interval '1 minute', expires = CASE WHEN refresh IS NULL THEN"
        await server.pool.execute(f"{times} now() - interval '1 minute' ELSE expires END WHERE access_until > now()")
        await app.request()  # forgets what expired long ago
        for token in (replaced, expired, gone) * 2:
            refused = await made.client.with_token(token["access_token"]).get(f"{API}/profile")
            assert (refused.status_code, 'error="invalid_token"' in refused.headers["www-authenticate"]) == (401, True)
        guess = {"access_token": f"sob_{'0' * 32}_{'A' * 43}"}
        assert [await _use(made, guess) for _ in range(3)] == [401, 401, 429]
        assert await _refresh(app, expired) == 200
        (listed,) = (await own.get("/badges/applications")).json()["applications"][:1]
        assert listed["id"] == app.id


@pytest.mark.parametrize(("method", "path"), [("POST", "credentials"), ("PUT", "profile")])
@pytest.mark.parametrize("whose", ["own", "application's"])
async def test_whoever_may_not_any_more_when_the_body_is_there(server: Server, whose: str, method: str, path: str) -> None:
    """What was permitted when a request began, and is not when its body has come, is not stored."""
    made, own, ada, app = await _all(server)
    await server.set_policy(made.client, SWITCHES | {"me_attributes": ["displayName"]})
    token = own.token
    if whose != "own":
        token = (await app.redeem(await app.code(own, scope=f"{KEEP} {CHANGE}"))).json()["access_token"]
    body = orjson.dumps(CREDENTIAL | {"proof": {"type": "DataIntegrityProof"}}) if method == "POST" else b'{"name":"Another"}'

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:10]
        assert (await made.client.patch(f"/Users/{ada}", _active(False))).status_code == 200
        yield body[10:]

    headers = {"Content-Type": "application/json"}
    done = await made.client.with_token(token).request(method, f"{API}/{path}", content=pieces(), headers=headers)
    assert done.status_code == (403 if whose == "own" else 401), done.text
    assert await server.pool.fetchval("SELECT count(*) FROM badge_kept WHERE tenant = $1", made.client.id) == 0
    assert (await made.client.get(f"/Users/{ada}")).json()["displayName"] == "Ada"
