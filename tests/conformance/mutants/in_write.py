"""Mistakes in create and replace, in versions and times."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace as changed
from typing import Any

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol import planning
from scimsrv.protocol.plan import Done, Overwrite
from scimsrv.schema import replacement
from scimsrv.store import execute as execute_module
from scimsrv.store import rendition, write
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, instead, one, replace, sql


@mutant
def create_stores_nothing() -> None:
    """A create is answered with 201 and forgotten."""
    original = execute_module._insert

    async def insert(scope: Any, plan: Any) -> Any:
        created: Any = await original(scope, plan)
        await scope.pool.execute("DELETE FROM resource WHERE tenant = $1 AND id = $2", scope.tenant, created.stored.id)
        return created

    everywhere(original, insert)


@mutant
def create_echoes_the_body() -> None:
    """The answer to a create is what the client sent."""
    from scimsrv.protocol.plan import Created
    from tests.conformance.mutants.tools import answer

    sent: ContextVar[Any] = ContextVar("sent")
    original = planning.insert

    def insert(body: Any, *rest: Any) -> Any:
        sent.set(body)
        return original(body, *rest)

    everywhere(original, insert)

    def edit(outcome: Any, reply: Any) -> Any:
        if not isinstance(outcome, Created) or not isinstance(reply.body, bytes):
            return reply
        return changed(reply, body=orjson.dumps(orjson.loads(reply.body) | sent.get()))

    answer(edit)


@mutant
def second_create_returns_the_first() -> None:
    """A create whose userName is taken overwrites the first user."""
    original = write.insert

    async def insert(scope: Any, plan: Any) -> Any:
        try:
            return await original(scope, plan)
        except ScimError as error:
            if error.kind is not Kind.UNIQUENESS:
                raise
            for name, key in rendition.unique_keys(plan.draft.document, plan.schema):
                id_ = await one(scope.pool,
                    "SELECT id FROM unique_key WHERE tenant = $1 AND type = $2 AND attribute = $3 AND key = $4",
                    scope.tenant, plan.schema.name, name, key,
                )  # fmt: skip
                if id_:
                    return write.Written(id_, 1)
            raise

    everywhere(original, insert)


@mutant
def put_stores_nothing() -> None:
    """PUT is answered with 200 and changes nothing."""
    everywhere(replacement.replaced, lambda sent, body, stored, schema, policy, *noted: stored)


@mutant
def put_merges() -> None:
    """PUT keeps what it does not name."""
    original = replacement.replaced
    everywhere(
        original,
        lambda sent, body, stored, schema, policy, *noted: original(
            {name: value for name, value in stored.items() if name not in body} | sent, body, stored, schema, policy, *noted
        ),
    )


@mutant
def put_creates() -> None:
    """PUT on an id that does not exist creates a resource."""
    original = execute_module._overwrite

    async def overwrite(scope: Any, plan: Overwrite) -> Any:
        try:
            return await original(scope, plan)
        except ScimError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            from scimsrv.protocol.plan import Insert

            return await execute_module._insert(scope, Insert(plan.schema, plan.draft, plan.view))

    everywhere(original, overwrite)


@mutant
def put_answers_without_body() -> None:
    """PUT is answered with 204."""
    original = execute_module._overwrite

    async def overwrite(scope: Any, plan: Overwrite) -> Any:
        await original(scope, plan)
        return Done()

    everywhere(original, overwrite)


@mutant
def put_clears_active() -> None:
    """A PUT without active makes the user active again."""
    original = replacement.replaced
    everywhere(
        original,
        lambda sent, body, stored, schema, policy, *noted: original(
            sent, body, stored, schema, changed(policy, put_keeps_omitted_active=False), *noted
        ),
    )


@mutant
def put_keeps_members() -> None:
    """A PUT of a group never takes members away."""
    from scimsrv.patch.links import LinkChange

    instead(execute_module, "LinkChange", lambda cleared, added, removed: LinkChange(False, added, removed))


@mutant
def put_clears_extensions_never() -> None:
    """A PUT keeps extensions that it leaves out."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any, *noted: Any) -> Any:
        kept = {name: value for name, value in stored.items() if ":" in name and name not in sent}
        return original(sent | kept, body, stored, schema, policy, *noted)

    everywhere(original, replaced)


@mutant
def put_forgets_read_only() -> None:
    """PUT takes read-only attributes away."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any, *noted: Any) -> Any:
        made = original(sent, body, stored, schema, policy, *noted)
        return {name: value for name, value in made.items() if name != "id"}

    everywhere(original, replaced)


@mutant
def put_ignores_immutable_changes() -> None:
    """PUT silently keeps an immutable value that the body changes."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any, *noted: Any) -> Any:
        try:
            return original(sent, body, stored, schema, policy, *noted)
        except ScimError:
            return stored

    everywhere(original, replaced)


@mutant
def put_refuses_missing_immutable() -> None:
    """PUT clears an immutable value that the body leaves out."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any, *noted: Any) -> Any:
        made = original(sent, body, stored, schema, policy, *noted)
        return {name: {key: part for key, part in value.items() if key != "serial" or key in sent.get(name, {})} if ":" in name else value
                for name, value in made.items()}  # fmt: skip

    everywhere(original, replaced)


@mutant
def put_compares_the_id() -> None:
    """A PUT whose body has another id than the URL is refused."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any, *noted: Any) -> Any:
        if body.get("id", stored.get("id")) != stored.get("id"):
            raise ScimError(Kind.MUTABILITY)
        return original(sent, body, stored, schema, policy, *noted)

    everywhere(original, replaced)


@mutant
def put_refuses_what_get_shows() -> None:
    """A PUT with meta or groups in its body is refused."""
    original = planning.overwrite

    def overwrite(body: Any, *rest: Any) -> Any:
        if "meta" in body or "groups" in body:
            raise ScimError(Kind.MUTABILITY)
        return original(body, *rest)

    everywhere(original, overwrite)


@mutant
def writes_without_change_raise_the_version() -> None:
    """A write that changes nothing raises the version."""

    def made(original: Any) -> Any:
        async def store(scope: Any, conn: Any, schema: Any, current: Any, edit: Any, touched: Any) -> Any:
            return await original(scope, conn, schema, current, edit, touched or ["schemas"])

        return store

    replace(write, "_store", made)


@mutant
def version_is_not_raised() -> None:
    """A write does not raise the version."""
    sql(write, "update_resource", "SET version = version + 1,", "SET version = version,")


@mutant
def version_is_not_raised_by_members() -> None:
    """Adding or removing members does not raise the version."""
    sql(write, "touch_resource", "SET version = version + 1,", "SET version = version,")


@mutant
def last_modified_is_not_raised() -> None:
    """A write does not change lastModified."""
    sql(write, "update_resource", "modified = greatest(modified, $5)", "modified = coalesce(modified, $5)")


@mutant
def created_is_rewritten() -> None:
    """A write changes the creation time."""
    sql(write, "update_resource", "modified = greatest(modified, $5)", "modified = $5, created = $5")


@mutant
def last_modified_is_a_day_old() -> None:
    """Times are a day behind."""
    from datetime import timedelta

    from scimsrv.store import scope

    original = scope.now
    everywhere(original, lambda: original() - timedelta(days=1))


@mutant
def new_resources_are_modified_later() -> None:
    """lastModified of a new resource differs from its creation."""
    sql(
        write,
        "insert_resource",
        "1, $4::timestamptz, $4::timestamptz,",
        "1, $4::timestamptz, $4::timestamptz + interval '5 seconds',",
    )
