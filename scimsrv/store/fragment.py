"""Pieces of SQL: literal text with numbered parameters, and the expressions through which a filter sees a resource's values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

_MAX_PARAMETERS: Final = 4_000
_NUMBERED: Final[tuple[LiteralString, ...]] = tuple(f"${number}" for number in range(_MAX_PARAMETERS))


@dataclass(slots=True)
class Arguments:
    """The parameters of one statement; $1 is the tenant."""

    values: list[Any] = field(default_factory=list)

    def add(self, value: Any) -> LiteralString:
        """Append a parameter; returns its placeholder."""
        self.values.append(value)
        return _NUMBERED[len(self.values)]


_NUMBERS: Final[tuple[LiteralString, ...]] = tuple(f"{number}" for number in range(1_002))


def limit(number: int, args: Arguments) -> LiteralString:
    """A number of rows, written into the statement where there are few such numbers: Postgres then knows it when it plans for any
    parameters. Otherwise it plans for a tenth of an index, and would rather make a plan for each execution, which costs more than a page
    does."""
    return _NUMBERS[number] if 0 <= number < len(_NUMBERS) else args.add(number) + "::bigint"


@dataclass(frozen=True, slots=True)
class Value:
    """A value in SQL that may be NULL: as text, and as jsonb where it has a JSON type of its own (numbers need it)."""

    text: LiteralString
    json: LiteralString | None = None
    instant: LiteralString | None = None


def one_of(column: LiteralString, names: Iterable[str], args: Arguments) -> LiteralString:
    """Equality with one of a few names. An array parameter would do, but with one Postgres plans the statement anew each time."""
    return any_of([column + " = " + args.add(name) for name in names])


def any_of(parts: list[LiteralString]) -> LiteralString:
    """The disjunction; of nothing, false."""
    return "(" + " OR ".join(parts) + ")" if parts else "false"


def all_of(parts: list[LiteralString]) -> LiteralString:
    """The conjunction; of nothing, true."""
    return "(" + " AND ".join(parts) + ")" if parts else "true"


def planned_anew(args: Arguments) -> LiteralString:
    """A condition that is always true, and makes Postgres plan the statement for the parameters of each execution.

    Knowing them it drops the condition; a plan for any parameters has to allow for the costly half, so that it is never the cheaper
    one. For statements whose best plan depends on how frequent the values are.
    """
    return "(" + args.add(True) + "::boolean OR (SELECT count(*) FROM generate_series(1, 1000000000)) > 0)"
