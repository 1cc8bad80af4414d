"""A tenant's policy as it is stored: versions, what is noted of a change, and changes that the tenant's resources do not permit."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from scimsrv.schema.policy import CLAIMS, LISTS, NUMBERS, PROFILES, Policy, policy_schema
from scimsrv.store.policy import PolicyChanged, PolicyError, merged, read_policy, write_policy
from scimsrv.store.tenants import Tenant, TenantError, create_tenant, find_tenant

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_NUMBERS = itertools.count(1)


@pytest.fixture
async def connection(pool: Pool) -> AsyncIterator[Any]:
    """Yield a connection to the module's database."""
    async with pool.acquire() as made:
        yield made


@pytest.fixture
async def tenant(connection: Any) -> Tenant:
    """Return a fresh tenant with the profile `standard`."""
    return await create_tenant(connection, f"policy-{next(_NUMBERS)}")


async def test_a_change_is_a_version(connection: Any, tenant: Tenant) -> None:
    """A new document raises the version and the tenant's revision, and leaves one change with old and new value of what differs."""
    assert await read_policy(connection, tenant.id) == ({"profile": "standard"}, 1)
    document = {"profile": "entra", "strict_uris": True}
    assert await write_policy(connection, tenant.id, "admin:x", document) == (document, 2)
    assert await read_policy(connection, tenant.id) == (document, 2)
    assert (await find_tenant(connection, tenant.slug)).revision == tenant.revision + 1
    (row,) = await connection.fetch("SELECT * FROM change WHERE tenant = $1", tenant.id)
    assert (row["actor"], row["operation"], row["type"], row["id"], row["version"]) == ("admin:x", "update", "Policy", "policy", 2)
    assert row["attributes"] == ["profile", "strict_uris"]
    assert json.loads(row["diff"]) == {"profile": ["standard", "entra"], "strict_uris": [None, True]}


async def test_nothing_new_is_no_version(connection: Any, tenant: Tenant) -> None:
    """The same document again changes nothing and leaves nothing."""
    assert await write_policy(connection, tenant.id, "admin:x", {"profile": "standard"}) == ({"profile": "standard"}, 1)
    assert await write_policy(connection, tenant.id, "admin:x", {"strict_uris": None}, merge=True) == ({"profile": "standard"}, 1)
    assert (await find_tenant(connection, tenant.slug)).revision == tenant.revision
    assert await connection.fetchval("SELECT count(*) FROM change WHERE tenant = $1", tenant.id) == 0


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({}, {"a": True}, {"a": True}),
        ({"a": True}, {"a": False}, {"a": False}),
        ({"a": True, "b": True}, {"a": None}, {"b": True}),
        ({"a": True}, {"b": None}, {"a": True}),
        ({"a": True}, {}, {"a": True}),
    ],
)
def test_merge_patch(before: dict[str, Any], patch: dict[str, Any], after: dict[str, Any]) -> None:
    """Members are set, and null takes them away (RFC 7396)."""
    assert merged(before, patch) == after


@pytest.mark.parametrize(
    "document", [{"profile": "azure"}, {"strict_uri": True}, {"strict_uris": "yes"}, {"patch_body": 1}, {"profile": []}]
)
async def test_what_is_no_policy_is_refused(connection: Any, tenant: Tenant, document: dict[str, Any]) -> None:
    """An unknown name or a value of the wrong kind names the switch and stores nothing."""
    for merge in (False, True):
        with pytest.raises(PolicyError, match=next(iter(document))):
            await write_policy(connection, tenant.id, "admin:x", document, merge=merge)
    assert await read_policy(connection, tenant.id) == ({"profile": "standard"}, 1)


async def test_what_users_may_change(connection: Any, tenant: Tenant) -> None:
    """`me_attributes` names attributes that users have, whatever the case, those of extensions with their URN; another is refused, also
    at creation. One that is named already may have gone since and keeps no other change from being made."""
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    for name in ("nickname2", "department", "name.givenName", "", f"{enterprise}:nickName"):
        with pytest.raises(PolicyError, match="me_attributes: users have no attribute"):
            await write_policy(connection, tenant.id, "admin:x", {"me_attributes": ["title", name]})
        with pytest.raises(TenantError, match="me_attributes: users have no attribute"):
            await create_tenant(connection, "unknown-attribute", switches={"me_attributes": [name]})
    with pytest.raises(PolicyError, match="did you mean nickname"):
        await write_policy(connection, tenant.id, "admin:x", {"me_attributes": ["nickNam"]})
    good = {"me_attributes": ["TITLE", f"{enterprise}:Department", "password", "emails"]}
    assert (await write_policy(connection, tenant.id, "admin:x", good))[0] == good
    old = {"me_attributes": ["gone", "title"]}
    await connection.execute("UPDATE tenant_config SET policy = $2::text::jsonb WHERE tenant = $1", tenant.id, json.dumps(old))
    await write_policy(connection, tenant.id, "admin:x", {"me": "userName"}, merge=True)
    assert (await read_policy(connection, tenant.id))[0] == old | {"me": "userName"}


async def test_versions_are_demanded(connection: Any, tenant: Tenant) -> None:
    """With If-Match only a policy of one of these versions is changed."""
    for stale in (frozenset({2}), frozenset()):
        with pytest.raises(PolicyChanged, match="version 1"):
            await write_policy(connection, tenant.id, "admin:x", {}, stale)
    assert await write_policy(connection, tenant.id, "admin:x", {}, frozenset({1, 7})) == ({}, 2)


async def test_two_at_once(pool: Pool, tenant: Tenant) -> None:
    """Of two changes that demand one version one wins; of two merges none is lost."""

    async def change(document: dict[str, Any], if_match: frozenset[int] | None, merge: bool) -> bool:
        async with pool.acquire() as connection:
            try:
                await write_policy(connection, tenant.id, "admin:x", document, if_match, merge=merge)
            except PolicyChanged:
                return False
        return True

    both = await asyncio.gather(*(change({"profile": name}, frozenset({1}), False) for name in ("entra", "okta")))
    assert sorted(both) == [False, True]
    switches = ("strict_uris", "strict_schemas", "strict_attributes", "require_if_match")
    assert all(await asyncio.gather(*(change({name: True}, None, True) for name in switches)))
    async with pool.acquire() as connection:
        document, version = await read_policy(connection, tenant.id)
    assert document.keys() == {"profile", *switches}
    assert version == 2 + len(switches)


def test_the_schema_says_what_is_checked() -> None:
    """The JSON Schema has exactly the switches, with their kinds and their value in every profile."""
    schema = policy_schema()
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties.pop("profile")["enum"] == list(PROFILES)
    assert list(properties) == list(Policy.__dataclass_fields__)
    for name, said in properties.items():
        listed = name in LISTS
        assert said["default"] == (list(getattr(Policy(), name)) if listed else getattr(Policy(), name))
        values = {profile: getattr(policy, name) for profile, policy in PROFILES.items()}
        assert said["x-profiles"] == ({profile: list(value) for profile, value in values.items()} if listed else values)
        kind = "array" if listed else "integer" if name in NUMBERS else "string" if name in CLAIMS else "boolean"
        assert said.get("type") in (kind, [kind, "null"]) or said["default"] in said["enum"]
