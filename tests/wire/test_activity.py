"""The log of recent requests: what Entra ID and Okta do is told in sentences, found by who it concerns, and bounded; no request waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pytest

from scimsrv import recorder
from scimsrv.store import activity
from scimsrv.store.single import Single
from tests.monitoring.test_canary import CANARY, _everything
from tests.postgres import until_blocked
from tests.wire.admin_support import Admin, admin_api, assert_problem
from tests.wire.support import ENTERPRISE, GROUP, Client, Server, patch, user

ENTRA: Final = {"User-Agent": "Microsoft Azure AD provisioning"}
OKTA: Final = {"User-Agent": "Okta SCIM Client 1.0.0"}


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Admin]:
    """Yield an administrator beside the server of the tenants."""
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as made:
        yield made


async def log_of(server: Server, admin: Admin, client: Client, query: str = "") -> list[dict[str, Any]]:
    """The tenant's entries, the oldest first."""
    await server.app.recorder.flush()
    answer = await admin.ask("GET", f"/tenants/{client.slug}/activity{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["activity"]
    return found[::-1]


async def events_of(admin: Admin, client: Client, number: int, *, after: int | None = None, last: str = "") -> list[dict[str, str]]:
    """The first events of a stream, read from the application itself: httpx's transport waits for the end of an answer."""
    sent: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert (message["status"], dict(message["headers"])[b"content-type"]) == (200, b"text/event-stream; charset=utf-8")
        else:
            sent.put_nowait(message["body"])

    async def receive() -> Any:
        await asyncio.sleep(3_600)

    headers = [(b"authorization", f"Bearer {admin.token}".encode()), *([(b"last-event-id", last.encode())] if last else [])]
    path = f"/admin/v1/tenants/{client.slug}/activity/events"
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": "", "headers": headers}
    scope |= {"query_string": b"" if after is None else f"after={after}".encode(), "scheme": "http", "server": ("admin.test", 80)}
    task = asyncio.create_task(admin.app(scope, receive, send))
    text = b""
    async with asyncio.timeout(30):
        while text.count(b"\ndata: ") < number:
            text += await sent.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    blocks = [block for block in text.decode().split("\n\n") if "\ndata: " in block]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def sentences(entries: list[dict[str, Any]]) -> list[str]:
    return [one["sentence"] for one in entries]


async def test_what_entra_and_okta_do_in_sentences(server: Server, client: Client, admin: Admin) -> None:
    """Each exchange of the two leads to the sentence that an administrator would say."""
    made: dict[str, str] = {}

    async def entra(method: str, path: str, body: Any = None) -> Any:
        return await client.request(method, path, body, headers=ENTRA)

    async def okta(method: str, path: str, body: Any = None) -> Any:
        return await client.request(method, path, body, headers=OKTA)

    probe = "/Users?filter=userName+eq+%22ea0b9f37-3f1c-4b5e-9d4b-1c1f0e4a6f11%22"
    assert (await entra("GET", probe)).json()["totalResults"] == 0
    for name in ("Ana Lima", "Ben Oyelaran"):
        answer = await entra("POST", "/Users", user(f"{name[:3]}@example.com".lower(), displayName=name))
        made[name] = answer.json()["id"]
    sales = (await entra("POST", "/Groups", {"schemas": [GROUP], "displayName": "Sales"})).json()["id"]
    ana, ben = f"/Users/{made['Ana Lima']}", f"/Users/{made['Ben Oyelaran']}"
    await entra("PATCH", f"/Groups/{sales}", patch({"op": "Add", "path": "members", "value": [{"value": made["Ana Lima"]}]}))
    await entra("PATCH", ana, patch({"op": "Replace", "path": "active", "value": "False"}))
    await entra("PATCH", ana, patch({"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "R&D"}))
    await entra("PATCH", f"/Groups/{sales}", patch({"op": "Remove", "path": "members", "value": [{"value": made["Ana Lima"]}]}))
    await okta("GET", "/Users?startIndex=1&count=2")
    await okta("POST", "/Users", user("ana@example.com"))
    await okta("GET", ben)
    await okta("PUT", ben, user("ben@example.com", displayName="Ben Oyelaran", active=False))
    await okta("PATCH", ben, patch({"op": "replace", "value": {"active": True}}))
    await okta("PATCH", ben, patch({"op": "replace", "value": {"active": True}}))
    await okta("PATCH", ben, patch({"op": "replace", "value": {"password": "Sample-Passw0rd-2"}}))
    members: list[Any] = [{"op": "remove", "path": f'members[value eq "{made["Ana Lima"]}"]'}]
    members += [{"op": "add", "path": "members", "value": [{"value": id_} for id_ in made.values()]}]
    await okta("PATCH", f"/Groups/{sales}", patch(*members))
    await okta("PATCH", f"/Groups/{sales}", patch({"op": "replace", "path": "members", "value": [{"value": made["Ben Oyelaran"]}]}))
    await okta("PATCH", f"/Groups/{sales}", patch({"op": "replace", "value": {"id": sales, "displayName": "Sales EMEA"}}))
    await okta("DELETE", f"/Groups/{sales}")
    await okta("GET", f"/Groups/{sales}")
    entries = await log_of(server, admin, client)
    assert sentences(entries) == [
        "Entra ID looked for Users",
        "Entra ID created User Ana Lima",
        "Entra ID created User Ben Oyelaran",
        "Entra ID created Group Sales EMEA",  # by what it is called now
        "Entra ID added Ana Lima to Sales EMEA",
        "Entra ID deactivated Ana Lima",
        "Entra ID changed the extension enterprise of Ana Lima",
        "Entra ID removed Ana Lima from Sales EMEA",
        "Okta looked for Users",
        "Okta was refused a new User: userName is already in use by another User (Ana Lima)",
        "Okta looked at Ben Oyelaran",
        "Okta deactivated Ben Oyelaran",
        "Okta activated Ben Oyelaran",
        "Okta changed nothing of Ben Oyelaran",
        "Okta changed password of Ben Oyelaran",
        "Okta added Ana Lima and Ben Oyelaran to Sales EMEA",
        "Okta removed Ana Lima from Sales EMEA",
        "Okta changed displayName of Sales EMEA",
        "Okta deleted Group Sales EMEA",
        f"Okta was refused a look at Sales EMEA: Group '{sales}' not found",
    ]
    assert {one["client"] for one in entries[:8]} == {"entra"}
    assert entries[4]["coercions"] == ["lower_case_op"]
    assert entries[5]["coercions"] == ["boolean_as_text", "lower_case_op"]
    refused = entries[9]
    assert (refused["outcome"], refused["reason"], refused["status"]) == ("conflict", "uniqueness", 409)
    assert refused["error"] == {"status": 409, "scim_type": "uniqueness", "detail": "userName is already in use by another User"}
    assert refused["change"] is None
    said = {"operation": "update", "version": 2, "attributes": ["active"], "active": False}
    assert entries[5]["change"] == said | {"added": [], "removed": [], "added_in_all": 0, "removed_in_all": 0}
    concerned = await log_of(server, admin, client, "?user=ana%40example.com")
    assert sentences(concerned) == [
        *("Entra ID created User Ana Lima", "Entra ID added Ana Lima to Sales EMEA", "Entra ID deactivated Ana Lima"),
        *("Entra ID changed the extension enterprise of Ana Lima", "Entra ID removed Ana Lima from Sales EMEA"),
        "Okta was refused a new User: userName is already in use by another User (Ana Lima)",
        *("Okta added Ana Lima and Ben Oyelaran to Sales EMEA", "Okta removed Ana Lima from Sales EMEA"),
    ]
    for query, number in (
        (f"?group={sales}", 8),
        ("?outcome=refused", 2),
        ("?outcome=conflict", 1),
        ("?outcome=unavailable", 0),
        (f"?request={refused['request_id']}", 1),
        (f"?user={made['Ben Oyelaran']}&outcome=ok", 7),
        (f"?since={datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", 0),
        (f"?until={datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", 0),
        (f"?since={datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", 20),
    ):
        assert len(await log_of(server, admin, client, query)) == number, query
    first = (await admin.ask("GET", f"/tenants/{client.slug}/activity?count=15")).json()
    second = (await admin.ask("GET", f"/tenants/{client.slug}/activity?count=15&before={first['next']}")).json()
    assert (first["activity"] + second["activity"])[::-1] == entries
    assert second["next"] is None
    assert_problem(await admin.ask("GET", f"/tenants/{client.slug}/activity?outcome=none"), 400, "outcome")
    assert_problem(await admin.ask("GET", "/tenants/nobody/activity"), 404)


async def test_each_of_many_changes_of_one_resource_is_told(server: Server, client: Client, admin: Admin) -> None:
    """However many of a batch are about the same resource, and however they were read: each entry has its own change, in its order."""
    ada = await client.new_user("ada", displayName="Ada")
    for number in range(25):
        await client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": bool(number % 2)})
    said = [f"test 1 {'activated' if number % 2 else 'deactivated'} Ada" for number in range(25)]
    entries = await log_of(server, admin, client)
    assert sentences(entries)[1:] == said
    assert [one["change"]["version"] for one in entries] == list(range(1, 27))
    assert await log_of(server, admin, client, "?user=ada&count=7") == entries[-7:]
    seen = [orjson.loads(one["data"])["number"] for one in await events_of(admin, client, 26, after=0)]
    assert seen == [one["number"] for one in entries]


async def test_operations_of_a_bulk_request_are_entries_of_their_own(server: Server, client: Client, admin: Admin) -> None:
    """Each operation is found by whom it concerns, with its place; those that failed say why."""
    ada = await client.new_user("ada", displayName="Ada")
    operations = [
        {"method": "POST", "bulkId": "one", "path": "/Users", "data": user("ben", displayName="Ben")},
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": "g",
            "data": {"schemas": [GROUP], "displayName": "All", "members": [{"value": "bulkId:one"}]},
        },
        {"method": "PATCH", "path": f"/Users/{ada['id']}", "data": patch({"op": "replace", "path": "title", "value": "Dr"})},
        {"method": "PATCH", "path": f"/Users/{ada['id']}", "data": patch({"op": "replace", "path": "colour", "value": "red"})},
        {"method": "POST", "bulkId": "two", "path": "/Users", "data": user("ADA")},
    ]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    answer = await client.request("POST", "/Bulk", bulk, headers={"X-Request-Id": "a-bulk-request-1"} | OKTA)
    assert [one["status"] for one in answer.json()["Operations"]] == ["201", "201", "200", "400", "409"]
    entries = await log_of(server, admin, client, "?request=a-bulk-request-1")
    assert [(one["operation"], one["sentence"]) for one in entries] == [
        (1, "Okta created User Ben"),
        (2, "Okta created Group All"),
        (3, "Okta changed title of Ada"),
        (4, 'Okta was refused a change of Ada: Operation 1: User has no attribute "…"'),
        (5, "Okta was refused a new User: userName is already in use by another User (Ada)"),
    ]


async def test_a_change_is_told_of_the_request_that_made_it(server: Server, client: Client, admin: Admin) -> None:
    """Of requests of one client at the same time that want the same, and of operations of one request, all but one changed nothing."""
    ada = await client.new_user("ada", displayName="Ada")
    same: dict[str, Any] = {"op": "replace", "path": "title"}
    for number in range(5):
        await asyncio.gather(*(client.patch(f"/Users/{ada['id']}", same | {"value": f"Dr {number}"}) for _ in range(4)))
    operation = {"method": "PATCH", "path": f"/Users/{ada['id']}", "data": patch(same | {"value": "Prof"})}
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation] * 3}
    await client.post("/Bulk", bulk)
    entries = await log_of(server, admin, client)
    assert [one["change"]["version"] for one in entries if one["change"] is not None] == list(range(1, 8))
    assert sentences(entries)[-3:] == ["test 1 changed title of Ada", *["test 1 changed nothing of Ada"] * 2]


async def test_what_is_carried_out_later_is_told_when_it_is_done(server: Server, client: Client, admin: Admin) -> None:
    """An entry says that it was accepted, others by its txn what became of it."""
    asked = {"Prefer": "respond-async"} | OKTA
    accepted = await client.request("POST", "/Users", user("ada", displayName="Ada"), headers=asked)
    assert accepted.status_code == 202
    txn = accepted.headers["location"].rpartition("/")[2]
    async with asyncio.timeout(60):
        while not (found := await log_of(server, admin, client, f"?request={txn}")):
            await asyncio.sleep(0.05)
    assert [(one["sentence"], one["change"]["operation"]) for one in found] == [("test 1 created User Ada", "create")]
    assert sentences(await log_of(server, admin, client))[0] == "Okta asked for a new User, which is carried out later"
    ben = await client.request("POST", "/Users", user("ben", displayName="Ben"), headers={"Prefer": "respond-async, wait=20"} | OKTA)
    assert ben.status_code == 201
    found = [one for one in await log_of(server, admin, client) if one["resource"] and one["resource"]["id"] == ben.json()["id"]]
    assert {(one["client"], one["sentence"], one["change"] is None) for one in found} == {
        ("other", "test 1 created User Ben", False),
        ("okta", "Okta asked for a new User, which has entries of its own", True),
    }


async def test_what_is_carried_out_later_as_a_whole(server: Server, admin: Admin) -> None:
    """Of an atomic bulk request that is kept each operation has its entry, too, where it was applied as where one of them failed."""
    client = await server.tenant(bulk_atomic=True)
    for number, headers in enumerate(({"Prefer": "respond-async, wait=20"}, {"Idempotency-Key": "1"})):
        for name in ("ada", "ben"):  # who is there already the second time
            posts = [{"method": "POST", "bulkId": one, "path": "/Users", "data": user(one)} for one in (f"{name}{number}", f"ada{number}x")]
            bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": posts}
            key = {"Idempotency-Key": name} if "Idempotency-Key" in headers else {}
            assert (await client.request("POST", "/Bulk", bulk, headers=headers | key)).status_code == 200
    async with asyncio.timeout(60):
        while len(found := [one for one in await log_of(server, admin, client) if one["operation"]]) < 6:
            await asyncio.sleep(0.05)
    said = [one["sentence"] for one in await log_of(server, admin, client) if not one["operation"]]
    assert said == ["test 1 asked for POST /Bulk, which has entries of its own"] * 4
    assert [(one["operation"], one["status"]) for one in found] == [(1, 201), (2, 201), (2, 409)] * 2


async def test_requests_take_the_numbers_in_which_they_are_seen(server: Server, client: Client) -> None:
    """While somebody's entries are being written nobody else's get a number, so that whoever follows misses none."""

    def entry(request: str) -> list[activity.Drafted]:
        said = {"request_id": request, "client": "other", "method": "GET", "route": "/", "status": 200, "result": "ok", "reads": True}
        at = datetime.now(UTC).timestamp()
        return [activity.Drafted(at, True, orjson.dumps(said | {"at": at, "milliseconds": 1.0}).decode())]

    log = activity.Log(client.id, 1_000, 7)
    async with server.pool.acquire() as connection, connection.transaction():
        await activity.add(Single(connection), log, entry("first"))
        second = asyncio.create_task(activity.add(server.app.pool.of(client.id), log, entry("second")))
        await until_blocked(server.pool, second)
        assert not second.done()
    await second
    found = await activity.list_entries(server.pool, client.id, activity.Wanted(), 9, days=0, oldest=True)
    assert [(one.number, one.request_id) for one in found] == [(1, "first"), (2, "second")]


async def test_who_was_not_let_in_and_why(server: Server, client: Client, admin: Admin) -> None:
    """A token that has expired, is unknown or another tenant's; a flood of attempts leaves a few entries."""
    expired = await server.token(client, expires=datetime.now(UTC) - timedelta(days=1))
    other = await server.tenant()
    for token in (expired, "scs_abcdef_" + "x" * 43 + "_000000", other.token, None):
        await client.with_token(token).request("GET", "/Users", headers=ENTRA)
    await client.with_token(await server.token(client, "scim:read")).request("POST", "/Users", user(), headers=ENTRA)
    entries = await log_of(server, admin, client)
    assert [(one["reason"], one["outcome"]) for one in entries] == [
        *(("bearer_expired", "denied"), ("bearer_unknown", "denied"), ("tenant_mismatch", "notfound"), ("bearer_missing", "denied")),
        ("forbidden", "denied"),
    ]
    assert entries[0]["sentence"] == "Entra ID was not let in: its token has expired"
    assert entries[4]["sentence"] == "Entra ID was refused a new User: The token needs the scope scim or scim:write"
    for _ in range(2 * recorder.DENIED):
        await client.with_token(expired).get("/Users")
    assert len(await log_of(server, admin, client)) == recorder.DENIED + 1


async def test_nothing_that_a_client_wrote_is_stored(server: Server, client: Client, admin: Admin) -> None:
    """Whatever a client sends, and whatever goes wrong with it: no value of it is in the rows."""
    await _everything(client, server.http, "/admin/v1")
    await server.app.recorder.flush()
    rows = [dict(row) for row in await server.pool.fetch("SELECT * FROM activity_batch WHERE tenant = $1", client.id)]
    assert sum(row["number"] + row["number_read"] for row in rows) > 40
    assert [row for row in rows if CANARY in orjson.dumps(row, default=str).decode()] == []
    assert {type(orjson.loads(text)) for row in rows for text in (*row["entries"], *row["reads"])} == {dict}


async def test_what_a_client_calls_its_resources_is_not_stored(server: Server, client: Client, admin: Admin) -> None:
    """Neither references by bulkId, which may be names of people, nor ids that nobody looked at yet: what is created is found by its id."""
    title = {"data": patch({"op": "replace", "path": "title", "value": "Dr"})}
    operations = [
        {"method": "POST", "bulkId": "ana@example.com", "path": "/Users", "data": user("ana", displayName="Ana")},
        {"method": "PATCH", "path": "/Users/bulkId:ana@example.com"} | title,
        {"method": "PATCH", "path": "/Users/BULKID:ana@example.com"} | title,
    ]
    await client.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
    asked = {"Prefer": "respond-async"}
    assert (await client.request("PATCH", "/Users/ana@example.com", title["data"], headers=asked)).status_code == 202
    assert (await client.request("POST", "/Users", user("ben"), headers=asked)).status_code == 202
    for path in ("/Users/ana@example.com", "/Schemas/ana@example.com", "/.requests/ana@example.com"):
        assert (await client.request("OPTIONS", path)).status_code == 204
    entries = await log_of(server, admin, client)
    assert sentences(entries)[1] == "test 1 changed title of Ana"
    assert "ana@example.com" not in orjson.dumps(entries).decode()
    assert [one["resource"] for one in entries if one["status"] == 202] == [None, None]


async def test_an_erased_person_leaves_nothing(server: Server, client: Client, admin: Admin) -> None:
    """Entries about the person go, memberships lose the id, and what was on its way does not bring it back."""
    ada, ben = await client.new_user("ada"), await client.new_user("ben")
    group = await client.new_group(ada["id"], ben["id"], displayName="All")
    await client.patch(f"/Groups/{group['id']}", {"op": "remove", "path": f'members[value eq "{ada["id"]}"]'})
    await client.post("/Users", user("ADA"))
    assert len(await log_of(server, admin, client, f"?user={ada['id']}")) == 3
    await client.delete(f"/Users/{ada['id']}")
    assert (await admin.ask("POST", f"/tenants/{client.slug}/erasures", {"id": ada["id"]})).status_code == 200
    entries = await log_of(server, admin, client)  # with the deletion, which was in the queue
    assert ada["id"] not in orjson.dumps(entries).decode()
    assert len(entries) == 3


async def test_what_is_written_long_after_an_erasure(server: Server, client: Client, admin: Admin) -> None:
    """Entries that waited for the database are not written where they would bring an erased person back, however long ago that was, and
    whoever was erased since; those about others are."""
    late = recorder.Recorder(server.app.pool)
    ada, ben = await client.new_user("ada"), await client.new_user("ben")
    await server.app.recorder.flush()
    record, server.app.record = server.app.record, late.add
    for one in (ada, ben):
        await client.patch(f"/Users/{one['id']}", {"op": "replace", "path": "colour", "value": "red"})
    server.app.record = record
    await client.delete(f"/Users/{ada['id']}")
    assert (await admin.ask("POST", f"/tenants/{client.slug}/erasures", {"id": ada["id"]})).status_code == 200
    forgotten = "UPDATE activity_head SET erased_at = erased_at - interval '2 minutes', erased = '{other}' WHERE tenant = $1"
    await server.pool.execute(forgotten, client.id)
    await late.flush()
    rows = await server.pool.fetch("SELECT entries FROM activity_batch WHERE tenant = $1 ORDER BY base", client.id)
    about = [orjson.loads(one)["resource"] for row in rows for one in row["entries"]]
    assert about == [ben["id"], ben["id"]]
