"""The OAuth routes of a tenant over HTTP: the token endpoint, revocation and the metadata.

They answer in JSON even where they refuse (RFC 6749 §5, RFC 7009, RFC 8414).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from authlib.oauth2.base import OAuth2Error

from scimsrv.addresses import network_of
from scimsrv.errors import Kind, ScimError
from scimsrv.http import Fields, read_body
from scimsrv.oauth.asking import parameters, read_request, read_revocation
from scimsrv.oauth.endpoint import Admit, TokenEndpoint
from scimsrv.oauth.metadata import metadata
from scimsrv.protocol.response import Reply
from scimsrv.protocol.route import METHODS, Endpoint, Route, allow
from scimsrv.store.failure import guarded

JSON: Final = "application/json"

#: Bytes that a request for a token may have: two tokens of the longest, and the rest.
_BODY: Final = 48 * 1024

_CHALLENGE: Final = 'Basic realm="scim"'

OPEN: Final = frozenset({Endpoint.TOKEN, Endpoint.REVOCATION, Endpoint.AUTHORIZATION_SERVER})
"""The endpoints that are asked without a token."""


async def oauth_reply(
    endpoint: TokenEndpoint,
    found: Route,
    connection: Mapping[str, Any],
    headers: Fields,
    receive: Any,
    enter: Callable[[], None],
    admit: Admit,
) -> Reply:
    """The answer of one of the routes; `enter` lets a request with a body in, `admit` one of somebody who is known (both raise ScimError
    429). Raises ScimError 405 for another method."""
    method, methods = connection["method"], METHODS[found.endpoint]
    if method == "OPTIONS":
        return Reply(204, headers={"Allow": allow(methods)})
    if method not in methods:
        raise ScimError(Kind.METHOD_NOT_ALLOWED, f"{method} is not allowed here", headers={"Allow": allow(methods)})
    if found.endpoint is Endpoint.AUTHORIZATION_SERVER:
        return Reply(200, orjson.dumps(metadata(endpoint.access_tokens, found.tenant)), media_type=JSON)
    try:
        enter()
        given = parameters(headers.get(b"content-type"), await read_body(headers, receive, _BODY))
        if found.endpoint is Endpoint.REVOCATION:
            proof, token = read_revocation(given, headers.all(b"authorization"))
            await guarded(lambda: endpoint.revoke(found.tenant, proof, token, admit))
            return Reply(200, b"", {"Pragma": "no-cache"})
        asked = read_request(given, headers.all(b"authorization"))
        answer = await guarded(lambda: endpoint.issue(found.tenant, asked, client_address(connection), admit))
    except OAuth2Error as error:
        return _refusal(error, 401 if error.error == "invalid_client" else 400, {})
    except ScimError as error:
        known = "temporarily_unavailable" if error.kind in (Kind.UNAVAILABLE, Kind.TOO_MANY_REQUESTS) else "invalid_request"
        return _refusal(OAuth2Error(error=known), error.kind.value.status, error.headers)
    return Reply(200, orjson.dumps(answer), {"Pragma": "no-cache"}, media_type=JSON)


def refused_as(reply: Reply) -> str:
    """The error of RFC 6749 §5.2 that a refusal has."""
    return str(orjson.loads(reply.body)["error"]) if isinstance(reply.body, bytes) else ""


def tried(reply: Reply, failed: Callable[[], None]) -> Reply:
    """A refusal to know a client, or 429 in its place where `failed`, which counts it, raises that because there were too many."""
    try:
        failed()
    except ScimError as limit:
        known = OAuth2Error(error="temporarily_unavailable", description="There were too many attempts that failed.")
        return _refusal(known, limit.kind.value.status, limit.headers)
    return reply


def client_address(connection: Mapping[str, Any]) -> str | None:
    """The address that a request comes from; a trusted proxy's word for it was taken before."""
    client = connection.get("client")
    return None if client is None else str(client[0])


def client_network(connection: Mapping[str, Any]) -> str:
    """The network of whoever asks."""
    return network_of(client_address(connection) or "")


def _refusal(error: OAuth2Error, status: int, headers: Mapping[str, str]) -> Reply:
    challenge = {"WWW-Authenticate": _CHALLENGE} if status == 401 else {}
    return Reply(status, orjson.dumps(dict(error.get_body())), {"Pragma": "no-cache", **challenge, **headers}, media_type=JSON)
