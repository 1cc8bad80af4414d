"""docs/badges-baking.md says what the code says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from scimsrv import assets
from scimsrv.badges.baking import FOREIGN, KINDS, UPLOAD, Limits

DOCUMENT = Path(str(assets.ROOT)) / "docs" / "badges-baking.md"


def limits_table() -> str:
    """One row per limit with both presets."""
    rows = ["| limit | ceiling | uploaded art | of what |", "|---|---|---|---|"]
    rows += [
        f"| `{one.name}` | {getattr(FOREIGN, one.name):,} | {getattr(UPLOAD, one.name):,} | {one.metadata['meaning']} |"
        for one in fields(Limits)
    ]
    return "\n".join(rows)


def kinds_table() -> str:
    """One row per kind of error."""
    return "\n".join(["| kind | meaning |", "|---|---|", *(f"| `{kind}` | {sentence.rstrip('.')}. |" for kind, sentence in KINDS.items())])


@pytest.mark.parametrize("table", [limits_table, kinds_table])
def test_tables_are_those_of_the_code(table: Callable[[], str]) -> None:
    """Limits and kinds of error are documented, each with its value or its sentence."""
    assert table() in DOCUMENT.read_text(encoding="utf-8"), table()
