"""What the tests of plans share: a database of one big tenant among small ones, and the plans of the statements that requests send."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson

from scimsrv.protocol.plan import Plan
from scimsrv.schema.catalog import Catalog, StoredIndex, build_catalog
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.policy import Policy
from scimsrv.store.execute import execute
from scimsrv.store.scope import Scope
from tests.postgres import TestServer
from tests.schemas import ENTERPRISE, SAMPLE
from tests.store.support import STANDARD_INDEXES, THEN, put_links, put_rows, sample_catalog, scope_on

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

BIG: Final = 7
SMALL: Final = 8
USERS: Final = 20_000

_SMALL_TENANTS = 300
_SMALL_USERS = 20
_GROUPS = 200
_DEPARTMENTS = 200


@cache
def catalog() -> Catalog:
    """The catalogue of users with the sample extension, of which a string and an integer are indexed, as is the department."""
    known, bare = load_definitions(), sample_catalog()
    more = [f"{ENTERPRISE}:department", f"{SAMPLE}:code", f"{SAMPLE}:grade"]
    indexes: list[StoredIndex] = [
        (number, "User", name.lower(), False, "ready") for number, name in enumerate(more, len(STANDARD_INDEXES) + 1)
    ]
    return build_catalog(bare.schemas.values(), bare.resource_types.values(), known.common, Policy(), [*STANDARD_INDEXES, *indexes])


#: By this a statement's text shows that it is to be planned for its parameters at each execution.
ANEW: Final = "generate_series"

#: What is done beside the requests of the protocol.
Request = Callable[[Scope], Awaitable[object]]


def user_id(number: int) -> str:
    """The id of a user, in the order of numbers."""
    return f"u-{number:06}"


def group_id(number: int) -> str:
    """The id of a group, in the order of numbers."""
    return f"g-{number:03}"


def _user(tenant: int, number: int) -> dict[str, Any]:
    name = f"{tenant}-{number}"
    return {
        "schemas": [],
        "id": user_id(number),
        "userName": f"user-{name}@example.com",
        "externalId": f"ext-{name}",
        "displayName": f"Person {number * 7919 % 100_003:06}",
        "nickName": f"nick-{name}",
        "title": f"Title {number % 10}",
        "active": number % 3 > 0,
        "emails": [
            {"value": f"user-{name}@example.com", "type": "work", "primary": True},
            {"value": f"home-{name}@example.org", "type": "home"},
        ],
        ENTERPRISE: {"department": f"Department {number % _DEPARTMENTS:03}"},
        SAMPLE: {"code": f"C-{name}", "grade": number * 7919 % 20_011},
    }


_filled: dict[str, str] = {}


def filled_database(server: TestServer) -> str:
    """The URL of a filled database on this server, the same for everybody: whoever writes to it undoes it."""
    key = server.cluster.dsn
    if key not in _filled:
        _filled[key] = server.create()
        asyncio.run(_fill(_filled[key]))
    return _filled[key]


async def _fill(dsn: str) -> None:
    """Fill a migrated database: the big tenant, and small ones, which make Postgres believe that an average tenant is small."""
    # Rows whose commit has not reached the disk do not count as visible to all, and VACUUM would leave nothing to index-only scans.
    async with asyncpg.create_pool(dsn, min_size=0, max_size=1, server_settings={"synchronous_commit": "on"}) as pool:
        for tenant in (BIG, *range(SMALL, SMALL + _SMALL_TENANTS)):
            scope = scope_on(pool, catalog(), tenant)
            users, groups = (USERS, _GROUPS) if tenant == BIG else (_SMALL_USERS, 2)
            kinds = scope.catalog.by_name
            for start in range(0, users, 1_000):
                rows = (_user(tenant, number) for number in range(start, min(start + 1_000, users)))
                await put_rows(scope, kinds["User"], rows, modified=THEN + timedelta(minutes=start // 1_000))
            await put_rows(scope, kinds["Group"], ({"id": group_id(n), "displayName": f"Group {n:03}"} for n in range(groups)))
            await put_links(scope, _memberships(users, groups))
        elsewhere = scope_on(pool, catalog(), SMALL + _SMALL_TENANTS)
        await put_links(elsewhere, ((group_id(number % 30), user_id(number // 30)) for number in range(60_000)))
        await pool.execute(
            "INSERT INTO naming (tenant, slot, changes) SELECT t, s, 1 FROM generate_series(1, $1::integer) t, generate_series(0, 15) s",
            SMALL + _SMALL_TENANTS,
        )
        await pool.execute("VACUUM (ANALYZE)")


def _memberships(users: int, groups: int) -> Iterator[tuple[str, str]]:
    """Half of the users in the first group, the others over the rest; the first user in half of the groups; one group in another."""
    yield from ((group_id(0), user_id(number)) for number in range(0, users, 2))
    yield from ((group_id(1 + number // 2 % (groups - 1)), user_id(number)) for number in range(1, users, 2))
    yield from ((group_id(number), user_id(0)) for number in range(groups // 2, groups) if number)
    yield (group_id(0), group_id(1))


# -- plans -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """What a statement did: `nodes` are its plan's as EXPLAIN (ANALYZE, FORMAT JSON) has them, `columns` those of every index;
    `generic` and `custom` say how often a plan of either kind was taken."""

    text: str
    nodes: Sequence[Mapping[str, Any]]
    columns: Mapping[str, tuple[str, ...]]
    generic: int
    custom: int

    def lookups(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each use of an index, with the columns of it that are looked up."""
        for node in self.nodes:
            if "Index Name" in node:
                condition = node.get("Index Cond", "")
                yield node["Index Name"], tuple(name for name in self.columns[node["Index Name"]] if _looks_up(condition, name))

    def shape(self) -> set[str]:
        """How tables are reached: by indexes and the columns looked up in them, row by row, or from end to end."""
        found = {f"{index}({' '.join(columns)})" for index, columns in self.lookups()}
        found |= {f"all of {node['Relation Name']}" for node in self.nodes if node["Node Type"] == "Seq Scan"}
        return found | {f"rows of {node['Relation Name']}" for node in self.nodes if node["Node Type"] == "Tid Scan"}

    def walks(self) -> set[str]:
        """Uses of an index that leave a column before another out, or look up the tenant alone: all entries between are read. Of
        `naming` a tenant has no more rows than there are slots."""
        return {
            f"{index}({' '.join(columns)})"
            for index, columns in self.lookups()
            if self.columns[index][0] == "tenant"
            and index != "naming_pkey"
            and columns != self.columns[index]
            and (len(columns) < 2 or columns != self.columns[index][: len(columns)])
        }

    def read(self) -> int:
        """Rows that the leaves of the plan yield or throw away, and pairs that its joins throw away."""
        return sum(round(node["Actual Loops"] * _rows(node)) for node in self.nodes)

    def sorts(self) -> int:
        """The most rows with a document that are sorted at once."""
        return max((round(node["Actual Rows"]) for node in self.nodes if node["Node Type"] == "Sort" and _wide(node)), default=0)


def _rows(node: Mapping[str, Any]) -> float:
    lost: float = sum(number for name, number in node.items() if name.startswith("Rows Removed by"))
    return lost + (0 if "Plans" in node else node["Actual Rows"])


def _wide(node: Mapping[str, Any]) -> bool:
    return any(name.endswith(".document") or name == "document" for name in node.get("Output", ()))


def _looks_up(condition: str, column: str) -> bool:
    return re.search(rf"(\(|ROW\([\w.]+, )(\w+\.)?{column}(,|\) [<>]| (=|<|>|<=|>=|~~|@>) )", condition) is not None


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


@dataclass
class Watched:
    """A pool of one connection that looks at the plan of each statement before it runs it, and undoes what that did."""

    connection: Connection
    columns: Mapping[str, tuple[str, ...]]
    for_any: bool
    looks: list[Look] = field(default_factory=list)

    async def execute(self, text: str, *arguments: Any) -> Any:
        await self._look(text, arguments)
        return await self.connection.execute(text, *arguments)

    async def executemany(self, text: str, many: Iterable[tuple[Any, ...]]) -> None:
        for arguments in many:
            await self.execute(text, *arguments)

    async def fetch(self, text: str, *arguments: Any) -> Any:
        await self._look(text, arguments)
        return await self.connection.fetch(text, *arguments)

    async def fetchrow(self, text: str, *arguments: Any) -> Any:
        await self._look(text, arguments)
        return await self.connection.fetchrow(text, *arguments)

    async def fetchval(self, text: str, *arguments: Any) -> Any:
        await self._look(text, arguments)
        return await self.connection.fetchval(text, *arguments)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Watched]:
        yield self

    def transaction(self) -> Any:
        return self.connection.transaction()

    async def _look(self, text: str, arguments: Sequence[Any]) -> None:
        mode = "force_custom_plan" if not self.for_any else "auto" if ANEW in text else "force_generic_plan"
        await self.connection.execute(f"SET plan_cache_mode = {mode}")
        await self.connection.execute(f"PREPARE looked_at AS {text}")
        run = f"EXECUTE looked_at({', '.join(map(_literal, arguments))})"
        for _ in range(10 if mode == "auto" else 0):
            await self._undone(run)
        (row,) = await self._undone(f"EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, FORMAT JSON) {run}")
        counted = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'looked_at'"
        generic, custom = await self.connection.fetchrow(counted) or (0, 0)
        await self.connection.execute("DEALLOCATE looked_at")
        self.looks.append(Look(text, list(_nodes(orjson.loads(row[0])[0]["Plan"])), self.columns, generic, custom))

    async def _undone(self, text: str) -> Any:
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            return await self.connection.fetch(text)
        finally:
            await transaction.rollback()


def _literal(value: Any) -> str:
    """The value as text in quotes, whose type Postgres knows from the statement."""
    match value:
        case None:
            return "NULL"
        case bool():
            text = str(value).lower()
        case list():
            text = "{" + ",".join("NULL" if one is None else orjson.dumps(str(one)).decode() for one in value) + "}"
        case datetime():
            text = value.isoformat()
        case _:
            text = str(value)
    return "'" + text.replace("'", "''") + "'"


async def columns_of_indexes(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The columns of every index, in its order."""
    rows = await connection.fetch(
        "SELECT c.relname AS name, array_agg(pg_get_indexdef(i.indexrelid, n, true) ORDER BY n) AS columns"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid, generate_series(1, i.indnatts) n"
        " WHERE c.relnamespace = 'public'::regnamespace GROUP BY c.relname"
    )
    return {row["name"]: tuple(row["columns"]) for row in rows}


async def looks(connection: Connection, tenant: int, request: Plan | Request, *, for_any: bool) -> list[Look]:
    """The plans of the statements that a request of the tenant sends, whose effect is undone.

    Either those for its parameters, or with `for_any` those for any: what a statement gets in the end that has been executed a few
    times. Of one that is to be planned anew that is what it gets after ten executions.
    """
    watched = Watched(connection, await columns_of_indexes(connection), for_any)
    await undone(connection, watched, tenant, request)
    return watched.looks


async def undone(connection: Connection, pool: Any, tenant: int, *requests: Plan | Request) -> None:
    """Carry out requests in a transaction that is rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        for request in requests:
            of_tenant = scope_on(pool, catalog(), tenant)
            await (request(of_tenant) if callable(request) else execute(of_tenant, request))
    finally:
        await transaction.rollback()
