"""A page that Postgres puts together is, byte for byte, the page that is rendered from what is stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson
import pytest
from hypothesis import given

from scimsrv.limits import Limits
from scimsrv.protocol.plan import Cursor, Page, Query, Target
from scimsrv.protocol.response import Renderer
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.project import Projection, view
from scimsrv.store.names import Names
from scimsrv.store.scope import Scope
from scimsrv.store.search import search
from scimsrv.store.statement import statement
from tests.store.generated import World, examples, worlds
from tests.store.support import THEN, core_catalog, driver, put_links, put_rows, query, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_NO_GROUPS: Final = Projection(without=frozenset({"groups"}))


async def _body(scope: Scope, plan: Query) -> bytes:
    """The page as it is answered."""
    page = await search(scope, plan)
    renderer = Renderer(scope.base_url, scope.catalog, lambda _: {}, datetime.now(UTC))
    body = renderer.reply(Page(page.total, page.start, page.rows)).body
    assert isinstance(body, bytes)
    return body


async def _alike(scope: Scope, plan: Query, *, together: bool = True) -> bytes:
    """The page, which is the same put together by Postgres and rendered; `together` says whether Postgres is asked to."""
    shown = replace(plan, shown=True)
    assert statement(scope, shown).together is together
    body = await _body(scope, shown)
    assert body == await _body(scope, plan)
    return body


def _query(schema: EffectiveSchema, projection: Projection = _NO_GROUPS, **options: Any) -> Query:
    plan = query(schema, **options)
    return replace(plan, targets=(Target(schema, plan.targets[0].filter, plan.targets[0].sort, view(projection, schema)),))


@given(world=worlds(documents=6, filters=1))
@examples(40)
async def test_a_page_is_the_same_either_way(pool: Pool, world: World) -> None:
    """Whatever the schema and the documents are."""
    scope = scope_on(pool, world.catalog)
    await put_rows(scope, world.schema, world.documents)
    for text in (None, *world.filters):
        plan = query(world.schema, text)
        view_ = plan.targets[0].view
        beside = len(view_.backlinks) < 2 and not any(place.extension for place in view_.backlinks)
        await _alike(scope, plan, together=view_.as_stored and not view_.links and beside)


#: What could come out differently: braces at the end, quotes, other planes, what JSON escapes, times without a fraction.
_USERS: Final[list[Document]] = [
    {"id": "1", "userName": "plain"},
    {"id": "2", "userName": "brace}", "name": {"formatted": "}}"}},
    {"id": "3", "userName": 'quo"te\\', "displayName": "\u2028 \x7f \t"},
    {"id": "4", "userName": "Žofie 😀", "title": "𝒳" * 50},
    {"id": "5-A-b", "userName": "five", "emails": [{"value": "five@example.com", "type": "work"}]},
]


@pytest.mark.parametrize("base_url", ["https://scim.example.com/v2", 'https://scim.example.com/"ü"/{id}/v2'])
async def test_what_could_come_out_differently(pool: Pool, base_url: str) -> None:
    """Pages in every order, of each version and time."""
    scope = replace(scope_on(pool, core_catalog()), tenant=7_700_001 if "ü" in base_url else 7_700_002, base_url=base_url)
    schema = scope.catalog.by_name["User"]
    for number, document in enumerate(_USERS):
        times = {"created": THEN + timedelta(milliseconds=number * 7), "modified": THEN + timedelta(days=number, milliseconds=990)}
        await put_rows(scope, schema, [document], version=10**number, **times)
    place = schema.resolve("userName")
    for plan in (
        _query(schema),
        _query(schema, count=2),
        _query(schema, start=3, count=2),
        _query(schema, start=9),
        _query(schema, sort=place, descending=True),
        _query(schema, text='userName co "e"'),
        replace(_query(schema, count=2), cursor=Cursor(b"")),
    ):
        await _alike(scope, plan)
    whole = await _alike(scope, _query(schema))
    assert whole.count(b'"meta":') == len(_USERS)


async def test_users_with_their_groups(pool: Pool) -> None:
    """In no group, in one, in several, whether their names are known or not, and after one of them changed; in a group that is in another;
    in very many; and where a page may not be as large."""
    scope = replace(scope_on(pool, replace(core_catalog(), statements={})), tenant=7_700_004, names=Names())
    schema, groups = scope.catalog.by_name["User"], scope.catalog.by_name["Group"]
    await put_rows(scope, schema, _USERS)
    await put_rows(scope, groups, [{"id": f"g-{number}", "displayName": f'Group "{number}" é'} for number in range(600)])
    await put_links(scope, [("g-1", "2"), ("g-1", "3"), ("g-2", "3"), ("g-0", "3"), ("gone", "4")])
    body = await _alike(scope, query(schema))  # the first answer reads names, the second knows them
    assert await _body(scope, replace(query(schema), shown=True)) == body
    assert body.count(b'"groups":') == 2
    assert [len(user.get("groups", ())) for user in orjson.loads(body)["Resources"]] == [0, 1, 3, 0, 0]
    async with driver(scope).acquire() as connection:
        await connection.execute("UPDATE resource SET display = 'Renamed' WHERE tenant = $1 AND id = 'g-1'", scope.tenant)
        await connection.execute("INSERT INTO naming (tenant, slot, changes) VALUES ($1, 0, 1)", scope.tenant)
    assert (await _alike(scope, query(schema))).count(b"Renamed") == 2
    small = replace(scope, limits=Limits(page_bytes=600))
    few = [len((await search(small, replace(query(schema), shown=shown))).rows) for shown in (True, False)]
    assert few[0] == few[1] < len(_USERS)
    await put_links(scope, [("g-3", "g-2")])
    assert b'"type":"indirect"' in await _alike(scope, query(schema))
    await put_links(scope, [(f"g-{number}", "1") for number in range(4, 600)])
    assert (await _alike(scope, query(schema))).count(b'"value":"g-') > 600


async def test_what_postgres_does_not_put_together(pool: Pool) -> None:
    """Projections and counts alone are rendered here; so are pages with large resources, and larger pages than a page may be, when Postgres
    has been asked; and types with ids that are quoted in URLs, of which it is asked once."""
    scope = replace(scope_on(pool, replace(core_catalog(), statements={})), tenant=7_700_003)
    schema = scope.catalog.by_name["User"]
    await put_rows(scope, schema, _USERS)
    await _alike(scope, _query(schema, Projection(only=frozenset({"username"}))), together=False)
    await _alike(scope, _query(schema, count=0), together=False)
    small = replace(scope, limits=Limits(page_bytes=600))
    few = [len((await search(small, replace(_query(schema), shown=shown))).rows) for shown in (True, False)]
    assert few[0] == few[1] < len(_USERS)
    await put_rows(scope, schema, [{"id": "6", "userName": "large", "title": "x" * 20_000}])
    assert b"x" * 20_000 in await _alike(scope, _query(schema))
    await put_rows(scope, schema, [{"id": "a b/ü", "userName": "quoted"}])
    assert b"/Users/a%20b%2F%C3%BC" in await _body(scope, replace(_query(schema), shown=True))
    await _alike(scope, _query(schema), together=False)
