"""Writers keep the indexes and the counts right: after any change, in any order, by however many at once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import pytest

from scimsrv.errors import ScimError
from scimsrv.store import failure
from tests.store.indexed import (
    Tenant,
    assert_complete,
    create,
    delete,
    new_tenant,
    patch,
    put,
    rows,
)
from tests.store.support import driver, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_LONG: Final = "x" * 300

#: What a new tenant has not indexed: several values, values of parts, an extension's pointer, and pieces of long text.
_MORE: Final = (
    *(("title", True), ("roles.value", False), ("emails.type", False), ("emails.primary", False), ("nickName", True)),
    *((f"{_ENTERPRISE}:manager.value", False), (f"{_ENTERPRISE}:manager.$ref", False), (f"{_ENTERPRISE}:department", False)),
)


async def _tenant(pool: Pool, *more: tuple[str, bool]) -> Tenant:
    """A tenant whose additional indexes are ready."""
    made = await new_tenant(pool)
    for name, substring in more:
        await made.add_index("User", name, substring=substring)
    await made.finish()
    return made


# -- every kind of change ---------------------------------------------------------------------------------------------


@dataclass
class _Walk:
    """A random walk through everything that clients can do, with indexes added and removed on the way."""

    tenant: Tenant
    random: random.Random
    users: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    made: int = 0

    async def step(self) -> str:
        """Do something; returns what it was. What the server refuses (a value that is taken) changes nothing either."""
        steps = [self.create_user, self.create_user, self.create_user, self.create_group, self.create_group, self.put_user, self.put_group]
        steps += [self.patch_user, self.patch_user, self.patch_group, self.patch_group, self.delete_user, self.delete_group, self.manage]
        chosen = self.random.choice(steps)
        try:
            await chosen()
        except ScimError as problem:
            return f"{chosen.__name__}: {problem.kind}"
        return chosen.__name__

    def _pick(self, ids: list[str]) -> str:
        return self.random.choice(ids) if ids else "none"

    def _text(self) -> str:
        return self.random.choice(["Ada", "ada", "ADA", "straße", "", _LONG, _LONG + "y", "=~%", "~"])

    def _label(self) -> str:
        self.made += 1
        return f"{self._text()[:200]}{self.random.choice(['', self.made])}" or "x"

    def _user(self) -> dict[str, Any]:
        self.made += 1
        body: dict[str, Any] = {"userName": f"user {self.made} {self._text()[:200]}"}
        for name in ("title", "nickName", "displayName", "externalId"):
            if self.random.random() < 0.5:
                body[name] = self._text() + (str(self.made) if name == "externalId" else "")
        emails = [
            {"value": f"{self._text()[:5]}@example.com", "type": self.random.choice(["work", "home", None])}
            for _ in range(self.random.randrange(3))
        ]
        if emails and self.random.random() < 0.5:
            emails[0]["primary"] = True  # type: ignore[assignment]
        body["emails"] = emails
        body["roles"] = [{"value": self._text()} for _ in range(self.random.randrange(3))]
        body["active"] = self.random.choice([True, False, None])
        body["name"] = {"familyName": self._text()}
        if self.random.random() < 0.5:
            body[_ENTERPRISE] = {"department": self._text()}
        return body

    async def create_user(self) -> None:
        self.users.append(await create(await self.tenant.scope(), "User", self._user()))

    async def create_group(self) -> None:
        members = [{"value": id_} for id_ in self.random.sample(self.users, min(3, len(self.users)))]
        body = {"displayName": self._label(), "members": members}
        self.groups.append(await create(await self.tenant.scope(), "Group", body))

    async def put_user(self) -> None:
        await put(await self.tenant.scope(), "User", self._pick(self.users), self._user())

    async def put_group(self) -> None:
        members = [{"value": id_} for id_ in self.random.sample(self.users, min(2, len(self.users)))]
        await put(await self.tenant.scope(), "Group", self._pick(self.groups), {"displayName": self._label(), "members": members})

    async def patch_user(self) -> None:
        operation: dict[str, Any] = self.random.choice(
            [
                {"op": "replace", "path": "title", "value": self._text()},
                {"op": "remove", "path": self.random.choice(["title", "emails", "roles", "name", _ENTERPRISE, "active"])},
                {"op": "add", "path": "roles", "value": [{"value": self._text()}]},
                {"op": "replace", "path": 'emails[type eq "work"].value', "value": "w@example.com"},
                {"op": "replace", "path": f"{_ENTERPRISE}:department", "value": self._text()},
                {"op": "replace", "value": {"displayName": self._text(), "active": True}},
                {"op": "replace", "path": "locale", "value": self._text()},
            ]
        )
        await patch(await self.tenant.scope(), "User", self._pick(self.users), operation)

    async def patch_group(self) -> None:
        one = self._pick([*self.users, *self.groups])
        operation: dict[str, Any] = self.random.choice(
            [
                {"op": "add", "path": "members", "value": [{"value": one}]},
                {"op": "remove", "path": f'members[value eq "{one}"]'},
                {"op": "remove", "path": "members"},
                {"op": "replace", "path": "displayName", "value": self._label()},
            ]
        )
        await patch(await self.tenant.scope(), "Group", self._pick(self.groups), operation)

    async def manage(self) -> None:
        """Somebody's manager is set, sometimes to themselves; deleting the manager will unassign it."""
        operation = {"op": "add", "path": f"{_ENTERPRISE}:manager", "value": {"value": self._pick(self.users)}}
        await patch(await self.tenant.scope(), "User", self._pick(self.users), operation)

    async def delete_user(self) -> None:
        gone = self._pick(self.users)
        await delete(await self.tenant.scope(), "User", gone)
        self.users.remove(gone)

    async def delete_group(self) -> None:
        gone = self._pick(self.groups)
        await delete(await self.tenant.scope(), "Group", gone)
        self.groups.remove(gone)


async def _assert_counted(tenant: Tenant) -> None:
    """The numbers of resources are those that counting finds."""
    kept = await tenant.pool.fetch(
        "SELECT type, sum(resources)::bigint AS number FROM resource_count WHERE tenant = $1 GROUP BY type HAVING sum(resources) <> 0",
        tenant.number,
    )
    counted = await tenant.pool.fetch("SELECT type, count(*) AS number FROM resource WHERE tenant = $1 GROUP BY type", tenant.number)
    assert {row["type"]: row["number"] for row in kept} == {row["type"]: row["number"] for row in counted}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_rows_are_right_after_every_step(pool: Pool, seed: int) -> None:
    """POST, PUT, PATCH and DELETE of users, groups, members and managers: the rows are those that the resources have to have."""
    walk = _Walk(await _tenant(pool, *_MORE), random.Random(seed))
    steps = []
    for _ in range(150):
        steps.append(await walk.step())
        try:
            await assert_complete(walk.tenant)
        except AssertionError as problem:
            raise AssertionError(f"after {len(steps)} steps, the last ones {steps[-5:]}: {problem}") from problem
    await _assert_counted(walk.tenant)
    assert len({step.partition(":")[0] for step in steps if ":" not in step}) == 9, "some kind of step never succeeded"


async def test_a_user_who_is_their_own_manager(pool: Pool) -> None:
    """Unassigning the pointer is a change of the very resource that goes."""
    tenant = await _tenant(pool, *_MORE)
    user = await create(await tenant.scope(), "User", {"userName": "ada"})
    own = {"op": "add", "path": f"{_ENTERPRISE}:manager", "value": {"value": user}}
    await patch(await tenant.scope(), "User", user, own)
    await delete(await tenant.scope(), "User", user)
    assert await rows(await tenant.scope()) == set()


async def test_a_manager_of_many_is_deleted(pool: Pool) -> None:
    """More users than are unassigned by one exchange."""
    tenant = await _tenant(pool, (f"{_ENTERPRISE}:manager.value", False))
    boss = await create(await tenant.scope(), "User", {"userName": "boss"})
    for number in range(520):
        body = {"userName": f"u{number}", _ENTERPRISE: {"manager": {"value": boss}}}
        await create(await tenant.scope(), "User", body)
    await delete(await tenant.scope(), "User", boss)
    await assert_complete(tenant)
    await _assert_counted(tenant)


# -- at once ----------------------------------------------------------------------------------------------------------


async def test_counts_are_exact_after_eight_writers(pool: Pool) -> None:
    """Creates and deletes by eight at once, some of which are refused: the sum of the slots is what counting finds."""
    tenant = await _tenant(pool)

    async def write(number: int) -> None:
        chance = random.Random(number)
        mine: list[str] = []
        for turn in range(25):
            scope = await tenant.scope()
            kind = chance.choice(["User", "User", "Group", "delete", "taken"])
            if kind == "delete" and mine:
                type_name, _, id_ = mine.pop(chance.randrange(len(mine))).partition(" ")
                await delete(scope, type_name, id_)
            elif kind == "taken":
                with pytest.raises(ScimError):
                    await create(scope, "User", {"userName": "taken"})
            elif kind == "Group":
                mine.append("Group " + await create(scope, "Group", {"displayName": f"g {number} {turn}"}))
            else:
                mine.append("User " + await create(scope, "User", {"userName": f"u {number} {turn}"}))

    await create(await tenant.scope(), "User", {"userName": "taken"})
    await asyncio.gather(*(write(number) for number in range(8)))
    await _assert_counted(tenant)
    await assert_complete(tenant)


async def _create_64(pool: Pool) -> tuple[Tenant, list[Any]]:
    """64 creations at once on as many connections as there can be: users, and groups that have two of three common members."""
    tenant = await _tenant(pool)
    people = [await create(await tenant.scope(), "User", {"userName": f"p{number}"}) for number in range(3)]
    async with asyncpg.create_pool(driver(await tenant.scope())._inner._connect_args[0], min_size=0, max_size=40) as wide:
        scope = scope_on(wide, (await tenant.scope()).catalog, tenant.number)
        users = [create(scope, "User", {"userName": f"u{number}"}) for number in range(32)]
        members = [[{"value": people[number % 3]}, {"value": people[(number + 1) % 3]}] for number in range(32)]
        groups = [create(scope, "Group", {"displayName": f"g{number}", "members": held}) for number, held in enumerate(members)]
        return tenant, await asyncio.gather(*users, *groups, return_exceptions=True)


async def test_64_creations_at_once_do_not_block_each_other(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """None ends in a deadlock, although several share each slot of the count; no attempt is repeated for that."""
    monkeypatch.setattr(failure, "RETRIED", frozenset())
    tenant, results = await _create_64(pool)
    assert [result for result in results if not isinstance(result, str)] == []
    await _assert_counted(tenant)
    await assert_complete(tenant)


async def test_a_group_that_takes_the_member_in_meanwhile(pool: Pool) -> None:
    """The delete has locked the groups of the user, of which there is none, when a group takes the user in: it loses the member again,
    and that is a change of the group like any other."""
    tenant = await _tenant(pool)
    user = await create(await tenant.scope(), "User", {"userName": "ada"})
    group = await create(await tenant.scope(), "Group", {"displayName": "Staff"})
    taken: list[bool] = []

    async def take_in() -> None:
        if not taken:
            taken.append(True)
            await patch(await tenant.scope(), "Group", group, {"op": "add", "path": "members", "value": [{"value": user}]})

    await delete(await tenant.scope(after={"lock_referring": take_in}), "User", user)
    assert await pool.fetchval("SELECT version FROM resource WHERE tenant = $1 AND id = $2", tenant.number, group) == 3
    logged = await pool.fetch("SELECT operation FROM change WHERE tenant = $1 AND id = $2 ORDER BY seq", tenant.number, group)
    assert [row["operation"] for row in logged] == ["create", "update", "update"]
    await assert_complete(tenant)
