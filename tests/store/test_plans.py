"""How Postgres finds things among 20,000 users: by which index, and never by reading the table of resources from end to end.

Shapes only, no cost figures. Each statement is looked at with both kinds of plan that a prepared statement may get: one made for
its parameters, and one for any.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

import asyncpg
import orjson
import pytest

from scimsrv.protocol.plan import Query, Target
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.store.queries import load
from scimsrv.store.read import _statement
from scimsrv.store.scope import Scope
from scimsrv.store.search import statement
from tests.store.support import core_catalog, put_links, put_rows, query, scope_on

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_USER = core_catalog().by_name["User"]
_GROUP = core_catalog().by_name["Group"]
_TENANT = 7
_USERS = 20_000


def _user(number: int) -> dict[str, Any]:
    return {
        "id": f"u-{number:06}",
        "userName": f"user-{number}@example.com",
        "externalId": f"ext-{number}",
        "displayName": f"User {number}",
        "active": number % 10 > 0,
        "emails": [{"value": f"user-{number}@example.com", "type": "work", "primary": True}, {"value": f"u{number}@example.org"}],
    }


async def _fill(dsn: str) -> None:
    # Rows whose commit has not reached the disk do not count as visible to all, and VACUUM would leave nothing to index-only scans.
    async with asyncpg.create_pool(dsn, min_size=0, max_size=1, server_settings={"synchronous_commit": "on"}) as pool:
        for tenant, users in ((_TENANT, _USERS), (_TENANT + 1, 2_000)):
            scope = scope_on(pool, core_catalog(), tenant)
            await put_rows(scope, _USER, (_user(number) for number in range(users)))
            await put_rows(scope, _GROUP, ({"id": f"g-{number:03}", "displayName": f"Group {number}"} for number in range(200)))
            await put_links(scope, (("g-000", f"u-{number:06}") for number in range(0, users, 2)))
            await put_links(scope, ((f"g-{1 + number % 199:03}", f"u-{number:06}") for number in range(1, users, 2)))
        await pool.execute("VACUUM (ANALYZE) resource, unique_key, reference")


@pytest.fixture(scope="module")
def filled(database: str) -> str:
    """The URL of a database with 20,000 users and 200 groups of one tenant, and some of another."""
    asyncio.run(_fill(database))
    return database


@pytest.fixture
def scope() -> Scope:
    """The big tenant; plans are asked for on a connection of their own."""
    return scope_on(None, core_catalog(), _TENANT)


@pytest.fixture(params=["force_custom_plan", "force_generic_plan"])
async def connection(request: pytest.FixtureRequest, filled: str) -> AsyncIterator[Connection]:
    """Yield a connection that makes plans of one kind."""
    made = await asyncpg.connect(filled, server_settings={"plan_cache_mode": request.param, "jit": "off"}, statement_cache_size=0)
    yield made
    await made.close()


@dataclass(frozen=True)
class Shape:
    """A plan's nodes: each with its kind, table and index as far as it has them."""

    nodes: list[dict[str, Any]]

    def indexes(self) -> set[str]:
        """The names of the indexes used."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    def sequential(self) -> set[str]:
        """The tables read from end to end."""
        return {node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"}

    def conditions(self, index: str) -> list[str]:
        """What is looked up in an index, each time that it is used."""
        return [node.get("Index Cond", "") for node in self.nodes if node.get("Index Name") == index]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "ARRAY[" + ", ".join(map(_literal, value)) + "]::text[]"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


async def shape(connection: Connection, text: LiteralString, arguments: list[Any]) -> Shape:
    """The plan of a prepared statement with these arguments."""
    given = ", ".join(map(_literal, arguments))
    await connection.execute(f"PREPARE looked_at AS {text}")
    row = await connection.fetchval(f"EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE looked_at({given})")
    await connection.execute("DEALLOCATE looked_at")
    return Shape(list(_nodes(orjson.loads(row)[0]["Plan"])))


async def searched(connection: Connection, scope: Scope, plan: Query) -> Shape:
    """The plan of a search."""
    return await shape(connection, *statement(scope, plan))


async def test_a_resource_is_read_by_the_primary_key(connection: Connection, scope: Scope) -> None:
    """GET of a user and of a group: look-ups by tenant and id, memberships by the indexes of references."""
    for schema, id_ in ((_USER, "u-000042"), (_GROUP, "g-000")):
        text, arguments = _statement(scope, schema, view(EVERYTHING, schema), 101)
        found = await shape(connection, text, [_TENANT, id_, schema.name, *arguments])
        assert found.indexes() <= {"resource_pkey", "resource_by_type", "reference_pkey", "reference_by_target"}
        assert all("(id = " in condition for condition in found.conditions("resource_pkey") + found.conditions("resource_by_type"))
        assert not found.sequential()


async def test_a_user_is_written_by_the_primary_key(connection: Connection) -> None:
    """Reading before a change, locking, and what refers to a user: no statement of a write reads more than it needs."""
    statements = load("resources")
    for name, arguments in (
        ("lock_document", [_TENANT, "u-000042", "User"]),
        ("lock_for_deletion", [_TENANT, "u-000042", "User"]),
        ("lock_referring", [_TENANT, "u-000042"]),
        ("lock_targets", [_TENANT, ["u-000042", "u-000043"]]),
        ("links_of", [_TENANT, "g-000", "members", "u-000100", 100]),
        ("remove_links", [_TENANT, "g-000", "members", ["u-000042"]]),
        ("not_yet_linked", [_TENANT, "g-000", "members", ["u-000042", "u-000043"]]),
        ("held_keys", [_TENANT, "User", "u-000042", ["username"], ["user-1@example.com"]]),
    ):
        found = await shape(connection, statements[name], arguments)
        assert not found.sequential(), name


async def test_deleting_a_user_reads_no_table(connection: Connection) -> None:
    """What goes with a user is found by indexes."""
    arguments = [_TENANT, "u-000042", "User", "2024-01-01T00:00:00Z", "tests", 2]
    found = await shape(connection, load("resources")["delete_resource"], arguments)
    assert not found.sequential() & {"resource", "reference", "unique_key"}
    pointers = await shape(connection, load("resources")["pointing_at"], [_TENANT, "User", '{"urn:x": {"manager": {"value": "u-000042"}}}'])
    assert "resource_search" in pointers.indexes()


async def test_a_user_name_is_found_by_its_key(connection: Connection, scope: Scope) -> None:
    """userName eq: a look-up of the unique key, then one of the resource."""
    found = await searched(connection, scope, query(_USER, 'userName eq "USER-42@example.com"', count=100))
    assert {"unique_key_pkey", "resource_pkey"} <= found.indexes()
    assert not found.sequential()
    assert all("(id = " in condition for condition in found.conditions("resource_by_type"))


@pytest.mark.parametrize("text", ['externalId eq "ext-42"', 'emails[value eq "user-42@example.com"]', 'emails.value eq "u42@example.org"'])
async def test_equality_is_found_by_the_index_of_search_documents(connection: Connection, scope: Scope, text: str) -> None:
    """Equality on what is not unique is containment, which the GIN index serves."""
    found = await searched(connection, scope, query(_USER, text, count=100))
    assert "resource_search" in found.indexes()
    assert not found.sequential()


@pytest.mark.parametrize("text", ['id eq "u-000042"', 'meta.resourceType eq "User" and id eq "u-000042"'])
async def test_an_id_is_found_by_the_primary_key(connection: Connection, scope: Scope, text: str) -> None:
    """A filter on id is a look-up too."""
    found = await searched(connection, scope, query(_USER, text, count=100))
    conditions = found.conditions("resource_pkey") + found.conditions("resource_by_type")
    assert conditions
    assert all("(id = " in condition for condition in conditions)
    assert not found.sequential()


# A plan for any parameters has to guess how long a page is; Postgres keeps to those made for them, which are cheaper.
@pytest.mark.parametrize("connection", ["force_custom_plan"], indirect=True)
@pytest.mark.parametrize("start", [1, 15_001])
async def test_a_page_is_read_in_the_order_of_an_index(connection: Connection, scope: Scope, start: int) -> None:
    """A list without filter counts in the index by type, and fetches only the documents of its page."""
    found = await searched(connection, scope, query(_USER, count=100, start=start))
    assert not found.sequential()
    assert found.indexes() & {"resource_by_type", "resource_pkey"}


@pytest.mark.parametrize(
    "text", ['members eq "u-000043"', 'members[value eq "u-000043"]', 'members.value eq "u-000043" and displayName sw "g"']
)
async def test_groups_of_a_member_are_found_by_the_reference(connection: Connection, scope: Scope, text: str) -> None:
    """Which groups hold a user is a look-up of rows of references, whatever the groups hold besides."""
    found = await searched(connection, scope, query(_GROUP, text, count=100))
    assert found.indexes() & {"reference_pkey", "reference_by_target"}
    assert not found.sequential()


async def test_members_of_a_group_are_found_by_the_reference(connection: Connection, scope: Scope) -> None:
    """groups eq: the members below the group, then the users by their ids."""
    found = await searched(connection, scope, query(_USER, 'groups eq "g-007"', count=100))
    assert "reference_pkey" in found.indexes()
    assert not found.sequential() & {"resource", "reference"}


async def test_a_search_over_all_types_uses_the_same_keys(connection: Connection, scope: Scope) -> None:
    """GET / with a filter on both types reads no table from end to end."""
    targets = tuple(
        Target(schema, query(schema, 'externalId eq "ext-42"').targets[0].filter, None, view(EVERYTHING, schema))
        for schema in (_USER, _GROUP)
    )
    found = await searched(connection, scope, Query(targets, False, 1, 100))
    assert not found.sequential()
    assert "resource_search" in found.indexes()
