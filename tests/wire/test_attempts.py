"""Attempts: who shows wrong tokens or secrets, or asks for public pages without end, is told to wait, by address."""

from __future__ import annotations

import httpx

from scimsrv import tokens
from scimsrv.errors import ScimError
from scimsrv.rates import Rates
from scimsrv.traffic import Attempts
from tests.wire.badges import badges
from tests.wire.oauth_support import tenant
from tests.wire.support import PUBLIC, Starter
from tests.wire.test_rates import assert_refused, slow_server


async def test_bad_tokens(start: Starter) -> None:
    """After so many invalid tokens an address is told to wait; whoever has a valid one is served, and without one it is 401 as ever."""
    async with start(bad_tokens=3) as server:
        client = await server.tenant()
        bad = client.with_token("scs_aaaaaa_" + "A" * 43 + "_aaaaaa")
        assert [(await bad.get("/Users")).status_code for _ in range(5)] == [401, 401, 401, 429, 429]
        assert_refused(await bad.get("/Users"), "tokens that are not valid")
        assert (await client.get("/Users")).status_code == 200
        assert (await client.with_token(None).get("/Users")).status_code == 401


async def test_bad_secrets(start: Starter) -> None:
    """So it is at the token endpoint, where secrets could be guessed and each try is looked up: whoever has the right one gets a token."""
    async with start(bad_tokens=3) as server:
        oauth = await tenant(server)
        made = await oauth.new_client()
        wrong = {"grant_type": "client_credentials", "client_id": made.id, "client_secret": tokens.new_token(tokens.SECRET).text}
        answers = [await oauth.ask(wrong) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert answers[-1].headers["retry-after"] in {str(seconds) for seconds in range(1, 31)}
        assert answers[-1].json()["error"] == "temporarily_unavailable"
        assert (await oauth.by_secret(made)).status_code == 200


async def test_the_urls_of_badges(start: Starter) -> None:
    """Below a tenant they count as any request, a verification as two, and bad tokens there as anywhere."""
    async with slow_server(start, token_burst=6, tenant_burst=30, bad_tokens=2) as server:
        client = (await badges(server)).client
        server.app.traffic.rates = Rates(server.app.pool)
        for method, path in (("POST", "/badges/verify"), ("GET", "/ims/ob/v3p0/credentials"), ("GET", "/Achievements/x/image")):
            answer = await client.request(method, path, content=b"{}")
            assert answer.status_code != 429, path
        assert (await client.request("POST", "/badges/extract", content=b"{}")).status_code != 429
        for method, path in (("POST", "/badges/verify"), ("GET", "/ims/ob/v3p0/profile"), ("GET", "/Achievements/x/image")):
            answer = await client.request(method, path, content=b"{}")
            assert (answer.status_code, "retry-after" in answer.headers) == (429, True), path
        bad = client.with_token("scs_aaaaaa_" + "A" * 43 + "_aaaaaa")
        assert [(await bad.get("/ims/ob/v3p0/credentials")).status_code for _ in range(3)] == [401, 401, 429]


async def test_public_pages_of_badges(start: Starter) -> None:
    """What anybody may ask is counted by address, of all tenants together; who has a token is served."""
    async with start(public_requests=3) as server:
        client = (await badges(server)).client
        paths = ("/.well-known/jwks.json", f"/badges/{client.slug}/v/x", "/badges/none/issuers/x", "/.well-known/jwks.json")
        answers = [await client.http.get(path, headers={"Accept": "application/json"}) for path in paths]
        assert [answer.status_code for answer in answers] == [200, 404, 404, 429]
        assert answers[-1].headers["retry-after"] == "30"
        assert (await client.with_token(None).get("/ims/ob/v3p0/discovery")).status_code == 429
        assert (await client.get("/Awards")).status_code == 200


async def test_public_pages_by_ipv6(start: Starter) -> None:
    """Whoever has an IPv6 address has all of its network, which counts as one."""
    async with start(public_requests=3) as server:

        async def ask(address: str) -> int:
            here = httpx.ASGITransport(app=server.app, client=(address, 1))
            async with httpx.AsyncClient(transport=here, base_url=PUBLIC) as http:
                return (await http.get("/.well-known/jwks.json")).status_code

        assert [await ask(f"2001:db8::{number}") for number in range(1, 5)] == [200, 200, 200, 429]
        assert [await ask(one) for one in ("2001:db8:0:0:ffff::1", "2001:db8:0:1::1", "192.0.2.1")] == [429, 200, 200]


def test_attempts_are_forgotten() -> None:
    """A minute later an address may try again; another one always."""
    clock = [100.0]
    attempts = Attempts(2, lambda: clock[0])

    def try_(address: str) -> bool:
        try:
            attempts.failed(address)
        except ScimError:
            return False
        return True

    assert [try_("a") for _ in range(3)] == [True, True, False]
    assert try_("b")
    clock[0] += 59
    assert not try_("a")
    clock[0] += 1
    assert [try_("a") for _ in range(3)] == [True, True, False]
