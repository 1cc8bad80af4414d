"""A tenant's policy document: read, and written as a new version that every server sees within a second.

What a switch changes of the tenant's types - whose values are unique, say - is checked against stored resources and carried out in the
background exactly as a change of a definition is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import DEFAULT
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.badging import INDEXES
from scimsrv.schema.catalog import Definition
from scimsrv.schema.redefinition import Redefinition, Subject, repolicy
from scimsrv.store.applications import withdraw_all
from scimsrv.store.connection import Connection
from scimsrv.store.definitions import leave_work
from scimsrv.store.edition import take
from scimsrv.store.examination import Examination, examine, reexamine
from scimsrv.store.failure import guarded, unavailable
from scimsrv.store.identity import load_catalog
from scimsrv.store.queries import load
from scimsrv.store.scope import by_whom, now
from scimsrv.store.single import Single

_SQL = load("policy")

#: Times that a change is decided anew because another came between.
_ATTEMPTS: Final = 10

#: Does what belongs to a change, in its transaction: given the documents before and after and the new version.
Noting = Callable[[Mapping[str, Any], Mapping[str, Any], int], Awaitable[None]]


class PolicyError(Exception):
    """The document is no policy; the message names the switch."""


class PolicyConflict(PolicyError):  # noqa: N818 - a kind of PolicyError
    """The tenant's resources do not bear the policy; the message says which attribute, which rule and how many."""


class PolicyChanged(PolicyError):  # noqa: N818 - a kind of PolicyError
    """The policy has another version than was demanded."""


async def read_policy(connection: Connection, tenant: int) -> tuple[dict[str, Any], int]:
    """The tenant's policy document as it was given, and its version."""
    row = await connection.fetchrow(_SQL["read"], tenant)
    if row is None:
        raise LookupError(f"tenant {tenant} has no policy")
    return orjson.loads(row["policy"]), row["version"]


async def write_policy(
    connection: Connection,
    tenant: int,
    actor: str,
    document: Mapping[str, Any],
    if_match: frozenset[int] | None = None,
    *,
    merge: bool = False,
    note: Noting | None = None,
) -> tuple[dict[str, Any], int]:
    """Store a policy document, or with `merge` the changes of a JSON merge patch (RFC 7396), and return document and version.

    The version is raised, the tenant's revision too, and the change is noted with old and new value of each switch, in one transaction
    with `note`. A document that changes nothing is not stored. The connection must not be in a transaction: resources are examined
    before. Raises PolicyError for what is no policy, PolicyConflict for what stored resources do not bear, PolicyChanged when the
    version is none of `if_match` (None: whatever it is).
    """
    for _ in range(_ATTEMPTS):
        done = await guarded(lambda: _attempt(connection, tenant, actor, document, if_match, merge, note))
        if done is not None:
            return done
    raise unavailable()


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The document after a JSON merge patch (RFC 7396 §2): null takes a member away. Policies have no members with members."""
    return {name: value for name, value in {**document, **patch}.items() if value is not None}


async def _attempt(
    connection: Connection,
    tenant: int,
    actor: str,
    document: Mapping[str, Any],
    if_match: frozenset[int] | None,
    merge: bool,
    note: Noting | None,
) -> tuple[dict[str, Any], int] | None:
    """The change decided and taken; None when another came between."""
    revision, catalog = await load_catalog(connection, tenant)
    before, version = await read_policy(connection, tenant)
    if if_match is not None and version not in if_match:
        raise PolicyChanged(f"The policy has version {version}.")
    after = merged(before, document) if merge else dict(document)
    try:
        change = repolicy(catalog, before, after)
        if after == before:
            return before, version
        taken = await _take(connection, tenant, actor, revision, change, note)
    except ValueError as wrong:
        raise PolicyError(f"{wrong}.") from wrong
    except ScimError as problem:
        if problem.kind.value.status == 409:
            raise PolicyConflict(problem.sentence) from problem
        raise
    return None if taken is None else (after, taken)


async def _take(connection: Connection, tenant: int, actor: str, revision: int, change: Redefinition, note: Noting | None) -> int | None:
    """Write the change with all that belongs to it, and return its version; None when the tenant has changed since `revision`."""
    examined = await examine(Single(connection), tenant, change, DEFAULT, counting=False)
    examined.refuse()
    pool = Single(connection)
    return await take(
        pool, tenant, revision, lambda at: _write(connection, tenant, actor, at, change, examined, note), announced=change.demands
    )


async def _write(
    connection: Connection, tenant: int, actor: str, revision: int, change: Redefinition, examined: Examination, note: Noting | None
) -> int | None:
    async with connection.transaction():
        if await connection.fetchval(load("definitions")["lock"], tenant, revision) is None:
            return None
        await reexamine(connection, tenant, examined, DEFAULT)
        examined.refuse()
        await _change_definitions(connection, tenant, actor, change)
        for name in change.changes:
            await leave_work(connection, tenant, actor, change, name)
        row = await connection.fetchrow(_SQL["write"], tenant, _json(change.new))
        assert row is not None, "the tenant's row is locked"
        # A statement of its own: a distributed engine keeps policies on every node, and the trail on the tenant's.
        await connection.execute(_SQL["log"], tenant, by_whom(actor), row["version"], list(change.diff), _json(change.diff))
        if note is not None:
            await note(change.old or {}, change.new or {}, row["version"])
    version: int = row["version"]
    return version


async def _change_definitions(connection: Connection, tenant: int, actor: str, change: Redefinition) -> None:
    """Write the schemas and resource types that come and go with the policy, as those of badges do. Raises ScimError 409 for a type
    that has resources."""
    before, after, sql = change.before, change.after, load("definitions")
    if before.policy.badges == after.policy.badges:
        return
    for name in before.by_name.keys() - after.by_name.keys():
        if await connection.fetchval(sql["has_resources"], tenant, name):
            raise ScimError(Kind.CONFLICT, f"{name} has resources, so that it cannot be deleted")
        await connection.execute(sql["drop_indexes"], tenant, name)
    for key in sorted(before.schemas.keys() ^ after.schemas.keys()):
        old, new = before.schemas.get(key), after.schemas.get(key)
        await _redefine(connection, tenant, actor, Subject.SCHEMA, key, old, new, before.schema_versions)
    for key in sorted(before.resource_types.keys() | after.resource_types.keys()):
        old, new = before.resource_types.get(key), after.resource_types.get(key)
        if old != new:
            await _redefine(connection, tenant, actor, Subject.RESOURCE_TYPE, key, old, new, before.type_versions)
    if not after.policy.badges:
        await withdraw_all(connection, tenant)
    for index in INDEXES if after.policy.badges else ():
        await connection.execute(load("badges")["add_index"], tenant, index[0], fold_name(index[1]), index[2])


async def _redefine(
    connection: Connection,
    tenant: int,
    actor: str,
    subject: Subject,
    key: str,
    old: Definition | None,
    new: Definition | None,
    versions: Mapping[str, int],
) -> None:
    """Write one definition that comes, goes or changes, and note it."""
    sql, schema = load("definitions"), subject is Subject.SCHEMA
    name = (new or old or {})["id" if schema else "name"]
    # Of what comes again, the version goes on where it ended: entity tags that clients keep stay another's.
    last = await connection.fetchval(sql["last_version"], tenant, subject.value, name) if old is None else versions.get(key, 1)
    if new is None:
        await connection.execute(sql["drop_schema" if schema else "drop_resource_type"], tenant, key)
    else:
        await connection.execute(sql["put_schema" if schema else "put_resource_type"], tenant, key, _json(new), last or 0)
    operation = "create" if old is None else "delete" if new is None else "update"
    names = sorted(one for one in {*old, *new} if old.get(one) != new.get(one)) if old is not None and new is not None else []
    await connection.execute(sql["note"], tenant, now(), by_whom(actor), operation, subject.value, name, (last or 0) + 1, names, None)


def _json(document: Any) -> str:
    return orjson.dumps(document).decode()
