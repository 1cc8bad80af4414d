"""Questions about members: does a change cost what changes, and not what the group holds; is a whole group read in constant memory?"""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from bench.data import patch
from bench.load import Measure
from bench.scale.finding import Finding
from bench.scale.site import Site
from bench.scale.timing import against_ceiling

_KINDS: Final = 2
_PIECE: Final = 1 << 20


def one(site: Site) -> Iterator[Finding]:
    """One member taken out and put back, in the giant group and in one of ten, by turns."""
    sizes = sorted(site.manifest.big.groups)
    small, giant = _changes(site, sizes[0]), _changes(site, sizes[-1])
    taken: dict[str, list[tuple[float, ...]]] = {"small": [], "giant": []}
    for turn in range(-1, site.effort.rounds):
        for name, requests in (("small", small), ("giant", giant)):
            medians = _swap(site, requests).medians
            if turn >= 0:
                taken[name].append(medians)
    note = f"{sizes[-1]:,} members against {sizes[0]:,}"
    for kind, title in ((1, "add one member"), (0, "remove one member")):
        ratios = [large[kind] / least[kind] for least, large in zip(taken["small"], taken["giant"], strict=True)]
        milliseconds = statistics.median(medians[kind] for medians in taken["giant"]) * 1000
        yield Finding.of_rounds(title, ratios, "x", 1.5, milliseconds, note)


def add_latency(site: Site) -> dict[int, float]:
    """Milliseconds to add one member, by how many the group has."""
    found = {}
    for size in sorted(site.manifest.big.groups):
        requests = _changes(site, size)
        _swap(site, requests)
        found[size] = statistics.median(_swap(site, requests).medians[1] for _ in range(site.effort.rounds)) * 1000
    return found


def thousand(site: Site) -> Iterator[Finding]:
    """A thousand members in one PATCH."""
    size = max(site.manifest.big.groups)
    path = f"/Groups/{site.manifest.big.groups[size]}"
    reader = site.reader()
    ids = list(dict.fromkeys(site.manifest.big.some_users))[: min(1_000, size // 2)]
    out = patch("remove", "members", [{"value": id_} for id_ in ids])
    rates, seconds = [], []
    for _ in range(site.effort.rounds + 1):
        _expect_member(site, ids[0], path, member=True)
        reader.ask("PATCH", path, out, 204)
        _expect_member(site, ids[0], path, member=False)
        _, took = reader.ask("PATCH", path, patch("add", "members", [{"value": id_} for id_ in ids]), 204)
        rates.append(len(ids) / took)
        seconds.append(took)
    rates = rates[1:]  # the first round warms up
    rate, note = statistics.median(rates), f"{len(ids):,} in one PATCH, into {size - len(ids):,}"
    yield Finding("add 1,000 members", rate, "/s", 20_000, True, min(rates), max(rates), statistics.median(seconds[1:]) * 1000, note)


def head(site: Site) -> Iterator[Finding]:
    """The giant group without its members."""
    path = f"/Groups/{site.manifest.big.groups[max(site.manifest.big.groups)]}?excludedAttributes=members"
    if "members" in site.reader().json(path):
        raise RuntimeError(f"{path}: members in the answer")
    yield against_ceiling(site, "GET giant group without members", (site.get(path),), 3)


def whole(site: Site) -> Iterator[Finding]:
    """The giant group with all its members: how much more memory the server has at most than before."""
    size = max(site.manifest.big.groups)
    reader = site.reader()
    reader.ask("GET", f"/Groups/{site.manifest.big.groups[size]}?excludedAttributes=members")
    before = site.server.resident()
    site.server.forget_peak()
    answer = reader.raw("GET", f"/Groups/{site.manifest.big.groups[size]}")
    members, length, rest = 0, 0, b""
    while piece := answer.read(_PIECE):
        length += len(piece)
        members += (rest + piece).count(b'"value":"') - rest.count(b'"value":"')
        rest = piece[-8:]
    peak = site.server.peak()
    if members != size:
        raise RuntimeError(f"{members} members came of {size}")
    if answer.getheader("transfer-encoding") != "chunked":
        raise RuntimeError("the group was not streamed")
    growth = None if peak is None or before is None else max(0.0, peak - before)
    yield Finding("GET giant group whole: memory", growth, "MiB", 64, note=f"{size:,} members, {length / 1e6:,.0f} MB, chunked")


def _changes(site: Site, size: int) -> tuple[bytes, ...]:
    """Requests by turns that take a member out of the group of this size, and put it back."""
    target, path = site.target(), f"/Groups/{site.manifest.big.groups[size]}"
    ids: Sequence[str] = site.manifest.big.some_users[:200]
    if size != max(site.manifest.big.groups):
        shown = site.reader().json(path)["members"]
        ids = [member["value"] for member in random.Random(7).sample(shown, min(200, len(shown)))]
    _expect_member(site, ids[0], path, member=True)
    return tuple(
        request
        for id_ in ids
        for request in (
            target.request("PATCH", path, patch("remove", f'members[value eq "{id_}"]')),
            target.request("PATCH", path, patch("add", "members", [{"value": id_}])),
        )
    )


def _swap(site: Site, requests: tuple[bytes, ...]) -> Measure:
    """Take out and put back one member after another; ends with all of them in."""
    quick = site.effort.seconds < 0.5
    return site.put(requests, 600.0, limit=20 if quick else 400, kinds=_KINDS)


def _expect_member(site: Site, user: str, group: str, *, member: bool) -> None:
    shown = json.loads(site.reader().ask("GET", f"/Users/{user}?attributes=groups")[0]).get("groups", [])
    if any(group.endswith(one["value"]) for one in shown) is not member:
        raise RuntimeError(f"{user} is {'not ' if member else ''}in {group}")
