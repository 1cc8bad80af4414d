"""Looking for one resource by a unique value, the question that connectors ask most: the same rules as for any other search."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.support import GROUP, SEARCH, USER, Client, group, user

_QUESTIONS = [
    ("/Users", 'userName eq "ADA@example.com"'),
    ("/Users", f'{USER}:username EQ "ada@EXAMPLE.com"'),
    ("/Users", 'userName eq "ａda@example.com"'),
    ("/Groups", 'displayName eq "admins"'),
    ("/Groups", f'{GROUP}:displayName eq "ADMINS"'),
    ("/Users", 'id eq "{ada}"'),
    ("/Users", 'externalId eq "Ext-1"'),
]


async def _setup(client: Client) -> dict[str, Any]:
    ada = await client.new_user("ada@example.com", externalId="Ext-1", displayName="Ada")
    admins = await client.new_group(ada["id"], displayName="Admins")
    return {"/Users": (await client.get(f"/Users/{ada['id']}")).json(), "/Groups": admins, "ada": ada["id"]}


@pytest.mark.parametrize(
    ("parameters", "shown", "first", "page"),
    [
        ({}, True, 1, 1),
        ({"count": 0}, False, 1, 0),
        ({"count": -1}, False, 1, 0),
        ({"count": 1}, True, 1, 1),
        ({"startIndex": 0}, True, 1, 1),
        ({"startIndex": 2}, False, 2, 0),
        ({"sortBy": "meta.created", "sortOrder": "descending"}, True, 1, 1),
    ],
)
async def test_found(client: Client, parameters: dict[str, Any], shown: bool, first: int, page: int) -> None:
    """One match in all, on the page or not as the paging says, whole as a GET of it, by query and by POST."""
    made = await _setup(client)
    for path, filter_ in _QUESTIONS:
        text = filter_.format(ada=made["ada"])
        body = {"schemas": [SEARCH], "filter": text} | parameters
        for answer in (await client.get(path, filter=text, **parameters), await client.post(f"{path}/.search", body)):
            assert answer.status_code == 200, answer.text
            found = answer.json()
            assert (found["totalResults"], found["startIndex"], found["itemsPerPage"]) == (1, first, page), text
            assert found["Resources"] == ([made[path]] if shown else []), text


@pytest.mark.parametrize(
    ("path", "filter_"),
    [
        ("/Users", 'userName eq "nobody"'),
        ("/Users", 'userName eq ""'),
        ("/Groups", 'displayName eq ""'),
        ("/Groups", 'displayName eq "ada"'),
        ("/Users", "userName eq null"),
        ("/Users", 'not (userName eq "ada@example.com")'),
        ("/Users", 'userName ne "ada@example.com"'),
        ("/Users", f'userName eq "{"x" * 5000}"'),
    ],
)
async def test_not_found(client: Client, path: str, filter_: str) -> None:
    """No match is 200 with an empty list, which is what a connector that tests its connection waits for."""
    await _setup(client)
    answer = await client.get(path, filter=filter_)
    assert (answer.status_code, answer.json()["totalResults"], answer.json()["Resources"]) == (200, 0, [])


async def test_found_with_projections(client: Client) -> None:
    """The answer shows what was asked for, the derived groups included."""
    made = await _setup(client)
    text = 'userName eq "ada@example.com"'
    one = (await client.get("/Users", filter=text, attributes="groups,userName")).json()["Resources"][0]
    assert one == {name: made["/Users"][name] for name in ("schemas", "id", "userName", "groups")}
    without = (await client.get("/Users", filter=text, excludedAttributes="groups,meta")).json()["Resources"][0]
    assert without == {name: value for name, value in made["/Users"].items() if name not in ("groups", "meta")}


async def test_not_found_after_renaming_and_deletion(client: Client) -> None:
    """The look-up follows every change of the value at once."""
    await _setup(client)
    ben = await client.new_user("ben")
    path = f"/Users/{ben['id']}"
    await client.patch(path, {"op": "replace", "path": "userName", "value": "Benedict"})
    assert (await client.search('userName eq "ben"'), await client.search('userName eq "BENEDICT"')) == ([], [ben["id"]])
    await client.put(path, user("ben"))
    assert (await client.search('userName eq "ben"'), await client.search('userName eq "benedict"')) == ([ben["id"]], [])
    await client.delete(path)
    assert await client.search('userName eq "ben"') == []
    assert (await client.post("/Groups", group(displayName="ben"))).status_code == 201
    assert await client.search('userName eq "ben"') == []
