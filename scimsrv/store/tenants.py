"""Tenants: created with their schemas, resource types and policy, listed, suspended, resumed, and deleted with all that is theirs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from scimsrv.schema.badging import INDEXES, with_shipped_badges
from scimsrv.schema.catalog import build_catalog
from scimsrv.schema.policy import parse_policy
from scimsrv.schema.presets import PRESETS
from scimsrv.schema.redefinition import check_own_attributes
from scimsrv.slugs import slug_problem
from scimsrv.store.connection import Connection
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load

_BATCH: Final = 5_000

TABLES: Final = (
    "award",
    "badge_credential",
    "badge_status",
    "reference",
    "resource_key",
    "unique_key",
    "secret",
    "change",
    "change_seal",
    "tombstone",
    "tombstone_reference",
    "deletion_guard",
    "activity",
    "activity_batch",
    "removed_value",
    "erasure",
    "unusual_reference",
    "resource_count",
    "naming",
    "resource",
)
"""Tables emptied in batches when a tenant goes; the others refer to the tenant and follow it at once."""


class TenantError(Exception):
    """What was asked of a tenant is not possible; the message says why."""


class TenantMissing(TenantError):  # noqa: N818 - a kind of TenantError
    """There is no tenant of this slug."""


class TenantTaken(TenantError):  # noqa: N818 - a kind of TenantError
    """There is already a tenant of this slug."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant's row and the profile of its policy; status is "active" or "suspended"."""

    id: int
    slug: str
    status: str
    revision: int
    created: datetime
    profile: str


async def create_tenant(
    connection: Connection,
    slug: str,
    profile: str | None = None,
    switches: Mapping[str, object] | None = None,
    *,
    preset: str = "standard",
) -> Tenant:
    """Create a tenant and seed its policy, schemas, resource types and indexes by a preset, all or nothing.

    `profile` takes the place of the preset's, `switches` are the policy switches that differ from it. Raises TenantError when the slug
    is malformed or reserved, or preset, profile or a switch unknown, TenantTaken when there is such a tenant.
    """
    problem = slug_problem(slug)
    if problem is not None:
        raise TenantError(problem)
    if preset not in PRESETS:
        raise TenantError(f"There is no preset {preset!r}; there are {', '.join(PRESETS)}.")
    start = PRESETS[preset]
    policy = {**start.policy, **({} if profile is None else {"profile": profile}), **(switches or {})}
    definitions, indexes = start.definitions, start.indexes
    try:
        parsed = parse_policy(policy)
        if parsed.badges:
            definitions, indexes = with_shipped_badges(definitions), (*indexes, *INDEXES)
        check_own_attributes(build_catalog(definitions.schemas.values(), definitions.resource_types, definitions.common, parsed))
    except ValueError as wrong:
        raise TenantError(f"Policy: {wrong}.") from wrong
    sql = load("tenants")
    async with connection.transaction():
        tenant = await connection.fetchval(sql["create"], slug)
        if tenant is None:
            raise TenantTaken(f"Tenant {slug!r} already exists.")
        await connection.execute(sql["add_config"], tenant, _json(policy))
        await connection.execute(sql["begin_chain"], tenant)
        await connection.executemany(
            sql["add_schema"], [(tenant, urn.lower(), _json(schema)) for urn, schema in definitions.schemas.items()]
        )
        await connection.executemany(
            sql["add_resource_type"], [(tenant, type_["name"].lower(), _json(type_)) for type_ in definitions.resource_types]
        )
        await connection.executemany(
            sql["add_index"],
            [(tenant, number, type_, name.lower(), substring) for number, (type_, name, substring) in enumerate(indexes, 1)],
        )
    return await find_tenant(connection, slug)


async def list_tenants(connection: Connection) -> list[Tenant]:
    """Return all tenants by slug."""
    return [Tenant(**row) for row in await connection.fetch(load("tenants")["list_all"])]


async def find_tenant(connection: Connection, slug: str) -> Tenant:
    """Return the tenant of that slug. Raises TenantMissing when there is none."""
    row = await connection.fetchrow(load("tenants")["find"], slug)
    if row is None:
        raise TenantMissing(f"There is no tenant {slug!r}; `scimsrv tenant list` shows those there are.")
    return Tenant(**row)


async def keys_of(pool: Queries, slugs: Collection[str]) -> dict[str, int]:
    """The keys of the tenants of these slugs that there are."""
    return {row["slug"]: row["id"] for row in await pool.fetch(load("tenants")["keys_of"], list(slugs))}


async def count_resources(connection: Connection, tenant: int) -> dict[str, int]:
    """Return how many resources of each type a tenant holds."""
    return {row["type"]: row["resources"] for row in await connection.fetch(load("tenants")["count_resources"], tenant)}


async def suspend_tenant(connection: Connection, slug: str) -> Tenant:
    """Let a tenant's tokens be refused until it is resumed. Raises TenantError when there is no such tenant."""
    return await _set_status(connection, slug, "suspended")


async def resume_tenant(connection: Connection, slug: str) -> Tenant:
    """Let a suspended tenant's tokens work again. Raises TenantError when there is no such tenant."""
    return await _set_status(connection, slug, "active")


async def delete_tenant(connection: Connection, slug: str) -> int:
    """Delete a tenant with everything in it and return the number of its resources. Raises TenantError when there is none.

    It is suspended and loses its tokens first, then its rows go in batches; a deletion that was cut short is finished by another.
    """
    sql = load("tenants")
    tenant = await _set_status(connection, slug, "suspended")
    await connection.execute(sql["drop_credentials"], tenant.id)
    resources = await _drop_rows(connection, tenant.id)
    await connection.execute(sql["drop_tenant"], tenant.id)
    # A request that was let in before the suspension may have written since.
    return resources + await _drop_rows(connection, tenant.id)


async def _drop_rows(connection: Connection, tenant: int) -> int:
    gone = 0
    for table in TABLES:
        gone = 0
        while count := int((await connection.execute(load("tenants")[f"drop_{table}"], tenant, _BATCH)).split()[-1]):
            gone += count
    return gone


async def _set_status(connection: Connection, slug: str, status: str) -> Tenant:
    tenant = await find_tenant(connection, slug)
    await connection.execute(load("tenants")["set_status"], tenant.id, status)
    return await find_tenant(connection, slug)


def _json(document: object) -> str:
    return orjson.dumps(document).decode()
