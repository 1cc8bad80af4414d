"""What the plots show: latency against the size of a tenant, and adding a member against the size of the group."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from bench.client import Answer, run
from bench.load import Load
from bench.processes import running
from bench.scale.finding import Finding
from bench.scale.manifest import Tenant
from bench.scale.members import add_latency
from bench.scale.people import People
from bench.scale.site import Site
from bench.scale.svg import Line, Plot
from bench.scale.timing import by_turns
from bench.world import Target, created

_OTHER: Final = "scim2-server"

#: What is drawn and compared, by the name of the cases in the manifest; "" is GET by id.
_DRAWN: Final = {"": "GET by id", "userName eq": "userName eq", "page 1": "page of 100", "sortBy userName": "sortBy userName"}
_OURS_ONLY: Final = {"custom eq": "custom string eq", "userName sw": "userName sw"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """Milliseconds by size for each line of both plots; the table's lines against the other server."""

    sizes: dict[str, list[tuple[float, float]]]
    members: list[tuple[float, float]]
    beside: list[Finding]

    def plots(self) -> dict[str, Plot]:
        """The plots by the name of their file."""
        ours = [name for name in self.sizes if not name.startswith(_OTHER)]
        lines = {
            name: Line(points, ours.index(name.removeprefix(f"{_OTHER}: ")), name.startswith(_OTHER)) for name, points in self.sizes.items()
        }
        return {
            "latency-by-tenant.svg": Plot("Latency against the size of a tenant", "users", "median, ms", lines),
            "member-add-by-group.svg": Plot(
                "Adding one member against the size of the group", "members", "median, ms", {"add one member": Line(self.members)}
            ),
        }


def draw(site: Site, *, peer: bool) -> Drawn:
    """Measure what is drawn: our server on each tenant, and the other one filled with the same users as far as it bears it."""
    sizes: dict[str, list[tuple[float, float]]] = {}
    for tenant in (*site.manifest.ladder, site.manifest.big):
        for name, title in (_DRAWN | _OURS_ONLY).items():
            sizes.setdefault(title, []).append((tenant.users, _ours(site, tenant, name)))
    beside = []
    if peer:
        for tenant, milliseconds in _others(site):
            for name, other in milliseconds.items():
                ours = dict(sizes[_DRAWN[name]])[tenant.users]
                sizes.setdefault(f"{_OTHER}: {_DRAWN[name]}", []).append((tenant.users, other))
                note = f"{other:.3g} ms there"
                beside.append(
                    Finding(f"{_DRAWN[name]}, {tenant.users:,} users: {_OTHER}", other / ours, "x", 1.0, True, milliseconds=ours, note=note)
                )
    return Drawn(sizes, [(size, taken) for size, taken in add_latency(site).items()], beside)


def _ours(site: Site, tenant: Tenant, name: str) -> float:
    paths = [case.path for case in tenant.cases[name]] if name else [f"/Users/{id_}" for id_ in tenant.some_users]
    requests = tuple(site.get(path, tenant.slug) for path in paths)
    return statistics.median(by_turns(site, {"ours": requests})["ours"]) * 1000


def _others(site: Site) -> Iterator[tuple[Tenant, dict[str, float]]]:
    """The other server's milliseconds at each size that it bears. It has one tenant, which grows."""
    sizes = site.manifest.sizes
    tenants = [(tenant, lot) for tenant, lot in zip(site.manifest.ladder, sizes.ladder, strict=True) if lot.users <= site.effort.peer]
    with running(["-m", "bench.peer", "{port}"], {}) as server:
        target = Target(server.port, "/v2", "none")
        if not tenants:
            return
        ids: list[str] = []
        people = replace(tenants[-1][1].people, custom=False)
        for tenant, lot in tenants:
            ids += asyncio.run(_fill(target, people, len(ids), lot.users))
            asked = {
                "": [f"/Users/{id_}" for id_ in ids[:: max(1, len(ids) // 500)]],
                "userName eq": [
                    "/Users?filter=" + quote(f'userName eq "{people.user_name(number)}"')
                    for number in range(0, len(ids), max(1, len(ids) // 500))
                ],
                "page 1": ["/Users?count=100"],
                "sortBy userName": ["/Users?sortBy=userName&count=100"],
            }
            yield tenant, {name: _other(site, target, paths) for name, paths in asked.items()}


async def _fill(target: Target, people: People, start: int, stop: int) -> list[str]:
    """Create users with these numbers by POST; returns their ids. Raises RuntimeError when the server refuses."""
    numbers, made = iter(range(start, stop)), list[str]()

    def following() -> bytes | None:
        number = next(numbers, None)
        if number is None:
            return None
        return target.request("POST", "/Users", json.dumps(people.document(number)).encode())

    def answered(answer: Answer) -> None:
        made.append(created(answer)["id"])

    await run("127.0.0.1", target.port, 4, following, answered)
    return made


def _other(site: Site, target: Target, paths: list[str]) -> float:
    load = Load(target.port, tuple(target.request("GET", path) for path in paths), 1, site.effort.seconds)
    site.generator.put(replace(load, limit=5))
    return site.generator.put(load).median * 1000
