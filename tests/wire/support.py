"""A server in the process, and clients of its tenants: what the tests over the wire share."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import httpx
import orjson

from scimsrv import tokens
from scimsrv.app import App
from scimsrv.keys import TOKEN_PEPPER, ServerKeys
from scimsrv.settings import Settings
from scimsrv.store.credentials import create_credential
from scimsrv.store.tenants import create_tenant

if TYPE_CHECKING:
    import asyncpg

PUBLIC: Final = "https://scim.example.com"
KEY: Final = "1:" + "A" * 43
SCIM: Final = "application/scim+json"
USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_OP: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH: Final = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
#: Seconds within which a change of a token, a tenant or a policy must be seen everywhere.
SEEN: Final = 1.0

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Client:
    """Sends requests to one tenant with one token. `id` is the tenant's key in the database."""

    http: httpx.AsyncClient
    slug: str
    id: int
    token: str | None

    @property
    def base(self) -> str:
        """The path of the tenant."""
        return f"/scim/{self.slug}/v2"

    def with_token(self, token: str | None) -> Client:
        """The same tenant, asked with another token, or none."""
        return replace(self, token=token)

    async def request(
        self,
        method: str,
        path: str = "",
        body: Any = None,
        *,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        content: bytes | AsyncIterator[bytes] | None = None,
    ) -> httpx.Response:
        """Send a request; `path` is below the tenant, `body` is sent as SCIM JSON, `content` as it is."""
        sent = httpx.Headers(headers, encoding="latin-1")
        if self.token is not None and "authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            content = orjson.dumps(body)
        if content is not None and "content-type" not in sent:
            sent["Content-Type"] = SCIM
        return await self.http.request(method, self.base + path, content=content, headers=sent)

    async def get(self, path: str = "", **parameters: Any) -> httpx.Response:
        """GET with query parameters."""
        return await self.request("GET", path + (f"?{httpx.QueryParams(parameters)}" if parameters else ""))

    async def post(self, path: str, body: Any) -> httpx.Response:
        """POST a JSON body."""
        return await self.request("POST", path, body)

    async def put(self, path: str, body: Any) -> httpx.Response:
        """PUT a JSON body."""
        return await self.request("PUT", path, body)

    async def patch(self, path: str, *operations: Any) -> httpx.Response:
        """PATCH with these operations."""
        return await self.request("PATCH", path, patch(*operations))

    async def delete(self, path: str) -> httpx.Response:
        """DELETE."""
        return await self.request("DELETE", path)

    async def search(self, filter_: str, path: str = "/Users") -> list[str]:
        """The ids of the resources that a filter selects."""
        answer = await self.get(path, filter=filter_)
        assert answer.status_code == 200, answer.text
        return [resource["id"] for resource in answer.json()["Resources"]]

    async def new_user(self, name: str | None = None, /, **attributes: Any) -> dict[str, Any]:
        """Create a user and return it."""
        answer = await self.post("/Users", user(name, **attributes))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def new_group(self, *members: str, **attributes: Any) -> dict[str, Any]:
        """Create a group with members by id and return it."""
        answer = await self.post("/Groups", group(*members, **attributes))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found


@dataclass(frozen=True)
class Server:
    """A server in the process: makes tenants, and reaches behind the protocol into their rows."""

    http: httpx.AsyncClient
    pool: asyncpg.Pool[asyncpg.Record]
    settings: Settings
    app: App
    labels: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def tenant(self, profile: str = "standard", **switches: Any) -> Client:
        """Create a tenant with a policy and return a client of it whose token has all rights."""
        async with self.pool.acquire() as connection:
            made = await create_tenant(connection, f"t{next(_NUMBERS)}", profile, {"badges": True} if switches.get("badges") else None)
        client = Client(self.http, made.slug, made.id, None)
        if switches:
            await self.set_policy(client, {"profile": profile} | switches)
        return client.with_token(await self.token(client))

    async def token(self, client: Client, *scopes: str, expires: datetime | None = None, subject: str | None = None) -> str:
        """Issue a token of the client's tenant, for a user where there is a subject; without scopes it has all of a service."""
        made = tokens.new_token()
        pepper = ServerKeys.load(self.settings).derive(TOKEN_PEPPER)
        async with self.pool.acquire() as connection:
            await create_credential(
                connection,
                client.id,
                digest=tokens.digest(pepper, made.text),
                kid=made.kid,
                label=f"test {next(self.labels)}",
                scopes=scopes or ("scim:read", "scim:write", "scim:bulk"),
                expires=expires,
                subject=subject,
            )
        return made.text

    async def set_policy(self, client: Client, policy: Mapping[str, Any]) -> None:
        """Store the tenant's policy and raise its revision."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE tenant_config SET policy = $2::text::jsonb WHERE tenant = $1", client.id, text(policy))
            await connection.execute("UPDATE tenant SET revision = revision + 1 WHERE id = $1", client.id)

    async def define(self, client: Client, schemas: Sequence[dict[str, Any]], resource_type: dict[str, Any]) -> None:
        """Add a resource type with its schemas to the tenant and raise its revision."""
        async with self.pool.acquire() as connection, connection.transaction():
            for schema in schemas:
                await connection.execute(
                    "INSERT INTO tenant_schema VALUES ($1, $2, $3::text::json)", client.id, schema["id"].lower(), text(schema)
                )
            await connection.execute(
                "INSERT INTO tenant_resource_type VALUES ($1, $2, $3::text::json)",
                *(client.id, resource_type["name"].lower(), text(resource_type)),
            )
            await connection.execute("UPDATE tenant SET revision = revision + 1 WHERE id = $1", client.id)


#: Starts a server with settings of its own, for as long as the block lasts.
Starter = Callable[..., AbstractAsyncContextManager[Server]]


def text(document: Any) -> str:
    """A document as JSON text."""
    return orjson.dumps(document).decode()


def user(name: str | None = None, /, **attributes: Any) -> dict[str, Any]:
    """The body of a user; without a name it gets one of its own."""
    return {"schemas": [USER], "userName": name or f"user-{next(_NUMBERS)}@example.com"} | attributes


def group(*members: str, **attributes: Any) -> dict[str, Any]:
    """The body of a group with members by id."""
    body = {"schemas": [GROUP], "displayName": f"group {next(_NUMBERS)}"} | attributes
    return body | {"members": [{"value": member} for member in members]} if members else body


def patch(*operations: Any) -> dict[str, Any]:
    """The body of a PATCH."""
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def assert_error(answer: httpx.Response, status: int, scim_type: str | None = None, says: str = "") -> None:
    """The answer is a SCIM Error with this status and scimType, a detail that holds the text, and the request's id."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] in (SCIM, "application/json")
    body = answer.json()
    assert body["schemas"] == [ERROR]
    assert body["status"] == str(status)
    assert body.get("scimType") == scim_type, body
    assert says in body["detail"], body
    assert answer.headers["x-request-id"] in body["detail"]


async def until_seen(started: float) -> None:
    """Wait until a change made at this time of the loop's clock must be seen."""
    await asyncio.sleep(max(0.0, started + SEEN - asyncio.get_running_loop().time()))
