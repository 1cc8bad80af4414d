"""uvicorn's supervisor of processes, made to say when they answer, to replace them one by one, and to hear signals while they end."""

from __future__ import annotations

import contextlib
import logging
import math
import multiprocessing.connection
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, cast

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from scimsrv.hangup import early
from scimsrv.listeners import ServeError
from scimsrv.supervisor import ONCE, Ending, at_a_terminal, no, nothing

log = logging.getLogger("scimsrv")

#: Seconds in which a process begins to answer.
_READY_SECONDS = 60.0

#: Seconds behind the time that requests in progress have, in which a process puts in order what it has and ends.
_CLOSING_SECONDS = 30.0

#: Seconds between two looks at signals while processes end; and the signals to end.
_TICK = 0.2
_ENDS = frozenset({signal.SIGINT, signal.SIGTERM})


class Worker(Process):
    """A server process, which waits for nothing any more when it gets SIGUSR1 while it ends."""

    _begun = 0.0
    _heard = False

    def start(self) -> None:
        """Begin."""
        self._begun = time.monotonic()
        super().start()

    def _healthcheck(self, timeout: float) -> bool | None:
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            while self.parent_conn.poll():  # what it has answered too late says nothing of now
                self.parent_conn.recv()
        return super()._healthcheck(timeout)

    def is_alive(self, timeout: float = 5) -> bool:
        """Whether it is there and answers within so many seconds; one that has just been started need not answer yet."""
        if not self.process.is_alive():
            return False
        if not self._heard and time.monotonic() - self._begun < _READY_SECONDS:
            self._heard = self.ping(_TICK)
            return True
        return self.ping(timeout)

    @property
    def server(self) -> Ending:
        """The server in the process."""
        if self._server is None:
            self._server = Ending(config=self.config)
        assert isinstance(self._server, Ending)
        return self._server

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """What the process does."""
        signal.signal(signal.SIGUSR1, lambda _number, _frame: self.server.hurry())
        super().target(sockets)

    def hurry(self) -> None:
        """Let it wait for nothing, where it is there still."""
        if self.exitcode is None and self.pid is not None:
            os.kill(self.pid, signal.SIGUSR1)


class _Starting(NamedTuple):
    """A process that is to take the place of another one, and until when it has to answer."""

    new: Worker
    old: Worker
    until: float


class _Told:
    """Whether the supervisor is to end, also by a signal that it has not looked at yet, as uvicorn's waiting asks an event."""

    def __init__(self, supervisor: Workers) -> None:
        self._supervisor = supervisor

    def is_set(self) -> bool:
        return self._supervisor.should_exit.is_set() or not _ENDS.isdisjoint(self._supervisor.signal_queue)


class Workers(Multiprocess):
    """uvicorn's supervisor that says when all of its processes answer, and when it was told to end, as `Announcing` does."""

    ready: Callable[[], None] = staticmethod(nothing)
    leaving: Callable[[], None] = staticmethod(nothing)
    reload: Callable[[], bool] = staticmethod(no)
    delay: float = 0.0

    processes: list[Worker]  # type: ignore[assignment]

    _told_at = -math.inf
    _until: float | None = None
    _announced = False
    _starting: _Starting | None = None
    _outdated: list[Worker]
    _retired: dict[Worker, float]

    def init_processes(self) -> None:
        """Start the processes and wait for them, unless told to end. Should one die, or take longer, `ready` is told when all answer."""
        self._outdated, self._retired = [], {}
        for _ in range(self.processes_num):
            self.processes.append(self._started())
        if all(self._is_ready(process) for process in self.processes):
            self._announce()

    def _announce(self) -> None:
        self._announced = True
        self.ready()

    def _started(self) -> Worker:
        process = Worker(self.config, self.sockets)
        process.start()
        return process

    def _is_ready(self, process: Worker) -> bool:
        told = cast("threading.Event", _Told(self))
        return process.wait_until_ready(_READY_SECONDS, told)

    def terminate_all(self) -> None:
        """Stop the processes. The address is theirs alone by then: what connects when they have left it is refused, not kept waiting."""
        for reserved in self.sockets:
            reserved.close()
        self._give_up()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait for the processes to end; told again to end meanwhile, let them wait for nothing."""
        since = time.monotonic()
        ending = [*self.processes, *self._retired]
        for process in self.processes:
            self._retired[process] = since
        while left := [process.process.sentinel for process in ending if process.exitcode is None]:
            multiprocessing.connection.wait(left, timeout=_TICK)
            self._end_late()
            if time.monotonic() - since > ONCE and not _ENDS.isdisjoint(self.signal_queue):
                for process in ending:
                    process.hurry()
            del self.signal_queue[:]
        for process in ending:
            process.join()

    def handle_int(self) -> None:
        """Take SIGINT."""
        self._leave()

    def handle_term(self) -> None:
        """Take SIGTERM."""
        self._leave()

    def handle_hup(self) -> None:
        """Take SIGHUP: put a process that knows the configuration as it is now in the place of each, one after the other."""
        if at_a_terminal():
            self._leave()
        elif self.reload():
            self._give_up()  # which knows the configuration as it was
            self._outdated = list(self.processes)

    def handle_ttin(self) -> None:
        """Take SIGTTIN: one process more."""
        self.processes_num += 1
        self.processes.append(self._started())

    def handle_ttou(self) -> None:
        """Take SIGTTOU: one process less, but for the last."""
        if self.processes_num > 1:
            self.processes_num -= 1
            self._retire(self.processes.pop())

    def keep_subprocess_alive(self) -> None:
        """Start a process for each that died or hangs, and say so; end when it is time."""
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if not process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                process.kill()
                process.join()
                if process.exitcode == STARTUP_FAILURE:  # the next one would end in the same way
                    log.error("the process %s did not start", process.pid)
                    self.should_exit.set()
                    return
                self.processes[place] = self._started()
                log.error("the process %s died and was replaced by %s", process.pid, self.processes[place].pid)
        self._end_late()
        self._retired = {process: since for process, since in self._retired.items() if process.exitcode is None}
        if self._until is not None and time.monotonic() >= self._until:
            self.should_exit.set()
        if not self._announced and not _Told(self).is_set() and all(process.is_ready(_TICK) for process in self.processes):
            self._announce()
        if self._starting is not None:
            self._follow(self._starting)
        elif self._outdated and not self._retired and self._until is None and not self.should_exit.is_set():
            self._replace(self._outdated.pop(0))

    def _replace(self, old: Worker) -> None:
        """Let a new process take the place of this one, if it is there still, when it answers. Until then, and while the old one ends,
        signals are heard and others that die are replaced."""
        if old in self.processes:
            self._starting = _Starting(self._started(), old, time.monotonic() + _READY_SECONDS)
            self._follow(self._starting)

    def _follow(self, starting: _Starting) -> None:
        """Look at a process that is to take the place of another one."""
        new, old = starting.new, starting.old
        if self._until is not None or old not in self.processes:
            self._give_up()
        elif new.is_ready(_TICK):
            self._starting = None
            self.processes[self.processes.index(old)] = new
            self._retire(old)
        elif new.exitcode is not None or time.monotonic() >= starting.until:
            self._give_up()
            log.error("the process %s was not ready in time: %s and those behind it go on as they are", new.pid, old.pid)
            self._outdated = []

    def _give_up(self) -> None:
        """End a process that was to take the place of another one, where there is one."""
        if self._starting is not None:
            self._starting.new.kill()
            self._starting.new.join()
            self._starting = None

    def _retire(self, process: Worker) -> None:
        """Let a process end what it has begun."""
        process.terminate()
        self._retired[process] = time.monotonic()

    def _end_late(self) -> None:
        """End processes that should have ended by themselves long ago."""
        latest = time.monotonic() - (self.config.timeout_graceful_shutdown or 0) - _CLOSING_SECONDS
        for process, since in self._retired.items():
            if since < latest and process.exitcode is None:
                log.error("the process %s did not end in time and is killed", process.pid)
                process.process.kill()

    def _leave(self) -> None:
        self.leaving()
        now = time.monotonic()
        if self.delay and self._until is None:
            self._told_at, self._until = now, now + self.delay
        elif now - self._told_at > ONCE:
            self.should_exit.set()


def run_workers(supervisor: Workers) -> None:
    """Serve in processes of their own until told to end. Raises ServeError when the application does not start."""
    if early.is_set():
        supervisor.signal_queue.append(signal.SIGHUP)
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise ServeError("The application did not start; the reason is above.")
