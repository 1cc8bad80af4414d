"""The table of filters and their meanings, through SQL: it has to find what the table says, and what the in-memory matcher finds."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from scimsrv.filter.bind import bind
from scimsrv.filter.match import match
from scimsrv.filter.parse import parse_filter
from scimsrv.schema.semantics import instant
from scimsrv.store.scope import Scope
from tests.filter_cases import CASES, DERIVED_CASES, DOCUMENTS
from tests.store.support import found, put_links, put_rows, sample_catalog, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_USER = sample_catalog().by_name["User"]
_GROUP = sample_catalog().by_name["Group"]
_ALL = CASES + DERIVED_CASES

#: What the server fills in for those documents of the table that say nothing of it.
_META = {"resourceType": "User", "created": "2023-05-05T05:05:05Z", "lastModified": "2023-05-05T05:05:05Z", "version": 'W/"1"'}


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    return {"meta": _META | {"location": f"https://scim.example.com/v2/Users/{document['id']}"}} | document


@pytest.fixture
async def scope(pool: Pool) -> Scope:
    """A tenant that holds the table's documents and the groups that they speak of."""
    scope = scope_on(pool, sample_catalog())
    for document in DOCUMENTS.values():
        meta = _complete(document)["meta"]
        version = int(meta["version"][3:-1])
        created, modified = instant(meta["created"]), instant(meta["lastModified"])
        await put_rows(scope, _USER, [document], version=version, created=created, modified=modified)
    await put_rows(scope, _GROUP, [{"id": "g-1", "displayName": "Staff"}, {"id": "g-2", "displayName": "All"}])
    await put_links(scope, [("g-1", "u-Ada"), ("g-2", "g-1")])
    return scope


async def test_sql_finds_what_the_table_says(scope: Scope) -> None:
    """Every case of the table, and its negation, over every document: SQL, the matcher and the table's verdict are one."""
    verdicts: dict[str, dict[str, bool]] = defaultdict(dict)
    for name, text, expected in _ALL:
        verdicts[text][DOCUMENTS[name]["id"]] = expected
    assert len(verdicts) > 200
    wrong = []
    for text, expected_ids in verdicts.items():
        bound = bind(parse_filter(text), _USER, text, unknown_matches_nothing=False)
        matched = {document["id"] for document in DOCUMENTS.values() if match(bound, _complete(document))}
        chosen = await found(scope, _USER, text)
        rest = await found(scope, _USER, f"not ({text})")
        for id_, expected in expected_ids.items():
            if (id_ in chosen) is not expected:
                wrong.append(f"{text} for {id_}: SQL says {not expected}")
        if chosen != matched:
            wrong.append(f"{text}: SQL finds {sorted(chosen)}, the matcher {sorted(matched)}")
        if rest != {document["id"] for document in DOCUMENTS.values()} - chosen:
            wrong.append(f"not ({text}): is not the opposite of {text}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('members eq "u-Ada"', {"g-1"}),
        ('members.value eq "u-ada"', set()),
        ('members.value eq "g-1"', {"g-2"}),
        ('members[value eq "g-1" and type eq "group"]', {"g-2"}),
        ('members[value eq "g-1" and type eq "User"]', set()),
        ('members[value eq "u-Ada" or value eq "u-Ben"]', {"g-1"}),
        ('members.type eq "USER"', {"g-1"}),
        ('members.display eq "ADA o\'malley"', {"g-1"}),
        ('members.$ref ew "/Groups/g-1"', {"g-2"}),
        ('members.value ne "u-Ada"', {"g-2", "g-3"}),
        ('not (members eq "u-Ada")', {"g-2", "g-3"}),
        ("members pr", {"g-1", "g-2"}),
        ("members eq null", {"g-3"}),
        ('displayName eq "STAFF" and members pr', {"g-1"}),
    ],
)
async def test_groups_are_found_by_their_members(scope: Scope, text: str, expected: set[str]) -> None:
    """Members are rows; filters see them as if they were in the document (decision 25)."""
    await put_rows(scope, _GROUP, [{"id": "g-3", "displayName": "Nobody"}])
    assert await found(scope, _GROUP, text) == expected


async def test_a_tenant_finds_nothing_of_another(scope: Scope, pool: Pool) -> None:
    """The same filters asked by another tenant find nothing, whichever way the value is stored."""
    other = scope_on(pool, sample_catalog())
    for text in ('userName eq "ada@example.com"', "emails pr", 'groups eq "g-1"', 'id eq "u-Ada"', "not (nickName pr)"):
        assert await found(scope, _USER, text)
        assert await found(other, _USER, text) == set()
    assert await found(other, _GROUP, 'members eq "u-Ada"') == set()


async def test_instants_outside_of_four_digit_years_are_compared(scope: Scope) -> None:
    """The earliest and latest dateTime that RFC 3339 can write are ordinary literals for a column and for the document."""
    assert await found(scope, _USER, 'meta.created gt "0001-01-01T00:00:00Z" and meta.created lt "9999-12-31T23:59:59.999Z"') == {
        document["id"] for document in DOCUMENTS.values()
    }
    assert await found(scope, _USER, 'since gt "0001-01-01T00:00:00Z" and since lt "9999-12-31T23:59:59.999Z"') == {"u-Ada"}
