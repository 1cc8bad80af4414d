"""`scimsrv db`: bring the database's schema up to date, or say where it stands."""

import argparse
import asyncio
from typing import Any

from scimsrv.cli.common import (
    FAILED,
    add_command,
    add_common,
    add_group,
    application_role,
    database_url,
    emit,
    note,
    settings_of,
    table,
)
from scimsrv.settings import Settings
from scimsrv.store import migrate


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(commands, "db", "look after the database's schema")
    apply = add_command(group, "migrate", "apply the migrations that are missing", "scimsrv db migrate", _migrate)
    apply.add_argument("--sql", action="store_true", help="print what would be done, as a script for psql, and do nothing")
    add_common(apply)
    status = "show which migrations are applied and missing; exit code 1 when any is missing"
    add_common(add_command(group, "status", status, "scimsrv db status --json", _status))


def _migrate(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    if arguments.sql:
        return _print(arguments, settings)
    with database_url(settings) as dsn:
        applied = asyncio.run(migrate.migrate(dsn, application=application_role(settings)))
    names = [f"{one.number:04}_{one.name}" for one in applied]
    emit(arguments, {"applied": names, "version": migrate.expected_version()}, "\n".join(names))
    note(f"The schema is at version {migrate.expected_version()}.")
    return 0


def _print(arguments: argparse.Namespace, settings: Settings) -> int:
    with database_url(settings) as dsn:
        text = asyncio.run(migrate.script(dsn))
    emit(arguments, {"sql": text, "version": migrate.expected_version()}, text)
    if settings.isolated:
        note("Run `scimsrv db migrate` after it: that puts up row-level security on new tables.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    with database_url(settings_of(arguments)) as dsn:
        found = asyncio.run(migrate.status(dsn))
    rows: list[tuple[object, ...]] = [(f"{number:04}_{name}", at) for number, name, at in found.applied]
    rows += [(name, "missing") for name in found.pending]
    emit(arguments, found, table(("MIGRATION", "APPLIED"), rows))
    return FAILED if found.pending else 0
