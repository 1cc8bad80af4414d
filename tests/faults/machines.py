"""A Postgres with the settings that it has in use, and processes of a server, both to be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from scimsrv.embedded import Cluster, start_cluster
from scimsrv.store.migrate import migrate
from tests.postgres import with_database

_START_SECONDS = 60.0


@dataclass
class Machine:
    """A Postgres whose data are as safe as the defaults make them: fsync and synchronous_commit are on."""

    directory: Path
    options: Mapping[str, str] = field(default_factory=dict)
    binaries: Path | None = None

    def __post_init__(self) -> None:
        self.cluster: Cluster = start_cluster(self.directory, self.binaries, self.options)

    @property
    def socket(self) -> str:
        """The path of the socket that it listens on."""
        place = parse_qs(urlsplit(self.cluster.dsn).query)
        return f"{place['host'][0]}/.s.PGSQL.{place['port'][0]}"

    def kill(self) -> None:
        """Kill every process of it at once, as a power cut does."""
        pids = [self.cluster.pid, *children(self.cluster.pid)]
        os.kill(self.cluster.pid, signal.SIGSTOP)  # it would start new ones
        for pid in reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _START_SECONDS
        while self.cluster.alive() and time.monotonic() < deadline:
            time.sleep(0.01)

    def start(self) -> float:
        """Start it again; returns the time of the clock at which it took connections."""
        self.cluster = start_cluster(self.directory, self.binaries, self.options)
        return time.monotonic()

    def stop(self) -> None:
        """Stop it."""
        self.cluster.stop()


@contextmanager
def machine(options: Mapping[str, str] | None = None, folder: Path | None = None) -> Iterator[Machine]:
    """Run such a Postgres in a folder of its own for the length of a block."""
    place = Path(tempfile.mkdtemp(prefix="scimsrv-fault-")) if folder is None else folder
    place.chmod(0o755)
    try:
        made = Machine(place / "pg", options or {})
        try:
            yield made
        finally:
            made.stop()
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def children(pid: int) -> dict[int, str]:
    """The processes that a process has started and their command lines."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=", "-o", "ppid=", "-o", "args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return {int(row[0]): row[2] if len(row) > 2 else "" for row in rows if int(row[1]) == pid}


def workers(pid: int) -> list[int]:
    """The processes that answer requests for the supervisor with this id."""
    return [child for child, line in children(pid).items() if "spawn_main" in line]


async def fresh(made: Machine, name: str) -> str:
    """Make a migrated database of its own on a running Postgres; returns its URL."""
    connection = await asyncpg.connect(made.cluster.dsn)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    finally:
        await connection.close()
    url = with_database(made.cluster.dsn, name)
    await migrate(url)
    return url
