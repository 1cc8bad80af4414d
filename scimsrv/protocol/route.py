"""From a URL path to what it names: a tenant and an endpoint of RFC 7644 Table 2."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote_to_bytes

from scimsrv.errors import Kind, ScimError, invalid_value


class Endpoint(Enum):
    """The kinds of endpoint."""

    ROOT = auto()
    ROOT_SEARCH = auto()
    CONFIG = auto()
    SCHEMAS = auto()
    RESOURCE_TYPES = auto()
    BULK = auto()
    ME = auto()
    REQUEST = auto()
    PROGRESS = auto()
    AUDIT = auto()
    AUDIT_ROWS = auto()
    TOKEN = auto()
    REVOCATION = auto()
    AUTHORIZATION_SERVER = auto()
    COLLECTION = auto()
    SEARCH = auto()
    RESOURCE = auto()

    __hash__ = object.__hash__  # one of an enumeration is one object: this costs no call of Python


#: The methods of each kind; OPTIONS is answered everywhere.
METHODS: Final[dict[Endpoint, tuple[str, ...]]] = {
    Endpoint.ROOT: ("GET", "HEAD"),
    Endpoint.ROOT_SEARCH: ("POST",),
    Endpoint.CONFIG: ("GET", "HEAD"),
    Endpoint.SCHEMAS: ("GET", "HEAD"),
    Endpoint.RESOURCE_TYPES: ("GET", "HEAD"),
    Endpoint.BULK: ("POST",),
    Endpoint.ME: ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
    Endpoint.REQUEST: ("GET", "HEAD"),
    Endpoint.PROGRESS: ("GET", "HEAD"),
    Endpoint.AUDIT: ("GET", "HEAD"),
    Endpoint.AUDIT_ROWS: ("GET", "HEAD"),
    Endpoint.TOKEN: ("POST",),
    Endpoint.REVOCATION: ("POST",),
    Endpoint.AUTHORIZATION_SERVER: ("GET", "HEAD"),
    Endpoint.COLLECTION: ("GET", "HEAD", "POST"),
    Endpoint.SEARCH: ("POST",),
    Endpoint.RESOURCE: ("GET", "HEAD", "PUT", "PATCH", "DELETE"),
}


@dataclass(frozen=True, slots=True)
class Route:
    """What a path names: `tenant` is a slug, `name` a path segment such as Users (or a schema's URN), `id` a resource's."""

    tenant: str
    endpoint: Endpoint
    name: str = ""
    id: str = ""
    version: str = "v2"

    @property
    def allow(self) -> str:
        """The value of the Allow header."""
        return allow(METHODS[self.endpoint])


def allow(methods: Iterable[str]) -> str:
    """The value of the Allow header where these methods are served."""
    return ", ".join((*methods, "OPTIONS"))


def weight(endpoint: Endpoint, method: str) -> int:
    """As how many requests one counts; a bulk request as many as it has operations, once they are known."""
    lists = endpoint in (Endpoint.ROOT, Endpoint.COLLECTION) and method in ("GET", "HEAD")
    return 2 if lists or endpoint in (Endpoint.SEARCH, Endpoint.ROOT_SEARCH, Endpoint.AUDIT_ROWS) else 1


_FIXED: Final = {"ServiceProviderConfig": Endpoint.CONFIG, "Bulk": Endpoint.BULK, "Me": Endpoint.ME}
_DISCOVERY: Final = {"Schemas": Endpoint.SCHEMAS, "ResourceTypes": Endpoint.RESOURCE_TYPES}
VERSION: Final = re.compile(r"[vV]\d{1,4}")
_METADATA: Final = [".well-known", "oauth-authorization-server"]
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def route(raw_path: bytes) -> Route:
    """What the path names: /scim/{tenant}[/v2]/…, or the forms /scim/endpoints/{tenant}/… and /scim/v2/endpoints/{tenant}/…; and
    /.well-known/oauth-authorization-server/scim/{tenant}, where RFC 8414 §3.1 puts the metadata of the issuer /scim/{tenant}.

    Doubled and trailing slashes are ignored; segments are split before they are decoded, so %2F is part of a name.
    Raises ScimError 404 for anything else.
    """
    segments = segments_of(raw_path)
    if segments[:2] == _METADATA and len(segments) == 4 and segments[2] == "scim" and _SLUG.fullmatch(segments[3]) is not None:
        return Route(segments[3], Endpoint.AUTHORIZATION_SERVER)
    tenant, rest = below_tenant(segments)
    return _versioned(tenant, rest)


def below_tenant(segments: list[str]) -> tuple[str, list[str]]:
    """The slug that a path of these segments names, and the segments after it. Raises ScimError 404 for a path that names none."""
    if not segments or segments[0] != "scim":
        raise _nothing()
    rest = segments[1:]
    if rest[:2] == ["v2", "endpoints"]:
        rest = rest[2:]
    elif rest[:1] == ["endpoints"]:
        rest = rest[1:]
    if not rest or _SLUG.fullmatch(rest[0]) is None:
        raise _nothing()
    return rest[0], rest[1:]


def relative(tenant: str, path: str) -> Route:
    """What a path relative to the tenant's base names, as the operations of bulk requests have it: `/Users/1`, `Users/1`, `/v2/Users/1`.

    Raises ScimError invalidValue for a URL, a query or a fragment, invalidVers for another version, 404 for what is no endpoint.
    """
    if "://" in path or path.startswith("//") or "?" in path or "#" in path or "\\" in path:
        raise invalid_value("path: must be relative to the tenant's base URL and without a query, such as /Users")
    found = _versioned(tenant, segments_of(path.encode("utf-8", "surrogatepass")))
    if found.version != "v2":
        raise ScimError(Kind.INVALID_VERSION, f"Version {found.version} of the protocol is not served; use v2")
    return found


def segments_of(raw_path: bytes) -> list[str]:
    """The path's segments, decoded after they are split. Raises ScimError 404 where that is not possible."""
    try:
        if b"%" in raw_path:
            segments = [unquote_to_bytes(part).decode("utf-8") for part in raw_path.split(b"/") if part]
        else:
            segments = [part for part in raw_path.decode("utf-8").split("/") if part]
    except UnicodeDecodeError as problem:
        raise _nothing() from problem
    if any("\x00" in segment for segment in segments):
        raise _nothing()
    return segments


def _versioned(tenant: str, rest: list[str]) -> Route:
    if rest and VERSION.fullmatch(rest[0]):
        return _endpoint(tenant, rest[1:], rest[0].lower())
    return _endpoint(tenant, rest, "v2")


def _endpoint(tenant: str, rest: list[str], version: str) -> Route:
    match rest:
        case []:
            return Route(tenant, Endpoint.ROOT, version=version)
        case [".search"]:
            return Route(tenant, Endpoint.ROOT_SEARCH, version=version)
        case ["oauth", "token"]:
            return Route(tenant, Endpoint.TOKEN, version=version)
        case ["oauth", "revoke"]:
            return Route(tenant, Endpoint.REVOCATION, version=version)
        case [".well-known", "oauth-authorization-server"]:
            return Route(tenant, Endpoint.AUTHORIZATION_SERVER, version=version)
        case [".requests", txn]:
            return Route(tenant, Endpoint.REQUEST, id=txn, version=version)
        case [".audit"]:
            return Route(tenant, Endpoint.AUDIT, version=version)
        case [".audit", "rows"]:
            return Route(tenant, Endpoint.AUDIT_ROWS, version=version)
        case ["badges", "progress", user]:
            return Route(tenant, Endpoint.PROGRESS, id=user, version=version)
        case [name] if name in _FIXED:
            return Route(tenant, _FIXED[name], name, version=version)
        case [name] if name in _DISCOVERY:
            return Route(tenant, _DISCOVERY[name], version=version)
        case [name, which] if name in _DISCOVERY:
            return Route(tenant, _DISCOVERY[name], which, version=version)
        case [name]:
            return Route(tenant, Endpoint.COLLECTION, name, version=version)
        case [name, ".search"]:
            return Route(tenant, Endpoint.SEARCH, name, version=version)
        case [name, id_]:
            return Route(tenant, Endpoint.RESOURCE, name, id_, version=version)
    raise _nothing()


def _nothing() -> ScimError:
    return ScimError(Kind.NOT_FOUND, "There is no such endpoint")
