"""Looking up who asks (a token's digest) and what their tenant serves (its catalogue)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from scimsrv.schema.attribute import fold_name
from scimsrv.schema.catalog import Catalog, build_catalog
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.forms import Rekeying
from scimsrv.schema.policy import parse_policy
from scimsrv.store.pool import Queries, Tenants
from scimsrv.store.queries import load

_SQL = load("identity")


@dataclass(frozen=True, slots=True)
class Credential:
    """A live token: its tenant, whether that is active, the revision of its catalogue, what the token may do, and the subject that
    it stands for, if that is a user."""

    tenant: int
    slug: str
    active: bool
    revision: int
    kid: str
    scopes: frozenset[str]
    subject: str | None = None


async def find_credential(pool: Tenants, digest: bytes) -> Credential | None:
    """The live credential with this digest, or None. Its last use is noted once a minute."""
    row = await pool.across().fetchrow(_SQL["credential"], digest)
    if row is None:
        return None
    if row["stale"]:
        await pool.of(row["tenant"]).execute(_SQL["mark_used"], row["tenant"], row["kid"])
    active, scopes = row["status"] == "active", frozenset(row["scopes"])
    return Credential(row["tenant"], row["slug"], active, row["revision"], row["kid"], scopes, row["subject"])


async def load_catalog(pool: Queries, tenant: int) -> tuple[int, Catalog]:
    """The tenant's catalogue and the revision it is of, read by one statement. Raises LookupError when the tenant is gone."""
    row = await pool.fetchrow(_SQL["catalog"], tenant)
    if row is None:
        raise LookupError(f"tenant {tenant} does not exist")
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
