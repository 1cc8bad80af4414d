"""What is said of a database that cannot be reached."""

from __future__ import annotations

import pytest

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
