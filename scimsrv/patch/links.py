"""What a PATCH does to a reference attribute such as members, as a net change: it costs what the request is long, not the group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scimsrv.filter.bind import Bound, BoundCompare, BoundOr
from scimsrv.filter.match import match_element
from scimsrv.schema.effective import Resolved
from scimsrv.schema.semantics import Op

Row = Mapping[str, Any]
#: The current rows by the key of their attribute, then by id.
Loaded = Mapping[str, Mapping[str, Row]]


@dataclass(frozen=True, slots=True)
class LinkChange:
    """The net change of one reference attribute; targets are ids.

    `cleared`: delete every target that is not in `added`, then insert `added`; `removed` is empty. Otherwise delete `removed`, insert
    `added`. No id is in both. Inserting a target that is there, and deleting one that is not, change nothing.
    """

    cleared: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def applied(self, targets: Iterable[str]) -> tuple[str, ...]:
        """The targets after the change: those that stay in their order, then those that are new."""
        named = set(self.added if self.cleared else self.removed)
        kept = [target for target in targets if (target in named) is self.cleared]
        return tuple(dict.fromkeys([*kept, *self.added]))


class NeedsLinks(Exception):  # noqa: N818 - a request for rows, not an error of the client's
    """The operation selects references by more than their ids: `apply` must be called again with the rows of `place` as `loaded`."""

    def __init__(self, place: Resolved) -> None:
        super().__init__(place.name)
        self.place = place


@dataclass(slots=True)
class Ledger:
    """Accumulates the operations of one request on one reference attribute; each costs as much as it names ids."""

    cleared: bool = False
    _added: dict[str, None] = field(default_factory=dict)
    _removed: dict[str, None] = field(default_factory=dict)

    def add(self, ids: Iterable[str]) -> None:
        """Each of the ids is a target from now on."""
        for id_ in ids:
            self._removed.pop(id_, None)
            self._added[id_] = None

    def remove(self, ids: Iterable[str]) -> None:
        """None of the ids is a target any more."""
        for id_ in ids:
            self._added.pop(id_, None)
            if not self.cleared:
                self._removed[id_] = None

    def clear(self) -> None:
        """There is no target any more."""
        self.cleared = True
        self._added.clear()
        self._removed.clear()

    def replace(self, ids: Iterable[str]) -> None:
        """The ids, and nothing else, are the targets."""
        self.clear()
        self.add(ids)

    def holds(self, id_: str) -> bool | None:
        """Whether the id is a target by what the request did so far; None when that depends on the rows."""
        if id_ in self._added:
            return True
        return False if self.cleared or id_ in self._removed else None

    def change(self) -> LinkChange:
        """The net change so far."""
        return LinkChange(self.cleared, tuple(self._added), tuple(self._removed))

    def rows(self, known: Mapping[str, Row]) -> list[Row]:
        """The rows, known by id, as the request has changed them so far; of a target that is new only its `value` is known."""
        return [known.get(id_, {"value": id_}) for id_ in self.change().applied(known)]


def direct_ids(bound: Bound) -> tuple[str, ...] | None:
    """The ids that `value eq "…"`, or such terms joined by `or`, select without any rows; None for other filters."""
    found = []
    for term in bound.parts if isinstance(bound, BoundOr) else (bound,):
        if not (isinstance(term, BoundCompare) and term.op is Op.EQ and term.place.leaf is term.place.attribute.value_part):
            return None
        found.append(str(term.key))
    return tuple(dict.fromkeys(found))


def selected_ids(ledger: Ledger, place: Resolved, bound: Bound, loaded: Loaded) -> tuple[str, ...]:
    """The ids of the current targets that satisfy the filter. Raises NeedsLinks when the rows are needed to tell and not loaded."""
    ids, known = direct_ids(bound), loaded.get(place.key)
    if ids is not None:
        verdicts = {id_: ledger.holds(id_) if known is None else _held(ledger, id_, known) for id_ in ids}
        if None not in verdicts.values():
            return tuple(id_ for id_, held in verdicts.items() if held)
    if known is None:
        raise NeedsLinks(place)
    return tuple(row["value"] for row in ledger.rows(known) if match_element(bound, row))


def _held(ledger: Ledger, id_: str, known: Mapping[str, Row]) -> bool:
    held = ledger.holds(id_)
    return id_ in known if held is None else held
