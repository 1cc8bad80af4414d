"""What tests hold of the process that runs servers: start one, mutated or not, and stop it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]


class Launcher:
    """The launching process (see `launch`); its methods may be called from several threads."""

    def __init__(self, database_url: str, secret_key: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SCIMSRV_")}
        environment |= {
            "SCIMSRV_DATABASE_URL": database_url,
            "SCIMSRV_SECRET_KEY": secret_key,
            "SCIMSRV_DRAIN_SECONDS": "0",
            "SCIMSRV_BAD_TOKENS": "1000000",
        }
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.launch"],
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def server(self, mutant: str | None = None, **settings: object) -> Iterator[str]:
        """Run a server for as long as the block lasts; yields its URL without a path. Raises RuntimeError when it does not start."""
        started = self._ask({"start": mutant, "settings": settings})
        try:
            yield started["url"]
        finally:
            self._ask({"stop": started["pid"]})

    def close(self) -> None:
        """End the process and every server of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the launcher ended; its message is above")
        answer: dict[str, Any] = json.loads(line)
        if "problem" in answer:
            raise RuntimeError(f"{command}: {answer['problem']}")
        return answer


@contextmanager
def launcher(database_url: str, secret_key: str) -> Iterator[Launcher]:
    """A launcher for as long as the block lasts."""
    started = Launcher(database_url, secret_key)
    try:
        yield started
    finally:
        started.close()
