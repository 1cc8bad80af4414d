"""Paging by cursor over the wire (RFC 9865): there and back, whatever changes meanwhile, and for nobody else."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from typing import Any

import pytest

from scimsrv.protocol.cursor import LONGEST
from tests.wire.support import SEARCH, Client, Server, Starter, assert_error, until_seen

_INVALID = (400, "invalidCursor", "none of this query's")


async def _page(client: Client, path: str = "/Users", **parameters: Any) -> Any:
    """A page by GET, or by POST where the path is a search's."""
    asked = {"cursor": "", "count": 2} | parameters
    searched = path.endswith(".search")
    answer = await (client.post(path, {"schemas": [SEARCH]} | asked) if searched else client.get(path, **asked))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _pages(client: Client, path: str = "/Users", **parameters: Any) -> list[Any]:
    """Every page, following nextCursor."""
    pages = [await _page(client, path, **parameters)]
    while "nextCursor" in pages[-1]:
        assert len(pages) < 50
        pages.append(await _page(client, path, **parameters, cursor=pages[-1]["nextCursor"]))
    return pages


def _ids(page: Any) -> list[str]:
    return [resource["id"] for resource in page["Resources"]]


async def _filled(client: Client) -> None:
    """Seven users with four titles, one of them without, and four groups."""
    for number, title in enumerate(("b", "a", "c", "b", None, "b", "a")):
        await client.new_user(f"user-{number}", **({} if title is None else {"title": title}), displayName=f"u{number}")
    for number in range(4):
        await client.new_group(displayName=f"group {number}")


_QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("/Users", {}),
    ("/Users", {"sortBy": "title"}),
    ("/Users", {"sortBy": "title", "sortOrder": "descending"}),
    ("/Users", {"sortBy": "meta.created", "sortOrder": "descending", "attributes": "userName"}),
    ("/Users", {"filter": 'title eq "b" or title pr', "sortBy": "userName", "excludedAttributes": "title"}),
    ("/Users", {"filter": 'userName eq "user-3"'}),
    ("/Users", {"filter": 'userName eq "nobody"'}),
    ("/Groups", {"filter": 'displayName sw "group"'}),
    ("", {}),
    ("", {"sortBy": "displayName"}),
    ("", {"filter": 'displayName sw "u"', "sortBy": "title", "sortOrder": "descending"}),
    ("/Users/.search", {"sortBy": "title", "attributes": ["title"]}),
    ("/.search", {"filter": 'meta.resourceType eq "Group"'}),
]


@pytest.mark.parametrize("count", [1, 2, 3, 100])
@pytest.mark.parametrize(("path", "query"), _QUERIES)
async def test_there_and_back(client: Client, path: str, query: dict[str, Any], count: int) -> None:
    """The pages by cursor are those by index, forward and then backward, and each says the same as the other way round."""
    await _filled(client)
    whole = await client.get(
        path.removesuffix("/.search"), **{name: ",".join(v) if isinstance(v, list) else v for name, v in query.items()}
    )
    ids = _ids(whole.json())
    pages = await _pages(client, path, **query, count=count)
    assert [_ids(page) for page in pages] == [ids[start : start + count] for start in range(0, max(1, len(ids)), count)]
    for number, page in enumerate(pages):
        assert page["totalResults"] == len(ids)
        assert page["itemsPerPage"] == len(page["Resources"])
        assert page.keys() & {"startIndex", "nextCursor", "previousCursor"} == {
            *(["nextCursor"] if number < len(pages) - 1 else []),
            *(["previousCursor"] if number else []),
        }
    back = pages[-1]
    for page in reversed(pages[:-1]):
        back = await _page(client, path, **query, count=count, cursor=back["previousCursor"])
        assert (back["Resources"], back.keys()) == (page["Resources"], page.keys())


@pytest.mark.parametrize("path", ["/Users", "", "/Users/.search", "/.search"])
@pytest.mark.parametrize("count", [0, -1])
async def test_only_the_number(client: Client, path: str, count: int) -> None:
    """A count of zero or below gives the number of matches and no cursor."""
    await _filled(client)
    page = await _page(client, path, count=count)
    assert (page["Resources"], page["itemsPerPage"]) == ([], 0)
    assert page["totalResults"] == (7 if "Users" in path else 11)
    assert not page.keys() & {"startIndex", "nextCursor", "previousCursor"}


async def test_the_page_size_without_count(start: Starter) -> None:
    """Without count a page has the default size, which is a count like any other; above the maximum is the maximum."""
    async with start(max_page=4, default_page=3) as server:
        client = await server.tenant()
        await _filled(client)
        first = (await client.get("/Users", cursor="")).json()
        assert len(first["Resources"]) == 3
        for same in ({}, {"count": 3}):
            assert (await client.get("/Users", cursor=first["nextCursor"], **same)).status_code == 200
        most = await _page(client, count=99)
        assert len(most["Resources"]) == 4
        assert len((await _page(client, count=5, cursor=most["nextCursor"]))["Resources"]) == 3


async def test_changes_between_pages(client: Client) -> None:
    """What comes or goes between two pages neither repeats nor hides what stays, also where the page's last resource goes."""
    await _filled(client)
    for query in ({}, {"sortBy": "displayName"}):
        before = {resource["id"] for page in await _pages(client, **query) for resource in page["Resources"]}
        first = await _page(client, **query)
        gone = _ids(first)[-1]
        assert (await client.delete(f"/Users/{gone}")).status_code == 204
        await client.new_user(displayName="a")
        second = await _page(client, **query, cursor=first["nextCursor"])
        assert second["totalResults"] == len(before)
        rest, page = _ids(second), second
        while "nextCursor" in page:
            page = await _page(client, **query, cursor=page["nextCursor"])
            rest += _ids(page)
        assert sorted(id_ for id_ in rest if id_ in before) == sorted(before - set(_ids(first)))
        assert len(set(rest)) == len(rest)


@pytest.mark.parametrize("path", ["/Users", "", "/Users/.search", "/.search"])
async def test_what_is_refused(client: Client, path: str) -> None:
    """Made-up cursors, counts that change or are none, and a startIndex beside a cursor, at every endpoint that lists."""
    await _filled(client)
    cursor = (await _page(client, path))["nextCursor"]

    async def refused(status: int, kind: str, says: str = "", **parameters: Any) -> None:
        asked = {"cursor": cursor, "count": 2} | parameters
        searched = path.endswith(".search")
        answer = await (client.post(path, {"schemas": [SEARCH]} | asked) if searched else client.get(path, **asked))
        assert_error(answer, status, kind, says)

    for made_up in ("forged", cursor[:-1], cursor + "A", cursor[1:], "+/", "A" * (LONGEST + 1)):
        await refused(*_INVALID, cursor=made_up)
    changes: list[dict[str, Any]] = [{"sortBy": "id"}, {"filter": "id pr"}, {"attributes": "id"}, {"excludedAttributes": "title"}]
    for changed in changes:
        await refused(*_INVALID, **changed)
    for count in (1, 3, 0):
        await refused(400, "invalidCount", "count must be 2", count=count)
    await refused(400, "invalidCount", count="many")
    await refused(400, "invalidValue", "startIndex", startIndex=1)
    await refused(400, "invalidFilter", cursor="", filter="nonsense")
    assert_error(await client.get("/Groups", cursor=cursor, count=2), *_INVALID)


async def test_cursors_of_others(server: Server) -> None:
    """A cursor serves its own token alone: with another one of the tenant, another tenant's, or none, it gives nothing."""
    client, stranger = await server.tenant(), await server.tenant()
    await _filled(client)
    await _filled(stranger)
    cursor = (await _page(client))["nextCursor"]
    for other in (client.with_token(await server.token(client)), stranger):
        assert_error(await other.get("/Users", cursor=cursor, count=2), *_INVALID)
    assert_error(await client.with_token(None).get("/Users", cursor=cursor, count=2), 401)
    assert_error(await client.with_token(stranger.token).get("/Users", cursor=cursor, count=2), 404)
    writer = client.with_token(await server.token(client, "scim:write"))
    assert_error(await writer.get("/Users", cursor=cursor, count=2), 403)
    assert len((await _page(client, cursor=cursor))["Resources"]) == 2


async def test_changed_rights(server: Server) -> None:
    """A change of the tenant's policy, or of the token's scopes, ends its cursors, within a second."""
    client = await server.tenant()
    await _filled(client)
    for change in (
        lambda: server.set_policy(client, {"profile": "strict"}),
        lambda: server.pool.execute("UPDATE credential SET scopes = '{scim}' WHERE tenant = $1", client.id),
    ):
        cursor = (await _page(client))["nextCursor"]
        await change()
        await until_seen(asyncio.get_running_loop().time())
        assert_error(await client.get("/Users", cursor=cursor, count=2), *_INVALID)


async def test_expiry(server: Server) -> None:
    """A cursor works until the advertised timeout, and is expired one second later."""
    client = await server.tenant()
    await _filled(client)
    now = 1_000_000.0
    server.app.sealer = dataclasses.replace(server.app.sealer, clock=lambda: now)
    timeout = (await client.get("/ServiceProviderConfig")).json()["pagination"]["cursorTimeout"]
    assert timeout == server.settings.cursor_timeout
    cursor = (await _page(client))["nextCursor"]
    now += timeout
    assert len((await _page(client, cursor=cursor))["Resources"]) == 2
    now += 1
    assert_error(await client.get("/Users", cursor=cursor, count=2), 400, "expiredCursor")


async def test_another_process_and_a_newer_key(start: Starter, server: Server) -> None:
    """Cursors need no memory: another process opens them, also one that has a newer key beside the old one."""
    client = await server.tenant()
    await _filled(client)
    page = await _page(client)
    key = base64.urlsafe_b64encode(b"k" * 32).decode()
    async with start(secret_key=f"{server.settings.secret_key} 2:{key}") as other:
        there = dataclasses.replace(client, http=other.http)
        assert _ids(await _page(there, cursor=page["nextCursor"])) == _ids(await _page(client, cursor=page["nextCursor"]))
        newer = (await _page(there))["nextCursor"]
    assert_error(await client.get("/Users", cursor=newer, count=2), *_INVALID)


async def test_long_sort_keys(client: Client) -> None:
    """A list sorted by long values is paged as any other; the page behind which one is too long for a cursor says what to do instead."""
    long = "".join(chr(0x4E00 + (number * 7919) % 20_000) for number in range(4_000))
    for title in ("a" * 50_000, "b" * 50_000, long[:400]):
        await client.new_user(title=title)
    pages = await _pages(client, sortBy="title", count=1)
    assert [page["Resources"][0]["title"][0] for page in pages] == ["a", "b", long[0]]
    assert max(len(page.get("nextCursor", "")) for page in pages) <= LONGEST
    for title in (long, long + "!"):
        await client.new_user(title=title)
    third = await _page(client, sortBy="title", count=1, cursor=pages[1]["nextCursor"])
    answer = await client.get("/Users", sortBy="title", count=1, cursor=third["nextCursor"])
    assert_error(answer, 400, "invalidValue", "startIndex")
    assert (await client.get("/Users", sortBy="title", count=1, startIndex=4)).status_code == 200


async def test_lists_without_a_cursor(client: Client) -> None:
    """Without cursor a list is paged by index, as is advertised; a null in a body is no cursor."""
    await _filled(client)
    said = (await client.get("/ServiceProviderConfig")).json()["pagination"]
    assert (said["cursor"], said["index"], said["defaultPaginationMethod"]) == (True, True, "index")
    body = {"schemas": [SEARCH], "count": 2, "cursor": None, "startIndex": 1}
    for answer in (await client.get("/Users", count=2), await client.post("/Users/.search", body)):
        page = answer.json()
        assert (page["startIndex"], page["itemsPerPage"]) == (1, 2)
        assert not page.keys() & {"nextCursor", "previousCursor"}


async def test_back_to_where_everything_is_gone(client: Client) -> None:
    """A page before which everything was deleted leads back to the first page of what is left, not to an empty end."""
    for number in range(4):
        await client.new_user(f"user-{number}")
    first = (await client.get("/Users", cursor="", count=2)).json()
    second = (await client.get("/Users", cursor=first["nextCursor"], count=2)).json()
    for resource in first["Resources"]:
        await client.delete(f"/Users/{resource['id']}")
    back = (await client.get("/Users", cursor=second["previousCursor"], count=2)).json()
    assert back["Resources"] == second["Resources"]
    assert "previousCursor" not in back
