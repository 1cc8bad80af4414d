"""What the commands share: their flags, their output, their way to the database."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from scimsrv.cli.manual import EXIT_CODES
from scimsrv.embedded import DirectoryLock, running, start_cluster
from scimsrv.settings import PREFIX, Settings, load_settings
from scimsrv.store.connection import Connection, DatabaseError, connect
from scimsrv.store.isolation import role_at
from scimsrv.visible import visible

FAILED: Final = 1
USAGE: Final = 2
DATABASE_FAILED: Final = 3
INTERRUPTED: Final = 130

POSTGRES: Final = "postgres"
"""Name of the embedded Postgres's folder in the data directory."""

#: What a text to be shown is laid out with.
_LAID_OUT: Final = "\n\t"

_WAIT_SECONDS = 30.0
_T = TypeVar("_T")


class CommandError(Exception):
    """A command cannot do what was asked; the message says why and what to do."""


def add_command(commands: Any, name: str, summary: str, example: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    """Add a command with its example and exit codes to a parser's subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"Example:\n  {example}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_group(commands: Any, name: str, summary: str) -> Any:
    """Add a command that only has subcommands, and return the place to add them."""
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False)
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which database a command works on and how it prints."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")
    parser.add_argument("--database-url", metavar="URL", help="Postgres to use; better given as SCIMSRV_DATABASE_URL or in a file")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="data of the embedded mode (default ./.scimsrv)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def settings_of(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """Merge the command's flags with environment and file; flags are those arguments that are named like a setting."""
    flags = {name: value for name, value in vars(arguments).items() if name in Settings.model_fields}
    config = arguments.config or environ.get(f"{PREFIX}CONFIG")
    return load_settings(flags, environ, Path(config) if config else None)


def emit(arguments: argparse.Namespace, document: object, text: str) -> None:
    """Print a result on stdout: the document as JSON when asked for, else the text."""
    if arguments.json:
        sys.stdout.write(orjson.dumps(document, default=_plain, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z).decode())
    else:
        sys.stdout.write(visible(text, _LAID_OUT) + "\n" if text else "")
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell the user something that is not a result."""
    print(visible(text, _LAID_OUT), file=sys.stderr, flush=True)  # noqa: T201


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows under heads in columns; times are shown to the second, None as a dash."""
    lines = [tuple(heads), *(tuple(_cell(value) for value in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def advised(heads: Sequence[str], rows: Sequence[tuple[Sequence[object], str]]) -> str:
    """Lay out rows as `table` does, each with advice, where there is some, in a line of its own below."""
    lines = table(heads, [cells for cells, _ in rows]).splitlines()
    for place in range(len(rows) - 1, -1, -1):
        advice = rows[place][1]
        if advice:
            lines.insert(place + 2, f"      fix: {visible(advice)}")
    return "\n".join(lines)


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database to work on, as its owner: the configured one, or the embedded one, which is started if need be.

    Raises DatabaseError when nothing is configured and no embedded database exists, or with row-level security no owner.
    """
    if settings.isolated and settings.admin_database_url is None:
        raise DatabaseError("With isolation = rls commands need admin_database_url, the database as the role that owns the tables.")
    if settings.owner_url is not None:
        yield settings.owner_url
        return
    directory = settings.data_dir.absolute() / POSTGRES
    if not directory.exists():
        raise DatabaseError(
            f"There is no database in {settings.data_dir}: start `scimsrv serve` once, or give --database-url or --data-dir."
        )
    lock = DirectoryLock(settings.data_dir.absolute(), "command")
    deadline = time.monotonic() + _WAIT_SECONDS
    while not lock.take():
        # A running server keeps its Postgres for as long as we need; another command would stop it under us, so wait for it.
        cluster = running(directory) if lock.holder().startswith("serve ") else None
        if cluster is not None:
            yield cluster.dsn
            return
        if time.monotonic() > deadline:
            raise DatabaseError(f"{settings.data_dir} is in use by another process ({lock.holder()}).")
        time.sleep(0.05)
    try:
        started = start_cluster(directory, settings.postgres_bin)
        try:
            yield started.dsn
        finally:
            started.stop()
    finally:
        lock.release()


def application_role(settings: Settings) -> str | None:
    """The role that requests are served as, where row-level security has to hold it back. Raises DatabaseError when it cannot connect."""
    if not settings.isolated or settings.database_url is None:
        return None
    return asyncio.run(role_at(settings.database_url))


def on_database(settings: Settings, work: Callable[[Connection], Awaitable[_T]]) -> _T:
    """Run work with a connection to the database and return its result."""

    async def connected(dsn: str) -> _T:
        async with connect(dsn) as connection:
            return await work(connection)

    with database_url(settings) as dsn:
        return asyncio.run(connected(dsn))


def tenant_url(settings: Settings, slug: str) -> str:
    """Return the base URL to enter at the identity provider."""
    base = settings.base_url
    if settings.embedded and settings.public_url is None:
        # The server that runs on the same data directory may have been given another port than this command.
        base = DirectoryLock(settings.data_dir.absolute(), "").told() or base
    return f"{base}/scim/{slug}/v2"


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, (list, tuple)):
        return visible(" ".join(str(part) for part in value))
    return "-" if value is None else visible(str(value))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} cannot be printed as JSON")
