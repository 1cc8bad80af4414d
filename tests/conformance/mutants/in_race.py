"""Mistakes that show only when requests meet."""

from __future__ import annotations

import asyncio
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.store import links, rendition, write
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, instead, replace, sql


@mutant
def uniqueness_is_asked_before() -> None:
    """Whether a unique value is free is asked before the insert, and not held by it."""
    original = write.insert
    keys = "FROM planned CROSS JOIN unnest($8::text[], $9::text[]) given (attribute, key)"
    sql(write, "insert_resource", keys, keys + " ON CONFLICT DO NOTHING")

    async def insert(scope: Any, plan: Any) -> Any:
        claimed = rendition.unique_keys(plan.draft.document, plan.schema)
        held = await scope.pool.fetch(
            write._SQL["held_keys"], scope.tenant, plan.schema.name, "", [name for name, _ in claimed], [key for _, key in claimed]
        )
        if held:
            raise ScimError(Kind.UNIQUENESS)
        await asyncio.sleep(0.02)
        return await original(scope, plan)

    everywhere(original, insert)


@mutant
def updates_are_lost() -> None:
    """A write does not notice that another one came between its reading and its writing."""
    sql(write, "update_resource", "AND version = $4", "AND $4::bigint IS NOT NULL")
    _slow()


def _slow() -> None:
    """Leave time between reading and writing."""

    def made(original: Any) -> Any:
        async def store(scope: Any, conn: Any, *rest: Any, **more: Any) -> Any:
            if conn is scope.pool:
                await asyncio.sleep(0.03)
            return await original(scope, conn, *rest, **more)

        return store

    replace(write, "_store", made)


@mutant
def lost_races_are_refused() -> None:
    """A write that lost a race is answered with 412, If-Match or not."""
    instead(write, "_RACES", 1)
    _slow()

    async def locked(*args: Any) -> Any:
        raise ScimError(Kind.PRECONDITION_FAILED)

    original = write._locked

    async def choose(scope: Any, conn: Any, schema: Any, *rest: Any) -> Any:
        return await (locked() if schema.name == "User" else original(scope, conn, schema, *rest))

    everywhere(original, choose)


@mutant
def groups_are_not_locked() -> None:
    """Members are written from a list that was read before."""
    original = links.change_links

    async def change_links(scope: Any, conn: Any, schema: Any, source: str, place: Any, change: Any) -> Any:
        rows = await scope.pool.fetch(
            "SELECT target FROM reference WHERE tenant = $1 AND source = $2 AND attribute = $3", scope.tenant, source, place.key
        )
        after = change.applied(row["target"] for row in rows)
        await asyncio.sleep(0.02)
        from scimsrv.patch.links import LinkChange

        return await original(scope, conn, schema, source, place, LinkChange(True, tuple(after), ()))

    everywhere(original, change_links)
    sql(write, "lock_document", "FOR NO KEY UPDATE", "")
