"""Pieces of SQL: literal text with numbered parameters, and the expressions through which a filter sees a resource's values."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Value:
    """A value in SQL that may be NULL: as text, and as jsonb where it has a JSON type of its own (numbers need it)."""

    text: LiteralString
    json: LiteralString | None = None
    instant: LiteralString | None = None


def any_of(parts: list[LiteralString]) -> LiteralString:
    """The disjunction; of nothing, false."""
    return "(" + " OR ".join(parts) + ")" if parts else "false"


def all_of(parts: list[LiteralString]) -> LiteralString:
    """The conjunction; of nothing, true."""
    return "(" + " AND ".join(parts) + ")" if parts else "true"
