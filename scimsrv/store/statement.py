"""The statement of a search: which ids match, how many, and one page of documents.

Ids come from indexes wherever they can; only a page's documents are read. The shapes, each with the same plan for any parameters:
a whole type in the order of ids or of an indexed attribute, whose number is kept; a value of an indexed attribute, counted and paged
in its index; and any other filter, whose ids are found first and then counted, sorted and paged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString

from scimsrv.filter.bind import Bound
from scimsrv.protocol.plan import Cursor, Query, Target
from scimsrv.schema.attribute import Type
from scimsrv.schema.effective import Resolved
from scimsrv.schema.indexing import Index
from scimsrv.schema.semantics import timestamp
from scimsrv.store.candidates import Candidates, Finder
from scimsrv.store.fragment import Arguments, Value, any_of, limit, planned_anew
from scimsrv.store.read import HELD_IN_LIST
from scimsrv.store.rows import columns
from scimsrv.store.scope import Scope
from scimsrv.store.source import Sources
from scimsrv.store.together import columns as columns_together
from scimsrv.store.together import is_together
from scimsrv.store.where import Where


@dataclass(frozen=True, slots=True)
class Statement:
    """A search's text and parameters. It returns at least one row; without a page its columns are NULL but for `total`.

    `unindexed`: no index narrows the search, so that every resource of a type is read, or may be most of them. `unordered`: the page is
    to be put in the order of ids by who asked: Postgres would copy whole documents to sort them. `together`: its rows
    hold the resources as they are shown.
    """

    text: LiteralString
    arguments: list[object]
    unindexed: bool
    unordered: bool = False
    together: bool = False


@dataclass(frozen=True, slots=True)
class _Ids:
    """The parts of a statement: a common table expression, the query of the total, and what makes the page's query of `id` and `k`, or
    of whole rows and `k` where they are found in the page's order."""

    total: LiteralString
    page: Callable[[], LiteralString]
    matched: LiteralString = ""
    whole: bool = False


#: What of a resource a page needs.
_ROW: LiteralString = "r.id, r.type, r.version, r.created, r.modified, r.document"


def statement(scope: Scope, plan: Query, *, apart: bool = False) -> Statement:
    """The statement for a query; with `apart` its rows are for `fitting` in any case."""
    build = _Build(scope, plan, Arguments([scope.tenant]))
    ids = build.ids()
    if plan.count == 0:
        with_: LiteralString = "WITH " + ids.matched if ids.matched else ""
        return Statement(with_ + "SELECT NULL AS id, (" + ids.total + ") AS total", build.args.values, build.unindexed)
    together = not apart and is_together(plan, scope.catalog)
    if together:
        selected = columns_together(scope, plan.targets[0], build.args)
    else:
        shown = [(target.schema, target.view) for target in plan.targets]
        selected = columns(shown, scope.catalog, build.args, most=HELD_IN_LIST + 1, light=True)
    backwards: LiteralString = " DESC" if build.descending else ""
    order: LiteralString = " ORDER BY p.k" + build.direction(build.descending) + ", p.id" + backwards if build.sorted else ""
    rows: LiteralString = (
        "(" + ids.page() + ") r"
        if ids.whole
        else "(" + ids.page() + ") page JOIN LATERAL (SELECT " + _ROW + ", page.k FROM resource r"
        " WHERE r.tenant = $1 AND r.id = page.id OFFSET 0) r ON true"
    )
    text: LiteralString = (
        ("WITH " + ids.matched if ids.matched else "") + " SELECT p.*, t.total FROM (SELECT (" + ids.total + ") AS total) t"
        " LEFT JOIN (SELECT " + selected + ", r.k FROM " + rows + ") p ON true" + order
    )  # fmt: skip
    return Statement(text, build.args.values, build.unindexed, unordered=not build.sorted, together=together)


class _Build:
    """Puts one query's ids together; `unindexed` is known when `ids` has been called."""

    def __init__(self, scope: Scope, plan: Query, args: Arguments) -> None:
        self.scope, self.plan, self.args = scope, plan, args
        self.unindexed = False
        self.sorted = any(target.sort is not None for target in plan.targets)
        #: Equal and missing sort keys are ordered by id, and descending is ascending from the end.
        self.descending = plan.descending and self.sorted
        self.cursor = plan.cursor or Cursor(b"")
        self.walks_down = self.descending != self.cursor.backwards
        self.kind = self._kind()

    def ids(self) -> _Ids:
        """The shape that fits."""
        if all(target.filter is None for target in self.plan.targets):
            index = self._order_index()
            if not self.sorted:
                if len(self.plan.targets) == 1 and not self._skipped:
                    return _Ids(self._number(), self._rows_in_order_of_ids, whole=True)
                return _Ids(self._number(), self._in_order_of_ids)
            if index is not None:
                return _Ids(self._number(), lambda: self._in_order_of(index))
        found = [self._find(target) for target in self.plan.targets]
        if len(found) == 1 and not self.sorted and found[0] is not None and found[0].run is not None:
            run = found[0].run
            return _Ids("SELECT count(*)" + run(), lambda: self._in_a_run(run))
        return self._matched(found)

    # -- whole types -----------------------------------------------------------------------------------------------

    def _number(self) -> LiteralString:
        kinds = any_of(["c.type = " + self.args.add(target.schema.name) for target in self.plan.targets])
        return "SELECT coalesce(sum(c.resources), 0)::bigint FROM resource_count c WHERE c.tenant = $1 AND " + kinds

    def _rows_in_order_of_ids(self) -> LiteralString:
        """Whole rows, read as they lie behind the index. The type is compared together with the id, so that no other index gives their
        order: walking the primary key would pass over the resources of all other types. It stands in a query of its own, and the number
        of rows is written out: what Postgres does not know when it plans, it need not plan anew for each execution."""
        kind = "(SELECT " + self.args.add(self.plan.targets[0].schema.name) + "::text)"
        position = "''" if self.cursor.position is None else self.args.add(self.cursor.position.id)
        down: LiteralString = " DESC" if self.walks_down else ""
        within: LiteralString = (
            " AND (r.type, r.id) < (" + kind + ", " + position + ") AND r.type >= " + kind
            if self.walks_down
            else " AND (r.type, r.id) > (" + kind + ", " + position + ") AND r.type <= " + kind
        )
        return (
            "SELECT " + _ROW + ", NULL::text AS k FROM resource r WHERE r.tenant = $1" + within
            + " ORDER BY r.type" + down + ", r.id" + down + " LIMIT " + limit(self._taken, self.args)
        )  # fmt: skip

    def _in_order_of_ids(self) -> LiteralString:
        """Ids alone, which are in the index: pages in the depth pass over many."""
        runs = [
            "SELECT r.id, NULL::text AS k FROM resource r WHERE r.tenant = $1 AND r.type = " + self.args.add(target.schema.name)
            + self._after_id("r.id")
            for target in self.plan.targets
        ]  # fmt: skip
        if len(runs) == 1:
            return runs[0] + self._ordered_by("r.id")
        down: LiteralString = " DESC" if self.walks_down else ""
        limited = [
            "(" + run + " ORDER BY r.id" + down + " LIMIT " + self.args.add(self._skipped + self._taken) + "::bigint)" for run in runs
        ]
        return "SELECT u.id, u.k FROM (" + " UNION ALL ".join(limited) + ") u" + self._ordered_by("u.id")

    def _order_index(self) -> Index | None:
        """The index that holds all resources in the order asked for."""
        target = self.plan.targets[0]
        if len(self.plan.targets) > 1 or target.sort is None or _passes(target):
            return None
        index = self.scope.catalog.index(target.schema, target.sort)
        return index if index is not None and index.single else None

    def _in_order_of(self, index: Index) -> LiteralString:
        text: LiteralString = (
            "SELECT k.id, k.key AS k FROM resource_key k WHERE k.tenant = $1 AND k.attribute = " + self.args.add(index.number) + "::integer"
        )
        position = self.cursor.position
        if position is not None:
            sign: LiteralString = " < " if self.walks_down else " > "
            text += " AND (k.key, k.id)" + sign + "(" + self.args.add(position.key) + "::text, " + self.args.add(position.id) + "::text)"
        down: LiteralString = " DESC" if self.walks_down else ""
        ordered: LiteralString = " ORDER BY k.key" + down + ", k.id" + down
        return text + ordered + (self._limit() if self._skipped else " LIMIT " + limit(self._taken, self.args))

    def _in_a_run(self, run: Callable[[], LiteralString]) -> LiteralString:
        return "SELECT k.id, NULL::text AS k" + run() + self._after_id("k.id") + self._ordered_by("k.id")

    # -- any filter ------------------------------------------------------------------------------------------------

    def _matched(self, found: list[Candidates | None]) -> _Ids:
        parts = [self._ids_of(target, one) for target, one in zip(self.plan.targets, found, strict=True)]
        matched: LiteralString = "matched AS MATERIALIZED (" + " UNION ALL ".join(parts) + ")"
        return _Ids("SELECT count(*) FROM matched", self._in_matched, matched)

    def _in_matched(self) -> LiteralString:
        page: LiteralString = "SELECT m.id, " + ("m.k" if self.sorted else "NULL::text AS k") + " FROM matched m WHERE true"
        if not self.sorted:
            return page + self._after_id("m.id") + self._ordered_by("m.id")
        down: LiteralString = " DESC" if self.walks_down else ""
        return page + self._after_key() + " ORDER BY m.k" + self.direction(self.walks_down) + ", m.id" + down + self._limit()

    def _ids_of(self, target: Target, found: Candidates | None) -> LiteralString:
        """The ids of one type's matches, with the sort key where there is one."""
        if found is not None:
            self.unindexed = self.unindexed or found.reads or (found.wide and self.sorted)
            complete = Finder(self._where(target)).complete(found)
            if not self.sorted:
                return "(" + complete + ")" if len(self.plan.targets) > 1 else complete
            return (
                "SELECT r.id, " + self._sort_key(target) + " AS k FROM (" + complete + ") c JOIN LATERAL"
                " (SELECT r.id, r.type, r.version, r.created, r.modified, r.search FROM resource r"
                " WHERE r.tenant = $1 AND r.id = c.id OFFSET 0) r ON true"
            )  # fmt: skip
        where = self._where(target)
        if target.filter is None or not where.narrowed(target.filter):
            self.unindexed = True
        kind: LiteralString = "r.type = " + self.args.add(target.schema.name)
        condition: LiteralString = "" if target.filter is None else " AND " + where.condition(target.filter)
        key: LiteralString = ", " + self._sort_key(target) + " AS k" if self.sorted else ""
        return "SELECT r.id" + key + " FROM resource r WHERE r.tenant = $1 AND " + kind + condition + " AND " + planned_anew(self.args)

    def _find(self, target: Target) -> Candidates | None:
        bound: Bound | None = target.filter
        return None if bound is None else Finder(self._where(target)).find(bound)

    def _where(self, target: Target) -> Where:
        return Where(target.schema, self.scope.catalog, self._sources(target), self.args)

    def _sources(self, target: Target) -> Sources:
        return Sources(target.schema, self.scope.catalog, self.scope.base_url, self.args)

    # -- sort keys -------------------------------------------------------------------------------------------------

    def _kind(self) -> str:
        """How sort keys compare: "instant", "number" or "text", the latter also where types differ in it."""
        kinds = {self._kind_of(target, target.sort) for target in self.plan.targets if target.sort is not None}
        return kinds.pop() if len(kinds) == 1 else "text"

    def _kind_of(self, target: Target, place: Resolved) -> str:
        column = Sources(target.schema, self.scope.catalog, self.scope.base_url, Arguments()).column(place)
        if column is not None and column.instant is not None:
            return "instant"
        return "number" if place.leaf.type in (Type.INTEGER, Type.DECIMAL) else "text"

    def _sort_key(self, target: Target) -> LiteralString:
        """The expression to sort a type by; NULL for a type that lacks the attribute."""
        if target.sort is None:
            return "NULL::" + _SQL_TYPES[self.kind]
        value = self._passing(target) if _passes(target) else self._sources(target).first(target.sort)
        if self.kind == "instant" and value.instant is not None:
            return value.instant
        if self.kind == "number":
            return "CASE jsonb_typeof(" + (value.json or "NULL") + ") WHEN 'number' THEN (" + value.text + ")::numeric END"
        return value.text + ' COLLATE "C"'

    def _passing(self, target: Target) -> Value:
        """The value that passes with time, as it is at the moment of the query."""
        expiring, at = target.schema.expiring, self.plan.at
        if expiring is None or at is None:
            raise AssertionError("only what passes is asked for, at some moment")
        held, until = self._sources(target).single(expiring.place), self._sources(target).single(expiring.until)
        moment, passing, past = self.args.add(timestamp(at)), self.args.add(expiring.passing), self.args.add(expiring.past)
        is_past: LiteralString = held.text + " = " + passing + "::text AND " + until.text + ' COLLATE "C" < ' + moment + "::text"
        return Value("(CASE WHEN " + is_past + " THEN " + past + "::text ELSE " + held.text + " END)")

    # -- pages -----------------------------------------------------------------------------------------------------

    @property
    def _taken(self) -> int:
        """How many ids are read: a cursor query looks whether there is one more."""
        return self.plan.count + (0 if self.plan.cursor is None else 1)

    @property
    def _skipped(self) -> int:
        return self.plan.start - 1 if self.plan.cursor is None else 0

    def _limit(self) -> LiteralString:
        return " LIMIT " + self.args.add(self._taken) + "::bigint OFFSET " + self.args.add(self._skipped) + "::bigint"

    def _ordered_by(self, id_: LiteralString) -> LiteralString:
        return " ORDER BY " + id_ + (" DESC" if self.walks_down else "") + self._limit()

    def _after_id(self, id_: LiteralString) -> LiteralString:
        if self.cursor.position is None:
            return ""
        return " AND " + id_ + (" < " if self.walks_down else " > ") + self.args.add(self.cursor.position.id)

    def _after_key(self) -> LiteralString:
        """The rows behind the position: missing keys are last going up and first going down."""
        position = self.cursor.position
        if position is None:
            return ""
        beyond: LiteralString = " < " if self.walks_down else " > "
        behind = "m.id" + beyond + self.args.add(position.id)
        if position.key is None:
            return " AND (m.k IS NOT NULL OR " + behind + ")" if self.walks_down else " AND (m.k IS NULL AND " + behind + ")"
        key = self.args.add(position.key) + "::text::" + _SQL_TYPES[self.kind]
        missing: LiteralString = "" if self.walks_down else " OR m.k IS NULL"
        return " AND (m.k" + beyond + key + " OR (m.k = " + key + " AND " + behind + ")" + missing + ")"

    @staticmethod
    def direction(down: bool) -> LiteralString:
        """How keys are ordered on a walk up or down."""
        return " DESC NULLS FIRST" if down else " ASC NULLS LAST"


def _passes(target: Target) -> bool:
    """Whether the type is sorted by a value that passes with time."""
    expiring = target.schema.expiring
    return expiring is not None and target.sort is not None and target.sort.key == expiring.place.key


_SQL_TYPES: dict[str, LiteralString] = {"instant": "timestamptz", "number": "numeric", "text": 'text COLLATE "C"'}
