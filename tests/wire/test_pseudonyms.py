"""The log has a keyed hash of the userName that a request names, where it is told to, and otherwise nothing of it."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator

import orjson
import pytest

from scimsrv import observe
from scimsrv.cli import main
from scimsrv.keys import PSEUDONYM_KEY, ServerKeys
from scimsrv.logs import Log
from scimsrv.pseudonyms import pseudonym
from tests.wire.support import KEY, Server, Starter, user


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Yield what is logged from now on."""
    made = io.StringIO()
    log = Log(made, logging.INFO)
    end = observe.project(log)
    yield made
    log.flush()
    end()


async def test_lines_of_a_person_are_found(
    start: Starter, server: Server, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the spelling, creation, replacement and searches have the same word, which the command prints; another tenant has another
    one; requests that name nobody, and servers that are not told to, have none; the name is nowhere."""
    async with start(log_pii="hash") as hashing:
        client, other = await hashing.tenant(), await hashing.tenant()
        ana = await client.new_user("Ana@example.com")
        await client.post("/Users", user("ANA@EXAMPLE.COM"))
        await client.get("/Users", filter='userName eq "ana@Example.com"')
        await client.get("/Users", filter='active eq true and urn:ietf:params:scim:schemas:core:2.0:User:USERNAME eq "ana@example.com"')
        await client.put(f"/Users/{ana['id']}", user("ana@example.com"))
        for nobody in ('userName sw "ana@example.com"', 'not (userName eq "ana@example.com")', 'displayName eq "ana@example.com"'):
            await client.get("/Users", filter=nobody)
        await other.new_user("ana@example.com")
        key = ServerKeys.load(hashing.settings).derive(PSEUDONYM_KEY)
    silent = await server.tenant()
    await silent.new_user("ana@example.com")
    await silent.get("/Users")
    for log in observe._projections:
        if isinstance(log, Log):
            log.flush()
    lines = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    words = [pseudonym(key, slug, "ana@example.com") for slug in (client.slug, other.slug)]
    assert [line.get("user_hash") for line in lines] == [words[0]] * 5 + [None] * 3 + [words[1], None, None]
    assert [line["status"] for line in lines[:2]] == [201, 409]
    assert words[0] != words[1]
    assert "example" not in stream.getvalue().lower()
    for name in [name for name in os.environ if name.startswith("SCIMSRV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SCIMSRV_SECRET_KEY", KEY)
    assert main(["pseudonym", client.slug, "aNa@example.com"]) == 0
    assert capsys.readouterr().out == f"{words[0]}\n"
