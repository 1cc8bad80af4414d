"""`scimsrv doctor`: each thing that is not as it should be is found, and how to mend it is said."""

from __future__ import annotations

import itertools
import json
import resource
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from scimsrv.cli import main, surroundings
from scimsrv.cli.surroundings import examine_issuers, examine_machine
from scimsrv.settings import Settings
from scimsrv.store import checkup
from scimsrv.store.checkup import Finding, examine
from scimsrv.store.connection import DatabaseError
from scimsrv.store.tenants import create_tenant
from tests.postgres import as_application
from tests.wire.support import KEY

_RANDOM: Final = "1:" + "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZmdoaWo"


def _key_file(folder: Path, mode: int) -> Path:
    made = folder / f"key-{mode:o}"
    made.write_text(_RANDOM)
    made.chmod(mode)
    return made


@pytest.mark.parametrize(
    ("check", "settings", "ok"),
    [
        ("secret key", {"secret_key": _RANDOM}, True),
        ("secret key", {"secret_key": KEY}, False),
        ("secret key", {"secret_key": "short"}, False),
        ("key file", {"secret_key_file": 0o600}, True),
        ("key file", {"secret_key_file": 0o640}, True),
        ("key file", {"secret_key_file": 0o644}, False),
        ("key file", {"secret_key_file": Path("none")}, False),
        ("open files", {"concurrency": 10}, True),
        ("open files", {"concurrency": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}, False),
        ("metrics", {}, True),
        ("public URL", {"public_url": "http://scim.example.com"}, False),
        ("public URL", {"public_url": "https://127.0.0.1:1"}, False),
    ],
)
def test_the_machine(tmp_path: Path, check: str, settings: dict[str, Any], ok: bool) -> None:
    """What is seen without a database."""
    if isinstance(mode := settings.get("secret_key_file"), int):
        settings = {"secret_key_file": _key_file(tmp_path, mode)}
    (found,) = (one for one in examine_machine(Settings(**settings)) if one.check == check)
    assert found.ok is ok
    assert found.ok or found.fix


def test_what_a_clumsy_operator_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a folder without a server the doctor makes nothing; advice has a line of its own; a token without anything to probe is refused."""
    folder = tmp_path / "elsewhere"
    assert main(["doctor", "--data-dir", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    found = {line.split()[1]: (line, below) for line, below in itertools.pairwise(lines) if line.startswith("MEND")}
    assert {name: below.split(":")[0] for name, (_, below) in found.items()} == {"secret": "      fix", "connection": "      fix"}
    assert "start `scimsrv serve` once" in found["secret"][0]
    assert not folder.exists()
    for given in (["--token", "x"], ["--token-file", "x"], ["--write"]):
        assert main(["doctor", "--data-dir", str(folder), *given]) == 1
        assert "--probe URL" in capsys.readouterr().err


def test_the_settings_are_shown_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As they would be read, without secrets; what is wrong with them is said without a start."""
    monkeypatch.setenv("SCIMSRV_SECRET_KEY", KEY)
    monkeypatch.setenv("SCIMSRV_DATABASE_URL", "postgresql://u:hunter2@db.example.com/scim")
    assert main(["config", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["secret_key"], shown["database_url"], shown["replica_url"], shown["port"]) == ("***", "***", None, 8080)
    assert set(shown) == set(Settings.model_fields)
    assert main(["config", "show"]) == 0
    rows = capsys.readouterr().out
    assert "hunter2" not in rows
    assert ["secret_key", "***", "set"] in [line.split() for line in rows.splitlines()]
    assert main(["config", "check"]) == 0
    config = tmp_path / "config.toml"
    for text, says in (("prot = 1", "port"), ('tls_cert = "a"\ntls_key = "b"', "certificate a"), ('host = "0.0.0.0"', "http")):
        config.write_text(text)
        assert main(["config", "check", "--config", str(config)]) in (1, 2)
        assert says in capsys.readouterr().err
    monkeypatch.setenv("SCIMSRV_ISOLATION", "rls")
    assert main(["config", "check"]) == 1
    assert "admin_database_url" in capsys.readouterr().err
    monkeypatch.setenv("SCIMSRV_SECRET_KEY", "short")
    assert main(["config", "check"]) == 2
    monkeypatch.delenv("SCIMSRV_SECRET_KEY")
    assert main(["config", "check"]) == 2
    assert "secret_key_file" in capsys.readouterr().err


def test_where_metrics_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the numbers of several processes has to be writable."""
    monkeypatch.setattr(surroundings, "place_of_boards", lambda: Path("/proc/1"))
    (found,) = (one for one in examine_machine(Settings()) if one.check == "metrics")
    assert not found.ok


async def _found(dsn: str, check: str, **settings: Any) -> Finding:
    return next(one for one in await examine(dsn, **settings) if one.check == check)


async def test_the_database(database: str) -> None:
    """What is noted of Unicode, and who is trusted from where; a database without a schema is only told so."""
    connection = await asyncpg.connect(database)
    careless = {"fsync", "full_page_writes", "synchronous_commit"}  # which the tests' server is
    assert {one.check for one in await examine(database) if not one.ok} <= careless
    await connection.execute("UPDATE schema_state SET unicode = '1.1'")
    assert "verify --repair" in (await _found(database, "unicode")).fix
    made = await create_tenant(connection, "doctor")
    await connection.execute(
        "INSERT INTO trust (tenant, id, label, issuer, audiences, pins, algorithms, jwks_uri, uses, single_use, scopes, roles, lifetime)"
        " VALUES ($1, 'a', '', 'i', '{a}', '{}', '{RS256}', 'https://keys.example.com/jwks', '{}', false, '{}', '{}', 60)",
        made.id,
    )
    await connection.close()
    (issuer,) = await examine_issuers(database, Settings())
    assert not issuer.ok
    assert "the setting jwks_hosts does not list keys.example.com" in issuer.found


async def test_an_empty_database(empty_database: str) -> None:
    """Without a schema it is said how to make it, and nothing is said of what it would hold."""
    found = {one.check: one for one in await examine(empty_database)}
    assert not found["schema"].ok
    assert "unicode" not in found


async def test_a_role_without_rights(empty_database: str) -> None:
    """A role that may not read the schema's history is told what it lacks."""
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE TABLE schema_migration (number integer, name text, checksum text, applied_at timestamptz)")
    await connection.close()
    with pytest.raises(DatabaseError, match="permission denied for table schema_migration; grant it"):
        await examine(as_application(empty_database))


async def test_a_pooler(pooler_url: str, database: str) -> None:
    """PgBouncer in between is seen, and that it forgets prepared statements, which matters where they are kept."""
    through = f"{pooler_url.rpartition('/')[0]}/{database.partition('?')[0].rpartition('/')[2]}"
    plain, pooled = await _found(database, "pooler", statement_cache=100), await _found(through, "pooler")
    assert (plain.ok, plain.found) == (True, "none")
    assert (pooled.ok, "there is one" in pooled.found) == (True, True)
    kept = await _found(through, "pooler", statement_cache=100)
    assert (kept.ok, "statement_cache = 0" in kept.fix) == (False, True)


@pytest.mark.parametrize(
    ("facts", "pooled", "ok"),
    [
        ({"here": True, "encrypted": False}, False, True),
        ({"here": False, "encrypted": True}, False, True),
        ({"here": False, "encrypted": False}, False, False),
        ({"here": True, "encrypted": False}, True, True),
    ],
)
def test_the_way_to_the_database(facts: dict[str, bool], pooled: bool, ok: bool) -> None:
    """From another machine it has to be encrypted."""
    assert checkup._transport(facts, pooled=pooled).ok is ok


@pytest.mark.parametrize(("propagation", "isolated", "ok"), [("local", True, True), ("none", True, False), ("none", False, True)])
def test_citus(propagation: str, isolated: bool, ok: bool) -> None:
    """Row-level security on Citus needs SET LOCAL to reach the workers."""
    assert checkup._citus(propagation, isolated=isolated).ok is ok
