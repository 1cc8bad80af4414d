"""Reading one resource: its document and what is derived, in one statement; a very large link in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, LiteralString

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Linked, Read, Shown, Stored
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.project import View
from scimsrv.store.fragment import Arguments
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.rows import columns, resources
from scimsrv.store.scope import Scope

#: Elements of a link that are read with the resource; with more, the rest is streamed.
HELD: Final = 1_000

#: The same for each resource of a list.
HELD_IN_LIST: Final = 100

#: Elements of a link in one batch of a stream.
BATCH: Final = 1_000


async def read(scope: Scope, plan: Read) -> Shown:
    """The resource, its long link streamed. Raises ScimError 404."""
    found = await fetch(scope, scope.pool, plan.schema, plan.id, plan.view, HELD + 1)
    return Shown(with_streams(scope, found, HELD), plan.view, plan.if_none_match)


async def fetch(
    scope: Scope, conn: Queries, schema: EffectiveSchema, id_: str, view: View, most: int | None, *, search: bool = False
) -> Stored:
    """The resource as this connection sees it, with at most `most` elements of its links; with its search document only when
    `search` says so. Raises ScimError 404."""
    text, arguments = _statement(scope, schema, view, most, search=search)
    row = await conn.fetchrow(text, scope.tenant, id_, schema.name, *arguments)
    if row is None:
        raise not_found(schema, id_)
    found = (await resources(conn, scope, [(row, view)]))[0]
    return found._replace(search=row["search"]) if search else found


async def exceeds(scope: Scope, id_: str, view: View, number: int) -> bool:
    """Whether the links that the view shows of the resource have more elements than this in all; looks at no more of them."""
    for place in view.links:
        row = await scope.pool.fetchrow(load("resources")["count_links"], scope.tenant, id_, place.key, number + 1)
        number -= 0 if row is None else row["links"]
        if number < 0:
            return True
    return False


_Statement = tuple[LiteralString, list[Any]]


def _statement(scope: Scope, schema: EffectiveSchema, view: View, most: int | None, *, search: bool = False) -> _Statement:
    """The statement and its arguments after tenant, id and type; made once per catalogue and set of derived attributes shown."""
    shown = (schema.name, view.links, view.backlinks, most, search)
    made: _Statement | None = scope.catalog.statements.get(shown)
    if made is None:
        args = Arguments([scope.tenant, None, None])
        selected = columns([(schema, view)], scope.catalog, args, most=most)
        text: LiteralString = (
            "SELECT "
            + selected
            + (", r.search::text AS search" if search else "")
            + " FROM resource r WHERE r.tenant = $1 AND r.id = $2 AND r.type = $3"
        )
        made = (text, args.values[3:])
        scope.catalog.statements[shown] = made
    return made


def not_found(schema: EffectiveSchema, id_: str) -> ScimError:
    """404 that names the type; the id is cut."""
    return ScimError(Kind.NOT_FOUND, f"{schema.name} {id_[:64]!r} not found")


def with_streams(scope: Scope, found: Stored, most: int) -> Stored:
    """The resource with those of its links streamed of which more than `most` elements were read."""
    long = longer(found, most)
    if not long:
        return found
    rest = {key: elements for key, elements in found.linked.items() if key not in long}
    streams = tuple((key, _batches(scope, found.id, key, found.linked.get(key, []))) for key in long)
    return found._replace(linked=rest, streamed=streams)


def longer(found: Stored, most: int) -> list[str]:
    """The links of which more than `most` elements were read, so that there may be others; those of what is gone count."""
    if not found.linked and not found.gone:
        return []
    held = {place.key for place in found.schema.links if place.extension is None} & (found.linked.keys() | found.gone.keys())
    return [key for key in sorted(held) if len(found.linked.get(key, ())) + found.gone.get(key, 0) > most]


async def _batches(scope: Scope, source: str, attribute: str, held: list[Linked]) -> AsyncIterator[list[Linked]]:
    """The elements in the order of their ids, each batch by a statement of its own: a slow reader holds no connection.

    Raises ScimError 404 at the end where the resource was deleted meanwhile, and its elements with it: what was sent of it must not
    pass for all of it.
    """
    yield held
    last = held[-1].id if held else ""
    while True:
        rows = await scope.pool.fetch(load("resources")["links_of"], scope.tenant, source, attribute, last, BATCH)
        if not rows:
            if not await scope.pool.fetch(load("resources")["names"], scope.tenant, [source]):
                raise ScimError(Kind.NOT_FOUND, "The resource was deleted while it was read")
            return
        yield [Linked(row["target"], row["type"], row["display"], row["type"]) for row in rows]
        last = rows[-1]["target"]
