"""The result as a table for the screen, as JSON, and as Markdown between two marks of a document."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.scale.finding import Finding

_COLUMNS: Final = ("question", "figure", "(min-max)", "bar", "verdict", "time", "note")
_BEGIN, _END = "<!-- result -->", "<!-- end of result -->"


def table(findings: Sequence[Finding]) -> str:
    """One line per finding."""
    lines = [_COLUMNS, *(_cells(finding) for finding in findings)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])


def _cells(finding: Finding) -> tuple[str, ...]:
    spread = f"({_number(finding.lowest)}-{_number(finding.highest)})" if finding.lowest is not None and finding.highest is not None else ""
    return (
        finding.title,
        "not measured" if finding.figure is None else f"{_number(finding.figure)} {finding.unit}",
        spread,
        f"{'>=' if finding.at_least else '<='} {_number(finding.bar)}",
        "-" if finding.met is None else "PASS" if finding.met else "FAIL",
        "" if finding.milliseconds is None else f"{finding.milliseconds:,.4g} ms",
        finding.note,
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def as_json(findings: Sequence[Finding], settings: Mapping[str, object], lines: Mapping[str, object]) -> str:
    """The findings, what is drawn, what was asked for, and what it ran on."""
    machine = {"cpus": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version(), "system": platform.platform()}
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "settings": settings,
        "findings": [dataclasses.asdict(finding) | {"met": finding.met} for finding in findings],
        "lines": lines,
    }
    return json.dumps(document, indent=2) + "\n"


def write_into(document: Path, findings: Sequence[Finding], command: str) -> None:
    """Replace what stands between the document's marks by the table. Raises ValueError when it has no marks."""
    text = document.read_text(encoding="utf-8")
    if _BEGIN not in text or _END not in text:
        raise ValueError(f"{document} has no place for the result: the lines {_BEGIN} and {_END}")
    head, tail = text[: text.index(_BEGIN) + len(_BEGIN)], text[text.index(_END) :]
    rows = [_markdown(_COLUMNS), _markdown(["---"] * len(_COLUMNS)), *(_markdown(_cells(finding)) for finding in findings)]
    made = f"Of `{command}` on {os.cpu_count()} CPUs, {datetime.now(UTC).date()}:"
    document.write_text("\n".join([head, made, "", *rows, tail]), encoding="utf-8")


def _markdown(cells: Sequence[str]) -> str:
    escaped = [cell.replace("<=", "≤").replace(">=", "≥").replace("|", "\\|") for cell in cells]
    return "| " + " | ".join(escaped) + " |"
