"""What an administrator can do, by whichever way: on the database, or through the admin API of a server that runs elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, Protocol

from scimsrv.admin import activity_models, badge_models, granting_models, models
from scimsrv.schema.redefinition import Subject
from scimsrv.store.pool import Queries


class PolicyState(NamedTuple):
    """A policy document and its version."""

    document: dict[str, Any]
    version: int


class Verbs(Protocol):
    """The verbs; `slug` names the tenant everywhere."""

    async def create_tenant(self, asked: models.TenantCreation) -> models.Tenant:
        """Create a tenant."""

    async def list_tenants(self) -> models.TenantList:
        """All tenants."""

    async def show_tenant(self, slug: str) -> models.Tenant:
        """One tenant."""

    async def tenant_statistics(self, slug: str) -> models.TenantStatistics:
        """How much it holds."""

    async def suspend_tenant(self, slug: str) -> models.Tenant:
        """Refuse its tokens."""

    async def resume_tenant(self, slug: str) -> models.Tenant:
        """Accept them again."""

    async def delete_tenant(self, slug: str) -> models.TenantDeletion:
        """Delete it with everything in it."""

    async def create_token(self, slug: str, asked: models.TokenCreation) -> models.NewToken:
        """Issue a token."""

    async def rotate_token(self, slug: str, asked: models.TokenRotation) -> models.NewToken:
        """Issue a label's next token."""

    async def list_tokens(self, slug: str) -> models.TokenList:
        """Its tokens."""

    async def revoke_token(self, slug: str, kid: str) -> models.TokenRevocation:
        """End a token."""

    async def create_client(self, slug: str, asked: granting_models.ClientCreation) -> granting_models.NewClient:
        """Make an OAuth client."""

    async def rotate_client(self, slug: str, client: str, asked: granting_models.ClientRotation) -> granting_models.NewClient:
        """Give a client its next secret."""

    async def list_clients(self, slug: str) -> granting_models.ClientList:
        """Its OAuth clients."""

    async def revoke_client(self, slug: str, client: str, secret: str | None = None) -> granting_models.ClientRevocation:
        """End a client, or one of its secrets."""

    async def add_trust(self, slug: str, asked: granting_models.TrustCreation) -> granting_models.Trust:
        """Trust an issuer."""

    async def list_trusts(self, slug: str) -> granting_models.TrustList:
        """What it trusts."""

    async def remove_trust(self, slug: str, trust: str) -> granting_models.TrustRemoval:
        """Trust an issuer no more."""

    async def list_indexes(self, slug: str) -> models.IndexList:
        """Its indexes."""

    async def add_index(self, slug: str, asked: models.IndexCreation) -> models.Index:
        """Mark an attribute as indexed."""

    async def remove_index(self, slug: str, type_name: str, attribute: str) -> models.Index:
        """Give up an index."""

    async def show_policy(self, slug: str, *, effective: bool = False) -> PolicyState:
        """Its policy as it was set, or every switch with its value."""

    async def write_policy(
        self, slug: str, document: Mapping[str, Any], *, merge: bool, if_match: frozenset[int] | None = None
    ) -> PolicyState:
        """Replace its policy, or merge changes into it."""

    async def list_schemas(self, slug: str) -> models.SchemaList:
        """Its schemas."""

    async def list_types(self, slug: str) -> models.TypeList:
        """Its resource types."""

    async def show_definition(self, slug: str, subject: Subject, name: str) -> models.Defined:
        """One of its schemas or resource types."""

    async def define(
        self, slug: str, subject: Subject, name: str | None, document: Mapping[str, Any] | None, *, dry_run: bool = False
    ) -> models.Defined:
        """Create (`name` None), replace or (`document` None) delete one."""

    async def list_jobs(self, slug: str) -> models.JobList:
        """What the background does."""

    async def retry_job(self, slug: str, number: int) -> models.Job:
        """Have a failed job begin again."""

    async def recompute_badges(self, slug: str) -> models.Job:
        """Have what follows from awards of badges computed anew."""

    async def list_removed(self, slug: str) -> models.RemovedList:
        """The removed attributes of which values are kept."""

    async def restore_removed(self, slug: str, type_name: str, attribute: str) -> models.Job:
        """Have values put back."""

    async def list_badge_keys(self, slug: str, issuer: str | None) -> badge_models.BadgeKeyList:
        """Its badge issuers' keys, or those of one."""

    async def list_waiting_credentials(self, slug: str) -> badge_models.WaitingCredentialList:
        """Its credentials that are not signed, and why."""

    async def list_badge_applications(self, slug: str) -> badge_models.BadgeApplicationList:
        """The applications that registered themselves for its Open Badges API."""

    async def remove_badge_application(self, slug: str, application: str) -> badge_models.BadgeApplicationRemoval:
        """Remove an application with everything that users permitted it."""

    async def rotate_badge_key(self, slug: str, issuer: str, asked: badge_models.BadgeKeyRotation) -> badge_models.BadgeKey:
        """Make an issuer's next key."""

    async def retire_badge_key(self, slug: str, issuer: str, thumbprint: str) -> badge_models.BadgeKey:
        """Let a key sign nothing more."""

    async def compromise_badge_key(
        self, slug: str, issuer: str, thumbprint: str, asked: badge_models.BadgeKeyCompromise
    ) -> badge_models.BadgeKey:
        """Mark a key as known to others."""

    async def purge_removed(self, slug: str, type_name: str, attribute: str) -> models.Job:
        """Have values destroyed."""

    async def show_audit(self, slug: str) -> models.AuditChain:
        """Where its audit chain ends."""

    async def export_audit(self, slug: str, asked: models.AuditExport) -> AsyncIterator[bytes]:
        """The rows of its audit trail as lines of JSON, some at a time."""

    async def list_activity(self, slug: str, page: activity_models.ActivityPage) -> activity_models.ActivityList:
        """What its clients did lately."""

    async def follow_activity(
        self, slug: str, asked: activity_models.ActivityFollow, last_event: str | None = None, pool: Queries | None = None
    ) -> AsyncIterator[activity_models.Activity | None]:
        """What its clients do from now on, or from behind an entry; None now and then where nothing happens."""

    async def erase(self, slug: str, asked: models.ErasureRequest) -> models.Erasure:
        """Destroy what is kept of a deleted resource."""

    async def show_guard(self, slug: str) -> models.GuardState:
        """What its deletion guard has counted."""

    async def release_guard(self, slug: str, type_name: str, asked: models.GuardRelease) -> models.GuardState:
        """Let deletions of a type through again."""

    async def list_deleted(self, slug: str, page: models.DeletedPage) -> models.DeletedList:
        """What can be brought back."""

    async def restore_deleted(self, slug: str, id_: str) -> models.Restoration:
        """Bring a deleted resource back."""
