"""Awards that meet in the worst moment: what follows is awarded once and not forgotten; without the recipient's lock it is.

Hooks between the statements make the writers meet, so that neither half of a pair depends on luck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from scimsrv.errors import ScimError
from scimsrv.protocol import planning
from scimsrv.protocol.plan import Created, Remove
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.policy import Policy
from scimsrv.schema.project import EVERYTHING
from scimsrv.store.execute import execute
from scimsrv.store.scope import Scope
from tests.store.support import Hook, Hooked, badge_catalog, driver, scope_on, without

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]


@pytest.fixture
async def scope(pool: Pool) -> Scope:
    """A fresh tenant with badges, whose status lists want its row."""
    return await tenant_on(pool, badge_catalog())


async def tenant_on(pool: Pool, catalog: Catalog) -> Scope:
    tenant = await pool.fetchval("INSERT INTO tenant (slug) VALUES (md5(random()::text)) RETURNING id")
    return scope_on(pool, catalog, tenant)


def hooked(scope: Scope, *, before: dict[str, Hook] | None = None, after: dict[str, Hook] | None = None) -> Scope:
    pool: Any = Hooked(scope.pool, before=before, after=after)
    return replace(scope, pool=pool)


def meeting(parties: int) -> Hook:
    """A hook at which the first so many callers wait for each other; those that come later pass."""
    barrier, expected = asyncio.Barrier(parties), parties

    async def wait() -> None:
        nonlocal expected
        if expected:
            expected -= 1
            await barrier.wait()

    return wait


async def new(scope: Scope, type_: str, **attributes: Any) -> str:
    """Create a resource; its id."""
    plan = planning.insert(attributes, scope.catalog.by_name[type_], scope.catalog, EVERYTHING, scope.limits)
    made = await execute(scope, plan)
    assert isinstance(made, Created)
    return made.stored.id


async def patch(scope: Scope, type_: str, id_: str, value: dict[str, Any]) -> Any:
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "value": value}]}
    schema = scope.catalog.by_name[type_]
    return await execute(scope, planning.modify(body, schema, id_, scope.catalog, EVERYTHING, scope.limits, None))


async def skill_with(scope: Scope, minis: int) -> tuple[str, list[str], str]:
    """A user, so many mini badges of one skill, and the skill's achievement."""
    issuer = await new(scope, "BadgeIssuer", displayName="I")
    program = await new(scope, "BadgeProgram", displayName="P")
    skill = await new(scope, "BadgeSkill", displayName="S", program={"value": program})

    async def achievement(kind: str) -> str:
        return await new(
            scope, "Achievement", displayName=kind, kind=kind, description="D", criteria={"narrative": "N"},
            creator={"value": issuer}, parent={"value": skill},
        )  # fmt: skip

    own = await achievement("skill")
    # Open already: who waits at a hook with a new list of its own would keep the other from getting there.
    opened = "INSERT INTO badge_status_list (tenant, issuer, number) VALUES ($1, $2, 1)"
    await driver(scope).execute(opened, scope.tenant, issuer)
    return await new(scope, "User", userName="ada"), [await achievement("mini") for _ in range(minis)], own


async def award(scope: Scope, user: str, achievement: str) -> str:
    return await new(scope, "Award", recipient={"value": user}, achievement={"value": achievement})


async def held(scope: Scope) -> list[str]:
    """The achievements of all active awards."""
    rows = await driver(scope).fetch("SELECT achievement FROM award WHERE tenant = $1 AND state = 'active'", scope.tenant)
    return sorted(row["achievement"] for row in rows)


async def together(units: Iterable[Any]) -> list[Any]:
    results = await asyncio.gather(*units, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ScimError):
            raise result
    return results


async def _approvals(scope: Scope, meet: dict[str, Hook], after: dict[str, Hook]) -> tuple[list[str], str]:
    """Two approvals at the same time, each of the last but one mini badge that it sees; the mini badges and the skill's achievement."""
    user, minis, own = await skill_with(scope, 2)
    requests = [await new(scope, "BadgeRequest", requester={"value": user}, achievement={"value": mini}) for mini in minis]
    # Each counts in a row of its own: who waits at a hook keeps nobody from getting there.
    racing = [replace(hooked(scope, before=meet, after=after), slot=slot) for slot in range(2)]
    pairs = zip(racing, requests, strict=True)
    results = await together(patch(one, "BadgeRequest", id_, {"status": "approved"}) for one, id_ in pairs)
    assert not [result for result in results if isinstance(result, ScimError)]
    return minis, own


async def test_two_approvals_that_complete_a_skill_together_make_one_skill_award(scope: Scope) -> None:
    """Each approves one of the last two mini badges; whoever is second awards the skill, and only they do."""
    minis, own = await _approvals(scope, {"lock_recipients": meeting(2)}, {})
    assert await held(scope) == sorted([*minis, own])


async def test_without_the_lock_nobody_awards_the_skill(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read what is held before either has committed: each sees the other's mini badge missing."""
    without(monkeypatch, "lock_recipients", "FOR NO KEY UPDATE")
    minis, _ = await _approvals(scope, {}, {"held": meeting(2)})
    assert await held(scope) == sorted(minis)


async def test_twenty_awards_to_one_user_at_the_same_time(database: str, scope: Scope) -> None:
    """Twenty mini badges by twenty requests behind a barrier: all are awarded, and what follows once."""
    user, minis, own = await skill_with(scope, 20)
    async with asyncpg.create_pool(database, min_size=20, max_size=20) as wide:
        racing = hooked(scope_on(wide, scope.catalog, scope.tenant), before={"lock_recipients": meeting(20)})
        results = await together(award(racing, user, mini) for mini in minis)
    assert not [result for result in results if isinstance(result, ScimError)]
    assert await held(scope) == sorted([*minis, own])


async def test_one_achievement_by_twenty_requests(scope: Scope) -> None:
    """One is awarded, and the others are told that the recipient has it."""
    user, minis, own = await skill_with(scope, 1)
    results = await together(award(scope, user, minis[0]) for _ in range(20))
    refused = [result for result in results if isinstance(result, ScimError)]
    assert {(problem.kind.name, problem.sentence) for problem in refused} == {
        ("UNIQUENESS", "The recipient has a live award of this achievement already")
    }
    assert (len(refused), await held(scope)) == (19, sorted([minis[0], own]))


async def test_an_award_and_the_deletion_of_its_recipient(pool: Pool) -> None:
    """Whoever is first: no award stays that shows a reference to a user who is gone."""
    for policy in (Policy(badges=True), Policy(badges=True, badge_recipient_deletion="delete")):
        scope = await tenant_on(pool, badge_catalog(policy))
        user, minis, _ = await skill_with(scope, 1)
        meet = meeting(2)
        racing = hooked(scope, before={"lock_recipients": meet, "lock_for_deletion": meet})
        await together([award(racing, user, minis[0]), execute(racing, Remove(scope.catalog.by_name["User"], user, None))])
        rows = await driver(scope).fetch("SELECT document FROM resource WHERE tenant = $1 AND type = 'Award'", scope.tenant)
        assert not [row for row in rows if f"/Users/{user}" in row["document"]]
        assert await driver(scope).fetchval("SELECT count(*) FROM reference WHERE tenant = $1", scope.tenant) == 0


async def test_a_revocation_and_an_award_that_builds_on_it(pool: Pool) -> None:
    """The last mini badge comes while another is revoked: under `cascade` the skill is not left without its mini badges."""
    scope = await tenant_on(pool, badge_catalog(Policy(badges=True, badge_revocation="cascade")))
    user, minis, _ = await skill_with(scope, 2)
    first = await award(scope, user, minis[0])
    racing = hooked(scope, before={"lock_recipients": meeting(2)})
    revocation = patch(racing, "Award", first, {"status": "revoked", "revocationReason": "By mistake"})
    await together([award(racing, user, minis[1]), revocation])
    assert await held(scope) == [minis[1]]
