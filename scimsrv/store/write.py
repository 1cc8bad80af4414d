"""Creating and changing resources: one statement or one transaction per change, preconditions inside the write."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import asyncpg
import orjson

from scimsrv.badges.exclusive import held_already
from scimsrv.errors import Kind, ScimError
from scimsrv.patch.links import LinkChange, NeedsLinks
from scimsrv.protocol.plan import IfMatch, Insert, Stored
from scimsrv.schema.aside import split
from scimsrv.schema.coercions import Coercion, stored_names
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.project import View
from scimsrv.schema.search import containing, holding
from scimsrv.schema.semantics import timestamp
from scimsrv.schema.validate import complete, shorten, typed_keys
from scimsrv.store import badging
from scimsrv.store.applications import withdraw
from scimsrv.store.aside import set_aside
from scimsrv.store.connection import Connection
from scimsrv.store.content import Moved, differences, with_links
from scimsrv.store.edition import OutdatedError, check_edition
from scimsrv.store.guard import HeldError, alarm, count_deletion, deactivates
from scimsrv.store.inserting import rendered
from scimsrv.store.links import change_links, change_of
from scimsrv.store.pointers import new_pointers, with_refs
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.read import fetch, not_found
from scimsrv.store.rendition import (
    columns_of_keys,
    dropping,
    keys_held,
    modified_key,
    renaming,
    unique_keys,
)
from scimsrv.store.scope import Scope, new_id, now
from scimsrv.store.secrets import hashed
from scimsrv.store.wallet import withdrawing

_SQL = load("resources")

#: Lost races of a write without precondition before it takes the row's lock.
_RACES: Final = 4


@dataclass(frozen=True, slots=True)
class Edit:
    """What a PUT or PATCH makes of a resource: the complete document, the net change of each link, new secrets, and what had to be done
    to make the request fit, which is kept with the change."""

    document: Document
    links: Mapping[str, LinkChange] = field(default_factory=dict)
    secrets: Mapping[str, str | None] = field(default_factory=dict)
    coercions: frozenset[Coercion] = frozenset()


#: From the stored document (and, when asked for by NeedsLinks, the rows of its links) to what is to be stored.
Editor = Callable[[Document, Mapping[str, list[dict[str, Any]]] | None], Edit]


@dataclass(frozen=True, slots=True)
class Written:
    """The resource's id and the version that a write left; `stored` is the resource itself where the write knows it."""

    id: str
    version: int
    stored: Stored | None = None


async def insert(scope: Scope, plan: Insert) -> Written:
    """Create the resource. Raises ScimError uniqueness, or invalidValue for links to what does not exist."""
    schema = plan.schema
    id_ = new_id()
    document = complete(plan.draft.document, schema, scope.limits)
    document = {"schemas": document["schemas"], "id": id_} | document
    secrets = await hashed(plan.draft.secrets, schema, scope.limits)
    changes = {key: LinkChange(cleared=False, added=ids, removed=()) for key, ids in plan.draft.links.items() if ids}
    changes |= {key: made for key, place in schema.annotated.items() if (made := change_of(place, {}, document)) is not None}
    try:
        if not (changes or schema.claiming or new_pointers(schema, {}, document)):
            return Written(id_, 1, await _insert(scope, scope.pool, plan, document, secrets))
        async with scope.pool.acquire() as conn, conn.transaction():
            document = await with_refs(scope, conn, schema, {}, document)
            for key, change in changes.items():
                await change_links(scope, conn, schema, id_, schema.referring[key], change)
            # Last, since others wait for the count that it raises.
            stored = await _insert(scope, conn, plan, document, secrets)
            await refuse_unclaimed(scope, conn, schema, document, unique_keys(document, schema))
        return Written(id_, 1, None if any(plan.draft.links.values()) else stored)
    except asyncpg.UniqueViolationError as problem:
        raise await taken(scope, schema, id_, unique_keys(document, schema)) from problem


async def _insert(scope: Scope, conn: Queries, plan: Insert, document: Document, secrets: Mapping[str, str | None]) -> Stored:
    schema, id_, created = plan.schema, document["id"], now()
    made = rendered(scope, schema, document, created)
    tag = await conn.execute(
        _SQL["insert_resource"],
        *(scope.tenant, id_, schema.name, created, made.display, made.document, made.search),
        *([name for name, _ in made.unique], [key for _, key in made.unique]),
        *(list(secrets), list(secrets.values()), scope.by),
        *columns_of_keys(made.keys),
        *(scope.count_slot(), stored_names(plan.draft.coercions), scope.catalog.edition),
        with_links(document, {schema.writable_links[key].attribute.name: ids for key, ids in plan.draft.links.items()}),
    )
    if tag.endswith(" 0"):
        raise OutdatedError
    return Stored(schema, id_, 1, timestamp(created), timestamp(created), made.document)


async def change(
    scope: Scope,
    schema: EffectiveSchema,
    id_: str,
    if_match: IfMatch | None,
    edit: Editor,
    *,
    links: bool,
    view: View,
    most: int,
) -> Written:
    """Apply an edit to the resource as it is; nothing is written when it changes nothing. `links`: the edit may touch link rows.

    Without links: optimistic, the version is part of the UPDATE's condition; a lost race is 412 under If-Match and else tried again
    on the newer document; the resource is read as the view shows it, with at most `most` elements of each link, so that it need not
    be read again. With links, or after several lost races: under the row's lock. Raises ScimError 404, 412, uniqueness, and
    whatever `edit` raises.
    """
    hashes = dict(scope.hashes.get(id_, {}))
    try:
        badge = badging.concerns(scope, schema)
        if not links and not badge and not schema.annotated and not scope.catalog.is_building(schema):
            for attempt in range(_RACES):
                current = await fetch(scope, scope.pool, schema, id_, view, most, search=True)
                _check_version(current.version, schema, id_, if_match)
                before = orjson.loads(current.document)
                made = edit(before, None)
                start = _Current(id_, current.version, current.modified, before, current.search)
                if new_pointers(schema, before, made.document):
                    async with scope.pool.acquire() as conn, conn.transaction():
                        written = await _store(scope, conn, schema, start, made, {}, hashes)
                else:
                    written = await _store(scope, scope.pool, schema, start, made, {}, hashes)
                if written is not None:
                    return Written(id_, written.version, current._replace(**written.changed))
                await check_edition(scope, scope.pool)
                if if_match is not None and not if_match.any:
                    raise ScimError(Kind.PRECONDITION_FAILED)
                await asyncio.sleep(random.uniform(0, 0.002) * (attempt + 1))  # noqa: S311 - jitter, not a secret
        async with scope.pool.acquire() as conn, conn.transaction():
            users = await badging.lock_of(scope, conn, id_) if badge else {}
            return await _locked(scope, conn, schema, id_, if_match, edit, hashes, users if badge else None)
    except HeldError as held:
        await alarm(scope, held)
        raise
    except _Taken as problem:  # asked here, when no connection is held any more
        raise await taken(scope, schema, id_, problem.claimed) from problem


class _Taken(Exception):  # noqa: N818 - carries a fact out of a transaction
    """One of these unique keys (attribute, key) is held by another resource."""

    def __init__(self, claimed: list[tuple[str, str]]) -> None:
        super().__init__()
        self.claimed = claimed


async def _locked(
    scope: Scope,
    conn: Connection,
    schema: EffectiveSchema,
    id_: str,
    if_match: IfMatch | None,
    edit: Editor,
    hashes: dict[str, str],
    users: Mapping[str, Document] | None,
) -> Written:
    """`users`, of a badge resource: the user whom it is about, locked."""
    row = await conn.fetchrow(_SQL["lock_document"], scope.tenant, id_, schema.name)
    if row is None:
        raise not_found(schema, id_)
    _check_version(row["version"], schema, id_, if_match)
    document: Document = orjson.loads(row["document"])
    strays: dict[str, Any] = {}
    if schema.unsettled:
        document, strays = split(document, schema)
    try:
        made = edit(document, None)
    except NeedsLinks:
        made = edit(document, await _rows(scope, conn, schema, id_))
    if users is not None:
        made = replace(made, document=await badging.amend(scope, conn, schema, document, made.document, users))
    moved = {}
    for key, place in schema.writable_links.items():
        if key in made.links and (rows := await change_links(scope, conn, schema, id_, place, made.links[key])):
            moved[place.attribute.name] = rows
    for place in schema.annotated.values():
        if (stored := change_of(place, document, made.document)) is not None:
            await change_links(scope, conn, schema, id_, place, stored)
    written = await _store(
        scope, conn, schema, _Current(id_, row["version"], timestamp(row["modified"]), document, row["search"]), made, moved, hashes
    )
    # Last, when the rows that were written keep a change of definitions from being taken before this ends.
    await check_edition(scope, conn)
    if written is None:
        raise AssertionError("the row is locked, so its version cannot have changed")
    if strays and written.version != row["version"]:
        await set_aside(conn, scope.tenant, schema, id_, strays)
    if users is not None and written.version != row["version"]:
        await badging.changed(scope, conn, schema, document, made.document, users)
    return Written(id_, written.version)


def _check_version(version: int, schema: EffectiveSchema, id_: str, if_match: IfMatch | None) -> None:
    if if_match is not None and not if_match.permits(version):
        raise ScimError(Kind.PRECONDITION_FAILED, f'{schema.name} {shorten(id_)} has the version W/"{version}"')


@dataclass(frozen=True, slots=True)
class _Current:
    """The resource that a write starts from."""

    id: str
    version: int
    modified: str
    document: Document
    search: str


@dataclass(frozen=True, slots=True)
class _Result:
    """The version after a write, and what it changed of the Stored."""

    version: int
    changed: dict[str, Any] = field(default_factory=dict)


async def _store(
    scope: Scope,
    conn: Queries,
    schema: EffectiveSchema,
    current: _Current,
    made: Edit,
    moved: Mapping[str, Moved],
    hashes: dict[str, str],
) -> _Result | None:
    """Write what differs; `moved` says of links whose rows did. None when the version is not the present one any more."""
    id_, before, document = current.id, current.document, made.document
    dated = (scope.catalog.of_modified.get(schema.name), modified_key(current.modified))
    if document != before:
        document = await with_refs(scope, conn, schema, before, document)
    if document == before and not made.secrets:
        if not moved:
            return _Result(current.version)
        said = (list(moved), *dated, stored_names(made.coercions), differences(before, before, moved))
        row = await conn.fetchrow(_SQL["touch_resource"], scope.tenant, id_, schema.name, now(), scope.by, *said)
        return None if row is None else _Result(row["version"])
    secrets = await hashed(made.secrets, schema, scope.limits, hashes)
    rendition = rendered(scope, schema, document)
    old, new = set(unique_keys(before, schema)), set(rendition.unique)
    released, claimed = sorted(old - new), sorted(new - old)
    had, has = set(keys_held(current.search, scope.catalog.indexes_of(schema))), set(rendition.keys)
    names = sorted({name for name in {*before, *document} if before.get(name) != document.get(name)} | {*secrets, *moved})
    text, dropped, rest = dropping(_SQL["update_resource"], had - has)
    arguments = (
        *(scope.tenant, id_, schema.name, current.version, now()),
        *(rendition.display, rendition.document, rendition.search),
        *([name for name, _ in released], [key for _, key in released]),
        *([name for name, _ in claimed], [key for _, key in claimed]),
        *(list(secrets), list(secrets.values()), scope.by, names),
        *(*dated, *columns_of_keys(has - had)),
        renaming(schema, before, rendition),
        *(stored_names(made.coercions), scope.catalog.edition, differences(before, document, moved), *dropped),
    )
    guarded = scope.catalog.policy.deletion_guard != "off" and deactivates(before, document)
    withdrawn = withdrawing(scope, schema, before, document)
    try:
        if not rest and not guarded and withdrawn is None:
            row = await conn.fetchrow(text, *arguments)
        else:
            async with _transaction(scope, conn) as own:
                row = await own.fetchrow(text, *arguments)
                if row is not None:
                    await own.executemany(_SQL["drop_key"], [(scope.tenant, number, key, id_) for number, key in rest])
                    if withdrawn is not None:
                        await withdraw(own, scope.tenant, id_, None, scope.by, withdrawn)
                    if guarded:
                        await count_deletion(scope, own, schema, gone=False)
    except asyncpg.UniqueViolationError as problem:
        raise _Taken(claimed) from problem
    if row is None:
        return None
    await refuse_unclaimed(scope, conn, schema, document, claimed)
    return _Result(row["version"], {"version": row["version"], "modified": timestamp(row["modified"]), "document": rendition.document})


async def refuse_unclaimed(
    scope: Scope, conn: Queries, schema: EffectiveSchema, document: Document, claimed: list[tuple[str, str]]
) -> None:
    """While the values of an attribute that became unique are still being claimed, look for another holder of a new one in the
    resources themselves; `conn` is in the transaction of the write. Raises ScimError uniqueness."""
    names = {name for name, _ in claimed} & schema.claiming
    for place in schema.unique if names else ():
        if place.key in names:
            sought = [orjson.dumps(containing(place, holding(place, key))).decode() for key in typed_keys(document, place)]
            if await conn.fetch(load("definitions")["held_by_others"], scope.tenant, schema.name, document["id"], sought):
                raise ScimError(Kind.UNIQUENESS, f"{place.name} is already in use by another {schema.name}")


@asynccontextmanager
async def _transaction(scope: Scope, conn: Queries) -> AsyncIterator[Connection]:
    """The transaction that the connection is in, or one of its own for what comes from the pool."""
    if conn is scope.pool:
        async with scope.pool.acquire() as own, own.transaction():
            yield own
    else:
        yield cast("Connection", conn)


async def _rows(scope: Scope, conn: Connection, schema: EffectiveSchema, id_: str) -> dict[str, list[dict[str, Any]]]:
    """Every element of every link, as a client would see it: only for operations that select references by more than their ids.

    Raises ScimError tooMany where there are more than may be read for that.
    """
    result: dict[str, list[dict[str, Any]]] = {}
    for key in schema.writable_links:
        rows = await conn.fetch(_SQL["links_of"], scope.tenant, id_, key, "", scope.limits.links + 1)
        if len(rows) > scope.limits.links:
            name = schema.writable_links[key].name
            raise ScimError(Kind.TOO_MANY, f"{name} has more than {scope.limits.links} values: select them by value alone")
        types = scope.catalog.by_name
        result[key] = [
            {
                "value": row["target"],
                "type": row["type"],
                "$ref": f"{scope.base_url}{types[row['type']].endpoint}/{row['target']}",
                "display": row["display"],
            }
            for row in rows
        ]
    return result


async def taken(scope: Scope, schema: EffectiveSchema, id_: str, claimed: list[tuple[str, str]]) -> ScimError:
    """409 that names the attribute: found by asking which of the claimed keys another resource holds."""
    rows = await scope.pool.fetch(
        _SQL["held_keys"], scope.tenant, schema.name, id_, [name for name, _ in claimed], [key for _, key in claimed]
    )
    attribute, holder = (rows[0]["attribute"], rows[0]["id"]) if rows else ("", None)
    return ScimError(Kind.UNIQUENESS, held_already(schema, attribute), about=holder)
