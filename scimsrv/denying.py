"""Which failures of a request are denied attempts, and of whom: in the trail of the tenant in the URL, and of the tenant of the token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scimsrv.auth import Authenticator, Shown
from scimsrv.denials import DenialCounter
from scimsrv.errors import Kind, ScimError
from scimsrv.http import Fields
from scimsrv.oauth.service import client_address
from scimsrv.openbadges.endpoints import place_of
from scimsrv.protocol.bulk import Result
from scimsrv.protocol.route import route
from scimsrv.store.guard import HeldError
from scimsrv.store.scope import Scope


def denies(error: ScimError) -> bool:
    """Whether it says that who asks may not, as the deletion guard does also by 429."""
    return error.kind in (Kind.UNAUTHORIZED, Kind.FORBIDDEN) or isinstance(error, HeldError)


def note_denied(denials: DenialCounter, scope: Scope, results: Iterable[Result], *, single: bool = False) -> None:
    """Count those operations of a bulk request, or what came of a single one that was carried out later, that say that who asks may
    not."""
    slug = scope.base_url.rsplit("/", 2)[1]
    for one in results:
        if one.error is not None and denies(one.error):
            method = one.entry.method if one.entry.fault is None else ""  # what is no method would be the client's own text
            route = one.entry.route.endpoint.name.lower() if single and one.entry.route is not None else "bulk"
            source = "" if scope.origin is None else scope.origin[1]
            denials.add(slug, scope.actor, one.status, method, route, one.error.sentence, source)


def note_denial(
    denials: DenialCounter, authenticator: Authenticator, connection: Mapping[str, Any], headers: Fields, error: ScimError
) -> None:
    """Count a failure that says that who asks may not. Not found is one where the token is another tenant's."""
    if error.kind is not Kind.NOT_FOUND and not denies(error):
        return
    asked = _asked(connection["raw_path"])
    if asked is None:
        return
    slug, name = asked
    what = (error.kind.value.status, connection["method"], name)
    source = client_address(connection) or ""
    principal = authenticator.seen(Shown(headers.all(b"authorization"), slug))
    own = principal is not None and principal.credential.slug == slug
    if error.kind is Kind.NOT_FOUND:
        if principal is None or own:
            return
        denials.add(principal.credential.slug, principal.credential.actor, *what, "The tenant is another one", source)
    denials.add(slug, principal.credential.actor if principal is not None and own else "", *what, error.sentence, source)


def _asked(raw_path: bytes) -> tuple[str, str] | None:
    """The slug in the URL and what it names below it, None where it names no tenant."""
    try:
        place = place_of(raw_path)
        if place is not None:
            return None if place.slug is None else (place.slug, place.template)
        found = route(raw_path)
    except ScimError:
        return None
    return found.tenant, found.endpoint.name.lower()
