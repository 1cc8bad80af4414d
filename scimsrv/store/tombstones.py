"""Deleted resources that can be brought back: with the same id, and what they referred to and were referred to by, as far as that is there.

A deletion moves the document and the rows of references beside those of what is there, so that no other statement knows of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import asyncpg
import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import DEFAULT
from scimsrv.patch.links import LinkChange
from scimsrv.protocol.plan import Insert
from scimsrv.schema import document as doc
from scimsrv.schema.aside import split
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.policy import parse_policy
from scimsrv.schema.search import display
from scimsrv.schema.validate import complete, keys, shorten
from scimsrv.store import badging
from scimsrv.store.connection import Connection
from scimsrv.store.content import Moved, differences
from scimsrv.store.edition import OutdatedError
from scimsrv.store.failure import guarded
from scimsrv.store.forgetting import after_restoration
from scimsrv.store.identity import load_catalog
from scimsrv.store.inserting import rendered
from scimsrv.store.links import change_links, change_of, relink
from scimsrv.store.pointers import with_refs
from scimsrv.store.pool import Database, Queries
from scimsrv.store.queries import load
from scimsrv.store.referring import rewrite
from scimsrv.store.rendition import Rendition, columns_of_keys, modified_key, naming_change
from scimsrv.store.scope import Scope, now
from scimsrv.store.secrets import hashed
from scimsrv.store.write import Written, refuse_unclaimed, taken

_SQL = load("tombstones")
_RESOURCES = load("resources")

#: References of a kind that are put back at once; what is beyond comes back in the background, so many at a time.
AT_ONCE: Final = 1_000

#: Tombstones and rows of references that one step of the purge removes.
_PURGED: Final = 100
_PURGED_REFERENCES: Final = 5_000


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A deleted resource: its last version, when and by whom it was deleted, and the name that others showed for it."""

    id: str
    type: str
    version: int
    created: datetime
    deleted: datetime
    actor: str
    display: str | None


async def list_tombstones(
    connection: Connection, tenant: int, *, type_name: str | None = None, id_: str | None = None, after: str = "", count: int = 100
) -> list[Tombstone]:
    """What can be brought back, by id: of one type or all, behind an id."""
    _, catalog = await load_catalog(connection, tenant)
    since = _since(catalog.policy.restore_days)
    return [_tombstone(row) for row in await connection.fetch(_SQL["list"], tenant, type_name, id_, since, after, count)]


def _tombstone(row: Any) -> Tombstone:
    document: Document = orjson.loads(row["document"])
    shown = display(document) or document.get("userName")
    return Tombstone(row["id"], row["type"], row["version"], row["created"], row["deleted"], row["actor"], shown)


def _since(days: int) -> datetime:
    """When what can be brought back was deleted at the earliest."""
    return now() - timedelta(days=days)


async def restore(scope: Scope, id_: str) -> Written:
    """Bring a deleted resource back, with the id that it had. Raises ScimError 404 for what cannot be brought back (any more), 409
    uniqueness for a value that another resource has taken, 409 where the type's definitions do not bear it any more."""
    found: _Returning | None = None
    try:
        async with scope.pool.acquire() as conn, conn.transaction():
            row = await conn.fetchrow(_SQL["lock"], scope.tenant, id_, _since(scope.catalog.policy.restore_days))
            if row is None:
                raise ScimError(Kind.NOT_FOUND, f"There is no deleted resource {shorten(id_)} that can be brought back")
            schema = scope.catalog.by_name.get(row["type"])
            if schema is None:
                raise ScimError(Kind.CONFLICT, f"The resource type {row['type']} is not defined any more")
            try:
                document = complete(split(orjson.loads(row["document"]), schema)[0], schema, scope.limits)
            except ScimError as error:
                raise ScimError(Kind.CONFLICT, f"The resource does not fit its type any more: {error.sentence}") from error
            document = await _without_strangers(scope, conn, schema, document)
            document = await relink(conn, scope.tenant, schema, id_, {}, document)
            found = _Returning(scope, conn, schema, id_, document, row["version"] + 1, row["created"], document)
            written = await found.store(frozenset())
            if badging.concerns(scope, schema):
                await badging.returned(scope, conn, schema, found.document)
            return written
    except asyncpg.UniqueViolationError as problem:
        assert found is not None
        raise await found.taken() from problem


def reprovisions(scope: Scope) -> bool:
    """Whether POSTs bring back what they match."""
    return scope.catalog.policy.reprovision != "off" and scope.catalog.policy.restore_days > 0


async def matching(scope: Scope, plans: Mapping[int, Insert]) -> set[int]:
    """Which of these POSTs match a deleted resource that can be brought back, by their numbers."""
    policy, found = scope.catalog.policy, set()
    sought: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, plan in plans.items():
        if badging.concerns(scope, plan.schema):
            continue
        place = plan.schema.resolve(policy.reprovision)
        for key in [] if place is None else keys(plan.draft.document, place)[:1]:
            sought[plan.schema.name][key].append(number)
    name = "with_user_names" if policy.reprovision == "userName" else "with_external_ids"
    for type_, numbers in sought.items():
        for row in await scope.pool.fetch(_SQL[name], scope.tenant, type_, list(numbers), _since(policy.restore_days)):
            found.update(numbers[row["key"]])
    return found


async def reprovision(scope: Scope, plan: Insert, hashes: dict[str, str] | None = None) -> Written | None:
    """Carry out a POST by bringing back the deleted resource that it matches, as the policy says; None when there is none. It gets what
    the request says, and the references that it had; links that the request has take the place of those. `hashes` are those of its
    secrets that were made beforehand. Raises ScimError as a POST."""
    policy, schema = scope.catalog.policy, plan.schema
    if not reprovisions(scope) or badging.concerns(scope, schema):  # which begin anew: by what they were, nothing could follow
        return None
    document = complete(plan.draft.document, schema, scope.limits)
    place = schema.resolve(policy.reprovision)
    sought = [] if place is None else keys(document, place)
    if not sought:
        return None
    name, since = "by_user_name" if policy.reprovision == "userName" else "by_external_id", _since(policy.restore_days)
    match = await scope.pool.fetchrow(_SQL[name], scope.tenant, schema.name, sought[0], since)
    if match is None:
        return None
    id_, found = match["id"], None
    secrets = await hashed(plan.draft.secrets, schema, scope.limits, hashes)
    try:
        async with scope.pool.acquire() as conn, conn.transaction():
            row = await conn.fetchrow(_SQL["lock"], scope.tenant, id_, since)
            if row is None:  # somebody else was quicker
                return None
            document = {"schemas": document["schemas"], "id": id_} | document
            changes = {key: LinkChange(cleared=False, added=ids, removed=()) for key, ids in plan.draft.links.items() if ids}
            stored = {key: made for key, place in schema.annotated.items() if (made := change_of(place, {}, document)) is not None}
            for key, change in (changes | stored).items():
                await change_links(scope, conn, schema, id_, schema.referring[key], change)
            found = _Returning(scope, conn, schema, id_, document, row["version"] + 1, row["created"], {}, secrets)
            return await found.store(frozenset(changes))
    except asyncpg.UniqueViolationError as problem:
        assert found is not None
        raise await found.taken() from problem


async def _without_strangers(scope: Scope, conn: Connection, schema: EffectiveSchema, document: Document) -> Document:
    """The document without pointers at what is gone, unless the policy keeps those."""
    if scope.catalog.policy.pointer_target_deletion == "keep":
        return document
    named = {place: value["value"] for place in schema.pointers if (value := doc.get(document, place)) and value.get("value")}
    types = await _types(conn, scope.tenant, list(named.values()))
    for place, id_ in named.items():
        if "$ref" in doc.get(document, place) and id_ not in types and not place.attribute.required:
            document = doc.put(document, place, None)
    return document


async def _types(conn: Connection, tenant: int, ids: list[str]) -> dict[str, str]:
    """The types of those resources that are there, which are locked against deletion."""
    rows = await conn.fetch(_RESOURCES["lock_targets"], tenant, sorted(set(ids))) if ids else []
    return {row["id"]: row["type"] for row in rows}


@dataclass
class _Returning:
    """A resource on its way back, in a transaction that holds its tombstone."""

    scope: Scope
    conn: Connection
    schema: EffectiveSchema
    id: str
    document: Document
    version: int
    created: datetime
    #: What is known of its references already; the others are looked up.
    before: Document
    secrets: dict[str, str | None] = field(default_factory=dict)
    made: Rendition | None = None

    async def store(self, given: frozenset[str]) -> Written:
        """Store it with its references, but for those of the links that are `given` anew."""
        scope, at = self.scope, now()
        await self.conn.execute(_SQL["stop_erasure"], scope.tenant, self.id)
        self.document = await with_refs(scope, self.conn, self.schema, self.before, self.document)
        self.made = rendered(scope, self.schema, self.document, at)
        await self._insert(self.made, at)
        await refuse_unclaimed(scope, self.conn, self.schema, self.document, self.made.unique)
        if await _put_back(scope, self.conn, self.schema, self.id, self.schema.writable_links.keys() - given):
            await self.conn.execute(_SQL["mark_restored"], scope.tenant, self.id, at)
            scope.wake()
        else:
            await self.conn.execute(_SQL["erase"], scope.tenant, self.id)
        await after_restoration(scope, self.conn, self.schema, self.id)
        return Written(self.id, self.version)

    async def _insert(self, made: Rendition, at: datetime) -> None:
        scope = self.scope
        tag = await self.conn.execute(
            _SQL["restore"],
            *(scope.tenant, self.id, self.schema.name, at, made.display, made.document, made.search),
            *([name for name, _ in made.unique], [key for _, key in made.unique], scope.by),
            *columns_of_keys(made.keys),
            *(scope.count_slot(), scope.catalog.edition, self.version, self.created),
            *(list(self.secrets), list(self.secrets.values())),
            naming_change() if self.schema.referring else None,
        )
        if tag.endswith(" 0"):
            raise OutdatedError

    async def taken(self) -> ScimError:
        """409 that names the attribute whose value another resource has by now; the transaction has ended."""
        assert self.made is not None
        return await taken(self.scope, self.schema, self.id, self.made.unique)


async def put_back(pool: Database, tenant: int) -> bool:
    """Put one batch of references back that a resource had before it was deleted and brought back; whether there may be more. For the
    background."""

    async def work() -> bool:
        async with pool.acquire() as conn, conn.transaction():
            job = await conn.fetchrow(_SQL["take_restored"], tenant)
            if job is None:
                return False
            try:
                _, catalog = await load_catalog(conn, tenant)
            except LookupError:  # the tenant is being deleted, and its rows with it
                return False
            schema = catalog.by_name.get(job["type"])
            scope = Scope(pool, tenant, catalog, "", job["actor"], DEFAULT)
            if schema is None or not await _put_back(scope, conn, schema, job["id"], schema.writable_links.keys(), again=True):
                await conn.execute(_SQL["erase_references"], tenant, job["id"])
                await conn.execute(_SQL["erase"], tenant, job["id"])
        return True

    return await guarded(work)


async def _put_back(scope: Scope, conn: Connection, schema: EffectiveSchema, id_: str, links: Set[str], *, again: bool = False) -> bool:
    """Put back a batch of the references to the resource, and of its own of these links; whether there may be more. `again` says that it
    has been there for a while, so that its own are a change of it."""
    more = await _put_back_referred(scope, conn, schema, id_)
    held = await conn.fetch(_RESOURCES["lock_resources"], scope.tenant, [id_])
    if not held:
        return False
    row = await conn.fetchrow(_SQL["put_back_own"], scope.tenant, id_, sorted(links), AT_ONCE)
    assert row is not None
    if again and row["targets"]:
        added: dict[str, list[str]] = defaultdict(list)
        for attribute, target in zip(row["attributes"], row["targets"], strict=True):
            added[attribute].append(target)
        moved = {attribute: Moved(added=targets, number_added=len(targets)) for attribute, targets in added.items()}
        await _touch(scope, conn, held[0], list(moved), differences({}, {}, moved))
    return more or row["taken"] == AT_ONCE


async def _put_back_referred(scope: Scope, conn: Connection, schema: EffectiveSchema, id_: str) -> bool:
    rows = await conn.fetch(_SQL["referred"], scope.tenant, id_, AT_ONCE)
    if not rows:
        return False
    held = {row["id"]: row for row in await conn.fetch(_RESOURCES["lock_resources"], scope.tenant, sorted({row["source"] for row in rows}))}
    if id_ not in await _types(conn, scope.tenant, [id_]):
        return False
    linked: dict[str, list[str]] = defaultdict(list)
    pointed: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in rows:
        source = held.get(row["source"])
        other = None if source is None else scope.catalog.by_name.get(source["type"])
        if other is None:
            continue
        if row["pointer"] is not None:
            pointed[other.name, row["attribute"], row["pointer"]].append(row["source"])
        elif (place := other.writable_links.get(row["attribute"])) is not None and schema.name in place.attribute.resource_types:
            linked[row["source"]].append(row["attribute"])
    for (name, key, value), sources in pointed.items():
        place = next((one for one in scope.catalog.by_name[name].pointers if one.key == key), None)
        if place is not None and schema.name in place.attribute.resource_types:
            await _point(scope, conn, scope.catalog.by_name[name], place, sources, orjson.loads(value))
    pairs = [(one, attribute) for one, attributes in linked.items() for attribute in attributes]
    if pairs:
        columns = ([one for one, _ in pairs], [attribute for _, attribute in pairs], [id_] * len(pairs))
        await conn.execute(_RESOURCES["add_links_of_many"], scope.tenant, *columns)
    for one, attributes in linked.items():
        moved = {attribute: Moved(added=[id_], number_added=1) for attribute in attributes}
        await _touch(scope, conn, held[one], attributes, differences({}, {}, moved))
    await conn.execute(_SQL["forget_referred"], scope.tenant, id_, [row["source"] for row in rows], [row["attribute"] for row in rows])
    return len(rows) == AT_ONCE


async def _point(scope: Scope, conn: Connection, other: EffectiveSchema, place: Resolved, sources: list[str], value: Any) -> None:
    """Let resources have a pointer again, where they do not point at anything else by now."""
    rows = await conn.fetch(_RESOURCES["lock_documents"], scope.tenant, sorted(sources))
    free = [row for row in rows if doc.get(orjson.loads(row["document"]), place) is None]
    await rewrite(scope, conn, other, free, [place.name], partial(doc.put, place=place, value=value))


async def _touch(scope: Scope, conn: Connection, row: Any, attributes: list[str], content: str) -> None:
    """A new version of a locked resource whose links changed."""
    said = (attributes, scope.catalog.of_modified.get(row["type"]), modified_key(row["modified"]), None, content)
    await conn.execute(_RESOURCES["touch_resource"], scope.tenant, row["id"], row["type"], now(), scope.by, *said)


async def tenants_with_old(pool: Queries) -> dict[int, int]:
    """For how many days each tenant that has tombstones keeps them."""
    return {row["tenant"]: parse_policy(orjson.loads(row["policy"])).restore_days for row in await pool.fetch(_SQL["with_old"])}


async def purge(pool: Database, tenant: int, days: int) -> bool:
    """Remove a batch of what was deleted longer ago, for good; whether there may be more."""

    async def work() -> bool:
        async with pool.acquire() as conn, conn.transaction():
            ids = [row["id"] for row in await conn.fetch(_SQL["old"], tenant, _since(days), _PURGED)]
            if not ids:
                return False
            if await conn.execute(_SQL["purge_references"], tenant, ids, _PURGED_REFERENCES) != f"DELETE {_PURGED_REFERENCES}":
                await conn.execute(_SQL["purge"], tenant, ids)
        return True

    return await guarded(work)
