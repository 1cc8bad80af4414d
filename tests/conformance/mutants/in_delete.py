"""Mistakes in deleting, and in finding resources by id."""

from __future__ import annotations

from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Done
from scimsrv.store import referring, remove, search, write
from scimsrv.store.read import not_found
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, one, replace, sql

# -- delete ----------------------------------------------------------------------------------------------------------------


@mutant
def delete_keeps() -> None:
    """DELETE is answered with 204 and deletes nothing."""

    async def nothing(scope: Any, plan: Any) -> None:
        found = await one(
            scope.pool, "SELECT version FROM resource WHERE tenant = $1 AND id = $2 AND type = $3", scope.tenant, plan.id, plan.schema.name
        )
        if found is None:
            raise not_found(plan.schema, plan.id)
        if plan.if_match is not None and not plan.if_match.permits(found):
            raise ScimError(Kind.PRECONDITION_FAILED)

    everywhere(remove.remove, nothing)


@mutant
def delete_hides_from_lists_only() -> None:
    """A deleted resource can still be read by its id."""
    sql(
        remove,
        "delete_resource",
        "DELETE FROM resource WHERE tenant = $1 AND id = $2",
        "UPDATE resource SET display = 'deleted' WHERE tenant = $1 AND id = $2",
    )
    replace(
        search,
        "_target",
        lambda original: lambda scope, target, args: f"({original(scope, target, args)} AND r.display IS DISTINCT FROM 'deleted')",
    )


@mutant
def delete_leaves_it_in_lists() -> None:
    """A deleted resource is still listed."""
    from scimsrv.store import read as read_module

    sql(
        remove,
        "delete_resource",
        "DELETE FROM resource WHERE tenant = $1 AND id = $2",
        "UPDATE resource SET display = 'deleted' WHERE tenant = $1 AND id = $2",
    )
    original = read_module._statement

    def statement(*args: Any) -> Any:
        text, arguments = original(*args)
        return text + " AND r.display IS DISTINCT FROM 'deleted'", arguments

    everywhere(original, statement)
    sql(remove, "lock_for_deletion", "AND type = $3", "AND type = $3 AND display IS DISTINCT FROM 'deleted'")
    sql(write, "lock_document", "AND type = $3", "AND type = $3 AND display IS DISTINCT FROM 'deleted'")


@mutant
def delete_keeps_unique_values() -> None:
    """A deleted user's userName stays taken."""
    sql(
        remove,
        "delete_resource",
        "DELETE FROM unique_key WHERE tenant = $1 AND id = $2",
        "DELETE FROM unique_key WHERE tenant = $1 AND id = $2 AND false",
    )


@mutant
def delete_keeps_memberships() -> None:
    """A deleted user stays a member of groups."""
    from scimsrv.store import rows

    sql(remove, "delete_resource", "AND target = $2 AND source <> $2", "AND target = $2 AND source <> $2 AND false")
    original = rows.links_column

    def links_column(*args: Any, **more: Any) -> str:
        text = original(*args, **more).replace(" JOIN resource t ON", " LEFT JOIN resource t ON")
        return text.replace("ref.target, t.type,", "ref.target, coalesce(t.type, 'User') AS type,")

    everywhere(original, links_column)


@mutant
def delete_keeps_managers() -> None:
    """A deleted user stays the manager of others."""

    async def nothing(*args: Any) -> bool:
        return False

    everywhere(referring.clear_pointers, nothing)


@mutant
def delete_does_not_touch_groups() -> None:
    """The versions of a deleted user's groups stay as they are."""
    sql(remove, "delete_resource", "UPDATE resource SET version = version + 1,", "UPDATE resource SET version = version,")


@mutant
def delete_answers_with_the_resource() -> None:
    """DELETE is answered with 200 and a body."""
    from scimsrv.protocol.response import Reply
    from tests.conformance.mutants.tools import answer

    answer(lambda outcome, reply: Reply(200, b"{}") if isinstance(outcome, Done) and outcome.version is None else reply)


@mutant
def delete_twice_is_fine() -> None:
    """A second DELETE is answered with 204."""
    original = remove.remove

    async def lax(scope: Any, plan: Any) -> None:
        try:
            await original(scope, plan)
        except ScimError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise

    everywhere(original, lax)


@mutant
def delete_of_another_type() -> None:
    """A group can be deleted at the endpoint of users."""
    sql(remove, "lock_for_deletion", "AND type = $3", "AND $3::text IS NOT NULL")


@mutant
def reads_of_another_type() -> None:
    """A group can be read at the endpoint of users."""
    from scimsrv.store import read as read_module

    original = read_module._statement

    def statement(*args: Any, **options: Any) -> Any:
        text, arguments = original(*args, **options)
        return text.replace("AND r.type = $3", "AND $3::text IS NOT NULL"), arguments

    everywhere(original, statement)


@mutant
def ids_are_found_by_other_names() -> None:
    """A user can be read by userName."""
    from scimsrv.store import read as read_module

    original = read_module._statement

    def statement(*args: Any) -> Any:
        text, arguments = original(*args)
        return text.replace("r.id = $2", "(r.id = $2 OR r.search ->> 'username' = $2)"), arguments

    everywhere(original, statement)


@mutant
def deleted_ids_come_back() -> None:
    """A namesake of a deleted user gets its id and password."""
    names: dict[str, str] = {}
    original = write.insert

    async def insert(scope: Any, plan: Any) -> Any:
        written = await original(scope, plan)
        name = str(plan.draft.document.get("userName"))
        kept = names.setdefault(name, written.id)
        if kept != written.id and not await one(scope.pool, "SELECT 1 FROM resource WHERE tenant = $1 AND id = $2", scope.tenant, kept):
            for table in ("resource", "unique_key", "secret"):
                await scope.pool.execute(f"UPDATE {table} SET id = $3 WHERE tenant = $1 AND id = $2", scope.tenant, written.id, kept)
            return write.Written(kept, 1)
        return written

    everywhere(original, insert)
