"""The keys of issuers that are fetched: seldom, for each tenant by itself, and kept while they cannot be had."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from joserfc.jwk import OKPKey

from scimsrv.oauth.fetching import FetchError
from scimsrv.oauth.key_sets import FRESH, PAUSE, STALE, KeySets

URL = "https://keys.example.com/keys"


def key_set(*kids: str) -> bytes:
    """A set with a key of each id."""
    return orjson.dumps({"keys": [OKPKey.generate_key("Ed25519", {"kid": kid}).as_dict(private=False) for kid in kids]})


@dataclass
class World:
    """A clock, and what is at the URL: a set, or nothing while it cannot be reached."""

    now: float = 0.0
    document: bytes | None = field(default_factory=lambda: key_set("a"))
    fetched: list[str] = field(default_factory=list)

    async def fetch(self, url: str) -> bytes:
        """Stands in for the fetcher."""
        self.fetched.append(url)
        await asyncio.sleep(0)
        if self.document is None:
            raise FetchError("it is away")
        return self.document

    def sets(self) -> KeySets:
        """What is tested, in this world."""
        fetcher: Any = self
        return KeySets(fetcher, lambda: self.now)


async def kids(sets: KeySets, kid: str | None = "a", tenant: int = 1) -> set[str | None]:
    """The ids of the keys that are known when one is asked for."""
    return {key.kid for key in await sets.fetched(tenant, "https://issuer.example", URL, kid)}


async def test_a_set_is_fetched_when_it_is_old() -> None:
    """Once, then after an hour."""
    world = World()
    sets = world.sets()
    for world.now in (0.0, 1.0, FRESH - 1):
        assert await kids(sets) == {"a"}
    assert len(world.fetched) == 1
    world.now = FRESH + 1
    assert await kids(sets) == {"a"}
    assert len(world.fetched) == 2


async def test_unknown_ids_fetch_at_most_once_a_minute() -> None:
    """Ten thousand tokens with made-up ids cost one request a minute; a key that is new is found by the next."""
    world = World()
    sets = world.sets()
    for number in range(10_000):
        world.now = number * (PAUSE * 3 - 1) / 10_000
        await kids(sets, f"made-up-{number}")
    assert len(world.fetched) == 3
    world.document = key_set("a", "b")
    assert await kids(sets, "b") == {"a"}
    world.now += PAUSE
    assert await kids(sets, "b") == {"a", "b"}


async def test_many_at_once_fetch_once() -> None:
    """Requests that come while a set is fetched wait for it."""
    world = World()
    sets = world.sets()
    assert await asyncio.gather(*(kids(sets) for _ in range(50))) == [{"a"}] * 50
    assert len(world.fetched) == 1


@pytest.mark.parametrize(
    "broken", [None, b"", b"<html>", b"[]", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AAAA"}]}', b"[" * 100_000]
)
async def test_old_keys_while_there_are_no_new_ones(broken: bytes | None) -> None:
    """A set that cannot be had or read takes nobody's place; the one before is good for a day, and tried for each minute."""
    world = World()
    sets = world.sets()
    assert await kids(sets) == {"a"}
    world.document = broken
    world.now = FRESH + 1
    for _ in range(5):
        assert await kids(sets) == {"a"}
    assert len(world.fetched) == 2
    world.now = STALE - 1
    assert await kids(sets) == {"a"}
    world.now = STALE + 1
    assert await kids(sets) == set()
    world.document = key_set("c")
    world.now += PAUSE
    assert await kids(sets, "c") == {"c"}


async def test_tenants_share_nothing() -> None:
    """Each tenant's set is its own, also of one URL."""
    world = World()
    sets = world.sets()
    assert await kids(sets, tenant=1) == {"a"}
    world.document = key_set("evil")
    assert await kids(sets, tenant=2) == {"evil"}
    assert await kids(sets, tenant=1) == {"a"}


async def test_keys_for_other_purposes_are_left_out() -> None:
    """Of a fetched set that has keys for encryption, shared secrets or unknown kinds, those for signatures are used."""
    world = World()
    good = orjson.loads(key_set("a"))["keys"][0]
    others = [good | {"use": "enc", "kid": "b"}, {"kty": "oct", "k": "AAAA", "kid": "c"}, {"kty": "new", "kid": "d"}, good | {"kid": 7}, {}]
    world.document = orjson.dumps({"keys": [*others, good]})
    assert await kids(world.sets()) == {"a"}
