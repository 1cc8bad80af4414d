"""A walk over a tenant's rows in their order, batch by batch, each looked at by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from scimsrv.store.connection import Connection
from scimsrv.store.consistency.kinds import Difference
from scimsrv.store.consistency.view import View

#: Where a batch begins: the key of the row before it.
Place: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch found; where the next one begins, None behind the last; how many rows it looked at."""

    end: Place | None
    rows: int
    differences: Sequence[Difference]


class Walk(Protocol):
    """Looks at the rows behind a place, `most` of them; `first` is where it begins. The connection's transaction has one snapshot, or
    holds the resources that matter."""

    @property
    def first(self) -> Place: ...

    async def look(self, conn: Connection, view: View, after: Place, most: int) -> Batch: ...
