"""The administrator's verbs on badges: the keys of issuers, of which a private one is never shown, what is not signed, and applications."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from scimsrv.admin import badge_models
from scimsrv.admin.acting import Acting
from scimsrv.badges.signing import EDDSA, RS256
from scimsrv.keys import BADGE_KEY
from scimsrv.schema.badging import ISSUER
from scimsrv.sealing import keyring_under
from scimsrv.store import badge_keys
from scimsrv.store.applications import list_applications, remove_application
from scimsrv.store.badge_keys import BadgeKeyError, BadgeKeyMissing, Keyring
from scimsrv.store.issuing import find_document
from scimsrv.store.signatures import waiting_credentials

#: Credentials that are listed at most.
_SHOWN: Final = 1_000


class BadgeKeys(Acting):
    """Verbs about keys, what they have not signed, and applications."""

    def _keyring(self) -> Keyring:
        """What seals a new key."""
        return keyring_under(self._derive(BADGE_KEY))

    async def list_badge_keys(self, slug: str, issuer: str | None) -> badge_models.BadgeKeyList:
        """The keys of the tenant's issuers, or of one. Raises TenantMissing."""
        found = await badge_keys.list_keys(self._connection, await self._key(slug), issuer)
        return badge_models.BadgeKeyList(keys=[badge_models.BadgeKey.model_validate(asdict(one)) for one in found])

    async def rotate_badge_key(self, slug: str, issuer: str, asked: badge_models.BadgeKeyRotation) -> badge_models.BadgeKey:
        """Make an issuer's next key. Raises TenantMissing and BadgeKeyError."""
        tenant = await self._key(slug)
        if await find_document(self._connection, tenant, ISSUER, issuer) is None:
            raise BadgeKeyMissing(f"There is no issuer {issuer!r}: it is the id of a BadgeIssuer.")
        alg = asked.alg or (EDDSA if asked.purpose == "proof" else RS256)
        async with self._connection.transaction():
            made = await self._keyring().add(self._connection, tenant, issuer, asked.purpose, alg, asked.overlap)
            if made is None:
                raise BadgeKeyError("Another key was made at the same time; look at it first.")
            await self._note("badge-key.rotate", slug, made, {"issuer": issuer, "alg": alg, "overlap": asked.overlap})
        return await self._shown(tenant, issuer, made)

    async def retire_badge_key(self, slug: str, issuer: str, thumbprint: str) -> badge_models.BadgeKey:
        """Let a key sign nothing more; the next one is made if there is none. Raises TenantMissing and BadgeKeyError."""
        tenant = await self._key(slug)
        async with self._connection.transaction():
            await badge_keys.retire_key(self._connection, tenant, issuer, thumbprint)
            await self._replace(tenant, issuer, thumbprint)
            await self._note("badge-key.retire", slug, thumbprint, {"issuer": issuer})
        return await self._shown(tenant, issuer, thumbprint)

    async def compromise_badge_key(
        self, slug: str, issuer: str, thumbprint: str, asked: badge_models.BadgeKeyCompromise
    ) -> badge_models.BadgeKey:
        """Mark a key as known to others; what is kept here is signed again by the next one, which is made if need be.

        Raises TenantMissing and BadgeKeyError.
        """
        tenant = await self._key(slug)
        since = asked.since or datetime.now(UTC)
        if since > datetime.now(UTC):
            raise BadgeKeyError("A key cannot be compromised from a time to come: until then what anybody signs with it would hold.")
        async with self._connection.transaction():
            await badge_keys.compromise_key(self._connection, tenant, issuer, thumbprint, since)
            await self._replace(tenant, issuer, thumbprint)
            await self._note("badge-key.compromise", slug, thumbprint, {"issuer": issuer, "since": since.isoformat()})
        # In many transactions: what is cut short here is signed by that key until the command is given again.
        await badge_keys.unsign(self._connection, tenant, issuer, thumbprint)
        return await self._shown(tenant, issuer, thumbprint)

    async def list_waiting_credentials(self, slug: str) -> badge_models.WaitingCredentialList:
        """The tenant's credentials that are not signed. Raises TenantMissing."""
        found = await waiting_credentials(self._connection, await self._key(slug), _SHOWN)
        return badge_models.WaitingCredentialList(credentials=[badge_models.WaitingCredential.model_validate(asdict(one)) for one in found])

    async def list_badge_applications(self, slug: str) -> badge_models.BadgeApplicationList:
        """The applications that registered themselves. Raises TenantMissing."""
        found = await list_applications(self._connection, await self._key(slug))
        return badge_models.BadgeApplicationList(applications=[badge_models.BadgeApplication.model_validate(asdict(one)) for one in found])

    async def remove_badge_application(self, slug: str, application: str) -> badge_models.BadgeApplicationRemoval:
        """Remove an application, which ends what users permitted it. Raises TenantMissing and CredentialMissing."""
        async with self._connection.transaction():
            await remove_application(self._connection, await self._key(slug), application)
            await self._note("badge-application.remove", slug, application)
        return badge_models.BadgeApplicationRemoval(removed=application)

    async def _replace(self, tenant: int, issuer: str, thumbprint: str) -> None:
        """Make a key where this one was the last that signs: status lists have to be signed for as long as there are any."""
        known = await badge_keys.list_keys(self._connection, tenant, issuer)
        lost = badge_keys.with_thumbprint(known, thumbprint)
        if not any(one.purpose == lost.purpose and one.state in ("active", "pending") for one in known):
            await self._keyring().add(self._connection, tenant, issuer, lost.purpose, lost.alg, 0)

    async def _shown(self, tenant: int, issuer: str, thumbprint: str) -> badge_models.BadgeKey:
        found = badge_keys.with_thumbprint(await badge_keys.list_keys(self._connection, tenant, issuer), thumbprint)
        return badge_models.BadgeKey.model_validate(asdict(found))
