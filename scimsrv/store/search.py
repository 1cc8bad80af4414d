"""Searching: matching ids first, exact count, then one page of documents, all in one statement."""

from __future__ import annotations

from typing import LiteralString

from scimsrv.protocol.plan import Page, Query, Target
from scimsrv.schema.attribute import Type
from scimsrv.schema.effective import Resolved
from scimsrv.store.fragment import Arguments, any_of
from scimsrv.store.rows import COLUMNS, linked_column, stored
from scimsrv.store.scope import Scope
from scimsrv.store.source import Sources
from scimsrv.store.where import Where


async def search(scope: Scope, plan: Query) -> Page:
    """The page that the query asks for; `total` counts all matches."""
    text, arguments = statement(scope, plan)
    rows = await scope.pool.fetch(text, *arguments)
    views = {target.schema.name: target.view for target in plan.targets}
    found = tuple((stored(row, scope.catalog), views[row["type"]]) for row in rows if row["id"] is not None)
    return Page(rows[0]["total"], plan.start, found)


def statement(scope: Scope, plan: Query) -> tuple[LiteralString, list[object]]:
    """The statement's text and parameters. It returns at least one row; without a page its columns are NULL but for `total`."""
    args = Arguments([scope.tenant])
    conditions = any_of([_target(scope, target, args) for target in plan.targets])
    order = _order(scope, plan, args)
    direction: LiteralString = " DESC NULLS FIRST" if plan.descending else " ASC NULLS LAST"
    by: LiteralString = ("k" + direction + ", " if order is not None else "") + "id"
    key: LiteralString = ", " + order + " AS k" if order is not None else ""
    matched: LiteralString = (
        "WITH matched AS MATERIALIZED (SELECT r.id" + key + " FROM resource r WHERE r.tenant = $1 AND " + conditions + ")"
    )
    if plan.count == 0:
        return matched + " SELECT count(*) AS total, NULL AS id FROM matched", args.values
    page: LiteralString = (
        "SELECT * FROM matched ORDER BY "
        + by
        + " LIMIT "
        + args.add(plan.count)
        + "::bigint OFFSET "
        + args.add(plan.start - 1)
        + "::bigint"
    )
    linked = linked_column([(target.schema, target.view) for target in plan.targets], scope.catalog, args)
    text: LiteralString = (
        matched
        + ", page AS (" + page + ") SELECT t.total, p.* FROM (SELECT count(*) AS total FROM matched) t LEFT JOIN ("
        + "SELECT " + COLUMNS + ", " + linked + " AS linked" + (", page.k" if order is not None else "")
        + " FROM page JOIN resource r ON r.tenant = $1 AND r.id = page.id"
        + ") p ON true ORDER BY " + ("p.k" + direction + ", " if order is not None else "") + "p.id"
    )  # fmt: skip
    return text, args.values


def _target(scope: Scope, target: Target, args: Arguments) -> LiteralString:
    kind: LiteralString = "r.type = " + args.add(target.schema.name)
    if target.filter is None:
        return "(" + kind + ")"
    sources = Sources(target.schema, scope.catalog, scope.base_url, args)
    return "(" + kind + " AND " + Where(target.schema, scope.catalog, sources, args).condition(target.filter) + ")"


def _order(scope: Scope, plan: Query, args: Arguments) -> LiteralString | None:
    """The expression to sort by; rows of types that lack the attribute have none. None for an unsorted query."""
    places = [(target, target.sort) for target in plan.targets if target.sort is not None]
    if not places:
        return None
    kinds = {_kind(scope, target, place, args) for target, place in places}
    kind = kinds.pop() if len(kinds) == 1 else "text"
    keys = [(target, _key(scope, target, place, kind, args)) for target, place in places]
    if len(plan.targets) == 1:
        return keys[0][1]
    cases: list[LiteralString] = [" WHEN " + args.add(target.schema.name) + " THEN " + key for target, key in keys]
    return "CASE r.type" + "".join(cases) + " END"


def _kind(scope: Scope, target: Target, place: Resolved, args: Arguments) -> str:
    column = Sources(target.schema, scope.catalog, scope.base_url, Arguments()).column(place)
    if column is not None and column.instant is not None:
        return "instant"
    return "number" if place.leaf.type in (Type.INTEGER, Type.DECIMAL) else "text"


def _key(scope: Scope, target: Target, place: Resolved, kind: str, args: Arguments) -> LiteralString:
    value = Sources(target.schema, scope.catalog, scope.base_url, args).first(place)
    if kind == "instant" and value.instant is not None:
        return value.instant
    if kind == "number":
        return "CASE jsonb_typeof(" + (value.json or "NULL") + ") WHEN 'number' THEN (" + value.text + ")::numeric END"
    return value.text + ' COLLATE "C"'
