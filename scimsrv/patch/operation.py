"""PATCH operations as values: what is done, to which kind of target, with what (RFC 7644 §3.5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias, assert_never

from scimsrv.filter.bind import Bound
from scimsrv.filter.tree import And, Compare, Filter, Not, Or, Present, ValuePath
from scimsrv.schema.attribute import Attribute
from scimsrv.schema.effective import Resolved


class Action(Enum):
    """The three values of `op`."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


class Missing(Enum):
    """The type of `NO_VALUE`."""

    VALUE = "no value"


#: An operation without the member `value`, as opposed to `"value": null`.
NO_VALUE: Final = Missing.VALUE


@dataclass(frozen=True, slots=True)
class Root:
    """The resource itself: no path, or the URN of a schema as path. The operation's value is a tuple of Operations, one for each
    member of the client's object, so that no handler reads a name."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole attribute: `userName`, `emails`, `urn:…:User:manager`. `place.sub` is None."""

    place: Resolved


@dataclass(frozen=True, slots=True)
class Part:
    """A sub-attribute, of every value when the attribute has several: `name.givenName`, `emails.display`. `place.sub` is set."""

    place: Resolved

    @property
    def sub(self) -> Attribute:
        """The sub-attribute."""
        return self.place.leaf


@dataclass(frozen=True, slots=True)
class Selected:
    """The values that a filter selects, or one sub-attribute of them: `emails[type eq "work"]`, `emails[type eq "work"].value`.

    `tree` is the filter as written, from which a value can be made that satisfies it. `place.sub` is None.
    """

    place: Resolved
    filter: Bound
    tree: Filter
    sub: Attribute | None = None


Target: TypeAlias = Root | Whole | Part | Selected


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `value` is the client's JSON (NO_VALUE without it); `index` counts the request's operations from 0."""

    action: Action
    target: Target
    value: Any
    index: int


def comparisons(tree: Filter) -> int:
    """How many comparisons it takes at most to tell whether one value satisfies the filter."""
    match tree:
        case And(parts) | Or(parts):
            return sum(map(comparisons, parts))
        case Not(inner):
            return comparisons(inner)
        case Compare() | Present() | ValuePath():
            return 1
        case other:
            assert_never(other)
