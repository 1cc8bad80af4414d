"""A real Prometheus for a while: it scrapes a server and answers queries."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

PROGRAM: Final = shutil.which("prometheus")

_START_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where its API is."""

    url: str

    def asked(self, path: str, **parameters: str) -> Any:
        """The data of an answer. Raises ValueError with what Prometheus says of a query that is none."""
        answer = httpx.get(f"{self.url}/{path}", params=parameters, timeout=30)
        if answer.status_code != 200:
            raise ValueError(answer.text)
        return answer.json()["data"]

    def query(self, text: str) -> list[dict[str, Any]]:
        """The series that a query finds now."""
        found: list[dict[str, Any]] = self.asked("query", query=text)["result"]
        return found

    def history(self, text: str, start: float, end: float, step: float = 1.0) -> list[dict[str, Any]]:
        """The series that a query finds at each step."""
        found = self.asked("query_range", query=text, start=str(start), end=str(end), step=str(step))
        series: list[dict[str, Any]] = found["result"]
        return series


@contextmanager
def prometheus(targets: Sequence[str], folder: Path, rules: Sequence[Path] = ()) -> Iterator[Prometheus]:
    """Run Prometheus for the length of a block: it scrapes `targets` (host and port) each second and evaluates the files of `rules`.
    Raises TimeoutError when it does not start."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [{"job_name": "scimsrv", "static_configs": [{"targets": list(targets)}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # which is YAML too
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([str(PROGRAM), *arguments], cwd=folder, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/-/ready")
        yield Prometheus(f"http://127.0.0.1:{port}/api/v1")
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str) -> None:
    """Wait until Prometheus is ready: before, it refuses connections, and then requests, in words instead of JSON."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError("Prometheus does not start")
