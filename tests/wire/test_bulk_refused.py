"""Bulk requests that are too large are refused while they are read: what comes behind the limit is not asked for, and nothing is parsed."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from typing import Final

import pytest

from scimsrv.protocol import bulk, operations
from tests.wire.support import Client, Server, assert_error
from tests.wire.test_bulk import REQUEST

_PIECE: Final = 16 * 1024
_MIB: Final = 1024 * 1024


class Sending:
    """A body sent piece by piece, which counts how much of it was asked for."""

    def __init__(self, operation: bytes, number: int) -> None:
        self.operation, self.number, self.sent = operation, number, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        held = b'{"schemas":["%s"],"Operations":[' % REQUEST.encode()
        for number in range(self.number):
            held += (b"," if number else b"") + self.operation
            if len(held) >= _PIECE:
                self.sent += len(held)
                yield held
                held = b""
        self.sent += len(held) + 2
        yield held + b"]}"


_DELETE: Final = b'{"method":"DELETE","path":"/Users/1"}'
_LARGE: Final = b'{"method":"POST","path":"/Users","bulkId":"x","data":{"userName":"u","title":"' + b"x" * 64_000 + b'"}}'


def _headers(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.token}", "Content-Type": "application/scim+json"}


@pytest.mark.parametrize(
    ("operation", "number", "says", "most"),
    [
        (_DELETE, 100_000, "maxOperations (1000)", 4 * _PIECE),
        (b"{}", 100_000, "maxOperations (1000)", 2 * _PIECE),
        (b"1", 100_000, "maxOperations (1000)", 2 * _PIECE),
        (_LARGE, 80, "maxPayloadSize (4194304 bytes)", 4 * _MIB + 2 * 64_200),
    ],
    ids=["operations", "empty operations", "numbers", "5 MiB"],
)
async def test_refused_while_it_is_read(
    client: Client, monkeypatch: pytest.MonkeyPatch, operation: bytes, number: int, says: str, most: int
) -> None:
    """No more is read than shows that the limit is passed, no operation is parsed, and no more memory is taken than for what was read."""
    for module in (operations, bulk):
        monkeypatch.setattr(module, "read_object", None)
    body = Sending(operation, number)
    tracemalloc.start()
    try:
        answer = await client.http.request("POST", f"{client.base}/Bulk", content=body, headers=_headers(client))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert_error(answer, 413, None, says)
    assert body.sent <= most
    assert peak < 2 * most + _MIB
    assert (await client.get("/Users")).json()["totalResults"] == 0


async def test_a_length_that_is_announced(client: Client) -> None:
    """A body that says that it is too large is not read at all."""
    body = Sending(_DELETE, 10)
    headers = _headers(client) | {"Content-Length": str(5 * _MIB)}
    answer = await client.http.request("POST", f"{client.base}/Bulk", content=body, headers=headers)
    assert_error(answer, 413, None, "maxPayloadSize (4194304 bytes)")
    assert body.sent == 0


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("levels", [17, 1_000])
async def test_operations_nested_too_deeply(server: Server, levels: int, *, atomic: bool) -> None:
    """An operation that is nested too deeply is 400, however deep it is and wherever data are gone through, and others are carried out."""
    client = await server.tenant(bulk_atomic=atomic)
    deep = '{"a":' * levels + '"bulkId:fine"' + "}" * levels
    text = f'{{"schemas":["{REQUEST}"],"Operations":['
    text += f'{{"method":"POST","path":"/Users","bulkId":"deep","data":{deep}}}'
    text += ',{"method":"POST","path":"/Users","bulkId":"fine","data":{"userName":"ada"}}]}'
    for headers in ({}, {"Prefer": "respond-async, wait=20"}, {"Idempotency-Key": "1"}):
        answer = await client.request("POST", "/Bulk", content=text.encode(), headers=headers)
        assert answer.status_code == 200, answer.text
        results = answer.json()["Operations"]
        assert (results[0]["status"], results[0]["response"]["scimType"]) == ("400", "invalidSyntax")
        assert [one["status"] for one in results[1:]] == ([] if atomic else ["409"] if headers else ["201"])


@pytest.mark.parametrize(("length", "repeated"), [(8_192, True), (8_193, False)])
async def test_a_path_that_names_nothing(client: Client, length: int, *, repeated: bool) -> None:
    """It is repeated as location as far as a request could have it for its target: it may be as long as the body, and three times when it
    is encoded."""
    operations = [{"method": "DELETE", "path": "/" + "é" * length}]
    answer = await client.post("/Bulk", {"schemas": [REQUEST], "Operations": operations})
    (result,) = answer.json()["Operations"]
    assert result["status"] == "400"
    assert ("location" in result) is repeated
    assert len(answer.content) < (60_000 if repeated else 2_000)
