"""A streaming replica of the tests' Postgres."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg
import pytest

from scimsrv.embedded import find_binaries
from scimsrv.store.queries import load
from tests.postgres import POSTGRES, TestServer, binaries

#: Seconds within which a replica has to come up, or to have what its primary has.
_PATIENCE: Final = 60.0

_REPLAYED: Final = "pg_last_wal_replay_lsn() - '0/0'"


@dataclass(frozen=True)
class Standby:
    """A replica: `directory` has its socket."""

    directory: Path

    def url(self, dsn: str) -> str:
        """The URL of the replica's copy of a database."""
        return f"{dsn.partition('?')[0]}?host={quote(str(self.directory))}&port=5432"

    async def pause(self, dsn: str) -> None:
        """Let it take in nothing more, as if its way were long."""
        await _value(self.url(dsn), "SELECT pg_wal_replay_pause()")
        await _until(self.url(dsn), "SELECT pg_get_wal_replay_pause_state() = 'paused'")

    async def resume(self, dsn: str) -> None:
        """Let it go on."""
        await _value(self.url(dsn), "SELECT pg_wal_replay_resume()")

    async def caught_up(self, dsn: str) -> None:
        """Wait until it has all that the primary has now."""
        await _until(self.url(dsn), f"SELECT ({_REPLAYED}) >= {await _value(dsn, str(load('replication')['written']))}")


async def _value(dsn: str, statement: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def _until(dsn: str, statement: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not await _value(dsn, statement):
        assert time.monotonic() < deadline, statement
        await asyncio.sleep(0.02)


@contextmanager
def standby(server: TestServer) -> Iterator[Standby]:
    """Run a replica of the server for as long as the block lasts; the test is skipped where the server's version cannot make one."""
    programs = find_binaries(binaries(POSTGRES))
    if not (programs / "pg_basebackup").exists():
        pytest.skip("pg_basebackup is not installed")
    owner = server.cluster.directory.stat()
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if owner.st_uid else {}
    folder = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    folder.chmod(0o755)
    try:
        directory = folder / "replica"
        directory.mkdir(mode=0o700)
        shutil.chown(directory, owner.st_uid, owner.st_gid)
        host = server.cluster.dsn.partition("host=")[2].partition("&")[0].replace("%2F", "/")
        copy = [programs / "pg_basebackup", "-D", directory, "-R", "-c", "fast", "-X", "stream"]
        source = f"host={host} port=5432 user=scimsrv"
        subprocess.run([*copy, "-d", source], cwd="/", check=True, capture_output=True, timeout=300, **account)  # type: ignore[call-overload]
        for left in directory.glob(".s.PGSQL.*"):  # the primary's socket is in its folder, which was copied whole
            left.unlink()
        command = [programs / "postgres", "-D", directory, "-k", directory]
        options = {"listen_addresses": "", "port": "5432", "fsync": "off", "hot_standby_feedback": "on", "max_connections": "300"}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *(part for name, value in options.items() for part in ("-c", f"{name}={value}"))],
                cwd="/", stdout=log, stderr=log, **account,
            )  # type: ignore[call-overload]  # fmt: skip
        try:
            _wait_for(Standby(directory).url(server.cluster.dsn), process, folder / "log")
            yield Standby(directory)
        finally:
            process.terminate()
            process.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(dsn: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            assert asyncio.run(_value(dsn, "SELECT pg_is_in_recovery()"))
            return
        except (OSError, asyncpg.PostgresError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.05)
