"""The admin API: every verb does what it says, is recorded, and is visible to the tenant's clients within a second."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scimsrv import __version__
from scimsrv.admin.routes import ROUTES
from scimsrv.observe import CURRENT
from scimsrv.schema.policy import PROFILES, policy_schema
from scimsrv.schema.presets import PRESETS
from tests.wire.admin_support import Admin, admin_api, assert_problem
from tests.wire.support import Client, Server, assert_error, until_seen


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Admin]:
    """Yield an administrator beside the server of the tenants."""
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as made:
        yield made


async def _client(server: Server, admin: Admin, slug: str, **asked: Any) -> Client:
    """A client with a token that the API issued."""
    made = await admin.ask("POST", f"/tenants/{slug}/tokens", asked)
    assert made.status_code == 201, made.text
    return Client(server.http, slug, 0, made.json()["token"])


async def test_a_tenant_from_beginning_to_end(server: Server, admin: Admin) -> None:
    """Created, served, suspended, resumed and deleted; each step is recorded with who did it."""
    asked = {"slug": "initech", "preset": "entra", "switches": {"require_if_match": True}}
    created = await admin.ask("POST", "/tenants", asked, X_Request_Id="request-1")
    assert (created.status_code, created.headers["location"]) == (201, "/admin/v1/tenants/initech")
    made = created.json()
    assert made == (await admin.ask("GET", "/tenants/initech")).json()
    assert made in (await admin.ask("GET", "/tenants")).json()["tenants"]
    assert (made["status"], made["profile"], made["url"]) == ("active", "entra", "https://scim.example.com/scim/initech/v2")
    noted = await admin.noted("tenant.create")
    assert admin.token is not None
    assert (noted["actor"], noted["tenant"]) == (f"admin:{admin.token.split('_')[1]}", "initech")
    assert noted["origin"] == ["request-1", "127.0.0.1"]
    assert noted["detail"] == {"preset": "entra", "switches": {"require_if_match": True}}
    client = await _client(server, admin, "initech")
    ada = await client.new_user("ada")
    assert_error(await client.delete(f"/Users/{ada['id']}"), 428)
    for verb, status, answer in (("suspend", "suspended", 403), ("resume", "active", 200)):
        started = asyncio.get_running_loop().time()
        assert (await admin.ask("POST", f"/tenants/initech/{verb}")).json()["status"] == status
        await admin.noted(f"tenant.{verb}")
        await until_seen(started)
        assert (await client.get("/Users")).status_code == answer
    statistics = (await admin.ask("GET", "/tenants/initech/statistics")).json()
    assert (statistics["resources"], statistics["tokens"]) == ({"User": 1}, 1)
    assert None not in (statistics["last_used"], statistics["last_change"])
    assert statistics["indexes"] == len(PRESETS["entra"].indexes)
    for path in ("/tenants/initech", "/tenants/initech?confirm=other", "/tenants/initech?confirm="):
        assert_problem(await admin.ask("DELETE", path), 400, "confirm=initech")
    assert (await admin.ask("DELETE", "/tenants/initech?confirm=initech")).json() == {"deleted": "initech", "resources": 1}
    await admin.noted("tenant.delete")
    assert_problem(await admin.ask("GET", "/tenants/initech"), 404, "no tenant 'initech'")
    recorded = (await admin.ask("GET", "/changes?tenant=initech")).json()["changes"]
    assert [one["operation"] for one in recorded] == [
        *("tenant.delete", "tenant.resume", "tenant.suspend", "token.create", "tenant.create"),
    ]


async def test_tokens(server: Server, admin: Admin) -> None:
    """A token is shown once, works at once, is rotated with an overlap and ends at once; its secret is in no list and no record."""
    slug = await admin.tenant()
    made = await admin.ask("POST", f"/tenants/{slug}/tokens", {"label": "okta", "scopes": ["scim:read"], "expires": None})
    token = made.json()
    assert (made.status_code, token["scopes"], token["expires"], token["label"]) == (201, ["scim:read"], None, "okta")
    client = Client(server.http, slug, 0, token["token"])
    assert (await client.get("/Users")).status_code == 200
    assert_error(await client.post("/Users", {"userName": "ada"}), 403)
    assert (await admin.ask("POST", f"/tenants/{slug}/tokens", {"label": "okta"})).status_code == 201
    assert_problem(await admin.ask("POST", f"/tenants/{slug}/tokens", {"label": "okta"}), 409, "2 live tokens")
    spare = (await admin.ask("GET", f"/tenants/{slug}/tokens")).json()["tokens"][1]
    assert (await admin.ask("DELETE", f"/tenants/{slug}/tokens/{spare['kid']}")).status_code == 200
    next_ = (await admin.ask("POST", f"/tenants/{slug}/tokens/rotate", {"label": "okta"})).json()
    assert next_["scopes"] == ["scim:read"]
    assert next_["expires"] is not None
    listed = await admin.ask("GET", f"/tenants/{slug}/tokens")
    old, new = listed.json()["tokens"]
    assert (old["kid"], new["kid"]) == (token["kid"], next_["kid"])
    assert old["expires"] is not None
    assert (await admin.ask("DELETE", f"/tenants/{slug}/tokens/{old['kid']}")).json() == {"revoked": old["kid"]}
    assert (await admin.noted("token.revoke"))["subject"] == old["kid"]
    assert_problem(await admin.ask("DELETE", f"/tenants/{slug}/tokens/{old['kid']}"), 404, "no token")
    recorded = (await admin.ask("GET", f"/changes?tenant={slug}")).text
    for shown in (token, next_):
        assert shown["token"] not in listed.text + recorded
        assert shown["token"].split("_", 2)[2].rpartition("_")[0] not in listed.text + recorded


async def test_policy(server: Server, admin: Admin) -> None:
    """Read, replaced and merged with versions; clients see it within a second; the document says by which schema it is."""
    slug = await admin.tenant(profile="okta")
    path = f"/tenants/{slug}/policy"
    first = await admin.ask("GET", path)
    assert (first.json(), first.headers["etag"]) == ({"profile": "okta"}, '"1"')
    assert first.headers["link"] == '</admin/v1/policy-schema>; rel="describedby"'
    assert (await admin.ask("GET", "/policy-schema")).json() == policy_schema()
    effective = (await admin.ask("GET", f"{path}?effective=true")).json()
    assert effective.keys() == policy_schema()["properties"].keys()
    client = await _client(server, admin, slug)
    ada = await client.new_user()
    started = asyncio.get_running_loop().time()
    merged = await admin.ask("PATCH", path, {"patch": False}, If_Match='"1"')
    assert (merged.json(), merged.headers["etag"]) == ({"profile": "okta", "patch": False}, '"2"')
    assert (await admin.noted("policy.change"))["detail"]["after"] == merged.json()
    await until_seen(started)
    assert_error(await client.patch(f"/Users/{ada['id']}", {"op": "add", "path": "title", "value": "Dr"}), 501)
    assert_problem(await admin.ask("PUT", path, {"profile": "entra"}, If_Match='"1"'), 412, "version 2")
    assert_problem(await admin.ask("PUT", path, {"profile": "entra"}, If_Match="garbage"), 412)
    assert (await admin.ask("PUT", path, {"profile": "entra"}, If_Match="*")).headers["etag"] == '"3"'
    assert (await admin.ask("PUT", path, {"profile": "entra"}, If_Match='"1", "3"')).headers["etag"] == '"3"'
    assert_problem(await admin.ask("PATCH", path, {"strict_uri": True}), 400, "did you mean strict_uris")
    assert (await admin.ask("GET", path)).json() == {"profile": "entra"}
    change = (await admin.ask("GET", f"/tenants/{slug}/changes?id=policy&count=1")).json()
    assert change["changes"][0]["diff"] == {"profile": ["okta", "entra"], "patch": [False, None]}
    assert change["next"] == change["changes"][0]["seq"]


async def test_changes(server: Server, admin: Admin) -> None:
    """What a client changed is listed with its coercions, the newest first, page by page, for all resources or for one."""
    slug = await admin.tenant(profile="entra")
    client = await _client(server, admin, slug)
    ada, ben = await client.new_user(), await client.new_user()
    await client.patch(f"/Users/{ada['id']}", {"op": "Replace", "path": "active", "value": "False"})
    path = f"/tenants/{slug}/changes"
    page = (await admin.ask("GET", f"{path}?count=2")).json()
    newest, before = page["changes"]
    assert (newest["id"], newest["operation"], newest["version"], newest["attributes"]) == (ada["id"], "update", 2, ["active"])
    assert newest["coercions"] == ["boolean_as_text", "lower_case_op"]
    assert (before["id"], before["coercions"], before["diff"]) == (ben["id"], [], None)
    rest = (await admin.ask("GET", f"{path}?count=2&before={page['next']}")).json()
    assert ([one["id"] for one in rest["changes"]], rest["next"]) == ([ada["id"]], None)
    one = (await admin.ask("GET", f"{path}?id={ada['id']}")).json()["changes"]
    assert [change["version"] for change in one] == [2, 1]


async def test_indexes(admin: Admin) -> None:
    """Attributes are marked and unmarked, also those of extensions, and mistakes are named."""
    slug = await admin.tenant()
    path = f"/tenants/{slug}/indexes"
    assert len((await admin.ask("GET", path)).json()["indexes"]) == len(PRESETS["standard"].indexes)
    department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
    made = await admin.ask("POST", path, {"type": "User", "attribute": department, "substring": True})
    assert (made.status_code, made.json()["state"], made.json()["substring"]) == (201, "ready", True)
    assert_problem(await admin.ask("POST", path, {"type": "User", "attribute": department}), 409, "indexed already")
    assert_problem(await admin.ask("POST", path, {"type": "Robot", "attribute": "title"}), 404, "resource type 'Robot'")
    assert_problem(await admin.ask("POST", path, {"type": "User", "attribute": "nothing"}), 400, "nothing")
    assert (await admin.ask("DELETE", f"{path}/User/{department}")).json()["state"] == "retiring"
    assert (await admin.noted("index.remove"))["subject"] == f"User {department}"
    assert_problem(await admin.ask("DELETE", f"{path}/User/title"), 404, "not indexed")


async def test_what_there_is_to_choose_from(admin: Admin) -> None:
    """The service, and the presets with what a tenant of each begins with."""
    assert (await admin.ask("GET", "")).json()["version"] == __version__
    presets = {one["name"]: one for one in (await admin.ask("GET", "/presets")).json()["presets"]}
    assert presets.keys() == PRESETS.keys()
    assert presets["user-only"]["resource_types"] == ["User"]
    assert {one["policy"]["profile"] for one in presets.values()} == set(PROFILES)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/tenants", {}, 400, "slug: Field required"),
        ("POST", "/tenants", {"slug": "Acme"}, 400, "lower-case"),
        ("POST", "/tenants", {"slug": "admin"}, 400, "reserved"),
        ("POST", "/tenants", {"slug": "demo\x00"}, 400, "U+0000"),
        ("POST", "/tenants", {"slug": "x" * 101}, 400, "slug"),
        ("POST", "/tenants", {"slug": "taken"}, 409, "already exists"),
        ("POST", "/tenants", {"slug": "new", "preset": "azure"}, 400, "no preset 'azure'"),
        ("POST", "/tenants", {"slug": "new", "profile": "azure"}, 400, "profile must be one of"),
        ("POST", "/tenants", {"slug": "new", "switches": {"strict_uri": True}}, 400, "did you mean strict_uris"),
        ("POST", "/tenants", {"slug": "new", "colour": "red"}, 400, "colour"),
        ("POST", "/tenants", [], 400, "object"),
        ("POST", "/tenants/nobody/suspend", None, 404, "no tenant"),
        ("GET", "/tenants/nobody/policy", None, 404, "no tenant"),
        ("GET", "/tenants/%00/policy", None, 404, ""),
        ("GET", "/tenants/taken/changes?count=0", None, 400, "count"),
        ("GET", "/tenants/taken/changes?before=9999999999999999999", None, 400, "before"),
        ("GET", "/tenants/taken/changes?page=1", None, 400, "no query parameters but"),
        ("GET", "/tenants/taken/changes?count=1&count=2", None, 400, "twice"),
        ("GET", "/changes?" + "&".join(f"a{n}=" for n in range(30)), None, 400, "too many"),
        ("POST", "/tenants/taken/tokens", {"scopes": ["all"]}, 400, "Unknown scope 'all'"),
        ("POST", "/tenants/taken/tokens", {"scopes": []}, 400, "scopes"),
        ("POST", "/tenants/taken/tokens", {"label": ""}, 400, "label"),
        ("POST", "/tenants/taken/tokens", {"expires": "2030-01-01T00:00:00"}, 400, "expires"),
        ("POST", "/tenants/taken/tokens/rotate", {"label": "other"}, 404, "no live token"),
        ("PUT", "/tenants/taken/policy", {"patch_body": "sometimes"}, 400, "patch_body must be one of"),
        ("DELETE", "/tenants", None, 405, "DELETE"),
        ("PATCH", "/tenants/taken", {}, 405, "PATCH"),
        ("GET", "/nothing", None, 404, "no such endpoint"),
        ("GET", "/tenants/", None, 404, ""),
    ],
)
async def test_mistakes(admin: Admin, method: str, path: str, body: Any, status: int, says: str) -> None:
    """What is wrong is named in a problem document, and nothing is done."""
    await admin.ask("POST", "/tenants", {"slug": "taken"})
    before = await admin.pool.fetchval("SELECT count(*) FROM admin_change")
    assert_problem(await admin.ask(method, path, body), status, says)
    assert await admin.pool.fetchval("SELECT count(*) FROM admin_change") == before


async def test_allow_names_every_method(admin: Admin) -> None:
    """405 names all the methods of the path."""
    for path in {route.path for route in ROUTES}:
        methods = {route.method for route in ROUTES if route.path == path}
        answer = await admin.ask("TRACE", re.sub(r"{\w+}", "1", path))
        assert_problem(answer, 405)
        assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == methods


async def test_bodies_have_a_form(admin: Admin) -> None:
    """A body is JSON of a limited size in a media type of its route; duplicate names, other types and what is no JSON are refused."""
    head = {"Authorization": f"Bearer {admin.token}"}

    async def send(content: bytes, kind: str | None, **more: str) -> Any:
        headers = head | ({} if kind is None else {"Content-Type": kind}) | more
        return await admin.http.post("/admin/v1/tenants", content=content, headers=headers)

    assert_problem(await send(b'{"slug": "x1"}', "text/plain"), 415, "application/json")
    assert_problem(await send(b'{"slug": "x1"}', None), 415)
    assert_problem(await send(b'{"slug": "x1"}', "application/merge-patch+json"), 415)
    assert_problem(await send(b'{"slug": "x1"}', "application/json", **{"Content-Encoding": "gzip"}), 415)
    assert_problem(await send(b"{", "application/json"), 400, "not JSON")
    assert_problem(await send(b"", "application/json"), 400, "needs a JSON body")
    assert_problem(await send(b'{"slug": "x1", "slug": "x2"}', "application/json"), 400, "twice")
    assert_problem(await send(b'{"slug": "' + b"x" * 300_000 + b'"}', "application/json"), 413, "larger than")
    assert (await send(b'{"slug": "x1"}', "application/json; charset=utf-8")).status_code == 201


async def test_a_fault_shows_nothing(admin: Admin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A bug of ours is a problem document with the request's id, by which the log has the cause."""

    async def broken(*_: Any) -> Any:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("scimsrv.store.tenants.list_tenants", broken)
    logged: list[str | None] = []

    def note(_record: logging.LogRecord) -> bool:
        exchange = CURRENT.get()  # from which a line of the log has its id
        logged.append(None if exchange is None else exchange.request_id)
        return True

    caplog.handler.addFilter(note)
    answer = await admin.ask("GET", "/tenants", X_Request_Id="the-request")
    caplog.handler.removeFilter(note)
    assert_problem(answer, 500, "request id")
    assert "hunter2" not in answer.text
    assert "the-request" in logged


async def test_what_is_not_done_is_not_recorded(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is part of the transaction: when it cannot be written, nothing is done."""
    slug = await admin.tenant()

    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr("scimsrv.admin.acting.note_change", broken)
    for method, path, body in (
        ("POST", "/tenants", {"slug": "unrecorded"}),
        ("POST", f"/tenants/{slug}/suspend", None),
        ("POST", f"/tenants/{slug}/tokens", {}),
        ("PATCH", f"/tenants/{slug}/policy", {"strict_uris": True}),
        ("POST", f"/tenants/{slug}/indexes", {"type": "User", "attribute": "title"}),
        ("POST", f"/tenants/{slug}/schemas", {"id": "urn:x:y", "name": "X", "attributes": [{"name": "x"}]}),
        ("DELETE", f"/tenants/{slug}?confirm={slug}", None),
    ):
        assert_problem(await admin.ask(method, path, body), 500)
    monkeypatch.undo()
    assert_problem(await admin.ask("GET", "/tenants/unrecorded"), 404)
    assert_problem(await admin.ask("GET", f"/tenants/{slug}/schemas/urn:x:y"), 404)
    assert (await admin.ask("GET", f"/tenants/{slug}")).json()["status"] == "active"
    assert (await admin.ask("GET", f"/tenants/{slug}/tokens")).json() == {"tokens": []}
    assert (await admin.ask("GET", f"/tenants/{slug}/policy")).headers["etag"] == '"1"'
    assert len((await admin.ask("GET", f"/tenants/{slug}/indexes")).json()["indexes"]) == len(PRESETS["standard"].indexes)
