"""What the admin API takes and gives about the recent requests of a tenant's clients."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from scimsrv.admin.models import Model, Text

Outcome = Literal["ok", "refused", "conflict", "invalid", "notfound", "precondition", "denied", "throttled", "unavailable"]


class ActivityFilter(Model):
    """Which requests."""

    user: Text | None = Field(
        default=None, description="Only those about this user, or by which it came into a group or left one: id or userName."
    )
    group: Text | None = Field(default=None, description="Only those about this group: id or displayName.")
    request: Text | None = Field(default=None, description="Only the one with this X-Request-Id.")
    outcome: Outcome | None = Field(default=None, description="Only those with this result; `refused`: every one but `ok`.")
    since: AwareDatetime | None = Field(default=None, description="Only those that arrived then or later.")
    until: AwareDatetime | None = Field(default=None, description="Only those that arrived before.")


class ActivityPage(ActivityFilter):
    """A page of recent requests, the newest first."""

    before: int | None = Field(default=None, ge=1, lt=2**63, description="Only what is numbered below.")
    count: int = Field(default=100, ge=1, le=1000, description="How many at most.")


class ActivityFollow(ActivityFilter):
    """Which requests to follow; Last-Event-ID, where it is sent, takes the place of `after`."""

    after: int | None = Field(default=None, ge=0, lt=2**63, description="Only what is numbered above; by default what comes from now on.")


class Party(Model):
    """A resource that an entry names: its id, and what it is called where that is known now."""

    id: str
    name: str | None


class ActivityError(Model):
    """The SCIM error that was sent; what the client wrote is left out of its detail."""

    status: int
    scim_type: str | None
    detail: str


class ActivityChange(Model):
    """The change that a request led to: create, update, delete or restore, and the resource's version after it. `attributes` names what an
    update changed, `active` what that attribute was set to; of the members of a group that came and went there are up to 100, and how
    many there were."""

    operation: str
    version: int
    attributes: list[str]
    active: bool | None
    added: list[Party]
    removed: list[Party]
    added_in_all: int
    removed_in_all: int


class Activity(Model):
    """A request, or one operation of a bulk request (`operation`, counted from 1), and what became of it in a sentence. `client` is a word
    for the identity provider, `token` the short id of its credential (null: it was not let in) and `label` that one's; `reason` is why
    it was refused; `coercions` names what was done to make it fit."""

    number: int
    at: datetime
    sentence: str
    request_id: str
    client_request_id: str | None
    operation: int | None
    client: str
    token: str | None
    label: str | None
    method: str
    route: str
    op: str | None
    type: str | None
    resource: Party | None
    status: int
    outcome: str
    reason: str | None
    error: ActivityError | None
    coercions: list[str]
    change: ActivityChange | None
    milliseconds: float


class ActivityList(Model):
    """Recent requests, the newest first. `next` is the `before` of the page that follows, null on the last."""

    activity: list[Activity]
    next: int | None
