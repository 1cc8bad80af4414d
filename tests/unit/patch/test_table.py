"""The table of handlers is the one that its module documents, cell by cell."""

from __future__ import annotations

from typing import get_args

import pytest

from scimsrv.errors import Kind
from scimsrv.patch import apply as module
from scimsrv.patch.apply import HANDLERS
from scimsrv.patch.operation import Action, Target
from tests.schemas import user_schema
from tests.unit.patch.support import op, refused, user


def documented() -> dict[tuple[str, str], str]:
    """The cells of the table in the module's docstring."""
    assert module.__doc__
    rows = [line.strip("|").split("|") for line in module.__doc__.splitlines() if line.startswith("|")]
    kinds = [cell.strip() for cell in rows[0][1:]]
    return {(row[0].strip(), kind): cell.strip() for row in rows[2:] for kind, cell in zip(kinds, row[1:], strict=True)}


def test_the_documented_table_is_the_table() -> None:
    cells = documented()
    assert set(cells) == {(action.value, kind.__name__) for action in Action for kind in get_args(Target)}
    assert {cell for cell, text in cells.items() if text} == {(action.value, kind.__name__) for action, kind in HANDLERS}


def test_the_empty_cell_is_remove_without_path() -> None:
    assert [cell for cell, text in documented().items() if not text] == [("remove", "Root")]


@pytest.mark.parametrize("operation", [op("remove"), {"op": "remove", "path": None}, op("remove", value={"title": "x"})])
def test_remove_without_path_has_no_target(operation: object) -> None:
    """7644-3.5.2-09, 7644-3.5.2.2-01."""
    refused(Kind.NO_TARGET, user_schema(), user(title="x"), operation)
