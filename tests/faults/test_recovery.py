"""Going back to a moment: a base backup taken under load and the archived log lead to it, with everything up to then and nothing after."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from scimsrv.embedded import USER, find_binaries
from scimsrv.store import migrate as migrating
from scimsrv.system_user import admit, database_account
from tests.distributed.site import running
from tests.faults import acknowledged, consistency
from tests.faults.machines import Machine, machine
from tests.faults.measure import LONG, report, seconds
from tests.faults.test_killed import settled, summary, working
from tests.processes import run


@pytest.mark.skipif(not LONG, reason="make test-faults")
async def test_a_moment_between_writes(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R14: a base backup is taken under load, a moment is noted later, and the load goes on. What is recovered to that moment has all that
    was acknowledged before it and nothing that began after it, and `scimsrv verify` finds nothing."""
    keep = {"archive_mode": "on", "archive_command": "test ! -f ../archive/%f && /bin/cp %p ../archive/%f"}
    with machine(keep) as primary:
        dsn = primary.cluster.dsn
        await migrating.migrate(dsn)
        place, archive = (primary.directory.parent / name for name in ("copy", "archive"))
        for folder in (place, archive):
            folder.mkdir()
            folder.chmod(0o777)
            if (account := database_account(primary.directory)) is not None:
                admit(account, folder)
        connection: Any = await asyncpg.connect(dsn)
        with running(dsn, dsn, tmp_path) as site:
            (client,) = await site.tenant(http, "scim:bulk")
            async with working([client], tmp_path, "moment") as load:
                await asyncio.sleep(seconds(1) / 4)
                await asyncio.to_thread(_base_backup, primary, place / "pg")
                await asyncio.sleep(seconds(1) / 4)
                begun = time.monotonic()
                moment = await connection.fetchval("SELECT clock_timestamp()::text")
                ended = time.monotonic()
                await asyncio.sleep(seconds(1) / 4)
        last = await connection.fetchval("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        await connection.execute("SELECT pg_switch_wal()")
        async with asyncio.timeout(60):
            while not (archive / last).exists():
                await asyncio.sleep(0.1)
        await connection.close()
        (place / "pg" / "recovery.signal").touch()
        back = {"restore_command": f"/bin/cp {archive}/%f %p", "recovery_target_time": moment, "recovery_target_action": "promote"}
        copy = await asyncio.to_thread(Machine, place / "pg", back)
        try:
            found = await _recovered(copy, client, http, tmp_path)
        finally:
            await asyncio.to_thread(copy.stop)
    report(f"R14, to a moment: {summary(load)}")
    before = [event for event in load.events if event.started < ended and event.status != 0]
    open_ended = [event if event.ended < begun else dataclasses.replace(event, status=None) for event in before]
    assert any(event.started > ended for event in load.events)
    assert acknowledged.check(open_ended, found) == []


def _base_backup(primary: Machine, place: Path) -> None:
    account = database_account(primary.directory)
    as_account: dict[str, Any] = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
    socket = str(Path(primary.socket).parent)
    command = [find_binaries() / "pg_basebackup", "-h", socket, "-U", USER, "-D", place, "--checkpoint=fast", "--wal-method=stream"]
    subprocess.run([str(part) for part in command], check=True, capture_output=True, cwd="/", **as_account)


async def _recovered(copy: Machine, client: Any, http: httpx.AsyncClient, folder: Path) -> dict[str, acknowledged.State]:
    """What is there once the copy has reached the moment; it agrees with itself."""
    dsn = copy.cluster.dsn
    connection = await asyncpg.connect(dsn)
    async with asyncio.timeout(60):
        while await connection.fetchval("SELECT pg_is_in_recovery()"):
            await asyncio.sleep(0.1)
    assert await consistency.check(connection, client.id) == []
    await connection.close()
    other = folder / "recovered"
    other.mkdir()
    with running(dsn, dsn, other) as site:
        found = await settled(dataclasses.replace(client, server=f"http://127.0.0.1:{site.ports[0]}"))
        told = json.loads(run("verify", "--json", cwd=other, **site.settings).stdout)["tenants"][client.slug]
    assert (told["findings"], told["left_out"]) == ([], [])
    return found
