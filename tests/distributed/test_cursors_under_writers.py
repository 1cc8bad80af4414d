"""A walk by cursor while many write: whatever is there all the time is seen exactly once, in every order; by startIndex it is not."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.distributed.site import Site, running, walk
from tests.wire.support import Client, user

_WRITERS = 50
_TURNS = 12
_STAYING = 150
# More than what is created beside a page, so that a walk comes to its end.
_PAGE = 75

_QUERIES: list[dict[str, Any]] = [
    {},
    {"sortBy": "userName"},
    {"sortBy": "nickName", "sortOrder": "descending"},
    {"filter": 'displayName sw "one"', "sortBy": "userName", "sortOrder": "descending"},
]


class _Patient(httpx.AsyncHTTPTransport):
    """Asks again when the server is too busy (503), as clients do: how fast this machine is decides nothing."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(100):
            answer = await super().handle_async_request(request)
            if answer.status_code != 503:
                break
            await answer.aclose()
            await asyncio.sleep(0.1)
        return answer


@pytest.fixture(scope="module")
def alone(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield one running server on the module's database."""
    with running(database, database, tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture
async def client(alone: Site) -> AsyncIterator[Client]:
    """Yield a client of a fresh tenant; afterwards the server has nothing to complain of."""
    async with httpx.AsyncClient(transport=_Patient(), timeout=60) as http:
        (made,) = await alone.tenant(http)
        yield made
    assert alone.logged() == ""


def _body(name: str) -> dict[str, Any]:
    """A user that every query finds; names in random order, and nickNames that many share."""
    word = random.randbytes(6).hex()
    return user(f"{word}-{name}", nickName=word[0], displayName=f"one {name}", title="0", active=True)


async def _several(client: Client, number: int, name: str) -> list[dict[str, Any]]:
    answers = await asyncio.gather(*(client.post("/Users", _body(f"{name}{each}")) for each in range(number)))
    assert {answer.status_code for answer in answers} == {201}
    return [answer.json() for answer in answers]


async def _write(client: Client, changed: str, gone: str) -> str:
    """What a writer does beside a page: create one, change one, delete one; returns the id of the created."""
    made = await client.post("/Users", _body("new"))
    assert made.status_code == 201, made.text
    answer = await client.patch(f"/Users/{changed}", {"op": "replace", "path": "title", "value": made.json()["id"]})
    assert answer.status_code == 200, answer.text
    assert (await client.delete(f"/Users/{gone}")).status_code == 204
    id_: str = made.json()["id"]
    return id_


@pytest.mark.parametrize("query", _QUERIES, ids=lambda query: " ".join(query.values()) or "unsorted")
async def test_what_stays_is_seen_once(client: Client, query: dict[str, Any]) -> None:
    """Fifty writers create, delete, and change what stays beside every page: each that stays is seen once, and none is seen twice."""
    staying = [made["id"] for made in await _several(client, _STAYING, "stay")]
    leaving = [made["id"] for made in await _several(client, _WRITERS * 2, "leave")]
    seen: list[dict[str, Any]] = []
    pages = walk(itertools.repeat(client), count=_PAGE, **query)
    page: dict[str, Any] | None = await anext(pages)
    turns = 0
    while True:
        assert page is not None
        assert page["Resources"]
        seen += page["Resources"]
        if "nextCursor" not in page:
            break
        turns += 1
        random.shuffle(leaving)
        gone, leaving = leaving[:_WRITERS], leaving[_WRITERS:]
        writers = [_write(client, random.choice(staying), id_) for id_ in gone]
        page, *made = await asyncio.gather(anext(pages, None), *writers)
        leaving += made
    assert turns >= _STAYING // _PAGE
    times = Counter(found["id"] for found in seen)
    assert {times[id_] for id_ in staying} == {1}
    assert set(times.values()) == {1}
    if query.get("sortBy") == "userName":
        names = [found["userName"] for found in seen]
        assert names == sorted(names, reverse="sortOrder" in query)


async def _by_index(client: Client, **query: Any) -> AsyncIterator[dict[str, Any]]:
    """Every page of a list of users by startIndex."""
    start = 1
    while True:
        page: dict[str, Any] = (await client.get("/Users", **query, startIndex=start)).json()
        yield page
        start += len(page["Resources"])
        if start > page["totalResults"]:
            return


@pytest.mark.parametrize("by_cursor", [True, False], ids=["cursor", "startIndex"])
async def test_deleting_what_was_seen(client: Client, by_cursor: bool) -> None:
    """Deleting half of a page before the next is asked for hides nothing from a cursor; as many resources slip past a startIndex."""
    await _several(client, 30, "user")
    query = {"sortBy": "userName", "count": 10}
    seen: list[str] = []
    async for page in walk(itertools.repeat(client), **query) if by_cursor else _by_index(client, **query):
        seen += [found["id"] for found in page["Resources"]]
        for found in page["Resources"][:5]:
            assert (await client.delete(f"/Users/{found['id']}")).status_code == 204
    assert len(set(seen)) == (30 if by_cursor else 20)


@pytest.mark.parametrize("by_cursor", [True, False], ids=["cursor", "startIndex"])
async def test_creating_before_what_was_seen(client: Client, by_cursor: bool) -> None:
    """A resource that takes its place before those seen shows nothing twice to a cursor; a startIndex meets the last one again."""
    await _several(client, 20, "user")
    query = {"sortBy": "userName", "count": 10}
    seen: list[str] = []
    async for page in walk(itertools.repeat(client), **query) if by_cursor else _by_index(client, **query):
        seen += [found["id"] for found in page["Resources"]]
        if len(seen) == 10:
            await client.new_user("-first")
    assert max(Counter(seen).values()) == (1 if by_cursor else 2)
    assert len(set(seen)) == 20
