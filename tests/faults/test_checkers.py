"""The checkers find what they are for: on planted histories, and on the histories of servers with planted bugs."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest
from starlette.types import Receive, Scope, Send

from tests.faults import acknowledged, versions
from tests.faults.acknowledged import State
from tests.faults.history import Event, Op, read, save, unexpected
from tests.faults.load import Load, found
from tests.wire.support import Client

_CLOCK = itertools.count()

#: Requests after which a planted bug has shown itself.
_EVENTS: Final = 300


def _event(op: Op, status: int | None, value: str | None = None, version: int | None = None, sent: int | None = None) -> Event:
    start = float(next(_CLOCK))
    return Event(1, op, "ada", start, start + 0.5, status, value, sent, version)


_NEW: Final = _event("create", 201, "a", 1)
_UNKNOWN: Final = _event("change", None, "b")


@pytest.mark.parametrize(
    ("events", "there"),
    [
        ([_NEW], State(1, "a")),
        ([_NEW, _event("change", 200, "b", 2)], State(2, "b")),
        ([_NEW, _event("delete", 204)], None),
        ([_NEW, _UNKNOWN], State(1, "a")),
        ([_NEW, _UNKNOWN], State(2, "b")),
        ([_NEW, _UNKNOWN, _event("change", 200, "c", 2)], State(2, "c")),
        ([_NEW, _UNKNOWN, _event("change", 200, "c", 2)], State(3, "b")),  # it came late
        ([_NEW, _UNKNOWN, _event("change", 200, "c", 3)], State(3, "c")),
        ([_NEW, _event("delete", 503), _event("delete", 404)], None),
        ([_event("create", None, "a"), _event("create", 409, "a")], State(1, "a")),
        ([_event("create", None, "a"), _event("create", 201, "a", 1)], State(1, "a")),
        ([_event("create", 503, "a")], None),
        ([_NEW, _event("read", 200, "a", 1)], State(1, "a")),
    ],
)
def test_a_right_history_passes(events: list[Event], there: State | None) -> None:
    """What a request without an answer may have done is allowed, also late; what an answer says has to be so."""
    assert acknowledged.check(events, {"ada": there} if there else {}) == []


@pytest.mark.parametrize(
    ("events", "there"),
    [
        ([_NEW], None),
        ([_NEW], State(2, "a")),
        ([_NEW, _event("change", 200, "b", 2)], State(1, "a")),
        ([_NEW, _event("change", 200, "b", 2)], State(2, "a")),
        ([_NEW, _event("delete", 204)], State(1, "a")),
        ([_NEW, _UNKNOWN, _event("change", 200, "c", 2)], State(2, "b")),
        ([_NEW, _UNKNOWN, _event("change", 200, "c", 3)], State(2, "c")),
        ([_NEW, _event("change", 200, "b", 3)], State(3, "b")),
        ([_NEW, _event("delete", 404)], None),
        ([_NEW, _event("create", 201, "a", 1)], State(1, "a")),
        ([_event("create", 409, "a")], None),
        ([_event("create", None, "a"), _event("create", None, "a"), _event("delete", 404)], State(2, "a")),
        ([_NEW, _event("read", 200, "b", 1)], State(1, "a")),
        ([], State(1, "a")),
    ],
)
def test_a_lost_or_made_up_write_is_found(events: list[Event], there: State | None) -> None:
    """Lost, undone, applied twice, refused without reason, or there without having been asked for."""
    assert len(acknowledged.check(events, {"ada": there} if there else {})) == 1


def _at(start: float, end: float, event: Event, client: int = 1) -> Event:
    return replace(event, started=start, ended=end, client=client)


_FIRST: Final = _at(0, 1, _event("create", 201, "a", 1))


@pytest.mark.parametrize(
    "events",
    [
        [_FIRST, _at(2, 3, _event("change", 200, "b", 2, 1)), _at(2, 4, _event("change", 412, "c", None, 1), 2)],
        [_FIRST, _at(2, 9, _event("change", 200, "b", 2, 1)), _at(3, 4, _event("read", 200, "a", 1))],
        [_FIRST, _at(2, 9, _event("change", 200, "b", 2, 1)), _at(3, 4, _event("read", 200, "b", 2))],
        [_FIRST, _at(2, 3, _event("change", None, "b", None, 1)), _at(4, 5, _event("change", 200, "c", 3, 2))],
        [_FIRST, _at(2, 3, _event("change", None, "b", None, 1)), _at(4, 5, _event("change", 412, "c", None, 1))],
        [_FIRST, _at(2, 5, _event("change", 200, "b", 2)), _at(2, 5, _event("change", 200, "c", 3), 2)],
    ],
)
def test_a_chain_of_versions_passes(events: list[Event]) -> None:
    """Overlapping requests may take either order, and a write without an answer may be the one that is missing."""
    assert versions.check(events) == []


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([_FIRST, _at(2, 5, _event("change", 200, "b", 2, 1)), _at(2, 5, _event("change", 200, "c", 2, 1), 2)], "made twice"),
        ([_FIRST, _at(2, 3, _event("change", 200, "b", 3, 1))], "changed version 1 and got version 3"),
        ([_FIRST, _at(2, 3, _event("change", 200, "b", 3))], "made by nobody"),
        ([_FIRST, _at(2, 3, _event("change", 200, "b", 2, 1)), _at(4, 5, _event("read", 200, "a", 1))], "began after version 2 was known"),
        ([_FIRST, _at(2, 3, _event("read", 200, "b", 1))], "which is 'a'"),
        ([_FIRST, _at(2, 3, _event("read", 200, "b", 2))], "nobody wrote"),
        ([_FIRST, _at(2, 3, _event("change", 412, "b", None, 1))], "which was the newest"),
        ([_FIRST, _at(2, 3, _event("change", 200, "b"))], "without a version"),
    ],
)
def test_a_broken_chain_is_found(events: list[Event], says: str) -> None:
    """Versions consumed twice, skipped, forgotten, changed, or refused without reason."""
    assert any(says in text for text in versions.check(events)), versions.check(events)


def test_answers_that_nobody_should_get_are_found() -> None:
    """500, 502, and 503 without a whole number of seconds."""
    right = [replace(_NEW, status=status) for status in (None, 200, 404, 429)] + [replace(_NEW, status=503, retry_after="2")]
    assert unexpected(right) == []
    wrong = [replace(_NEW, status=500), replace(_NEW, status=503), replace(_NEW, status=503, retry_after="soon"), replace(_NEW, status=502)]
    assert len(unexpected(wrong)) == 4


def test_a_history_is_kept(tmp_path: Path) -> None:
    """What is saved is what is read, with its seed."""
    save(tmp_path / "history.jsonl", [_NEW, _UNKNOWN], seed=7)
    assert read(tmp_path / "history.jsonl") == (7, [_NEW, _UNKNOWN])


class Small:
    """A SCIM server of a page that keeps users in memory; `bug` names what it does wrong, now and then."""

    def __init__(self, bug: str | None) -> None:
        self._bug = bug
        self._numbers = itertools.count(1)
        self._users: dict[str, dict[str, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = orjson.loads((await receive())["body"] or b"null")
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        method, path = scope["method"], scope["path"].partition("/v2")[2]
        await asyncio.sleep(0)
        status, found = await self._answer(method, path, body, headers.get("if-match"))
        fields = [(b"etag", f'W/"{found["version"]}"'.encode())] if found and "version" in found else []
        if found and "version" in found:
            found = found | {"meta": {"version": f'W/"{found["version"]}"'}}
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": orjson.dumps(found) if found is not None else b""})

    def _wrong(self, bug: str) -> bool:
        return self._bug == bug and next(self._numbers) % 10 == 0

    async def _answer(self, method: str, path: str, body: Any, condition: str | None) -> tuple[int, dict[str, Any] | None]:
        if path == "/Bulk":
            return 503, None
        if method == "GET" and path in ("/Users", "/Groups"):
            listed = [one | {"meta": {"version": f'W/"{one["version"]}"'}} for one in self._users.values()] if path == "/Users" else []
            return 200, {"Resources": listed}
        if method == "POST":
            made = {"id": str(next(self._numbers)), "userName": body["userName"], "title": body["title"], "version": 1}
            if not self._wrong("forgets creations"):
                self._users[made["id"]] = made
            return 201, made
        id_ = path.rpartition("/")[2]
        user = self._users.get(id_)
        if user is None:
            return 404, None
        if method == "GET":
            if self._wrong("reads what was"):
                return 200, user | {"version": max(1, user["version"] - 1)}
            return 200, user
        if method == "DELETE":
            if not self._wrong("forgets deletions"):
                del self._users[id_]
            return 204, None
        if condition is not None and condition != f'W/"{user["version"]}"':
            return 412, None
        if condition is not None and self._wrong("refuses"):
            return 412, None
        if self._bug == "compares before it waits":
            await asyncio.sleep(0)
        changed = user | {"title": body["Operations"][0]["value"], "version": user["version"] + 1}
        if not self._wrong("forgets changes"):
            self._users[id_] = changed
        return 200, changed


_OWN: Final = ["forgets creations", "forgets changes", "forgets deletions"]
_SHARED: Final = ["compares before it waits", "forgets changes", "reads what was", "refuses"]


async def _own(bug: str | None) -> list[str]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Small(bug)), base_url="http://small.test") as http:
        client = Client(http, "t", 1, "token")
        load = Load(seed=1)
        tasks = [asyncio.create_task(load.own([client], number)) for number in range(4)]
        while len(load.events) < _EVENTS:
            await asyncio.sleep(0)
        load.stopped = True
        await asyncio.gather(*tasks)
        return acknowledged.check(load.events, await found(client))


async def _shared(bug: str | None) -> list[str]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Small(bug)), base_url="http://small.test") as http:
        client = Client(http, "t", 1, "token")
        paths = [f"/Users/{(await client.new_user(title='new'))['id']}" for _ in range(8)]
        load = Load(seed=1, events=[Event(0, "create", path, 0.0, 0.0, 201, "new", None, 1) for path in paths])
        tasks = [asyncio.create_task(load.shared(client, number, paths)) for number in range(4)]
        while len(load.events) < _EVENTS:
            await asyncio.sleep(0)
        load.stopped = True
        await asyncio.gather(*tasks)
        return versions.check(load.events)


async def test_a_right_server_passes() -> None:
    """The histories that both loads record at a server without a bug are without anomalies."""
    assert await _own(None) == []
    assert await _shared(None) == []


@pytest.mark.parametrize("bug", _OWN)
async def test_a_server_that_loses_writes_is_found(bug: str) -> None:
    """One acknowledged write in ten is lost."""
    assert await _own(bug) != []


@pytest.mark.parametrize("bug", _SHARED)
async def test_a_server_that_breaks_the_chain_is_found(bug: str) -> None:
    """Two writers with one tag both succeed, reads go back, or a tag that is good is refused."""
    assert await _shared(bug) != []
