"""An issuer of JWTs that a tenant may be made to trust, and a tenant's token endpoint as clients ask it."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import orjson
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from scimsrv.admin import granting_models as models
from scimsrv.admin.operations import Operations
from scimsrv.keys import ServerKeys
from tests.wire.support import PUBLIC, Client, Server

DIRECTORY: Final = "72f988bf-86f1-41af-91ab-2d7cd011db47"
APP: Final = "00000014-0000-0000-c000-000000000000"
ENTRA_AUDIENCE: Final = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_TYPE: Final = "urn:ietf:params:oauth:token-type:jwt"

Headers = Mapping[str, str] | Sequence[tuple[str, str]]

_NUMBERS = itertools.count(1)

#: Keys take a while to make, so that all tests share them.
RSA: Final = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
OTHER_RSA: Final = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC: Final = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
ED: Final = OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"})


def public_keys(*keys: RSAKey | ECKey | OKPKey) -> dict[str, Any]:
    """The JWK Set of these keys."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


@dataclass(frozen=True)
class In:
    """A claim that is a time: so many seconds after the token is made. Tables of cases are made when tests are collected, which may be
    long before they run."""

    seconds: float
    form: Callable[[float], Any] = int

    def at(self, now: float) -> Any:
        """The claim in a token that is made now."""
        return self.form(now + self.seconds)


@dataclass(frozen=True)
class Issuer:
    """An issuer with claims that its tokens have unless told otherwise."""

    issuer: str = "https://login.example.com/"
    audience: str = "api://scim"
    claims: Mapping[str, Any] = field(default_factory=lambda: {"sub": "workload-1", "azp": "app-1"})
    key: RSAKey | ECKey | OKPKey = field(default_factory=lambda: RSA)
    algorithm: str = "RS256"

    def token(self, *, header: Mapping[str, Any] | None = None, key: Any = None, without: tuple[str, ...] = (), **claims: Any) -> str:
        """A token; a member given here takes the place of the usual one, `without` names those that are left out."""
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": self.audience, "iat": now, "nbf": now, "exp": now + 600, "jti": f"jti-{next(_NUMBERS)}"}
        said = {**usual, **self.claims, **claims}
        body = {name: value.at(now) if isinstance(value, In) else value for name, value in said.items() if name not in without}
        signer = key or self.key
        head = {"alg": self.algorithm, "typ": "JWT", "kid": signer.kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return sign(head, body, signer)

    def trust(self, **asked: Any) -> models.TrustCreation:
        """What an administrator says to trust this issuer."""
        given = {"issuer": self.issuer, "audiences": [self.audience], "pins": {"azp": ["app-1"]}, "jwks": public_keys(RSA, EC, ED)}
        return models.TrustCreation.model_validate(given | {"uses": ["bearer", "exchange"]} | asked)


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: Any) -> str:
    """A token with exactly this header and these claims."""
    text = f"{part(dict(header))}.{part(dict(claims))}"
    algorithm = JWSRegistry.algorithms["Ed25519" if header["alg"] == "EdDSA" else header["alg"]]
    return f"{text}.{part(algorithm.sign(text.encode(), key))}"


def part(value: Any) -> str:
    """A part of a token."""
    text = value if isinstance(value, bytes) else orjson.dumps(value)
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def entra() -> Issuer:
    """Entra ID as it provisions with a token of its own."""
    claims = {
        "sub": "sp-object",
        "oid": "sp-object",
        "tid": DIRECTORY,
        "appid": APP,
        "ver": "1.0",
        "idp": f"https://sts.windows.net/{DIRECTORY}/",
    }
    return Issuer(f"https://sts.windows.net/{DIRECTORY}/", ENTRA_AUDIENCE, claims)


def entra_trust(**asked: Any) -> models.TrustCreation:
    """What an administrator says to trust it."""
    pins = {"tid": [DIRECTORY], "appid": [APP]}
    return entra().trust(**{"pins": pins, "uses": ["bearer"], "algorithms": ["RS256"]} | asked)


@dataclass(frozen=True)
class OAuth:
    """An administrator of a tenant beside its token endpoint."""

    server: Server
    client: Client

    @property
    def issuer(self) -> str:
        """The tenant's own issuer."""
        return f"{PUBLIC}/scim/{self.client.slug}"

    @property
    def endpoint(self) -> str:
        """The path of the token endpoint."""
        return f"/scim/{self.client.slug}/oauth/token"

    async def do(self, verb: str, *args: Any) -> Any:
        """Have an administrator do something."""
        keys = ServerKeys.load(self.server.settings)
        async with self.server.pool.acquire() as connection:
            verbs = Operations(connection, "test", keys.derive, lambda slug: f"{PUBLIC}/scim/{slug}/v2")
            return await getattr(verbs, verb)(self.client.slug, *args)

    async def new_client(self, **asked: Any) -> models.NewClient:
        """Make an OAuth client."""
        made: models.NewClient = await self.do("create_client", models.ClientCreation.model_validate(asked))
        return made

    async def trust(self, asked: models.TrustCreation) -> models.Trust:
        """Trust an issuer."""
        made: models.Trust = await self.do("add_trust", asked)
        return made

    async def ask(self, parameters: Mapping[str, str], headers: Headers = (), *, json: bool = False) -> httpx.Response:
        """Ask for a token with these parameters, by a form or in JSON."""
        return await ask(self.client.http, self.endpoint, parameters, headers, json=json)

    async def by_secret(self, made: models.NewClient, **parameters: str) -> httpx.Response:
        """Ask with a client's secret in the body."""
        given = {"grant_type": "client_credentials", "client_id": made.id, "client_secret": made.secret or ""}
        return await self.ask(given | parameters)

    async def by_assertion(self, token: str, **parameters: str) -> httpx.Response:
        """Ask with an assertion."""
        given = {"grant_type": "client_credentials", "client_assertion": token, "client_assertion_type": ASSERTION}
        return await self.ask(given | parameters)

    async def exchange(self, token: str, **parameters: str) -> httpx.Response:
        """Have a token exchanged."""
        given = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": JWT_TYPE}
        return await self.ask(given | parameters)

    def using(self, answer: httpx.Response) -> Client:
        """The tenant's client with the access token of an answer."""
        assert answer.status_code == 200, answer.text
        return self.client.with_token(answer.json()["access_token"])


async def ask(
    http: httpx.AsyncClient, path: str, parameters: Mapping[str, str], headers: Headers = (), *, json: bool = False
) -> httpx.Response:
    """Ask a token endpoint with these parameters, by a form or in JSON."""
    if json:
        return await http.post(path, headers=httpx.Headers(headers), json=dict(parameters))
    return await http.post(path, headers=httpx.Headers(headers), data=dict(parameters))


async def tenant(server: Server, **policy: Any) -> OAuth:
    """A fresh tenant with its token endpoint."""
    return OAuth(server, await server.tenant(**policy))


def basic(name: str, secret: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def assert_refused(answer: httpx.Response, status: int, error: str) -> None:
    """The answer is a refusal of RFC 6749 §5.2, in JSON, that nobody keeps."""
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() <= {"error", "error_description"}
    assert answer.headers.get("www-authenticate") == ('Basic realm="scim"' if status == 401 else None)
