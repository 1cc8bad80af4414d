"""The audit chain: each committed change exactly once whoever writes meanwhile, and nothing of what is sealed can be changed unseen."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson
import pytest

from scimsrv.audit.chain import SIZE, START
from scimsrv.audit.verify import Problem
from scimsrv.errors import Kind, ScimError
from scimsrv.store import audit, seals
from scimsrv.store.audit import Verification, verify
from scimsrv.store.scope import Scope, now
from scimsrv.store.tenants import create_tenant, delete_tenant
from tests.store.indexed import create, delete, patch
from tests.store.support import Hooked, core_catalog, driver, put_rows, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

KEY: Final = b"k" * 32

_numbers = itertools.count(1)


@pytest.fixture
async def scope(pool: Pool) -> Scope:
    """A fresh tenant."""
    async with pool.acquire() as connection:
        made = await create_tenant(connection, f"chained-{next(_numbers)}")
    return scope_on(pool, core_catalog(), made.id)


async def _seal(scope: Scope, **options: Any) -> None:
    """Seal all there is, by batches."""
    while await seals.seal(scope.pool, scope.tenant, KEY, **options):
        pass


async def _verified(scope: Scope, **options: Any) -> Verification:
    async with driver(scope).acquire() as connection:
        return await verify(connection, scope.tenant, [KEY], **options)


async def _users(scope: Scope, number: int) -> list[str]:
    return [await create(scope, "User", {"userName": f"user {next(_numbers)}", "title": "Dr"}) for _ in range(number)]


async def _execute(scope: Scope, text: str, *arguments: Any) -> str:
    tag: str = await driver(scope).execute(text, scope.tenant, *arguments)
    return tag


async def _fetch(scope: Scope, text: str, *arguments: Any) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await driver(scope).fetch(text, scope.tenant, *arguments)
    return found


async def _seqs(scope: Scope) -> list[int]:
    return [row["seq"] for row in await _fetch(scope, "SELECT seq FROM change WHERE tenant = $1 ORDER BY seq")]


async def _chained(scope: Scope) -> list[int]:
    """The numbers in the chain, in its order."""
    rows = await _fetch(scope, "SELECT seqs FROM change_seal WHERE tenant = $1 ORDER BY number")
    return [seq for row in rows for seq in row["seqs"]]


async def test_a_sealed_chain_verifies(scope: Scope) -> None:
    """Creations, updates and deletions are chained in order; what is not sealed yet is said, and is no finding until it is overdue."""
    first, second = await _users(scope, 2)
    await patch(scope, "User", first, {"op": "replace", "path": "title", "value": "Prof"})
    await delete(scope, "User", second)
    before = await _verified(scope)
    assert (before.problems, before.rows, before.unsealed) == ([], 0, 4)
    await _seal(scope, batch=3)
    after = await _verified(scope)
    assert (after.problems, after.rows, after.unsealed, after.position) == ([], 4, 0, 4)
    assert await _chained(scope) == await _seqs(scope)
    late = await _users(scope, 1)
    overdue = await _verified(scope, overdue=-1)
    (newest,) = await _fetch(scope, "SELECT seq FROM change WHERE tenant = $1 AND id = $2", late[0])
    assert overdue.problems == [Problem(newest["seq"], None, "it has not been sealed within -1 seconds")]


@pytest.mark.parametrize(
    "tampering",
    [
        "at = at + interval '1 microsecond'",
        "actor = actor || 'x'",
        "operation = 'delete'",
        "type = 'Group'",
        "id = id || 'x'",
        "version = version + 1",
        "attributes = ARRAY['title', 'name']",
        "coercions = ARRAY['x']",
        "diff = '{}'",
        "content = replace(content, 'Dr', 'Mr')",
        "content = NULL",
        "salt = salt || '\\x00'",
        "salt = NULL",
        "content = NULL, salt = NULL",
        "origin = NULL",
        "origin = ARRAY['another', '192.0.2.1']",
        "tenant = tenant + 500000",
        "seq = seq + 1000000000",
    ],
)
async def test_no_column_of_a_sealed_row_can_be_changed(scope: Scope, tampering: str) -> None:
    """Whatever is changed of a row, verification names this row and no other."""
    ids = await _users(scope, 5)
    asked = replace(scope, origin=("request-1", "192.0.2.1"))
    await patch(asked, "User", ids[2], {"op": "replace", "path": "title", "value": "Prof"})
    await _users(scope, 2)
    await _seal(scope, batch=3)
    (row,) = await _fetch(scope, "SELECT seq FROM change WHERE tenant = $1 AND id = $2 AND operation = 'update'", ids[2])
    assert await _execute(scope, f"UPDATE change SET {tampering} WHERE tenant = $1 AND seq = $2", row["seq"]) == "UPDATE 1"
    found = (await _verified(scope)).problems
    assert [(problem.seq, problem.position) for problem in found] == [(row["seq"], 6)]


async def test_the_salt_of_a_row_without_values_is_covered(scope: Scope) -> None:
    """Every column is, also of a row that has no values."""
    await audit.note_denial(scope.pool, scope.tenant, "tests", {"status": 403})
    await _seal(scope)
    await _execute(scope, "UPDATE change SET salt = salt || '\\x00' WHERE tenant = $1")
    assert [problem.position for problem in (await _verified(scope)).problems] == [1]


@pytest.mark.parametrize(
    ("tampering", "positions"),
    [
        ("DELETE FROM change WHERE tenant = $1 AND seq = $2", [2]),
        ("UPDATE change SET seq = CASE seq WHEN $2 THEN -1 ELSE seq END WHERE tenant = $1", [2]),
        (
            "UPDATE change_seal SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE tenant = $1 AND number = 1 AND $2 > 0",
            [1, 2, 3],
        ),
        (
            "UPDATE change_seal SET digests = set_byte(digests, 40, get_byte(digests, 40) # 1) WHERE tenant = $1 AND number = 1 AND $2 > 0",
            [1, 2],
        ),
        ("UPDATE change_seal SET seqs = ARRAY[seqs[2], seqs[1], seqs[3]] WHERE tenant = $1 AND number = 1 AND $2 > 0", [1, 1, 2]),
        ("UPDATE change_seal SET at = at + interval '1 hour' WHERE tenant = $1 AND number = 1 AND $2 > 0", [1]),
        ("UPDATE change_seal SET previous = hashes WHERE tenant = $1 AND number = 2 AND $2 > 0", [4, 4, 4]),
        ("UPDATE change_seal SET mac = digests WHERE tenant = $1 AND number = 2 AND $2 > 0", [4]),
        ("DELETE FROM change_seal WHERE tenant = $1 AND number = 2 AND $2 > 0", [3]),
        ("DELETE FROM change_seal WHERE tenant = $1 AND number = 1 AND $2 > 0", [4]),
        ("DELETE FROM change_seal WHERE tenant = $1 AND number = 3 AND $2 > 0", [8]),
    ],
)
async def test_rows_and_seals_removed_moved_or_changed(scope: Scope, tampering: str, positions: list[int]) -> None:
    """Rows that go or change places are named, and so are seals that are not as the server made them."""
    await _users(scope, 8)
    await _seal(scope, batch=3)
    await _execute(scope, tampering, (await _chained(scope))[1])
    found = (await _verified(scope)).problems
    assert [problem.position for problem in found] == positions, found


async def test_rows_that_change_places_are_both_named(scope: Scope) -> None:
    """Two rows that swap their numbers are not what was sealed at either place."""
    await _users(scope, 6)
    await _seal(scope)
    one, other = (await _chained(scope))[1:5:3]
    for old, new in ((one, -1), (other, one), (-1, other)):
        await _execute(scope, "UPDATE change SET seq = $3 WHERE tenant = $1 AND seq = $2", old, new)
    assert [problem.seq for problem in (await _verified(scope)).problems] == [one, other]


async def test_a_row_put_in_later_is_found(scope: Scope) -> None:
    """A row made to look old is not in the chain, and therefore named when it is overdue."""
    await _users(scope, 3)
    await _seal(scope)
    await _execute(
        scope,
        "INSERT INTO change (tenant, seq, at, actor, operation, type, id, version, attributes)"
        " VALUES ($1, 1, now() - interval '1 day', 'mallory', 'create', 'User', 'x', 1, '{}')",
    )
    assert [problem.seq for problem in (await _verified(scope)).problems] == [1]


async def test_a_chain_made_anew_is_found_out_by_its_mac_and_by_a_hash_kept_elsewhere(scope: Scope) -> None:
    """Whoever can write to the database but has no secret key cannot seal; who has it, cannot make a hash that was written down."""
    await _users(scope, 4)
    await _seal(scope)
    kept = await _verified(scope)
    for key in (b"x" * 32, KEY):
        await _execute(scope, "DELETE FROM change_seal WHERE tenant = $1")
        await _execute(scope, "DELETE FROM audit_chain WHERE tenant = $1")
        await _execute(scope, "UPDATE change SET actor = 'mallory' WHERE tenant = $1")
        async with driver(scope).acquire() as connection, connection.transaction():
            await seals.hold(connection, scope.tenant)
            await seals.seal_all(connection, scope.tenant, key)
        assert bool((await _verified(scope)).problems) is (key != KEY)
        told = await _verified(scope, known={kept.position: kept.head})
        assert "written down" in told.problems[-1].what


async def test_a_chain_that_lost_its_end_is_found_out_by_a_hash_kept_elsewhere(scope: Scope) -> None:
    """Rows, seals and the chain's row set back together look whole; the hash of the end that was logged is not there."""
    await _users(scope, 3)
    await _seal(scope, batch=3)
    async with driver(scope).acquire() as connection:
        before = await connection.fetchrow("SELECT * FROM audit_chain WHERE tenant = $1", scope.tenant)
    await _users(scope, 2)
    await _seal(scope, batch=3)
    kept = await _verified(scope)
    lost = (await _chained(scope))[3:]
    await _execute(scope, "DELETE FROM change WHERE tenant = $1 AND seq = ANY ($2::bigint[])", lost)
    await _execute(scope, "DELETE FROM change_seal WHERE tenant = $1 AND number > 1")
    await _execute(scope, "UPDATE audit_chain SET number = 1, position = 3, head = $2 WHERE tenant = $1", before["head"])
    assert (await _verified(scope)).problems == []
    assert len((await _verified(scope, known={kept.position: kept.head})).problems) == 1


# -- writers at the same time --------------------------------------------------------------------------------------


async def test_a_change_under_way_is_sealed_when_it_is_committed(scope: Scope) -> None:
    """A change whose number is below those that are sealed already gets its place behind them, once, and the chain verifies."""
    async with driver(scope).acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes)"
            " VALUES ($1, now(), 'slow', 'create', 'User', 'slow', 1, '{}')",
            scope.tenant,
        )
        await _users(scope, 3)
        await _seal(scope)
        assert len(await _chained(scope)) == 3
        await transaction.commit()
    assert (await seals.tenants_with_unsealed(scope.pool)).count(scope.tenant) == 0
    await _execute(scope, "UPDATE audit_chain SET looked = now() - interval '21 seconds' WHERE tenant = $1")
    assert scope.tenant in await seals.tenants_with_unsealed(scope.pool)
    await _seal(scope)
    chained, (slow, *rest) = await _chained(scope), await _seqs(scope)
    assert chained == [*rest, slow]
    assert (await _verified(scope)).problems == []


async def test_what_is_sealed_is_not_read_again(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much was sealed within the time that a transaction may last: looking for late changes brings those alone."""
    await _users(scope, 12)
    await _seal(scope, batch=4)
    await _execute(scope, "UPDATE audit_chain SET looked = now() - interval '21 seconds' WHERE tenant = $1")
    original, read = asyncpg.Connection.fetch, []

    async def fetch(self: Any, *arguments: Any, **options: Any) -> Any:
        rows = await original(self, *arguments, **options)
        read.extend(rows)
        return rows

    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)
    assert not await seals.seal(scope.pool, scope.tenant, KEY)
    assert read == []


async def test_below_the_floor_a_thorough_look_finds_it(scope: Scope) -> None:
    """A transaction that lasted longer than any may is named by verification, and sealed by a thorough look."""
    await _users(scope, 3)
    await _seal(scope, longest=0.0)
    await _execute(scope, "UPDATE audit_chain SET looked = now() - interval '1 minute' WHERE tenant = $1")
    await asyncio.sleep(0.01)
    await _seal(scope, longest=0.0)
    await _execute(
        scope,
        "INSERT INTO change (tenant, seq, at, actor, operation, type, id, version, attributes)"
        " VALUES ($1, 1, now() - interval '1 hour', 'slow', 'create', 'User', 'slow', 1, '{}')",
    )
    await _execute(scope, "UPDATE audit_chain SET looked = now() - interval '1 minute' WHERE tenant = $1")
    await _seal(scope)
    assert [problem.seq for problem in (await _verified(scope)).problems] == [1]
    async with driver(scope).acquire() as connection, connection.transaction():
        await seals.hold(connection, scope.tenant)
        assert await seals.seal_all(connection, scope.tenant, KEY, thoroughly=True) == 1
    assert (await _verified(scope)).problems == []


async def test_writers_and_sealers_at_the_same_time(scope: Scope) -> None:
    """While eight writers change things, slow ones among them, and three workers seal, each change gets into the chain exactly once."""
    done = asyncio.Event()

    async def writing(number: int) -> None:
        for turn in range(12):
            (id_,) = await _users(scope, 1)
            async with driver(scope).acquire() as connection, connection.transaction():
                await connection.execute(
                    "INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes)"
                    " VALUES ($1, now(), 'slow', 'update', 'User', $2, 1, '{}')",
                    scope.tenant,
                    id_,
                )
                await asyncio.sleep(0.002 * (number * turn % 5))

    async def sealing() -> None:
        while not done.is_set():
            await _execute(scope, "UPDATE audit_chain SET looked = now() - interval '1 minute' WHERE tenant = $1")
            await seals.seal(scope.pool, scope.tenant, KEY, batch=7)

    async with asyncpg.create_pool(driver(scope)._connect_args[0], min_size=0, max_size=14) as wide:
        scope = replace(scope, pool=wide)
        sealers = [asyncio.create_task(sealing()) for _ in range(3)]
        await asyncio.gather(*(writing(number) for number in range(8)))
        done.set()
        await asyncio.gather(*sealers)
        await _execute(scope, "UPDATE audit_chain SET looked = now() - interval '1 minute' WHERE tenant = $1")
        await _seal(scope)
        assert sorted(await _chained(scope)) == await _seqs(scope)
        found = await _verified(scope)
        assert (found.problems, found.rows, found.unsealed) == ([], 8 * 12 * 2, 0)


async def _two_sealers_meet(scope: Scope) -> list[Any]:
    """What becomes of two workers that both read where the chain ends before either seals."""
    await _users(scope, 4)
    arrived = asyncio.Barrier(2)

    async def meet() -> None:
        try:
            async with asyncio.timeout(1):
                await arrived.wait()
        except TimeoutError:
            await arrived.abort()
        except asyncio.BrokenBarrierError:
            pass

    met = replace(scope, pool=Hooked(scope.pool, after={"numbers": meet}))
    return await asyncio.gather(*(seals.seal(met.pool, scope.tenant, KEY) for _ in range(2)), return_exceptions=True)


async def test_one_sealer_at_a_time(scope: Scope) -> None:
    """Of two workers that would seal the same changes one passes by."""
    assert await _two_sealers_meet(scope) == [False, False]
    assert len(await _chained(scope)) == 4


async def test_two_sealers_would_collide_without_the_lock(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lock on the chain both begin, and the second fails on the seal's number."""
    monkeypatch.setattr(seals, "_SQL", {**seals._SQL, "take": seals._SQL["take"].replace("FOR UPDATE SKIP LOCKED", "")})
    assert [type(result) for result in await _two_sealers_meet(scope)].count(ScimError) == 1


# -- values that go ------------------------------------------------------------------------------------------------


async def test_erased_values_leave_the_chain_whole(scope: Scope) -> None:
    """Values and salts of a deleted person go from the trail, sealed or not; the chain verifies, and says that and by whom."""
    ada, ben = await _users(scope, 2)
    await patch(scope, "User", ada, {"op": "replace", "path": "title", "value": "secretly a spy"})
    await _seal(scope)
    await delete(scope, "User", ada)
    async with driver(scope).acquire() as connection:
        assert await audit.erase(connection, scope.tenant, "command:dpo", ada, KEY) == 3
    left = await _fetch(
        scope, "SELECT operation, actor, content, salt, diff::text FROM change WHERE tenant = $1 AND id = $2 ORDER BY seq", ada
    )
    assert [(row["operation"], row["content"]) for row in left] == [("create", None), ("update", None), ("delete", None), ("erase", None)]
    assert [row["salt"] is None for row in left] == [True, True, True, False]
    assert (left[-1]["actor"], orjson.loads(left[-1]["diff"])) == ("command:dpo", {"rows": 3})
    dump = await _fetch(scope, "SELECT c::text FROM change c WHERE tenant = $1")
    dump += await _fetch(scope, "SELECT s::text FROM tombstone s WHERE tenant = $1")
    assert not [row for row in dump if "spy" in row[0]]
    found = await _verified(scope)
    assert (found.problems, found.erased) == ([], 3)
    await _execute(scope, "UPDATE change SET content = NULL, salt = NULL WHERE tenant = $1 AND id = $2", ben)
    assert ["erased" in problem.what for problem in (await _verified(scope)).problems] == [True]


@pytest.mark.parametrize(("id_", "kind"), [("there", Kind.CONFLICT), ("nobody", Kind.NOT_FOUND)])
async def test_what_cannot_be_erased(scope: Scope, id_: str, kind: Kind) -> None:
    """A resource that is there is deleted first; nothing is erased of what never was."""
    await put_rows(scope, core_catalog().by_name["User"], [{"id": "there", "userName": "there"}])
    async with driver(scope).acquire() as connection:
        with pytest.raises(ScimError) as raised:
            await audit.erase(connection, scope.tenant, "tests", id_, KEY)
    assert raised.value.kind is kind


async def test_a_truncated_chain_verifies_from_where_it_begins(scope: Scope) -> None:
    """Old seals go with their rows; the chain has a row that says so, without which its missing beginning is a finding. Of hashes that were
    written down of it, that of where it begins is there, and of earlier ones it is said that they are before it."""
    await _users(scope, 7)
    await _seal(scope, batch=2)
    seals_ = await driver(scope).fetch("SELECT position, hashes FROM change_seal WHERE tenant = $1 ORDER BY number", scope.tenant)
    ends = {number: (row["position"] + len(row["hashes"]) // SIZE - 1, row["hashes"][-SIZE:]) for number, row in enumerate(seals_, 1)}
    whole = await _verified(scope)
    gone = await audit.truncate(driver(scope), scope.tenant, now() + timedelta(seconds=5), KEY, batch=2)
    assert (gone.rows, gone.seals) == (4, 2)
    found = await _verified(scope, known={whole.position: whole.head})
    assert (found.problems, found.rows, len(await _seqs(scope))) == ([], 4, 4)
    assert whole.problems == []
    for (position, hash_), said in (
        (ends[2], []),
        ((ends[2][0], b"x" * 32), ["does not have the hash"]),
        (ends[1], ["begins behind"]),
        ((0, START), []),
        ((0, b"x" * 32), ["begins behind"]),
    ):
        told = (await _verified(scope, known={position: hash_})).problems
        assert [text in one.what for one, text in zip(told, said, strict=True)] == [True] * len(said)
    while (await audit.truncate(driver(scope), scope.tenant, now() + timedelta(seconds=5), KEY)).seals > 1:
        pass
    found = await _verified(scope)
    assert (found.problems, found.unsealed) == ([], 0)
    await _execute(scope, "UPDATE change SET diff = diff || '{\"position\": 1}' WHERE tenant = $1 AND operation = 'truncate'")
    assert any("truncated" in problem.what for problem in (await _verified(scope)).problems)


async def test_what_is_not_old_stays(scope: Scope) -> None:
    """Nothing goes that was sealed after the time that the policy names."""
    await _users(scope, 3)
    await _seal(scope, batch=1)
    assert (await audit.truncate(driver(scope), scope.tenant, now() - timedelta(days=1), KEY)).seals == 0
    assert len(await _seqs(scope)) == 3


# -- exports -------------------------------------------------------------------------------------------------------


async def _exported(scope: Scope, form: str = "jsonl", **options: Any) -> list[dict[str, Any]]:
    async with driver(scope).acquire() as connection:
        parts: AsyncIterator[bytes] = audit.export(connection, scope.tenant, "acme", form, **options)
        return [orjson.loads(line) for part in [part async for part in parts] for line in part.splitlines()]


@pytest.mark.parametrize(
    ("after", "count", "expected"), [(0, None, [1, 2, 3, 4, 5]), (2, 2, [3, 4]), (4, 9, [5]), (5, None, []), (99, 1, [])]
)
async def test_the_export_goes_on_from_any_position(scope: Scope, after: int, count: int | None, expected: list[int]) -> None:
    """Lines come in the order of the chain, from behind a position, and as many as are asked for."""
    await _users(scope, 5)
    await _seal(scope, batch=2)
    assert [line["position"] for line in await _exported(scope, after=after, count=count)] == expected


async def test_an_export_can_be_verified_by_anybody(scope: Scope) -> None:
    """Each line has what its hash covers, so that a program of ten lines can check the chain."""
    await _users(scope, 2)
    await _users(replace(scope, origin=("request-1", "192.0.2.1")), 1)
    await audit.note_denial(scope.pool, scope.tenant, "", {"status": 401, "reason": "no token", "count": 3})
    await _seal(scope)
    previous = bytes(SIZE)
    lines = await _exported(scope)
    assert [line.get("origin") for line in lines] == [None, None, ["request-1", "192.0.2.1"], None]
    for line in lines:
        covered = {name: value for name, value in line.items() if name not in ("content", "salt", "hash")} | {"tenant": scope.tenant}
        previous = hashlib.sha256(previous + orjson.dumps(covered, option=orjson.OPT_SORT_KEYS)).digest()
        assert line["hash"] == previous.hex()
        assert line["digest"] == hashlib.sha256(bytes.fromhex(line["salt"]) + (line["content"] or "").encode()).hexdigest()


async def test_ocsf_events(scope: Scope) -> None:
    """Changes are events of Entity Management, denied attempts of API Activity that failed."""
    (ada,) = await _users(scope, 1)
    asked = replace(scope, origin=("request-1", "192.0.2.1"))
    await patch(asked, "User", ada, {"op": "replace", "path": "title", "value": "Prof"})
    await delete(scope, "User", ada)
    await audit.note_denial(scope.pool, scope.tenant, "k3x9ab", {"status": 403, "method": "DELETE", "reason": "no", "count": 7})
    await _seal(scope)
    events = await _exported(scope, "ocsf")
    assert [(event["class_uid"], event["type_uid"], event["status_id"]) for event in events] == [
        (3004, 300401, 1),
        (3004, 300403, 1),
        (3004, 300404, 1),
        (6003, 600399, 2),
    ]
    assert events[1]["entity"] == {"type": "User", "uid": ada, "version": "2"}
    assert (events[1]["metadata"]["correlation_uid"], events[1]["src_endpoint"]) == ("request-1", {"ip": "192.0.2.1"})
    assert events[1]["unmapped"]["content"] == {"title": ["Dr", "Prof"]}
    assert (events[3]["actor"]["user"]["uid"], events[3]["count"], events[3]["api"]["response"]["code"]) == ("k3x9ab", 7, 403)


async def test_a_deleted_tenant_takes_its_trail_along(scope: Scope) -> None:
    """Nothing of it is left."""
    await _users(scope, 3)
    await _seal(scope)
    async with driver(scope).acquire() as connection:
        slug = await connection.fetchval("SELECT slug FROM tenant WHERE id = $1", scope.tenant)
        await delete_tenant(connection, slug)
    for table in ("change", "change_seal", "audit_chain"):
        assert await _fetch(scope, f"SELECT FROM {table} WHERE tenant = $1") == []
