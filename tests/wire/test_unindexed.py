"""Searches that no index serves: counted, and named in the log by their shape."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from scimsrv import observe
from scimsrv.observe import Observation, Searched
from scimsrv.store import unindexed
from tests.wire.support import Client, Server


@pytest.fixture
def seen() -> Iterator[list[Observation]]:
    """Yield the searches that are observed from now on."""
    found: list[Observation] = []
    end = observe.project(lambda one: found.append(one) if isinstance(one, Searched) else None)
    yield found
    end()


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    unindexed._named.clear()


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ('title co "Secret"', "title co ?"),
        ('nickName sw "Secret" or userName eq "secret"', "nickName sw ? or userName eq ?"),
        ('not (title eq "Secret")', "not (title eq ?)"),
        ('emails[type sw "Secret"]', "emails[type sw ?]"),
        ('active eq true and title co "Secret"', "active eq ? and title co ?"),
        ('userName pr and not (title eq "Secret")', "userName pr and not (title eq ?)"),
        ('(active eq true and title co "Secret") or userName eq "Secret"', "active eq ? and title co ? or userName eq ?"),
    ],
)
async def test_it_is_counted_and_named_without_what_was_sought(
    client: Client, caplog: pytest.LogCaptureFixture, seen: list[Observation], text: str, shape: str
) -> None:
    """One line a minute for a shape, none of its literals; each search counts."""
    await client.new_user("ada", title="Secretary")
    caplog.set_level(logging.INFO, "scimsrv.search")
    for _ in range(3):
        assert (await client.get("/Users", filter=text)).status_code == 200
    assert seen == [Searched("User", shape, client.slug)] * 3
    lines = [record.getMessage() for record in caplog.records if record.name == "scimsrv.search"]
    assert lines == [f"no index serves a search of User: {shape}"]


async def test_it_is_named_for_each_tenant(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A line speaks of one tenant, by its field of the log: another one's search of the same shape is named, too."""
    caplog.set_level(logging.INFO, "scimsrv.search")
    for one in (await server.tenant(), await server.tenant()):
        assert (await one.get("/Users", filter='title co "Secret"')).status_code == 200
    assert [record.getMessage() for record in caplog.records] == ["no index serves a search of User: title co ?"] * 2


@pytest.mark.parametrize(
    "text",
    [
        *('userName eq "ada"', 'userName co "ad"', 'emails.value sw "a"', 'emails[type eq "work" and value eq "a"]', "active eq true"),
        *('title eq "x"', 'title eq "x" and nickName co "y"', 'id eq "x"', 'meta.lastModified gt "2024-01-01T00:00:00Z"'),
        *('groups.value eq "x"', 'not (displayName ne "x")', 'userName eq "a" or externalId eq "b"', 'userName sw "a" and title co "b"'),
        *('active eq true and displayName eq "x"', 'active eq true and title eq "x"'),
    ],
)
async def test_what_an_index_serves_is_counted_as_such(client: Client, seen: list[Observation], text: str) -> None:
    """Both the indexes of every tenant and the one over all values serve a search."""
    assert (await client.get("/Users", filter=text)).status_code == 200
    assert seen == [Searched("User", None)]


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ('meta.resourceType eq "User"', "User"),
        ('meta.resourceType eq "User" and userName sw "a"', "User"),
        ('not (meta.resourceType ne "Group")', "Group"),
        ('meta.resourceType sw "G"', "Group"),
        ('meta.resourceType eq "user" or meta.resourceType co "o"', "Group"),
    ],
)
async def test_types_that_a_filter_leaves_out_are_not_looked_at(client: Client, seen: list[Observation], text: str, types: str) -> None:
    """A query at the root that asks for one type by its name costs what the same query costs at the type's endpoint."""
    user, group = await client.new_user("ada"), await client.new_group()
    found = (await client.get("", filter=text)).json()
    assert [one["id"] for one in found["Resources"]] == [(user if types == "User" else group)["id"]]
    assert found["totalResults"] == 1
    assert seen == [Searched(types, None)]


async def test_a_filter_that_leaves_out_every_type(client: Client) -> None:
    """It finds nothing, and is answered as any other, whatever it is sorted by, and where only the number is asked for."""
    await client.new_user("ada")
    for text in ('meta.resourceType eq "Nothing"', 'nobodysAttribute eq "x"'):
        for more in ({}, {"sortBy": "displayName"}, {"cursor": ""}, {"count": 0}):
            answer = await client.get("", filter=text, **more)
            assert answer.status_code == 200, answer.text
            assert (answer.json()["totalResults"], answer.json()["Resources"]) == (0, [])
    everything = (await client.get("", filter='meta.resourceType pr or meta.resourceType ne "User"', sortBy="userName")).json()
    assert everything["totalResults"] == 1
