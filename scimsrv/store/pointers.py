"""References that are part of documents, such as manager: what they name, and their $ref."""

from __future__ import annotations

from urllib.parse import quote

from scimsrv.errors import invalid_value
from scimsrv.schema import document as doc
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.policy import Policy
from scimsrv.schema.validate import shorten
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope

_SQL = load("resources")


def new_pointers(schema: EffectiveSchema, before: Document, document: Document) -> dict[Resolved, str]:
    """The pointers that name another resource than before, with its id."""
    found = {}
    for place in schema.pointers:
        value, old = doc.get(document, place), doc.get(before, place)
        if value and value.get("value") and (old is None or old.get("value") != value["value"]):
            found[place] = value["value"]
    return found


async def points_nowhere(conn: Queries, tenant: int, policy: Policy, schema: EffectiveSchema, before: Document, document: Document) -> bool:
    """Whether a pointer that the document gains names nothing, where that is not as the policy has it: such as what was deleted while
    the pointer was kept aside. In a transaction: what the others name is locked."""
    named = new_pointers(schema, before, document)
    if not named:
        return False
    types = {row["id"]: row["type"] for row in await conn.fetch(_SQL["lock_targets"], tenant, sorted(named.values()))}
    return any(
        policy.require_pointer_targets or (policy.pointer_target_deletion != "keep" and "$ref" in doc.get(document, place))
        for place, id_ in named.items()
        if types.get(id_) not in place.attribute.resource_types
    )


async def with_refs(scope: Scope, conn: Queries, schema: EffectiveSchema, before: Document, document: Document) -> Document:
    """The document with the `$ref` of every pointer that names an existing resource; others have none. What several references in the
    document name does exist, or storing them fails elsewhere: they have a `$ref`, and their `type` if it is theirs to have.

    Where there are `new_pointers`, `conn` must be in a transaction: what they name is locked, so that it cannot be deleted before
    the pointer is stored. Raises ScimError invalidValue for one that names nothing, where the policy demands integrity.
    """
    named = new_pointers(schema, before, document)
    types: dict[str, str] = {}
    if named:
        rows = await conn.fetch(_SQL["lock_targets"], scope.tenant, sorted(named.values()))
        types = {row["id"]: row["type"] for row in rows}
    for place in schema.annotated.values():
        document = doc.put(document, place, await _described(scope, conn, place, before, document))
    for place in schema.pointers:
        value = doc.get(document, place)
        if not value:
            continue
        kept = {name: part for name, part in value.items() if name not in place.attribute.server_parts}
        id_ = named.get(place)
        if id_ is None:
            old = doc.get(before, place) or {}
            kept |= {"$ref": old["$ref"]} if "$ref" in old and kept.get("value") else {}
        elif types.get(id_) in place.attribute.resource_types:
            kept["$ref"] = _url(scope, types[id_], id_)
        elif scope.catalog.policy.require_pointer_targets:
            raise invalid_value(f"{place.name}: there is no resource with the id {shorten(id_)}")
        document = doc.put(document, place, kept)
    return document


async def _described(scope: Scope, conn: Queries, place: Resolved, before: Document, document: Document) -> list[Document]:
    """The elements of several references with what the server says of each: `$ref`, `type`. The client's words on these do not count."""
    attribute, elements = place.attribute, doc.values(doc.get(document, place))
    old = {element["value"]: element for element in doc.values(doc.get(before, place))}
    rows = await conn.fetch(_SQL["lock_targets"], scope.tenant, sorted({one["value"] for one in elements} - old.keys()))
    types = {row["id"]: row["type"] for row in rows}
    found = []
    for element in elements:
        id_ = element["value"]
        kept = {name: part for name, part in element.items() if name not in attribute.server_parts}
        said = {"$ref": _url(scope, types[id_], id_), "type": types[id_]} if id_ in types else old.get(id_, {})
        found.append(kept | {name: said[name] for name in sorted(attribute.server_parts & said.keys())})
    return found


def _url(scope: Scope, type_: str, id_: str) -> str:
    return f"{scope.base_url}{scope.catalog.by_name[type_].endpoint}/{quote(id_, safe='')}"
