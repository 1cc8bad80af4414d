"""Migrations: they add up to sql/schema.sql, run once, and keep each other out."""

import asyncio
import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
import pytest

from scimsrv import assets
from scimsrv.store import migrate as subject
from scimsrv.store.liveness import Watcher
from scimsrv.store.queries import statements
from scimsrv.store.tenants import create_tenant
from tests.recorded import statements as statements_module
from tests.recorded.description import describe
from tests.recorded.statements import shape


async def test_migrations_equal_schema(database: str, empty_database: str) -> None:
    """A database made from sql/schema.sql and one made by migrating do not differ in anything."""
    connection = await asyncpg.connect(empty_database)
    optional = [assets.text(f"sql/optional/{file}") for file in assets.names("sql/optional", ".sql")]
    for script in (assets.text("sql/schema.sql"), *optional):
        for statement in statements(script):
            await connection.execute(statement)
    await connection.close()
    migrated, written = await describe(database), await describe(empty_database)
    assert migrated == written
    assert {row[0] for row in migrated["columns"]} >= {"tenant", "resource", "migration_lock"}
    assert migrated["triggers"] == []


async def test_second_run_does_nothing(empty_database: str) -> None:
    """The first run applies everything in order, the second nothing, and the status agrees."""
    before = await subject.status(empty_database)
    assert (before.version, len(before.pending)) == (0, before.expected)
    assert [one.number for one in await subject.migrate(empty_database)] == list(range(1, before.expected + 1))
    assert await subject.migrate(empty_database) == []
    after = await subject.status(empty_database)
    assert (after.version, after.pending) == (after.expected, ())


async def test_migrators_exclude_each_other(empty_database: str) -> None:
    """Of several migrators that start at once on an empty database one does the work and none fails."""
    done = await asyncio.gather(*(subject.migrate(empty_database) for _ in range(5)))
    assert sorted(len(one) for one in done) == [0, 0, 0, 0, subject.expected_version()]


async def test_dead_migrator_is_taken_over(empty_database: str) -> None:
    """The lock of a migrator that has not been heard of for a minute is taken over, a fresh one is not."""
    await subject.migrate(empty_database)
    connection = await asyncpg.connect(empty_database)
    await connection.execute("TRUNCATE schema_migration")
    await connection.execute("INSERT INTO migration_lock VALUES ('schema', 'someone', now())")
    with pytest.raises(subject.MigrationError, match="Another migration is running"):
        await subject.migrate(empty_database, wait_seconds=0.1)
    await connection.execute("UPDATE migration_lock SET taken = now() - interval '61 seconds'")
    with pytest.raises(asyncpg.DuplicateTableError):
        await subject.migrate(empty_database, wait_seconds=0.1)
    assert await connection.fetchval("SELECT count(*) FROM migration_lock") == 0
    await connection.close()


async def test_failed_migration_leaves_nothing(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails in its last statement leaves the database as it was, and can be run again."""
    first = subject.migrations()[0]
    broken = dataclasses.replace(first, statements=(*first.statements, "SELECT 1 / 0"))
    monkeypatch.setattr(subject, "migrations", lambda: (broken,))
    with pytest.raises(asyncpg.DivisionByZeroError):
        await subject.migrate(empty_database)
    assert {row[0] for row in (await describe(empty_database))["columns"]} == {"migration_lock"}
    monkeypatch.undo()
    assert await subject.migrate(empty_database)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE schema_migration SET checksum = 'other'", "never edited"),
        ("DROP TABLE schema_state; INSERT INTO schema_migration SELECT number + 1000, 'future', '' FROM schema_migration", "newer program"),
    ],
)
async def test_history_that_differs_is_refused(empty_database: str, change: str, message: str) -> None:
    """An edited migration, and a database that a newer program has migrated, are refused by name."""
    await subject.migrate(empty_database)
    connection = await asyncpg.connect(empty_database)
    await connection.execute(change)
    await connection.close()
    for call in (subject.migrate, subject.status):
        with pytest.raises(subject.MigrationError, match=message):
            await call(empty_database)


async def test_the_printed_script_does_the_same(database: str, empty_database: str) -> None:
    """What is printed instead of being done makes the same database when it is run, in as many pieces; afterwards nothing is missing."""
    text = await subject.script(empty_database)
    assert (await subject.status(empty_database)).version == 0
    connection = await asyncpg.connect(empty_database)
    for statement in statements("\n".join(line for line in text.splitlines() if not line.startswith("\\"))):
        await connection.execute(statement)
    await connection.close()
    assert await describe(empty_database) == await describe(database)
    assert (await subject.status(empty_database)).pending == ()
    assert await subject.script(empty_database) == ""


def _later(*statements: str) -> tuple[subject.Migration, ...]:
    known = subject.migrations()
    return (*known, dataclasses.replace(known[0], number=len(known) + 1, name="later", statements=statements))


@pytest.mark.parametrize(("change", "works"), [("SELECT 1", True), ("UPDATE schema_state SET least = least + 1000", False)])
async def test_a_program_of_the_version_before(empty_database: str, monkeypatch: pytest.MonkeyPatch, change: str, works: bool) -> None:
    """What a newer program has migrated is worked on, and left as it is, unless that program says that it took away what this one uses."""
    with monkeypatch.context() as patched:
        later = _later(change)
        patched.setattr(subject, "migrations", lambda: later)
        await subject.migrate(empty_database)
    if works:
        assert await subject.migrate(empty_database) == []
        found = await subject.status(empty_database)
        assert (found.version, found.expected, found.pending) == (len(later), len(later) - 1, ())
    else:
        for call in (subject.migrate, subject.status):
            with pytest.raises(subject.MigrationError, match="use the newer program"):
                await call(empty_database)
    watcher = Watcher(empty_database)
    assert (await watcher.look()).fits is works
    watcher.close()


async def test_an_index_made_beside_its_writers(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration for no transaction that fails half way is begun anew; what it left is not taken for an index."""
    await subject.migrate(empty_database)
    connection = await asyncpg.connect(empty_database)
    await connection.execute("INSERT INTO erasure VALUES (1, 'a', now()), (1, 'b', now())")
    later = _later("DROP INDEX CONCURRENTLY IF EXISTS one", "CREATE UNIQUE INDEX CONCURRENTLY one ON erasure (tenant)")
    monkeypatch.setattr(subject, "migrations", lambda: later)
    with pytest.raises(asyncpg.UniqueViolationError):
        await subject.migrate(empty_database)
    valid = "SELECT bool_and(i.indisvalid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = 'one'"
    assert await connection.fetchval(valid) is False
    assert (await subject.status(empty_database)).pending == (f"{len(later):04}_later",)
    await connection.execute("DELETE FROM erasure WHERE id = 'b'")
    assert [one.name for one in await subject.migrate(empty_database)] == ["later"]
    assert await connection.fetchval(valid) is True
    await connection.close()


def test_what_takes_away_says_so() -> None:
    """A migration that takes away, renames or narrows what servers of the version before use says so; one outside transactions
    has nothing but statements that can be done again."""
    begins = next(one.number for one in subject.migrations() if one.name == "state")
    for one in subject.migrations():
        for statement in one.statements:
            words = " ".join(statement.split())
            narrows = re.search(r"\b(DROP (TABLE|COLUMN)|RENAME|SET NOT NULL|ALTER COLUMN \S+ TYPE|TRUNCATE)\b", words)
            if narrows and one.number > begins:
                assert any("UPDATE schema_state SET least" in other for other in one.statements), (one.name, words)
            if one.apart:
                assert re.match(r"(DROP INDEX CONCURRENTLY IF EXISTS|CREATE (UNIQUE )?INDEX CONCURRENTLY) ", words), (one.name, words)


async def test_statements_of_the_version_before(database: str) -> None:
    """What servers of the version before send, recorded with `python -m tests.recorded.statements`, is taken as before: each statement
    prepares, takes the same types, returns the same columns, and runs: none leaves a column empty that must not be. So they go on beside
    servers of this version."""
    recorded = sorted(Path(statements_module.__file__).parent.glob("statements-*.json"))[-1]
    connection = await asyncpg.connect(database)
    await create_tenant(connection, "present")
    ran: dict[str, str] = {}
    for name, (text, *taken) in orjson.loads(recorded.read_bytes()).items():
        assert await shape(connection, text) == taken, name
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.fetch(text, *(_ANY[parameter] for parameter in taken[0]), timeout=10)
        except asyncpg.PostgresError as problem:
            ran[name] = problem.sqlstate
        else:
            ran[name] = ""
        finally:
            await transaction.rollback()
    await connection.close()
    # What the values are is not what a statement would be given: that they are of no use is no fault of the schema.
    # None is the name of a role, which making row-level security takes.
    refused = {name: state for name, state in ran.items() if state and (state[:2] not in ("22", "23") or state == "23502")}
    assert refused == {"isolation.isolate": "42704"}
    assert sum(not state for state in ran.values()) > 250


#: A value of each type that statements take, one in each array so that what is written for it is written.
_ANY: Final[dict[str, Any]] = {
    **dict.fromkeys(("int2", "int4", "int8", "float8"), 1),
    "bool": True, "text": "$", "bytea": b"x", "json": '["1"]', "jsonb": "{}", "interval": timedelta(days=1),
    "timestamptz": datetime(2026, 1, 1, tzinfo=UTC),
    **{name: [1] for name in ("int2[]", "int4[]", "int8[]", "float8[]")},
    "bool[]": [True], "text[]": ["x"], "bytea[]": [b"x"], "cidr[]": ["10.0.0.0/8"],
    "timestamptz[]": [datetime(2026, 1, 1, tzinfo=UTC)],
}  # fmt: skip
