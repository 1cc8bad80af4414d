"""What the database may do to a request, and what a client hears of it: never a 500, never a text of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol import planning
from scimsrv.protocol.plan import Created, Modify, Read
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.store import failure
from scimsrv.store import pool as pool_module
from scimsrv.store.execute import execute
from scimsrv.store.failure import guarded, kind_of, translated
from scimsrv.store.pool import open_pool
from scimsrv.store.scope import Scope
from tests.store.support import core_catalog, query, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_USER = core_catalog().by_name["User"]


# -- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "status", "scim_type"),
    [
        (("57014",), 503, None),
        (("53300", "57P01", "57P02", "57P03", "08003", "08006", "08001", "08P01"), 503, None),
        (("40001", "40P01"), 503, None),
        (("23505",), 409, "uniqueness"),
        (("23503",), 400, "invalidValue"),
        (("22P05", "22P02", "22021"), 400, "invalidValue"),
        (("54000",), 400, "invalidValue"),
        (("53100", "53200", "55P03", "55000"), 503, None),
        (("28000", "28P01", "3D000"), 503, None),
        (("25006",), 503, None),
    ],
)
def test_a_sqlstate_has_its_answer(states: tuple[str, ...], status: int, scim_type: str | None) -> None:
    """Infrastructure is 503, what a client sent is 400 or 409; nothing is 401 or 404, which would stop provisioning for good."""
    for state in states:
        error = translated(_postgres_error(state))
        assert error is not None, state
        assert (error.kind.value.status, error.kind.value.scim_type) == (status, scim_type), state
        assert error.detail is None
        assert ("Retry-After" in error.headers) is (status == 503)


@pytest.mark.parametrize("state", ["42P01", "42601", "XX000", "23502", "23514", "22012", "0A000", "P0001"])
def test_any_other_sqlstate_is_a_defect(state: str) -> None:
    """Not translated: the request ends as 500 with an id, and the cause is in the log."""
    assert kind_of(state) is None
    assert translated(_postgres_error(state)) is None


def test_a_search_that_takes_too_long_is_too_many() -> None:
    """RFC 7644 §3.4.2.1: the query costs more than the server allows, whoever stops it."""
    for problem in (_postgres_error("57014"), TimeoutError()):
        error = translated(problem, search=True)
        assert error is not None
        assert error.kind is Kind.TOO_MANY


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (TimeoutError(), Kind.UNAVAILABLE),
        (ConnectionRefusedError(), Kind.UNAVAILABLE),
        (ConnectionResetError(), Kind.UNAVAILABLE),
        (asyncpg.InterfaceError("closed"), Kind.UNAVAILABLE),
        (asyncpg.InternalClientError("state"), Kind.UNAVAILABLE),
        (asyncpg.DataError("invalid input for query argument $1"), Kind.INVALID_VALUE),
        (ValueError("ours"), None),
        (KeyError("ours"), None),
    ],
)
def test_what_driver_and_network_raise_has_its_answer(problem: Exception, kind: Kind | None) -> None:
    """Failures without SQLSTATE; exceptions of our own are defects."""
    error = translated(problem)
    assert (None if error is None else error.kind) is kind


def test_retry_after_is_a_whole_number_of_seconds_with_jitter() -> None:
    """2 to 5 seconds: connectors that come back come back spread out, and read nothing but integers."""
    waits = {error.headers["Retry-After"] for _ in range(200) if (error := translated(ConnectionRefusedError())) is not None}
    assert waits == {"2", "3", "4", "5"}


def _postgres_error(state: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": state, "M": "text of the database", "S": "ERROR"})


# -- units that are done again -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "failures", "attempts"), [("40P01", 2, 3), ("40001", 1, 2), ("08006", 1, 1), ("23505", 1, 1)])
async def test_conflicts_between_transactions_are_tried_again(state: str, failures: int, attempts: int) -> None:
    """Deadlocks and serialization failures; nothing else, since the database may have committed before the connection was lost."""
    tried = 0

    async def unit() -> str:
        nonlocal tried
        tried += 1
        if tried <= failures:
            raise _postgres_error(state)
        return "done"

    if attempts > failures:
        assert await guarded(unit) == "done"
    else:
        with pytest.raises(ScimError):
            await guarded(unit)
    assert tried == attempts


async def test_a_conflict_that_stays_ends_as_503() -> None:
    """The attempts have an end."""
    tried = 0

    async def unit() -> None:
        nonlocal tried
        tried += 1
        raise _postgres_error("40001")

    with pytest.raises(ScimError) as caught:
        await guarded(unit)
    assert (caught.value.kind, tried) == (Kind.UNAVAILABLE, failure._ATTEMPTS)


# -- provoked ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def a_pool(database: str, monkeypatch: pytest.MonkeyPatch, *, size: int = 2, seconds: float = 0.3) -> Any:
    """The program's own pool with little patience."""
    monkeypatch.setattr(pool_module, "STATEMENT_TIMEOUT", seconds)
    monkeypatch.setattr(pool_module, "ACQUIRE_TIMEOUT", seconds)
    opened = await open_pool(database, size=size, statement_cache=0)
    try:
        yield opened
    finally:
        await opened.close()


async def _user(scope: Scope) -> str:
    made = await execute(scope, planning.insert({"userName": "ada"}, _USER, scope.catalog, EVERYTHING, scope.limits))
    assert isinstance(made, Created)
    return made.stored.id


def _read(id_: str) -> Read:
    return Read(_USER, id_, view(EVERYTHING, _USER))


def _modify(scope: Scope, id_: str) -> Modify:
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "title", "value": "Lead"}],
    }
    return planning.modify(body, _USER, id_, scope.catalog, EVERYTHING, scope.limits, None)


async def _refused(unit: Awaitable[Any]) -> ScimError:
    with pytest.raises(ScimError) as caught:
        await unit
    return caught.value


async def _eventually(unit: Callable[[], Awaitable[Any]]) -> Any:
    """What the unit gives once it is not refused with 503 any more, within a few attempts."""
    for _ in range(5):
        try:
            return await unit()
        except ScimError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
    raise AssertionError("it does not recover")


async def test_a_statement_that_takes_too_long(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read and a write are 503, a search is 400 tooMany; the pool is whole afterwards."""
    async with a_pool(database, monkeypatch) as opened:
        scope = scope_on(opened, core_catalog())
        id_ = await _user(scope)
        blocker = await asyncpg.connect(database)
        try:
            transaction = blocker.transaction()
            await transaction.start()
            await blocker.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
            assert (await _refused(execute(scope, _read(id_)))).headers["Retry-After"] in {"2", "3", "4", "5"}
            assert (await _refused(execute(scope, _modify(scope, id_)))).kind is Kind.UNAVAILABLE
            assert (await _refused(execute(scope, query(_USER, "title pr")))).kind is Kind.TOO_MANY
            await transaction.rollback()
        finally:
            await blocker.close()
        await execute(scope, _modify(scope, id_))
        assert (await execute(scope, query(_USER, "title pr"))).total == 1  # type: ignore[union-attr]


async def test_a_statement_that_the_server_cancels(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role's statement_timeout ends in the same answers as the program's own."""
    async with asyncpg.create_pool(database, min_size=0, max_size=2, server_settings={"statement_timeout": "200"}) as opened:
        scope = scope_on(opened, core_catalog())
        id_ = await _user(scope)
        blocker = await asyncpg.connect(database)
        try:
            async with blocker.transaction():
                await blocker.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
                assert (await _refused(execute(scope, _read(id_)))).kind is Kind.UNAVAILABLE
                assert (await _refused(execute(scope, query(_USER, "title pr")))).kind is Kind.TOO_MANY
        finally:
            await blocker.close()


async def test_a_pool_without_a_free_connection(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads, writes and searches wait their time and are 503 with Retry-After; with a free connection they go on."""
    async with a_pool(database, monkeypatch, size=1) as opened:
        scope = scope_on(opened, core_catalog())
        id_ = await _user(scope)
        async with opened.acquire():
            for plan in (_read(id_), _modify(scope, id_), query(_USER, "title pr"), query(_USER, 'userName eq "ada"')):
                async with asyncio.timeout(5):
                    error = await _refused(execute(scope, plan))
                assert error.kind is Kind.UNAVAILABLE, plan
                assert "Retry-After" in error.headers
        await execute(scope, _read(id_))


async def test_connections_that_are_killed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed connection is at most one 503, whether it was idle or at work; then the pool has new ones."""
    async with a_pool(database, monkeypatch, seconds=5) as opened:
        scope = scope_on(opened, core_catalog())
        id_ = await _user(scope)
        killer = await asyncpg.connect(database)
        try:
            await killer.execute(_KILL)
            await _eventually(lambda: execute(scope, _read(id_)))
            async with killer.transaction():
                await killer.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
                reading = asyncio.create_task(execute(scope, _read(id_)))
                while not await killer.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                    await asyncio.sleep(0.01)
                await killer.execute(_KILL)
                error = await _refused(reading)
                assert error.kind is Kind.UNAVAILABLE
                assert "Retry-After" in error.headers
        finally:
            await killer.close()
        await _eventually(lambda: execute(scope, _read(id_)))


#: Ends every other connection, and waits until they have ended: a machine that has much to do may let them live on for a while.
_KILL = "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def test_connections_that_went_while_they_were_not_used(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that was started anew: nobody gets one of the old connections, and no request is refused for them."""
    keeper = await asyncpg.connect(database)
    try:
        async with a_pool(database, monkeypatch, size=3) as opened:
            scope = scope_on(opened, core_catalog())
            id_ = await _user(scope)
            await asyncio.gather(*(opened.fetch("SELECT pg_sleep(0.05)") for _ in range(3)))
            await keeper.execute(_KILL)
            await asyncio.sleep(0.2)
            for _ in range(4):
                await execute(scope, _read(id_))
    finally:
        await keeper.close()


async def test_a_server_that_refuses_connections(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many connections, or none to be had: 503, and made again as soon as they can be."""
    keeper = await asyncpg.connect(database)
    try:
        await keeper.execute("CREATE ROLE crowded LOGIN BYPASSRLS CONNECTION LIMIT 3")
        await keeper.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO crowded")
        async with a_pool(_as_role(database, "crowded"), monkeypatch) as opened:
            scope = scope_on(opened, core_catalog())
            id_ = await _user(scope)
            await keeper.execute("ALTER ROLE crowded CONNECTION LIMIT 0")
            await keeper.execute(_KILL)
            await asyncio.sleep(0.1)
            assert (await _refused(execute(scope, _read(id_)))).kind is Kind.UNAVAILABLE
            assert (await _refused(execute(scope, _modify(scope, id_)))).kind is Kind.UNAVAILABLE
            await keeper.execute("ALTER ROLE crowded CONNECTION LIMIT 3")
            await _eventually(lambda: execute(scope, _read(id_)))
    finally:
        await keeper.execute("DROP OWNED BY crowded")
        await keeper.execute("DROP ROLE crowded")
        await keeper.close()


def _as_role(dsn: str, role: str) -> str:
    scheme, _, rest = dsn.partition("://")
    return f"{scheme}://{role}@{rest.partition('@')[2]}"


async def test_a_parameter_that_the_driver_cannot_send(pool: Pool) -> None:
    """What should have been refused earlier is a 400 at the latest here."""
    error = await _refused(guarded(lambda: pool.fetchval("SELECT $1::int", 2**40)))
    assert error.kind is Kind.INVALID_VALUE
    error = await _refused(guarded(lambda: pool.fetchval("SELECT $1::text::jsonb", '{"a": NaN}')))
    assert error.kind is Kind.INVALID_VALUE
    error = await _refused(guarded(lambda: pool.fetchval("SELECT $1::text", "\x00")))
    assert error.kind is Kind.INVALID_VALUE
