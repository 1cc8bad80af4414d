"""Records the statements of a version of the program: `python -m tests.recorded.statements FILE`, in its checkout.

What each takes and returns is recorded with it, since that is what the program's code relies on.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from scimsrv.store.queries import all_files, load
from tests.postgres import test_server


async def shape(connection: Any, text: str) -> list[list[Any]]:
    """The types of a statement's parameters, and names and types of its columns."""
    prepared = await connection.prepare(text)
    columns = [[one.name, one.type.name] for one in prepared.get_attributes()]
    return [[one.name for one in prepared.get_parameters()], columns]


async def _record(dsn: str) -> dict[str, list[Any]]:
    connection: Any = await asyncpg.connect(dsn)
    try:
        named = {f"{file}.{name}": text for file in all_files() for name, text in load(file).items()}
        return {name: [text, *await shape(connection, text)] for name, text in named.items() if not name.startswith("migration.make")}
    finally:
        await connection.close()


if __name__ == "__main__":
    with test_server("embedded") as made:
        recorded = asyncio.run(_record(made.create()))
    lines = (f"{orjson.dumps(name).decode()}: {orjson.dumps(one).decode()}" for name, one in sorted(recorded.items()))
    Path(sys.argv[1]).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
