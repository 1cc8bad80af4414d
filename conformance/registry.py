"""What a check is, and the table of all checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.client import Scim

CheckFunction = Callable[["Scim"], None]


class Skip(Exception):  # noqa: N818 - not an error: the server does not offer what the check needs
    """Raised by a check that cannot be decided against this server; the message says why."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One testable row: where it comes from and how strong it is."""

    id: str
    rfc: str
    section: str
    level: str
    feature: str
    basis: str
    testable: bool


@dataclass(frozen=True, slots=True)
class Check:
    """A named claim about a server. `claim` is the first line of the function's docstring."""

    id: str
    section: str
    level: str
    tags: frozenset[str]
    claim: str
    run: CheckFunction


CHECKS: dict[str, Check] = {}


@cache
def requirements() -> dict[str, Requirement]:
    """The requirement rows by id, read from requirements.json beside this file."""
    rows = json.loads((Path(__file__).parent / "requirements.json").read_text())
    return {row["id"]: Requirement(**row) for row in rows}


def requirement(*ids: str, tags: Iterable[str] = ()) -> Callable[[CheckFunction], CheckFunction]:
    """Register the function as the check of these requirement rows (one check per id, same function), with more tags if need be."""

    def register(function: CheckFunction) -> CheckFunction:
        for id_ in ids:
            row = requirements()[id_]
            _add(id_, f"RFC {row.rfc} §{row.section}", row.level, {row.feature, "rfc", *tags}, function)
        return function

    return register


def case(id_: str, *, section: str, tags: set[str], level: str = "MUST") -> Callable[[CheckFunction], CheckFunction]:
    """Register a check that no requirement row names: a captured exchange, a vector, a tester's run."""

    def register(function: CheckFunction) -> CheckFunction:
        _add(id_, section, level, tags, function)
        return function

    return register


def _add(id_: str, section: str, level: str, tags: set[str], function: CheckFunction) -> None:
    claim = (function.__doc__ or "").strip().splitlines()
    if not claim:
        raise ValueError(f"{id_}: a check needs a docstring that states its claim")
    if id_ in CHECKS:
        raise ValueError(f"{id_}: two checks with one id")
    CHECKS[id_] = Check(id_, section, level, frozenset(tags), claim[0], function)


def selected(only: list[str]) -> Iterator[Check]:
    """The checks whose id or one of whose tags is in `only`; all when it is empty."""
    for check in CHECKS.values():
        if not only or check.id in only or check.tags & set(only):
            yield check
