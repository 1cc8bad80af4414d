"""Badges of one server process: what answers at their URLs, and what signs them in the background."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Receive
from starlette.types import Scope as Connection

from scimsrv.badges.contexts import load
from scimsrv.badges.integrity import Canonicalizer
from scimsrv.http import Fields
from scimsrv.keys import ServerKeys
from scimsrv.observe import CURRENT
from scimsrv.openbadges.answers import Answer
from scimsrv.openbadges.api import Api
from scimsrv.openbadges.description import Published
from scimsrv.openbadges.endpoints import Endpoints, place_of
from scimsrv.openbadges.front import Front
from scimsrv.openbadges.office import Office
from scimsrv.openbadges.signer import Signer
from scimsrv.sealing import keyring_of
from scimsrv.settings import Settings, SettingsError
from scimsrv.store.pool import Tenants
from scimsrv.traffic import Addresses, Held


class Badges:
    """Opened with the application. `background` tells its other background work that there is some."""

    def __init__(self, settings: Settings, pool: Tenants, keys: ServerKeys, front: Front, background: Callable[[], None]) -> None:
        """Raises SettingsError when the folder of contexts cannot be read."""
        try:
            contexts = load(settings.badge_contexts)
        except OSError as error:
            raise SettingsError(f"Setting badge_contexts: the folder cannot be read: {error}.") from None
        keyring = keyring_of(keys)
        self.signer = Signer(pool, keyring)
        hosts = (settings.badge_status_hosts, settings.badge_issuer_hosts)
        office = Office.of(pool, keyring, Canonicalizer(contexts), settings.base_url, *hosts)
        visits = Addresses(settings.public_requests, "public", "There were too many requests without a token from this address")
        published = Published(settings.badge_terms_url, settings.badge_privacy_url)
        api = Api(office, front, visits, published, settings.badge_consent_url)
        self._endpoints = Endpoints(office, front, api, visits)
        self._background = background

    def wake(self) -> None:
        """Tell the background that there is work for it."""
        self._background()
        self.signer.wake()

    async def answer(self, connection: Connection, headers: Fields, receive: Receive, places: Held) -> Answer | None:
        """The answer, None where the path is none of the URLs of badges; what the request holds is given back with `places`. Raises
        ScimError."""
        place = place_of(connection["raw_path"])
        if place is None:
            return None
        exchange = CURRENT.get()
        if exchange is not None:
            exchange.route = place.template
        return await self._endpoints.respond(place, connection, headers, receive, places)
