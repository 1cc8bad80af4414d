"""From a bound filter to the ids that satisfy it, where indexes can say: narrow look-ups first, resources read only for what is left.

The shape of the SQL is chosen here and not by Postgres, whose estimates for any tenant and literal are off by orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString, TypeAlias, assert_never

from scimsrv.filter.bind import Bound, BoundAnd, BoundCompare, BoundConstant, BoundElement, BoundNot, BoundOr, BoundPresent
from scimsrv.schema.attribute import Type
from scimsrv.schema.effective import Resolved
from scimsrv.schema.indexing import LONGEST, VALUE, Index, after_prefix, sortable
from scimsrv.schema.semantics import Key, Op
from scimsrv.store.fragment import all_of, planned_anew
from scimsrv.store.where import Where, only_ids

#: How narrow a set is expected to be; the narrowest part of a conjunction is looked up first.
_ONE, _REFERENCE, _EQUAL, _PREFIX, _RANGE, _CONTAINED, _PIECE, _WIDE = range(8)


#: Makes a piece of SQL, adding its parameters; called once, and only for what is used.
_Made: TypeAlias = Callable[[], LiteralString]


@dataclass(frozen=True, slots=True)
class Candidates:
    """`select` makes a query of a column `id`, each id once, of resources of the type. `rank` says how narrow it is, `rest` is the part
    of the filter that remains to be checked (None: nothing). `run` makes the query's FROM and WHERE (on `k`), where an index holds the
    set in the order of ids, so that it can be counted and paged by itself. `reads`: resources of a set that is hardly narrower than the
    type are read to check the rest."""

    select: _Made
    rank: int
    rest: Bound | None = None
    run: _Made | None = None
    reads: bool = False

    @property
    def wide(self) -> bool:
        """Whether the set may be most of the type."""
        return self.rank >= _WIDE


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds candidates for filters of one resource type; its parameters are those of `where`."""

    where: Where

    def find(self, bound: Bound) -> Candidates | None:
        """The candidates for a filter, or None where only reading the resources can tell."""
        match bound:
            case BoundConstant(value):
                # With the tenant, which every statement is told of.
                return None if value else Candidates(lambda: "SELECT r.id FROM resource r WHERE r.tenant = $1 AND false", _ONE)
            case BoundAnd(parts):
                return self._all(parts)
            case BoundOr(parts):
                return self._any(parts)
            case BoundNot(inner):
                return self._not(inner)
            case BoundPresent(place):
                index = self._index(place)
                return None if index is None else self._range(index, _WIDE, lambda: "k.key > '=' AND k.key < '~'")
            case BoundElement(place, inner):
                return self._element(bound, place, inner)
            case BoundCompare(place, op, key):
                return self._compare(bound, place, op, key)
        assert_never(bound)

    def complete(self, found: Candidates) -> LiteralString:
        """The ids that satisfy the whole filter: the rest is checked on each candidate, by its own index row where there is one."""
        if found.rest is None:
            return found.select()
        probes: list[LiteralString] = []
        others: list[Bound] = []
        for part in found.rest.parts if isinstance(found.rest, BoundAnd) else (found.rest,):
            probe = self._probe(part)
            if probe is None:
                others.append(part)
            else:
                probes.append(probe)
        narrowed: LiteralString = "SELECT c.id FROM (" + found.select() + ") c" + "".join(probes)
        if not others:
            return narrowed
        return (
            "SELECT r.id FROM (" + narrowed + ") c JOIN LATERAL (SELECT r.id, r.type, r.version, r.created, r.modified, r.search"
            " FROM resource r WHERE r.tenant = $1 AND r.id = c.id AND r.type = " + self._add(self.where.schema.name)
            + " OFFSET 0) r ON true WHERE " + all_of([self.where.condition(part) for part in others])
        )  # fmt: skip

    # -- combinations ----------------------------------------------------------------------------------------------

    def _all(self, parts: Sequence[Bound]) -> Candidates | None:
        found = [(candidates, part) for part in parts if (candidates := self.find(part)) is not None]
        if not found:
            return None
        chosen, driver = min(found, key=lambda pair: pair[0].rank)
        if chosen.rank > _CONTAINED and any(map(self.where.contained, parts)):
            return None
        others = [part for part in parts if part is not driver] + ([chosen.rest] if chosen.rest is not None else [])
        reads = chosen.reads or (chosen.wide and not all(map(self._probed, others)))
        return replace(chosen, rest=others[0] if len(others) == 1 else BoundAnd(tuple(others)), run=None, reads=reads)

    def _any(self, parts: Sequence[Bound]) -> Candidates | None:
        found = [candidates for part in parts if (candidates := self.find(part)) is not None]
        if len(found) < len(parts):
            return None
        reads = any(one.reads for one in found)
        return Candidates(lambda: " UNION ".join([self.complete(one) for one in found]), max(one.rank for one in found), reads=reads)

    def _not(self, inner: Bound) -> Candidates | None:
        match inner:
            case BoundNot(filter_):
                return self.find(filter_)
            case BoundAnd(parts):
                return self._any([BoundNot(part) for part in parts])
            case BoundOr(parts):
                return self._all([BoundNot(part) for part in parts])
            case BoundCompare(place, Op.EQ | Op.NE as op, key) if self._is_single(place):
                return self.find(BoundCompare(place, Op.NE if op is Op.EQ else Op.EQ, key))
            case BoundPresent(place) if self._is_single(place) and (index := self._index(place)) is not None:
                return self._range(index, _WIDE, lambda: "(k.key = '=' OR k.key = '~')")
            case _:
                return None

    def _probed(self, part: Bound) -> tuple[Index, str] | None:
        """The index, and the key in it, that tell whether a candidate satisfies the comparison; None where no index can."""
        if not isinstance(part, BoundCompare) or part.op is not Op.EQ:
            return None
        index = self._index(part.place)
        key = VALUE + sortable(part.place.leaf, part.key)
        return None if index is None or len(key) > LONGEST else (index, key)

    def _probe(self, part: Bound) -> LiteralString | None:
        """The join of c with the row that it has in an index if it satisfies the comparison; None where no index can tell."""
        found = self._probed(part)
        if found is None:
            return None
        index, key = found
        return (
            " CROSS JOIN LATERAL (SELECT FROM resource_key k WHERE "
            + self._of(index)
            + " AND k.key = "
            + self._add(key)
            + " AND k.id = c.id OFFSET 0) k"
        )

    # -- single conditions -----------------------------------------------------------------------------------------

    def _compare(self, bound: BoundCompare, place: Resolved, op: Op, key: Key) -> Candidates | None:
        if place.extension is None and place.attribute.key == "id":
            return self._id(str(key)) if op is Op.EQ else None
        if place.attribute.refers:
            value = place.sub is place.attribute.value_part
            return self._referring(place, [str(key)]) if op is Op.EQ and value else None
        index = self._index(place)
        if index is None:
            return None
        text = VALUE + sortable(index.place.leaf, key)
        if op is Op.EQ:
            return self._equal(bound, index, text)
        return self._ordered(bound, index, op, text) if len(text) <= LONGEST else None  # a key that was cut is longer

    def _equal(self, bound: BoundCompare, index: Index, text: str) -> Candidates:
        rank = _WIDE if index.place.leaf.type is Type.BOOLEAN else _EQUAL

        def run() -> LiteralString:
            return " FROM resource_key k WHERE " + self._of(index) + " AND k.key = " + self._add(text[: LONGEST + 1])

        whole = len(text) <= LONGEST
        return Candidates(lambda: "SELECT k.id" + run(), rank, None if whole else bound, run if whole else None)

    def _ordered(self, bound: BoundCompare, index: Index, op: Op, text: str) -> Candidates | None:
        match op:
            case Op.NE:
                return self._range(index, _WIDE, lambda: "k.key <> " + self._add(text)) if index.single else None
            case Op.SW:
                return self._range(index, _PREFIX, lambda: self._prefix(text))
            case Op.CO | Op.EW:
                return self._pieces(bound, index, op, text.removeprefix(VALUE))
            case Op.GT | Op.GE:
                sign: LiteralString = " > " if op is Op.GT else " >= "
                return self._range(index, _RANGE, lambda: "k.key" + sign + self._add(text) + " AND k.key < '~'")
            case Op.LT | Op.LE:
                less: LiteralString = " < " if op is Op.LT else " <= "
                return self._range(index, _RANGE, lambda: "k.key" + less + self._add(text))
            case _:
                return None

    def _prefix(self, text: str) -> LiteralString:
        end = after_prefix(text)
        return "k.key >= " + self._add(text) + ("" if end is None else " AND k.key < " + self._add(end))

    def _range(self, index: Index, rank: int, condition: _Made) -> Candidates:
        once: LiteralString = "" if index.single else "DISTINCT "
        return Candidates(lambda: "SELECT " + once + "k.id FROM resource_key k WHERE " + self._of(index) + " AND " + condition(), rank)

    def _pieces(self, bound: BoundCompare, index: Index, op: Op, piece: str) -> Candidates:
        """Keys with the piece in them, which the trigram index finds where there is one; and values that are longer than their keys."""
        escaped = piece.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        pattern = f"=%{escaped}%" if op is Op.CO else f"=%{escaped}"
        marked: LiteralString = " AND k.substring" if index.substring else ""

        def found() -> LiteralString:
            # The end of a key of full length need not be that of its value.
            whole: LiteralString = "" if op is Op.CO else " AND length(k.key) <= " + self._add(LONGEST) + "::integer"
            return "k.key LIKE " + self._add(pattern) + marked + whole + " AND " + self._planned_anew()

        held = self._range(index, _PIECE, found)

        def cut() -> LiteralString:
            return "SELECT k.id FROM resource_key k WHERE k.tenant = $1 AND k.attribute = " + self._add(-index.number) + "::integer"

        return Candidates(lambda: held.select() + " UNION " + self.complete(Candidates(cut, _PIECE, bound)), _PIECE)

    def _element(self, bound: BoundElement, place: Resolved, inner: Bound) -> Candidates | None:
        """What the narrowest comparison finds that every such element satisfies."""
        if place.attribute.refers:
            ids = only_ids(inner)
            return None if ids is None else self._referring(Resolved(place.extension, place.attribute, place.attribute.value_part), ids)
        if place.extension is None and place.attribute.key == "meta":
            return self.find(inner)
        parts = inner.parts if isinstance(inner, BoundAnd) else (inner,)
        compared = [part for part in parts if isinstance(part, BoundCompare) and part.op is not Op.NE]
        found = [candidates for part in compared if (candidates := self._compare(part, part.place, part.op, part.key)) is not None]
        if not found:
            return None
        best = min(found, key=lambda one: one.rank)
        return best if best.rest is None and len(parts) == 1 else replace(best, rest=bound, run=None, reads=best.wide)

    def _id(self, id_: str) -> Candidates:
        return Candidates(
            lambda: "SELECT r.id FROM resource r WHERE r.tenant = $1 AND r.id = " + self._add(id_)
            + " AND r.type = " + self._add(self.where.schema.name),
            _ONE,
        )  # fmt: skip

    def _referring(self, place: Resolved, ids: list[str]) -> Candidates:
        """Resources of the type that refer to one of the others, or are referred to by them."""

        def select() -> LiteralString:
            sets = " UNION ".join(["(" + self.where.sources.ids_referring(place, id_) + ")" for id_ in ids])
            kind = self._add(self.where.schema.name)
            of_type: LiteralString = "(SELECT true FROM resource r WHERE r.tenant = $1 AND r.type = " + kind + " AND r.id = c.id OFFSET 0)"
            # A scalar subquery, since Postgres might answer EXISTS by reading all resources of the type.
            if self.where.sources.refers_to_no_other(place):
                usual: LiteralString = (
                    "(SELECT NOT EXISTS (SELECT FROM unusual_reference u WHERE u.tenant = $1)"
                    " AND NOT EXISTS (SELECT FROM erasure e WHERE e.tenant = $1))"
                )
                of_type = "(" + usual + " OR " + of_type + ")"
            return "SELECT c.id FROM (" + sets + ") c WHERE " + of_type

        return Candidates(select, _REFERENCE)

    # -- indexes ---------------------------------------------------------------------------------------------------

    def _index(self, place: Resolved) -> Index | None:
        return None if place.leaf.type is Type.COMPLEX else self.where.catalog.index(self.where.schema, place)

    def _is_single(self, place: Resolved) -> bool:
        index = self._index(place)
        return index is not None and index.single

    def _of(self, index: Index) -> LiteralString:
        return "k.tenant = $1 AND k.attribute = " + self._add(index.number) + "::integer"

    def _planned_anew(self) -> LiteralString:
        return planned_anew(self.where.args)

    def _add(self, value: object) -> LiteralString:
        return self.where.args.add(value)
