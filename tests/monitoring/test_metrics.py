"""Metrics of a running server with several processes: right sums, also after one of them was killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import httpx
import orjson
import pytest

from scimsrv.exposition import OF_SERVER
from scimsrv.metrics import METRICS
from tests.distributed.site import Site, running
from tests.monitoring.scraping import Scrape, monitor_url, scrape, until
from tests.wire.support import PATCH_OP, Client, patch, user

_USERS = {"plane": "data", "route": "/Users", "method": "GET", "status_class": "2xx"}


def _workers(site: Site) -> list[int]:
    """The ids of the processes that serve the data plane."""
    found = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(site.servers[0].process.pid)], capture_output=True, text=True, check=True
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "spawn_main" in line]


def _replaced(old: int, now: list[int]) -> bool:
    return len(now) == 2 and old not in now


async def _ask(client: Client, number: int) -> None:
    for _ in range(number):
        assert (await client.get("/Users", filter='userName eq "nobody"')).status_code == 200


async def _settled(site: Site, client: Client, number: int) -> Scrape:
    """A scrape in which so many requests of the tenant are counted: an answer is counted when it is sent, not before."""

    def counted(seen: Scrape) -> float:
        return seen.total("scim_http_requests_total", tenant=client.slug)

    seen = await until(lambda: scrape(site.servers[0]), lambda one: counted(one) >= number)
    assert counted(seen) == number
    return seen


async def test_every_metric_is_what_the_table_says(site: Site, http: httpx.AsyncClient) -> None:
    """Names and types of a scrape are those of the reference, and it shows nothing else of ours."""
    (client,) = await site.tenant(http, "scim:bulk")
    made = (await client.post("/Users", user())).json()
    await client.patch(f"/Users/{made['id']}", {"op": "remove", "path": "nothing"})
    await client.request("POST", "/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": []})
    seen = await _settled(site, client, 3)
    known = {metric.name.removesuffix("_total"): metric.kind for metric in METRICS} | {name: "gauge" for name, *_ in OF_SERVER}
    found = {name: kind for name, kind in seen.kinds.items() if name.startswith("scim_")}
    assert found.items() <= known.items()
    assert len(found) > 20


async def test_what_all_processes_did_is_summed(site: Site, http: httpx.AsyncClient) -> None:
    """Requests count once, whichever process answered; each tenant's own operations and last visit are told."""
    (client,) = await site.tenant(http)
    before = time.time()
    await asyncio.gather(*(_ask(client, 10) for _ in range(4)))
    seen = await _settled(site, client, 40)
    assert seen.value("scim_http_requests_total", **_USERS, tenant=client.slug) == 40
    operation = {"tenant": client.slug, "resource_type": "User", "op": "search", "result": "ok"}
    assert seen.value("scim_operations_total", **operation) == 40
    assert seen.value("scim_last_client_request_timestamp_seconds", tenant=client.slug) >= int(before)
    assert seen.value("scim_workers") == 2
    assert seen.kinds["scim_requests_waiting"] == "gauge"  # which the process that answers has found in the database
    assert seen.value("scim_database_up") == 1


async def test_the_four(site: Site, http: httpx.AsyncClient) -> None:
    """Searches by whether an index served them, failed PATCH requests by kind, 412 among conditional writes, hits of the catalogue."""
    (client,) = await site.tenant(http, "scim:bulk")
    made = (await client.post("/Users", user())).json()
    before = await _settled(site, client, 1)
    await client.search('title co "x"')
    await client.search('userName eq "x"')
    path = f"/Users/{made['id']}"
    assert (await client.patch(path, {"op": "remove"})).json()["scimType"] == "noTarget"
    assert (await client.request("PATCH", path, patch({"op": "add", "path": "id", "value": "x"}))).json()["scimType"] == "mutability"
    body = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "title", "value": "x"}]}
    assert (await client.request("PATCH", path, body, headers={"If-Match": 'W/"77"'})).status_code == 412
    assert (await client.request("PATCH", path, body, headers={"If-Match": made["meta"]["version"]})).status_code in (200, 204)
    bulk = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "PATCH", "path": path, "data": patch({"op": "remove"})},
            {"method": "PATCH", "path": path, "version": 'W/"77"', "data": patch({"op": "replace", "path": "title", "value": "y"})},
            {"method": "POST", "path": "/Users", "bulkId": "1", "data": user()},
        ],
    }
    assert (await client.request("POST", "/Bulk", bulk)).status_code == 200
    after = await _settled(site, client, 8)

    def grew(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert grew("scim_searches_total", resource_type="User", served="scan") == 1
    assert grew("scim_searches_total", resource_type="User", served="index") == 1
    assert grew("scim_filter_fallback_total", resource_type="User", shape="title co ?") == 1
    assert grew("scim_patch_failures_total", kind="noTarget") == 2
    assert grew("scim_patch_failures_total", kind="mutability") == 1
    assert grew("scim_etag_conflicts_total") == 2
    assert grew("scim_conditional_writes_total") == 3
    assert grew("scim_bulk_ops_sum") == 3
    assert grew("scim_operations_total", tenant=client.slug, resource_type="User", op="create", result="ok") == 1
    looks = after.total("scim_discovery_cache_total") - before.total("scim_discovery_cache_total")
    assert looks == grew("scim_discovery_cache_total", result="hit") + grew("scim_discovery_cache_total", result="miss") == 7


async def test_what_is_carried_out_later(site: Site, http: httpx.AsyncClient) -> None:
    """Operations of asynchronous requests count once, by what became of them: nothing when they are accepted, nor again when they are
    waited for."""
    (client,) = await site.tenant(http, "scim:bulk")
    posts = [{"method": "POST", "path": "/Users", "bulkId": str(number), "data": user()} for number in range(5)]
    wrong = {"method": "PATCH", "path": "/Users/nobody", "data": patch({"op": "remove"})}
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [*posts, wrong]}
    assert (await client.request("POST", "/Bulk", bulk, headers={"Prefer": "respond-async"})).status_code == 202
    wait = {"Prefer": "respond-async, wait=20"}
    assert (await client.request("POST", "/Users", user(), headers=wait)).status_code == 201

    def counted(seen: Scrape) -> tuple[float, float]:
        shown = {"tenant": client.slug, "resource_type": "User"}
        return seen.total("scim_operations_total", **shown, result="ok"), seen.total("scim_operations_total", **shown)

    await until(lambda: counted(scrape(site.servers[0])), lambda found: found == (6, 7))


@pytest.mark.parametrize(
    ("headers", "reason", "method"),
    [
        ([], "missing", "none"),
        ([("Authorization", "Bearer scs_secret")], "invalid", "bearer"),
        ([("Authorization", "Digest secret")], "malformed", "other"),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], "repeated", "bearer"),
    ],
)
async def test_who_was_not_let_in(site: Site, http: httpx.AsyncClient, headers: list[tuple[str, str]], reason: str, method: str) -> None:
    """By reason and kind of credential, without a tenant: the one in the URL is only claimed."""
    (client,) = await site.tenant(http)
    before = scrape(site.servers[0])
    answer = await client.with_token(None).request("GET", "/Users", headers=headers)
    assert answer.status_code in (400, 401)
    said = {"reason": reason, "method": method}
    known = before.value("scim_auth_failures_total", **said)
    after = await until(lambda: scrape(site.servers[0]), lambda one: one.value("scim_auth_failures_total", **said) > known)
    assert after.value("scim_auth_failures_total", **said) == known + 1
    assert after.total("scim_http_requests_total", tenant=client.slug) == 0


async def test_a_process_that_was_killed(database: str, tmp_path: Path, http: httpx.AsyncClient) -> None:
    """What it counted stays counted, once; what it had in progress is over; the one in its place goes on where it ended, in its files."""
    with running(database, database, tmp_path, workers=(2,)) as site:
        (client,) = await site.tenant(http)
        served = site.servers[0]

        def sized(scraped: Scrape) -> float:
            return scraped.value("scim_db_pool_size", plane="data")

        await asyncio.gather(*(_ask(client, 10) for _ in range(4)))
        await until(lambda: scrape(served), lambda one: sized(one) >= 4 and one.value("scim_workers") == 2)
        await _settled(site, client, 40)
        for round_ in range(1, 4):
            old = _workers(site)
            os.kill(old[0], signal.SIGKILL)
            await until(lambda: _workers(site), partial(_replaced, old[0]))
            await until(lambda: scrape(served), lambda one: one.value("scim_workers") == 2)
            await _settled(site, client, 40 * round_)
            await asyncio.gather(*(_ask(client, 10) for _ in range(4)))
            seen = await _settled(site, client, 40 * (round_ + 1))
            assert 0 < sized(seen) <= 20
        directory = _board(site)
        assert len(list(directory.glob("counter_*.db"))) == 3  # two slots and the process that answers scrapes
    assert not directory.exists()


def _board(site: Site) -> Path:
    environ = Path(f"/proc/{_workers(site)[0]}/environ").read_bytes().split(b"\0")
    return Path(next(one for one in environ if one.startswith(b"_SCIMSRV_BOARD=")).decode().partition("=")[2])


async def test_a_process_that_hangs_keeps_nobody_from_scraping(database: str, tmp_path: Path, http: httpx.AsyncClient) -> None:
    """Scrapes are answered with what every process has counted, also while all of them stand still."""
    with running(database, database, tmp_path, workers=(2,)) as site:
        (client,) = await site.tenant(http)
        await _ask(client, 5)
        await _settled(site, client, 5)
        workers = _workers(site)
        assert len(workers) == 2
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert scrape(site.servers[0]).value("scim_http_requests_total", **_USERS, tenant=client.slug) == 5
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)


async def test_nothing_is_served_without(database: str, tmp_path: Path, http: httpx.AsyncClient) -> None:
    """With --no-metrics there is no listener and no directory, and requests are answered all the same."""
    with running(database, database, tmp_path, workers=(2,), SCIMSRV_METRICS="false") as site:
        (client,) = await site.tenant(http)
        await _ask(client, 2)
        assert site.servers[0].announced["metrics_url"] is None
        with pytest.raises(StopIteration):
            _board(site)


async def test_the_listener_answers_nothing_else(site: Site) -> None:
    """Neither other paths nor other methods."""
    url = monitor_url(site.servers[0])
    assert httpx.get(f"{url}/scim/demo/v2/Users").status_code == 404
    assert httpx.get(f"{url}/debug").status_code == 404
    assert httpx.post(f"{url}/metrics").status_code == 405
    assert httpx.head(f"{url}/readyz").content == b""


async def test_requests_are_logged_as_they_are_counted(site: Site, http: httpx.AsyncClient) -> None:
    """A line for each request: its id, the template, who asked and what came of it."""
    (client,) = await site.tenant(http)
    answer = await client.request("GET", "/Users/nobody", headers={"X-Request-Id": "the-request-1", "client-request-id": "entra-0001"})
    assert answer.headers["x-request-id"] == "the-request-1"
    log = site.folders[0] / "serve.log"
    lines = await until(
        lambda: [orjson.loads(line) for line in log.read_text().splitlines() if "the-request-1" in line], lambda found: len(found) == 1
    )
    line = lines[0]
    assert line.pop("ts").endswith("Z")
    assert line.pop("dur_ms") >= line.pop("db_ms") > 0
    assert line.pop("bytes_out") > 0
    assert line.pop("token_id") == (client.token or "")[4:10]
    assert line == {
        "level": "info",
        "event": "request",
        "request_id": "the-request-1",
        "client_request_id": "entra-0001",
        "plane": "data",
        "tenant": client.slug,
        "method": "GET",
        "route": "/Users/{id}",
        "status": 404,
        "failure": "not_found",
        "op": "read",
        "result": "notfound",
        "resource_type": "User",
    }
