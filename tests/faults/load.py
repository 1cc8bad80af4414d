"""Clients that work on a tenant and record what became of each request; what they ask follows from a seed.

Two kinds: each client with resources of its own, one request at a time, for the checker of acknowledged writes; and all clients on a few
resources, for the checker of versions.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.faults.acknowledged import State
from tests.faults.history import Event, Op
from tests.wire.support import Client, patch, user

_TAG: Final = re.compile(r'W/"(\d+)(?:-\w+)?"')
_BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

#: Requests without an answer after which a client leaves a resource alone: what is left to say of it grows with each.
_DOUBTS: Final = 3

#: Seconds that a client waits before it tries again what was refused for the moment.
_PAUSE: Final = 0.02


@dataclass
class Load:
    """A history in the making. Clients are asked in turn, so that several servers are; `stopped` ends every client after its request."""

    seed: int
    events: list[Event] = field(default_factory=list)
    stopped: bool = False
    #: Users that were made in one bulk operation with a group, by the group's name.
    grouped: dict[str, str] = field(default_factory=dict)

    async def own(self, clients: Sequence[Client], number: int, *, creates: float = 0.6, changes: float = 0.25) -> None:
        """One client: creates, changes and deletes users of its own until the load is stopped; the rest are deletions."""
        chance = random.Random(self.seed * 1000 + number)
        there: dict[str, str] = {}
        doubts: Counter[str] = Counter()
        made = 0
        while not self.stopped:
            client = clients[chance.randrange(len(clients))]
            share = chance.random()
            if share < creates or not there:
                made += 1
                name = f"u-{number}-{made}"
                if made % 7 == 0:
                    await self._bulk(client, number, name)
                    continue
                id_ = await self._created(client, number, name)
                if id_ is not None:
                    there[name] = id_
                continue
            name = chance.choice(sorted(there))
            if share < creates + changes:
                event = await self._change(client, number, name, there[name], f"title {chance.randrange(10**9)}")
            else:
                event = await self._ask(client, number, "delete", name, "DELETE", f"/Users/{there[name]}")
            doubts[name] += event.unknown
            if event.status in (204, 404) or doubts[name] == _DOUBTS:
                del there[name]

    async def _created(self, client: Client, number: int, name: str) -> str | None:
        """Create a user, asking again until it is known to be there; the id, or None where the load is stopped first."""
        while True:
            body = user(name, title="new")
            event, answer = await self._asked(client, number, "create", name, "POST", "/Users", body, value="new")
            if event.status == 201:
                assert answer is not None
                id_: str = answer.json()["id"]
                return id_
            if event.status == 409:  # made by an attempt without an answer
                found = await self._find(client, name)
                if found is not None:
                    return found
            if self.stopped:
                return None
            await asyncio.sleep(_PAUSE)

    async def _find(self, client: Client, name: str) -> str | None:
        while not self.stopped:
            try:
                answer = await client.get("/Users", filter=f'userName eq "{name}"', attributes="id")
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                return str(answer.json()["Resources"][0]["id"])
            await asyncio.sleep(_PAUSE)
        return None

    async def _change(self, client: Client, number: int, name: str, id_: str, value: str) -> Event:
        body = patch({"op": "replace", "path": "title", "value": value})
        return await self._ask(client, number, "change", name, "PATCH", f"/Users/{id_}", body, value=value)

    async def _bulk(self, client: Client, number: int, name: str) -> None:
        """A user and a group with it as member, by one bulk request: recorded as the creation of both."""
        operations = [
            {"method": "POST", "path": "/Users", "bulkId": "u", "data": user(name, title="new")},
            {
                "method": "POST",
                "path": "/Groups",
                "bulkId": "g",
                "data": {"displayName": f"g-{name}", "members": [{"value": "bulkId:u"}]},
            },
        ]
        started = time.monotonic()
        event, answer = await self._asked(
            client, number, "create", name, "POST", "/Bulk", {"schemas": [_BULK], "Operations": operations}, value="new", keep=False
        )
        statuses: list[int | None] = [event.status, event.status]
        if answer is not None and event.status == 200:
            statuses = [int(one["status"]) for one in answer.json()["Operations"]]
        for one, status, value in zip((name, f"g-{name}"), statuses, ("new", name), strict=True):
            made = 1 if status == 201 else None
            self.events.append(
                Event(number, "create", one, started, event.ended, status, value, None, made, event.retry_after or _in_bulk(status))
            )
        self.grouped[f"g-{name}"] = name

    async def shared(self, client: Client, number: int, paths: Sequence[str], *, conditional: float = 0.8) -> None:
        """One client of several on the same users: reads one and changes it, mostly under the version that it read."""
        chance = random.Random(self.seed * 1000 + number)
        while not self.stopped:
            path = chance.choice(paths)
            read = await self._ask(client, number, "read", path, "GET", path)
            if read.version is None:
                continue
            value = f"{number}-{chance.randrange(10**9)}"
            sent = read.version if chance.random() < conditional else None
            body = patch({"op": "replace", "path": "title", "value": value})
            await self._ask(client, number, "change", path, "PATCH", path, body, value=value, sent=sent)

    async def _ask(self, client: Client, number: int, op: Op, name: str, method: str, path: str, body: Any = None, **more: Any) -> Event:
        return (await self._asked(client, number, op, name, method, path, body, **more))[0]

    async def _asked(
        self,
        client: Client,
        number: int,
        op: Op,
        name: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        value: str | None = None,
        sent: int | None = None,
        keep: bool = True,
    ) -> tuple[Event, httpx.Response | None]:
        started = time.monotonic()
        status: int | None
        answer: httpx.Response | None
        try:
            answer = await client.request(method, path, body, headers={} if sent is None else {"If-Match": f'W/"{sent}"'})
            status = answer.status_code
        except httpx.ConnectError:
            answer, status = None, 0
        except httpx.HTTPError:
            answer, status = None, None
        ended = time.monotonic()
        if answer is None:
            event = Event(number, op, name, started, ended, status, value, sent)
            await asyncio.sleep(_PAUSE)
        else:
            tag = _TAG.fullmatch(answer.headers.get("etag", ""))
            if op == "read" and answer.status_code == 200:
                value = answer.json().get("title")
            version = int(tag[1]) if tag else None
            event = Event(number, op, name, started, ended, status, value, sent, version, answer.headers.get("retry-after"))
        if keep:
            self.events.append(event)
        if event.status == 503:
            await asyncio.sleep(_PAUSE)
        return event, answer


def _in_bulk(status: int | None) -> str | None:
    """An operation of a bulk request has no header field for when to try again: the request would be."""
    return "1" if status == 503 else None


async def found(client: Client) -> dict[str, State]:
    """Every user and group of the tenant by name, as the checker of acknowledged writes compares it."""
    there: dict[str, State] = {}
    for path, name, shown in (("/Users", "userName", "title"), ("/Groups", "displayName", "members")):
        cursor: str | None = ""
        names: dict[str, str] = {}
        while cursor is not None:
            answer = await client.get(path, cursor=cursor, count=500, attributes=f"{name},{shown},meta.version")
            assert answer.status_code == 200, answer.text
            page = answer.json()
            for one in page["Resources"]:
                value = one.get(shown)
                if isinstance(value, list):
                    value = ",".join(member.get("display") or member["value"] for member in value)
                assert one[name] not in names, f"{one[name]} is there twice"
                names[one[name]] = one["id"]
                tag = _TAG.fullmatch(one["meta"]["version"])
                assert tag is not None
                there[one[name]] = State(int(tag[1]), value)
            cursor = page.get("nextCursor")
    return there
