"""How Postgres finds what a write changes, and how many rows it changes: with the change, not with the group or the tenant.

As in test_plans.py, with both kinds of plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from scimsrv.protocol import planning
from scimsrv.protocol.plan import Modify, Plan, Remove
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.project import EVERYTHING, Projection
from scimsrv.store.background import erase
from scimsrv.store.execute import execute
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope
from scimsrv.store.seals import IN_ORDER
from tests.postgres import TestServer
from tests.schemas import CORE_GROUP, CORE_USER
from tests.store.plans_support import ANEW, BIG, SMALL, USERS, Look, Request, catalog, filled_database, group_id, looks, undone, user_id
from tests.store.support import scope_on

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_USER = catalog().by_name["User"]
_GROUP = catalog().by_name["Group"]
_NO_MEMBERS = Projection(without=frozenset({"members"}))
_LIMITS = scope_on(None, catalog()).limits
_MEMBERS = USERS // 2
_LARGE = group_id(0)
_EMPTY = {f"all of {table}" for table in ("secret", "erasure", "removed_value", "tenant", "tombstone")}


def _patch(schema: EffectiveSchema, id_: str, operation: dict[str, Any]) -> Modify:
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}
    return planning.modify(body, schema, id_, catalog(), _NO_MEMBERS, _LIMITS, None)


def _add(group: str, users: Iterable[int]) -> Modify:
    return _patch(_GROUP, group, {"op": "add", "path": "members", "value": [{"value": user_id(number)} for number in users]})


def _remove(group: str, user: int) -> Modify:
    return _patch(_GROUP, group, {"op": "remove", "path": f'members[value eq "{user_id(user)}"]'})


def _remove_all(group: str, users: Iterable[int]) -> Modify:
    """As some clients send it: a list of what is to go."""
    return _patch(_GROUP, group, {"op": "remove", "path": "members", "value": [{"value": user_id(number)} for number in users]})


def _put(users: Iterable[int]) -> Plan:
    """The large group as it is, but for its users."""
    members = [{"value": group_id(1)}, *({"value": user_id(number)} for number in users)]
    body = {"schemas": [CORE_GROUP], "displayName": "Group 000", "members": members}
    return planning.overwrite(body, _GROUP, _LARGE, catalog(), _NO_MEMBERS, _LIMITS, None)


def _post() -> Plan:
    body = {
        "schemas": [CORE_USER],
        "userName": "new@example.com",
        "displayName": "New Person",
        "active": True,
        "emails": [{"value": "new@example.com", "type": "work"}],
    }
    return planning.insert(body, _USER, catalog(), EVERYTHING, _LIMITS)


async def _delete_and_erase(scope: Scope) -> None:
    await execute(scope, Remove(_GROUP, _LARGE, None))
    assert await erase(scope.pool, scope.tenant)


@dataclass(frozen=True)
class Write:
    """A write, how many references it names or removes, which is what it may read rows for beside a few for the resource, and how many
    of its statements are planned for their parameters each time."""

    request: Plan | Request
    references: int = 0
    anew: int = 0

    @property
    def most(self) -> int:
        return 150 + 12 * self.references


_WRITES = {
    "POST of a user": Write(_post()),
    "PATCH of a user": Write(_patch(_USER, user_id(42), {"op": "replace", "path": "displayName", "value": "Other"})),
    "adding a member to a large group": Write(_add(_LARGE, [1])),
    "adding a member to a small group": Write(_add(group_id(5), [2])),
    "removing a member of a large group": Write(_remove(_LARGE, 42), anew=1),
    "removing a member of a small group": Write(_remove(group_id(1), 1), anew=1),
    "adding 1,000 members": Write(_add(_LARGE, range(1, 2_001, 2)), 1_000),
    # Postgres 15 looks through the whole group for that many, since it knows how many the group has.
    "removing 1,000 members": Write(_remove_all(_LARGE, range(0, 2_000, 2)), 2_000, anew=1),
    "PUT with one member more": Write(_put([*range(0, USERS, 2), 1]), _MEMBERS, anew=1),
    "DELETE of a user": Write(Remove(_USER, user_id(42), None), anew=1),
    "DELETE of a user in 101 groups": Write(Remove(_USER, user_id(0), None), 101, anew=1),
    "DELETE of a large group": Write(Remove(_GROUP, _LARGE, None), 1_000),
    "DELETE of a large group and one batch behind it": Write(_delete_and_erase, 2_000),
}


@pytest.fixture
async def connection(cluster: TestServer) -> AsyncIterator[Connection]:
    """Yield a connection to a database with one tenant of 20,000 users among 300 of 20."""
    filled = await asyncio.to_thread(filled_database, cluster)
    made = await asyncpg.connect(filled, server_settings={"jit": "off"}, statement_cache_size=0)
    yield made
    await made.close()


def _tables_read(found: list[Look]) -> set[str]:
    return {one for look in found for one in look.shape() if one.startswith("all of ")}


@pytest.mark.parametrize("for_any", [False, True])
@pytest.mark.parametrize("name", _WRITES)
async def test_a_write_reads_what_it_changes(connection: Connection, name: str, for_any: bool) -> None:
    """Every row is found by the first columns of an index, none left out; what is empty here may be read from end to end."""
    write = _WRITES[name]
    found = await looks(connection, BIG, write.request, for_any=for_any)
    assert _tables_read(found) <= _EMPTY
    assert {(walk, look.text) for look in found for walk in look.walks()} == set()
    assert sum(look.read() for look in found) <= write.most
    assert [look.generic for look in found if ANEW in look.text] == [0] * write.anew


@pytest.mark.parametrize("for_any", [False, True])
async def test_a_user_of_a_small_tenant_is_deleted_by_look_ups(connection: Connection, for_any: bool) -> None:
    """A tenant of 20 beside the big one: nothing of the others is read."""
    found = await looks(connection, SMALL, Remove(_USER, user_id(12), None), for_any=for_any)
    assert not _tables_read(found) - _EMPTY
    assert sum(look.read() for look in found) <= 200


# -- rows that are changed ---------------------------------------------------------------------------------------------


class _Plain:
    """A pool of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def acquire(self) -> Any:
        return self

    async def __aenter__(self) -> Any:
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        return None


async def _changed(connection: Connection, request: Plan | Request) -> dict[str, tuple[int, int, int]]:
    """How many rows of which table a request inserts, updates and deletes."""
    changed: dict[str, tuple[int, int, int]] = {}

    async def counts() -> dict[str, tuple[int, int, int]]:
        rows = await connection.fetch("SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables")
        return {row["relname"]: (row["n_tup_ins"], row["n_tup_upd"], row["n_tup_del"]) for row in rows}

    async def measured(scope: Scope) -> None:
        before = await counts()
        await (request(scope) if callable(request) else execute(scope, request))
        for table, after in (await counts()).items():
            earlier = before.get(table, (0, 0, 0))
            changed[table] = (after[0] - earlier[0], after[1] - earlier[1], after[2] - earlier[2])

    await undone(connection, _Plain(connection), BIG, measured)
    return {table: numbers for table, numbers in changed.items() if any(numbers)}


#: What a change of a group writes beside its references.
_NOTED = {"resource": (0, 1, 0), "resource_key": (0, 1, 0), "change": (1, 0, 0)}


@pytest.mark.parametrize(
    ("request_", "references"),
    [
        (_put([*range(0, USERS, 2), 1]), (1, 0, 0)),
        (_put(range(2, USERS, 2)), (0, 0, 1)),
        (_add(_LARGE, [1]), (1, 0, 0)),
        (_remove(_LARGE, 42), (0, 0, 1)),
        (_add(_LARGE, range(1, 2_001, 2)), (1_000, 0, 0)),
        (_add(_LARGE, [1, *range(0, 2_000, 2)]), (1, 0, 0)),
        (_remove_all(_LARGE, range(0, 2_000, 2)), (0, 0, 1_000)),
    ],
    ids=["put, one more", "put, one less", "add one", "remove one", "add 1,000", "add one and 1,000 that are there", "remove 1,000"],
)
async def test_a_change_of_members_writes_the_difference(connection: Connection, request_: Plan, references: tuple[int, int, int]) -> None:
    """Rows of references as many as differ, and one of each table that notes the change."""
    assert await _changed(connection, request_) == {"reference": references, **_NOTED}


async def test_a_put_without_difference_writes_nothing(connection: Connection) -> None:
    """The group as it is."""
    assert await _changed(connection, _put(range(0, USERS, 2))) == {}


async def test_deleting_a_large_group_leaves_its_references_for_later(connection: Connection) -> None:
    """At once only what is its own; then 1,000 references in one batch."""
    at_once = await _changed(connection, Remove(_GROUP, _LARGE, None))
    for table in ("resource_count", "naming"):
        assert at_once.pop(table) in {(1, 0, 0), (0, 1, 0)}  # the row of one of its slots
    assert at_once.pop("resource_key") == (0, 0, 3)
    kept = {"change": (1, 0, 0), "tombstone": (1, 0, 0)}
    assert at_once == {"resource": (0, 0, 1), "unique_key": (0, 0, 1), "erasure": (1, 0, 0), **kept}
    assert (await _changed(connection, _delete_and_erase))["reference"] == (0, 0, 1_000)


@pytest.mark.parametrize("for_any", [False, True])
async def test_sealing_reads_what_it_seals(connection: Connection, for_any: bool) -> None:
    """A batch is read as it lies, of a burst that Postgres has no statistics of yet, too."""

    async def batch(scope: Scope) -> None:
        await connection.execute(
            "INSERT INTO change (tenant, seq, at, actor, operation, type, id, version, attributes)"
            " SELECT $1, 1000000 + number, now(), 'a', 'create', 'User', md5(number::text), 1, '{}' FROM generate_series(1, 20000) number",
            scope.tenant,
        )
        await connection.execute(IN_ORDER)
        numbers = await scope.pool.fetch(load("audit")["numbers"], scope.tenant, 1_010_000, 500)
        assert len(await scope.pool.fetch(load("audit")["rows_between"], scope.tenant, 1_010_000, numbers[-1]["seq"])) == 500

    found = await looks(connection, BIG, batch, for_any=for_any)
    assert [look.shape() for look in found] == [{"change_pkey(tenant seq)"}] * 2
    assert [look.read() for look in found] == [500, 500]
