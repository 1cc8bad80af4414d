"""/Me: tokens that stand for a user reach the user's own resource, and change of it what the policy lets them change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from scimsrv import app, asynchronous
from scimsrv.store import asynchronous as jobs
from scimsrv.store.recorded import carry_out_recorded
from tests.wire.support import ENTERPRISE, PUBLIC, Client, Server, assert_error, patch, until_seen, user
from tests.wire.test_asynchronous import ASYNC, finished
from tests.wire.test_bulk import statuses


async def own(server: Server, client: Client, subject: str | None, *scopes: str) -> Client:
    """The client with a token for this subject."""
    return client.with_token(await server.token(client, *(scopes or ("scim:me",)), subject=subject))


@pytest.mark.parametrize(
    ("me", "subject"),
    [("userName", "ada"), ("userName", "ADA"), ("externalId", "oid-1"), ("externalId", 'x" or id pr or title eq "'), ("id", None)],
)
async def test_the_subject_is_found(server: Server, me: str, subject: str | None) -> None:
    """The attribute that the policy names is compared as its type says, and the subject is a value and no filter."""
    client = await server.tenant(me=me)
    await client.new_user("ben", externalId="OID-1")
    ada = await client.new_user("ada", externalId=subject if me == "externalId" else None)
    mine = await own(server, client, subject or ada["id"])
    answer = await mine.get("/Me")
    assert (answer.status_code, answer.json()) == (200, ada)
    assert answer.headers["location"] == ada["meta"]["location"] == f"{PUBLIC}{client.base}/Users/{ada['id']}"
    assert (await mine.request("HEAD", "/Me")).headers["location"] == ada["meta"]["location"]
    assert (await mine.get("/Me", attributes="userName")).json().keys() == {"schemas", "id", "userName"}
    tag = answer.headers["etag"]
    assert (await mine.request("GET", "/Me", headers={"If-None-Match": tag})).status_code == 304


async def test_who_is_nobody(server: Server) -> None:
    """Tokens of services, of unknown users and of ambiguous subjects are 404; deactivated users are 403; POST is 501."""
    client = await server.tenant(me="externalId")
    for _ in range(2):
        await client.new_user(externalId="twice")
    gone = await client.new_user(externalId="gone", active=False)
    assert_error(await client.get("/Me"), 404, None, "service")
    assert_error(await (await own(server, client, "unknown")).get("/Me"), 404)
    assert_error(await (await own(server, client, "twice")).get("/Me"), 404)
    mine = await own(server, client, "gone")
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert_error(await mine.request(method, "/Me", user() if method in ("PUT", "PATCH") else None), 403)
    assert_error(await mine.post("/Me", user()), 501)
    assert (await client.get(f"/Users/{gone['id']}")).json() == gone


async def test_switched_off(server: Server, client: Client) -> None:
    """Without a mapping /Me is 501 for every token and method."""
    ada = await client.new_user("ada")
    mine = await own(server, client, "ada")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert_error(await mine.request(method, "/Me", user() if method in ("POST", "PUT", "PATCH") else None), 501)
    assert (await client.get(f"/Users/{ada['id']}")).json() == ada


async def test_rights(server: Server) -> None:
    """/Me needs its scope, and its scope is good for nothing else."""
    client = await server.tenant(me="userName")
    ada = await client.new_user("ada")
    assert_error(await (await own(server, client, "ada", "scim:read", "scim:write")).get("/Me"), 403, None, "scim:me")
    mine = await own(server, client, "ada")
    for path in ("/Users", f"/Users/{ada['id']}", "/Schemas"):
        assert_error(await mine.get(path), 403)
    assert_error(await mine.delete(f"/Users/{ada['id']}"), 403)
    other = await server.tenant(me="userName")
    assert_error(await mine.http.get(other.base + "/Me", headers={"Authorization": f"Bearer {mine.token}"}), 404)


async def test_own_changes(server: Server) -> None:
    """PUT and PATCH change what the policy lists, and the answer has the resource at its permanent location."""
    client = await server.tenant(me="userName")
    ada = await client.new_user("ada", title="Dr", displayName="Ada", nickName="a")
    mine = await own(server, client, "ada")
    answer = await mine.patch("/Me", {"op": "replace", "path": "nickName", "value": "b"})
    assert (answer.status_code, answer.json()["nickName"]) == (200, "b")
    assert answer.headers["location"] == ada["meta"]["location"]
    body = answer.json() | {"nickName": "c", "locale": "en"}
    answer = await mine.put("/Me", body)
    assert (answer.status_code, answer.json()["nickName"], answer.json()["title"]) == (200, "c", "Dr")
    assert (await mine.patch("/Me", {"op": "replace", "path": "password", "value": "correct horse"})).status_code == 200
    stale = {"If-Match": ada["meta"]["version"]}
    assert_error(await mine.request("PUT", "/Me", body, headers=stale), 412)


async def test_own_changes_later(server: Server) -> None:
    """Asynchronously users change what they may, of nobody but themselves, and the result names the resource's permanent location."""
    client = await server.tenant(me="userName", me_deletion=True)
    ada = await client.new_user("ada", nickName="a")
    mine = await own(server, client, "ada")
    nick, title = ({"op": "replace", "path": path, "value": "b"} for path in ("nickName", "title"))
    changed = await finished(mine, await mine.request("PATCH", "/Me", patch(nick), headers=ASYNC))
    assert (statuses(changed["Operations"]), changed["Operations"][0]["location"]) == (["200"], ada["meta"]["location"])
    assert (await mine.get("/Me")).json()["nickName"] == "b"
    refused = await finished(mine, await mine.request("PATCH", "/Me", patch(title), headers=ASYNC))
    assert statuses(refused["Operations"]) == ["403"]
    assert "title may not be changed" in refused["Operations"][0]["response"]["detail"]
    waited = await mine.request("PUT", "/Me", ada | {"nickName": "c"}, headers={"Prefer": "respond-async, wait=20"})
    assert (waited.status_code, waited.json()["nickName"]) == (200, "c")
    assert_error(await mine.request("PATCH", f"/Users/{ada['id']}", patch(nick), headers=ASYNC), 403)
    gone = await finished(mine, await mine.request("DELETE", "/Me", headers=ASYNC))
    assert statuses(gone["Operations"]) == ["204"]
    assert_error(await client.get(f"/Users/{ada['id']}"), 404)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param("UPDATE credential SET scopes = '{scim:read}' WHERE tenant = $1 AND kid = $2", "403", id="the token lost its scope"),
        pytest.param("DELETE FROM credential WHERE tenant = $1 AND kid = $2", "401", id="the token ended"),
        pytest.param("rename", "404", id="somebody else has the name"),
    ],
)
async def test_own_changes_that_come_too_late(server: Server, monkeypatch: pytest.MonkeyPatch, change: str, status: str) -> None:
    """What a user asked for is done with the rights, and to the user, that the token has and stands for by then."""

    async def nobody(*_: Any) -> None:
        return None

    client = await server.tenant(me="userName")
    ada = await client.new_user("ada", nickName="a")
    mine = await own(server, client, "ada")
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "take_job", nobody)
        body = patch({"op": "replace", "path": "nickName", "value": "b"})
        answer = await mine.request("PATCH", "/Me", body, headers=ASYNC)
        await asyncio.sleep(0.1)  # whoever was woken has looked
    if change == "rename":
        await client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "userName", "value": "eve"})
        await client.new_user("ada")
    else:
        actor = await server.pool.fetchval("SELECT actor FROM request_job WHERE tenant = $1", client.id)
        await server.pool.execute(change, client.id, actor.partition("/")[0])
    await server.app.jobs.begin(client.id, answer.headers["set-txn"])
    (result,) = [row["result"] for row in await server.pool.fetch("SELECT result FROM request_result WHERE tenant = $1", client.id)]
    assert f'"status":"{status}"' in result
    assert (await client.get(f"/Users/{ada['id']}")).json()["nickName"] == "a"


@pytest.mark.parametrize("change", ["deactivated", "renamed", "switched off"])
async def test_what_changes_while_a_body_arrives(server: Server, change: str) -> None:
    """Whose resource /Me is, and whether it may be changed, is what holds when the whole request is there."""
    client = await server.tenant(me="userName")
    ada = await client.new_user("ada", nickName="a")
    mine = await own(server, client, "ada")
    text = orjson.dumps(patch({"op": "replace", "path": "nickName", "value": "b"}))

    async def slowly() -> AsyncIterator[bytes]:
        yield text[:10]
        match change:
            case "deactivated":
                await client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": False})
            case "renamed":
                await client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "userName", "value": "eve"})
            case _:
                started = asyncio.get_running_loop().time()
                await server.set_policy(client, {"profile": "standard"})
                await until_seen(started)
        await asyncio.sleep(2 * app._MOMENT)
        yield text[10:]

    answer = await mine.request("PATCH", "/Me", content=slowly())
    assert_error(answer, {"deactivated": 403, "renamed": 404, "switched off": 501}[change])
    assert (await client.get(f"/Users/{ada['id']}")).json()["nickName"] == "a"


async def test_options(server: Server) -> None:
    """OPTIONS and 405 list what users can do at /Me: registering is not among it, PATCH where it is served."""
    for patched, allowed in ((True, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"), (False, "GET, HEAD, PUT, DELETE, OPTIONS")):
        client = await server.tenant(me="userName", patch=patched)
        assert (await client.request("OPTIONS", "/Me")).headers["allow"] == allowed
        refused = await client.request("TRACE", "/Me")
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
        assert_error(await client.post("/Me", user()), 501)


async def test_minimal_answers(server: Server) -> None:
    """return=minimal leaves out the body at /Me as elsewhere, and says so."""
    client = await server.tenant(me="userName")
    ada = await client.new_user("ada")
    mine = await own(server, client, "ada")
    change = patch({"op": "replace", "path": "nickName", "value": "b"})
    for method, body in (("PATCH", change), ("PUT", user("ada", nickName="c"))):
        answer = await mine.request(method, "/Me", body, headers={"Prefer": "return=minimal"})
        assert (answer.status_code, answer.content, answer.headers.get("preference-applied")) == (204, b"", "return=minimal")
        assert answer.headers["location"] == ada["meta"]["location"]
    assert (await mine.get("/Me")).json()["nickName"] == "c"


_FORBIDDEN: list[tuple[dict[str, Any], str]] = [
    ({"op": "replace", "path": "title", "value": "Prof"}, "title"),
    ({"op": "replace", "path": "userName", "value": "root"}, "userName"),
    ({"op": "replace", "path": "active", "value": False}, "active"),
    ({"op": "add", "path": "roles", "value": [{"value": "admin"}]}, "roles"),
    ({"op": "add", "path": f"{ENTERPRISE}:department", "value": "x"}, "department"),
    ({"op": "add", "value": {"nickName": "x", "title": "Prof"}}, "title"),
    ({"op": "add", "value": {ENTERPRISE: {"nickName": "x", "costCenter": "1"}}}, "costCenter"),
    ({"op": "remove", "path": "title"}, "title"),
]


@pytest.mark.parametrize(("operation", "name"), _FORBIDDEN, ids=str)
async def test_what_may_not_be_changed(server: Server, operation: dict[str, Any], name: str) -> None:
    """A change of anything else is 403 that names it, in PATCH as in PUT, and nothing of the request is done."""
    client = await server.tenant(me="userName")
    ada = await client.new_user("ada", title="Dr")
    mine = await own(server, client, "ada")
    assert_error(await mine.patch("/Me", {"op": "add", "path": "nickName", "value": "x"}, operation), 403, None, name)
    wanted = (await client.request("PATCH", f"/Users/{ada['id']}", patch(operation))).json()
    await client.put(f"/Users/{ada['id']}", ada)
    before = (await client.get(f"/Users/{ada['id']}")).json()
    if wanted["userName"] == "ada" and wanted["active"]:
        assert_error(await mine.put("/Me", wanted), 403, None, name)
    assert (await client.get(f"/Users/{ada['id']}")).json() == before


_EXTRA = "urn:example:params:scim:schemas:extension:extra:2.0:User"


async def test_references_and_what_is_not_shown(server: Server) -> None:
    """A PUT of what GET showed keeps references and what is shown on request only, and no way of changing them is passed over."""
    client = await server.tenant(me="userName")
    parts = [{"name": "value", "caseExact": True}, {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}]
    link = {"name": "buddies", "type": "complex", "multiValued": True, "subAttributes": parts}
    schema = {"id": _EXTRA, "name": "Extra", "attributes": [link, {"name": "note", "returned": "request"}]}
    admin = client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))
    assert (await admin.post("/Schemas", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"]} | schema)).status_code == 201
    users = (await admin.get("/ResourceTypes/User")).json()
    users["schemaExtensions"].append({"schema": _EXTRA, "required": False})
    assert (await admin.put("/ResourceTypes/User", users)).status_code == 200
    ben, eve = [(await client.new_user())["id"] for _ in range(2)]
    await client.new_user("ada", **{_EXTRA: {"buddies": [{"value": ben}], "note": "n"}})
    mine = await own(server, client, "ada")
    shown = (await mine.get("/Me")).json()
    extra = f"{_EXTRA},nickName"
    for body, nick in ((shown, "a"), ({name: value for name, value in shown.items() if name != _EXTRA}, "b")):
        answer = await mine.put("/Me", body | {"nickName": nick})
        assert answer.status_code == 200, answer.text
        found = (await mine.get("/Me", attributes=extra + f",{_EXTRA}:note")).json()
        assert (found["nickName"], found[_EXTRA]["note"], [one["value"] for one in found[_EXTRA]["buddies"]]) == (nick, "n", [ben])
    path = f"{_EXTRA}:buddies"
    for operation in (
        {"op": "remove", "path": path},
        {"op": "replace", "path": path, "value": []},
        {"op": "remove", "path": f'{path}[value eq "{ben}"]'},
        {"op": "replace", "path": path, "value": [{"value": eve}]},
        {"op": "add", "path": path, "value": [{"value": eve}]},
    ):
        assert_error(await mine.patch("/Me", operation), 403, None, "buddies")
    assert_error(await mine.put("/Me", shown | {_EXTRA: {"buddies": [{"value": eve}]}}), 403, None, "buddies")
    assert_error(await mine.put("/Me", shown | {_EXTRA: shown[_EXTRA] | {"note": "m"}}), 403, None, "note")
    assert (await mine.patch("/Me", {"op": "replace", "path": path, "value": [{"value": ben}]})).status_code == 200
    assert (await mine.get("/Me")).json()[_EXTRA] == shown[_EXTRA]


async def test_the_list_is_policy(server: Server) -> None:
    """The policy says what users may change, attributes of extensions and secrets by name too, and whether they may go."""
    client = await server.tenant(me="userName", me_attributes=["Title", f"{ENTERPRISE}:department"], me_deletion=True)
    await client.new_user("ada")
    mine = await own(server, client, "ada")
    change = await mine.patch(
        "/Me", {"op": "add", "path": "title", "value": "x"}, {"op": "add", "path": f"{ENTERPRISE}:department", "value": "y"}
    )
    assert (change.status_code, change.json()["title"]) == (200, "x")
    assert_error(await mine.patch("/Me", {"op": "add", "path": "nickName", "value": "x"}), 403, None, "nickName")
    assert_error(await mine.patch("/Me", {"op": "replace", "path": "password", "value": "correct horse"}), 403, None, "password")
    assert (await mine.delete("/Me")).status_code == 204
    assert_error(await mine.get("/Me"), 404)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_the_policy_changes_while_a_request_waits(server: Server, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """What is carried out later is permitted by the policy of then, though it was begun by the one before."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **more: Any) -> None:
        begun.set()
        await go.wait()
        await carry_out_recorded(*args, **more)

    monkeypatch.setattr(asynchronous, "carry_out_recorded", slow)
    client = await server.tenant(me="userName", me_attributes=["title"], me_deletion=True)
    ada = await client.new_user("ada")
    mine = await own(server, client, "ada")
    change = patch({"op": "add", "path": "title", "value": "x"}) if method == "PATCH" else None
    answer = await mine.request(method, "/Me", change, headers=ASYNC)
    await begun.wait()
    await server.set_policy(client, {"me": "userName", "me_attributes": ["nickName"], "me_deletion": False})
    go.set()
    assert statuses((await finished(mine, answer))["Operations"]) == ["403"]
    assert (await client.get(f"/Users/{ada['id']}")).json() == ada


async def test_users_may_not_delete_themselves(server: Server) -> None:
    """DELETE is 403 unless the policy permits it."""
    client = await server.tenant(me="userName")
    ada = await client.new_user("ada")
    assert_error(await (await own(server, client, "ada")).delete("/Me"), 403)
    assert (await client.get(f"/Users/{ada['id']}")).json() == ada
