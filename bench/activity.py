"""python -m bench.activity [--slices N] [--seconds S]: what the log of recent requests costs, as ratios of short slices taken by turns.

One application, asked in this process, has the log in every other slice: the throughput is the median of the ratios of neighbouring
slices, so that what else the machine does falls on both sides; behind ± is its standard error. What the log takes of the processors, of
this process and of Postgres together, is too little to be seen so: the requests of a slice are recorded, written and trimmed again as a
server does it, which is set against what a request takes without the log. A server that speaks HTTP has more to do for each, so that the
share is less.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson

from bench.data import user_name
from bench.servers import database, give_token
from scimsrv.app import App
from scimsrv.keys import new_key
from scimsrv.observing import Served
from scimsrv.recorder import FULL, INTERVAL
from scimsrv.settings import Settings
from scimsrv.store.migrate import migrate
from scimsrv.store.tenants import create_tenant

_SLUG: Final = "bench"
_TASKS: Final = 8
_MANY: Final = 1_000_000
_USERS: Final = 1_000

#: A request: its method, its path below the tenant, and its body.
_Request = tuple[str, str, bytes]


def _processor(postgres: int) -> float:
    """Seconds of the processors that this process and those of Postgres have taken."""
    children = Path(f"/proc/{postgres}/task/{postgres}/children").read_text(encoding="ascii").split()
    taken = 0
    for pid in (str(postgres), *children):
        try:
            taken += int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])
        except OSError:
            continue
    return time.process_time() + taken / 1e9


class _Asking:
    """Sends requests to the application itself."""

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/scim+json")]
        self._headers.append((b"user-agent", b"Okta SCIM Client 1.0.0"))
        self.bodies: list[bytes] = []

    async def __call__(self, request: _Request) -> None:
        method, path, body = request
        path, _, query = f"/scim/{_SLUG}/v2{path}".partition("?")
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}
        scope |= {"headers": self._headers, "client": ("127.0.0.1", 1), "scheme": "http"}

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            assert message.get("status", 200) < 300, message
            if message.get("body"):
                self.bodies.append(message["body"])

        await self._app(scope, receive, send)

    async def all(self, requests: Iterator[_Request], number: int) -> None:
        """Send so many, some at a time."""
        self.bodies.clear()

        async def several() -> None:
            for request in itertools.islice(requests, number // _TASKS):
                await self(request)

        await asyncio.gather(*(several() for _ in range(_TASKS)))


def _user(number: int) -> bytes:
    return orjson.dumps({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": user_name(number), "active": True})


def _questions(ids: list[str]) -> dict[str, Iterator[_Request]]:
    patch = orjson.dumps({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "path": "title"}]})

    def titled(number: int) -> bytes:
        return patch.replace(b'"title"', b'"title","value":"%d"' % number)

    return {
        "GET by id": (("GET", f"/Users/{ids[number % _USERS]}", b"") for number in itertools.count()),
        "POST": (("POST", "/Users", _user(number)) for number in itertools.count(_USERS)),
        "PATCH": (("PATCH", f"/Users/{ids[number % _USERS]}", titled(number)) for number in itertools.count()),
    }


async def _measure(app: App, ask: _Asking, postgres: int, slices: int, seconds: float) -> None:
    await ask.all((("POST", "/Users", _user(one)) for one in range(_USERS)), _USERS)
    ids = [orjson.loads(body)["id"] for body in ask.bodies]
    print(f"{'':10} {'without':>9} {'with':>9} {'ratio':>14} {'processor':>10} {'the log':>10} {'share':>7}")
    for name, requests in _questions(ids).items():
        rates: dict[bool, list[float]] = {False: [], True: []}
        taken: list[float] = []
        served: list[Served] = []
        app.record, begun = served.append, time.perf_counter()
        await ask.all(requests, _USERS)
        number = max(int(_USERS * seconds / (time.perf_counter() - begun)), _TASKS)
        for turn in range(2 * slices):
            kept = turn % 4 in (1, 2)
            app.record = app.recorder.add if kept else None
            before, begun = _processor(postgres), time.perf_counter()
            await ask.all(requests, number)
            await app.recorder.flush()
            rates[kept].append(number / (time.perf_counter() - begun))
            if not kept:
                taken.append((_processor(postgres) - before) / number)
        again = [served[place % len(served)] for place in range(number)]
        own = statistics.median([await _recorded(app, postgres, again) for _ in range(slices)])
        shown = [f"{statistics.median(rates[kept]):7.0f}/s" for kept in (False, True)]
        base = statistics.median(taken)
        print(f"{name:10} {' '.join(shown)} {_compared(rates)} {base * 1e6:7.0f} µs {own * 1e6:7.1f} µs {own / base:7.1%}", flush=True)


async def _recorded(app: App, postgres: int, served: list[Served]) -> float:
    """Seconds of the processors that the log takes for each of these requests, from when they are served."""
    before = _processor(postgres)
    for place, one in enumerate(served, 1):
        app.recorder.add(Served(time.time(), *one[1:]))
        if place % FULL == 0:
            await app.recorder.flush()
    await app.recorder.flush()
    return (_processor(postgres) - before) / len(served)


def _compared(measured: dict[bool, list[float]]) -> str:
    """The median of the ratios of neighbouring slices, with and without the log, and its standard error."""
    ratios = [one / other for one, other in zip(measured[True], measured[False], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:7.3f} ±{1.253 * (high - low) / 1.349 / len(ratios) ** 0.5:.3f}"


async def _run(dsn: str, postgres: int, slices: int, seconds: float) -> None:
    await migrate(dsn)
    key = new_key()
    connection = await asyncpg.connect(dsn)
    token = await give_token(connection, (await create_tenant(connection, _SLUG)).id, key)
    await connection.close()
    rates = {"token_rate": _MANY, "token_burst": _MANY, "tenant_rate": _MANY, "tenant_burst": _MANY}
    app = App(Settings.model_validate({"database_url": dsn, "secret_key": key, "activity": False} | rates))
    await app.open()
    app.recorder.start()
    try:
        await _measure(app, _Asking(app, token), postgres, slices, seconds)
    finally:
        await app.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.activity", description="What the log of recent requests costs.")
    parser.add_argument("--slices", type=int, default=40, help="slices of each kind (default 40)")
    parser.add_argument("--seconds", type=float, default=INTERVAL, help=f"seconds that a slice takes, about (default {INTERVAL})")
    options = parser.parse_args()
    with database() as (folder, cluster):
        postgres = int((folder / "postgres" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        asyncio.run(_run(cluster.dsn, postgres, options.slices, options.seconds))


if __name__ == "__main__":
    main()
