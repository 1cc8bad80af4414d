"""Named SQL statements, read from sql/queries/*.sql."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import LiteralString

from scimsrv import assets

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)


_NAMES: dict[str, str] = {}


def name_of(statement: str) -> str | None:
    """Return the name of a statement that was read from a file, None for one that was put together."""
    return _NAMES.get(statement)


@cache
def load(file: str) -> Mapping[str, LiteralString]:
    """Return the statements of sql/queries/<file>.sql by name; a statement starts at a line `-- name: <name>`.

    The texts ship with the program, hence LiteralString: what a client sent can only ever be a parameter of theirs.
    Raises ValueError when a name occurs twice or a block holds no statement.
    """
    text = assets.text(f"sql/queries/{file}.sql")
    parts = _NAME.split(text)[1:]
    found: dict[str, LiteralString] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        statement = "\n".join(line for line in body.splitlines() if line.strip() and not line.lstrip().startswith("--"))
        if name in found or not statement:
            raise ValueError(f"sql/queries/{file}.sql: {name} is empty or occurs twice")
        found[name] = statement.rstrip().removesuffix(";")
        _NAMES[found[name]] = f"{file}.{name}"
    return MappingProxyType(found)


def statements(script: str) -> list[str]:
    """Split a migration or schema file into statements: each ends with ";" at the end of a line; comment lines are dropped."""
    lines = [line for line in script.splitlines() if line.strip() and not line.lstrip().startswith("--")]
    return [part.strip() for part in re.split(r";[ \t]*\n", "\n".join(lines) + "\n") if part.strip()]


def all_files() -> list[str]:
    """Return the names of the files that load() accepts."""
    return [name.removesuffix(".sql") for name in assets.names("sql/queries", ".sql")]
