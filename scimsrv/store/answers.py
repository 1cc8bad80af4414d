"""First answers: what a request with an Idempotency-Key was answered is kept with its effect, and given to whoever repeats it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.response import Reply
from scimsrv.store.failure import guarded
from scimsrv.store.pool import Database
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope

_SQL = load("requests")

#: Seconds for which an answer is kept, and most answers of one tenant, of which the oldest go first.
KEPT: Final = 24 * 3600.0
MOST: Final = 10_000

#: Seconds after which a request without answer counts as dead: longer than any lasts.
LEASE: Final = 60.0

#: Larger bodies are not kept; the answer then has its headers alone.
MOST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one request to carry out what its key stands for."""

    key: str
    holder: str

    async def hold(self, scope: Scope) -> None:
        """Keep it until the present transaction ends. Raises ScimError 409 when another request has taken over."""
        if await scope.pool.fetchrow(_SQL["hold_key"], scope.tenant, self.key, self.holder) is None:
            raise ScimError(Kind.CONFLICT, "The same request is running")

    async def keep(self, scope: Scope, reply: Reply, txn: str | None = None) -> None:
        """Keep the answer; a body that is too large is left out."""
        body = reply.body if isinstance(reply.body, bytes) and len(reply.body) <= MOST_BYTES else None
        headers = orjson.dumps(reply.headers).decode()
        await scope.pool.execute(_SQL["keep_answer"], scope.tenant, self.key, self.holder, reply.status, headers, body, txn)

    async def follow(self, scope: Scope, txn: str) -> None:
        """The answer will be that of an asynchronous request."""
        await scope.pool.execute(_SQL["keep_answer"], scope.tenant, self.key, self.holder, None, None, None, txn)

    async def release(self, scope: Scope) -> None:
        """Give the key free: nothing was done, and the same request may come again."""
        await guarded(lambda: scope.pool.execute(_SQL["release_key"], scope.tenant, self.key, self.holder))


@dataclass(frozen=True, slots=True)
class Following:
    """The first request is, or was, carried out as the asynchronous request of this name."""

    txn: str


async def claim(scope: Scope, key: str, digests: Sequence[bytes]) -> Claim | Reply | Following:
    """The right to carry out the request, or the answer to the first one with its key. Of its digests the first is kept; the first
    request may have any of them.

    Raises ScimError 422 when the key was used for another request, and 409 while the first one is running.
    """
    holder = secrets.token_hex(8)
    await prune_answers(scope.pool, scope.tenant)
    for name, digest in (("claim_key", digests[0]), ("inherit_key", list(digests))):
        if await guarded(partial(scope.pool.fetchrow, _SQL[name], scope.tenant, key, digest, holder, LEASE)) is not None:
            return Claim(key, holder)
    row = await guarded(lambda: scope.pool.fetchrow(_SQL["first_answer"], scope.tenant, key))
    if row is not None and row["digest"] not in digests:
        raise ScimError(Kind.UNPROCESSABLE)
    if row is not None and row["status"] is not None:
        return Reply(row["status"], row["body"], orjson.loads(row["headers"]))
    if row is not None and row["txn"] is not None:
        return Following(row["txn"])
    raise ScimError(Kind.CONFLICT, "The same request is running", headers={"Retry-After": "1"})


async def forget(scope: Scope, key: str, txn: str) -> None:
    """Give the key of an asynchronous request free: nothing was done, and the same request may come again."""
    await guarded(lambda: scope.pool.execute(_SQL["forget_key"], scope.tenant, key, txn))


async def prune_answers(pool: Database, tenant: int) -> None:
    """Forget the answers that were kept for long enough, and the oldest of too many."""
    await guarded(lambda: pool.execute(_SQL["prune_answers"], tenant, KEPT, MOST))


def is_streamed(reply: Reply) -> bool:
    """Whether the body is read while it is sent."""
    return isinstance(reply.body, AsyncIterator)
