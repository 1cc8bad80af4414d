"""Changing a tenant's schemas and resource types: decided, checked against what is stored, taken in one short transaction.

The same functions serve the SCIM endpoints and the operator. A change is taken only if nothing of the tenant's definitions or policy has
changed since what it was checked against; else it is decided anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import DEFAULT, Limits
from scimsrv.protocol.plan import IfMatch
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.catalog import Catalog, Definition
from scimsrv.schema.evolution import Change
from scimsrv.schema.forms import Rekeying
from scimsrv.schema.redefinition import Redefinition, Subject, redefine
from scimsrv.store.connection import Connection
from scimsrv.store.edition import take
from scimsrv.store.examination import Examination, Finding, examine, reexamine
from scimsrv.store.failure import guarded, unavailable
from scimsrv.store.identity import load_catalog
from scimsrv.store.marks import check_marks, keep_marks
from scimsrv.store.pool import Database, Queries
from scimsrv.store.postponing import key_of_path, postpone, refuse_taking_back
from scimsrv.store.queries import load
from scimsrv.store.scope import by_whom, now

_SQL = load("definitions")

#: Times that a change is decided anew because another came between.
_ATTEMPTS: Final = 10

#: From the present definition (None: there is none) to the body that is to define it; None deletes it.
Editor = Callable[[Definition | None], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Defined:
    """What a change came to. `definition` is None after a deletion; `examination` says what it means for stored resources, `rekeyings`
    what of it takes effect later, `jobs` are the numbers of the background work that it left."""

    redefinition: Redefinition
    definition: Definition | None
    version: int
    examination: Examination
    taken: bool
    rekeyings: tuple[Rekeying, ...] = ()
    jobs: tuple[int, ...] = ()


#: Does in the transaction of a change what has to be there if and only if the change is.
Noted = Callable[[Connection, Defined], Awaitable[None]]


async def define(
    pool: Database,
    tenant: int,
    actor: str,
    subject: Subject,
    name: str | None,
    edit: Editor,
    *,
    if_match: IfMatch | None = None,
    dry_run: bool = False,
    limits: Limits = DEFAULT,
    noted: Noted | None = None,
) -> Defined:
    """Create (`name` None), change or delete a definition. With `dry_run` everything is checked and nothing done. `noted` belongs to the
    transaction that takes the change; what changes nothing has none.

    Raises ScimError 404, 412, 400 for a fault of the definition, 409 for what other definitions or stored resources do not permit.
    """
    for _ in range(_ATTEMPTS):
        done = await guarded(lambda: _attempt(pool, tenant, actor, subject, name, edit, if_match, dry_run, limits, noted))
        if done is not None:
            return done
    raise unavailable()


async def _attempt(
    pool: Database,
    tenant: int,
    actor: str,
    subject: Subject,
    name: str | None,
    edit: Editor,
    if_match: IfMatch | None,
    dry_run: bool,
    limits: Limits,
    noted: Noted | None,
) -> Defined | None:
    """The change decided and taken; None when another came between."""
    revision, catalog = await load_catalog(pool, tenant)
    held = catalog.schemas if subject is Subject.SCHEMA else catalog.resource_types
    present = None if name is None else held.get(fold_name(name))
    refuse_taking_back(catalog, subject, present, edit)
    change = await _continued(
        pool, tenant, redefine(catalog, subject, name, None if name is not None and present is None else edit(present))
    )
    if if_match is not None and not if_match.permits(change.version):
        raise ScimError(Kind.PRECONDITION_FAILED, f'{change.name} has the version W/"{change.version}"')
    examined = await examine(pool, tenant, change, limits, counting=dry_run)
    change, examined, rekeyings = postpone(catalog, change, examined)
    if dry_run:
        await _foresee(pool, tenant, change, examined)
        return Defined(change, change.new, change.version, examined, taken=False, rekeyings=rekeyings)
    if change.old is not None and change.new is not None and not change.diff and {*rekeyings} <= {*catalog.rekeyings}:
        return Defined(change, change.old, change.version, examined, taken=False, rekeyings=rekeyings)
    examined.refuse()
    version = change.version + (change.diff != {} or change.old is None)
    done = Defined(change, change.new, version, examined, taken=True, rekeyings=rekeyings)
    jobs = await take(pool, tenant, revision, lambda at: _take(pool, tenant, actor, at, done, limits, noted), announced=change.demands)
    return None if jobs is None else replace(done, jobs=jobs)


async def _continued(conn: Queries, tenant: int, change: Redefinition) -> Redefinition:
    """A creation with the last version of what had its name before: entity tags that clients keep of that stay another's."""
    if change.old is not None:
        return change
    row = await conn.fetchrow(_SQL["last_version"], tenant, change.subject.value, change.name)
    return change if row is None else replace(change, former=row["version"])


async def create_schema(
    pool: Database, tenant: int, actor: str, document: Mapping[str, Any], *, dry_run: bool = False, limits: Limits = DEFAULT
) -> Defined:
    """Define a schema by a Schema document. Raises as `define` does."""
    return await define(pool, tenant, actor, Subject.SCHEMA, None, lambda _: document, dry_run=dry_run, limits=limits)


async def replace_schema(
    pool: Database,
    tenant: int,
    actor: str,
    urn: str,
    document: Mapping[str, Any],
    *,
    if_match: IfMatch | None = None,
    dry_run: bool = False,
    limits: Limits = DEFAULT,
) -> Defined:
    """Define a schema anew. Raises as `define` does."""
    return await define(pool, tenant, actor, Subject.SCHEMA, urn, lambda _: document, if_match=if_match, dry_run=dry_run, limits=limits)


async def delete_schema(
    pool: Database, tenant: int, actor: str, urn: str, *, if_match: IfMatch | None = None, dry_run: bool = False
) -> Defined:
    """Delete a schema that no resource type uses. Raises as `define` does."""
    return await define(pool, tenant, actor, Subject.SCHEMA, urn, lambda _: None, if_match=if_match, dry_run=dry_run)


async def create_resource_type(
    pool: Database, tenant: int, actor: str, document: Mapping[str, Any], *, dry_run: bool = False, limits: Limits = DEFAULT
) -> Defined:
    """Define a resource type by a ResourceType document. Raises as `define` does."""
    return await define(pool, tenant, actor, Subject.RESOURCE_TYPE, None, lambda _: document, dry_run=dry_run, limits=limits)


async def replace_resource_type(
    pool: Database,
    tenant: int,
    actor: str,
    name: str,
    document: Mapping[str, Any],
    *,
    if_match: IfMatch | None = None,
    dry_run: bool = False,
    limits: Limits = DEFAULT,
) -> Defined:
    """Define a resource type anew. Raises as `define` does."""
    subject = Subject.RESOURCE_TYPE
    return await define(pool, tenant, actor, subject, name, lambda _: document, if_match=if_match, dry_run=dry_run, limits=limits)


async def delete_resource_type(
    pool: Database, tenant: int, actor: str, name: str, *, if_match: IfMatch | None = None, dry_run: bool = False
) -> Defined:
    """Delete a resource type without resources. Raises as `define` does."""
    return await define(pool, tenant, actor, Subject.RESOURCE_TYPE, name, lambda _: None, if_match=if_match, dry_run=dry_run)


def report(defined: Defined) -> dict[str, Any]:
    """What a change would mean, for people and programs: each difference with its effect, and how many resources it concerns."""
    examined = defined.examination
    findings = {_about(finding.type, finding.change): finding for finding in examined.findings}
    changes = [
        _shown(type_name, change, findings.get(_about(type_name, change)), hinders=True)
        for type_name, found in defined.redefinition.changes.items()
        for change in found
    ]
    changes += [_shown(finding.type, finding.change, finding, hinders=False) for finding in examined.later]
    return {
        "schemas": [REPORT_URN],
        "subject": defined.redefinition.subject.value,
        "name": defined.redefinition.name,
        "possible": not any(finding.offends for finding in examined.findings),
        "changes": changes,
        "later": [f"{one.attribute}: caseExact" for one in defined.rekeyings],
        "diff": defined.redefinition.diff,
    }


def _about(type_name: str, change: Change) -> tuple[str, str, str]:
    """What tells the differences of one redefinition apart."""
    return type_name, change.path, change.member


def _shown(type_name: str, change: Change, finding: Finding | None, *, hinders: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"resourceType": type_name, "path": change.path, "member": change.member, "effect": change.effect.value}
    shown |= {"old": change.old, "new": change.new}
    if finding is None:
        return shown
    offends = hinders and finding.offends
    shown |= {"offending" if offends else "resources": finding.number, "ids": list(finding.ids)}
    return shown | ({"rule": change.rule} if offends else {})


REPORT_URN: Final = "urn:scimsrv:scim:api:messages:1.0:DefinitionReport"


async def _take(
    pool: Database,
    tenant: int,
    actor: str,
    revision: int,
    done: Defined,
    limits: Limits,
    noted: Noted | None,
) -> tuple[int, ...] | None:
    """Write the change with all that belongs to it; None when the tenant has changed since `revision`."""
    change, examined = done.redefinition, done.examination
    async with pool.acquire() as conn, conn.transaction():
        if await conn.fetchval(_SQL["lock"], tenant, revision) is None:
            return None
        await reexamine(conn, tenant, examined, limits)
        examined.refuse()
        for name in change.before.by_name.keys() - change.after.by_name.keys():
            if await conn.fetchval(_SQL["has_resources"], tenant, name):
                raise ScimError(Kind.CONFLICT, f"{name} has resources, so that it cannot be deleted")
            await conn.execute(_SQL["drop_indexes"], tenant, name)
        if change.diff or change.old is None:
            await _write(conn, tenant, change)
            await keep_marks(conn, tenant, change)
            await _note(conn, tenant, actor, change)
            if _links(change.before, change.after) != _links(change.after, change.before):
                # What the references that are there say is not what the definitions let expect any more.
                await conn.execute(load("resources")["note_unusual_reference"], tenant)
        await conn.execute(_SQL["prune_jobs"], tenant)
        jobs = [await leave_work(conn, tenant, actor, change, name) for name in change.changes]
        jobs += [await _rekey(conn, tenant, actor, change, one) for one in done.rekeyings if one not in change.before.rekeyings]
        if noted is not None:
            await noted(conn, done)
    return tuple(number for number in jobs if number is not None)


async def _foresee(conn: Queries, tenant: int, change: Redefinition, examined: Examination) -> None:
    """Raises ScimError 409 for what `_take` would refuse, but for what was found of resources, which a report shows."""
    if any(finding.offends for finding in examined.findings) or not (change.diff or change.old is None):
        return
    await check_marks(conn, tenant, change)
    for name in change.changes:
        row = await conn.fetchrow(_SQL["open_rework"], tenant, name)
        used = await conn.fetchrow(_SQL["has_resources"], tenant, name)
        if row is not None and used is not None and used["found"]:
            _refuse_premature(change, name, orjson.loads(row["plan"]))


async def _write(conn: Connection, tenant: int, change: Redefinition) -> None:
    key = fold_name(change.name)
    put, drop = ("put_schema", "drop_schema") if change.subject is Subject.SCHEMA else ("put_resource_type", "drop_resource_type")
    if change.new is None:
        await conn.execute(_SQL[drop], tenant, key)
    else:
        await conn.execute(_SQL[put], tenant, key, orjson.dumps(change.new).decode(), change.version)


def _links(catalog: Catalog, other: Catalog) -> set[tuple[str, str, tuple[str, ...]]]:
    """The references of the resource types that both have: the type, the attribute's key, and what it may refer to."""
    types = [type_ for type_ in catalog.types() if type_.name in other.by_name]
    return {(type_.name, link.key, link.attribute.resource_types) for type_ in types for link in type_.referring.values()}


async def _note(conn: Connection, tenant: int, actor: str, change: Redefinition) -> None:
    operation = "create" if change.old is None else "delete" if change.new is None else "update"
    names = sorted({path.split(".")[0] for path in change.diff})
    diff = orjson.dumps(change.diff).decode()
    version = change.version + 1
    await conn.execute(
        _SQL["note"],
        tenant,
        now(),
        by_whom(actor),
        operation,
        change.subject.value,
        change.name,
        version,
        names if operation == "update" else [],
        diff,
    )


async def leave_work(conn: Connection, tenant: int, actor: str, change: Redefinition, name: str) -> int | None:
    """Have the type's resources brought up to the change in the background; the number of the job, None where nothing is to be done."""
    row = await conn.fetchrow(_SQL["open_rework"], tenant, name)
    before: dict[str, list[str]] = {"claims": [], "releases": [], "removed": []} if row is None else orjson.loads(row["plan"])
    used = await conn.fetchval(_SQL["has_resources"], tenant, name)
    if row is not None and used:
        _refuse_premature(change, name, before)
    work = change.work(name)
    if work is None and name not in change.after.by_name and row is None:
        # Whether a server that has not yet heard of the deletion creates a resource in the last moment.
        return await _add_job(conn, tenant, actor, name, before)
    if work is None:
        return None
    gone = {*work.releases, *work.removed}
    after = change.after.by_name[name]
    plan = {
        "claims": sorted(({*before["claims"], *work.claims} - gone) & {place.key for place in after.unique}),
        "releases": sorted({*before["releases"], *work.releases} - {*work.claims}),
        "removed": sorted({*before["removed"], *(work.removed if used else ())}),
    }
    if row is None:
        return await _add_job(conn, tenant, actor, name, plan)
    await conn.execute(_SQL["extend_job"], tenant, row["number"], orjson.dumps(plan).decode(), actor)
    found: int = row["number"]
    return found


async def _add_job(conn: Connection, tenant: int, actor: str, name: str, plan: Mapping[str, Any]) -> int:
    number: int = await conn.fetchval(_SQL["add_job"], tenant, "rework", name, orjson.dumps(plan).decode(), actor, [name])
    return number


async def _rekey(conn: Connection, tenant: int, actor: str, change: Redefinition, one: Rekeying) -> int:
    """Have search documents get another form of an attribute; the number of the job. Its indexes, which have the old keys, are given
    up, and made anew at the end."""
    types = {name: type_ for name, type_ in change.after.by_name.items() if type_.schema(one.urn) is not None}
    keys = {(name, key_of_path(type_, one)) for name, type_ in types.items()}
    indexes = load("indexes")
    held = [row for row in await conn.fetch(indexes["list"], tenant) if (row["type"], row["attribute"]) in keys]
    held = [row for row in held if row["state"] in ("ready", "building")]
    for row in held:
        await conn.execute(indexes["retire"], tenant, row["number"])
    plan = {"attribute": one.attribute, "caseExact": one.case_exact, "old": one.old_form, "new": one.new_form, "ready": False}
    plan |= {"types": list(types), "indexes": [[row["type"], row["attribute"], row["substring"]] for row in held]}
    number: int = await conn.fetchval(_SQL["add_job"], tenant, "rekey", one.urn, orjson.dumps(plan).decode(), actor, list(types))
    return number


def _refuse_premature(change: Redefinition, name: str, pending: Mapping[str, list[str]]) -> None:
    """Raises ScimError 409 for what would meet rows or values of a former change that are still being put away."""
    old, new = change.before.by_name[name], change.after.by_name.get(name)
    if new is None:
        return
    names = [place.name for key in pending["removed"] if (place := new.resolve(key)) is not None and old.resolve(key) is None] + [
        place.name for place in new.unique if place.key in pending["releases"]
    ]
    if names:
        raise ScimError(Kind.CONFLICT, f"{name}: a former change of {', '.join(names)} is still being carried out; try again in a minute")
