"""Credentials that their issuer has issued anew: asked for where a credential says, once, after it has proven to be its issuer's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scimsrv.badges import verification
from scimsrv.badges.strict import UnreadableError
from scimsrv.oauth.fetching import FetchError
from scimsrv.openbadges.fetched import Documents

#: The service that the standard has for it (1EdTechCredentialRefresh), and how many of a credential's services are looked at.
_SERVICE: Final = "1EdTechCredentialRefresh"
_MOST: Final = 8


@dataclass(frozen=True, slots=True)
class Refresh:
    """What became of asking for a newer credential: the one that was `found`, and where there is none, why as `detail`."""

    found: verification.Presented | None = None
    detail: str | None = None


def service_of(credential: Mapping[str, Any]) -> str | None:
    """Where a newer one of the credential may be had, None where it does not say."""
    services = credential.get("refreshService")
    for one in (services if isinstance(services, list) else [services])[:_MOST]:
        if isinstance(one, Mapping) and one.get("type") == _SERVICE and isinstance(one.get("id"), str):
            return str(one["id"])
    return None


async def refresh(url: str, presented: verification.Presented, report: verification.Report, documents: Documents) -> Refresh:
    """Ask for the newer one of a credential, which is still to be judged. Nobody has anything fetched by what is not its issuer's."""
    if not documents.fetcher.hosts:
        return Refresh(detail="nothing is fetched from other servers (setting badge_issuer_hosts)")
    if not report.holds:
        return Refresh(detail="a newer one is asked for where the signature and the issuer of this one hold")
    try:
        found = verification.read(await documents.body(url))
    except FetchError as problem:
        return Refresh(detail=f"the newer one cannot be had: {problem}")
    except UnreadableError as problem:
        return Refresh(detail=f"what is there instead cannot be read: {problem}")
    if not verification.is_same(found, presented):
        return Refresh(detail="what is there instead is another credential")
    return Refresh(found) if verification.is_newer(found, presented) else Refresh()
