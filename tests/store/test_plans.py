"""How Postgres finds things among 20,000 users, and among 20: by which index, by which of its columns, and never by walking the tenant.

Shapes and numbers of rows only, no cost and no time. Each statement is looked at with both kinds of plan that a prepared statement may
get, one made for its parameters and one for any; and where the program asks for the former, that it gets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import asyncpg
import pytest

from scimsrv.protocol.plan import Cursor, Plan, Position, Query, Read, Shown
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.project import EVERYTHING, Projection, view
from scimsrv.store.execute import execute
from scimsrv.store.read import BATCH
from scimsrv.store.scope import Scope
from tests.postgres import TestServer
from tests.schemas import ENTERPRISE, SAMPLE
from tests.store.plans_support import ANEW, BIG, SMALL, USERS, catalog, filled_database, group_id, looks, user_id
from tests.store.support import THEN, query

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_USER = catalog().by_name["User"]
_GROUP = catalog().by_name["Group"]
_NO_MEMBERS = Projection(without=frozenset({"members"}))
_NO_GROUPS = Projection(without=frozenset({"groups"}))
_DEPARTMENT = f"{ENTERPRISE}:department"

# The ways to reach rows.
_DOCUMENT: Final = "resource_pkey(tenant id)"
_OF_TYPE: Final = "resource_by_type(tenant type id)"
_TYPED: Final = "resource_by_type(tenant type)"
_KEY: Final = "resource_key_pkey(tenant attribute key)"
_KEYS: Final = "resource_key_pkey(tenant attribute)"
_HELD: Final = "resource_key_pkey(tenant attribute key id)"
_UNIQUE: Final = "unique_key_pkey(tenant type attribute key)"
_COUNT: Final = "resource_count_pkey(tenant type)"
#: How Postgres 15 finds the counts of several types: it reads the few that the tenant has.
_COUNTS: Final = "resource_count_pkey(tenant)"
_MEMBERS: Final = "reference_pkey(tenant source attribute)"
_GROUPS: Final = "reference_by_target(tenant target attribute)"
_UNUSUAL: Final = "unusual_reference_pkey(tenant)"
_NAMING: Final = "naming_pkey(tenant)"
_SHOWN: Final = {_DOCUMENT, _GROUPS, _UNUSUAL, _NAMING}


@dataclass(frozen=True)
class Row:
    """A question: its plan, the shape of its statements together, how many index entries have to be read to count the matches or to
    get to the page, and how many resources the page has. `anew`: it is to be planned for its parameters each time."""

    plan: Plan
    shape: set[str]
    counted: int
    page: int
    anew: bool = False

    @property
    def most(self) -> int:
        """Rows that may be read: a match in its index and among the matches; a resource of the page and its groups."""
        return 3 * self.counted + 6 * self.page + 50


def _search(
    schema: EffectiveSchema,
    text: str | None = None,
    *,
    sort: str | None = None,
    start: int = 1,
    count: int = 100,
    shown: Projection = EVERYTHING,
    cursor: Cursor | None = None,
) -> Query:
    plan = query(schema, text, sort=None if sort is None else schema.resolve(sort), start=start, count=count)
    targets = tuple(replace(target, view=view(shown, schema)) for target in plan.targets)
    return replace(plan, targets=targets, cursor=cursor, shown=True)


def _both(text: str | None = None, *, sort: str | None = None, start: int = 1, cursor: Cursor | None = None) -> Query:
    """Users and groups, as the root of the tenant is asked."""
    users = _search(_USER, text, sort=sort, start=start, cursor=cursor)
    return replace(users, targets=users.targets + _search(_GROUP, text, sort=sort, shown=_NO_MEMBERS).targets)


def _after(number: int, key: str | None = None) -> Cursor:
    return Cursor(b"", Position(key, user_id(number)))


def _before(number: int, key: str | None = None) -> Cursor:
    return Cursor(b"", Position(key, user_id(number)), backwards=True)


_MODIFIED = (THEN + timedelta(minutes=18)).isoformat()
_SEVENTH = f'{_DEPARTMENT} eq "Department 007"'
_ACTIVE = USERS * 2 // 3


def _one(tenant: int, number: int) -> dict[str, tuple[Plan, set[str]]]:
    """The questions that have one answer, a user, and the shapes of their statements."""
    name = f"{tenant}-{number}"
    return {
        "GET": (Read(_USER, user_id(number), view(EVERYTHING, _USER)), {_OF_TYPE, *_SHOWN}),
        "userName eq": (_search(_USER, f'userName eq "USER-{name}@example.com"'), {_UNIQUE, *_SHOWN}),
        "externalId eq": (_search(_USER, f'externalId eq "ext-{name}"'), {_KEY, *_SHOWN}),
        "emails.value eq": (_search(_USER, f'emails.value eq "home-{name}@example.org"'), {_KEY, *_SHOWN}),
        "emails[…]": (
            _search(_USER, f'emails[type eq "work" and value eq "user-{name}@example.com"]'),
            {_KEY, _OF_TYPE, *_SHOWN},
        ),
        "custom string eq": (_search(_USER, f'{SAMPLE}:code eq "C-{name}"'), {_KEY, *_SHOWN}),
        "id eq": (_search(_USER, f'id eq "{user_id(number)}"'), {_OF_TYPE, *_SHOWN}),
    }


_ROWS = {
    "GET of a group": Row(Read(_GROUP, group_id(0), view(EVERYTHING, _GROUP)), {_OF_TYPE, _DOCUMENT, _MEMBERS}, 0, 1_001),
    "GET of a group without members": Row(Read(_GROUP, group_id(0), view(_NO_MEMBERS, _GROUP)), {_OF_TYPE}, 0, 1),
    "members.value eq": Row(
        _search(_GROUP, f'members.value eq "{user_id(0)}"', shown=_NO_MEMBERS), {_OF_TYPE, _DOCUMENT, _GROUPS}, 101, 100
    ),
    "groups.value eq": Row(_search(_USER, f'groups.value eq "{group_id(7)}"'), {_MEMBERS, _OF_TYPE, "all of erasure", *_SHOWN}, 51, 51),
    "userName sw": Row(_search(_USER, f'userName sw "user-{BIG}-42"'), {_KEY, *_SHOWN}, 111, 100),
    "meta.lastModified gt": Row(_search(_USER, f'meta.lastModified gt "{_MODIFIED}"'), {_KEY, *_SHOWN}, 1_000, 100),
    "department eq": Row(_search(_USER, _SEVENTH), {_KEY, *_SHOWN}, 100, 100),
    "displayName co": Row(
        _search(_USER, 'displayName co "00794"'), {"resource_key_substring(key)", _KEYS, _OF_TYPE, *_SHOWN}, 1, 1, anew=True
    ),
    "active and department": Row(_search(_USER, f"active eq true and {_SEVENTH}"), {_KEY, _HELD, *_SHOWN}, 100, 67),
    "not department ne": Row(_search(_USER, f'not ({_DEPARTMENT} ne "Department 007")'), {_KEY, *_SHOWN}, 100, 100),
    "department or externalId": Row(_search(_USER, f'{_SEVENTH} or externalId eq "ext-{BIG}-42"'), {_KEY, *_SHOWN}, 101, 100),
    "active": Row(_search(_USER, "active eq true"), {_KEY, _OF_TYPE, *_SHOWN}, _ACTIVE, 100),
    "page 1": Row(_search(_USER), {_COUNT, _OF_TYPE, *_SHOWN}, 16, 100),
    "sorted by userName": Row(_search(_USER, sort="userName"), {_COUNT, _KEYS, *_SHOWN}, 16, 100),
    "sorted by a custom integer": Row(_search(_USER, sort=f"{SAMPLE}:grade"), {_COUNT, _KEYS, *_SHOWN}, 16, 100),
    "startIndex deep": Row(_search(_USER, start=15_001), {_COUNT, _TYPED, *_SHOWN}, 15_000, 100),
    "cursor": Row(_search(_USER, cursor=_after(15_000)), {_COUNT, _OF_TYPE, *_SHOWN}, 16, 101),
    "cursor, sorted": Row(
        _search(_USER, sort="userName", cursor=_after(15_000, f"=user-{BIG}-15000@example.com")), {_COUNT, _HELD, *_SHOWN}, 16, 101
    ),
    "cursor, filtered": Row(_search(_USER, "active eq true", cursor=_after(15_000)), {_KEY, _HELD, _OF_TYPE, *_SHOWN}, _ACTIVE, 101),
    "cursor, back": Row(_search(_USER, cursor=_before(15_000)), {_COUNT, _OF_TYPE, *_SHOWN}, 16, 101),
    "cursor, sorted, back": Row(
        _search(_USER, sort="userName", cursor=_before(15_000, f"=user-{BIG}-15000@example.com")), {_COUNT, _HELD, *_SHOWN}, 16, 101
    ),
    "all by cursor": Row(_search(_USER, cursor=_after(5_000), count=1_000), {_COUNT, _OF_TYPE, *_SHOWN}, 16, 1_001),
    "all by cursor without groups": Row(
        _search(_USER, cursor=_after(5_000), count=1_000, shown=_NO_GROUPS),
        {_COUNT, _OF_TYPE},
        *(16, 1_001),
    ),
    "both": Row(_both(), {_COUNT, _TYPED, *_SHOWN}, 216, 100),
    "both, by cursor": Row(_both(cursor=_after(15_000)), {_COUNT, _OF_TYPE, *_SHOWN}, 216, 101),
    "both, startIndex deep": Row(_both(start=15_001), {_COUNT, _TYPED, *_SHOWN}, 15_200, 100),
    "both, displayName eq": Row(_both('displayName eq "Group 7"'), {_KEY, *_SHOWN}, 1, 1),
    "both, externalId eq": Row(_both(f'externalId eq "ext-{BIG}-42"'), {_KEY, *_SHOWN}, 1, 1),
    "both, id eq": Row(_both(f'id eq "{user_id(42)}"'), {_OF_TYPE, *_SHOWN}, 1, 1),
    "both, meta.lastModified gt": Row(_both(f'meta.lastModified gt "{_MODIFIED}"'), {_KEY, *_SHOWN}, 1_000, 100),
    "sorted by userName, descending": Row(
        replace(_search(_USER, sort="userName"), descending=True), {_COUNT, _KEYS, _OF_TYPE, *_SHOWN}, 16, 100
    ),
    "not indexed eq": Row(_search(_USER, f'nickName eq "nick-{BIG}-42"'), {"resource_search(search)", *_SHOWN}, 1, 1, anew=True),
}


@pytest.fixture
async def connection(cluster: TestServer) -> AsyncIterator[Connection]:
    """Yield a connection to a database with one tenant of 20,000 users among 300 of 20."""
    filled = await asyncio.to_thread(filled_database, cluster)
    made = await asyncpg.connect(filled, server_settings={"jit": "off"}, statement_cache_size=0)
    yield made
    await made.close()


async def _check(connection: Connection, tenant: int, row: Row, *, for_any: bool) -> None:
    found = await looks(connection, tenant, row.plan, for_any=for_any)
    shape = set().union(*(look.shape() for look in found))
    assert {_COUNT if way == _COUNTS else way for way in shape} == row.shape
    assert set().union(*(look.walks() for look in found)) <= {_COUNTS}
    assert sum(look.read() for look in found) <= row.most
    assert max(look.sorts() for look in found) <= row.page
    anew = [look for look in found if ANEW in look.text]
    assert len(anew) == int(row.anew)
    assert [(look.generic, look.custom) for look in anew] == [(0, 11 if for_any else 1)] * len(anew)


@pytest.mark.parametrize("for_any", [False, True])
@pytest.mark.parametrize("name", _ROWS)
async def test_a_question_to_the_big_tenant_reads_what_it_needs(connection: Connection, name: str, for_any: bool) -> None:
    """The shape, and no more rows than the matches, which are counted, and the page."""
    await _check(connection, BIG, _ROWS[name], for_any=for_any)


@pytest.mark.parametrize("for_any", [False, True])
@pytest.mark.parametrize(("tenant", "number"), [(BIG, 42), (SMALL, 12)])
@pytest.mark.parametrize("name", _one(BIG, 0))
async def test_one_resource_is_looked_up(connection: Connection, name: str, tenant: int, number: int, for_any: bool) -> None:
    """In the big tenant and in the small one beside it alike."""
    plan, shape = _one(tenant, number)[name]
    await _check(connection, tenant, Row(plan, shape, 1, 1), for_any=for_any)


async def _read_whole(scope: Scope) -> None:
    """Read the largest group with all its members."""
    shown = await execute(scope, Read(_GROUP, group_id(0), view(EVERYTHING, _GROUP)))
    assert isinstance(shown, Shown)
    for _, batches in shown.stored.streamed:
        async for _ in batches:
            pass


@pytest.mark.parametrize("for_any", [False, True])
async def test_each_batch_of_a_large_group_reads_its_own_members(connection: Connection, for_any: bool) -> None:
    """However far it is: what was sent before is not passed over again."""
    batches = [look for look in await looks(connection, BIG, _read_whole, for_any=for_any) if "ref.target > $4" in look.text]
    assert len(batches) > 2
    for look in batches:
        assert look.shape() == {"reference_pkey(tenant source attribute target)", _DOCUMENT}
        assert look.read() <= 2 * BATCH


@pytest.mark.parametrize("for_any", [False, True])
async def test_what_is_not_indexed_is_found_in_a_small_tenant(connection: Connection, for_any: bool) -> None:
    """Among the few resources of the tenant, and not among the documents of all that contain the value."""
    plan = _search(_USER, f'nickName eq "nick-{SMALL}-12"')
    found, names = await looks(connection, SMALL, plan, for_any=for_any)
    assert names.shape() == {_DOCUMENT, _NAMING}
    assert found.shape() == {"resource_search(search)", "resource_pkey(tenant)", *_SHOWN}
    assert found.walks() == {"resource_pkey(tenant)"}
    assert found.read() <= 100
    assert (found.generic, found.custom) == (0, 11 if for_any else 1)
