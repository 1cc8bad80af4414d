"""docs/threat-model.md and SECURITY.md name tests that exist, and leave none of the known weaknesses and experiments out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from scimsrv import assets

_ROOT = Path(str(assets.ROOT))
_TEXT = (_ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
_NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _TEXT)))

#: What may be without a test as yet, for what it is about does not exist.
_LATER = {"16", "31", "32", "34", "R20"}


@cache
def _tests(file: str) -> frozenset[str]:
    path = _ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(("file", "name"), _NAMED, ids=lambda value: value.rpartition("/")[2])
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    """Each claim rests on a test of that name in that file."""
    assert name.startswith("test_")
    assert name in _tests(file)


def test_nothing_is_left_out() -> None:
    """Every known weakness from 1 to 36 and every experiment from R1 to R20 has a row with a test, or says with what it comes."""
    rows = {found[1]: found[2] for found in re.finditer(r"^\| (R?\d+) \| (.*)$", _TEXT, re.MULTILINE)}
    assert rows.keys() == {str(number) for number in range(1, 37)} | {f"R{number}" for number in range(1, 21)}
    without = {number for number, row in rows.items() if "::test_" not in row}
    assert without <= _LATER
    assert all("comes with" in rows[number] for number in without)


def test_every_claim_has_a_test() -> None:
    """No row of the claims is without one."""
    claims = _TEXT.partition("## Claims")[2].partition("## ")[0]
    rows = [line for line in claims.splitlines() if line.startswith("| ") and not line.startswith("| claim")]
    assert rows
    assert [row for row in rows if "::test_" not in row] == []


def test_experiments_are_reported() -> None:
    """docs/reliability.md has a result of each experiment on faults."""
    text = (_ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    reported = set(re.findall(r"^\| (R\d+) \|", text, re.MULTILINE))
    assert reported >= {f"R{number}" for number in (1, 2, 3, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19)}
