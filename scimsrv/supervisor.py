"""uvicorn's server and its supervisor of processes, made to say when they answer and when they are about to end."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from scimsrv.listeners import ServeError

log = logging.getLogger("scimsrv")

#: Seconds in which a process begins to answer.
_READY_SECONDS = 60.0

#: SIGHUP came before there was a server.
_early = threading.Event()


def _nothing() -> None:
    """Nobody wants to know."""


def _no() -> bool:
    """Nothing is read again."""
    return False


class Announcing(uvicorn.Server):
    """uvicorn's server that says when it answers, and when it was told to end; it goes on answering for `delay` seconds then, unless it
    is told again."""

    ready: Callable[[], None] = staticmethod(_nothing)
    leaving: Callable[[], None] = staticmethod(_nothing)
    reload: Callable[[], bool] = staticmethod(_no)
    delay: float = 0.0

    _told: tuple[int, float] | None = None
    _stale = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            self.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to end."""
        self.leaving()
        if self.delay and self._told is None:
            self._told = (sig, time.monotonic() + self.delay)
        else:
            super().handle_exit(sig, frame)

    def outdated(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal to read the configuration again."""
        self._stale = True

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now."""
        if self._stale:
            self._stale = False
            self.reload()
        if self._told is not None and not self.should_exit and time.monotonic() >= self._told[1]:
            super().handle_exit(self._told[0], None)
        return await super().on_tick(counter)


class Workers(Multiprocess):
    """uvicorn's supervisor that says when all of its processes answer, and when it was told to end, as `Announcing` does."""

    ready: Callable[[], None] = staticmethod(_nothing)
    leaving: Callable[[], None] = staticmethod(_nothing)
    reload: Callable[[], bool] = staticmethod(_no)
    delay: float = 0.0

    _until: float | None = None
    _outdated: list[Process]

    def init_processes(self) -> None:
        """Start the processes and wait for them."""
        self._outdated = []
        super().init_processes()
        if all(process.wait_until_ready(_READY_SECONDS, self.should_exit) for process in self.processes):
            self.ready()

    def terminate_all(self) -> None:
        """Stop the processes. The address is theirs alone by then: what connects when they have left it is refused, not kept waiting."""
        for reserved in self.sockets:
            reserved.close()
        super().terminate_all()

    def handle_int(self) -> None:
        """Take SIGINT."""
        self._leave()

    def handle_term(self) -> None:
        """Take SIGTERM."""
        self._leave()

    def handle_hup(self) -> None:
        """Take SIGHUP: put a process that knows the configuration as it is now in the place of each, one after the other."""
        if _at_a_terminal():
            self._leave()
        elif self.reload():
            self._outdated = list(self.processes)

    def keep_subprocess_alive(self) -> None:
        """Start a process for each that died, and say so; end when it is time."""
        before = [process.pid for process in self.processes]
        super().keep_subprocess_alive()
        for pid, process in zip(before, self.processes, strict=False):
            if process.pid != pid:
                log.error("the process %s died and was replaced by %s", pid, process.pid)
        if self._until is not None and time.monotonic() >= self._until:
            self.should_exit.set()
        if self._outdated and self._until is None and not self.should_exit.is_set():
            self._replace(self._outdated.pop(0))

    def _replace(self, old: Process) -> None:
        """Let a new process take the place of this one, if it is there still. Between two of them signals are heard."""
        if old not in self.processes:
            return
        new = Process(self.config, self.sockets)
        new.start()
        if not new.wait_until_ready(_READY_SECONDS, self.should_exit):
            new.kill()
            new.join()
            log.error("the process %s was not ready in time: %s and those behind it go on as they are", new.pid, old.pid)
            self._outdated = []
            return
        old.terminate()
        old.join()
        self.processes[self.processes.index(old)] = new

    def _leave(self) -> None:
        self.leaving()
        if self.delay and self._until is None:
            self._until = time.monotonic() + self.delay
        else:
            self.should_exit.set()


def _at_a_terminal() -> bool:
    """Whether SIGHUP says that the terminal is closed, so that nobody could stop the server any more."""
    return sys.stdin is not None and sys.stdin.isatty()


def run_here(server: Announcing, reserved: socket.socket) -> None:
    """Serve in this process until told to end. Raises ServeError when the application does not start."""
    hung_up = server.handle_exit if _at_a_terminal() else server.outdated
    signal.signal(signal.SIGHUP, hung_up)
    if _early.is_set():
        hung_up(signal.SIGHUP, None)
    try:
        # uvicorn raises the signal again that stopped it, after the orderly end.
        with contextlib.suppress(KeyboardInterrupt):
            server.run([reserved])
    except SystemExit:
        raise ServeError("The application did not start; the reason is above.") from None


def run_workers(supervisor: Workers) -> None:
    """Serve in processes of their own until told to end. Raises ServeError when the application does not start."""
    if _early.is_set():
        supervisor.signal_queue.append(signal.SIGHUP)
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise ServeError("The application did not start; the reason is above.")


@contextlib.contextmanager
def beside(server: Announcing, reserved: socket.socket, name: str, seconds: float) -> Iterator[None]:
    """Serve beside the block, in a thread with an event loop of its own."""
    answers = threading.Event()
    server.ready = answers.set
    thread = threading.Thread(target=_run_until_told, args=(server, reserved, answers), name=name)
    thread.start()
    try:
        if not answers.wait(seconds) or not server.started:
            raise ServeError(f"The listener for {name} did not start; the reason is above.")
        yield
    finally:
        server.should_exit = True
        thread.join()


def _run_until_told(server: uvicorn.Server, reserved: socket.socket, ended: threading.Event) -> None:
    try:
        with contextlib.suppress(SystemExit):  # its lifespan failed, and was logged
            server.run([reserved])
    finally:
        ended.set()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM into what Ctrl-C does inside the block, and let neither disturb the tidying behind it. SIGHUP before there is a server
    that takes it is kept for it, and does not end the start."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def keep(number: int, frame: FrameType | None) -> None:
        _early.set()

    _early.clear()
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, keep)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Let the end of the program not be cut short by another Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
