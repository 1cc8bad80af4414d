"""Examines a database as an operator would: reachable, recent enough, migrated, durable, and with a clock like ours."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from scimsrv.embedded import USER as EMBEDDED_USER
from scimsrv.store.connection import connect
from scimsrv.store.migrate import MigrationError, status
from scimsrv.store.queries import load

OLDEST: Final = 150_000
"""The oldest Postgres that is supported, in the form of server_version_num."""

_CLOCK_SECONDS = 2.0
_DURABLE: Final = ("on", "local", "remote_write", "remote_apply")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is as it should be, what was found, and how to mend it."""

    check: str
    ok: bool
    found: str
    fix: str


async def examine(dsn: str) -> list[Finding]:
    """Return a finding per check. Raises DatabaseError when the database cannot be reached."""
    async with connect(dsn) as connection:
        before = datetime.now(UTC)
        facts = await connection.fetchrow(load("checkup")["facts"])
        after = datetime.now(UTC)
    assert facts is not None
    skew = (facts["now"] - (before + (after - before) / 2)).total_seconds()
    private = facts["role"] == EMBEDDED_USER and dsn.startswith(f"postgresql://{EMBEDDED_USER}@/")
    return [
        Finding("connection", True, "reachable", ""),
        Finding("server", facts["version"] >= OLDEST, f"Postgres {facts['version_text']}", "use Postgres 15 or newer"),
        Finding("encoding", facts["encoding"] == "UTF8", facts["encoding"], "create the database with ENCODING 'UTF8'"),
        await _schema(dsn),
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
    ]


async def _schema(dsn: str) -> Finding:
    try:
        found = await status(dsn)
    except MigrationError as error:
        return Finding("schema", False, str(error), "use the program that fits the database")
    return Finding("schema", not found.pending, f"version {found.version} of {found.expected}", "run `scimsrv db migrate`")
