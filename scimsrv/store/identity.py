"""Looking up who asks (by what they show) and what their tenant serves (its catalogue)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from scimsrv.observe import denied
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.catalog import Catalog, build_catalog
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.forms import Rekeying
from scimsrv.schema.policy import parse_policy
from scimsrv.store.failure import TenantGoneError
from scimsrv.store.narrowing import NOWHERE_NARROWED, Narrowing, narrowing
from scimsrv.store.pool import Queries, Tenants
from scimsrv.store.proof import ALWAYS, Proof
from scimsrv.store.queries import load
from scimsrv.store.trusts import Trust, trust_of

_SQL = load("identity")


@dataclass(frozen=True, slots=True)
class Credential:
    """A live credential: its tenant, whether that is active, the revision of its catalogue, what the credential may do and where, the
    subject that it stands for, if that is a user, and that user's roles. `kid` is the short id of a token, a client or a trust; of a
    trust, `holder` says whose token it is. `proof` is what it was shown by."""

    tenant: int
    slug: str
    active: bool
    revision: int
    kid: str
    scopes: frozenset[str]
    subject: str | None = None
    narrowing: Narrowing = NOWHERE_NARROWED
    holder: str = ""
    roles: frozenset[str] = frozenset()
    proof: Proof = ALWAYS

    @property
    def actor(self) -> str:
        """Who is recorded as having done what is done with it."""
        return f"{self.kid}/{self.holder}" if self.holder else self.kid


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """A client of a tenant that was found by what it shows: its public keys as text, if it signs; the seconds that its access tokens
    work, and the edition that those have to be of; whether it may show its secret with each request."""

    credential: Credential
    lifetime: int
    jwks: str | None
    edition: int
    basic: bool


@dataclass(frozen=True, slots=True)
class TrustIdentity:
    """An issuer that a tenant trusts. `credential` has the scopes that each of its tokens gives; `me_claim` is the claim with the subject
    of people; `stale` says whether its last use is long ago."""

    credential: Credential
    trust: Trust
    me_claim: str
    stale: bool


async def find_credential(pool: Tenants, digest: bytes) -> Credential | None:
    """The live token with this digest, or None. Its last use is noted once a minute."""
    row = await pool.across().fetchrow(_SQL["credential"], digest)
    if row is None:
        return None
    if row["ended"]:
        denied("bearer", "expired")
        return None
    if row["stale"]:
        await pool.of(row["tenant"]).execute(_SQL["mark_used"], row["tenant"], row["kid"])
    return _credential(row, row["kid"], row["subject"])


async def find_client(pool: Tenants, slug: str, client: str, digests: Sequence[bytes] | None = None) -> ClientIdentity | None:
    """The client of the tenant with this slug, or None; with digests only if one of its live secrets has one of them. Its last use is
    noted once a minute."""
    if digests is None:
        row = await pool.across().fetchrow(_SQL["client"], slug, client)
    else:
        row = await pool.across().fetchrow(_SQL["client_by_secret"], slug, client, list(digests))
    if row is None:
        return None
    if row["stale"] and row["status"] == "active":
        await pool.of(row["tenant"]).execute(_SQL["mark_client_used"], row["tenant"], row["id"])
    basic = digests is not None and row["basic"]
    return ClientIdentity(_credential(row, row["id"]), row["lifetime"], row["jwks"], row["edition"], basic)


async def find_trusts(pool: Tenants, slug: str, issuer: str | None, trust: str | None = None) -> list[TrustIdentity]:
    """What the tenant with this slug trusts of an issuer, or the trust of an id; nothing where there is no such tenant."""
    rows = await pool.across().fetch(_SQL["trusts"], slug, issuer, trust)
    return [TrustIdentity(_credential(row, row["id"]), trust_of(row), row["me_claim"], row["stale"]) for row in rows]


async def note_trust_used(pool: Tenants, found: TrustIdentity) -> None:
    """Note the last use of what is trusted, once a minute."""
    if found.stale:
        await pool.of(found.credential.tenant).execute(_SQL["mark_trust_used"], found.credential.tenant, found.trust.id)


async def takes_basic(pool: Tenants, slug: str) -> bool:
    """Whether the policy of the tenant with this slug lets clients show their secret with each request; False where there is none."""
    row = await pool.across().fetchrow(_SQL["basic"], slug)
    return row is not None and row["basic"]


async def use_assertion(pool: Tenants, tenant: int, digest: bytes, expires: datetime) -> bool:
    """Use an assertion that is good once; False when it was used before. Those that have expired are forgotten."""
    await pool.of(tenant).execute(_SQL["forget_assertions"], tenant)
    return await pool.of(tenant).fetchrow(_SQL["use_assertion"], tenant, digest, expires) is not None


async def is_used(pool: Tenants, tenant: int, digest: bytes) -> bool:
    """Whether an assertion was used, or an access token revoked."""
    return await pool.of(tenant).fetchrow(_SQL["used"], tenant, digest) is not None


def _credential(row: Any, kid: str, subject: str | None = None) -> Credential:
    active, scopes = row["status"] == "active", frozenset(row["scopes"])
    return Credential(row["tenant"], row["slug"], active, row["revision"], kid, scopes, subject, narrowing(row))


async def load_catalog(pool: Queries, tenant: int) -> tuple[int, Catalog]:
    """The tenant's catalogue and the revision it is of, read by one statement. Raises TenantGoneError."""
    row = await pool.fetchrow(_SQL["catalog"], tenant)
    if row is None:
        raise TenantGoneError
    schemas, types = orjson.loads(row["schemas"] or "[]"), orjson.loads(row["resource_types"] or "[]")
    catalog = build_catalog(
        [definition for _, definition, _ in schemas],
        [definition for _, definition in types],
        load_definitions().common,
        parse_policy(orjson.loads(row["policy"])),
        orjson.loads(row["indexes"] or "[]"),
        reworks=orjson.loads(row["reworks"] or "[]"),
        forms={fold_name(definition["id"]): forms for _, definition, forms in schemas if forms},
        rekeyings=[rekeying(urn, plan) for urn, plan in orjson.loads(row["rekeyings"] or "[]")],
        schema_versions={fold_name(definition["id"]): version for version, definition, _ in schemas},
        type_versions={fold_name(definition["name"]): version for version, definition in types},
    )
    return row["revision"], replace(catalog, edition=row["edition"])


def rekeying(urn: str, plan: Mapping[str, Any]) -> Rekeying:
    """A change of an attribute's form from the plan of its job."""
    return Rekeying(urn, plan["attribute"], plan["caseExact"], plan["old"], plan["new"], plan["ready"])
