"""Whose turn it is at what takes long: nobody waits for all that another tenant asks for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from scimsrv.badges import verification
from scimsrv.oauth.fetching import Fetcher, FetchError
from scimsrv.openbadges.fetched import Documents
from scimsrv.openbadges.office import Office
from tests.unit.badges.test_elsewhere import _token
from tests.unit.badges.web import Web


def _document(id_: str) -> bytes:
    return orjson.dumps({"id": id_, "proof": {"type": "none that is known"}})


async def test_one_tenant_keeps_no_other_waiting(office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a tenant's documents one is judged at a time, however many it sends; another's has a turn meanwhile, and tokens wait for none."""
    begun: list[str] = []
    go_on, real = threading.Event(), verification.judge

    def judge(presented: verification.Presented, *given: Any, **named: Any) -> verification.Report:
        begun.append(str(presented.credential["id"]))
        if begun[-1].startswith("urn:slow"):
            go_on.wait(10)
        return real(presented, *given, **named)

    monkeypatch.setattr(verification, "judge", judge)
    desk = office(Web())
    slow = [asyncio.create_task(desk.verify(_document(f"urn:slow:{number}"), tenant=1)) for number in range(20)]
    try:
        async with asyncio.timeout(5):
            while not begun:
                await asyncio.sleep(0.01)
            assert (await desk.verify(_document("urn:quick"), tenant=2))["signature"]["verdict"] == "unsupported"
            assert (await desk.verify(_token(), tenant=1))["form"] == "VC-JWT"
        assert [one for one in begun if one.startswith("urn:slow")] == ["urn:slow:0"]
    finally:
        go_on.set()
        await asyncio.gather(*slow)
    assert len(begun) == 22


async def test_nobody_is_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many want a document at a time, it is fetched once; of one host eight are, and the others can be had later."""
    asked: list[str] = []
    go_on = asyncio.Event()

    async def fetch(_fetcher: Fetcher, url: str) -> bytes:
        asked.append(url)
        await go_on.wait()
        return url.encode()

    monkeypatch.setattr(Fetcher, "fetch", fetch)
    documents = Documents(Fetcher(["*"]))
    ports = ("", ":443", ":0443", ".")  # written in another way it is the same host
    urls = [f"https://{'A' if number == 5 else 'a'}.example{ports[number % 4]}/{number}" for number in range(12)]
    wanted = [asyncio.create_task(documents.body(url)) for url in [urls[0]] * 50 + urls]
    left = asyncio.create_task(documents.body("https://b.example/"))
    await asyncio.sleep(0.05)
    wanted[0].cancel()  # which takes it from nobody else
    await asyncio.sleep(0)
    go_on.set()
    got = await asyncio.gather(*wanted, left, return_exceptions=True)
    assert asked == [*urls[:8], "https://b.example/"]
    assert got[1:50] == [urls[0].encode()] * 49
    assert [isinstance(one, FetchError) for one in got[50:62]] == [False] * 8 + [True] * 4
    assert got[62] == b"https://b.example/"
    assert await documents.body(urls[11]) == urls[11].encode()
