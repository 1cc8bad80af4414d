"""The verbs on the keys of badge issuers through the admin API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel

from scimsrv.admin import badge_models
from scimsrv.admin.shaping_client import path

_M = TypeVar("_M", bound=BaseModel)


class BadgeKeysClient(ABC):
    """What a client of the admin API has to say for the verbs of scimsrv.admin.badge_keys."""

    @abstractmethod
    def _ask(self, answer: type[_M], method: str, path: str, body: BaseModel | None = None, *, timeout: float | None = 0) -> _M:
        """Send a request and read its answer as a model."""

    async def list_badge_keys(self, slug: str, issuer: str | None) -> badge_models.BadgeKeyList:
        """Its issuers' keys."""
        asked = "" if issuer is None else f"?{urlencode({'issuer': issuer})}"
        return self._ask(badge_models.BadgeKeyList, "GET", path(slug, "badge-keys") + asked)

    async def list_waiting_credentials(self, slug: str) -> badge_models.WaitingCredentialList:
        """Its credentials that are not signed."""
        return self._ask(badge_models.WaitingCredentialList, "GET", path(slug, "badges", "unsigned"))

    async def list_badge_applications(self, slug: str) -> badge_models.BadgeApplicationList:
        """The applications that registered themselves."""
        return self._ask(badge_models.BadgeApplicationList, "GET", path(slug, "badges", "applications"))

    async def remove_badge_application(self, slug: str, application: str) -> badge_models.BadgeApplicationRemoval:
        """Remove an application."""
        return self._ask(badge_models.BadgeApplicationRemoval, "DELETE", path(slug, "badges", "applications", application))

    async def rotate_badge_key(self, slug: str, issuer: str, asked: badge_models.BadgeKeyRotation) -> badge_models.BadgeKey:
        """Make an issuer's next key."""
        return self._ask(badge_models.BadgeKey, "POST", path(slug, "badge-keys", issuer, "rotate"), asked)

    async def retire_badge_key(self, slug: str, issuer: str, thumbprint: str) -> badge_models.BadgeKey:
        """Let a key sign nothing more."""
        return self._ask(badge_models.BadgeKey, "POST", path(slug, "badge-keys", issuer, thumbprint, "retire"))

    async def compromise_badge_key(
        self, slug: str, issuer: str, thumbprint: str, asked: badge_models.BadgeKeyCompromise
    ) -> badge_models.BadgeKey:
        """Mark a key as known to others; without a limit of time, as much may have to be signed again."""
        return self._ask(badge_models.BadgeKey, "POST", path(slug, "badge-keys", issuer, thumbprint, "compromise"), asked, timeout=None)
