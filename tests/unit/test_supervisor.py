"""The supervisor of several processes, without any: how they are replaced when the configuration is read again."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from typing import Any

import pytest

from scimsrv import workers as supervising
from scimsrv.supervisor import Announcing, interruptible, run_here
from scimsrv.workers import Worker, Workers


class _Process:
    """A process that answers at once, unless it is told not to."""

    exitcode: int | None = None
    answers = True

    def __init__(self, *_: Any) -> None:
        self.pid = id(self)
        self.ended = False

    def start(self) -> None:
        """Begin."""

    def is_alive(self, timeout: float = 5) -> bool:
        """Whether it lives."""
        return not self.ended

    def is_ready(self, timeout: float = 5) -> bool:
        """Whether it answers now."""
        return self.answers and not self.ended

    def wait_until_ready(self, timeout: float, should_exit: threading.Event) -> bool:
        """Whether it answers."""
        return self.answers

    def terminate(self) -> None:
        """End it."""
        self.ended = True
        self.exitcode = 0

    kill = terminate

    def join(self) -> None:
        """Wait for its end."""


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Return the supervisor of three processes."""
    monkeypatch.setattr(supervising, "Worker", _Process)
    made = Workers.__new__(Workers)
    made.config, made.sockets, made.should_exit = (
        type("", (), {"timeout_worker_healthcheck": 5, "timeout_graceful_shutdown": 10})(),
        [],
        threading.Event(),
    )
    made.signal_queue, made.processes, made._outdated, made._retired = [], [_Process() for _ in range(3)], [], {}  # type: ignore[misc]
    made.reload = lambda: True
    return made


def test_between_two_that_are_replaced_signals_are_heard(workers: Workers) -> None:
    """One is replaced at each look, so that who is told to end does not go on with the others first."""
    before = list(workers.processes)
    workers.handle_hup()
    assert workers.processes == before
    workers.keep_subprocess_alive()
    assert [new is old for new, old in zip(workers.processes, before, strict=True)] == [False, True, True]
    workers.handle_term()
    workers.keep_subprocess_alive()
    assert workers.processes[1:] == before[1:]


def test_all_are_replaced(workers: Workers) -> None:
    """After as many looks as there are processes, whoever died meanwhile being replaced already."""
    before: list[Any] = list(workers.processes)
    workers.handle_hup()
    before[2].ended = True
    for _ in range(3):
        workers.keep_subprocess_alive()
    assert not set(workers.processes) & set(before)
    assert all(one.ended for one in before)


def test_one_that_takes_its_time_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process on a busy machine is not taken for one that hangs before it has had the time in which it has to answer; one that has
    answered and does so no more is, and one that is gone at once."""
    pings: list[float] = []
    answers = False

    def ping(_: Worker, timeout: float) -> bool:
        pings.append(timeout)
        return answers

    monkeypatch.setattr(Worker, "ping", ping)
    for age, heard, is_there, alive in (
        (10.0, False, True, True),
        (10.0, False, False, False),
        (100.0, False, True, False),
        (10.0, True, True, False),
    ):
        one = Worker.__new__(Worker)
        one.process = type("", (), {"is_alive": lambda _, is_there=is_there: is_there})()
        one._begun, answers = time.monotonic() - age, heard
        if heard:
            assert one.is_alive()
        answers = False
        assert one.is_alive(5) is alive
    assert max(pings[:1]) < 1


def test_one_that_dies_while_it_starts(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the server to answer is told when one that takes the place of that one does, and once."""
    told: list[int] = []
    workers.processes, workers.processes_num, workers.ready = [], 2, lambda: told.append(1)
    monkeypatch.setattr(_Process, "answers", False)
    workers.init_processes()
    before: list[Any] = list(workers.processes)
    before[0].ended = True
    workers.keep_subprocess_alive()
    assert told == []
    monkeypatch.setattr(_Process, "answers", True)
    for _ in range(2):
        workers.keep_subprocess_alive()
    assert (len(before), workers.processes[0] is not before[0], told) == (2, True, [1])


def test_one_that_takes_its_time_to_end(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a process that was replaced ends what it has begun, nothing is waited for, and the next one is not replaced yet."""
    before: list[Any] = list(workers.processes)
    monkeypatch.setattr(_Process, "terminate", lambda _: None)
    workers.handle_hup()
    for _ in range(3):
        workers.keep_subprocess_alive()
    assert [new is old for new, old in zip(workers.processes, before, strict=True)] == [False, True, True]
    before[0].exitcode = 0
    workers.keep_subprocess_alive()
    assert [new is old for new, old in zip(workers.processes, before, strict=True)] == [False, False, True]
    killed: list[int] = []
    before[1].process = type("", (), {"kill": lambda _: killed.append(1)})()
    workers._retired[before[1]] -= 39
    workers.keep_subprocess_alive()
    assert killed == []
    workers._retired[before[1]] -= 2
    workers.keep_subprocess_alive()
    assert killed == [1]


def test_one_that_is_slow_to_take_a_place(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a process that is to take another one's place starts, one that dies is replaced; then it takes the place, and the others
    follow."""
    before: list[Any] = list(workers.processes)
    monkeypatch.setattr(_Process, "answers", False)
    workers.handle_hup()
    workers.keep_subprocess_alive()
    before[1].ended = True
    workers.keep_subprocess_alive()
    assert [new is old for new, old in zip(workers.processes, before, strict=True)] == [True, False, True]
    monkeypatch.setattr(_Process, "answers", True)
    for _ in range(3):
        workers.keep_subprocess_alive()
    assert not set(workers.processes) & set(before)
    assert [one.exitcode for one in workers.processes] == [None] * 3


@pytest.mark.parametrize("ends", ["delay", "at once", "reload", "one less", "the other dies"])
def test_what_happens_while_a_process_starts(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ends: str
) -> None:
    """A process that is to take another one's place is ended when that is not wanted any more, which is no failure of it."""
    before: list[Any] = list(workers.processes)
    monkeypatch.setattr(_Process, "answers", False)
    workers.handle_hup()
    if ends == "one less":
        workers.processes_num, workers._outdated = 3, workers._outdated[::-1]
    workers.keep_subprocess_alive()
    assert workers._starting is not None
    new, old = workers._starting.new, workers._starting.old
    match ends:
        case "delay":
            workers.delay = 300.0
            workers.handle_term()
        case "at once":
            workers.handle_int()
        case "reload":
            workers.handle_hup()
        case "one less":
            workers.handle_ttou()
        case _:
            before[0].ended = True
    workers.keep_subprocess_alive()
    if ends == "at once":
        workers.terminate_all()
    assert new.exitcode == 0
    assert new not in workers.processes
    assert (old in workers.processes) == (ends not in {"one less", "the other dies"})
    assert [one.message for one in caplog.records if "not ready" in one.message] == []


@pytest.mark.parametrize("dies", [False, True])
def test_one_that_does_not_answer(workers: Workers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, dies: bool) -> None:
    """The old ones go on."""
    before = list(workers.processes)
    monkeypatch.setattr(_Process, "answers", False)
    workers.handle_hup()
    workers.keep_subprocess_alive()
    assert workers._starting is not None
    new: Any = workers._starting.new
    if dies:
        new.terminate()
    else:
        workers._starting = workers._starting._replace(until=time.monotonic())
    for _ in range(3):
        workers.keep_subprocess_alive()
    left: Any = workers._starting
    assert (workers.processes, left, new.ended) == (before, None, True)
    assert [one.message.split(":")[0] for one in caplog.records] == [f"the process {new.pid} was not ready in time"]


def test_whoever_is_told_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGHUP while the server is being started does not end it, and is taken when there is one."""
    told: list[bool] = []
    monkeypatch.setattr(Announcing, "run", lambda self, _: told.append(self._stale))
    for early in (True, False):
        with interruptible(), socket.socket() as reserved:
            if early:
                os.kill(os.getpid(), signal.SIGHUP)
            run_here(Announcing(None), reserved)  # type: ignore[arg-type]
    assert told == [True, False]


@pytest.mark.parametrize("several", [False, True])
def test_the_same_signal_by_two_ways(workers: Workers, monkeypatch: pytest.MonkeyPatch, several: bool) -> None:
    """A terminal and a program in between send one signal twice: the delay before the end holds. One that comes later ends the delay."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    one = Announcing(None)  # type: ignore[arg-type]
    one.delay = workers.delay = 30.0
    ends = []
    for later in (0.0, 0.01, 0.9, 0.2):
        clock[0] += later
        if several:
            workers.handle_int()
            ends.append(workers.should_exit.is_set())
        else:
            one.handle_exit(signal.SIGINT, None)
            ends.append(one.should_exit)
    assert ends == [False, False, False, True]
