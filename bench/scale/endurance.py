"""Questions that take long: does creating stay as fast, does memory stay where it is?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import asyncpg

from bench.client import NUMBER
from bench.data import USER
from bench.load import Load
from bench.processes import running
from bench.scale.finding import Finding
from bench.scale.site import Site
from bench.servers import give_token
from bench.world import Target
from scimsrv.store.tenants import TenantError, create_tenant, delete_tenant

_SLUG: Final = "growing"
_SEARCH: Final = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
_CLIENTS: Final = 8
_WORKERS: Final = 2
_PARTS: Final = 10

#: The most that a process may have resident, in MiB, and the most it may grow between the second tenth of the requests and the last.
MOST: Final = 200.0
_GROWTH: Final = 8.0


def create(site: Site) -> Iterator[Finding]:
    """Users made by POST in a new tenant beside the others: the rate of the last tenth over that of the first."""
    arguments = ["-m", "scimsrv", "serve", "--no-admin", "--no-metrics", "--port", "{port}", "--workers", str(_WORKERS)]
    token = asyncio.run(_new_tenant(site))
    try:
        with running(arguments, site.settings) as server:
            target = Target(server.port, f"/scim/{_SLUG}/v2", token)
            request = target.request("POST", "/Users", USER)
            part = site.effort.creations // _PARTS
            rates = [
                site.generator.put(Load(server.port, (request,), _CLIENTS, 600.0, part, part * number)).per_second
                for number in range(_PARTS)
            ]
            peak = server.peak()
        made = asyncio.run(_count(site))
        if made != part * _PARTS:
            raise RuntimeError(f"{made} users are there after {part * _PARTS} were created")
    finally:
        asyncio.run(_drop(site))
    note = f"{part * _PARTS:,} users, {_CLIENTS} clients, {_WORKERS} workers: {rates[0]:,.0f}/s, at last {rates[-1]:,.0f}/s"
    yield Finding("create: last tenth over first", rates[-1] / rates[0], "x", 0.8, at_least=True, note=note)
    yield Finding("create: memory of a worker", peak, "MiB", MOST, note="the most that it had resident")


def leak(site: Site) -> Iterator[Finding]:
    """Requests of many kinds, each search for something else: how memory grows."""
    tenant = site.manifest.big
    search = json.dumps({"schemas": [_SEARCH], "filter": f'externalId eq "{NUMBER.decode()}"'}).encode()
    requests = [site.get(f"/Users/{id_}") for id_ in tenant.some_users[:40]]
    requests += [site.get("/Users?filter=" + quote(f'userName eq "nobody-{NUMBER.decode()}"', safe="@")) for _ in range(40)]
    requests += [site.get("/Users?filter=" + quote(f'name.familyName sw "{NUMBER.decode()}"', safe="@")) for _ in range(15)]
    requests += [site.get(tenant.cases["page 1"][0].path)] * 2
    requests += [site.target().request("POST", "/Users/.search", search)] * 3
    random.Random(7).shuffle(requests)
    part = site.effort.requests // _PARTS
    resident = []
    for number in range(_PARTS):
        site.generator.put(Load(site.server.port, tuple(requests), _CLIENTS, 600.0, part, part * number))
        resident.append(site.server.resident())
    settled, last = resident[1], resident[-1]
    growth = None if settled is None or last is None else max(0.0, last - settled)
    note = "" if last is None else f"{part * _PARTS:,} requests, {last:.0f} MiB at last"
    yield Finding("memory: growth after the first fifth", growth, "MiB", _GROWTH, note=note)


async def _new_tenant(site: Site) -> str:
    connection = await asyncpg.connect(site.dsn)
    try:
        with contextlib.suppress(TenantError):  # of a run that was cut short
            await delete_tenant(connection, _SLUG)
        tenant = await create_tenant(connection, _SLUG)
        return await give_token(connection, tenant.id, site.settings["SCIMSRV_SECRET_KEY"])
    finally:
        await connection.close()


async def _count(site: Site) -> int:
    connection = await asyncpg.connect(site.dsn)
    try:
        found: int = await connection.fetchval("SELECT count(*) FROM resource r JOIN tenant t ON t.id = r.tenant WHERE t.slug = $1", _SLUG)
        return found
    finally:
        await connection.close()


async def _drop(site: Site) -> None:
    connection = await asyncpg.connect(site.dsn)
    try:
        await delete_tenant(connection, _SLUG)
    finally:
        await connection.close()
