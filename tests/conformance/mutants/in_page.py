"""Mistakes in pages, counts, and how a search is asked for."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.protocol import planning, request
from scimsrv.store import search
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, listed, replace


def _asked(edit: Any) -> None:
    replace(planning, "query", lambda original: lambda schemas, asked, *at: original(schemas, edit(asked), *at))


@mutant
def start_index_is_ignored() -> None:
    """Every page starts with the first resource."""
    _asked(lambda asked: changed(asked, start=1))


@mutant
def start_index_counts_from_zero() -> None:
    """startIndex 1 is the second resource."""
    replace(
        search,
        "statement",
        lambda original: lambda scope, plan: original(scope, changed(plan, start=plan.start + 1) if plan.start > 1 else plan),
    )


@mutant
def start_index_below_one_refused() -> None:
    """A startIndex below 1 is an error."""
    original = request._search

    def _search(filter_: Any, sort_by: Any, order: Any, start: Any, *rest: Any) -> Any:
        if start is not None and start < 1:
            raise invalid_value("startIndex must be at least 1")
        return original(filter_, sort_by, order, start, *rest)

    everywhere(original, _search)


@mutant
def start_index_is_not_echoed() -> None:
    """A list always says that it starts at 1."""
    listed(lambda message: message | {"startIndex": 1})


@mutant
def count_is_ignored() -> None:
    """count changes nothing."""
    _asked(lambda asked: changed(asked, count=100))


@mutant
def count_zero_is_everything() -> None:
    """count 0 means no limit."""
    _asked(lambda asked: changed(asked, count=asked.count or 100))


@mutant
def count_below_zero_refused() -> None:
    """A negative count is an error."""
    original = request._search

    def _search(filter_: Any, sort_by: Any, order: Any, start: Any, count: Any, *rest: Any) -> Any:
        if count is not None and count < 0:
            raise invalid_value("count must not be negative")
        return original(filter_, sort_by, order, start, count, *rest)

    everywhere(original, _search)


@mutant
def count_below_zero_is_a_default() -> None:
    """A negative count means the default page."""
    original = request._search

    def _search(filter_: Any, sort_by: Any, order: Any, start: Any, count: Any, *rest: Any) -> Any:
        return original(filter_, sort_by, order, start, None if count is not None and count < 0 else count, *rest)

    everywhere(original, _search)


@mutant
def count_without_maximum() -> None:
    """A page may be longer than the server says."""
    original = request._search

    def _search(filter_: Any, sort_by: Any, order: Any, start: Any, count: Any, *rest: Any) -> Any:
        found = original(filter_, sort_by, order, start, count, *rest)
        return found if count is None else changed(found, count=max(0, count))

    everywhere(original, _search)


@mutant
def count_above_the_maximum_refused() -> None:
    """A count above the maximum is an error."""
    original = request._search

    def _search(filter_: Any, sort_by: Any, order: Any, start: Any, count: Any, *rest: Any) -> Any:
        if count is not None and count > 1000:
            raise invalid_value("count is too large")
        return original(filter_, sort_by, order, start, count, *rest)

    everywhere(original, _search)


@mutant
def counts_of_any_form() -> None:
    """A startIndex or count that is no number is ignored."""
    original = request._integer

    def _integer(name: str, text: Any, kind: Kind) -> Any:
        try:
            return original(name, text, kind)
        except ScimError:
            return None

    everywhere(original, _integer)


@mutant
def total_is_page_size() -> None:
    """totalResults is the number of resources in the page."""
    listed(lambda message: message | {"totalResults": len(message["Resources"])})


@mutant
def total_is_one_more() -> None:
    """totalResults counts one too many."""
    listed(lambda message: message | {"totalResults": message["totalResults"] + 1})


@mutant
def items_per_page_is_total() -> None:
    """itemsPerPage is the number of all matches."""
    listed(lambda message: message | {"itemsPerPage": message["totalResults"]})


@mutant
def paging_numbers_missing() -> None:
    """Lists have neither startIndex nor itemsPerPage."""
    listed(lambda message: {name: value for name, value in message.items() if name not in ("startIndex", "itemsPerPage")})


@mutant
def numbers_as_text() -> None:
    """The numbers of a list are strings."""
    listed(lambda message: {name: str(value) if isinstance(value, int) else value for name, value in message.items()})


@mutant
def lists_without_schemas() -> None:
    """A list does not say that it is one."""
    listed(lambda message: {name: value for name, value in message.items() if name != "schemas"})


@mutant
def empty_lists_are_missing() -> None:
    """An empty list is 404."""

    def edit(message: Any) -> None:
        if not message["totalResults"]:
            raise ScimError(Kind.NOT_FOUND)

    listed(edit)


@mutant
def last_resource_is_missing() -> None:
    """A page leaves out its last resource when it has more than one."""
    listed(lambda message: message | {"Resources": message["Resources"][:-1] if len(message["Resources"]) > 1 else message["Resources"]})


@mutant
def pages_overlap() -> None:
    """A page that does not start at 1 repeats the last resource of the page before."""
    replace(
        search,
        "statement",
        lambda original: lambda scope, plan: original(scope, changed(plan, start=plan.start - 1) if plan.start > 1 else plan),
    )


@mutant
def search_ignores_its_body() -> None:
    """A search by POST lists everything."""
    original = request.search_by_body
    everywhere(original, lambda body, limits: request.search_by_query({}, limits))


@mutant
def search_without_schemas() -> None:
    """A search body needs no schemas."""
    original = request.search_by_body
    urn = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
    everywhere(original, lambda body, limits: original(body | {"schemas": [urn]}, limits))


@mutant
def search_by_query_string() -> None:
    """A search body's attributes may be of any type."""
    original = request.search_by_body

    def lax(body: Any, limits: Any) -> Any:
        kept = {name: value for name, value in body.items() if name.lower() not in ("attributes", "excludedattributes") or _names(value)}
        return original(kept, limits)

    everywhere(original, lax)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


@mutant
def search_numbers_of_any_type() -> None:
    """A search body's numbers may be anything."""
    original = request.search_by_body

    def lax(body: Any, limits: Any) -> Any:
        kept = {name: value for name, value in body.items() if name.lower() not in ("startindex", "count") or type(value) is int}
        return original(kept, limits)

    everywhere(original, lax)


@mutant
def search_ignores_the_order() -> None:
    """A search by POST ignores sortOrder."""
    original = request.search_by_body
    everywhere(
        original, lambda body, limits: original({name: value for name, value in body.items() if name.lower() != "sortorder"}, limits)
    )


@mutant
def root_search_is_users_only() -> None:
    """A query at the root lists users only."""
    replace(
        planning,
        "query",
        lambda original: (
            lambda schemas, asked: original([schema for schema in schemas if schema.name == "User"] if len(schemas) > 1 else schemas, asked)
        ),
    )


@mutant
def unknown_parameters_are_refused() -> None:
    """A query parameter that the server does not know is an error."""
    original = request.parameters

    def strict(query: bytes) -> Any:
        found = original(query)
        for name in found:
            if name not in request._KNOWN:
                raise invalid_value(f"unknown parameter {name}")
        return found

    everywhere(original, strict)


@mutant
def parameters_are_not_decoded() -> None:
    """A plus in a query string is a plus."""
    original = request.parameters
    everywhere(original, lambda query: original(query.replace(b"+", b"%2B")))


@mutant
def doubled_parameters() -> None:
    """Of a parameter that is given twice the last one counts."""
    request._KNOWN = frozenset()
