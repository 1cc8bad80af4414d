"""The administrator's verbs through the admin API of a server that runs elsewhere.

The standard library's client is enough for one request per command, so that the program needs no other.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import orjson
from pydantic import BaseModel, ValidationError

from scimsrv.admin import models
from scimsrv.admin.activity_client import ActivityClient
from scimsrv.admin.badge_keys_client import BadgeKeysClient
from scimsrv.admin.granting_client import GrantingClient
from scimsrv.admin.keeping_client import KeepingClient
from scimsrv.admin.routes import PREFIX
from scimsrv.admin.shaping_client import path as _path
from scimsrv.admin.verbs import PolicyState
from scimsrv.settings import is_loopback

#: Seconds that an answer may take; deleting a big tenant has no limit.
TIMEOUT: Final = 30.0

_MOST_BYTES: Final = 64 * 1024 * 1024

_M = TypeVar("_M", bound=BaseModel)


class ClientError(Exception):
    """The admin API refused; the message is its own."""


class ApiUnreachable(Exception):  # noqa: N818 - says what it is
    """The admin API does not answer, or something else does; the message holds no token."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token to another address."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Client(GrantingClient, KeepingClient, ActivityClient, BadgeKeysClient):
    """Speaks to the admin API at `url` (with or without /admin/v1). Raises ValueError where the token would cross the network in clear
    text, unless that is allowed."""

    def __init__(self, url: str, token: str, *, allow_plain_http: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or "") and not allow_plain_http:
            raise ValueError("The admin token would cross the network in clear text: give an https address, or allow_plain_http.")
        self._base = url.rstrip("/").removesuffix(PREFIX) + PREFIX
        self._token = token
        self._opener = urllib.request.build_opener(_NoRedirects)

    async def create_tenant(self, asked: models.TenantCreation) -> models.Tenant:
        """Create a tenant."""
        return self._ask(models.Tenant, "POST", "/tenants", asked)

    async def list_tenants(self) -> models.TenantList:
        """All tenants."""
        return self._ask(models.TenantList, "GET", "/tenants")

    async def show_tenant(self, slug: str) -> models.Tenant:
        """One tenant."""
        return self._ask(models.Tenant, "GET", _path(slug))

    async def tenant_statistics(self, slug: str) -> models.TenantStatistics:
        """How much it holds."""
        return self._ask(models.TenantStatistics, "GET", _path(slug, "statistics"))

    async def suspend_tenant(self, slug: str) -> models.Tenant:
        """Refuse its tokens."""
        return self._ask(models.Tenant, "POST", _path(slug, "suspend"))

    async def resume_tenant(self, slug: str) -> models.Tenant:
        """Accept them again."""
        return self._ask(models.Tenant, "POST", _path(slug, "resume"))

    async def delete_tenant(self, slug: str) -> models.TenantDeletion:
        """Delete it with everything in it."""
        return self._ask(models.TenantDeletion, "DELETE", f"{_path(slug)}?{urlencode({'confirm': slug})}", timeout=None)

    async def create_token(self, slug: str, asked: models.TokenCreation) -> models.NewToken:
        """Issue a token."""
        return self._ask(models.NewToken, "POST", _path(slug, "tokens"), asked)

    async def rotate_token(self, slug: str, asked: models.TokenRotation) -> models.NewToken:
        """Issue a label's next token."""
        return self._ask(models.NewToken, "POST", _path(slug, "tokens", "rotate"), asked)

    async def list_tokens(self, slug: str) -> models.TokenList:
        """Its tokens."""
        return self._ask(models.TokenList, "GET", _path(slug, "tokens"))

    async def revoke_token(self, slug: str, kid: str) -> models.TokenRevocation:
        """End a token."""
        return self._ask(models.TokenRevocation, "DELETE", _path(slug, "tokens", kid))

    async def list_indexes(self, slug: str) -> models.IndexList:
        """Its indexes."""
        return self._ask(models.IndexList, "GET", _path(slug, "indexes"))

    async def add_index(self, slug: str, asked: models.IndexCreation) -> models.Index:
        """Mark an attribute as indexed."""
        return self._ask(models.Index, "POST", _path(slug, "indexes"), asked)

    async def remove_index(self, slug: str, type_name: str, attribute: str) -> models.Index:
        """Give up an index."""
        return self._ask(models.Index, "DELETE", _path(slug, "indexes", type_name, attribute))

    async def show_policy(self, slug: str, *, effective: bool = False) -> PolicyState:
        """Its policy."""
        document, headers = self._send("GET", _path(slug, "policy") + ("?effective=true" if effective else ""))
        return _policy(document, headers)

    async def write_policy(
        self, slug: str, document: Mapping[str, Any], *, merge: bool, if_match: frozenset[int] | None = None
    ) -> PolicyState:
        """Replace its policy, or merge changes into it."""
        tags = {} if if_match is None else {"If-Match": ", ".join(f'"{version}"' for version in sorted(if_match)) or '""'}
        media_type = "application/merge-patch+json" if merge else "application/json"
        headers = tags | {"Content-Type": media_type}
        return _policy(*self._send("PATCH" if merge else "PUT", _path(slug, "policy"), orjson.dumps(document), headers))

    def _ask(self, answer: type[_M], method: str, path: str, body: BaseModel | None = None, *, timeout: float | None = TIMEOUT) -> _M:
        content = None if body is None else body.model_dump_json().encode()
        document, _ = self._send(method, path, content, {} if content is None else {"Content-Type": "application/json"}, timeout)
        try:
            return answer.model_validate(document)
        except ValidationError as problem:
            raise ApiUnreachable(f"What answers at {self._base} is not this program's admin API, or another version of it.") from problem

    def _lines(self, path: str) -> Iterator[bytes]:
        given = {"Authorization": f"Bearer {self._token}", "Accept": "application/x-ndjson"}
        request = urllib.request.Request(self._base + path, None, given)  # noqa: S310 - see _send
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                yield from answer
        except urllib.error.HTTPError as problem:
            raise ClientError(_detail(problem)) from None
        except (OSError, http.client.HTTPException) as problem:
            raise ApiUnreachable(f"The admin API at {self._base} does not answer: {problem}.") from None

    def _send(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = TIMEOUT,
    ) -> tuple[Any, Mapping[str, str]]:
        given = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **(headers or {})}
        # The address is checked to be http or https by the settings, and its owner named it.
        request = urllib.request.Request(self._base + path, content, given, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return orjson.loads(answer.read(_MOST_BYTES)), dict(answer.headers.items())
        except urllib.error.HTTPError as problem:
            raise ClientError(_detail(problem)) from None
        except (OSError, http.client.HTTPException) as problem:
            reason = getattr(problem, "reason", None) or problem
            raise ApiUnreachable(f"The admin API at {self._base} does not answer: {reason}.") from None
        except orjson.JSONDecodeError:
            raise ApiUnreachable(f"What answers at {self._base} is not an admin API.") from None


def _policy(document: Any, headers: Mapping[str, str]) -> PolicyState:
    tag = next((value for name, value in headers.items() if name.lower() == "etag"), "").strip('"')
    return PolicyState(document, int(tag) if tag.isdigit() else 0)


def _detail(problem: urllib.error.HTTPError) -> str:
    """The detail of a problem document, else the status."""
    try:
        document = orjson.loads(problem.read(65_536))
        return f"{document['detail']} (request {document['request']})" if problem.code >= 500 else str(document["detail"])
    except (orjson.JSONDecodeError, OSError, KeyError, TypeError):
        return f"The admin API answered {problem.code} {problem.reason}."
