"""The composition root: the data plane as an ASGI application, and the pipeline that every request goes through."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from scimsrv import keys as labels
from scimsrv import own as own_badges
from scimsrv import own_trail
from scimsrv.asking import SUBJECTS, config, plan_of, resource_type_of, right_at
from scimsrv.asynchronous import Finished, Jobs, bulk_response, request_reply, write_later
from scimsrv.auth import Authenticator, Principal, Right, Shown, Standing
from scimsrv.catalogs import Catalogs
from scimsrv.denying import note_denial, note_denied
from scimsrv.enforced import limits_of
from scimsrv.errors import Kind, ScimError
from scimsrv.http import Disconnected, Fields, chunks, live, read_body, send_reply
from scimsrv.idempotency import bulk_reply, create_once, digests_of, digests_of_bulk, key_of, later_once
from scimsrv.limits import Limits
from scimsrv.maintenance import Maintenance
from scimsrv.oauth.access_tokens import AccessTokens
from scimsrv.oauth.endpoint import TokenEndpoint
from scimsrv.oauth.fetching import Fetcher
from scimsrv.oauth.key_sets import KeySets
from scimsrv.oauth.refusals import Refusals
from scimsrv.oauth.service import OPEN, client_address, oauth_reply, refused_as, tried
from scimsrv.observe import Load, sampled
from scimsrv.observing import Served, Visit, carried_out, counted, entered, origin, planned
from scimsrv.openbadges.front import Front
from scimsrv.openbadges.service import Badges
from scimsrv.preferring import SCIM_JSON, finished, media_type_of
from scimsrv.protocol import defining
from scimsrv.protocol.body import read_object
from scimsrv.protocol.bulk import arranged, entries_of, fail_on_errors, response
from scimsrv.protocol.cursor import Sealer
from scimsrv.protocol.features import check_feature, check_version, served
from scimsrv.protocol.operations import OperationsReader
from scimsrv.protocol.plan import Define, Insert, Modify, Overwrite, Page, Query
from scimsrv.protocol.prefer import NONE, preferences
from scimsrv.protocol.request import check_content_type
from scimsrv.protocol.response import Renderer, Reply, refusal
from scimsrv.protocol.route import METHODS, Endpoint, Route, allow, route, weight
from scimsrv.pseudonyms import Pseudonyms
from scimsrv.recorder import Recorder
from scimsrv.redefining import redefined
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.policy import Policy, own_attributes
from scimsrv.sealing import Safe
from scimsrv.settings import Settings
from scimsrv.showing import shown_by
from scimsrv.store.bulk import allot, carry_out, carry_out_atomically
from scimsrv.store.connection import DatabaseError
from scimsrv.store.edition import OutdatedError
from scimsrv.store.execute import execute
from scimsrv.store.failure import guarded, translated, unavailable
from scimsrv.store.identity import Credential
from scimsrv.store.isolation import check
from scimsrv.store.names import Names
from scimsrv.store.pool import Pool, open_pool
from scimsrv.store.replica import Replica, open_replica
from scimsrv.store.scope import Scope, now
from scimsrv.traffic import Held, Traffic
from scimsrv.trail import Trail
from scimsrv.turns import unhurried
from scimsrv.watching import require_same, watched

log: Final = logging.getLogger("scimsrv")

#: Seconds that a write waits for a change of the definitions that is being taken, and that a request rests on who asked without a look.
_CHANGING: Final = 7.0
_MOMENT: Final = 0.05

#: Seconds after which a search has taken so long that who asked may have lost the right to its answer.
_LONG: Final = 0.5

#: Resources whose rendering takes no time worth speaking of.
_QUICK: Final = 10


class App:
    """The ASGI application of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.limits = limits_of(settings)
        self.pool: Pool
        self.replica: Replica | None = None
        self.authenticator: Authenticator
        self.access_tokens: AccessTokens
        self.token_endpoint: TokenEndpoint
        self.sealer: Sealer
        self.catalogs: Catalogs
        self.maintenance: Maintenance
        self.trail: Trail
        self.recorder: Recorder
        self.record: Callable[[Served], None] | None = None
        self.jobs: Jobs
        self.badges: Badges
        self.traffic: Traffic
        self.digest_keys: tuple[bytes, ...]
        self.pseudonyms: Pseudonyms | None = None
        self.names = Names()
        self._hosts = list(settings.jwks_hosts)
        self._in_progress = 0

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI."""
        if connection["type"] == "lifespan":
            await live(self, receive, send)
        elif connection["type"] == "http":
            await self._serve(connection, receive, send)

    async def open(self) -> None:
        """Open the pool, derive the keys, and begin the background work."""
        settings = self.settings
        if settings.database_url is None:
            raise ValueError("the settings name no database")
        keys = labels.ServerKeys.load(settings)
        self.pool = await open_pool(
            settings.database_url, size=settings.pool_size, statement_cache=settings.statement_cache, isolated=settings.isolated
        )
        try:
            await check(self.pool, isolated=settings.isolated)
        except DatabaseError:
            await self.pool.close()
            raise
        self.replica = await open_replica(settings, self.pool)
        self._unsample = sampled(lambda: Load("data", self._in_progress))
        self.access_tokens = AccessTokens(keys.derive_all(labels.ACCESS_TOKEN_KEY), settings.base_url)
        shared = (keys.derive_all(labels.SECRET_PEPPER), self.access_tokens, KeySets(Fetcher(self._hosts)), Refusals())
        self.authenticator = Authenticator(self.pool, keys.derive_all(labels.TOKEN_PEPPER), *shared)
        self.token_endpoint = TokenEndpoint(self.pool, *shared)
        self.traffic = Traffic(self.pool, settings.bad_tokens, settings.concurrency)
        self.pool.shared, self.pool.long_turn = self.traffic.shares.shared, self.traffic.long_turn
        self.maintenance = Maintenance(self.pool)
        self.maintenance.start()
        self.trail = Trail(self.pool, keys.derive(labels.AUDIT_KEY))
        self.trail.start()
        self.catalogs = Catalogs(self.pool)
        tell = partial(note_denied, self.trail.denials)
        self.jobs = Jobs(self.pool, self.traffic, Safe(keys.derive_all(labels.REQUEST_KEY)), self.limits, tell)
        self.recorder = Recorder(self.pool)
        if settings.activity:
            self.recorder.start()
            self.record = self.recorder.add
        self.jobs.record, self.jobs.redefined = self.record, self.catalogs.renew
        self.jobs.start()
        front = Front(self._principal, self._catalog, self._scope, self._base_url, self._enter, self.traffic.enter_unknown, self._refused)
        self.badges = Badges(self.settings, self.pool, keys, front, self.maintenance.wake)
        self.badges.signer.start()
        self.digest_keys = keys.derive_all(labels.ANSWER_KEY)
        if settings.log_pii == "hash":
            self.pseudonyms = Pseudonyms(keys.derive(labels.PSEUDONYM_KEY))
        self.sealer = Sealer(keys.derive_all(labels.CURSOR_KEY), self.limits.cursor_seconds, time.time, os.urandom)

    def reload(self, settings: Settings) -> None:
        """Take over the limits and the hosts of issuers' keys."""
        self.limits, self._hosts[:] = limits_of(settings), settings.jwks_hosts

    async def close(self) -> None:
        """End the background work and close the pool."""
        await self.badges.signer.stop()
        await self.jobs.stop()
        await self.maintenance.stop()
        await self.trail.stop()
        await self.recorder.stop()
        self._unsample()
        await self.traffic.rates.stop()
        if self.replica is not None:
            await self.replica.close()
        await self.pool.close()

    async def _serve(self, connection: Connection, receive: Receive, send: Send) -> None:
        headers = Fields(connection["headers"])
        request = headers.request_id
        media_type = SCIM_JSON
        self._in_progress += 1
        try:
            with Visit("data", headers, connection["method"], record=self.record) as visit, Held() as places:
                try:
                    answer = await self.badges.answer(connection, headers, receive, places)
                    if answer is not None:
                        reply, media_type = answer.reply, answer.media_type
                    else:
                        media_type = media_type_of(headers, connection["raw_path"])
                        reply = await self.respond(visit, places, connection, headers, receive)
                except ScimError as error:
                    error = self._refused(connection, headers, error)
                    visit.failed(error)
                    reply = refusal(error, request)
                except Disconnected:
                    return
                except Exception as problem:
                    log.exception("a request failed")
                    failure = translated(problem) or ScimError(Kind.INTERNAL)
                    visit.failed(failure)
                    reply = refusal(failure, request)
                try:
                    visit.exchange.sent = await send_reply(connection, send, reply, media_type=media_type, request=request, headers=headers)
                except Disconnected:
                    return  # in the middle of an answer, of which the client is to see that it is not whole
                visit.answered(reply)
        finally:
            self._in_progress -= 1

    async def respond(self, visit: Visit, places: Held, connection: Connection, headers: Fields, receive: Receive) -> Reply:
        """The pipeline: bytes → route → principal → plan → outcome → reply. What the request holds is given back with `places`. Raises
        ScimError."""
        found = route(connection["raw_path"])
        visit.routed(found)
        method = connection["method"]
        if found.endpoint in OPEN:
            enter = partial(self.traffic.enter_unknown, places, client_address(connection) or "")
            reply = await oauth_reply(self.token_endpoint, found, connection, headers, receive, enter, partial(self._admit, places))
            if reply.status in (400, 401):
                what = (method, found.endpoint.name.lower(), refused_as(reply), client_address(connection) or "")
                self.trail.denials.add(found.tenant, "", reply.status, *what)
            return reply if reply.status != 401 else tried(reply, partial(self.traffic.attempts.failed, client_address(connection) or ""))
        given = shown_by(connection, headers, found.tenant)
        if found.endpoint is Endpoint.CONFIG and not given.headers:
            return self._generic_config(found, connection)
        asked_at = time.monotonic()
        principal = await self._principal(given, found)
        catalog = await self._catalog(principal)
        credential, limits = principal.credential, self._limits(catalog)
        await self._enter(places, principal, catalog, weight(found.endpoint, method))
        schema, methods = resource_type_of(found, catalog), self._methods(found, principal, catalog)
        if method == "OPTIONS":
            return Reply(204, headers={"Allow": allow(served(found, methods, catalog.policy))})
        if method not in methods:
            allowed = allow(served(found, methods, catalog.policy))
            raise ScimError(Kind.METHOD_NOT_ALLOWED, f"{method} is not allowed here", headers={"Allow": allowed})
        check_feature(found, method, catalog.policy)
        if found.endpoint is Endpoint.BULK:
            return await self._bulk(found, given, headers, receive, limits)
        if found.endpoint is Endpoint.REQUEST:
            return await request_reply(self.pool, principal.credential, found.id, self._base_url(found.tenant))
        if found.endpoint in own_trail.ENDPOINTS:
            asked, again = own_trail.Asked(found, connection["query_string"], principal), partial(self._principal, given, found)
            return await own_trail.reply(self.pool.of(credential.tenant), self.traffic, limits, asked, again)
        if found.endpoint is Endpoint.PROGRESS:
            async with self.traffic.shares.share(credential.tenant):
                if time.monotonic() - asked_at > _MOMENT:
                    principal = await self._principal(given, found)
                    catalog = await self._catalog(principal)
                return await own_badges.progress_reply(self._scope(principal, catalog, self._base_url(found.tenant)), principal, found.id)
        own, reads = found.endpoint is Endpoint.ME, _reads(found, method)
        meant, keeps = await self._admitted(found, method, principal, catalog, schema)
        body, until = await self._body(found, method, headers, receive, limits), time.monotonic() + _CHANGING
        while True:
            try:
                # What may wait for its result has no part of the tenant's share here: it is worked on in turn elsewhere.
                later = not reads and preferences(headers.joined(b"prefer")).asynchronous
                async with nullcontext() if later else self.traffic.shares.share(credential.tenant):
                    if time.monotonic() - asked_at > _MOMENT:  # body, rate or share took long: what is planned rests on what holds now
                        principal = await self._principal(given, found)
                        catalog = await self._catalog(principal)
                        meant, keeps = await self._admitted_still(found, method, principal, catalog)
                    reply = await self._carry_out(meant, method, principal, catalog, body, connection, headers, own=own, keeps=keeps)
                    return watched(reply, partial(self._principal, given, found))
            except OutdatedError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - keeps requests apart
                await self.catalogs.renew(principal.credential.tenant)
                asked_at = 0.0  # long ago

    async def _carry_out(
        self,
        found: Route,
        method: str,
        principal: Principal,
        catalog: Catalog,
        body: dict[str, Any] | None,
        connection: Connection,
        headers: Fields,
        *,
        own: bool,
        keeps: bool,
    ) -> Reply:
        """From what is asked to the answer, by the definitions of the catalogue; `keeps` to the badges of the token's user. Raises
        OutdatedError when others hold by now."""
        reads = _reads(found, method)
        scope = self._scope(principal, catalog, self._base_url(found.tenant))
        user = await own_badges.user_of(scope, principal) if keeps else None
        if user is not None:
            scope = replace(scope, own=user)
            body = own_badges.with_requester(body or {}, user) if method == "POST" and not reads else body
        at = now()
        asked = (connection["query_string"], headers, at, scope.limits, scope.base_url, self.sealer)
        plan = plan_of(found, method, principal, catalog, body or {}, *asked)
        if user is not None:
            plan = own_badges.narrowed(plan, user)
        if own and isinstance(plan, Overwrite | Modify):
            plan = replace(plan, permitted=own_attributes(catalog.policy))
        planned(plan)
        if self.pseudonyms is not None:
            self.pseudonyms.note(found.tenant, plan)
        shown = own or keeps or principal.may(Right.READ)
        wanted = NONE if reads else preferences(headers.joined(b"prefer"))
        renderer = self._renderer(scope.base_url, catalog, plan.count if isinstance(plan, Query) else 0, at)
        if isinstance(plan, Define):
            given = (connection["query_string"], headers, self.digest_keys)
            reply = await redefined(self.jobs, renderer, scope, plan, method, body or {}, *given)
            await self.catalogs.renew(scope.tenant)
            return reply
        key = key_of(headers) if isinstance(plan, Insert) else None
        if key is not None and isinstance(plan, Insert):
            digests = digests_of(self.digest_keys, f"{found.name} {user or ''}".strip(), connection["query_string"].decode("latin-1"), body)
            reply = await create_once(self.jobs, renderer, scope, plan, key, digests, body or {}, headers.request_id, wanted)
            return finished(reply, wanted, shown=shown)
        if wanted.asynchronous:
            given_later = (self.jobs, renderer, scope, plan, method, body or {}, headers.joined(b"if-match"), wanted)
            kept = await write_later(*given_later, reads=shown, me=own)
            if kept is not None:
                return finished(kept, wanted, shown=shown)
        if isinstance(plan, Query):
            async with self.traffic.search(scope.tenant, scope.limits) as has_waited:
                asks, begun = shown_by(connection, headers, found.tenant), time.monotonic()
                scope = replace(scope, ask_again=partial(require_same, principal, partial(self._principal, asks, found)))
                if has_waited:
                    await scope.ask_again()
                outcome = await (execute(scope, plan) if self.replica is None else self.replica.search(scope, plan))
                if time.monotonic() - begun > _LONG:
                    await self._principal(asks, found)
                if isinstance(outcome, Page) and len(outcome.rows) <= _QUICK:
                    return renderer.reply(outcome)
                return await self.traffic.in_turn(scope.tenant, partial(renderer.reply, outcome))
        within = self.traffic.shares.within
        outcome = await (within(scope.tenant, partial(execute, scope, plan)) if wanted.asynchronous else execute(scope, plan))
        if user is not None:
            own_badges.check_shown(outcome, user)
        reply = renderer.reply(outcome)
        return reply if reads else finished(reply, wanted, shown=shown)

    async def _admitted(
        self, found: Route, method: str, principal: Principal, catalog: Catalog, schema: EffectiveSchema | None
    ) -> tuple[Route, bool]:
        """What the request is about, and whether it has to keep to the badges of the token's user. Raises ScimError where it may not be."""
        if found.endpoint is Endpoint.ME:
            return await own_badges.at_me(self._scope(principal, catalog, self._base_url(found.tenant)), found, method, principal), False
        keeps = own_badges.require(principal, catalog, schema, right_at(found.endpoint, reads=_reads(found, method)))
        if schema is not None:
            principal.credential.narrowing.require(schema.name)
        return found, keeps

    async def _admitted_still(self, found: Route, method: str, principal: Principal, catalog: Catalog) -> tuple[Route, bool]:
        """The same by what holds now, a while after the request was let in."""
        check_feature(found, method, catalog.policy)
        return await self._admitted(found, method, principal, catalog, resource_type_of(found, catalog))

    async def _bulk(self, found: Route, given: Shown, headers: Fields, receive: Receive, limits: Limits) -> Reply:
        """A bulk request; its body is counted as it arrives, and who sent it is asked again before each of its steps."""
        (await self._principal(given, found)).require(Right.BULK)
        check_content_type(headers.get(b"content-type"))
        reader = OperationsReader(limits)
        async for chunk in chunks(headers, receive, limits.body_bytes, "maxPayloadSize"):
            reader.feed(chunk)
        message = reader.finish()
        bulk = arranged(await unhurried(entries_of(message.operations, found.tenant, limits)), fail_on_errors(message))
        counted(len(bulk.entries))
        principal = await self._principal(given, found)
        self.traffic.rates.charge(principal.credential.tenant, principal.credential.actor, limits, len(bulk.entries) - 1)
        scope = self._scope(principal, await self._catalog(principal), self._base_url(found.tenant))

        until, revision = time.monotonic() + self.limits.bulk_seconds, principal.credential.revision

        async def authorise() -> None:
            nonlocal revision
            if time.monotonic() > until:
                raise unavailable(f"The request has taken longer than {self.limits.bulk_seconds} seconds; send the rest again")
            now = await self._principal(given, found)
            now.require(Right.BULK)
            now.require(Right.CHANGE)
            check_feature(found, "POST", (await self._catalog(now)).policy)
            if now.credential.revision > revision:
                revision = now.credential.revision
                raise OutdatedError

        wanted, key = preferences(headers.joined(b"prefer")), key_of(headers)
        if wanted.asynchronous:
            principal.require(Right.CHANGE)
        if key is not None:
            digests = await digests_of_bulk(self.digest_keys, bulk, limits)
            async with nullcontext() if wanted.asynchronous else self.traffic.bulk(scope.tenant, limits):
                return await later_once(self.jobs, scope, key, digests, bulk, wanted, bulk_reply, single=False)
        if wanted.asynchronous:
            kept = await self.jobs.later(scope, bulk, wanted, single=False)
            if kept is not None:
                return Reply(200, bulk_response(kept.results)) if isinstance(kept, Finished) else kept
        async with self.traffic.bulk(scope.tenant, limits):
            principal = await self._principal(given, found)  # by what holds now, however long it waited for its place
            scope, revision = self._scope(principal, await self._catalog(principal), scope.base_url), principal.credential.revision
            check_feature(found, "POST", scope.catalog.policy)
            carry = carry_out_atomically if scope.catalog.policy.bulk_atomic else carry_out
            results = await carry(scope, bulk, allot(bulk), authorise)
            carried_out(results)
            note_denied(self.trail.denials, scope, results)
            return Reply(200, response(results, headers.request_id))

    @staticmethod
    def _methods(found: Route, principal: Principal, catalog: Catalog) -> Sequence[str]:
        """What may be done at the endpoint: definitions are for reading, unless the token is the whole tenant's administrator's."""
        if found.endpoint in SUBJECTS and catalog.policy.schema_api and principal.defines:
            return defining.SINGLE if found.name else defining.LISTED
        return METHODS[found.endpoint]

    async def _principal(self, given: Shown, found: Route) -> Principal:
        """Who asks, if they may ask this tenant."""
        principal = self.authenticator.known(given)
        if principal is None:
            principal = await guarded(lambda: self.authenticator.principal(given))
        if principal.credential.slug != found.tenant:
            raise ScimError(Kind.NOT_FOUND, "There is no such endpoint")
        entered(found.tenant, principal.credential.kid, given.address or "")
        check_version(found)
        return principal

    def _catalog(self, principal: Principal) -> Awaitable[Catalog]:
        """The tenant's catalogue, as new as the credential."""
        return self.catalogs.at(principal.credential.tenant, principal.credential.revision)

    async def _admit(self, places: Held, credential: Credential) -> None:
        """Let a request to the token endpoint in, of somebody who is known there. Raises ScimError 429."""
        principal = Principal(credential)
        await self._enter(places, principal, await self._catalog(principal), 1)

    def _enter(self, places: Held, principal: Principal, catalog: Catalog, weight: int) -> Awaitable[None]:
        """Let a request in that counts as so many, as far as the limits on traffic permit. Raises ScimError 429."""
        credential = principal.credential
        return self.traffic.enter(places, credential.tenant, credential.actor, self._limits(catalog), weight)

    def _refused(self, connection: Connection, headers: Fields, error: ScimError) -> ScimError:
        """What a request that failed is answered; where it was denied it is counted, for the audit trail and against more attempts."""
        note_denial(self.trail.denials, self.authenticator, connection, headers, error)
        return self.traffic.judged(error, client_address(connection) or "")

    def _scope(self, principal: Principal, catalog: Catalog, base_url: str) -> Scope:
        credential = principal.credential
        pool, limits = self.pool.of(credential.tenant, Standing(principal)), self._limits(catalog)
        return Scope(
            *(pool, credential.tenant, catalog, base_url, credential.actor, limits, self.badges.wake, self.names),
            scopes=credential.scopes,
            subject=credential.subject,
            proof=credential.proof,
            narrowing=credential.narrowing,
            origin=origin(),
        )

    def _limits(self, catalog: Catalog) -> Limits:
        """The limits of the tenant: the server's, where its policy has no lower ones."""
        return catalog.limited(self.limits)

    async def _body(self, found: Route, method: str, headers: Fields, receive: Receive, limits: Limits) -> dict[str, Any] | None:
        """The request's body, where it has to have one."""
        if method not in ("POST", "PUT", "PATCH"):
            return None
        searches = found.endpoint in (Endpoint.SEARCH, Endpoint.ROOT_SEARCH)
        check_content_type(headers.get(b"content-type"))
        return read_object(await read_body(headers, receive, limits.search_body_bytes if searches else limits.body_bytes), limits)

    def _generic_config(self, found: Route, connection: Connection) -> Reply:
        """ServiceProviderConfig without credentials: the same for every tenant, existing or not."""
        if connection["method"] == "OPTIONS":
            return Reply(204, headers={"Allow": found.allow})
        if connection["method"] not in METHODS[found.endpoint]:
            raise ScimError(Kind.METHOD_NOT_ALLOWED, headers={"Allow": found.allow})
        check_version(found)
        base_url = self._base_url(found.tenant)
        shown = config(self.limits, _NOTHING.policy, base_url, connection["query_string"])
        return self._renderer(base_url, _NOTHING, 0, now()).reply(shown)

    def _renderer(self, base_url: str, catalog: Catalog, count: int, at: datetime) -> Renderer:
        return Renderer(base_url, catalog, partial(self.sealer.links, count=count), at)

    def _base_url(self, tenant: str) -> str:
        return f"{self.settings.base_url}/scim/{tenant}/v2"


_NOTHING: Final = Catalog(policy=Policy(), schemas={}, resource_types={}, by_endpoint={}, by_name={})


def _reads(found: Route, method: str) -> bool:
    return method in ("GET", "HEAD") or found.endpoint in (Endpoint.SEARCH, Endpoint.ROOT_SEARCH)
