"""Filters and PATCH paths as values, as written: names are not resolved yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from scimsrv.schema.semantics import Op

Literal: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """An attribute path as the client wrote it, with the offset of its first character in the text."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Present:
    """`name pr`."""

    name: Name


@dataclass(frozen=True, slots=True)
class Compare:
    """`name op literal`; `offset` is where the literal starts."""

    name: Name
    op: Op
    literal: Literal
    offset: int


@dataclass(frozen=True, slots=True)
class ValuePath:
    """`name[filter]`: some one element of `name` satisfies the whole filter; names in the filter are sub-attributes of `name`.

    With `rest`, the form `name[filter].sub op literal` (or `pr`): the same element must satisfy `rest` as well, whose name is the
    sub-attribute alone.
    """

    name: Name
    filter: Filter
    rest: Compare | Present | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """`not (filter)`."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more."""

    parts: tuple[Filter, ...]


Filter: TypeAlias = And | Or | Not | Compare | Present | ValuePath


@dataclass(frozen=True, slots=True)
class PatchPath:
    """A PATCH path: `name`, `name[filter]` or `name[filter].sub` (RFC 7644 §3.5.2, Figure 7)."""

    name: Name
    filter: Filter | None = None
    sub: Name | None = None
