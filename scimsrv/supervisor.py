"""uvicorn's server, made to say when it answers and when it is about to end, and the signals of the process that it runs in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import uvicorn

from scimsrv.guard import GuardedProtocol
from scimsrv.hangup import early, keep
from scimsrv.listeners import ServeError

log = logging.getLogger("scimsrv")

#: Seconds within which a signal to end is the same as the one before: some come from the terminal and from a program in between.
ONCE: Final = 1.0


def nothing() -> None:
    """Nobody wants to know."""


def no() -> bool:
    """Nothing is read again."""
    return False


class Ending(uvicorn.Server):
    """uvicorn's server that can be told not to wait any more for what is in progress when it ends. What belongs to the application is put
    in order all the same."""

    _hurried = False

    def hurry(self) -> None:
        """End what is in progress."""
        self._hurried = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to end; any more are nothing to a process of several, as its supervisor has them, too."""
        super().handle_exit(signal.SIGTERM if self.should_exit else sig, frame)

    async def _wait_tasks_to_complete(self) -> None:
        waiting = asyncio.ensure_future(super()._wait_tasks_to_complete())
        try:
            while not waiting.done() and not self._hurried:
                await asyncio.wait({waiting}, timeout=0.1)
            if waiting.done():
                return await waiting
        finally:
            waiting.cancel()
            for connection in list(self.server_state.connections):
                if isinstance(connection, GuardedProtocol):
                    connection.give_up()
        log.warning("told again to end: what is in progress is given up")
        raise TimeoutError  # as if the time for it were over


class Announcing(Ending):
    """A server that says when it answers, and when it was told to end; it goes on answering for `delay` seconds then, unless it is told
    again. Told once more, it waits for nothing."""

    ready: Callable[[], None] = staticmethod(nothing)
    leaving: Callable[[], None] = staticmethod(nothing)
    reload: Callable[[], bool] = staticmethod(no)
    delay: float = 0.0

    _told: tuple[int, float] | None = None
    _since = -math.inf
    _stale = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            self.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to end."""
        self.leaving()
        now = time.monotonic()
        if now - self._since <= ONCE:
            return  # it is the one before, by another way
        if self.delay and self._told is None:
            self._told, self._since = (sig, now + self.delay), now
            return
        if self.should_exit:
            self.hurry()
        else:
            self._since = now
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


def at_a_terminal() -> bool:
    """Whether SIGHUP says that the terminal is closed, so that nobody could stop the server any more."""
    return sys.stdin is not None and sys.stdin.isatty()


def run_here(server: Announcing, reserved: socket.socket) -> None:
    """Serve in this process until told to end. Raises ServeError when the application does not start."""
    hung_up = server.handle_exit if at_a_terminal() else server.outdated
    signal.signal(signal.SIGHUP, hung_up)
    if early.is_set():
        hung_up(signal.SIGHUP, None)
    try:
        # uvicorn raises the signal again that stopped it, after the orderly end.
        with contextlib.suppress(KeyboardInterrupt):
            server.run([reserved])
    except SystemExit:
        raise ServeError("The application did not start; the reason is above.") from None


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

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, keep)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        early.clear()


def ignore_signals() -> None:
    """Let the end of the program not be cut short by another Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
