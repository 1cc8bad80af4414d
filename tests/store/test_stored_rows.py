"""How a resource lies in the database: an ordinary one as it is, in one row; only a large one is compressed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.store.indexed import create, new_tenant

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_ADDRESS = {"type": "work", "streetAddress": "12 Long Street", "locality": "Harbour Town", "region": "North", "country": "NO"}


@pytest.mark.parametrize(("addresses", "compressed"), [(1, False), (9, False), (40, True)])
async def test_ordinary_resources_are_not_compressed(pool: Pool, addresses: int, compressed: bool) -> None:
    """Compressing a row of 2 to 4 kB would cost more than all else that writing it does, and every read would undo it."""
    tenant = await new_tenant(pool)
    user: dict[str, Any] = {
        "userName": "ana.lima@example.com",
        "addresses": [{**_ADDRESS, "postalCode": f"{number:05d}"} for number in range(addresses)],
    }
    id_ = await create(await tenant.scope(), "User", user)
    row = await pool.fetchrow(
        "SELECT pg_column_compression(document) AS document, pg_column_compression(search) AS search,"
        " octet_length(document) AS length FROM resource WHERE tenant = $1 AND id = $2",
        tenant.number,
        id_,
    )
    assert row is not None
    assert (row["document"] is not None or row["search"] is not None) == compressed, dict(row)
