"""What goes into the admin API and what comes out of it about OAuth clients and trusted issuers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, Field

from scimsrv.admin.models import Model, Text, _in_a_year
from scimsrv.oauth.jose import ALGORITHMS
from scimsrv.scopes import ALIASES, ROLES, SCOPES

_LIFETIME = Field(default=3600, ge=60, le=86_400, description="Seconds that access tokens work.")
_SCOPES = Field(
    default=["scim"], max_length=20, description="What it may do at most.", json_schema_extra={"examples": [[*ALIASES, *SCOPES]]}
)
_TYPES: list[str] = Field(default_factory=list, max_length=50, description="Resource types that it is good for; empty for all.")
_NETWORKS: list[str] = Field(default_factory=list, max_length=10, description="Networks that it may be used from; empty for any.")


class ClientCreation(Model):
    """An OAuth client to be made. With `jwks` it signs assertions by its own key (private_key_jwt) and has no secret."""

    label: Text = Field(default="default", max_length=100, description="What the client is.")
    scopes: list[str] = _SCOPES
    types: list[Text] = _TYPES
    networks: list[Text] = _NETWORKS
    lifetime: int = _LIFETIME
    jwks: dict[str, Any] | None = Field(default=None, description="Its public keys as a JWK Set.")
    expires: AwareDatetime | None = Field(default_factory=_in_a_year, description="End of the secret, by default in a year; null for none.")


class ClientRotation(Model):
    """The next secret of a client; the present one works for seven more days at most. A client that signs gets its next keys."""

    jwks: dict[str, Any] | None = Field(default=None, description="The next public keys, with the present ones as long as both are used.")
    expires: AwareDatetime | None = Field(default_factory=_in_a_year, description="Its end, by default in a year; null for none.")


class ClientSecret(Model):
    """A secret as it is listed: never the secret itself. `kid` is its second part."""

    kid: str
    created: datetime
    expires: datetime | None


class Client(Model):
    """An OAuth client. `signs` says whether it authenticates by assertions."""

    id: str
    label: str
    scopes: list[str]
    types: list[str]
    networks: list[str]
    lifetime: int
    signs: bool
    created: datetime
    last_used: datetime | None
    secrets: list[ClientSecret]


class ClientList(Model):
    """A tenant's OAuth clients."""

    clients: list[Client]


class NewClient(Client):
    """A client that was just made or got its next secret. `secret` is shown this once, null for one that signs."""

    secret: str | None
    token_endpoint: str
    issuer: str
    url: str


class ClientRevocation(Model):
    """The id of a client, or of one of its secrets, that works no more."""

    revoked: str


class RoleRule(Model):
    """People whose `claim` is `value`, or has it among several, get the role."""

    claim: Text
    value: Text
    role: str = Field(json_schema_extra={"enum": list(ROLES)})


class TrustCreation(Model):
    """An issuer to be trusted. Its keys are given (`jwks`), or fetched where the operator permits the host (`jwks_uri`)."""

    label: Text = Field(default="default", max_length=100, description="Whose issuer it is.")
    issuer: Text = Field(description="The value of iss, exactly.")
    audiences: list[Text] = Field(min_length=1, max_length=10, description="The values of aud of which a token needs one.")
    pins: dict[str, list[Text]] = Field(default_factory=dict, max_length=20, description="Claims and the values that each may have.")
    algorithms: list[str] = Field(
        default=["RS256", "PS256", "ES256", "EdDSA"], max_length=20, json_schema_extra={"examples": [list(ALGORITHMS)]}
    )
    jwks: dict[str, Any] | None = Field(default=None, description="Its public keys as a JWK Set.")
    jwks_uri: Text | None = Field(default=None, description="Where its keys are.")
    uses: list[str] = Field(
        default=["exchange"], min_length=1, max_length=2, json_schema_extra={"examples": [["bearer", "exchange"]]},
        description="`bearer`: its tokens open the tenant; `exchange`: they get access tokens at the token endpoint.",
    )  # fmt: skip
    single_use: bool = Field(default=False, description="Each token is good for one exchange; it needs a jti.")
    scopes: list[str] = _SCOPES
    types: list[Text] = _TYPES
    networks: list[Text] = _NETWORKS
    roles: list[RoleRule] = Field(default_factory=list, max_length=50, description="Roles that people have by a claim.")
    lifetime: int = _LIFETIME


class Trust(Model):
    """A trusted issuer."""

    id: str
    label: str
    issuer: str
    audiences: list[str]
    pins: dict[str, list[str]]
    algorithms: list[str]
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    uses: list[str]
    single_use: bool
    scopes: list[str]
    types: list[str]
    networks: list[str]
    roles: list[RoleRule]
    lifetime: int
    created: datetime
    last_used: datetime | None


class TrustList(Model):
    """What a tenant trusts."""

    trusts: list[Trust]


class TrustRemoval(Model):
    """The id of what is trusted no more."""

    removed: str
