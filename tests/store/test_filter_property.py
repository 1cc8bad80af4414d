"""For whatever schema, documents and filters: SQL selects the documents that the in-memory matcher accepts, and sorts as Python does."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import TYPE_CHECKING, Any

import asyncpg
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.filter.bind import bind
from scimsrv.filter.match import match
from scimsrv.filter.parse import parse_filter
from scimsrv.protocol.plan import Cursor, Query
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Returned, Type
from scimsrv.schema.document import Document
from scimsrv.schema.effective import Resolved
from scimsrv.schema.policy import PROFILES
from scimsrv.schema.semantics import Key, key_of
from scimsrv.store.scope import Scope
from scimsrv.store.search import search
from tests.store.generated import World, examples, places, worlds
from tests.store.support import core_catalog, found, ids, put_links, put_rows, query, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]


@given(world=worlds(documents=8, filters=12))
@examples(120)
async def test_sql_and_the_matcher_select_the_same(pool: Pool, world: World) -> None:
    """The set that SQL finds is {document | match(filter, document)}, and `totalResults` is its size."""
    scope = scope_on(pool, world.catalog)
    await put_rows(scope, world.schema, world.documents)
    for text in world.filters:
        bound = bind(parse_filter(text), world.schema, text, unknown_matches_nothing=False)
        expected = {document["id"] for document in world.documents if match(bound, document)}
        chosen = await found(scope, world.schema, text)
        assert chosen == expected, _difference(world, text, chosen, expected)


def _difference(world: World, text: str, chosen: set[str], expected: set[str]) -> str:
    document = next(document for document in world.documents if document["id"] in chosen ^ expected)
    verdict = "finds" if document["id"] in chosen else "does not find"
    return f"SQL {verdict}\n{document}\nby {text}\nin {list(world.catalog.schemas.values())}"


def _sort_key(document: Document, place: Resolved) -> Key | None:
    """What a document is sorted by, None without it: the only value, that of the primary element, or that of the first one."""
    elements = doc.values(doc.get(document, place))
    element = next((one for one in elements if isinstance(one, dict) and one.get("primary") is True), elements[0] if elements else None)
    if element is not None and place.sub is not None:
        element = next(iter(doc.values(element.get(place.sub.name))), None)
    return None if element is None else key_of(place.leaf, element)


def _in_order(documents: list[Document], place: Resolved, *, descending: bool) -> list[str]:
    """Ascending by key and id, what has no key last; descending is the same from its end."""
    keyed = [(_sort_key(document, place), str(document["id"])) for document in documents]
    have: list[tuple[Any, str]] = [(key, id_) for key, id_ in keyed if key is not None]
    ascending = [id_ for _, id_ in sorted(have)] + sorted(id_ for key, id_ in keyed if key is None)
    return ascending[::-1] if descending else ascending


def _sortable(place: Resolved) -> bool:
    return place.leaf.type is not Type.COMPLEX and Returned.NEVER not in (place.attribute.returned, place.leaf.returned)


@given(world=worlds(documents=9, filters=1), start=st.integers(1, 10), count=st.integers(0, 4))
@examples(60)
async def test_sql_sorts_and_pages_as_python_does(pool: Pool, world: World, start: int, count: int) -> None:
    """Missing values last (first when descending), ties by id, pages that are slices of the whole, an exact total on each; pages
    by cursor, forwards and back again, are the whole too."""
    scope = scope_on(pool, world.catalog)
    await put_rows(scope, world.schema, world.documents)
    text = world.filters[0]
    bound = bind(parse_filter(text), world.schema, text, unknown_matches_nothing=False)
    chosen = [document for document in world.documents if match(bound, document)]
    for place in filter(_sortable, places(world.schema)):
        for descending in (False, True):
            everything = await search(scope, query(world.schema, sort=place, descending=descending))
            expected = _in_order(world.documents, place, descending=descending)
            assert ids(everything) == expected, (place.name, descending, world.documents, place.leaf)
            page = await search(scope, query(world.schema, text, sort=place, descending=descending, start=start, count=count))
            expected = _in_order(chosen, place, descending=descending)
            assert (ids(page), page.total) == (expected[start - 1 : start - 1 + count], len(expected)), (place.name, descending, text)
            asked = query(world.schema, pick_filter(text, start), sort=place, descending=descending, count=count + 1)
            expected = _in_order(world.documents if start % 2 else chosen, place, descending=descending)
            assert await _walked(scope, asked) == _pages(expected, count + 1), (place.name, descending, text)


def pick_filter(text: str, number: int) -> str | None:
    """The filter, or none, by turns."""
    return None if number % 2 else text


def _pages(expected: list[str], count: int) -> tuple[list[list[str]], list[list[str]]]:
    """What a walk by cursor from the first page to the last has to see, and one back from there."""
    pages = [expected[at : at + count] for at in range(0, len(expected), count)]
    before = [expected[max(0, at - count) : at] for at in range((len(pages) - 1) * count, 0, -count)]
    return pages, before


async def _walked(scope: Scope, plan: Query) -> tuple[list[list[str]], list[list[str]]]:
    """The pages seen on the way forth, and on the way back."""
    forth, back = [], []
    page = await search(scope, changed(plan, cursor=Cursor(b"")))
    assert page.cursors is not None
    assert page.cursors.previous is None
    while page.rows:
        forth.append(ids(page))
        assert page.cursors is not None
        if page.cursors.next is None:
            break
        page = await search(scope, changed(plan, cursor=Cursor(b"", page.cursors.next)))
    while page.cursors is not None and page.cursors.previous is not None:
        page = await search(scope, changed(plan, cursor=Cursor(b"", page.cursors.previous, backwards=True)))
        back.append(ids(page))
    return forth, back


_PEOPLE = [f"u-{number}" for number in range(4)]
_TEAMS = [f"g-{number}" for number in range(4)]
_SHOWN = ("Ada", "ADA", "straße", "", None)

_GROUP_FILTERS = [
    *(f'members{rest} {op} "{value}"' for rest in ("", ".value") for op in ("eq", "ne", "co") for value in ("u-1", "g-0", "U-1")),
    *(f'members.type {op} "{value}"' for op in ("eq", "ne", "sw") for value in ("user", "Group")),
    *(f'members.display {op} "{value}"' for op in ("eq", "ne", "co") for value in ("ada", "STRASSE", "")),
    *(f'members.$ref {op} "https://scim.example.com/v2/Users/u-1"' for op in ("eq", "ne")),
    *('members[value eq "u-1" and type eq "User"]', 'members[value eq "g-1" or value eq "u-2"]', 'members[not (type eq "user")]'),
    *('members[type eq "group"].display pr', 'members[type eq "user"].value ne "u-0"', "members pr", "members.display pr"),
    *("members eq null", "members.display eq null", 'not (members eq "u-0") and not (members eq "g-1")'),
]

_USER_FILTERS = [
    *(f'groups{rest} {op} "{value}"' for rest in ("", ".value") for op in ("eq", "ne", "ew") for value in ("g-0", "g-1", "G-1")),
    *(f'groups.type {op} "{value}"' for op in ("eq", "ne") for value in ("direct", "INDIRECT")),
    *(f'groups.display {op} "{value}"' for op in ("eq", "ne", "sw") for value in ("ADA", "strasse")),
    *('groups[value eq "g-0" and type eq "direct"]', 'groups[value eq "g-0"].type eq "indirect"', 'groups[type ne "direct"]'),
    *('groups.$ref eq "https://scim.example.com/v2/Groups/g-2"', "groups pr", "groups.display pr", "groups eq null"),
]


@given(
    edges=st.sets(st.tuples(st.sampled_from(_TEAMS), st.sampled_from(_PEOPLE + _TEAMS)).filter(lambda edge: edge[0] != edge[1])),
    shown=st.lists(st.sampled_from(_SHOWN), min_size=8, max_size=8),
)
@examples(25)
async def test_memberships_are_filtered_as_if_they_were_in_the_document(
    pool: Pool, edges: set[tuple[str, str]], shown: list[str | None]
) -> None:
    """members and the derived groups, nested and in cycles: the rows mean what the representation shows."""
    catalog = core_catalog(PROFILES["strict"])  # in which groups may share a name
    scope = scope_on(pool, catalog)
    names = dict(zip(_PEOPLE + _TEAMS, shown, strict=True))
    users: dict[str, Document] = {id_: _named(id_, names[id_], "userName") for id_ in _PEOPLE}
    teams: dict[str, Document] = {id_: _named(id_, names[id_], None) for id_ in _TEAMS}
    user, group = catalog.by_name["User"], catalog.by_name["Group"]
    await put_rows(scope, user, users.values())
    await put_rows(scope, group, teams.values())
    await put_links(scope, edges)
    for id_, document in teams.items():
        document["members"] = [_element(target, names, catalog_type(target)) for source, target in sorted(edges) if source == id_]
    for id_, document in users.items():
        document["groups"] = [_element(source, names, kind) for source, kind in _above(id_, edges).items()]
    for schema, documents, texts in ((group, teams, _GROUP_FILTERS), (user, users, _USER_FILTERS)):
        for text in texts:
            bound = bind(parse_filter(text), schema, text, unknown_matches_nothing=False)
            assert await found(scope, schema, text) == {id_ for id_, document in documents.items() if match(bound, document)}, text


def catalog_type(id_: str) -> str:
    """The resource type that an id of this test stands for."""
    return "User" if id_ in _PEOPLE else "Group"


def _named(id_: str, shown: str | None, unique: str | None) -> Document:
    document: Document = {"id": id_}
    if unique is not None:
        document[unique] = id_
    return document if shown is None else document | {"displayName": shown}


def _element(id_: str, names: dict[str, str | None], kind: str) -> Document:
    ref = f"https://scim.example.com/v2/{catalog_type(id_)}s/{id_}"
    shown = names[id_]
    return {"value": id_, "$ref": ref, "type": kind} | ({"display": shown} if shown else {})


def _above(id_: str, edges: set[tuple[str, str]]) -> dict[str, str]:
    """The groups that hold the id, directly or through others."""
    direct = {source for source, target in edges if target == id_}
    reached, fresh = set(direct), set(direct)
    while fresh:
        fresh = {source for source, target in edges if target in fresh} - reached
        reached |= fresh
    return {source: "direct" if source in direct else "indirect" for source in sorted(reached)}
