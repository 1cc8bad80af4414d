"""Searching: the page and the exact number of matches, by one statement; where its neighbours begin."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from operator import itemgetter
from typing import Any, Final, LiteralString

from scimsrv.filter.bind import BoundCompare
from scimsrv.protocol.plan import Cursor, Cursors, Page, Position, Query, Stored, Target
from scimsrv.schema.project import View
from scimsrv.schema.semantics import Op, unique_text
from scimsrv.store.failure import guarded
from scimsrv.store.fragment import Arguments
from scimsrv.store.page import fitting
from scimsrv.store.pool import long_turn
from scimsrv.store.read import HELD_IN_LIST, with_streams
from scimsrv.store.rows import columns, resources
from scimsrv.store.scope import Scope
from scimsrv.store.statement import Statement, statement
from scimsrv.store.together import pieces
from scimsrv.store.unindexed import note_indexed, note_unindexed

#: The id of a row. Text compares by code points, as Postgres compares ids (COLLATE "C").
_ID: Final = itemgetter("id")


async def search(scope: Scope, plan: Query) -> Page:
    """The page that the query asks for; `total` counts all matches. Raises ScimError tooMany when it takes too long, and OutdatedError
    when others hold than those that it was planned by after it has waited for its turn."""
    sought = _unique(plan)
    if sought is not None:
        note_indexed(plan)
        return await guarded(lambda: _only(scope, plan, *sought))
    made = statement(scope, plan)
    (note_unindexed if made.unindexed else note_indexed)(plan)
    async with long_turn(scope.pool) if made.unindexed else nullcontext(enter_result=False) as has_waited:
        if has_waited:
            await scope.ask_again()
        page = await guarded(lambda: _searched(scope, plan, made), search=True)
    if not page.rows and page.total and plan.count and plan.cursor is not None and plan.cursor.backwards:
        # What was before the position is gone, so the first page is the one before it.
        return await search(scope, replace(plan, cursor=Cursor(plan.cursor.binding)))
    return page


def asks_for_one(plan: Query) -> bool:
    """Whether the query is for the one resource that has a unique value."""
    return _unique(plan) is not None


async def _searched(scope: Scope, plan: Query, made: Statement) -> Page:
    cursor = plan.cursor
    backwards = cursor is not None and cursor.backwards
    async with scope.pool.acquire() as conn:
        rows = await conn.fetch(made.text, *made.arguments)
        present = [row for row in rows if row["id"] is not None]
        if made.unordered:
            present.sort(key=_ID)
        on_page, more = _on_page(plan, present)
        kept: list[Any] = on_page
        found: list[Stored] | None
        if made.together:
            found = await pieces(conn, scope, plan.targets[0], on_page)
        else:
            views = {target.schema.name: (target.schema, target.view) for target in plan.targets}
            kept, found = await fitting(scope, conn, on_page, views, backwards=backwards)
    if found is None:
        return await _searched(scope, plan, statement(scope, plan, apart=True))
    shown = _shown(scope, plan, found)
    return Page(rows[0]["total"], plan.start, shown, _cursors(cursor, kept, more=more or len(kept) < len(on_page)))


def _on_page(plan: Query, rows: list[Any]) -> tuple[list[Any], bool]:
    """The rows of the page, of which a cursor query reads one more, and whether there is that one."""
    cursor = plan.cursor
    if cursor is None or plan.count == 0:
        return rows, False
    return (rows[-plan.count :] if cursor.backwards else rows[: plan.count]), len(rows) > plan.count


def _cursors(cursor: Cursor | None, rows: list[Any], *, more: bool) -> Cursors | None:
    """Where the neighbours of a page with these rows begin; there are `more` behind it, or before it when it was read backwards."""
    if cursor is None:
        return None
    if not rows:
        return Cursors(cursor.binding, None, None)
    first, last = _position(rows[0]), _position(rows[-1])
    if cursor.backwards:
        return Cursors(cursor.binding, last, first if more else None)
    return Cursors(cursor.binding, last if more else None, first if cursor.position is not None else None)


def _position(row: Any) -> Position:
    key = row["k"]
    return Position(None if key is None else str(key), row["id"])


def _shown(scope: Scope, plan: Query, found: list[Stored]) -> tuple[tuple[Stored, View], ...]:
    views = {target.schema.name: target.view for target in plan.targets}
    return tuple((with_streams(scope, resource, HELD_IN_LIST), views[resource.schema.name]) for resource in found)


# -- the only resource with a unique value ----------------------------------------------------------------------------


def _unique(plan: Query) -> tuple[Target, BoundCompare] | None:
    """The comparison, if the whole query asks for the only resource that can hold a unique value: what connectors ask most."""
    if len(plan.targets) != 1 or (plan.cursor is not None and plan.cursor.position is not None):
        return None
    target = plan.targets[0]
    bound = target.filter
    if not isinstance(bound, BoundCompare) or bound.op is not Op.EQ or bound.key == "":  # an empty string is no unique key
        return None
    return (target, bound) if bound.place.key in target.schema.found_by_key else None


async def _only(scope: Scope, plan: Query, target: Target, sought: BoundCompare) -> Page:
    shown = ("only", target.schema.name, target.view.links, target.view.backlinks)
    made = scope.catalog.statements.get(shown)
    if made is None:
        args = Arguments([scope.tenant, None, None, None])
        selected = columns([(target.schema, target.view)], scope.catalog, args, most=HELD_IN_LIST + 1)
        text: LiteralString = (
            "SELECT " + selected + " FROM unique_key u"
            " JOIN resource r ON r.tenant = $1 AND r.id = u.id"
            " WHERE u.tenant = $1 AND u.type = $2 AND u.attribute = $3 AND u.key = $4"
        )  # fmt: skip
        made = scope.catalog.statements[shown] = (text, args.values[4:])
    rows = await scope.pool.fetch(made[0], scope.tenant, target.schema.name, sought.place.key, unique_text(sought.key), *made[1])
    on_page = rows if plan.start == 1 and plan.count > 0 else []
    cursors = None if plan.cursor is None else Cursors(plan.cursor.binding, None, None)
    found = await resources(scope.pool, scope, [(row, target.view) for row in on_page])
    return Page(len(rows), plan.start, _shown(scope, plan, found), cursors)
