"""The resources of a page: as many as there are bytes for, at least one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Stored
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.project import View
from scimsrv.store.pool import Queries
from scimsrv.store.read import HELD_IN_LIST, fetch
from scimsrv.store.rows import DOCUMENT, EACH, FIRST, LEFT_OUT, LINKS, TooManyAboveError, resources
from scimsrv.store.scope import Scope

#: The types on the page by their name, each with its view.
Views = Mapping[str, tuple[EffectiveSchema, View]]

#: What the element of a link takes.
_ELEMENT: Final = 200


async def fitting(scope: Scope, conn: Queries, rows: list[Any], views: Views, *, backwards: bool) -> tuple[list[Any], list[Stored]]:
    """Those of the rows, which are those of `columns` in the order of the page, whose resources take no more bytes than a page may, or
    one; and their resources. What does not fit is left out at the end, or `backwards` at the beginning."""
    size = _bytes_of_rows(rows, views)
    if size is not None and size <= scope.limits.page_bytes:
        try:
            shown = [(row, views[row["type"]][1]) for row in rows]
            most = scope.limits.page_bytes
            return rows, await resources(conn, scope, shown, above=most // _ELEMENT, most_bytes=most)
        except TooManyAboveError:
            pass
    return await _one_by_one(scope, conn, rows, views, backwards=backwards)


def _places(views: Views) -> range:
    return range(FIRST, FIRST + max((len(view.backlinks) for _, view in views.values()), default=0))


def _bytes_of_rows(rows: Sequence[Any], views: Views) -> int | None:
    """How many bytes the resources in the rows take, roughly: documents count by their characters. None where something of a row was
    left out because it is large."""
    documents = [row[DOCUMENT] for row in rows]
    if None in documents:
        return None
    number = sum(map(len, documents))
    linked = (LINKS,) if any(view.links for _, view in views.values()) else ()
    for place in (*linked, *_places(views)):
        held = [row[place] for row in rows]
        if LEFT_OUT in held:
            return None
        number += sum(map(len, filter(None, held))) * (1 if place == LINKS else EACH)
    return number


async def _one_by_one(scope: Scope, conn: Queries, rows: list[Any], views: Views, *, backwards: bool) -> tuple[list[Any], list[Stored]]:
    """The same where it has to be found out how many fit. What is large is read again, alone; what went meanwhile is not shown."""
    kept: list[Any] = []
    found: list[Stored] = []
    left = scope.limits.page_bytes
    for row in reversed(rows) if backwards else rows:
        one = await _resource(scope, conn, row, views)
        left -= 0 if one is None else _bytes_of(one)
        if left < 0 and found:
            break
        kept.append(row)
        if one is not None:
            found.append(one)
    if backwards:
        kept.reverse()
        found.reverse()
    return kept, found


async def _resource(scope: Scope, conn: Queries, row: Any, views: Views) -> Stored | None:
    schema, view = views[row["type"]]
    if _bytes_of_rows([row], {schema.name: (schema, view)}) is not None:
        return (await resources(conn, scope, [(row, view)]))[0]
    try:
        return await fetch(scope, conn, schema, row["id"], view, HELD_IN_LIST + 1)
    except ScimError as problem:
        if problem.kind is Kind.NOT_FOUND:
            return None
        raise


def _bytes_of(one: Stored) -> int:
    elements = sum(_ELEMENT + len(element.display or "") for held in one.linked.values() for element in held)
    return len(one.document) + elements + sum(map(len, one.ready.values()))
