"""Which of the protocol's optional features a tenant has: what is off is answered 501 and not advertised (RFC 7644 §3.12, Table 8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.schema.policy import Policy

_ROOT: Final = frozenset({Endpoint.ROOT, Endpoint.ROOT_SEARCH})
_PATCHED: Final = frozenset({Endpoint.RESOURCE, Endpoint.ME, Endpoint.SCHEMAS, Endpoint.RESOURCE_TYPES})

#: Users do not register themselves, whatever the policy: known, and answered 501 (RFC 7644 §3.11).
_REGISTERING: Final = (Endpoint.ME, "POST")


def served(found: Route, methods: Iterable[str], policy: Policy) -> tuple[str, ...]:
    """Those of an endpoint's methods that are of use, and that the policy leaves on."""
    return tuple(method for method in methods if (found.endpoint, method) != _REGISTERING and _switch(found, method, policy) is None)


def check_feature(found: Route, method: str, policy: Policy) -> None:
    """Raises ScimError 501 when the request uses what the tenant's policy switches off."""
    feature = _switch(found, method, policy)
    if feature is not None:
        raise ScimError(Kind.NOT_IMPLEMENTED, f"{feature} is switched off")


def check_version(found: Route) -> None:
    """Raises ScimError invalidVers: only version 2 is served (RFC 7644 §3.13)."""
    if found.version != "v2":
        raise ScimError(Kind.INVALID_VERSION, f"Version {found.version} of the protocol is not served; use v2")


def _switch(found: Route, method: str, policy: Policy) -> str | None:
    """The feature that the method at this endpoint uses, if it is off."""
    if method == "PATCH" and found.endpoint in _PATCHED and not policy.patch:
        return "PATCH"
    if found.endpoint in _ROOT and not policy.root_query:
        return "A query over all resource types"
    if found.endpoint is Endpoint.BULK and not policy.bulk:
        return "/Bulk"
    if found.endpoint is Endpoint.ME and policy.me == "off":
        return "/Me"
    return None
