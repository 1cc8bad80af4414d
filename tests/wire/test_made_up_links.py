"""Reference attributes in unusual places of made-up types: several of them, in extensions, required, immutable, with few parts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.support import Client, Server, assert_error

_CORE = "urn:example:params:scim:schemas:core:2.0:Shelf"
_EXTRA = "urn:example:params:scim:schemas:extension:extra:2.0:Shelf"
_VALUE = {"name": "value", "caseExact": True}
_REF = {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}


def _link(name: str, *parts: str, **characteristics: Any) -> dict[str, Any]:
    subs = [_VALUE, _REF, *({"name": part} for part in parts)]
    return {"name": name, "type": "complex", "multiValued": True, "subAttributes": subs} | characteristics


async def _shelves(server: Server, client: Client, *attributes: dict[str, Any], extra: tuple[dict[str, Any], ...] = ()) -> None:
    """Give the tenant a type Shelf with a label and these attributes."""
    schemas = [{"id": _CORE, "name": "Shelf", "attributes": [{"name": "label"}, *attributes]}]
    extensions = []
    if extra:
        schemas.append({"id": _EXTRA, "name": "Extra", "attributes": [*extra]})
        extensions = [{"schema": _EXTRA, "required": False}]
    await server.define(client, schemas, {"name": "Shelf", "endpoint": "/Shelves", "schema": _CORE, "schemaExtensions": extensions})


async def _many(server: Server, client: Client, number: int) -> list[str]:
    """The ids of so many users."""
    await client.new_user()
    rows = await server.pool.fetch(
        "INSERT INTO resource SELECT tenant, 'm-' || n, type, 1, created, modified, 'M', document, search"
        " FROM resource, generate_series(1, $2) n WHERE tenant = $1 RETURNING id",
        *(client.id, number),
    )
    return [row["id"] for row in rows]


def _values(elements: list[dict[str, str]]) -> set[str]:
    return {element["value"] for element in elements}


@pytest.mark.parametrize(("front", "back"), [(3, 2), (900, 200), (200, 900), (1001, 5), (5, 1001), (1200, 1200)])
async def test_two_links_are_both_shown_whole(server: Server, client: Client, front: int, back: int) -> None:
    """However many values two reference attributes of one resource have, a read shows all of both."""
    await _shelves(server, client, _link("front"), _link("back"))
    ids = await _many(server, client, front + back)
    body = {"front": [{"value": id_} for id_ in ids[:front]], "back": [{"value": id_} for id_ in ids[front:]]}
    made = (await client.post("/Shelves", body)).json()
    shown = (await client.get(f"/Shelves/{made['id']}")).json()
    assert (len(shown["front"]), len(shown["back"])) == (front, back)
    assert (_values(shown["front"]), _values(shown["back"])) == (set(ids[:front]), set(ids[front:]))
    listed = (await client.get("/Shelves")).json()["Resources"][0]
    assert (len(listed["front"]), len(listed["back"])) == (front, back)


async def test_a_link_in_an_extension_is_shown_there(server: Server, client: Client) -> None:
    """A reference attribute of an extension is part of the extension's object, whose URN is among the schemas."""
    await _shelves(server, client, extra=(_link("holders"),))
    ada = await client.new_user()
    made = await client.post("/Shelves", {"label": "a", _EXTRA: {"holders": [{"value": ada["id"]}]}})
    assert made.status_code == 201, made.text
    shown = (await client.get(f"/Shelves/{made.json()['id']}")).json()
    assert _values(shown.get(_EXTRA, {}).get("holders", [])) == {ada["id"]}
    assert "holders" not in shown
    assert shown["schemas"] == [_CORE, _EXTRA]
    found = (await client.get("/Shelves", filter=f'{_EXTRA}:holders.value eq "{ada["id"]}"')).json()
    assert found["totalResults"] == 1
    assert (await client.get("/Shelves", attributes=f"{_EXTRA}:holders")).json()["Resources"][0][_EXTRA] == shown[_EXTRA]


async def test_a_link_shows_the_parts_that_its_schema_has(server: Server, client: Client) -> None:
    """`type` and `display` are shown where the attribute has them, and not where it does not."""
    await _shelves(server, client, _link("bare"), _link("full", "type", "display"))
    ada = await client.new_user(displayName="Ada")
    made = (await client.post("/Shelves", {"bare": [{"value": ada["id"]}], "full": [{"value": ada["id"]}]})).json()
    ref = {"value": ada["id"], "$ref": ada["meta"]["location"]}
    assert made["full"] == [ref | {"type": "User", "display": "Ada"}]
    assert made["bare"] == [ref]


async def test_a_required_link_is_required(server: Server, client: Client) -> None:
    """A required reference attribute must be sent with a value by POST and PUT, and cannot be emptied by PATCH."""
    await _shelves(server, client, _link("owners", required=True))
    ada = (await client.new_user())["id"]
    for body in ({"label": "a"}, {"label": "a", "owners": []}, {"label": "a", "owners": None}):
        assert_error(await client.post("/Shelves", body), 400, "invalidValue", "owners is required")
    made = (await client.post("/Shelves", {"label": "a", "owners": [{"value": ada}]})).json()
    path = f"/Shelves/{made['id']}"
    for body in ({"label": "b"}, {"label": "b", "owners": []}):
        assert_error(await client.put(path, body), 400, "invalidValue", "owners is required")
    for operation in ({"op": "remove", "path": "owners"}, {"op": "remove", "path": f'owners[value eq "{ada}"]'}):
        assert_error(await client.patch(path, operation), 400, "mutability", "owners")
    assert _values((await client.get(path)).json()["owners"]) == {ada}


async def test_an_immutable_link_is_immutable(server: Server, client: Client) -> None:
    """An immutable reference attribute that has values keeps them: PUT and PATCH with others are refused, with the same accepted."""
    await _shelves(server, client, _link("founders", mutability="immutable"))
    ada, ben = (await client.new_user())["id"], (await client.new_user())["id"]
    made = (await client.post("/Shelves", {"label": "a", "founders": [{"value": ada}]})).json()
    path = f"/Shelves/{made['id']}"
    assert_error(await client.patch(path, {"op": "add", "path": "founders", "value": [{"value": ben}]}), 400, "mutability", "founders")
    assert_error(await client.put(path, {"label": "a", "founders": [{"value": ben}]}), 400, "mutability", "founders")
    assert (await client.put(path, {"label": "b", "founders": [{"value": ada}]})).status_code == 200
    assert (await client.put(path, {"label": "c"})).status_code == 200
    assert _values((await client.get(path)).json()["founders"]) == {ada}


async def test_a_required_secret_is_required(server: Server, client: Client) -> None:
    """A required attribute that is never returned must be sent on creation, and need not be repeated by PUT."""
    await _shelves(server, client, {"name": "pin", "required": True, "mutability": "writeOnly", "returned": "never"})
    assert_error(await client.post("/Shelves", {"label": "a"}), 400, "invalidValue", "pin is required")
    made = await client.post("/Shelves", {"label": "a", "pin": "correct horse"})
    assert made.status_code == 201
    assert (await client.put(f"/Shelves/{made.json()['id']}", {"label": "b"})).status_code == 200
    assert await server.pool.fetchval("SELECT count(*) FROM secret WHERE tenant = $1", client.id) == 1
