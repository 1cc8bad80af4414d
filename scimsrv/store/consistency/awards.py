"""Awards against the rows by which they are looked up, and against what is published of them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from scimsrv.badges.award import AUTOMATIC, MANUAL, REVOKED, SYSTEM
from scimsrv.badges.catalogue import complete
from scimsrv.schema.document import Document
from scimsrv.schema.semantics import instant
from scimsrv.store.connection import Connection
from scimsrv.store.consistency.kinds import Difference, Kind
from scimsrv.store.progression import whole_of
from scimsrv.store.queries import load

_SQL = load("consistency")

#: The columns of an award's row that its document says, in the order in which the row is put.
_SAID: Final = ("recipient", "achievement", "issuer", "state", "automatic", "awarded", "valid_until")


async def compare_awards(conn: Connection, tenant: int, awards: Mapping[str, Document]) -> list[Difference]:
    """What is wrong with the rows of these awards, by their ids."""
    if not awards:
        return []
    rows = {row["id"]: row for row in await conn.fetch(_SQL["awards_of"], tenant, list(awards))}
    issued = {row["award"]: row for row in await conn.fetch(_SQL["credentials_of"], tenant, list(awards))}
    found = []
    for id_, document in awards.items():
        due, row, credential = _due(document), rows.get(id_), issued.get(id_)
        if row is None or any(row[name] != due[name] for name in _SAID):
            # Its public page stays where it was, if something was issued.
            token = secrets.token_urlsafe(16) if credential is None else credential["token"]
            if row is not None and row["state"] == REVOKED == due["state"]:
                by_hand = row["by_hand"]
            else:
                by_hand = due["state"] == REVOKED and await _is_barred(conn, tenant, document)
            values = (*(due[name] for name in _SAID[:4]), by_hand, *(due[name] for name in _SAID[4:]))
            found.append(Difference(Kind.AWARD, id_, fix=(_SQL["put_award"], (id_, *values, token))))
        if credential is not None and (credential["taken_by"] != id_ or (due["state"] == REVOKED and not credential["revoked"])):
            place = (id_, credential["issuer"], credential["list"], credential["place"], due["state"] == REVOKED)
            found.append(Difference(Kind.STATUS, id_, fix=(_SQL["put_status"], place)))
    return found


def _due(document: Document) -> dict[str, Any]:
    ends = document.get("validUntil")
    return {
        **{name: document[name]["value"] for name in ("recipient", "achievement", "issuer")},
        "state": "revoked" if document.get("status") == REVOKED else "active",
        "automatic": document.get("source", MANUAL) == AUTOMATIC,
        "awarded": instant(document["awardedAt"]),
        "valid_until": None if ends is None else instant(ends),
    }


async def _is_barred(conn: Connection, tenant: int, document: Document) -> bool:
    """Whether somebody revoked an award although it was earned, as far as that is still known: of a skill or programme, whether what it is
    made of by today's catalogue was held when it was revoked."""
    if document.get("revokedBy") == SYSTEM:
        return False
    if document.get("source", MANUAL) == AUTOMATIC:
        return True
    node = await whole_of(conn, tenant, document["achievement"]["value"])
    if node is None:
        return False
    when, held = instant(document["revokedAt"]), set()
    for row in await conn.fetch(_SQL["awards_to"], tenant, document["recipient"]["value"]):
        if row["id"] == document["id"]:
            if row["created"] >= when:  # revoked elsewhere before it came here
                return False
        elif row["created"] <= when and _was_live(other := orjson.loads(row["document"]), when):
            held.add(other["achievement"]["value"])
    return complete(node, held)


def _was_live(document: Document, when: datetime) -> bool:
    """Whether an award that was there at this time held then."""
    return all(instant(document[name]) > when for name in ("revokedAt", "validUntil") if name in document)
