"""Secrets and personal data that are planted in requests, in quiet and in trouble, and then sought in all that is written down."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from tests.faults.machines import Machine
from tests.faults.measure import LONG
from tests.faults.proxy import Proxy
from tests.faults.test_network import behind
from tests.wire.support import Client, group, patch, user

#: What is planted. None of it is found anywhere but where resources are kept.
_PASSWORD: Final = "canary-password-7f3a"
_NAME: Final = "canary.name.7f3a@example.com"
_MAIL: Final = "canary.mail.7f3a@example.org"
_QUERY: Final = "canary-query-7f3a"
_PLANTED: Final = (_PASSWORD, _NAME, _MAIL, _QUERY)


def _requests(client: Client, id_: str) -> list[Any]:
    person = user(_NAME, password=_PASSWORD, emails=[{"value": _MAIL}], displayName=_QUERY)
    bulk = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "POST", "path": "/Users", "bulkId": _QUERY, "data": person}],
    }
    return [
        client.post("/Users", person),
        client.put(f"/Users/{id_}", person),
        client.patch(f"/Users/{id_}", {"op": "add", "path": f'emails[value eq "{_MAIL}"].{_QUERY}', "value": _MAIL}),
        client.get("/Users", filter=f'userName eq "{_NAME}" and title co "{_QUERY}"'),
        client.get("/Users", filter=f'nothing eq "{_QUERY}'),
        client.get("/Users", filter=f'password eq "{_PASSWORD}"'),
        client.get(f"/Users/{_QUERY}"),
        client.post("/Groups", group(_NAME)),
        client.post("/Bulk", bulk),
        client.request("POST", "/Bulk", bulk, headers={"Prefer": "respond-async"}),
        client.request("POST", "/Users", person, headers={"Idempotency-Key": _QUERY}),
        client.request("PATCH", f"/Users/{id_}", content=f'{{"userName": "{_NAME}", "password": "{_PASSWORD}'.encode()),
        client.request("POST", "/Users", patch({"op": _PASSWORD}), headers={"X-Request-Id": f"{_QUERY} x", "Cookie": _PASSWORD}),
        client.with_token(_PASSWORD).get("/Users"),
        client.with_token(f"scs_abcdef_{_PASSWORD}").get("/Users"),
    ]


async def test_nothing_planted_is_found_in_the_logs(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """Good and bad requests, conflicts, a database that goes away in the middle, and a bug: no log names a value."""
    proxy = Proxy(postgres.socket)
    written = postgres.directory.with_name(postgres.directory.name + ".log")
    async with behind(proxy, postgres, tmp_path, SCIMSRV_POOL_SIZE="4") as site:
        (client,) = await site.tenant(http, "scim:bulk")
        ada = (await client.new_user())["id"]
        for trouble in range(6) if LONG else (0, 2, 3):
            if trouble:
                proxy.arm(trap=4 * trouble, forwarding=bool(trouble % 2))
            await asyncio.gather(*_requests(client, ada))
            proxy.arm()
        connection = await asyncpg.connect(postgres.cluster.dsn)
        await connection.execute("ALTER TABLE resource RENAME TO mislaid")
        try:
            answers = await asyncio.gather(*_requests(client, ada))
        finally:
            await connection.execute("ALTER TABLE mislaid RENAME TO resource")
        assert 500 in {answer.status_code for answer in answers}
        kept = await connection.fetch("SELECT row_to_json(c)::text AS line FROM credential c WHERE tenant = $1", client.id)
        await connection.close()
        assert client.token is not None
        secret = client.token.split("_", 2)[2].rpartition("_")[0]
    logs = {"server": "".join(path.read_text() for path in tmp_path.rglob("*.log")), "database": written.read_text(errors="replace")}
    assert "UndefinedTableError" in logs["server"], "no failure was provoked"
    logs["credentials"] = "".join(row["line"] for row in kept)
    for place, text in logs.items():
        for planted in (*_PLANTED, client.token, secret):
            line = next((line for line in text.splitlines() if planted in line), "")
            assert planted not in text, f"{place}: {line}"
