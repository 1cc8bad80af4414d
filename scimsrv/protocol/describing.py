"""What discovery is asked, and its answers (RFC 7644 §4)."""

from __future__ import annotations

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.protocol import discovery
from scimsrv.protocol.plan import Answer
from scimsrv.protocol.request import parameters
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.policy import Policy


def _refuse_filter(query: bytes) -> None:
    """Discovery cannot be filtered (RFC 7644 §4)."""
    if "filter" in parameters(query):
        raise ScimError(Kind.FORBIDDEN, "Discovery endpoints cannot be filtered")


def config(limits: Limits, policy: Policy, base_url: str, query: bytes) -> Answer:
    """ServiceProviderConfig. Raises ScimError 403 for a filter."""
    _refuse_filter(query)
    return Answer(discovery.service_provider_config(limits, policy, base_url))


def described(found: Route, catalog: Catalog, base_url: str, query: bytes, tags: tuple[str, ...]) -> Answer:
    """The schemas or resource types, or the one that the route names. Raises ScimError 403 for a filter, 404 for one that there is not."""
    _refuse_filter(query)
    schemas = found.endpoint is Endpoint.SCHEMAS
    if not found.name:
        return Answer((discovery.schemas if schemas else discovery.resource_types)(catalog, base_url))
    document = (discovery.schema if schemas else discovery.resource_type)(catalog, found.name, base_url)
    if document is None:
        raise ScimError(Kind.NOT_FOUND, f"There is no such {'schema' if schemas else 'resource type'}")
    versions = catalog.schema_versions if schemas else catalog.type_versions
    return Answer(document, versions.get(fold_name(found.name), 1), tags)
