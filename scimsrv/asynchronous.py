"""Asynchronous requests (RFC 9967 §2.5.1): kept sealed, carried out by any server, looked up under the tenant's URL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import quote, unquote

import orjson

from scimsrv.asking import SUBJECTS
from scimsrv.auth import Right, require
from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.observe import Carried, Operated, observe, postponed
from scimsrv.observing import Served
from scimsrv.own import me_of, require_me
from scimsrv.protocol import defining
from scimsrv.protocol.bulk import Bulk, Entry, Result, arranged, entries_of
from scimsrv.protocol.features import check_feature
from scimsrv.protocol.messages import BULK_RESPONSE, REQUEST_STATUS
from scimsrv.protocol.plan import Define, Insert, Modify, Overwrite, Plan, Read, Remove
from scimsrv.protocol.prefer import Preferences
from scimsrv.protocol.request import if_match
from scimsrv.protocol.response import Renderer, Reply
from scimsrv.protocol.route import Endpoint, Route, relative
from scimsrv.recording import Noting
from scimsrv.schema.semantics import timestamp
from scimsrv.schema.validate import complete
from scimsrv.sealing import Safe
from scimsrv.store import asynchronous as jobs
from scimsrv.store.bulk import Ids, allot
from scimsrv.store.edition import OutdatedError
from scimsrv.store.execute import execute, outcome_of
from scimsrv.store.identity import Credential, load_catalog
from scimsrv.store.me import Me
from scimsrv.store.narrowing import Narrowing
from scimsrv.store.pool import Database, Tenants
from scimsrv.store.proof import proof_of
from scimsrv.store.recorded import carry_out_recorded
from scimsrv.store.redefining import define_recorded
from scimsrv.store.scope import Scope
from scimsrv.store.standing import rights_now
from scimsrv.traffic import Traffic
from scimsrv.turns import Turns, unhurried
from scimsrv.words import operated_as

log: Final = logging.getLogger("scimsrv.jobs")

#: Seconds between two looks for requests that nobody carries out, on average.
INTERVAL: Final = 5.0

#: Seconds between two looks at a request that a client waits for: at first, and in the end.
_SOONEST: Final = 0.02
_LATEST: Final = 0.32

#: Requests that one server carries out at the same time, and how many of them may be one tenant's.
_AT_ONCE: Final = 4
_OF_ONE: Final = 3


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a request: the results in the order of its operations."""

    results: list[dict[str, Any]]


def request_text(bulk: Bulk, ids: Ids, scope: Scope, *, single: bool, me: bool = False) -> bytes:
    """What has to be kept of a request to carry it out later; `me` says that it was one of /Me."""
    types = scope.narrowing.types
    may: dict[str, Any] = {"base": scope.base_url, "scopes": sorted(scope.scopes or ()), "types": None if types is None else sorted(types)}
    may |= {"subject": scope.subject, "me": "user" if me else None if scope.own is None else "badges", "proof": scope.proof.document()}
    entries = [[entry.text.decode(), entry.method, entry.path, entry.version] for entry in bulk.entries]
    kept = {"origin": scope.origin, "single": single, "failOnErrors": bulk.fail_on_errors, "ids": [[*pair] for pair in ids.items()]}
    return orjson.dumps(may | kept | {"entries": entries})


def single_request(method: str, path: str, body: dict[str, Any], condition: str | None) -> Bulk:
    """One request that writes as a request with one operation; texts in it that look like references by bulkId are just texts."""
    return arranged([_single(orjson.dumps({"data": body}), method, path, condition)])


def _single(text: bytes, method: str, path: str, condition: str | None) -> Entry:
    return Entry(0, text, method, path, relative("", path), version=condition)


class Tell(Protocol):
    """Hears of what came of operations, when it is kept."""

    def __call__(self, scope: Scope, results: Sequence[Result], *, single: bool) -> None:
        """`single` says that the request was none of several operations."""


class Jobs:
    """Carries out what is kept, in this process; `tell` hears of what came of operations, when it is kept. `record`, where it is set, is
    given what became of a request."""

    def __init__(self, pool: Tenants, traffic: Traffic, safe: Safe, limits: Limits, tell: Tell) -> None:
        self._pool = pool
        self._traffic = traffic
        self._safe = safe
        self._limits = limits
        self._tell = tell
        self._woken = asyncio.Event()
        self._turns = Turns(_AT_ONCE, _OF_ONE)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sought: set[int] = set()
        self.record: Callable[[Served], None] | None = None
        #: Hears of a tenant whose definitions may have changed.
        self.redefined: Callable[[int], Awaitable[object]] | None = None

    def start(self) -> None:
        """Begin looking for requests."""
        self._spawn(self._run())

    async def stop(self) -> None:
        """End within the present statements, whose transactions are undone; whoever comes next goes on there at once."""
        for task in list(self._tasks):
            task.cancel()
        for task in list(self._tasks):
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def later(self, scope: Scope, bulk: Bulk, wanted: Preferences, *, single: bool, me: bool = False) -> Reply | Finished | None:
        """Keep the request and begin with it: 202 (RFC 9967 §2.5.1.1), or what came of it where it was finished within the time that the
        client would wait. None where it has to be carried out at once, since too many wait. `me` says that it is one of /Me."""
        ids = allot(bulk)
        txn = await self.keep(scope, bulk, ids, single=single, me=me)
        if txn is None:
            return None
        finished = await self.waited(scope, txn, wanted)
        return self.accepted(scope, txn) if finished is None else finished

    async def waited(self, scope: Scope, txn: str, wanted: Preferences) -> Finished | None:
        """Begin with a request that was just kept; what came of it, where it was finished within the time that the client would wait."""
        task = self.begin(scope.tenant, txn)
        if not wanted.wait:
            return None
        until = time.monotonic() + wanted.wait
        await asyncio.wait({task}, timeout=wanted.wait)
        found = await self.finished(scope, txn)
        # Somebody else may have been quicker to take it.
        return await self.finished_within(scope, txn, until - time.monotonic()) if found is None else found

    @staticmethod
    def accepted(scope: Scope, txn: str) -> Reply:
        """The answer to a request that is carried out later (RFC 9967 §2.5.1.1)."""
        location = f"{scope.base_url}/.requests/{txn}"
        return Reply(202, headers={"Location": location, "Set-Txn": txn, "Preference-Applied": "respond-async"})

    async def finished(self, scope: Scope, txn: str) -> Finished | None:
        """What came of a request, if it is finished."""
        status = await jobs.find_status(scope.pool, scope.tenant, txn)
        if status is None or status.finished is None:
            return None
        results = [orjson.loads(status.results[number]) for number in sorted(status.results)]
        for result in results:
            del result["txn"]
        return Finished(results)

    async def finished_within(self, scope: Scope, txn: str, seconds: float) -> Finished | None:
        """What came of a request that any server carries out, where it is finished within so many seconds."""
        until, pause = time.monotonic() + seconds, _SOONEST
        while (left := until - time.monotonic()) > 0 and await jobs.is_on_its_way(scope.pool, scope.tenant, txn):
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, _LATEST)
        return await self.finished(scope, txn)

    async def keep(self, scope: Scope, bulk: Bulk, ids: Ids, *, single: bool, me: bool = False) -> str | None:
        """Keep a request to be carried out later; returns its txn, or None where the tenant has too many that wait."""
        txn, sealed = self._sealed(scope, bulk, ids, single=single, me=me)
        if not await jobs.add_job(scope.pool, scope.tenant, txn, scope.actor, len(bulk.entries), sealed):
            return None
        postponed()
        return txn

    async def keep_held(self, scope: Scope, bulk: Bulk, ids: Ids, *, single: bool) -> jobs.Job:
        """Keep a request that is carried out at once, so that others finish it should this server die."""
        txn, sealed = self._sealed(scope, bulk, ids, single=single)
        postponed()
        return await jobs.add_held(scope.pool, scope.tenant, txn, scope.actor, len(bulk.entries), sealed)

    def _sealed(self, scope: Scope, bulk: Bulk, ids: Ids, *, single: bool, me: bool = False) -> tuple[str, bytes]:
        """A name for the request, and what is kept of it."""
        txn = jobs.new_txn()
        place = _place(scope.tenant, txn, defines=single and _defines(bulk))
        return txn, self._safe.seal(request_text(bulk, ids, scope, single=single, me=me), place)

    def _opened(self, job: jobs.Job) -> Any:
        """What is kept of a request, which may be one that changes definitions. Raises ValueError."""
        try:
            text = self._safe.open(job.request, _place(job.tenant, job.txn, defines=False))
        except ValueError:
            text = self._safe.open(job.request, _place(job.tenant, job.txn, defines=True))
        return orjson.loads(text)

    def begin(self, tenant: int, txn: str) -> asyncio.Task[Any]:
        """Carry out a request that was just kept, when it is the tenant's turn."""
        return self._spawn(self._one(tenant, txn))

    def begin_held(self, job: jobs.Job, *, placed: bool) -> asyncio.Task[Any]:
        """Carry out a request for which a client waits: it waits for no other that is carried out later. `placed` says that it has part
        of its tenant's share already."""
        return self._spawn(self._try(job) if placed else self._try_in_share(job))

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL * random.uniform(0.5, 1.5)):  # noqa: S311 - keeps servers apart
                    await self._woken.wait()
            self._woken.clear()
            try:
                tenants = await jobs.tenants_with_jobs(self._pool.across())
            except Exception:
                log.exception("looking for requests to be carried out failed and is tried again")
                continue
            for tenant in set(tenants) - self._sought:
                self._sought.add(tenant)
                self._spawn(self._all(tenant))

    async def _all(self, tenant: int) -> None:
        """Carry out all requests of a tenant that nobody holds, one after the other."""
        try:
            while await self._one(tenant, None):
                pass
            await jobs.prune_jobs(self._pool.of(tenant), tenant)
        except Exception:
            log.exception("looking for requests of tenant %s failed and is tried again", tenant)
        finally:
            self._sought.discard(tenant)

    async def _try_in_share(self, job: jobs.Job) -> bool:
        async with self._traffic.shares.share(job.tenant):
            return await self._try(job)

    async def _one(self, tenant: int, txn: str | None) -> bool:
        """Carry out this request, or the oldest of a tenant's that nobody holds; False when there is none, or it failed."""
        async with self._traffic.later(tenant, self._turns):
            try:
                job = await jobs.take_job(self._pool.of(tenant), tenant, txn)
            except Exception:
                log.exception("taking a request of tenant %s failed and is tried again", tenant)
                return False
            return job is not None and await self._try(job)

    async def _try(self, job: jobs.Job) -> bool:
        """Carry out a request that is held; False where it failed, to be taken up again when it is held no more."""
        try:
            await self._carry_out(job)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):  # whom nobody can reach; it is taken up later
                await jobs.give_back(self._pool.of(job.tenant), job)
            raise
        except jobs.LostError:
            log.warning("a request of tenant %s was taken over by another server", job.tenant)
        except Exception:
            if job.overdue:
                return await self._given_up(job)
            log.exception("carrying out a request of tenant %s failed and is tried again", job.tenant)
            return False
        return True

    async def _given_up(self, job: jobs.Job) -> bool:
        """Finish a request that has failed again and again: what is left of it is 500, and its place is free. False where not even that
        can be done."""
        log.exception("carrying out request %s of tenant %s has failed for too long and is given up", job.txn, job.tenant)
        error, bulk, request_id = ScimError(Kind.INTERNAL), job.operations > 1, job.txn
        results = [Result(Entry(number, b"", "", ""), 500, None, None, error) for number in range(job.operations)]
        with contextlib.suppress(Exception):  # of what cannot be opened the results say no more than that they failed
            kept = self._opened(job)
            bulk = not kept["single"]
            request_id = (kept.get("origin") or [request_id])[0]
            for entry in self._entries(kept):
                location = None if entry.creates or entry.route is None else kept["base"] + entry.path
                results[entry.index] = Result(entry, 500, location, None, error)
        try:
            await jobs.give_up(self._pool.of(job.tenant), job, results, request_id, bulk=bulk)
        except Exception:
            log.exception("request %s of tenant %s could not be given up", job.txn, job.tenant)
            return False
        return True

    async def _carry_out(self, job: jobs.Job) -> None:
        kept = self._opened(job)
        pool = self._pool.of(job.tenant)
        revision, catalog = await load_catalog(pool, job.tenant)
        try:
            scopes, _ = await self._present(pool, job, kept)
        except ScimError:  # which becomes the result of each operation, when these ask
            scopes = frozenset()
        limits = catalog.limited(self._limits)
        if kept["single"]:  # whose body was read before, and lies in an object now
            limits = replace(limits, json_depth=limits.json_depth + 1, json_containers=limits.json_containers + 1)
        # What was kept by a server that was older may not say where it came from, nor how its credential was narrowed.
        types, origin = kept.get("types"), kept.get("origin")
        narrowing = Narrowing(None if types is None else frozenset(types))
        who = {"scopes": scopes, "subject": kept.get("subject"), "narrowing": narrowing}
        scope = Scope(pool, job.tenant, catalog, kept["base"], job.actor, limits, **who)
        scope = replace(scope, origin=None if origin is None else (origin[0], origin[1]))
        bulk = arranged(await unhurried(self._entries(kept)), kept["failOnErrors"])
        me: Me | None = kept.get("me")
        if me == "badges":  # of whom else they were is found out when this is asked
            scope = replace(scope, own=await me_of(scope))
        defines = kept["single"] and _defines(bulk)
        status = await jobs.find_status(pool, job.tenant, job.txn)
        known = {} if status is None else {number: _kept(bulk.entries[number], text) for number, text in status.results.items()}

        async def authorise(by: Database) -> None:
            nonlocal revision, scope
            scopes, present = await self._present(by, job, kept)
            if present > revision:
                revision, catalog = await load_catalog(by, job.tenant)
                scope = replace(scope, catalog=catalog)
                raise OutdatedError
            for right in _rights(defines=defines, single=kept["single"], me=me is not None):
                require(right, scopes)
            if not kept["single"]:
                check_feature(Route("", Endpoint.BULK), "POST", scope.catalog.policy)
            if me is not None:
                await require_me(replace(scope, pool=by), bulk.entries[0], badges=me == "badges")

        if kept["single"] or known:  # what was begun one by one goes on so, whatever the policy says by now
            scope = replace(scope, catalog=replace(scope.catalog, policy=replace(scope.catalog.policy, bulk_atomic=False)))
        tell = partial(self._tell, scope, single=kept["single"])
        recorder = jobs.JobRecorder(job, not kept["single"], job.txn if origin is None else origin[0], tell)
        ids = dict(kept["ids"]) | {number: result.made for number, result in known.items() if result.made is not None}
        noting = Noting(recorder)
        try:
            if defines:
                async with jobs.held(pool, job):  # all that is stored may have to be looked at
                    asks, planned = partial(authorise, pool), partial(_definition, bulk.entries[0])
                    await define_recorded(scope, bulk.entries[0], planned, asks, noting)
                if self.redefined is not None:
                    await self.redefined(job.tenant)
            else:
                await carry_out_recorded(scope, bulk, ids, authorise, noting, known, me=me)
        finally:
            if self.record is not None and noting.results:
                self.record(noting.served(kept["base"], job.txn, job.actor, None if origin is None else origin[0]))
        done = await jobs.find_status(pool, job.tenant, job.txn)
        if done is not None:
            found = (_operated(bulk.entries[number], text) for number, text in done.results.items())
            observe(Carried(kept["base"].rsplit("/", 2)[1], [one for one in found if one is not None]))

    def _entries(self, kept: Mapping[str, Any]) -> Iterator[Entry]:
        """The operations of what is kept."""
        if kept["single"]:
            text, method, path, version = kept["entries"][0]
            return iter([_single(text.encode(), method, path, version)])
        return entries_of((text.encode() for text, *_ in kept["entries"]), "", self._limits)

    @staticmethod
    async def _present(pool: Database, job: jobs.Job, kept: Mapping[str, Any]) -> tuple[frozenset[str], int]:
        """The scopes of whoever sent the request, and the revision of the tenant; an access token may have had less than its client.
        Raises ScimError 401."""
        scopes, revision = await rights_now(pool, job.tenant, job.actor, proof_of(kept.get("proof")))
        return scopes & frozenset(kept["scopes"]) if "scopes" in kept else scopes, revision


def _place(tenant: int, txn: str, *, defines: bool) -> str:
    """What a request is sealed for. Servers that know no kept changes of definitions do not open these, instead of finding nothing at
    such a path: what they fail at is taken up again, by one that does."""
    return f"{tenant}/{txn}/definition" if defines else f"{tenant}/{txn}"


def _defines(bulk: Bulk) -> bool:
    """Whether a request with one operation changes a definition."""
    found = bulk.entries[0].route
    return found is not None and found.endpoint in SUBJECTS


def _rights(*, defines: bool, single: bool, me: bool) -> tuple[Right, ...]:
    """What a token has to be allowed for a request that was kept."""
    if me:
        return (Right.ME,)
    return (Right.DEFINE,) if defines else (Right.CHANGE,) if single else (Right.BULK, Right.CHANGE)


def _definition(entry: Entry, scope: Scope) -> Define:
    """The change of a definition that an operation is. Raises ScimError, 405 where the tenant's policy lets nobody define."""
    policy = scope.catalog.policy
    if entry.route is None or not policy.schema_api:
        raise ScimError(Kind.METHOD_NOT_ALLOWED, "The definitions of the tenant cannot be changed here")
    check_feature(entry.route, entry.method, policy)
    subject, condition = SUBJECTS[entry.route.endpoint], if_match(entry.version)
    body = orjson.loads(entry.text)["data"]
    return defining.plan(subject, entry.method, entry.route.name, body, {}, condition, policy, scope.limits)


def _kept(entry: Entry, text: bytes) -> Result:
    """A result that is kept, as far as other operations need to know it."""
    found = orjson.loads(text)
    status = int(found["status"])
    return Result(entry, status, found.get("location"), None, ScimError(Kind.CONFLICT) if status >= 400 else None)


def _operated(entry: Entry, text: bytes) -> Operated | None:
    """A result that is kept, as it is counted."""
    document = orjson.loads(text)
    response = document.get("response")
    return operated_as(entry, int(document["status"]), response.get("scimType") if isinstance(response, dict) else None)


def status_document(status: jobs.Status, txn: str, base_url: str) -> dict[str, Any]:
    """The result resource of a request (RFC 9967 §2.5.1.1): how far it is, and the results in the order of its operations."""
    state = "finished" if status.finished else "running" if status.running else "waiting"
    document: dict[str, Any] = {"schemas": [REQUEST_STATUS], "txn": txn, "state": state, "created": timestamp(status.created)}
    if status.finished is not None:
        document["finished"] = timestamp(status.finished)
    results = [orjson.Fragment(status.results[number]) for number in sorted(status.results)]
    meta = {"resourceType": "Request", "location": f"{base_url}/.requests/{txn}"}
    return document | {"totalOperations": status.operations, "Operations": results, "meta": meta}


async def request_reply(pool: Tenants, credential: Credential, txn: str, base_url: str) -> Reply:
    """What is known of an asynchronous request, to the token that sent it (RFC 9967 §5). Raises ScimError 404 for everybody else."""
    status = await jobs.find_status(pool.of(credential.tenant), credential.tenant, txn)
    if status is None or status.actor != credential.actor:
        raise ScimError(Kind.NOT_FOUND, "There is no such request")
    return Reply(200, orjson.dumps(status_document(status, txn, base_url)))


def bulk_response(results: list[dict[str, Any]]) -> bytes:
    """The answer that a finished bulk request would have got at once."""
    return orjson.dumps({"schemas": [BULK_RESPONSE], "Operations": results})


async def write_later(
    jobs_: Jobs,
    renderer: Renderer,
    scope: Scope,
    plan: Plan,
    method: str,
    body: dict[str, Any],
    condition: str | None,
    wanted: Preferences,
    *,
    reads: bool,
    me: bool,
) -> Reply | None:
    """The answer to a write that is carried out later, or was within the time to be waited; None where it has to be done at once.
    `reads` says whether the token may see what it wrote, `me` that it is a request of /Me.

    Raises ScimError for what is wrong with it whatever is stored.
    """
    if not isinstance(plan, Insert | Overwrite | Modify | Remove):
        return None
    if isinstance(plan, Insert):
        complete(plan.draft.document, plan.schema, scope.limits)
    id_ = "" if isinstance(plan, Insert) else f"/{quote(plan.id, safe='')}"
    kept = await jobs_.later(scope, single_request(method, plan.schema.endpoint + id_, body, condition), wanted, single=True, me=me)
    if not isinstance(kept, Finished):
        return kept
    return await written_reply(renderer, scope, plan, kept, shown=reads and not wanted.minimal)


async def written_reply(
    renderer: Renderer, scope: Scope, plan: Insert | Overwrite | Modify | Remove, kept: Finished, *, shown: bool
) -> Reply:
    """The answer that a finished write would have got at once. Where the resource is not to be shown it is not read either, and the
    body is empty."""
    result = kept.results[0]
    status = int(result["status"])
    if "response" in result:
        return Reply(status, orjson.dumps(result["response"]))
    if isinstance(plan, Remove):
        return Reply(204)
    if not shown:
        return Reply(status, b"", {"ETag": result["version"], "Location": result["location"]})
    if isinstance(plan, Insert):
        made = Read(plan.schema, unquote(result["location"].rpartition("/")[2]), plan.view)
        return replace(renderer.reply(await execute(scope, made)), status=status)
    return renderer.reply(await outcome_of(scope, plan, result["version"]))
