"""Searching: matching ids first, exact count, then one page of documents, all in one statement."""

from __future__ import annotations

from typing import LiteralString

import asyncpg

from scimsrv.filter.bind import BoundCompare
from scimsrv.protocol.plan import Page, Query, Stored, Target
from scimsrv.schema.attribute import Type
from scimsrv.schema.effective import Resolved
from scimsrv.schema.project import View
from scimsrv.schema.semantics import Op
from scimsrv.store.failure import guarded
from scimsrv.store.fragment import Arguments, any_of
from scimsrv.store.pool import Queries
from scimsrv.store.read import HELD_IN_LIST, with_streams
from scimsrv.store.rows import columns, resources
from scimsrv.store.scope import Scope
from scimsrv.store.source import Sources
from scimsrv.store.where import Where


async def search(scope: Scope, plan: Query) -> Page:
    """The page that the query asks for; `total` counts all matches. Raises ScimError tooMany when it takes too long."""
    sought = _unique(plan)
    if sought is not None:
        return await guarded(lambda: _only(scope, plan, *sought))
    text, arguments = statement(scope, plan)

    async def page() -> Page:
        async with scope.pool.acquire() as conn:
            rows = await conn.fetch(text, *arguments)
            return Page(rows[0]["total"], plan.start, await _resources(scope, conn, plan, [row for row in rows if row["id"] is not None]))

    return await guarded(page, search=True)


async def _resources(scope: Scope, conn: Queries, plan: Query, rows: list[asyncpg.Record]) -> tuple[tuple[Stored, View], ...]:
    views = {target.schema.name: target.view for target in plan.targets}
    found = await resources(conn, scope.tenant, scope.catalog, [(row, views[row["type"]]) for row in rows])
    return tuple((with_streams(scope, resource, HELD_IN_LIST), views[resource.schema.name]) for resource in found)


def _unique(plan: Query) -> tuple[Target, BoundCompare] | None:
    """The comparison, if the whole query asks for the only resource that can hold a unique value: what connectors ask most."""
    if len(plan.targets) != 1:
        return None
    target = plan.targets[0]
    bound = target.filter
    if not isinstance(bound, BoundCompare) or bound.op is not Op.EQ or bound.key == "":  # an empty string is no unique key
        return None
    return (target, bound) if any(bound.place.key == place.key for place in target.schema.unique) else None


async def _only(scope: Scope, plan: Query, target: Target, sought: BoundCompare) -> Page:
    shown = ("only", target.schema.name, target.view.links, target.view.backlinks)
    made = scope.catalog.statements.get(shown)
    if made is None:
        args = Arguments([scope.tenant, None, None, None])
        text: LiteralString = (
            "SELECT " + columns([(target.schema, target.view)], scope.catalog, args, most=HELD_IN_LIST + 1) + " FROM unique_key u"
            " JOIN resource r ON r.tenant = $1 AND r.id = u.id"
            " WHERE u.tenant = $1 AND u.type = $2 AND u.attribute = $3 AND u.key = $4"
        )  # fmt: skip
        made = scope.catalog.statements[shown] = (text, args.values[4:])
    rows = await scope.pool.fetch(made[0], scope.tenant, target.schema.name, sought.place.key, str(sought.key), *made[1])
    on_page = rows if plan.start == 1 and plan.count > 0 else []
    return Page(len(rows), plan.start, await _resources(scope, scope.pool, plan, on_page))


def statement(scope: Scope, plan: Query) -> tuple[LiteralString, list[object]]:
    """The statement's text and parameters. It returns at least one row; without a page its columns are NULL but for `total`.

    A query for everything counts and pages on the index; any other one finds the matching ids first, once for both.
    """
    args = Arguments([scope.tenant])
    condition: LiteralString = "r.tenant = $1 AND " + any_of([_target(scope, target, args) for target in plan.targets])
    order = _order(scope, plan, args)
    direction: LiteralString = " DESC NULLS FIRST" if plan.descending else " ASC NULLS LAST"
    everything = order is None and all(target.filter is None for target in plan.targets)
    matched: LiteralString = "SELECT r.id" + (", " + order + " AS k" if order is not None else "") + " FROM resource r WHERE " + condition
    if plan.count == 0:
        return "SELECT count(*) AS total, NULL AS id FROM (" + matched + ") m", args.values
    size: LiteralString = " LIMIT " + args.add(plan.count) + "::bigint OFFSET " + args.add(plan.start - 1) + "::bigint"
    ctes: LiteralString = (
        "WITH page AS (" + matched + " ORDER BY r.id" + size + ")"
        if everything
        else "WITH matched AS MATERIALIZED (" + matched + "), page AS (SELECT * FROM matched ORDER BY "
        + ("k" + direction + ", " if order is not None else "") + "id" + size + ")"
    )  # fmt: skip
    counted: LiteralString = "(SELECT count(*) AS total FROM " + ("resource r WHERE " + condition if everything else "matched") + ") t"
    selected = columns([(target.schema, target.view) for target in plan.targets], scope.catalog, args, most=HELD_IN_LIST + 1)
    text: LiteralString = (
        ctes + " SELECT t.total, p.* FROM " + counted + " LEFT JOIN (SELECT " + selected + (", page.k" if order is not None else "")
        + " FROM page JOIN resource r ON r.tenant = $1 AND r.id = page.id) p ON true ORDER BY "
        + ("p.k" + direction + ", " if order is not None else "") + "p.id"
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
