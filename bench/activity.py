"""python -m bench.activity [--slices N] [--seconds S] [--only KIND]: what the log of recent requests costs a server, by turns.

One server process is asked over HTTP by eight clients, so that it has no time to spare, and has the log in every other slice. Compared are
neighbouring slices, so that what else the machine does falls on both sides: by the requests answered in a second, and by the seconds of
the processors that the server, and Postgres, took for a request, which say what the throughput would be on a machine of its own. Behind ±
is the standard error of the median.

Less than such slices can show is shown by itself: the same requests are recorded, written and trimmed again in this process, and what that
takes of both processors is set against what a request took without the log.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
import uvloop

from bench.client import Answer, encode, run
from bench.data import user_name
from bench.processes import UNHURRIED, Running, running
from bench.servers import database, give_token
from scimsrv.app import App
from scimsrv.keys import new_key
from scimsrv.observing import Served
from scimsrv.recorder import FULL, INTERVAL
from scimsrv.settings import Settings
from scimsrv.store.migrate import migrate
from scimsrv.store.tenants import create_tenant

_SLUG: Final = "bench"
_BASE: Final = f"/scim/{_SLUG}/v2"
_CLIENTS: Final = 8
_USERS: Final = 1_000

#: A request: its method, its path below the tenant, and its body.
_Request = tuple[str, str, bytes]

#: Of a slice, in seconds for a request: the time, and what the server and Postgres took of the processors.
_Slice = tuple[float, float, float]
_NAMES: Final = ("throughput", "server", "Postgres")


def _taken(*processes: int) -> float:
    """Seconds of the processors that these processes have taken, with their threads."""
    seconds = 0
    for process in processes:
        for task in Path(f"/proc/{process}/task").glob("*/schedstat"):
            seconds += int(task.read_text(encoding="ascii").split()[0])
    return seconds / 1e9


def _postgres(postmaster: int) -> list[int]:
    return [postmaster, *map(int, Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii").split())]


def _user(number: int) -> bytes:
    return orjson.dumps({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": user_name(number), "active": True})


def _questions(ids: list[str]) -> dict[str, Iterator[_Request]]:
    patch = orjson.dumps({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "path": "title"}]})

    def titled(number: int) -> bytes:
        return patch.replace(b'"title"', b'"title","value":"%d"' % number)

    return {
        "GET": (("GET", f"/Users/{ids[number % _USERS]}", b"") for number in itertools.count()),
        "POST": (("POST", "/Users", _user(number)) for number in itertools.count(_USERS)),
        "PATCH": (("PATCH", f"/Users/{ids[number % _USERS]}", titled(number)) for number in itertools.count()),
    }


class _Asking:
    """Sends requests to the server, and to an application in this process."""

    def __init__(self, server: Running, app: App, token: str) -> None:
        self._server = server
        self._app = app
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "Okta SCIM Client 1.0.0"}

    def many(self, requests: Iterator[_Request], number: int) -> list[Answer]:
        """Send so many over HTTP; returns the answers."""
        encoded = iter([encode(one[0], _BASE + one[1], "bench", self._headers, one[2]) for one in itertools.islice(requests, number)])
        answers: list[Answer] = []
        uvloop.run(run("127.0.0.1", self._server.port, _CLIENTS, lambda: next(encoded, None), answers.append))
        assert {answer.status // 100 for answer in answers} == {2}
        return answers

    def switch(self, *, on: bool) -> None:
        """Have the log or not; what it has is written."""
        path = "on" if on else "off"
        urllib.request.urlopen(f"http://127.0.0.1:{self._server.port}/{path}", data=b"").close()

    async def served(self, requests: Iterator[_Request], number: int) -> list[Served]:
        """What the log is given of so many requests, sent to the application itself."""
        found: list[Served] = []
        self._app.record = found.append
        for method, path, body in itertools.islice(requests, number):
            await self._one(method, _BASE + path, body)
        return found

    async def _one(self, method: str, path: str, body: bytes) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in self._headers.items()]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http"}
        scope |= {"headers": [*headers, (b"content-type", b"application/scim+json")], "client": ("127.0.0.1", 1)}

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            assert message.get("status", 200) < 300, message

        await self._app(scope, receive, send)


def _slices(ask: _Asking, server: int, postmaster: int, requests: Iterator[_Request], number: int, slices: int) -> list[list[_Slice]]:
    """Slices without the log, and slices with it, in pairs."""
    found: list[list[_Slice]] = [[], []]
    for turn in range(2 * slices):
        on = turn % 4 in (1, 2)
        ask.switch(on=on)
        before, postgres, begun = _taken(server), _postgres(postmaster), time.perf_counter()
        asked = _taken(*postgres)
        ask.many(requests, number)
        seconds = time.perf_counter() - begun
        ask.switch(on=False)
        found[on].append((seconds / number, (_taken(server) - before) / number, (_taken(*postgres) - asked) / number))
    return found


async def _alone(ask: _Asking, app: App, postmaster: int, requests: Iterator[_Request], times: int) -> float:
    """Seconds of the processors that the log takes for each of some requests, from when they are served."""
    served = await ask.served(requests, _USERS)
    found = []
    for _ in range(times):
        postgres = _postgres(postmaster)
        before = time.process_time() + _taken(*postgres)
        for place, one in enumerate(served, 1):
            app.recorder.add(Served(time.time(), *one[1:]))
            if place % FULL == 0:
                await app.recorder.flush()
        found.append((time.process_time() + _taken(*postgres) - before) / len(served))
    return statistics.median(found)


def _compared(without: list[float], having: list[float]) -> str:
    """The median of the ratios of neighbours, and its standard error."""
    ratios = [one / other for one, other in zip(without, having, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} ±{1.253 * (high - low) / 1.349 / len(ratios) ** 0.5:.3f}"


async def _tenant(dsn: str, key: str) -> str:
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        return await give_token(connection, (await create_tenant(connection, _SLUG)).id, key)
    finally:
        await connection.close()


def _measure(server: Running, token: str, settings: Settings, postmaster: int, options: argparse.Namespace) -> None:
    app = App(settings)
    ask = _Asking(server, app, token)
    made = ask.many((("POST", "/Users", _user(number)) for number in itertools.count()), _USERS)
    questions = _questions([orjson.loads(answer.body)["id"] for answer in made])
    print(f"{'':6} {'without':>9} {'with':>9}   " + "   ".join(f"{name:>13}" for name in _NAMES) + f"   {'by itself':>19}")
    for name in options.only or questions:
        begun = time.perf_counter()
        ask.many(questions[name], _USERS)
        number = max(int(_USERS * options.seconds / (time.perf_counter() - begun)), _CLIENTS)
        pairs = _slices(ask, server.pid, postmaster, questions[name], number, options.slices)
        rates = [f"{1 / statistics.median(one[0] for one in kind):7.0f}/s" for kind in pairs]
        ratios = [_compared([one[place] for one in pairs[0]], [one[place] for one in pairs[1]]) for place in range(len(_NAMES))]
        own = asyncio.run(_by_itself(ask, app, postmaster, questions[name], options.slices))
        base = statistics.median(one[1] + one[2] for one in pairs[0])
        print(f"{name:6} {' '.join(rates)}   {'   '.join(ratios)}   {own * 1e6:5.1f} µs of {base * 1e6:4.0f}, {own / base:.1%}", flush=True)


async def _by_itself(ask: _Asking, app: App, postmaster: int, requests: Iterator[_Request], times: int) -> float:
    await app.open()
    try:
        return await _alone(ask, app, postmaster, requests, times)
    finally:
        await app.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.activity", description="What the log of recent requests costs.")
    parser.add_argument("--slices", type=int, default=40, help="slices of each kind (default 40)")
    parser.add_argument("--seconds", type=float, default=INTERVAL, help=f"seconds that a slice takes, about (default {INTERVAL})")
    parser.add_argument("--only", action="append", choices=("GET", "POST", "PATCH"), help="repeatable: requests of this kind")
    options = parser.parse_args()
    with database() as (folder, cluster):
        postmaster = int((folder / "postgres" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        key = new_key()
        token = asyncio.run(_tenant(cluster.dsn, key))
        environment = {"SCIMSRV_DATABASE_URL": cluster.dsn, "SCIMSRV_SECRET_KEY": key} | UNHURRIED
        given = {name.removeprefix("SCIMSRV_").lower(): value for name, value in environment.items()}
        settings = Settings.model_validate(given | {"activity": False})
        with running(["-m", "bench.switched", "{port}"], environment) as server:
            _measure(server, token, settings, postmaster, options)


if __name__ == "__main__":
    main()
