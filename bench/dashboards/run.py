"""A run of a server in which everything happens that a panel shows: ordinary traffic, and what provokes failures.

| what | how |
|---|---|
| provisioning | users and groups are made, found, changed and deleted, one by one and in bulk, at once and later |
| PATCH refused, 412, searches without an index | such requests |
| requests not let in, 429 | requests without a token, and with many invalid ones |
| keys of an issuer that cannot be fetched | a JWT of a trusted issuer whose host does not exist |
| slow clients | connections that send half a head |
| waits for connections | more requests at once than connections |
| statements that fail, work done again | a constraint on what a user is called, which refuses, or reports a conflict every other time |
| a deletion guard | a tenant that has one loses its users |
| a credential that ends | a token that ends in five days |
| badges | are awarded, revoked, and verified, true and forged ones |
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx

from scimsrv import tokens
from scimsrv.scopes import SCOPES
from scimsrv.store.connection import Connection
from scimsrv.store.credentials import create_credential
from scimsrv.store.tenants import create_tenant
from scimsrv.store.trusts import Trust, add_trust

#: Settings that the server needs for it.
SETTINGS: Final[dict[str, str]] = {"SCIMSRV_POOL_SIZE": "2", "SCIMSRV_BAD_TOKENS": "10", "SCIMSRV_JWKS_HOSTS": "keys.invalid"}

_SCIM: Final = {"Content-Type": "application/scim+json"}
_CORE: Final = "urn:ietf:params:scim:schemas:core:2.0:"
_MESSAGES: Final = "urn:ietf:params:scim:api:messages:2.0:"
_BADGES: Final = "urn:scimsrv:scim:schemas:badges:1.0:"
_ISSUER: Final = "https://issuer.invalid"

_PROVOKED: Final = (
    "CREATE SEQUENCE provoked",
    """
    CREATE FUNCTION provoke(name text) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        IF name = 'met' AND nextval('provoked') % 2 = 0 THEN RAISE serialization_failure; END IF;
        RETURN name <> 'refused';
    END $$""",
    "GRANT USAGE ON SEQUENCE provoked TO PUBLIC",
    "ALTER TABLE resource ADD CONSTRAINT provoke CHECK (coalesce(provoke(display), true)) NOT VALID",
)


@dataclass(frozen=True, slots=True)
class Part:
    """A tenant of the run, and a token of it."""

    slug: str
    token: str


async def prepare(dsn: str, pepper: bytes) -> tuple[Part, ...]:
    """Make the tenants acme, beta (with a deletion guard) and school (with badges), and what provokes failures of the database."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in _PROVOKED:
            await connection.execute(statement)
        made = []
        for slug, switches in (
            ("acme", {}),
            ("beta", {"deletion_guard": "throttle", "deletion_guard_count": 10}),
            ("school", {"badges": True}),
        ):
            tenant = (await create_tenant(connection, slug, switches=switches)).id
            made.append(Part(slug, await _token(connection, tenant, pepper)))
            if slug == "acme":
                await _token(connection, tenant, pepper, timedelta(days=5))
                await add_trust(connection, tenant, _trust())
    finally:
        await connection.close()
    return tuple(made)


async def _token(connection: Connection, tenant: int, pepper: bytes, life: timedelta | None = None) -> str:
    token = tokens.new_token()
    expires = None if life is None else datetime.now(UTC) + life
    scopes = tuple(scope for scope in SCOPES if scope != "tenant:admin")
    digest = tokens.digest(pepper, token.text)
    await create_credential(connection, tenant, digest=digest, kid=token.kid, label=token.kid, scopes=scopes, expires=expires)
    return token.text


def _trust() -> Trust:
    return Trust(
        id="trs_run", label="run", issuer=_ISSUER, audiences=("scim",), pins={}, algorithms=("RS256",), jwks=None,
        jwks_uri="https://keys.invalid/keys", uses=frozenset({"bearer"}), single_use=False, scopes=("scim:read",), types=(), networks=(),
        roles=(), lifetime=60,
    )  # fmt: skip


def _jwt() -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": _ISSUER, "aud": "scim", "sub": "run", "iat": now, "exp": now + 600}
    return f"{part({'alg': 'RS256', 'kid': 'a', 'typ': 'JWT'})}.{part(claims)}.AAAA"


class Run:
    """The traffic, round by round. `url` is the server's."""

    def __init__(self, http: httpx.AsyncClient, url: str, parts: tuple[Part, ...]) -> None:
        self._http = http
        self._url = url
        self._acme, self._beta, self._school = parts
        self._round = 0
        self._stalled: list[socket.socket] = []
        self._issuer = self._achievement = self._group = ""

    async def until(self, enough: Callable[[], bool], rounds: int) -> None:
        """Let traffic pass, at most so many rounds, until it is enough."""
        try:
            await self._begin()
            for self._round in range(1, rounds + 1):
                await asyncio.gather(self._provisioning(), self._refused(), self._crowd(), self._badges(), self._guarded(), self._stall())
                if enough():
                    return
        finally:
            for one in self._stalled:
                one.close()

    async def _ask(self, part: Part, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of an answer, None where there is none."""
        sent = {"Authorization": f"Bearer {part.token}", **_SCIM, **{name.replace("_", "-"): value for name, value in headers.items()}}
        content = None if body is None else json.dumps(body)
        answer = await self._http.request(method, f"{self._url}/scim/{part.slug}/v2{path}", content=content, headers=sent)
        return answer.json() if answer.content else None

    async def _begin(self) -> None:
        self._group = (await self._ask(self._acme, "POST", "/Groups", {"schemas": [f"{_CORE}Group"], "displayName": "Everybody"}))["id"]
        issuer = {"schemas": [f"{_BADGES}BadgeIssuer"], "displayName": "Institute"}
        self._issuer = (await self._ask(self._school, "POST", "/BadgeIssuers", issuer))["id"]
        achievement = {
            "schemas": [f"{_BADGES}Achievement"], "displayName": "First aid", "kind": "mini", "description": "Knows what to do.",
            "criteria": {"narrative": "Do it."}, "creator": {"value": self._issuer},
        }  # fmt: skip
        self._achievement = (await self._ask(self._school, "POST", "/Achievements", achievement))["id"]

    async def _new(self, part: Part, name: str, display: str = "Ana Lima", **more: Any) -> Any:
        return await self._ask(part, "POST", "/Users", self._user(name, display, **more))

    def _user(self, name: str, display: str = "Ana Lima", **more: Any) -> dict[str, Any]:
        return {"schemas": [f"{_CORE}User"], "userName": f"{name}-{self._round}@example.com", "displayName": display, **more}

    async def _provisioning(self) -> None:
        one = self._acme
        made = await self._new(one, "a")
        path = f"/Users/{made['id']}"
        await self._ask(one, "GET", path)
        await self._ask(one, "GET", f'/Users?filter=userName eq "a-{self._round}@example.com"')
        await self._ask(one, "GET", '/Users?filter=title co "x"')
        await self._ask(one, "GET", "/ServiceProviderConfig")
        await self._ask(one, "PATCH", f"/Groups/{self._group}", _patch({"op": "add", "path": "members", "value": [{"value": made["id"]}]}))
        version = {"If_Match": made["meta"]["version"]}
        await self._ask(one, "PATCH", path, _patch({"op": "replace", "path": "active", "value": False}), **version)
        await self._ask(one, "PATCH", path, _patch({"op": "replace", "path": "title", "value": "x"}), **version)
        await self._ask(one, "PATCH", path, _patch({"op": "remove"}))
        await self._new(one, "a")
        posts = [{"method": "POST", "path": "/Users", "bulkId": str(n), "data": self._user(f"b{n}")} for n in range(5)]
        bulk = {"schemas": [f"{_MESSAGES}BulkRequest"], "Operations": posts}
        await self._ask(one, "POST", "/Bulk", bulk, **({"Prefer": "respond-async"} if self._round % 2 else {}))
        await self._new(one, "refused", "refused")
        await self._new(one, "met", "met")

    async def _refused(self) -> None:
        for token in (_jwt(), "scs_nonsense"):
            await self._ask(Part(self._acme.slug, token), "GET", "/Users")
        await self._http.get(f"{self._url}/scim/acme/v2/Users")

    async def _crowd(self) -> None:
        await asyncio.gather(*(self._ask(self._acme, "GET", "/Users?count=20") for _ in range(12)))

    async def _badges(self) -> None:
        one = self._school
        user = await self._new(one, "s")
        body = {"schemas": [f"{_BADGES}Award"], "recipient": {"value": user["id"]}, "achievement": {"value": self._achievement}}
        made = await self._ask(one, "POST", "/Awards", body)
        headers = {"Authorization": f"Bearer {one.token}"}
        token = (await self._http.get(f"{self._url}/scim/school/v2/Awards/{made['id']}/credential.jwt", headers=headers)).text
        for forged in (False, True):
            content = token[:-8] + "AAAAAAAA" if forged else token
            await self._http.post(f"{self._url}/scim/school/v2/badges/verify", content=content, headers=headers)
        if self._round % 2:
            revoked = {"op": "replace", "value": {"status": "revoked", "revocationReason": "a mistake"}}
            await self._ask(one, "PATCH", f"/Awards/{made['id']}", _patch(revoked))

    async def _guarded(self) -> None:
        made = [await self._new(self._beta, f"g{number}") for number in range(4)]
        for one in made:
            await self._ask(self._beta, "DELETE", f"/Users/{one['id']}")

    async def _stall(self) -> None:
        address = httpx.URL(self._url)
        stalled = socket.create_connection((str(address.host), int(address.port or 80)))
        stalled.sendall(b"GET / HTTP/1.1\r\n")
        self._stalled.append(stalled)


def _patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [f"{_MESSAGES}PatchOp"], "Operations": list(operations)}
