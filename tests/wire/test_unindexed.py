"""Searches that no index serves: counted, and named in the log by their shape."""

from __future__ import annotations

import logging

import pytest
from prometheus_client import REGISTRY

from scimsrv.store import unindexed
from tests.wire.support import Client


def _counted() -> float:
    return REGISTRY.get_sample_value("scim_filter_fallback_total") or 0.0


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
    ],
)
async def test_it_is_counted_and_named_without_what_was_sought(
    client: Client, caplog: pytest.LogCaptureFixture, text: str, shape: str
) -> None:
    """One line a minute for a shape, none of its literals; each search counts."""
    await client.new_user("ada", title="Secretary")
    caplog.set_level(logging.INFO, "scimsrv.search")
    before = _counted()
    for _ in range(3):
        assert (await client.get("/Users", filter=text)).status_code == 200
    assert _counted() - before == 3
    lines = [record.getMessage() for record in caplog.records if record.name == "scimsrv.search"]
    assert lines == [f"no index serves a search of User: {shape}"]


@pytest.mark.parametrize(
    "text",
    [
        *('userName eq "ada"', 'userName co "ad"', 'emails.value sw "a"', 'emails[type eq "work" and value eq "a"]', "active eq true"),
        *('title eq "x"', 'title eq "x" and nickName co "y"', 'id eq "x"', 'meta.lastModified gt "2024-01-01T00:00:00Z"'),
        *('groups.value eq "x"', 'not (displayName ne "x")', 'userName eq "a" or externalId eq "b"', 'userName sw "a" and title co "b"'),
    ],
)
async def test_what_an_index_serves_is_not_counted(client: Client, text: str) -> None:
    """Neither the indexes of every tenant nor the one over all values leave a trace."""
    before = _counted()
    assert (await client.get("/Users", filter=text)).status_code == 200
    assert _counted() == before
