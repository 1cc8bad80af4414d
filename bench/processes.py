"""Programs that are measured, each a process of its own on a free port, and how much memory they have taken."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_START_SECONDS: Final = 30.0

#: Settings of a server that is measured: its rates are counted as always, and too high to be met.
UNHURRIED: Final = {f"SCIMSRV_{name}": "1000000" for name in ("TOKEN_RATE", "TOKEN_BURST", "TENANT_RATE", "TENANT_BURST")}


@dataclass(slots=True)
class Running:
    """A process and the port that it listens on."""

    pid: int
    port: int
    _forgotten: float | None = None

    def peak(self) -> float | None:
        """The most memory, in MiB, that the process or any one of its children has had resident; None where the system does not tell."""
        found = [_status(pid, "VmHWM") for pid in (self.pid, *self._children())]
        return max((one for one in found if one is not None), default=None)

    def resident(self) -> float | None:
        """The memory, in MiB, that the process has resident now."""
        return _status(self.pid, "VmRSS")

    def highest(self) -> float | None:
        """The highest peak, those that were forgotten included."""
        return max((one for one in (self._forgotten, self.peak()) if one is not None), default=None)

    def forget_peak(self) -> None:
        """Let the peak be counted from now on, where the system can."""
        self._forgotten = self.highest()
        try:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            return

    def _children(self) -> list[int]:
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()]
        except OSError:
            return []


def _status(pid: int, name: str) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), None)


@contextmanager
def running(arguments: list[str], environment: dict[str, str]) -> Iterator[Running]:
    """Run a Python program on a free port, which it finds where its arguments have {port}, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, *(argument.replace("{port}", str(port)) for argument in arguments)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCIMSRV_")}
    child = subprocess.Popen(command, cwd=_ROOT, env=kept | environment, stdout=subprocess.DEVNULL)
    try:
        _await_port(port, child)
        yield Running(child.pid, port)
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await_port(port: int, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{child.args!r} did not start")
