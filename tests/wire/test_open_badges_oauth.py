"""Applications of users at the Open Badges API: registered by themselves, permitted by a user, and kept to what the user permitted."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from scimsrv.openbadges.description import CHANGE, KEEP, PROFILE, READ
from scimsrv.store import applications
from scimsrv.store.applications import OFFLINE
from tests.unit.oauth.test_registration import METADATA
from tests.wire.admin_support import admin_api
from tests.wire.badges import Badges
from tests.wire.support import Client, Server, Starter, assert_error
from tests.wire.test_open_badges_api import API, _user

OAUTH = f"{API}/oauth"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = METADATA["redirect_uris"][0]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class App:
    """A registered application that knows nothing but the API's URL."""

    client: Client
    id: str
    secret: str

    @property
    def basic(self) -> dict[str, str]:
        """Its Authorization header."""
        return {"Authorization": "Basic " + base64.b64encode(f"{self.id}:{self.secret}".encode()).decode()}

    async def ask(self, **change: str) -> httpx.Response:
        """Send a browser to be asked."""
        asked = {"response_type": "code", "client_id": self.id, "redirect_uri": BACK, "scope": READ, "state": "s"}
        asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"} | change
        return await self.client.with_token(None).get(f"{OAUTH}/authorize", **{name: value for name, value in asked.items() if value})

    async def request(self, **change: str) -> str:
        """Send a browser to be asked; the id of the request."""
        page = await self.ask(**change)
        found = re.search(rf'action="[^"]*{OAUTH}/requests/([0-9a-f]+)"', page.text)
        assert found is not None, page.text
        return found[1]

    async def post(self, name: str, **form: str) -> httpx.Response:
        """Ask at the token or the revocation endpoint."""
        body = str(httpx.QueryParams(form)).encode()
        return await self.client.with_token(None).request("POST", f"{OAUTH}/{name}", content=body, headers=FORM | self.basic)

    async def code(self, own: Client, **change: str) -> str:
        """A code that the user gave."""
        done = await own.post(f"{OAUTH}/requests/{await self.request(**change)}", {"permit": True})
        assert done.status_code == 200, done.text
        return _said(done.json()["location"])["code"]

    async def redeem(self, code: str, **change: str) -> httpx.Response:
        """Show a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
        return await self.post("token", **form | change)


def _said(location: str) -> dict[str, str]:
    assert location.startswith(BACK)
    return dict(parse_qsl(urlsplit(location).query))


async def _app(client: Client, **change: Any) -> App:
    made = await client.with_token(None).request("POST", f"{OAUTH}/register", METADATA | change)
    assert made.status_code == 201, made.text
    found = made.json()
    assert (found["client_secret_expires_at"], found["client_name"]) == (0, "Backpack")
    return App(client, found["client_id"], found["client_secret"])


async def _all(server: Server) -> tuple[Badges, Client, str, App]:
    made, own, ada = await _user(server)
    scopes = " ".join((READ, KEEP, PROFILE, CHANGE, OFFLINE))
    return made, own, ada, await _app(made.client, scope=scopes, grant_types=["authorization_code", "refresh_token"])


async def test_an_application_gets_what_the_user_permits(server: Server) -> None:
    """From the description alone: registered, permitted at the page, redeemed once with the verifier, and good for the permitted calls of
    the API and nothing else; a code that is shown again ends what it gave."""
    made, own, ada, app = await _all(server)
    award = await made.award(ada, await made.achievement())
    await made.client.get(f"/Awards/{award['id']}/credential.jwt")
    described = (await own.with_token(None).get(f"{API}/discovery")).json()["components"]["securitySchemes"]["OAuth2ACG"]
    assert described["x-imssf-registrationUrl"].endswith(f"{OAUTH}/register")
    assert {*described["flows"]["authorizationCode"]["scopes"]} == {READ, KEEP, PROFILE, CHANGE, OFFLINE}
    page = await app.ask()
    assert "Backpack asks for access to your badges" in page.text
    assert "form-action 'self' https://app.example;" in page.headers["content-security-policy"]
    request = await app.request()
    assert (await own.get(f"{OAUTH}/requests/{request}")).json()["scopes"] == {READ: "Read your credentials."}
    form = str(httpx.QueryParams({"access_token": own.token or "", "permit": "yes"})).encode()
    sent = await own.with_token(None).request("POST", f"{OAUTH}/requests/{request}", content=form, headers=FORM)
    assert (sent.status_code, _said(sent.headers["location"])["state"]) == (303, "s")
    code = _said(sent.headers["location"])["code"]
    assert (await own.post(f"{OAUTH}/requests/{request}", {"permit": True})).status_code == 404
    assert (await app.redeem(code, code_verifier="w" * 43)).json()["error"] == "invalid_grant"
    assert (await app.redeem(code, redirect_uri="https://app.example/back")).json()["error"] == "invalid_grant"
    got = await app.redeem(code)
    assert (got.status_code, got.headers["cache-control"]) == (200, "no-store"), got.text
    assert (got.json()["scope"], got.json()["expires_in"], "refresh_token" in got.json()) == (READ, 3600, False)
    theirs = made.client.with_token(got.json()["access_token"])
    assert (await theirs.get(f"{API}/credentials")).headers["x-total-count"] == "1"
    refused = await theirs.get(f"{API}/profile")
    assert (refused.status_code, f'scope="{PROFILE}"' in refused.headers["www-authenticate"]) == (403, True)
    assert (await theirs.get("/badges/kept")).status_code == 403
    assert_error(await theirs.get("/Me"), 401)
    assert_error(await theirs.get(f"/Awards/{award['id']}/credential.jwt"), 401)
    assert (await app.redeem(code)).json()["error"] == "invalid_grant"
    assert (await theirs.get(f"{API}/credentials")).status_code == 401


async def test_refreshed_and_ended(server: Server) -> None:
    """A refresh token is good once and brings the next one; one that was replaced ends the grant when it is shown, as do revocation, the
    user, who sees what is permitted, and an administrator who removes the application."""
    made, own, _, app = await _all(server)

    async def granted() -> dict[str, Any]:
        got = await app.redeem(await app.code(own, scope=f"{PROFILE} {CHANGE} {OFFLINE}"))
        found: dict[str, Any] = got.json()
        return found

    async def works(token: str) -> bool:
        return (await made.client.with_token(token).get(f"{API}/profile")).status_code == 200

    first = await granted()
    second = (await app.post("token", grant_type="refresh_token", refresh_token=first["refresh_token"])).json()
    assert await works(second["access_token"])
    assert not await works(first["access_token"])
    assert (await app.post("token", grant_type="refresh_token", refresh_token=first["refresh_token"])).json()["error"] == "invalid_grant"
    assert not await works(second["access_token"])
    third = await granted()
    assert (await app.post("revoke", token="sob_unknown")).status_code == 200
    assert (await app.post("revoke", token=third["refresh_token"])).status_code == 200
    assert not await works(third["access_token"])
    fourth = await granted()
    (listed,) = (await own.get("/badges/applications")).json()["applications"]
    assert (listed["id"], listed["application"]["client_name"]) == (app.id, "Backpack")
    assert (await own.delete(f"/badges/applications/{app.id}")).status_code == 204
    assert not await works(fourth["access_token"])
    assert (await own.delete(f"/badges/applications/{app.id}")).status_code == 404
    fifth = await granted()
    async with admin_api(server.pool, server.settings) as admin:
        path = f"/tenants/{made.client.slug}/badges/applications"
        (seen,) = (await admin.ask("GET", path)).json()["applications"]
        assert (seen["id"], seen["client_name"], seen["users"]) == (app.id, "Backpack", 1)
        assert (await admin.ask("DELETE", f"{path}/{app.id}")).json() == {"removed": app.id}
        assert (await admin.ask("DELETE", f"{path}/{app.id}")).status_code == 404
    assert not await works(fifth["access_token"])
    assert (await app.ask()).status_code == 400


async def test_a_suspended_tenant_gives_nothing(server: Server) -> None:
    """While a tenant is suspended its authorization server asks nobody, and no grant is renewed; what was granted goes on afterwards."""
    made, own, _, app = await _all(server)
    token = (await app.redeem(await app.code(own, scope=f"{PROFILE} {OFFLINE}"))).json()
    refreshing = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    for status, expected in (("suspended", 403), ("active", 200)):
        await server.pool.execute("UPDATE tenant SET status = $2 WHERE id = $1", made.client.id, status)
        assert (await app.post("token", **refreshing)).status_code == expected
        assert ((await app.ask()).status_code == 403) == (status == "suspended")


async def test_what_nobody_gets(server: Server) -> None:
    """Without a registered application and address nobody is sent anywhere; what else is wrong goes back with the state; another
    application, another tenant, another user's name and a user who says no give nothing."""
    made, own, ada, app = await _all(server)
    for change in ({"client_id": "sba_none"}, {"redirect_uri": "https://evil.example/"}, {"redirect_uri": ""}):
        refused = await app.ask(**change)  # a browser that is challenged would ask its user for a password
        assert (refused.status_code, refused.json()["error"], "www-authenticate" in refused.headers) == (400, "invalid_request", False)
    back = await app.ask(scope="scim:write")
    assert (back.status_code, _said(back.headers["location"])["error"]) == (303, "invalid_scope")
    request = await app.request()
    assert_error(await made.client.post(f"{OAUTH}/requests/{request}", {"permit": True}), 403)
    assert_error(await own.with_token(None).post(f"{OAUTH}/requests/{request}", {"permit": True}), 401)
    assert_error(await own.post(f"{OAUTH}/requests/{request}", {}), 400, "invalidValue")
    no = await own.post(f"{OAUTH}/requests/{request}", {"permit": False})
    assert _said(no.json()["location"])["error"] == "access_denied"
    other, code = await _app(made.client), await app.code(own, scope=f"{READ} {OFFLINE}")
    assert (await other.redeem(code)).json()["error"] == "invalid_grant"
    wrong = App(app.client, app.id, other.secret)
    assert ((await wrong.redeem(code)).status_code, (await wrong.post("revoke", token="x")).status_code) == (401, 401)
    token = (await app.redeem(code)).json()["access_token"]
    elsewhere, *_ = await _user(server)
    assert (await elsewhere.client.with_token(token).get(f"{API}/credentials")).status_code == 401
    renamed = await made.client.patch(f"/Users/{ada}", {"op": "replace", "path": "userName", "value": "gone"})
    assert renamed.status_code == 200
    await made.client.new_user("ada@example.com")
    assert (await made.client.with_token(token).get(f"{API}/credentials")).status_code == 401


async def test_looking_is_not_asking(server: Server) -> None:
    """HEAD says whether a request is in order, and stores none."""
    made, _, _, app = await _all(server)
    asked = {"response_type": "code", "client_id": app.id, "redirect_uri": BACK, "scope": READ, "state": "s"}
    asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    for change, status in (({}, 200), ({"scope": "scim:write"}, 303), ({"client_id": "sba_none"}, 400)):
        path = f"{OAUTH}/authorize?{httpx.QueryParams(asked | change)}"
        assert (await made.client.with_token(None).request("HEAD", path)).status_code == status
    assert await server.pool.fetchval("SELECT count(*) FROM badge_grant WHERE tenant = $1", made.client.id) == 0


@pytest.mark.parametrize("switch", [{"open_badges_api": False}, {"badges": False}])
async def test_only_where_it_is_switched_on(server: Server, switch: dict[str, Any]) -> None:
    """Without the API there is no authorization server."""
    client = await server.tenant(**{"badges": True, "open_badges_api": True} | switch)
    for method, path in (("POST", "register"), ("GET", "authorize"), ("POST", "token"), ("POST", "revoke"), ("GET", "requests/x")):
        assert_error(await client.request(method, f"{OAUTH}/{path}"), 404)


async def test_the_operators_page_and_registrations(start: Starter) -> None:
    """Users answer at the operator's own page where there is one; an address registers ten applications a minute."""
    async with start(badge_consent_url="https://portal.example/{tenant}/allow?r={request}") as server:
        made, own, _ = await _user(server)
        app = await _app(made.client)
        sent = await app.ask()
        assert sent.status_code == 303
        address, _, request = sent.headers["location"].partition("?r=")
        assert address == f"https://portal.example/{made.client.slug}/allow"
        assert (await own.get(f"{OAUTH}/requests/{request}")).status_code == 200
        statuses = [(await made.client.request("POST", f"{OAUTH}/register", METADATA)).status_code for _ in range(10)]
        assert statuses == [201] * 9 + [429]


async def test_no_place_for_an_application(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where users permit something to as many as there may be, the next one is told when to come back."""
    monkeypatch.setattr(applications, "MOST_APPLICATIONS", 1)
    made, own, _ = await _user(server)
    await (await _app(made.client)).code(own)
    refused = await made.client.with_token(None).request("POST", f"{OAUTH}/register", METADATA)
    assert (refused.status_code, refused.json()["error"], refused.headers["retry-after"]) == (503, "temporarily_unavailable", "30")


@pytest.mark.parametrize(("type_", "profile", "credentials"), [("User", 200, 403), ("Award", 403, 200), ("Achievement", 403, 403)])
async def test_a_credential_for_other_types(server: Server, type_: str, profile: int, credentials: int) -> None:
    """A user's token that is good for some resource types reaches those alone, and hands no application the others."""
    made, own, _, app = await _all(server)
    request, kid = await app.request(), (own.token or "").split("_")[1]
    await server.pool.execute("UPDATE credential SET types = $3 WHERE tenant = $1 AND kid = $2", made.client.id, kid, [type_])
    asked = {"/Me": profile, f"{API}/profile": profile, f"{API}/credentials": credentials, "/badges/kept": credentials}
    assert {path: (await own.get(path)).status_code for path in asked} == asked
    assert (await own.put(f"{API}/profile", {"official": "x"})).status_code == (400 if profile == 200 else 403)
    assert_error(await own.post(f"{OAUTH}/requests/{request}", {"permit": True}), 403)
