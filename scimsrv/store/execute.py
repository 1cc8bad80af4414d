"""From plan to outcome: the only way from the protocol into the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, assert_never

from scimsrv.errors import mutability
from scimsrv.patch.apply import apply
from scimsrv.patch.links import LinkChange, NeedsLinks
from scimsrv.patch.operation import Operation, Root
from scimsrv.protocol.plan import (
    Answer,
    Created,
    Define,
    Defined,
    Done,
    Insert,
    Modify,
    Outcome,
    Overwrite,
    Plan,
    Query,
    Read,
    Remove,
    Shown,
)
from scimsrv.schema.attribute import Mutability
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.project import View
from scimsrv.schema.replacement import replaced
from scimsrv.schema.validate import complete
from scimsrv.store import badging
from scimsrv.store.create import create_one
from scimsrv.store.definitions import define, report
from scimsrv.store.failure import guarded
from scimsrv.store.me import permit, with_unshown
from scimsrv.store.read import HELD, exceeds, fetch, longer, read
from scimsrv.store.remove import remove
from scimsrv.store.scope import Actor, Scope
from scimsrv.store.search import search
from scimsrv.store.tombstones import reprovision
from scimsrv.store.write import Edit, Written, change, insert

#: A PATCH whose result shows more references than this is answered without a body (decision 57).
SHOWN_AFTER_PATCH: Final = 100


async def execute(scope: Scope, plan: Plan) -> Outcome:
    """Carry out the plan for the scope's tenant. Raises ScimError for every failure that is not a bug."""
    match plan:
        case Read():
            return await guarded(lambda: read(scope, plan))
        case Query():
            return await search(scope, plan)
        case Insert():
            return await guarded(lambda: _insert(scope, plan))
        case Overwrite():
            return await guarded(lambda: _overwrite(scope, plan))
        case Modify():
            return await guarded(lambda: _modify(scope, plan))
        case Remove():
            if await guarded(lambda: remove(scope, plan)):
                scope.wake()
            return Done()
        case Define():
            return await _define(scope, plan)
        case Answer():
            return plan
    assert_never(plan)


async def write(scope: Scope, plan: Insert | Overwrite | Modify | Remove) -> Written | None:
    """Carry out a plan without reading back what became of the resource; None when it is deleted. Raises ScimError as `execute`."""
    match plan:
        case Insert():
            return await guarded(lambda: _inserted(scope, plan))
        case Overwrite():
            return await guarded(lambda: _overwritten(scope, plan, 1))
        case Modify():
            return await guarded(lambda: _modified(scope, plan, 1))
        case Remove():
            if await guarded(lambda: remove(scope, plan)):
                scope.wake()
            return None
    assert_never(plan)


async def outcome_of(scope: Scope, plan: Overwrite | Modify, version: str) -> Outcome:
    """What a write that is done, and made the resource of this entity tag, is answered. Raises ScimError 404 when it is gone by now."""
    if isinstance(plan, Modify) and not await guarded(lambda: _has_body(scope, plan)):
        return Done(int(version.removeprefix('W/"').removesuffix('"')))
    return await execute(scope, Read(plan.schema, plan.id, plan.view))


async def _define(scope: Scope, plan: Define) -> Outcome:
    done = await define(
        *(scope.pool, scope.tenant, Actor(scope.actor, scope.origin), plan.subject, plan.name, plan.edit),
        if_match=plan.if_match,
        dry_run=plan.dry_run,
        limits=scope.limits,
    )
    if plan.dry_run:
        return Answer(report(done))
    if done.definition is None:
        return Done()
    return Defined(plan.subject, done.definition, done.version, created=plan.name is None, pending=bool(done.rekeyings))


async def _inserted(scope: Scope, plan: Insert) -> Written:
    return await (create_one if badging.concerns(scope, plan.schema) else insert)(scope, plan)


async def _insert(scope: Scope, plan: Insert) -> Outcome:
    written = await reprovision(scope, plan) or await _inserted(scope, plan)
    return Created((await _shown(scope, plan.schema, written, plan.view, HELD + 1)).stored, plan.view)


async def _overwrite(scope: Scope, plan: Overwrite) -> Outcome:
    written = await _overwritten(scope, plan, HELD + 1)
    return await _shown(scope, plan.schema, written, plan.view, HELD + 1)


async def _overwritten(scope: Scope, plan: Overwrite, most: int) -> Written:
    """The write of a PUT; the resource is known with at most `most` elements of each link."""
    schema, draft, policy = plan.schema, plan.draft, scope.catalog.policy

    def edit(stored: Document, rows: Mapping[str, list[dict[str, Any]]] | None) -> Edit:
        made: set[Coercion] = set(draft.coercions)
        document = replaced(draft.document, dict(plan.body), stored, schema, policy, made)
        document = with_unshown(document, stored, schema, plan.permitted)
        links = {}
        for key, place in schema.writable_links.items():
            sent = draft.links.get(key)
            if place.attribute.mutability is Mutability.IMMUTABLE:
                if sent is not None and not _first_or_same(place, sent, rows):
                    raise mutability(f"{place.name} is immutable and has other values")
                links[key] = LinkChange(cleared=False, added=sent or (), removed=())
            elif sent is not None or not policy.put_keeps_omitted_members:
                links[key] = LinkChange(cleared=True, added=sent or (), removed=())
            else:
                made.add(Coercion.KEPT_OMITTED_MEMBERS)
        edited = Edit(complete(document, schema, scope.limits), links, draft.secrets, frozenset(made))
        return permit(edited, stored, schema, plan.permitted, rows, replaces=True)

    return await change(scope, schema, plan.id, plan.if_match, edit, links=bool(schema.links), view=plan.view, most=most)


def _first_or_same(place: Resolved, sent: tuple[str, ...], rows: Mapping[str, list[dict[str, Any]]] | None) -> bool:
    """Whether an immutable link may be set to these ids. Raises NeedsLinks until its rows are known."""
    if rows is None:
        raise NeedsLinks(place)
    held = {row["value"] for row in rows[place.key]}
    return not held or held == set(sent)


async def _modify(scope: Scope, plan: Modify) -> Outcome:
    schema, policy = plan.schema, scope.catalog.policy
    always = plan.body_wanted or policy.patch_body == "always"
    most = (HELD if always else SHOWN_AFTER_PATCH) + 1
    written = await _modified(scope, plan, most)
    if not await _has_body(scope, plan):
        return Done(written.version)
    return await _shown(scope, schema, written, plan.view, most)


async def _has_body(scope: Scope, plan: Modify) -> bool:
    """Whether the answer to a PATCH shows the resource: as the policy says, and unless it is big where that decides."""
    wanted = scope.catalog.policy.patch_body
    if plan.body_wanted or wanted == "always":
        return True
    return wanted != "never" and not await exceeds(scope, plan.id, plan.view, SHOWN_AFTER_PATCH)


async def _modified(scope: Scope, plan: Modify, most: int) -> Written:
    """The write of a PATCH; the resource is known with at most `most` elements of each link."""
    schema, policy = plan.schema, scope.catalog.policy

    def edit(stored: Document, rows: Mapping[str, list[dict[str, Any]]] | None) -> Edit:
        made = apply(plan.operations, stored, schema, policy, scope.limits, rows)
        edited = Edit(made.document, made.links, made.secrets, plan.coercions | made.coercions)
        return permit(edited, stored, schema, plan.permitted, rows)

    links = _touches_links(plan.operations, schema)
    return await change(scope, schema, plan.id, plan.if_match, edit, links=links, view=plan.view, most=most)


async def _shown(scope: Scope, schema: EffectiveSchema, written: Written, view: View, most: int) -> Shown:
    """The resource as it is after the write, in the form of a GET: read again only where the write does not know all of it."""
    stored = written.stored
    if stored is None and most <= HELD:
        stored = await fetch(scope, scope.pool, schema, written.id, view, most)
    if stored is None or longer(stored, most - 1):
        return await read(scope, Read(schema, written.id, view))
    return Shown(stored, view)


def _touches_links(operations: Iterable[Operation], schema: EffectiveSchema) -> bool:
    """Whether the operations may change link rows: they name a link, or take away an extension that has one."""
    in_extension = any(link.extension for link in schema.links)
    return any(
        _touches_links(operation.value, schema)
        if isinstance(operation.target, Root)
        else operation.target.place.attribute.is_link or (in_extension and operation.target.place.attribute.key == "schemas")
        for operation in operations
    )
