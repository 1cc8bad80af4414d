"""Requests that may be repeated: an Idempotency-Key on POST and /Bulk gives whoever lost the answer the first one again."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from scimsrv.asynchronous import Finished, Jobs, bulk_response, single_request, written_reply
from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.http import Fields
from scimsrv.limits import Limits
from scimsrv.protocol.body import read_object
from scimsrv.protocol.bulk import Bulk
from scimsrv.protocol.plan import Insert
from scimsrv.protocol.prefer import Preferences
from scimsrv.protocol.response import Renderer, Reply, refusal
from scimsrv.schema.validate import complete
from scimsrv.store import answers
from scimsrv.store.bulk import allot
from scimsrv.store.execute import execute
from scimsrv.store.failure import unavailable
from scimsrv.store.joined import one_transaction
from scimsrv.store.scope import Scope
from scimsrv.turns import unhurried

#: Longest key, in characters.
LONGEST: Final = 255


def key_of(fields: Fields) -> str | None:
    """The key of a request, or None. Raises ScimError invalidValue for several, and for one that is not 1 to 255 printable ASCII
    characters."""
    given = fields.all(b"idempotency-key")
    if not given:
        return None
    if len(given) > 1:
        raise invalid_value("Idempotency-Key must be given once")
    key = given[0].decode("latin-1").strip()
    if not 0 < len(key) <= LONGEST or not key.isascii() or not key.isprintable():
        raise invalid_value(f"Idempotency-Key must have 1 to {LONGEST} printable ASCII characters")
    return key


def digests_of(keys: Sequence[bytes], *parts: Any) -> tuple[bytes, ...]:
    """32 bytes for each of the server's keys, which differ for requests that do; white space and the order of members do not count.
    Without a key they say nothing about the request, which may hold passwords, not even to who can guess it."""
    text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return tuple(hmac.digest(key, text, "sha256") for key in keys)


async def digests_of_bulk(keys: Sequence[bytes], bulk: Bulk, limits: Limits) -> tuple[bytes, ...]:
    """The same for a bulk request: of an operation that cannot be read every byte counts."""
    texts = await unhurried(hashlib.sha256(_plain(entry.text, limits)).hexdigest() for entry in bulk.entries)
    return digests_of(keys, "Bulk", bulk.fail_on_errors, texts)


def _plain(text: bytes, limits: Limits) -> bytes:
    """An operation without what does not count."""
    try:
        return orjson.dumps(read_object(text, limits), option=orjson.OPT_SORT_KEYS)
    except ScimError:
        return text


async def once(scope: Scope, key: str, digests: Sequence[bytes], request_id: str, carry_out: Callable[[Scope], Awaitable[Reply]]) -> Reply:
    """The answer of `carry_out`, kept in the transaction of its effect; or the first answer, when the request came before.

    Errors that the request is to blame for are answers, too; after others, and where who asks may not, nothing is kept.
    """
    claim = await answers.claim(scope, key, digests)
    if isinstance(claim, Reply):
        return claim
    if isinstance(claim, answers.Following):  # an asynchronous request, whose answer is where it says
        return Jobs.accepted(scope, claim.txn)
    try:
        async with one_transaction(scope) as joined:
            await claim.hold(joined)
            reply = await carry_out(joined)
            await claim.keep(joined, reply)
    except ScimError as error:
        if _is_no_answer(error.kind.value.status):
            await claim.release(scope)
        else:
            await claim.keep(scope, refusal(error, request_id))
        raise
    except BaseException:
        await claim.release(scope)
        raise
    return reply


Answering = Callable[[Finished], Awaitable[Reply]]
Checking = Callable[[], Awaitable[None]]


async def later_once(
    jobs: Jobs,
    scope: Scope,
    key: str,
    digests: Sequence[bytes],
    bulk: Bulk,
    wanted: Preferences,
    answer: Answering,
    *,
    single: bool,
    check: Checking | None = None,
) -> Reply:
    """The answer to a bulk or an asynchronous request: it is kept as a row and carried out by whoever lives, so that a repetition finds
    either what it came to, or that it still runs. `answer` is made of what came of it; the first one to a `single` request is kept, since
    what it shows may change. `check` raises ScimError for a first request that is not kept. Who asks for the answer itself, or finds too
    many waiting, waits for no other request."""
    claim = await answers.claim(scope, key, digests)
    if isinstance(claim, Reply):
        return claim
    if isinstance(claim, answers.Following):
        found = await jobs.finished_within(scope, claim.txn, wanted.wait if wanted.asynchronous else 0)
        if found is not None and not _had_no_effect(found):
            return await answer(found)
        if found is not None:
            await answers.forget(scope, key, claim.txn)
            return await later_once(jobs, scope, key, digests, bulk, wanted, answer, single=single, check=check)
        if wanted.asynchronous:
            return jobs.accepted(scope, claim.txn)
        raise ScimError(Kind.CONFLICT, "The same request is running", headers={"Retry-After": "1"})
    ids = allot(bulk)
    try:
        if check is not None:
            await check()
        async with one_transaction(scope) as joined:
            await claim.hold(joined)
            txn = await jobs.keep(joined, bulk, ids, single=single) if wanted.asynchronous else None
            if txn is not None and wanted.wait:
                await claim.follow(joined, txn)
            elif txn is not None:
                await claim.keep(joined, jobs.accepted(scope, txn), txn)
            else:
                job = await jobs.keep_held(joined, bulk, ids, single=single)
                await claim.follow(joined, job.txn)
    except BaseException:
        await claim.release(scope)
        raise
    if txn is not None:
        found = await jobs.waited(scope, txn, wanted)
        reply = jobs.accepted(scope, txn) if found is None else await answer(found)
        if single and wanted.wait and not (found is not None and _had_no_effect(found)):
            await claim.keep(scope, reply, txn)
        return reply
    await jobs.begin_held(job, placed=not wanted.asynchronous)
    found = await jobs.finished(scope, job.txn)
    if found is None:
        raise unavailable()
    reply = await answer(found)
    if single and not _had_no_effect(found):
        await claim.keep(scope, reply, job.txn)
    return reply


def _had_no_effect(found: Finished) -> bool:
    """Whether a request did nothing, for a reason that it is not to blame for, so that it is carried out when it comes again."""
    failed = [int(result["status"]) for result in found.results]
    return min(failed, default=200) >= 400 and any(map(_is_no_answer, failed))


def _is_no_answer(status: int) -> bool:
    """Whether a failure with this status is none of the request's: the server's, that of who asked then, which may be over by now, or of
    what was too much then."""
    return status >= 500 or status in (401, 403, 429)


async def bulk_reply(found: Finished) -> Reply:
    """The answer to a bulk request."""
    return Reply(200, bulk_response(found.results))


async def create_once(
    jobs: Jobs,
    renderer: Renderer,
    scope: Scope,
    plan: Insert,
    key: str,
    digests: Sequence[bytes],
    body: dict[str, Any],
    request_id: str,
    wanted: Preferences,
) -> Reply:
    """The answer to a creation that may be repeated: the first one, whoever asks again."""
    if wanted.asynchronous:
        complete(plan.draft.document, plan.schema, scope.limits)
        bulk = single_request("POST", plan.schema.endpoint, body, None)

        async def answer(found: Finished) -> Reply:
            return await written_reply(renderer, scope, plan, found, shown=True)

        return await later_once(jobs, scope, key, digests, bulk, wanted, answer, single=True)

    async def carry_out(joined: Scope) -> Reply:
        reply = renderer.reply(await execute(joined, plan))
        return replace(reply, body=None) if answers.is_streamed(reply) else reply  # whose connection is gone when it is sent

    return await once(scope, key, digests, request_id, carry_out)
