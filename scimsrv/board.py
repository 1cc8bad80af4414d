"""What the processes of a server leave for each other: files of counters, and the pulse of each event loop.

With one process all of it is in memory. With several it is a directory in shared memory: each process that serves holds the lock of a
slot for as long as it lives, whoever comes after one that died takes over its slot, and with it its counters, so that nothing is lost and
nothing grows.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

_PREFIX: Final = "scimsrv-"
_HELD: Final = "held"
_CLAIMS: Final = "claims"
_PULSE: Final = struct.Struct("d")


class Pulse:
    """Shows that an event loop turns."""

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self._file = file  # kept open: its lock is the slot
        self._last = 0.0

    def beat(self) -> None:
        """Say that the event loop turns."""
        self._last = time.monotonic()
        if self._file is not None:
            os.pwrite(self._file.fileno(), _PULSE.pack(self._last), 0)

    def close(self) -> None:
        """Give the slot to whoever comes next, as the end of the process does."""
        if self._file is not None:
            self._file.close()

    @property
    def last(self) -> float:
        """When it last did, by the clock that all processes share; 0 before the first time."""
        return self._last


class Board:
    """The place of one server. `directory` is None where one process does everything."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self._own = Pulse()

    @property
    def tenants(self) -> Path | None:
        """The file of the tenants that have a label."""
        return None if self.directory is None else self.directory / "tenants"

    def claim(self) -> tuple[Pulse, str]:
        """A slot for the process that calls, until it ends, and the slot's name."""
        if self.directory is None:
            return self._own, "0"
        with self._claims():
            for number in range(10_000):
                path = self.directory / f"slot-{number}"
                path.touch()
                file = path.open("r+b", buffering=0)
                if _taken(file):
                    break
                file.close()
            else:
                raise AssertionError("there are fewer processes than slots")
            self._forget_gauges(number)
            os.pwrite(file.fileno(), _PULSE.pack(0.0), 0)
        return Pulse(file), str(number)

    def beats(self) -> list[float]:
        """The last beat of every process that lives and has begun, by the clock of `time.monotonic`."""
        if self.directory is None:
            return [self._own.last] if self._own.last else []
        found = []
        with self._claims():
            for file, _ in self._held():
                last: float = _PULSE.unpack(os.pread(file.fileno(), _PULSE.size, 0))[0]
                if last:
                    found.append(last)
        return found

    def forget_dead(self) -> None:
        """Drop the gauges of processes that died: what they counted stays, what they had in progress is over."""
        if self.directory is not None:
            with self._claims():
                living = {number for _, number in self._held()}
                for path in self.directory.glob("slot-*"):
                    number = int(path.name.removeprefix("slot-"))
                    if number not in living:
                        self._forget_gauges(number)

    def _held(self) -> Iterator[tuple[IO[bytes], int]]:
        assert self.directory is not None
        for path in self.directory.glob("slot-*"):
            with path.open("rb", buffering=0) as file:
                if not _taken(file):
                    yield file, int(path.name.removeprefix("slot-"))

    def _forget_gauges(self, number: int) -> None:
        assert self.directory is not None
        for path in self.directory.glob(f"gauge_live*_{number}.db"):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _claims(self) -> Iterator[None]:
        """Keep apart who claims a slot and who looks which are held, as looking takes a lock for a moment."""
        assert self.directory is not None
        with (self.directory / _CLAIMS).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextlib.contextmanager
def shared_board() -> Iterator[Board]:
    """A board for several processes, whose directory goes with the block. Directories of servers that were killed go too."""
    place = _place()
    _sweep(place)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    try:
        with (directory / _HELD).open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield Board(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def place_of_boards() -> Path:
    """The directory in which boards are made."""
    return _place()


def _place() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - where it exists it is shared memory, and the directory is made safely
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def _sweep(place: Path) -> None:
    for left in place.glob(f"{_PREFIX}*/{_HELD}"):
        with contextlib.suppress(OSError), left.open("ab") as file:
            if _taken(file):
                shutil.rmtree(left.parent, ignore_errors=True)


def _taken(file: IO[bytes]) -> bool:
    """Take the lock of an open file, if nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
