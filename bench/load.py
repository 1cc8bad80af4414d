"""A load, and the process that puts it on a server: the generator never shares an interpreter with what it measures."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import uvloop

from bench.client import Answer, numbered, run


@dataclass(frozen=True, slots=True)
class Load:
    """Requests in turn, over `connections`, for `seconds` or until `limit` requests were sent; the n-th carries the number first + n.

    `kinds`: the n-th request is of kind n modulo this number; kinds are told apart over one connection only.
    """

    port: int
    requests: tuple[bytes, ...]
    connections: int
    seconds: float
    limit: int | None = None
    first: int = 0
    kinds: int = 1


@dataclass(frozen=True, slots=True)
class Measure:
    """What came of a load: `sent` requests in `seconds`, latencies in seconds, the median also by kind, and one refused
    answer where there were any."""

    sent: int
    seconds: float
    median: float
    p99: float
    statuses: dict[int, int]
    refused: str | None
    medians: tuple[float, ...] = ()

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return self.sent / self.seconds


def _measure(load: Load) -> Measure:
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    refused: list[str] = []
    sent = 0
    started = time.perf_counter()
    end = started + load.seconds

    def following() -> bytes | None:
        nonlocal sent
        # One of each kind is asked however busy the machine is: there is no median of nothing.
        if (load.limit is not None and sent >= load.limit) or (sent >= load.kinds and time.perf_counter() >= end):
            return None
        request = numbered(load.requests[sent % len(load.requests)], load.first + sent)
        sent += 1
        return request

    def answered(answer: Answer) -> None:
        latencies.append(answer.seconds)
        statuses[answer.status] += 1
        if answer.status >= 400 and not refused:
            refused.append(f"{answer.status} {answer.body[:300].decode('utf-8', 'replace')}")

    uvloop.run(run("127.0.0.1", load.port, load.connections, following, answered))
    seconds = time.perf_counter() - started
    medians = tuple(statistics.median(latencies[kind :: load.kinds]) for kind in range(min(load.kinds, sent)))
    latencies.sort()
    p99 = latencies[int(len(latencies) * 0.99)]
    return Measure(sent, seconds, statistics.median(latencies), p99, dict(statuses), next(iter(refused), None), medians)


def _serve(pipe: Connection) -> None:
    while (load := pipe.recv()) is not None:
        try:
            pipe.send(_measure(load))
        except Exception as problem:  # the caller has to hear of it, whatever it is
            pipe.send(RuntimeError(f"{type(problem).__name__}: {problem}"))


class Generator:
    """The load generator's process; a context manager."""

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._pipe.send(None)
        else:
            self._process.terminate()
        self._process.join()

    def put(self, load: Load) -> Measure:
        """Put the load on its server. Raises RuntimeError when the server refused a request or closed a connection."""
        self._pipe.send(load)
        outcome = self._pipe.recv()
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, Measure)
        if outcome.refused is not None:
            raise RuntimeError(f"answers {outcome.statuses} where only successes count: {outcome.refused}")
        return outcome
