"""What a token has to be allowed for a write of badges, and what users may do about themselves."""

from __future__ import annotations

from typing import Final

from scimsrv.badges import request
from scimsrv.errors import Kind, ScimError
from scimsrv.schema.badging import AWARD, REQUEST
from scimsrv.schema.document import Document

ISSUE: Final = "badges:issue"
APPROVE: Final = "badges:approve"

#: The scopes of which any one lets write resources in general.
_WRITING: Final = frozenset({"scim", "scim:write"})

#: The attribute that says whom a resource is about, of the types that a user may see of themselves.
ABOUT: Final = {AWARD: "recipient", REQUEST: "requester"}


def writing(type_: str, *, badges: bool) -> frozenset[str]:
    """The scopes of which any one lets write resources of this type; `badges` says whether the tenant has them. Who may decide a request
    may not do everything with it: see `check_request`."""
    if badges and type_ == AWARD:
        return frozenset({ISSUE})
    return _WRITING | {APPROVE} if badges and type_ == REQUEST else _WRITING


def check_writing(type_: str, scopes: frozenset[str] | None, *, badges: bool) -> None:
    """Raises ScimError 403 unless a token with these scopes (None: the server itself) may write resources of this type at all."""
    needed = writing(type_, badges=badges)
    if scopes is not None and needed.isdisjoint(scopes):
        raise ScimError(Kind.FORBIDDEN, f"The token needs the scope {' or '.join(sorted(needed))}")


def check_request(before: Document | None, after: Document | None, scopes: frozenset[str] | None) -> None:
    """Raises ScimError 403 for a change of a request (None: it comes or goes) that a token with these scopes (None: the server itself)
    may not make: deciding takes badges:approve, everything else scim:write."""
    if scopes is None:
        return
    decides = after is not None and before is not None and after["status"] != before["status"] and after["status"] in request.DECISIONS
    if decides and APPROVE not in scopes:
        raise ScimError(Kind.FORBIDDEN, f"Deciding a request needs the scope {APPROVE}")
    if not decides and scopes.isdisjoint(_WRITING):
        raise ScimError(Kind.FORBIDDEN, "The token needs the scope scim or scim:write")


def check_own(before: Document | None, after: Document | None, user: str) -> None:
    """Raises ScimError 403 for what users may not do with a request: they make those of their own, and withdraw them; 404 for what is
    another's."""
    held = after or before or {}
    if held["requester"]["value"] != user:
        raise ScimError(Kind.FORBIDDEN, "requester: users ask for themselves") if before is None else ScimError(Kind.NOT_FOUND)
    if after is None or (before is not None and after["status"] not in (before["status"], request.WITHDRAWN)):
        raise ScimError(Kind.FORBIDDEN, "Users may withdraw their requests, and not decide or delete them")
