"""What the admin API takes and gives about the keys of badge issuers; never a private key."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from scimsrv.admin.models import Model, Text


class BadgeKey(Model):
    """A key of an issuer. A pending key is published and does not sign yet; a retired one signs nothing more and still verifies; a
    compromised one is not published, and what it signed since that time counts for nothing."""

    issuer: str
    purpose: str = Field(json_schema_extra={"enum": ["token", "proof"]})
    thumbprint: str = Field(description="The key's RFC 7638 thumbprint, the last part of its id.")
    alg: str = Field(json_schema_extra={"enum": ["RS256", "ES256", "EdDSA"]})
    state: str = Field(json_schema_extra={"enum": ["pending", "active", "retired", "compromised"]})
    created: datetime
    signs_from: datetime
    retired: datetime | None
    compromised: datetime | None


class BadgeKeyList(Model):
    """The keys of a tenant's issuers."""

    keys: list[BadgeKey]


class BadgeKeyFilter(Model):
    """Which keys to list."""

    issuer: Text | None = Field(default=None, description="Only those of the issuer with this id.")


class WaitingCredential(Model):
    """A credential that is not signed yet: how often that failed, why it did the last time, and when it is tried again."""

    award: str
    issuer: str
    issued: datetime
    failures: int
    problem: str | None
    again: datetime | None


class WaitingCredentialList(Model):
    """Credentials of a tenant's awards that are not signed yet, those that failed first, at most 1,000."""

    credentials: list[WaitingCredential]


class BadgeApplication(Model):
    """An application that registered itself for the Open Badges API, and how many users permit it something."""

    id: str
    client_name: str
    client_uri: str
    created: datetime
    used: datetime | None = Field(description="When a user let it in last.")
    users: int


class BadgeApplicationList(Model):
    """The applications of a tenant, the oldest first."""

    applications: list[BadgeApplication]


class BadgeApplicationRemoval(Model):
    """The id of the application that was removed."""

    removed: str


class BadgeKeyRotation(Model):
    """A key to be made for an issuer. It is published at once, and signs after `overlap` seconds, so that caches know it by then."""

    purpose: Literal["token", "proof"] = Field(default="token", description="What it signs: JSON Web Tokens, or embedded proofs.")
    alg: Literal["RS256", "ES256", "EdDSA"] | None = Field(
        default=None, description="RS256 for tokens where nothing is said; proofs are always made with EdDSA."
    )
    overlap: int = Field(default=3_600, ge=0, le=30 * 86_400, description="Seconds until it signs in place of the present one.")


class BadgeKeyCompromise(Model):
    """Since when a key may be in other hands."""

    since: AwareDatetime | None = Field(default=None, description="Now, where nothing is said.")
