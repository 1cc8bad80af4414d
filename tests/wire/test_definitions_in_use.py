"""Changes of definitions that have resources: checked first, reported on demand, carried out in the background, and nothing lost."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from scimsrv.store import jobs
from scimsrv.store.rework import rework
from tests.wire.support import Client, Server, assert_error
from tests.wire.test_definitions import BADGE, DEVICE, made, resource_type, schema

_ATTRIBUTES: Final[list[dict[str, Any]]] = [
    {"name": "label"},
    {"name": "code"},
    {"name": "number", "type": "decimal"},
    {"name": "note", "multiValued": True},
    {"name": "owner", "type": "complex", "multiValued": True, "subAttributes": [{"name": "value"}, {"name": "room"}]},
    {"name": "pin", "returned": "never", "mutability": "writeOnly"},
    {
        "name": "parts",
        "type": "complex",
        "multiValued": True,
        "subAttributes": [{"name": "value"}, {"name": "$ref", "type": "reference", "referenceTypes": ["Device", "User"]}],
    },
]


@pytest.fixture
async def admin(server: Server, client: Client) -> Client:
    """A client of a tenant with devices, which may also define."""
    one = client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))
    await made(one.post("/Schemas", schema(DEVICE, *_ATTRIBUTES)))
    await made(one.post("/Schemas", schema(BADGE, {"name": "colour"}, {"name": "size"})))
    await made(one.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE, (BADGE, False))))
    return one


def changed(name: str, /, **members: Any) -> dict[str, Any]:
    """The schema of devices with one attribute changed; no members: without it."""
    attributes = [one if one["name"] != name else one | members for one in _ATTRIBUTES if one["name"] != name or members]
    if members and name not in [one["name"] for one in _ATTRIBUTES]:
        attributes.append({"name": name} | members)
    return schema(DEVICE, *attributes)


async def device(admin: Client, **attributes: Any) -> str:
    """Create a device; its id."""
    found: str = (await made(admin.post("/Devices", attributes)))["id"]
    return found


async def finish(server: Server, client: Client) -> list[jobs.Job]:
    """Do all the work that is left, without waiting for it to settle, in the smallest batches; the tenant's jobs afterwards."""
    while await rework(server.app.pool.of(client.id), client.id, settled=0, batch=2):
        pass
    await server.app.catalogs.renew(client.id)
    async with server.pool.acquire() as connection:
        return await jobs.list_jobs(connection, client.id)


def _rooms(**members: Any) -> list[dict[str, Any]]:
    return [{"name": "value"}, {"name": "room"} | members]


_ENFORCED: Final[dict[str, Any]] = {"canonicalValues": ["ON", "off"], "canonicalValuesEnforced": True}
_TWICE: Final = {"owner": [{"room": "1"}, {"room": "1"}]}

_REFUSED: Final[list[tuple[list[dict[str, Any]], dict[str, Any], str | None, str, int]]] = [
    ([{"label": "a"}, {}, {"label": ""}], changed("label", required=True), None, "label is required; 2 resources do not fit", 2),
    ([{}, {BADGE: {"size": "L"}}], changed("serial", required=True), None, "serial is required; 2 resources", 2),
    ([{"owner": [{"value": "x"}]}, {}], changed("owner", subAttributes=_rooms(required=True)), None, "owner.room is", 1),
    ([{"pin": "open sesame"}, {}, {}], changed("pin", required=True), None, "pin is required; 2 resources", 2),
    ([{"parts": []}, {}], changed("parts", required=True), None, "parts is required; 2 resources", 2),
    ([{"number": 1}, {"number": 1.5}], changed("number", type="integer"), None, "number has values that are not of the type integer", 1),
    ([{"label": "x"}, {"label": "2026-01-31T12:00:00.000Z"}], changed("label", type="dateTime"), None, "label has values that are not", 2),
    ([{"label": "x"}, {}], changed("label", type="integer"), None, "label has values, which the new definition would keep", 1),
    ([{"label": "x"}, {}], changed("label", multiValued=True), None, "label has values, which the new definition would keep", 1),
    ([{}, {"code": "x"}], changed("label", type="integer", required=True), None, "label is required; 2 resources", 2),
    ([{"owner": [{"value": "x"}]}], changed("owner", subAttributes=_rooms(type="integer", required=True)), None, "owner.room is", 1),
    ([{"note": ["x"]}, {}], changed("note", multiValued=False), None, "note has values, which", 1),
    ([{"pin": "open sesame"}, {}], changed("pin", returned="default", mutability="readWrite"), None, "pin has values, which", 1),
    ([{"label": "x"}, {}], changed("label", returned="never"), None, "label has values, which", 1),
    ([{"label": "on"}, {"label": "idle"}], changed("label", **_ENFORCED), None, "label must be one of", 1),
    ([{"code": "a"}, {"code": "A"}, {"code": "b"}], changed("code", uniqueness="server"), "uniqueness", "code must be unique", 2),
    (
        [{"code": "urn:a"}, {"code": "urn:a"}, {"code": "urn:b"}],
        changed("code", uniqueness="server", type="reference", referenceTypes=["uri"], caseExact=False),
        *("uniqueness", "code must be unique", 2),
    ),
    ([{"code": "Ａ"}, {"code": "Ａ"}, {"code": "b"}], changed("code", uniqueness="server"), "uniqueness", "code must be unique", 2),
    ([{"code": "x" * 257}], changed("code", uniqueness="server"), "uniqueness", "code must be unique, in at most 256", 1),
    ([_TWICE, {"owner": [{"room": "1"}]}], changed("owner", subAttributes=_rooms(uniqueness="server")), "uniqueness", "owner.room", 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("devices", "definition", "scim_type", "says", "offending"), _REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_what_resources_do_not_bear(
    admin: Client, devices: list[dict[str, Any]], definition: dict[str, Any], scim_type: str | None, says: str, offending: int
) -> None:
    """A change that stored values contradict is refused with attribute, rule and number; a dry run names them; nothing changes."""
    ids = [await device(admin, **one) for one in devices]
    before = await made(admin.get(f"/Schemas/{DEVICE}"), 200)
    report = await made(admin.put(f"/Schemas/{DEVICE}?dryRun=true", definition), 200)
    assert report["possible"] is False
    found = next(one for one in report["changes"] if "offending" in one)
    assert found["offending"] == offending
    assert len(found["ids"]) == offending
    assert set(found["ids"]) <= set(ids)
    assert_error(await admin.put(f"/Schemas/{DEVICE}", definition), 409, scim_type, says)
    assert await made(admin.get(f"/Schemas/{DEVICE}"), 200) == before


@pytest.mark.parametrize(
    ("devices", "definition"),
    [
        ([{"label": "a"}], changed("label", required=True)),
        ([{"number": 1}, {"number": 2}], changed("number", type="integer")),
        ([{"code": "a"}, {"code": "b1"}], changed("code", caseExact=True)),
        ([{"code": "x"}, {}], changed("label", multiValued=True)),
        ([{"label": "on"}, {}], changed("label", canonicalValues=["ON", "off"], canonicalValuesEnforced=True)),
        ([{"code": "a"}, {"code": "b"}, {}, {"code": ""}], changed("code", uniqueness="server")),
        ([{"label": "a"}], changed("label", mutability="immutable", returned="request")),
    ],
)
async def test_what_resources_bear(admin: Client, devices: list[dict[str, Any]], definition: dict[str, Any]) -> None:
    """A change that no stored value contradicts is taken, and holds from the next request on; resources can be read as before."""
    ids = [await device(admin, **one) for one in devices]
    assert (await made(admin.put(f"/Schemas/{DEVICE}?dryRun=true", definition), 200))["possible"] is True
    await made(admin.put(f"/Schemas/{DEVICE}", definition), 200)
    for id_ in ids:
        assert (await admin.get(f"/Devices/{id_}")).status_code == 200
    assert (await made(admin.get("/Devices"), 200))["totalResults"] == len(ids)


async def test_dry_runs_do_nothing(server: Server, admin: Client) -> None:
    """A dry run of a creation, a change and a deletion reports, and leaves definitions, versions and the trail as they are."""
    other = "urn:example:other:1.0"
    trail = await server.pool.fetchval("SELECT count(*) FROM change WHERE tenant = $1", admin.id)
    report = await made(admin.post("/Schemas?dryRun=TRUE", schema(other, {"name": "x"})), 200)
    assert (report["possible"], report["name"], report["diff"]["attributes.x.type"]) == (True, other, [None, "string"])
    await made(admin.put(f"/Schemas/{DEVICE}?dryRun=true", changed("label", required=True)), 200)
    report = await made(admin.request("DELETE", "/ResourceTypes/Device?dryRun=true"), 200)
    assert report["possible"] is True
    await device(admin)
    report = await made(admin.request("DELETE", "/ResourceTypes/Device?dryRun=true"), 200)
    assert (report["possible"], report["changes"][0]["offending"]) == (False, 1)
    assert_error(await admin.get(f"/Schemas/{other}"), 404)
    assert await server.pool.fetchval("SELECT count(*) FROM change WHERE tenant = $1 AND type <> 'Device'", admin.id) == trail


async def test_endpoints_of_types_in_use_stay(admin: Client) -> None:
    """The endpoint and the base schema of a type change only while it has no resources; a required extension must be there."""
    await made(admin.put("/ResourceTypes/Device", resource_type("Device", "/Things", DEVICE)), 200)
    assert_error(await admin.get("/Devices"), 404)
    thing = await made(admin.post("/Things", {"label": "x"}))
    assert_error(await admin.put("/ResourceTypes/Device", resource_type("Device", "/Devices", DEVICE)), 409, None, "endpoint cannot change")
    assert_error(await admin.put("/ResourceTypes/Device", resource_type("Device", "/Things", BADGE)), 409, None, "schema cannot change")
    required = resource_type("Device", "/Things", DEVICE, (BADGE, True))
    assert_error(await admin.put("/ResourceTypes/Device", required), 409, None, f"{BADGE} is required as an extension")
    await made(admin.put("/ResourceTypes/Device", resource_type("Device", "/Things", DEVICE, (BADGE, False))), 200)
    await made(admin.patch(f"/Things/{thing['id']}", {"op": "add", "path": f"{BADGE}:colour", "value": "red"}), 200)
    await made(admin.put("/ResourceTypes/Device", required), 200)
    assert_error(await admin.post("/Things", {"label": "y"}), 400, "invalidValue", f"{BADGE} is required")


async def test_removed_values_are_kept(server: Server, admin: Client) -> None:
    """A removed attribute is gone for every reader at once, its values are set aside in the background, and put back on demand, with
    a write in between that knows nothing of them."""
    full = {"label": "a", "code": "c", "owner": [{"value": "x", "room": "1"}, {"value": "y"}], BADGE: {"colour": "red"}}
    ids = [await device(admin, **full), await device(admin, label="b"), await device(admin, **full)]
    smaller = [one for one in _ATTRIBUTES if one["name"] not in ("code", "owner")]
    smaller.append({"name": "owner", "type": "complex", "multiValued": True, "subAttributes": [{"name": "value"}]})
    answer = await made(admin.put(f"/Schemas/{DEVICE}?dryRun=true", schema(DEVICE, *smaller)), 200)
    assert {(one["path"], one["resources"]) for one in answer["changes"] if "resources" in one} == {("code", 2), ("owner.room", 2)}
    await made(admin.put(f"/Schemas/{DEVICE}", schema(DEVICE, *smaller)), 200)
    await made(admin.put("/ResourceTypes/Device", resource_type("Device", "/Devices", DEVICE)), 200)

    async def assert_hidden() -> None:
        for id_ in (ids[0], ids[2]):
            shown = await made(admin.get(f"/Devices/{id_}"), 200)
            assert {name for name in shown if name != "meta"} == {"schemas", "id", "label", "owner"}
            assert (shown["schemas"], shown["owner"]) == ([DEVICE], [{"value": "x"}, {"value": "y"}])
        assert "code" not in (await admin.get("/Devices")).text
        assert_error(await admin.get("/Devices", filter='code eq "c"'), 400, "invalidFilter")

    await assert_hidden()
    for query in ("?dryRun=true", ""):
        assert_error(await admin.put(f"/Schemas/{DEVICE}{query}", schema(DEVICE, *_ATTRIBUTES)), 409, None, "former change of code")
    await made(admin.put(f"/Devices/{ids[2]}", {"label": "a", "owner": [{"value": "x"}, {"value": "y"}]}), 200)
    await made(admin.patch(f"/Devices/{ids[0]}", {"op": "replace", "path": "label", "value": "A"}), 200)
    await assert_hidden()
    (job,) = await finish(server, admin)
    assert (job.kind, job.subject, job.state, job.done) == ("rework", "Device", "done", 3)
    await assert_hidden()
    for text in await server.pool.fetch("SELECT document FROM resource WHERE tenant = $1", admin.id):
        assert "code" not in text["document"]
    async with server.pool.acquire() as connection:
        kept = await jobs.list_removed(connection, admin.id)
        assert [(one.type, one.attribute, one.resources) for one in kept] == [
            ("Device", "code", 2),
            ("Device", "owner.room", 2),
            ("Device", f"{BADGE}:colour".lower(), 2),
        ]
        await made(admin.put(f"/Schemas/{DEVICE}", schema(DEVICE, *_ATTRIBUTES)), 200)
        assert "code" not in await made(admin.get(f"/Devices/{ids[0]}"), 200)
        for name in ("code", "owner.room"):
            await jobs.restore_removed(connection, admin.id, "admin", "Device", name)
        await jobs.purge_removed(connection, admin.id, "admin", "Device", f"{BADGE}:colour")
    assert {job.state for job in await finish(server, admin)} == {"done"}
    for id_ in (ids[0], ids[2]):
        shown = await made(admin.get(f"/Devices/{id_}"), 200)
        assert (shown["code"], shown["owner"]) == ("c", [{"value": "x", "room": "1"}, {"value": "y"}])
    assert sorted(await admin.search('code eq "C" and owner.room eq "1"', "/Devices")) == sorted([ids[0], ids[2]])
    async with server.pool.acquire() as connection:
        assert await jobs.list_removed(connection, admin.id) == []


async def test_values_that_are_set_aside_twice(server: Server, admin: Client) -> None:
    """An attribute that is removed again leaves what was set aside before where it is; of each resource the latest that fits comes
    back first, and then, where that is taken away again, the one before."""
    ids = [await device(admin, code="old"), await device(admin, code="older")]
    for new in (["new", "newer than fits"], None):
        await made(admin.put(f"/Schemas/{DEVICE}", changed("code")), 200)
        await finish(server, admin)
        await made(admin.put(f"/Schemas/{DEVICE}", schema(DEVICE, *_ATTRIBUTES)), 200)
        for id_, value in zip(ids, new or (), strict=False):
            await made(admin.patch(f"/Devices/{id_}", {"op": "add", "path": "code", "value": value}), 200)
    allowed = {"canonicalValues": ["new", "old", "older"], "canonicalValuesEnforced": True}
    await made(admin.put(f"/Schemas/{DEVICE}", changed("code", **allowed)), 200)

    async def restore() -> list[str | None]:
        async with server.pool.acquire() as connection:
            kept = await jobs.list_removed(connection, admin.id)
            assert [(one.attribute, one.resources) for one in kept] == [("code", 2)]
            await jobs.restore_removed(connection, admin.id, "admin", "Device", "code")
        await finish(server, admin)
        return [(await made(admin.get(f"/Devices/{id_}"), 200)).get("code") for id_ in ids]

    assert await restore() == ["new", "older"]
    await made(admin.patch(f"/Devices/{ids[0]}", {"op": "remove", "path": "code"}), 200)
    await made(admin.patch(f"/Devices/{ids[1]}", {"op": "remove", "path": "code"}), 200)
    await made(admin.put(f"/Schemas/{DEVICE}", schema(DEVICE, *_ATTRIBUTES)), 200)
    assert await restore() == ["old", "newer than fits"]
    async with server.pool.acquire() as connection:
        assert await jobs.list_removed(connection, admin.id) == []


async def test_deleted_resources_leave_nothing_aside(server: Server, admin: Client) -> None:
    """What was set aside of a resource goes with it."""
    id_ = await device(admin, code="c")
    await made(admin.put(f"/Schemas/{DEVICE}", changed("code")), 200)
    await finish(server, admin)
    assert (await admin.delete(f"/Devices/{id_}")).status_code == 204
    async with server.pool.acquire() as connection:
        assert await jobs.list_removed(connection, admin.id) == []


async def test_unique_decimals(server: Server, admin: Client) -> None:
    """Numbers are the same however they are written, also as the values of an attribute that must be unique."""
    await made(admin.put(f"/Schemas/{DEVICE}", changed("number", uniqueness="server")), 200)
    await finish(server, admin)
    for held, same, written in ((1.0, 1, "1"), (0, -0.0, "-0.0"), (1e18, 10**18, "1000000000000000000"), (2.5, 2.5, "25e-1")):
        id_ = await device(admin, number=held)
        assert_error(await admin.post("/Devices", {"number": same}), 409, "uniqueness", "number")
        for text in (f"number eq {written}", f"number eq {written} or number eq 77"):
            assert await admin.search(text, "/Devices") == [id_]
        assert id_ not in await admin.search(f"number ne {written}", "/Devices")


async def test_decimals_that_become_integers(server: Server, admin: Client) -> None:
    """A decimal without fraction is an integer from the answer on, in answers and, once the work is done, as it is stored."""
    id_ = await device(admin, number=5.0, label="x")
    assert '"number":5.0' in (await admin.get(f"/Devices/{id_}")).text
    await made(admin.put(f"/Schemas/{DEVICE}", changed("number", type="integer")), 200)
    assert '"number":5,' in (await admin.get(f"/Devices/{id_}")).text.replace("}", ",")
    await finish(server, admin)
    assert '"number":5,' in (await admin.get(f"/Devices/{id_}")).text.replace("}", ",")
    assert await admin.search("number eq 5", "/Devices") == [id_]


async def test_values_that_become_unique(server: Server, admin: Client) -> None:
    """From the answer on nobody can take a value that another resource has, before and after its key is claimed; filters stay right."""
    ids = [await device(admin, code=code) for code in ("A1", "b2", "c3")] + [await device(admin)]
    await made(admin.put(f"/Schemas/{DEVICE}", changed("code", uniqueness="server")), 200)

    async def assert_unique() -> None:
        assert_error(await admin.post("/Devices", {"code": "a1"}), 409, "uniqueness", "code is already in use by another Device")
        assert_error(await admin.patch(f"/Devices/{ids[1]}", {"op": "add", "path": "code", "value": "C3"}), 409, "uniqueness", "code")
        assert await admin.search('code eq "A1"', "/Devices") == [ids[0]]
        assert await admin.search('code eq "b2" or code eq "c3"', "/Devices") == ids[1:3]
        assert (await made(admin.patch(f"/Devices/{ids[1]}", {"op": "add", "path": "label", "value": "x"}), 200))["code"] == "b2"

    await assert_unique()
    new = await device(admin, code="d4")
    assert await rework(server.app.pool.of(admin.id), admin.id, settled=0, batch=2)
    await server.app.catalogs.renew(admin.id)
    await assert_unique()
    (job,) = await finish(server, admin)
    assert (job.state, job.result) == ("done", {})
    await assert_unique()
    assert_error(await admin.post("/Devices", {"code": "D4"}), 409, "uniqueness")
    held = await server.pool.fetch("SELECT key, id FROM unique_key WHERE tenant = $1 AND attribute = 'code' ORDER BY key", admin.id)
    assert [tuple(row) for row in held] == [("a1", ids[0]), ("b2", ids[1]), ("c3", ids[2]), ("d4", new)]


async def test_values_that_are_unique_no_more(server: Server, admin: Client) -> None:
    """A value may be given twice at once; its keys go in the background, and until then it cannot become unique again."""
    await made(admin.put(f"/Schemas/{DEVICE}", changed("code", uniqueness="server")), 200)
    await finish(server, admin)
    await device(admin, code="x")
    await made(admin.put(f"/Schemas/{DEVICE}", changed("code", uniqueness="none")), 200)
    second = await device(admin, code="X")
    assert len(await admin.search('code eq "x"', "/Devices")) == 2
    assert (await admin.delete(f"/Devices/{second}")).status_code == 204
    assert_error(await admin.put(f"/Schemas/{DEVICE}", changed("code", uniqueness="server")), 409, None, "former change of code")
    await finish(server, admin)
    assert await server.pool.fetchval("SELECT count(*) FROM unique_key WHERE tenant = $1 AND attribute = 'code'", admin.id) == 0
    await made(admin.put(f"/Schemas/{DEVICE}", changed("code", uniqueness="server")), 200)


async def test_twins_of_a_server_that_had_not_heard(server: Server, admin: Client) -> None:
    """A duplicate that was written by a server which did not know of the change yet is found; the job says so, and can be begun again."""
    first = await device(admin, code="x")
    await made(admin.put(f"/Schemas/{DEVICE}", changed("code", uniqueness="server")), 200)
    twin = await device(admin, label="late")
    await server.pool.execute(
        "UPDATE resource SET document = replace(document, 'late', $2), search = search || $3::text::jsonb WHERE id = $1",
        *(twin, 'late","code":"X', '{"code": "x"}'),
    )
    (job,) = await finish(server, admin)
    assert (job.state, job.result["duplicates"]) == ("failed", {"resources": 1, "ids": [max(first, twin)]})
    assert_error(await admin.post("/Devices", {"code": "x"}), 409, "uniqueness")
    assert (await admin.delete(f"/Devices/{first}")).status_code == 204
    assert_error(await admin.post("/Devices", {"code": "x"}), 409, "uniqueness")
    async with server.pool.acquire() as connection:
        await jobs.retry_job(connection, admin.id, job.number)
    (job,) = await finish(server, admin)
    assert job.state == "done"
    assert_error(await admin.post("/Devices", {"code": "x"}), 409, "uniqueness")


async def test_values_of_a_server_that_had_not_heard(server: Server, admin: Client) -> None:
    """A value that such a server wrote, and which does not fit any more, hinders nobody and is not lost."""
    id_ = await device(admin, label="late")
    await made(admin.put(f"/Schemas/{DEVICE}", changed("code", type="dateTime")), 200)
    await server.pool.execute(
        "UPDATE resource SET document = replace(document, 'late', $2), search = search || $3::text::jsonb WHERE id = $1",
        *(id_, 'late","code":"long ago', '{"code": "long ago"}'),
    )
    for _ in range(2):
        shown = await made(admin.get(f"/Devices/{id_}"), 200)
        assert (shown["label"], "code" in shown) == ("late", False)
        (job,) = await finish(server, admin)
        assert job.state == "done"
    assert await admin.search('label eq "late" and not (code gt "2020-01-01T00:00:00Z")', "/Devices") == [id_]
    async with server.pool.acquire() as connection:
        assert [(one.attribute, one.resources) for one in await jobs.list_removed(connection, admin.id)] == [("code", 1)]


async def test_resources_created_while_their_type_was_deleted(server: Server, admin: Client) -> None:
    """What a server created that had not heard of the deletion is found, and is there again when the type is."""
    id_ = await device(admin, label="late")
    rows = await server.pool.fetchrow("DELETE FROM resource WHERE id = $1 RETURNING *", id_)
    assert (await admin.delete("/ResourceTypes/Device")).status_code == 204
    await server.pool.execute("INSERT INTO resource VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", *(rows or ()))
    (job,) = await finish(server, admin)
    assert (job.state, job.result) == ("failed", {"orphans": {"resources": 1, "ids": [id_]}})
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    assert (await made(admin.get(f"/Devices/{id_}"), 200))["label"] == "late"
    async with server.pool.acquire() as connection:
        await jobs.retry_job(connection, admin.id, job.number)
    assert [job.state for job in await finish(server, admin)] == ["done"]


async def test_marked_attributes_are_indexed(server: Server, admin: Client) -> None:
    """`indexed` makes and removes an index for every type with the schema; one that goes with its attribute goes, too."""

    async def indexes() -> set[tuple[str, str, bool]]:
        rows = await server.pool.fetch(
            "SELECT type, attribute, substring, state FROM tenant_index WHERE tenant = $1 AND number > 10", admin.id
        )
        return {(row["type"], row["attribute"], row["substring"]) for row in rows if row["state"] in ("building", "ready")}

    await made(admin.put(f"/Schemas/{DEVICE}", changed("label", indexed="substring")), 200)
    await made(admin.put(f"/Schemas/{BADGE}", schema(BADGE, {"name": "colour", "indexed": True})), 200)
    assert await indexes() == {("Device", "label", True), ("Device", f"{BADGE}:colour".lower(), False)}
    await made(admin.put("/ResourceTypes/Device", resource_type("Device", "/Devices", DEVICE)), 200)
    assert await indexes() == {("Device", "label", True)}
    await made(admin.put(f"/Schemas/{DEVICE}", changed("label", indexed=False)), 200)
    assert await indexes() == set()
    for query in ("", "?dryRun=true"):
        answer = await admin.put(f"/Schemas/{DEVICE}{query}", changed("label", indexed=True))
        assert_error(answer, 409, None, "former index is still being removed")


async def test_standard_indexes_come_back_with_their_type(server: Server, admin: Client) -> None:
    """A type of the standard that was deleted and is made again has the indexes that a new tenant's has."""

    async def indexes() -> set[tuple[str, bool]]:
        rows = await server.pool.fetch("SELECT attribute, substring FROM tenant_index WHERE tenant = $1 AND type = 'User'", admin.id)
        return {(row["attribute"], row["substring"]) for row in rows}

    before = await indexes()
    user = (await made(admin.get("/ResourceTypes/User"), 200)) | {"schemaExtensions": []}
    assert (await admin.delete("/ResourceTypes/User")).status_code == 204
    assert await indexes() == set()
    await made(admin.post("/ResourceTypes", user))
    assert len(await indexes()) == 7
    assert await indexes() == before


async def test_more_indexes_than_a_tenant_can_have(admin: Client) -> None:
    """A type whose schema marks too many attributes is refused, and a dry run says so as well."""
    urn = "urn:example:many:1.0"
    await made(admin.post("/Schemas", schema(urn, *({"name": f"a{number}", "indexed": True} for number in range(60)))))
    for query in ("?dryRun=true", ""):
        answer = await admin.post(f"/ResourceTypes{query}", resource_type("Many", "/Many", urn))
        assert_error(answer, 409, None, "indexed would be one index more than the 64")


async def test_cursors_go_on_while_others_define(admin: Client) -> None:
    """A cursor ends with a change of the definitions that its own query is about, and with no other."""
    ids = [await device(admin, label=str(number)) for number in range(3)]
    urn = "urn:example:other:1.0"
    badge = schema(BADGE, {"name": "colour", "description": "Seen from afar."}, {"name": "size", "indexed": True})
    shown = await made(admin.get("/Devices", cursor="", count=1), 200)
    page = {"cursor": shown["nextCursor"], "count": 1}
    everything = {"cursor": (await made(admin.get("/", cursor="", count=1), 200))["nextCursor"], "count": 1}
    await made(admin.post("/Schemas", schema(urn, {"name": "x"})))
    await made(admin.put(f"/Schemas/{BADGE}", badge), 200)
    for path, query in (("/Devices", page), ("/", everything)):
        assert (await made(admin.get(path, **query), 200))["Resources"][0]["id"] == sorted(ids)[1]
    await made(admin.post("/ResourceTypes", resource_type("Other", "/Others", urn)))
    assert (await made(admin.get("/Devices", **page), 200))["Resources"][0]["id"] == sorted(ids)[1]
    assert_error(await admin.get("/", **everything), 400, "invalidCursor")
    await made(admin.put(f"/Schemas/{BADGE}", schema(BADGE, {"name": "colour"}, {"name": "size", "caseExact": True})), 200)
    assert_error(await admin.get("/Devices", **page), 400, "invalidCursor")


async def test_concurrent_changes_of_one_schema(admin: Client) -> None:
    """Of changes at the same time each is decided against the one before: none is lost, versions count them all."""

    async def add(number: int) -> int:
        operation = {"op": "add", "path": "attributes", "value": [{"name": f"extra{number}"}]}
        return (await admin.patch(f"/Schemas/{BADGE}", operation)).status_code

    assert await asyncio.gather(*(add(number) for number in range(4))) == [200] * 4
    shown = await made(admin.get(f"/Schemas/{BADGE}"), 200)
    assert {one["name"] for one in shown["attributes"]} == {"colour", "size", *(f"extra{number}" for number in range(4))}
    assert shown["meta"]["version"] == 'W/"5"'
