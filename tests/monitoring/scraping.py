"""Scrapes of a running server, read by the official parser of the text format."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import Served

T = TypeVar("T")

_PATIENCE = 15.0


@dataclass(frozen=True)
class Scrape:
    """What a scrape showed: values by name and labels, and the type of each family."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]
    kinds: dict[str, str]
    text: str

    def value(self, name: str, **labels: str) -> float:
        """The value of a series, 0 where there is none."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str, **labels: str) -> float:
        """The sum of all series with these labels among theirs."""
        wanted = frozenset(labels.items())
        return sum(value for (found, has), value in self.samples.items() if found == name and wanted <= has)


def monitor_url(served: Served) -> str:
    """Where the server answers monitoring."""
    url: str = served.announced["metrics_url"]
    return url


def scrape(served: Served) -> Scrape:
    """Scrape the server now."""
    answer = httpx.get(f"{monitor_url(served)}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.text))
    samples = {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}
    assert len(samples) == sum(len(family.samples) for family in families), "a series is shown twice"
    return Scrape(samples, {family.name: family.type for family in families}, answer.text)


async def until(look: Callable[[], T], good: Callable[[T], bool], seconds: float = _PATIENCE) -> T:
    """Look again and again until what is seen is good; fails when that takes too long."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while not good(seen := look()):
        assert clock() < deadline, seen
        await asyncio.sleep(0.05)
    return seen
