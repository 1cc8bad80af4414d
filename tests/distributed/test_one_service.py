"""Two servers behind a transaction pooler answer as one: what one has acknowledged the other knows, and races have one winner."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.distributed.site import Site, count_users, walk
from tests.processes import run
from tests.wire.support import Client, assert_error, patch, until_seen, user

#: Requests after which every worker of a server has met some, each over a connection of its own.
_EVERY_WORKER = 12

_DEMANDING = '{"profile": "standard", "require_if_match": true}'


@pytest.fixture
async def pair(site: Site, http: httpx.AsyncClient) -> AsyncIterator[tuple[Client, Client]]:
    """Yield clients of a fresh tenant, one for each server; afterwards neither server has anything to complain of."""
    one, other = await site.tenant(http)
    yield one, other
    assert site.logged() == ""


async def test_what_one_acknowledged_the_other_knows(pair: tuple[Client, Client]) -> None:
    """Created, read, changed, joined, found, sorted and deleted, each time by turns, without a moment between."""
    for one, other in (pair, pair[::-1]):
        ada, bob = await one.new_user(title="b"), await other.new_user(title="a")
        path = f"/Users/{ada['id']}"
        assert (await other.get(path)).json() == ada
        changed = await other.patch(path, {"op": "replace", "path": "title", "value": "c"})
        assert (await one.get(path)).json() == changed.json()
        assert (await one.request("GET", path, headers={"If-None-Match": changed.headers["etag"]})).status_code == 304
        assert await one.search('title eq "c"') == [ada["id"]]
        team = await other.new_group(bob["id"])
        await one.patch(f"/Groups/{team['id']}", {"op": "add", "path": "members", "value": [{"value": ada["id"]}]})
        assert {member["value"] for member in (await other.get(f"/Groups/{team['id']}")).json()["members"]} == {ada["id"], bob["id"]}
        assert [group["value"] for group in (await other.get(path)).json()["groups"]] == [team["id"]]
        listed = (await other.get("/Users", sortBy="title", sortOrder="descending")).json()
        assert [found["id"] for found in listed["Resources"]] == [ada["id"], bob["id"]]
        assert (await one.put(path, user(ada["userName"]))).status_code == 200
        assert await other.search("title pr") == [bob["id"]]
        assert_error(await other.post("/Users", user(ada["userName"])), 409, "uniqueness")
        for gone in (f"/Groups/{team['id']}", path, f"/Users/{bob['id']}"):
            assert (await one.delete(gone)).status_code == 204
            assert_error(await other.get(gone), 404)
        assert await count_users(other) == 0


async def test_a_cursor_of_one_is_good_at_the_other(pair: tuple[Client, Client]) -> None:
    """A list begun at one server goes on at the other, page by page, forward and back."""
    one, other = pair
    made = [(await one.new_user(title=str(number % 3)))["id"] for number in range(9)]
    for query in ({}, {"sortBy": "title"}, {"filter": "title pr"}):
        whole = [found["id"] for found in (await other.get("/Users", **query)).json()["Resources"]]
        assert sorted(whole) == sorted(made)
        pages = [page async for page in walk(itertools.cycle(pair), count=2, **query)]
        assert [found["id"] for page in pages for found in page["Resources"]] == whole
        back = (await other.get("/Users", **query, count=2, cursor=pages[1]["previousCursor"])).json()
        assert back["Resources"] == pages[0]["Resources"]


async def test_of_ten_writers_with_one_tag_one_succeeds(pair: tuple[Client, Client]) -> None:
    """Changes over both servers with the same If-Match: one is made, the others are told that the version is gone."""
    for _ in range(5):
        ada = await pair[0].new_user()
        path, tag = f"/Users/{ada['id']}", ada["meta"]["version"]

        async def change(client: Client, title: str, path: str = path, tag: str = tag) -> httpx.Response:
            body = patch({"op": "replace", "path": "title", "value": title})
            return await client.request("PATCH", path, body, headers={"If-Match": tag})

        answers = await asyncio.gather(*(change(pair[number % 2], str(number)) for number in range(10)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 9}
        won = next(answer for answer in answers if answer.status_code == 200).json()
        assert [(await client.get(path)).json() for client in pair] == [won, won]


async def test_members_added_over_both_are_all_there(pair: tuple[Client, Client]) -> None:
    """Twenty adds at once to one group, half of them over each server, leave twenty members."""
    users = [(await pair[0].new_user())["id"] for _ in range(20)]
    team = await pair[0].new_group()
    path = f"/Groups/{team['id']}"
    operations = ({"op": "add", "path": "members", "value": [{"value": id_}]} for id_ in users)
    answers = await asyncio.gather(*(pair[number % 2].patch(path, operation) for number, operation in enumerate(operations)))
    assert {answer.status_code for answer in answers} == {200}
    for client in pair:
        assert sorted(member["value"] for member in (await client.get(path)).json()["members"]) == sorted(users)


async def test_a_name_is_given_once(pair: tuple[Client, Client]) -> None:
    """Ten creations of one userName at once over both servers: one user, nine conflicts."""
    answers = await asyncio.gather(*(pair[number % 2].post("/Users", user("ada@example.com")) for number in range(10)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}


async def test_a_suspended_tenant_is_refused_by_both(site: Site, pair: tuple[Client, Client], tmp_path: Path) -> None:
    """The command's effect, over the same pooler, is known to every worker within a second; so is its end."""
    for command, status in (("suspend", 403), ("resume", 200)):
        done = run("tenant", command, pair[0].slug, cwd=tmp_path, **site.settings)
        assert done.returncode == 0, done.stderr
        await until_seen(asyncio.get_running_loop().time())
        assert await _statuses(pair) == {status}


async def test_a_new_policy_is_known_to_both(site: Site, pair: tuple[Client, Client]) -> None:
    """A change of the tenant's policy is known to every worker within a second."""
    ada = await pair[0].new_user()
    assert {(await client.put(f"/Users/{ada['id']}", user(ada["userName"]))).status_code for client in pair} == {200}
    await site.execute("UPDATE tenant_config SET policy = $2::text::jsonb WHERE tenant = $1", pair[0].id, _DEMANDING)
    await site.execute("UPDATE tenant SET revision = revision + 1 WHERE id = $1", pair[0].id)
    await until_seen(asyncio.get_running_loop().time())
    answers = await asyncio.gather(
        *(client.put(f"/Users/{ada['id']}", user(ada["userName"])) for client in pair for _ in range(_EVERY_WORKER))
    )
    assert {answer.status_code for answer in answers} == {428}


async def test_an_index_is_built_and_used_by_both(site: Site, pair: tuple[Client, Client], tmp_path: Path) -> None:
    """Added by the command, built in the background of either, and then used by every worker.

    What is taken out of the index behind the servers is not found by whoever uses it.
    """
    hidden, shown = await pair[0].new_user(title="lead"), await pair[1].new_user(title="lead")
    done = run("index", "add", pair[0].slug, "User", "title", cwd=tmp_path, **site.settings)
    assert done.returncode == 0, done.stderr
    await until_seen(asyncio.get_running_loop().time())
    late = await pair[1].new_user(title="lead")  # its keys are written by the server, the others' by the background
    assert await _found(pair) == {frozenset({hidden["id"], shown["id"], late["id"]})}
    # Every server knows of the index by now, so the half minute that it is left alone may be over.
    await site.execute("UPDATE tenant_index SET since = now() - interval '1 minute' WHERE tenant = $1 AND state = 'building'", pair[0].id)
    async with asyncio.timeout(30):
        while '"building"' in (listed := run("index", "list", pair[0].slug, "--json", cwd=tmp_path, **site.settings)).stdout:
            await asyncio.sleep(0.2)
    assert listed.returncode == 0, listed.stderr
    await until_seen(asyncio.get_running_loop().time())
    await site.execute(
        "DELETE FROM resource_key k USING tenant_index i WHERE i.tenant = $1 AND i.attribute = 'title' AND k.tenant = i.tenant"
        " AND abs(k.attribute) = i.number AND k.id = $2",
        *(pair[0].id, hidden["id"]),
    )
    assert await _found(pair) == {frozenset({shown["id"], late["id"]})}


async def _statuses(pair: tuple[Client, Client]) -> set[int]:
    """What all workers answer to a request."""
    answers = await asyncio.gather(*(client.get("/Users", count=0) for client in pair for _ in range(_EVERY_WORKER)))
    return {answer.status_code for answer in answers}


async def _found(pair: tuple[Client, Client]) -> set[frozenset[str]]:
    """What the workers find of the leads: one set, if they agree."""
    found = await asyncio.gather(*(client.search('title eq "lead"') for client in pair for _ in range(_EVERY_WORKER)))
    return {frozenset(ids) for ids in found}
