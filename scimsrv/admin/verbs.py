"""What an administrator can do, by whichever way: on the database, or through the admin API of a server that runs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from scimsrv.admin import models


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
