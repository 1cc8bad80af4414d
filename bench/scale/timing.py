"""Times by turns: the ceiling and the side that is measured, round after round, and the ratio within each round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from bench.load import Load
from bench.scale.finding import Finding
from bench.scale.site import Site

#: The ceiling needs no longer turn for a steady median.
_CEILING_SECONDS = 0.3
_WARM = 20


def c(site: Site) -> float:
    """The median time, in seconds, of one document by primary key on a bare route, now."""
    return site.generator.put(Load(site.bare, site.ceiling(), 1, min(site.effort.seconds, _CEILING_SECONDS))).median


def against_ceiling(site: Site, title: str, requests: tuple[bytes, ...], bar: float, note: str = "") -> Finding:
    """The requests' median time over c, at most `bar`."""
    warm_up(site, requests)
    c(site)
    ratios, taken = [], []
    for _ in range(site.effort.rounds):
        least = c(site)
        taken.append(site.put(requests, site.effort.seconds).median)
        ratios.append(taken[-1] / least)
    return Finding.of_rounds(title, ratios, "c", bar, statistics.median(taken) * 1000, note)


def against_first(site: Site, title: str, first: tuple[bytes, ...], second: tuple[bytes, ...], bar: float, note: str = "") -> Finding:
    """The second requests' median time over the first ones', at most `bar`."""
    taken = by_turns(site, {"first": first, "second": second})
    ratios = [b / a for a, b in zip(taken["first"], taken["second"], strict=True)]
    return Finding.of_rounds(title, ratios, "x", bar, statistics.median(taken["second"]) * 1000, note)


def by_turns(site: Site, sides: Mapping[str, tuple[bytes, ...]]) -> dict[str, list[float]]:
    """The median time of each side in each round, in seconds."""
    for requests in sides.values():
        warm_up(site, requests)
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(site.effort.rounds):
        for name, requests in sides.items():
            taken[name].append(site.put(requests, site.effort.seconds).median)
    return taken


def warm_up(site: Site, requests: tuple[bytes, ...]) -> None:
    """Ask each request once, and twenty in all, if there is time: what plans statements and fills caches is not counted."""
    site.put(requests, 2 * site.effort.seconds, limit=max(_WARM, len(requests)))
