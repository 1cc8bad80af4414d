"""Policy switches about what is kept of deleted resources, mass deletions, the trail and the log of requests, in every position."""

from __future__ import annotations

from typing import Any

import httpx

from scimsrv.admin.keeping import Keeping
from scimsrv.errors import Kind, ScimError
from scimsrv.store import activity, audit
from tests.wire.support import Client, Server, assert_error, patch, user

_KEY = b"k" * 32


async def _restore(server: Server, client: Client, id_: str) -> Kind | str:
    """Bring a resource back as an administrator does."""
    async with server.pool.acquire() as connection:
        try:
            await Keeping(
                connection, "admin:tests", lambda _label: _KEY, lambda slug: f"https://scim.example.com/scim/{slug}/v2"
            ).restore_deleted(client.slug, id_)
        except ScimError as error:
            return error.kind
    return "ok"


async def _deleted(client: Client, **attributes: Any) -> str:
    """The id of a user who was created and deleted."""
    made = await client.new_user(**attributes)
    assert (await client.delete(f"/Users/{made['id']}")).status_code == 204
    found: str = made["id"]
    return found


async def _delete_all(client: Client, number: int) -> list[httpx.Response]:
    users = [(await client.new_user())["id"] for _ in range(number)]
    return [await client.delete(f"/Users/{id_}") for id_ in users]


def _statuses(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


async def test_restore_days_zero(server: Server) -> None:
    """Nothing is kept."""
    client = await server.tenant(restore_days=0)
    ada = await _deleted(client)
    assert await server.pool.fetchval("SELECT count(*) FROM tombstone WHERE tenant = $1", client.id) == 0
    assert await _restore(server, client, ada) is Kind.NOT_FOUND


async def test_restore_days_some(server: Server) -> None:
    """A deleted user is 404 for every client and every method until it is brought back, and then as before."""
    client = await server.tenant(restore_days=1)
    ada = await client.new_user("ada", title="Dr")
    group = await client.new_group(ada["id"])
    path = f"/Users/{ada['id']}"
    await client.delete(path)
    for method, body in (("GET", None), ("PUT", user("ada")), ("PATCH", patch({"op": "remove", "path": "title"})), ("DELETE", None)):
        assert_error(await client.request(method, path, body), 404)
    assert await client.search(f'id eq "{ada["id"]}"') == []
    assert (await client.get(f"/Groups/{group['id']}")).json().get("members") is None
    assert await _restore(server, client, ada["id"]) == "ok"
    again = (await client.get(path)).json()
    assert {**again, "meta": 0, "groups": 0} == {**ada, "meta": 0, "groups": 0}
    assert (again["meta"]["created"], again["meta"]["version"][:5]) == (ada["meta"]["created"], 'W/"3-')
    assert [one["value"] for one in again["groups"]] == [group["id"]]


async def test_reprovision_off(server: Server) -> None:
    """A POST makes another resource."""
    client = await server.tenant(reprovision="off")
    ada = await _deleted(client, userName="ada")
    assert (await client.new_user("ada"))["id"] != ada


async def test_reprovision_userName(server: Server) -> None:
    """A POST with the userName of a deleted user brings that user back: 201 with the old id."""
    client = await server.tenant(reprovision="userName")
    ada = await _deleted(client, userName="ada")
    answer = await client.post("/Users", user("ADA", title="Dr"))
    assert (answer.status_code, answer.json()["id"], answer.json()["title"]) == (201, ada, "Dr")
    assert answer.headers["location"].endswith(ada)


async def test_reprovision_externalId(server: Server) -> None:
    """A POST with the externalId of a deleted resource brings that one back, a group too."""
    client = await server.tenant(reprovision="externalId")
    ada = await _deleted(client, externalId="E1")
    assert (await client.new_user(externalId="E1"))["id"] == ada
    group = await client.new_group(ada, externalId="G1")
    await client.delete(f"/Groups/{group['id']}")
    assert (await client.new_group(externalId="G1"))["members"][0]["value"] == ada


async def test_deletion_guard_off(server: Server) -> None:
    """Everybody may be deleted."""
    client = await server.tenant(deletion_guard="off", deletion_guard_count=1)
    assert _statuses(await _delete_all(client, 12)) == [204] * 12


async def test_deletion_guard_forbid(server: Server) -> None:
    """What is one too many is 403, in a bulk request too."""
    client = await server.tenant(deletion_guard="forbid", deletion_guard_count=3)
    answers = await _delete_all(client, 5)
    assert _statuses(answers) == [204] * 3 + [403] * 2
    assert_error(answers[-1], 403, says="administrator has to release")
    ben = await client.new_user()
    operations = [{"method": "DELETE", "path": f"/Users/{ben['id']}"}, {"method": "POST", "bulkId": "1", "path": "/Users", "data": user()}]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    assert [one["status"] for one in (await client.post("/Bulk", bulk)).json()["Operations"]] == ["403", "201"]
    assert (await client.get(f"/Users/{ben['id']}")).status_code == 200


async def test_deletion_guard_throttle(server: Server) -> None:
    """What is one too many is 429 with whole seconds to wait."""
    client = await server.tenant(deletion_guard="throttle", deletion_guard_count=1)
    answer = (await _delete_all(client, 2))[-1]
    assert_error(answer, 429)
    assert 1 <= int(answer.headers["retry-after"]) <= 30


async def test_deletion_guard_count_zero(server: Server) -> None:
    """Nobody may be deleted or deactivated."""
    client = await server.tenant(deletion_guard="forbid", deletion_guard_count=0)
    assert _statuses(await _delete_all(client, 1)) == [403]
    ada = await client.new_user(active=True)
    assert_error(await client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": "False"}), 403)


async def test_deletion_guard_count_some(server: Server) -> None:
    """So many may be."""
    client = await server.tenant(deletion_guard="forbid", deletion_guard_count=2)
    assert _statuses(await _delete_all(client, 3)) == [204, 204, 403]


async def test_deletion_guard_percent_zero(server: Server) -> None:
    """Ten always may be."""
    client = await server.tenant(deletion_guard="forbid", deletion_guard_percent=0)
    assert _statuses(await _delete_all(client, 12)) == [204] * 10 + [403] * 2


async def test_deletion_guard_percent_some(server: Server) -> None:
    """So many of a hundred may be."""
    client = await server.tenant(deletion_guard="forbid", deletion_guard_percent=50)
    assert _statuses(await _delete_all(client, 24)) == [204] * 12 + [403] * 12


async def _an_hour_later(server: Server, client: Client) -> None:
    await server.pool.execute("UPDATE deletion_guard SET since = since - interval '1 hour' WHERE tenant = $1", client.id)


async def test_deletion_guard_minutes_zero(server: Server) -> None:
    """A minute is the least."""
    client = await server.tenant(deletion_guard="forbid", deletion_guard_count=2, deletion_guard_minutes=0)
    assert _statuses(await _delete_all(client, 2)) == [204] * 2
    await _an_hour_later(server, client)
    assert _statuses(await _delete_all(client, 3)) == [204, 204, 403]


async def test_deletion_guard_minutes_some(server: Server) -> None:
    """What went an hour ago counts for a guard of many hours."""
    client = await server.tenant(deletion_guard="forbid", deletion_guard_count=2, deletion_guard_minutes=600)
    assert _statuses(await _delete_all(client, 2)) == [204] * 2
    await _an_hour_later(server, client)
    assert _statuses(await _delete_all(client, 1)) == [403]


async def test_audit_days_zero(server: Server) -> None:
    """The trail is kept for ever."""
    client = await server.tenant(audit_days=0)
    assert client.id not in await audit.retentions(server.pool)


async def test_audit_days_some(server: Server) -> None:
    """The trail is kept for so many days, by whoever may take rows from it."""
    client = await server.tenant(audit_days=90)
    assert (await audit.retentions(server.pool))[client.id] == 90


async def _entries(server: Server, client: Client) -> int:
    """How many entries the log of recent requests has, when it was trimmed."""
    await server.app.recorder.flush()
    log = (await activity.logs_of(server.app.pool.across(), [client.slug]))[client.slug]
    await activity.trim(server.app.pool.of(client.id), log)
    number: int = await server.pool.fetchval(
        "SELECT coalesce(sum(number + number_read), 0)::bigint FROM activity_batch WHERE tenant = $1", client.id
    )
    return number


async def test_activity_rows_zero(server: Server) -> None:
    """There is no log of recent requests."""
    client = await server.tenant(activity_rows=0)
    await client.new_user()
    assert await _entries(server, client) == 0


async def test_activity_rows_some(server: Server) -> None:
    """The log keeps so many entries."""
    client = await server.tenant(activity_rows=2)
    for _ in range(3):
        await client.new_user()
    assert await _entries(server, client) == 2


async def _aged(server: Server, days: int, kept: int) -> None:
    client = await server.tenant(activity_days=days)
    await client.new_user()
    await server.app.recorder.flush()
    await server.pool.execute("UPDATE activity_batch SET at = at - interval '10 days' WHERE tenant = $1", client.id)
    assert await _entries(server, client) == kept


async def test_activity_days_zero(server: Server) -> None:
    """Entries are kept whatever their age."""
    await _aged(server, 0, 1)


async def test_activity_days_some(server: Server) -> None:
    """Entries go after so many days."""
    await _aged(server, 9, 0)
