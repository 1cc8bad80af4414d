"""The verbs on OAuth clients and trusted issuers through the admin API."""

from __future__ import annotations

from scimsrv.admin import granting_models as models
from scimsrv.admin.shaping_client import ShapingClient, path


class GrantingClient(ShapingClient):
    """What a client of the admin API has to say for the verbs of scimsrv.admin.granting."""

    async def create_client(self, slug: str, asked: models.ClientCreation) -> models.NewClient:
        """Make an OAuth client."""
        return self._ask(models.NewClient, "POST", path(slug, "clients"), asked)

    async def rotate_client(self, slug: str, client: str, asked: models.ClientRotation) -> models.NewClient:
        """Give a client its next secret."""
        return self._ask(models.NewClient, "POST", path(slug, "clients", client, "rotate"), asked)

    async def list_clients(self, slug: str) -> models.ClientList:
        """Its OAuth clients."""
        return self._ask(models.ClientList, "GET", path(slug, "clients"))

    async def revoke_client(self, slug: str, client: str, secret: str | None = None) -> models.ClientRevocation:
        """End a client, or one of its secrets."""
        rest = ("clients", client) if secret is None else ("clients", client, "secrets", secret)
        return self._ask(models.ClientRevocation, "DELETE", path(slug, *rest))

    async def add_trust(self, slug: str, asked: models.TrustCreation) -> models.Trust:
        """Trust an issuer."""
        return self._ask(models.Trust, "POST", path(slug, "trusts"), asked)

    async def list_trusts(self, slug: str) -> models.TrustList:
        """What it trusts."""
        return self._ask(models.TrustList, "GET", path(slug, "trusts"))

    async def remove_trust(self, slug: str, trust: str) -> models.TrustRemoval:
        """Trust an issuer no more."""
        return self._ask(models.TrustRemoval, "DELETE", path(slug, "trusts", trust))
