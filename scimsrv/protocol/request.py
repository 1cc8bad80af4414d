"""From method, path, query and headers to a request of the protocol, not yet compared with any schema's meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import unquote

from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.limits import Limits
from scimsrv.protocol.messages import SearchRequest
from scimsrv.protocol.plan import IfMatch
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.project import EVERYTHING, Projection


@dataclass(frozen=True, slots=True)
class Search:
    """What a query asks: filter and sortBy are still text; start counts from 1. `cursor` is still sealed, empty for the first page, and
    None for index paging."""

    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start: int = 1
    count: int = 0
    projection: Projection = EVERYTHING
    cursor: str | None = None


Parameters: TypeAlias = Mapping[str, str]


def parameters(query: bytes, once: frozenset[str] = frozenset()) -> Parameters:
    """The query string's parameters by folded name. Raises ScimError when one of the protocol's or of `once` is doubled, or not UTF-8."""
    if not query:
        return {}
    try:
        fields = query.decode("utf-8").replace("+", " ").split("&", _MOST_PARAMETERS)
        pairs = [(unquote(name, errors="strict"), unquote(value, errors="strict")) for name, _, value in (f.partition("=") for f in fields)]
    except ValueError as problem:
        raise invalid_value("The query string must be percent-encoded UTF-8") from problem
    if len(fields) > _MOST_PARAMETERS:
        raise invalid_value(f"The query string may have at most {_MOST_PARAMETERS} parameters")
    found: dict[str, str] = {}
    for name, value in pairs:
        key = fold_name(name)
        if key in found and (key in _KNOWN or key in once):
            raise invalid_value(f"The query parameter {name} is given twice")
        if "\x00" in value:
            raise invalid_value(f"The query parameter {name} has the character U+0000")
        found[key] = value
    return found


_MOST_PARAMETERS = 100
_KNOWN = frozenset({"filter", "sortby", "sortorder", "startindex", "count", "cursor", "attributes", "excludedattributes", "dryrun"})


def projection(given: Parameters, limits: Limits) -> Projection:
    """attributes and excludedAttributes of a query string (RFC 7644 §3.9). Raises ScimError invalidValue when both are given."""
    if "attributes" not in given and "excludedattributes" not in given:
        return EVERYTHING
    return _projection(given.get("attributes"), given.get("excludedattributes"), limits)


def _projection(only: list[str] | str | None, without: list[str] | str | None, limits: Limits) -> Projection:
    wanted, unwanted = _names(only, limits), _names(without, limits)
    if wanted and unwanted:
        raise invalid_value("attributes and excludedAttributes exclude each other")
    return Projection(wanted or None, unwanted)


def _names(given: list[str] | str | None, limits: Limits) -> frozenset[str]:
    parts = given.split(",") if isinstance(given, str) else [part for text in given or () for part in text.split(",")]
    names = frozenset(fold_name(part.strip()) for part in parts if part.strip())
    if len(names) > limits.projected_names:
        raise invalid_value(f"attributes and excludedAttributes may name at most {limits.projected_names} attributes")
    return names


def search_by_query(given: Parameters, limits: Limits) -> Search:
    """The search that a query string asks for (RFC 7644 §3.4.2, RFC 9865 §2)."""
    cursor = given.get("cursor")
    return _search(
        given.get("filter"),
        given.get("sortby"),
        given.get("sortorder"),
        _integer("startIndex", given.get("startindex"), Kind.INVALID_VALUE),
        _integer("count", given.get("count"), Kind.INVALID_VALUE if cursor is None else Kind.INVALID_COUNT),
        projection(given, limits),
        limits,
        cursor,
    )


def search_by_body(body: dict[str, Any], limits: Limits) -> Search:
    """The search that the body of POST /.search asks for (RFC 7644 §3.4.3)."""
    message = SearchRequest.read(body)
    return _search(
        message.filter,
        message.sort_by,
        message.sort_order,
        message.start_index,
        message.count,
        _projection(message.attributes, message.excluded_attributes, limits),
        limits,
        message.cursor,
    )


def _search(
    filter_: str | None,
    sort_by: str | None,
    sort_order: str | None,
    start: int | None,
    count: int | None,
    projected: Projection,
    limits: Limits,
    cursor: str | None,
) -> Search:
    if cursor is not None and start is not None:
        raise invalid_value("cursor and startIndex exclude each other")
    order = (sort_order or "ascending").lower()
    if order not in ("ascending", "descending"):
        raise invalid_value("sortOrder must be ascending or descending")
    return Search(
        filter=filter_,
        sort_by=sort_by or None,
        descending=order == "descending",
        start=max(1, 1 if start is None else start),
        count=limits.default_page if count is None else min(max(0, count), limits.page),
        projection=projected,
        cursor=cursor,
    )


def _integer(name: str, text: str | None, kind: Kind) -> int | None:
    if text is None or not text.strip():
        return None
    if len(text) > _LONGEST_NUMBER or _INTEGER.fullmatch(text.strip()) is None:
        raise ScimError(kind, f"{name} must be an integer")
    return max(-_FURTHEST, min(int(text), _FURTHEST))


_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_LONGEST_NUMBER = 1_000
#: Behind the end of every list; what lies further is taken for this.
_FURTHEST = 10**18


def if_match(header: str | None) -> IfMatch | None:
    """The If-Match header; None without one. A tag that is none of ours matches nothing. Weak and strong tags are equal here."""
    if header is None:
        return None
    versions: set[int] = set()
    for tag in _tags(header):
        if tag == "*":
            return IfMatch(any=True)
        version = _opaque(tag).partition("-")[0]
        if version.isascii() and version.isdigit() and len(version) < 19:
            versions.add(int(version))
    return IfMatch(any=False, versions=frozenset(versions))


def if_none_match(header: str | None) -> tuple[str, ...]:
    """The opaque tags of the If-None-Match header, `*` for any."""
    return () if header is None else tuple(_opaque(tag) for tag in _tags(header))


def _tags(header: str) -> list[str]:
    return [part.strip() for part in header.split(",") if part.strip()]


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/").removeprefix("w/").strip('"')


_SCIM = ("application/scim+json", "application/json")
_ACCEPT_LENGTH = 1_000


def check_content_type(header: str | None) -> None:
    """Accept SCIM JSON, JSON and no Content-Type at all. Raises ScimError 415 otherwise (RFC 7644 §3.1)."""
    if header is None or not header.strip():
        return
    kind, _, rest = header.partition(";")
    if kind.strip().lower() not in _SCIM:
        raise ScimError(Kind.UNSUPPORTED_MEDIA)
    for part in rest.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            raise ScimError(Kind.UNSUPPORTED_MEDIA, "The body must be UTF-8")


@lru_cache(maxsize=256)
def answer_type(accept: str | None) -> str:
    """The media type of the answer: SCIM JSON unless Accept permits only JSON. Raises ScimError 406 (RFC 7644 §3.1)."""
    if accept is None or not accept.strip():
        return _SCIM[0]
    if len(accept) > _ACCEPT_LENGTH:
        raise ScimError(Kind.NOT_ACCEPTABLE)
    quality: dict[str, float] = {}
    for part in accept.split(","):
        kind, *options = (piece.strip().lower() for piece in part.split(";"))
        weight = next((option[2:] for option in options if option.startswith("q=")), "1")
        try:
            quality[kind] = float(weight)
        except ValueError:
            quality[kind] = 1.0

    def weigh(kind: str) -> float:
        return next((quality[form] for form in (kind, "application/*", "*/*") if form in quality), 0.0)

    scim, json = weigh(_SCIM[0]), weigh(_SCIM[1])
    if scim <= 0 and json <= 0:
        raise ScimError(Kind.NOT_ACCEPTABLE)
    return _SCIM[1] if json > scim or scim <= 0 else _SCIM[0]
