"""What a bulk request takes of memory: its text, and little for each operation, however many there are."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson

from scimsrv.limits import Limits
from scimsrv.protocol.bulk import arranged, read_entry
from scimsrv.store.bulk import allot, carry_out
from tests.store.support import core_catalog, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

#: Bytes of one operation, which are held until it is carried out; and of what is kept of it: its place, its id, its result.
_TEXT: Final = 4_000
_KEPT: Final = 2_000


def _operation(number: int, run: int) -> bytes:
    body = {"userName": f"u{run}-{number}", "title": "x", "emails": [{"value": f"{one}@example.com", "type": "work"} for one in range(20)]}
    text = orjson.dumps({"method": "POST", "path": "/Users", "bulkId": f"b{number}", "data": body})
    return text[:-1].ljust(_TEXT - 1) + b"}"


async def _nobody_objects() -> None:
    return None


async def test_memory_is_flat(pool: Pool) -> None:
    """From 300 operations to 900, memory grows by no more than the texts and what is kept of each: nothing is parsed that does not wait
    to be stored next."""
    scope = scope_on(pool, core_catalog())
    peaks = []
    for run, number in enumerate((100, 300, 900)):
        texts = [_operation(one, run) for one in range(number)]
        routes: dict[str, Any] = {}
        tracemalloc.start()
        bulk = arranged(read_entry(index, text, "t", Limits(), routes) for index, text in enumerate(texts))
        results = await carry_out(scope, bulk, allot(bulk), _nobody_objects)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert [result.error for result in results] == [None] * number
    assert peaks[2] - peaks[1] < 600 * _KEPT
