"""Names of groups that a process keeps: used while they hold, never longer, within their limit."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest

from scimsrv.protocol import planning
from scimsrv.protocol.messages import PATCH_OP
from scimsrv.protocol.plan import Plan, Read, Shown
from scimsrv.schema.catalog import Catalog, build_catalog
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.policy import Policy
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.store import names, write
from scimsrv.store.execute import execute
from scimsrv.store.names import Known, Names
from scimsrv.store.scope import Scope
from tests.store.indexed import delete
from tests.store.support import Hooked, catalog_of, core_catalog, found, ids, put_links, put_rows, query, scope_on, without

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_USER = core_catalog().by_name["User"]
_GROUP = core_catalog().by_name["Group"]


@pytest.fixture
async def scope(pool: Pool) -> Scope:
    """A tenant with the users `ann` and `bob`, both in the groups `one` and `two`."""
    made = scope_on(pool, core_catalog())
    await put_rows(made, _USER, [{"id": id_, "userName": id_} for id_ in ("ann", "bob")])
    await put_rows(made, _GROUP, [{"id": id_, "displayName": f"Group {id_}"} for id_ in ("one", "two")])
    await put_links(made, [(group, user) for group in ("one", "two") for user in ("ann", "bob")])
    return made


async def _groups(scope: Scope, user: str = "ann") -> list[dict[str, str]]:
    """The user's groups, as a read shows them."""
    outcome = await execute(scope, Read(_USER, user, view(EVERYTHING, _USER)))
    assert isinstance(outcome, Shown)
    groups: list[dict[str, str]] = orjson.loads(b"[" + outcome.stored.ready.get("groups", b"") + b"]")
    return groups


async def _called(scope: Scope, user: str = "ann") -> list[str]:
    return [group["display"] for group in await _groups(scope, user)]


def _rename(group: str, name: str) -> Plan:
    body = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "displayName", "value": name}]}
    return planning.modify(body, _GROUP, group, core_catalog(), EVERYTHING, _limits(), None)


def _limits() -> Any:
    return scope_on(None, core_catalog(), 0).limits


def _counting(scope: Scope) -> tuple[Scope, list[str]]:
    """The scope of a process that notes how often it asks for names, with names of its own."""
    asked: list[str] = []

    async def note() -> None:
        asked.append("names")

    return replace(scope, pool=Hooked(scope.pool, before={"names": note}), names=Names()), asked


async def test_a_group_is_shown_with_all_its_parts(scope: Scope) -> None:
    """In the order of ids."""
    base = scope.base_url
    assert await _groups(scope) == [
        {"value": id_, "$ref": f"{base}/Groups/{id_}", "type": "direct", "display": f"Group {id_}"} for id_ in ("one", "two")
    ]


async def test_a_name_is_asked_for_once(scope: Scope) -> None:
    """Whoever reads: another user's groups, or a list, are the same ones."""
    server, asked = _counting(scope)
    assert await _called(server, "ann") == await _called(server, "bob") == ["Group one", "Group two"]
    assert ids(await execute(server, query(_USER))) == ["ann", "bob"]  # type: ignore[arg-type]
    assert asked == ["names"]


async def test_a_new_group_is_asked_for_alone(scope: Scope) -> None:
    """What is known stays known."""
    server, asked = _counting(scope)
    await _called(server)
    await put_rows(scope, _GROUP, [{"id": "three", "displayName": "Group three"}])
    await put_links(scope, [("three", "ann")])
    assert await _called(server) == ["Group one", "Group three", "Group two"]
    assert await _called(server) == ["Group one", "Group three", "Group two"]
    assert asked == ["names", "names"]


_CHANGES: dict[str, tuple[Callable[[Scope], Awaitable[Any]], list[str]]] = {
    "renamed": (lambda scope: execute(scope, _rename("one", "Other")), ["Other", "Group two"]),
    "deleted": (lambda scope: delete(scope, "Group", "one"), ["Group two"]),
    "without a name": (lambda scope: _unnamed(scope), ["Group two"]),
}


async def _unnamed(scope: Scope) -> None:
    """Take the group's name away, as the row of a group of another schema may lack one."""
    await scope.pool.execute("UPDATE resource SET display = NULL WHERE tenant = $1 AND id = 'one'", scope.tenant)
    await scope.pool.execute("INSERT INTO naming (tenant, slot, changes) VALUES ($1, 3, 1)", scope.tenant)


@pytest.mark.parametrize("how", _CHANGES)
async def test_a_change_made_elsewhere_is_seen_by_the_next_read(scope: Scope, how: str) -> None:
    """Each process keeps names of its own; all of them know when one does not hold any more."""
    server, _ = _counting(scope)
    assert await _called(server) == ["Group one", "Group two"]
    change, expected = _CHANGES[how]
    await change(replace(scope, names=Names()))
    assert [group["display"] for group in await _groups(server) if "display" in group] == expected


@pytest.mark.parametrize(
    ("how", "statement", "part"),
    [("renamed", "update_resource", "$22::bigint / 16 + 1"), ("deleted", "delete_resource", "$11::bigint / 16 + 1")],
)
async def test_without_the_note_the_old_name_would_be_shown(
    scope: Scope, monkeypatch: pytest.MonkeyPatch, how: str, statement: str, part: str
) -> None:
    """The note of a change is what the others go by."""
    without(monkeypatch, statement, part, part + " - (" + part + ")")
    server, _ = _counting(scope)
    await _called(server)
    if how == "renamed":
        await _CHANGES[how][0](replace(scope, names=Names()))
        assert await _called(server) == ["Group one", "Group two"]
    else:
        known = await server.names.of(server.pool, server.tenant, server.catalog, 0, {"one"})
        await _CHANGES[how][0](replace(scope, names=Names()))
        again = await server.names.of(server.pool, server.tenant, server.catalog, await _state(scope), {"one"})
        assert again is known


async def _state(scope: Scope) -> int:
    row = await scope.pool.fetchrow("SELECT " + names.NAMING + " AS state", scope.tenant)
    assert row is not None
    state: int = row["state"]
    return state


async def test_a_name_that_changes_while_others_are_asked_for(scope: Scope) -> None:
    """The read has seen an older state than the names that come late: all are asked for again, and what is kept is of one state."""
    server, asked = _counting(scope)
    await _called(server)
    await put_rows(scope, _GROUP, [{"id": "three", "displayName": "Group three"}])
    await put_links(scope, [("three", "ann")])

    async def rename() -> None:
        if len(asked) == 1:
            asked.append("renamed")
            await execute(replace(scope, names=Names()), _rename("one", "Other"))

    between = replace(server, pool=Hooked(server.pool, before={"names": rename}))
    assert await _called(between) == ["Other", "Group three", "Group two"]
    assert await _called(server) == ["Other", "Group three", "Group two"]
    assert asked == ["names", "renamed", "names", "names"]


async def test_a_change_of_something_else_leaves_names_as_they_are(scope: Scope) -> None:
    """A user's name, and a group's other attributes, are shown by no backlink."""
    server, asked = _counting(scope)
    await _called(server)
    body = {"schemas": [_USER.base.urn], "userName": "ann", "displayName": "Ann"}
    await execute(scope, planning.overwrite(body, _USER, "ann", core_catalog(), EVERYTHING, _limits(), None))
    other = {"schemas": [_GROUP.base.urn], "displayName": "Group one", "externalId": "x", "members": [{"value": "ann"}]}
    await execute(scope, planning.overwrite(other, _GROUP, "one", core_catalog(), EVERYTHING, _limits(), None))
    await delete(scope, "User", "bob")
    await _called(server)
    assert asked == ["names"]
    assert await _state(scope) == 0


async def test_names_go_when_there_are_too_many(pool: Pool) -> None:
    """Those of the tenant that was asked for longest ago go first; one tenant's that are too many are not kept."""
    held = Names(most=7_000)
    scopes = [scope_on(pool, core_catalog()) for _ in range(3)]
    for scope in scopes:
        await put_rows(scope, _GROUP, [{"id": f"g{number}", "displayName": f"Group {number}"} for number in range(15)])
    kept = {f"g{number}" for number in range(3)}

    async def asked(scope: Scope, ids_: set[str]) -> names.Known:
        known = await held.of(scope.pool, scope.tenant, scope.catalog, 0, ids_)
        assert known.names.keys() >= ids_
        return known

    first, second = await asked(scopes[0], kept), await asked(scopes[1], kept)
    assert await asked(scopes[0], kept) is first
    third = await asked(scopes[2], kept)
    assert await asked(scopes[2], kept) is third
    assert await asked(scopes[0], kept) is first
    assert await asked(scopes[1], kept) is not second
    many = await asked(scopes[2], {f"g{number}" for number in range(15)})
    assert await asked(scopes[2], {"g1"}) is not many


def _links(name: str, types: list[str], **more: Any) -> dict[str, Any]:
    parts = [{"name": "value"}, {"name": "$ref", "type": "reference", "referenceTypes": types}, {"name": "type"}, {"name": "display"}]
    return {"name": name, "type": "complex", "multiValued": True, "subAttributes": parts} | more


def _made_up(**types: list[dict[str, Any]]) -> Catalog:
    schemas = [
        {"id": f"urn:example:{name}", "name": name, "attributes": [{"name": "displayName"}, *attributes]}
        for name, attributes in types.items()
    ]
    return catalog_of(schemas, [{"name": name, "endpoint": f"/{name}s", "schema": f"urn:example:{name}"} for name in types])


_TEAMS = _links("teams", ["Team"], mutability="readOnly")


@pytest.mark.parametrize("nested", [False, True])
async def test_who_refers_by_two_attributes_is_shown_once(pool: Pool, nested: bool) -> None:
    """And the same whether or not the tenant has anything nested."""
    made = scope_on(pool, _made_up(Person=[_TEAMS], Team=[_links("members", ["Person", "Team"]), _links("owners", ["Person"])]))
    person, team = made.catalog.by_name["Person"], made.catalog.by_name["Team"]
    await put_rows(made, person, [{"id": "p"}])
    await put_rows(made, team, [{"id": "t", "displayName": "T"}, {"id": "above", "displayName": "A"}])
    await put_links(made, [("t", "p"), *([("above", "t")] if nested else [])])
    await put_links(made, [("t", "p")], "owners")
    outcome = await execute(made, Read(person, "p", view(EVERYTHING, person)))
    assert isinstance(outcome, Shown)
    shown = orjson.loads(b"[" + outcome.stored.ready.get("teams", b"") + b"]") or [
        {"value": element.id} for element in outcome.stored.linked["teams"]
    ]
    assert sorted(element["value"] for element in shown) == (["above", "t"] if nested else ["t"])


@pytest.mark.parametrize("nested", [False, True])
async def test_a_backlink_shows_the_types_that_it_names(pool: Pool, nested: bool) -> None:
    """Others may have links of the same name: they are neither shown nor found through it."""
    made = scope_on(pool, _made_up(Person=[_TEAMS], Team=[_links("members", ["Person", "Team"])], Club=[_links("members", ["Person"])]))
    person = made.catalog.by_name["Person"]
    await put_rows(made, person, [{"id": "p"}, {"id": "q"}])
    await put_rows(made, made.catalog.by_name["Team"], [{"id": "t"}, {"id": "above"}])
    await put_rows(made, made.catalog.by_name["Club"], [{"id": "c"}])
    await put_links(made, [("t", "p"), ("c", "p"), ("c", "q"), *([("above", "t")] if nested else [])])
    for user, expected in (("p", {"t", "above"} if nested else {"t"}), ("q", set())):
        outcome = await execute(made, Read(person, user, view(EVERYTHING, person)))
        assert isinstance(outcome, Shown)
        ready = orjson.loads(b"[" + outcome.stored.ready.get("teams", b"") + b"]")
        assert {one["value"] for one in ready} | {one.id for one in outcome.stored.linked.get("teams", ())} == expected
    assert await found(made, person, 'teams.value eq "c"') == set()
    assert await found(made, person, 'teams.value sw "c"') == set()
    assert await found(made, person, 'teams.value eq "t"') == {"p"}
    assert await found(made, person, "teams pr") == {"p"}


def test_what_names_take_is_counted() -> None:
    """What they really take is not much more, whatever they look like."""
    for text, number in (("Group name 12345", 5_000), ("Имя" * 50, 2_000), ("\U0001f600" * 20_000, 20)):
        tracemalloc.start()
        known = Known(weakref.ref(core_catalog()), 0)
        known.add((f"018c0000-0000-7000-8000-{one:012d}", names._Name("Group", text + str(one))) for one in range(number))
        known.elements(_USER.backlinks[0], core_catalog(), "https://scim.example.com/scim/tenant/v2")
        real, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert real < 1.3 * known.size, text[:20]


async def test_names_keep_no_catalogue(scope: Scope) -> None:
    """A catalogue that its process has dropped is gone, and what was known by it is asked for anew."""
    server, asked = _counting(replace(scope, catalog=_core()))
    await _called(server)
    gone = weakref.ref(server.catalog)
    server = replace(server, catalog=_core())
    gc.collect()
    assert gone() is None
    await _called(server)
    assert asked == ["names", "names"]


def _core() -> Catalog:
    known = load_definitions()
    return build_catalog(known.schemas.values(), known.resource_types, known.common, Policy())


async def test_a_group_that_is_given_up_leaves_no_trace(scope: Scope) -> None:
    """The elements that are shown and the names that are kept are those of groups that exist."""
    server, _ = _counting(scope)
    for group in ("one", "two"):
        await delete(scope, "Group", group)
    assert await _groups(server) == []


def test_the_statement_of_writes_is_the_one_that_notes() -> None:
    """Who changes a display in a table of resources has to note it: this is the only statement that does."""
    changing = [name for name, text in write._SQL.items() if "display =" in text]
    assert changing == ["update_resource"]
