"""Mistakes in create, replace and delete, in preconditions, versions and races."""

from __future__ import annotations

import asyncio
from dataclasses import replace as changed
from typing import Any

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol import planning, request
from scimsrv.protocol.plan import Done, IfMatch, Overwrite
from scimsrv.schema import replacement
from scimsrv.store import execute as execute_module
from scimsrv.store import failure, links, pointers, remove, search, write
from scimsrv.store.execute import SHOWN_AFTER_PATCH
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace, sql


@mutant
def create_stores_nothing() -> None:
    """A create is answered with 201 and stored under another id."""
    original = write.insert

    async def insert(scope: Any, plan: Any) -> Any:
        written = await original(scope, plan)
        asyncio.get_running_loop().call_later(
            0.01, lambda: asyncio.ensure_future(scope.pool.execute("DELETE FROM resource WHERE tenant = $1 AND id = $2", scope.tenant, written.id))
        )
        return written

    everywhere(original, insert)


@mutant
def create_echoes_the_body() -> None:
    """The answer to a create is what the client sent."""
    from scimsrv.protocol.plan import Created
    from tests.conformance.mutants.tools import answer

    bodies: list[Any] = []
    original = planning.insert

    def insert(body: Any, *rest: Any) -> Any:
        bodies[:] = [body]
        return original(body, *rest)

    everywhere(original, insert)
    planning.insert = insert

    def edit(outcome: Any, reply: Any) -> Any:
        if not isinstance(outcome, Created) or not isinstance(reply.body, bytes) or not bodies:
            return reply
        return changed(reply, body=orjson.dumps(orjson.loads(reply.body) | bodies[0]))

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
            for name, key in write._unique_keys(plan.draft.document, plan.schema):
                id_ = await scope.pool.fetchval(
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
    everywhere(replacement.replaced, lambda sent, body, stored, schema, policy: stored)


@mutant
def put_merges() -> None:
    """PUT keeps what it does not name."""
    original = replacement.replaced
    everywhere(
        original,
        lambda sent, body, stored, schema, policy: original(
            {name: value for name, value in stored.items() if name not in body} | sent, body, stored, schema, policy
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
def put_changes_the_id() -> None:
    """PUT answers with no body."""
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
        lambda sent, body, stored, schema, policy: original(sent, body, stored, schema, changed(policy, put_keeps_omitted_active=False)),
    )


@mutant
def put_keeps_members() -> None:
    """A PUT of a group never takes members away."""
    replace(
        planning,
        "overwrite",
        lambda original: lambda body, *rest: original(body, *rest),
    )
    from scimsrv.patch.links import LinkChange

    everywhere(LinkChange, lambda cleared, added, removed: LinkChange(False, added, removed))


@mutant
def put_clears_extensions_never() -> None:
    """A PUT keeps extensions that it leaves out."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any) -> Any:
        kept = {name: value for name, value in stored.items() if ":" in name and name not in sent}
        return original(sent | kept, body, stored, schema, policy)

    everywhere(original, replaced)


@mutant
def put_forgets_read_only() -> None:
    """PUT takes read-only attributes away."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any) -> Any:
        made = original(sent, body, stored, schema, policy)
        return {name: value for name, value in made.items() if name != "id"}

    everywhere(original, replaced)


@mutant
def put_ignores_immutable_changes() -> None:
    """PUT silently keeps an immutable value that the body changes."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any) -> Any:
        try:
            return original(sent, body, stored, schema, policy)
        except ScimError:
            return stored

    everywhere(original, replaced)


@mutant
def put_refuses_missing_immutable() -> None:
    """PUT clears an immutable value that the body leaves out."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any) -> Any:
        made = original(sent, body, stored, schema, policy)
        return {name: {key: part for key, part in value.items() if key != "serial" or key in sent.get(name, {})} if ":" in name else value
                for name, value in made.items()}  # fmt: skip

    everywhere(original, replaced)


@mutant
def put_compares_the_id() -> None:
    """A PUT whose body has another id than the URL is refused."""
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any) -> Any:
        if body.get("id", stored.get("id")) != stored.get("id"):
            raise ScimError(Kind.MUTABILITY)
        return original(sent, body, stored, schema, policy)

    everywhere(original, replaced)


@mutant
def put_refuses_what_get_shows() -> None:
    """A PUT with meta or groups in its body is refused."""
    original = planning.overwrite

    def overwrite(body: Any, *rest: Any) -> Any:
        if "meta" in body or "groups" in body:
            raise ScimError(Kind.MUTABILITY)
        return original(body, *rest)

    planning.overwrite = overwrite


@mutant
def writes_without_change_raise_the_version() -> None:
    """A write that changes nothing raises the version."""

    def made(original: Any) -> Any:
        async def store(scope: Any, conn: Any, schema: Any, current: Any, made_: Any, *, linked: bool, touched: Any = None) -> Any:
            return await original(scope, conn, schema, current, made_, linked=True, touched=touched)

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
    sql(write, "insert_resource", "VALUES ($1, $2, $3, 1, $4, $4,", "VALUES ($1, $2, $3, 1, $4, $4 + interval '5 seconds',")


# -- preconditions ---------------------------------------------------------------------------------------------------------


@mutant
def if_match_is_ignored() -> None:
    """If-Match changes nothing."""
    everywhere(request.if_match, lambda header: None)


@mutant
def if_match_is_ignored_by_delete() -> None:
    """DELETE does not look at If-Match."""
    original = remove.remove

    async def without(scope: Any, plan: Any) -> None:
        await original(scope, changed(plan, if_match=None))

    everywhere(original, without)


@mutant
def if_match_is_ignored_by_patch() -> None:
    """PATCH does not look at If-Match."""
    replace(planning, "modify", lambda original: lambda *args: changed(original(*args), if_match=None))


@mutant
def if_match_is_ignored_by_put() -> None:
    """PUT does not look at If-Match."""
    replace(planning, "overwrite", lambda original: lambda *args: changed(original(*args), if_match=None))


@mutant
def if_match_takes_one_tag() -> None:
    """Of a list in If-Match only the first tag counts."""
    original = request.if_match
    everywhere(original, lambda header: original(header.split(",")[0] if header else header))


@mutant
def if_match_knows_no_star() -> None:
    """`*` in If-Match matches nothing."""
    original = request.if_match

    def if_match(header: Any) -> Any:
        return IfMatch(any=False) if header is not None and header.strip() == "*" else original(header)

    everywhere(original, if_match)


@mutant
def if_match_never_matches() -> None:
    """No If-Match is fulfilled."""
    replace(IfMatch, "permits", lambda _: lambda self, version: False)


@mutant
def if_match_takes_older_versions() -> None:
    """If-Match is fulfilled by an older version."""
    replace(IfMatch, "permits", lambda _: lambda self, version: self.any or any(known <= version for known in self.versions))


@mutant
def if_match_star_creates() -> None:
    """If-Match on what does not exist is answered with 412."""
    original = write._checked

    def checked(row: Any, schema: Any, id_: str, if_match: Any) -> Any:
        if row is None and if_match is not None:
            raise ScimError(Kind.PRECONDITION_FAILED)
        return original(row, schema, id_, if_match)

    everywhere(original, checked)


@mutant
def if_match_must_be_weak() -> None:
    """A strong tag in If-Match matches nothing."""
    original = request.if_match
    everywhere(original, lambda header: IfMatch(any=False) if header is not None and header.startswith('"') else original(header))


@mutant
def if_match_is_needed() -> None:
    """A write without If-Match is refused."""
    original = request.if_match

    def if_match(header: Any) -> Any:
        if header is None:
            raise ScimError(Kind.PRECONDITION_REQUIRED)
        return original(header)

    everywhere(original, if_match)


# -- delete ----------------------------------------------------------------------------------------------------------------


@mutant
def delete_keeps() -> None:
    """DELETE is answered with 204 and deletes nothing."""

    async def nothing(scope: Any, plan: Any) -> None:
        found = await scope.pool.fetchval(
            "SELECT version FROM resource WHERE tenant = $1 AND id = $2 AND type = $3", scope.tenant, plan.id, plan.schema.name
        )
        if found is None:
            raise remove.not_found(plan.schema, plan.id)
        if plan.if_match is not None and not plan.if_match.permits(found):
            raise ScimError(Kind.PRECONDITION_FAILED)

    everywhere(remove.remove, nothing)


@mutant
def delete_hides_from_lists_only() -> None:
    """A deleted resource can still be read by its id."""
    sql(remove, "delete_resource", "DELETE FROM resource WHERE tenant = $1 AND id = $2", "UPDATE resource SET display = 'deleted' WHERE tenant = $1 AND id = $2")
    replace(
        search, "_target", lambda original: lambda scope, target, args: f"({original(scope, target, args)} AND r.display IS DISTINCT FROM 'deleted')"
    )


@mutant
def delete_leaves_it_in_lists() -> None:
    """A deleted resource is still listed."""
    from scimsrv.store import read as read_module

    sql(remove, "delete_resource", "DELETE FROM resource WHERE tenant = $1 AND id = $2", "UPDATE resource SET display = 'deleted' WHERE tenant = $1 AND id = $2")
    original = read_module._statement

    def statement(*args: Any) -> Any:
        text, arguments = original(*args)
        return text + " AND r.display IS DISTINCT FROM 'deleted'", arguments

    everywhere(original, statement)
    sql(remove, "lock_for_deletion", "AND type = $3", "AND type = $3 AND display IS DISTINCT FROM 'deleted'")
    for name in ("read_document", "lock_document"):
        sql(write, name, "AND type = $3", "AND type = $3 AND display IS DISTINCT FROM 'deleted'")


@mutant
def delete_keeps_unique_values() -> None:
    """A deleted user's userName stays taken."""
    sql(remove, "delete_resource", "DELETE FROM unique_key WHERE tenant = $1 AND id = $2", "DELETE FROM unique_key WHERE tenant = $1 AND id = $2 AND false")


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

    async def nothing(*args: Any) -> None:
        return None

    everywhere(pointers.clear_pointers, nothing)


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

    def statement(*args: Any) -> Any:
        text, arguments = original(*args)
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
        if kept != written.id and not await scope.pool.fetchval("SELECT 1 FROM resource WHERE tenant = $1 AND id = $2", scope.tenant, kept):
            for table in ("resource", "unique_key", "secret"):
                await scope.pool.execute(f"UPDATE {table} SET id = $3 WHERE tenant = $1 AND id = $2", scope.tenant, written.id, kept)
            return write.Written(kept, 1)
        return written

    everywhere(original, insert)


# -- groups ----------------------------------------------------------------------------------------------------------------


@mutant
def members_need_not_exist() -> None:
    """A member that does not exist is ignored."""
    original = links._check_targets

    async def check(scope: Any, conn: Any, source: str, place: Any, ids: Any) -> None:
        return None

    everywhere(original, check)


@mutant
def members_of_unknown_ids_are_500() -> None:
    """A member that does not exist makes the server fail."""
    original = links._check_targets

    async def check(scope: Any, conn: Any, source: str, place: Any, ids: Any) -> None:
        try:
            await original(scope, conn, source, place, ids)
        except ScimError as error:
            raise RuntimeError(str(error)) from None

    everywhere(original, check)


@mutant
def groups_may_hold_themselves() -> None:
    """A group may be a member of itself."""
    original = links._check_targets

    async def check(scope: Any, conn: Any, source: str, place: Any, ids: Any) -> None:
        await original(scope, conn, source, place, [id_ for id_ in ids if id_ != source])

    everywhere(original, check)


@mutant
def groups_hold_users_only() -> None:
    """A group cannot be a member of a group."""
    from scimsrv.errors import invalid_value

    original = links._check_targets

    async def check(scope: Any, conn: Any, source: str, place: Any, ids: Any) -> None:
        await original(scope, conn, source, place, ids)
        if ids and await conn.fetchval("SELECT 1 FROM resource WHERE tenant = $1 AND id = ANY($2::text[]) AND type = 'Group'", scope.tenant, list(ids)):
            raise invalid_value("members must be users")

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

    async def as_sent(scope: Any, conn: Any, schema: Any, document: Any) -> Any:
        return document

    everywhere(pointers.with_refs, as_sent)


@mutant
def managers_must_exist() -> None:
    """A manager that does not exist is refused."""
    original = pointers.with_refs

    async def strict(scope: Any, conn: Any, schema: Any, document: Any) -> Any:
        policy = changed(scope.catalog.policy, require_pointer_targets=True)
        return await original(changed(scope, catalog=changed(scope.catalog, policy=policy)), conn, schema, document)

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


# -- races -----------------------------------------------------------------------------------------------------------------


@mutant
def uniqueness_is_asked_before() -> None:
    """Whether a unique value is free is asked before the insert, and not held by it."""
    original = write.insert
    sql(write, "insert_resource", "INSERT INTO unique_key (tenant, type, attribute, key, id)", "INSERT INTO unique_key (tenant, type, attribute, key, id)")
    write._SQL = {
        **write._SQL,
        "insert_resource": write._SQL["insert_resource"].replace(  # type: ignore[dict-item]
            "FROM unnest($8::text[], $9::text[]) given (attribute, key)",
            "FROM unnest($8::text[], $9::text[]) given (attribute, key) ON CONFLICT DO NOTHING",
        ),
    }

    async def insert(scope: Any, plan: Any) -> Any:
        claimed = write._unique_keys(plan.draft.document, plan.schema)
        held = await scope.pool.fetch(
            write._SQL["held_keys"], scope.tenant, plan.schema.name, "", [name for name, _ in claimed], [key for _, key in claimed]
        )
        if held:
            raise ScimError(Kind.UNIQUENESS)
        await asyncio.sleep(0.02)
        return await original(scope, plan)

    everywhere(original, insert)


@mutant
def updates_are_lost() -> None:
    """A write does not notice that another one came between its reading and its writing."""
    sql(write, "update_resource", "AND version = $4", "AND $4::bigint IS NOT NULL")
    _slow()


def _slow() -> None:
    """Leave time between reading and writing."""

    def made(original: Any) -> Any:
        async def store(scope: Any, conn: Any, *rest: Any, **more: Any) -> Any:
            if conn is scope.pool:
                await asyncio.sleep(0.03)
            return await original(scope, conn, *rest, **more)

        return store

    replace(write, "_store", made)


@mutant
def lost_races_are_refused() -> None:
    """A write that lost a race is answered with 412, If-Match or not."""
    write._RACES = 1  # type: ignore[misc]
    _slow()

    async def locked(*args: Any) -> Any:
        raise ScimError(Kind.PRECONDITION_FAILED)

    original = write._locked

    async def choose(scope: Any, conn: Any, schema: Any, *rest: Any) -> Any:
        return await (locked() if schema.name == "User" else original(scope, conn, schema, *rest))

    everywhere(original, choose)


@mutant
def groups_are_not_locked() -> None:
    """Members are written from a list that was read before."""
    original = links.change_links

    async def change_links(scope: Any, conn: Any, schema: Any, source: str, place: Any, change: Any) -> Any:
        rows = await scope.pool.fetch(
            "SELECT target FROM reference WHERE tenant = $1 AND source = $2 AND attribute = $3", scope.tenant, source, place.key
        )
        after = change.applied(row["target"] for row in rows)
        await asyncio.sleep(0.02)
        from scimsrv.patch.links import LinkChange

        return await original(scope, conn, schema, source, place, LinkChange(True, tuple(after), ()))

    everywhere(original, change_links)
    sql(write, "lock_document", "FOR NO KEY UPDATE", "")
    write._store.__kwdefaults__  # noqa: B018 - the row's version may change meanwhile


@mutant
def second_write_with_a_tag_is_accepted() -> None:
    """Of several writes with one ETag at once more than one succeeds."""
    sql(write, "update_resource", "AND version = $4", "AND $4::bigint IS NOT NULL")

    def made(original: Any) -> Any:
        def checked(row: Any, schema: Any, id_: str, if_match: Any) -> Any:
            return original(row, schema, id_, if_match)

        return checked

    replace(write, "_checked", made)
    _slow()



