"""The bounded set of words by which metrics and log speak of requests: templates for paths, results for statuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from scimsrv.errors import Kind, ScimError
from scimsrv.observe import Operated, Result
from scimsrv.protocol.bulk import Entry
from scimsrv.protocol.bulk import Result as BulkResult
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.definitions import Definition, load_definitions

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

CUSTOM: Final = "custom"
"""The word for every resource type that a tenant made up."""

OTHER: Final = "other"
"""The word for everything that has none of its own."""

#: The resource types that the product ships, by the path segment they are found at.
_SHIPPED: Final = {type_["endpoint"].strip("/"): type_["name"] for type_ in load_definitions().resource_types}

_NAMES: Final = frozenset(_SHIPPED.values())

_FIXED: Final = {
    Endpoint.ROOT: "/",
    Endpoint.ROOT_SEARCH: "/.search",
    Endpoint.CONFIG: "/ServiceProviderConfig",
    Endpoint.BULK: "/Bulk",
    Endpoint.ME: "/Me",
    Endpoint.REQUEST: "/.requests/{id}",
    Endpoint.PROGRESS: "/badges/progress/{id}",
    Endpoint.AUDIT: "/.audit",
    Endpoint.AUDIT_ROWS: "/.audit/rows",
    Endpoint.TOKEN: "/oauth/token",
    Endpoint.REVOCATION: "/oauth/revoke",
    Endpoint.AUTHORIZATION_SERVER: "/.well-known/oauth-authorization-server",
}
_DEFINED: Final = {Endpoint.SCHEMAS: "/Schemas", Endpoint.RESOURCE_TYPES: "/ResourceTypes"}
_OF_TYPES: Final = {Endpoint.COLLECTION: "/{0}", Endpoint.SEARCH: "/{0}/.search", Endpoint.RESOURCE: "/{0}/{{id}}"}
_TEMPLATES: Final = {(endpoint, name): template.format(name) for endpoint, template in _OF_TYPES.items() for name in (*_SHIPPED, CUSTOM)}

_OPS: Final = {
    (Endpoint.ROOT, "GET"): "search",
    (Endpoint.ROOT_SEARCH, "POST"): "search",
    (Endpoint.COLLECTION, "GET"): "search",
    (Endpoint.COLLECTION, "POST"): "create",
    (Endpoint.SEARCH, "POST"): "search",
    **{
        (endpoint, method): op
        for endpoint in (Endpoint.RESOURCE, Endpoint.ME)
        for method, op in {"GET": "read", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}.items()
    },
}

_RESULTS: Final[dict[int, Result]] = {
    400: "invalid",
    401: "denied",
    403: "denied",
    404: "notfound",
    405: "denied",
    409: "conflict",
    412: "precondition",
    428: "precondition",
    429: "throttled",
}

#: The form that ids made by this server have; imported ids may be names of people.
_OWN_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_WORD: Final = re.compile(r"[A-Za-z$][\w$-]*")

#: Characters of a shape; a longer one is told apart from others by nobody.
_SHAPE: Final = 100


def words(route: Route, method: str) -> tuple[str, str, str | None]:
    """The template of a route, the word for its resources, and that for what the method does to them."""
    name = route.name if route.name in _SHIPPED else CUSTOM if route.name else ""
    key = (route.endpoint.name, name, method)
    found = _WORDS.get(key)
    if found is None:
        found = _WORDS[key] = (template(route), resource_type(route), operation(route, method))
    return found


_WORDS: Final[dict[tuple[str, str, str], tuple[str, str, str | None]]] = {}


def template(route: Route) -> str:
    """The path below the tenant with names in place of what a client may choose: `/Users/{id}`, `/custom/{id}`."""
    if route.endpoint in _OF_TYPES:
        return _TEMPLATES.get((route.endpoint, route.name)) or _TEMPLATES[route.endpoint, CUSTOM]
    if route.endpoint in _DEFINED:
        return _DEFINED[route.endpoint] + ("/{id}" if route.name else "")
    return _FIXED[route.endpoint]


def resource_type(route: Route) -> str:
    """The word for the type of resources that a path leads to; all of them together are `all`."""
    if route.endpoint in (Endpoint.ROOT, Endpoint.ROOT_SEARCH):
        return "all"
    return "User" if route.endpoint is Endpoint.ME else _SHIPPED.get(route.name, CUSTOM)


def operation(route: Route, method: str) -> str | None:
    """The word for what a method does to resources there; None where it does nothing to any."""
    return _OPS.get((route.endpoint, "GET" if method == "HEAD" else method))


def result(status: int) -> Result:
    """The word for a status."""
    if status < 400:
        return "ok"
    return _RESULTS.get(status, "invalid" if status < 500 else "unavailable")


def failure(error: ScimError) -> str:
    """The word for what was wrong: the scimType where there is one."""
    return failure_of(error.kind)


def failure_of(kind: Kind) -> str:
    """The word for a kind of failure."""
    return kind.value.scim_type or kind.name.lower()


def operated(results: Iterable[BulkResult]) -> list[Operated]:
    """What became of the operations of a bulk request."""
    made = []
    for one in results:
        found = operated_as(one.entry, one.status, None if one.error is None else failure(one.error))
        if found is not None:
            made.append(found)
    return made


def operated_as(entry: Entry, status: int, failed: str | None) -> Operated | None:
    """What became of an operation, with the word for what was wrong with it; None where it is none on resources."""
    op = None if entry.route is None else operation(entry.route, entry.method)
    if entry.route is None or op is None:
        return None
    if failed is None and status == 412:
        failed = failure_of(Kind.PRECONDITION_FAILED)
    return Operated(resource_type(entry.route), op, result(status), failed, entry.version is not None)


def own_id(id_: str) -> str | None:
    """The id, if it has the form of those that this server makes."""
    return id_ if _OWN_ID.fullmatch(id_) else None


def type_label(types: Sequence[str]) -> str:
    """The word for the resource types of a search by their names."""
    if len(types) != 1:
        return "all"
    return types[0] if types[0] in _NAMES else CUSTOM


def shape_label(types: Sequence[str], shape: str) -> tuple[str, str]:
    """The type and the shape of a search as labels. Names of a tenant's own attributes become `custom`, as its types do."""
    known = type_label(types)
    if known == CUSTOM:
        return CUSTOM, CUSTOM
    plain = shape
    for urn in _URNS:
        plain = plain.replace(f"{urn}:", "")
    if ":" in plain or not {fold_name(word) for word in _WORD.findall(plain)} <= VOCABULARY.keys():
        return known, CUSTOM
    return known, _WORD.sub(lambda word: VOCABULARY[fold_name(word[0])], plain) if len(plain) <= _SHAPE else "long"


def _names(attributes: Iterable[Definition]) -> Iterator[str]:
    for attribute in attributes:
        yield attribute["name"]
        yield from _names(attribute.get("subAttributes", ()))


_SCHEMAS: Final = load_definitions().schemas
_URNS: Final = tuple(sorted(_SCHEMAS, key=len, reverse=True))
_OPERATORS: Final = "eq ne co sw ew gt ge lt le pr and or not no filter sorted by"
_COMMON: Final = "schemas id externalId meta resourceType created lastModified location version"

#: What the shape of a search may consist of, in the spelling of the definitions.
VOCABULARY: Final = {
    fold_name(word): word
    for word in (*(name for schema in _SCHEMAS.values() for name in _names(schema["attributes"])), *_COMMON.split(), *_OPERATORS.split())
}
