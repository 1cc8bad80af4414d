"""A server process does not grow with the requests it has answered: thousands of many kinds, no two alike."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx
import pytest
import uvloop

from bench.client import NUMBER, Answer, numbered, run
from bench.processes import Running
from bench.world import Target
from tests.distributed.site import Site, running
from tests.processes import PROGRAM
from tests.wire.support import Client, group, patch, user

_WARM: Final = 2_000
_FURTHER: Final = 6_000
_CONNECTIONS: Final = 8

#: MiB that may come: the allocator's own unrest. A kilobyte kept of each request would be six.
_GROWTH: Final = 4.0

#: The server with a leak: two kilobytes are kept of each request.
_LEAKING: Final = """
import sys
from scimsrv.app import App
kept, called = [], App.__call__
async def leaking(self, *arguments):
    kept.append(bytearray(2048))
    await called(self, *arguments)
App.__call__ = leaking
from scimsrv.cli import main
sys.exit(main())
"""


def _requests(target: Target, users: Sequence[str], team: str) -> list[bytes]:
    """Requests of many kinds in turn, some of them mistakes; the number in each makes it unlike all others."""
    number = NUMBER.decode()
    nobody = Target(target.port, target.base, f"scs_{number}")
    nowhere = Target(target.port, f"/scim/t{number}/v2", target.token)
    title = {"op": "replace", "path": "title", "value": number}
    member = [{"op": op, "path": "members", "value": [{"value": users[0]}]} for op in ("add", "remove")]

    def get(path: str, at: Target = target, **parameters: str) -> bytes:
        query = "&".join(f"{name}={quote(value, safe='@')}" for name, value in parameters.items())
        return at.request("GET", f"{path}?{query}" if query else path)

    def send(method: str, path: str, body: object) -> bytes:
        return target.request(method, path, json.dumps(body).encode())

    return [
        send("POST", "/Users", user(f"{number}@example.com")),
        *(get(f"/Users/{id_}") for id_ in users),
        get(f"/Users/{number}"),
        get("/Users", filter=f'userName eq "{number}"'),
        get("/Users", filter=f'name.familyName sw "{number}" or x{number} pr'),
        get("/Users", filter=f"userName is {number}"),
        get("/Users", sortBy=f"title{number}", count="2"),
        get("/Users", cursor="", count="2", attributes=f"userName,a{number}"),
        get("/Users", cursor=number),
        send("PATCH", f"/Users/{users[1]}", patch(title)),
        send("PATCH", f"/Groups/{team}", patch(member[0])),
        send("PATCH", f"/Groups/{team}", patch(member[1])),
        send("POST", "/Users/.search", {"filter": f'externalId eq "{number}"'}),
        send("POST", "/Users", {number: number}),
        target.request("DELETE", f"/Users/{number}"),
        get(f"/Nothing{number}"),
        get("/Users", nobody),
        get("/Users", nowhere),
    ]


def _load(port: int, requests: Sequence[bytes], first: int, count: int) -> set[int]:
    """Send so many requests, numbered from `first`; returns the statuses of the answers."""
    numbers = iter(range(first, first + count))
    statuses: set[int] = set()

    def following() -> bytes | None:
        number = next(numbers, None)
        return None if number is None else numbered(requests[number % len(requests)], number)

    def answered(answer: Answer) -> None:
        statuses.add(answer.status)

    uvloop.run(run("127.0.0.1", port, _CONNECTIONS, following, answered))
    return statuses


async def _prepare(site: Site) -> tuple[Client, list[str], str]:
    async with httpx.AsyncClient() as http:
        (client,) = await site.tenant(http)
        users = [(await client.new_user(title="x"))["id"] for _ in range(3)]
        answer = await client.post("/Groups", group(*users[1:]))
    return client, users, answer.json()["id"]


def _growth(site: Site) -> float:
    """MiB that a fresh server grows by between the end of its warming up and the last request."""
    client, users, team = uvloop.run(_prepare(site))
    port, token = site.ports[0], client.token
    assert token is not None
    requests = _requests(Target(port, f"/scim/{client.slug}/v2", token), users, team)
    server = Running(site.servers[0].process.pid, port)
    assert _load(port, requests, 0, _WARM) == {200, 201, 400, 401, 404}
    settled = server.resident()
    _load(port, requests, _WARM, _FURTHER)
    last = server.resident()
    if settled is None or last is None:
        pytest.skip("the system does not tell how much memory a process has")
    return last - settled


@pytest.mark.parametrize(("program", "leaks"), [(PROGRAM, False), ((sys.executable, "-c", _LEAKING), True)], ids=["as it is", "leaking"])
def test_memory_stays_where_it_is(database: str, tmp_path: Path, program: Sequence[str], leaks: bool) -> None:
    """After thousands of requests the next thousands need no more memory; the same requests find a leak where there is one."""
    with running(database, database, tmp_path, program=program) as site:
        growth = _growth(site)
        assert site.logged() == ""
    assert (growth > _GROWTH) == leaks, f"{growth:.1f} MiB"
