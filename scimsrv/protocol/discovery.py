"""The documents of discovery, computed from the objects that enforce what they say (RFC 7643 §5 to §7, RFC 7644 §4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from scimsrv.limits import Limits
from scimsrv.protocol.messages import LIST_RESPONSE
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.catalog import Catalog, Definition
from scimsrv.schema.policy import Policy

_SPC = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"


def service_provider_config(limits: Limits, policy: Policy, base_url: str) -> Definition:
    """What the server does for a tenant with this policy, and within which limits (RFC 7643 §5, RFC 9865 §4)."""
    return {
        "schemas": [_SPC],
        "patch": {"supported": policy.patch},
        "bulk": {
            "supported": policy.bulk,
            "maxOperations": limits.bulk_operations if policy.bulk else 0,
            "maxPayloadSize": limits.body_bytes if policy.bulk else 0,
        },
        "filter": {"supported": True, "maxResults": limits.page},
        "changePassword": {"supported": True},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "pagination": {
            "cursor": True,
            "index": True,
            "defaultPaginationMethod": "index",
            "defaultPageSize": limits.default_page,
            "maxPageSize": limits.page,
            "cursorTimeout": limits.cursor_seconds,
        },
        "authenticationSchemes": list(_schemes(policy)),
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base_url}/ServiceProviderConfig"},
    }


def _schemes(policy: Policy) -> Iterable[Definition]:
    """The ways in which clients may authenticate themselves (RFC 7643 §5)."""
    yield {
        "type": "oauthbearertoken",
        "name": "Bearer token",
        "description": "A secret token of the tenant in the Authorization header, with the scheme Bearer.",
        "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
        "primary": True,
    }
    yield {
        "type": "oauth2",
        "name": "OAuth 2.0",
        "description": "Access tokens of the tenant's token endpoint, which its metadata by RFC 8414 describes.",
        "specUri": "https://www.rfc-editor.org/rfc/rfc6749",
        "primary": False,
    }
    if policy.basic:
        yield {
            "type": "httpbasic",
            "name": "HTTP Basic",
            "description": "A client's id and secret in the Authorization header, with the scheme Basic.",
            "specUri": "https://www.rfc-editor.org/rfc/rfc7617",
            "primary": False,
        }


def schema_document(definition: Definition, base_url: str, version: int = 1) -> Definition:
    """A Schema resource with its meta (RFC 7643 §7)."""
    return _described(definition, "Schema", f"{base_url}/Schemas/{definition['id']}", version)


def resource_type_document(definition: Definition, base_url: str, version: int = 1) -> Definition:
    """A ResourceType resource with its meta (RFC 7643 §6)."""
    return _described(definition, "ResourceType", f"{base_url}/ResourceTypes/{quote(definition['name'])}", version)


def _described(definition: Definition, resource_type: str, location: str, version: int) -> Definition:
    urn = f"urn:ietf:params:scim:schemas:core:2.0:{resource_type}"
    meta = {"resourceType": resource_type, "location": location, "version": f'W/"{version}"'}
    return {"schemas": [urn]} | definition | {"meta": meta}


def schemas(catalog: Catalog, base_url: str) -> Definition:
    """The list at /Schemas; never paged (RFC 7644 §4)."""
    versions = catalog.schema_versions
    return _list(schema_document(definition, base_url, versions.get(key, 1)) for key, definition in catalog.schemas.items())


def resource_types(catalog: Catalog, base_url: str) -> Definition:
    """The list at /ResourceTypes; never paged (RFC 7644 §4)."""
    versions = catalog.type_versions
    return _list(resource_type_document(definition, base_url, versions.get(key, 1)) for key, definition in catalog.resource_types.items())


def schema(catalog: Catalog, urn: str, base_url: str) -> Definition | None:
    """One Schema resource by URN in any case, or None."""
    found = catalog.schemas.get(fold_name(urn))
    return None if found is None else schema_document(found, base_url, catalog.schema_versions.get(fold_name(urn), 1))


def resource_type(catalog: Catalog, name: str, base_url: str) -> Definition | None:
    """One ResourceType resource by name in any case, or None."""
    found = catalog.resource_types.get(fold_name(name))
    return None if found is None else resource_type_document(found, base_url, catalog.type_versions.get(fold_name(name), 1))


def _list(documents: Iterable[Definition]) -> dict[str, Any]:
    resources = list(documents)
    return {
        "schemas": [LIST_RESPONSE],
        "totalResults": len(resources),
        "startIndex": 1,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }
