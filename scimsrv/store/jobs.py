"""A tenant's jobs as an operator sees them, and what becomes of values of removed attributes: listed, put back, destroyed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.attribute import fold_name
from scimsrv.store.connection import Connection
from scimsrv.store.identity import load_catalog
from scimsrv.store.queries import load
from scimsrv.store.recomputing import add_recomputation

_SQL = load("jobs")


@dataclass(frozen=True, slots=True)
class Job:
    """Background work of a tenant. `subject` is a resource type, `plan` what is to be done with its resources, of which `done` of
    `total` have been gone through; `result` counts what was found. States: waiting, running, done, failed."""

    number: int
    kind: str
    subject: str
    plan: dict[str, Any]
    state: str
    done: int
    total: int
    result: dict[str, Any]
    actor: str
    created: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Removed:
    """Values kept of an attribute that a type has no more: of how many resources, and when the last was set aside."""

    type: str
    attribute: str
    resources: int
    removed: datetime


async def list_jobs(connection: Connection, tenant: int) -> list[Job]:
    """The tenant's jobs by number."""
    return [_job(row) for row in await connection.fetch(_SQL["list"], tenant)]


async def find_job(connection: Connection, tenant: int, number: int) -> Job:
    """The job of this number. Raises ScimError 404."""
    row = await connection.fetchrow(_SQL["find"], tenant, number)
    if row is None:
        raise ScimError(Kind.NOT_FOUND, f"There is no job {number}")
    return _job(row)


async def retry_job(connection: Connection, tenant: int, number: int) -> Job:
    """Have a failed job begin again, once what stood in its way is gone. Raises ScimError 404, or 409 when it has not failed."""
    if await connection.execute(_SQL["retry"], tenant, number) == "UPDATE 0":
        job = await find_job(connection, tenant, number)
        raise ScimError(Kind.CONFLICT, f"Job {number} has not failed, it is {job.state}")
    return await find_job(connection, tenant, number)


async def recompute_badges(connection: Connection, tenant: int, actor: str) -> Job:
    """Have what follows from everybody's awards computed anew: a new job, or the one that waits already. Raises ScimError 409 for a tenant
    without badges. In a transaction."""
    _, catalog = await load_catalog(connection, tenant)
    if not catalog.policy.badges:
        raise ScimError(Kind.CONFLICT, "The tenant has no badges: turn on the policy switch badges")
    return await find_job(connection, tenant, await add_recomputation(connection, tenant, actor))


async def list_removed(connection: Connection, tenant: int) -> list[Removed]:
    """The attributes of which values are kept aside."""
    return [Removed(**row) for row in await connection.fetch(_SQL["list_removed"], tenant)]


async def restore_removed(connection: Connection, tenant: int, actor: str, type_name: str, attribute: str) -> Job:
    """Have the values of an attribute put back that was removed and is defined again. Raises ScimError 404 where nothing is kept, 409
    while the attribute is not defined or such a job is under way."""
    _, catalog = await load_catalog(connection, tenant)
    schema, key = catalog.by_name.get(type_name), fold_name(attribute)
    place = None if schema is None else schema.resolve(key)
    if place is None or place.key != key:
        raise ScimError(Kind.CONFLICT, f"{type_name} has no attribute {attribute[:200]}: define it again before its values are put back")
    return await _begin(connection, tenant, actor, "restore", type_name, key)


async def purge_removed(connection: Connection, tenant: int, actor: str, type_name: str, attribute: str) -> Job:
    """Have the values of a removed attribute destroyed. Raises ScimError 404 where nothing is kept, 409 while such a job is under way."""
    return await _begin(connection, tenant, actor, "purge", type_name, fold_name(attribute))


async def _begin(connection: Connection, tenant: int, actor: str, kind: str, type_name: str, attribute: str) -> Job:
    async with connection.transaction():
        await connection.execute(load("indexes")["revise"], tenant)  # the tenant's row keeps two such requests apart
        if await connection.fetchrow(_SQL["open_of"], tenant, type_name, attribute) is not None:
            raise ScimError(Kind.CONFLICT, f"{type_name}: {attribute} is being put back or destroyed already")
        if not await connection.fetchval(_SQL["count_removed"], tenant, type_name, attribute):
            raise ScimError(Kind.NOT_FOUND, f"{type_name}: no values of {attribute[:200]} are kept")
        plan = orjson.dumps({"attribute": attribute}).decode()
        number = await connection.fetchval(load("definitions")["add_job"], tenant, kind, type_name, plan, actor, [type_name])
    return await find_job(connection, tenant, number)


def _job(row: Any) -> Job:
    return Job(**{**row, "plan": orjson.loads(row["plan"]), "result": orjson.loads(row["result"])})
