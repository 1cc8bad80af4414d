"""What a request comes to: a plan that the store carries out, and the outcome that a response shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from scimsrv.filter.bind import Bound
from scimsrv.filter.tree import Filter
from scimsrv.patch.operation import Operation
from scimsrv.schema.catalog import Definition
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.project import View
from scimsrv.schema.redefinition import Subject
from scimsrv.schema.validate import Draft


@dataclass(frozen=True, slots=True)
class IfMatch:
    """The If-Match header: any version (`*`), or one of these (RFC 7644 §3.14)."""

    any: bool
    versions: frozenset[int] = frozenset()

    def permits(self, version: int) -> bool:
        """Whether a resource of this version may be changed."""
        return self.any or version in self.versions


@dataclass(frozen=True, slots=True)
class Insert:
    """Create a resource from a validated body."""

    schema: EffectiveSchema
    draft: Draft
    view: View


@dataclass(frozen=True, slots=True)
class Read:
    """Read one resource."""

    schema: EffectiveSchema
    id: str
    view: View
    if_none_match: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Replace a resource by a body (PUT); `draft` is what the body came to. `permitted` are the folded names of the attributes that may
    change, None for all."""

    schema: EffectiveSchema
    id: str
    body: Mapping[str, Any]
    draft: Draft
    view: View
    if_match: IfMatch | None
    permitted: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Modify:
    """Apply PATCH operations. `body_wanted`: the client asked for attributes, so the answer has a body. `coercions` are those that it
    took to read the operations. `permitted`: as for a PUT."""

    schema: EffectiveSchema
    id: str
    operations: tuple[Operation, ...]
    view: View
    if_match: IfMatch | None
    body_wanted: bool
    coercions: frozenset[Coercion] = frozenset()
    permitted: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete a resource."""

    schema: EffectiveSchema
    id: str
    if_match: IfMatch | None


@dataclass(frozen=True, slots=True)
class Target:
    """One resource type of a query: its condition (None selects all) and the place to sort by (None: no such attribute here)."""

    schema: EffectiveSchema
    filter: Bound | None
    sort: Resolved | None
    view: View


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a query's order: a resource's id and its sort key as text (None where the query is not sorted or it has none)."""

    key: str | None
    id: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a cursor page is: after `position`, or before it when `backwards`; the first page has none.

    `binding` is the digest of the query that its cursors are bound to.
    """

    binding: bytes
    position: Position | None = None
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A list request. `start` counts from 1; `count` is how many resources at most; `cursor` is None for index paging; `tree` is the
    filter as written; `at` the moment by which values that pass with time are sorted. `shown`: the page is only shown, so that its
    resources may be put together by who reads them."""

    targets: tuple[Target, ...]
    descending: bool
    start: int
    count: int
    cursor: Cursor | None = None
    tree: Filter | None = None
    at: datetime | None = None
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Define:
    """Create (`name` None), change or delete a schema or resource type. `edit` makes the body that is to define it (None: deletes it)
    of the present definition."""

    subject: Subject
    name: str | None
    edit: Callable[[Definition | None], Mapping[str, Any] | None]
    if_match: IfMatch | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that needs no database: discovery. `version` is that of a definition, which has an entity tag."""

    document: Mapping[str, Any]
    version: int | None = None
    if_none_match: tuple[str, ...] = ()


Plan: TypeAlias = Insert | Read | Overwrite | Modify | Remove | Query | Define | Answer


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Linked(NamedTuple):
    """An element of a link or backlink: the other resource's id, its type, the text that shows it, and what `type` says."""

    id: str
    resource_type: str
    display: str | None
    kind: str


class Stored(NamedTuple):
    """A resource as stored: `document` is JSON text without meta, links and backlinks, which are by the key of their attribute.

    Times are text as it is served. `ready` has the elements of backlinks as JSON, with commas between them, where all of them are
    direct. `streamed` yields the elements of the links (by key) that have too many to hold at once. `search` is the search document,
    where it was asked for. `derived` is what the document shows that follows from the moment it is shown at. `gone` counts by key the
    elements that were read beside those in `linked`, of resources that are deleted. `whole` is the representation where it was put
    together by who read it; then nothing else but the id is there.
    """

    schema: EffectiveSchema
    id: str
    version: int
    created: str
    modified: str
    document: str
    linked: Mapping[str, list[Linked]] = _NOTHING
    streamed: tuple[tuple[str, AsyncIterator[list[Linked]]], ...] = ()
    search: str = ""
    ready: Mapping[str, bytes] = _NOTHING
    derived: bytes = b""
    gone: Mapping[str, int] = _NOTHING
    whole: bytes = b""


@dataclass(frozen=True, slots=True)
class Created:
    """201 with the new resource."""

    stored: Stored
    view: View


@dataclass(frozen=True, slots=True)
class Shown:
    """200 with the resource, or 304 when one of the tags is its own."""

    stored: Stored
    view: View
    if_none_match: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """204; with the version of the resource where one remains."""

    version: int | None = None


@dataclass(frozen=True, slots=True)
class Cursors:
    """What a cursor page links to: the position after its last resource and the one before its first; None where there is no such page."""

    binding: bytes
    next: Position | None
    previous: Position | None


@dataclass(frozen=True, slots=True)
class Page:
    """200 with a ListResponse. `total` is the exact number of matches; `cursors` is None for index paging."""

    total: int
    start: int
    rows: tuple[tuple[Stored, View], ...]
    cursors: Cursors | None = None


@dataclass(frozen=True, slots=True)
class Defined:
    """201 or 200 with a definition as it is now; 202 when part of the change takes effect later."""

    subject: Subject
    definition: Definition
    version: int
    created: bool
    pending: bool = False


Outcome: TypeAlias = Created | Shown | Done | Page | Defined | Answer
