"""Questions about walks through a whole list by cursor (RFC 9865): is a late page as fast as the first, and the walk as COPY?"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Final

import asyncpg

from bench.scale.finding import Finding
from bench.scale.site import Reader, Site
from bench.scale.timing import against_first

_NEXT: Final = re.compile(rb'"nextCursor":"([^"]+)"')
_ID: Final = re.compile(rb'"id":"([0-9a-f-]{36})"')
#: The head of a list, in which the cursor is, ends before this.
_HEAD: Final = 20_000
_DEPTHS: Final = (0.1, 0.5, 0.9)


def depth(site: Site) -> Iterator[Finding]:
    """Pages at a tenth, half and nine tenths of the list, in the order of ids and in that of userName, against the first page."""
    for title, order in (("in the order of ids", ""), ("sortBy userName", "&sortBy=userName")):
        path = f"/Users?count=100&excludedAttributes=groups{order}&cursor"
        cursors = [cursor for cursor, _ in _walk(site.reader(), path, site.manifest.big.users)]
        deep = tuple(site.get(f"{path}={cursors[int(len(cursors) * depth)]}") for depth in _DEPTHS)
        yield against_first(site, f"next page by cursor, {title}", (site.get(path),), deep, 1.2, "at 10, 50 and 90 %, without groups")


def whole(site: Site) -> Iterator[Finding]:
    """Every user by cursor, pages of 1,000, against COPY of their documents just before and just after."""
    _copy(site)
    for title, options, bar in (("without groups", "&excludedAttributes=groups", 4.0), ("with groups", "", 8.0)):
        before = _copy(site)
        walked = _walk(site.reader(), f"/Users?count=1000{options}&cursor", site.manifest.big.users)
        seconds = sum(asked for _, asked in walked)
        copied = (before + _copy(site)) / 2
        note = f"{site.manifest.big.users / seconds:,.0f} users/s; COPY {copied:.1f} s"
        yield Finding(f"whole tenant by cursor, {title}", seconds / copied, "x", bar, milliseconds=seconds * 1000, note=note)


def _walk(reader: Reader, path: str, users: int) -> Iterator[tuple[str, float]]:
    """The cursors behind the pages, the last one "", and the seconds from the request to the end of each page. Raises RuntimeError when
    users are missing or come twice."""
    seen, came, cursor = set[bytes](), 0, ""
    while True:
        body, seconds = reader.ask("GET", f"{path}={cursor}" if cursor else path)
        ids = _ID.findall(body)
        seen.update(ids)
        came += len(ids)
        if f'"totalResults":{users},'.encode() not in body[:_HEAD]:
            raise RuntimeError(f"{path}: the page does not say that there are {users} users: {body[:200]!r}")
        found = _NEXT.search(body, 0, _HEAD)
        cursor = found[1].decode() if found else ""
        yield cursor, seconds
        if not cursor:
            break
    if (len(seen), came) != (users, users):
        raise RuntimeError(f"{path}: {len(seen)} users came of {users}, in {came} places")


def _copy(site: Site) -> float:
    """Seconds that COPY of the documents of the same rows takes."""
    return asyncio.run(_copied(site.dsn, site.keys[site.manifest.big.slug]))


async def _copied(dsn: str, tenant: int) -> float:
    connection = await asyncpg.connect(dsn)
    try:
        began = time.perf_counter()
        query = "SELECT document FROM resource WHERE tenant = $1 AND type = 'User'"
        await connection.copy_from_query(query, tenant, output=_forget)
        return time.perf_counter() - began
    finally:
        await connection.close()


async def _forget(_data: bytes) -> None:
    """Take what COPY sends and keep nothing."""
