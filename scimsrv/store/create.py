"""Creating many resources at once: one statement for all that need nothing else, one transaction where they refer to resources."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Final, cast

import asyncpg

from scimsrv.badges.award import is_expired
from scimsrv.badges.exclusive import exclusive_keys, held_already
from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.protocol.plan import Insert
from scimsrv.schema.badging import AWARD
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.validate import complete, shorten
from scimsrv.store import badging
from scimsrv.store.connection import Connection
from scimsrv.store.content import with_links
from scimsrv.store.edition import OutdatedError
from scimsrv.store.failure import guarded
from scimsrv.store.inserting import NewResource, insert_all, rendered
from scimsrv.store.joined import AbortedError
from scimsrv.store.links import change_of, check_types
from scimsrv.store.pointers import new_pointers, with_refs
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.rendition import Rendition
from scimsrv.store.scope import Scope, new_id, now
from scimsrv.store.secrets import hashed
from scimsrv.store.ways import Claim
from scimsrv.store.write import Written, refuse_unclaimed

_SQL = load("resources")

#: Attempts that may end without a result and without showing what is in the way, as where others were quicker and gave up again.
_ATTEMPTS: Final = 5

#: What sets with badge resources have in common, since more than what they say may follow from each.
_BADGES: Final[Claim] = ("", "badges", "")

#: What an attempt says that stored everything.
_STORED: Final[Mapping[str, ScimError]] = MappingProxyType({})

#: Resources of a set that are made ready in one go, at least and at most; and into how many portions a set is divided between these. Large
#: sets are of requests that nobody waits beside.
_AT_ONCE: Final = 4
_MOST_AT_ONCE: Final = 8
_PORTIONS: Final = 12


@dataclass(frozen=True, slots=True)
class Creation:
    """A resource to be created: its id is allotted beforehand. `plan` is the error where planning failed; `needs` are the ids of others
    of the same set that it refers to; those that refer to each other stand together and have the same number as `circle`."""

    id: str
    plan: Insert | ScimError
    needs: frozenset[str]
    circle: int


def dependent() -> ScimError:
    """409 for what refers to a resource that was not created."""
    return ScimError(Kind.CONFLICT, "The operation refers to a resource that could not be created")


@dataclass(slots=True)
class _Draft:
    """A resource on its way into the database. `document` is what an attempt makes of what was `sent`, where each begins."""

    id: str
    plan: Insert
    sent: Document
    document: Document
    secrets: Mapping[str, str | None]
    links: Mapping[str, tuple[str, ...]]
    points: frozenset[str]
    rendition: Rendition
    targets: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class CreationsMade:
    """Which resources of a set were created, and why others were not; those that are in neither were not tried."""

    stored: frozenset[str]
    failed: Mapping[str, ScimError]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Resources ready to be stored, in their order, and why some of them cannot be."""

    creations: Sequence[Creation]
    created: datetime
    drafts: Mapping[str, _Draft]
    failed: Mapping[str, ScimError]

    #: What they claim; sets that have none of it in common may be stored at the same time.
    claims: frozenset[Claim]

    #: The edition of the definitions by which all of that holds.
    edition: int | None


def at_once(number: int) -> int:
    """How many of so many resources are made ready in one go: the other requests of the process get their turn in between."""
    return max(_AT_ONCE, min(_MOST_AT_ONCE, number // _PORTIONS))


async def prepare(scope: Scope, creations: Sequence[Creation]) -> Prepared:
    """Everything that can be done for the creations without the database."""
    created = now()
    failed = {creation.id: creation.plan for creation in creations if isinstance(creation.plan, ScimError)}
    drafts = await _drafts(scope, creations, failed, created)
    claims = {claim for draft in drafts.values() for claim in _claims(draft)}
    if any(badging.concerns(scope, draft.plan.schema) for draft in drafts.values()):
        claims.add(_BADGES)
    return Prepared(creations, created, drafts, failed, frozenset(claims), scope.catalog.edition)


async def create_all(
    scope: Scope, prepared: Prepared, failed: Mapping[str, ScimError] = MappingProxyType({}), stop_after: int | None = None
) -> CreationsMade:
    """Create resources in their order, each wholly or not at all; they may refer to each other, in circles too. `failed` are those
    that cannot be created for a reason found since they were prepared, which counts first. Raises OutdatedError when they have to be
    prepared again, and AbortedError when their transaction has to be done again.

    Of several that claim the same unique key the first gets it. What refers to one that failed fails too (409). After `stop_after`
    failures the rest is left out.
    """
    creations, drafts = prepared.creations, prepared.drafts
    known = {**prepared.failed, **failed}
    left = _ATTEMPTS
    while left:
        problems = _judged(creations, drafts, known)
        tried = _until(creations, problems, stop_after)
        chosen = [drafts[creation.id] for creation in tried if creation.id not in problems]
        claiming = [draft for draft in drafts.values() if draft.id not in known]
        try:
            found = await guarded(partial(_attempt, scope, chosen, claiming, prepared.created)) if chosen else _STORED
        except (OutdatedError, AbortedError):
            raise
        except ScimError as error:
            found = dict.fromkeys((draft.id for draft in chosen), error)
        if found is _STORED:
            return CreationsMade(frozenset(draft.id for draft in chosen), {one.id: problems[one.id] for one in tried if one.id in problems})
        left -= not found
        known |= found
    raise ScimError(Kind.UNAVAILABLE)


async def _drafts(scope: Scope, creations: Sequence[Creation], failed: dict[str, ScimError], created: datetime) -> dict[str, _Draft]:
    """The resources as they are to be stored; what is found wrong with one is noted in `failed`."""
    drafts: dict[str, _Draft] = {}
    portion = at_once(len(creations))
    for number, creation in enumerate(creations, 1):
        if number % portion == 0:
            await asyncio.sleep(0)
        if isinstance(creation.plan, ScimError):
            continue
        try:
            drafts[creation.id] = await _draft(scope, creation.id, creation.plan, created)
        except ScimError as error:
            failed[creation.id] = error
    return drafts


async def _draft(scope: Scope, id_: str, plan: Insert, created: datetime) -> _Draft:
    schema = plan.schema
    document = complete(plan.draft.document, schema, scope.limits)
    document = {"schemas": document["schemas"], "id": id_} | document
    secrets = await hashed(plan.draft.secrets, schema, scope.limits, scope.hashes.get(id_)) if plan.draft.secrets else {}
    links = {key: ids for key, ids in plan.draft.links.items() if ids}
    links |= {key: made.added for key, place in schema.annotated.items() if (made := change_of(place, {}, document)) is not None}
    for key, ids in links.items():
        if id_ in ids:
            raise invalid_value(f"{schema.referring[key].name}: a resource cannot refer to itself ({shorten(id_)})")
    points = frozenset(new_pointers(schema, {}, document).values())
    targets = points.union(*links.values())
    return _Draft(id_, plan, document, document, secrets, links, points, _rendered(scope, schema, document, created), targets)


def _rendered(scope: Scope, schema: EffectiveSchema, document: Document, created: datetime) -> Rendition:
    """The document folded for storing; an award that is over when it comes, as what is imported may be, holds up no other. Raises
    ScimError."""
    made = rendered(scope, schema, document, created)
    if schema.name == AWARD and badging.concerns(scope, schema) and is_expired(document, created):
        exclusive = exclusive_keys(document, schema)
        made = replace(made, unique=[key for key in made.unique if key not in exclusive])
    return made


def _judged(creations: Iterable[Creation], drafts: Mapping[str, _Draft], known: Mapping[str, ScimError]) -> dict[str, ScimError]:
    """The failures with those that follow: of what needs something that failed, and of what claims a key that one before it claims.
    What fails claims nothing, and nor do the others of its circle."""
    failed = dict(known)
    claimed: set[Claim] = set()
    for _, group in groupby(creations, key=lambda creation: creation.circle):
        circle = list(group)
        own: set[Claim] = set()
        for creation in circle:
            if creation.id in failed:
                continue
            if not creation.needs.isdisjoint(failed):
                failed[creation.id] = dependent()
                continue
            claims = _claims(drafts[creation.id])
            taken = next((claim for claim in claims if claim in claimed or claim in own), None)
            if taken is not None:
                failed[creation.id] = _in_use(drafts[creation.id], taken)
            own.update(claims)
        if any(creation.id in failed for creation in circle):
            failed |= {creation.id: dependent() for creation in circle if creation.id not in failed}
        else:
            claimed |= own
    return failed


def _claims(draft: _Draft) -> list[Claim]:
    """Type, attribute and key of each value of the resource that must be unique."""
    return [(draft.plan.schema.name, attribute, key) for attribute, key in draft.rendition.unique]


def _in_use(draft: _Draft, claim: Claim, holder: str | None = None) -> ScimError:
    return ScimError(Kind.UNIQUENESS, held_already(draft.plan.schema, claim[1]), about=holder)


def _until(creations: Sequence[Creation], failed: Mapping[str, ScimError], stop_after: int | None) -> Sequence[Creation]:
    """The creations up to the failure that is one too many."""
    if stop_after is None:
        return creations
    count = 0
    for number, creation in enumerate(creations, 1):
        count += creation.id in failed
        if count >= stop_after:
            return creations[:number]
    return creations


async def _taken(scope: Scope, drafts: Sequence[_Draft]) -> dict[str, ScimError]:
    """Those that claim a key that a stored resource holds: all of them, so that one look is enough however many claim the same one."""
    claims: dict[Claim, list[_Draft]] = defaultdict(list)
    for draft in drafts:
        for claim in _claims(draft):
            claims[claim].append(draft)
    columns = [list(column) for column in zip(*claims, strict=True)]
    rows = await scope.pool.fetch(_SQL["keys_taken"], scope.tenant, *columns)
    found = {(row["type"], row["attribute"], row["key"]): row["id"] for row in rows}
    return {draft.id: _in_use(draft, claim, holder) for claim, holder in found.items() for draft in claims[claim]}


async def _attempt(scope: Scope, drafts: Sequence[_Draft], claiming: Sequence[_Draft], created: datetime) -> Mapping[str, ScimError]:
    """Store all and return `_STORED`, or return what is wrong with some of those that are `claiming` keys, these and others of the set;
    nothing where others were only quicker."""
    try:
        return await _store(scope, drafts, created)
    except asyncpg.UniqueViolationError:
        return await _taken(scope, claiming)
    except _UndoneError as problem:
        return problem.failed


class _UndoneError(Exception):
    """Some of a set could not be stored, so that none was."""

    def __init__(self, failed: Mapping[str, ScimError]) -> None:
        super().__init__()
        self.failed = failed


async def _store(scope: Scope, drafts: Sequence[_Draft], created: datetime) -> Mapping[str, ScimError]:
    claiming = [draft for draft in drafts if draft.plan.schema.claiming]
    badges = {draft.id: draft for draft in drafts if badging.concerns(scope, draft.plan.schema)}
    if not claiming and not badges and not any(draft.targets for draft in drafts):
        await _insert(scope, scope.pool, drafts, created)
        return _STORED
    async with scope.pool.acquire() as conn, conn.transaction():
        users = await badging.lock(scope, conn, [draft.document for draft in badges.values()])
        types = await _types(scope, conn, drafts)
        failed = {}
        for draft in drafts:
            try:
                await _refer(scope, draft, types, None if draft.id in badges else created)
            except ScimError as error:
                failed[draft.id] = error
        failed |= await _admit(scope, conn, drafts, badges, users, created) if not failed else {}
        if failed:
            return failed
        await _add_links(scope, conn, drafts, types)
        # Last, since others wait for the counts that it raises.
        await _insert(scope, conn, drafts, created)
        for draft in claiming:
            try:
                await refuse_unclaimed(scope, conn, draft.plan.schema, draft.document, draft.rendition.unique)
            except ScimError as error:
                failed[draft.id] = error
        if failed:
            raise _UndoneError(failed)
        await badging.settle(scope, conn, [(draft.plan.schema, draft.document) for draft in badges.values()], users, created)
    return _STORED


async def _admit(
    scope: Scope,
    conn: Connection,
    drafts: Iterable[_Draft],
    badges: Mapping[str, _Draft],
    users: dict[str, Document],
    created: datetime,
) -> dict[str, ScimError]:
    """Make of what clients send of badges what is stored; why some of it cannot be. `users` gains those that are being created."""
    users |= {draft.id: draft.document for draft in drafts if draft.plan.schema.name == "User"}
    made = await badging.admit(scope, conn, [(draft.plan.schema, draft.document) for draft in badges.values()], users, created)
    failed = {}
    for id_, document in made.items():
        if isinstance(document, ScimError):
            failed[id_] = document
        else:
            badges[id_].document = document
            badges[id_].rendition = _rendered(scope, badges[id_].plan.schema, document, created)
    return failed


async def create_one(scope: Scope, plan: Insert) -> Written:
    """Create one resource as one of a set. Raises ScimError as `insert` does."""
    creation = Creation(new_id(), plan, frozenset(), 0)
    made = await create_all(scope, await prepare(scope, [creation]))
    if creation.id in made.failed:
        raise made.failed[creation.id]
    return Written(creation.id, 1)


async def _types(scope: Scope, conn: Connection, drafts: Sequence[_Draft]) -> dict[str, str]:
    """The type of each resource that is referred to, by id: of those stored, which are locked, and of those that are being created."""
    own = {draft.id: draft.plan.schema.name for draft in drafts}
    wanted = sorted(frozenset[str]().union(*(draft.targets for draft in drafts)) - own.keys())
    rows = await conn.fetch(_SQL["lock_targets"], scope.tenant, wanted) if wanted else []
    return own | {row["id"]: row["type"] for row in rows}


class _Known:
    """Answers which of some resources exist, and of what type, from what was locked before."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types

    async def fetch(self, _query: str, _tenant: int, ids: Sequence[str]) -> list[dict[str, str]]:
        """A row for each that exists."""
        return [{"id": id_, "type": self._types[id_]} for id_ in ids if id_ in self._types]


async def _refer(scope: Scope, draft: _Draft, types: Mapping[str, str], created: datetime | None) -> None:
    """Check what the resource refers to; without `created` it is not rendered anew, since more is to change. Raises ScimError
    invalidValue."""
    schema = draft.plan.schema
    draft.document = draft.sent
    for key, ids in draft.links.items():
        check_types(schema.referring[key], ids, types)
    if draft.points or not schema.annotated.keys().isdisjoint(draft.links):
        draft.document = await with_refs(scope, cast("Queries", _Known(types)), schema, {}, draft.document)
        if created is not None:
            draft.rendition = rendered(scope, schema, draft.document, created)


async def _add_links(scope: Scope, conn: Connection, drafts: Sequence[_Draft], types: Mapping[str, str]) -> None:
    rows = [(draft.id, key, target) for draft in drafts for key, ids in draft.links.items() for target in ids]
    if not rows:
        return
    holders = {type_.name for type_ in scope.catalog.types() if type_.referring}
    if any(types[target] in holders for _, _, target in rows):
        await conn.execute(_SQL["note_unusual_reference"], scope.tenant)
    await conn.execute(_SQL["add_links_of_many"], scope.tenant, *(list(column) for column in zip(*sorted(rows), strict=True)))


async def _insert(scope: Scope, conn: Queries, drafts: Sequence[_Draft], created: datetime) -> None:
    new = [
        NewResource(*(one.id, one.plan.schema, one.rendition, one.secrets, one.plan.draft.coercions), with_links(one.document, _links(one)))
        for one in drafts
    ]
    await insert_all(scope, conn, new, created)


def _links(draft: _Draft) -> dict[str, tuple[str, ...]]:
    """The links that are rows, by the names of their attributes; those of annotated references are in the document."""
    places = draft.plan.schema.writable_links
    return {places[key].attribute.name: ids for key, ids in draft.links.items() if key in places}
