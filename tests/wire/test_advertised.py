"""Advertised is enforced: the numbers and features of ServiceProviderConfig are read, and provoked at the limit and one past it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.support import SEARCH, Client, Starter, assert_error, user


async def _filled(client: Client, number: int) -> dict[str, Any]:
    """ServiceProviderConfig of a tenant with so many users."""
    for _ in range(number):
        await client.new_user()
    found: dict[str, Any] = (await client.get("/ServiceProviderConfig")).json()
    return found


async def _sizes(client: Client, **parameters: Any) -> set[tuple[int, int]]:
    """Resources and itemsPerPage of the same search by GET and by POST, at the type and at the root."""
    answers = [await client.get(path, **parameters) for path in ("/Users", "")]
    answers += [await client.post(f"{path}/.search", {"schemas": [SEARCH]} | parameters) for path in ("/Users", "")]
    return {(len(answer.json()["Resources"]), answer.json()["itemsPerPage"]) for answer in answers}


@pytest.mark.parametrize(("most", "default"), [(5, 3), (4, 4)])
async def test_page_sizes(start: Starter, most: int, default: int) -> None:
    """maxResults and maxPageSize are the largest page that can be had, defaultPageSize is the one without asking."""
    async with start(max_page=most, default_page=default) as server:
        client = await server.tenant()
        config = await _filled(client, most + 2)
        limit = config["filter"]["maxResults"]
        assert limit == config["pagination"]["maxPageSize"] == most
        assert await _sizes(client, count=limit) == {(limit, limit)}
        assert await _sizes(client, count=limit + 1) == {(limit, limit)}
        assert await _sizes(client, count=limit - 1) == {(limit - 1, limit - 1)}
        assert await _sizes(client) == {(config["pagination"]["defaultPageSize"],) * 2} == {(default, default)}
        assert (await client.get("/Users")).json()["totalResults"] == most + 2


async def test_what_is_not_advertised_is_not_served(client: Client) -> None:
    """/Me, which has no place in the document, is not there: 501."""
    assert_error(await client.get("/Me"), 501)


async def test_what_is_advertised_is_served(client: Client) -> None:
    """Patch, filter, sort, change of password and ETags are said to be there, and are."""
    config = await _filled(client, 0)
    assert all(config[feature]["supported"] for feature in ("patch", "filter", "sort", "changePassword", "etag"))
    ada, ben = await client.new_user("ada"), await client.new_user("ben")
    path = f"/Users/{ada['id']}"
    assert (await client.patch(path, {"op": "add", "path": "title", "value": "Dr"})).json()["title"] == "Dr"
    assert await client.search('userName eq "ada"') == [ada["id"]]
    listed = (await client.get("/Users", sortBy="userName", sortOrder="descending")).json()["Resources"]
    assert [one["id"] for one in listed] == [ben["id"], ada["id"]]
    assert (await client.patch(path, {"op": "replace", "path": "password", "value": "correct horse"})).status_code == 200
    tag = (await client.get(path)).headers["etag"]
    assert (await client.request("GET", path, headers={"If-None-Match": tag})).status_code == 304
    assert_error(await client.request("PUT", path, user("ada"), headers={"If-Match": 'W/"1"'}), 412)


async def test_the_open_document_is_the_one_behind_the_token(client: Client) -> None:
    """ServiceProviderConfig says the same with and without credentials."""
    shown = await client.get("/ServiceProviderConfig")
    assert (await client.with_token(None).get("/ServiceProviderConfig")).content == shown.content
    assert shown.json()["authenticationSchemes"][0]["type"] == "oauthbearertoken"


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/ResourceTypes/User"])
async def test_discovery_takes_no_parameters(client: Client, path: str) -> None:
    """A filter is refused with 403, paging and sorting are ignored (RFC 7644 §4)."""
    assert_error(await client.get(path, filter="id pr"), 403)
    assert (await client.get(path, count=1, startIndex=5, sortBy="id")).content == (await client.get(path)).content


@pytest.mark.parametrize("token", [True, False])
async def test_a_version_that_is_not_served(client: Client, token: bool) -> None:
    """Another version of the protocol is refused by name on every endpoint, the open one included."""
    headers = {"Authorization": f"Bearer {client.token}"} if token else {}
    answer = await client.http.get(f"/scim/{client.slug}/v1/ServiceProviderConfig", headers=headers)
    assert_error(answer, 400, "invalidVers", "v1")
