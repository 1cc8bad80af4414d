"""The questions by name, in the order in which they are asked: those that write come last, and memory is looked at behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from bench.scale import definitions, endurance, large_group, listings, members, walks
from bench.scale.endurance import MOST
from bench.scale.finding import Finding
from bench.scale.site import Site
from bench.scale.timing import against_ceiling

#: Proves its answers, then measures. Raises RuntimeError for a wrong answer.
Question = Callable[[Site], Iterator[Finding]]


def _get(site: Site) -> Iterator[Finding]:
    """Users by id, who are in about six groups each."""
    ids = site.manifest.big.some_users
    if site.reader().json(f"/Users/{ids[0]}")["id"] != ids[0]:
        raise RuntimeError("another user came than was asked for")
    yield against_ceiling(site, "GET by id", tuple(site.get(f"/Users/{id_}") for id_ in ids), 1.6)


def _memory(site: Site) -> Iterator[Finding]:
    """The most that the server's process has had resident, whatever was asked of it before."""
    yield Finding("memory of the server", site.server.highest(), "MiB", MOST, note="the most that it had resident in this run")


QUESTIONS: Final[dict[str, Question]] = {
    "get": _get,
    **{listing.cases: partial(listings.asked, listing) for listing in listings.LISTINGS},
    "giant head": members.head,
    "cursor depth": walks.depth,
    "whole tenant": walks.whole,
    "member": members.one,
    "1000 members": members.thousand,
    "giant whole": members.whole,
    "PUT group": large_group.put,
    "DELETE group": large_group.delete,
    "schema change": definitions.locks,
    "leak": endurance.leak,
    "create": endurance.create,
    "memory": _memory,
}

#: What is asked only by its name: the background goes through all users twice for it, and each time for long.
SELDOM: Final = frozenset({"schema change"})
