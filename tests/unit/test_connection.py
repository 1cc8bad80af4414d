"""What is said of a database that cannot be reached, and how long one is waited for that answers nothing any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scimsrv.store import patience
from scimsrv.store.bound import Bound, begin_of
from scimsrv.store.connection import DatabaseError, connect


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://scim:s3cret@127.0.0.1:1/scim", "127.0.0.1:1/scim"),
        ("postgresql://scim:s3cret@127.0.0.1:1,127.0.0.1:2/scim?target_session_attrs=read-write", "127.0.0.1:1,127.0.0.1:2/scim"),
        ("postgresql://scim:s3cret@/scim?host=/nowhere", "(local)/scim"),
        ("postgresql://scim:s3cret@[::1/scim", "(malformed URL)"),
    ],
)
async def test_the_place_is_named_and_the_password_is_not(dsn: str, shown: str) -> None:
    """One host, several, a socket, and a URL that is none."""
    with pytest.raises(DatabaseError) as caught:
        async with connect(dsn):
            pass
    assert shown in str(caught.value)
    assert "s3cret" not in str(caught.value)


class _Cut:
    """A connection whose way is cut after its transaction has begun, at a statement or at its end."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.given_up = False

    async def execute(self, query: str, *_: Any) -> str:
        if not query.startswith("BEGIN"):
            await asyncio.sleep(60)
        return ""

    async def fetchrow(self, *_: Any) -> None:
        if self.at == "statement":
            raise TimeoutError

    def terminate(self) -> None:
        self.given_up = True


@pytest.mark.parametrize("at", ["statement", "COMMIT"])
async def test_the_end_of_a_transaction_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Behind row-level security each statement has a transaction, whose connection is given up where its end does not come in time."""
    monkeypatch.setattr(patience, "_ENDING" if at == "statement" else "_COMMITTING", 0.01)
    made: Any = _Cut(at)
    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            await Bound(made, begin_of(1)).fetchrow("SELECT")
    assert made.given_up
