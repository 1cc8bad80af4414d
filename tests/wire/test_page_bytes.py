"""Pages of large resources: as many as there are bytes for, at least one, and none is passed over."""

from __future__ import annotations

from typing import Any, Final

from tests.wire.support import SEARCH, Client, Starter

_BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

#: Bytes that a page may have here.
_BYTES: Final = 100_000

#: A text as long as a text may be is 64 KiB.
_LARGE: Final = "x" * 30_000
_SMALL: Final = "y" * 100

#: Large and small ones by turns, and one that is larger than a page.
_USERS: Final = (_LARGE, _SMALL, _LARGE, _LARGE, _SMALL, _LARGE, _LARGE, _SMALL, _SMALL, _LARGE, _LARGE, _LARGE)


async def _filled(client: Client) -> None:
    """Users with long titles; the sixth has three long texts."""
    for number, title in enumerate(_USERS):
        more = {"nickName": _LARGE * 2, "profileUrl": "https://example.com/" + _LARGE * 2} if number == 5 else {}
        await client.new_user(f"user-{number:02d}", title=title, displayName=f"{number % 4}", **more)


async def _asked(client: Client, path: str, query: dict[str, Any]) -> tuple[Any, int]:
    searched = path.endswith(".search")
    answer = await (client.post(path, {"schemas": [SEARCH]} | query) if searched else client.get(path, **query))
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["itemsPerPage"] == len(page["Resources"]) > 0
    return page, len(answer.content)


_QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("/Users", {}),
    ("/Users", {"excludedAttributes": "groups"}),
    ("/Users", {"sortBy": "displayName", "sortOrder": "descending"}),
    ("/Users", {"filter": 'userName sw "user-"'}),
    ("/Users", {"filter": 'title co "x" or title co "y"', "sortBy": "userName"}),
    ("/.search", {"filter": 'displayName lt "9"'}),
]


async def test_nothing_is_passed_over(start: Starter) -> None:
    """By index, by cursor and backwards by cursor all resources come once, in the same order, on pages that are not too large. What
    is not shown counts too: the page is bounded by what has to be read for it."""
    async with start(max_page_bytes=_BYTES) as server:
        client = await server.tenant()
        await _filled(client)
        for path, query in _QUERIES:
            for count in (5, 100):
                await _walk(client, path, query | {"count": count})
        page, size = await _asked(client, "/Users", {"attributes": "userName", "count": 100})
        assert len(page["Resources"]) < len(_USERS)
        assert size < 3_000


async def _walk(client: Client, path: str, query: dict[str, Any]) -> None:
    by_index: list[str] = []
    pages = 0
    while len(by_index) < len(_USERS):
        page = await _bounded(client, path, {**query, "startIndex": len(by_index) + 1})
        assert (page["totalResults"], page["startIndex"]) == (len(_USERS), len(by_index) + 1)
        by_index += _ids(page)
        pages += 1
    assert pages > 3
    assert len(set(by_index)) == len(_USERS)
    by_cursor: list[str] = []
    page = {"nextCursor": ""}
    while "nextCursor" in page:
        page = await _bounded(client, path, {**query, "cursor": page["nextCursor"]})
        by_cursor += _ids(page)
    assert by_cursor == by_index
    backwards = _ids(page)
    while "previousCursor" in page:
        page = await _bounded(client, path, {**query, "cursor": page["previousCursor"]})
        backwards = _ids(page) + backwards
    assert backwards == by_index


async def _bounded(client: Client, path: str, query: dict[str, Any]) -> Any:
    page, size = await _asked(client, path, query)
    assert size < _BYTES * 1.1 or len(page["Resources"]) == 1, (path, query)
    return page


def _ids(page: Any) -> list[str]:
    return [one["id"] for one in page["Resources"]]


async def _new_groups(client: Client, number: int, members: list[dict[str, str]]) -> None:
    operations = [
        {"method": "POST", "path": "/Groups", "bulkId": name, "data": {"displayName": name, "members": members}}
        for name in map("g{}".format, range(number))
    ]
    made = await client.post("/Bulk", {"schemas": [_BULK], "Operations": operations})
    assert {one["status"] for one in made.json()["Operations"]} == {"201"}


async def test_users_of_many_groups(start: Starter) -> None:
    """Groups of users count: those of whom there are hundreds for each user fill a page as documents do."""
    async with start(max_page_bytes=_BYTES) as server:
        client = await server.tenant()
        users = [(await client.new_user(f"member-{number}"))["id"] for number in range(4)]
        members = [{"value": id_} for id_ in users]
        await _new_groups(client, 500, members)
        found: list[str] = []
        while len(found) < 4:
            page, _ = await _asked(client, "/Users", {"startIndex": len(found) + 1})
            assert len(page["Resources"]) == 1
            assert [len(one["groups"]) for one in page["Resources"]] == [500]
            found += [one["id"] for one in page["Resources"]]
        assert sorted(found) == sorted(users)
        page, _ = await _asked(client, "/Users", {"excludedAttributes": "groups"})
        assert len(page["Resources"]) == 4


async def test_users_below_nested_groups(start: Starter) -> None:
    """What is above users indirectly counts as well."""
    async with start(max_page_bytes=20_000) as server:
        client = await server.tenant()
        users = [(await client.new_user(f"member-{number}"))["id"] for number in range(3)]
        below = (await client.new_group(*users, displayName="below"))["id"]
        await _new_groups(client, 60, [{"value": below}])
        found: list[str] = []
        while len(found) < 3:
            page, _ = await _asked(client, "/Users", {"startIndex": len(found) + 1})
            assert [len(one["groups"]) for one in page["Resources"]] == [61] * len(page["Resources"])
            assert len(page["Resources"]) < 3
            found += [one["id"] for one in page["Resources"]]
        assert sorted(found) == sorted(users)


async def test_long_names(start: Starter) -> None:
    """What members and groups are called counts: where it is long, a page has fewer of them."""
    async with start(max_page_bytes=_BYTES) as server:
        client = await server.tenant(unique_group_names=False)
        users = [(await client.new_user(f"member-{number}", displayName="x" * 1_000))["id"] for number in range(40)]
        members = [{"value": id_} for id_ in users]
        await _new_groups(client, 6, members)
        for number in range(18):
            await client.new_group(*users, displayName=f"{number % 10}" * 1_000)
        for path, most, number in (("/Groups", 2, 24), ("/Users", 4, 40)):
            found: list[str] = []
            while len(found) < number:
                page = await _bounded(client, path, {"startIndex": len(found) + 1, "count": 10})
                assert len(page["Resources"]) <= most
                assert {len(one.get("members", one.get("groups"))) for one in page["Resources"]} <= {40, 24}
                found += _ids(page)
            assert len(set(found)) == number


async def test_how_much_of_a_name_references_show(client: Client) -> None:
    """A name as long as a text may be is a resource's own business: what refers to it shows the beginning, and is found by that."""
    for name in ("n" * 1_024, "n" * 1_024 + "o"):
        user = await client.new_user(displayName=name)
        group = await client.new_group(user["id"])
        assert user["displayName"] == name
        assert [one["display"] for one in group["members"]] == ["n" * 1_024]
        assert group["id"] in await client.search(f'members.display eq "{"n" * 1_024}"', "/Groups")
        assert await client.search('members.display co "o"', "/Groups") == []
