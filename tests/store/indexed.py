"""What the tests of indexes share: a tenant whose catalogue is read anew for each unit of work, and what its rows have to be."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scimsrv.filter.bind import bind
from scimsrv.filter.match import match
from scimsrv.filter.parse import parse_filter
from scimsrv.protocol import planning
from scimsrv.protocol.plan import Created, Outcome, Remove
from scimsrv.schema import document as doc
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.indexing import index_keys
from scimsrv.schema.project import EVERYTHING
from scimsrv.store import background
from scimsrv.store.execute import execute
from scimsrv.store.identity import load_catalog
from scimsrv.store.indexes import IndexStatus, add_index, list_indexes, remove_index
from scimsrv.store.scope import Scope
from scimsrv.store.search import search
from scimsrv.store.tenants import create_tenant
from tests.store.support import Hook, Hooked, driver, found, ids, query, scope_on

#: A row of an index: number, key, id, whether pieces are looked for.
Row = tuple[int, str, str, bool]

#: The smallest batch in which a writer can meet a resource before, within and behind it.
BATCH: Final = 3

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Tenant:
    """A tenant as its operator and its servers see it. Each unit of work knows the catalogue as it is then."""

    pool: Any
    number: int

    async def scope(self, *, before: dict[str, Hook] | None = None, after: dict[str, Hook] | None = None) -> Scope:
        """The scope of the next unit of work, with hooks at named statements."""
        _, catalog = await load_catalog(self.pool, self.number)
        return scope_on(self.hooked(before=before, after=after), catalog, self.number)

    def hooked(self, *, before: dict[str, Hook] | None = None, after: dict[str, Hook] | None = None) -> Any:
        """The pool with hooks at named statements."""
        return Hooked(self.pool, before=before, after=after)

    async def add_index(self, type_name: str, attribute: str, *, substring: bool = False) -> IndexStatus:
        """Mark an attribute as indexed. A token was issued, so that it is never ready at once."""
        async with self.pool.acquire() as connection:
            return await add_index(connection, self.number, type_name, attribute, substring=substring)

    async def remove_index(self, type_name: str, attribute: str) -> IndexStatus:
        """Give up an index."""
        async with self.pool.acquire() as connection:
            return await remove_index(connection, self.number, type_name, attribute)

    async def status(self, type_name: str, attribute: str) -> IndexStatus | None:
        """What `index list` tells of an index; None when there is none."""
        async with self.pool.acquire() as connection:
            listed = await list_indexes(connection, self.number)
        return next((one for one in listed if (one.type, one.attribute) == (type_name, attribute)), None)

    async def step(self, pool: Any = None, batch: int = BATCH) -> bool:
        """One step of the background's work on an index, without waiting for a state to settle."""
        return await background.index(pool or self.pool, self.number, settled=0, batch=batch)

    async def finish(self) -> int:
        """All the work that is left; how many steps it took."""
        steps = 0
        while await self.step():
            steps += 1
        return steps


async def new_tenant(pool: Any) -> Tenant:
    """A tenant that no other test uses, with a token."""
    async with pool.acquire() as connection:
        made = await create_tenant(connection, f"indexed-{next(_numbers)}")
        await connection.execute(
            "INSERT INTO credential (digest, tenant, kid, label, scopes) VALUES ($1, $2, 'k', 'test', '{}')",
            *(made.slug.encode(), made.id),
        )
    return Tenant(pool, made.id)


# -- writers -------------------------------------------------------------------------------------------------------


async def create(scope: Scope, type_name: str, body: dict[str, Any]) -> str:
    """POST; the new id."""
    schema = scope.catalog.by_name[type_name]
    outcome = await execute(scope, planning.insert(body, schema, scope.catalog, EVERYTHING, scope.limits))
    assert isinstance(outcome, Created)
    return outcome.stored.id


async def patch(scope: Scope, type_name: str, id_: str, *operations: dict[str, Any]) -> Outcome:
    """PATCH."""
    schema = scope.catalog.by_name[type_name]
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}
    return await execute(scope, planning.modify(body, schema, id_, scope.catalog, EVERYTHING, scope.limits, None))


async def put(scope: Scope, type_name: str, id_: str, body: dict[str, Any]) -> Outcome:
    """PUT."""
    schema = scope.catalog.by_name[type_name]
    return await execute(scope, planning.overwrite(body, schema, id_, scope.catalog, EVERYTHING, scope.limits, None))


async def delete(scope: Scope, type_name: str, id_: str) -> Outcome:
    """DELETE."""
    return await execute(scope, Remove(scope.catalog.by_name[type_name], id_, None))


# -- what ought to be ----------------------------------------------------------------------------------------------


async def rows(scope: Scope) -> set[Row]:
    """The rows of the tenant's indexes."""
    found_ = await driver(scope).fetch("SELECT attribute, key, id, substring FROM resource_key WHERE tenant = $1", scope.tenant)
    return {tuple(row) for row in found_}


async def rows_due(scope: Scope) -> set[Row]:
    """The rows that the stored resources ought to have in the indexes of the scope's catalogue."""
    stored = await driver(scope).fetch("SELECT id, type, modified, search::text FROM resource WHERE tenant = $1", scope.tenant)
    return {
        (key.number, key.key, row["id"], key.substring)
        for row in stored
        for key in index_keys(orjson.loads(row["search"]), _indexes(scope.catalog, row["type"]), row["modified"])
    }


def _indexes(catalog: Catalog, type_name: str) -> Any:
    return catalog.indexes_of(catalog.by_name[type_name])


async def assert_rows(tenant: Tenant) -> None:
    """Every index that is ready has exactly the rows that it ought to have; one that is being built lacks some, and has no others."""
    scope = await tenant.scope()
    have, due = await rows(scope), await rows_due(scope)
    building = {index.number for held in scope.catalog.indexes.values() for index in held if not index.ready}
    assert have - due == set(), "rows that ought not to be"
    assert {row for row in due - have if abs(row[0]) not in building} == set(), "rows that are missing"


async def assert_complete(tenant: Tenant) -> None:
    """Every index is ready, and has exactly its rows."""
    scope = await tenant.scope()
    assert all(index.ready for held in scope.catalog.indexes.values() for index in held)
    assert await rows(scope) ^ await rows_due(scope) == set()


async def assert_answers(tenant: Tenant, type_name: str, filters: Iterable[str], sort: str | None = None) -> None:
    """Queries find what the in-memory matcher accepts of the stored documents, and order it as Python does."""
    scope = await tenant.scope()
    schema = scope.catalog.by_name[type_name]
    stored = await driver(scope).fetch(
        "SELECT document FROM resource WHERE tenant = $1 AND type = $2 ORDER BY id", tenant.number, type_name
    )
    documents = [orjson.loads(row["document"]) for row in stored]
    for text in filters:
        bound = bind(parse_filter(text), schema, text, unknown_matches_nothing=False)
        assert await found(scope, schema, text) == {document["id"] for document in documents if match(bound, document)}, text
    place = None if sort is None else schema.resolve(sort)
    if place is not None:
        keyed = [(doc.get(document, place), document["id"]) for document in documents]
        expected = [id_ for key, id_ in sorted((key.casefold(), id_) for key, id_ in keyed if key)]
        expected += sorted(id_ for key, id_ in keyed if not key)
        assert ids(await search(scope, query(schema, sort=place))) == expected
