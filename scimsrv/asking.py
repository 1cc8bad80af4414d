"""From a request's route, method, headers and body to its plan: what each endpoint of the data plane asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from scimsrv.auth import Principal, Right
from scimsrv.errors import Kind, ScimError
from scimsrv.http import Fields
from scimsrv.limits import Limits
from scimsrv.protocol import defining, discovery, planning
from scimsrv.protocol.cursor import Holder, Sealer
from scimsrv.protocol.plan import Answer, Plan, Query, Read
from scimsrv.protocol.request import (
    Search,
    if_match,
    if_none_match,
    parameters,
    projection,
    search_by_body,
    search_by_query,
)
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.policy import Policy
from scimsrv.schema.project import view
from scimsrv.schema.redefinition import Subject


def resource_type_of(found: Route, catalog: Catalog) -> EffectiveSchema | None:
    """The resource type that the URL names; None where it names none. Raises ScimError 404 for one that the tenant does not have."""
    if found.endpoint not in (Endpoint.COLLECTION, Endpoint.SEARCH, Endpoint.RESOURCE):
        return None
    schema = catalog.at(found.name)
    if schema is None:
        raise ScimError(Kind.NOT_FOUND, "There is no such endpoint")
    return schema


def plan_of(
    found: Route,
    method: str,
    principal: Principal,
    catalog: Catalog,
    body: dict[str, Any],
    query_string: bytes,
    headers: Fields,
    at: datetime,
    limits: Limits,
    base_url: str,
    sealer: Sealer,
) -> Plan:
    """What the request asks for at this moment. Raises ScimError."""

    def query(schemas: Sequence[EffectiveSchema], search: Search) -> Query:
        credential = principal.credential
        holder = Holder(credential.tenant, credential.actor, credential.scopes, catalog.epoch(schemas))
        plan = planning.query(schemas, search, at)
        return planning.placed(plan, search, f"{found.endpoint.name}/{found.name}", catalog, holder, sealer)

    match found.endpoint:
        case Endpoint.CONFIG:
            return config(limits, catalog.policy, base_url, query_string)
        case Endpoint.SCHEMAS | Endpoint.RESOURCE_TYPES:
            if method in ("GET", "HEAD"):
                return _described(found, catalog, base_url, query_string, if_none_match(headers.joined(b"if-none-match")))
            condition = if_match(headers.joined(b"if-match"))
            asked = parameters(query_string)
            return defining.plan(SUBJECTS[found.endpoint], method, found.name, body, asked, condition, catalog.policy, limits)
        case Endpoint.ROOT:
            return query(_permitted(principal, catalog), search_by_query(parameters(query_string), limits))
        case Endpoint.ROOT_SEARCH:
            return query(_permitted(principal, catalog), search_by_body(body, limits))
    schema = resource_type_of(found, catalog)
    if schema is None:
        raise AssertionError("endpoints of resources have a resource type")
    if found.endpoint is Endpoint.SEARCH:
        return query([schema], search_by_body(body, limits))
    asked = parameters(query_string)
    if found.endpoint is Endpoint.COLLECTION and method != "POST":
        return query([schema], search_by_query(asked, limits))
    shown = projection(asked, limits)
    if method in ("GET", "HEAD"):
        return Read(schema, found.id, view(shown, schema), if_none_match(headers.joined(b"if-none-match")))
    condition = if_match(headers.joined(b"if-match"))
    return planning.write(method, schema, found.id, body, catalog, shown, limits, condition)


def _refuse_filter(query_string: bytes) -> None:
    """Discovery cannot be filtered (RFC 7644 §4)."""
    if "filter" in parameters(query_string):
        raise ScimError(Kind.FORBIDDEN, "Discovery endpoints cannot be filtered")


def config(limits: Limits, policy: Policy, base_url: str, query_string: bytes) -> Answer:
    """The document of ServiceProviderConfig. Raises ScimError 403 for a filter."""
    _refuse_filter(query_string)
    return Answer(discovery.service_provider_config(limits, policy, base_url))


def _described(found: Route, catalog: Catalog, base_url: str, query_string: bytes, tags: tuple[str, ...]) -> Answer:
    _refuse_filter(query_string)
    schemas = found.endpoint is Endpoint.SCHEMAS
    if not found.name:
        return Answer((discovery.schemas if schemas else discovery.resource_types)(catalog, base_url))
    document = (discovery.schema if schemas else discovery.resource_type)(catalog, found.name, base_url)
    if document is None:
        raise ScimError(Kind.NOT_FOUND, f"There is no such {'schema' if schemas else 'resource type'}")
    versions = catalog.schema_versions if schemas else catalog.type_versions
    return Answer(document, versions.get(fold_name(found.name), 1), tags)


def _permitted(principal: Principal, catalog: Catalog) -> list[EffectiveSchema]:
    """The resource types that the credential is good for. Raises ScimError 403 where there is none."""
    found = [schema for schema in catalog.types() if principal.credential.narrowing.permits(schema.name)]
    if not found:
        raise ScimError(Kind.FORBIDDEN, "The credential is good for no resource type of the tenant")
    return found


def right_at(endpoint: Endpoint, *, reads: bool) -> Right:
    """What a token has to be allowed at an endpoint."""
    if endpoint in SUBJECTS or endpoint is Endpoint.CONFIG:
        return Right.DESCRIBE if reads else Right.DEFINE
    return Right.READ if reads else Right.WRITE


#: The endpoints of definitions, and what is defined there.
SUBJECTS: Final = {Endpoint.SCHEMAS: Subject.SCHEMA, Endpoint.RESOURCE_TYPES: Subject.RESOURCE_TYPE}
