"""The moments of an award at which services are called: after it was created, after it was revoked, and when its person is forgotten.

All are called inside the transaction of the request (or of the background's batch), with sets: what belongs to an award is stored with it
or not at all. The recipients are locked, so that nobody else awards them anything until the transaction ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from scimsrv.badges.award import AUTOMATIC, MANUAL, NewAward, Recipient, RevokedAward
from scimsrv.observe import Badged, observe
from scimsrv.schema.document import Document
from scimsrv.schema.semantics import instant
from scimsrv.store.connection import Connection
from scimsrv.store.issuing import issue, pseudonymise, revoke, withdraw
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope

_SQL = load("badges")


def new_award(document: Document, recipient: Recipient) -> NewAward:
    """The award that a stored document is; with a new token."""
    ends = document.get("validUntil")
    return NewAward(
        *(document["id"], recipient, document["achievement"]["value"], document["issuer"]["value"], instant(document["awardedAt"])),
        *(None if ends is None else instant(ends), document.get("source", MANUAL), secrets.token_urlsafe(16), document),
    )


async def award_created(connection: Connection, scope: Scope, awards: Sequence[NewAward]) -> None:
    """Do what belongs to new awards, whose resources are stored: by POST or bulk, by the approval of a request, or by progression.

    Few statements for however many; called once for all awards that a statement stored, and again for those that follow from them.
    Raises ScimError to undo them.
    """
    if not awards:
        return
    await connection.execute(
        _SQL["add_awards"],
        *(scope.tenant, [one.id for one in awards], [one.recipient.value for one in awards], [one.achievement for one in awards]),
        *([one.issuer for one in awards], [one.source == AUTOMATIC for one in awards], [one.awarded_at for one in awards]),
        *([one.valid_until for one in awards], [one.token for one in awards]),
    )
    await issue(connection, scope, awards)


async def award_revoked(
    connection: Connection, scope: Scope, times: Mapping[str, datetime], *, barred: Collection[str]
) -> list[RevokedAward]:
    """Do what belongs to the revocation of active awards, by their ids with the time of each; returns them. Their resources are written
    already, or are about to be deleted. `barred` are those that somebody revoked although they were earned: they do not come again by
    themselves.

    Few statements for however many. Raises ScimError to undo the revocation.
    """
    rows = await connection.fetch(_SQL["revoke_awards"], scope.tenant, list(times), list(barred))
    if rows:
        await revoke(connection, scope.tenant, scope.by, {row["id"]: times[row["id"]] for row in rows})
        observe(Badged("revoked", len(rows)))
    return [RevokedAward(row["id"], row["recipient"], row["achievement"], row["issuer"]) for row in rows]


async def awards_forgotten(connection: Connection, scope: Scope, ids: Sequence[str], pseudonym: str | None) -> None:
    """Do away with what tells whose these awards are, beside their resources: their recipient was deleted, and they stay under a pseudonym;
    without one they are being deleted themselves, after they were revoked.

    Few statements for however many.
    """
    if pseudonym is not None:
        await connection.execute(_SQL["rename_recipient"], scope.tenant, list(ids), pseudonym)
        await pseudonymise(connection, scope.tenant, ids)
    else:
        await connection.execute(_SQL["untie"], scope.tenant, list(ids))
        await connection.execute(_SQL["drop_awards"], scope.tenant, list(ids))
        await withdraw(connection, scope.tenant, ids)
