"""Bearer tokens of a tenant: issued, listed, revoked, rotated. Only digests are stored; the token itself is never seen here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from scimsrv.store.connection import Connection
from scimsrv.store.narrowing import Network
from scimsrv.store.queries import load

MAX_PER_TENANT: Final = 20
MAX_PER_LABEL: Final = 2
OVERLAP: Final = timedelta(days=7)
"""How long a rotated token still works, so that the other side can be changed without an outage."""


class CredentialError(Exception):
    """What was asked of a token is not possible; the message says why and what to do."""


class CredentialLimit(CredentialError):  # noqa: N818 - a kind of CredentialError
    """There are as many live tokens as there may be."""


class CredentialMissing(CredentialError):  # noqa: N818 - a kind of CredentialError
    """There is no such token."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A token as it is listed. kid is the part of the token that may be shown; expires and last_used may be None (never).
    subject is the user whom it stands for, None for a service; types and networks are those that it is narrowed to, empty for any."""

    kid: str
    label: str
    scopes: tuple[str, ...]
    created: datetime
    expires: datetime | None
    last_used: datetime | None
    subject: str | None = None
    types: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


async def create_credential(
    connection: Connection,
    tenant: int,
    *,
    digest: bytes,
    kid: str,
    label: str,
    scopes: Sequence[str],
    expires: datetime | None,
    subject: str | None = None,
    types: Sequence[str] | None = None,
    networks: Sequence[Network] | None = None,
) -> Credential:
    """Store a token's digest. Raises CredentialLimit when the tenant has 20 live tokens, or the label two."""
    sql = load("credentials")
    async with connection.transaction():
        await connection.fetchval(sql["lock_tenant"], tenant)
        await connection.execute(sql["prune"], tenant)
        live = await connection.fetchrow(sql["count_live"], tenant, label)
        assert live is not None
        if live["label_live"] >= MAX_PER_LABEL:
            raise CredentialLimit(f"Label {label!r} already has {MAX_PER_LABEL} live tokens: revoke one, or choose another label.")
        if live["tenant_live"] >= MAX_PER_TENANT:
            raise CredentialLimit(f"The tenant already has {MAX_PER_TENANT} live tokens: revoke one that is not used.")
        row = await connection.fetchrow(
            sql["create"], tenant, digest, kid, label, list(scopes), expires, subject, list(types) if types else None, networks
        )
        assert row is not None
    return _credential(row)


async def list_credentials(connection: Connection, tenant: int) -> list[Credential]:
    """Return a tenant's tokens in order of creation, expired ones of the last month included."""
    rows = await connection.fetch(load("credentials")["list_all"], tenant)
    return [_credential(row) for row in rows]


async def revoke_credential(connection: Connection, tenant: int, kid: str) -> None:
    """End a token at once. Raises CredentialError when the tenant has none of that id."""
    if (await connection.execute(load("credentials")["revoke"], tenant, kid)).endswith(" 0"):
        raise CredentialMissing(f"There is no token {kid!r}; `scimsrv token list` shows those there are.")


async def rotate_credential(
    connection: Connection, tenant: int, *, digest: bytes, kid: str, label: str, expires: datetime | None
) -> Credential:
    """Issue a label's next token with the scopes and the subject of its newest one, which itself works for another seven days at most.

    Raises CredentialMissing when the label has no live token, CredentialLimit when a rotation of it is still under way.
    """
    sql = load("credentials")
    async with connection.transaction():
        await connection.fetchval(sql["lock_tenant"], tenant)
        live = await connection.fetch(sql["live_of_label"], tenant, label)
        if not live:
            raise CredentialMissing(f"Label {label!r} has no live token to rotate: create one.")
        await connection.execute(sql["limit_life"], tenant, label, OVERLAP)
        same = {name: live[0][name] for name in ("scopes", "subject", "types", "networks")}
        return await create_credential(connection, tenant, digest=digest, kid=kid, label=label, expires=expires, **same)


def _credential(row: Any) -> Credential:
    networks = tuple(str(network) for network in row["networks"] or ())
    return Credential(**{**row, "scopes": tuple(row["scopes"]), "types": tuple(row["types"] or ()), "networks": networks})
