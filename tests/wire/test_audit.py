"""The audit trail and what is kept of deleted resources, from the requests of clients to the answers of the admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
import pytest

from scimsrv import denials, tokens
from scimsrv.admin.access import AUDIT, READ
from scimsrv.keys import ADMIN_PEPPER, AUDIT_KEY, ServerKeys
from scimsrv.store import seals
from scimsrv.store.administrators import create_admin_credential
from scimsrv.store.audit import verify
from tests.wire.admin_support import Admin, admin_api, assert_problem
from tests.wire.badges import badges
from tests.wire.oauth_support import Issuer, tenant
from tests.wire.support import Client, Server, group, patch, user

BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Admin]:
    """Yield an administrator beside the server of the tenants."""
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as made:
        yield made


async def _seal(server: Server, client: Client) -> None:
    key = ServerKeys.load(server.settings).derive(AUDIT_KEY)
    async with server.pool.acquire() as connection, connection.transaction():
        await seals.hold(connection, client.id)
        await seals.seal_all(connection, client.id, key)


async def _rows(server: Server, admin: Admin, client: Client, query: str = "") -> list[dict[str, Any]]:
    await server.app.trail.write_denials(everything=True)
    await _seal(server, client)
    answer = await admin.ask("GET", f"/tenants/{client.slug}/audit/rows{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.text
    return [orjson.loads(line) for line in answer.content.splitlines()]


async def test_who_what_when_before_and_after(server: Server, client: Client, admin: Admin) -> None:
    """Each write is a row with its values: the document, what differs, what came and went of members; never a password."""
    ada = await client.new_user("ada", title="Ms", password="correct horse")
    ben = await client.new_user("ben")
    group = await client.new_group(ada["id"], displayName="Staff")
    await client.patch(
        f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "Dr"}, {"op": "add", "path": "nickName", "value": "A"}
    )
    await client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "password", "value": "battery staple"})
    await client.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": ben["id"]}, {"value": ada["id"]}]})
    await client.delete(f"/Users/{ben['id']}")
    rows = await _rows(server, admin, client)
    assert client.token is not None
    assert {row["actor"] for row in rows} == {client.token.split("_")[1]}
    contents = [(row["operation"], row["type"], orjson.loads(row["content"])) for row in rows]
    assert contents[0][2]["userName"] == "ada"
    assert contents[2][2]["members"] == {"added": [ada["id"]]}
    assert contents[3] == ("update", "User", {"title": ["Ms", "Dr"], "nickName": [None, "A"]})
    assert (contents[4], rows[4]["attributes"]) == (("update", "User", {}), ["password"])
    assert contents[5] == ("update", "Group", {"members": {"added": [ben["id"]]}})
    deleted = {row["operation"]: content for row, (_, _, content) in zip(rows, contents, strict=True)}["delete"]
    assert deleted["userName"] == "ben"
    assert ("update", "Group", {"members": {"removed": [ben["id"]]}}) in contents[6:]
    everything = orjson.dumps(rows).decode()
    assert not [word for word in ("horse", "staple", "argon2") if word in everything]


@pytest.mark.parametrize("preferring", [{}, {"Prefer": "respond-async, wait=10"}, {"Idempotency-Key": "key-1"}], ids=["", "later", "keyed"])
async def test_the_request_behind_each_row(server: Server, admin: Admin, preferring: dict[str, str]) -> None:
    """Whatever a request changes, at once or later, alone or in bulk, names it and the address that it came from."""
    client = await server.tenant(restore_days=7)
    made = []
    for number, (method, path, body) in enumerate(
        [
            ("POST", "/Users", user()),
            ("POST", "/Bulk", {"schemas": [BULK], "Operations": [{"method": "POST", "path": "/Users", "data": user(), "bulkId": "a"}]}),
        ]
    ):
        sent = {"X-Request-Id": f"origin-{number}"} | {
            name: f"{value}{number}" if "Key" in name else value for name, value in preferring.items()
        }
        answer = await client.request(method, path, body, headers=sent)
        assert answer.status_code in (200, 201), answer.text
        made.append(answer)
    ada = made[0].json()["id"]
    ben = made[1].json()["Operations"][0]["location"].rsplit("/", 1)[1]
    team = (await client.request("POST", "/Groups", group(ada), headers={"X-Request-Id": "origin-2"})).json()["id"]
    members = patch({"op": "add", "path": "members", "value": [{"value": ben}]})
    changes = [("PATCH", f"/Groups/{team}", members), ("PUT", f"/Users/{ada}", user("ada")), ("DELETE", f"/Users/{ada}", None)]
    for number, (how, where, change) in enumerate(changes, 3):
        sent = {"X-Request-Id": f"origin-{number}"} | {name: value for name, value in preferring.items() if name == "Prefer"}
        assert (await client.request(how, where, change, headers=sent)).status_code in (200, 204)
    rows = await _rows(server, admin, client)
    found = sorted((row["origin"], row["operation"], row["type"]) for row in rows)
    assert [(origin[0], operation, type_) for origin, operation, type_ in found] == [
        ("origin-0", "create", "User"),
        ("origin-1", "create", "User"),
        ("origin-2", "create", "Group"),
        ("origin-3", "update", "Group"),
        ("origin-4", "update", "User"),
        ("origin-5", "delete", "User"),
        ("origin-5", "update", "Group"),
    ]
    assert {origin[1] for origin, _, _ in found} == {"127.0.0.1"}
    listed = (await admin.ask("GET", f"/tenants/{client.slug}/changes?id={ben}")).json()["changes"]
    assert [one["origin"] for one in listed] == [["origin-1", "127.0.0.1"]]


_SHIFT: Final = {"id": "urn:example:Shift", "name": "Shift", "attributes": [{"name": "team"}]}

#: What an administrator asks for, in this order: method, path below the tenant's, body, and the rows of the trail that it leaves.
_ADMINISTERED: Final[list[tuple[str, str, Any, list[str]]]] = [
    ("PATCH", "/policy", {"root_query": False}, ["update Policy"]),
    ("POST", "/schemas", _SHIFT, ["create Schema"]),
    ("PUT", "/schemas/urn:example:Shift", _SHIFT | {"description": "x"}, ["update Schema"]),
    ("DELETE", "/schemas/urn:example:Shift", None, ["delete Schema"]),
    ("DELETE", "/resource-types/Group", None, ["delete ResourceType"]),
    ("POST", "/tokens", {"label": "hr", "scopes": ["scim"]}, ["token.create"]),
    ("POST", "/tokens/rotate", {"label": "hr"}, ["token.rotate"]),
    ("POST", "/clients", {"label": "okta"}, ["client.create"]),
    ("POST", "/clients/{client}/rotate", {}, ["client.rotate"]),
    ("DELETE", "/clients/{client}", None, ["client.revoke"]),
    ("POST", "/indexes", {"type": "User", "attribute": "title"}, ["index.add"]),
    ("DELETE", "/indexes/User/title", None, ["index.remove"]),
    ("POST", "/suspend", None, ["tenant.suspend"]),
    ("POST", "/resume", None, ["tenant.resume"]),
    ("POST", "/deleted/{gone}/restore", None, ["restore User"]),
    ("POST", "/erasures", {"id": "{erased}"}, ["erase User"]),
]


async def test_the_request_behind_what_administrators_do(server: Server, admin: Admin) -> None:
    """Whatever an administrator changes of a tenant by the admin API is in its trail with the id and the address of the request."""
    client = await server.tenant(restore_days=7)
    gone, erased = [(await client.new_user())["id"] for _ in range(2)]
    for id_ in (gone, erased):
        assert (await client.delete(f"/Users/{id_}")).status_code == 204
    names = {"gone": gone, "erased": erased, "client": ""}
    expected = []
    for number, (method, path, body, left) in enumerate(_ADMINISTERED):
        for name, value in names.items():
            path = path.replace(f"{{{name}}}", value)
        sent = {"id": erased} if path == "/erasures" else body
        answer = await admin.ask(method, f"/tenants/{client.slug}{path}", sent, X_Request_Id=f"asked-for-{number}")
        assert answer.is_success, (path, answer.text)
        names["client"] = answer.json().get("id", names["client"]) if path == "/clients" else names["client"]
        expected += [([f"asked-for-{number}", "127.0.0.1"], one) for one in left]
    found = [
        (row.get("origin"), row["operation"] + ("" if row["type"] == "Administration" else f" {row['type']}"))
        for row in await _rows(server, admin, client)
        if row["actor"].startswith("admin:")
    ]
    assert sorted(found) == sorted(expected)


async def test_definitions_of_a_tenants_own_name_their_request(server: Server, admin: Admin) -> None:
    """A schema that a token defines through SCIM is a row with the request behind it."""
    client = await server.tenant(schema_api=True)
    defines = client.with_token(await server.token(client, "tenant:admin"))
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], **_SHIFT}
    assert (await defines.request("POST", "/Schemas", body, headers={"X-Request-Id": "defined-by-it"})).status_code == 201
    assert [(row["operation"], row["origin"]) for row in await _rows(server, admin, client)] == [("create", ["defined-by-it", "127.0.0.1"])]


async def test_denied_operations_of_later_requests_are_rows(server: Server, admin: Admin) -> None:
    """What is refused when it is carried out, after its request was accepted, is a denied attempt as it would be at once."""
    client = await server.tenant()
    ada = await client.new_user()
    bulk = client.with_token(await server.token(client, "scim:bulk", "badges:issue"))
    operations = [{"method": "DELETE", "path": f"/Users/{ada['id']}"}, {"method": "DELETE", "path": "/Users/nobody"}]
    sent = {"Prefer": "respond-async, wait=10"}
    answer = await bulk.request("POST", "/Bulk", {"schemas": [BULK], "Operations": operations}, headers=sent)
    assert [one["status"] for one in answer.json()["Operations"]] == ["403", "403"]
    assert bulk.token is not None
    denied = [row for row in await _rows(server, admin, client) if row["operation"] == "denied"]
    said = [(row["actor"], orjson.loads(row["diff"])) for row in denied]
    found = [(actor, diff["status"], diff["method"], diff["route"], diff["count"], diff["source"]) for actor, diff in said]
    assert found == [(bulk.token.split("_")[1], 403, "DELETE", "bulk", 2, "127.0.0.1")]


async def test_a_group_of_many_has_a_bounded_row(server: Server, client: Client, admin: Admin) -> None:
    """Of 1,500 members that come and go a row names 1,000, and says how many there were."""
    ids: list[str] = []
    for number in (1_000, 500):
        operations = [{"method": "POST", "bulkId": str(one), "path": "/Users", "data": user()} for one in range(number)]
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
        ids += [one["location"].rsplit("/", 1)[1] for one in (await client.post("/Bulk", body)).json()["Operations"]]
    salts = await server.pool.fetch("SELECT DISTINCT salt FROM change WHERE tenant = $1", client.id)
    assert (len(salts), {len(row["salt"]) for row in salts}) == (1_500, {16})
    group = await client.new_group(*ids)
    await client.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members"})
    rows = [row for row in await _rows(server, admin, client, "?after=1500") if row["type"] == "Group"]
    made, emptied = (orjson.loads(row["content"])["members"] for row in rows)
    assert (len(made["added"]), made["added_in_all"]) == (1_000, 1_500)
    assert (len(emptied["removed"]), emptied["removed_in_all"]) == (1_000, 1_500)


async def test_denied_attempts_are_rows(server: Server, admin: Admin) -> None:
    """401 without and with a wrong token, 403 for a scope, and 404 for another tenant's token, at both tenants; not a 404 of one's own."""
    client, other = await server.tenant(), await server.tenant()
    reader = client.with_token(await server.token(client, "scim:read"))
    assert (await client.with_token(None).get("/Users")).status_code == 401
    assert (await client.with_token("nonsense").get("/Users")).status_code == 401
    for _ in range(3):
        assert (await reader.post("/Users", user())).status_code == 403
    assert (await client.with_token(other.token).delete("/Users/x")).status_code == 404
    assert (await client.get("/Users/nobody")).status_code == 404
    assert (await client.get("/Nothing")).status_code == 404
    found = {}
    for one in (client, other):
        rows = await _rows(server, admin, one)
        assert {row["operation"] for row in rows} == {"denied"}
        said = [(row["actor"], orjson.loads(row["diff"])) for row in rows]
        found[one.slug] = sorted((actor, diff["status"], diff["method"], diff["count"]) for actor, diff in said)
    assert reader.token is not None
    assert other.token is not None
    assert found[client.slug] == sorted([("", 401, "GET", 2), ("", 404, "DELETE", 1), (reader.token.split("_")[1], 403, "POST", 3)])
    assert found[other.slug] == [(other.token.split("_")[1], 404, "DELETE", 1)]
    listed = await admin.ask("GET", f"/tenants/{client.slug}/changes")
    assert listed.json()["changes"] == []


@pytest.mark.parametrize("atomic", [False, True])
async def test_denied_operations_of_a_bulk_request_are_rows(server: Server, admin: Admin, atomic: bool) -> None:
    """The request is answered 200; what it may not do is denied all the same, and counted by method like single requests."""
    client = await server.tenant(bulk_atomic=atomic)
    ada = await client.new_user()
    bulk = client.with_token(await server.token(client, "scim:bulk", "badges:issue"))
    operations = [{"method": "DELETE", "path": f"/Users/{ada['id']}"}, {"method": "DELETE", "path": "/Users/nobody"}]
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    answer = await bulk.post("/Bulk", body)
    assert answer.json()["Operations"][0]["status"] == "403"
    assert bulk.token is not None
    denied = [row for row in await _rows(server, admin, client) if row["operation"] == "denied"]
    said = [(row["actor"], orjson.loads(row["diff"])) for row in denied]
    found = [(actor, diff["status"], diff["method"], diff["route"], diff["count"]) for actor, diff in said]
    assert found == [(bulk.token.split("_")[1], 403, "DELETE", "bulk", 1 if atomic else 2)]


async def test_denied_attempts_of_clients_and_trusted_tokens_are_rows(server: Server, admin: Admin) -> None:
    """What the token endpoint refuses, with its reason; a forged JWT; a client outside of its network, by its id."""
    oauth = await tenant(server)
    made, far = await oauth.new_client(), await oauth.new_client()
    assert (await oauth.ask({"grant_type": "client_credentials", "client_id": made.id, "client_secret": "wrong"})).status_code == 401
    assert (await oauth.exchange(Issuer().token())).status_code == 400
    assert (await oauth.client.with_token(Issuer().token()).get("/Users")).status_code == 401
    away = oauth.using(await oauth.by_secret(far))
    await server.pool.execute("UPDATE oauth_client SET networks = '{192.0.2.0/24}' WHERE tenant = $1 AND id = $2", oauth.client.id, far.id)
    assert (await away.get("/Users")).status_code == 403
    assert (await oauth.by_secret(made)).status_code == 200
    rows = await _rows(server, admin, oauth.client)
    said = [(row["actor"], orjson.loads(row["diff"])) for row in rows if row["operation"] == "denied"]
    found = {(actor, diff["status"], diff["method"], diff["count"]) for actor, diff in said}
    assert found == {("", 401, "POST", 1), ("", 400, "POST", 1), ("", 401, "GET", 1), (far.id, 403, "GET", 1)}
    assert "invalid_client" in orjson.dumps([diff for _, diff in said]).decode()


async def test_denied_attempts_at_the_urls_of_badges_are_rows(server: Server, admin: Admin) -> None:
    """Also at the Open Badges API, whose failures have a form of their own."""
    client, other = (await badges(server, open_badges_api=True, me="userName")).client, await server.tenant()
    assert client.token is not None
    assert (await client.get("/ims/ob/v3p0/credentials")).status_code == 403
    assert (await client.with_token("nonsense").get("/ims/ob/v3p0/profile")).status_code == 401
    assert (await client.with_token(None).put("/Achievements/x/image", {})).status_code == 401
    assert (await client.with_token(other.token).post("/badges/verify", {})).status_code == 404
    unknown = {"Authorization": "Basic YTpi", "Content-Type": "application/x-www-form-urlencoded"}
    form = b"grant_type=refresh_token&refresh_token=x"
    assert (await client.with_token(None).request("POST", "/ims/ob/v3p0/oauth/token", content=form, headers=unknown)).status_code == 401
    denied = [row for row in await _rows(server, admin, client) if row["operation"] == "denied"]
    said = [(row["actor"], orjson.loads(row["diff"])) for row in denied]
    found = sorted((actor, diff["status"], diff["method"], diff["route"]) for actor, diff in said)
    assert found == [
        ("", 401, "GET", "/ims/ob/v3p0/profile"),
        ("", 401, "POST", "/ims/ob/v3p0/oauth/token"),
        ("", 401, "PUT", "/Achievements/{id}/image"),
        ("", 404, "POST", "/badges/verify"),
        (client.token.split("_")[1], 403, "GET", "/ims/ob/v3p0/credentials"),
    ]
    assert [row["operation"] for row in await _rows(server, admin, other)] == ["denied"]


@pytest.mark.parametrize(("guard", "status"), [("forbid", 403), ("throttle", 429)])
async def test_what_the_guard_holds_is_denied(server: Server, admin: Admin, guard: str, status: int) -> None:
    """However it is answered, each deletion that was held is counted, also in a bulk request."""
    client = await server.tenant(deletion_guard=guard, deletion_guard_count=1)
    users = [(await client.new_user())["id"] for _ in range(3)]
    assert [(await client.delete(f"/Users/{id_}")).status_code for id_ in users] == [204, status, status]
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "DELETE", "path": f"/Users/{users[1]}"}],
    }
    assert (await client.post("/Bulk", body)).json()["Operations"][0]["status"] == str(status)
    denied = [orjson.loads(row["diff"]) for row in await _rows(server, admin, client) if row["operation"] == "denied"]
    assert [(one["status"], one["method"], one["count"]) for one in denied] == [(status, "DELETE", 3)]


async def test_a_flood_of_denied_attempts_makes_few_rows(server: Server, admin: Admin) -> None:
    """However many there are, and whatever they are about."""
    client = await server.tenant()
    nobody = client.with_token("scs_nobody")
    for number in range(300):
        assert (await nobody.get(f"/Users/{number}")).status_code == 401
    rows = await _rows(server, admin, client)
    assert len(rows) <= 2
    assert sum(orjson.loads(row["diff"])["count"] for row in rows) == 300


async def test_made_up_tenants_leave_room(server: Server, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts at tenants that there are not keep none out of the trail: neither of those who were let in, nor any once it has been seen
    that there are no such tenants."""
    monkeypatch.setattr(denials, "KEPT_OF_NOBODY", 5)
    client = (await server.tenant()).with_token(None)
    for number in range(10):
        assert (await server.http.get(f"/scim/made-up-{number}/v2/Users")).status_code == 401
    reader = client.with_token(await server.token(client, "scim:read"))
    assert (await reader.post("/Users", user())).status_code == 403
    await server.app.trail.write_denials()
    assert (await client.delete("/Users/1")).status_code == 401
    rows = [orjson.loads(row["diff"]) for row in await _rows(server, admin, client)]
    assert sorted((row["status"], row["method"]) for row in rows) == [(401, "DELETE"), (403, "POST")]


async def test_what_administrators_do_is_in_the_trail(server: Server, admin: Admin) -> None:
    """Tokens that come and go, and a tenant that is suspended: with the administrator, and never a token itself."""
    client = await server.tenant()
    path = f"/tenants/{client.slug}"
    token = (await admin.ask("POST", f"{path}/tokens", {"label": "idp"})).json()
    await admin.ask("DELETE", f"{path}/tokens/{token['kid']}")
    for verb in ("suspend", "resume"):
        assert (await admin.ask("POST", f"{path}/{verb}")).status_code == 200
    rows = await _rows(server, admin, client)
    assert [row["operation"] for row in rows] == ["token.create", "token.revoke", "tenant.suspend", "tenant.resume"]
    assert [row["id"] for row in rows[:2]] == [token["kid"]] * 2
    assert all(row["actor"].startswith("admin:") for row in rows)
    assert token["token"] not in orjson.dumps(rows).decode()


async def test_pages_and_formats(server: Server, client: Client, admin: Admin) -> None:
    """The rows come page by page, and as OCSF; parameters that are none are refused."""
    for _ in range(5):
        await client.new_user()
    assert [row["position"] for row in await _rows(server, admin, client, "?after=1&count=3")] == [2, 3, 4]
    assert {event["class_uid"] for event in await _rows(server, admin, client, "?format=ocsf")} == {3004}
    state = (await admin.ask("GET", f"/tenants/{client.slug}/audit")).json()
    assert (state["position"], state["unsealed"], len(state["head"])) == (5, 0, 64)
    assert await _rows(server, admin, client, f"?after={2**63 - 2}") == []
    for query in ("?format=xml", "?after=-1", f"?after={2**63 - 1}", "?count=0", "?x=1"):
        assert_problem(await admin.ask("GET", f"/tenants/{client.slug}/audit/rows{query}"), 400)
    assert_problem(await admin.ask("GET", "/tenants/nobody/audit/rows"), 404)


async def _token(server: Server, *scopes: str) -> str:
    made = tokens.new_token(tokens.ADMIN)
    digest = tokens.digest(ServerKeys.load(server.settings).derive(ADMIN_PEPPER), made.text)
    async with server.pool.acquire() as connection:
        await create_admin_credential(connection, digest=digest, kid=made.kid, label="x", scopes=list(scopes), expires=None)
    return made.text


async def test_a_collector_reads_the_trail_and_nothing_else(server: Server, client: Client, admin: Admin) -> None:
    """The scope audit:read opens the trail alone; admin:read opens it too, and changes nothing."""
    collector, reader = admin.with_token(await _token(server, AUDIT)), admin.with_token(await _token(server, READ))
    for one in (collector, reader):
        for path in ("audit", "audit/rows"):
            assert (await one.ask("GET", f"/tenants/{client.slug}/{path}")).status_code == 200
        assert_problem(await one.ask("POST", f"/tenants/{client.slug}/erasures", {"id": "x"}), 403)
        assert_problem(await one.ask("POST", f"/tenants/{client.slug}/deleted/x/restore"), 403)
    for path in ("", f"/tenants/{client.slug}", f"/tenants/{client.slug}/changes", f"/tenants/{client.slug}/deleted", "/openapi.json"):
        assert_problem(await collector.ask("GET", path), 403)


async def test_deleted_brought_back_erased(server: Server, client: Client, admin: Admin) -> None:
    """An administrator lists, brings back, and erases; what was erased is in the trail without its values, and nothing brings it back."""
    creation = user("ada", title="secretly a spy")
    made = await client.request("POST", "/Users", creation, headers={"Idempotency-Key": "ada"})
    ada = made.json()
    for key, members in (("hers", [ada["id"]]), ("nobody's", [])):
        assert (await client.request("POST", "/Groups", group(*members), headers={"Idempotency-Key": key})).status_code == 201
    path = f"/tenants/{client.slug}"
    assert_problem(await admin.ask("POST", f"{path}/erasures", {"id": ada["id"]}), 409)
    await client.delete(f"/Users/{ada['id']}")
    listed = (await admin.ask("GET", f"{path}/deleted?type=User")).json()
    assert [(one["id"], one["display"]) for one in listed["deleted"]] == [(ada["id"], "ada")]
    back = await admin.ask("POST", f"{path}/deleted/{ada['id']}/restore")
    assert (back.status_code, back.json()) == (200, {"restored": ada["id"], "version": 3})
    assert (await admin.noted("resource.restore"))["subject"] == ada["id"]
    assert (await client.get(f"/Users/{ada['id']}")).json()["groups"]
    await client.delete(f"/Users/{ada['id']}")
    erased = await admin.ask("POST", f"{path}/erasures", {"id": ada["id"]})
    assert (erased.status_code, erased.json()["rows"]) == (200, 4)
    assert_problem(await admin.ask("POST", f"{path}/deleted/{ada['id']}/restore"), 404)
    assert (await admin.ask("GET", f"{path}/deleted")).json()["deleted"] == []
    kept = await server.pool.fetch("SELECT key FROM first_answer WHERE tenant = $1 AND body IS NOT NULL", client.id)
    assert [row["key"] for row in kept] == ["nobody's"]  # an answer about a group shows the names of its members
    again = await client.request("POST", "/Users", creation, headers={"Idempotency-Key": "ada"})
    assert (again.status_code, again.content, again.headers["location"]) == (201, b"", made.headers["location"])
    assert (await client.get("/Users")).json()["totalResults"] == 0
    rows = await _rows(server, admin, client)
    assert "spy" not in orjson.dumps(rows).decode()
    assert [row["operation"] for row in rows if row["id"] == ada["id"]] == ["create", "delete", "restore", "delete", "erase"]
    async with server.pool.acquire() as connection:
        found = await verify(connection, client.id, [ServerKeys.load(server.settings).derive(AUDIT_KEY)])
    assert (found.problems, found.erased) == ([], 4)
    assert_problem(await admin.ask("POST", f"{path}/erasures", {"id": "nobody"}), 404)


async def test_an_atomic_request_that_deletes_too_many(server: Server, admin: Admin) -> None:
    """Nothing of it is done, the deletions of others are held from then on, and the alarm is in the trail."""
    client = await server.tenant(deletion_guard="forbid", deletion_guard_count=3, bulk_atomic=True)
    users = [(await client.new_user())["id"] for _ in range(5)]
    operations = [{"method": "DELETE", "path": f"/Users/{id_}"} for id_ in users]
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    answer = await client.post("/Bulk", body)
    assert [one["status"] for one in answer.json()["Operations"]] == ["403"]
    assert len(await client.search("userName pr")) == 5
    assert (await client.delete(f"/Users/{users[0]}")).status_code == 403
    later = await client.request("DELETE", f"/Users/{users[1]}", headers={"Prefer": "respond-async, wait=10"})
    assert later.status_code == 403
    assert [row["operation"] for row in await _rows(server, admin, client) if row["operation"] in ("hold", "delete")] == ["hold"]


async def test_the_guard_is_seen_and_released(server: Server, admin: Admin) -> None:
    """What is held is shown; released, so many go; each of it is in the trail."""
    client = await server.tenant(deletion_guard="forbid", deletion_guard_count=1)
    users = [(await client.new_user())["id"] for _ in range(5)]
    path = f"/tenants/{client.slug}/deletion-guard"
    assert (await admin.ask("GET", path)).json() == {"types": []}
    assert [(await client.delete(f"/Users/{id_}")).status_code for id_ in users[:3]] == [204, 403, 403]
    (shown,) = (await admin.ask("GET", path)).json()["types"]
    assert (shown["type"], shown["present"], shown["held"] is None) == ("User", 1, False)
    released = await admin.ask("POST", f"{path}/User/release", {"allow": 2})
    assert released.json()["types"][0]["held"] is None
    assert [(await client.delete(f"/Users/{id_}")).status_code for id_ in users[1:]] == [204, 204, 204, 403]
    assert_problem(await admin.ask("POST", f"{path}/Group/release", {}), 404)
    operations = [row["operation"] for row in await _rows(server, admin, client)]
    assert [one for one in operations if one in ("hold", "release")] == ["hold", "release", "hold"]
