"""The administrator's verbs on a database, each recorded in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scimsrv import tokens
from scimsrv.admin import models
from scimsrv.admin.activity import RecentActivity
from scimsrv.admin.badge_keys import BadgeKeys
from scimsrv.admin.granting import Granting, networks_of, scopes_of
from scimsrv.admin.keeping import Keeping
from scimsrv.admin.shaping import Shaping
from scimsrv.admin.verbs import PolicyState
from scimsrv.keys import TOKEN_PEPPER
from scimsrv.schema.policy import parse_policy
from scimsrv.schema.presets import PRESETS
from scimsrv.store import changes, credentials, indexes, tenants
from scimsrv.store.administrators import admin_changes
from scimsrv.store.policy import read_policy, write_policy


class Operations(Shaping, Granting, Keeping, RecentActivity, BadgeKeys):
    """Every verb."""

    # -- tenants ---------------------------------------------------------------------------------------------------

    async def create_tenant(self, asked: models.TenantCreation) -> models.Tenant:
        """Create a tenant from a preset. Raises TenantError."""
        async with self._connection.transaction():
            made = await tenants.create_tenant(self._connection, asked.slug, asked.profile, asked.switches, preset=asked.preset)
            given = asked.model_dump(exclude={"slug"}, exclude_defaults=True)
            await self._note("tenant.create", made.slug, detail={"preset": asked.preset} | given)
        return self._tenant(made)

    async def list_tenants(self) -> models.TenantList:
        """All tenants by slug."""
        return models.TenantList(tenants=[self._tenant(one) for one in await tenants.list_tenants(self._connection)])

    async def show_tenant(self, slug: str) -> models.Tenant:
        """One tenant. Raises TenantMissing."""
        return self._tenant(await tenants.find_tenant(self._connection, slug))

    async def tenant_statistics(self, slug: str) -> models.TenantStatistics:
        """How much the tenant holds. Raises TenantMissing."""
        found = await changes.statistics(self._connection, await self._key(slug))
        return models.TenantStatistics.model_validate(asdict(found))

    async def suspend_tenant(self, slug: str) -> models.Tenant:
        """Let the tenant's tokens be refused. Raises TenantMissing."""
        async with self._connection.transaction():
            found = await tenants.suspend_tenant(self._connection, slug)
            await self._note("tenant.suspend", slug)
        return self._tenant(found)

    async def resume_tenant(self, slug: str) -> models.Tenant:
        """Let the tenant's tokens work again. Raises TenantMissing."""
        async with self._connection.transaction():
            found = await tenants.resume_tenant(self._connection, slug)
            await self._note("tenant.resume", slug)
        return self._tenant(found)

    async def delete_tenant(self, slug: str) -> models.TenantDeletion:
        """Delete the tenant with everything in it. Raises TenantMissing.

        It goes in many transactions, so that it is recorded before: what was begun and cut short can be seen, and begun again.
        """
        await tenants.find_tenant(self._connection, slug)
        await self._note("tenant.delete", slug)
        resources = await tenants.delete_tenant(self._connection, slug)
        return models.TenantDeletion(deleted=slug, resources=resources)

    def list_presets(self) -> models.PresetList:
        """The presets."""
        described = [
            models.PresetDescription(
                name=name,
                meaning=preset.meaning,
                policy=dict(preset.policy),
                resource_types=[type_["name"] for type_ in preset.definitions.resource_types],
            )
            for name, preset in PRESETS.items()
        ]
        return models.PresetList(presets=described)

    # -- tokens ----------------------------------------------------------------------------------------------------

    async def create_token(self, slug: str, asked: models.TokenCreation) -> models.NewToken:
        """Issue a provisioning token. Raises TenantMissing and CredentialError."""
        token = tokens.new_token()
        tenant = await self._key(slug)
        async with self._connection.transaction():
            made = await credentials.create_credential(
                self._connection,
                tenant,
                digest=tokens.digest(self._derive(TOKEN_PEPPER), token.text),
                kid=token.kid,
                label=asked.label,
                scopes=scopes_of(asked.scopes),
                expires=asked.expires,
                subject=asked.subject,
                types=await self.types_of(tenant, asked.types),
                networks=networks_of(asked.networks),
            )
            said = {name: getattr(made, name) for name in ("label", "scopes", "expires", "subject", "types", "networks")}
            await self._note("token.create", slug, token.kid, said)
        return self._new_token(slug, token, made)

    async def rotate_token(self, slug: str, asked: models.TokenRotation) -> models.NewToken:
        """Issue a label's next provisioning token. Raises TenantMissing, CredentialMissing and CredentialError."""
        token = tokens.new_token()
        async with self._connection.transaction():
            made = await credentials.rotate_credential(
                self._connection,
                await self._key(slug),
                digest=tokens.digest(self._derive(TOKEN_PEPPER), token.text),
                kid=token.kid,
                label=asked.label,
                expires=asked.expires,
            )
            await self._note("token.rotate", slug, token.kid, {"label": made.label, "expires": made.expires})
        return self._new_token(slug, token, made)

    async def list_tokens(self, slug: str) -> models.TokenList:
        """The tenant's tokens. Raises TenantMissing."""
        found = await credentials.list_credentials(self._connection, await self._key(slug))
        return models.TokenList(tokens=[models.Token.model_validate(asdict(one)) for one in found])

    async def revoke_token(self, slug: str, kid: str) -> models.TokenRevocation:
        """End a token at once. Raises TenantMissing and CredentialMissing."""
        async with self._connection.transaction():
            await credentials.revoke_credential(self._connection, await self._key(slug), kid)
            await self._note("token.revoke", slug, kid)
        return models.TokenRevocation(revoked=kid)

    # -- policy and indexes ----------------------------------------------------------------------------------------

    async def show_policy(self, slug: str, *, effective: bool = False) -> PolicyState:
        """The tenant's policy and its version. Raises TenantMissing."""
        document, version = await read_policy(self._connection, await self._key(slug))
        if effective:
            document = {"profile": document.get("profile", "standard")} | asdict(parse_policy(document))
        return PolicyState(document, version)

    async def write_policy(
        self, slug: str, document: Mapping[str, Any], *, merge: bool, if_match: frozenset[int] | None = None
    ) -> PolicyState:
        """Replace the tenant's policy, or merge changes into it. Raises TenantMissing and PolicyError."""

        async def note(before: Mapping[str, Any], after: Mapping[str, Any], version: int) -> None:
            await self._note("policy.change", slug, detail={"before": before, "after": after, "version": version})

        key = await self._key(slug)
        after, version = await write_policy(self._connection, key, self._actor, document, if_match, merge=merge, note=note)
        return PolicyState(after, version)

    async def list_indexes(self, slug: str) -> models.IndexList:
        """The tenant's indexes. Raises TenantMissing."""
        found = await indexes.list_indexes(self._connection, await self._key(slug))
        return models.IndexList(indexes=[models.Index.model_validate(asdict(one)) for one in found])

    async def add_index(self, slug: str, asked: models.IndexCreation) -> models.Index:
        """Mark an attribute as indexed. Raises TenantMissing and AttributeIndexError."""
        async with self._connection.transaction():
            made = await indexes.add_index(self._connection, await self._key(slug), asked.type, asked.attribute, substring=asked.substring)
            await self._note("index.add", slug, f"{made.type} {made.attribute}", {"substring": made.substring})
        return models.Index.model_validate(asdict(made))

    async def remove_index(self, slug: str, type_name: str, attribute: str) -> models.Index:
        """Give up an index. Raises TenantMissing and AttributeIndexError."""
        async with self._connection.transaction():
            left = await indexes.remove_index(self._connection, await self._key(slug), type_name, attribute)
            await self._note("index.remove", slug, f"{left.type} {left.attribute}")
        return models.Index.model_validate(asdict(left))

    # -- what happened ---------------------------------------------------------------------------------------------

    async def list_changes(self, slug: str, page: models.ChangePage) -> models.ChangeList:
        """Changes of the tenant's resources, policy and definitions. Raises TenantMissing."""
        found = await changes.list_changes(self._connection, await self._key(slug), page.id, before=page.before, count=page.count)
        shown = [models.Change.model_validate({**asdict(one), "diff": one.diff}) for one in found]
        return models.ChangeList(changes=shown, next=found[-1].seq if len(found) == page.count else None)

    async def list_admin_changes(self, page: models.AdminChangePage) -> models.AdminChangeList:
        """What administrators did."""
        found = await admin_changes(self._connection, page.tenant, denied=page.denied, before=page.before, count=page.count)
        shown = [models.AdminChange.model_validate(asdict(one)) for one in found]
        return models.AdminChangeList(changes=shown, next=found[-1].seq if len(found) == page.count else None)

    def _tenant(self, one: tenants.Tenant) -> models.Tenant:
        return models.Tenant(
            slug=one.slug, status=one.status, profile=one.profile, url=self._url(one.slug), created=one.created, revision=one.revision
        )

    def _new_token(self, slug: str, token: tokens.Token, made: credentials.Credential) -> models.NewToken:
        return models.NewToken.model_validate(asdict(made) | {"token": token.text, "url": self._url(slug)})
