"""A question about changes of definitions: how long does a change of the large tenant's users keep anything locked?"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import asyncpg

from bench.scale.finding import Finding
from bench.scale.people import CUSTOM
from bench.scale.site import Site

#: Milliseconds that a transaction which writes may last meanwhile: none of its locks is held longer.
MOST: Final = 100.0
#: Seconds between two looks at the transactions.
_LOOK: Final = 0.005
#: Seconds that the background's part may take.
_PATIENCE: Final = 1_800.0


def locks(site: Site) -> Iterator[Finding]:
    """An attribute is added, one required that all have, one compared by case: the longest transaction that writes, while the changes
    are asked for, and while the background carries them out."""
    path = f"/Schemas/{CUSTOM}"
    before = {name: value for name, value in site.reader().json(path).items() if name != "meta"}
    now, asked = before, list[float]()
    with _Watch(site.dsn) as watch:
        for change in (_add, _with("badge", required=True), _exact_rooms):
            now = change(now)
            asked.append(_put(site, path, now))
        immediate = watch.longest()
        note = f"{site.manifest.big.users:,} users; the changes took {', '.join(f'{one:.1f}' for one in asked)} s"
        yield Finding("schema change: longest lock", immediate, "ms", MOST, note=note)
        seconds = _settle(site.dsn)
        note = f"done after {seconds:.0f} s, a minute of which or more is for servers to hear of it"
        yield Finding("schema change: longest lock behind it", watch.longest(), "ms", MOST, note=note)
    _put(site, path, before)
    _settle(site.dsn)


def _add(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"attributes": [*schema["attributes"], {"name": "nick", "type": "string"}]}


def _with(name: str, **traits: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(schema: dict[str, Any]) -> dict[str, Any]:
        return schema | {"attributes": [one | traits if one["name"] == name else one for one in schema["attributes"]]}

    return change


def _exact_rooms(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema in which rooms differ by case."""
    desks = next(one for one in schema["attributes"] if one["name"] == "desks")
    parts = [part | {"caseExact": True} if part["name"] == "room" else part for part in desks["subAttributes"]]
    return _with("desks", subAttributes=parts)(schema)


def _put(site: Site, path: str, schema: dict[str, Any]) -> float:
    """Change the schema; the seconds that it took. Raises RuntimeError when it is refused."""
    began = time.perf_counter()
    answer = site.reader().raw("PUT", path, json.dumps(schema).encode())
    body = answer.read()
    if answer.status not in (200, 202):
        raise RuntimeError(f"{answer.status} for a change of a schema: {body[:300]!r}")
    return time.perf_counter() - began


def _settle(dsn: str) -> float:
    """Wait for the background's part; the seconds that it took. Raises RuntimeError when it takes too long."""
    began = time.monotonic()
    while asyncio.run(_fetch(dsn, "SELECT count(*) FROM tenant_job WHERE state IN ('waiting', 'running')")):
        if time.monotonic() - began > _PATIENCE:
            raise RuntimeError(f"the work that a schema change left is not done after {_PATIENCE:g} s")
        time.sleep(0.5)
    return time.monotonic() - began


async def _fetch(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


class _Watch:
    """Looks at the database's transactions all the time, from a thread of its own."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._longest = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._look()), daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._end.set()
        self._thread.join()

    def longest(self) -> float:
        """The milliseconds of the longest transaction that has written, since the last time this was asked."""
        found, self._longest = self._longest, 0.0
        return found

    async def _look(self) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            while not self._end.is_set():
                age = await connection.fetchval(
                    "SELECT max(extract(epoch FROM clock_timestamp() - xact_start)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND backend_type = 'client backend' AND backend_xid IS NOT NULL"
                )
                self._longest = max(self._longest, float(age or 0) * 1000)
                await asyncio.sleep(_LOOK)
        finally:
            await connection.close()
