"""What a client would like of an answer (RFC 7240), as far as HTTP is concerned: its media type, and whether it has a body."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from scimsrv.audit.export import LINES
from scimsrv.errors import ScimError
from scimsrv.http import Fields
from scimsrv.protocol.prefer import Preferences, preferences
from scimsrv.protocol.request import answer_type
from scimsrv.protocol.response import Reply

SCIM_JSON: Final = "application/scim+json"

#: How a path ends that leads to lines.
_ROWS: Final = b"/.audit/rows"


def media_type_of(headers: Fields, path: bytes = b"") -> str:
    """The media type of the answer, or of an error in its place; what a client accepts does not keep an asynchronous request from being
    taken (RFC 9967 §2.5.1.1), nor rows of the audit trail from who accepts lines.

    Raises ScimError 406.
    """
    try:
        return answer_type(headers.joined(b"accept"))
    except ScimError:
        lines = path.rstrip(b"/").endswith(_ROWS) and LINES in (headers.joined(b"accept") or "").lower()
        if lines or preferences(headers.joined(b"prefer")).asynchronous:
            return SCIM_JSON
        raise


def finished(reply: Reply, wanted: Preferences, *, shown: bool) -> Reply:
    """The answer to a write, without what the client would rather not have (RFC 7240 §4.2); `shown` says whether the token may read it.
    What says that something is still to be done keeps its body: without one it would promise an event (RFC 9967 §3)."""
    if reply.status >= 300 or (reply.status == 202 and shown):
        return reply
    if wanted.minimal and reply.body is not None:
        short = _without_body(reply)
        return replace(short, headers=short.headers | {"Preference-Applied": "return=minimal"})
    return reply if shown else _without_body(reply)


def _without_body(reply: Reply) -> Reply:
    """Where the resource is and its version, not what it holds."""
    return replace(reply, status=204 if reply.status == 200 else reply.status, body=None)
