"""python -m bench.noisy [--seconds S] [--rounds N] [--only KIND]: what a tenant that sends all it can does to one that sends 25 per second.

The quiet tenant is measured alone and beside the noisy one, by turns; printed are its median and 99th percentile in each turn, their ratios
over all turns together, since one turn has too few requests for a 99th percentile, and what the noisy one got done. The goal: nothing of
the quiet tenant fails, and its 99th percentile is at most twice as long.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import uvloop

from bench.client import Answer, numbered, run
from bench.data import USER
from bench.servers import servers
from bench.world import FRESH, Target, ask_now, created

_RATE: Final = 25
_CLIENTS: Final = 16


def quiet(target: Target, ids: list[str], seconds: float, first: int) -> list[tuple[int, float]]:
    """Status and seconds of each answer to 25 requests per second: reads, searches and creations."""
    kinds = [target.request("GET", f"/Users/{ids[0]}"), target.request("GET", "/Users?count=10"), target.request("POST", "/Users", USER)]
    found: list[tuple[int, float]] = []

    async def one(number: int, start: float) -> None:
        await asyncio.sleep(start + number / _RATE - time.perf_counter())
        requests = iter([numbered(kinds[number % len(kinds)], first + number)])
        begun = time.perf_counter()

        def answered(answer: Answer) -> None:
            found.append((answer.status, time.perf_counter() - begun))

        await run("127.0.0.1", target.port, 1, lambda: next(requests, None), answered)

    async def all_of_them() -> None:
        start = time.perf_counter()
        await asyncio.gather(*(one(number, start) for number in range(int(seconds * _RATE))))

    uvloop.run(all_of_them())
    return found


def noisy(target: Target, ids: list[str], first: int, only: str | None, stop: Callable[[], bool]) -> Counter[int]:
    """Sixteen clients at full speed, of whom some send bulk requests, some search without an index, and most read and write; by status."""
    operations = [{"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": json.loads(USER)} for n in range(100)]
    for number, operation in enumerate(operations):
        operation["data"]["userName"] += f"-{number:03}"
    bulk = json.dumps({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}).encode()
    mix = {
        "bulk": [target.request("POST", "/Bulk", bulk)],
        "search": [target.request("GET", "/Users?filter=title%20co%20%22zz%22&count=100") for _ in range(3)],
        "list": [target.request("GET", "/Users?count=100")],
        "read": [target.request("GET", f"/Users/{id_}") for id_ in ids[:8]],
        "create": [target.request("POST", "/Users", USER) for _ in range(4)],
    }
    kinds = [one for kind, some in mix.items() if only in (None, kind) for one in some]
    statuses: Counter[int] = Counter()
    sent = 0

    def following() -> bytes | None:
        nonlocal sent
        if stop():
            return None
        sent += 1
        return numbered(kinds[sent % len(kinds)], first + sent)

    uvloop.run(run("127.0.0.1", target.port, _CLIENTS, following, lambda answer: statuses.update([answer.status])))
    return statuses


def _noise(target: Target, ids: list[str], first: int, only: str | None, stop: Any, said: Any) -> None:
    said.put(noisy(target, ids, first, only, stop.is_set))


def _percentile(found: list[tuple[int, float]], share: float) -> float:
    return sorted(seconds for _, seconds in found)[int(len(found) * share)]


def _compared(*turns: list[tuple[int, float]]) -> str:
    return ", ".join(
        f"p{share * 100:.0f} {' -> '.join(f'{_percentile(found, share) * 1000:.1f}' for found in turns)} ms" for share in (0.5, 0.99)
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.noisy", description="What a noisy tenant does to a quiet one.")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of a turn (default 12)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds (default 4)")
    parser.add_argument("--only", choices=("bulk", "search", "list", "read", "create"), help="noise of one kind")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with servers(2_000, 400, peer=False) as world:
        mine = created(ask_now(world.wide, world.wide.request("POST", "/Users", USER.replace(b"@NUMBER@", b"%08d" % 1))))["id"]
        fresh, turns = FRESH, (list[tuple[int, float]](), list[tuple[int, float]]())
        for turn in range(options.rounds):
            alone = quiet(world.wide, [mine], options.seconds, fresh)
            stop, said = context.Event(), context.Queue()
            other = context.Process(target=_noise, args=(world.ours, world.ours.others, fresh, options.only, stop, said))
            other.start()
            time.sleep(2.0)
            beside = quiet(world.wide, [mine], options.seconds, fresh + 1_000_000)
            stop.set()
            done = said.get()
            other.join()
            fresh += 2_000_000
            failed = Counter(status for status, _ in (*alone, *beside) if status >= 300)
            for all_of_them, some in zip(turns, (alone, beside), strict=True):
                all_of_them.extend(some)
            print(
                f"round {turn + 1}: {_compared(alone, beside)}, quiet refused {dict(failed)}, noisy {dict(done)}",
                flush=True,
            )
        ratios = [_percentile(turns[1], share) / _percentile(turns[0], share) for share in (0.5, 0.99)]
        print(f"{_compared(*turns)}: ratio of p50 {ratios[0]:.2f}, of p99 {ratios[1]:.2f} (goal 2)")


if __name__ == "__main__":
    main()
