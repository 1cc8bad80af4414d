"""`scimsrv verify`: what a tenant in use has agrees with itself; whatever is made to disagree is found, named, and made as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import asyncpg
import pytest

from scimsrv.keys import AUDIT_KEY, ServerKeys
from scimsrv.store import seals
from scimsrv.store.consistency import verifying
from scimsrv.store.consistency.kinds import Kind, Tally
from scimsrv.store.consistency.resources import agrees
from scimsrv.store.consistency.verifying import Result, verify_tenant
from scimsrv.store.tenants import TenantMissing
from tests.wire.badges import Badges, badges
from tests.wire.support import ENTERPRISE, Client, Server

#: The tables that follow from others, with the columns that do.
_DERIVED: Final = {
    "resource": "id, type, version, display, document, search::text",
    "unique_key": "type, attribute, key, id",
    "resource_key": "attribute, key, id, substring",
    "reference": "source, attribute, target",
    "unusual_reference": "tenant",
    "secret": "id, attribute",
    "award": "id, recipient, achievement, issuer, state, by_hand, automatic, awarded, valid_until, token",
    "badge_status": "issuer, list, place, award, revoked IS NULL",
    "tombstone": "id, user_name, external_id",
}


@pytest.fixture
async def lived_in(server: Server) -> Badges:
    """Return a tenant with resources of many kinds: changed, linked, nested, awarded, revoked, deleted."""
    made = await badges(server, restore_days=7)
    client = made.client
    boss = await client.new_user("boss", displayName="The Boss", emails=[{"value": "B@example.com", "type": "work"}])
    users = [
        await client.new_user(
            f"Ada-{number}", externalId=f"x{number}", active=number % 2 == 0, **({} if number else {"password": "Correct-Horse-9"})
        )
        for number in range(6)
    ]
    await client.new_user("minister", **{ENTERPRISE: {"manager": {"value": boss["id"]}, "department": "Straße"}})
    inner = await client.new_group(users[0]["id"], users[1]["id"])
    await client.new_group(inner["id"], users[2]["id"])
    await client.patch(f"/Users/{users[3]['id']}", {"op": "replace", "path": "displayName", "value": "ÅSA"})
    await client.patch(f"/Groups/{inner['id']}", {"op": "add", "path": "members", "value": [{"value": users[4]["id"]}]})
    await client.delete(f"/Users/{users[5]['id']}")
    program, _ = await made.program()
    skill = await made.skill(program, 2)
    for mini in skill.minis:
        await made.award(users[0]["id"], mini)
    lost = await made.award(users[1]["id"], skill.minis[0], validUntil="2099-01-01T00:00:00Z")
    await client.patch(f"/Awards/{lost['id']}", {"op": "replace", "value": {"status": "revoked", "revocationReason": "By mistake"}})
    async with asyncio.timeout(20):  # signatures are in the trail, and come behind the awards
        while await server.pool.fetchval("SELECT count(*) FROM badge_credential WHERE tenant = $1 AND jwt IS NULL", client.id):
            await asyncio.sleep(0.02)
    return made


async def _verify(server: Server, client: Client, *, repair: bool = False) -> Result:
    connection = await asyncpg.connect(server.settings.owner_url)
    try:
        return await verify_tenant(connection, client.id, ServerKeys.load(server.settings).derive_all(AUDIT_KEY), repair=repair)
    finally:
        await connection.close()


def _named(tally: Tally) -> dict[str, list[tuple[str, str]]]:
    return {kind.name: sorted((one.id, one.of) for one in found.examples) for kind, found in tally.kinds.items()}


async def _rows(server: Server, client: Client) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    for table, columns in _DERIVED.items():
        text = f"SELECT {columns} FROM {table} WHERE tenant = $1"
        found[table] = sorted(map(tuple, await server.pool.fetch(text, client.id)), key=repr)
    text = "SELECT type, sum(resources) FROM resource_count WHERE tenant = $1 GROUP BY type"
    found["resource_count"] = sorted(map(tuple, await server.pool.fetch(text, client.id)))
    return found


async def test_a_tenant_in_use_agrees_with_itself(server: Server, lived_in: Badges, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found, whatever the size of batches, and repairing changes no row."""
    before = await _rows(server, lived_in.client)
    assert before["award"]
    assert before["tombstone"]
    for size in (500, 3):
        monkeypatch.setattr(verifying, "_WALKS", tuple((walk, size) for walk, _ in verifying._WALKS))
        result = await _verify(server, lived_in.client, repair=size == 3)
        assert (_named(result.found), _named(result.repaired), result.left_out) == ({}, {}, [])
        assert result.resources == len(before["resource"])
        beside = ("unique_key", "resource_key", "reference", "secret", "award", "tombstone", "badge_status")
        assert result.rows == sum(len(before[table]) for table in beside)  # a credential was issued for each place of the list
    assert await _rows(server, lived_in.client) == before


class _Damage(NamedTuple):
    """A statement of a superuser; the kinds that it has to be found as; what is repaired, unless nothing can."""

    statement: str
    kinds: set[str]
    of: str = ""
    repaired: bool = True


_AWARDED: Final = "id = (SELECT min(id) FROM award WHERE tenant = $1 AND state = 'active')"
_ADA: Final = "(SELECT id FROM unique_key WHERE tenant = $1 AND type = 'User' AND attribute = 'username' AND key = 'ada-0')"
_BEN: Final = "(SELECT id FROM unique_key WHERE tenant = $1 AND type = 'User' AND attribute = 'username' AND key = 'ada-1')"

_DAMAGE: Final[Mapping[str, _Damage]] = {
    "a search document without a value": _Damage(
        "UPDATE resource SET search = search - '$display' WHERE tenant = $1 AND type = 'Group'", {"SEARCH"}
    ),
    "a search document with a value not folded": _Damage(
        f"UPDATE resource SET search = jsonb_set(search, '{{username}}', '\"Ada-0\"') WHERE tenant = $1 AND id = {_ADA}",
        {"SEARCH", "INDEX_STRAY"},
    ),
    "another name for others to show": _Damage(f"UPDATE resource SET display = 'x' WHERE tenant = $1 AND id = {_ADA}", {"SEARCH"}),
    "an unclaimed name": _Damage(
        "DELETE FROM unique_key WHERE tenant = $1 AND type = 'User' AND key = 'ada-0'", {"UNIQUE_MISSING"}, "username"
    ),
    "a name claimed by another resource": _Damage(
        f"UPDATE unique_key SET id = {_BEN} WHERE tenant = $1 AND type = 'User' AND key = 'ada-0'",
        {"UNIQUE_MISSING", "UNIQUE_STRAY"},
        "username",
    ),
    "a name claimed by nobody that is there": _Damage(
        "INSERT INTO unique_key VALUES ($1, 'User', 'username', 'nobody', 'none')", {"UNIQUE_STRAY"}, "username"
    ),
    "an index without a value": _Damage(
        f"DELETE FROM resource_key WHERE tenant = $1 AND attribute = 1 AND id = {_ADA}", {"INDEX_MISSING"}, "userName"
    ),
    "an index of times without one": _Damage(
        f"DELETE FROM resource_key WHERE tenant = $1 AND attribute = 7 AND id = {_ADA}", {"INDEX_MISSING"}, "meta.lastModified"
    ),
    "an index without pieces": _Damage(
        f"UPDATE resource_key SET substring = false WHERE tenant = $1 AND attribute = 1 AND id = {_ADA}", {"INDEX_MISSING"}, "userName"
    ),
    "an index with another value": _Damage(f"INSERT INTO resource_key VALUES ($1, 1, '=zoe', {_ADA}, true)", {"INDEX_STRAY"}, "userName"),
    "an index with a resource that is not there": _Damage(
        "INSERT INTO resource_key VALUES ($1, 6, '=true', 'none')", {"INDEX_STRAY"}, "active"
    ),
    "rows of no index": _Damage(f"INSERT INTO resource_key VALUES ($1, 999, '=x', {_ADA})", {"INDEX_STRAY"}, "999"),
    "a member that is not there": _Damage(
        "INSERT INTO reference SELECT $1, id, 'members', 'none' FROM resource WHERE tenant = $1 AND type = 'Group' LIMIT 1",
        {"REFERENCE_STRAY"},
        "members",
    ),
    "a group that is not there": _Damage(f"INSERT INTO reference VALUES ($1, 'none', 'members', {_ADA})", {"REFERENCE_STRAY"}, "members"),
    "an award that its user does not show": _Damage(
        f"DELETE FROM reference WHERE tenant = $1 AND attribute = 'recipient' AND target = {_BEN}", {"REFERENCE_MISSING"}, "recipient"
    ),
    "an award that another user shows": _Damage(
        f"INSERT INTO reference SELECT $1, source, 'recipient', {_ADA} FROM reference"
        f" WHERE tenant = $1 AND target = {_BEN} AND attribute = 'recipient'",
        {"REFERENCE_STRAY"},
        "recipient",
    ),
    "nested groups that nobody looks for": _Damage("DELETE FROM unusual_reference WHERE tenant = $1", {"NESTED"}, "members"),
    "a wrong number": _Damage("UPDATE resource_count SET resources = resources + 7 WHERE tenant = $1 AND type = 'User'", {"COUNT"}),
    "no number": _Damage("DELETE FROM resource_count WHERE tenant = $1 AND type = 'Group'", {"COUNT"}),
    "a secret of nobody": _Damage("INSERT INTO secret VALUES ($1, 'none', 'password', 'x')", {"SECRET"}, "password"),
    "an award in another state": _Damage(f"UPDATE award SET state = 'revoked' WHERE tenant = $1 AND {_AWARDED}", {"AWARD"}),
    "an award without its row": _Damage(f"DELETE FROM award WHERE tenant = $1 AND {_AWARDED}", {"AWARD"}),
    "a row without its award": _Damage(
        "INSERT INTO award SELECT $1, 'none', recipient, achievement, issuer, state, by_hand, automatic, awarded, valid_until, 'none'"
        f" FROM award WHERE tenant = $1 AND {_AWARDED}",
        {"AWARD"},
    ),
    "a revoked award that is published as valid": _Damage(
        "UPDATE badge_status SET revoked = NULL WHERE tenant = $1 AND revoked IS NOT NULL", {"STATUS"}
    ),
    "an award without its place": _Damage("DELETE FROM badge_status WHERE tenant = $1 AND revoked IS NULL", {"STATUS"}),
    "a deleted user who is not found again": _Damage("UPDATE tombstone SET user_name = 'x' WHERE tenant = $1", {"TOMBSTONE"}),
    "a document that is none": _Damage(f"UPDATE resource SET document = '[' WHERE tenant = $1 AND id = {_ADA}", {"DOCUMENT"}, "", False),
    "another resource's document": _Damage(
        f"UPDATE resource SET document = (SELECT document FROM resource WHERE tenant = $1 AND id = {_BEN})"
        f" WHERE tenant = $1 AND id = {_ADA}",
        {"DOCUMENT"},
        "",
        False,
    ),
    "a lost update": _Damage(f"UPDATE resource SET version = version + 1 WHERE tenant = $1 AND id = {_ADA}", {"HISTORY"}, "", False),
    "a type that is gone": _Damage("DELETE FROM tenant_resource_type WHERE tenant = $1 AND name_key = 'group'", {"TYPE"}, "Group", False),
    "a credential of no award": _Damage(
        "INSERT INTO badge_credential SELECT $1, 'none', issuer, list, place, 'none', credential FROM badge_credential"
        " WHERE tenant = $1 LIMIT 1",
        {"CREDENTIAL"},
        "",
        False,
    ),
    "a change that somebody else made": _Damage(
        f"UPDATE change SET actor = 'nobody' WHERE tenant = $1 AND id = {_ADA}", {"AUDIT"}, "", False
    ),
    "definitions that are none": _Damage(
        "UPDATE tenant_config SET policy = '{\"profile\": 7}' WHERE tenant = $1", {"DEFINITIONS"}, "", False
    ),
}


#: What damage may touch that nothing can repair.
_KEPT: Final = ("resource", "tenant_config", "tenant_resource_type", "badge_credential", "change")


async def _put_back(connection: Any, client: Client) -> None:
    for table in _KEPT:
        await connection.execute(f"DELETE FROM {table} WHERE tenant = $1", client.id)
        await connection.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")


async def test_damage_is_found_named_and_repaired(server: Server, lived_in: Badges) -> None:
    """Each kind of damage is found as what it is, and nothing else is; repairing makes the rows as they were, until nothing is
    found. What does not follow from anything stays as it is, and is still found."""
    client, keys = lived_in.client, ServerKeys.load(server.settings).derive_all(AUDIT_KEY)
    connection = await asyncpg.connect(server.settings.owner_url)
    async with connection.transaction():
        await seals.hold(connection, client.id)
        await seals.seal_all(connection, client.id, keys[0], thoroughly=True)
    for table in _KEPT:
        await connection.execute(f"CREATE TEMPORARY TABLE kept_{table} AS SELECT * FROM {table} WHERE tenant = {client.id}")
    before = await _rows(server, client)
    planted: set[str] = set()
    for name, damage in _DAMAGE.items():
        tag = await connection.execute(damage.statement, client.id)
        assert not tag.endswith(" 0"), name
        found = _named((await verify_tenant(connection, client.id, keys)).found)
        assert found.keys() == damage.kinds, name
        assert damage.of in {of for examples in found.values() for _, of in examples}, name
        planted |= found.keys()
        result = await verify_tenant(connection, client.id, keys, repair=True)
        if damage.repaired:
            # What followed from the search document is right again when that is.
            assert _named(result.repaired).items() <= found.items(), name
            assert found.keys() - _named(result.repaired).keys() <= {"INDEX_STRAY"}, name
            assert result.found.total == 0, name
        else:
            assert _named(result.found).keys() == {kind for kind in damage.kinds if not Kind[kind].value.derived}, name
            await _put_back(connection, client)
            assert (await verify_tenant(connection, client.id, keys, repair=True)).found.total == 0, name
        assert await _rows(server, client) == before, name
    await connection.close()
    assert planted == {kind.name for kind in Kind} - {"MISSING"}


async def test_a_lost_resource_is_named_and_nothing_of_it_is_removed(server: Server, lived_in: Badges) -> None:
    """A resource that went without a change is found by the audit trail, and as long as it is missing nothing is repaired."""
    client = lived_in.client
    before = await _rows(server, client)
    await server.pool.execute("CREATE TABLE kept_resource AS SELECT * FROM resource WHERE tenant = $1".replace("$1", str(client.id)))
    try:
        (lost,) = await server.pool.fetch(f"DELETE FROM resource WHERE tenant = $1 AND id = {_ADA} RETURNING id", client.id)
        found = _named((await _verify(server, client)).found)
        assert found["MISSING"] == [(lost["id"], "")]
        assert {"UNIQUE_STRAY", "INDEX_STRAY", "REFERENCE_STRAY", "COUNT"} <= found.keys()
        result = await _verify(server, client, repair=True)
        assert (_named(result.found), _named(result.repaired)) == (found, {})
        await server.pool.execute("INSERT INTO resource SELECT * FROM kept_resource WHERE id = $1", lost["id"])
    finally:
        await server.pool.execute("DROP TABLE kept_resource")
    assert (await _verify(server, client, repair=True)).found.total == 0
    assert await _rows(server, client) == before


async def test_a_tenant_that_is_written_to(server: Server, lived_in: Badges, monkeypatch: pytest.MonkeyPatch) -> None:
    """While users, groups and members come, change and go, nothing is found, and nothing is taken for damage and repaired."""
    client = lived_in.client
    monkeypatch.setattr(verifying, "_WALKS", tuple((walk, 7) for walk, _ in verifying._WALKS))

    async def write(number: int) -> None:
        for turn in range(12):
            made = await client.new_user(f"w{number}-{turn}", displayName=f"D{turn}", externalId=f"w{number}-{turn}")
            group = await client.new_group(made["id"])
            await client.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"userName": f"v{number}-{turn}", "displayName": "E"}})
            if turn % 2:
                await client.delete(f"/Users/{made['id']}" if turn % 4 == 1 else f"/Groups/{group['id']}")

    writers = [asyncio.create_task(write(number)) for number in range(3)]
    times = 0
    while not all(writer.done() for writer in writers):
        result = await _verify(server, client, repair=times % 2 == 1)
        assert (_named(result.found), _named(result.repaired)) == ({}, {})
        times += 1
    await asyncio.gather(*writers)
    assert times > 0


async def test_two_that_want_the_same(server: Server, lived_in: Badges) -> None:
    """Two resources with the same unique value keep it: the one that claims it is left alone, the other is found until somebody changes
    it. A tenant that is gone is told."""
    client = lived_in.client
    text = f"UPDATE resource SET document = replace(document, 'Ada-1', 'Ada-0') WHERE tenant = $1 AND id = {_BEN}"
    assert await server.pool.execute(text, client.id) == "UPDATE 1"
    result = await _verify(server, client, repair=True)
    assert result.repaired.kinds.keys() >= {Kind.SEARCH, Kind.UNIQUE_STRAY}
    (second,) = await client.search('userName eq "ada-0" and externalId eq "x1"')
    assert _named(result.found) == _named((await _verify(server, client)).found) == {"UNIQUE_MISSING": [(second, "username")]}
    assert (await client.patch(f"/Users/{second}", {"op": "replace", "path": "userName", "value": "Ada-1"})).status_code == 200
    assert (await _verify(server, client)).found.total == 0
    await server.pool.execute("DELETE FROM tenant WHERE id = $1", client.id)
    with pytest.raises(TenantMissing):
        await _verify(server, client)


@pytest.mark.parametrize("policy", ["keep", "pseudonymise", "delete"])
async def test_recipients_who_are_gone(server: Server, policy: str) -> None:
    """Whatever becomes of the awards of a deleted user agrees with itself."""
    made = await badges(server, restore_days=7, badge_recipient_deletion=policy)
    ada = await made.client.new_user("ada", displayName="Ada")
    await made.award(ada["id"], await made.achievement())
    assert (await made.client.delete(f"/Users/{ada['id']}")).status_code == 204
    result = await _verify(server, made.client, repair=True)
    assert (_named(result.found), _named(result.repaired)) == ({}, {})


@pytest.mark.parametrize(
    ("stored", "made", "same"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": "x", "a$2": "X"}, {"a$2": "X"}, True),
        ({"b": [{"v": "x", "v$2": "X"}]}, {"b": [{"v$2": "X"}]}, True),
        ({"a": "x", "b": 1}, {"a": "x"}, False),
        ({"a": "x"}, {"a": "x", "b": 1}, False),
        ({"a": "x", "a$2": "X"}, {"a": "y"}, False),
        ({"a": ["x", "y"]}, {"a": ["x"]}, False),
        ({"a": "x", "$display": "x"}, {"a": "x"}, False),
    ],
)
def test_forms_that_attributes_had(stored: Any, made: Any, same: bool) -> None:
    """A search document may have keys of a form that an attribute had before its caseExact changed; nothing else may be too much."""
    assert agrees(stored, made) is same
