"""A request for an achievement from its submission to the decision: what the server adds, and what may be decided, once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from scimsrv.badges.award import Recipient
from scimsrv.errors import invalid_value, mutability
from scimsrv.schema.document import Document
from scimsrv.schema.search import display
from scimsrv.schema.semantics import timestamp

PENDING: Final = "pending"
APPROVED: Final = "approved"
REJECTED: Final = "rejected"
WITHDRAWN: Final = "withdrawn"

#: What an approver makes of a request; withdrawing it is the requester's.
DECISIONS: Final = frozenset({APPROVED, REJECTED})


def submitted(document: Document, requester: Recipient, achievement: Document, at: datetime) -> Document:
    """The document of a request as it is stored. Raises ScimError invalidValue for one that begins as decided, or that asks for what is
    not awarded any more."""
    if document.get("status", PENDING) != PENDING:
        raise invalid_value("status: a request begins as pending")
    if document.get("reason"):
        raise invalid_value("reason: a request has one when it is decided")
    if achievement.get("active") is False:
        raise invalid_value("achievement: it is not active, so that it cannot be asked for")
    made = dict(document)
    for name, shown in (("requester", requester.display), ("achievement", display(achievement))):
        made[name] = {part: value for part, value in document[name].items() if part != "display"} | ({"display": shown} if shown else {})
    called = display(achievement)
    if called is not None:
        made["displayName"] = called
    return made | {"status": PENDING, "submittedAt": timestamp(at)}


def decided(before: Document, after: Document, actor: str, at: datetime) -> Document:
    """The document of a stored request as a client changes it: decided or withdrawn, once.

    Raises ScimError mutability for a change of what is decided, invalidValue for a rejection without reason or a reason without
    decision.
    """
    was, becomes = before["status"], after.get("status", before["status"])
    made = after | {"status": becomes}
    if was != PENDING:
        if becomes != was:
            raise mutability(f"status: the request is {was}, which is final")
        if after.get("reason", before.get("reason")) != before.get("reason"):
            raise mutability(f"reason: the request is {was}, which is final")
        for name in ("statement", "evidence"):  # also what was left open: it was decided without
            if after.get(name, before.get(name)) != before.get(name):
                raise mutability(f"{name}: the request is {was}, which is final")
        return made | {name: before[name] for name in ("reason",) if name in before}
    if becomes == PENDING:
        if after.get("reason"):
            raise invalid_value("reason: a request has one when it is decided")
        return made
    if becomes == REJECTED and not after.get("reason"):
        raise invalid_value("reason is required for a rejection")
    return made | {"decidedAt": timestamp(at), "decidedBy": actor}
