"""A database that a former version of the program filled is brought up to date, agrees with itself, and is served as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

from scimsrv.app import App
from scimsrv.keys import AUDIT_KEY, ServerKeys
from scimsrv.settings import Settings
from scimsrv.store import background
from scimsrv.store.consistency.verifying import verify_tenant
from scimsrv.store.migrate import migrate, status
from scimsrv.store.migrate import migrations as all_migrations
from tests.recorded import description
from tests.wire.support import ENTERPRISE, KEY, PUBLIC, Client

_RECORDED: Final = sorted((Path(description.__file__).parent).glob("schema-*.sql"))


async def _restored(dsn: str, recorded: Path) -> str:
    """Make the recorded database; returns the token of its tenant."""
    text = recorded.read_text(encoding="utf-8")
    connection = await asyncpg.connect(dsn)
    await connection.execute(text)
    await connection.close()
    return text.partition("\n")[0].removeprefix("-- token: ")


async def _served(client: Client) -> dict[str, Any]:
    """What the recorded tenant answers: names, states, members, groups and the manager."""
    found: dict[str, Any] = {"found": {}}
    for path in ("/Users", "/Groups"):
        listed = (await client.get(path, sortBy="id")).json()
        found[path] = [
            (one.get("userName"), one.get("displayName"), one.get("active"), *(len(one.get(name, ())) for name in ("members", "groups")))
            for one in listed["Resources"]
        ]
    for filter_, path in (
        ('userName eq "ADA-7"', "/Users"),
        ('externalId eq "X6"', "/Users"),
        ('emails.value ew "3@EXAMPLE.com"', "/Users"),
        (f'{ENTERPRISE}:department eq "STRASSE"', "/Users"),
        ('displayName co "dä"', "/Users"),
        ("active eq false", "/Users"),
        ('members.display eq "Inner"', "/Groups"),
        ('displayName sw "in"', "/Groups"),
    ):
        found["found"][filter_] = len(await client.search(filter_, path))
    return found


@pytest.mark.parametrize("recorded", _RECORDED, ids=lambda file: str(file.stem))
async def test_a_recorded_database(empty_database: str, recorded: Path, database: str) -> None:
    """It becomes what a new database is, keeps its rows, its tokens work, every filter finds what it found, and it takes changes."""
    token = await _restored(empty_database, recorded)
    version = int(recorded.stem.partition("-")[2])
    before = await status(empty_database)
    assert (before.version, len(before.pending)) == (version, len(all_migrations()) - version)
    await migrate(empty_database)
    there, made = await description.describe(empty_database), await description.describe(database)
    assert there["columns"] == made["columns"]
    assert {name: set(rows) for name, rows in there.items()} == {name: set(rows) for name, rows in made.items()}
    settings = Settings(database_url=empty_database, secret_key=KEY, public_url=PUBLIC)
    connection: Any = await asyncpg.connect(empty_database)
    tenant = await connection.fetchval("SELECT id FROM tenant")
    app = App(settings)
    await app.open()
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scim.test") as http:
            client = Client(http, "acme", tenant, token)
            assert (await _served(client))["found"] == {
                'userName eq "ADA-7"': 1,
                'externalId eq "X6"': 1,
                'emails.value ew "3@EXAMPLE.com"': 2,
                f'{ENTERPRISE}:department eq "STRASSE"': 18,
                'displayName co "dä"': 5,
                "active eq false": 5,
                'members.display eq "Inner"': 1,
                'displayName sw "in"': 1,
            }
            served = await _served(client)
            assert len(served["/Users"]) == 20
            assert sorted(members for *_, members, _ in served["/Groups"]) == [2, 9]
            (renamed,) = await client.search('userName eq "renamed"')
            changed = await client.patch(f"/Users/{renamed}", {"op": "replace", "path": "title", "value": "Dr."})
            assert (changed.status_code, changed.json()["title"]) == (200, "Dr.")
            await client.new_group(renamed)
            assert (await client.post("/Users", {"schemas": [], "userName": "RENAMED"})).status_code in (400, 409)
            async with asyncpg.create_pool(empty_database, min_size=1, max_size=2) as pool:
                while await background.index(pool, tenant, settled=0):
                    pass
            result = await verify_tenant(connection, tenant, ServerKeys.load(settings).derive_all(AUDIT_KEY))
            assert (result.found.kinds, result.left_out) == ({}, [])
            assert (await _served(client))["found"] == served["found"]
    finally:
        await app.close()
        await connection.close()
