"""Administrators' tokens and the record of what administrators did. Only digests are stored; the token itself is never seen here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from scimsrv.store.connection import Connection
from scimsrv.store.credentials import Credential, CredentialLimit, CredentialMissing
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import Actor

_SQL = load("admin")

#: Live tokens that there may be.
MOST: Final = 20

_NEWEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who asks the admin API: the short id of a live token, and what it may do."""

    kid: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AdminChange:
    """What an administrator did. `tenant` is the slug of the tenant it concerned, `subject` what of it, both None where there is none;
    `origin` has id and address of the request, None for a command on the database."""

    seq: int
    at: datetime
    actor: str
    operation: str
    tenant: str | None
    subject: str | None
    detail: Mapping[str, Any] | None
    origin: Sequence[str] | None


async def find_administrator(pool: Queries, digest: bytes) -> Administrator | None:
    """The live token with this digest, or None. Its last use is noted once a minute."""
    row = await pool.fetchrow(_SQL["find"], digest)
    if row is None:
        return None
    if row["stale"]:
        await pool.execute(_SQL["mark_used"], row["kid"])
    return Administrator(row["kid"], frozenset(row["scopes"]))


async def create_admin_credential(
    connection: Connection, *, digest: bytes, kid: str, label: str, scopes: Sequence[str], expires: datetime | None
) -> Credential:
    """Store a token's digest. Raises CredentialLimit when there are as many live ones as there may be."""
    await connection.execute(_SQL["prune"])
    row = await connection.fetchrow(_SQL["create"], digest, kid, label, list(scopes), expires, MOST)
    if row is None:
        raise CredentialLimit(f"There are already {MOST} live admin tokens: revoke one that is not used.")
    return _credential(row)


async def list_admin_credentials(connection: Connection) -> list[Credential]:
    """The tokens in order of creation, expired ones of the last month included."""
    return [_credential(row) for row in await connection.fetch(_SQL["list_all"])]


async def revoke_admin_credential(connection: Connection, kid: str) -> None:
    """End a token at once. Raises CredentialMissing when there is none of that id."""
    if (await connection.execute(_SQL["revoke"], kid)).endswith(" 0"):
        raise CredentialMissing(f"There is no admin token {kid!r}; `scimsrv admin token list` shows those there are.")


async def note_change(
    connection: Connection,
    actor: str,
    operation: str,
    *,
    tenant: str | None = None,
    subject: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record what an administrator does, in the transaction that does it, with the request that an Actor comes from."""
    text = None if detail is None else orjson.dumps(detail, default=str).decode()
    origin = actor.origin if isinstance(actor, Actor) else None
    await connection.execute(_SQL["note"], actor, operation, tenant, subject, text, origin)


async def admin_changes(
    connection: Connection, tenant: str | None, *, denied: bool = False, before: int | None, count: int
) -> list[AdminChange]:
    """What administrators did, the newest first: to one tenant (by slug, also one that is gone) or at all (None); or what was denied."""
    rows = await connection.fetch(_SQL["changes"], tenant, _NEWEST if before is None else before, count, denied)
    return [
        AdminChange(
            *(row["seq"], row["at"], row["actor"], row["operation"], row["slug"], row["subject"]),
            detail=None if row["detail"] is None else orjson.loads(row["detail"]),
            origin=row["origin"],
        )
        for row in rows
    ]


def _credential(row: Any) -> Credential:
    return Credential(**{**row, "scopes": tuple(row["scopes"])})
