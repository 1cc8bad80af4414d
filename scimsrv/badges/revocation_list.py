"""Revocation lists of 1EdTech: which of an issuer's credentials are revoked, by their ids (Open Badges 3.0, 1EdTechRevocationList)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scimsrv.badges.status_list import StatusListError
from scimsrv.badges.strict import UnreadableError, read_json

ENTRY: Final = "1EdTechRevocationList"

_LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True)
class ListEntry:
    """Where the list is that may name a credential."""

    url: str


def read_entry(status: Mapping[str, Any]) -> ListEntry:
    """Where a credential's list is. Raises StatusListError."""
    url = status.get("id")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")) or len(url) > _LONGEST:
        raise StatusListError("the id of the revocation list must be its URL")
    return ListEntry(url)


def is_listed(body: bytes, url: str, issuer: str | None, credential: str) -> bool:
    """Whether the list that was found at the URL says that this credential of this issuer is revoked. Raises StatusListError where it is
    no list of the issuer's."""
    try:
        found = read_json(body)
    except UnreadableError as problem:
        raise StatusListError(f"what is published there is no revocation list: {problem}") from problem
    named = found.get("issuer")
    if found.get("id") != url or issuer is None or (named.get("id") if isinstance(named, dict) else named) != issuer:
        raise StatusListError("the revocation list is not the issuer's, or has another id")
    entries = found.get("revokedCredential", [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise StatusListError("revokedCredential must be a list of objects")
    return any(one.get("id") == credential and one.get("revoked", True) is not False for one in entries)
