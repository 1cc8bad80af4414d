"""From a request's parts and a tenant's catalogue to a plan: everything that can be decided without the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.filter.bind import BoundConstant, bind
from scimsrv.filter.expiring import at_moment
from scimsrv.filter.parse import parse_filter
from scimsrv.limits import Limits
from scimsrv.patch.dialects import standard
from scimsrv.patch.operation import Operation, Root
from scimsrv.patch.parse import parse_operations
from scimsrv.protocol.cursor import Holder, Sealer, binding
from scimsrv.protocol.messages import PatchOp
from scimsrv.protocol.plan import IfMatch, Insert, Modify, Overwrite, Query, Remove, Target
from scimsrv.protocol.request import Search
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Mutability, Returned, Type
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.project import Projection, view
from scimsrv.schema.replacement import with_defaults
from scimsrv.schema.validate import Coercer, Draft, shorten


def insert(body: dict[str, Any], schema: EffectiveSchema, catalog: Catalog, projection: Projection, limits: Limits) -> Insert:
    """POST of a resource (RFC 7644 §3.3)."""
    draft = Coercer(catalog.policy, limits).resource(body, schema)
    _check_required(draft, schema, kept=frozenset())
    whole = with_defaults(draft.document, body, schema)
    if whole is not draft.document:
        draft = replace(draft, document=whole)
    return Insert(schema, draft, view(projection, schema, _sent(draft, schema)))


def overwrite(
    body: dict[str, Any],
    schema: EffectiveSchema,
    id_: str,
    catalog: Catalog,
    projection: Projection,
    limits: Limits,
    if_match: IfMatch | None,
) -> Overwrite:
    """PUT of a resource (RFC 7644 §3.5.1). What the stored resource keeps is merged in when it has been read."""
    draft = Coercer(catalog.policy, limits).resource(body, schema)
    keeps = catalog.policy.put_keeps_omitted_members
    kept = {link.key for link in schema.links if keeps or link.attribute.mutability is Mutability.IMMUTABLE}
    _check_required(draft, schema, kept=frozenset(kept - draft.links.keys()) | {place.key for place in schema.secrets})
    return Overwrite(schema, id_, body, draft, view(projection, schema, _sent(draft, schema)), if_match)


def _check_required(draft: Draft, schema: EffectiveSchema, *, kept: frozenset[str]) -> None:
    """Demand the required attributes that are not in the document, but for those (by key) whose stored values are kept."""
    sent = {key for key, ids in draft.links.items() if ids} | draft.secrets.keys()
    for place in (*schema.links, *schema.secrets):
        needed = place.extension is None or place.extension in draft.document
        if place.attribute.required and needed and place.key not in sent and place.key not in kept:
            raise invalid_value(f"{place.name} is required")


def _sent(draft: Draft, schema: EffectiveSchema) -> frozenset[str]:
    """Keys of what a body sets and is returned on request only."""
    return frozenset(place.key for place in schema.on_request if doc.get(draft.document, place) is not None)


def _named(operations: Iterable[Operation], schema: EffectiveSchema) -> frozenset[str]:
    """Keys of what operations write and is returned on request only."""
    if not schema.on_request:
        return frozenset()
    found: frozenset[str] = frozenset()
    for operation in operations:
        if isinstance(operation.target, Root):
            found |= _named(operation.value, schema)
        elif operation.target.place.attribute.returned is Returned.REQUEST:
            found |= {operation.target.place.whole.key}
    return found


def modify(
    body: dict[str, Any],
    schema: EffectiveSchema,
    id_: str,
    catalog: Catalog,
    projection: Projection,
    limits: Limits,
    if_match: IfMatch | None,
) -> Modify:
    """PATCH of a resource (RFC 7644 §3.5.2)."""
    message = PatchOp.read(body)
    made: set[Coercion] = set()
    raw = standard(message.operations, catalog.policy, made)
    operations = parse_operations(raw, schema, catalog.policy, limits, made)
    shown = view(projection, schema, _named(operations, schema))
    return Modify(schema, id_, operations, shown, if_match, body_wanted=projection.asked, coercions=frozenset(made))


def write(
    method: str,
    schema: EffectiveSchema,
    id_: str,
    body: dict[str, Any],
    catalog: Catalog,
    projection: Projection,
    limits: Limits,
    if_match: IfMatch | None,
) -> Insert | Overwrite | Modify | Remove:
    """What a request that writes comes to, by its method. Raises ScimError 428 where the tenant's policy demands If-Match."""
    if method == "POST":
        return insert(body, schema, catalog, projection, limits)
    if if_match is None and catalog.policy.require_if_match:
        raise ScimError(Kind.PRECONDITION_REQUIRED)
    match method:
        case "DELETE":
            return Remove(schema, id_, if_match)
        case "PUT":
            return overwrite(body, schema, id_, catalog, projection, limits, if_match)
        case _:
            return modify(body, schema, id_, catalog, projection, limits, if_match)


def query(schemas: Sequence[EffectiveSchema], search: Search, at: datetime) -> Query:
    """A search over one resource type, or over several, where names that a type lacks match nothing (RFC 7644 §3.4.2.1); what passes with
    time is as it is at this moment."""
    several = len(schemas) > 1
    tree = parse_filter(search.filter) if search.filter is not None else None
    targets = []
    for schema in schemas:
        bound = bind(tree, schema, search.filter or "", unknown_matches_nothing=several) if tree is not None else None
        bound = None if bound is None or bound == BoundConstant(True) else at_moment(bound, schema, at)
        sort = _sort(search.sort_by, schema, optional=several) if search.sort_by is not None else None
        targets.append(Target(schema, bound, sort, view(search.projection, schema)))
    if several and search.sort_by is not None and all(target.sort is None for target in targets):
        raise invalid_value(f"sortBy: no resource type has an attribute {shorten(search.sort_by)}")
    # Types of which the filter says that it selects none of their resources are not looked at.
    targets = [target for target in targets if target.filter != BoundConstant(False)] or targets[:1]
    return Query(tuple(targets), search.descending, search.start, search.count, tree=tree, at=at, shown=True)


def placed(plan: Query, search: Search, endpoint: str, catalog: Catalog, holder: Holder, sealer: Sealer) -> Query:
    """The query with its place, when the search is paged by cursor (RFC 9865 §2). Raises ScimError as Sealer.open does."""
    if search.cursor is None:
        return plan
    indexes = [catalog.index(target.schema, target.sort) for target in plan.targets if target.sort is not None]
    order = [0 if index is None else index.number for index in indexes]
    return replace(plan, cursor=sealer.open(search.cursor, binding(holder, endpoint, search, order), plan.count))


def _sort(name: str, schema: EffectiveSchema, *, optional: bool) -> Resolved | None:
    place = schema.resolve(name)
    if place is None:
        if optional:
            return None
        raise invalid_value(f"sortBy: {schema.name} has no attribute {shorten(name)}")
    if place.leaf.type is Type.COMPLEX:
        part = place.leaf.value_part
        if part is None:
            raise invalid_value(f"sortBy: {place.name} is complex; name one of its sub-attributes")
        place = Resolved(place.extension, place.attribute, part)
    if Returned.NEVER in (place.attribute.returned, place.leaf.returned):
        raise invalid_value(f"sortBy: {schema.name} cannot be sorted by {place.name}")
    return place
