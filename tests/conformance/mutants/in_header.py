"""Mistakes in headers: Location, ETag, If-None-Match, media types, HEAD."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

import dataclasses
from dataclasses import replace as changed
from typing import Any

import orjson

import scimsrv.app as app
from scimsrv import http as http_module
from scimsrv.protocol import request, route
from scimsrv.protocol.plan import Created, Page
from scimsrv.protocol.response import Renderer, Reply
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import answer, everywhere, headers, instead, listed, replace

# -- headers and versions --------------------------------------------------------------------------------------------------


@mutant
def no_location_header() -> None:
    """The answer to a create has no Location."""
    answer(lambda outcome, reply: headers(reply, Location=None) if isinstance(outcome, Created) else reply)


@mutant
def location_header_of_the_collection() -> None:
    """The Location of a create is the collection."""
    answer(
        lambda outcome, reply: (
            headers(reply, Location=reply.headers["Location"].rpartition("/")[0]) if isinstance(outcome, Created) else reply
        )
    )


@mutant
def created_is_ok() -> None:
    """A create is answered with 200."""
    answer(lambda outcome, reply: changed(reply, status=200) if isinstance(outcome, Created) else reply)


@mutant
def created_is_empty() -> None:
    """The answer to a create has only the id."""

    def edit(outcome: Any, reply: Reply) -> Reply:
        if not isinstance(outcome, Created) or not isinstance(reply.body, bytes):
            return reply
        kept = {name: value for name, value in orjson.loads(reply.body).items() if name in ("schemas", "id", "meta", "userName")}
        return changed(reply, body=orjson.dumps(kept))

    answer(edit)


@mutant
def no_etag() -> None:
    """Answers have no ETag."""
    answer(lambda outcome, reply: headers(reply, ETag=None))


@mutant
def no_etag_of_writes() -> None:
    """Only a GET has an ETag."""
    answer(lambda outcome, reply: headers(reply, ETag=None) if isinstance(outcome, Created) else reply)


@mutant
def etag_is_strong() -> None:
    """ETags are not marked as weak in the header."""
    answer(lambda _, reply: headers(reply, ETag=reply.headers["ETag"].removeprefix("W/")) if "ETag" in reply.headers else reply)


@mutant
def etag_is_malformed() -> None:
    """ETags have no quotation marks."""
    answer(lambda _, reply: headers(reply, ETag=reply.headers["ETag"].replace('"', "")) if "ETag" in reply.headers else reply)


@mutant
def etag_is_constant() -> None:
    """Every resource has the same version for ever."""
    replace(Renderer, "etag", lambda _: lambda self, stored, linked: 'W/"1"')


@mutant
def etag_changes_with_every_read() -> None:
    """The version is another one each time it is read."""
    import secrets

    replace(
        Renderer, "etag", lambda original: lambda self, stored, linked: original(self, stored, linked)[:-1] + f'-{secrets.token_hex(4)}"'
    )


@mutant
def etag_ignores_groups() -> None:
    """A user's version does not show that the groups changed."""
    replace(Renderer, "etag", lambda _: lambda self, stored, linked: f'W/"{stored.version}"')


@mutant
def if_none_match_is_ignored() -> None:
    """If-None-Match changes nothing."""
    everywhere(request.if_none_match, lambda header: ())


@mutant
def if_none_match_is_always_304() -> None:
    """Any If-None-Match is answered with 304."""
    everywhere(request.if_none_match, lambda header: () if header is None else ("*",))


@mutant
def if_none_match_takes_one_tag() -> None:
    """Of a list in If-None-Match only the first tag counts."""
    original = request.if_none_match
    everywhere(original, lambda header: original(header)[:1])


@mutant
def if_none_match_with_body() -> None:
    """A 304 has no ETag."""
    answer(lambda _, reply: headers(reply, ETag=None) if reply.status == 304 else reply)


@mutant
def if_none_match_knows_no_star() -> None:
    """`*` in If-None-Match matches nothing."""
    original = request.if_none_match
    everywhere(original, lambda header: tuple(tag for tag in original(header) if tag != "*"))


@mutant
def media_type_is_json() -> None:
    """Every answer is application/json."""
    original = request.answer_type

    def json_always(accept: Any) -> str:
        original(accept)
        return "application/json"

    everywhere(original, json_always)
    instead(app, "SCIM_JSON", "application/json")


@mutant
def media_type_is_text() -> None:
    """Every answer is text/html."""
    everywhere(request.answer_type, lambda accept: "text/html")
    instead(app, "SCIM_JSON", "text/html")


@mutant
def errors_are_plain_json() -> None:
    """Errors are answered as application/json."""
    original = http_module.send_reply

    async def send(scope: Any, send_: Any, reply: Reply, *, media_type: str, **more: Any) -> None:
        await original(scope, send_, reply, media_type="application/json" if reply.status >= 400 else media_type, **more)

    everywhere(original, send)


@mutant
def accept_is_ignored() -> None:
    """Whatever Accept says, the answer is SCIM JSON."""
    everywhere(request.answer_type, lambda accept: "application/scim+json")


@mutant
def accept_json_is_refused() -> None:
    """application/json is not acceptable."""
    from scimsrv.errors import Kind, ScimError

    original = request.answer_type

    def strict(accept: Any) -> str:
        if accept is not None and "application/json" in accept and "scim" not in accept:
            raise ScimError(Kind.NOT_ACCEPTABLE)
        return original(accept)

    everywhere(original, strict)


@mutant
def accept_must_be_given() -> None:
    """A request without Accept, or with */*, is not acceptable."""
    from scimsrv.errors import Kind, ScimError

    original = request.answer_type

    def strict(accept: Any) -> str:
        if accept is None or "*/*" in accept:
            raise ScimError(Kind.NOT_ACCEPTABLE)
        return original(accept)

    everywhere(original, strict)


@mutant
def head_has_no_etag() -> None:
    """HEAD lacks headers that GET has."""
    original = http_module.send_reply

    async def send(scope: Any, send_: Any, reply: Reply, **more: Any) -> None:
        if scope["method"] == "HEAD":
            reply = dataclasses.replace(reply, headers={})
        await original(scope, send_, reply, **more)

    everywhere(original, send)


@mutant
def head_is_not_allowed() -> None:
    """HEAD is answered with 405."""
    for endpoint, methods in route.METHODS.items():
        route.METHODS[endpoint] = tuple(method for method in methods if method != "HEAD")


@mutant
def answers_can_be_cached() -> None:
    """Answers allow caches to keep them."""
    original = http_module.send_reply

    async def send(scope: Any, send_: Any, reply: Reply, **more: Any) -> None:
        async def relaxed(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, b"public, max-age=60" if name == b"cache-control" else value) for name, value in message["headers"]
                ]
            await send_(message)

        await original(scope, relaxed, reply, **more)

    everywhere(original, send)


@mutant
def lists_show_ids_only() -> None:
    """Lists show schemas, id and meta only."""
    listed(
        lambda message: (
            message
            | {"Resources": [{name: item[name] for name in ("schemas", "id", "meta") if name in item} for item in message["Resources"]]}
        )
    )


@mutant
def one_result_is_no_list() -> None:
    """A query with one result answers with the resource itself."""
    answer(
        lambda outcome, reply: (
            changed(reply, body=orjson.dumps(orjson.loads(reply.body)["Resources"][0]))
            if isinstance(outcome, Page) and len(outcome.rows) == 1 and isinstance(reply.body, bytes)
            else reply
        )
    )
