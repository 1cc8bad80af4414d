"""Passwords: hashed with Argon2id, kept in one table only, never answered, never searchable (RFC 7643 §4.1.1, §9.2)."""

from __future__ import annotations

import logging

import argon2
import pytest

from tests.wire.support import SEARCH, Client, Server, assert_error, user
from tests.wire.test_bulk import REQUEST as BULK

_FIRST, _SECOND, _THIRD = "correct horse battery", "staple of gold 2", "third time is a charm"


async def _found(server: Server, text: str) -> dict[str, int]:
    """In how many rows of which table of the whole database a text is, wherever in the row."""
    tables = await server.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    counts = {
        row["tablename"]: await server.pool.fetchval(f"SELECT count(*) FROM {row['tablename']} t WHERE strpos(t::text, $1) > 0", text)
        for row in tables
    }
    assert len(counts) > 8
    return {table: count for table, count in counts.items() if count}


async def _hash(server: Server, client: Client, id_: str) -> str:
    found = await server.pool.fetchval("SELECT hash FROM secret WHERE tenant = $1 AND id = $2 AND attribute = 'password'", client.id, id_)
    assert isinstance(found, str)
    return found


async def test_a_password_is_only_a_hash_in_one_table(server: Server, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Set by POST, PUT and PATCH, with and without path, the password is nowhere in the database, the answers or the log."""
    caplog.set_level(logging.DEBUG)
    created = await client.post("/Users", user("ada", password=_FIRST))
    path = f"/Users/{created.json()['id']}"
    answers = [
        created,
        await client.put(path, user("ada", password=_SECOND)),
        await client.patch(path, {"op": "replace", "path": "password", "value": _THIRD}),
        await client.patch(path, {"op": "replace", "value": {"password": _FIRST}}),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200]
    stored = await _hash(server, client, created.json()["id"])
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert argon2.PasswordHasher().verify(stored, _FIRST)
    answers += [
        await client.get(path),
        await client.get(path, attributes="password"),
        await client.get("/Users", attributes="password,userName"),
        await client.post("/Users/.search", {"schemas": [SEARCH], "attributes": ["password"]}),
        await client.get(path, excludedAttributes="userName"),
    ]
    for answer in answers:
        assert "password" not in answer.text
        assert "argon2" not in answer.text
    for text in (_FIRST, _SECOND, _THIRD):
        assert await _found(server, text) == {}
        assert text not in caplog.text
    assert await _found(server, "$argon2id$") == {"secret": 1}


@pytest.mark.parametrize(
    "filter_", ['password eq "x"', "password pr", 'not (password co "a")', f'password sw "x" or userName eq "{_FIRST}"']
)
async def test_a_password_is_no_oracle(client: Client, filter_: str) -> None:
    """Filters on the password are refused, at a type and at the root, and so is sorting by it."""
    await client.new_user(password=_FIRST)
    for path in ("/Users", "/Users/.search"):
        body = {"schemas": [SEARCH], "filter": filter_}
        answer = await (client.post(path, body) if path.endswith(".search") else client.get(path, filter=filter_))
        assert_error(answer, 400, "invalidFilter")
    assert_error(await client.get("/Users", sortBy="password"), 400, "invalidValue")


async def test_a_put_without_password_keeps_it(server: Server, client: Client) -> None:
    """A write-only attribute that a PUT cannot repeat stays (RFC 7644 §3.5.1)."""
    ada = await client.new_user("ada", password=_FIRST)
    before = await _hash(server, client, ada["id"])
    assert (await client.put(f"/Users/{ada['id']}", user("ada", title="Dr"))).status_code == 200
    assert await _hash(server, client, ada["id"]) == before


async def test_a_password_can_be_removed(server: Server, client: Client) -> None:
    """PATCH remove forgets the hash."""
    ada = await client.new_user(password=_FIRST)
    assert (await client.patch(f"/Users/{ada['id']}", {"op": "remove", "path": "password"})).status_code == 200
    assert await server.pool.fetchval("SELECT count(*) FROM secret WHERE tenant = $1", client.id) == 0


@pytest.mark.parametrize(
    ("password", "fits"),
    [
        ("x" * 7, False),
        ("x" * 8, True),
        ("x" * 1024, True),
        ("x" * 1025, False),
        ("é" * 512, True),
        ("é" * 513, False),
        ("e\u0301" * 512, True),
        ("語" * 8, True),
        ("", False),
        (12345678, False),
        (["x" * 8], False),
        ({"value": "x" * 8}, False),
    ],
)
async def test_what_a_password_may_be(server: Server, client: Client, password: object, fits: bool) -> None:
    """8 characters to 1,024 bytes of normalised text; the refusal never repeats it."""
    answer = await client.post("/Users", user(password=password))
    if fits:
        assert answer.status_code == 201
    else:
        assert_error(answer, 400, "invalidValue", "password")
        assert "xxxxxxx" not in answer.text
        assert "12345678" not in answer.text
        assert await server.pool.fetchval("SELECT count(*) FROM resource WHERE tenant = $1", client.id) == 0


async def test_equal_passwords_after_normalisation(server: Server, client: Client) -> None:
    """Composed and decomposed forms, and any kind of space, are the same password (RFC 8265 §4.2)."""
    ada = await client.new_user(password="cafe\u0301\u3000au lait")
    assert argon2.PasswordHasher().verify(await _hash(server, client, ada["id"]), "café au lait")


@pytest.mark.parametrize("sent", [{}, {"Idempotency-Key": "k"}, {"Prefer": "respond-async, wait=20"}], ids=str)
async def test_a_password_that_is_long_to_normalise(client: Client, sent: dict[str, str]) -> None:
    """It is refused before it is normalised, also where secrets are hashed before their operations are read: a run of combining marks of
    this length would take minutes, in which nobody is answered."""
    for number in (20, 300_000):
        operation = {"method": "POST", "path": "/Users", "bulkId": "a", "data": user(password="a" + "\u0301\u0327" * number)}
        headers = sent | {key: f"{number}" for key in sent if key == "Idempotency-Key"}
        answer = await client.request("POST", "/Bulk", {"schemas": [BULK], "Operations": [operation]}, headers=headers)
        (result,) = answer.json()["Operations"]
        assert result["status"] == "400"
        assert "combining marks in a row" in result["response"]["detail"]
