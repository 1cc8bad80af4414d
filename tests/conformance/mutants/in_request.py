"""Mistakes in what is let in: tokens, media types, JSON, envelopes."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

import json
from typing import Any

from scimsrv import auth
from scimsrv import http as http_module
from scimsrv.app import App
from scimsrv.errors import Kind, ScimError
from scimsrv.protocol import body as body_module
from scimsrv.protocol import messages, request
from scimsrv.protocol.response import Reply
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace


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
                if not known or not given.headers:
                    raise
                return known[0]
            known[:] = [found]
            return found

        return principal

    replace(auth.Authenticator, "principal", made)


@mutant
def tokens_with_scheme_only() -> None:
    """A token without the word Bearer in front is refused."""
    original = auth._read_header

    def _read_header(given: Any) -> tuple[str, str]:
        if given and not given[0].lower().startswith(b"bearer "):
            raise auth.unauthorized("Bearer is needed", None)
        return original(given)

    everywhere(original, _read_header)


@mutant
def scheme_with_case() -> None:
    """The scheme Bearer counts with its case."""
    original = auth._read_header

    def _read_header(given: Any) -> tuple[str, str]:
        if given and given[0].lower().startswith(b"bearer ") and not given[0].startswith(b"Bearer "):
            raise auth.unauthorized("Bearer is needed", None)
        return original(given)

    everywhere(original, _read_header)


@mutant
def basic_is_always_offered() -> None:
    """The challenge names Basic, whatever the policy says."""

    def made(original: Any) -> Any:
        async def takes_basic(self: Any, slug: str) -> bool:
            return True

        return takes_basic

    replace(auth.Authenticator, "_takes_basic", made)


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
            if not given.headers and known:
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
