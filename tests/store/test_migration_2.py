"""Migration 0002 on a database in use: numbers are right at once, indexes are built behind that, and queries are right before and after."""

from __future__ import annotations

from typing import Any, Final

import asyncpg
import orjson
import pytest

from scimsrv.schema.definitions import load_definitions
from scimsrv.store import migrate as migrating
from scimsrv.store.queries import load
from scimsrv.store.rendition import render
from scimsrv.store.tenants import count_resources
from tests.store.indexed import Tenant, assert_answers, assert_complete, assert_rows
from tests.store.support import THEN, core_catalog

_FILTERS: Final = (
    *('userName sw "u1"', 'userName co "1"', 'displayName eq "ada"', 'displayName gt "b"', "displayName pr", "not (displayName pr)"),
    *(
        'name.familyName ge "l"',
        'emails.value ew "example.com"',
        "active eq true",
        'externalId eq "x3"',
        'emails.value eq "e2@example.com"',
    ),
)


async def _old_tenant(connection: Any, slug: str, users: int) -> int:
    """A tenant with resources as the first version of the tables holds them."""
    sql, definitions, catalog = load("tenants"), load_definitions(), core_catalog()
    tenant: int = await connection.fetchval(sql["create"], slug)
    await connection.execute(sql["add_config"], tenant, '{"profile": "standard"}')
    for urn, schema in definitions.schemas.items():
        await connection.execute(sql["add_schema"], tenant, urn.lower(), orjson.dumps(schema).decode())
    for type_ in definitions.resource_types:
        await connection.execute(sql["add_resource_type"], tenant, type_["name"].lower(), orjson.dumps(type_).decode())
    bodies = [("User", _user(number)) for number in range(users)] + [("Group", {"id": "g-1", "displayName": "Staff"})] * bool(users)
    for name, body in bodies:
        made = render({"schemas": []} | body, catalog.by_name[name], ())
        await connection.execute(
            "INSERT INTO resource VALUES ($1, $2, $3, 1, $4, $4, $5, $6, $7::jsonb)",
            *(tenant, body["id"], name, THEN, made.display, made.document, made.search),
        )
        for attribute, key in made.unique:
            await connection.execute("INSERT INTO unique_key VALUES ($1, $2, $3, $4, $5)", tenant, name, attribute, key, body["id"])
    return tenant


def _user(number: int) -> dict[str, Any]:
    shown = ("Ada", "Ben", None)[number % 3]
    body: dict[str, Any] = {"id": f"u-{number}", "userName": f"u{number}", "externalId": f"x{number}", "active": number % 2 == 0}
    body |= {"name": {"familyName": f"Lovelace {number}"}, "emails": [{"value": f"e{number}@example.com"}]}
    return body | ({} if shown is None else {"displayName": shown})


async def test_indexes_of_tenants_that_were_there(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets the indexes that a new tenant has; they are relied on when they are complete."""
    first = migrating.migrations()[:1]
    with monkeypatch.context() as patched:
        patched.setattr(migrating, "migrations", lambda: first)
        await migrating.migrate(empty_database)
    async with asyncpg.create_pool(empty_database, min_size=1, max_size=3) as pool:
        numbers = [await _old_tenant(pool, f"old-{users}", users) for users in (13, 0, 3)]
        await migrating.migrate(empty_database)
        async with pool.acquire() as connection:
            counts = [await count_resources(connection, number) for number in numbers]
        assert counts == [{"Group": 1, "User": 13}, {}, {"Group": 1, "User": 3}]
        for tenant in (Tenant(pool, number) for number in numbers):
            scope = await tenant.scope()
            expected = core_catalog().indexes
            assert {
                name: [(index.number, index.place.key, index.substring) for index in held] for name, held in scope.catalog.indexes.items()
            } == {name: [(index.number, index.place.key, index.substring) for index in held] for name, held in expected.items()}
            assert not any(index.ready for held in scope.catalog.indexes.values() for index in held)
            await assert_answers(tenant, "User", _FILTERS, sort="displayName")
            while await tenant.step():
                await assert_rows(tenant)
            await assert_answers(tenant, "User", _FILTERS, sort="displayName")
            await assert_complete(tenant)
