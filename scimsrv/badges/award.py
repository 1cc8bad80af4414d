"""An award from its creation to its revocation: what the server adds to its document, and what may change of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scimsrv.errors import invalid_value, mutability
from scimsrv.schema.document import Document
from scimsrv.schema.search import display
from scimsrv.schema.semantics import instant, timestamp

ACTIVE: Final = "active"
REVOKED: Final = "revoked"
EXPIRED: Final = "expired"

MANUAL: Final = "manual"
REQUESTED: Final = "request"
AUTOMATIC: Final = "automatic"

#: Who makes automatic awards.
SYSTEM: Final = "system"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets an award: the id of the user, what it is called, and what its identity is made of; None for what it lacks. `email` is the
    primary address, or the first."""

    value: str
    display: str | None
    user_name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class NewAward:
    """An award that was just stored. `token` is unguessable text of 128 bits, by which its public page is found; `document` is the Award
    resource as it is served but for meta; times are UTC. `source` is manual, request or automatic."""

    id: str
    recipient: Recipient
    achievement: str
    issuer: str
    awarded_at: datetime
    valid_until: datetime | None
    source: str
    token: str
    document: Document

    @property
    def evidence(self) -> list[Document]:
        """What shows that it was earned."""
        held: list[Document] = self.document.get("evidence", [])
        return held

    @property
    def result(self) -> list[Document]:
        """The results by which it was earned."""
        held: list[Document] = self.document.get("result", [])
        return held


@dataclass(frozen=True, slots=True)
class RevokedAward:
    """An award that was just revoked, by its id, with those of its recipient, achievement and issuer."""

    id: str
    recipient: str
    achievement: str
    issuer: str


def recipient_of(id_: str, user: Document) -> Recipient:
    """The recipient that a user is."""
    emails = [one for one in user.get("emails", ()) if one.get("value")]
    first = next((one for one in emails if one.get("primary") is True), emails[0] if emails else None)
    name = user.get("userName")
    return Recipient(id_, display(user) or name, name, first["value"] if first else None)


@dataclass(frozen=True, slots=True)
class Origin:
    """How an award comes about: its source, and for an automatic one what caused it - an award by its id or the catalogue, and as `actor`
    whoever made that award or asked for that change; else whoever makes this one. `request` is a reference to the request that was
    approved."""

    source: str = MANUAL
    award: str | None = None
    actor: str | None = None
    request: Mapping[str, Any] | None = None


def awarded(document: Document, recipient: Recipient, achievement: Document, issuer: Document, origin: Origin, at: datetime) -> Document:
    """The document of an award as it is stored: what the client says, and what the server adds to it. References have their `$ref`.

    Raises ScimError invalidValue for an award that is over before it begins, or is revoked without a reason or at a time that cannot be;
    for an achievement that is not active, and results that it does not describe.
    """
    if achievement.get("active") is False:
        raise invalid_value("achievement: it is not active, so that it is not awarded any more")
    # Whole seconds, since that is what tokens can say.
    begins = document.get("awardedAt") or timestamp(at.replace(microsecond=0))
    ends = document.get("validUntil")
    if ends is not None and instant(ends) <= instant(begins):
        raise invalid_value("validUntil must be later than awardedAt")
    check_results(document.get("result", ()), achievement)
    made = document | _standing(document, begins, origin.actor, at)
    for name, shown in (("recipient", recipient.display), ("achievement", display(achievement)), ("issuer", display(issuer))):
        made[name] = {part: value for part, value in document[name].items() if part != "display"} | ({"display": shown} if shown else {})
    called = display(achievement)
    if called is not None:
        made["displayName"] = called
    made |= {"source": origin.source, "awardedAt": begins}
    if origin.request is not None:
        made["request"] = dict(origin.request)
    if origin.source == AUTOMATIC:
        cause = {"kind": "catalogue" if origin.award is None else "award", "award": origin.award, "actor": origin.actor}
        made["cause"] = {name: value for name, value in cause.items() if value is not None}
    return made


def _standing(document: Document, begins: str, actor: str | None, at: datetime) -> Document:
    """What a new award says of whether it holds: that it is active, or when it was revoked, by whoever says so, and why. Raises ScimError
    invalidValue."""
    status, reason, when = document.get("status", ACTIVE), document.get("revocationReason"), document.get("revokedAt")
    if status == REVOKED:
        if not reason:
            raise invalid_value("revocationReason is required of an award that is revoked")
        if not instant(begins) <= (at if when is None else instant(when)) <= at:
            raise invalid_value("revokedAt must be between awardedAt and now")
        said = {"revokedAt": when or timestamp(at)} | ({} if actor is None else {"revokedBy": actor})
        return {"status": REVOKED, "revocationReason": reason} | said
    if status != ACTIVE:
        raise invalid_value("status: an award begins as active, or as revoked; expired follows from validUntil")
    for name, value in (("revocationReason", reason), ("revokedAt", when)):
        if value:
            raise invalid_value(f"{name}: only a revoked award has one")
    return {"status": ACTIVE}


def check_results(results: Any, achievement: Document) -> None:
    """Raises ScimError invalidValue for a result that names no description or level of the achievement, or lacks the status that its kind
    needs."""
    described = {one["id"]: one for one in achievement.get("resultDescriptions", ())}
    levels = {one["id"]: one["resultDescription"] for one in achievement.get("rubricLevels", ())}
    for result in results:
        name, level = result.get("resultDescription"), result.get("achievedLevel")
        if level is not None and (level not in levels or name not in (None, levels[level])):
            raise invalid_value("result.achievedLevel must be the id of one of the achievement's rubricLevels, and of the same description")
        if name is None:
            continue
        if name not in described:
            raise invalid_value("result.resultDescription must be the id of one of the achievement's resultDescriptions")
        if described[name]["resultType"] == "Status" and not result.get("status"):
            raise invalid_value("result.status is required where the kind of result is Status")


def is_expired(document: Document, at: datetime) -> bool:
    """Whether an award that was not revoked is past its end at this moment."""
    return document.get("status", ACTIVE) == ACTIVE and "validUntil" in document and instant(document["validUntil"]) < at


#: What a credential says of its award beside whom and what it is about, and when that ends.
_SIGNED: Final = (
    *("awardedAt", "validUntil", "narrative", "evidence", "result", "assessor", "activityStartDate", "activityEndDate"),
    *("creditsEarned", "licenseNumber", "role", "term"),
)


def amended(before: Document, after: Document, actor: str, at: datetime) -> Document:
    """The document of a stored award as a client changes it: revoked with a reason, or otherwise as it was.

    Raises ScimError invalidValue for a status that the award has not and cannot be given, or a revocation without reason; mutability
    for what leads out of revoked.
    """
    for name in _SIGNED:  # also what was left open: the credential is made, and says nothing of it
        if before.get(name) != after.get(name):
            raise mutability(f"{name}: an award does not change but by being revoked")
    was, becomes = before["status"], after.get("status", before["status"])
    if becomes == EXPIRED and is_expired(before, at):  # what it is served as
        becomes = was
    made = after | {"status": becomes}
    if was == REVOKED:
        if becomes != REVOKED:
            raise mutability("status: nothing leads out of revoked; award the achievement anew")
        made |= {"revocationReason": after.get("revocationReason", before["revocationReason"])}
        if made["revocationReason"] != before["revocationReason"]:
            raise mutability("revocationReason: the award is revoked, so that its reason stays")
    elif becomes == REVOKED:
        if not after.get("revocationReason"):
            raise invalid_value("revocationReason is required for a revocation")
        if after.get("revokedAt") != before.get("revokedAt"):
            raise mutability("revokedAt: it is the time of the request that revokes")
        made |= {"revokedAt": timestamp(at), "revokedBy": actor}
    elif becomes != ACTIVE:
        raise invalid_value("status: expired follows from validUntil and cannot be given")
    else:
        for name in ("revocationReason", "revokedAt"):
            if after.get(name):
                raise invalid_value(f"{name}: only a revoked award has one")
    return made


def revoked(document: Document, reason: str, actor: str, at: datetime) -> Document:
    """The document of an active award as the server revokes it by itself."""
    return document | {"status": REVOKED, "revocationReason": reason, "revokedAt": timestamp(at), "revokedBy": actor}
