"""OAuth clients of a tenant and their secrets: made, listed, rotated, revoked. Only digests are stored; a secret is never seen here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from scimsrv.store.connection import Connection
from scimsrv.store.credentials import MAX_PER_LABEL, OVERLAP, CredentialError, CredentialLimit, CredentialMissing
from scimsrv.store.narrowing import Network
from scimsrv.store.queries import load

_SQL = load("clients")

MAX_CLIENTS: Final = 20


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as it is listed: the short id that is its second part."""

    kid: str
    created: datetime
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Client:
    """A client as it is listed. `signs` says whether it has public keys, by which its assertions are checked; its access tokens work for
    `lifetime` seconds; `types` and `networks` are those that it is narrowed to, empty for any."""

    id: str
    label: str
    scopes: tuple[str, ...]
    types: tuple[str, ...]
    networks: tuple[str, ...]
    lifetime: int
    signs: bool
    created: datetime
    last_used: datetime | None
    secrets: tuple[Secret, ...]


async def create_client(
    connection: Connection,
    tenant: int,
    *,
    id_: str,
    label: str,
    scopes: Sequence[str],
    types: Sequence[str] | None,
    networks: Sequence[Network] | None,
    lifetime: int,
    jwks: str | None,
) -> None:
    """Store a client. Raises CredentialLimit when the tenant has 20."""
    async with connection.transaction():
        await connection.fetchval(_SQL["lock_tenant"], tenant)
        if await connection.fetchval(_SQL["count"], tenant) >= MAX_CLIENTS:
            raise CredentialLimit(f"The tenant already has {MAX_CLIENTS} clients: revoke one that is not used.")
        await connection.execute(_SQL["create"], tenant, id_, label, list(scopes), list(types) if types else None, networks, lifetime, jwks)


async def add_secret(connection: Connection, tenant: int, client: str, *, kid: str, digest: bytes, expires: datetime | None) -> None:
    """Give a client its next secret; the present one works for seven more days at most.

    Raises CredentialMissing when there is no such client, CredentialLimit when a rotation of it is still under way, CredentialError for
    one that signs.
    """
    async with connection.transaction():
        await connection.fetchval(_SQL["lock_tenant"], tenant)
        if (await find_client(connection, tenant, client)).signs:
            raise CredentialError(f"Client {client!r} signs and has no secret: give it its next keys.")
        await connection.execute(_SQL["prune"], tenant, client)
        if await connection.fetchval(_SQL["count_secrets"], tenant, client) >= MAX_PER_LABEL:
            raise CredentialLimit(f"Client {client!r} already has {MAX_PER_LABEL} live secrets: revoke one.")
        await connection.execute(_SQL["limit_life"], tenant, client, OVERLAP)
        await connection.execute(_SQL["add_secret"], tenant, client, kid, digest, expires)


async def replace_keys(connection: Connection, tenant: int, client: str, jwks: str) -> None:
    """Give a client that signs its next public keys. Where one of the present ones is not among them, every access token of the client
    ends, as with a secret that is revoked. Raises CredentialMissing when there is no such client, CredentialError for one that has
    secrets."""
    async with connection.transaction():
        await find_client(connection, tenant, client)
        row = await connection.fetchrow(_SQL["lock_keys"], tenant, client)
        if row is None or row["jwks"] is None:
            raise CredentialError(f"Client {client!r} has secrets and does not sign.")
        await connection.execute(_SQL["replace_keys"], tenant, client, jwks)
        if not _parts(row["jwks"]) <= _parts(jwks):
            await connection.execute(_SQL["end_tokens"], tenant, client)


def _parts(jwks: str) -> set[tuple[str, ...]]:
    """What tells the public keys of a set apart (RFC 7638 §3.2)."""
    return {tuple(str(key.get(name)) for name in ("kty", "crv", "x", "y", "n", "e")) for key in orjson.loads(jwks)["keys"]}


async def list_clients(connection: Connection, tenant: int) -> list[Client]:
    """Return a tenant's clients in order of creation."""
    return [_client(row) for row in await connection.fetch(_SQL["find"], tenant, None)]


async def find_client(connection: Connection, tenant: int, client: str) -> Client:
    """Return one client. Raises CredentialMissing when there is none of that id."""
    row = await connection.fetchrow(_SQL["find"], tenant, client)
    if row is None:
        raise CredentialMissing(f"There is no client {client!r}; `scimsrv client list` shows those there are.")
    return _client(row)


async def revoke_client(connection: Connection, tenant: int, client: str) -> None:
    """End a client with its secrets and access tokens at once. Raises CredentialMissing when there is none of that id."""
    if (await connection.execute(_SQL["remove"], tenant, client)).endswith(" 0"):
        raise CredentialMissing(f"There is no client {client!r}; `scimsrv client list` shows those there are.")


async def revoke_secret(connection: Connection, tenant: int, client: str, kid: str) -> None:
    """End a secret at once, and every access token of its client. Raises CredentialMissing when there is none of that id."""
    async with connection.transaction():
        if (await connection.execute(_SQL["remove_secret"], tenant, client, kid)).endswith(" 0"):
            raise CredentialMissing(f"Client {client!r} has no secret {kid!r}; `scimsrv client list` shows those there are.")
        await connection.execute(_SQL["end_tokens"], tenant, client)


def _client(row: Any) -> Client:
    secrets = tuple(
        Secret(kid, datetime.fromisoformat(created), None if expires is None else datetime.fromisoformat(expires))
        for kid, created, expires in orjson.loads(row["secrets"])
    )
    networks = tuple(str(network) for network in row["networks"] or ())
    lists = {"scopes": tuple(row["scopes"]), "types": tuple(row["types"] or ()), "networks": networks, "secrets": secrets}
    return Client(**{**row, **lists})
