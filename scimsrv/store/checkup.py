"""Examines a database as an operator would: reachable, recent enough, migrated, durable, and with a clock like ours."""

import asyncio
import unicodedata
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from scimsrv.embedded import USER as EMBEDDED_USER
from scimsrv.store.connection import connect
from scimsrv.store.migrate import MigrationError, status
from scimsrv.store.queries import load

OLDEST: Final = 150_000
"""The oldest Postgres that is supported, in the form of server_version_num."""

_CLOCK_SECONDS = 2.0
_POOLER_SECONDS = 5.0
# Connections of a pooler that are taken, one after the other, to find a certain one.
_POOLED = 20
_DURABLE: Final = ("on", "local", "remote_write", "remote_apply")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is as it should be, what was found, and how to mend it."""

    check: str
    ok: bool
    found: str
    fix: str


async def examine(dsn: str, *, statement_cache: int = 0, isolated: bool = False) -> list[Finding]:
    """Return a finding per check of the database, for a server with these settings. Raises DatabaseError when it cannot be reached."""
    async with connect(dsn) as connection:
        before = datetime.now(UTC)
        facts = await connection.fetchrow(load("checkup")["facts"])
        after = datetime.now(UTC)
        pooled = connection.get_server_pid() != await connection.fetchval(load("checkup")["pid"])
    assert facts is not None
    skew = (facts["now"] - (before + (after - before) / 2)).total_seconds()
    private = facts["role"] == EMBEDDED_USER and dsn.startswith(f"postgresql://{EMBEDDED_USER}@/")
    return [
        Finding("connection", True, "reachable", ""),
        _transport(facts, pooled=pooled),
        Finding("server", facts["version"] >= OLDEST, f"Postgres {facts['version_text']}", "use Postgres 15 or newer"),
        Finding("encoding", facts["encoding"] == "UTF8", facts["encoding"], "create the database with ENCODING 'UTF8'"),
        *await _schema(dsn),
        Finding(
            "role",
            private or not facts["superuser"],
            f"{facts['role']}{', a superuser' if facts['superuser'] else ''}",
            "connect as a role that is not a superuser",
        ),
        *(
            Finding(name, facts[name] in good, facts[name], f"set {name} = on: acknowledged changes may be lost without it")
            for name, good in {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": _DURABLE}.items()
        ),
        Finding("clock", abs(skew) <= _CLOCK_SECONDS, f"{skew:+.1f} s against ours", "synchronise both machines' clocks"),
        await _pooler(dsn, statement_cache) if pooled else Finding("pooler", True, "none", ""),
        *([] if facts["citus"] is None else [_citus(facts["propagation"], isolated=isolated)]),
    ]


def _transport(facts: Any, *, pooled: bool) -> Finding:
    """Whether what passes between server and database can be read on the way; behind a pooler only its own way is seen."""
    fix = "add sslmode=verify-full to the database's URL, and let Postgres have ssl = on"
    if facts["here"]:
        return Finding("transport", True, "stays on one machine" + (", as the pooler sees it" if pooled else ""), "")
    return Finding("transport", facts["encrypted"], "TLS" if facts["encrypted"] else "clear text", fix)


async def _pooler(dsn: str, statement_cache: int) -> Finding:
    """Whether what the server keeps on its connections survives the pooler between: tried with a statement that is prepared on one
    connection of the pooler and used on another."""
    fix = (
        "set statement_cache = 0 (SCIMSRV_STATEMENT_CACHE=0) for every server, or use PgBouncer 1.21 or newer with max_prepared_statements"
    )
    if statement_cache == 0:
        return Finding("pooler", True, "there is one, and statements are not kept", "")
    try:
        async with asyncio.timeout(_POOLER_SECONDS):
            told = await _elsewhere(dsn)
    except TimeoutError:
        return Finding("pooler", False, "there is one, and its connections are all in use", "give it more connections; or " + fix)
    except asyncpg.PostgresError:
        return Finding("pooler", False, "there is one, and it forgets prepared statements", fix)
    return Finding("pooler", True, "there is one, and it keeps prepared statements" if told else "there is one", "")


async def _elsewhere(dsn: str) -> bool:
    """Prepare a statement, take the connection on which that was, and use it on another; whether that could be done."""
    where = load("checkup")["pid"]
    async with connect(dsn) as first, AsyncExitStack() as held:
        kept = await first.prepare(where, name="scimsrv_doctor")
        home = await kept.fetchval()
        for _ in range(_POOLED):
            other = await held.enter_async_context(connect(dsn))
            await held.enter_async_context(other.transaction())
            if await other.fetchval(where) == home:
                return bool(await kept.fetchval() != home)
    return False


def _citus(propagation: str | None, *, isolated: bool) -> Finding:
    """Row-level security tells the tenant by SET LOCAL, which has to reach the workers."""
    fix = "ALTER ROLE … SET citus.propagate_set_commands = 'local' for the role of the server"
    return Finding("citus", not isolated or propagation == "local", f"propagate_set_commands = {propagation}", fix)


async def _schema(dsn: str) -> list[Finding]:
    try:
        found = await status(dsn)
    except MigrationError as error:
        return [Finding("schema", False, str(error), "use the program that fits the database")]
    newer = found.version > found.expected
    said = (
        f"version {found.version}, which this program ({found.expected}) works on"
        if newer
        else f"version {found.version} of {found.expected}"
    )
    schema = Finding("schema", not found.pending, said, "run `scimsrv db migrate`")
    if found.pending:
        return [schema]
    async with connect(dsn) as connection:
        folded = await connection.fetchval(load("checkup")["unicode"])
    ours = unicodedata.unidata_version
    said = f"{ours}, as here" if folded == ours else f"{folded or 'not noted'}, here it is {ours}"
    return [schema, Finding("unicode", folded in (ours, None), said, "run `scimsrv verify --repair`: it folds anew what differs")]
