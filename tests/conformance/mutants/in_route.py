"""Mistakes in methods, paths and versions."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.app import App
from scimsrv.errors import Kind, ScimError
from scimsrv.protocol import request, route
from scimsrv.protocol.response import Reply
from scimsrv.protocol.route import Endpoint
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import everywhere, instead, replace


def _unserved(endpoint: Endpoint, method: str) -> None:
    @variant(f"{endpoint.name.lower()}_without_{method.lower()}", f"{method} is not allowed at {endpoint.name.lower()} endpoints.")
    def apply() -> None:
        route.METHODS[endpoint] = tuple(name for name in route.METHODS[endpoint] if name != method)


for _endpoint, _method in (
    (Endpoint.ROOT, "GET"),
    (Endpoint.ROOT_SEARCH, "POST"),
    (Endpoint.SEARCH, "POST"),
    (Endpoint.RESOURCE, "PATCH"),
    (Endpoint.RESOURCE, "PUT"),
    (Endpoint.RESOURCE, "DELETE"),
):
    _unserved(_endpoint, _method)


@mutant
def discovery_takes_writes() -> None:
    """Writes to discovery endpoints are answered as reads are."""
    for endpoint in (Endpoint.CONFIG, Endpoint.SCHEMAS, Endpoint.RESOURCE_TYPES):
        route.METHODS[endpoint] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@mutant
def collections_take_any_method() -> None:
    """PUT, PATCH and DELETE of a collection are answered as GET is."""
    route.METHODS[Endpoint.COLLECTION] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@mutant
def search_takes_get() -> None:
    """GET of .search is a resource that does not exist."""
    original = route._endpoint

    def endpoint(tenant: str, rest: Any, version: str) -> Any:
        found = original(tenant, rest, version)
        return changed(found, endpoint=Endpoint.RESOURCE, id=".search") if found.endpoint is Endpoint.SEARCH else found

    everywhere(original, endpoint)


@mutant
def versions_are_all_served() -> None:
    """Every version in the URL is taken as v2."""
    original = route._endpoint
    everywhere(original, lambda tenant, rest, version: original(tenant, rest, "v2"))


@mutant
def version_must_be_given() -> None:
    """A URL without a version is not served."""
    original = route.route

    def strict(raw_path: bytes) -> Any:
        found = original(raw_path)
        if b"/v" not in raw_path.lower():
            raise ScimError(Kind.NOT_FOUND)
        return found

    everywhere(original, strict)


@mutant
def endpoints_in_any_case() -> None:
    """Endpoints are found whatever their case."""
    from scimsrv.schema.catalog import Catalog

    replace(Catalog, "at", lambda original: lambda self, endpoint: original(self, endpoint.capitalize()))


@mutant
def any_path_is_users() -> None:
    """An unknown endpoint lists users."""
    from scimsrv.schema.catalog import Catalog

    replace(Catalog, "at", lambda original: lambda self, endpoint: original(self, endpoint) or original(self, "Users"))


@mutant
def encoded_paths_are_not_decoded() -> None:
    """Percent-encoding in a path is not decoded."""
    instead(route, "unquote_to_bytes", lambda part: part)


@mutant
def trailing_slashes_are_404() -> None:
    """A slash at the end of a path is an error."""
    original = route.route

    def strict(raw_path: bytes) -> Any:
        if raw_path.endswith(b"/"):
            raise ScimError(Kind.NOT_FOUND)
        return original(raw_path)

    everywhere(original, strict)


@mutant
def other_spellings_are_redirected_as_found() -> None:
    """A path with a slash too many is redirected with 302, after which clients send GET."""

    def made(original: Any) -> Any:
        async def respond(self: Any, visit: Any, places: Any, connection: Any, headers_: Any, receive: Any) -> Reply:
            path = connection["path"]
            tidy = "/" + "/".join(part for part in path.split("/") if part)
            if tidy != path:
                return Reply(302, headers={"Location": tidy})
            reply: Reply = await original(self, visit, places, connection, headers_, receive)
            return reply

        return respond

    replace(App, "respond", made)


@mutant
def quotes_in_urls_are_refused() -> None:
    """A URL with a quotation mark that is not encoded is refused."""
    original = request.parameters

    def strict(query: bytes) -> Any:
        if b'"' in query:
            raise ScimError(Kind.BAD_REQUEST)
        return original(query)

    everywhere(original, strict)


@mutant
def failures_end_the_connection() -> None:
    """The server drops the connection when the request is refused as 400."""

    def made(original: Any) -> Any:
        async def serve(self: Any, connection: Any, receive: Any, send: Any) -> None:
            async def dropped(message: Any) -> None:
                if message.get("status") == 400:
                    raise ConnectionError
                await send(message)

            await original(self, connection, receive, dropped)

        return serve

    replace(App, "_serve", made)


@mutant
def switched_off_endpoints_take_everything() -> None:
    """/Bulk and /Me answer 200 to everything."""

    def made(original: Any) -> Any:
        async def respond(self: Any, visit: Any, places: Any, connection: Any, headers_: Any, receive: Any) -> Reply:
            if connection["path"].rstrip("/").rpartition("/")[2] in ("Bulk", "Me"):
                return Reply(200, b"{}")
            reply: Reply = await original(self, visit, places, connection, headers_, receive)
            return reply

        return respond

    replace(App, "respond", made)
