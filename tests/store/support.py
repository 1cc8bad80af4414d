"""What the tests of the store share: catalogues, a tenant's scope, rows written without HTTP, and a pool with hooks at named statements."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import Any, Final

import pytest

from scimsrv.filter.bind import bind
from scimsrv.filter.parse import parse_filter
from scimsrv.limits import Limits
from scimsrv.protocol.plan import Page, Query, Target
from scimsrv.protocol.response import is_plain
from scimsrv.schema.attribute import Type
from scimsrv.schema.badging import with_shipped_badges
from scimsrv.schema.catalog import Catalog, Definition, StoredIndex, build_catalog
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.indexing import STANDARD, indexable
from scimsrv.schema.policy import PROFILES, Policy
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.store import background, badging, forgetting, links, names, pointers, progression, recomputing, remove, seals, write
from scimsrv.store.bound import Bound, begin_of
from scimsrv.store.queries import load
from scimsrv.store.rendition import render
from scimsrv.store.scope import Scope
from scimsrv.store.search import search
from tests.postgres import APPLICATION
from tests.schemas import SAMPLE_DEFINITION

BASE_URL: Final = "https://scim.example.com/v2"
THEN: Final = datetime(2024, 1, 1, 10, tzinfo=UTC)

_BADGES: Final = Policy(badges=True)

_tenants = itertools.count(1_000_000)


#: The indexes of a new tenant.
STANDARD_INDEXES: Final[list[StoredIndex]] = [
    (number, kind, name.lower(), substring, "ready") for number, (kind, name, substring) in enumerate(STANDARD, 1)
]


@cache
def core_catalog(policy: Policy = PROFILES["standard"]) -> Catalog:
    """The catalogue of a new tenant."""
    known = load_definitions()
    return build_catalog(known.schemas.values(), known.resource_types, known.common, policy, STANDARD_INDEXES)


@cache
def badge_catalog(policy: Policy = _BADGES) -> Catalog:
    """The catalogue of a new tenant with badges."""
    known = with_shipped_badges(load_definitions())
    return build_catalog(known.schemas.values(), known.resource_types, known.common, policy, STANDARD_INDEXES)


@cache
def sample_catalog() -> Catalog:
    """The catalogue of a new tenant whose users have the sample extension too."""
    known = load_definitions()
    extension = {"schema": SAMPLE_DEFINITION["id"], "required": False}
    types = [
        kind | {"schemaExtensions": [*kind.get("schemaExtensions", []), extension]} if kind["name"] == "User" else kind
        for kind in known.resource_types
    ]
    return build_catalog([*known.schemas.values(), SAMPLE_DEFINITION], types, known.common, Policy(), STANDARD_INDEXES)


def catalog_of(schemas: Iterable[Definition], resource_types: Iterable[Definition], indexes: Iterable[StoredIndex] = ()) -> Catalog:
    """A catalogue of made-up resource types."""
    return build_catalog(schemas, resource_types, load_definitions().common, Policy(), indexes)


def everything_indexed(catalog: Catalog) -> list[StoredIndex]:
    """An index of each attribute and sub-attribute that can have one."""
    places = [
        (schema, Resolved(urn, attribute, sub).key)
        for schema in catalog.types()
        for urn, attribute in schema.top_level()
        for sub in (None, *attribute.sub_attributes)
    ]
    found: list[StoredIndex] = []
    for schema, key in places:
        with suppress(ValueError):
            place = indexable(schema, key)
            found.append((len(found) + 1, schema.name, key, place.leaf.type is Type.STRING, "ready"))
    return found


def scope_on(pool: Any, catalog: Catalog, tenant: int | None = None) -> Scope:
    """The scope of a tenant, by default of one that no other test uses. Resources need no row in the table of tenants."""
    tenant = next(_tenants) if tenant is None else tenant
    pool = pool._pool if isinstance(pool, Walled) else pool
    return Scope(Walled(pool, tenant) if Walled.wanted else pool, tenant, catalog, BASE_URL, "tests", Limits())


class Shared:
    """A pool that is the same for all work."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def of(self, tenant: int) -> Any:
        return self._pool

    def across(self) -> Any:
        return self._pool


class Walled:
    """A pool of the tests' own role as the tenant's work has it with row-level security: statements run as the role behind the wall. What
    else the driver's pool and its connections have, such as COPY, is the tests' own and meets no wall."""

    #: Whether scopes are made with it.
    wanted = False

    def __init__(self, pool: Any, tenant: int) -> None:
        self._pool, self._begin = pool, f"{begin_of(tenant)}; SET LOCAL ROLE {APPLICATION}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self._pool.acquire() as connection:
            yield Bound(connection, self._begin)

    async def execute(self, query: str, /, *args: Any) -> str:
        async with self.acquire() as connection:
            tag: str = await connection.execute(query, *args)
        return tag

    async def fetch(self, query: str, /, *args: Any) -> Any:
        async with self.acquire() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, /, *args: Any) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args)


async def put_rows(scope: Scope, schema: EffectiveSchema, documents: Iterable[Document], **columns: Any) -> None:
    """Write canonical documents, each with its id, as rows; `columns` are version, created and modified if not the usual ones."""
    resources, unique, indexed = [], [], []
    created, modified = columns.get("created", THEN), columns.get("modified", THEN)
    for document in documents:
        stored = {"schemas": [schema.base.urn]} | {name: value for name, value in document.items() if name != "meta"}
        made = render(stored, schema, scope.catalog.indexes_of(schema), modified)
        row = (scope.tenant, document["id"], schema.name, columns.get("version", 1), created, modified)
        resources.append((*row, made.display, made.document, made.search))
        unique += [(scope.tenant, schema.name, attribute, key, document["id"]) for attribute, key in made.unique]
        indexed += [(scope.tenant, key.number, key.key, document["id"], key.substring) for key in made.keys]
    async with _own(scope).acquire() as connection:
        names = ["tenant", "id", "type", "version", "created", "modified", "display", "document", "search"]
        await connection.copy_records_to_table("resource", records=resources, columns=names)
        await connection.copy_records_to_table("unique_key", records=unique, columns=["tenant", "type", "attribute", "key", "id"])
        keyed = ["tenant", "attribute", "key", "id", "substring"]
        await connection.copy_records_to_table("resource_key", records=indexed, columns=keyed)
        await connection.execute(
            "INSERT INTO resource_count (tenant, type, slot, resources) VALUES ($1, $2, 0, $3)"
            " ON CONFLICT (tenant, type, slot) DO UPDATE SET resources = resource_count.resources + excluded.resources",
            *(scope.tenant, schema.name, len(resources)),
        )


def _own(scope: Scope) -> Any:
    """The tests' own pool behind a scope."""
    return scope.pool._pool if isinstance(scope.pool, Walled) else scope.pool


async def put_links(scope: Scope, edges: Iterable[tuple[str, str]], attribute: str = "members") -> None:
    """Write reference rows: (source, target)."""
    rows = [(scope.tenant, source, attribute, target) for source, target in edges]
    sources, targets = {row[1] for row in rows}, {row[3] for row in rows}
    holders = [type_.name for type_ in scope.catalog.types() if type_.referring]
    among = "SELECT EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = ANY ($2::text[]) AND r.type = ANY ($3::text[]))"
    async with _own(scope).acquire() as connection:
        if not all(map(is_plain, sources)) or await connection.fetchval(among, scope.tenant, list(targets), holders):
            await connection.execute(load("resources")["note_unusual_reference"], scope.tenant)
        await connection.copy_records_to_table("reference", records=rows, columns=["tenant", "source", "attribute", "target"])


def query(
    schema: EffectiveSchema,
    text: str | None = None,
    *,
    sort: Resolved | None = None,
    descending: bool = False,
    start: int = 1,
    count: int = 1_000,
) -> Query:
    """The plan of a search by the text of a filter."""
    bound = None if text is None else bind(parse_filter(text), schema, text, unknown_matches_nothing=False)
    target = Target(schema, bound, sort, view(EVERYTHING, schema))
    return Query((target,), descending, start, count)


def ids(page: Page) -> list[str]:
    """The ids of a page, in its order."""
    return [stored.id for stored, _ in page.rows]


async def found(scope: Scope, schema: EffectiveSchema, text: str) -> set[str]:
    """The ids that a filter finds; `total` has to agree."""
    page = await search(scope, query(schema, text))
    assert page.total == len(page.rows)
    return set(ids(page))


Hook = Callable[[], Awaitable[None]]


class Hooked:
    """A pool, or one of its connections, with hooks before or after named statements (of resources.sql, indexes.sql and badges.sql)."""

    def __init__(self, inner: Any, *, before: Mapping[str, Hook] | None = None, after: Mapping[str, Hook] | None = None) -> None:
        self._inner, self._before, self._after = inner, before or {}, after or {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def execute(self, text: str, *arguments: Any) -> Any:
        return await self._send("execute", text, arguments)

    async def fetch(self, text: str, *arguments: Any) -> Any:
        return await self._send("fetch", text, arguments)

    async def fetchrow(self, text: str, *arguments: Any) -> Any:
        return await self._send("fetchrow", text, arguments)

    async def fetchval(self, text: str, *arguments: Any) -> Any:
        return await self._send("fetchval", text, arguments)

    async def _send(self, method: str, text: str, arguments: tuple[Any, ...]) -> Any:
        name = _name_of(text)
        if name in self._before:
            await self._before[name]()
        result = await getattr(self._inner, method)(text, *arguments)
        if name in self._after:
            await self._after[name]()
        return result

    def acquire(self) -> Any:
        return _Acquired(self._inner.acquire(), self._before, self._after)


class _Acquired:
    """Borrows a connection with the pool's hooks."""

    def __init__(self, inner: Any, before: Mapping[str, Hook], after: Mapping[str, Hook]) -> None:
        self._inner, self._before, self._after = inner, before, after

    async def __aenter__(self) -> Hooked:
        return Hooked(await self._inner.__aenter__(), before=self._before, after=self._after)

    async def __aexit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> Any:
        return await self._inner.__aexit__(kind, problem, trace)


def _name_of(text: str) -> str:
    # The modules of the store share one mapping, which `without` replaces by one with another text under the same name; what an update
    # drops is put into its text.
    plain = re.sub(r", dropped\d+ AS \(.*?FROM stored\)\)", "", text)
    return next((name for module in _MODULES for name, known in vars(module)["_SQL"].items() if known == plain), "")


_MODULES: Final = (write, links, remove, pointers, background, names, badging, progression, recomputing, forgetting, seals)


def without(monkeypatch: pytest.MonkeyPatch, name: str, part: str, instead: str = "") -> None:
    """Take a part out of a statement of resources.sql, indexes.sql or badges.sql, which has to have it, for the length of a test."""
    holders = [module for module in _MODULES if name in vars(module)["_SQL"]]
    text: str = vars(holders[0])["_SQL"][name]
    assert part in text, f"{name} has no {part!r} to be taken out"
    for module in holders:
        monkeypatch.setattr(module, "_SQL", {**vars(module)["_SQL"], name: text.replace(part, instead)})


def driver(scope: Scope) -> Any:
    """The driver's pool behind a scope of a test, which can do more than the store asks of a pool."""
    return _own(scope)


async def count(scope: Scope, table: str) -> int:
    """How many rows of a table the tenant has."""
    number: int = await driver(scope).fetchval(f"SELECT count(*) FROM {table} WHERE tenant = $1", scope.tenant)
    return number
