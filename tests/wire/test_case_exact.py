"""Changing `caseExact` of an attribute that has values: answers agree with the definition at every step, whichever server gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from scimsrv.schema.catalog import Catalog
from scimsrv.store import background
from scimsrv.store.identity import load_catalog
from scimsrv.store.rework import rework
from tests.wire.support import Client, Server, assert_error
from tests.wire.test_definitions import DEVICE, made, resource_type, schema

_CODES: Final = ("Abc", "abc", "ABD", "b", "É", "é")


def _schema(*, exact: bool, **members: Any) -> dict[str, Any]:
    room = {"name": "room", "caseExact": exact}
    return schema(
        DEVICE,
        {"name": "code", "caseExact": exact, "indexed": "substring"} | members,
        {"name": "codes", "multiValued": True, "caseExact": exact},
        {"name": "desks", "type": "complex", "multiValued": True, "subAttributes": [room, {"name": "floor", "type": "integer"}]},
    )


def _device(code: str) -> dict[str, Any]:
    return {"code": code, "codes": [code, "x"], "desks": [{"room": code, "floor": 1}, {"floor": 2}]}


#: Filters over a code, and what it is that they ask of a device's.
_FILTERS: Final[dict[str, Callable[[str, str], bool]]] = {
    'code eq "{}"': lambda held, sought: held == sought,
    'code ne "{}"': lambda held, sought: held != sought,
    'code sw "{}"': lambda held, sought: held.startswith(sought),
    'code co "{}"': lambda held, sought: sought in held,
    'code ge "{}"': lambda held, sought: held >= sought,
    'codes eq "{}"': lambda held, sought: held == sought,
    'desks[room eq "{}" and floor eq 1]': lambda held, sought: held == sought,
    'desks[room sw "{}"]': lambda held, sought: held.startswith(sought),
    'desks.room eq "{}"': lambda held, sought: held == sought,
}


@contextmanager
def server_of(server: Server, client: Client, catalog: Catalog) -> Iterator[None]:
    """Have the process know what a server knows that has read this catalogue last."""
    kept = server.app.catalogs.kept.get(client.id)
    server.app.catalogs.kept[client.id] = (1 << 60, catalog)
    yield
    if kept is None:
        del server.app.catalogs.kept[client.id]
    else:
        server.app.catalogs.kept[client.id] = kept


class Fleet:
    """The devices that there ought to be, and what every query over them has to answer."""

    def __init__(self, server: Server, client: Client) -> None:
        self.server, self.client = server, client
        self.codes: dict[str, str] = {}

    async def catalog(self) -> Catalog:
        """The catalogue as it is in the database."""
        return (await load_catalog(self.server.pool, self.client.id))[1]

    async def write(self, catalog: Catalog, number: int) -> None:
        """Create a device and change another, through a server that knows this catalogue; it would read another one first if the
        definitions had changed since."""
        present = await self.catalog()
        with server_of(self.server, self.client, catalog if catalog.edition == present.edition else present):
            code = ("aBc", "Q", "abC")[number % 3]
            answer = await made(self.client.post("/Devices", _device(code)))
            self.codes[answer["id"]] = code
            id_ = sorted(self.codes)[number % 5]
            code = self.codes[id_].swapcase()
            operations = [{"op": "replace", "path": name, "value": value} for name, value in _device(code).items()]
            await made(self.client.patch(f"/Devices/{id_}", *operations), 200)
            self.codes[id_] = code

    async def assert_right(self, catalog: Catalog) -> None:
        """Every filter, and sorting, through a server that knows this catalogue: each attribute turns in its own time."""
        schema_ = catalog.by_name["Device"]

        def exact(text: str) -> bool:
            place = schema_.resolve(_PLACES[text.partition(" ")[0].partition("[")[0]])
            assert place is not None
            return place.leaf.case_exact

        def key(text: str, code: str) -> str:
            return code if exact(text) else code.casefold()

        with server_of(self.server, self.client, catalog):
            shown = (await self.client.get(f"/Schemas/{DEVICE}")).json()["attributes"]
            assert [one["caseExact"] for one in shown[:2]] == [exact("code"), exact("codes")]
            for sought in ("abc", "ABC", "É", "q"):
                for text, test in _FILTERS.items():
                    expected = sorted(id_ for id_, code in self.codes.items() if test(key(text, code), key(text, sought)))
                    answer = await made(self.client.get("/Devices", filter=text.format(sought), count=1000, attributes="id"), 200)
                    assert sorted(one["id"] for one in answer["Resources"]) == expected, (text.format(sought), exact(text))
            listed = (await self.client.get("/Devices", sortBy="code", count=1000)).json()["Resources"]
            assert [key("code", one["code"]) for one in listed] == sorted(key("code", code) for code in self.codes.values())


_PLACES: Final = {"code": "code", "codes": "codes", "desks": "desks.room", "desks.room": "desks.room"}


@pytest.fixture
async def admin(server: Server, client: Client) -> Client:
    """A client that may also define."""
    return client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))


@pytest.mark.parametrize("exact", [True, False])
async def test_answers_agree_at_every_step(server: Server, admin: Client, exact: bool) -> None:
    """While new keys are made, and readers and writers turn to them one server after the other, no answer is wrong."""
    await server.app.maintenance.stop()  # which would step in between, where the test takes long
    await made(admin.post("/Schemas", _schema(exact=not exact)))
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    fleet = Fleet(server, admin)
    for code in _CODES:
        fleet.codes[(await made(admin.post("/Devices", _device(code))))["id"]] = code
    before = await fleet.catalog()
    report = await made(admin.put(f"/Schemas/{DEVICE}?dryRun=true", _schema(exact=exact)), 200)
    assert (report["possible"], report["later"]) == (True, ["code: caseExact", "codes: caseExact", "desks.room: caseExact"])
    answer = await made(admin.put(f"/Schemas/{DEVICE}", _schema(exact=exact)), 202)
    assert answer["attributes"][0]["caseExact"] is not exact
    answer = await made(admin.put(f"/Schemas/{DEVICE}", _schema(exact=exact)), 202)  # asked again, it is the same change
    back = {"op": "replace", "path": 'attributes[name eq "code"].caseExact', "value": not exact}
    for refused in (await admin.patch(f"/Schemas/{DEVICE}", back), await admin.put(f"/Schemas/{DEVICE}", _schema(exact=not exact))):
        assert_error(refused, 409, None, "code: a former change of caseExact is still being carried out")
    extra = {"op": "replace", "path": "description", "value": "Another."}
    assert (await made(admin.patch(f"/Schemas/{DEVICE}", extra), 200))["attributes"][0]["caseExact"] is not exact
    removal = {"op": "remove", "path": 'attributes[name eq "code"]'}
    assert_error(await admin.patch(f"/Schemas/{DEVICE}", removal), 409, None, "code: a former change of caseExact")
    number = 0
    previous = before
    while True:
        current = await fleet.catalog()
        for writer in (previous, current):
            number += 1
            await fleet.write(writer, number)
            for reader in (previous, current):
                await fleet.assert_right(reader)
        previous = current
        # One step after another: each waits until every server knows of the one before.
        stepped = await background.index(server.app.pool.of(admin.id), admin.id, settled=0, batch=8)
        if not (stepped or await rework(server.app.pool.of(admin.id), admin.id, settled=0, batch=8)):
            break
    index = await server.pool.fetchrow("SELECT state, substring FROM tenant_index WHERE tenant = $1 AND attribute = 'code'", admin.id)
    assert tuple(index or ()) == ("ready", True)
    assert number > 12
    await server.app.catalogs.renew(admin.id)
    shown = (await admin.get(f"/Schemas/{DEVICE}")).json()
    assert shown["attributes"][0]["caseExact"] is exact
    assert shown["meta"]["version"] == 'W/"5"'
    trail = await server.pool.fetch(
        "SELECT diff::text FROM change WHERE tenant = $1 AND type = 'Schema' ORDER BY seq DESC LIMIT 3", admin.id
    )
    assert {row["diff"].split(":")[0] for row in trail} == {
        '{"attributes.code.caseExact"',
        '{"attributes.codes.caseExact"',
        '{"attributes.desks.subAttributes.room.caseExact"',
    }
    assert_error(await admin.put(f"/Schemas/{DEVICE}", _schema(exact=not exact, uniqueness="server")), 409, None, "change caseExact first")


async def test_a_dry_run_counts_what_waits(admin: Client) -> None:
    """A report has the resources of a change of `caseExact` that takes effect later, and those that offend another in the same request."""
    await made(admin.post("/Schemas", _schema(exact=False)))
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    ids = {(await made(admin.post("/Devices", {"code": code} if code else {})))["id"] for code in ("Abc", "Abd", "")}
    changed = _schema(exact=False)
    changed["attributes"][0]["caseExact"] = True
    changed["attributes"][1]["required"] = True
    report = await made(admin.put(f"/Schemas/{DEVICE}?dryRun=true", changed), 200)
    said = {(one["path"], one["member"]): one for one in report["changes"]}
    assert (report["possible"], report["later"], len(report["changes"])) == (False, ["code: caseExact"], 2)
    assert (said["codes", "required"]["offending"], set(said["codes", "required"]["ids"])) == (3, ids)
    assert (said["code", "caseExact"]["resources"], len(said["code", "caseExact"]["ids"])) == (2, 2)
    assert (said["code", "caseExact"]["old"], said["code", "caseExact"]["new"]) == (False, True)


async def test_an_index_that_begins_with_the_change(server: Server, admin: Client) -> None:
    """`indexed` and `caseExact` in one request: the index is there when the work is done, as the definition says."""
    await made(admin.post("/Schemas", _schema(exact=False)))
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    await made(admin.post("/Devices", _device("Abc")))
    changed = _schema(exact=True)
    changed["attributes"][1]["indexed"] = True
    await made(admin.put(f"/Schemas/{DEVICE}", changed), 202)
    while await background.index(server.app.pool.of(admin.id), admin.id, settled=0, batch=8) or await rework(
        server.app.pool.of(admin.id), admin.id, settled=0, batch=8
    ):
        pass
    rows = await server.pool.fetch("SELECT attribute, state FROM tenant_index WHERE tenant = $1 AND type = 'Device'", admin.id)
    assert {tuple(row) for row in rows} == {("code", "ready"), ("codes", "ready")}


async def test_unique_attributes(admin: Client) -> None:
    """What is unique, and has rows of its keys for that, is refused with what to do."""
    await made(admin.post("/Schemas", _schema(exact=False, uniqueness="server")))
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    await made(admin.post("/Devices", _device("Abc")))
    changed = _schema(exact=True, uniqueness="server")
    assert_error(await admin.put(f"/Schemas/{DEVICE}", changed), 409, None, "code is unique; take that off first")


async def test_values_that_compare_as_before(admin: Client) -> None:
    """Where no value has a case to compare, the change is taken at once."""
    await made(admin.post("/Schemas", _schema(exact=False)))
    await made(admin.post("/ResourceTypes", resource_type("Device", "/Devices", DEVICE)))
    device = await made(admin.post("/Devices", _device("abc-1")))
    answer = await made(admin.put(f"/Schemas/{DEVICE}", _schema(exact=True)), 200)
    assert answer["attributes"][0]["caseExact"] is True
    assert await admin.search('code eq "ABC-1"', "/Devices") == []
    assert await admin.search('code eq "abc-1"', "/Devices") == [device["id"]]
