"""What becomes of a database that is in use: it is full of locks, migrated, behind a pooler, succeeded by its standby, dumped."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from scimsrv.embedded import DATABASE, USER, find_binaries
from scimsrv.store import migrate as migrating
from scimsrv.system_user import admit, database_account
from tests.distributed.pooler import PROGRAM, pooler
from tests.distributed.site import running
from tests.faults import acknowledged, consistency
from tests.faults.machines import Machine, fresh, machine
from tests.faults.measure import LONG, report, seconds
from tests.faults.proxy import Proxy
from tests.faults.test_killed import judge, settled, summary, until_acknowledged, working
from tests.faults.test_network import aside
from tests.postgres import with_database
from tests.processes import run

#: What may be set: for a transaction, and by the pooler, which gives a connection the encoding of the client that gets it.
_OWN = re.compile(r"SET (LOCAL|client_encoding)\b", re.IGNORECASE)


async def test_a_pool_without_a_free_connection(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R8: while every connection waits for a lock, further requests are refused after a second; what needs no connection is served."""
    dsn = postgres.cluster.dsn
    with running(dsn, dsn, tmp_path, SCIMSRV_POOL_SIZE="2") as site:
        (client,) = await site.tenant(http)
        ada = await client.new_user()
        keeper: Any = await asyncpg.connect(dsn)
        transaction = keeper.transaction()
        await transaction.start()
        await keeper.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
        asked = [asyncio.create_task(client.get(f"/Users/{ada['id']}")) for _ in range(60 if LONG else 30)]
        refused = len(asked) - 2
        answers = [await answer for answer in itertools.islice(asyncio.as_completed(asked), refused)]
        assert Counter(answer.status_code for answer in answers) == {503: refused}
        assert {answer.headers["retry-after"] for answer in answers} <= set("2345")
        open_to_all = await client.with_token(None).get("/ServiceProviderConfig")
        assert open_to_all.status_code == 200
        await transaction.rollback()
        await keeper.close()
        assert Counter([(await task).status_code for task in asked]) == {503: refused, 200: 2}
        slowest = max(answer.elapsed.total_seconds() for answer in answers)
        report(f"R8: {refused} refused within {slowest:.2f} s, 2 served when the lock was gone")
        assert slowest < 1.5 or not LONG
        assert (await client.get("/Users")).status_code == 200


async def test_a_migration_under_load(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R13: tables are widened and narrowed again while requests and a long transaction use them; no request fails or waits for long."""
    dsn = await fresh(postgres, "migrated")
    known = migrating.migrations()
    steps = (
        ("ALTER TABLE resource ADD COLUMN widened text", "CREATE TABLE later (tenant integer NOT NULL PRIMARY KEY)"),
        ("ALTER TABLE resource DROP COLUMN widened", "DROP TABLE later"),
    )
    with running(dsn, dsn, tmp_path, workers=(1, 1) if LONG else (1,)) as site:
        clients = await site.tenant(http, "scim:bulk")
        async with working(clients, tmp_path, "migration") as load:
            for number, statements in enumerate(steps, 1):
                added = dataclasses.replace(known[0], number=len(known) + number, name=f"step_{number}", statements=statements)
                now = (*migrating.migrations(), added)
                monkeypatch.setattr(migrating, "migrations", lambda now=now: now)
                reader: Any = await asyncpg.connect(dsn)
                async with reader.transaction():
                    await reader.fetch("SELECT count(*) FROM resource")  # its lock stays until the end
                    task = asyncio.create_task(migrating.migrate(dsn))
                    await asyncio.sleep(seconds(1) / 2)
                    assert not task.done()
                await reader.close()
                assert [made.name for made in await task] == [added.name]
            await until_acknowledged(load, time.monotonic())
        longest = max(event.ended - event.started for event in load.events)
        report(f"R13 {summary(load)}")
        assert {event.status for event in load.events} <= {200, 201, 204}
        assert longest < 1.0 or not LONG
        await judge(load, clients[0], dsn)


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")
async def test_behind_a_transaction_pooler(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R12: two servers over the three connections of a pooler under load; all they answer is right, and no session is given settings."""
    dsn = postgres.cluster.dsn
    await _set(dsn, "SET log_statement = 'all'")
    log = postgres.directory.with_name(postgres.directory.name + ".log")
    begin = log.stat().st_size
    try:
        number = (1, 1) if LONG else (1,)
        with pooler(postgres.cluster) as pooled, running(pooled, dsn, tmp_path, workers=number, SCIMSRV_STATEMENT_CACHE="0") as site:
            clients = await site.tenant(http, "scim:bulk")
            async with working(clients, tmp_path, "pooler") as load:
                await asyncio.sleep(seconds(1))
            report(f"R12 {summary(load)}")
            await judge(load, clients[0], dsn)
            assert {event.status for event in load.events} <= {200, 201, 204}
    finally:
        await _set(dsn, "RESET log_statement")
    with log.open(errors="replace") as file:
        file.seek(begin)
        sent = [found[1].strip() for line in file if (found := re.search(r"LOG:  (?:statement|execute [^:]*): (.*)", line))]
    settings = [text for text in sent if re.match(r"SET\b", text, re.IGNORECASE) and not _OWN.match(text)]
    assert len(sent) > len(load.events)
    assert settings == []


async def _set(dsn: str, setting: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"ALTER SYSTEM {setting}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@asynccontextmanager
async def standby(primary: Machine, folder: Path) -> AsyncIterator[Machine]:
    """A synchronous standby of a Postgres, made from a copy of it."""
    folder.mkdir()
    programs, account = find_binaries(), database_account(primary.directory)
    if account is not None:
        admit(account, folder)
        folder.chmod(0o777)
    place = folder / "pg"
    socket = str(Path(primary.socket).parent)
    command = [programs / "pg_basebackup", "-h", socket, "-U", USER, "-D", place, "-R", "-X", "stream", "-c", "fast"]
    as_account: dict[str, Any] = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
    await asyncio.to_thread(
        partial(subprocess.run, [str(part) for part in command], check=True, capture_output=True, cwd="/", **as_account)
    )
    made = await asyncio.to_thread(Machine, place)
    try:
        await _set(primary.cluster.dsn, "SET synchronous_standby_names = '*'")
        connection = await asyncpg.connect(primary.cluster.dsn)
        async with asyncio.timeout(30):
            while await connection.fetchval("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 0:
                await asyncio.sleep(0.05)
        await connection.close()
        yield made
    finally:
        await asyncio.to_thread(made.stop)


@pytest.mark.skipif(not LONG, reason="needs two Postgres of its own: make test-faults")
@pytest.mark.parametrize("fenced", ["demoted", "killed"])
async def test_a_standby_takes_over(http: httpx.AsyncClient, tmp_path: Path, fenced: str) -> None:
    """R17: the synchronous standby is promoted under load. The servers find it by themselves, whether the old primary is dead or only
    takes no writes any more; nothing acknowledged is lost."""
    with machine() as primary:
        await migrating.migrate(primary.cluster.dsn)
        async with standby(primary, primary.directory.parent / "standby") as second:
            one, two = Proxy(primary.socket), Proxy(second.socket)
            async with one.listening(), two.listening():
                hosts = f"127.0.0.1:{one.port},127.0.0.1:{two.port}"
                url = f"postgresql://{USER}@{hosts}/{DATABASE}?target_session_attrs=read-write"
                async with aside(running(url, primary.cluster.dsn, tmp_path)) as site:
                    clients = await site.tenant(http, "scim:bulk")
                    async with working(clients, tmp_path, f"failover-{fenced}") as load:
                        await asyncio.sleep(seconds(1.5) / 2)
                        begun = time.monotonic()
                        if fenced == "killed":
                            await asyncio.to_thread(primary.kill)
                        else:
                            await _set(primary.cluster.dsn, "SET default_transaction_read_only = on")
                        await _promote(second)
                        gap = await until_acknowledged(load, time.monotonic()) + time.monotonic() - begun
                        await asyncio.sleep(seconds(1.5) / 2)
                    report(f"R17 {fenced}: {summary(load)}; the first write {gap:.2f} s after the old primary's last")
                    await judge(load, clients[0], second.cluster.dsn)
                    assert two.connections > 1
                    assert gap <= 5 or not LONG


async def _promote(second: Machine) -> None:
    connection = await asyncpg.connect(second.cluster.dsn)
    assert await connection.fetchval("SELECT pg_promote()")
    await connection.close()


async def test_a_dump_taken_under_load(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R14: what was acknowledged before a dump began is in it, whole, and what came later is in it wholly or not at all. `scimsrv verify`
    finds nothing in the database that is made of it, and nothing to repair."""
    dsn = postgres.cluster.dsn
    program = find_binaries() / "pg_dump"
    if not program.exists():
        pytest.skip("there is no pg_dump")
    with running(dsn, dsn, tmp_path) as site:
        clients = await site.tenant(http, "scim:bulk")
        async with working(clients, tmp_path, "dump") as load:
            await asyncio.sleep(seconds(1.5) / 2)
            async with asyncio.timeout(30):
                while len(load.events) <= 20:  # a machine with much to do takes its time
                    await asyncio.sleep(0.05)
            begun = time.monotonic()
            dumped = await asyncio.to_thread(_run, postgres, "pg_dump", DATABASE)
            ended = time.monotonic()
            await asyncio.sleep(seconds(1.5) / 4)
        report(f"R14 {summary(load)}; {len(dumped)} bytes dumped in {ended - begun:.2f} s")
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP DATABASE IF EXISTS restored WITH (FORCE)")
    await connection.execute("CREATE DATABASE restored TEMPLATE template0")
    await connection.close()
    await asyncio.to_thread(_run, postgres, "psql", "restored", "-q", "-v", "ON_ERROR_STOP=1", given=dumped)
    restored = with_database(dsn, "restored")
    other = tmp_path / "restored"
    other.mkdir()
    with running(restored, restored, other) as site:
        found = await settled(dataclasses.replace(clients[0], server=f"http://127.0.0.1:{site.ports[0]}"))  # type: ignore[call-arg]
    connection = await asyncpg.connect(restored)
    assert await consistency.check(connection, clients[0].id) == []
    await connection.close()
    verified = await asyncio.to_thread(run, "verify", "--repair", "--json", cwd=other, **site.settings)
    told = json.loads(verified.stdout)["tenants"][clients[0].slug]
    report(f"R14: {told['resources']} resources, {told['rows']} rows beside them and {told['audit']['rows']} of the audit trail verified")
    assert (verified.returncode, told["findings"], told["repaired"], told["left_out"]) == (0, [], [], []), verified.stderr
    assert min(told["resources"], told["rows"], told["audit"]["rows"]) > 0
    # What began before the dump's end and was acknowledged after its beginning may be in it or not.
    open_ended = [event if event.ended < begun else dataclasses.replace(event, status=None) for event in load.events]
    assert acknowledged.check([event for event in open_ended if event.started < ended and event.status != 0], found) == []


def _run(postgres: Machine, program: str, database: str, *more: str, given: bytes | None = None) -> bytes:
    socket = str(Path(postgres.socket).parent)
    command = [str(find_binaries() / program), "-h", socket, "-U", USER, "-d", database, *more]
    return subprocess.run(command, check=True, capture_output=True, input=given, cwd="/").stdout
