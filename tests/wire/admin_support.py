"""The admin API in this process, and an administrator who asks it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import httpx

from scimsrv import tokens
from scimsrv.admin.access import SCOPES
from scimsrv.admin.app import AdminApp
from scimsrv.keys import ADMIN_PEPPER, ServerKeys
from scimsrv.settings import Settings
from scimsrv.store.administrators import create_admin_credential

if TYPE_CHECKING:
    import asyncpg

API: Final = "/admin/v1"

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Admin:
    """Sends requests to the admin API with one token."""

    http: httpx.AsyncClient
    app: AdminApp
    pool: asyncpg.Pool[asyncpg.Record]
    token: str | None

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request; `path` is below the API's root."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            given.setdefault("Authorization", f"Bearer {self.token}")
        return await self.http.request(method, API + path, json=body, headers=given)

    def with_token(self, token: str | None) -> Admin:
        """The same API, asked with another token, or none."""
        return replace(self, token=token)

    async def tenant(self, **asked: Any) -> str:
        """Create a tenant and return its slug."""
        answer = await self.ask("POST", "/tenants", {"slug": f"a{next(_NUMBERS)}"} | asked)
        assert answer.status_code == 201, answer.text
        slug: str = answer.json()["slug"]
        return slug

    async def noted(self, operation: str) -> dict[str, Any]:
        """The newest entry of what administrators did, which must be this operation, and say by which request and from where."""
        found: dict[str, Any] = (await self.ask("GET", "/changes?count=1")).json()["changes"][0]
        assert found["operation"] == operation
        request, address = found["origin"]
        assert (len(request) > 0, address) == (True, "127.0.0.1")
        return found


@asynccontextmanager
async def admin_api(pool: asyncpg.Pool[asyncpg.Record], settings: Settings) -> AsyncIterator[Admin]:
    """The admin API for as long as the block lasts, and an administrator who may do everything."""
    app = AdminApp(settings)
    await app.open()
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://admin.test") as http:
            made = Admin(http, app, pool, None)
            yield made.with_token(await admin_token(pool, settings))
    finally:
        await app.close()


async def admin_token(pool: asyncpg.Pool[asyncpg.Record], settings: Settings, scopes: Sequence[str] = SCOPES, expires: Any = None) -> str:
    """Issue an admin token; the limit on live ones does not get in the way."""
    token = tokens.new_token(tokens.ADMIN)
    digest = tokens.digest(ServerKeys.load(settings).derive(ADMIN_PEPPER), token.text)
    async with pool.acquire() as connection:
        await create_admin_credential(connection, digest=digest, kid=token.kid, label="test", scopes=scopes, expires=expires)
    return token.text


def assert_problem(answer: httpx.Response, status: int, says: str = "") -> None:
    """The answer is a problem document with this status and a detail that holds the text (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body.keys() == {"type", "title", "status", "detail", "request"}
    assert (body["type"], body["status"], body["request"]) == ("about:blank", status, answer.headers["x-request-id"])
    assert says in body["detail"], body
    assert "Traceback" not in answer.text
