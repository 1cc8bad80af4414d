"""Brings a database from any earlier schema to the one this program needs: forward only, checksummed, one migrator at a time."""

import asyncio
import contextlib
import hashlib
import logging
import re
import secrets
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import asyncpg

from scimsrv import assets
from scimsrv.store import queries
from scimsrv.store.connection import Connection, connect
from scimsrv.store.isolation import isolate

log = logging.getLogger(__name__)

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
# While a migration waits for a table, every request behind it waits too: less than anybody notices, and rather often.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '400ms'"
_LOCK_ATTEMPTS = 60
_LONGEST_PAUSE = 2.0
_POLL_SECONDS = 0.2
# A migrator that has not been heard of for a minute is taken for dead.
_HEARD_SECONDS = 15.0


class MigrationError(Exception):
    """The database cannot be migrated; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of sql/migrations; checksum is the SHA-256 of its statements, so editing a comment changes nothing."""

    number: int
    name: str
    checksum: str
    statements: tuple[str, ...]

    @property
    def apart(self) -> bool:
        """Whether its statements are for no transaction, since each takes long and holds nobody up: then each can be done again."""
        return any("CONCURRENTLY" in statement for statement in self.statements)


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stands: its version (0 when empty), the version this program needs, and what has been applied when: also what
    this program does not know, as long as it can work on the database all the same."""

    version: int
    expected: int
    applied: tuple[tuple[int, str, datetime], ...]
    pending: tuple[str, ...]


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations in order. Raises MigrationError when a file is misnamed or a number is missing or doubled."""
    found: list[Migration] = []
    for file in assets.names("sql/migrations", ".sql"):
        match = _FILE.fullmatch(file)
        if match is None or int(match[1]) != len(found) + 1:
            raise MigrationError(f"sql/migrations/{file} is not the next number, or is not named NNNN_what.sql")
        statements = tuple(queries.statements(assets.text(f"sql/migrations/{file}")))
        checksum = hashlib.sha256(";\n".join(statements).encode()).hexdigest()
        found.append(Migration(int(match[1]), match[2], checksum, statements))
    return tuple(found)


def expected_version() -> int:
    """Return the schema version that this program needs: the number of its last migration."""
    return migrations()[-1].number


async def status(dsn: str) -> Status:
    """Look at a database without changing it. Raises MigrationError when its history differs from the files, or a newer program has left
    it so that this one cannot work on it."""
    async with connect(dsn) as connection:
        history = await _history(connection)
    applied = tuple((row["number"], row["name"], row["applied_at"]) for row in history)
    return Status(
        version=applied[-1][0] if applied else 0,
        expected=expected_version(),
        applied=applied,
        pending=tuple(f"{m.number:04}_{m.name}" for m in migrations()[len(applied) :]),
    )


async def migrate(dsn: str, *, wait_seconds: float = 120, application: str | None = None) -> list[Migration]:
    """Apply what is missing and return it; each migration is one transaction of its statements, so a crash leaves none half done.
    `application` is the role for which row-level security is put up, None to leave that as it is.

    Waits for another migrator up to wait_seconds; one that died is taken over after a minute. Raises MigrationError when that
    time is over, or when the database's history differs from the files (a file was edited, or a newer program has taken away what this
    one needs; one that has only added is no hindrance).
    """
    sql = queries.load("migration")
    holder = secrets.token_hex(8)
    async with connect(dsn) as connection:
        if len(await _history(connection)) >= len(migrations()):
            await _make_optional(connection)
            await _isolate(connection, application)
            return []
        await _make_lock_table(connection)
        await _take_lock(connection, holder, wait_seconds)
        try:
            pending = migrations()[len(await _history(connection)) :]
            for migration in pending:
                if migration.apart:
                    await _apply_apart(connection, dsn, migration, holder)
                else:
                    await _apply(connection, migration, holder)
            if len(pending) == len(migrations()) and any(one.name == "state" for one in pending):
                await connection.execute(sql["note_unicode"], unicodedata.unidata_version)
            await _make_optional(connection)
            await _isolate(connection, application)
            return list(pending)
        finally:
            await connection.execute(sql["release_lock"], holder)


async def script(dsn: str) -> str:
    """What `migrate` would do as a script for psql, "" for nothing; the database is not changed. Row-level security is no part of it.
    Raises MigrationError as `status` does."""
    async with connect(dsn) as connection:
        pending = migrations()[len(await _history(connection)) :]
    if not pending:
        return ""
    parts = ["\\set ON_ERROR_STOP on", queries.load("migration")["make_lock_table"] + ";"]
    for one in pending:
        record = f"INSERT INTO schema_migration (number, name, checksum) VALUES ({one.number}, '{one.name}', '{one.checksum}')"
        around = (("BEGIN", _LOCK_TIMEOUT), ("COMMIT",)) if not one.apart else ((), ())
        parts += [f"-- {one.number:04}_{one.name}", *(f"{text};" for text in (*around[0], *one.statements, record, *around[1]))]
    parts.append("-- What makes queries faster where the database permits it.\n\\set ON_ERROR_STOP off")
    for file in assets.names("sql/optional", ".sql"):
        parts += [f"{statement};" for statement in queries.statements(assets.text(f"sql/optional/{file}"))]
    return "\n\n".join(parts)


async def note_folded(connection: Connection) -> None:
    """Note that everything was folded by this program's version of Unicode."""
    await connection.execute(queries.load("migration")["folded_anew"], unicodedata.unidata_version)


async def _make_optional(connection: Connection) -> None:
    """What makes queries faster where the database permits it; without the right or the extension they are right all the same."""
    for file in assets.names("sql/optional", ".sql"):
        for statement in queries.statements(assets.text(f"sql/optional/{file}")):
            try:
                await connection.execute(statement)
            except (asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError, asyncpg.DuplicateTableError):
                continue  # another migrator made it at the same moment
            except asyncpg.PostgresError as problem:
                log.warning("sql/optional/%s: %s; `scimsrv db migrate` tries it again", file, problem)
                break


async def _history(connection: Connection) -> list[asyncpg.Record]:
    sql = queries.load("migration")
    rows = await connection.fetch(sql["history"]) if await connection.fetchval(sql["has_history"]) else []
    known = migrations()
    if len(rows) > len(known):
        least = await connection.fetchval(sql["least"]) if await connection.fetchval(sql["has_state"]) else None
        if least is None or least > len(known):
            raise MigrationError(f"The database is at version {len(rows)}, this program knows {len(known)}: use the newer program.")
    for row, migration in zip(rows, known, strict=False):
        if (row["number"], row["checksum"]) != (migration.number, migration.checksum):
            raise MigrationError(
                f"Migration {migration.number:04}_{migration.name} was applied in another form than the one shipped; "
                "restore the file that was applied, migrations are never edited."
            )
    return rows


async def _make_lock_table(connection: Connection) -> None:
    # IF NOT EXISTS does not keep two first migrators apart: the loser meets the catalogue's own rows.
    with contextlib.suppress(asyncpg.UniqueViolationError, asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError):
        await connection.execute(queries.load("migration")["make_lock_table"])


async def _take_lock(connection: Connection, holder: str, wait_seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while await connection.fetchval(queries.load("migration")["take_lock"], holder) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise MigrationError("Another migration is running; wait for it, or a minute after it died, and try again.")
        await asyncio.sleep(_POLL_SECONDS)


async def _apply(connection: Connection, migration: Migration, holder: str) -> None:
    sql = queries.load("migration")

    async def apply() -> None:
        if await connection.fetchval(sql["keep_lock"], holder) is None:
            raise MigrationError("Another migrator has taken over; look at `scimsrv db status` and try again.")
        await connection.execute(_LOCK_TIMEOUT)
        for statement in migration.statements:
            await connection.execute(statement)
        await connection.execute(sql["record"], migration.number, migration.name, migration.checksum)

    await _patiently(connection, f"Migration {migration.name}", apply)


async def _apply_apart(connection: Connection, dsn: str, migration: Migration, holder: str) -> None:
    """Statement by statement outside transactions; what fails is begun anew from the first one the next time."""
    sql = queries.load("migration")
    done = asyncio.Event()

    async def keep(other: Connection) -> None:
        while not done.is_set():
            await other.fetchval(sql["keep_lock"], holder)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), _HEARD_SECONDS)

    async with connect(dsn) as other:
        keeping = asyncio.create_task(keep(other))
        try:
            for statement in migration.statements:
                await connection.execute(statement)
        finally:
            done.set()
            await keeping
    await connection.execute(sql["record"], migration.number, migration.name, migration.checksum)


async def _isolate(connection: Connection, application: str | None) -> None:
    """Row-level security for what has none yet. Two migrators that do it at once wait for each other at the first table."""
    if application is None:
        return

    async def put_up() -> None:
        await connection.execute(_LOCK_TIMEOUT)
        await isolate(connection, application)

    await _patiently(connection, "Row-level security", put_up)


async def _patiently(connection: Connection, what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work in one transaction, again while others hold its tables."""
    for attempt in range(1, _LOCK_ATTEMPTS + 1):
        try:
            async with connection.transaction():
                await work()
            return
        except asyncpg.LockNotAvailableError:
            # A long transaction of someone else holds the table: give way, so that requests queued behind us can run.
            if attempt == _LOCK_ATTEMPTS:
                raise MigrationError(f"{what} found its tables locked; try again when it is quieter.") from None
            await asyncio.sleep(min(_POLL_SECONDS * attempt, _LONGEST_PAUSE))
