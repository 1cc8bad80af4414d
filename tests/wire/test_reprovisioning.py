"""A POST that matches a deleted resource brings it back (policy `reprovision`), in whatever request it comes."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.store.bulk import SET
from tests.wire.support import ENTERPRISE, Client, Server, group, patch, user
from tests.wire.test_bulk import REQUEST as BULK


async def _deleted(client: Client, **attributes: Any) -> str:
    """The id of a user who was created and deleted."""
    made = await client.new_user(**attributes)
    assert (await client.delete(f"/Users/{made['id']}")).status_code == 204
    found: str = made["id"]
    return found


_FORMS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    ({"bulk_atomic": True}, {}),
    ({}, {"Prefer": "respond-async, wait=20"}),
    ({"bulk_atomic": True}, {"Prefer": "respond-async, wait=20"}),
    ({}, {"Idempotency-Key": "k"}),
    ({}, {"Idempotency-Key": "k", "Prefer": "respond-async, wait=20"}),
]


@pytest.mark.parametrize(("policy", "sent"), _FORMS, ids=str)
async def test_reprovision_in_every_form_of_request(server: Server, policy: dict[str, Any], sent: dict[str, str]) -> None:
    """In a bulk request, later, and under a key, a POST brings back what it matches as it does alone; what refers to it by its bulkId
    refers to the resource that came back."""
    client = await server.tenant(reprovision="userName", **policy)
    ada, eve = await _deleted(client, userName="ada"), await _deleted(client, userName="eve")
    operations = [
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": group("bulkId:a", "bulkId:b")},
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": user("ADA", title="Dr", password="correct horse")},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": user("ben")},
        {"method": "PATCH", "path": "/Users/bulkId:a", "data": patch({"op": "add", "path": "nickName", "value": "A"})},
    ]
    answer = await client.request("POST", "/Bulk", {"schemas": [BULK], "Operations": operations}, headers=sent)
    found = answer.json()["Operations"]
    assert [one["status"] for one in found] == ["201", "201", "201", "200"], found
    team, first, ben = (one["location"].rpartition("/")[2] for one in found[:3])
    assert (first, found[3]["location"]) == (ada, found[1]["location"])
    members = (await client.get(f"/Groups/{team}")).json()["members"]
    assert {one["value"] for one in members} == {ada, ben}
    shown = (await client.get(f"/Users/{ada}")).json()
    assert (shown["title"], shown["nickName"], shown["userName"]) == ("Dr", "A", "ADA")
    again = {name: "single" if name == "Idempotency-Key" else value for name, value in sent.items()}
    single = await client.request("POST", "/Users", user("eve"), headers=again)
    assert (single.status_code, single.json()["id"]) == (201, eve)
    assert single.headers["location"].endswith(eve)


@pytest.mark.parametrize("sent", [{}, {"Prefer": "respond-async, wait=20"}], ids=str)
async def test_reprovision_in_one_transaction_of_several_sets(server: Server, sent: dict[str, str]) -> None:
    """The connection of an atomic request is not asked for deleted resources while it stores the set before."""
    client = await server.tenant(reprovision="userName", bulk_atomic=True)
    ada = await _deleted(client, userName="ada")
    names = [*(f"u{number}" for number in range(4 * SET)), "ada"]
    operations = [{"method": "POST", "path": "/Users", "bulkId": name, "data": user(name)} for name in names]
    answer = await client.request("POST", "/Bulk", {"schemas": [BULK], "Operations": operations}, headers=sent)
    found = answer.json()["Operations"]
    assert {one["status"] for one in found} == {"201"}, found[0]
    assert found[-1]["location"].endswith(ada)


async def test_reprovision_twice_in_one_request(server: Server) -> None:
    """Of two operations that match the same deleted user the first brings it back, and the other meets the userName; a circle of
    resources that refer to each other is created anew, and so is a resource that refers to itself."""
    client = await server.tenant(reprovision="userName")
    ada = await _deleted(client, userName="ada")
    operations = [{"method": "POST", "path": "/Users", "bulkId": str(number), "data": user("ada")} for number in range(2)]
    answer = await client.post("/Bulk", {"schemas": [BULK], "Operations": operations})
    first, second = answer.json()["Operations"]
    assert (first["status"], first["location"].rpartition("/")[2], second["status"]) == ("201", ada, "409")
    await client.delete(f"/Users/{ada}")
    circle = [
        {"method": "POST", "path": "/Users", "bulkId": name, "data": user(name, **{ENTERPRISE: {"manager": {"value": f"bulkId:{other}"}}})}
        for name, other in (("ada", "ben"), ("ben", "ada"))
    ]
    for one in circle:
        one["data"]["schemas"].append(ENTERPRISE)  # type: ignore[index]
    answer = await client.post("/Bulk", {"schemas": [BULK], "Operations": circle})
    assert [one["status"] for one in answer.json()["Operations"]] == ["201", "201"], answer.text
    made = answer.json()["Operations"][0]["location"].rpartition("/")[2]
    assert made != ada
    assert (await client.delete(f"/Users/{made}")).status_code == 204
    circle[0]["data"][ENTERPRISE]["manager"]["value"] = "bulkId:ada"  # type: ignore[index]
    answer = await client.post("/Bulk", {"schemas": [BULK], "Operations": circle[:1]})
    shown = (await client.get(f"/Users/{answer.json()['Operations'][0]['location'].rpartition('/')[2]}")).json()
    assert shown["id"] not in (ada, made)
    assert shown[ENTERPRISE]["manager"] == {"value": shown["id"], "$ref": shown["meta"]["location"]}
