"""What the admin API lets in: a rate for each token, few attempts with bad ones, and a record of whatever was denied."""

from __future__ import annotations

from typing import Any

import orjson

from scimsrv.admin.gate import Paces
from scimsrv.errors import ScimError
from scimsrv.keys import AUDIT_KEY, ServerKeys
from scimsrv.store import seals
from tests.wire.admin_support import admin_api, admin_token, assert_problem
from tests.wire.support import Server

_SECONDS = {str(seconds) for seconds in range(1, 31)}


async def test_a_token_has_a_rate(server: Server) -> None:
    """So many requests of a token at once, and one more is 429 with a whole number of seconds; another token is let in."""
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings.model_copy(update={"admin_rate": 1, "admin_burst": 5})) as admin:
        admin.app.gate._paces = Paces(0.001, 5)  # too slow to let in anything more while the test runs
        assert [(await admin.ask("GET", "/tenants?count=1")).status_code for _ in range(6)] == [200] * 5 + [429]
        answer = await admin.ask("GET", "/openapi.json")
        assert_problem(answer, 429, "requests per second")
        assert answer.headers["retry-after"] in _SECONDS
        other = admin.with_token(await admin_token(server.pool, server.settings))
        assert (await other.ask("GET", "/tenants?count=1")).status_code == 200


async def test_bad_tokens(server: Server) -> None:
    """An address that shows one bad token too many within a minute is told to wait in the place of 401; a valid one is served."""
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings.model_copy(update={"bad_tokens": 3})) as admin:
        bad = admin.with_token("sca_aaaaaa_" + "A" * 43 + "_aaaaaa")
        answers = [await bad.ask("GET", "/tenants") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert_problem(answers[-1], 429, "tokens that are not valid")
        assert answers[-1].headers["retry-after"] in _SECONDS
        assert_problem(await admin.with_token(None).ask("GET", "/tenants"), 401)
        assert (await admin.ask("GET", "/tenants")).status_code == 200


def test_a_bucket_fills_again() -> None:
    """At the burst and one past it; after a second there is room for as many as the rate says."""
    clock = [50.0]
    paces = Paces(2, 3, lambda: clock[0])

    def let_in(token: str = "a") -> bool:
        try:
            paces.admit(token)
        except ScimError:
            return False
        return True

    assert [let_in() for _ in range(4)] == [True, True, True, False]
    assert let_in("b")
    clock[0] += 1
    assert [let_in() for _ in range(3)] == [True, True, False]


async def test_what_was_denied_is_written_down(server: Server) -> None:
    """401 and 403 are in administrators' record, apart from what was done, and in the trail of the tenant that the URL names."""
    await server.pool.execute("TRUNCATE admin_credential, admin_change")
    async with admin_api(server.pool, server.settings) as admin:
        slug = await admin.tenant()
        reader = await admin_token(server.pool, server.settings, ["admin:read"])
        for token, method, path in (
            (None, "GET", "/tenants"),
            ("nonsense", "GET", f"/tenants/{slug}/tokens"),
            ("nonsense", "GET", "/tenants/nobody/tokens"),
            ("nonsense", "GET", "/tenants/%00'/tokens"),
            (reader, "POST", f"/tenants/{slug}/suspend"),
            (reader, "POST", f"/tenants/{slug}/suspend"),
        ):
            assert (await admin.with_token(token).ask(method, path)).status_code == (403 if token == reader else 401)
        await admin.app.gate.write(everything=True)
        kid = f"admin:{reader.split('_')[1]}"
        listed = (await admin.ask("GET", "/changes?denied=true")).json()["changes"]
        found = sorted((one["actor"], one["operation"], _said(one["detail"])) for one in listed)
        assert found == [("", "denied", (401, "GET", 4)), (kid, "denied", (403, "POST", 2))]
        assert {one["detail"]["source"] for one in listed} == {"127.0.0.1"}
        assert "admin:write" in next(one["detail"]["reason"] for one in listed if one["actor"] == kid)
        assert [one["operation"] for one in (await admin.ask("GET", "/changes")).json()["changes"]] == ["tenant.create"]
        tenant = await server.pool.fetchval("SELECT id FROM tenant WHERE slug = $1", slug)
        async with server.pool.acquire() as connection, connection.transaction():
            await seals.hold(connection, tenant)
            await seals.seal_all(connection, tenant, ServerKeys.load(server.settings).derive(AUDIT_KEY))
        lines = (await admin.ask("GET", f"/tenants/{slug}/audit/rows")).content.splitlines()
        rows = [row for line in lines if (row := orjson.loads(line))["operation"] == "denied"]
        assert sorted((row["actor"], _said(orjson.loads(row["diff"]))) for row in rows) == [("", (401, "GET", 1)), (kid, (403, "POST", 2))]


def _said(what: dict[str, Any]) -> tuple[int, str, int]:
    return what["status"], what["method"], what["count"]
