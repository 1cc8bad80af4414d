"""python -m bench.activity [--seconds S] [--rounds N] [--users N]: what the log of requests costs, as ratios taken by turns.

Two servers on one database, of which one keeps the log. Beside the throughput it says what a request takes of the processors, server and
Postgres together, the writing of the log included: on a machine that has other work that is the more telling one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from bench.data import USER, user_name
from bench.load import Generator, Load
from bench.processes import UNHURRIED, running
from bench.servers import give_token
from bench.world import FRESH, Target, fill
from scimsrv.embedded import start_cluster
from scimsrv.keys import new_key
from scimsrv.store.migrate import migrate
from scimsrv.store.tenants import create_tenant

_SLUG: Final = "bench"
_CONNECTIONS: Final = 8
_TICKS: Final = os.sysconf("SC_CLK_TCK")

#: Seconds after a turn in which what is queued is written.
_AFTER: Final = 0.8

#: Seconds in which it is looked at what the processes take while nothing is asked of them.
_IDLE: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Side:
    target: Target
    pid: int


@contextmanager
def _servers(users: int) -> Iterator[tuple[dict[str, _Side], int]]:
    """The servers without and with the log, with so many users of one tenant; and the process of Postgres."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="scimsrv-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        cluster = start_cluster(folder / "postgres")
        stack.callback(cluster.stop)
        key = new_key()
        token = asyncio.run(_prepare(cluster.dsn, key))
        shared = {
            "SCIMSRV_SECRET_KEY": key,
            "SCIMSRV_DATA_DIR": str(folder),
            "SCIMSRV_DATABASE_URL": cluster.dsn,
            "SCIMSRV_METRICS_PORT": "0",
        } | UNHURRIED
        arguments = ["-m", "scimsrv", "serve", "--no-admin", "--port", "{port}"]
        sides = {}
        for name, kept in (("without", "false"), ("with", "true")):
            process = stack.enter_context(running(arguments, shared | {"SCIMSRV_ACTIVITY": kept}))
            sides[name] = _Side(Target(process.port, f"/scim/{_SLUG}/v2", token), process.pid)
        first = sides["without"].target
        asyncio.run(fill(first, users // 2, users - users // 2))
        filled = {name: replace(one, target=replace(one.target, users=first.users, others=first.others)) for name, one in sides.items()}
        yield filled, int((folder / "postgres" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])


async def _prepare(dsn: str, key: str) -> str:
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        return await give_token(connection, (await create_tenant(connection, _SLUG)).id, key)
    finally:
        await connection.close()


def _questions(target: Target, users: int) -> dict[str, tuple[bytes, ...]]:
    names = (quote(f'userName eq "{user_name(number)}"') for number in range(0, users, 7))
    return {
        "GET by id": tuple(target.request("GET", f"/Users/{id_}") for id_ in target.others[:500]),
        "userName eq": tuple(target.request("GET", f"/Users?filter={name}") for name in names),
        "POST": (target.request("POST", "/Users", USER),),
    }


def _processor(*pids: int) -> float:
    """Seconds of the processors that these processes and their children have taken, those that ended included."""
    ticks = 0
    for pid in pids:
        for path in (Path(f"/proc/{pid}/stat"), *(Path(f"/proc/{child}/stat") for child in _children(pid))):
            try:
                fields = path.read_text(encoding="ascii").rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.activity", description="What the log of recent requests costs.")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a turn (default 1.5)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per question (default 5)")
    parser.add_argument("--users", type=int, default=2_000, help="users of the tenant (default 2000)")
    options = parser.parse_args()
    fresh = FRESH
    with _servers(options.users) as (sides, postgres), Generator() as generator:
        asked = {name: _questions(one.target, options.users) for name, one in sides.items()}
        before = _processor(sides["with"].pid, postgres)
        time.sleep(_IDLE)
        idle = (_processor(sides["with"].pid, postgres) - before) / _IDLE
        print(f"{'':14} {'without':>12} {'with':>12} {'throughput':>11} {'processor':>11} {'ratio':>7}")
        for question in asked["with"]:
            rates: dict[str, list[float]] = {name: [] for name in sides}
            taken, sent = dict.fromkeys(sides, 0.0), dict.fromkeys(sides, 0)
            for turn in range(-1, options.rounds):
                for name in (*sides,) if turn % 2 else (*reversed(sides),):
                    target = sides[name].target
                    seconds = options.seconds if turn >= 0 else 0.3
                    before, begun = _processor(sides[name].pid, postgres), time.monotonic()
                    found = generator.put(Load(target.port, asked[name][question], _CONNECTIONS, seconds, None, fresh))
                    time.sleep(_AFTER)
                    fresh += found.sent
                    if turn >= 0:
                        rates[name].append(found.per_second)
                        taken[name] += _processor(sides[name].pid, postgres) - before - idle * (time.monotonic() - begun)
                        sent[name] += found.sent
            speed = statistics.median(b / a for a, b in zip(rates["without"], rates["with"], strict=True))
            each = {name: taken[name] / sent[name] for name in sides}
            shown = [f"{statistics.median(rates[name]):10.0f}/s" for name in ("without", "with")]
            print(
                f"{question:14} {' '.join(shown)} {speed:11.3f} {each['without'] * 1e6:8.0f} µs {each['with'] / each['without']:7.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
