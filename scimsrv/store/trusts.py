"""Issuers whose JWTs a tenant trusts: added, listed, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from scimsrv.store.connection import Connection
from scimsrv.store.credentials import CredentialLimit, CredentialMissing
from scimsrv.store.narrowing import Network
from scimsrv.store.queries import load

_SQL = load("trusts")

MAX_TRUSTS: Final = 20

BEARER: Final = "bearer"
"""Use of a trust: its tokens are shown with each request."""

EXCHANGE: Final = "exchange"
"""Use of a trust: its tokens are shown at the token endpoint, as an assertion (RFC 7523) or to be exchanged (RFC 8693)."""


@dataclass(frozen=True, slots=True)
class RoleRule:
    """People whose claim is this value, or has it among several, have the role."""

    claim: str
    value: str
    role: str


@dataclass(frozen=True, slots=True)
class Trust:
    """What is trusted. A token must have the issuer, one of the audiences, and for each claim of `pins` one of its values; it is signed
    with one of the algorithms by a key of `jwks` (a JWK Set as text) or of the set at `jwks_uri`. `uses` are BEARER and EXCHANGE; with
    `single_use` an assertion needs a jti and is good once. `scopes` are what each of its tokens may do, on `types` and from `networks`
    (all and any when empty), `roles` what people may beyond; access tokens that are issued for one work for `lifetime` seconds, and no
    longer than itself."""

    id: str
    label: str
    issuer: str
    audiences: tuple[str, ...]
    pins: Mapping[str, tuple[str, ...]]
    algorithms: tuple[str, ...]
    jwks: str | None
    jwks_uri: str | None
    uses: frozenset[str]
    single_use: bool
    scopes: tuple[str, ...]
    types: tuple[str, ...]
    networks: tuple[Network, ...]
    roles: tuple[RoleRule, ...]
    lifetime: int
    created: datetime | None = None
    last_used: datetime | None = None


async def add_trust(connection: Connection, tenant: int, trust: Trust) -> Trust:
    """Store what is trusted. Raises CredentialLimit when the tenant has 20."""
    async with connection.transaction():
        await connection.fetchval(_SQL["lock_tenant"], tenant)
        if await connection.fetchval(_SQL["count"], tenant) >= MAX_TRUSTS:
            raise CredentialLimit(f"The tenant already trusts {MAX_TRUSTS} issuers: remove one that is not used.")
        row = await connection.fetchrow(
            _SQL["create"],
            *(tenant, trust.id, trust.label, trust.issuer, list(trust.audiences), _json(dict(trust.pins)), list(trust.algorithms)),
            *(trust.jwks, trust.jwks_uri, sorted(trust.uses), trust.single_use, list(trust.scopes), list(trust.types) or None),
            *(list(trust.networks) or None, _json([[rule.claim, rule.value, rule.role] for rule in trust.roles]), trust.lifetime),
        )
    return trust_of(row)


async def list_trusts(connection: Connection, tenant: int) -> list[Trust]:
    """Return what a tenant trusts in order of creation."""
    return [trust_of(row) for row in await connection.fetch(_SQL["list_all"], tenant)]


async def remove_trust(connection: Connection, tenant: int, trust: str) -> None:
    """Trust it no more; access tokens that it led to end with it. Raises CredentialMissing when there is none of that id."""
    if (await connection.execute(_SQL["remove"], tenant, trust)).endswith(" 0"):
        raise CredentialMissing(f"There is no trust {trust!r}; `scimsrv trust list` shows those there are.")


def trust_of(row: Any) -> Trust:
    """The trust that a row of its table is."""
    return Trust(
        *(row["id"], row["label"], row["issuer"], tuple(row["audiences"])),
        pins={claim: tuple(values) for claim, values in orjson.loads(row["pins"]).items()},
        algorithms=tuple(row["algorithms"]),
        jwks=row["jwks"],
        jwks_uri=row["jwks_uri"],
        uses=frozenset(row["uses"]),
        single_use=row["single_use"],
        scopes=tuple(row["scopes"]),
        types=tuple(row["types"] or ()),
        networks=tuple(row["networks"] or ()),
        roles=rules_of(row["roles"]),
        lifetime=row["lifetime"],
        created=row["created"],
        last_used=row["last_used"],
    )


def rules_of(text: str) -> tuple[RoleRule, ...]:
    """The rules in the column roles."""
    return tuple(RoleRule(*rule) for rule in orjson.loads(text))


def _json(document: object) -> str:
    return orjson.dumps(document).decode()
