"""From a URL path to what it names: a tenant and an endpoint of RFC 7644 Table 2."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote_to_bytes

from scimsrv.errors import Kind, ScimError


class Endpoint(Enum):
    """The kinds of endpoint."""

    ROOT = auto()
    ROOT_SEARCH = auto()
    CONFIG = auto()
    SCHEMAS = auto()
    RESOURCE_TYPES = auto()
    SWITCHED_OFF = auto()
    COLLECTION = auto()
    SEARCH = auto()
    RESOURCE = auto()


#: The methods of each kind; OPTIONS is answered everywhere.
METHODS: Final[dict[Endpoint, tuple[str, ...]]] = {
    Endpoint.ROOT: ("GET", "HEAD"),
    Endpoint.ROOT_SEARCH: ("POST",),
    Endpoint.CONFIG: ("GET", "HEAD"),
    Endpoint.SCHEMAS: ("GET", "HEAD"),
    Endpoint.RESOURCE_TYPES: ("GET", "HEAD"),
    Endpoint.SWITCHED_OFF: ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
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


_FIXED: Final = {"ServiceProviderConfig": Endpoint.CONFIG, "Bulk": Endpoint.SWITCHED_OFF, "Me": Endpoint.SWITCHED_OFF}
_DISCOVERY: Final = {"Schemas": Endpoint.SCHEMAS, "ResourceTypes": Endpoint.RESOURCE_TYPES}
_VERSION: Final = re.compile(r"[vV]\d{1,4}")
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def route(raw_path: bytes) -> Route:
    """What the path names: /scim/{tenant}[/v2]/…, or the forms /scim/endpoints/{tenant}/… and /scim/v2/endpoints/{tenant}/….

    Doubled and trailing slashes are ignored; segments are split before they are decoded, so %2F is part of a name.
    Raises ScimError 404 for anything else.
    """
    try:
        if b"%" in raw_path:
            segments = [unquote_to_bytes(part).decode("utf-8") for part in raw_path.split(b"/") if part]
        else:
            segments = [part for part in raw_path.decode("utf-8").split("/") if part]
    except UnicodeDecodeError as problem:
        raise _nothing() from problem
    if not segments or segments[0] != "scim" or any("\x00" in segment for segment in segments):
        raise _nothing()
    rest = segments[1:]
    if rest[:2] == ["v2", "endpoints"]:
        rest = rest[2:]
    elif rest[:1] == ["endpoints"]:
        rest = rest[1:]
    if not rest or _SLUG.fullmatch(rest[0]) is None:
        raise _nothing()
    tenant, rest = rest[0], rest[1:]
    version = "v2"
    if rest and _VERSION.fullmatch(rest[0]):
        version, rest = rest[0].lower(), rest[1:]
    return _endpoint(tenant, rest, version)


def _endpoint(tenant: str, rest: list[str], version: str) -> Route:
    match rest:
        case []:
            return Route(tenant, Endpoint.ROOT, version=version)
        case [".search"]:
            return Route(tenant, Endpoint.ROOT_SEARCH, version=version)
        case [name] if name in _FIXED:
            return Route(tenant, _FIXED[name], name, version=version)
        case ["Me", *_]:
            return Route(tenant, Endpoint.SWITCHED_OFF, "Me", version=version)
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
