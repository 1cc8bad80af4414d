"""Reference attributes whose definitions change while they are in use: what stored references contradict is refused."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.store import jobs
from tests.wire.support import Client, Server, assert_error
from tests.wire.test_definitions_in_use import finish

_URN = "urn:example:params:scim:schemas:core:2.0:Project"


def _staff(*types: str, role: bool) -> dict[str, Any]:
    parts = [{"name": "value", "caseExact": True}, {"name": "$ref", "type": "reference", "referenceTypes": [*types]}]
    extra = [{"name": "role", "type": "string"}] if role else []
    return {"name": "staff", "type": "complex", "multiValued": True, "subAttributes": [*parts, *extra]}


def _schema(*attributes: dict[str, Any]) -> dict[str, Any]:
    return {"id": _URN, "name": "Project", "attributes": [{"name": "title", "type": "string"}, *attributes]}


@pytest.fixture
async def admin(server: Server, client: Client) -> Client:
    """A client of a fresh tenant that may also define."""
    return client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))


async def _projects(admin: Client, attribute: dict[str, Any]) -> None:
    assert (await admin.post("/Schemas", _schema(attribute))).status_code == 201
    assert (await admin.post("/ResourceTypes", {"name": "Project", "endpoint": "/Projects", "schema": _URN})).status_code == 201


async def _define(admin: Client, *attributes: dict[str, Any]) -> Any:
    return await admin.put(f"/Schemas/{_URN}", _schema(*attributes))


@pytest.mark.parametrize("role", [False, True])
async def test_references_keep_their_form_while_there_are_any(admin: Client, role: bool) -> None:
    """A link gains a part of the client's, or loses its only one, where no resource has values; 409 otherwise, and all is as it was."""
    await _projects(admin, _staff("User", role=role))
    ada = (await admin.new_user())["id"]
    made = (await admin.post("/Projects", {"staff": [{"value": ada}]})).json()
    path = f"/Projects/{made['id']}"
    assert_error(await _define(admin, _staff("User", role=not role)), 409, None, "staff")
    assert (await admin.get(path)).json() == made
    await admin.patch(path, {"op": "remove", "path": "staff"})
    assert (await _define(admin, _staff("User", role=not role))).status_code == 200
    element = {"value": ada} | ({} if role else {"role": "lead"})
    shown = (await admin.patch(path, {"op": "add", "path": "staff", "value": [element]})).json()["staff"][0]
    assert (shown["value"], shown.get("role")) == (ada, element.get("role"))
    assert await admin.search(f'staff.value eq "{ada}"', "/Projects") == [made["id"]]


@pytest.mark.parametrize("role", [False, True])
async def test_references_to_types_that_are_named_no_more(admin: Client, role: bool) -> None:
    """A type that values refer to stays among the reference types; another one may go."""
    await _projects(admin, _staff("User", "Group", role=role))
    ada, team = (await admin.new_user())["id"], (await admin.new_group())["id"]
    made = (await admin.post("/Projects", {"staff": [{"value": ada}]})).json()
    assert_error(await _define(admin, _staff("Group", role=role)), 409, None, "staff")
    assert (await _define(admin, _staff("User", role=role))).status_code == 200
    answer = await admin.patch(f"/Projects/{made['id']}", {"op": "add", "path": "staff", "value": [{"value": team}]})
    assert_error(answer, 400, "invalidValue", "staff cannot refer to a Group")


@pytest.mark.parametrize(
    ("again", "says"),
    [
        (_staff("Group", role=False), "staff had values before it was removed, which must refer to Group; one resource does not fit"),
        (_staff("User", role=True), "staff had values before it was removed, which are kept in another form; one resource does not fit"),
    ],
)
async def test_references_that_come_back(server: Server, admin: Client, again: dict[str, Any], says: str) -> None:
    """Values of a removed attribute that are rows are there again when it is defined as it was, and hinder it being another one."""
    await _projects(admin, _staff("User", role=False))
    ada = (await admin.new_user())["id"]
    made = (await admin.post("/Projects", {"staff": [{"value": ada}]})).json()
    assert (await _define(admin)).status_code == 200
    await finish(server, admin)
    report = (await admin.put(f"/Schemas/{_URN}?dryRun=true", _schema(again))).json()
    assert report["possible"] is False
    assert_error(await _define(admin, again), 409, None, says)
    assert (await _define(admin, _staff("User", "Group", role=False))).status_code == 200
    assert (await admin.get(f"/Projects/{made['id']}")).json()["staff"] == made["staff"]
    await admin.patch(f"/Projects/{made['id']}", {"op": "remove", "path": "staff"})
    assert (await _define(admin)).status_code == 200
    await finish(server, admin)
    assert (await _define(admin, again)).status_code == 200


async def test_a_single_reference_to_types_that_are_named_no_more(admin: Client) -> None:
    """A type that a single reference names stays among its reference types, too; what names nothing hinders nothing."""

    def lead(*types: str) -> dict[str, Any]:
        return _staff(*types, role=False) | {"name": "lead", "multiValued": False}

    await _projects(admin, lead("User", "Group"))
    ada = (await admin.new_user())["id"]
    made = (await admin.post("/Projects", {"lead": {"value": ada}})).json()
    await admin.post("/Projects", {"lead": {"value": "nobody"}})
    await admin.post("/Projects", {"title": "x"})
    assert_error(await _define(admin, lead("Group")), 409, None, "lead must refer to Group; one resource does")
    await admin.patch(f"/Projects/{made['id']}", {"op": "remove", "path": "lead"})
    assert (await _define(admin, lead("Group"))).status_code == 200


@pytest.mark.parametrize("role", [False, True])
async def test_an_attribute_that_was_taken_away_keeps_nobody(server: Server, admin: Client, role: bool) -> None:
    """What only an attribute refers to that the type has no more can be deleted, also where deletion is restricted."""
    await server.set_policy(admin, {"link_target_deletion": "restrict"})
    await _projects(admin, _staff("User", role=role))
    ada = (await admin.new_user())["id"]
    made = (await admin.post("/Projects", {"title": "x", "staff": [{"value": ada}]})).json()
    assert_error(await admin.delete(f"/Users/{ada}"), 409, None, "staff of Project")
    assert (await _define(admin)).status_code == 200
    assert (await admin.delete(f"/Users/{ada}")).status_code == 204
    assert (await admin.get(f"/Projects/{made['id']}")).json()["title"] == "x"


async def test_references_that_are_set_aside_and_put_back(server: Server, admin: Client) -> None:
    """Values that are kept aside refer to nothing; put back, they refer to what is still there, and are found from both sides."""
    await _projects(admin, _staff("User", role=True))
    ada, ben = (await admin.new_user())["id"], (await admin.new_user())["id"]
    made = (await admin.post("/Projects", {"staff": [{"value": ada, "role": "lead"}, {"value": ben, "role": "spare"}]})).json()
    gone = (await admin.post("/Projects", {"title": "x", "staff": [{"value": ben, "role": "lead"}]})).json()
    assert (await _define(admin)).status_code == 200
    await finish(server, admin)
    assert await server.pool.fetchval("SELECT count(*) FROM reference WHERE tenant = $1", admin.id) == 0
    await admin.delete(f"/Users/{ben}")
    assert (await _define(admin, _staff("User", role=True))).status_code == 200
    async with server.pool.acquire() as connection:
        await jobs.restore_removed(connection, admin.id, "admin", "Project", "staff")
    job = (await finish(server, admin))[-1]
    assert {what: found["resources"] for what, found in job.result.items()} == {"restored": 1, "left": 2}
    async with server.pool.acquire() as connection:
        assert [one.resources for one in await jobs.list_removed(connection, admin.id)] == [2]
    assert "staff" not in (await admin.get(f"/Projects/{gone['id']}")).json()
    shown = (await admin.get(f"/Projects/{made['id']}")).json()
    assert [(one["value"], one["role"]) for one in shown["staff"]] == [(ada, "lead")]
    assert await admin.search(f'staff.value eq "{ada}"', "/Projects") == [made["id"]]
    assert (await admin.delete(f"/Users/{ada}")).status_code == 204
    assert "staff" not in (await admin.get(f"/Projects/{made['id']}")).json()


@pytest.mark.parametrize("policy", ["clear", "restrict", "keep"])
async def test_single_references_that_are_set_aside_and_put_back(server: Server, admin: Client, policy: str) -> None:
    """One to what was deleted meanwhile stays aside, unless the policy keeps such references; one that never named anything comes back."""
    await server.set_policy(admin, {"pointer_target_deletion": policy})
    lead = _staff("User", role=True) | {"name": "lead", "multiValued": False}
    await _projects(admin, lead)
    ada, ben = (await admin.new_user())["id"], (await admin.new_user())["id"]
    paths = [f"/Projects/{(await admin.post('/Projects', {'lead': {'value': one}})).json()['id']}" for one in (ada, ben, "nobody")]
    assert (await _define(admin)).status_code == 200
    await finish(server, admin)
    assert (await admin.delete(f"/Users/{ben}")).status_code == 204
    assert (await _define(admin, lead)).status_code == 200
    async with server.pool.acquire() as connection:
        await jobs.restore_removed(connection, admin.id, "admin", "Project", "lead")
    job = (await finish(server, admin))[-1]
    shown = [(await admin.get(path)).json().get("lead", {}).get("value") for path in paths]
    assert shown == [ada, ben if policy == "keep" else None, "nobody"]
    left = job.result.get("left", {"resources": 0})["resources"]
    assert (job.result["restored"]["resources"], left) == ((3, 0) if policy == "keep" else (2, 1))


async def test_what_is_referred_to_gets_references_of_its_own(admin: Client) -> None:
    """From then on the references that are there may be nested: they are climbed, and each type is found by its own."""
    urn = "urn:example:params:scim:schemas:core:2.0"

    def links(name: str, *types: str, **more: Any) -> dict[str, Any]:
        return _staff(*types, role=False) | {"name": name} | more

    shapes: dict[str, list[dict[str, Any]]] = {
        "Person": [links("teams", "Team", "Device", mutability="readOnly")],
        "Device": [],
        "Team": [links("members", "Person", "Device")],
    }

    async def define(name: str, *attributes: dict[str, Any]) -> None:
        document = {"id": f"{urn}:{name}", "name": name, "attributes": [{"name": "displayName"}, *attributes]}
        assert (await admin.put(f"/Schemas/{urn}:{name}", document)).status_code == 200

    async def made(name: str, **attributes: Any) -> str:
        answer = await admin.post(f"/{name}s", attributes)
        assert answer.status_code == 201
        id_: str = answer.json()["id"]
        return id_

    for name, attributes in shapes.items():
        document = {"id": f"{urn}:{name}", "name": name, "attributes": [{"name": "displayName"}, *attributes]}
        assert (await admin.post("/Schemas", document)).status_code == 201
        assert (await admin.post("/ResourceTypes", {"name": name, "endpoint": f"/{name}s", "schema": f"{urn}:{name}"})).status_code == 201
    person, device = await made("Person"), await made("Device")
    team = await made("Team", displayName="T", members=[{"value": person}, {"value": device}])
    assert await admin.search(f'teams.value eq "{team}"', "/Persons") == [person]
    await define("Device", links("members", "Person"))
    assert await admin.search(f'teams.value eq "{team}"', "/Persons") == [person]
    other = await made("Person")
    await admin.patch(f"/Devices/{device}", {"op": "add", "path": "members", "value": [{"value": other}]})
    shown = (await admin.get(f"/Persons/{other}")).json()["teams"]
    assert {one["value"] for one in shown} == {device, team}
    assert sorted(await admin.search(f'teams.value eq "{team}"', "/Persons")) == sorted([person, other])
