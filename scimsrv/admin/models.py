"""What goes into the admin API and what comes out of it; its OpenAPI document is made from these models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel
from pydantic_core import CoreSchema

from scimsrv.schema.policy import PROFILES, policy_schema
from scimsrv.schema.presets import PRESETS
from scimsrv.scopes import ALIASES, SCOPES

_LABEL = Field(default="default", min_length=1, max_length=100, description="What the token is for.")


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not have the character U+0000")
    return text


Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_storable)]


def _in_a_year() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)


class Model(BaseModel):
    """Unknown members are errors, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Service(Model):
    """What answers here."""

    name: str = "scimsrv"
    version: str
    openapi: str = Field(default="/admin/v1/openapi.json", description="Path of the OpenAPI document.")


class TenantCreation(Model):
    """A tenant to be created."""

    slug: str = Field(max_length=100, description="Name in URLs: 1 to 63 lower-case letters, digits and hyphens.")
    preset: str = Field(default="standard", description="What it begins with.", json_schema_extra={"enum": list(PRESETS)})
    profile: str | None = Field(
        default=None, description="Profile instead of the preset's.", json_schema_extra={"examples": list(PROFILES)}
    )
    switches: dict[str, bool | int | str] = Field(
        default_factory=dict, max_length=100, description="Policy switches that differ from the profile."
    )


class Tenant(Model):
    """A tenant. `url` is what an identity provider is given; `revision` rises with every change of what the tenant serves."""

    slug: str
    status: str = Field(json_schema_extra={"enum": ["active", "suspended"]})
    profile: str
    url: str
    created: datetime
    revision: int


class TenantList(Model):
    """All tenants by slug."""

    tenants: list[Tenant]


class TenantDeletion(Model):
    """A tenant that is gone, and how many resources went with it."""

    deleted: str
    resources: int


class TenantStatistics(Model):
    """How much a tenant holds: resources by type, live tokens, indexes; and when a token was used and a resource changed last."""

    resources: dict[str, int]
    tokens: int
    last_used: datetime | None
    indexes: int
    last_change: datetime | None


class PresetDescription(Model):
    """A starting point for tenants: its policy, and the resource types of a new tenant."""

    name: str
    meaning: str
    policy: dict[str, Any]
    resource_types: list[str]


class PresetList(Model):
    """Every preset."""

    presets: list[PresetDescription]


class TokenCreation(Model):
    """A provisioning token to be issued."""

    label: Text = _LABEL
    scopes: list[str] = Field(
        default=["scim"], min_length=1, max_length=20, description="What it may do.", json_schema_extra={"examples": [[*ALIASES, *SCOPES]]}
    )
    expires: AwareDatetime | None = Field(default_factory=_in_a_year, description="Its end, by default in a year; null for none.")
    subject: Text | None = Field(default=None, description="The user whom it stands for at /Me; null for a service.")
    types: list[Text] = Field(default_factory=list, max_length=50, description="Resource types that it is good for; empty for all.")
    networks: list[Text] = Field(default_factory=list, max_length=10, description="Networks that it may be used from; empty for any.")


class TokenRotation(Model):
    """A label whose next token is to be issued; the present one works for seven more days at most."""

    label: Text = _LABEL
    expires: AwareDatetime | None = Field(default_factory=_in_a_year, description="Its end, by default in a year; null for none.")


class Token(Model):
    """A provisioning token as it is listed: never the token itself. `kid` is its second part."""

    kid: str
    label: str
    scopes: list[str]
    created: datetime
    expires: datetime | None
    last_used: datetime | None
    subject: str | None
    types: list[str] = Field(default_factory=list)
    networks: list[str] = Field(default_factory=list)


class TokenList(Model):
    """A tenant's tokens, those that expired within a month included."""

    tokens: list[Token]


class NewToken(Token):
    """A token that was just issued. `token` is shown this once; `url` is the tenant's."""

    token: str
    url: str


class TokenRevocation(Model):
    """The short id of a token that works no more."""

    revoked: str


class IndexCreation(Model):
    """An attribute to be indexed, such as `title`, `name.givenName` or `urn:…:User:department`."""

    type: Text = Field(description="The resource type.")
    attribute: Text
    substring: bool = Field(default=False, description="Make filters with co and ew fast as well; for text only.")


class Index(Model):
    """An index and how far it is: `done` of `resources` have been gone through."""

    type: str
    attribute: str
    substring: bool
    state: str = Field(json_schema_extra={"enum": ["building", "ready", "retiring", "dropping"]})
    since: datetime
    done: int
    resources: int


class IndexList(Model):
    """A tenant's indexes."""

    indexes: list[Index]


class SchemaList(Model):
    """A tenant's schemas as RFC 7643 §7 has them."""

    schemas: list[dict[str, Any]]


class TypeList(Model):
    """A tenant's resource types as RFC 7643 §6 has them."""

    resource_types: list[dict[str, Any]]


class Definition(RootModel[dict[str, Any]]):
    """A Schema (RFC 7643 §7) or a ResourceType (RFC 7643 §6)."""


class Trial(Model):
    """Whether to do it."""

    dry_run: bool = Field(default=False, description="Check everything, do nothing, and say what it would mean.")


class Defined(Model):
    """A definition, and what a change of it means: `changes` has each difference with how many resources it concerns, `later` what
    takes effect when the background has done its part, `jobs` the numbers of that."""

    definition: dict[str, Any] | None
    version: int
    taken: bool = False
    possible: bool = True
    changes: list[dict[str, Any]] = Field(default_factory=list)
    later: list[str] = Field(default_factory=list)
    jobs: list[int] = Field(default_factory=list)


class Job(Model):
    """Work of the background on a tenant: `done` of `total` resources have been gone through; `result` counts what was found."""

    number: int
    kind: str = Field(json_schema_extra={"enum": ["rework", "rekey", "restore", "purge", "progress"]})
    subject: str
    plan: dict[str, Any]
    state: str = Field(json_schema_extra={"enum": ["waiting", "running", "done", "failed"]})
    done: int
    total: int
    result: dict[str, Any]
    actor: str
    created: datetime
    since: datetime


class JobList(Model):
    """A tenant's jobs by number."""

    jobs: list[Job]


class Removed(Model):
    """An attribute that a type has no more, and of how many resources values are kept."""

    type: str
    attribute: str
    resources: int
    removed: datetime


class RemovedList(Model):
    """The removed attributes of which values are kept."""

    removed: list[Removed]


class Change(Model):
    """A committed change in a tenant. `origin` has id and address of the request behind it, null where there is none; `coercions` names
    what was done to make the request fit; `diff` has old and new value by path."""

    seq: int
    at: datetime
    actor: str
    origin: list[str] | None
    operation: str
    type: str
    id: str
    version: int
    attributes: list[str]
    coercions: list[str]
    diff: dict[str, Any] | None


class ChangeList(Model):
    """Changes, the newest first. `next` is the `before` of the page that follows, null on the last."""

    changes: list[Change]
    next: int | None


class AdminChange(Model):
    """What an administrator did. `tenant` is a slug, also of a tenant that is gone; `origin` has id and address of the request behind it,
    null for commands on the database, and for what was denied, which is counted and has the `source` of the first in `detail`."""

    seq: int
    at: datetime
    actor: str
    operation: str
    tenant: str | None
    subject: str | None
    detail: dict[str, Any] | None
    origin: list[str] | None


class AdminChangeList(Model):
    """What administrators did, the newest first. `next` is the `before` of the page that follows, null on the last."""

    changes: list[AdminChange]
    next: int | None


class Policy(RootModel[dict[str, Any]]):
    """A tenant's policy: a profile and the switches that differ from it."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {name: value for name, value in policy_schema().items() if name != "$schema"}


class PolicyPatch(RootModel[dict[str, Any]]):
    """A JSON merge patch of a policy (RFC 7396): members as in Policy, null for a switch that follows the profile again."""


class JsonSchema(RootModel[dict[str, Any]]):
    """A JSON Schema, draft 2020-12."""


class Confirmation(Model):
    """The slug of the tenant once more, so that none is deleted by oversight."""

    confirm: str | None = Field(default=None, max_length=100, description="The tenant's slug once more.")


class PolicyView(Model):
    """Which form of the policy to show."""

    effective: bool = Field(default=False, description="Every switch with its value, instead of those that were set.")


class Page(Model):
    """A page of a list, the newest first."""

    before: int | None = Field(default=None, ge=1, lt=2**63, description="Only what is numbered below.")
    count: int = Field(default=100, ge=1, le=1000, description="How many at most.")


class ChangePage(Page):
    """A page of a tenant's changes."""

    id: Text | None = Field(default=None, description="Only changes of the resource with this id.")


class AdminChangePage(Page):
    """A page of what administrators did."""

    tenant: Text | None = Field(default=None, description="Only what concerned the tenant of this slug.")
    denied: bool = Field(default=False, description="What was denied at the admin API instead.")


class AuditChain(Model):
    """Where a tenant's audit chain ends: the position and the hash of its last row. `unsealed` changes wait for their place in it, the
    oldest since `oldest`."""

    position: int
    head: str
    sealed: datetime
    unsealed: int
    oldest: datetime | None


class AuditExport(Model):
    """Which rows of the trail, and in which form."""

    after: int = Field(default=0, ge=0, lt=2**63 - 1, description="Only rows behind this position.")
    since: AwareDatetime | None = Field(default=None, description="Only rows of what happened at this time or later.")
    count: int | None = Field(default=None, ge=1, lt=2**31, description="How many at most.")
    format: str = Field(default="jsonl", pattern="^(jsonl|ocsf)$", description="`jsonl`, or events of OCSF 1.3: `ocsf`.")


class AuditRow(RootModel[dict[str, Any]]):
    """A row of the trail; an answer has one in each line."""


class ErasureRequest(Model):
    """A deleted resource of which nothing is to be kept."""

    id: Text = Field(description="The id that the resource had.")


class Erasure(Model):
    """The id of a resource of which nothing is kept but that it was, and how many rows of the trail lost their values."""

    erased: str
    rows: int


class GuardCount(Model):
    """Deletions and deactivations of a type: `present` in the window that began at `since` with `base` resources, `former` in the one
    before; `allowance` more are not counted. `held`: since when nothing may be deleted."""

    type: str
    since: datetime
    base: int
    present: int
    former: int
    allowance: int
    held: datetime | None


class GuardState(Model):
    """What a tenant's deletion guard has counted, by type."""

    types: list[GuardCount]


class GuardRelease(Model):
    """That deletions may go on."""

    allow: int = Field(default=0, ge=0, le=100_000_000, description="How many are let through before it counts again.")


class Deleted(Model):
    """A deleted resource that can be brought back."""

    id: str
    type: str
    version: int
    created: datetime
    deleted: datetime
    actor: str
    display: str | None


class DeletedList(Model):
    """Deleted resources by id. `next` is the `after` of the page that follows, null on the last."""

    deleted: list[Deleted]
    next: str | None


class DeletedPage(Model):
    """A page of deleted resources."""

    type: Text | None = Field(default=None, description="Only resources of this type.")
    id: Text | None = Field(default=None, description="Only the one with this id.")
    after: str = Field(default="", max_length=500, description="Only ids behind this one.")
    count: int = Field(default=100, ge=1, le=1000, description="How many at most.")


class Restoration(Model):
    """A resource that is there again, and its version."""

    restored: str
    version: int


class Problem(BaseModel):
    """A request that failed (RFC 9457). `request` finds the cause in the server's log."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int
    detail: str
    request: str
