"""Mistakes in refusals: statuses, scimType, bodies, headers, authentication, media types, JSON."""

from __future__ import annotations

import json
from dataclasses import replace as changed
from typing import Any

import scimsrv.app as app_module
from scimsrv import auth, guard
from scimsrv import http as http_module
from scimsrv.app import App
from scimsrv.errors import Kind, Row, ScimError
from scimsrv.protocol import body as body_module
from scimsrv.protocol import messages, request, route
from scimsrv.protocol.response import Reply
from scimsrv.protocol.route import Endpoint
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import everywhere, headers, refused, refused_body, replace


def _status(kind: Kind, status: int, scim_type: str | None = None) -> None:
    """Answer a kind of failure with another status."""
    kind._value_ = Row(status, kind.value.scim_type if scim_type is None else scim_type, kind.value.sentence)


def _wrong_status(kind: Kind, status: int) -> None:
    @variant(f"{kind.name.lower()}_is_{status}", f"{kind.value.status} {kind.name.lower()} is answered with {status}.")
    def apply() -> None:
        _status(kind, status)


for _kind, _number in (
    (Kind.NOT_FOUND, 200),
    (Kind.NOT_FOUND, 400),
    (Kind.METHOD_NOT_ALLOWED, 404),
    (Kind.UNIQUENESS, 400),
    (Kind.UNAUTHORIZED, 403),
    (Kind.FORBIDDEN, 401),
    (Kind.PRECONDITION_FAILED, 409),
    (Kind.UNSUPPORTED_MEDIA, 400),
    (Kind.NOT_ACCEPTABLE, 400),
    (Kind.NOT_IMPLEMENTED, 404),
    (Kind.NOT_IMPLEMENTED, 200),
    (Kind.PAYLOAD_TOO_LARGE, 400),
    (Kind.INVALID_SYNTAX, 500),
    (Kind.INVALID_FILTER, 500),
    (Kind.INVALID_VALUE, 500),
    (Kind.INVALID_PATH, 500),
    (Kind.NO_TARGET, 500),
    (Kind.MUTABILITY, 500),
    (Kind.MUTABILITY, 409),
    (Kind.INVALID_VERSION, 500),
):
    _wrong_status(_kind, _number)


def _wrong_scim_type(kind: Kind, scim_type: str) -> None:
    @variant(f"{kind.name.lower()}_is_{scim_type.lower()}", f"{kind.value.scim_type} is called {scim_type}.")
    def apply() -> None:
        _status(kind, kind.value.status, scim_type)


for _kind, _type in (
    (Kind.INVALID_FILTER, "invalidSyntax"),
    (Kind.UNIQUENESS, "invalidValue"),
    (Kind.MUTABILITY, "invalidPath"),
    (Kind.INVALID_SYNTAX, "invalidFilter"),
    (Kind.INVALID_PATH, "noTarget"),
    (Kind.NO_TARGET, "invalidPath"),
    (Kind.INVALID_VALUE, "invalidFilter"),
    (Kind.INVALID_VERSION, "invalidSyntax"),
):
    _wrong_scim_type(_kind, _type)


@mutant
def scim_type_is_missing() -> None:
    """Errors have no scimType."""
    refused_body(lambda body: {name: value for name, value in body.items() if name != "scimType"})


@mutant
def scim_type_everywhere() -> None:
    """Every error has a scimType, 404 and 401 too."""
    refused_body(lambda body: {"scimType": "invalidValue"} | body)


@mutant
def status_is_a_number() -> None:
    """The status in an error's body is a number."""
    refused_body(lambda body: body | {"status": int(body["status"])})


@mutant
def status_is_missing() -> None:
    """An error's body has no status."""
    refused_body(lambda body: {name: value for name, value in body.items() if name != "status"})


@mutant
def status_differs() -> None:
    """The status in an error's body is always 400."""
    refused_body(lambda body: body | {"status": "400"})


@mutant
def error_without_schemas() -> None:
    """An error's body has no schemas."""
    refused_body(lambda body: {name: value for name, value in body.items() if name != "schemas"})


@mutant
def error_with_other_schemas() -> None:
    """An error's body has the schemas of a list."""
    refused_body(lambda body: body | {"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]})


@mutant
def error_without_detail() -> None:
    """An error's body has no detail."""
    refused_body(lambda body: {name: value for name, value in body.items() if name != "detail"})


@mutant
def error_details_are_all_alike() -> None:
    """An error's detail says nothing."""
    refused_body(lambda body: body | {"detail": "Bad request"})


@mutant
def error_without_body() -> None:
    """Errors have no body."""
    refused(lambda error, reply: changed(reply, body=None))


@mutant
def error_is_html() -> None:
    """An error's body is HTML."""
    refused(lambda error, reply: changed(reply, body=b"<html>Error</html>"))


@mutant
def error_repeats_secrets() -> None:
    """A refused body is repeated in the detail."""
    original = body_module.read_object
    kept = {"text": ""}

    def read(body: bytes, limits: Any) -> Any:
        kept["text"] = body.decode("utf-8", "replace")
        return original(body, limits)

    everywhere(original, read)
    refused_body(lambda body: body | {"detail": str(body["detail"]) + kept["text"]})


@mutant
def no_allow() -> None:
    """405 has no Allow."""
    refused(lambda error, reply: headers(reply, Allow=None))


@mutant
def allow_lies() -> None:
    """Allow names methods that are not allowed."""
    refused(lambda error, reply: headers(reply, Allow="GET, POST, PUT, PATCH, DELETE") if reply.status == 405 else reply)


@mutant
def no_challenge() -> None:
    """401 has no WWW-Authenticate."""
    refused(lambda error, reply: headers(reply, WWW_Authenticate=None))


@mutant
def challenge_of_another_scheme() -> None:
    """401 asks for Basic authentication."""
    refused(lambda error, reply: headers(reply, WWW_Authenticate='Basic realm="scim"') if reply.status == 401 else reply)


@mutant
def any_token_is_good() -> None:
    """Any bearer token is taken, and none is needed."""
    known: list[Any] = []

    def made(original: Any) -> Any:
        async def principal(self: Any, given: Any) -> Any:
            try:
                found = await original(self, given)
            except ScimError:
                if not known:
                    raise
                return known[0]
            known[:] = [found]
            return found

        return principal

    replace(auth.Authenticator, "principal", made)


@mutant
def wrong_tokens_are_good() -> None:
    """A wrong token is taken; a missing one is not."""
    known: list[Any] = []

    def made(original: Any) -> Any:
        async def principal(self: Any, given: Any) -> Any:
            try:
                found = await original(self, given)
            except ScimError:
                if not known or not given:
                    raise
                return known[0]
            known[:] = [found]
            return found

        return principal

    replace(auth.Authenticator, "principal", made)


@mutant
def tokens_with_scheme_only() -> None:
    """A token without the word Bearer in front is refused."""
    original = auth._token

    def _token(given: Any) -> str:
        if given and not given[0].lower().startswith(b"bearer "):
            raise auth.unauthorized("Bearer is needed", None)
        return original(given)

    everywhere(original, _token)


@mutant
def scheme_with_case() -> None:
    """The scheme Bearer counts with its case."""
    original = auth._token

    def _token(given: Any) -> str:
        if given and given[0].lower().startswith(b"bearer ") and not given[0].startswith(b"Bearer "):
            raise auth.unauthorized("Bearer is needed", None)
        return original(given)

    everywhere(original, _token)


@mutant
def configuration_needs_a_token() -> None:
    """ServiceProviderConfig is not shown without credentials."""

    def made(original: Any) -> Any:
        def config(self: Any, found: Any, connection: Any) -> Reply:
            raise auth.unauthorized("A bearer token is needed", None)

        return config

    replace(App, "_generic_config", made)


@mutant
def everything_is_open_to_read() -> None:
    """Resources can be read without credentials once somebody has been there."""
    known: list[Any] = []

    def made(original: Any) -> Any:
        async def principal(self: Any, given: Any) -> Any:
            if not given and known:
                return known[0]
            known[:] = [await original(self, given)]
            return known[0]

        return principal

    replace(auth.Authenticator, "principal", made)


@mutant
def any_content_type() -> None:
    """Bodies of any media type are read."""
    everywhere(request.check_content_type, lambda header: None)


@mutant
def json_content_type_refused() -> None:
    """Bodies must be application/scim+json."""
    original = request.check_content_type

    def strict(header: Any) -> None:
        if header is not None and header.lower().startswith("application/json"):
            raise ScimError(Kind.UNSUPPORTED_MEDIA)
        original(header)

    everywhere(original, strict)


@mutant
def content_type_without_parameters() -> None:
    """A Content-Type with a parameter is refused."""
    original = request.check_content_type

    def strict(header: Any) -> None:
        if header is not None and ";" in header:
            raise ScimError(Kind.UNSUPPORTED_MEDIA)
        original(header)

    everywhere(original, strict)


@mutant
def any_charset() -> None:
    """A body in another charset than UTF-8 is taken as UTF-8."""
    original = request.check_content_type
    everywhere(original, lambda header: original(header.partition(";")[0] if header else header))


@mutant
def bad_utf8_is_replaced() -> None:
    """Bytes that are no UTF-8 become question marks."""
    original = body_module.read_object
    everywhere(original, lambda body, limits: original(body.decode("utf-8", "replace").encode(), limits))


@mutant
def bad_json_is_500() -> None:
    """A body that is no JSON makes the server fail."""
    original = body_module.read_object

    def read(body: bytes, limits: Any) -> Any:
        json.loads(body)
        return original(body, limits)

    everywhere(original, read)


@mutant
def bad_json_is_an_empty_object() -> None:
    """A body that is no JSON is read as an empty object."""
    original = body_module.read_object

    def read(body: bytes, limits: Any) -> Any:
        try:
            return original(body, limits)
        except ScimError:
            return {}

    everywhere(original, read)


@mutant
def doubled_keys_are_taken() -> None:
    """Of a name that an object has twice the last value counts."""
    body_module._Reader.object = lambda self, pairs: dict(pairs)  # type: ignore[method-assign]


@mutant
def nul_and_surrogates_are_taken() -> None:
    """U+0000 and halves of surrogate pairs get as far as the database."""
    everywhere(body_module._walk, lambda value, depth: None)


@mutant
def nan_is_taken() -> None:
    """NaN, Infinity and huge numbers are taken as 0."""
    everywhere(body_module._no_constant, lambda text: 0)
    everywhere(body_module._integer, lambda text: int(text) if len(text) < 18 else 0)
    everywhere(body_module._number, lambda text: float(text) if float(text) != float("inf") else 0.0)


@mutant
def bodies_of_any_size() -> None:
    """There is no limit to a body."""
    original = http_module.read_body

    async def read(headers_: Any, receive: Any, limit: int) -> bytes:
        return await original(headers_, receive, limit * 100)

    everywhere(original, read)


@mutant
def bodies_of_a_thousand_bytes() -> None:
    """A body may have 1000 bytes."""
    original = http_module.read_body

    async def read(headers_: Any, receive: Any, limit: int) -> bytes:
        return await original(headers_, receive, 1000)

    everywhere(original, read)


@mutant
def envelope_members_with_case() -> None:
    """The names of a message's members count with their case."""
    original = messages._Message.read.__func__  # type: ignore[attr-defined]

    def read(cls: Any, body: Any) -> Any:
        known = {"schemas", "Operations", "attributes", "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex", "count"}
        return original(cls, {name: value for name, value in body.items() if name in known})

    messages._Message.read = classmethod(read)  # type: ignore[assignment,method-assign]


@mutant
def patch_without_schemas() -> None:
    """A PATCH body needs no schemas."""
    original = messages.PatchOp.read.__func__  # type: ignore[attr-defined]

    def read(cls: Any, body: Any) -> Any:
        kept = {name: value for name, value in body.items() if name.lower() != "schemas"}
        return original(cls, kept | {"schemas": [messages.PATCH_OP]})

    messages.PatchOp.read = classmethod(read)  # type: ignore[assignment,method-assign]


@mutant
def patch_without_operations() -> None:
    """A PATCH body needs no Operations."""
    original = messages.PatchOp.read.__func__  # type: ignore[attr-defined]

    def read(cls: Any, body: Any) -> Any:
        return original(cls, {"Operations": []} | body if not any(name.lower() == "operations" for name in body) else body)

    messages.PatchOp.read = classmethod(read)  # type: ignore[assignment,method-assign]


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
    route.unquote_to_bytes = lambda part: part  # type: ignore[assignment]


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
        async def respond(self: Any, connection: Any, headers_: Any, receive: Any) -> Reply:
            if connection["path"].rstrip("/").rpartition("/")[2] in ("Bulk", "Me"):
                return Reply(200, b"{}")
            reply: Reply = await original(self, connection, headers_, receive)
            return reply

        return respond

    replace(App, "respond", made)



