"""Every statement, from a file or put together, prepares, looks at $1's rows only, and neither folds nor leaves state behind."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from scimsrv import assets
from scimsrv.filter.bind import bind
from scimsrv.filter.parse import parse_filter
from scimsrv.protocol.plan import Query, Target
from scimsrv.protocol.request import projection
from scimsrv.schema.attribute import Returned, Type
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.schema.semantics import SEMANTICS
from scimsrv.store.pool import open_pool
from scimsrv.store.queries import all_files, load
from scimsrv.store.read import HELD, _statement
from scimsrv.store.scope import Scope
from scimsrv.store.search import search
from scimsrv.store.statement import statement
from tests.recorder import EXCEPTIONS, faults, recording
from tests.statements import FORBIDDEN, TENANT_TABLES, forbidden, tokens, unbound
from tests.store.generated import LITERALS, places
from tests.store.support import BASE_URL, catalog_of, query, sample_catalog, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

#: Files whose statements are about the database as a whole, or about its administrators.
_ABOUT_THE_DATABASE = {"migration", "checkup", "admin", "isolation", "replication"}

_NAMED = [(file, name) for file in all_files() for name in load(file)]


# -- the statements in files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "name"), _NAMED)
async def test_every_named_statement_prepares(database: str, file: str, name: str) -> None:
    """Names, types and syntax fit the schema, and where $1 is the tenant it is a number."""
    connection = await asyncpg.connect(database)
    try:
        if file == "migration":
            await connection.execute(load(file)["make_lock_table"])
        prepared = await connection.prepare(load(file)[name])
        kinds = [parameter.name for parameter in prepared.get_parameters()]
    finally:
        await connection.close()
    if file not in _ABOUT_THE_DATABASE and name not in EXCEPTIONS.get(file, {}):
        assert kinds[0] == "int4"


@pytest.mark.parametrize(("file", "name"), [one for one in _NAMED if one[0] not in _ABOUT_THE_DATABASE])
def test_every_named_statement_keeps_to_its_tenant(file: str, name: str) -> None:
    """Each reference to a tenant's table is bound to $1, but for the exceptions."""
    assert faults(load(file)[name]) == []


def test_each_exception_is_needed() -> None:
    """The list of exceptions names only statements that exist and would otherwise be refused, each with its reason."""
    for file, names in EXCEPTIONS.items():
        for name, reason in names.items():
            assert unbound(load(file)[name]), name
            assert reason


def test_files_about_the_database_leave_tenants_alone() -> None:
    """Migrations' bookkeeping, the operator's check and administrators' tokens name no table of a tenant."""
    for file in _ABOUT_THE_DATABASE:
        for text in load(file).values():
            assert faults(text) == []
            assert TENANT_TABLES.keys().isdisjoint(tokens(text)), text


def test_schema_and_migrations_have_no_triggers_and_no_folding() -> None:
    """What Postgres does on its own would be neither visible in the program nor portable (security.md §1)."""
    for name in ("sql/schema.sql", *(f"sql/migrations/{file}" for file in assets.names("sql/migrations", ".sql"))):
        assert forbidden(assets.text(name)) == []


@pytest.mark.parametrize(("file", "name"), [one for one in _NAMED if one[0] not in _ABOUT_THE_DATABASE])
def test_a_statement_without_one_of_its_predicates_is_refused(file: str, name: str) -> None:
    """The check is as strict as it has to be: take out any single binding, or weaken it, and it objects."""
    text = load(file)[name]
    if unbound(text):
        assert name in EXCEPTIONS[file]
        return
    for found in re.finditer(r"\b(?:\w+\.)?(?:tenant|id) = \$1\b|(?<=SELECT )\$1|(?<=VALUES \()\$1", text):
        for weaker in ("true", "$2", f"({found[0]} OR true)", f"NOT ({found[0]})"):
            assert unbound(text[: found.start()] + weaker + text[found.end() :]), (found, weaker)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("SELECT id FROM resource WHERE tenant = $1 AND (id = $2 OR type = $3)", True),
        ("SELECT id FROM resource WHERE tenant = $1 AND id = $2 OR type = $3", False),
        ("SELECT id FROM resource WHERE id = $2 AND (tenant = $1 AND true)", True),
        ("SELECT id FROM resource WHERE tenant = $2", False),
        ("SELECT id FROM resource WHERE tenant <> $1", False),
        ("SELECT id FROM resource WHERE tenant >= $1", False),
        ("SELECT id FROM resource", False),
        ("SELECT r.id FROM resource r, reference f WHERE r.tenant = $1 AND f.target = r.id", False),
        ("SELECT r.id FROM resource r, reference f WHERE r.tenant = $1 AND f.tenant = r.tenant", True),
        ("SELECT r.id FROM resource r JOIN reference f ON f.tenant = $1 AND f.target = r.id WHERE r.tenant = $1", True),
        ("SELECT r.id FROM resource r JOIN reference f ON f.target = r.id WHERE r.tenant = $1", False),
        ("SELECT r.id FROM resource r LEFT JOIN reference f ON f.target = r.id AND r.tenant = $1", False),
        ("SELECT r.id FROM resource r WHERE r.tenant = $1 AND EXISTS (SELECT FROM reference f WHERE f.target = r.id)", False),
        ("SELECT r.id FROM resource r WHERE r.tenant = $1 UNION SELECT s.id FROM resource s", False),
        ("WITH gone AS (DELETE FROM secret) SELECT id FROM resource WHERE tenant = $1", False),
        ("UPDATE resource SET version = 2 WHERE tenant = $1 FOR UPDATE", True),
        ("UPDATE resource SET version = 2 WHERE id = $1", False),
        ("DELETE FROM unique_key k USING resource r WHERE r.tenant = $1 AND k.id = r.id", False),
        ("INSERT INTO secret (tenant, id) VALUES ($1, $2)", True),
        ("INSERT INTO secret (id, tenant) VALUES ($1, $2)", False),
        ("INSERT INTO secret (id) VALUES ($1)", False),
        ("INSERT INTO secret (tenant, id) SELECT r.tenant, r.id FROM resource r WHERE r.tenant = $1", False),
        ("SELECT c.policy FROM tenant t JOIN tenant_config c ON c.tenant = t.id WHERE t.id = $1", True),
        ("SELECT c.policy FROM resource t JOIN tenant_config c ON c.tenant = t.id WHERE t.tenant = $1", False),
    ],
)
def test_the_check_of_tenants(text: str, allowed: bool) -> None:
    """What the check accepts and what not."""
    assert (unbound(text) == []) is allowed


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("SELECT lower(id) FROM resource", "folding in SQL"),
        ("SELECT id FROM resource WHERE id ILIKE $2", "folding in SQL"),
        ("SELECT id FROM resource WHERE id ~* $2", "folding in SQL"),
        ("SELECT pg_advisory_xact_lock(1)", "advisory lock"),
        ("LISTEN changes", "LISTEN or NOTIFY"),
        ("SET statement_timeout = 1", "session state"),
        ("SELECT set_config('a', 'b', false)", "session state"),
        ("CREATE TRIGGER t AFTER INSERT ON resource EXECUTE FUNCTION f()", "trigger or procedure"),
    ],
)
def test_the_check_of_what_is_forbidden(text: str, rule: str) -> None:
    """Each rule recognises what it is about; ordinary statements break none."""
    assert forbidden(text) == [rule]
    assert rule in FORBIDDEN
    assert forbidden("UPDATE resource SET document = 'set lower like'; SET LOCAL statement_timeout = 1") == []


# -- the statements that are put together --------------------------------------------------------------------------


def _every_kind() -> Catalog:
    """A catalogue of one resource type with an attribute of every type, single and several, unique and not, simple and inside others."""
    urn = "urn:example:params:scim:schemas:core:2.0:Kind"

    def kinds(unique: bool) -> list[dict[str, Any]]:
        shapes = itertools.product(LITERALS, (False, True), (False, True) if unique else (False,))
        return [
            {
                "name": f"{type_.value}{'Many' if many else ''}{'Unique' if single else ''}",
                "type": type_.value,
                "multiValued": many,
                "uniqueness": "server" if single else "none",
            }
            for type_, many, single in shapes
        ]

    nested = [
        {
            "name": name,
            "type": "complex",
            "multiValued": many,
            "subAttributes": [*kinds(False), {"name": "value"}, {"name": "primary", "type": "boolean"}],
        }
        for name, many in (("one", False), ("several", True))
    ]
    links = [
        {
            "name": name,
            "type": "complex",
            "multiValued": True,
            "mutability": mutability,
            "subAttributes": [
                {"name": "value"},
                {"name": "$ref", "type": "reference", "referenceTypes": ["Kind"]},
                {"name": "type"},
                {"name": "display"},
            ],
        }
        for name, mutability in (("below", "readWrite"), ("above", "readOnly"))
    ]
    attributes = [*kinds(True), *nested, *links]
    return catalog_of(
        [{"id": urn, "name": "Kind", "attributes": attributes}],
        [{"name": "Kind", "endpoint": "/Kinds", "schema": urn, "schemaExtensions": []}],
    )


def _everywhere(schema: EffectiveSchema) -> list[Resolved]:
    meta = schema.resolve("meta")
    assert meta is not None
    return [*places(schema), meta, *(Resolved(None, meta.attribute, sub) for sub in meta.attribute.sub_attributes)]


def _filters(schema: EffectiveSchema) -> Iterator[str]:
    """Every operator on every place, alone, negated, joined, and within value paths."""
    for place in _everywhere(schema):
        attribute, leaf, name = place.attribute, place.leaf, place.name
        terms = [f"{name} pr", f"{name} eq null", f"{name} ne null"]
        literal = _literal(leaf.type)
        terms += [f"{name} {op.value} {literal}" for op in SEMANTICS[leaf.type].accepts]
        yield from terms
        yield from (f"not ({term})" for term in terms)
        yield f"{terms[0]} or not ({terms[-1]}) and ({terms[1]} or id pr)"
        if place.sub is not None and attribute.key != "meta":
            inner = [f"{leaf.name} {op.value} {literal}" for op in SEMANTICS[leaf.type].accepts]
            whole = place.whole.name
            yield from (f"{whole}[{term}]" for term in inner)
            yield f"{whole}[not ({inner[0]}) and ({leaf.name} pr or {inner[-1]})]"
            yield f"{whole}[{leaf.name} pr].{inner[0]}"
            yield f"{whole}[{inner[0]} or {inner[0]}]"


def _literal(type_: Type) -> str:
    known = {Type.BOOLEAN: "true", Type.INTEGER: "1", Type.DECIMAL: "0.5", Type.DATETIME: '"2024-01-01T00:00:00Z"', Type.BINARY: '"AA=="'}
    return known.get(type_, '"x"')


def _plans(catalog: Catalog) -> Iterator[Query]:
    """Every filter, every sort in both directions, pages and counts, on one type and on all of them."""
    for schema in catalog.types():
        yield from (query(schema, text) for text in dict.fromkeys(_filters(schema)))
        for place in _everywhere(schema):
            if place.leaf.type is not Type.COMPLEX and place.leaf.returned is not Returned.NEVER:
                yield from (query(schema, sort=place, descending=descending, start=3, count=2) for descending in (False, True))
        yield query(schema, count=0)
        for asked in ({"attributes": "id"}, {"excludedattributes": "groups,members,above,below"}):
            narrow = view(projection(asked, scope_on(None, catalog).limits), schema)
            yield Query((Target(schema, None, None, narrow),), False, 1, 10)
    for name in ("id", "meta.created", "displayName", "externalId"):
        yield _over_all(catalog, f'{name} pr or {name} ne "2024-01-01T00:00:00Z"', name)


def _over_all(catalog: Catalog, text: str, sort: str) -> Query:
    targets = tuple(
        Target(schema, bind(parse_filter(text), schema, text, unknown_matches_nothing=True), schema.resolve(sort), view(EVERYTHING, schema))
        for schema in catalog.types()
    )
    return Query(targets, True, 1, 10)


def _texts(scope: Scope) -> Iterator[tuple[str, list[Any]]]:
    for plan in _plans(scope.catalog):
        made = statement(scope, plan)
        yield made.text, made.arguments
    for schema in scope.catalog.types():
        for asked in ({}, {"attributes": "id"}):
            for most in (None, HELD + 1):
                text, arguments = _statement(scope, schema, view(projection(asked, scope.limits), schema), most)
                yield text, [scope.tenant, "x", schema.name, *arguments]


@pytest.mark.parametrize("catalog", [sample_catalog, _every_kind])
async def test_every_composed_statement_keeps_to_its_tenant_and_runs(pool: Pool, catalog: Any) -> None:
    """Filters, sorts, pages and reads over attributes of every type: bound to $1, which is the tenant, and accepted by Postgres."""
    scope = scope_on(pool, catalog())
    distinct = dict(_texts(scope))
    assert len(distinct) > 200
    for text, arguments in distinct.items():
        assert faults(text) == [], text
        assert arguments[0] == scope.tenant
        assert BASE_URL not in text
        await pool.fetch(text, *arguments)


def test_literals_never_become_text(pool: Pool) -> None:
    """Filters that differ in their literals are one statement: what a client sends is always a parameter."""
    scope = scope_on(pool, sample_catalog())
    user = scope.catalog.by_name["User"]
    for one, other in (
        ('userName eq "a"', 'userName eq "b\'; DROP TABLE resource; --"'),
        ('title co "a"', 'title co "%$2_\\\\"'),
        ('emails[type eq "a" and not (value sw "b")]', 'emails[type eq "\'" and not (value sw "$1")]'),
        ("grade gt 1", "grade gt -99999"),
        ('meta.created gt "2024-01-01T00:00:00Z"', 'meta.created gt "1999-01-01T00:00:00Z"'),
    ):
        assert statement(scope, query(user, one)).text == statement(scope, query(user, other)).text
        assert statement(scope, query(user, one)).arguments != statement(scope, query(user, other)).arguments


async def test_the_pool_sends_nothing_of_its_own(database: str) -> None:
    """The program's pool leaves no session state, so it sends no reset either: what arrives is what the store wrote."""
    opened = await open_pool(database, size=1, statement_cache=0)
    try:
        arrived: list[str] = []
        async with opened.acquire() as connection:
            connection.add_query_logger(lambda sent: arrived.append(sent.query))
        scope = scope_on(opened, sample_catalog())
        plan = query(scope.catalog.by_name["User"], "title pr")
        await search(scope, plan)
        await asyncio.sleep(0)
        assert arrived == [statement(scope, plan).text]
    finally:
        await opened.close()


async def test_the_recorder_records(database: str, statements_sent: set[str]) -> None:
    """What the program sends is recorded, what a test sends is not, and what is wrong is told."""
    with recording() as sent:
        async with asyncpg.create_pool(database, min_size=0, max_size=1) as pool:
            await search(scope_on(pool, sample_catalog()), query(sample_catalog().by_name["User"], "title pr"))
            await pool.fetch("SELECT 1")
    assert len(sent) == 1
    assert sent <= statements_sent
    assert [faults(text) for text in sent] == [[]]
    assert faults("SELECT id FROM resource") == ["resource (as resource) is not bound to $1"]
