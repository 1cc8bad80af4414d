"""What monitoring asks, asked by several at once and of a server whose processes are gone."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from scimsrv import serve
from scimsrv.board import Board
from scimsrv.guard import GuardedProtocol
from scimsrv.monitor import SLUGGISH, STUCK, Condition, MonitorApp
from scimsrv.settings import load_settings
from scimsrv.store.liveness import Seen, Watcher
from scimsrv.supervisor import Announcing


class _OneAtATime:
    """A watcher whose connection bears one question at a time, as the driver's does."""

    def __init__(self) -> None:
        self.looks = 0
        self._busy = False

    async def look(self) -> Seen:
        self.looks += 1
        busy, self._busy = self._busy, True
        await asyncio.sleep(0.01)
        self._busy = False
        return Seen(not busy, 1)


async def test_several_that_ask_at_once_have_one_look() -> None:
    """Probes and scrapes that come together are answered by the same look at the database."""
    app = MonitorApp("", Condition(Board(None)), None, cast("Any", None))
    watcher = _OneAtATime()
    app._watcher = cast("Watcher", watcher)
    assert {seen.answers for seen in await asyncio.gather(*(app._look() for _ in range(5)))} == {True}
    assert watcher.looks == 1


def test_a_server_without_processes_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once requests were answered, processes that are gone and do not come back are as bad as ones that hang."""
    now = 100.0
    board = Board(None)
    condition = Condition(board, _clock=lambda: now)
    beats: list[float] = []
    monkeypatch.setattr(board, "beats", lambda: beats)
    assert condition.quiet() == 0.0
    condition.start()
    beats = [101.0, 103.0]
    now = 104.0
    assert condition.quiet() == 1.0
    beats = []
    now = 103.0 + SLUGGISH
    assert condition.quiet() == SLUGGISH
    now = 103.0 + STUCK
    assert condition.quiet() == STUCK
    beats = [now]
    assert condition.quiet() == 0.0


async def test_a_clock_that_is_set_back_stops_no_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop shows that it turns, whatever the clock on the wall says."""
    beats = []

    async def beat() -> None:
        beats.append(1)

    config = serve._config(load_settings({}, {}), None, GuardedProtocol, 1, notify=beat)
    monkeypatch.setattr(config, "encoded_headers", [], raising=False)
    server = Announcing(config)
    await server.on_tick(0)
    server.last_notified += 3_600.0  # as after a step of the clock by an hour
    await server.on_tick(0)
    assert len(beats) == 2
