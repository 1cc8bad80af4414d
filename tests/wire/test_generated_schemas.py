"""For whatever schema a tenant defines: resources come back as they were sent, and filters select what the matcher accepts.

Every example is a tenant of its own, so that all of them define the same type, each in another way, on one server.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from conformance.checks.schema_support import contains
from scimsrv.filter.bind import bind
from scimsrv.filter.match import match
from scimsrv.filter.parse import parse_filter
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Returned
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from tests.store.generated import World, examples, worlds
from tests.store.support import catalog_of
from tests.wire.support import SEARCH, Client, Server


def _legal(world: World) -> World:
    """The same world, with another name for `$ref`, which only references may have, and only characteristics that types may have."""

    def renamed(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("$ref", "xref").replace("$REF", "XREF"))

    schemas = renamed(list(world.catalog.schemas.values()))
    for schema in schemas:
        for attribute in schema["attributes"]:
            for one in (attribute, *attribute.get("subAttributes", ())):
                _make_legal(one)
    return World(catalog_of(schemas, list(world.catalog.resource_types.values())), renamed(world.documents), renamed(world.filters))


def _make_legal(attribute: Document) -> None:
    type_ = attribute["type"]
    if type_ not in ("string", "reference"):
        attribute.pop("caseExact", None)
    if type_ in ("boolean", "complex"):
        attribute.pop("uniqueness", None)
    if type_ == "reference":
        attribute["referenceTypes"] = ["uri"]


def _shown(document: Document, schema: EffectiveSchema) -> Document:
    """The document without what is never shown."""
    for extension, attribute in schema.top_level():
        place = Resolved(extension, attribute)
        hidden = {sub.name for sub in attribute.sub_attributes if sub.returned is Returned.NEVER}
        value = doc.get(document, place)
        if hidden and value is not None:
            elements = [{name: part for name, part in one.items() if name not in hidden} for one in doc.values(value)]
            kept = [one for one in elements if one]
            document = doc.put(document, place, kept if attribute.multi_valued else next(iter(kept), None))
    return {name: value for name, value in document.items() if name not in ("id", "meta", "schemas")}


async def _ok(answer: Any, status: int) -> Any:
    assert answer.status_code == status, (answer.status_code, answer.text[:600])
    return answer.json() if answer.content else None


async def _define(admin: Client, world: World) -> list[Document]:
    """Define the world's type through the API; what /Schemas then shows of it."""
    schemas = list(world.catalog.schemas.values())
    for schema in schemas:
        await _ok(await admin.post("/Schemas", schema), 201)
    await _ok(await admin.post("/ResourceTypes", dict(world.catalog.resource_types["thing"])), 201)
    shown = [await _ok(await admin.get(f"/Schemas/{schema['id']}"), 200) for schema in schemas]
    for schema, served in zip(schemas, shown, strict=True):
        for attribute, other in zip(schema["attributes"], served["attributes"], strict=True):
            assert contains(other, attribute), (other, attribute)
    return shown


@given(world=worlds(documents=4, filters=8))
@examples(25)
async def test_a_generated_schema(server: Server, world: World) -> None:
    """Created, read, replaced by each other and by themselves, found as the matcher says, and deleted with type and schema."""
    world = _legal(world)
    client = await server.tenant()
    admin = client.with_token(await server.token(client, "scim:read", "scim:write", "tenant:admin"))
    defined = await _define(admin, world)
    ids: dict[str, str] = {}
    for document in world.documents:
        sent = {name: value for name, value in document.items() if name not in ("id", "meta")}
        made = await _ok(await admin.post("/Things", sent), 201)
        ids[made["id"]] = document["id"]
        for shown in (made, await _ok(await admin.get(f"/Things/{made['id']}"), 200)):
            assert _shown(shown, world.schema) == _shown(document, world.schema), (sent, defined)
        again = await _ok(await admin.put(f"/Things/{made['id']}", sent), 200)
        assert again == made, "a PUT of the same changes nothing"
    for text in world.filters:
        bound = bind(parse_filter(text), world.schema, text, unknown_matches_nothing=False)
        expected = {document["id"] for document in world.documents if match(bound, document)}
        answer = await admin.post("/Things/.search", {"schemas": [SEARCH], "filter": text})
        if '"id"' in text or " id " in f" {text.lower()} ":
            continue  # ids are the server's here
        found = await _ok(answer, 200)
        assert {ids[one["id"]] for one in found["Resources"]} == expected, (text, defined)
    for id_ in ids:
        assert (await admin.delete(f"/Things/{id_}")).status_code == 204
    assert (await admin.delete("/ResourceTypes/Thing")).status_code == 204
    for schema in defined:
        assert (await admin.delete(f"/Schemas/{schema['id']}")).status_code == 204
    assert (await admin.get("/Things")).status_code == 404
