"""Mistakes in members and managers."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Done
from scimsrv.store import execute as execute_module
from scimsrv.store import links, pointers
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, sql

# -- groups ----------------------------------------------------------------------------------------------------------------


@mutant
def members_need_not_exist() -> None:
    """A member that does not exist is ignored."""
    original = links._check_targets

    async def check(scope: Any, conn: Any, source: str, place: Any, ids: Any) -> set[str]:
        return set()

    everywhere(original, check)


@mutant
def members_of_unknown_ids_are_500() -> None:
    """A member that does not exist makes the server fail."""
    original = links._check_targets

    async def check(scope: Any, conn: Any, source: str, place: Any, ids: Any) -> Any:
        try:
            return await original(scope, conn, source, place, ids)
        except ScimError as error:
            raise RuntimeError(str(error)) from None

    everywhere(original, check)


@mutant
def groups_may_hold_themselves() -> None:
    """A group may be a member of itself."""
    original = links._check_targets

    async def check(scope: Any, conn: Any, source: str, place: Any, ids: Any) -> Any:
        return await original(scope, conn, source, place, [id_ for id_ in ids if id_ != source])

    everywhere(original, check)


@mutant
def groups_hold_users_only() -> None:
    """A group cannot be a member of a group."""
    from scimsrv.errors import invalid_value

    original = links._check_targets

    async def check(scope: Any, conn: Any, source: str, place: Any, ids: Any) -> Any:
        found = await original(scope, conn, source, place, ids)
        if ids and await conn.fetchval(
            "SELECT 1 FROM resource WHERE tenant = $1 AND id = ANY($2::text[]) AND type = 'Group'", scope.tenant, list(ids)
        ):
            raise invalid_value("members must be users")
        return found

    everywhere(original, check)


@mutant
def one_member_at_a_time() -> None:
    """Of several members that are added only the first is."""
    original = links.change_links

    async def change_links(scope: Any, conn: Any, schema: Any, source: str, place: Any, change: Any) -> Any:
        return await original(scope, conn, schema, source, place, changed(change, added=change.added[:1]))

    everywhere(original, change_links)


@mutant
def removed_members_stay() -> None:
    """Members cannot be removed."""
    sql(links, "remove_links", "AND attribute = $3", "AND attribute = $3 AND false")
    sql(links, "keep_links", "AND ref.attribute = $3", "AND ref.attribute = $3 AND false")


@mutant
def removing_one_member_removes_all() -> None:
    """Removing one member removes all of them."""
    sql(links, "remove_links", "AND target = ANY ($4::text[])", "AND cardinality($4::text[]) > 0")


@mutant
def replacing_members_adds() -> None:
    """Replacing members keeps the old ones."""
    sql(links, "keep_links", "AND ref.attribute = $3", "AND ref.attribute = $3 AND false")


@mutant
def adding_a_member_replaces() -> None:
    """Adding a member removes the others."""
    original = links.change_links

    async def change_links(scope: Any, conn: Any, schema: Any, source: str, place: Any, change: Any) -> Any:
        return await original(scope, conn, schema, source, place, changed(change, cleared=bool(change.added) or change.cleared, removed=()))

    everywhere(original, change_links)


@mutant
def adding_a_member_twice_is_refused() -> None:
    """Adding a member that is there is an error."""
    sql(links, "add_links", "ON CONFLICT (tenant, source, attribute, target) DO NOTHING", "")


@mutant
def removing_a_stranger_is_refused() -> None:
    """Removing a member that is not there is an error."""
    original = links.change_links

    async def change_links(scope: Any, conn: Any, schema: Any, source: str, place: Any, change: Any) -> Any:
        touched = await original(scope, conn, schema, source, place, change)
        if change.removed and not change.added and not touched:
            raise ScimError(Kind.NO_TARGET)
        return touched

    everywhere(original, change_links)


@mutant
def managers_have_no_ref() -> None:
    """The $ref of a manager is what the client sent."""

    async def as_sent(scope: Any, conn: Any, schema: Any, before: Any, document: Any) -> Any:
        return document

    everywhere(pointers.with_refs, as_sent)


@mutant
def managers_must_exist() -> None:
    """A manager that does not exist is refused."""
    original = pointers.with_refs

    async def strict(scope: Any, conn: Any, schema: Any, before: Any, document: Any) -> Any:
        policy = changed(scope.catalog.policy, require_pointer_targets=True)
        return await original(changed(scope, catalog=changed(scope.catalog, policy=policy)), conn, schema, before, document)

    everywhere(original, strict)


@mutant
def large_groups_are_cut() -> None:
    """A group shows at most ten members."""
    from tests.conformance.mutants.tools import shown

    shown(lambda document: document | {"members": document["members"][:10]} if "members" in document else None)


@mutant
def every_patch_is_answered_without_body() -> None:
    """Every PATCH is answered with 204, whatever attributes ask for."""
    original = execute_module._modify

    async def modify(scope: Any, plan: Any) -> Any:
        await original(scope, plan)
        return Done()

    everywhere(original, modify)
