"""Real processes of the command line, as a user starts them."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import forking

_START_SECONDS = 60

#: What no server writes: tokens and secrets of the form of ours, the key of test servers, addresses of people.
_SECRET = re.compile(r"sc[sak]_[a-z0-9]{6}_[A-Za-z0-9_-]{20,}|A{43}|[\w.+-]+@example\.(com|org)", re.IGNORECASE)

LEAKS: list[str] = []
"""Lines that servers of this run wrote and that hold what nobody may read; a fixture of every run looks that there are none."""


def environment(**extra: str) -> dict[str, str]:
    """Return the environment without settings of ours, plus what is given."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SCIMSRV_")} | extra


PROGRAM = (sys.executable, "-m", "scimsrv")
"""The command of the checkout under test."""


def run(*arguments: str, cwd: Path, **extra: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end and return it with its output. It is a copy of a process that has the program loaded; another program is
    run as it is."""
    if "PYTHONPATH" in extra:
        return subprocess.run(
            [*PROGRAM, *arguments], cwd=cwd, env=environment(**extra), capture_output=True, text=True, check=False, timeout=60
        )
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), out.fileno(), err.fileno())
        code = forking.ask(forking.started(), arguments, str(cwd), environment(**extra), streams)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess([*PROGRAM, *arguments], code, *texts)


@dataclass
class Served:
    """A running `scimsrv serve` and what it printed when it was ready."""

    process: "subprocess.Popen[str]"
    announced: dict[str, Any]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextlib.contextmanager
def serving(*arguments: str, cwd: Path, program: Sequence[str] = PROGRAM, **extra: str) -> Iterator[Served]:
    """Run `scimsrv serve --json` until the block ends; what it writes to stderr goes to serve.log in cwd."""
    with (cwd / "serve.log").open("a") as log:
        process = subprocess.Popen(
            [*program, "serve", "--json", "--port", "0", "--admin-port", "0", "--metrics-port", "0", *arguments],
            cwd=cwd, env=environment(**extra), stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    patience = threading.Timer(_START_SECONDS, process.kill)
    patience.start()
    try:
        line = process.stdout.readline()
        patience.cancel()
        if not line:
            raise AssertionError(f"serve ended with {process.wait()}:\n{(cwd / 'serve.log').read_text()}")
        yield Served(process, json.loads(line))
    finally:
        patience.cancel()
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        process.stdout.close()
        LEAKS.extend(line for line in (cwd / "serve.log").read_text(errors="replace").splitlines() if _SECRET.search(line))
