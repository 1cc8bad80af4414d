"""Carrying out a bulk request: creations set by set, everything else one by one, each result in its place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, TypeVar
from urllib.parse import quote

from scimsrv.badges.rights import check_writing
from scimsrv.errors import Kind, ScimError
from scimsrv.protocol import planning
from scimsrv.protocol.bulk import Bulk, Creations, Entry, Result, Single, data_of, filled
from scimsrv.protocol.features import check_feature
from scimsrv.protocol.plan import Insert, Modify, Overwrite, Remove
from scimsrv.protocol.request import if_match
from scimsrv.protocol.response import location
from scimsrv.schema.policy import own_attributes
from scimsrv.schema.project import EVERYTHING
from scimsrv.store.ahead import hashed_ahead
from scimsrv.store.create import Creation, CreationsMade, Prepared, at_once, create_all, dependent, prepare
from scimsrv.store.edition import OutdatedError
from scimsrv.store.execute import write
from scimsrv.store.failure import guarded
from scimsrv.store.identity import load_catalog
from scimsrv.store.joined import AbortedError, Joined, Repeated, one_transaction
from scimsrv.store.me import Me
from scimsrv.store.pool import has_room, long_turn
from scimsrv.store.scope import Scope, new_id
from scimsrv.store.tombstones import matching, reprovision, reprovisions
from scimsrv.store.ways import WAYS, Before, Ways
from scimsrv.store.write import Written

log: Final = logging.getLogger("scimsrv.bulk")

#: Resources that are created by one statement, unless more refer to each other in a circle; beside other tenants fewer, so that what they
#: send meets nothing that is long.
SET: Final = 100
SHORT_SET: Final = 10

_NOBODY: Final[frozenset[str]] = frozenset()

#: Characters of a path that names nothing, beyond which the result does not repeat it: as many as a request's own target may have.
_LONGEST_PATH: Final = 8_192

#: Seconds that an operation waits for a change of the definitions that is being taken, and between two looks.
_CHANGING: Final = 7.0
_PAUSE: Final = 0.02

_T = TypeVar("_T")

#: The status of an operation that is done, by its method.
STATUS: Final = {"POST": 201, "PUT": 200, "PATCH": 200, "DELETE": 204}

#: Raises ScimError when the request may not go on, and OutdatedError when policy or definitions are others than before: it is asked
#: before each step, since a long request outlives both.
Authorise = Callable[[], Awaitable[None]]


#: The id of the resource that each creation makes, by the operation's index; one that brings a deleted resource back has that one's.
Ids = Mapping[int, str]


def allot(bulk: Bulk) -> dict[int, str]:
    """New ids for what the request creates."""
    return {entry.index: new_id() for entry in bulk.entries if entry.creates}


async def carry_out(scope: Scope, bulk: Bulk, ids: Ids, authorise: Authorise) -> list[Result]:
    """Carry out the operations, each in a transaction of its own or together with others that create; the results are in the order of
    the request, without those that failOnErrors left out. Raises nothing for an operation that fails."""
    run = Run(scope, bulk, dict(ids), authorise, bulk.fail_on_errors)
    await run.steps(lambda: run.is_over)
    return run.in_order()


async def carry_out_atomically(scope: Scope, bulk: Bulk, ids: Ids, authorise: Authorise) -> list[Result]:
    """Carry out all operations in one transaction, or none: then the results are those that failed, and say so. Raises ScimError 503
    when other requests or changes of definitions are in its way again and again."""

    async def unit(scope: Scope, _is_last: bool) -> list[Result]:
        try:
            async with one_transaction(scope, whole=True) as joined:
                run = Run(joined, bulk, dict(ids), authorise, None)
                await run.steps(lambda: run.errors > 0)
                if run.errors:
                    raise UndoneError
                return run.in_order()
        except UndoneError:
            return [undone(result) for result in run.in_order() if result.error is not None]

    return await Repeated(await hashed_ahead(scope, bulk, ids, bulk.entries if bulk.is_sound else ())).run(unit)


class UndoneError(Exception):
    """An operation of an atomic request failed."""


def undone(result: Result) -> Result:
    """The result of an operation of an atomic request that failed: it says that nothing was applied."""
    error = result.error
    if error is None:
        return result
    number = f"Operation {result.entry.index + 1} of the request"  # others may have the same method and path
    detail = f"{number}: {error.sentence}; the request is atomic, so that none of its operations was applied"
    return replace(result, error=ScimError(error.kind, detail, headers=error.headers))


def steps(bulk: Bulk, most: Callable[[], int] = lambda: SET, done: Container[int] = ()) -> Iterator[Creations | Single]:
    """The steps of the request without those operations that are `done`, with sets of creations of a size that one statement takes: of
    `most` where no circle is larger, which is asked for each."""
    for step in bulk.steps:
        if isinstance(step, Single):
            if step.index not in done:
                yield step
            continue
        chosen: list[tuple[int, ...]] = []
        size, limit = 0, most()
        for component in step.components:
            if component[0] in done:  # and with it the others of its circle
                continue
            if chosen and size + len(component) > limit:
                yield Creations(tuple(chosen))
                chosen, size, limit = [], 0, most()
            chosen.append(component)
            size += len(component)
        if chosen:
            yield Creations(tuple(chosen))


@dataclass(slots=True)
class Run:
    """The state of a request that is being carried out."""

    scope: Scope
    bulk: Bulk
    ids: dict[int, str]
    authorise: Authorise
    stop_after: int | None
    results: dict[int, Result] = field(default_factory=dict)
    errors: int = 0
    #: Whether the work is done again after what passes by itself (503), so that this becomes no result.
    patient: bool = False
    #: What a user asks for, where it is one.
    me: Me | None = None
    #: Whether `authorise` uses the connection of the transaction, on which nothing else may be on its way then.
    asks_within: bool = False

    @property
    def is_over(self) -> bool:
        """Whether as many operations failed as may fail."""
        return self.stop_after is not None and self.errors >= self.stop_after

    def in_order(self) -> list[Result]:
        """The results in the order of the request."""
        return [self.results[index] for index in sorted(self.results)]

    async def steps(self, is_over: Callable[[], bool]) -> None:
        """Carry out the steps until there are no more, or it is over; whatever goes wrong becomes the result of an operation.

        Creations are prepared while those before them are on their way into the database, unless these may be the last, or other tenants
        send requests: both together take two processors.
        """
        joined = isinstance(self.scope.pool, Joined)
        ways = Ways(1 if joined else WAYS, lambda: has_room(self.scope.pool))
        # Whoever looks for what comes back needs the connection on which the set before it is on its way.
        apart = self.stop_after is not None or self.asks_within or (joined and reprovisions(self.scope))
        try:
            for step in steps(self.bulk, lambda: SET if has_room(self.scope.pool) else SHORT_SET):
                has_room_now = has_room(self.scope.pool)
                if apart or isinstance(step, Single) or not has_room_now:
                    await ways.end()
                if is_over():
                    break
                if not has_room_now:
                    await self.one(step)
                    continue
                refusal = await self._refusal()
                if isinstance(step, Single):
                    await self._single(self.bulk.entries[step.index], refusal)
                    continue
                returning = await self._returning(step, refusal)
                if returning:
                    await ways.end()
                    await self._apart(step, returning, refusal, is_over)
                    continue
                entries = self.bulk.entries_of(step)
                prepared = await self._prepared(step, refusal)
                made = frozenset(self.ids[entry.index] for entry in entries)
                needed = frozenset[str]().union(*(self._needed(entry) for entry in entries)) - made
                claims, edition = (frozenset(), None) if isinstance(prepared, ScimError) else (prepared.claims, prepared.edition)
                await ways.place(needed, claims, edition)
                if is_over():
                    break
                ways.add(asyncio.create_task(self._create(step, prepared, refusal, ways.before())), made, claims, edition)
        finally:
            await ways.end()

    async def one(self, step: Creations | Single) -> None:
        """Carry out one step, by what holds when it is its turn."""
        if isinstance(step, Single):
            await self._single(self.bulk.entries[step.index], await self._refusal())
            return
        async with long_turn(self.scope.pool):
            refusal = await self._refusal()
            returning = await self._returning(step, refusal)
            if returning:
                await self._apart(step, returning, refusal, lambda: self.is_over)
            else:
                await self._create(step, await self._prepared(step, refusal), refusal)

    async def _refusal(self) -> ScimError | None:
        """Why nothing more may be done, None where it may."""
        try:
            await self._by_what_holds(self.authorise)
        except ScimError as error:
            self._leave(error)
            return error
        return None

    async def _single(self, entry: Entry, refusal: ScimError | None) -> None:
        if refusal is not None:
            self._refused(entry, refusal)
            return
        done, written = await self._tried(entry, lambda: write(self.scope, self._plan(entry)))
        if done:
            self._done(entry, None if written is None else written.version)

    async def _tried(self, entry: Entry, unit: Callable[[], Awaitable[Written | None]]) -> tuple[bool, Written | None]:
        """Whether an operation is done by the definitions that hold, and what it wrote; where it is not, why is its result."""
        try:
            return True, await self._by_what_holds(unit)
        except ScimError as error:
            self._refused(entry, error)
        except Exception:
            log.exception("operation %s of a bulk request failed", entry.index + 1)
            self._failed(entry, ScimError(Kind.INTERNAL))
        return False, None

    def _refused(self, entry: Entry, error: ScimError) -> None:
        self._leave(error)
        self._failed(entry, error)

    async def _returning(self, step: Creations, refusal: ScimError | None) -> set[int]:
        """Which creations of a step would bring a deleted resource back. Those that refer to each other in a circle, or to themselves, do
        not: their ids are known before they are there."""
        if refusal is not None or not reprovisions(self.scope):
            return set()
        alone = [self.bulk.entries[component[0]] for component in step.components if len(component) == 1]
        plans = {one.index: plan for one in alone if one.bulk_id not in one.refers and isinstance(plan := self._planned(one), Insert)}
        try:
            return await guarded(lambda: matching(self.scope, plans))
        except ScimError as error:
            self._leave(error)
            return set(plans)  # whatever it is, each of them meets it for itself

    async def _apart(self, step: Creations, returning: set[int], refusal: ScimError | None, is_over: Callable[[], bool]) -> None:
        """Carry out a step component by component, some of which bring a resource back: what refers to it gets the id that it has."""
        for component in step.components:
            if is_over():
                return
            entry = self.bulk.entries[component[0]]
            if component[0] in returning and await self._returned(entry):
                continue
            part = Creations((component,))
            await self._create(part, await self._prepared(part, refusal), refusal)

    async def _returned(self, entry: Entry) -> bool:
        """Bring a resource back, or note why that cannot be; False where it is to be created, since there is none any more."""
        own = self.ids[entry.index]

        async def bring() -> Written | None:
            plan = self._planned(entry)
            if isinstance(plan, ScimError):
                raise plan
            return await guarded(lambda: reprovision(self.scope, plan, self.scope.hashes.get(own)))

        done, written = await self._tried(entry, bring)
        if done:
            if written is None:
                return False
            self.ids[entry.index] = written.id
            self._done(entry, written.version)
        return True

    async def _prepared(self, step: Creations, refusal: ScimError | None) -> Prepared | ScimError:
        """The resources that a set of operations creates, or why none of them can be."""
        numbered = [(circle, index) for circle, component in enumerate(step.components) for index in component]
        own = {self.ids[index] for _, index in numbered}
        portion = at_once(len(numbered))
        creations, scope = [], self.scope  # of another set that is on its way the run may have newer definitions before this ends
        try:
            for number, (circle, index) in enumerate(numbered, 1):
                entry = self.bulk.entries[index]
                creations.append(Creation(self.ids[index], refusal or self._planned(entry), self._needed(entry) & own, circle))
                if number % portion == 0:
                    await asyncio.sleep(0)
            return await prepare(scope, creations)
        except Exception:
            log.exception("operations of a bulk request failed")
            return ScimError(Kind.INTERNAL)

    async def _create(self, step: Creations, prepared: Prepared | ScimError, refusal: ScimError | None, before: Before = ()) -> None:
        """Create what a step makes, or note why that cannot be; `before` are the sets that were on their way before it."""
        entries = self.bulk.entries_of(step)
        left = None if self.stop_after is None else self.stop_after - self.errors
        first = [prepared]

        async def create() -> CreationsMade:
            if not first and before:  # by the definitions that hold now they may claim what this one claims
                await asyncio.wait(before)
            ready = first.pop() if first else await self._prepared(step, refusal)
            if isinstance(ready, ScimError):
                raise ready
            if ready.edition != self.scope.catalog.edition:
                raise OutdatedError
            needing = [] if refusal is not None else [entry for entry in entries if entry.fault is None and self._needs_a_failure(entry)]
            late = {self.ids[entry.index]: dependent() for entry in needing}
            return await create_all(self.scope, ready, late, left)

        try:
            made = await self._by_what_holds(create)
        except ScimError as error:
            self._leave(error)
            self._all_failed(entries, error)
            return
        except Exception:
            log.exception("operations of a bulk request failed")
            self._all_failed(entries, ScimError(Kind.INTERNAL))
            return
        for problem in made.failed.values():
            self._leave(problem)
        for entry in entries:
            id_ = self.ids[entry.index]
            if id_ in made.stored:
                self._done(entry, 1)
            elif id_ in made.failed:
                self._failed(entry, made.failed[id_])

    async def _by_what_holds(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do the work; where the definitions have changed since it was planned, again by those that hold. Raises OutdatedError when they
        keep changing."""
        until = time.monotonic() + _CHANGING
        while True:
            try:
                return await work()
            except OutdatedError:
                if isinstance(self.scope.pool, Joined) or time.monotonic() > until:  # what one transaction does rests on one edition
                    raise
                await asyncio.sleep(_PAUSE)
                _, catalog = await load_catalog(self.scope.pool, self.scope.tenant)
                self.scope = replace(self.scope, catalog=catalog, limits=catalog.limited(self.scope.limits))

    def _leave(self, error: ScimError) -> None:
        """Raise the error when the transaction has to be done again for it."""
        joined = isinstance(self.scope.pool, Joined) and isinstance(error, OutdatedError | AbortedError)
        if joined or (self.patient and error.kind is Kind.UNAVAILABLE):
            raise error

    def _needs_a_failure(self, entry: Entry) -> bool:
        """Whether the operation refers to what could not be created."""
        if not entry.refers:
            return False
        definers = (self.bulk.definers[name] for name in entry.refers if name in self.bulk.definers)
        return any(index in self.results and self.results[index].error is not None for index in definers)

    def _needed(self, entry: Entry) -> frozenset[str]:
        """The ids of the resources of this request that the operation refers to, but for its own."""
        if not entry.refers:
            return _NOBODY
        indexes = {self.bulk.definers[name] for name in entry.refers if name in self.bulk.definers} - {entry.index}
        return frozenset(self.ids[index] for index in indexes)

    def _planned(self, entry: Entry) -> Insert | ScimError:
        try:
            plan = self._plan(entry)
        except ScimError as error:
            return error
        if not isinstance(plan, Insert):
            raise AssertionError("creations have plans that insert")
        return plan

    def _plan(self, entry: Entry) -> Insert | Overwrite | Modify | Remove:
        """What the operation comes to, as if it had come alone. Raises ScimError."""
        if entry.fault is not None:
            raise entry.fault
        if entry.route is None:
            raise AssertionError("an operation without fault has a route")
        if self._needs_a_failure(entry):
            raise dependent()
        check_feature(entry.route, entry.method, self.scope.catalog.policy)
        schema = self.scope.catalog.at(entry.route.name)
        if schema is None:
            raise ScimError(Kind.NOT_FOUND, "There is no such endpoint")
        self.scope.narrowing.require(schema.name)
        if not self.me:
            check_writing(schema.name, self.scope.scopes, badges=self.scope.catalog.policy.badges)
        data = data_of(entry, self.scope.limits)
        if entry.refers:
            data = filled(data, entry.method, self._id_of)
        condition = if_match(entry.version) if entry.method != "POST" else None
        id_ = self.bulk.named(entry.route, self.ids)
        plan = planning.write(entry.method, schema, id_, data, self.scope.catalog, EVERYTHING, self.scope.limits, condition)
        if self.me == "user" and isinstance(plan, Overwrite | Modify):
            return replace(plan, permitted=own_attributes(self.scope.catalog.policy))
        return plan

    def _id_of(self, bulk_id: str) -> str:
        return self.ids[self.bulk.definers[bulk_id]]

    def _done(self, entry: Entry, version: int | None) -> None:
        self.results[entry.index] = Result(entry, STATUS[entry.method], self._location(entry), version)

    def _failed(self, entry: Entry, error: ScimError) -> None:
        self.errors += 1
        location = None if entry.creates else self._location(entry)
        self.results[entry.index] = Result(entry, error.kind.value.status, location, None, error)

    def _all_failed(self, entries: Iterable[Entry], error: ScimError) -> None:
        """Note that none of the operations could be carried out, as far as failOnErrors lets them be tried."""
        for entry in entries:
            if self.is_over:
                break
            self._failed(entry, error)

    def _location(self, entry: Entry) -> str | None:
        """The URL of the resource, as far as the path says what it is."""
        if entry.creates:
            return location(self.scope.base_url, f"/{_quoted(entry.route.name)}" if entry.route else "", self.ids[entry.index])
        if entry.route is None:
            path = entry.path.lstrip("/")
            named = path and "://" not in path and len(path) <= _LONGEST_PATH
            return f"{self.scope.base_url}/{quote(path, safe='/:')}" if named else None
        return f"{self.scope.base_url}/{quote(entry.route.name)}/{quote(self.bulk.named(entry.route, self.ids), safe=':')}"


#: The part of an address that names an endpoint, of which a request has few.
_quoted = lru_cache(maxsize=64)(quote)
