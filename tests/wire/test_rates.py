"""Rates: so many requests pass, one more is 429 with a whole number of seconds, and what is refused leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from scimsrv import rates
from tests.wire import oauth_support
from tests.wire.oauth_support import Issuer, tenant
from tests.wire.support import SEARCH, Client, Server, Starter, assert_error, patch, user


@asynccontextmanager
async def slow_server(start: Starter, **settings: Any) -> AsyncIterator[Server]:
    """A server whose rates are too slow to let in anything more while a test runs."""
    async with start(rate_patience=0, **settings) as server:
        server.app.limits = replace(server.app.limits, token_rate=0.001, tenant_rate=0.001)
        yield server


def assert_refused(answer: httpx.Response, says: str) -> None:
    """The answer is a SCIM Error 429 that says when to come back."""
    assert_error(answer, 429, None, says)
    assert answer.headers["retry-after"] in {str(seconds) for seconds in range(1, 31)}


async def _passed(client: Client, most: int = 40) -> int:
    """How many reads of a list of resource types pass, one after the other, before one is refused."""
    for number in range(most):
        answer = await client.get("/ResourceTypes")
        if answer.status_code == 429:
            assert_refused(answer, "requests per second")
            return number
        assert answer.status_code == 200
    return most


async def test_a_token_has_a_rate(start: Starter) -> None:
    """A burst passes and no request more; other tokens of the tenant, and other tenants, are not concerned."""
    async with slow_server(start, token_burst=7, tenant_burst=30) as server:
        client, other = await server.tenant(), await server.tenant()
        second = client.with_token(await server.token(client))
        assert [await _passed(one) for one in (client, client, second, other)] == [7, 0, 7, 7]


async def test_a_tenant_has_a_rate(start: Starter) -> None:
    """All tokens of a tenant together have a rate, too."""
    async with slow_server(start, token_burst=7, tenant_burst=10) as server:
        client = await server.tenant()
        second = client.with_token(await server.token(client))
        assert [await _passed(one) for one in (client, second, second)] == [7, 3, 0]


@pytest.mark.parametrize(
    ("method", "path", "weight"),
    [
        ("GET", "/Users", 2),
        ("HEAD", "/Users", 2),
        ("GET", "", 2),
        ("POST", "/Users/.search", 2),
        ("POST", "/.search", 2),
        ("GET", "/Users/x", 1),
        ("POST", "/Users", 1),
        ("DELETE", "/Users/x", 1),
        ("GET", "/ServiceProviderConfig", 1),
        ("OPTIONS", "/Users", 1),
    ],
)
async def test_weights(start: Starter, method: str, path: str, weight: int) -> None:
    """A search counts as two requests, everything else as one, also what fails."""
    bodies = {"/Users": user(), "/Users/.search": {"schemas": [SEARCH]}, "/.search": {"schemas": [SEARCH]}}
    async with slow_server(start, token_burst=9, tenant_burst=30) as server:
        client = await server.tenant()
        assert (await client.request(method, path, bodies.get(path) if method == "POST" else None)).status_code != 429
        assert await _passed(client) == 9 - weight


@pytest.mark.parametrize("operations", [1, 5, 9, 30])
async def test_a_bulk_request_counts_as_its_operations(start: Starter, operations: int) -> None:
    """It is let in where there is room for one, and carried out whole; what it takes beyond the limit is a debt."""
    async with slow_server(start, token_burst=10, tenant_burst=100) as server:
        client = await server.tenant()
        answer = await client.post("/Bulk", bulk_of(operations))
        assert [one["status"] for one in answer.json()["Operations"]] == ["201"] * operations
        assert await _passed(client) == max(0, 10 - operations)
        if operations >= 10:
            assert_refused(await client.post("/Bulk", bulk_of(1)), "requests per second")
            assert await server.pool.fetchval("SELECT count(*) FROM resource WHERE tenant = $1", client.id) == operations


def bulk_of(operations: int) -> dict[str, Any]:
    made = [{"method": "POST", "path": "/Users", "bulkId": f"b{number}", "data": user()} for number in range(operations)]
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": made}


async def test_requests_to_the_token_endpoint_count(start: Starter) -> None:
    """Who is known to the token endpoint has the rate of its tenant there, too, whatever it asks for; who is not takes nothing of it."""
    async with slow_server(start, token_burst=7, tenant_burst=10) as server:
        oauth = await tenant(server)
        made, other = await oauth.new_client(), await oauth.new_client()
        wrong = made.model_copy(update={"secret": other.secret})
        assert {(await oauth.by_secret(wrong)).status_code for _ in range(20)} == {401}
        answers = [await oauth.by_secret(one, scope=scope) for one, scope in [(made, "scim:read"), (made, "x"), *[(made, "scim:read")] * 6]]
        assert [answer.status_code for answer in answers] == [200, 400, *[200] * 5, 429]
        oauth_support.assert_refused(answers[-1], 429, "temporarily_unavailable")
        assert answers[-1].headers["retry-after"] in {str(seconds) for seconds in range(1, 31)}
        given = {"client_id": other.id, "client_secret": other.secret or "", "token": "x"}
        revoked = [await oauth_support.ask(server.http, f"/scim/{oauth.client.slug}/oauth/revoke", given) for _ in range(4)]
        assert [answer.status_code for answer in revoked] == [200] * 3 + [429]


async def test_a_debt_is_no_sentence(start: Starter) -> None:
    """However much a bulk request took, a client is never told to wait for more than half a minute."""
    async with slow_server(start, token_burst=1, tenant_burst=100) as server:
        client = await server.tenant()
        await client.post("/Bulk", bulk_of(60))
        assert (await client.get("/ResourceTypes")).headers["retry-after"] == "30"


async def test_operations_of_people_count(start: Starter) -> None:
    """Who shows a JWT of a trusted issuer pays for the operations of a bulk request as the holder of a secret token does."""
    async with slow_server(start, token_burst=3, tenant_burst=1000) as server:
        oauth, people = await tenant(server), Issuer()
        await oauth.trust(people.trust(scopes=["scim"]))
        mine, other = (oauth.client.with_token(people.token(sub=name)) for name in ("ada", "ben"))
        assert (await mine.post("/Bulk", bulk_of(3))).status_code == 200
        assert_refused(await mine.get("/ResourceTypes"), "The token may send")
        assert (await other.get("/ResourceTypes")).status_code == 200


async def test_what_is_refused_does_nothing(start: Starter) -> None:
    """A refused request changes nothing, takes nothing of the rate, and its body is not read."""
    async with slow_server(start, token_burst=3) as server:
        client = await server.tenant()
        ada = await client.new_user()
        await _passed(client)
        before = await server.pool.fetch("SELECT * FROM resource WHERE tenant = $1", client.id)
        for method, path, body in (
            ("POST", "/Users", user()),
            ("PATCH", f"/Users/{ada['id']}", patch({"op": "add", "path": "title", "value": "x"})),
            ("DELETE", f"/Users/{ada['id']}", None),
            ("POST", "/Bulk", {}),
        ):
            assert_refused(await client.request(method, path, body), "requests per second")
        assert_refused(await client.request("POST", "/Users", content=b"x" * 10_000_000), "requests per second")
        assert await server.pool.fetch("SELECT * FROM resource WHERE tenant = $1", client.id) == before
        client = client.with_token(await server.token(client))
        assert (await client.get(f"/Users/{ada['id']}")).status_code == 200


async def test_a_little_too_much_waits_instead(start: Starter) -> None:
    """Where the wait is short the request is kept and not refused, so that a client that is a little too fast never notices."""
    async with start(token_rate=50, token_burst=1, tenant_rate=1000) as server:
        client = await server.tenant()
        began = time.monotonic()
        answers = await asyncio.gather(*(client.get("/ResourceTypes") for _ in range(21)))
        assert {answer.status_code for answer in answers} == {200}
        assert time.monotonic() - began >= 20 / 50


async def test_patience_has_an_end(start: Starter) -> None:
    """What would have to wait for longer is refused at once; those who wait are served in time."""
    async with start(token_rate=2, token_burst=1, tenant_rate=1000, rate_patience=1.1) as server:
        client = await server.tenant()
        statuses = [answer.status_code for answer in await asyncio.gather(*(client.get("/ResourceTypes") for _ in range(40)))]
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 3


async def test_servers_share_what_was_used(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one server let in the other knows of, and so does one that is started later."""
    monkeypatch.setattr(rates, "SETTLING", 0.01)
    settings = {"token_burst": 10, "tenant_burst": 1000}
    async with slow_server(start, **settings) as one, slow_server(start, **settings) as two:
        client = await one.tenant()
        there = Client(two.http, client.slug, client.id, client.token)
        assert (await client.get("/ResourceTypes")).status_code == (await there.get("/ResourceTypes")).status_code == 200
        passed = 2
        while await _passed_once(client) or await _passed_once(there):
            passed += 1
            await asyncio.sleep(0.1)
            assert passed < 100
        assert 10 <= passed <= 12
    async with slow_server(start, **settings) as later:
        there = Client(later.http, client.slug, client.id, client.token)
        await _passed_once(there)
        await asyncio.sleep(0.2)
        assert await _passed(there) <= 1


async def _passed_once(client: Client) -> bool:
    return (await client.get("/ResourceTypes")).status_code == 200


async def test_servers_that_are_asked_at_once(start: Starter) -> None:
    """Before they know of each other two servers let in no more than a tenth of a burst beyond what it is, each, and pay it off."""
    settings = {"token_burst": 100, "tenant_burst": 1000}
    async with slow_server(start, **settings) as one, slow_server(start, **settings) as two:
        client = await one.tenant()
        clients = (client, Client(two.http, client.slug, client.id, client.token))
        statuses = [
            answer.status_code
            for _ in range(3)
            for answer in await asyncio.gather(*(clients[n % 2].get("/ResourceTypes") for n in range(80)))
        ]
        assert 100 <= statuses.count(200) <= 100 + 2 * 11


async def test_a_tenant_may_have_a_lower_rate(start: Starter) -> None:
    """The policy's rates hold where they are lower than the server's."""
    async with start(token_rate=100, token_burst=1000, tenant_rate=10_000, rate_patience=0) as server:
        lower, higher = await server.tenant(token_rate=1), await server.tenant(token_rate=1_000_000)
        began = time.monotonic()
        assert 10 <= await _passed(lower) <= 11 + time.monotonic() - began
        assert await _passed(higher) == 40
        assert await _passed(await server.tenant(tenant_rate=1)) < 40


async def test_rows_of_rates_are_few(server: Server, client: Client) -> None:
    """A tenant has a row for itself and one for each token, however many requests it sends, and none after an hour's rest."""
    for _ in range(3):
        await client.get("/Users")
    rows: list[str] = []
    async with asyncio.timeout(20):
        while not rows:
            await asyncio.sleep(rates.SETTLING)
            rows = [row[0] for row in await server.pool.fetch("SELECT subject FROM rate WHERE tenant = $1 ORDER BY 1", client.id)]
    assert rows == ["", (client.token or "").split("_")[1]]
