"""Two versions of the program on one database: servers of the version before go on while it is migrated, and beside those of this one."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import httpx
import pytest

from scimsrv import assets
from scimsrv.store import migrate as migrating
from tests.distributed.site import running
from tests.faults.machines import Machine
from tests.faults.measure import report, seconds
from tests.faults.test_killed import judge, summary, until_acknowledged, working
from tests.postgres import with_database
from tests.processes import PROGRAM, run

_ROOT = Path(str(assets.ROOT))
_FILES = "sql/migrations/"


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, check=False)
    return done.stdout


def _before() -> str | None:
    """The last commit that has all migrations but the last, as they are; None where the history does not have it."""
    known = {
        f"{_FILES}{file}": hashlib.sha1(b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest()
        for file in assets.names("sql/migrations", ".sql")[:-1]
        for text in [assets.text(f"sql/migrations/{file}").encode()]
    }
    for commit in _git("log", "--format=%H", "-n", "50", "--", _FILES).decode().split():
        for one in (commit, f"{commit}^"):
            listed = [line.split() for line in _git("ls-tree", one, _FILES).decode().splitlines()]
            if {path: blob for _, _, blob, path in listed} == known:
                return _git("rev-parse", one).decode().strip()
    return None


async def test_the_version_before_goes_on(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R13: a server of the version before, from the project's history, works through the migration and beside a server of this version on
    the same resources; no request fails, nothing is lost, and afterwards everything agrees with itself."""
    commit = _before()
    if commit is None:
        pytest.skip("the history of the project is not here, so that there is no version before")
    old = tmp_path / "before"
    old.mkdir()
    subprocess.run(["tar", "-x", "-C", str(old)], input=_git("archive", commit), check=True)
    connection = await asyncpg.connect(postgres.cluster.dsn)
    await connection.execute("DROP DATABASE IF EXISTS sides WITH (FORCE)")
    await connection.execute("CREATE DATABASE sides TEMPLATE template0")
    await connection.close()
    dsn = with_database(postgres.cluster.dsn, "sides")
    subprocess.run(
        [sys.executable, "-m", "scimsrv", "db", "migrate", "--database-url", dsn],
        cwd=old,
        check=True,
        capture_output=True,
        env={"PYTHONPATH": str(old)},
    )
    with running(dsn, dsn, tmp_path, program=PROGRAM, PYTHONPATH=str(old)) as site:
        (former,) = await site.tenant(http, "scim:bulk")
        async with working([former], tmp_path, "migrated") as load:
            await until_acknowledged(load, time.monotonic())
            applied = await migrating.migrate(dsn)
            await until_acknowledged(load, time.monotonic())
        assert [one.number for one in applied] == [migrating.expected_version()]
        assert {event.status for event in load.events} <= {200, 201, 204}
        folder = tmp_path / "present"
        folder.mkdir()
        (former,) = await site.tenant(http, "scim:bulk")
        with running(dsn, dsn, folder) as other:
            present = dataclasses.replace(former, server=f"http://127.0.0.1:{other.ports[0]}")  # type: ignore[call-arg]
            async with working([former, present], tmp_path, "sides") as load:
                await asyncio.sleep(seconds(1) / 2)
            report(f"R13, version before ({commit[:10]}) and this: {summary(load)}")
            assert {event.status for event in load.events} <= {200, 201, 204}
            await judge(load, present, dsn)
            told = json.loads(run("verify", "--json", cwd=folder, **other.settings).stdout)["tenants"]
            assert {slug: (one["findings"], one["left_out"]) for slug, one in told.items()} == dict.fromkeys(told, ([], []))
            assert len(told) == 2
