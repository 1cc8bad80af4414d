"""Questions about writing a large group as a whole: what a PUT with one difference writes, how fast a DELETE answers."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from typing import Final

import asyncpg

from bench.scale.finding import Finding
from bench.scale.groups import GROUP
from bench.scale.site import Reader, Site
from bench.scale.timing import c

_DELETIONS: Final = 5
#: Seconds within which the rows of a deleted group are gone.
_GONE: Final = 120.0


def put(site: Site) -> Iterator[Finding]:
    """PUT of a group of 10,000 whose list has one member more: how many rows of members are written."""
    reader = site.reader()
    members = _members(site, site.effort.members + 1)
    id_ = _create(reader, members[:-1])
    transaction = asyncio.run(_fetch(site.dsn, "SELECT pg_current_xact_id()::text::bigint"))
    body = json.dumps({"schemas": [GROUP], "displayName": f"Large {id_}", "members": [{"value": member} for member in members]}).encode()
    _, seconds = reader.ask("PUT", f"/Groups/{id_}?excludedAttributes=members", body)
    tenant = site.keys[site.manifest.big.slug]
    held = asyncio.run(_fetch(site.dsn, "SELECT count(*) FROM reference WHERE tenant = $1 AND source = $2", tenant, id_))
    new = asyncio.run(
        _fetch(
            site.dsn,
            "SELECT count(*) FROM reference WHERE tenant = $1 AND source = $2 AND xmin::text::bigint > $3",
            *(tenant, id_, transaction),
        )
    )
    if held != len(members):
        raise RuntimeError(f"{held} members are there of {len(members)}")
    removed = len(members) - 1 + new - held
    note = f"{len(members) - 1:,} members and one more"
    yield Finding("PUT of a large group: rows of members", new + removed, "rows", 1, milliseconds=seconds * 1000, note=note)
    reader.ask("DELETE", f"/Groups/{id_}", status=204)


def delete(site: Site) -> Iterator[Finding]:
    """DELETE of a group of 10,000: when it answers; that it is invisible at once, and its rows gone soon after."""
    reader = site.reader()
    members = _members(site, site.effort.members)
    ratios, taken = [], []
    began = time.monotonic()
    for _ in range(min(_DELETIONS, site.effort.rounds)):
        id_ = _create(reader, members)
        least = c(site)
        _, seconds = reader.ask("DELETE", f"/Groups/{id_}", status=204)
        ratios.append(seconds / least)
        taken.append(seconds)
        reader.ask("GET", f"/Groups/{id_}", status=404)
        if any(group["value"] == id_ for group in reader.json(f"/Users/{members[0]}?attributes=groups").get("groups", ())):
            raise RuntimeError("a deleted group is shown by its member")
        began = time.monotonic()
    if not _erased(site):
        raise RuntimeError(f"rows of deleted groups are still there after {_GONE:g} s")
    note = f"{len(members):,} members; their rows gone after {time.monotonic() - began:.1f} s"
    yield Finding.of_rounds("DELETE of a large group", ratios, "c", 100, statistics.median(taken) * 1000, note)


def _members(site: Site, count: int) -> list[str]:
    """So many ids of users, from any list of them."""
    reader, found = site.reader(), list[str]()
    while len(found) < count:
        page = reader.json(f"/Users?attributes=userName&count=1000&startIndex={len(found) + 1}")
        found += [user["id"] for user in page["Resources"]]
    return found[:count]


def _create(reader: Reader, members: list[str]) -> str:
    number = time.time_ns()
    body = {"schemas": [GROUP], "displayName": f"Large {number}", "members": [{"value": member} for member in members]}
    answer, _ = reader.ask("POST", "/Groups?excludedAttributes=members", json.dumps(body).encode(), 201)
    id_: str = json.loads(answer)["id"]
    return id_


def _erased(site: Site) -> bool:
    """Whether the rows of all deleted groups are gone, or go so within the time that they have."""
    end = time.monotonic() + _GONE
    while asyncio.run(_fetch(site.dsn, "SELECT count(*) FROM erasure")):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


async def _fetch(dsn: str, query: str, *arguments: object) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        found: int = await connection.fetchval(query, *arguments)
        return found
    finally:
        await connection.close()
