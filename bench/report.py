"""The result as a table for people and as JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from bench.measure import Row

_COLUMNS = ("question", "ours", "ceiling", "", "ratio", "(min-max)", "goal", "verdict")


def table(rows: Sequence[Row]) -> str:
    """One line per row; figures are medians over the rounds, the ratio is the median of the ratios within a round."""
    lines = [_COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.title,
        f"{row.ours:.5g} {row.unit.value}",
        f"{row.ceiling:.5g}",
        row.against,
        f"{row.ratio:.2f}",
        f"({row.lowest:.2f}-{row.highest:.2f})",
        row.goal,
        "-" if row.met is None else "PASS" if row.met else "FAIL",
    )


def as_json(rows: Sequence[Row], settings: dict[str, object]) -> str:
    """The rows, what was asked for, and what it ran on."""
    machine = {"cpus": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version(), "system": platform.platform()}
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "settings": settings,
        "rows": [dataclasses.asdict(row) | {"unit": row.unit.value} for row in rows],
    }
    return json.dumps(document, indent=2) + "\n"
