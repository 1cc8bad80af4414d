"""A bulk request that takes longer than it may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.wire.support import Client, Server, user
from tests.wire.test_bulk import REQUEST, operation


async def test_a_bulk_request_has_its_time(server: Server, client: Client) -> None:
    """When it is over, the operations that are left are 503 each, and none of them is carried out; the request may be sent again."""
    body: dict[str, Any] = {
        "schemas": [REQUEST],
        "Operations": [operation("POST", "/Users", data=user("ada"), bulk_id="1"), operation("DELETE", "/Users/none")],
    }
    server.app.limits = replace(server.app.limits, bulk_seconds=-1)
    answer = await client.post("/Bulk", body)
    assert answer.status_code == 200
    assert [one["status"] for one in answer.json()["Operations"]] == ["503", "503"]
    assert "longer than" in answer.json()["Operations"][0]["response"]["detail"]
    assert (await client.get("/Users")).json()["totalResults"] == 0
    server.app.limits = replace(server.app.limits, bulk_seconds=30)
    assert [one["status"] for one in (await client.post("/Bulk", body)).json()["Operations"]] == ["201", "404"]
