"""Deleted resources come back as they were: the same id, the same memberships, and nothing that somebody else has taken meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson
import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.plan import Read, Shown
from scimsrv.schema.policy import PROFILES
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.store import audit, background, tombstones
from scimsrv.store.execute import execute
from scimsrv.store.scope import Scope
from scimsrv.store.tenants import create_tenant
from scimsrv.store.tombstones import list_tombstones, put_back, restore
from tests.store.indexed import create, delete, patch
from tests.store.support import core_catalog, count, driver, found, put_links, put_rows, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

_numbers = itertools.count(1)
_POLICY = PROFILES["standard"]
_USER = core_catalog().by_name["User"]
_GROUP = core_catalog().by_name["Group"]


@pytest.fixture
async def scope(pool: Pool) -> Scope:
    """A fresh tenant."""
    async with pool.acquire() as connection:
        made = await create_tenant(connection, f"buried-{next(_numbers)}")
    return scope_on(pool, core_catalog(), made.id)


def _with(scope: Scope, **switches: Any) -> Scope:
    """The same tenant with another policy."""
    return replace(scope, catalog=core_catalog(replace(_POLICY, **switches)))


async def _members(scope: Scope, group: str) -> set[str]:
    rows = await driver(scope).fetch("SELECT target FROM reference WHERE tenant = $1 AND source = $2", scope.tenant, group)
    return {row["target"] for row in rows}


async def _shown(scope: Scope, type_name: str, id_: str) -> dict[str, Any]:
    schema = scope.catalog.by_name[type_name]
    outcome = await execute(scope, Read(schema, id_, view(EVERYTHING, schema)))
    assert isinstance(outcome, Shown)
    stored = outcome.stored
    return {"version": stored.version, "created": stored.created, **orjson.loads(stored.document)}


async def _kind(work: Awaitable[Any]) -> Kind | str:
    try:
        await work
    except ScimError as error:
        return error.kind
    return "ok"


async def _finish(scope: Scope) -> None:
    while await background.erase(scope.pool, scope.tenant) or await put_back(scope.pool, scope.tenant):
        pass


async def test_a_user_comes_back_with_id_values_groups_and_reports(scope: Scope) -> None:
    """Restored, a user has the id, the values and the time of creation from before, a higher version, and the old groups and reports."""
    ada = await create(scope, "User", {"userName": "Ada", "title": "Dr", "externalId": "E1"})
    before = await _shown(scope, "User", ada)
    groups = [await create(scope, "Group", {"displayName": f"g{n}", "members": [{"value": ada}]}) for n in range(3)]
    report = await create(scope, "User", {"userName": "ben", ENTERPRISE: {"manager": {"value": ada}}})
    await delete(scope, "User", ada)
    assert await _kind(_shown(scope, "User", ada)) is Kind.NOT_FOUND
    assert (await _shown(scope, "User", report)).get(ENTERPRISE) is None
    written = await restore(scope, ada)
    after = await _shown(scope, "User", ada)
    assert (written.id, written.version, after["version"]) == (ada, 3, 3)
    assert {**after, "version": 1} == before
    assert [await _members(scope, group) for group in groups] == [{ada}] * 3
    assert [(await _shown(scope, "Group", group))["version"] for group in groups] == [3] * 3
    manager = (await _shown(scope, "User", report))[ENTERPRISE]["manager"]
    assert (manager["value"], manager["$ref"].endswith(ada)) == (ada, True)
    assert await found(scope, _USER, 'userName eq "ADA" and title pr') == {ada}
    assert await found(scope, _USER, f'groups.value eq "{groups[0]}"') == {ada}
    assert (await count(scope, "tombstone"), await count(scope, "tombstone_reference")) == (0, 0)
    assert await _kind(restore(scope, ada)) is Kind.NOT_FOUND
    operations = await driver(scope).fetch("SELECT operation FROM change WHERE tenant = $1 AND id = $2 ORDER BY seq", scope.tenant, ada)
    assert [row["operation"] for row in operations] == ["create", "delete", "restore"]


@pytest.mark.parametrize("members", [3, tombstones.AT_ONCE, tombstones.AT_ONCE + 1, 10_000])
@pytest.mark.parametrize("finished", [True, False])
async def test_a_group_comes_back_with_its_members(scope: Scope, members: int, finished: bool) -> None:
    """However many there are, and whether or not their rows had gone; those beyond a batch come back in the background."""
    users = [f"u{number:05}" for number in range(members)]
    await put_rows(scope, _USER, [{"id": id_, "userName": id_} for id_ in users])
    await put_rows(scope, _GROUP, [{"id": "group", "displayName": "group"}])
    await put_links(scope, [("group", id_) for id_ in users])
    await delete(scope, "Group", "group")
    if finished:
        await _finish(scope)
    assert await found(scope, _USER, 'groups.value eq "group"') == set()
    await restore(scope, "group")
    await _finish(scope)
    assert await _members(scope, "group") == set(users)
    tables = ("tombstone", "tombstone_reference", "erasure")
    assert [await count(scope, table) for table in tables] == [0, 0, 0]


async def test_a_user_of_very_many_groups(scope: Scope) -> None:
    """Memberships beyond a batch, too."""
    groups = [f"g{number:05}" for number in range(2 * tombstones.AT_ONCE + 7)]
    await put_rows(scope, _USER, [{"id": "ada", "userName": "ada"}])
    await put_rows(scope, _GROUP, [{"id": id_, "displayName": id_} for id_ in groups])
    await put_links(scope, [(id_, "ada") for id_ in groups])
    await delete(scope, "User", "ada")
    await _finish(scope)
    assert await count(scope, "reference") == 0
    await restore(scope, "ada")
    await _finish(scope)
    assert await count(scope, "reference") == len(groups)


@pytest.mark.parametrize("order", [("user", "group"), ("group", "user")])
@pytest.mark.parametrize("back", [("user", "group"), ("group", "user")])
async def test_both_ends_of_a_membership_were_deleted(scope: Scope, order: tuple[str, str], back: tuple[str, str]) -> None:
    """In whichever order they went and come back, in the end the user is a member again, and not before both are there."""
    await put_rows(scope, _USER, [{"id": "user", "userName": "user"}])
    await put_rows(scope, _GROUP, [{"id": "group", "displayName": "group"}])
    await put_links(scope, [("group", "user")])
    for id_ in order:
        await delete(scope, id_.capitalize(), id_)
    await restore(scope, back[0])
    assert await count(scope, "reference") == 0
    await restore(scope, back[1])
    assert await _members(scope, "group") == {"user"}
    assert await count(scope, "tombstone_reference") == 0


async def test_what_is_gone_for_good_does_not_come_back(scope: Scope) -> None:
    """A group comes back without members that were erased meanwhile; a report that has another manager by now keeps that one."""
    for name in ("ada", "ben", "eve"):
        await put_rows(scope, _USER, [{"id": name, "userName": name}])
    group = await create(scope, "Group", {"displayName": "g", "members": [{"value": "ada"}, {"value": "ben"}]})
    report = await create(scope, "User", {"userName": "report", ENTERPRISE: {"manager": {"value": "ben"}}})
    await delete(scope, "Group", group)
    for id_ in ("ada", "ben"):
        await delete(scope, "User", id_)
    async with driver(scope).acquire() as connection:
        await audit.erase(connection, scope.tenant, "dpo", "ada", b"k" * 32)
    await patch(scope, "User", report, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": "eve"}})
    await restore(scope, group)
    await restore(scope, "ben")
    assert await _members(scope, group) == {"ben"}
    assert (await _shown(scope, "User", report))[ENTERPRISE]["manager"]["value"] == "eve"
    assert await _kind(restore(scope, "ada")) is Kind.NOT_FOUND


@pytest.mark.parametrize(
    ("days", "age", "kind"),
    [(30, timedelta(days=29, hours=23), "ok"), (30, timedelta(days=30, minutes=1), Kind.NOT_FOUND), (0, timedelta(0), Kind.NOT_FOUND)],
)
async def test_the_window(scope: Scope, days: int, age: timedelta, kind: Kind | str) -> None:
    """For as long as the policy says, and not at all where it says 0; what is older is removed for good in the background."""
    scope = _with(scope, restore_days=days)
    ada = await create(scope, "User", {"userName": "ada"})
    group = await create(scope, "Group", {"displayName": "g", "members": [{"value": ada}]})
    await delete(scope, "User", ada)
    await driver(scope).execute("UPDATE tombstone SET deleted = deleted - $2::interval WHERE tenant = $1", scope.tenant, age)
    while await tombstones.purge(scope.pool, scope.tenant, days):
        pass
    assert await _kind(restore(scope, ada)) == kind
    assert await _members(scope, group) == ({ada} if kind == "ok" else set())
    assert await count(scope, "tombstone_reference") == 0


async def test_a_name_that_was_taken(scope: Scope) -> None:
    """Who has the userName by now keeps it; once it is free, the deleted user can come back."""
    ada = await create(scope, "User", {"userName": "ada"})
    await delete(scope, "User", ada)
    other = await create(scope, "User", {"userName": "ADA"})
    with pytest.raises(ScimError, match="userName is already in use") as raised:
        await restore(scope, ada)
    assert raised.value.kind is Kind.UNIQUENESS
    await patch(scope, "User", other, {"op": "replace", "path": "userName", "value": "ada2"})
    await restore(scope, ada)
    assert await found(scope, _USER, 'userName eq "ada"') == {ada}


async def test_the_list(scope: Scope) -> None:
    """What can be brought back is listed by id, with the name that others showed for it."""
    ids = [await create(scope, "User", {"userName": f"user{n}"}) for n in range(3)]
    group = await create(scope, "Group", {"displayName": "Staff"})
    for id_ in ids:
        await delete(scope, "User", id_)
    await delete(scope, "Group", group)
    async with driver(scope).acquire() as connection:
        listed = await list_tombstones(connection, scope.tenant)
        assert [one.id for one in listed] == sorted([*ids, group])
        named = {**dict(zip(ids, ("user0", "user1", "user2"), strict=True)), group: "Staff"}
        assert {one.id: one.display for one in listed} == named
        page = await list_tombstones(connection, scope.tenant, type_name="User", after=min(ids), count=1)
        assert [one.id for one in page] == [sorted(ids)[1]]
        assert [one.type for one in await list_tombstones(connection, scope.tenant, id_=group)] == ["Group"]


@pytest.mark.parametrize(
    ("by", "body", "same"),
    [
        ("off", {"userName": "ada", "externalId": "E1"}, False),
        ("userName", {"userName": "ADA"}, True),
        ("userName", {"userName": "other", "externalId": "E1"}, False),
        ("externalId", {"userName": "other", "externalId": "E1"}, True),
        ("externalId", {"userName": "ada", "externalId": "E2"}, False),
        ("externalId", {"userName": "ada"}, False),
    ],
)
async def test_a_post_that_matches(scope: Scope, by: str, body: dict[str, Any], same: bool) -> None:
    """By the attribute that the policy names, a POST brings back who was deleted, with the id, the groups, and what the POST says."""
    scope = _with(scope, reprovision=by)
    ada = await create(scope, "User", {"userName": "ada", "externalId": "E1", "title": "Dr"})
    group = await create(scope, "Group", {"displayName": "g", "members": [{"value": ada}]})
    await delete(scope, "User", ada)
    back = await create(scope, "User", body | {"nickName": "A"})
    assert (back == ada) is same
    assert await _members(scope, group) == ({ada} if same else set())
    shown = await _shown(scope, "User", back)
    assert (shown["userName"], shown["nickName"], "title" in shown) == (body["userName"], "A", False)
    assert shown["version"] == (3 if same else 1)
    assert await count(scope, "tombstone") == (0 if same else 1)


async def test_a_posted_group_has_the_members_it_was_sent_with(scope: Scope) -> None:
    """Members in the request take the place of those that the group had; without any, it gets its own back."""
    scope = _with(scope, reprovision="externalId")
    ada, ben = [await create(scope, "User", {"userName": name}) for name in ("ada", "ben")]
    body = {"displayName": "g", "externalId": "G"}
    group = await create(scope, "Group", body | {"members": [{"value": ada}]})
    for sent, expected in (([], {ada}), ([{"value": ben}], {ben}), ([], {ben})):
        await delete(scope, "Group", group)
        assert await create(scope, "Group", body | ({"members": sent} if sent else {})) == group
        assert await _members(scope, group) == expected


async def _at_once(works: list[Callable[[], Awaitable[Any]]]) -> list[Kind | str]:
    barrier = asyncio.Barrier(len(works))

    async def run(work: Callable[[], Awaitable[Any]]) -> Kind | str:
        await barrier.wait()
        return await _kind(work())

    return await asyncio.gather(*map(run, works))


async def test_brought_back_once(scope: Scope) -> None:
    """Of those who bring a resource back at the same time one does, whatever else happens to it then."""
    for turn in range(5):
        ada = await create(scope, "User", {"userName": f"ada{turn}"})
        group = await create(scope, "Group", {"displayName": f"g{turn}", "members": [{"value": ada}]})
        await delete(scope, "User", ada)
        results = await _at_once([lambda ada=ada: restore(scope, ada) for _ in range(6)])  # type: ignore[misc]
        assert sorted(map(str, results)) == [str(Kind.NOT_FOUND)] * 5 + ["ok"]
        assert await _members(scope, group) == {ada}


async def test_posts_that_match_at_the_same_time(scope: Scope) -> None:
    """One brings the user back; the others meet the userName, which is taken then."""
    scope = _with(scope, reprovision="userName")
    for turn in range(5):
        ada = await create(scope, "User", {"userName": f"ada{turn}"})
        await delete(scope, "User", ada)
        results = await _at_once([lambda turn=turn: create(scope, "User", {"userName": f"ada{turn}"}) for _ in range(4)])  # type: ignore[misc]
        assert sorted(map(str, results)) == [str(Kind.UNIQUENESS)] * 3 + ["ok"]
        assert await found(scope, _USER, f'userName eq "ada{turn}"') == {ada}


async def test_deleted_while_it_comes_back(scope: Scope) -> None:
    """A group that is deleted again while its members are being put back can be brought back once more, with all of them."""
    users = [f"u{number:05}" for number in range(2_500)]
    await put_rows(scope, _USER, [{"id": id_, "userName": id_} for id_ in users])
    await put_rows(scope, _GROUP, [{"id": "group", "displayName": "group"}])
    await put_links(scope, [("group", id_) for id_ in users])
    await delete(scope, "Group", "group")
    await _finish(scope)
    await restore(scope, "group")
    assert len(await _members(scope, "group")) == tombstones.AT_ONCE
    await delete(scope, "Group", "group")
    assert not await put_back(scope.pool, scope.tenant)
    await _finish(scope)
    await restore(scope, "group")
    await _finish(scope)
    assert await _members(scope, "group") == set(users)


async def test_secrets_do_not_come_back(scope: Scope) -> None:
    """A password is gone with the deletion: nobody signs in with one that was set before."""
    ada = await create(scope, "User", {"userName": "ada", "password": "correct horse"})
    assert await count(scope, "secret") == 1
    await delete(scope, "User", ada)
    await restore(scope, ada)
    assert await count(scope, "secret") == 0
