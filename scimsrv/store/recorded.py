"""Carrying out a bulk request that is kept: each step in one transaction with its results, so that none is carried out twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Protocol

from scimsrv.protocol.bulk import Bulk, Creations, Result, Single
from scimsrv.store.ahead import hashed_ahead
from scimsrv.store.bulk import Ids, Run, UndoneError, steps, undone
from scimsrv.store.joined import Repeated, one_transaction
from scimsrv.store.me import Me
from scimsrv.store.pool import Database, long_turn
from scimsrv.store.scope import Scope

#: As scimsrv.store.bulk.Authorise, by the connection that the step's transaction has: who holds one and waits for another one keeps others
#: waiting who do the same.
AuthoriseBy = Callable[[Database], Awaitable[None]]


class Recorder(Protocol):
    """Keeps what becomes of a request that is carried out later, in the transactions that do it."""

    async def hold(self, scope: Scope) -> None:
        """Keep the request from others until this transaction ends. Raises when another one has taken over."""

    def holding(self, scope: Scope) -> AbstractAsyncContextManager[None]:
        """Keep the request from others for the length of a block without a transaction, however long it takes."""

    async def record(self, scope: Scope, results: Sequence[Result], *, last: bool) -> None:
        """Keep results; with the last ones the request is finished."""

    def committed(self, results: Sequence[Result]) -> None:
        """The transaction in which these results were recorded is committed."""


async def carry_out_recorded(
    scope: Scope,
    bulk: Bulk,
    ids: Ids,
    authorise: AuthoriseBy,
    recorder: Recorder,
    known: Mapping[int, Result],
    *,
    me: Me | None = None,
) -> None:
    """Carry out what is left of a request, each step in one transaction with its results, so that none is ever carried out twice.
    `known` are the results that are kept already. What passes by itself is waited for and becomes no result; raises ScimError 503 when
    it does not pass, and the step is still to be done. `me`: a user asks, who may do this without scopes for writing."""
    repeated = Repeated(scope)
    if scope.catalog.policy.bulk_atomic:
        async with recorder.holding(scope):
            repeated.scope = await hashed_ahead(scope, bulk, ids, bulk.entries if bulk.is_sound else ())
        await repeated.run(partial(_recorded_at_once, bulk, ids, authorise, recorder))
        return
    errors = sum(result.error is not None for result in known.values())
    run = Run(scope, bulk, dict(ids), partial(authorise, scope.pool), bulk.fail_on_errors, dict(known), errors, me=me)
    left = [*steps(bulk, done=known)]  # whose sets may be cut in other places than those of the server that began
    for number, step in enumerate(left, 1):
        async with recorder.holding(scope):
            repeated.scope = await hashed_ahead(repeated.scope, bulk, run.ids, bulk.entries_of(step))
        async with long_turn(scope.pool) if isinstance(step, Creations) else nullcontext():
            run = await repeated.run(partial(_recorded, run, step, authorise, recorder, number == len(left)))
        if run.is_over:
            return
    if not left:
        async with one_transaction(scope) as joined:
            await recorder.hold(joined)
            await recorder.record(joined, [], last=True)


async def _recorded(
    run: Run, step: Creations | Single, authorise: AuthoriseBy, recorder: Recorder, ends: bool, scope: Scope, is_last: bool
) -> Run:
    """The state after one more step, which is kept; `ends` says that there are no more. The state before is left as it is."""
    async with one_transaction(scope, whole=True) as joined:
        await recorder.hold(joined)
        asks = partial(authorise, joined.pool)
        after = replace(run, scope=joined, authorise=asks, ids=dict(run.ids), results=dict(run.results), patient=not is_last)
        await after.one(step)
        new = [after.results[index] for index in sorted(after.results.keys() - run.results.keys())]
        await recorder.record(joined, new, last=after.is_over or ends)
    recorder.committed(new)
    return after


async def _recorded_at_once(bulk: Bulk, ids: Ids, authorise: AuthoriseBy, recorder: Recorder, scope: Scope, is_last: bool) -> None:
    try:
        async with one_transaction(scope, whole=True) as joined:
            await recorder.hold(joined)
            run = Run(joined, bulk, dict(ids), partial(authorise, joined.pool), None, patient=not is_last, asks_within=True)
            await run.steps(lambda: run.errors > 0)
            if run.errors:
                raise UndoneError
            done = run.in_order()
            await recorder.record(joined, done, last=True)
    except UndoneError:
        async with one_transaction(scope) as joined:
            await recorder.hold(joined)
            done = [undone(result) for result in run.in_order() if result.error is not None]
            await recorder.record(joined, done, last=True)
    recorder.committed(done)
